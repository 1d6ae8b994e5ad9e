"""Statistics of a few runs: means, intervals and comparisons for five to ten seeds.

Source: Agarwal et al. (2021), Deep reinforcement learning at the edge of the statistical precipice,
arXiv:2108.13264.
"""

from collections.abc import Callable

import numpy as np

from poise.toolkit.spaces import Array

Statistic = Callable[[Array], Array]
"""Reduces the last axis, which holds the runs: (..., runs) to (...)."""


def interquartile_mean(values: Array) -> Array:
    """Return the mean of the middle half of the runs, (..., runs) to (...).

    It is less sensitive to outliers than the mean, and uses more of the data than the median. If a
    quarter of the runs is not a whole number, the runs on the border count in part.
    """
    ordered = np.sort(np.asarray(values, float), axis=-1)
    num_runs = ordered.shape[-1]
    # Run i covers [i / n, (i + 1) / n]; its weight is the part of that inside [1/4, 3/4].
    edges = np.arange(num_runs + 1) / num_runs
    weights = np.clip(np.minimum(edges[1:], 0.75) - np.maximum(edges[:-1], 0.25), 0.0, None)
    means: Array = ordered @ (weights / weights.sum())
    return means


def bootstrap_interval(
    scores: Array,
    statistic: Statistic = interquartile_mean,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[Array, Array]:
    """Return both ends of a percentile bootstrap interval of `statistic(scores)`.

    Runs are drawn with replacement, the same ones for all points of a curve.

    Args:
        scores: scores (..., runs).
        statistic: reduces the runs, (..., runs) to (...).
        resamples: number of bootstrap samples.
        confidence: probability mass inside the interval.
        seed: seed of the resampling.

    Returns:
        The low and the high end, each (...).
    """
    scores = np.asarray(scores, float)
    rng = np.random.default_rng(seed)
    num_runs = scores.shape[-1]
    samples = np.stack(
        [statistic(scores[..., rng.integers(0, num_runs, num_runs)]) for _ in range(resamples)]
    )
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(samples, (tail, 1.0 - tail), axis=0)
    return low, high


def stratified_interval(
    tasks: list[Array],
    statistic: Statistic = interquartile_mean,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Return `statistic` of the runs of all tasks, and both ends of its stratified interval.

    The runs of a task, (runs,), are resampled within the task, so that each bootstrap sample
    contains every task. The caller brings the scores of all tasks to one scale.
    """
    rng = np.random.default_rng(seed)
    samples = [
        float(
            statistic(
                np.concatenate([task[rng.integers(0, len(task), len(task))] for task in tasks])
            )
        )
        for _ in range(resamples)
    ]
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(samples, (tail, 1.0 - tail))
    return float(statistic(np.concatenate(tasks))), float(low), float(high)


def probability_of_improvement(ours: Array, theirs: Array) -> float:
    """Return P(X > Y) + P(X = Y) / 2 for runs X of `ours` (n,) and Y of `theirs` (m,).

    This is the Mann-Whitney statistic, divided by the number n m of pairs.
    """
    difference = np.asarray(ours, float)[:, None] - np.asarray(theirs, float)[None, :]  # (n, m)
    return float(np.mean((difference > 0.0) + 0.5 * (difference == 0.0)))


def improvement_interval(
    ours: Array,
    theirs: Array,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Return both ends of the percentile bootstrap interval of `probability_of_improvement`."""
    rng = np.random.default_rng(seed)
    ours = np.asarray(ours, float)
    theirs = np.asarray(theirs, float)
    samples = [
        probability_of_improvement(
            ours[rng.integers(0, len(ours), len(ours))],
            theirs[rng.integers(0, len(theirs), len(theirs))],
        )
        for _ in range(resamples)
    ]
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(samples, (tail, 1.0 - tail))
    return float(low), float(high)
