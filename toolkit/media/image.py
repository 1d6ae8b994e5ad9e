"""Lettering: words on pictures, in the font that comes with pygame."""

from functools import cache, lru_cache

import numpy as np
import pygame
import pygame.font

from poise.toolkit.appearance import Colour
from poise.toolkit.errors import WorkError
from poise.toolkit.spaces import Array


def frame_to_surface(frame: Array) -> pygame.Surface:
    """A frame as a surface to draw on; the frame stays as it is."""
    return pygame.image.frombuffer(frame.tobytes(), (frame.shape[1], frame.shape[0]), "RGB")


def copy_for_drawing(frame: Array) -> tuple[Array, pygame.Surface]:
    """A copy of a frame, and a surface that paints on that copy."""
    copy = np.array(frame, order="C")
    return copy, pygame.image.frombuffer(copy.data, (frame.shape[1], frame.shape[0]), "RGB")


def resize_frame(frame: Array, width: int, height: int) -> Array:
    """A frame in another size, smoothly."""
    surface = pygame.image.frombuffer(
        np.ascontiguousarray(frame).data, (frame.shape[1], frame.shape[0]), "RGB"
    )
    return surface_to_frame(pygame.transform.smoothscale(surface, (width, height)))


def surface_to_frame(surface: pygame.Surface) -> Array:
    """What was drawn, as a frame."""
    width, height = surface.get_size()
    return (
        np.frombuffer(pygame.image.tobytes(surface, "RGB"), np.uint8)
        .reshape(height, width, 3)
        .copy()
    )


TEXT_COLOUR: Colour = (38, 50, 56)


CARD_COLOUR: Colour = (238, 241, 243)


MIN_FONT_SIZE = 9
"""The height of the smallest letters that can be read (pixels)."""


def get_font(height: int) -> pygame.font.Font:
    """Letters of a height (pixels)."""
    try:
        _load_font(height).get_height()
    except (
        pygame.error
    ):  # Pygame was quit since they were made: others' environments do so when they are closed.
        _load_font.cache_clear()
    return _load_font(height)


@cache
def _load_font(height: int) -> pygame.font.Font:
    try:
        pygame.font.init()
        return pygame.font.Font(None, height)
    except (OSError, NotImplementedError, pygame.error) as error:
        raise WorkError(
            f"no words can be drawn, pygame's font is missing: install pygame-ce anew ({error})"
        ) from None


@lru_cache(1024)
def render_text(text: str, height: int, colour: Colour = TEXT_COLOUR) -> pygame.Surface:
    """A line of text in letters of a height, to be shown and not drawn on: what is written in every frame is written once."""
    return get_font(height).render(text, True, colour)


def render_title_card(text: str, width: int, height: int, max_size: int) -> Array:
    """A card (height, width, 3) with a line of text in its middle, as large as there is room, but no higher than `max_size`."""
    surface = pygame.Surface((width, height))
    surface.fill(CARD_COLOUR)
    room = width - height // 4
    size = max(MIN_FONT_SIZE, max_size)
    while size > MIN_FONT_SIZE and get_font(size).size(text)[0] > room:
        size -= 1
    font = get_font(size)
    while len(text) > 1 and font.size(text)[0] > room:
        text = f"{text.removesuffix('...')[:-1]}..." if len(text) > 4 else text[:-1]
    line = render_text(text, size)
    surface.blit(line, line.get_rect(center=(width // 2, height // 2)))
    return surface_to_frame(surface)


def add_caption(frame: Array, text: str) -> Array:
    """The frame with a line of text above it; what is seen stays whole."""
    width = frame.shape[1]
    strip = caption_height(frame.shape[0])
    return np.concatenate([render_title_card(text, width, strip, strip), frame])


def caption_height(height: int) -> int:
    """How high the strip for the caption of a picture is; even, as films want it."""
    return max(MIN_FONT_SIZE + 5, height // 12) // 2 * 2
