"""Two pictures side by side, with a line between them and a line of text under each."""

import numpy as np
import pygame
import pygame.font

from toolkit.signals import Array

INK, PALE = (38, 50, 56), (170, 184, 193)


def side_by_side(pictures: tuple[Array, Array], captions: tuple[str, str], size: int) -> Array:
    """Pictures (H, W, 3) uint8 of any size, each shown as a square of `size` pixels: (size, 2 size, 3) uint8."""
    surface = pygame.Surface((2 * size, size))
    pygame.font.init()
    font = pygame.font.Font(None, max(12, size // 18))
    for picture, text, left in zip(pictures, captions, (0, size), strict=True):
        height, width = picture.shape[:2]
        shown = pygame.image.frombuffer(np.ascontiguousarray(picture).tobytes(), (width, height), "RGB")
        if (height, width) != (size, size):
            enlarge = pygame.transform.scale if height < size // 2 else pygame.transform.smoothscale  # Few pixels stay pixels.
            shown = enlarge(shown, (size, size))
        surface.blit(shown, (left, 0))
        surface.blit(font.render(text, True, INK), (left + 6, size - font.get_linesize() - 4))
    pygame.draw.line(surface, PALE, (size, 0), (size, size), max(1, size // 160))
    return np.frombuffer(pygame.image.tobytes(surface, "RGB"), np.uint8).reshape(size, 2 * size, 3).copy()
