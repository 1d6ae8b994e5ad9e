"""Statistics over several runs: learning curves with intervals, comparisons, and a summary table.

A run that has stopped, in most cases because it was solved, keeps its last value in a curve.
"""

from collections.abc import Iterable, Mapping, Sequence
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
"""Largest number of points of a curve."""


SUMMARY_COLUMNS = (
    "env",
    "algorithm",
    "solved",
    "seconds to solved",
    "steps",
    "episodes",
    "final return",
)


MIN_RUNS_FOR_INTERVAL = 10
"""With fewer runs, a curve is their median and its band reaches from the lowest to the highest."""


class Curve(NamedTuple):
    """Center of the runs and a band around it; each array is (points,)."""

    x: Array
    center: Array
    low: Array
    high: Array
    complete_until: float
    """x at which the first run ends; from there on, some runs keep their last value."""


class Improvement(NamedTuple):
    """Probability that a run of `better` outperforms one of `worse`, with its 95 % interval."""

    better: str
    worse: str
    probability: float
    low: float
    high: float


def compute_learning_curve(trials: Sequence[Trial], axis: str, measure: str = "return") -> Curve:
    """Aggregate evaluations over steps, episodes or seconds; the trials differ in the seed."""
    return compute_curve(
        [trial.get_column(AXIS_COLUMNS[axis]) for trial in trials],
        [trial.get_column(measure) for trial in trials],
    )


def compute_curve(positions: Sequence[Array], values: Sequence[Array]) -> Curve:
    """Aggregate runs; each run has sorted positions (n,) and values (n,) of its own length n.

    Of fewer than MIN_RUNS_FOR_INTERVAL runs, the center is the median and the band reaches from the
    lowest to the highest; of more, they are the interquartile mean and its 95 % interval.
    """
    grid, aligned = align_to_common_grid(positions, values)
    first_end = min(run_positions[-1] for run_positions in positions)
    if len(values) < MIN_RUNS_FOR_INTERVAL:
        center = np.median(aligned, axis=-1)
        return Curve(grid, center, aligned.min(axis=-1), aligned.max(axis=-1), first_end)
    low, high = bootstrap_interval(aligned)
    return Curve(grid, interquartile_mean(aligned), low, high, first_end)


def describe_band(numbers_of_runs: Iterable[int]) -> str:
    """Return what line and band of curves over so many runs are, empty for single runs."""
    numbers = sorted(set(numbers_of_runs))
    if numbers[-1] == 1:
        return ""
    count = f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else f"{numbers[0]}"
    few = f"Line: median of {count} runs; band: lowest to highest."
    many = f"Line: interquartile mean of {count} runs; band: its 95 % bootstrap interval."
    if numbers[-1] < MIN_RUNS_FOR_INTERVAL:
        return few
    if numbers[0] >= MIN_RUNS_FOR_INTERVAL:
        return many
    return f"{many} With fewer than {MIN_RUNS_FOR_INTERVAL} runs: median, lowest to highest."


def align_to_common_grid(
    positions: Sequence[Array], values: Sequence[Array]
) -> tuple[Array, Array]:
    """Hold each run's latest value on a common grid.

    Args:
        positions: sorted positions (n,) of each run.
        values: values (n, ...) of each run.

    Returns:
        The grid (points,) and the values (points, ..., runs).
    """
    # The grid starts where every run has a value.
    start = max(run_positions[0] for run_positions in positions)
    end = max(run_positions[-1] for run_positions in positions)
    grid = np.unique(np.concatenate(positions))
    grid = grid[grid >= start] if len(grid) <= MAX_POINTS else np.linspace(start, end, MAX_POINTS)
    aligned = []
    for run_positions, run_values in zip(positions, values, strict=True):
        latest = np.searchsorted(run_positions, grid, side="right") - 1
        aligned.append(run_values[latest])
    return grid, np.stack(aligned, axis=-1)


def rank_trials(trials: Sequence[Trial], axis: str, measure: str = "return") -> tuple[str, Array]:
    """Return the criterion in words, and a score for each trial of one environment (trials,).

    If training stops at the threshold, the last return does not rank the runs: a run that is
    solved sooner scores higher, and unsolved runs follow in the order of their last return.
    If training continues, or by another measure, the last evaluation counts.
    """
    times = np.array([trial.get_time_to_solved(axis) for trial in trials])
    last_values = np.array([trial.get_column(measure)[-1] for trial in trials])
    solved = np.isfinite(times)
    has_continued = any(trial.has_continued_after_solved for trial in trials)
    if measure != "return" or has_continued or not solved.any():
        return f"{MEASURES[measure]} in the last evaluation", last_values
    sort_keys = np.stack([solved, np.where(solved, -times, last_values)], axis=1)
    _, ranks = np.unique(sort_keys, axis=0, return_inverse=True)
    criterion = f"solved in fewer {axis}, unsolved runs by their last return"
    return criterion, ranks.ravel().astype(float)


def compare_algorithms(
    trials: Sequence[Trial], axis: str, measure: str = "return"
) -> tuple[str, list[Improvement]]:
    """Return the criterion in words, and the probability of improvement of each pair.

    A pair is compared over all environments that both were trained on, with equal weights; the
    bootstrap resamples both algorithms' runs within each environment. An algorithm with a single
    run in an environment is left out there: one run does not show the variation between seeds.
    """
    envs_by_criterion: dict[str, list[str]] = {}
    scores: dict[tuple[str, str], Array] = {}
    for env, group in group_by_env(trials).items():
        criterion, ranks = rank_trials(group, axis, measure)
        envs_by_criterion.setdefault(criterion, []).append(short_name(env))
        for label in group_by_label(group):
            has_label = np.array([trial.label == label for trial in group])
            if has_label.sum() > 1:
                scores[env, label] = ranks[has_label]
    improvements = []
    for one, two in combinations(group_by_label(trials), 2):
        envs = [
            env for env in group_by_env(trials) if (env, one) in scores and (env, two) in scores
        ]
        if envs:
            improvements.append(_compare_pair(one, two, scores, envs))
    if len(envs_by_criterion) == 1:
        return next(iter(envs_by_criterion)), improvements
    criteria = (
        f"in {', '.join(names)} {criterion}" for criterion, names in envs_by_criterion.items()
    )
    return "; ".join(criteria), improvements


def _compare_pair(
    one: str, two: str, scores: Mapping[tuple[str, str], Array], envs: Sequence[str]
) -> Improvement:
    strata = [scores[env, label] for env in envs for label in (one, two)]
    boundaries = np.cumsum([len(stratum) for stratum in strata])[:-1]

    def mean_over_envs(resampled: Array) -> Array:
        parts = np.split(resampled, boundaries)
        probabilities = [
            probability_of_improvement(*pair) for pair in zip(parts[::2], parts[1::2], strict=True)
        ]
        return np.asarray(np.mean(probabilities))

    probability, low, high = stratified_interval(strata, mean_over_envs)
    if probability < 0.5:
        return Improvement(two, one, 1.0 - probability, 1.0 - high, 1.0 - low)
    return Improvement(one, two, probability, low, high)


def summarize(trials: Sequence[Trial]) -> list[tuple[str, ...]]:
    """Return a row of SUMMARY_COLUMNS for each environment and algorithm.

    The costs of solving are medians, `-` if at least half of the runs are unsolved. The final
    return is an interquartile mean, with its 95 % interval if there is more than one run.
    """
    rows = []
    for env, group in group_by_env(trials).items():
        for label, runs in group_by_label(group).items():
            num_solved = sum(bool(trial.get_column("solved").any()) for trial in runs)
            costs = [
                _format_median_time(runs, axis, digits)
                for axis, digits in (("seconds", 1), ("steps", 0), ("episodes", 0))
            ]
            returns = np.array([trial.final_return for trial in runs])
            low, high = bootstrap_interval(returns)
            final_return = f"{interquartile_mean(returns):.1f}"
            if len(runs) > 1:
                final_return += f" ({low:.1f} to {high:.1f})"
            solved = f"{num_solved} of {len(runs)}"
            rows.append((short_name(env), label, solved, *costs, final_return))
    return rows


def _format_median_time(trials: Sequence[Trial], axis: str, digits: int) -> str:
    # The time of an unsolved run is infinite, and so is the median if half of the runs are.
    median = float(np.median([trial.get_time_to_solved(axis) for trial in trials]))
    return f"{median:,.{digits}f}" if median < np.inf else "-"
