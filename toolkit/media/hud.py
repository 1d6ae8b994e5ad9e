"""The head-up display: time, return, reward terms, margins and action beside or below an image."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple, Protocol

import numpy as np
import pygame

from poise.toolkit.appearance import Colour
from poise.toolkit.interaction import ImagePoint
from poise.toolkit.media.image import (
    CARD_COLOUR,
    LINE_HEIGHT,
    MIN_FONT_SIZE,
    MUTED_COLOUR,
    TEXT_COLOUR,
    copy_for_drawing,
    draw_disc,
    get_font,
    render_text,
    shorten,
    surface_to_frame,
)
from poise.toolkit.media.palette import LIGHT, to_rgb
from poise.toolkit.settings import EnvSettings
from poise.toolkit.spaces import Action, Array, Signal, component_names

TRACK_COLOUR: Colour = to_rgb(LIGHT.rule)
GOOD: Colour = to_rgb(LIGHT.success)
BAD: Colour = to_rgb(LIGHT.failure)
COST_COLOUR: Colour = to_rgb(LIGHT.warning)
ACTION_COLOUR: Colour = to_rgb(LIGHT.series[0])
LIMB_COLOURS = {"left": to_rgb(LIGHT.limb_left), "right": to_rgb(LIGHT.limb_right)}
"""Colour of a limb by the first word of its name."""

LOW_MARGIN = 0.25
"""Margins to failure up to this value, of 1 at rest, are drawn in the colour BAD, with a cross."""

MIN_COLUMN_HEIGHT = 480
"""Height of an image (pixels) from which the display is a column; below, it is a strip."""

COLUMN_WIDTH = 0.4
"""Width of the column, in heights of the image."""

MIN_MARGIN_WIDTH = 220
"""Width of an image (pixels) from which the strip shows the nearest failure too."""

MAX_ACTION_ROWS = 10
LARGEST_ACTION_ROWS = 5
"""Of more than MAX_ACTION_ROWS actions, only so many are shown: the largest ones."""

BAR_WIDTH = 0.18
VALUE_WIDTH = 0.18
"""Width of a bar and of its value, in widths of the column."""


MINUS = "\N{MINUS SIGN}"


class HudEnv(Protocol):
    """What the HUD shows of an environment; BaseEnvironment has it."""

    ACTION: ClassVar[tuple[Signal, ...]]
    REWARD: ClassVar[Mapping[str, Mapping[str, float]]]
    CONTROL_HZ: ClassVar[int]
    settings: EnvSettings
    steps: int
    total_reward: float
    last_action: Action
    last_reward_terms: Mapping[str, float]

    def failure_margins(self) -> dict[str, float]:
        """Return the remaining margin of each failure."""

    def action_names(self) -> list[str]:
        """Return a name for each action component."""


class BarRow(NamedTuple):
    """A name, a bar filled from `low` to `high` (fractions of its length), and a value."""

    name: str
    low: float
    high: float
    value: str
    colour: Colour
    tick: float | None = None
    """Position of a mark on the bar, a fraction of its length."""
    dot: Colour | None = None
    """Colour of the limb that the row belongs to."""
    is_warning: bool = False


class BarGroup(NamedTuple):
    """Rows under a title; the note at its right names their unit."""

    title: str
    note: str
    rows: Sequence[BarRow]


def draw_hud(frame: Array, env: HudEnv) -> Array:
    """Return the frame (H, W, 3) with the state of the episode beside it, or below a small one.

    The image itself is not covered. The column beside it has reward terms, failure margins and
    action; the strip below a small image has time, return and the nearest failure.
    """
    height, width = frame.shape[:2]
    if height >= MIN_COLUMN_HEIGHT:
        column_width = round(COLUMN_WIDTH * height) // 2 * 2  # even, as H.264 requires
        return np.concatenate([frame, _draw_column(env, column_width, height)], axis=1)
    return np.concatenate([frame, _draw_strip(env, width)])


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


def format_value(value: float, scale: float, signed: bool = False) -> str:
    """Format a value of a quantity whose largest values are about `scale`, with a true minus."""
    decimals = 0 if scale >= 20.0 else 1 if scale >= 5.0 else 2
    sign = "+" if signed else ""
    text = f"{value:{sign}z.{decimals}f}".replace("-", MINUS)
    return text.removeprefix("+") if not text.strip("+0.") else text


def get_limb_colour(name: str) -> Colour | None:
    """Return the colour of the limb that a joint's name starts with, None for other names."""
    return LIMB_COLOURS.get(name.split(" ", 1)[0].lower())


def _make_groups(env: HudEnv) -> list[BarGroup]:
    """Return reward terms, failure margins and actions, as far as the environment has them."""
    groups = [
        BarGroup("Reward", "per step", _make_reward_rows(env)),
        BarGroup("Failure margin", "0 = end", _make_margin_rows(env)),
        BarGroup("Action", describe_action(env.ACTION), _make_action_rows(env)),
    ]
    return [group for group in groups if group.rows]


def _make_reward_rows(env: HudEnv) -> list[BarRow]:
    weights = env.REWARD[env.settings.reward]
    rows = []
    for name, weight in weights.items():
        value = weight * env.last_reward_terms.get(name, 0.0)
        filled = min(1.0, abs(value / weight)) if weight else 0.0
        colour = GOOD if value >= 0.0 else COST_COLOUR
        rows.append(BarRow(name.replace("_", " "), 0.0, filled, format_value(value, 1.0), colour))
    return rows


def _make_margin_rows(env: HudEnv) -> list[BarRow]:
    rows = []
    for name, margin in env.failure_margins().items():
        is_low = margin <= LOW_MARGIN
        filled = min(1.0, max(0.0, margin))
        colour = BAD if is_low else TEXT_COLOUR
        value = format_value(margin, 1.0)
        rows.append(BarRow(name, 0.0, filled, value, colour, LOW_MARGIN, is_warning=is_low))
    return rows


def _make_action_rows(env: HudEnv) -> list[BarRow]:
    """Return a row for each action in its unit; an action of 0 fills nothing of its bar."""
    components = component_names(env.ACTION)
    action = env.last_action or (0.0,) * len(components)
    rows = []
    for name, value, (_, signal) in zip(env.action_names(), action, components, strict=True):
        physical = signal.low + (value + 1.0) / 2.0 * (signal.high - signal.low)
        low = 0.5 + min(value, 0.0) / 2.0
        high = 0.5 + max(value, 0.0) / 2.0
        text = format_value(physical, max(abs(signal.low), abs(signal.high)), signed=True)
        dot = get_limb_colour(name)
        rows.append(BarRow(name, low, high, text, ACTION_COLOUR, 0.5, dot))
    if len(rows) > MAX_ACTION_ROWS:
        largest = sorted(rows, key=lambda row: row.low - row.high)[:LARGEST_ACTION_ROWS]
        rows = [row for row in rows if row in largest]
    return rows


def describe_action(signals: Sequence[Signal]) -> str:
    """Return what the numbers of an action are and their unit, such as `torque, N m`.

    Signals such as `left thigh torque` and `left shin torque` share their last word.
    """
    kinds = {(signal.name.split()[-1], signal.unit) for signal in signals}
    return "; ".join(f"{kind}, {unit}" for kind, unit in sorted(kinds))


def _format_time(env: HudEnv) -> str:
    return f"{env.steps / env.CONTROL_HZ:.2f} s"


def _format_return(env: HudEnv) -> str:
    return f"return {format_value(env.total_reward, 10.0)}"


def _draw_column(env: HudEnv, width: int, height: int) -> Array:
    """Draw all groups into an image (height, width, 3); what does not fit is left out."""
    surface = pygame.Surface((width, height))
    surface.fill(CARD_COLOUR)
    unit = height / 75
    left = round(2 * unit)
    right = width - left
    title_size = max(MIN_FONT_SIZE, height // 30)
    size = max(MIN_FONT_SIZE, height // 42)
    _draw_ends(surface, _format_time(env), _format_return(env), left, right, 4 * unit, title_size)
    groups = _make_groups(env)
    num_lines = sum(len(group.rows) + 1 for group in groups)
    top = 7.0 * unit
    room = height - top - unit * (1 + len(groups))
    pitch = min(2.8 * unit, max(LINE_HEIGHT * size, room / max(1, num_lines)))
    for group in groups:
        if top + 2 * pitch > height - unit:
            break
        pygame.draw.line(surface, TRACK_COLOUR, (left, top), (right, top))
        top += 0.5 * unit
        _draw_ends(surface, group.title, group.note, left, right, top + pitch / 2, size, bold=True)
        top += pitch
        for row in group.rows:
            if top + pitch > height - unit / 2:
                break
            _draw_row(surface, row, pygame.Rect(left, round(top), right - left, round(pitch)), size)
            top += pitch
        top += 0.5 * unit
    return surface_to_frame(surface)


def _draw_strip(env: HudEnv, width: int) -> Array:
    """Draw time and return, and the nearest failure where there is room, (H, width, 3)."""
    size = MIN_FONT_SIZE
    line = round(1.5 * size)
    margins = _make_margin_rows(env) if width >= MIN_MARGIN_WIDTH else []
    surface = pygame.Surface((width, (line * (1 + bool(margins)) + size // 2) // 2 * 2))
    surface.fill(CARD_COLOUR)
    left = size // 2
    right = width - left
    middle = size // 4 + line / 2
    _draw_ends(surface, _format_time(env), _format_return(env), left, right, middle, size)
    if margins:
        nearest = min(margins, key=lambda row: row.high)
        row_rect = pygame.Rect(left, size // 4 + line, right - left, line)
        _draw_row(surface, nearest, row_rect, size)
    return surface_to_frame(surface)


def _draw_ends(
    surface: pygame.Surface,
    start: str,
    end: str,
    left: int,
    right: int,
    middle: float,
    size: int,
    bold: bool = True,
) -> None:
    """Draw a bold text at the left and a pale one at the right, as far as there is room."""
    first = render_text(shorten(start, size, right - left, bold), size, TEXT_COLOUR, bold)
    surface.blit(first, first.get_rect(midleft=(left, middle)))
    note_size = max(MIN_FONT_SIZE, round(0.85 * size))
    room = right - left - first.get_width() - size
    second = render_text(shorten(end, note_size, room), note_size, MUTED_COLOUR)
    surface.blit(second, second.get_rect(midright=(right, middle)))


def _draw_row(surface: pygame.Surface, row: BarRow, rect: pygame.Rect, size: int) -> None:
    """Draw name, bar and value side by side into `rect`."""
    colour = BAD if row.is_warning else TEXT_COLOUR
    name_left = rect.left
    bar = pygame.Rect(0, 0, round(BAR_WIDTH * rect.width), max(4, size // 2))
    bar.midright = (rect.right - round(VALUE_WIDTH * rect.width), rect.centery)
    if row.dot is not None:
        centre = (rect.left + 0.3 * size, rect.centery)
        draw_disc(surface, row.dot, centre, 0.3 * size)
        name_left += round(0.9 * size)
    name = f"✕ {row.name}" if row.is_warning else row.name
    room = bar.left - name_left - size // 2
    name_size = size
    while name_size > MIN_FONT_SIZE and get_font(name_size, row.is_warning).size(name)[0] > room:
        name_size -= 1
    fitting = shorten(name, name_size, room, row.is_warning)
    text = render_text(fitting, name_size, colour, row.is_warning)
    surface.blit(text, text.get_rect(midleft=(name_left, rect.centery)))
    value = render_text(row.value, size, colour, row.is_warning)
    surface.blit(value, value.get_rect(midright=rect.midright))
    pygame.draw.rect(surface, TRACK_COLOUR, bar)
    filled = (bar.left + bar.width * row.low, bar.top, bar.width * (row.high - row.low), bar.height)
    pygame.draw.rect(surface, row.colour, filled)
    if row.tick is not None:
        x = bar.left + bar.width * row.tick
        pygame.draw.line(surface, TEXT_COLOUR, (x, bar.top - 3), (x, bar.bottom + 2))
