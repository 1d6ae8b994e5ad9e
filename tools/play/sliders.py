"""Sliders: numbers that are set with the mouse."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pygame

from poise.toolkit.media.hud import ACTION_COLOUR, MINUS, TRACK_COLOUR
from poise.toolkit.media.image import MUTED_COLOUR, TEXT_COLOUR, draw_disc, render_text
from poise.toolkit.media.window import TEXT_BACKGROUND

ROW_HEIGHT = 1.4
"""Height of a slider in line heights."""


NAME_WIDTH = 0.38
VALUE_WIDTH = 0.26
"""Fractions of a slider's width that its name and its value take."""


KNOB_RADIUS = 0.28
"""Radius of the knob as a fraction of the slider's height."""


@dataclass
class Slider:
    """A number between `low` and `high`; an optional switch turns its effect on or off."""

    name: str
    low: float
    high: float
    get: Callable[[], float]
    set: Callable[[float], None]
    unit: str = ""

    def __post_init__(self) -> None:
        self.initial_value = self.get()
        """Value that a reset restores; a mark on the track shows it."""
        self.is_on: Callable[[], bool] = lambda: True
        self.toggle: Callable[[], None] | None = None

    def add_toggle(self, is_on: Callable[[], bool], toggle: Callable[[], None]) -> None:
        """Add a switch."""
        self.is_on = is_on
        self.toggle = toggle

    @property
    def fraction(self) -> float:
        """Position between low (0) and high (1)."""
        return self.get_fraction(self.get())

    def get_fraction(self, value: float) -> float:
        """Return the position of a value between low (0) and high (1), clipped."""
        return _clip_fraction((value - self.low) / (self.high - self.low))

    def set_fraction(self, fraction: float) -> None:
        """Set the value by its position between low (0) and high (1), which is clipped."""
        self.set(self.low + _clip_fraction(fraction) * (self.high - self.low))


class SliderPanel:
    """A column of sliders; positions and sizes are in pixels of the window."""

    def __init__(self, sliders: Sequence[Slider]) -> None:
        self.sliders = sliders
        self.dragged_slider: Slider | None = None
        self._rect = pygame.Rect(0, 0, 0, 0)

    def get_height(self, line_height: int) -> int:
        """Return the panel's height for text of a line height."""
        return round(len(self.sliders) * ROW_HEIGHT * line_height)

    def draw(self, surface: pygame.Surface, rect: pygame.Rect, font_size: int) -> None:
        """Draw the panel into `rect`, which it keeps to find the slider under the mouse."""
        self._rect = rect
        if not self.sliders or not rect.width:
            return
        pygame.draw.rect(surface, TEXT_BACKGROUND[:3], rect, border_radius=font_size // 3)
        for slider in self.sliders:
            self._draw_slider(surface, slider, font_size)

    def hide(self) -> None:
        """Disable the sliders while they are not drawn."""
        self._rect = pygame.Rect(0, 0, 0, 0)

    def press(self, pixel: tuple[int, int], *, reset: bool = False) -> bool:
        """Press the mouse at a pixel; return whether a slider is there.

        A press on the track grabs the slider, one on the name toggles its switch. With `reset`, the
        slider returns to its initial value.
        """
        slider = self._find_slider(pixel)
        if slider is None:
            return False
        row = self.get_row_rect(slider)
        is_on_name = pixel[0] < self.get_track_rect(slider).left - row.height // 2
        if reset:
            slider.set(slider.initial_value)
        elif not is_on_name:
            self.dragged_slider = slider
            self.drag(pixel)
        elif slider.toggle is not None:
            slider.toggle()
        return True

    def drag(self, pixel: tuple[int, int]) -> None:
        """Move the grabbed slider to the mouse."""
        if self.dragged_slider is not None:
            track = self.get_track_rect(self.dragged_slider)
            self.dragged_slider.set_fraction((pixel[0] - track.left) / track.width)

    def release(self) -> None:
        """Release the grabbed slider."""
        self.dragged_slider = None

    def get_row_rect(self, slider: Slider) -> pygame.Rect:
        """Return the rectangle of a slider."""
        height = self._rect.height // (len(self.sliders) or 1)
        top = self._rect.top + self.sliders.index(slider) * height
        return pygame.Rect(self._rect.left, top, self._rect.width, height)

    def get_track_rect(self, slider: Slider) -> pygame.Rect:
        """Return the rectangle in which the centre of a slider's knob moves."""
        row = self.get_row_rect(slider)
        left = row.left + round(NAME_WIDTH * row.width)
        width = round((1.0 - NAME_WIDTH - VALUE_WIDTH) * row.width) - row.height // 2
        return pygame.Rect(left, row.top, max(1, width), row.height)

    def _find_slider(self, pixel: tuple[int, int]) -> Slider | None:
        for slider in self.sliders:
            if self.get_row_rect(slider).collidepoint(pixel):
                return slider
        return None

    def _draw_slider(self, surface: pygame.Surface, slider: Slider, font_size: int) -> None:
        row = self.get_row_rect(slider)
        track = self.get_track_rect(slider)
        gap = font_size // 3
        is_on = slider.is_on()
        text_colour = TEXT_COLOUR if is_on else MUTED_COLOUR
        knob_colour = ACTION_COLOUR if is_on else TRACK_COLOUR
        left = row.left + gap
        if slider.toggle is not None:
            switch = pygame.Rect(0, 0, row.height // 2, row.height // 2)
            switch.midleft = (left, row.centery)
            outline = 0 if is_on else 2  # pixels; 0 fills the switch
            pygame.draw.rect(surface, knob_colour, switch, outline, border_radius=3)
            left = switch.right + gap
        name = render_text(slider.name, font_size, text_colour)
        value_text = f"{slider.get():.3g} {slider.unit}".replace("-", MINUS).rstrip()
        value = render_text(value_text, font_size, text_colour)
        surface.blit(name, name.get_rect(midleft=(left, row.centery)))
        surface.blit(value, value.get_rect(midright=(row.right - gap, row.centery)))
        line_width = max(2, row.height // 5)
        pygame.draw.line(surface, TRACK_COLOUR, track.midleft, track.midright, line_width)
        mark = track.left + slider.get_fraction(slider.initial_value) * track.width
        mark_top = track.centery - row.height // 3
        mark_bottom = track.centery + row.height // 3
        pygame.draw.line(surface, MUTED_COLOUR, (mark, mark_top), (mark, mark_bottom), 2)
        knob = (track.left + slider.fraction * track.width, track.centery)
        draw_disc(surface, knob_colour, knob, row.height * KNOB_RADIUS)


def _clip_fraction(fraction: float) -> float:
    return min(1.0, max(0.0, fraction))
