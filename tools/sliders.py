"""Sliders: numbers that the mouse sets, in a column beside the picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pygame

from toolkit.hud import PALE, PUSH
from toolkit.lettering import INK, words
from toolkit.window import PAPER

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
