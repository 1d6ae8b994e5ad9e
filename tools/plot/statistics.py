"""Statistics of a few runs: what may be said about an algorithm after five or ten seeds.

Source: Agarwal et al. (2021), Deep reinforcement learning at the edge of the statistical precipice, arXiv:2108.13264.
"""

from collections.abc import Callable

import numpy as np

from poise.toolkit.spaces import Array

Statistic = Callable[[Array], Array]
"""Takes runs along the last axis to one number for everything before it."""


def interquartile_mean(values: Array) -> Array:
    """The mean of the middle half along the last axis: steadier than the mean, and wastes less than the median.

    Where a quarter of the runs is no whole number, the run on the border counts in part.
    """
    ordered = np.sort(np.asarray(values, float), axis=-1)
    number = ordered.shape[-1]
    # Every run is a piece of width 1/n of the line from 0 to 1; what counts of it lies between 1/4 and 3/4.
    edges = np.arange(number + 1) / number
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
    """Low and high end of a percentile bootstrap interval for `statistic` of `scores` (..., runs).

    Whole runs are drawn with replacement, the same ones for all points of a curve.
    """
    scores = np.asarray(scores, float)
    rng = np.random.default_rng(seed)
    number = scores.shape[-1]
    drawn = np.stack(
        [statistic(scores[..., rng.integers(0, number, number)]) for _ in range(resamples)]
    )
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(drawn, (tail, 1.0 - tail), axis=0)
    return low, high


def stratified_interval(
    tasks: list[Array],
    statistic: Statistic = interquartile_mean,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float, float]:
    """`statistic` over the runs of several tasks together, and its stratified bootstrap interval.

    Each task's runs (runs,) are drawn anew among themselves, so that no draw forgets a task. Bring the scores of all tasks to one
    scale before.
    """
    rng = np.random.default_rng(seed)
    drawn = [
        float(
            statistic(
                np.concatenate([task[rng.integers(0, len(task), len(task))] for task in tasks])
            )
        )
        for _ in range(resamples)
    ]
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(drawn, (tail, 1.0 - tail))
    return float(statistic(np.concatenate(tasks))), float(low), float(high)


def probability_of_improvement(ours: Array, theirs: Array) -> float:
    """P(a run of ours scores higher than one of theirs), ties counted half: the Mann-Whitney statistic over all pairs."""
    gap = np.asarray(ours, float)[:, None] - np.asarray(theirs, float)[None, :]
    return float(np.mean((gap > 0.0) + 0.5 * (gap == 0.0)))


def improvement_interval(
    ours: Array,
    theirs: Array,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the probability of improvement; both sides are drawn anew."""
    rng = np.random.default_rng(seed)
    ours = np.asarray(ours, float)
    theirs = np.asarray(theirs, float)
    drawn = [
        probability_of_improvement(
            ours[rng.integers(0, len(ours), len(ours))],
            theirs[rng.integers(0, len(theirs), len(theirs))],
        )
        for _ in range(resamples)
    ]
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(drawn, (tail, 1.0 - tail))
    return float(low), float(high)
