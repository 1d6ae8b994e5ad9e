"""A window on the screen that shows pictures, in real time. The only use of a display in toolkit."""

import os
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from poise.toolkit.errors import UserError
from poise.toolkit.spaces import Array

DISPLAY_VARIABLES = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")


HEADLESS_DRIVERS = ("dummy", "offscreen")
"""Drivers of SDL that show nothing. SDL falls back on them where a display does not answer."""


def open_display() -> None:
    """Begin to use the display; a UserError where there is none."""
    import pygame

    if sys.platform == "linux" and not any(os.environ.get(name) for name in DISPLAY_VARIABLES):
        raise display_error("there is no display")
    try:
        pygame.display.init()
    except pygame.error as error:
        raise display_error(str(error)) from None
    driver = pygame.display.get_driver()
    if driver in HEADLESS_DRIVERS and os.environ.get("SDL_VIDEODRIVER") != driver:
        pygame.display.quit()
        raise display_error("the display does not answer")


def display_error(reason: str) -> UserError:
    """What to tell where no window can be opened."""
    return UserError(f"no window can be opened ({reason}): record a film instead, or set DISPLAY")


def hide_pygame_banner() -> None:
    """Pygame greets on standard output when it is imported; output is for what the user asked for."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")


hide_pygame_banner()


TEXT_BACKGROUND = (255, 255, 255, 224)
WINDOW_BACKGROUND = (238, 241, 243)


SIDEBAR_WIDTH = 19
"""The column's width in heights of its letters."""


LINES_PER_WINDOW = 30
"""How many letters would stand on top of each other in the window."""


NARROW_ASPECT = 0.62
"""Where this part of the window's width is less than its height, letters go by it."""


MIN_FONT_SIZE = 14
"""The height of the smallest letters (pixels)."""


MAX_SCREEN_FRACTION = 0.9
"""The part of the screen that a new window takes at most."""


ImagePoint = tuple[float, float]


TextRow = tuple[str, str]


class Window:
    """A pygame window that shows frames (H, W, 3) uint8, and beside them a `column` of text if there is to be one.

    `show` puts a frame on the screen. To add to it: `begin` with the frame, write and draw, then `finish`. Places in
    the picture are fractions of its width and height, from the top left. The window opens as large as its first frame,
    or as the screen lets it; when a person changes its size, picture and letters grow with it. A UserError where there
    is no display.
    """

    def __init__(self, title: str, has_sidebar: bool = False) -> None:
        import pygame

        from poise.toolkit.media import image as lettering

        self._pygame = pygame
        self._lettering = lettering
        open_display()
        self._title = title
        self._has_sidebar = has_sidebar
        self.screen_size = max(pygame.display.get_desktop_sizes(), key=lambda size: size[1])
        self.image_rect = self.sidebar_rect = pygame.Rect(0, 0, 0, 0)
        self.surface: Any = None
        self._current_layout: Any = None
        self._clock = pygame.time.Clock()

    def show(self, frame: Array, frame_rate: float) -> None:
        """Put a frame on the screen, one of `frame_rate` in a second, and let the system's events through."""
        self.begin_frame(frame)
        self._pygame.event.pump()
        self.flip()
        self.tick(frame_rate)

    def begin_frame(self, frame: Array) -> None:
        """Lay a frame under what comes next."""
        height, width = frame.shape[:2]
        if self.surface is None:
            self._open(width, height)
        self.surface = self._pygame.display.get_surface()
        if self._current_layout != (laid := (width, height, *self.surface.get_size())):
            self._update_layout(*laid)
            self._current_layout = laid
        image = self._pygame.image.frombuffer(
            np.ascontiguousarray(frame).data, (width, height), "RGB"
        )
        if self.image_rect.size != (width, height):
            image = self._pygame.transform.smoothscale(image, self.image_rect.size)
        self.surface.fill(WINDOW_BACKGROUND)
        self.surface.blit(image, self.image_rect)

    def draw_notice(self, text: str, x: float, y: float) -> None:
        """A line of text on pale paper over the picture, in letters for which there is room."""
        wide = self._lettering.render_text(text, self.font_size).get_width()
        self.draw_text(
            [(text, "")],
            self.image_rect,
            x,
            y,
            font_size=int(self.font_size * min(1.0, 0.9 * self.image_rect.width / wide)),
        )

    def draw_sidebar(self, rows: Sequence[TextRow], y: float) -> Any:
        """Rows of two texts in the column beside the picture: at its top for y = 0, at its bottom for y = 1. Where they stand."""
        return (
            self.draw_text(rows, self.sidebar_rect, 0.0, y, self.sidebar_rect.width)
            if self.sidebar_rect.width
            else self.sidebar_rect
        )

    def draw_overlay(self, rows: Sequence[TextRow]) -> None:
        """Rows of two texts at the window's right edge, over all that is there, in letters for which there is room."""
        size = min(self.font_size, int(self.surface.get_height() / (len(rows) + 1)))
        self.draw_text(
            rows,
            self.surface.get_rect(),
            1.0,
            0.0,
            self.sidebar_rect.width,
            max(MIN_FONT_SIZE // 2, size),
        )

    def flip(self) -> None:
        """Put on the screen what was drawn since `begin`."""
        self._pygame.display.flip()

    def poll_events(self) -> Sequence[Any]:
        """What the person and the system have done since the last call, as pygame events."""
        return self._pygame.event.get()

    def pixel_to_image(self, pixel: tuple[int, int], *, is_offset: bool = False) -> ImagePoint:
        """The place in the picture of a pixel, as events name it; or how far it has `is_offset` by so many pixels."""
        left, top = (0, 0) if is_offset else self.image_rect.topleft
        return (pixel[0] - left) / self.image_rect.width, (pixel[1] - top) / self.image_rect.height

    def tick(self, frame_rate: float) -> float:
        """Sleep so that frames come `frame_rate` times a second; the seconds since the last call."""
        return self._clock.tick(frame_rate) / 1000.0

    def close(self) -> None:
        """Close the window; closing twice is no error."""
        self.surface = None
        self._pygame.display.quit()

    def draw_text(
        self,
        rows: Sequence[TextRow],
        area: Any,
        x: float,
        y: float,
        width: int = 0,
        font_size: int = 0,
    ) -> Any:
        """Rows on paper at least `width` wide, at fractions of the room that `area` leaves. Where the paper lies."""
        font_size = font_size or self.font_size
        texts = [[self._lettering.render_text(text, font_size) for text in row] for row in rows]
        high = self._lettering.get_font(font_size).get_linesize()
        line = round(high * 1.25)
        gap = high // 2
        first, second = (max(row[side].get_width() for row in texts) for side in (0, 1))
        split = first + (2 * gap if second else 0)
        size = (max(split + second + 2 * gap, width - 2 * gap), line * len(rows) + gap)
        paper = self._pygame.Surface(size, self._pygame.SRCALPHA)
        self._pygame.draw.rect(paper, TEXT_BACKGROUND, paper.get_rect(), border_radius=gap)
        for index, (left, right) in enumerate(texts):
            top = gap * 0.75 + index * line
            paper.blit(left, (gap, top))
            paper.blit(right, (gap + split, top))
        room = area.inflate(-2 * gap - paper.get_width(), -2 * gap - paper.get_height())
        return self.surface.blit(
            paper, (area.left + gap + x * room.width, area.top + gap + y * room.height)
        )

    def _open(self, width: int, height: int) -> None:
        """Open the window: as large as its picture and column, or as the screen lets it."""
        wide = width + self._has_sidebar * SIDEBAR_WIDTH * max(
            MIN_FONT_SIZE, height // LINES_PER_WINDOW
        )
        share = min(
            1.0,
            MAX_SCREEN_FRACTION * self.screen_size[0] / wide,
            MAX_SCREEN_FRACTION * self.screen_size[1] / height,
        )
        size = (wide, height) if share == 1.0 else (round(share * wide), round(share * height))
        try:
            self._pygame.display.set_mode(size, self._pygame.RESIZABLE)
        except self._pygame.error as error:
            raise display_error(str(error)) from None
        self._pygame.display.set_caption(self._title)

    def _update_layout(self, width: int, height: int, wide: int, high: int) -> None:
        """Give picture and column their places in a window; where it is narrow the picture has it all."""
        self.font_size = max(
            MIN_FONT_SIZE, int(min(high, NARROW_ASPECT * wide)) // LINES_PER_WINDOW
        )
        self.line_height = self._lettering.get_font(self.font_size).get_linesize()
        column = SIDEBAR_WIDTH * self.font_size if self._has_sidebar else 0
        column = column if wide > 1.2 * column else 0
        share = min((wide - column) / width, high / height)
        self.image_rect = self._pygame.Rect(
            0, 0, max(1, round(share * width)), max(1, round(share * height))
        )
        self.image_rect.center = ((wide - column) // 2, high // 2)
        self.sidebar_rect = self._pygame.Rect(wide - column, 0, column, high)
