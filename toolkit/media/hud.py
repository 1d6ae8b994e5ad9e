"""The head-up display: numbers and bars over an environment's image."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple, Protocol

import pygame

from poise.toolkit.appearance import Colour
from poise.toolkit.interaction import ImagePoint
from poise.toolkit.media.image import copy_for_drawing, draw_disc, get_font, render_text
from poise.toolkit.spaces import Action, Array, Signal, component_names

TRACK_COLOUR: Colour = (170, 184, 193)

GOOD: Colour = (64, 178, 108)
BAD: Colour = (224, 90, 71)
ACTION_COLOUR: Colour = (33, 118, 174)
PANEL_COLOUR = (255, 255, 255, 170)
"""Red, green, blue and opacity."""

LOW_MARGIN = 0.25
"""Margins to failure up to this value, of 1 at rest, are drawn in the colour BAD."""


class HudEnv(Protocol):
    """What the HUD shows of an environment; BaseEnvironment has it."""

    ACTION: ClassVar[tuple[Signal, ...]]
    CONTROL_HZ: ClassVar[int]
    steps: int
    total_reward: float
    last_action: Action
    last_reward_terms: Mapping[str, float]

    def failure_margins(self) -> dict[str, float]:
        """Return the remaining margin of each failure."""


class BarRow(NamedTuple):
    """A name and a bar filled from `low` to `high`, fractions of its length."""

    name: str
    low: float
    high: float
    colour: Colour


def draw_hud(frame: Array, env: HudEnv) -> Array:
    """Return a copy of the frame (H, W, 3) with the state of the episode drawn over it.

    Top left: time, return and reward terms; top right: margins to failure; bottom left: action.
    """
    annotated, surface = copy_for_drawing(frame)
    font_size = max(10, frame.shape[0] // 30)
    title = f"{env.steps / env.CONTROL_HZ:.2f} s, return {env.total_reward:.1f}"
    terms = [
        BarRow(name, 0.0, min(1.0, abs(value)), GOOD if value >= 0.0 else BAD)
        for name, value in env.last_reward_terms.items()
    ]
    margins = [
        BarRow(name, 0.0, min(1.0, margin), GOOD if margin > LOW_MARGIN else BAD)
        for name, margin in env.failure_margins().items()
    ]
    names = [name for name, _ in component_names(env.ACTION)]
    # An action in [-1, 1] fills its bar from the middle, to the left or to the right.
    action = [
        BarRow(name, 0.5 + min(value, 0.0) / 2, 0.5 + max(value, 0.0) / 2, ACTION_COLOUR)
        for name, value in zip(names, env.last_action, strict=False)
    ]
    _draw_panel(surface, font_size, (0.0, 0.0), title, terms)
    if margins:
        _draw_panel(surface, font_size, (1.0, 0.0), "margins", margins)
    if action:
        _draw_panel(surface, font_size, (0.0, 1.0), "action", action)
    return annotated


def draw_drag_line(frame: Array, start: ImagePoint, end: ImagePoint) -> Array:
    """Return a copy of the frame (H, W, 3) with a line between two points and a disc on each."""
    annotated, surface = copy_for_drawing(frame)
    height, width = frame.shape[:2]
    first = (start[0] * width, start[1] * height)
    second = (end[0] * width, end[1] * height)
    pygame.draw.line(surface, BAD, first, second, max(2, height // 150))
    for point in (first, second):
        draw_disc(surface, BAD, point, max(4, height // 90))
    return annotated


def _draw_panel(
    surface: pygame.Surface,
    font_size: int,
    corner: tuple[float, float],
    title: str,
    rows: Sequence[BarRow],
) -> None:
    """Draw a pale panel on the surface, in place: a title, then one row per bar.

    `font_size` is in pixels; `corner` is the position of the panel, as fractions of the width and
    height that it leaves free.
    """
    line = get_font(font_size).get_linesize()
    longest_name = max((render_text(row.name, font_size).get_width() for row in rows), default=0)
    label_width = longest_name + line // 2
    bar_width = 4 * line
    title_width = render_text(title, font_size).get_width()
    width = max(label_width + bar_width, title_width) + line
    height = line * (len(rows) + 1) + line // 2
    panel = pygame.Surface((width, height), pygame.SRCALPHA)
    pygame.draw.rect(panel, PANEL_COLOUR, panel.get_rect(), border_radius=line // 3)
    panel.blit(render_text(title, font_size), (line // 2, line // 4))

    bar_left = line // 2 + label_width
    bar_height = max(2, line // 3)
    for index, row in enumerate(rows, 1):
        top = line // 4 + index * line
        bar_top = top + line // 4
        panel.blit(render_text(row.name, font_size), (line // 2, top))
        track = (bar_left, bar_top, bar_width, bar_height)
        pygame.draw.rect(panel, TRACK_COLOUR, track, border_radius=2)
        filled_left = bar_left + bar_width * row.low
        filled_width = max(1.0, bar_width * (row.high - row.low))
        filled = (filled_left, bar_top, filled_width, bar_height)
        pygame.draw.rect(panel, row.colour, filled, border_radius=2)

    gap = line // 2
    free_width = surface.get_width() - width - 2 * gap
    free_height = surface.get_height() - height - 2 * gap
    surface.blit(panel, (gap + corner[0] * free_width, gap + corner[1] * free_height))
