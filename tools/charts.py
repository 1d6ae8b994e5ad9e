"""A chart of many runs: a row of panels for each world, one for all of them together, and what they show in words."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from toolkit.registry import short_name
from tools.curves import improvements
from tools.panels import GREY, Look, draw_curves, draw_pairs, draw_times
from tools.pictures import DOTS
from tools.results import AXES, Trial, by_name, by_world

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's colours, which colour-blind people can tell apart; the markers tell them apart in grey."""
MARKERS = "os^DvPX"
STYLES: Sequence[Any] = ("-", (0, (7, 2)), (0, (7, 2, 1, 2)))
"""Of lines: where the colours begin anew, the next one, and the markers one further."""
WIDTH = 10.0
"""Inches."""
WIDE = 5.0
"""Where one algorithm trains so many times as long as another, a logarithmic axis shows both."""
LETTERS = 110
"""In a line of the legend."""
PAIRS = 20
"""Comparisons, at most: the least sure ones."""
ENOUGH = 5
"""With fewer runs a bootstrap interval is too narrow to be trusted."""


def look(index: int) -> Look:
    """The look of the line of that number: no other of the first 49 has both its colour and its marker."""
    again, place = divmod(index, len(COLOURS))
    return Look(COLOURS[place], MARKERS[(place + again) % len(MARKERS)], STYLES[again % len(STYLES)])


def chart(trials: Sequence[Trial], axis: str, measure: str = "return") -> Figure:
    """A row for each world: its curves beside the time to its threshold; below, which algorithm is better."""
    worlds, algorithms = by_world(trials), by_name(trials)
    looks = {name: look(index) for index, name in enumerate(algorithms)}
    meaning, pairs = improvements(trials, axis, measure)
    if len(pairs) > PAIRS:
        meaning += f" ({len(pairs) - PAIRS} more pairs, as sure or surer, are not drawn)"
        pairs = sorted(pairs, key=lambda pair: pair.probability)[:PAIRS]
    told = _caption(trials, axis, measure, meaning if pairs else "")
    keys = [_label(name, trials) for name in algorithms]
    abreast = max(1, LETTERS // (max(len(key) for key in keys) + 5))
    heights = [0.15 + 0.25 * math.ceil(len(keys) / abreast), *[max(3.2, 0.9 + 0.4 * len(algorithms))] * len(worlds)]
    heights += [*[0.8 + 0.27 * len(pairs)] * bool(pairs), 0.1 + 0.16 * len(told)]
    figure = Figure(figsize=(WIDTH, sum(heights)), dpi=DOTS, layout="constrained")
    parts: Any = figure.subfigures(len(heights), 1, height_ratios=heights)
    top, *rows, bottom = parts
    handles = [Line2D([], [], linewidth=2, **drawn._asdict()) for drawn in looks.values()]
    top.legend(handles, keys, loc="center", ncols=abreast, handlelength=5, fontsize=9, frameon=False)
    ends = [[max(trial.column(AXES[axis])[-1] for trial in own) for own in by_name(group).values()] for group in worlds.values()]
    scale = "log" if any(max(lasts) > WIDE * min(lasts) > 0 for lasts in ends) else "linear"
    for row, (world, group) in zip(rows, worlds.items(), strict=False):
        if _has_times(group, measure):
            curves, times = row.subplots(1, 2, width_ratios=(3, 2))
            draw_times(times, group, axis, looks)
        else:
            curves = row.subplots()
        draw_curves(curves, group, axis, looks, scale, measure)
        curves.set_title(short_name(world), fontweight="bold", loc="left")
    if pairs:
        draw_pairs(rows[-1].subplots(), pairs)
    bottom.text(0.01, 0.95, "\n".join(told), va="top", fontsize=8.5, color=GREY)
    return figure


def _has_times(trials: Sequence[Trial], measure: str) -> bool:
    """Whether returns are drawn and there is a threshold of them; results that somebody else wrote may not say which."""
    return measure == "return" and any(trial.solved_at is not None or trial.column("solved").any() for trial in trials)


def _label(name: str, trials: Sequence[Trial]) -> str:
    """A name, and how many runs it had in each world."""
    numbers = [len(own) for group in by_world(trials).values() for own in [by_name(group).get(name)] if own]
    fewest, most = min(numbers), max(numbers)
    return f"{name} ({fewest if fewest == most else f'{fewest} to {most}'} run{'s' * (most > 1)})"


def _caption(trials: Sequence[Trial], axis: str, measure: str, meaning: str) -> list[str]:
    """What the lines, bands, bars and marks are, in lines that fit below them."""
    told = "Line: interquartile mean of the runs; band: its 95 % bootstrap interval."
    cut, stopped = False, 0
    for group in by_world(trials).values():
        cut |= any(len({trial.column(AXES[axis])[-1] for trial in own}) > 1 for own in by_name(group).values())
        if not any(trial.goes_on for trial in group):
            stopped += sum(bool(trial.column("solved")[-1]) for trial in group)
    if cut:
        told += " Dotted: beyond the end of the shortest run, where a run that has ended keeps its last value"
        told += f" ({stopped} of {len(trials)} runs ended because they were solved)." if stopped else "."
    if _has_times(trials, measure):
        told += " Bar: median; filled marks: runs that were solved; open marks: where a run ended unsolved."
    if meaning:
        told += f" Better: {meaning}; grey bar: 95 % stratified bootstrap interval."
    if any(len(own) < ENOUGH for group in by_world(trials).values() for own in by_name(group).values()):
        told += f" Intervals of fewer than {ENOUGH} runs are too narrow: train more seeds."
    return textwrap.wrap(told, 160)
