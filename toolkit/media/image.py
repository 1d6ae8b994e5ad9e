"""Frames as pygame surfaces, and text on them in DejaVu Sans, which comes with matplotlib.

A frame is an array (H, W, 3) uint8.
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pygame
import pygame.font

from poise.toolkit.appearance import Colour
from poise.toolkit.errors import WorkError
from poise.toolkit.media.palette import LIGHT, to_rgb
from poise.toolkit.spaces import Array

TEXT_COLOUR: Colour = to_rgb(LIGHT.ink)
MUTED_COLOUR: Colour = to_rgb(LIGHT.muted)
CARD_COLOUR: Colour = to_rgb(LIGHT.panel)
"""Background of title cards, captions, montages and windows."""

MIN_FONT_SIZE = 12
"""Smallest legible font (pixels per em): a text that does not fit is cut or left out."""

LINE_HEIGHT = 1.25
"""Height that a line of text needs, in font sizes."""

CAPTION_LINE_HEIGHT = 1.6
"""Height of the strip of a caption, in font sizes."""

PICTURE_OPACITY = 64
"""Opacity, of 255, of the picture behind a title."""

FONT_FILES = {False: "DejaVuSans.ttf", True: "DejaVuSans-Bold.ttf"}
"""Files of matplotlib, by whether the text is bold; their digits have one width."""


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


def get_font(size: int, bold: bool = False) -> pygame.font.Font:
    """Return the font of a size (pixels per em)."""
    try:
        _load_font(size, bold).get_height()
    except pygame.error:
        # The cached fonts are invalid: pygame was quit, as environments of other packages do.
        _load_font.cache_clear()
    return _load_font(size, bold)


@cache
def _load_font(size: int, bold: bool) -> pygame.font.Font:
    import matplotlib  # Only a picture with text needs its folder of fonts.

    path = Path(matplotlib.get_data_path(), "fonts", "ttf", FONT_FILES[bold])
    try:
        pygame.font.init()
        return pygame.font.Font(path, size)
    except (OSError, NotImplementedError, pygame.error) as error:
        raise WorkError(
            "cannot draw text, a font of matplotlib is missing: "
            f"reinstall matplotlib and pygame-ce ({error})"
        ) from None


@lru_cache(4096)
def render_text(
    text: str, size: int, colour: Colour = TEXT_COLOUR, bold: bool = False
) -> pygame.Surface:
    """Return a line of text in a font of `size` pixels per em.

    The surface is cached, since many texts are in every frame of a video: do not draw on it.
    """
    return get_font(size, bold).render(text, True, colour)


def shorten(text: str, size: int, max_width: float, bold: bool = False) -> str:
    """Return the text, or its start and "…", so that it is at most `max_width` pixels wide."""
    font = get_font(size, bold)
    if font.size(text)[0] <= max_width:
        return text
    while text and font.size(f"{text}…")[0] > max_width:
        text = text[:-1]
    return f"{text.rstrip()}…" if text else ""


def render_title_card(
    text: str, width: int, height: int, max_size: int, picture: Array | None = None
) -> Array:
    """Return a card (height, width, 3) with a line of text in its center.

    The font is as large as the card allows, up to `max_size` (pixels per em); a text too long for
    the smallest font ends in "…". A `picture` (height, width, 3) is shown behind it, dimmed.
    """
    surface = pygame.Surface((width, height))
    surface.fill(CARD_COLOUR)
    if picture is not None:
        dimmed = frame_to_surface(picture)
        dimmed.set_alpha(PICTURE_OPACITY)
        surface.blit(dimmed, (0, 0))
    max_text_width = width - height // 4
    size = max(MIN_FONT_SIZE, min(max_size, int(height / LINE_HEIGHT)))
    while size > MIN_FONT_SIZE and get_font(size).size(text)[0] > max_text_width:
        size -= 1
    line = render_text(shorten(text, size, max_text_width), size)
    surface.blit(line, line.get_rect(center=(width // 2, height // 2)))
    return surface_to_frame(surface)


def render_caption(text: str, width: int, height: int) -> Array:
    """Return a strip (height, width, 3) with a line of text at its left."""
    surface = pygame.Surface((width, height))
    surface.fill(CARD_COLOUR)
    size = max(MIN_FONT_SIZE, int(height / CAPTION_LINE_HEIGHT))
    gap = size // 2
    line = render_text(shorten(text, size, width - 2 * gap), size)
    surface.blit(line, line.get_rect(midleft=(gap, height // 2)))
    return surface_to_frame(surface)


def add_caption(frame: Array, text: str) -> Array:
    """Return the frame with a line of text added above it."""
    width = frame.shape[1]
    return np.concatenate([render_caption(text, width, caption_height(frame.shape[0])), frame])


def caption_height(height: int) -> int:
    """Return the height of the caption of a frame (pixels); even, as H.264 requires."""
    return max(round(CAPTION_LINE_HEIGHT * MIN_FONT_SIZE), height // 16) // 2 * 2
