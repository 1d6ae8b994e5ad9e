"""Lettering: words on pictures, in the font that comes with pygame."""

from functools import cache, lru_cache

import numpy as np
import pygame
import pygame.font
from poise.toolkit.appearance import Colour
from poise.toolkit.errors import WorkError
from poise.toolkit.spaces import Array


def surface_of(frame: Array) -> pygame.Surface:
    """A frame as a surface to draw on; the frame stays as it is."""
    return pygame.image.frombuffer(frame.tobytes(), (frame.shape[1], frame.shape[0]), "RGB")


def copy_to_paint(frame: Array) -> tuple[Array, pygame.Surface]:
    """A copy of a frame, and a surface that paints on that copy."""
    copy = np.array(frame, order="C")
    return copy, pygame.image.frombuffer(copy.data, (frame.shape[1], frame.shape[0]), "RGB")


def resized(frame: Array, width: int, height: int) -> Array:
    """A frame in another size, smoothly."""
    surface = pygame.image.frombuffer(np.ascontiguousarray(frame).data, (frame.shape[1], frame.shape[0]), "RGB")
    return frame_of(pygame.transform.smoothscale(surface, (width, height)))


def frame_of(surface: pygame.Surface) -> Array:
    """What was drawn, as a frame."""
    width, height = surface.get_size()
    return np.frombuffer(pygame.image.tobytes(surface, "RGB"), np.uint8).reshape(height, width, 3).copy()


INK: Colour = (38, 50, 56)


PAPER: Colour = (238, 241, 243)


SMALLEST = 9
"""The height of the smallest letters that can be read (pixels)."""


def letters(height: int) -> pygame.font.Font:
    """Letters of a height (pixels)."""
    try:
        _font(height).get_height()
    except pygame.error:  # Pygame was quit since they were made: others' worlds do so when they are closed.
        _font.cache_clear()
    return _font(height)


@cache
def _font(height: int) -> pygame.font.Font:
    try:
        pygame.font.init()
        return pygame.font.Font(None, height)
    except (OSError, NotImplementedError, pygame.error) as error:
        raise WorkError(f"no words can be drawn, pygame's font is missing: install pygame-ce anew ({error})") from None


@lru_cache(1024)
def words(text: str, height: int, colour: Colour = INK) -> pygame.Surface:
    """A line of text in letters of a height, to be shown and not drawn on: what is written in every frame is written once."""
    return letters(height).render(text, True, colour)


def card(text: str, width: int, height: int, most: int) -> Array:
    """A card (height, width, 3) with a line of text in its middle, as large as there is room, but no higher than `most`."""
    surface = pygame.Surface((width, height))
    surface.fill(PAPER)
    room = width - height // 4
    size = max(SMALLEST, most)
    while size > SMALLEST and letters(size).size(text)[0] > room:
        size -= 1
    font = letters(size)
    while len(text) > 1 and font.size(text)[0] > room:
        text = f"{text.removesuffix('...')[:-1]}..." if len(text) > 4 else text[:-1]
    line = words(text, size)
    surface.blit(line, line.get_rect(center=(width // 2, height // 2)))
    return frame_of(surface)


def captioned(frame: Array, text: str) -> Array:
    """The frame with a line of text above it; what is seen stays whole."""
    width, strip = frame.shape[1], strip_of(frame.shape[0])
    return np.concatenate([card(text, width, strip, strip), frame])


def strip_of(height: int) -> int:
    """How high the strip for the caption of a picture is; even, as films want it."""
    return max(SMALLEST + 5, height // 12) // 2 * 2
