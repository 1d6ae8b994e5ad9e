"""The display that windows open on: whether there is one, and what to do where there is none."""

import os
import sys

from toolkit.errors import UserError

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
