"""The panel beside the image of a live environment: status, live plots, sliders and keys."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import pygame

from poise.toolkit.media.hud import describe_action, format_value
from poise.toolkit.media.image import (
    MIN_FONT_SIZE,
    MUTED_COLOUR,
    TEXT_COLOUR,
    render_text,
    shorten,
)
from poise.toolkit.media.window import TEXT_BACKGROUND, Window
from poise.toolkit.registry import short_name
from poise.toolkit.run import Run
from poise.toolkit.spaces import component_names
from poise.tools.play.session import HUMAN, PlaySession
from poise.tools.play.sliders import Slider, SliderPanel
from poise.tools.record.episode_trace import get_action_names
from poise.tools.record.strip_chart import StripCharts

MAX_OBSERVATIONS = 3
"""Observation components that are shown: a figure's first three are the pose of its torso."""


MAX_WIND = 1.0
"""Range of the wind's slider (m/s2)."""


MAX_PUSH = 0.5
"""Range of the pushes' slider (m/s)."""


MIN_PLOT_HEIGHT = 2.0
"""Height from which the plots are drawn, in font sizes."""


NOTE_SCALE = 0.86
"""Size of pale texts, in font sizes."""


STATUS_LINE_HEIGHT = 1.35
"""Height of a line of the status, in font sizes."""


Row = tuple[str, str]
"""Name and value."""


class StatusLine(NamedTuple):
    """A text at the left and one at the right, bold or pale."""

    left: str
    right: str = ""
    is_bold: bool = False


class SidePanel:
    """Status at the top, live plots in the middle, sliders below, keys at the foot."""

    def __init__(self, session: PlaySession) -> None:
        self.session = session
        self.sliders = SliderPanel(make_sliders(session))
        self.plots = LivePlots(session)
        self._best = _describe_best(session.policy.run) if session.policy else ""

    def draw(self, window: Window, frame_rate: float, keys: str) -> None:
        """Draw the panel into the window's sidebar; `frame_rate` is the window's (Hz)."""
        if not window.sidebar_rect.width:
            self.sliders.hide()
            return
        gap = window.line_height // 2
        room = window.sidebar_rect.inflate(-2 * gap, -2 * gap)
        status = make_status_lines(self.session, frame_rate, self._best)
        status_rect = room.copy()
        status_rect.height = round(STATUS_LINE_HEIGHT * window.font_size * len(status))
        _draw_lines(window.surface, status_rect, status, window.font_size)
        foot = room.copy()
        foot.height = round(STATUS_LINE_HEIGHT * window.font_size)
        foot.bottom = room.bottom
        slider_rect = room.copy()
        slider_rect.height = self.sliders.get_height(window.line_height)
        slider_rect.bottom = foot.top - gap // 2
        if slider_rect.top < status_rect.bottom:  # A small window has room for the status only.
            self.sliders.hide()
            return
        _draw_lines(window.surface, foot, [StatusLine(keys)], window.font_size)
        self.sliders.draw(window.surface, slider_rect, window.font_size)
        plot_rect = room.copy()
        plot_rect.top = status_rect.bottom + gap // 2
        plot_rect.height = slider_rect.top - gap - plot_rect.top
        self.plots.draw(window.surface, plot_rect, window.font_size)


class LivePlots:
    """Strip charts of reward, failure margins and action, as many as there is room for."""

    def __init__(self, session: PlaySession) -> None:
        self.session = session
        notes = {}
        if session.poise_env is not None:
            notes["action"] = describe_action(session.poise_env.ACTION)
        self.charts = StripCharts(session.rate, notes)
        self._last_seed = -1
        self._last_step = -1

    def update(self) -> None:
        """Add the current values, once for each step since the last call."""
        session = self.session
        is_same_episode = session.seed == self._last_seed
        if not is_same_episode or session.steps < self._last_step:
            self.charts.restart()
            self._last_step = -1
        num_new_steps = session.steps - self._last_step
        self._last_seed = session.seed
        self._last_step = session.steps
        if num_new_steps:
            samples = session.read_samples()
            for _ in range(num_new_steps):
                self.charts.add(samples)

    def draw(self, surface: pygame.Surface, rect: pygame.Rect, font_size: int) -> None:
        """Draw a column of charts, as many as fit into `rect`."""
        if rect.height < MIN_PLOT_HEIGHT * font_size or not len(self.charts):
            return
        pygame.draw.rect(surface, TEXT_BACKGROUND[:3], rect, border_radius=font_size // 3)
        self.charts.draw_column(surface, rect, font_size)


def make_status_lines(session: PlaySession, frame_rate: float, best: str) -> list[StatusLine]:
    """Return run, control, time, return, speed, scores and the first observation components.

    `best` is what the return is compared with.
    """
    policy = session.policy
    title = short_name(session.tape.env_id) or session.actor_name
    detail = f"seed {session.seed}"
    if policy is not None:
        title = policy.run.path.name
        detail = f"step {policy.training_steps:,}, {detail}"
    seconds = f"{session.steps / session.rate:.2f} s"
    episode_return = f"return {format_value(session.episode_return, 10.0)}"
    return [
        StatusLine(title, _describe_control(session), is_bold=True),
        StatusLine(seconds, episode_return, is_bold=True),
        StatusLine(detail, best),
        StatusLine(_describe_speed(session), f"{frame_rate:.0f} frames/s"),
        *(StatusLine(*row) for row in session.scoreboard.make_rows()),
        StatusLine(_describe_observation(session)),
    ]


def make_action_key_rows(session: PlaySession) -> list[Row]:
    """Return the two keys of each action component, where the keyboard controls the body."""
    if session.actor_name != HUMAN:
        return []
    names = get_action_names(session.env)
    if session.poise_env is not None:
        action = component_names(session.poise_env.ACTION)
        names = [f"{name} ({signal.unit})" for name, signal in action]
    keys = [f"{decrease}, {increase}" for decrease, increase in session.keyboard.key_pairs]
    return list(zip(keys, names, strict=False))


def make_sliders(session: PlaySession) -> list[Slider]:
    """Return the sliders of shared control, live settings, wind and pushes, where they apply."""
    sliders = []
    if session.policy is not None:
        sliders.append(_make_attribute_slider("your share", 0.0, 1.0, session, "human_share"))
    interaction = session.perturbations.interaction
    if session.poise_env is None or interaction is None:
        return sliders
    for name in interaction.LIVE_SETTINGS:
        low, high = session.poise_env.SETTINGS.bounds(name)
        get_value = partial(_get_setting, session, name)
        set_value = partial(session.set_parameter, name)
        unit = session.poise_env.SETTINGS.unit(name)
        sliders.append(Slider(name.replace("_", " "), low, high, get_value, set_value, unit))
    forces = session.perturbations.external_forces
    wind = _make_attribute_slider("wind", -MAX_WIND, MAX_WIND, forces, "wind_acceleration", "m/s2")
    wind.add_toggle(lambda: forces.has_wind, forces.toggle_wind)
    pushes = _make_attribute_slider("pushes", 0.0, MAX_PUSH, forces, "push_speed", "m/s")
    pushes.add_toggle(lambda: forces.has_pushes, forces.toggle_pushes)
    return [*sliders, wind, pushes]


def _describe_control(session: PlaySession) -> str:
    """Return what moves the body."""
    if session.policy is None or session.human_share == 1.0:
        return session.actor_name
    if session.human_share == 0.0:
        return "policy"
    return f"shared, you {session.human_share:.0%}"


def _describe_best(run: Run) -> str:
    """Return the best policy's mean return, which a return is compared with, or ""."""
    mean_return = run.summary().get("eval/return")
    if not isinstance(mean_return, float):
        return ""
    return f"mean of the best policy {format_value(mean_return, 10.0)}"


def _describe_speed(session: PlaySession) -> str:
    if session.is_paused:
        return "paused"
    factor = session.effective_speed
    speed = "real time" if factor == 1.0 else f"{factor:g} times real time"
    return f"slow motion, {speed}" if session.is_slow_motion else speed


def _describe_observation(session: PlaySession) -> str:
    """Return the first observation components with their units."""
    if session.poise_env is None:
        numbers = session.observation.ravel()[:MAX_OBSERVATIONS]
        values = ", ".join(format_value(float(value), 1.0) for value in numbers)
        return f"observation {values}"
    components = zip(
        component_names(session.poise_env.OBSERVATION),
        session.poise_env.get_observation()[:MAX_OBSERVATIONS],
        strict=False,
    )
    return ", ".join(
        f"{name} {format_value(float(value), 1.0)} {signal.unit}".removesuffix(" 1")
        for (name, signal), value in components
    )


def _draw_lines(
    surface: pygame.Surface, rect: pygame.Rect, lines: Sequence[StatusLine], font_size: int
) -> None:
    """Draw lines one below the other; a left text that has no room beside the right one is cut."""
    height = rect.height / len(lines)
    note_size = max(MIN_FONT_SIZE, round(NOTE_SCALE * font_size))
    for index, line in enumerate(lines):
        size = font_size if line.is_bold else note_size
        colour = TEXT_COLOUR if line.is_bold else MUTED_COLOUR
        middle = rect.top + (index + 0.5) * height
        right = render_text(line.right, size, colour, line.is_bold)
        surface.blit(right, right.get_rect(midright=(rect.right, middle)))
        room = rect.width - right.get_width() - size * bool(line.right)
        fitting = shorten(line.left, size, room, line.is_bold)
        left = render_text(fitting, size, colour, line.is_bold)
        surface.blit(left, left.get_rect(midleft=(rect.left, middle)))


def _make_attribute_slider(
    name: str, low: float, high: float, owner: Any, attribute: str, unit: str = ""
) -> Slider:
    """Return a slider of an object's attribute."""
    get_value = partial(getattr, owner, attribute)
    set_value = partial(setattr, owner, attribute)
    return Slider(name, low, high, get_value, set_value, unit)


def _get_setting(session: PlaySession, name: str) -> float:
    assert session.poise_env is not None
    value: float = getattr(session.poise_env.settings, name)
    return value
