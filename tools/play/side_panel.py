"""Sliders: numbers that the mouse sets, in a column beside the picture."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pygame
from poise.toolkit.media.hud import PALE, PUSH
from poise.toolkit.media.image import INK, words
from poise.toolkit.media.window import PAPER, Window
from poise.toolkit.spaces import parts
from poise.tools.play.session import YOU, LiveWorld
from poise.tools.record.episode_trace import Told
from poise.tools.record.overlays import SECONDS, Strip

ROW = 1.6
"""How high a slider is, in lines of text."""


NAME, NUMBER = 0.42, 0.16
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
        self.first = self.get()
        self.is_on: Callable[[], bool] = lambda: True
        self.switch: Callable[[], None] | None = None

    def switched(self, is_on: Callable[[], bool], switch: Callable[[], None]) -> None:
        """Give it a switch."""
        self.is_on, self.switch = is_on, switch

    @property
    def share(self) -> float:
        """How far it is from low to high."""
        return min(1.0, max(0.0, (self.get() - self.low) / (self.high - self.low)))


class Sliders:
    """A panel of sliders. A press beside them is not theirs, and they say so."""

    def __init__(self, sliders: Sequence[Slider]) -> None:
        self.sliders = sliders
        self.held: Slider | None = None
        self._box = pygame.Rect(0, 0, 0, 0)

    def height(self, line: int) -> int:
        """How much room the panel takes (pixels), where a line of text takes so much."""
        return round(len(self.sliders) * ROW * line)

    def draw(self, surface: pygame.Surface, box: pygame.Rect, letters: int) -> None:
        """Draw the panel, in letters of a height, into a box whose place it remembers."""
        self._box = box
        if not self.sliders or not box.width:
            return
        gap = letters // 3
        pygame.draw.rect(surface, PAPER[:3], box, border_radius=gap)
        for slider in self.sliders:
            row, track, off = self.row(slider), self.track(slider), not slider.is_on()
            left, ink, colour = row.left + gap, PALE if off else INK, PALE if off else PUSH
            if slider.switch is not None:
                switch = pygame.Rect(0, 0, row.height // 2, row.height // 2)
                switch.midleft = (left, row.centery)
                pygame.draw.rect(surface, colour, switch, 2 if off else 0, border_radius=3)
                left = switch.right + gap
            name, number = words(slider.name, letters, ink), words(f"{slider.get():.3g}", letters, ink)
            surface.blit(name, name.get_rect(midleft=(left, row.centery)))
            surface.blit(number, number.get_rect(midright=(row.right - gap, row.centery)))
            pygame.draw.line(surface, PALE, track.midleft, track.midright, max(2, row.height // 5))
            pygame.draw.aacircle(surface, colour, (track.left + slider.share * track.width, track.centery), row.height * 0.28)

    def hide(self) -> None:
        """They are not seen now, and cannot be pressed."""
        self._box = pygame.Rect(0, 0, 0, 0)

    def press(self, pixel: tuple[int, int], *, back: bool = False) -> bool:
        """The mouse is pressed here: a slider is taken, or goes `back` to where it began, or is switched. Whether it was one."""
        slider = next((slider for slider in self.sliders if self.row(slider).collidepoint(pixel)), None)
        if slider is None:
            return False
        if back:
            slider.set(slider.first)
        elif pixel[0] < self.track(slider).left - self.row(slider).height // 2:
            if slider.switch is not None:
                slider.switch()
        else:
            self.held = slider
            self.drag(pixel)
        return True

    def drag(self, pixel: tuple[int, int]) -> None:
        """The slider that is held follows the mouse."""
        if self.held is not None:
            track = self.track(self.held)
            share = min(1.0, max(0.0, (pixel[0] - track.left) / track.width))
            self.held.set(self.held.low + share * (self.held.high - self.held.low))

    def release(self) -> None:
        """No slider is held."""
        self.held = None

    def row(self, slider: Slider) -> pygame.Rect:
        """Where a slider was drawn."""
        high = self._box.height // (len(self.sliders) or 1)
        return pygame.Rect(self._box.left, self._box.top + self.sliders.index(slider) * high, self._box.width, high)

    def track(self, slider: Slider) -> pygame.Rect:
        """Where its knob can be."""
        row = self.row(slider)
        width = round((1.0 - NAME - NUMBER) * row.width)
        return pygame.Rect(row.left + round(NAME * row.width), row.top, max(1, width - row.height // 2), row.height)


Row = tuple[str, str]


SHOWN = 6
"""How many numbers of the observation are shown: a figure's first six tell where its torso is."""


def notes(live: LiveWorld, frames: float) -> list[Row]:
    """Who acts, how time goes, who was better, what the last step paid, and what is seen now."""
    rows = [("who acts", live.actor)]
    if live.policy is not None:
        share = "the policy" if live.share == 0.0 else "you" if live.share == 1.0 else f"both, you {live.share:.0%}"
        rows = [("run", live.policy.run.path.name), ("checkpoint", f"step {live.policy.step:,}"), ("who acts", share)]
    rows += live.score.rows()
    time = "paused" if live.paused else "slow motion" if live.slow else "speed"
    rows += [(time, f"x {live.pace:g}, {frames:.0f} frames/s"), ("seed", str(live.seed))]
    if live.ours is not None:
        values = zip(parts(live.ours.OBSERVATION), live.ours.observe()[:SHOWN], strict=False)
        return rows + [(name, f"{value:z.2f} {signal.unit}".removesuffix(" 1")) for (name, signal), value in values]
    # Somebody else's world has no HUD of ours to tell its time and return.
    rows += [("time", f"{live.steps / live.rate:z.2f} s"), ("return", f"{live.total:z.1f}")]
    return rows + [(f"sees {index}", f"{value:z.2f}") for index, value in enumerate(live.observation.ravel()[:SHOWN], 1)]


def steering(live: LiveWorld) -> list[Row]:
    """The two keys of every number of the action."""
    if live.actor != YOU:
        return []
    names = [f"action {index + 1}" for index in range(len(live.controls.effort))]
    if live.ours is not None:
        names = [f"{name} ({signal.unit})" for name, signal in parts(live.ours.ACTION)]
    pairs = [f"{less}, {more}" for less, more in live.controls.pairs]
    return list(zip(pairs, names, strict=False))


WIND, PUSHES = 1.0, 0.5
"""The strongest wind (m/s2) and push (m/s)."""


def dials(live: LiveWorld) -> list[Slider]:
    """A person's share in a policy's actions, the settings that can be turned at once, wind and pushes."""
    sliders, weather = [], live.disturbance.weather
    if live.policy is not None:
        sliders.append(_dial("your share", 0.0, 1.0, live, "share"))
    if live.ours is None or live.disturbance.hands is None:
        return sliders
    for name in live.disturbance.hands.TURNS:
        low, high = live.ours.SETTINGS.bounds(name)
        sliders.append(Slider(name.replace("_", " "), low, high, partial(_setting, live, name), partial(live.turn, name)))
    wind, push = _dial("wind", -WIND, WIND, weather, "wind"), _dial("pushes", 0.0, PUSHES, weather, "push")
    wind.switched(lambda: weather.windy, weather.switch_wind)
    push.switched(lambda: weather.pushy, weather.switch_pushes)
    return [*sliders, wind, push]


def _dial(name: str, low: float, high: float, owner: Any, attribute: str) -> Slider:
    """A slider for a number that its owner keeps as an attribute."""
    return Slider(name, low, high, partial(getattr, owner, attribute), partial(setattr, owner, attribute))


def _setting(live: LiveWorld, name: str) -> float:
    value: float = getattr(live.ours and live.ours.settings, name)
    return value


LOW, HIGH = 1.1, 2.0
"""How high a plot is at least and at most, in heights of letters."""


class LivePlots:
    """A line for each number that a live world tells, as many as there is room for."""

    def __init__(self, live: LiveWorld) -> None:
        self.live, self.strips = live, dict[tuple[str, str], Strip]()
        self._seen = (-1, -1)

    def look(self) -> None:
        """Add what the world tells now, for as many steps as it has made since the last look."""
        live = self.live
        made = live.steps - self._seen[1] if self._seen[0] == live.seed else live.steps + 1
        self._seen = live.seed, live.steps
        for told in self._told() if made else []:
            strip = self.strips.setdefault(told[:2], Strip(told, round(SECONDS * live.rate)))
            for _ in range(made):
                strip.add(told)

    def draw(self, surface: pygame.Surface, box: pygame.Rect, letters: int) -> None:
        """Draw those that fit into a box, one below the other, in letters of this height at most."""
        number = min(len(self.strips), int(box.height / LOW / letters))
        if number < 1 or not box.width:
            return
        high = min(box.height // number, round(HIGH * letters))
        pygame.draw.rect(surface, PAPER, (*box.topleft, box.width, high * number))
        for index, strip in enumerate(list(self.strips.values())[:number]):
            strip.draw(surface, pygame.Rect(box.left, box.top + index * high, box.width, high), letters * 4 // 5)

    def _told(self) -> list[Told]:
        live = self.live
        margins = live.ours.margins() if live.ours is not None else {}
        names = [name for name, _ in parts(live.ours.ACTION)] if live.ours is not None else []
        numbers = np.ravel(live.action)
        actions = zip(names or [f"action {index}" for index in range(1, len(numbers) + 1)], numbers, strict=True)
        return [
            Told("reward", "reward", live.reward if live.steps else math.nan),
            *(Told("margin", name, float(margin)) for name, margin in margins.items()),
            *(Told("action", name, float(number)) for name, number in actions),
        ]


class Column:
    """What is shown beside the picture of a live world."""

    def __init__(self, live: LiveWorld) -> None:
        self.live, self.sliders, self.plots = live, Sliders(dials(live)), LivePlots(live)

    def draw(self, window: Window, frames: float) -> None:
        """Draw all of it; `frames` are shown in a second."""
        box, line = window.column, window.line
        notes_end = window.beside([*notes(self.live, frames), ("h", "all keys")], 0.0).bottom
        inner = box.inflate(-line, -line)
        high = self.sliders.height(line)
        self.sliders.draw(window.surface, pygame.Rect(inner.left, inner.bottom - high, inner.width, high), window.letters)
        top = notes_end + line // 2
        room = pygame.Rect(inner.left, top, inner.width, inner.bottom - high - line // 2 - top)
        self.plots.draw(window.surface, room, window.letters)
