"""Sliders: numbers that the mouse sets, in a column beside the picture."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pygame

from poise.toolkit.media.hud import ACTION_COLOUR, TRACK_COLOUR
from poise.toolkit.media.image import TEXT_COLOUR, render_text
from poise.toolkit.media.window import TEXT_BACKGROUND, Window
from poise.toolkit.spaces import component_names
from poise.tools.play.session import HUMAN, PlaySession
from poise.tools.record.episode_trace import TraceSample
from poise.tools.record.overlays import HISTORY_SECONDS, StripChart

ROW_HEIGHT = 1.6
"""How high a slider is, in lines of text."""


NAME_WIDTH = 0.42
VALUE_WIDTH = 0.16
"""The parts of a slider's width that its name and its number take."""


@dataclass
class Slider:
    """A number between two others. One with a switch acts only where that is on."""

    name: str
    low: float
    high: float
    get: Callable[[], float]
    set: Callable[[float], None]

    def __post_init__(self) -> None:
        self.initial_value = self.get()
        self.is_on: Callable[[], bool] = lambda: True
        self.toggle: Callable[[], None] | None = None

    def add_toggle(self, is_on: Callable[[], bool], toggle: Callable[[], None]) -> None:
        """Give it a switch."""
        self.is_on = is_on
        self.toggle = toggle

    @property
    def fraction(self) -> float:
        """How far it is from low to high."""
        return min(1.0, max(0.0, (self.get() - self.low) / (self.high - self.low)))


class SliderPanel:
    """A panel of sliders. A press beside them is not theirs, and they say so."""

    def __init__(self, sliders: Sequence[Slider]) -> None:
        self.sliders = sliders
        self.dragged_slider: Slider | None = None
        self._rect = pygame.Rect(0, 0, 0, 0)

    def get_height(self, line_height: int) -> int:
        """How much room the panel takes (pixels), where a line of text takes so much."""
        return round(len(self.sliders) * ROW_HEIGHT * line_height)

    def draw(self, surface: pygame.Surface, rect: pygame.Rect, font_size: int) -> None:
        """Draw the panel, in letters of a height, into a box whose place it remembers."""
        self._rect = rect
        if not self.sliders or not rect.width:
            return
        gap = font_size // 3
        pygame.draw.rect(surface, TEXT_BACKGROUND[:3], rect, border_radius=gap)
        for slider in self.sliders:
            row = self.get_row_rect(slider)
            track = self.get_track_rect(slider)
            off = not slider.is_on()
            left = row.left + gap
            ink = TRACK_COLOUR if off else TEXT_COLOUR
            colour = TRACK_COLOUR if off else ACTION_COLOUR
            if slider.toggle is not None:
                switch = pygame.Rect(0, 0, row.height // 2, row.height // 2)
                switch.midleft = (left, row.centery)
                pygame.draw.rect(surface, colour, switch, 2 if off else 0, border_radius=3)
                left = switch.right + gap
            name = render_text(slider.name, font_size, ink)
            number = render_text(f"{slider.get():.3g}", font_size, ink)
            surface.blit(name, name.get_rect(midleft=(left, row.centery)))
            surface.blit(number, number.get_rect(midright=(row.right - gap, row.centery)))
            pygame.draw.line(
                surface, TRACK_COLOUR, track.midleft, track.midright, max(2, row.height // 5)
            )
            pygame.draw.aacircle(
                surface,
                colour,
                (track.left + slider.fraction * track.width, track.centery),
                row.height * 0.28,
            )

    def hide(self) -> None:
        """They are not seen now, and cannot be pressed."""
        self._rect = pygame.Rect(0, 0, 0, 0)

    def press(self, pixel: tuple[int, int], *, reset: bool = False) -> bool:
        """The mouse is pressed here: a slider is taken, or goes `reset` to where it began, or is switched. Whether it was one."""
        slider = next(
            (slider for slider in self.sliders if self.get_row_rect(slider).collidepoint(pixel)),
            None,
        )
        if slider is None:
            return False
        if reset:
            slider.set(slider.initial_value)
        elif pixel[0] < self.get_track_rect(slider).left - self.get_row_rect(slider).height // 2:
            if slider.toggle is not None:
                slider.toggle()
        else:
            self.dragged_slider = slider
            self.drag(pixel)
        return True

    def drag(self, pixel: tuple[int, int]) -> None:
        """The slider that is held follows the mouse."""
        if self.dragged_slider is not None:
            track = self.get_track_rect(self.dragged_slider)
            share = min(1.0, max(0.0, (pixel[0] - track.left) / track.width))
            self.dragged_slider.set(
                self.dragged_slider.low
                + share * (self.dragged_slider.high - self.dragged_slider.low)
            )

    def release(self) -> None:
        """No slider is held."""
        self.dragged_slider = None

    def get_row_rect(self, slider: Slider) -> pygame.Rect:
        """Where a slider was drawn."""
        high = self._rect.height // (len(self.sliders) or 1)
        return pygame.Rect(
            self._rect.left,
            self._rect.top + self.sliders.index(slider) * high,
            self._rect.width,
            high,
        )

    def get_track_rect(self, slider: Slider) -> pygame.Rect:
        """Where its knob can be."""
        row = self.get_row_rect(slider)
        width = round((1.0 - NAME_WIDTH - VALUE_WIDTH) * row.width)
        return pygame.Rect(
            row.left + round(NAME_WIDTH * row.width),
            row.top,
            max(1, width - row.height // 2),
            row.height,
        )


Row = tuple[str, str]


MAX_OBSERVATION_ROWS = 6
"""How many numbers of the observation are shown: a figure's first six tell where its torso is."""


def make_status_rows(session: PlaySession, frame_rate: float) -> list[Row]:
    """Who acts, how time goes, who was better, what the last step paid, and what is seen now."""
    rows = [("who acts", session.actor_name)]
    if session.policy is not None:
        share = (
            "the policy"
            if session.human_share == 0.0
            else "you"
            if session.human_share == 1.0
            else f"both, you {session.human_share:.0%}"
        )
        rows = [
            ("run", session.policy.run.path.name),
            ("checkpoint", f"step {session.policy.training_steps:,}"),
            ("who acts", share),
        ]
    rows += session.scoreboard.make_rows()
    time = "paused" if session.is_paused else "slow motion" if session.is_slow_motion else "speed"
    rows += [
        (time, f"x {session.effective_speed:g}, {frame_rate:.0f} frames/s"),
        ("seed", str(session.seed)),
    ]
    if session.poise_env is not None:
        values = zip(
            component_names(session.poise_env.OBSERVATION),
            session.poise_env.get_observation()[:MAX_OBSERVATION_ROWS],
            strict=False,
        )
        return rows + [
            (name, f"{value:z.2f} {signal.unit}".removesuffix(" 1"))
            for (name, signal), value in values
        ]
    # Somebody else's environment has no HUD of ours to tell its time and return.
    rows += [
        ("time", f"{session.steps / session.rate:z.2f} s"),
        ("return", f"{session.episode_return:z.1f}"),
    ]
    return rows + [
        (f"sees {index}", f"{value:z.2f}")
        for index, value in enumerate(session.observation.ravel()[:MAX_OBSERVATION_ROWS], 1)
    ]


def make_action_key_rows(session: PlaySession) -> list[Row]:
    """The two keys of every number of the action."""
    if session.actor_name != HUMAN:
        return []
    names = [f"action {index + 1}" for index in range(len(session.keyboard.action))]
    if session.poise_env is not None:
        names = [
            f"{name} ({signal.unit})" for name, signal in component_names(session.poise_env.ACTION)
        ]
    pairs = [f"{less}, {more}" for less, more in session.keyboard.key_pairs]
    return list(zip(pairs, names, strict=False))


MAX_WIND = 1.0
MAX_PUSH = 0.5
"""The strongest wind (m/s2) and push (m/s)."""


def make_sliders(session: PlaySession) -> list[Slider]:
    """A person's share in a policy's actions, the settings that can be turned at once, wind and pushes."""
    sliders = []
    weather = session.perturbations.external_forces
    if session.policy is not None:
        sliders.append(_make_attribute_slider("your share", 0.0, 1.0, session, "human_share"))
    if session.poise_env is None or session.perturbations.interaction is None:
        return sliders
    for name in session.perturbations.interaction.LIVE_SETTINGS:
        low, high = session.poise_env.SETTINGS.bounds(name)
        sliders.append(
            Slider(
                name.replace("_", " "),
                low,
                high,
                partial(_get_setting, session, name),
                partial(session.set_parameter, name),
            )
        )
    wind = _make_attribute_slider("wind", -MAX_WIND, MAX_WIND, weather, "wind_acceleration")
    push = _make_attribute_slider("pushes", 0.0, MAX_PUSH, weather, "push_speed")
    wind.add_toggle(lambda: weather.has_wind, weather.toggle_wind)
    push.add_toggle(lambda: weather.has_pushes, weather.toggle_pushes)
    return [*sliders, wind, push]


def _make_attribute_slider(
    name: str, low: float, high: float, owner: Any, attribute: str
) -> Slider:
    """A slider for a number that its owner keeps as an attribute."""
    return Slider(
        name, low, high, partial(getattr, owner, attribute), partial(setattr, owner, attribute)
    )


def _get_setting(session: PlaySession, name: str) -> float:
    value: float = getattr(session.poise_env and session.poise_env.settings, name)
    return value


MIN_PLOT_HEIGHT = 1.1
MAX_PLOT_HEIGHT = 2.0
"""How high a plot is at least and at most, in heights of letters."""


class LivePlots:
    """A line for each number that a live environment tells, as many as there is room for."""

    def __init__(self, session: PlaySession) -> None:
        self.session = session
        self.charts = dict[tuple[str, str], StripChart]()
        self._last_step = (-1, -1)

    def update(self) -> None:
        """Add what the environment tells now, for as many steps as it has made since the last look."""
        live = self.session
        made = (
            live.steps - self._last_step[1] if self._last_step[0] == live.seed else live.steps + 1
        )
        self._last_step = live.seed, live.steps
        for told in self._read_samples() if made else []:
            strip = self.charts.setdefault(
                told[:2], StripChart(told, round(HISTORY_SECONDS * live.rate))
            )
            for _ in range(made):
                strip.add(told)

    def draw(self, surface: pygame.Surface, rect: pygame.Rect, font_size: int) -> None:
        """Draw those that fit into a box, one below the other, in letters of this height at most."""
        number = min(len(self.charts), int(rect.height / MIN_PLOT_HEIGHT / font_size))
        if number < 1 or not rect.width:
            return
        high = min(rect.height // number, round(MAX_PLOT_HEIGHT * font_size))
        pygame.draw.rect(surface, TEXT_BACKGROUND, (*rect.topleft, rect.width, high * number))
        for index, strip in enumerate(list(self.charts.values())[:number]):
            strip.draw(
                surface,
                pygame.Rect(rect.left, rect.top + index * high, rect.width, high),
                font_size * 4 // 5,
            )

    def _read_samples(self) -> list[TraceSample]:
        live = self.session
        margins = live.poise_env.failure_margins() if live.poise_env is not None else {}
        names = (
            [name for name, _ in component_names(live.poise_env.ACTION)]
            if live.poise_env is not None
            else []
        )
        numbers = np.ravel(live.action)
        actions = zip(
            names or [f"action {index}" for index in range(1, len(numbers) + 1)],
            numbers,
            strict=True,
        )
        return [
            TraceSample("reward", "reward", live.reward if live.steps else math.nan),
            *(TraceSample("margin", name, float(margin)) for name, margin in margins.items()),
            *(TraceSample("action", name, float(number)) for name, number in actions),
        ]


class SidePanel:
    """What is shown beside the picture of a live environment."""

    def __init__(self, session: PlaySession) -> None:
        self.session = session
        self.sliders = SliderPanel(make_sliders(session))
        self.plots = LivePlots(session)

    def draw(self, window: Window, frame_rate: float) -> None:
        """Draw all of it; `frame_rate` are shown in a second."""
        box = window.sidebar_rect
        line = window.line_height
        notes_end = window.draw_sidebar(
            [*make_status_rows(self.session, frame_rate), ("h", "all keys")], 0.0
        ).bottom
        inner = box.inflate(-line, -line)
        high = self.sliders.get_height(line)
        self.sliders.draw(
            window.surface,
            pygame.Rect(inner.left, inner.bottom - high, inner.width, high),
            window.font_size,
        )
        top = notes_end + line // 2
        room = pygame.Rect(inner.left, top, inner.width, inner.bottom - high - line // 2 - top)
        self.plots.draw(window.surface, room, window.font_size)
