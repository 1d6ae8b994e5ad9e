"""Statistics of a few runs: against sums by hand, normal theory and nominal coverage."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poise.tools.plot.statistics import (
    bootstrap_interval,
    improvement_interval,
    interquartile_mean,
    probability_of_improvement,
    stratified_interval,
)

SCORES = st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=12)


@pytest.mark.parametrize("quarter", [1, 2, 5])
def test_interquartile_mean_of_a_multiple_of_four_runs_drops_both_outer_quarters(quarter):
    scores = np.random.default_rng(quarter).normal(size=4 * quarter)
    expected = np.sort(scores)[quarter : 3 * quarter].mean()
    assert interquartile_mean(scores) == pytest.approx(expected)


def test_interquartile_mean_weights_runs_on_the_border():
    """The middle half of five runs is 2.5 runs: 3/4 of the second and fourth, and the third."""
    assert interquartile_mean(np.array([100.0, 1.0, 10.0, -50.0, 1000.0])) == pytest.approx(
        (0.75 * 1 + 10 + 0.75 * 100) / 2.5
    )
    assert interquartile_mean(np.array([1.0, 2.0, 30.0])) == pytest.approx(
        (0.25 * 1.0 + 1.0 * 2.0 + 0.25 * 30.0) / 1.5
    )
    assert interquartile_mean(np.array([1.0, 3.0])) == 2.0
    assert interquartile_mean(np.array([7.0])) == 7.0


@given(scores=SCORES, shift=st.floats(-100, 100), scale=st.floats(0.1, 10))
def test_interquartile_mean_is_equivariant_and_ignores_order(scores, shift, scale):
    scores = np.array(scores)
    center = float(interquartile_mean(scores))
    slack = 1e-6 * (1.0 + np.abs(scores).max())
    assert scores.min() - slack <= center <= scores.max() + slack
    assert float(interquartile_mean(scores[::-1])) == pytest.approx(center, abs=slack)
    assert float(interquartile_mean(scale * scores + shift)) == pytest.approx(
        scale * center + shift, abs=20 * slack
    )
    assert float(interquartile_mean(-scores)) == pytest.approx(-center, abs=slack)


def test_interquartile_mean_ignores_one_outlier_and_reduces_the_last_axis():
    scores = np.random.default_rng(0).normal(size=(3, 8))
    np.testing.assert_allclose(
        interquartile_mean(scores), [interquartile_mean(row) for row in scores]
    )
    wild = np.where(scores == scores.max(1, keepdims=True), 1e9, scores)
    np.testing.assert_allclose(interquartile_mean(wild), interquartile_mean(scores))


# Intervals.


def mean(scores: np.ndarray) -> np.ndarray:
    """Return the mean, a statistic whose bootstrap interval is known."""
    return scores.mean(-1)


def test_bootstrap_interval_of_a_mean_agrees_with_normal_theory():
    """The 95 % interval of the mean of many runs has 1.96 standard errors on either side."""
    scores = np.random.default_rng(0).normal(3.0, 2.0, 200)
    low, high = bootstrap_interval(scores, mean)
    error = scores.std() / math.sqrt(200)
    assert (low, high) == pytest.approx(
        (scores.mean() - 1.96 * error, scores.mean() + 1.96 * error), abs=0.15 * error
    )
    low, high = bootstrap_interval(scores, mean, confidence=0.5)
    assert (low, high) == pytest.approx(
        (scores.mean() - 0.674 * error, scores.mean() + 0.674 * error), abs=0.15 * error
    )


def test_bootstrap_interval_has_about_its_nominal_coverage():
    rng = np.random.default_rng(1)
    intervals = [
        bootstrap_interval(rng.normal(size=20), resamples=200, seed=seed) for seed in range(200)
    ]
    held = np.mean([low <= 0.0 <= high for low, high in intervals])
    assert 0.86 <= held <= 0.99, "the percentile bootstrap of 20 runs is a little too narrow"


def test_bootstrap_interval_resamples_the_same_runs_for_all_points():
    runs = np.random.default_rng(0).normal(size=10)
    low, high = bootstrap_interval(np.stack((runs, runs + 100.0, -runs)), mean)
    assert (low[1], high[1]) == pytest.approx((low[0] + 100.0, high[0] + 100.0))
    assert (low[2], high[2]) == pytest.approx((-high[0], -low[0]))


def test_intervals_of_equal_scores_are_points_and_depend_on_the_seed_only():
    assert bootstrap_interval(np.full(5, 3.0)) == (3.0, 3.0)
    assert stratified_interval([np.full(3, 1.0), np.full(3, 2.0)], mean) == (1.5, 1.5, 1.5), (
        "each sample has both tasks"
    )
    assert improvement_interval(np.full(4, 2.0), np.full(4, 1.0)) == (1.0, 1.0)
    runs = np.random.default_rng(0).normal(size=8)
    assert (
        bootstrap_interval(runs, seed=1)
        == bootstrap_interval(runs, seed=1)
        != bootstrap_interval(runs, seed=2)
    )


def test_stratified_interval_does_not_widen_with_the_distance_between_tasks():
    runs = np.random.default_rng(0).normal(size=(2, 30))
    near = stratified_interval([runs[0], runs[1]], mean)
    far = stratified_interval([runs[0], runs[1] + 1000.0], mean)
    assert far == pytest.approx([end + 500.0 for end in near])
    low, high = bootstrap_interval(np.concatenate((runs[0], runs[1] + 1000.0)), mean)
    assert high - low > 100.0 * (far[2] - far[1]), "pooled runs give a wide interval"
    assert near[0] == pytest.approx(runs.mean()) and near[1] < near[0] < near[2]


# Improvement.


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ([2.0, 3.0], [0.0, 1.0], 1.0),
        ([0.0, 1.0], [2.0, 3.0], 0.0),
        ([1.0, 2.0], [1.0, 2.0], 0.5),
        ([1.0], [1.0, 1.0, 1.0], 0.5),
        ([1.0, 4.0], [2.0, 3.0, 5.0], 1.0 / 3.0),
        ([2.0, 2.0], [1.0, 2.0], 0.75),
    ],
)
def test_probability_of_improvement_counts_pairs_and_half_of_the_ties(ours, theirs, expected):
    assert probability_of_improvement(np.array(ours), np.array(theirs)) == pytest.approx(expected)
    assert probability_of_improvement(np.array(theirs), np.array(ours)) == pytest.approx(
        1.0 - expected
    )


def test_probability_of_improvement_between_normals_matches_theory():
    """P(X > Y) = Phi(gap / sqrt(2)) for two normals with standard deviation 1."""
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(1.0, 1.0, 150), rng.normal(0.0, 1.0, 100)
    truth = 0.5 * (1.0 + math.erf(1.0 / 2.0))
    assert probability_of_improvement(ours, theirs) == pytest.approx(truth, abs=0.06)
    low, high = improvement_interval(ours, theirs, resamples=500)
    assert low < truth < high and low > 0.6 and 0.05 < high - low < 0.2
    narrow = improvement_interval(ours, theirs, resamples=500, confidence=0.5)
    assert low < narrow[0] < narrow[1] < high
