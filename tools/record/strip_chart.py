"""Strip charts: name, curve and value of the last seconds of each channel of an episode."""

import math
from collections import deque
from collections.abc import Iterable

import pygame

from poise.toolkit.appearance import Colour
from poise.toolkit.media.hud import ACTION_COLOUR, BAD, GOOD, LOW_MARGIN, TRACK_COLOUR
from poise.toolkit.media.image import MIN_FONT_SIZE, TEXT_COLOUR, render_text
from poise.tools.record.episode_trace import TraceSample

HISTORY_SECONDS = 4.0
"""Time that a chart shows (s)."""


MAX_FONT_SIZE = 14
"""Default maximum font size of a chart (pixels)."""


LABEL_WIDTH = 0.45
"""Fraction of a chart's width that its name takes."""


GAP = 4
"""Space around the texts (pixels)."""


VALUE_RANGES = {"action": (-1.0, 1.0), "margin": (0.0, 1.0)}
"""Initial vertical range by group; other groups start at (0, 0), and all grow with their values."""


BAD_BELOW = {"reward": 0.0, "margin": LOW_MARGIN}
"""Values below which a chart of the group is red: a cost, or a margin that is nearly used up."""


Point = tuple[float, float]


class StripCharts:
    """The charts of an episode's channels, in order of their first sample."""

    def __init__(self, steps_per_second: float) -> None:
        self.history_length = max(2, round(HISTORY_SECONDS * steps_per_second))
        self.by_channel: dict[tuple[str, str], StripChart] = {}
        """Charts by group and name."""

    def __len__(self) -> int:
        return len(self.by_channel)

    def add(self, samples: Iterable[TraceSample]) -> None:
        """Add one sample to each channel's chart; a new channel gets a chart."""
        for sample in samples:
            key = (sample.group, sample.name)
            if key not in self.by_channel:
                self.by_channel[key] = StripChart(sample.group, self.history_length)
            self.by_channel[key].add(sample)

    def draw(
        self,
        surface: pygame.Surface,
        rect: pygame.Rect,
        *,
        columns: int,
        rows: int,
        row_height: int,
        font_size: int = MAX_FONT_SIZE,
    ) -> None:
        """Draw the first `columns` x `rows` charts, column by column, from the top left."""
        width = rect.width // columns
        for index, chart in enumerate(list(self.by_channel.values())[: columns * rows]):
            column, row = divmod(index, rows)
            left = rect.left + column * width
            top = rect.top + row * row_height
            chart.draw(surface, pygame.Rect(left, top, width, row_height), font_size)


class StripChart:
    """The last samples of one channel; `low` and `high` bound all values since the start."""

    def __init__(self, group: str, length: int) -> None:
        self.group = group
        self.history: deque[TraceSample] = deque(maxlen=length)
        self.low, self.high = VALUE_RANGES.get(group, (0.0, 0.0))

    def add(self, sample: TraceSample) -> None:
        """Add a sample; a value that is not finite leaves a gap."""
        self.history.append(sample)
        if math.isfinite(sample.value):
            self.low = min(self.low, sample.value)
            self.high = max(self.high, sample.value)

    @property
    def colour(self) -> Colour:
        """Colour of the curve: by group, and by whether the last value is good or bad."""
        if self.group == "action":
            return ACTION_COLOUR
        if self.group not in BAD_BELOW:
            return TEXT_COLOUR
        return BAD if self.history[-1].value < BAD_BELOW[self.group] else GOOD

    def draw(
        self, surface: pygame.Surface, rect: pygame.Rect, font_size: int = MAX_FONT_SIZE
    ) -> None:
        """Draw name, curve and last value side by side into `rect`."""
        size = min(font_size, max(MIN_FONT_SIZE, round(0.8 * rect.height)))
        last = self.history[-1]
        name = render_text(last.name, size)
        value = render_text(f"{last.value:z.2f}" if math.isfinite(last.value) else "", size)
        label_width = int(LABEL_WIDTH * rect.width)
        value_width = render_text("-000.00", size).get_width()
        visible_part = (0, 0, label_width - 2 * GAP, rect.height)
        surface.blit(name, name.get_rect(midleft=(rect.left + GAP, rect.centery)), visible_part)
        surface.blit(value, value.get_rect(midright=(rect.right - GAP, rect.centery)))
        curve_rect = pygame.Rect(
            rect.left + label_width,
            rect.top + 2,
            rect.width - label_width - value_width - 2 * GAP,
            rect.height - 4,
        )
        self._draw_curve(surface, curve_rect)

    def _draw_curve(self, surface: pygame.Surface, rect: pygame.Rect) -> None:
        """Draw the zero line, the band of one standard deviation, and the curve."""
        zero_start = self._to_pixel(rect, 0, 0.0)
        zero_end = self._to_pixel(rect, self.history.maxlen or 1, 0.0)
        pygame.draw.line(surface, TRACK_COLOUR, zero_start, zero_end)
        samples = [
            (index, sample)
            for index, sample in enumerate(self.history)
            if math.isfinite(sample.value)
        ]
        if len(samples) < 2:
            return
        if any(sample.std for _, sample in samples):
            upper = [self._to_pixel(rect, i, sample.value + sample.std) for i, sample in samples]
            lower = [self._to_pixel(rect, i, sample.value - sample.std) for i, sample in samples]
            pygame.draw.polygon(surface, TRACK_COLOUR, [*upper, *reversed(lower)])
        curve = [self._to_pixel(rect, i, sample.value) for i, sample in samples]
        pygame.draw.aalines(surface, self.colour, False, curve)

    def _to_pixel(self, rect: pygame.Rect, index: int, value: float) -> Point:
        """Return the pixel of a sample; values are clipped to the chart's range."""
        clipped = min(max(value, self.low), self.high)
        value_range = (self.high - self.low) or 1.0
        x = rect.left + rect.width * index / (self.history.maxlen or 1)
        y = rect.bottom - rect.height * (clipped - self.low) / value_range
        return x, y
