"""A window on the screen that shows pictures, in real time. The only use of a display in toolkit."""

import os
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from poise.toolkit.errors import UserError
from poise.toolkit.spaces import Array

DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")


UNSEEN = ("dummy", "offscreen")
"""Drivers of SDL that show nothing. SDL falls back on them where a display does not answer."""


def open_display() -> None:
    """Begin to use the display; a UserError where there is none."""
    import pygame

    if sys.platform == "linux" and not any(os.environ.get(name) for name in DISPLAYS):
        raise no_display("there is no display")
    try:
        pygame.display.init()
    except pygame.error as error:
        raise no_display(str(error)) from None
    driver = pygame.display.get_driver()
    if driver in UNSEEN and os.environ.get("SDL_VIDEODRIVER") != driver:
        pygame.display.quit()
        raise no_display("the display does not answer")


def no_display(why: str) -> UserError:
    """What to tell where no window can be opened."""
    return UserError(f"no window can be opened ({why}): record a film instead, or set DISPLAY")


def silence_greeting() -> None:
    """Pygame greets on standard output when it is imported; output is for what the user asked for."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")


silence_greeting()


PAPER, DESK = (255, 255, 255, 224), (238, 241, 243)


COLUMN = 19
"""The column's width in heights of its letters."""


LETTERS = 30
"""How many letters would stand on top of each other in the window."""


NARROW = 0.62
"""Where this part of the window's width is less than its height, letters go by it."""


SMALLEST = 14
"""The height of the smallest letters (pixels)."""


ROOM = 0.9
"""The part of the screen that a new window takes at most."""


Point = tuple[float, float]


Row = tuple[str, str]


class Window:
    """A pygame window that shows frames (H, W, 3) uint8, and beside them a `column` of text if there is to be one.

    `show` puts a frame on the screen. To add to it: `begin` with the frame, write and draw, then `finish`. Places in
    the picture are fractions of its width and height, from the top left. The window opens as large as its first frame,
    or as the screen lets it; when a person changes its size, picture and letters grow with it. A UserError where there
    is no display.
    """

    def __init__(self, title: str, column: bool = False) -> None:
        import pygame
        from poise.toolkit.media import image as lettering

        self._pygame, self._lettering = pygame, lettering
        open_display()
        self._title, self._has_column = title, column
        self.screen = max(pygame.display.get_desktop_sizes(), key=lambda size: size[1])
        self.picture = self.column = pygame.Rect(0, 0, 0, 0)
        self.surface: Any = None
        self._laid: Any = None
        self._clock = pygame.time.Clock()

    def show(self, frame: Array, rate: float) -> None:
        """Put a frame on the screen, one of `rate` in a second, and let the system's events through."""
        self.begin(frame)
        self._pygame.event.pump()
        self.finish()
        self.wait(rate)

    def begin(self, frame: Array) -> None:
        """Lay a frame under what comes next."""
        height, width = frame.shape[:2]
        if self.surface is None:
            self._open(width, height)
        self.surface = self._pygame.display.get_surface()
        if self._laid != (laid := (width, height, *self.surface.get_size())):
            self._lay_out(*laid)
            self._laid = laid
        image = self._pygame.image.frombuffer(np.ascontiguousarray(frame).data, (width, height), "RGB")
        if self.picture.size != (width, height):
            image = self._pygame.transform.smoothscale(image, self.picture.size)
        self.surface.fill(DESK)
        self.surface.blit(image, self.picture)

    def note(self, text: str, x: float, y: float) -> None:
        """A line of text on pale paper over the picture, in letters for which there is room."""
        wide = self._lettering.words(text, self.letters).get_width()
        self.write([(text, "")], self.picture, x, y, letters=int(self.letters * min(1.0, 0.9 * self.picture.width / wide)))

    def beside(self, rows: Sequence[Row], y: float) -> Any:
        """Rows of two texts in the column beside the picture: at its top for y = 0, at its bottom for y = 1. Where they stand."""
        return self.write(rows, self.column, 0.0, y, self.column.width) if self.column.width else self.column

    def over(self, rows: Sequence[Row]) -> None:
        """Rows of two texts at the window's right edge, over all that is there, in letters for which there is room."""
        size = min(self.letters, int(self.surface.get_height() / (len(rows) + 1)))
        self.write(rows, self.surface.get_rect(), 1.0, 0.0, self.column.width, max(SMALLEST // 2, size))

    def finish(self) -> None:
        """Put on the screen what was drawn since `begin`."""
        self._pygame.display.flip()

    def events(self) -> Sequence[Any]:
        """What the person and the system have done since the last call, as pygame events."""
        return self._pygame.event.get()

    def fraction(self, pixel: tuple[int, int], *, moved: bool = False) -> Point:
        """The place in the picture of a pixel, as events name it; or how far it has `moved` by so many pixels."""
        left, top = (0, 0) if moved else self.picture.topleft
        return (pixel[0] - left) / self.picture.width, (pixel[1] - top) / self.picture.height

    def wait(self, rate: float) -> float:
        """Sleep so that frames come `rate` times a second; the seconds since the last call."""
        return self._clock.tick(rate) / 1000.0

    def close(self) -> None:
        """Close the window; closing twice is no error."""
        self.surface = None
        self._pygame.display.quit()

    def write(self, rows: Sequence[Row], area: Any, x: float, y: float, width: int = 0, letters: int = 0) -> Any:
        """Rows on paper at least `width` wide, at fractions of the room that `area` leaves. Where the paper lies."""
        letters = letters or self.letters
        texts = [[self._lettering.words(text, letters) for text in row] for row in rows]
        high = self._lettering.letters(letters).get_linesize()
        line, gap = round(high * 1.25), high // 2
        first, second = (max(row[side].get_width() for row in texts) for side in (0, 1))
        split = first + (2 * gap if second else 0)
        size = (max(split + second + 2 * gap, width - 2 * gap), line * len(rows) + gap)
        paper = self._pygame.Surface(size, self._pygame.SRCALPHA)
        self._pygame.draw.rect(paper, PAPER, paper.get_rect(), border_radius=gap)
        for index, (left, right) in enumerate(texts):
            top = gap * 0.75 + index * line
            paper.blit(left, (gap, top))
            paper.blit(right, (gap + split, top))
        room = area.inflate(-2 * gap - paper.get_width(), -2 * gap - paper.get_height())
        return self.surface.blit(paper, (area.left + gap + x * room.width, area.top + gap + y * room.height))

    def _open(self, width: int, height: int) -> None:
        """Open the window: as large as its picture and column, or as the screen lets it."""
        wide = width + self._has_column * COLUMN * max(SMALLEST, height // LETTERS)
        share = min(1.0, ROOM * self.screen[0] / wide, ROOM * self.screen[1] / height)
        size = (wide, height) if share == 1.0 else (round(share * wide), round(share * height))
        try:
            self._pygame.display.set_mode(size, self._pygame.RESIZABLE)
        except self._pygame.error as error:
            raise no_display(str(error)) from None
        self._pygame.display.set_caption(self._title)

    def _lay_out(self, width: int, height: int, wide: int, high: int) -> None:
        """Give picture and column their places in a window; where it is narrow the picture has it all."""
        self.letters = max(SMALLEST, int(min(high, NARROW * wide)) // LETTERS)
        self.line = self._lettering.letters(self.letters).get_linesize()
        column = COLUMN * self.letters if self._has_column else 0
        column = column if wide > 1.2 * column else 0
        share = min((wide - column) / width, high / height)
        self.picture = self._pygame.Rect(0, 0, max(1, round(share * width)), max(1, round(share * height)))
        self.picture.center = ((wide - column) // 2, high // 2)
        self.column = self._pygame.Rect(wide - column, 0, column, high)
