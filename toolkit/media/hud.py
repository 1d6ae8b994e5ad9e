"""The head-up display: numbers and bars over an environment's picture."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import pygame

from poise.toolkit.appearance import Colour
from poise.toolkit.interaction import ImagePoint
from poise.toolkit.media.image import copy_for_drawing, get_font, render_text
from poise.toolkit.spaces import Array, component_names

if TYPE_CHECKING:
    from poise.toolkit.environment import BaseEnvironment


TRACK_COLOUR: Colour = (170, 184, 193)


GOOD = (64, 178, 108)
BAD = (224, 90, 71)
ACTION_COLOUR = (33, 118, 174)


PANEL_COLOUR = (255, 255, 255, 170)


LOW_MARGIN = 0.25
"""A margin below this part of itself is shown as danger."""


class BarRow(NamedTuple):
    """A name, and a bar filled from `low` to `high`, fractions of its length."""

    name: str
    low: float
    high: float
    colour: Colour


def draw_hud(frame: Array, env: "BaseEnvironment") -> Array:
    """The frame (H, W, 3) with time, return, reward terms, margins to failure and the action drawn over it."""
    painted, surface = copy_for_drawing(frame)
    size = max(10, frame.shape[0] // 30)
    time = f"{env.steps / env.CONTROL_HZ:.2f} s, return {env.total_reward:.1f}"
    terms = [
        BarRow(name, 0.0, min(1.0, abs(value)), GOOD if value >= 0.0 else BAD)
        for name, value in env.last_reward_terms.items()
    ]
    margins = [
        BarRow(name, 0.0, min(1.0, margin), GOOD if margin > LOW_MARGIN else BAD)
        for name, margin in env.failure_margins().items()
    ]
    names = [name for name, _ in component_names(env.ACTION)]
    shares = [(min(share, 0.0) / 2, max(share, 0.0) / 2) for share in env.last_action]
    action = [
        BarRow(name, 0.5 + low, 0.5 + high, ACTION_COLOUR)
        for name, (low, high) in zip(names, shares, strict=False)
    ]
    _draw_panel(surface, size, (0.0, 0.0), time, terms)
    if margins:
        _draw_panel(surface, size, (1.0, 0.0), "margins", margins)
    if action:
        _draw_panel(surface, size, (0.0, 1.0), "action", action)
    return painted


def draw_drag_line(frame: Array, start: ImagePoint, end: ImagePoint) -> Array:
    """The frame (H, W, 3) with a rubber band between two places of it."""
    painted, surface = copy_for_drawing(frame)
    first, second = ((x * frame.shape[1], y * frame.shape[0]) for x, y in (start, end))
    pygame.draw.line(surface, BAD, first, second, max(2, frame.shape[0] // 150))
    for point in (first, second):
        pygame.draw.aacircle(surface, BAD, point, max(4, frame.shape[0] // 90))
    return painted


def _draw_panel(
    surface: pygame.Surface,
    height: int,
    corner: tuple[float, float],
    title: str,
    rows: Sequence[BarRow],
) -> None:
    """A pale panel in letters of a height, in a corner of the picture, given as fractions of its free width and height."""
    line = get_font(height).get_linesize()
    label = max((render_text(row.name, height).get_width() for row in rows), default=0) + line // 2
    bar = 4 * line
    size = (
        max(label + bar, render_text(title, height).get_width()) + line,
        line * (len(rows) + 1) + line // 2,
    )
    panel = pygame.Surface(size, pygame.SRCALPHA)
    pygame.draw.rect(panel, PANEL_COLOUR, panel.get_rect(), border_radius=line // 3)
    panel.blit(render_text(title, height), (line // 2, line // 4))
    for index, row in enumerate(rows, 1):
        top = line // 4 + index * line
        panel.blit(render_text(row.name, height), (line // 2, top))
        left = line // 2 + label
        thick = max(2, line // 3)
        pygame.draw.rect(panel, TRACK_COLOUR, (left, top + line // 4, bar, thick), border_radius=2)
        filled = (
            left + bar * row.low,
            top + line // 4,
            max(1.0, bar * (row.high - row.low)),
            thick,
        )
        pygame.draw.rect(panel, row.colour, filled, border_radius=2)
    gap = line // 2
    free = (surface.get_width() - size[0] - 2 * gap, surface.get_height() - size[1] - 2 * gap)
    surface.blit(panel, (gap + corner[0] * free[0], gap + corner[1] * free[1]))
