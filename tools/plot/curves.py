"""What the runs of an algorithm say together: curves with intervals, how soon it solves, and which one is better.

Trials that stopped, most of them because they were solved, keep their last value: nothing is told of them beyond it.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from poise.toolkit.registry import short_name
from poise.toolkit.spaces import Array
from poise.tools.plot.results import AXIS_COLUMNS, MEASURES, Trial, group_by_env, group_by_label
from poise.tools.plot.statistics import (
    bootstrap_interval,
    interquartile_mean,
    probability_of_improvement,
    stratified_interval,
)

MAX_POINTS = 200
"""Points of a curve, at most."""


class Curve(NamedTuple):
    """The interquartile mean of some trials' evaluations and its interval, over steps, episodes or seconds."""

    x: Array
    center: Array
    low: Array
    high: Array
    complete_until: float
    """Where the first of the trials ends; from there on some keep their last value."""


class Improvement(NamedTuple):
    """How probably a run of `better` does better than one of `worse`, with its 95 % interval."""

    better: str
    worse: str
    probability: float
    low: float
    high: float


def compute_learning_curve(trials: Sequence[Trial], axis: str, measure: str = "return") -> Curve:
    """What the evaluations of one environment and algorithm tell together, over steps, episodes or seconds."""
    return compute_curve(
        [trial.get_column(AXIS_COLUMNS[axis]) for trial in trials],
        [trial.get_column(measure) for trial in trials],
    )


def compute_curve(positions: Sequence[Array], values: Sequence[Array]) -> Curve:
    """The interquartile mean of some runs' values at their places, and its interval."""
    grid, seen = align_to_common_grid(positions, values)
    low, high = bootstrap_interval(seen)
    return Curve(grid, interquartile_mean(seen), low, high, min(place[-1] for place in positions))


def align_to_common_grid(
    positions: Sequence[Array], values: Sequence[Array]
) -> tuple[Array, Array]:
    """A common grid (points,), and what each run was last seen to have there (points, runs)."""
    # It begins where all have been evaluated once.
    begin = max(place[0] for place in positions)
    end = max(place[-1] for place in positions)
    grid = np.unique(np.concatenate(positions))
    grid = grid[grid >= begin] if len(grid) <= MAX_POINTS else np.linspace(begin, end, MAX_POINTS)
    last = [np.searchsorted(place, grid, side="right") - 1 for place in positions]
    return grid, np.stack(
        [value[where] for value, where in zip(values, last, strict=True)], axis=-1
    )


def rank_trials(trials: Sequence[Trial], axis: str, measure: str = "return") -> tuple[str, Array]:
    """What makes a run of one environment better than another, in words, and a number for each trial that is larger the better.

    Where training stops at the threshold, the last return says nothing about who is better: there the sooner is the better,
    and those that never got there go by their last return. By another measure than the return, it is the last one that counts.
    """
    soon = np.array([trial.get_time_to_solved(axis) for trial in trials])
    scores = np.array([trial.get_column(measure)[-1] for trial in trials])
    if (
        measure != "return"
        or any(trial.has_continued_after_solved for trial in trials)
        or not np.isfinite(soon).any()
    ):
        return f"{MEASURES[measure]} in the last evaluation", scores
    solved = np.isfinite(soon)
    _, ranks = np.unique(
        np.stack([solved, np.where(solved, -soon, scores)], axis=1), axis=0, return_inverse=True
    )
    return f"solved in fewer {axis}, unsolved runs by their last return", ranks.ravel().astype(
        float
    )


def compare_algorithms(
    trials: Sequence[Trial], axis: str, measure: str = "return"
) -> tuple[str, list[Improvement]]:
    """What better means, and for each pair of algorithms how probably one is better, over all environments that both were trained on.

    Environments count alike; in each, both algorithms' runs are drawn anew. A single run says nothing about chance: it is left out.
    """
    meanings: dict[str, list[str]] = {}
    scores: dict[tuple[str, str], Array] = {}
    for env, group in group_by_env(trials).items():
        meaning, ranks = rank_trials(group, axis, measure)
        meanings.setdefault(meaning, []).append(short_name(env))
        for name in group_by_label(group):
            own = np.array([trial.label == name for trial in group])
            if own.sum() > 1:
                scores[env, name] = ranks[own]
    found = []
    for one, two in combinations(group_by_label(trials), 2):
        envs = [
            env for env in group_by_env(trials) if (env, one) in scores and (env, two) in scores
        ]
        if envs:
            found.append(_compare_pair(one, two, scores, envs))
    if len(meanings) == 1:
        return next(iter(meanings)), found
    return "; ".join(
        f"in {', '.join(names)} {meaning}" for meaning, names in meanings.items()
    ), found


def _compare_pair(
    one: str, two: str, scores: Mapping[tuple[str, str], Array], envs: Sequence[str]
) -> Improvement:
    strata = [scores[env, algorithm] for env in envs for algorithm in (one, two)]
    ends = np.cumsum([len(stratum) for stratum in strata])[:-1]

    def mean_over_envs(drawn: Array) -> Array:
        parts = np.split(drawn, ends)
        each = [
            probability_of_improvement(*pair) for pair in zip(parts[::2], parts[1::2], strict=True)
        ]
        return np.asarray(np.mean(each))

    probability, low, high = stratified_interval(strata, mean_over_envs)
    if probability < 0.5:
        return Improvement(two, one, 1.0 - probability, 1.0 - high, 1.0 - low)
    return Improvement(one, two, probability, low, high)


SUMMARY_COLUMNS = (
    "env",
    "algorithm",
    "solved",
    "seconds to solved",
    "steps",
    "episodes",
    "final return",
)
"""Columns of the summary."""


def summarize(trials: Sequence[Trial]) -> list[tuple[str, ...]]:
    """For each environment and algorithm: how many runs solved it, what that took (medians), and the last return with its interval."""
    rows = []
    for env, group in group_by_env(trials).items():
        for name, own in group_by_label(group).items():
            solved = sum(bool(trial.get_column("solved").any()) for trial in own)
            # An unsolved run takes for ever: where it is half of them, so does the median.
            took = [
                float(np.median([trial.get_time_to_solved(axis) for trial in own]))
                for axis in ("seconds", "steps", "episodes")
            ]
            told = [
                f"{value:,.{digits}f}" if value < np.inf else "-"
                for value, digits in zip(took, (1, 0, 0), strict=True)
            ]
            scores = np.array([trial.final_return for trial in own])
            low, high = bootstrap_interval(scores)
            final = f"{interquartile_mean(scores):.1f}" + (
                f" ({low:.1f} to {high:.1f})" if len(own) > 1 else ""
            )
            rows.append((short_name(env), name, f"{solved} of {len(own)}", *told, final))
    return rows
