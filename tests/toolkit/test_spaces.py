"""Signals, and the spaces, slices and names that are derived from them."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poise.toolkit.spaces import Signal, box_space, component_names, flatten, slices

POSE = (
    Signal("position", 2, -1.0, 1.0, "m", "x and y"),
    Signal("angle", 1, -3.0, 3.0, "rad", "of the body"),
    Signal("speeds", 3, 0.0, 5.0, "m/s", "of three wheels"),
)
SIGNALS = st.lists(
    st.builds(
        Signal,
        name=st.text("abcdef ", min_size=1, max_size=6),
        size=st.integers(1, 5),
        low=st.floats(-100, -1, width=32),
        high=st.floats(1, 100, width=32),
        unit=st.just("m"),
        meaning=st.just("some"),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda signal: signal.name,
)


def test_known_signals_give_known_space_slices_and_array():
    space = box_space(POSE)
    assert space.low.tolist() == [-1, -1, -3, 0, 0, 0] and space.high.tolist() == [1, 1, 3, 5, 5, 5]
    assert space.shape == (6,) and space.dtype == np.float32
    assert slices(POSE) == {"position": slice(0, 2), "angle": slice(2, 3), "speeds": slice(3, 6)}
    flat = flatten(POSE, {"angle": 2, "speeds": [3, 4, 5], "position": (0, 1)})
    assert flat.tolist() == [0, 1, 2, 3, 4, 5] and flat.dtype == np.float32


@given(signals=SIGNALS)
def test_slices_lie_end_to_end_and_fill_the_space(signals):
    space = box_space(signals)
    slice_by_name = slices(signals)
    assert list(slice_by_name) == [signal.name for signal in signals]
    indices = [index for each in slice_by_name.values() for index in range(each.start, each.stop)]
    assert indices == list(range(space.shape[0]))
    for signal in signals:
        signal_slice = slice_by_name[signal.name]
        assert signal_slice.stop - signal_slice.start == signal.size
        assert (space.low[signal_slice] == np.float32(signal.low)).all()
        assert (space.high[signal_slice] == np.float32(signal.high)).all()


@given(signals=SIGNALS, seed=st.integers(0, 99))
def test_flattened_values_are_found_in_their_slices(signals, seed):
    rng = np.random.default_rng(seed)
    values = {
        signal.name: rng.uniform(signal.low, signal.high, signal.size).astype(np.float32)
        for signal in signals
    }
    flat = flatten(signals, values)
    for name, signal_slice in slices(signals).items():
        assert np.array_equal(flat[signal_slice], values[name])
    assert box_space(signals).contains(flat)


@pytest.mark.parametrize(
    "values",
    [
        {"position": (0, 1), "angle": 2},
        {"position": (0, 1), "angle": 2, "speeds": (1, 2, 3), "more": 1},
        {"position": (0, 1), "angel": 2, "speeds": (1, 2, 3)},
        {},
    ],
)
def test_missing_or_extra_name_is_a_key_error(values):
    with pytest.raises(KeyError, match="expected the signals"):
        flatten(POSE, values)


def test_values_of_another_size_are_a_value_error():
    with pytest.raises(ValueError, match="shape"):
        flatten(POSE, {"position": (0, 1, 2), "angle": 2, "speeds": (1, 2, 3)})


def test_two_signals_of_one_name_are_a_value_error():
    with pytest.raises(ValueError, match="two signals are named 'angle'"):
        slices((*POSE, POSE[1]))


def test_signal_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        POSE[0].size = 5


def test_component_names_use_the_components_of_a_signal():
    torque = Signal("torque", 2, -1.0, 1.0, "N m", "of each joint", ("hip", "knee"))
    signals = (torque, POSE[0], POSE[1])
    names = [name for name, _ in component_names(signals)]
    assert names == ["torque hip", "torque knee", "position 1", "position 2", "angle"]
    assert component_names(signals)[1][1] is torque


@pytest.mark.parametrize("components", [("hip",), ("hip", "knee", "ankle")])
def test_components_of_another_number_are_a_value_error(components):
    with pytest.raises(ValueError, match=r"2 numbers and [13] component names"):
        Signal("torque", 2, -1.0, 1.0, "N m", "of each joint", components)
