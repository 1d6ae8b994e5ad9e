"""Conversions: observations of any space to flat arrays, and flat actions to any space."""

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Text, Tuple
from hypothesis import given, settings
from hypothesis import strategies as st

from poise import algos
from poise.algos.encoders import make_encoders
from poise.algos.normalization import decode_vector
from poise.toolkit.conversion import (
    ActionDecoder,
    ObservationEncoder,
    PixelVectorSpace,
    find_image_axes,
)

UNIT = Box(-1.0, 1.0, (2,), np.float32)
BYTES = {"low": 0, "high": 255, "dtype": np.uint8}
GOOD = np.array([0.5, -0.5], np.float32)

# Actions.

FLOATS = (np.float16, np.float32, np.float64)
INTEGERS = (np.int8, np.uint8, np.int32, np.int64)


@st.composite
def boxes(draw):
    """Bounded Boxes of every type and shape, among them those without width and without end."""
    dtype = draw(st.sampled_from(FLOATS + INTEGERS))
    shape = draw(st.sampled_from([(), (1,), (3,), (2, 2), (1, 2, 1)]))
    size = int(np.prod(shape))
    if dtype in FLOATS:
        limits = np.finfo(dtype)
        numbers = st.floats(float(limits.min), float(limits.max), width=limits.bits)
    else:
        limits = np.iinfo(dtype)
        numbers = st.integers(int(limits.min), int(limits.max) - 1)
    ends = draw(st.lists(numbers, min_size=2 * size, max_size=2 * size))
    pairs = np.array(ends, dtype).reshape(2, *shape)
    if draw(st.booleans()):
        pairs[1] = pairs[0]
    return Box(np.asarray(pairs.min(axis=0)), np.asarray(pairs.max(axis=0)), shape, dtype)


CHOICES = st.sampled_from(
    [
        Discrete(3),
        Discrete(3, start=-5),
        MultiDiscrete([2, 3], start=[1, -1]),
        MultiDiscrete([[2, 3], [4, 5]]),
        MultiBinary(3),
        MultiBinary((2, 2)),
    ]
)


def combined(parts):
    """Spaces of one kind, alone, and in Dicts and Tuples."""
    several = st.lists(parts, min_size=1, max_size=5)
    return st.one_of(
        parts,
        several.map(Tuple),
        several.map(lambda spaces: Dict({"a": Tuple(spaces), "b": spaces[0]})),
    )


def assert_contained(space, element):
    """Assert that an element lies in a space, and is finite and of its type, leaf by leaf."""
    assert space.contains(element)
    if isinstance(space, Dict):
        for key, part in space.spaces.items():
            assert_contained(part, element[key])
    elif isinstance(space, Tuple):
        for part, value in zip(space.spaces, element, strict=True):
            assert_contained(part, value)
    else:
        assert element.dtype == space.dtype
        assert np.isfinite(element).all()


@settings(max_examples=300)
@given(combined(boxes()), st.integers(0, 2**32 - 1))
def test_numbers_decode_to_an_element_of_any_bounded_box(space, seed):
    assert_decodes(space, seed)


@pytest.mark.slow
@settings(max_examples=5000)
@given(combined(boxes()), st.integers(0, 2**32 - 1))
def test_numbers_decode_to_an_element_of_thousands_of_boxes(space, seed):
    assert_decodes(space, seed)


def assert_decodes(space, seed):
    decoder = ActionDecoder(space)
    size = decoder.space.shape[0]
    rng = np.random.default_rng(seed)
    for action in (rng.uniform(-1.5, 1.5, size), np.ones(size), -np.ones(size), np.zeros(size)):
        assert_contained(space, decoder.decode(action.astype(np.float32)))


@given(boxes())
def test_ends_of_an_action_decode_to_the_ends_of_its_box(space):
    decoder = ActionDecoder(space)
    size = decoder.space.shape[0]
    np.testing.assert_array_equal(decoder.decode(-np.ones(size)), space.low)
    np.testing.assert_array_equal(decoder.decode(np.full(size, 7.0)), space.high)


@settings(max_examples=100)
@given(combined(CHOICES), st.integers(0, 2**32 - 1))
def test_choices_decode_to_an_element_of_any_space_of_choices(space, seed):
    decoder = ActionDecoder(space)
    decoder.space.seed(seed)
    for _ in range(3):
        assert_contained(space, decoder.decode(decoder.space.sample()))


def test_decoded_numbers_keep_their_order_and_place():
    space = Dict({"a": Box(0.0, 10.0, (2, 2), np.float32), "b": Box(-4, 4, (1,), np.int64)})
    decoded = ActionDecoder(space).decode(np.array([-1.0, -0.5, 0.0, 1.0, 0.5], np.float32))
    np.testing.assert_allclose(decoded["a"], [[0.0, 2.5], [5.0, 10.0]])
    assert decoded["b"].tolist() == [2]


# Observations.


def test_text_becomes_numbers_of_fixed_size():
    space = Dict({"mission": Text(5, charset="abc"), "speed": UNIT})
    row = ObservationEncoder(space).encode({"mission": "cab", "speed": GOOD})
    assert row.shape == (7,)
    assert row[5:].tolist() == [0.5, -0.5]


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((64, 48, 3), (0, 1, 2)),
        ((3, 64, 48), (1, 2, 0)),
        ((1, 84, 84), (1, 2, 0)),
        ((4, 84, 84), (1, 2, 0)),
        ((7, 7, 3), (0, 1, 2)),
        ((16, 16, 24), (0, 1, 2)),
        ((84, 84), (0, 1)),
        ((4, 84, 80, 3), (1, 2, 0, 3)),
        ((4, 3, 84, 80), (2, 3, 0, 1)),
    ],
)
def test_image_axes_are_recognized(shape, axes):
    assert find_image_axes(shape) == axes


def test_images_of_every_layout_become_the_same_row():
    image = np.random.default_rng(0).integers(0, 256, (9, 8, 3), np.uint8)
    layouts = {"last": image, "first": image.transpose(2, 0, 1).astype(np.int64)}
    rows = []
    for layout in layouts.values():
        space = Dict({"camera": Box(shape=layout.shape, **BYTES), "speed": UNIT})
        encoder = ObservationEncoder(space)
        assert isinstance(encoder.space, PixelVectorSpace)
        assert (encoder.space.state_size, encoder.space.image_shape) == (2, (9, 8, 3))
        rows.append(encoder.encode({"camera": layout, "speed": GOOD}))
    assert np.array_equal(*rows)
    stack = np.stack([image, 255 - image])
    encoder = ObservationEncoder(Box(shape=stack.shape, **BYTES))
    expected = np.concatenate([image, 255 - image], axis=-1)
    assert encoder.space.image_shape == (9, 8, 6)
    assert np.array_equal(encoder.encode(stack), expected.ravel())


def test_image_of_two_axes_has_one_channel():
    encoder = ObservationEncoder(Box(shape=(84, 84), **BYTES))
    assert encoder.space.image_shape == (84, 84, 1)
    settings = algos.get_algorithm_class("sac").SETTINGS()
    assert make_encoders(encoder.space, settings)[0].layers[0].output_shape[0] == 64


@pytest.mark.parametrize("algo", ["ppo", "sac", "td3"])
@pytest.mark.parametrize("layout", [(7, 7, 3), (3, 7, 7), (7, 5), (2, 5, 7, 3), (8, 8, 3)])
@pytest.mark.parametrize("size", [0, 2])
def test_values_of_images_of_any_size_are_equal_for_one_row_and_for_many(algo, layout, size):
    """Rows of most of these images are no whole number of float32 numbers long."""
    numbers = {"speed": UNIT} if size else {}
    parts = {"image": Box(shape=layout, **BYTES), **numbers}
    encoder = ObservationEncoder(Dict(parts))
    settings = {"hidden_sizes": [4], "feature_dim": 4, "normalize_observations": True}
    learner_class = algos.get_algorithm_class(algo)
    buffer = {} if algo == "ppo" else {"buffer_size": 9}
    learner = learner_class(
        encoder.space,
        ActionDecoder(UNIT).space,
        learner_class.SETTINGS.parse({**settings, **buffer}),
        seed=0,
    )
    image = np.random.default_rng(0).integers(0, 256, layout, np.uint8)
    row = encoder.encode({"image": image, "speed": GOOD})
    for rows in (row[None], np.stack([row] * 3)):
        value, _ = learner.value_and_std(rows)
        np.testing.assert_allclose(value, value[0], atol=1e-6)
        vectors = decode_vector(torch.from_numpy(rows), size)
        assert vectors.tolist() == [GOOD[:size].tolist()] * len(rows)
