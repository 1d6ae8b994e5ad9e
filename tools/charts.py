"""A chart of many runs: a row of panels for each world, one for all of them together, and what they show in words."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from toolkit.registry import short_name
from tools.curves import improvements
from tools.panels import GREY, draw_curves, draw_pairs, draw_times
from tools.pictures import DOTS
from tools.results import AXES, Trial, by_algorithm, by_world

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's colours, which colour-blind people can tell apart; the markers tell them apart in grey."""
MARKERS = "os^DvPX"
WIDTH = 10.0
"""Inches."""
WIDE = 5.0
"""Where one algorithm trains so many times as long as another, a logarithmic axis shows both."""
LETTERS = 110
"""In a line of the legend."""
ENOUGH = 5
"""With fewer runs a bootstrap interval is too narrow to be trusted."""


def chart(trials: Sequence[Trial], axis: str) -> Figure:
    """A row for each world: its curves beside the time to its threshold; below, which algorithm is better."""
    worlds, algorithms = by_world(trials), by_algorithm(trials)
    looks = {name: (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, name in enumerate(algorithms)}
    meaning, pairs = improvements(trials, axis)
    told = _caption(trials, axis, meaning if pairs else "")
    keys = [_label(name, trials) for name in algorithms]
    abreast = max(1, LETTERS // (max(len(key) for key in keys) + 5))
    heights = [0.15 + 0.25 * math.ceil(len(keys) / abreast), *[max(3.2, 0.9 + 0.4 * len(algorithms))] * len(worlds)]
    heights += [*[0.8 + 0.27 * len(pairs)] * bool(pairs), 0.1 + 0.16 * len(told)]
    figure = Figure(figsize=(WIDTH, sum(heights)), dpi=DOTS, layout="constrained")
    parts: Any = figure.subfigures(len(heights), 1, height_ratios=heights)
    top, *rows, bottom = parts
    handles = [Line2D([], [], color=colour, marker=marker, linewidth=2) for colour, marker in looks.values()]
    top.legend(handles, keys, loc="center", ncols=abreast, fontsize=9, frameon=False)
    ends = [
        [max(trial.column(AXES[axis])[-1] for trial in own) for own in by_algorithm(group).values()] for group in worlds.values()
    ]
    scale = "log" if any(max(lasts) > WIDE * min(lasts) > 0 for lasts in ends) else "linear"
    for row, (world, group) in zip(rows, worlds.items(), strict=False):
        if _can_be_solved(group):
            curves, times = row.subplots(1, 2, width_ratios=(3, 2))
            draw_times(times, group, axis, looks)
        else:
            curves = row.subplots()
        draw_curves(curves, group, axis, looks, scale)
        curves.set_title(short_name(world), fontweight="bold", loc="left")
    if pairs:
        draw_pairs(rows[-1].subplots(), pairs)
    bottom.text(0.01, 0.95, "\n".join(told), va="top", fontsize=8.5, color=GREY)
    return figure


def _can_be_solved(trials: Sequence[Trial]) -> bool:
    """Whether there is a threshold; results that somebody else wrote may not say which."""
    return any(trial.solved_at is not None or trial.column("solved").any() for trial in trials)


def _label(name: str, trials: Sequence[Trial]) -> str:
    """An algorithm's name, and how many runs it had in each world."""
    numbers = [len(own) for group in by_world(trials).values() for own in [by_algorithm(group).get(name)] if own]
    fewest, most = min(numbers), max(numbers)
    return f"{name} ({fewest if fewest == most else f'{fewest} to {most}'} run{'s' * (most > 1)})"


def _caption(trials: Sequence[Trial], axis: str, meaning: str) -> list[str]:
    """What the lines, bands, bars and marks are, in lines that fit below them."""
    told = "Line: interquartile mean of the runs; band: its 95 % bootstrap interval."
    cut, stopped = False, 0
    for group in by_world(trials).values():
        cut |= any(len({trial.column(AXES[axis])[-1] for trial in own}) > 1 for own in by_algorithm(group).values())
        if not any(trial.goes_on for trial in group):
            stopped += sum(bool(trial.column("solved")[-1]) for trial in group)
    if cut:
        told += " Dotted: beyond the end of the shortest run, where a run that has ended keeps its last value"
        told += f" ({stopped} of {len(trials)} runs ended because they were solved)." if stopped else "."
    if _can_be_solved(trials):
        told += " Bar: median; filled marks: runs that were solved; open marks: where a run ended unsolved."
    if meaning:
        told += f" Better: {meaning}; grey bar: 95 % stratified bootstrap interval."
    if any(len(own) < ENOUGH for group in by_world(trials).values() for own in by_algorithm(group).values()):
        told += f" Intervals of fewer than {ENOUGH} runs are too narrow: train more seeds."
    return textwrap.wrap(told, 160)
