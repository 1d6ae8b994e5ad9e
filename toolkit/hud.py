"""The head-up display: numbers and bars over a world's picture."""

from typing import TYPE_CHECKING

import numpy as np
import pygame
import pygame.font

from toolkit.signals import Array

if TYPE_CHECKING:
    from toolkit.environment import BaseEnvironment

INK = (38, 50, 56)
PALE = (200, 208, 214)
GOOD, BAD = (64, 178, 108), (224, 90, 71)
PUSH = (33, 118, 174)


def draw_hud(frame: Array, world: "BaseEnvironment") -> Array:
    """The frame (H, W, 3) with time, return, reward terms, action bars and margins to failure drawn over it."""
    height, width = frame.shape[:2]
    surface = pygame.image.frombuffer(frame.tobytes(), (width, height), "RGB")
    line = max(9, height // 40)
    pygame.font.init()
    font = pygame.font.Font(None, round(line * 1.3))

    def write(text: str, x: float, y: float) -> None:
        surface.blit(font.render(text, True, INK), (x, y))

    def bar(x: float, y: float, length: float, low: float, high: float, colour: tuple[int, int, int]) -> None:
        """A bar of `length` pixels that is filled from `low` to `high`, fractions of it."""
        thick = max(2, line // 2)
        top = round(y + line * 0.3)
        pygame.draw.rect(surface, PALE, (x, top, length, thick), border_radius=2)
        filled = (x + length * low, top, max(1.0, length * (high - low)), thick)
        pygame.draw.rect(surface, colour, filled, border_radius=2)

    left, row = line, float(line)
    write(f"{world.steps / world.CONTROL_RATE:5.2f} s    return {world.total_reward:.1f}", left, row)
    label, length = width * 0.16, width * 0.14
    row += 1.4 * line
    for name, value in world.terms.items():
        write(f"{name} {value:.2f}", left, row)
        bar(left + label, row, length, 0.0, min(1.0, abs(value)), GOOD if value >= 0.0 else BAD)
        row += 1.2 * line
    left, row = width * 0.62, float(line)
    for name, margin in world.margins().items():
        write(name, left, row)
        safe = min(1.0, max(0.0, margin))
        bar(left + label * 1.2, row, length, 0.0, safe, GOOD if safe > 0.25 else BAD)
        row += 1.2 * line
    names = [signal.name if signal.size == 1 else f"{signal.name} {i + 1}" for signal in world.ACTION for i in range(signal.size)]
    row = height - line * 1.2 * (len(world.effort) + 1)
    for name, share in zip(names, world.effort, strict=False):
        write(name, line, row)
        bar(line + width * 0.28, row, length, min(0.5, 0.5 + share / 2), max(0.5, 0.5 + share / 2), PUSH)
        row += 1.2 * line
    return np.frombuffer(pygame.image.tobytes(surface, "RGB"), np.uint8).reshape(height, width, 3).copy()
