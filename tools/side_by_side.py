"""Two pictures side by side, with a line between them and a line of text under each."""

import pygame

from toolkit.frames import frame_of, surface_of
from toolkit.hud import PALE
from toolkit.lettering import INK, letters
from toolkit.signals import Array


def side_by_side(pictures: tuple[Array, Array], captions: tuple[str, str], size: int) -> Array:
    """Pictures (H, W, 3) uint8 of any size, each shown as a square of `size` pixels: (size, 2 size, 3) uint8."""
    surface = pygame.Surface((2 * size, size))
    font = letters(max(12, size // 18))
    for picture, text, left in zip(pictures, captions, (0, size), strict=True):
        shown = surface_of(picture)
        if shown.get_size() != (size, size):
            enlarge = (
                pygame.transform.scale if len(picture) < size // 2 else pygame.transform.smoothscale
            )  # Few pixels stay pixels.
            shown = enlarge(shown, (size, size))
        surface.blit(shown, (left, 0))
        surface.blit(font.render(text, True, INK), (left + 6, size - font.get_linesize() - 4))
    pygame.draw.line(surface, PALE, (size, 0), (size, size), max(1, size // 160))
    return frame_of(surface)
