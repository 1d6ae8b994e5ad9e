"""A window that shows frames in real time. The only use of a display in toolkit."""

import os
import sys
from collections.abc import Sequence

import numpy as np
import pygame

from poise.toolkit.appearance import Colour
from poise.toolkit.errors import UserError
from poise.toolkit.interaction import ImagePoint
from poise.toolkit.media.image import (
    CARD_COLOUR,
    MIN_FONT_SIZE,
    TEXT_COLOUR,
    get_font,
    render_text,
)
from poise.toolkit.spaces import Array

HEADLESS_DRIVERS = ("dummy", "offscreen")
"""SDL drivers without output; SDL falls back on them when the display does not respond."""

TEXT_BACKGROUND = (255, 255, 255, 224)
"""Red, green, blue and opacity."""

SIDEBAR_WIDTH = 31
"""Width of the sidebar, in font sizes."""

LINES_PER_WINDOW = 42
"""Height of the window, in font sizes."""

NARROW_ASPECT = 0.6
"""In windows with height > NARROW_ASPECT * width, the width determines the font size."""

MAX_SCREEN_FRACTION = 0.9
"""Fraction of the screen's width and height that a new window takes at most."""

LINE_SPACING = 1.1
"""Distance of two lines of text, in the font's line heights."""

HELP_LINE_HEIGHT = 1.35
"""Height of a line of the overlay, in font sizes."""

TextRow = tuple[str, str]
"""Left and right text of a row."""


def has_display() -> bool:
    """Return whether there is a display; SDL_VIDEODRIVER, such as `dummy`, is for SDL alone."""
    has_variable = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return sys.platform != "linux" or bool(has_variable)


def open_display() -> None:
    """Initialize the display; a UserError where there is none."""
    if not has_display() and not os.environ.get("SDL_VIDEODRIVER"):
        raise display_error("there is no display")
    try:
        pygame.display.init()
    except pygame.error as error:
        raise display_error(str(error)) from None
    driver = pygame.display.get_driver()
    if driver in HEADLESS_DRIVERS and os.environ.get("SDL_VIDEODRIVER") != driver:
        pygame.display.quit()
        raise display_error("the display does not respond")


def display_error(reason: str) -> UserError:
    """Return the error for a window that cannot be opened."""
    return UserError(f"cannot open a window ({reason}): record a video instead, or set DISPLAY")


class Window:
    """A pygame window that shows frames (H, W, 3) uint8, with an optional sidebar for text.

    `show` displays a frame. To draw on it, call `begin_frame`, draw, then call `flip`. Positions in
    the image are fractions of its width and height, from the top left. The window opens in the size
    of its first frame, or smaller to fit the screen; image and text scale with the window. A
    UserError where there is no display.
    """

    def __init__(self, title: str, has_sidebar: bool = False) -> None:
        open_display()
        self.title = title
        self._has_sidebar = has_sidebar
        self.screen_size = max(pygame.display.get_desktop_sizes(), key=lambda size: size[1])
        self.image_rect = pygame.Rect(0, 0, 0, 0)
        self.sidebar_rect = pygame.Rect(0, 0, 0, 0)
        self.font_size = MIN_FONT_SIZE
        self.line_height = MIN_FONT_SIZE
        self._surface: pygame.Surface | None = None
        self._layout_sizes: tuple[int, ...] = ()
        self._clock = pygame.time.Clock()

    @property
    def surface(self) -> pygame.Surface:
        """The surface to draw on, after `begin_frame`."""
        if self._surface is None:
            raise RuntimeError("the window is not open: call begin_frame first")
        return self._surface

    def show(self, frame: Array, frame_rate: float) -> None:
        """Display a frame, process system events, and wait to keep `frame_rate` (1/s)."""
        self.begin_frame(frame)
        pygame.event.pump()
        self.flip()
        self.tick(frame_rate)

    def begin_frame(self, frame: Array) -> None:
        """Draw a frame as the background of what follows."""
        height, width = frame.shape[:2]
        if self._surface is None:
            self._open(width, height)
        if pygame.display.get_caption()[0] != self.title:
            pygame.display.set_caption(self.title)
        self._surface = pygame.display.get_surface()
        layout_sizes = (width, height, *self.surface.get_size())
        if self._layout_sizes != layout_sizes:
            self._update_layout(*layout_sizes)
            self._layout_sizes = layout_sizes
        image = pygame.image.frombuffer(np.ascontiguousarray(frame).data, (width, height), "RGB")
        if self.image_rect.size != (width, height):
            image = pygame.transform.smoothscale(image, self.image_rect.size)
        self.surface.fill(CARD_COLOUR)
        self.surface.blit(image, self.image_rect)

    def flip(self) -> None:
        """Display what was drawn since `begin_frame`."""
        pygame.display.flip()

    def tick(self, frame_rate: float) -> float:
        """Sleep to keep `frame_rate` (1/s); return the seconds since the last call."""
        return self._clock.tick(frame_rate) / 1000.0

    def poll_events(self) -> Sequence[pygame.event.Event]:
        """Return the events since the last call."""
        return pygame.event.get()

    def pixel_to_image(self, pixel: tuple[int, int], *, is_offset: bool = False) -> ImagePoint:
        """Convert a position in the window (pixels), or an offset, to the image's coordinates."""
        left, top = (0, 0) if is_offset else self.image_rect.topleft
        return (pixel[0] - left) / self.image_rect.width, (pixel[1] - top) / self.image_rect.height

    def close(self) -> None:
        """Close the window. Closing twice is no error."""
        self._surface = None
        pygame.display.quit()

    def draw_notice(
        self, text: str, x: float, y: float, colour: Colour = TEXT_COLOUR, *, bold: bool = False
    ) -> None:
        """Draw a line of text over the image, in a font that fits the image's width."""
        text_width = render_text(text, self.font_size, colour, bold).get_width()
        scale = min(1.0, 0.9 * self.image_rect.width / text_width)
        line = render_text(text, int(self.font_size * scale), colour, bold)
        self._draw_panel([(line, render_text("", MIN_FONT_SIZE))], self.image_rect, x, y)

    def draw_overlay(self, rows: Sequence[TextRow]) -> None:
        """Draw rows at the window's right edge, over everything, in a font that fits the height."""
        fitting_size = int(self.surface.get_height() / (len(rows) + 1) / HELP_LINE_HEIGHT)
        font_size = max(MIN_FONT_SIZE // 2, min(self.font_size, fitting_size))
        window_rect = self.surface.get_rect()
        texts = [
            (render_text(left, font_size, bold=True), render_text(right, font_size))
            for left, right in rows
        ]
        self._draw_panel(texts, window_rect, 1.0, 0.0, self.sidebar_rect.width)

    def _draw_panel(
        self,
        texts: Sequence[tuple[pygame.Surface, pygame.Surface]],
        area: pygame.Rect,
        x: float,
        y: float,
        min_width: int = 0,
    ) -> None:
        """Draw rows of a left and a right text on a pale panel.

        x and y are fractions of the width and height that the panel leaves free in `area`.
        """
        font_height = max(left.get_height() for left, _ in texts)
        line_height = round(font_height * LINE_SPACING)
        gap = font_height // 2
        left_width = max(left.get_width() for left, _ in texts)
        right_width = max(right.get_width() for _, right in texts)
        right_start = left_width + (2 * gap if right_width else 0)
        panel_width = max(right_start + right_width + 2 * gap, min_width - 2 * gap)
        panel_height = line_height * len(texts) + gap

        panel = pygame.Surface((panel_width, panel_height), pygame.SRCALPHA)
        pygame.draw.rect(panel, TEXT_BACKGROUND, panel.get_rect(), border_radius=gap)
        for index, (left, right) in enumerate(texts):
            top = gap * 0.75 + index * line_height
            panel.blit(left, (gap, top))
            panel.blit(right, (gap + right_start, top))

        free = area.inflate(-2 * gap - panel_width, -2 * gap - panel_height)
        position = (area.left + gap + x * free.width, area.top + gap + y * free.height)
        self.surface.blit(panel, position)

    def _open(self, width: int, height: int) -> None:
        """Open the window in the size of image and sidebar, or smaller to fit the screen."""
        font_size = max(MIN_FONT_SIZE, height // LINES_PER_WINDOW)
        if self._has_sidebar:
            width += SIDEBAR_WIDTH * font_size
        max_width = MAX_SCREEN_FRACTION * self.screen_size[0]
        max_height = MAX_SCREEN_FRACTION * self.screen_size[1]
        scale = min(1.0, max_width / width, max_height / height)
        try:
            pygame.display.set_mode((round(scale * width), round(scale * height)), pygame.RESIZABLE)
        except pygame.error as error:
            raise display_error(str(error)) from None

    def _update_layout(
        self, width: int, height: int, window_width: int, window_height: int
    ) -> None:
        """Place image and sidebar in the window; a narrow window has no sidebar."""
        relevant_size = int(min(window_height, NARROW_ASPECT * window_width))
        self.font_size = max(MIN_FONT_SIZE, relevant_size // LINES_PER_WINDOW)
        self.line_height = get_font(self.font_size).get_linesize()
        sidebar_width = SIDEBAR_WIDTH * self.font_size if self._has_sidebar else 0
        if window_width <= 1.2 * sidebar_width:
            sidebar_width = 0
        image_width = window_width - sidebar_width
        scale = min(image_width / width, window_height / height)
        image_size = (max(1, round(scale * width)), max(1, round(scale * height)))
        self.image_rect = pygame.Rect((0, 0), image_size)
        self.image_rect.center = (image_width // 2, window_height // 2)
        self.sidebar_rect = pygame.Rect(image_width, 0, sidebar_width, window_height)
