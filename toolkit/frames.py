"""Frames: pictures (H, W, 3) uint8 as arrays, and as surfaces that pygame draws on."""

import numpy as np
import pygame

from toolkit.signals import Array


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
