"""Statistics of a few runs, against sums by hand and against how often an interval should hold the truth."""

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
def test_where_runs_are_a_multiple_of_four_the_best_and_the_worst_quarter_are_left_out(quarter):
    scores = np.random.default_rng(quarter).normal(size=4 * quarter)
    expected = np.sort(scores)[quarter : 3 * quarter].mean()
    assert interquartile_mean(scores) == pytest.approx(expected)


def test_a_run_on_the_border_counts_in_part():
    """Of five runs, the middle half is 2.5 runs: three quarters of the second, the third, three quarters of the fourth."""
    assert interquartile_mean(np.array([100.0, 1.0, 10.0, -50.0, 1000.0])) == pytest.approx(
        (0.75 * 1 + 10 + 0.75 * 100) / 2.5
    )
    assert interquartile_mean(np.array([1.0, 2.0, 30.0])) == pytest.approx(
        (0.25 * 1.0 + 1.0 * 2.0 + 0.25 * 30.0) / 1.5
    )
    assert interquartile_mean(np.array([1.0, 3.0])) == 2.0
    assert interquartile_mean(np.array([7.0])) == 7.0


@given(scores=SCORES, shift=st.floats(-100, 100), scale=st.floats(0.1, 10))
def test_the_middle_moves_with_the_scores_whatever_their_order(scores, shift, scale):
    scores = np.array(scores)
    middle = float(interquartile_mean(scores))
    slack = 1e-6 * (1.0 + np.abs(scores).max())
    assert scores.min() - slack <= middle <= scores.max() + slack
    assert float(interquartile_mean(scores[::-1])) == pytest.approx(middle, abs=slack)
    assert float(interquartile_mean(scale * scores + shift)) == pytest.approx(
        scale * middle + shift, abs=20 * slack
    )
    assert float(interquartile_mean(-scores)) == pytest.approx(-middle, abs=slack)


def test_one_wild_run_does_not_move_it_and_curves_go_point_by_point():
    scores = np.random.default_rng(0).normal(size=(3, 8))
    np.testing.assert_allclose(
        interquartile_mean(scores), [interquartile_mean(row) for row in scores]
    )
    wild = np.where(scores == scores.max(1, keepdims=True), 1e9, scores)
    np.testing.assert_allclose(interquartile_mean(wild), interquartile_mean(scores))


# Intervals.


def mean(scores: np.ndarray) -> np.ndarray:
    """A statistic whose bootstrap is known."""
    return scores.mean(-1)


def test_an_interval_is_as_wide_as_normal_theory_says():
    """Of the mean of many runs: 1.96 standard errors to either side."""
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


def test_an_interval_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    intervals = [
        bootstrap_interval(rng.normal(size=20), resamples=200, seed=seed) for seed in range(200)
    ]
    held = np.mean([low <= 0.0 <= high for low, high in intervals])
    assert 0.86 <= held <= 0.99, "a percentile bootstrap of 20 runs is a little too sure of itself"


def test_all_points_of_a_curve_draw_the_same_runs():
    runs = np.random.default_rng(0).normal(size=10)
    low, high = bootstrap_interval(np.stack((runs, runs + 100.0, -runs)), mean)
    assert (low[1], high[1]) == pytest.approx((low[0] + 100.0, high[0] + 100.0))
    assert (low[2], high[2]) == pytest.approx((-high[0], -low[0]))


def test_runs_that_agree_leave_no_doubt_and_one_seed_one_interval():
    assert bootstrap_interval(np.full(5, 3.0)) == (3.0, 3.0)
    assert stratified_interval([np.full(3, 1.0), np.full(3, 2.0)], mean) == (1.5, 1.5, 1.5), (
        "no draw forgets a task"
    )
    assert improvement_interval(np.full(4, 2.0), np.full(4, 1.0)) == (1.0, 1.0)
    runs = np.random.default_rng(0).normal(size=8)
    assert (
        bootstrap_interval(runs, seed=1)
        == bootstrap_interval(runs, seed=1)
        != bootstrap_interval(runs, seed=2)
    )


def test_tasks_far_apart_widen_no_stratified_interval():
    runs = np.random.default_rng(0).normal(size=(2, 30))
    near = stratified_interval([runs[0], runs[1]], mean)
    far = stratified_interval([runs[0], runs[1] + 1000.0], mean)
    assert far == pytest.approx([end + 500.0 for end in near])
    low, high = bootstrap_interval(np.concatenate((runs[0], runs[1] + 1000.0)), mean)
    assert high - low > 100.0 * (far[2] - far[1]), "drawn from one pot they would"
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
def test_the_probability_of_improvement_counts_pairs_and_half_of_the_ties(ours, theirs, expected):
    assert probability_of_improvement(np.array(ours), np.array(theirs)) == pytest.approx(expected)
    assert probability_of_improvement(np.array(theirs), np.array(ours)) == pytest.approx(
        1.0 - expected
    )


def test_the_probability_of_improvement_between_normals_is_known():
    """P(X > Y) = Phi(gap / sqrt(2)) for two normals of spread 1; its interval holds it, and leaves out what is far from it."""
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(1.0, 1.0, 150), rng.normal(0.0, 1.0, 100)
    truth = 0.5 * (1.0 + math.erf(1.0 / 2.0))
    assert probability_of_improvement(ours, theirs) == pytest.approx(truth, abs=0.06)
    low, high = improvement_interval(ours, theirs, resamples=500)
    assert low < truth < high and low > 0.6 and 0.05 < high - low < 0.2
    narrow = improvement_interval(ours, theirs, resamples=500, confidence=0.5)
    assert low < narrow[0] < narrow[1] < high
