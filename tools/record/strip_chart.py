"""Strip charts: name, curve and value of the last seconds of each channel of an episode.

The charts of a group stand below its title, and all charts of a column share one axis of time,
which ends now. A chart's range covers the range of its quantity, and grows with values beyond it.
"""

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pygame

from poise.toolkit.appearance import Colour
from poise.toolkit.environment import PUSH
from poise.toolkit.media.hud import (
    LARGEST_ACTION_ROWS,
    LOW_MARGIN,
    MAX_ACTION_ROWS,
    MINUS,
    format_value,
    get_limb_colour,
)
from poise.toolkit.media.image import (
    MIN_FONT_SIZE,
    MUTED_COLOUR,
    TEXT_COLOUR,
    draw_disc,
    render_text,
    shorten,
)
from poise.toolkit.media.palette import LIGHT, blend, to_rgb
from poise.tools.record.episode_trace import TraceSample

HISTORY_SECONDS = 4.0
"""Time that a chart shows (s)."""


MAX_COLUMNS = 6
"""Columns of charts at most; what an environment has beyond them is left out."""

MAX_ROWS = 14
"""Charts in a column."""


MIN_ROW_HEIGHT = 1.5
HEADER_HEIGHT = 1.6
AXIS_HEIGHT = 1.6
"""Heights of a chart, of a group's title and of the time axis, in font sizes."""


MIN_HEIGHT_WITH_TITLES = 10.0
"""Height of a panel (font sizes) from which it has titles and an axis."""


NAME_WIDTH = 0.42
CURVE_WIDTH = 0.27
VALUE_WIDTH = 0.13
"""Widths of name, curve and value, in widths of the column; the rest is for the range."""


TITLES = {
    "reward": "Reward",
    "value": "Critic",
    "action": "Action",
    "margin": "Failure margin",
    "error": "Error",
}
"""Titles of the groups; another group has its own name."""


NOTES = {
    "reward": "per step",
    "value": "return expected from here",
    "action": f"{MINUS}1 to 1",
    "margin": "1 = start, 0 = end",
    "error": "from the reflection",
}
"""Unit or meaning of a group's values."""


NO_VALUE = "\N{EN DASH}"


RULE_COLOUR = to_rgb(LIGHT.rule)
FAILURE_COLOUR = to_rgb(LIGHT.failure)
LOW_MARGIN_COLOUR = to_rgb(blend(LIGHT.failure, LIGHT.panel, 0.15))


def get_event_colour(name: str) -> Colour:
    """Return the colour of an event: red for a push, green for a success, else that of targets."""
    if name.startswith("✓"):
        return to_rgb(LIGHT.success)
    return FAILURE_COLOUR if PUSH in name else to_rgb(LIGHT.warning)


class LineColours(NamedTuple):
    """Colours of a curve, and of the area between it and zero or around it."""

    line: Colour
    area: Colour


def _make_line_colours(colour: str) -> LineColours:
    return LineColours(to_rgb(colour), to_rgb(blend(colour, LIGHT.panel, 0.18)))


GAIN_COLOURS = _make_line_colours(LIGHT.success)
COST_COLOURS = _make_line_colours(LIGHT.warning)
ACTION_COLOURS = _make_line_colours(LIGHT.series[0])
PLAIN_COLOURS = _make_line_colours(LIGHT.ink)


Point = tuple[float, float]


class StripCharts:
    """The charts of an episode's channels, in order of their first sample.

    `notes` replace those of NOTES by group.
    """

    def __init__(self, steps_per_second: float, notes: Mapping[str, str] | None = None) -> None:
        self.steps_per_second = steps_per_second
        self.history_length = max(2, round(HISTORY_SECONDS * steps_per_second))
        self.notes = {**NOTES, **(notes or {})}
        self.by_channel: dict[tuple[str, str], StripChart] = {}
        """Charts by group and name."""
        self.events: deque[tuple[int, str]] = deque(maxlen=8)
        """Step and name of the last events, drawn as dashed lines through all charts."""
        self.step = -1

    def __len__(self) -> int:
        return len(self.by_channel)

    def cover(self, samples: Iterable[TraceSample]) -> None:
        """Widen the ranges of the charts, so that they hold these samples too."""
        for sample in samples:
            self._get_chart(sample).cover(sample)

    def add(self, samples: Iterable[TraceSample], event: str = "") -> None:
        """Add the samples of one step; a new channel gets a chart. Name an event of this step."""
        self.step += 1
        for sample in samples:
            self._get_chart(sample).add(sample)
        if event:
            self.events.append((self.step, event))

    def restart(self) -> None:
        """Empty all charts: a new episode starts."""
        self.step = -1
        self.events.clear()
        for chart in self.by_channel.values():
            chart.history.clear()

    def _get_chart(self, sample: TraceSample) -> "StripChart":
        key = (sample.group, sample.name)
        if key not in self.by_channel:
            self.by_channel[key] = StripChart(sample, self.history_length)
        return self.by_channel[key]

    def arrange(self, height: float, font_size: int) -> list[list["StripChart"]]:
        """Distribute the charts over as many columns of a height (pixels) as they need."""
        has_titles = height >= MIN_HEIGHT_WITH_TITLES * font_size
        room = height / font_size - AXIS_HEIGHT * has_titles
        columns: list[list[StripChart]] = []
        used = math.inf
        for chart in self.by_channel.values():
            is_first = not columns or columns[-1][-1].group != chart.group
            needed = MIN_ROW_HEIGHT + HEADER_HEIGHT * (has_titles and is_first)
            if used + needed > room or len(columns[-1]) == MAX_ROWS:
                columns.append([])
                used = 0.0
                needed = MIN_ROW_HEIGHT + HEADER_HEIGHT * has_titles
            columns[-1].append(chart)
            used += needed
        return columns

    def draw(self, surface: pygame.Surface, rect: pygame.Rect, font_size: int) -> None:
        """Draw the charts into `rect`, with titles and an axis of time if there is room.

        Those beyond MAX_COLUMNS columns are left out.
        """
        columns = self.arrange(rect.height, font_size)[:MAX_COLUMNS]
        has_titles = rect.height >= MIN_HEIGHT_WITH_TITLES * font_size
        for index, charts in enumerate(columns):
            left = rect.left + index * rect.width // len(columns)
            width = rect.width // len(columns)
            column_rect = pygame.Rect(left, rect.top, width, rect.height)
            self._draw_column(surface, column_rect, charts, self.notes, font_size, has_titles)

    def draw_column(self, surface: pygame.Surface, rect: pygame.Rect, font_size: int) -> None:
        """Draw one column of charts into `rect`, without titles where the charts need the room.

        Of more than MAX_ACTION_ROWS actions, or where there is no room for all, only the largest
        ones of the time shown are drawn.
        """
        num_actions = sum(chart.group == "action" for chart in self.by_channel.values())
        most = num_actions if num_actions <= MAX_ACTION_ROWS else LARGEST_ACTION_ROWS
        layouts = [(most, True), *((number, False) for number in range(most, -1, -1))]
        for number, has_titles in layouts:
            charts = self._select_charts(number)
            num_groups = len({chart.group for chart in charts})
            needed = MIN_ROW_HEIGHT * len(charts)
            needed += (HEADER_HEIGHT * num_groups + AXIS_HEIGHT) * has_titles
            if needed * font_size <= rect.height:
                break
        else:
            charts = charts[: max(1, int(rect.height / (MIN_ROW_HEIGHT * font_size)))]
        notes = dict(self.notes)
        if number < num_actions:
            notes["action"] += f"; the {number} largest of {num_actions}"
        self._draw_column(surface, rect, charts, notes, font_size, has_titles)

    def _select_charts(self, max_actions: int) -> list["StripChart"]:
        """Return the charts in their order, of the actions only the `max_actions` largest ones."""
        actions = [chart for chart in self.by_channel.values() if chart.group == "action"]
        largest = sorted(actions, key=StripChart.get_peak, reverse=True)[:max_actions]
        return [
            chart
            for chart in self.by_channel.values()
            if chart.group != "action" or chart in largest
        ]

    def _draw_column(
        self,
        surface: pygame.Surface,
        rect: pygame.Rect,
        charts: Sequence["StripChart"],
        notes: Mapping[str, str],
        font_size: int,
        has_titles: bool,
    ) -> None:
        """Draw titles, charts and axis one below the other; the charts share the height."""
        header_height = round(HEADER_HEIGHT * font_size) if has_titles else 0
        axis_height = round(AXIS_HEIGHT * font_size) if has_titles else 0
        num_groups = len({chart.group for chart in charts})
        room = rect.height - axis_height - num_groups * header_height
        row_height = room / len(charts)
        group = ""
        top = float(rect.top)
        for chart in charts:
            if chart.group != group and has_titles:
                header_rect = pygame.Rect(rect.left, round(top), rect.width, header_height)
                note = notes.get(chart.group, "")
                text_end = self._draw_header(surface, header_rect, chart.group, note, font_size)
                if chart is charts[0]:
                    self._draw_event_names(surface, header_rect, text_end, font_size)
                top += header_height
            group = chart.group
            row_rect = pygame.Rect(rect.left, round(top), rect.width, int(row_height))
            self._draw_time_lines(surface, get_curve_rect(row_rect, font_size))
            chart.draw(surface, row_rect, font_size)
            top += row_height
        if has_titles:
            axis_rect = pygame.Rect(rect.left, round(top), rect.width, axis_height)
            self._draw_axis(surface, axis_rect, font_size)

    def _draw_header(
        self,
        surface: pygame.Surface,
        rect: pygame.Rect,
        group: str,
        note_text: str,
        font_size: int,
    ) -> int:
        """Draw a rule, the title of a group in bold, and its note; return where the note ends."""
        gap = font_size // 2
        line_end = (rect.right - gap, rect.top)
        pygame.draw.line(surface, RULE_COLOUR, (rect.left + gap, rect.top), line_end)
        title = render_text(TITLES.get(group, group), font_size, TEXT_COLOUR, True)
        surface.blit(title, title.get_rect(midleft=(rect.left + gap, rect.centery)))
        note_size = max(MIN_FONT_SIZE, round(0.88 * font_size))
        room = rect.width - 3 * gap - title.get_width()
        note_left = rect.left + 2 * gap + title.get_width()
        fitting_note = shorten(note_text, note_size, room)
        note = render_text(fitting_note, note_size, MUTED_COLOUR)
        surface.blit(note, note.get_rect(midleft=(note_left, rect.centery)))
        return note_left + note.get_width()

    def _draw_event_names(
        self, surface: pygame.Surface, rect: pygame.Rect, left: int, font_size: int
    ) -> None:
        """Draw the names of events above their lines, right of `left`.

        The newest come first: a name that has no room beside them is left out.
        """
        curve = get_curve_rect(rect, font_size)
        size = max(MIN_FONT_SIZE, round(0.88 * font_size))
        right = rect.right - font_size // 2
        for step, name in reversed(self.events):
            text = render_text(name, size, get_event_colour(name))
            x = self._get_x(curve, step)
            text_rect = text.get_rect(center=(x, rect.centery))
            text_rect.right = min(text_rect.right, right)
            if x < curve.left or text_rect.left < left + font_size // 2:
                break
            surface.blit(text, text_rect)
            right = text_rect.left - font_size // 2

    def _draw_time_lines(self, surface: pygame.Surface, curve: pygame.Rect) -> None:
        """Draw a line for each second, and a dashed one for each event."""
        for second in self._get_visible_seconds():
            x = self._get_x(curve, second * self.steps_per_second)
            pygame.draw.line(surface, RULE_COLOUR, (x, curve.top), (x, curve.bottom))
        for step, name in self.events:
            x = self._get_x(curve, step)
            if x >= curve.left:
                for top in range(curve.top, curve.bottom, 8):
                    end = min(top + 5, curve.bottom)
                    pygame.draw.line(surface, get_event_colour(name), (x, top), (x, end), 2)

    def _draw_axis(self, surface: pygame.Surface, rect: pygame.Rect, font_size: int) -> None:
        """Draw seconds below the curves, the current time in bold at their right end."""
        curve = get_curve_rect(rect, font_size)
        pygame.draw.line(surface, TEXT_COLOUR, (curve.left, rect.top), (curve.right, rect.top))
        size = max(MIN_FONT_SIZE, round(0.88 * font_size))
        label = render_text("time", size, MUTED_COLOUR)
        surface.blit(label, label.get_rect(midleft=(rect.left + font_size // 2, rect.centery)))
        now = max(0, self.step) / self.steps_per_second
        text = render_text(f"{now:.1f} s", size, TEXT_COLOUR, True)
        now_rect = text.get_rect(midtop=(curve.right, rect.top + 3))
        now_rect.right = min(now_rect.right, rect.right)
        surface.blit(text, now_rect)
        for second in self._get_visible_seconds():
            x = self._get_x(curve, second * self.steps_per_second)
            tick = render_text(f"{second}", size, MUTED_COLOUR)
            tick_rect = tick.get_rect(midtop=(x, rect.top + 3))
            if tick_rect.right + font_size // 3 < now_rect.left:
                surface.blit(tick, tick_rect)

    def _get_visible_seconds(self) -> range:
        """Return the whole seconds that the charts show."""
        first_step = max(0, self.step - self.history_length + 1)
        first = math.ceil(first_step / self.steps_per_second)
        return range(first, int(max(0, self.step) / self.steps_per_second) + 1)

    def _get_x(self, curve: pygame.Rect, step: float) -> float:
        return curve.right - curve.width * (self.step - step) / (self.history_length - 1)


class StripChart:
    """The last samples of one channel; `low` and `high` bound all values since the start."""

    def __init__(self, sample: TraceSample, length: int) -> None:
        self.group = sample.group
        self.history: deque[TraceSample] = deque(maxlen=length)
        self.low, self.high = sample.bounds or (0.0, 0.0)
        self.has_bounds = sample.bounds is not None

    def cover(self, sample: TraceSample) -> None:
        """Widen the range to hold a sample."""
        if math.isfinite(sample.value):
            self.low = min(self.low, sample.value)
            self.high = max(self.high, sample.value)

    def add(self, sample: TraceSample) -> None:
        """Add a sample; a value that is not finite leaves a gap."""
        self.history.append(sample)
        self.cover(sample)

    def get_peak(self) -> float:
        """Return the largest magnitude of the values shown, as a fraction of the range."""
        scale = max(abs(self.low), abs(self.high)) or 1.0
        values = (abs(sample.value) for sample in self.history if math.isfinite(sample.value))
        return max(values, default=0.0) / scale

    @property
    def is_warning(self) -> bool:
        """Whether the last value is a margin that is nearly used up."""
        return self.group == "margin" and self.history[-1].value <= LOW_MARGIN

    @property
    def colours(self) -> LineColours:
        """Colours of the curve, by its group and range."""
        if self.group == "action":
            return ACTION_COLOURS
        if self.group == "reward":
            return GAIN_COLOURS if self.high > -self.low else COST_COLOURS
        return PLAIN_COLOURS

    def describe_range(self) -> str:
        """Return the end of the range that the last value is compared with."""
        scale = max(abs(self.low), abs(self.high))
        if scale == 0.0:
            return ""
        if self.has_bounds and self.high >= -self.low:
            return f"of {self.high:.3g}"
        if self.high >= -self.low:
            return f"max {self.high:.2g}"
        return f"min {self.low:.2g}".replace("-", MINUS)

    def draw(self, surface: pygame.Surface, rect: pygame.Rect, font_size: int) -> None:
        """Draw name, curve, last value and range side by side into `rect`."""
        if not self.history:
            return
        last = self.history[-1]
        size = font_size
        gap = font_size // 2
        curve_rect = get_curve_rect(rect, font_size)
        name_left = rect.left + gap
        limb_colour = get_limb_colour(last.name) if self.group == "action" else None
        if limb_colour is not None:
            radius = 0.3 * size
            draw_disc(surface, limb_colour, (name_left + radius, rect.centery), radius)
            name_left += round(0.9 * size)
        colour = FAILURE_COLOUR if self.is_warning else TEXT_COLOUR
        name = f"✕ {last.name}" if self.is_warning else last.name.replace("_", " ")
        room = curve_rect.left - gap - name_left
        name_size = size if render_text(name, size).get_width() <= room else MIN_FONT_SIZE
        text = render_text(shorten(name, name_size, room), name_size, colour)
        surface.blit(text, text.get_rect(midleft=(name_left, rect.centery)))
        self._draw_curve(surface, curve_rect)
        scale = max(abs(self.low), abs(self.high))
        value = NO_VALUE
        if math.isfinite(last.value):
            value = format_value(last.value, scale, signed=self.group == "action")
        value_right = curve_rect.right + gap // 2 + round(VALUE_WIDTH * rect.width)
        bold_value = render_text(value, size, colour, True)
        surface.blit(bold_value, bold_value.get_rect(midright=(value_right, rect.centery)))
        range_size = max(MIN_FONT_SIZE, round(0.88 * size))
        range_room = rect.right - gap - value_right - gap // 2
        range_text = render_text(self.describe_range(), range_size, MUTED_COLOUR)
        range_rect = range_text.get_rect(midright=(rect.right - gap, rect.centery))
        if range_rect.width <= range_room:
            surface.blit(range_text, range_rect)

    def _draw_curve(self, surface: pygame.Surface, rect: pygame.Rect) -> None:
        """Draw the zero line, the area, the curve, and a dot at its end."""
        if self.group == "margin":
            top = self._get_y(rect, LOW_MARGIN)
            low_rect = pygame.Rect(rect.left, round(top), rect.width, rect.bottom - round(top))
            pygame.draw.rect(surface, LOW_MARGIN_COLOUR, low_rect)
        length = self.history.maxlen or 2
        first = length - len(self.history)
        samples = [
            (rect.left + rect.width * (first + index) / (length - 1), sample)
            for index, sample in enumerate(self.history)
            if math.isfinite(sample.value)
        ]
        zero = self._get_y(rect, 0.0)
        curve = [(x, self._get_y(rect, sample.value)) for x, sample in samples]
        if len(samples) > 1 and self.group in ("action", "reward"):
            if self.group == "reward":
                other_side = [(curve[-1][0], zero), (curve[0][0], zero)]
                area = [*curve, *other_side]
            else:
                upper = [(x, self._get_y(rect, one.value + one.std)) for x, one in samples]
                lower = [(x, self._get_y(rect, one.value - one.std)) for x, one in samples]
                area = [*upper, *reversed(lower)]
            pygame.draw.polygon(surface, self.colours.area, area)
        pygame.draw.line(surface, MUTED_COLOUR, (rect.left, zero), (rect.right, zero))
        colour = FAILURE_COLOUR if self.is_warning else self.colours.line
        if len(curve) > 1:
            pygame.draw.lines(surface, colour, False, curve, 2)
            pygame.draw.aalines(surface, colour, False, curve)
        if curve and samples[-1][1] is self.history[-1]:
            draw_disc(surface, colour, curve[-1], max(3, rect.height // 12))

    def _get_y(self, rect: pygame.Rect, value: float) -> float:
        """Return the height of a value (pixels); values are clipped to the chart's range."""
        clipped = min(max(value, self.low), self.high)
        value_range = (self.high - self.low) or 1.0
        return rect.bottom - 1 - (rect.height - 2) * (clipped - self.low) / value_range


def get_curve_rect(row: pygame.Rect, font_size: int) -> pygame.Rect:
    """Return the part of a row in which its curve is drawn."""
    left = row.left + round(NAME_WIDTH * row.width)
    margin = max(1, min(font_size // 3, row.height // 8))
    width = round(CURVE_WIDTH * row.width)
    return pygame.Rect(left, row.top + margin, width, max(2, row.height - 2 * margin))
