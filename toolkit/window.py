"""A window on the screen that shows pictures, in real time. The only use of a display in toolkit."""

import os
import sys
from collections.abc import Sequence
from typing import Any

from toolkit.errors import UserError
from toolkit.signals import Array

INK, PAPER, DESK = (38, 50, 56), (255, 255, 255, 224), (238, 241, 243)
BAND = (224, 90, 71)
COLUMN = 17
"""The column's width in heights of its letters."""
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
UNSEEN = ("dummy", "offscreen")
"""Drivers of SDL that show nothing. SDL falls back on them where a display does not answer."""

Point = tuple[float, float]
Row = tuple[str, str]


class Window:
    """A pygame window that shows frames (H, W, 3) uint8, and beside them a `column` of text if there is to be one.

    `show` puts a frame on the screen. To add to it: `begin` with the frame, write and draw, then `finish`. Places in
    the picture are fractions of its width and height, from the top left. A UserError where there is no display.
    """

    def __init__(self, title: str, column: bool = False) -> None:
        import pygame
        import pygame.font

        self._pygame = pygame
        if sys.platform == "linux" and not any(os.environ.get(name) for name in DISPLAYS):
            raise _no_display("there is no display")
        try:
            pygame.display.init()
        except pygame.error as error:
            raise _no_display(str(error)) from None
        driver = pygame.display.get_driver()
        if driver in UNSEEN and os.environ.get("SDL_VIDEODRIVER") != driver:
            pygame.display.quit()
            raise _no_display("the display does not answer")
        self._title, self._has_column = title, column
        self._picture = self._column = pygame.Rect(0, 0, 0, 0)
        self._surface: Any = None
        self._clock = pygame.time.Clock()

    def show(self, frame: Array, rate: float) -> None:
        """Put a frame on the screen, one of `rate` in a second, and let the system's events through."""
        self.begin(frame)
        self._pygame.event.pump()
        self.finish()
        self.wait(rate)

    def begin(self, frame: Array) -> None:
        """Lay a frame under what comes next; the window takes its size."""
        height, width = frame.shape[:2]
        if self._surface is None or self._picture.size != (width, height):
            self._open(width, height)
        self._surface.fill(DESK)
        self._surface.blit(self._pygame.image.frombuffer(frame.tobytes(), (width, height), "RGB"), (0, 0))

    def note(self, text: str, x: float, y: float) -> None:
        """A line of text on pale paper over the picture."""
        self._write([(text, "")], self._picture, x, y, 0)

    def beside(self, rows: Sequence[Row], y: float) -> None:
        """Rows of two texts in the column beside the picture: at its top for y = 0, at its bottom for y = 1."""
        self._write(rows, self._column, 0.0, y, self._column.width)

    def band(self, start: Point, end: Point) -> None:
        """A rubber band between two points of the picture."""
        width, height = self._picture.size
        first, second = ((x * width, y * height) for x, y in (start, end))
        self._pygame.draw.line(self._surface, BAND, first, second, max(2, height // 150))
        for point in (first, second):
            self._pygame.draw.aacircle(self._surface, BAND, point, max(4, height // 90))

    def finish(self) -> None:
        """Put on the screen what was drawn since `begin`."""
        self._pygame.display.flip()

    def events(self) -> Sequence[Any]:
        """What the person and the system have done since the last call, as pygame events."""
        return self._pygame.event.get()

    def fraction(self, pixel: tuple[int, int]) -> Point:
        """The place in the picture of a pixel, as events name it."""
        return pixel[0] / self._picture.width, pixel[1] / self._picture.height

    def wait(self, rate: float) -> float:
        """Sleep so that frames come `rate` times a second; the seconds since the last call."""
        return self._clock.tick(rate) / 1000.0

    def close(self) -> None:
        """Close the window; closing twice is no error."""
        self._surface = None
        self._pygame.display.quit()

    def _open(self, width: int, height: int) -> None:
        letters = max(16, height // 30)
        self._picture = self._pygame.Rect(0, 0, width, height)
        self._column = self._pygame.Rect(width, 0, COLUMN * letters if self._has_column else 0, height)
        try:
            self._surface = self._pygame.display.set_mode((self._column.right, height))
        except self._pygame.error as error:
            raise _no_display(str(error)) from None
        self._pygame.display.set_caption(self._title)
        self._pygame.font.init()
        self._font = self._pygame.font.Font(None, letters)

    def _write(self, rows: Sequence[Row], area: Any, x: float, y: float, width: int) -> None:
        """Rows on paper at least `width` wide, at fractions of the room that `area` leaves."""
        texts = [[self._font.render(text, True, INK) for text in row] for row in rows]
        line, gap = round(self._font.get_linesize() * 1.25), self._font.get_linesize() // 2
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
        self._surface.blit(paper, (area.left + gap + x * room.width, area.top + gap + y * room.height))


def _no_display(why: str) -> UserError:
    return UserError(f"no window can be opened ({why}): record a film instead, or set DISPLAY")


def silence_greeting() -> None:
    """Pygame greets on standard output when it is imported; output is for what the user asked for."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")


silence_greeting()
