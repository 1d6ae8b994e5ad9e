"""The panel beside the image of a live environment: status, live plots and sliders."""

import math
from functools import partial
from typing import Any

import pygame

from poise.toolkit.media.hud import describe_action
from poise.toolkit.media.window import TEXT_BACKGROUND, Window
from poise.toolkit.spaces import component_names
from poise.tools.play.session import HUMAN, PlaySession
from poise.tools.play.sliders import Slider, SliderPanel
from poise.tools.record.episode_trace import (
    TraceSample,
    get_action_names,
    make_action_samples,
    read_failure_margins,
)
from poise.tools.record.strip_chart import StripCharts

MAX_OBSERVATION_ROWS = 3
"""Observation components that are listed: a figure's first three are the pose of its torso."""


MAX_WIND = 1.0
"""Range of the wind's slider (m/s2)."""


MAX_PUSH = 0.5
"""Range of the pushes' slider (m/s)."""


MIN_PLOT_HEIGHT = 2.0
"""Height from which the plots are drawn, in font sizes."""


Row = tuple[str, str]
"""Name and value."""


class SidePanel:
    """Status rows at the top, live plots in the middle, sliders at the bottom."""

    def __init__(self, session: PlaySession) -> None:
        self.session = session
        self.sliders = SliderPanel(make_sliders(session))
        self.plots = LivePlots(session)

    def draw(self, window: Window, frame_rate: float) -> None:
        """Draw the panel into the window's sidebar; `frame_rate` is the window's (Hz)."""
        line_height = window.line_height
        rows = [*make_status_rows(self.session, frame_rate), ("h", "help")]
        status_rect = window.draw_sidebar(rows, 0.0)
        inner = window.sidebar_rect.inflate(-line_height, -line_height)
        slider_height = self.sliders.get_height(line_height)
        slider_top = inner.bottom - slider_height
        slider_rect = pygame.Rect(inner.left, slider_top, inner.width, slider_height)
        self.sliders.draw(window.surface, slider_rect, window.font_size)
        plot_top = status_rect.bottom + line_height // 2
        plot_height = slider_top - line_height // 2 - plot_top
        plot_rect = pygame.Rect(inner.left, plot_top, inner.width, plot_height)
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
            samples = self._read_samples()
            for _ in range(num_new_steps):
                self.charts.add(samples)

    def draw(self, surface: pygame.Surface, rect: pygame.Rect, font_size: int) -> None:
        """Draw the first charts, one below the other, as many as fit into `rect`."""
        if rect.height < MIN_PLOT_HEIGHT * font_size or not rect.width or not len(self.charts):
            return
        pygame.draw.rect(surface, TEXT_BACKGROUND, rect)
        self.charts.draw(surface, rect, font_size, max_columns=1)

    def _read_samples(self) -> list[TraceSample]:
        session = self.session
        reward = session.reward if session.steps else math.nan
        return [
            TraceSample("reward", "reward", reward),
            *read_failure_margins(session.env),
            *make_action_samples(session.env, session.action),
        ]


def make_status_rows(session: PlaySession, frame_rate: float) -> list[Row]:
    """Return who is in control, the scores, speed, seed and the first observation components."""
    rows = [
        *_make_control_rows(session),
        *session.scoreboard.make_rows(),
        (_describe_time(session), f"x {session.effective_speed:g}, {frame_rate:.0f} frames/s"),
        ("seed", str(session.seed)),
    ]
    rows += [
        ("time", f"{session.steps / session.rate:z.2f} s"),
        ("return", f"{session.episode_return:z.1f}"),
    ]
    if session.poise_env is not None:
        components = zip(
            component_names(session.poise_env.OBSERVATION),
            session.poise_env.get_observation()[:MAX_OBSERVATION_ROWS],
            strict=False,
        )
        return rows + [
            (name, f"{value:z.2f} {signal.unit}".removesuffix(" 1"))
            for (name, signal), value in components
        ]
    values = session.observation.ravel()[:MAX_OBSERVATION_ROWS]
    return rows + [
        (f"observation {number}", f"{value:z.2f}") for number, value in enumerate(values, 1)
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
        sliders.append(Slider(name.replace("_", " "), low, high, get_value, set_value))
    forces = session.perturbations.external_forces
    wind = _make_attribute_slider("wind", -MAX_WIND, MAX_WIND, forces, "wind_acceleration")
    wind.add_toggle(lambda: forces.has_wind, forces.toggle_wind)
    pushes = _make_attribute_slider("pushes", 0.0, MAX_PUSH, forces, "push_speed")
    pushes.add_toggle(lambda: forces.has_pushes, forces.toggle_pushes)
    return [*sliders, wind, pushes]


def _make_control_rows(session: PlaySession) -> list[Row]:
    if session.policy is None:
        return [("control", session.actor_name)]
    if session.human_share == 0.0:
        control = "policy"
    elif session.human_share == 1.0:
        control = "you"
    else:
        control = f"shared, you {session.human_share:.0%}"
    return [
        ("run", session.policy.run.path.name),
        ("checkpoint", f"step {session.policy.training_steps:,}"),
        ("control", control),
    ]


def _describe_time(session: PlaySession) -> str:
    if session.is_paused:
        return "paused"
    return "slow motion" if session.is_slow_motion else "speed"


def _make_attribute_slider(
    name: str, low: float, high: float, owner: Any, attribute: str
) -> Slider:
    """Return a slider of an object's attribute."""
    get_value = partial(getattr, owner, attribute)
    set_value = partial(setattr, owner, attribute)
    return Slider(name, low, high, get_value, set_value)


def _get_setting(session: PlaySession, name: str) -> float:
    assert session.poise_env is not None
    value: float = getattr(session.poise_env.settings, name)
    return value
