"""Signals: what an environment writes down once, and the spaces and places that follow from it."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from poise.toolkit.spaces import Signal, box_space, component_names, flatten, slices

POSE = (
    Signal("place", 2, -1.0, 1.0, "m", "x and y"),
    Signal("turn", 1, -3.0, 3.0, "rad", "angle"),
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


def test_known_signals():
    space = box_space(POSE)
    assert space.low.tolist() == [-1, -1, -3, 0, 0, 0] and space.high.tolist() == [1, 1, 3, 5, 5, 5]
    assert space.shape == (6,) and space.dtype == np.float32
    assert slices(POSE) == {"place": slice(0, 2), "turn": slice(2, 3), "speeds": slice(3, 6)}
    flat = flatten(POSE, {"turn": 2, "speeds": [3, 4, 5], "place": (0, 1)})
    assert flat.tolist() == [0, 1, 2, 3, 4, 5] and flat.dtype == np.float32


@given(signals=SIGNALS)
def test_places_lie_end_to_end_and_fill_the_space(signals):
    space, places = box_space(signals), slices(signals)
    assert list(places) == [signal.name for signal in signals]
    numbers = [number for place in places.values() for number in range(place.start, place.stop)]
    assert numbers == list(range(space.shape[0]))
    for signal in signals:
        place = places[signal.name]
        assert place.stop - place.start == signal.size
        assert (space.low[place] == np.float32(signal.low)).all() and (
            space.high[place] == np.float32(signal.high)
        ).all()


@given(signals=SIGNALS, seed=st.integers(0, 99))
def test_what_is_flattened_is_found_again_at_its_place(signals, seed):
    rng = np.random.default_rng(seed)
    values = {
        signal.name: rng.uniform(signal.low, signal.high, signal.size).astype(np.float32)
        for signal in signals
    }
    flat = flatten(signals, values)
    for name, place in slices(signals).items():
        assert np.array_equal(flat[place], values[name])
    assert box_space(signals).contains(flat)


@pytest.mark.parametrize(
    "values",
    [
        {"place": (0, 1), "turn": 2},
        {"place": (0, 1), "turn": 2, "speeds": (1, 2, 3), "more": 1},
        {"place": (0, 1), "trun": 2, "speeds": (1, 2, 3)},
        {},
    ],
)
def test_a_missing_or_extra_name_is_an_error(values):
    with pytest.raises(KeyError, match="expected the signals"):
        flatten(POSE, values)


def test_values_of_another_size_are_an_error():
    with pytest.raises(ValueError, match="shape"):
        flatten(POSE, {"place": (0, 1, 2), "turn": 2, "speeds": (1, 2, 3)})


def test_two_signals_of_one_name_are_an_error():
    with pytest.raises(ValueError, match="two signals are named 'turn'"):
        slices((*POSE, POSE[1]))


def test_a_signal_does_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        POSE[0].size = 5


def test_components_name_the_numbers_of_a_signal():
    torque = Signal("torque", 2, -1.0, 1.0, "N m", "of each joint", ("hip", "knee"))
    signals = (torque, POSE[0], POSE[1])
    names = [name for name, _ in component_names(signals)]
    assert names == ["torque hip", "torque knee", "place 1", "place 2", "turn"]
    assert component_names(signals)[1][1] is torque


@pytest.mark.parametrize("components", [("hip",), ("hip", "knee", "ankle")])
def test_components_of_another_number_are_an_error(components):
    with pytest.raises(ValueError, match=r"2 numbers and [13] component names"):
        Signal("torque", 2, -1.0, 1.0, "N m", "of each joint", components)
