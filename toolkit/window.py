"""A window on the screen that shows pictures, in real time. The only use of a display in toolkit."""

import os
import sys
from collections.abc import Sequence
from typing import Any

from toolkit.errors import UserError
from toolkit.signals import Array

INK, PAPER = (38, 50, 56), (255, 255, 255, 224)
BAND = (224, 90, 71)
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
UNSEEN = ("dummy", "offscreen")
"""Drivers of SDL that show nothing. SDL falls back on them where a display does not answer."""


class Window:
    """A pygame window that shows frames (H, W, 3) uint8; a UserError where there is no display.

    `show` puts a frame on the screen. To draw over it: `begin` with the frame, then `panel` and `band`, then `finish`.
    """

    def __init__(self, title: str) -> None:
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
        self._title = title
        self._surface: Any = None
        self._clock = pygame.time.Clock()

    def show(self, frame: Array) -> None:
        """Put a frame on the screen and let the system's events through."""
        self.begin(frame)
        self._pygame.event.pump()
        self.finish()

    def begin(self, frame: Array) -> None:
        """Lay a frame under what is drawn next; the window takes its size."""
        size = (frame.shape[1], frame.shape[0])
        if self._surface is None or self._surface.get_size() != size:
            try:
                self._surface = self._pygame.display.set_mode(size)
            except self._pygame.error as error:
                raise _no_display(str(error)) from None
            self._pygame.display.set_caption(self._title)
            self._pygame.font.init()
            self._font = self._pygame.font.Font(None, max(16, size[1] // 30))
        self._surface.blit(self._pygame.image.frombuffer(frame.tobytes(), size, "RGB"), (0, 0))

    def panel(self, rows: Sequence[tuple[str, str]], x: float, y: float) -> None:
        """Two columns of text on pale paper; (0, 0) is the window's top left corner, (1, 1) its bottom right."""
        texts = [[self._font.render(text, True, INK) for text in row] for row in rows]
        line, gap = round(self._font.get_linesize() * 1.3), self._font.get_linesize() // 2
        first, second = (max(row[column].get_width() for row in texts) for column in (0, 1))
        split = first + 2 * gap if first and second else first
        paper = self._pygame.Surface((split + second + 2 * gap, line * len(rows) + gap), self._pygame.SRCALPHA)
        self._pygame.draw.rect(paper, PAPER, paper.get_rect(), border_radius=gap)
        for index, row in enumerate(texts):
            paper.blit(row[0], (gap, gap * 0.75 + index * line))
            paper.blit(row[1], (gap + split, gap * 0.75 + index * line))
        width, height = self._surface.get_size()
        left, top = x * (width - paper.get_width() - 2 * gap), y * (height - paper.get_height() - 2 * gap)
        self._surface.blit(paper, (gap + left, gap + top))

    def band(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """A rubber band between two points (fractions of width and height, from the top left)."""
        width, height = self._surface.get_size()
        first, second = ((x * width, y * height) for x, y in (start, end))
        self._pygame.draw.line(self._surface, BAND, first, second, max(2, height // 150))
        for point in (first, second):
            self._pygame.draw.aacircle(self._surface, BAND, point, max(4, height // 90))

    def finish(self) -> None:
        """Put on the screen what was drawn since `begin`."""
        self._pygame.display.flip()

    def events(self) -> list[Any]:
        """What the person and the system have done since the last call, as pygame events."""
        return self._pygame.event.get()

    def fraction(self, pixel: tuple[int, int]) -> tuple[float, float]:
        """A pixel, as events name it, in fractions of width and height."""
        width, height = self._surface.get_size()
        return pixel[0] / width, pixel[1] / height

    def wait(self, rate: float) -> float:
        """Sleep so that frames come `rate` times a second; the seconds since the last call."""
        return self._clock.tick(rate) / 1000.0

    def close(self) -> None:
        """Close the window; closing twice is no error."""
        self._surface = None
        self._pygame.display.quit()


def _no_display(why: str) -> UserError:
    return UserError(f"no window can be opened ({why}): record a film instead, or set DISPLAY")


def silence_greeting() -> None:
    """Pygame greets on standard output when it is imported; output is for what the user asked for."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")


silence_greeting()
