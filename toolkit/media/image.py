"""Frames as pygame surfaces, and text on them in the font that comes with pygame.

A frame is an array (H, W, 3) uint8.
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np
import pygame
import pygame.font

from poise.toolkit.appearance import Colour
from poise.toolkit.errors import WorkError
from poise.toolkit.spaces import Array

TEXT_COLOUR: Colour = (38, 50, 56)
CARD_COLOUR: Colour = (238, 241, 243)
"""Background of title cards, captions, montages and windows."""

MIN_FONT_SIZE = 9
"""Height of the smallest legible font (pixels)."""


def frame_to_surface(frame: Array) -> pygame.Surface:
    """Return a surface with a copy of the frame."""
    return pygame.image.frombuffer(frame.tobytes(), (frame.shape[1], frame.shape[0]), "RGB")


def surface_to_frame(surface: pygame.Surface) -> Array:
    """Return a frame with a copy of the surface."""
    width, height = surface.get_size()
    pixels = np.frombuffer(pygame.image.tobytes(surface, "RGB"), np.uint8)
    return pixels.reshape(height, width, 3).copy()


def copy_for_drawing(frame: Array) -> tuple[Array, pygame.Surface]:
    """Return a copy of the frame, and a surface that draws on that copy."""
    copy = np.array(frame, order="C")
    return copy, pygame.image.frombuffer(copy.data, (frame.shape[1], frame.shape[0]), "RGB")


def draw_disc(
    surface: pygame.Surface, colour: Sequence[int], centre: tuple[float, float], radius: float
) -> None:
    """Draw a filled circle (pixels), anti-aliased except in pygame, which pygame-ce was made of."""
    draw: Any = getattr(pygame.draw, "aacircle", pygame.draw.circle)
    draw(surface, colour, centre, radius)


def resize_frame(frame: Array, width: int, height: int) -> Array:
    """Return the frame in another size, interpolated."""
    contiguous = np.ascontiguousarray(frame)
    surface = pygame.image.frombuffer(contiguous.data, (frame.shape[1], frame.shape[0]), "RGB")
    return surface_to_frame(pygame.transform.smoothscale(surface, (width, height)))


def fit_frame(frame: Array, width: int, height: int) -> Array:
    """Return the frame fitted into a size, whole and in its aspect ratio, on a plain background."""
    scale = min(width / frame.shape[1], height / frame.shape[0])
    fitted_width = max(1, min(width, round(scale * frame.shape[1])))
    fitted_height = max(1, min(height, round(scale * frame.shape[0])))
    fitted = frame
    if (fitted_height, fitted_width) != frame.shape[:2]:
        fitted = resize_frame(frame, fitted_width, fitted_height)
    if (fitted_width, fitted_height) == (width, height):
        return fitted
    page = np.full((height, width, 3), CARD_COLOUR, np.uint8)
    left = (width - fitted_width) // 2
    top = (height - fitted_height) // 2
    page[top : top + fitted_height, left : left + fitted_width] = fitted
    return page


def get_font(size: int) -> pygame.font.Font:
    """Return the font of a height (pixels)."""
    try:
        _load_font(size).get_height()
    except pygame.error:
        # The cached fonts are invalid: pygame was quit, as environments of other packages do.
        _load_font.cache_clear()
    return _load_font(size)


@cache
def _load_font(size: int) -> pygame.font.Font:
    try:
        pygame.font.init()
        return pygame.font.Font(None, size)
    except (OSError, NotImplementedError, pygame.error) as error:
        raise WorkError(
            f"cannot draw text, pygame's font is missing: reinstall pygame-ce ({error})"
        ) from None


@lru_cache(1024)
def render_text(text: str, size: int, colour: Colour = TEXT_COLOUR) -> pygame.Surface:
    """Return a line of text in a font of height `size` (pixels).

    The surface is cached, since many texts are in every frame of a video: do not draw on it.
    """
    return get_font(size).render(text, True, colour)


def render_title_card(text: str, width: int, height: int, max_size: int) -> Array:
    """Return a card (height, width, 3) with a line of text in its center.

    The font is as large as the width allows, up to `max_size` (pixels); a text too long for the
    smallest font ends in "...".
    """
    surface = pygame.Surface((width, height))
    surface.fill(CARD_COLOUR)
    max_text_width = width - height // 4
    size = max(MIN_FONT_SIZE, max_size)
    while size > MIN_FONT_SIZE and get_font(size).size(text)[0] > max_text_width:
        size -= 1
    font = get_font(size)
    while len(text) > 1 and font.size(text)[0] > max_text_width:
        text = f"{text.removesuffix('...')[:-1]}..." if len(text) > 4 else text[:-1]
    line = render_text(text, size)
    surface.blit(line, line.get_rect(center=(width // 2, height // 2)))
    return surface_to_frame(surface)


def add_caption(frame: Array, text: str) -> Array:
    """Return the frame with a line of text added above it."""
    width = frame.shape[1]
    strip_height = caption_height(frame.shape[0])
    return np.concatenate([render_title_card(text, width, strip_height, strip_height), frame])


def caption_height(height: int) -> int:
    """Return the height of the caption of a frame (pixels); even, as H.264 requires."""
    return max(MIN_FONT_SIZE + 5, height // 12) // 2 * 2
