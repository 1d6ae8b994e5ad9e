"""The vocabulary of reward terms: known values, and what holds for all of them."""

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
EFFORTS = st.lists(st.floats(-1, 1), min_size=1, max_size=8)


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
def test_closeness_of_known_distances(distance, scale, expected):
    assert gaussian_tolerance(distance, scale) == pytest.approx(expected)


@given(distance=NUMBERS, scale=SCALES)
def test_closeness_is_1_at_zero_even_and_falls(distance, scale):
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
def test_tolerance_of_known_values(value, expected):
    assert linear_tolerance(value, -1.0, 2.0, margin=2.0) == pytest.approx(expected)


@given(value=NUMBERS, low=NUMBERS, width=st.floats(0, 1e3), margin=SCALES)
def test_tolerance_is_whole_inside_nothing_far_outside_and_between_in_between(
    value, low, width, margin
):
    high = low + width
    worth = linear_tolerance(value, low, high, margin)
    assert 0.0 <= worth <= 1.0
    if low <= value <= high:
        assert worth == 1.0
    if value > high + 2 * margin or value < low - 2 * margin:
        assert worth == 0.0
    assert linear_tolerance(high + margin / 4, low, high, margin) == pytest.approx(0.75, abs=1e-3)


@pytest.mark.parametrize(
    ("effort", "expected"),
    [
        ([0.0], 0.0),
        ([1.0], 1.0),
        ([-1.0, 1.0], 1.0),
        ([0.5, 0.5], 0.25),
        ([1.0, 0.0, 0.0, 0.0], 0.25),
    ],
)
def test_effort_cost_of_known_actions(effort, expected):
    assert control_cost(effort) == pytest.approx(expected)
    assert control_saving(effort) == pytest.approx(1.0 - expected)


@given(effort=EFFORTS)
def test_effort_costs_between_0_and_1_and_economy_is_the_rest(effort):
    assert 0.0 <= control_cost(effort) <= 1.0
    assert control_cost(effort) + control_saving(effort) == pytest.approx(1.0)
    assert control_cost([-u for u in effort]) == control_cost(effort)
    assert control_cost(effort + effort) == pytest.approx(control_cost(effort))


@given(potentials=st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30))
def test_progress_adds_up_to_last_minus_first_so_circles_pay_nothing(potentials):
    there = [progress(now, before) for before, now in pairwise(potentials)]
    assert math.fsum(there) == pytest.approx(potentials[-1] - potentials[0], abs=1e-6)
    back = [progress(now, before) for before, now in pairwise(potentials[::-1])]
    assert math.fsum(there + back) == pytest.approx(0.0, abs=1e-6)


@given(now=NUMBERS, before=NUMBERS)
def test_progress_is_gain(now, before):
    assume(abs(now - before) > 1e-9)
    assert (progress(now, before) > 0.0) == (now > before)
