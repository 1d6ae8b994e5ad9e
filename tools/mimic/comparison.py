"""What a robot sees, what it does, and its error over time, side by side."""

import math
from collections import deque
from collections.abc import Sequence

import pygame

from poise.toolkit.media.hud import TRACK_COLOUR, format_value
from poise.toolkit.media.image import (
    CAPTION_LINE_HEIGHT,
    CARD_COLOUR,
    MIN_FONT_SIZE,
    MUTED_COLOUR,
    TEXT_COLOUR,
    caption_height,
    draw_disc,
    frame_to_surface,
    render_text,
    shorten,
    surface_to_frame,
)
from poise.toolkit.media.palette import LIGHT, blend, to_rgb
from poise.toolkit.pose_task import PoseError
from poise.toolkit.spaces import Array

PLOT_WIDTH = 0.75
"""Width of the plots of the error, in heights of an image."""

MIN_PLOT_WIDTH = 180
"""Least width of the plots, which their texts need (pixels)."""

RANGE_IN_TOLERANCES = 8.0
MAX_DEGREES = 60.0
"""Ends of the two axes: of the distance in tolerances of the task, and of the angle (degrees).

They stay the same for a whole film: lines whose axes change cannot be compared.
"""

TOLERANCE_COLOUR = to_rgb(blend(LIGHT.success, LIGHT.panel, 0.25))
LINE_COLOUR = to_rgb(LIGHT.series[0])


def draw_views(images: tuple[Array, Array], titles: tuple[str, str], size: int) -> Array:
    """Return two images (H, W, 3) uint8 side by side, each below its title.

    The result is (caption_height(size) + size, 2 size, 3) uint8.
    """
    strip_height = caption_height(size)
    surface = pygame.Surface((2 * size, strip_height + size))
    surface.fill(CARD_COLOUR)
    for image, title, left in zip(images, titles, (0, size), strict=True):
        half = frame_to_surface(image)
        if half.get_size() != (size, size):
            # Show the pixels of an image that has few of them, instead of blurring it.
            is_coarse = len(image) < size // 2
            scale = pygame.transform.scale if is_coarse else pygame.transform.smoothscale
            half = scale(half, (size, size))
        surface.blit(half, (left, strip_height))
        title_rect = pygame.Rect(left, 0, size, strip_height)
        draw_line(surface, title_rect, title, get_title_size(size), TEXT_COLOUR)
    pygame.draw.line(
        surface, TRACK_COLOUR, (size, 0), (size, strip_height + size), max(1, size // 160)
    )
    return surface_to_frame(surface)


def get_title_size(size: int) -> int:
    """Return the font size of the titles above images of a height (pixels)."""
    return max(MIN_FONT_SIZE, int(caption_height(size) / CAPTION_LINE_HEIGHT))


def get_label_size(size: int) -> int:
    """Return the font size of numbers beside images of a height (pixels)."""
    return max(MIN_FONT_SIZE, round(0.8 * get_title_size(size)))


def draw_line(
    surface: pygame.Surface,
    rect: pygame.Rect,
    text: str,
    size: int,
    colour: Sequence[int],
    *,
    bold: bool = False,
) -> None:
    """Draw a line of text at the left of a rectangle; a text that is too long ends in "…"."""
    red, green, blue = colour
    gap = size // 2
    fitting = shorten(text, size, rect.width - 2 * gap, bold)
    line = render_text(fitting, size, (red, green, blue), bold)
    surface.blit(line, line.get_rect(midleft=(rect.left + gap, rect.centery)))


class ErrorPlot:
    """Distance and angle between two poses over the last `seconds`, as an image.

    `tolerance` is the distance (m) up to which a pose counts as taken, `rate` the errors per
    second.
    """

    def __init__(self, tolerance: float, rate: float, seconds: float) -> None:
        self.tolerance = 1000.0 * tolerance
        self.rate = rate
        self.errors: deque[PoseError | None] = deque(maxlen=max(2, round(seconds * rate)))
        self.num_errors = 0

    def add(self, error: PoseError | None) -> None:
        """Add the error of a step, or None where it is unknown."""
        self.errors.append(error)
        self.num_errors += 1

    def draw(self, size: int, title: str) -> Array:
        """Return an image (caption_height(size) + size, W, 3) uint8, to stand beside views."""
        strip_height = caption_height(size)
        height = strip_height + size
        width = max(MIN_PLOT_WIDTH, round(PLOT_WIDTH * size)) // 2 * 2  # even, for H.264
        surface = pygame.Surface((width, height))
        surface.fill(CARD_COLOUR)
        font_size = get_title_size(size)
        draw_line(surface, pygame.Rect(0, 0, width, strip_height), title, font_size, TEXT_COLOUR)
        millimetres = [error and 1000.0 * error.metres for error in self.errors]
        degrees = [error and error.degrees for error in self.errors]
        row_height = (size - strip_height) // 2
        top = pygame.Rect(0, strip_height, width, row_height)
        bottom = top.move(0, row_height)
        end = RANGE_IN_TOLERANCES * self.tolerance
        label_size = get_label_size(size)
        self._draw_row(surface, top, label_size, millimetres, "mm", end, self.tolerance)
        self._draw_row(surface, bottom, label_size, degrees, "degrees", MAX_DEGREES)
        foot = pygame.Rect(0, height - strip_height, width, strip_height)
        seconds = self.num_errors / self.rate
        draw_line(surface, foot, f"{seconds:.1f} s", get_label_size(size), MUTED_COLOUR)
        return surface_to_frame(surface)

    def _draw_row(
        self,
        surface: pygame.Surface,
        rect: pygame.Rect,
        label_size: int,
        values: Sequence[float | None],
        unit: str,
        end: float,
        tolerance: float = 0.0,
    ) -> None:
        """Draw the last value above a curve from 0 to `end`, with a band up to `tolerance`."""
        gap = label_size // 2
        line_height = round(CAPTION_LINE_HEIGHT * label_size)
        value = values[-1] if values else None
        text = "unknown" if value is None else f"{format_value(value, 10.0)} {unit}"
        words = pygame.Rect(rect.left, rect.top, rect.width, line_height)
        draw_line(surface, words, text, label_size, TEXT_COLOUR, bold=True)
        if tolerance:
            note = render_text(f"green: up to {tolerance:.0f} mm", label_size, MUTED_COLOUR)
            text_width = render_text(text, label_size, TEXT_COLOUR, True).get_width()
            if note.get_width() + text_width + 4 * gap < rect.width:
                surface.blit(note, note.get_rect(midright=(rect.right - gap, words.centery)))
        area = pygame.Rect(
            rect.left + gap,
            rect.top + line_height,
            rect.width - 2 * gap,
            rect.height - line_height - gap,
        )
        if area.height < gap:
            return
        band_height = round(area.height * tolerance / end)
        band = pygame.Rect(area.left, area.bottom - band_height, area.width, band_height)
        pygame.draw.rect(surface, TOLERANCE_COLOUR, band)
        pygame.draw.line(surface, MUTED_COLOUR, area.bottomleft, area.bottomright)
        length = self.errors.maxlen or 2
        points = [
            (
                area.left + area.width * index / (length - 1),
                area.bottom - area.height * min(1.0, value / end),
            )
            for index, value in enumerate(values)
            if value is not None and math.isfinite(value)
        ]
        if len(points) > 1:
            pygame.draw.lines(surface, LINE_COLOUR, False, points, 2)
        if points:
            draw_disc(surface, LINE_COLOUR, points[-1], 3)
