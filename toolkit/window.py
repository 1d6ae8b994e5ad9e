"""A window on the screen that shows pictures, in real time. The only use of a display in toolkit."""

import os

from toolkit.errors import UserError
from toolkit.signals import Array


class Window:
    """A pygame window that shows frames (H, W, 3) uint8; a UserError where there is no display."""

    def __init__(self, title: str) -> None:
        import pygame

        self._pygame = pygame
        try:
            pygame.display.init()
        except pygame.error as error:
            raise UserError(f"no window can be opened ({error}): record a film instead, or set DISPLAY") from None
        self._title = title
        self._surface: pygame.Surface | None = None
        self._clock = pygame.time.Clock()

    def show(self, frame: Array) -> None:
        """Put a frame on the screen and let the system's events through."""
        size = (frame.shape[1], frame.shape[0])
        if self._surface is None or self._surface.get_size() != size:
            try:
                self._surface = self._pygame.display.set_mode(size)
            except self._pygame.error as error:
                raise UserError(f"no window can be opened ({error}): record a film instead, or set DISPLAY") from None
            self._pygame.display.set_caption(self._title)
        self._surface.blit(self._pygame.image.frombuffer(frame.tobytes(), size, "RGB"), (0, 0))
        self._pygame.event.pump()
        self._pygame.display.flip()

    def wait(self, rate: float) -> None:
        """Sleep so that frames come `rate` times a second."""
        self._clock.tick(rate)

    def close(self) -> None:
        """Close the window; closing twice is no error."""
        self._surface = None
        self._pygame.display.quit()


def silence_greeting() -> None:
    """Pygame greets on standard output when it is imported; output is for what the user asked for."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")


silence_greeting()
