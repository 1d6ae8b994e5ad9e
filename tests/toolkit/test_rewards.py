"""Reward terms: known values and properties."""

import inspect
import math
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from poise.toolkit.rewards import (
    control_cost,
    control_saving,
    gaussian_tolerance,
    linear_tolerance,
    progress,
)

NUMBERS = st.floats(-1e6, 1e6)
SCALES = st.floats(1e-3, 1e3)
ACTIONS = st.lists(st.floats(-1, 1), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("distance", "scale", "expected"),
    [
        (0.0, 1.0, 1.0),
        (1.0, 1.0, math.exp(-1)),
        (-0.4, 0.4, math.exp(-1)),
        (2.0, 1.0, math.exp(-4)),
        (3e3, 1e-3, 0.0),
    ],
)
def test_gaussian_tolerance_of_known_distances(distance, scale, expected):
    assert gaussian_tolerance(distance, scale) == pytest.approx(expected)


@given(distance=NUMBERS, scale=SCALES)
def test_gaussian_tolerance_is_1_at_zero_even_and_decreasing(distance, scale):
    near = gaussian_tolerance(distance, scale)
    assert 0.0 <= near <= 1.0 and gaussian_tolerance(0.0, scale) == 1.0
    assert near == gaussian_tolerance(-distance, scale)
    assert gaussian_tolerance(2.0 * distance, scale) <= near
    assert near == pytest.approx(gaussian_tolerance(distance * 8.0, scale * 8.0)), (
        "only the ratio counts"
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, 1.0),
        (-1.0, 1.0),
        (2.0, 1.0),
        (3.0, 0.5),
        (-2.0, 0.5),
        (4.0, 0.0),
        (-3.0, 0.0),
        (100.0, 0.0),
    ],
)
def test_linear_tolerance_of_known_values(value, expected):
    assert linear_tolerance(value, -1.0, 2.0, margin=2.0) == pytest.approx(expected)


@given(value=NUMBERS, low=NUMBERS, width=st.floats(0, 1e3), margin=SCALES)
def test_linear_tolerance_is_1_inside_0_beyond_margin_linear_between(value, low, width, margin):
    high = low + width
    value_inside = linear_tolerance(value, low, high, margin)
    assert 0.0 <= value_inside <= 1.0
    if low <= value <= high:
        assert value_inside == 1.0
    if value > high + 2 * margin or value < low - 2 * margin:
        assert value_inside == 0.0
    assert linear_tolerance(high + margin / 4, low, high, margin) == pytest.approx(0.75, abs=1e-3)


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ([0.0], 0.0),
        ([1.0], 1.0),
        ([-1.0, 1.0], 1.0),
        ([0.5, 0.5], 0.25),
        ([1.0, 0.0, 0.0, 0.0], 0.25),
    ],
)
def test_control_cost_of_known_actions(action, expected):
    assert control_cost(action) == pytest.approx(expected)
    assert control_saving(action) == pytest.approx(1.0 - expected)


@given(action=ACTIONS)
def test_control_cost_is_between_0_and_1_and_saving_is_the_rest(action):
    assert 0.0 <= control_cost(action) <= 1.0
    assert control_cost(action) + control_saving(action) == pytest.approx(1.0)
    assert control_cost([-u for u in action]) == control_cost(action)
    assert control_cost(action + action) == pytest.approx(control_cost(action))


@given(potentials=st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30))
def test_progress_sums_to_last_minus_first_potential(potentials):
    there = [progress(now, before) for before, now in pairwise(potentials)]
    assert math.fsum(there) == pytest.approx(potentials[-1] - potentials[0], abs=1e-6)
    back = [progress(now, before) for before, now in pairwise(potentials[::-1])]
    assert math.fsum(there + back) == pytest.approx(0.0, abs=1e-6)


@given(
    potentials=st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30),
    gamma=st.sampled_from([0.0, 0.95, 1.0]),
)
def test_progress_under_discounting_is_shaping_and_a_part_of_the_potential(potentials, gamma):
    """As its docstring says: Ng et al. have gamma * potential - previous."""
    for before, now in pairwise(potentials):
        shaping = gamma * now - before
        assert progress(now, before) == pytest.approx(shaping + (1 - gamma) * now, abs=1e-9)
    page = " ".join(inspect.getdoc(progress).split())
    assert "with gamma = 1. A learner that discounts by gamma < 1" in page
    assert "gamma * potential - previous, plus (1 - gamma) * potential" in page


@given(now=NUMBERS, before=NUMBERS)
def test_progress_is_positive_for_a_gain(now, before):
    assume(abs(now - before) > 1e-9)
    assert (progress(now, before) > 0.0) == (now > before)
