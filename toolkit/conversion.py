"""Convert the values of any space to flat arrays for learners, and their actions back.

What does not fit a space is an InvalidValueError, which names the part and the number.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Text, Tuple, flatten
from gymnasium.spaces.utils import flatdim, flatten_space

from poise.toolkit.errors import UserError
from poise.toolkit.spaces import Array

Space = gymnasium.Space[Any]

FLOAT32_BYTES = 4
"""Bytes of a float32 number."""

FLOAT32_MAX = float(np.finfo(np.float32).max)
"""Learners calculate in float32: a greater number would be infinite there."""

BYTE_MAX = 255

OBSERVATION_SPACES = (Box, Discrete, MultiDiscrete, MultiBinary, Text)
"""Spaces that an observation may consist of; Dict and Tuple combine them."""

CHOICE_SPACES = (Discrete, MultiDiscrete, MultiBinary)
"""Spaces of actions that are choices."""

MAX_OBSERVATION_SIZE = 10_000_000
"""Numbers of an observation at most: a Discrete space of n values becomes n numbers."""


class InvalidValueError(UserError):
    """A value that does not fit: `subject` (an observation, ...), `problem` and `detail`."""

    def __init__(self, subject: str, problem: str, detail: str) -> None:
        super().__init__(f"the {subject} {problem}: {detail}")
        self.subject = subject
        self.problem = problem
        self.detail = detail


class PixelVectorSpace(Box):
    """Byte vectors: `state_size` float32 numbers, then an image `image_shape` (H, W, channels)."""

    def __init__(self, state_size: int, image_shape: tuple[int, int, int]) -> None:
        self.state_size = state_size
        self.image_shape = image_shape
        num_bytes = FLOAT32_BYTES * state_size + math.prod(image_shape)
        super().__init__(0, BYTE_MAX, (num_bytes,), np.uint8)


class Leaf(NamedTuple):
    """A part of a space that holds no other spaces."""

    path: tuple[Any, ...]
    """Keys of Dicts and indices of Tuples that lead to it."""
    space: Any

    @property
    def name(self) -> str:
        """The path as an index expression: `['goal'][0]`, or nothing."""
        return "".join(f"[{key!r}]" for key in self.path)

    def read(self, value: Any) -> Any:
        """Return this part of an element of the whole space."""
        for key in self.path:
            value = value[key]
        return value


def list_leaves(space: Space, path: tuple[Any, ...] = ()) -> list[Leaf]:
    """Return the parts of a space, in the order of its Dicts and Tuples."""
    parts: Iterator[tuple[Any, Space]]
    if isinstance(space, Dict):
        parts = iter(space.spaces.items())
    elif isinstance(space, Tuple):
        parts = enumerate(space.spaces)
    else:
        return [Leaf(path, space)]
    return [leaf for key, part in parts for leaf in list_leaves(part, (*path, key))]


def map_leaves(space: Space, values: Sequence[Any]) -> Any:
    """Return an element of `space` that holds the values of its leaves."""
    remaining = iter(values)

    def build(part: Space) -> Any:
        if isinstance(part, Dict):
            return {key: build(child) for key, child in part.spaces.items()}
        if isinstance(part, Tuple):
            return tuple(build(child) for child in part.spaces)
        return next(remaining)

    return build(space)


def find_image_axes(shape: tuple[int, ...], *, channels_last: bool = False) -> tuple[int, ...]:
    """Return the axes of an image in the order height, width, frames if any, channels if any.

    Shapes are (H, W), (H, W, C), (C, H, W), and a stack of the latter two along a first axis.
    Channels are the axis that is shorter than both others, or the one beside a square image.

    Raises:
        UserError: two axes may be the channels.
    """
    if len(shape) == 2:
        return (0, 1)
    first, middle, last = shape[-3:]
    offset = len(shape) - 3
    frames = tuple(range(offset))
    if channels_last or last < min(first, middle) or first == middle != last:
        return (offset, offset + 1, *frames, offset + 2)
    if first < min(middle, last) or middle == last != first:
        return (offset + 1, offset + 2, *frames, offset)
    raise UserError(
        f"an image of shape {shape} may have its channels first or last: "
        "wrap the environment so that the channels are the shortest axis, the last one at best"
    )


class ObservationEncoder:
    """Converts observations of any space to flat arrays.

    They are numbers (O,) of float32, or float64 where the space holds doubles or whole numbers
    that float32 does not; with an image they are bytes, of a PixelVectorSpace. An image is a part
    of bytes in [0, 255] with the shapes of `find_image_axes`.

    Args:
        space: of the observations.
        is_poise_env: whether they are those of a BaseEnvironment, which makes a new array in every
            step, and images (H, W, channels).

    Raises:
        UserError: a part of the space is none of OBSERVATION_SPACES, or there are two images.
    """

    def __init__(self, space: Space, *, is_poise_env: bool = False) -> None:
        self.leaves = list_leaves(space)
        for leaf in self.leaves:
            if not isinstance(leaf.space, OBSERVATION_SPACES):
                raise UserError(
                    f"observation{leaf.name} is in {describe_space(leaf.space)}, which has no "
                    "fixed size: wrap the environment so that it gives a Box in its place, "
                    "or leaves it out"
                )
        self._image = _find_image(self.leaves)
        self._vectors = [leaf for leaf in self.leaves if leaf is not self._image]
        size = sum(flatdim(leaf.space) for leaf in self._vectors)
        if not size and self._image is None:
            raise UserError(
                "the observation is empty: wrap the environment so that it holds numbers"
            )
        if size > MAX_OBSERVATION_SIZE:
            raise UserError(
                f"the observation has {size:,} numbers: wrap the environment so that it gives fewer"
            )
        boxes: list[Any] = [flatten_space(leaf.space) for leaf in self._vectors]
        self._sizes = [box.shape[0] for box in boxes]
        self.dtype: np.dtype[Any] = np.dtype(np.float32)
        if self._image is not None:
            shape = self._image.space.shape
            self._axes = find_image_axes(shape, channels_last=is_poise_env)
            height, width, *others = (shape[axis] for axis in self._axes)
            image_shape = (height, width, math.prod(others))
            self.space: Box = PixelVectorSpace(sum(self._sizes), image_shape)
        else:
            if any(np.result_type(self.dtype, box.dtype) != self.dtype for box in boxes):
                self.dtype = np.dtype(np.float64)
            self.space = self._make_vector_space(boxes)
        is_state = is_poise_env and len(self.leaves) == 1 and self._image is None
        self._state = self.leaves[0] if is_state else None

    def encode(self, observation: Any) -> Array:
        """Return an observation as a new array (O,).

        Raises:
            InvalidValueError: it is not what its space says, or a number is not finite.
        """
        if self._state is not None:
            state = _to_numbers(self._state, observation)
            self._require_finite(state)
            return state
        try:
            parts = [leaf.read(observation) for leaf in self._vectors]
            image = None if self._image is None else self._image.read(observation)
        except (KeyError, IndexError, TypeError):
            names = ", ".join(leaf.name for leaf in self.leaves)
            raise InvalidValueError(
                "observation",
                "lacks a part",
                f"it is of type {type(observation).__name__}, and its space has {names}",
            ) from None
        vectors = [_to_vector(leaf, part) for leaf, part in zip(self._vectors, parts, strict=True)]
        flat = np.zeros(0, self.dtype)
        if vectors:
            flat = np.concatenate(vectors, dtype=self.dtype, casting="unsafe")
        self._require_finite(flat)
        if self._image is None:
            return flat
        pixels = _to_numbers(self._image, image).transpose(self._axes)
        return np.concatenate((flat.view(np.uint8), pixels.ravel()))

    def _make_vector_space(self, boxes: Sequence[Any]) -> Box:
        only = self._vectors[0].space
        if len(boxes) == 1 and isinstance(only, Box) and only.dtype == self.dtype:
            return boxes[0] if len(only.shape) != 1 else only
        low = np.concatenate([box.low for box in boxes], dtype=self.dtype, casting="unsafe")
        high = np.concatenate([box.high for box in boxes], dtype=self.dtype, casting="unsafe")
        return Box(low, high, dtype=self.dtype.type)

    def _require_finite(self, flat: Array) -> None:
        learned = flat
        if flat.dtype != np.float32:
            with np.errstate(over="ignore"):
                learned = flat.astype(np.float32)
        # The sum is the cheapest test; that of float32 numbers is finite in float64.
        if not math.isfinite(learned.sum(dtype=np.float64)):
            index = int(np.flatnonzero(~np.isfinite(learned))[0])
            detail = f"observation{self._name_component(index)} is {flat[index]}"
            raise InvalidValueError("observation", "is not finite", detail)

    def _name_component(self, index: int) -> str:
        """Return the index expression of a number of the flat array."""
        for leaf, size in zip(self._vectors, self._sizes, strict=True):
            if index < size:
                shape = leaf.space.shape if isinstance(leaf.space, Box) else (size,)
                return leaf.name + "".join(f"[{i}]" for i in np.unravel_index(index, shape))
            index -= size
        raise IndexError(index)


class ActionDecoder:
    """Converts the flat actions of learners to elements of an environment's action space.

    Learners act in `space`: a Box of [-1, 1] (A,) for Boxes of any shape and type, else the
    Discrete itself, or a MultiDiscrete (A,). What `decode` returns always lies in the action space.

    Raises:
        UserError: an action is unbounded, is of another space, or mixes numbers and choices.
    """

    def __init__(self, space: Space) -> None:
        self.action_space = space
        leaves = list_leaves(space)
        spaces: list[Any] = [leaf.space for leaf in leaves]
        self.space: Box | Discrete | MultiDiscrete
        self._parts: list[BoxScale | ChoiceShape]
        if leaves and all(isinstance(part, Box) for part in spaces):
            for leaf in leaves:
                _require_bounds(leaf)
            self._parts = [BoxScale(part) for part in spaces]
            dtype = np.result_type(np.float32, *(part.dtype for part in spaces))
            size = sum(part.size for part in self._parts)
            self.space = Box(-1.0, 1.0, (size,), np.float64 if dtype.itemsize > 4 else np.float32)
        elif leaves and all(isinstance(part, CHOICE_SPACES) for part in spaces):
            choices = [ChoiceShape(part) for part in spaces]
            self._parts = [*choices]
            self.space = MultiDiscrete(
                np.concatenate([part.counts for part in choices]),
                start=np.concatenate([part.starts for part in choices]),
            )
            if space.shape in ((), self.space.shape) and isinstance(
                space, Discrete | MultiDiscrete
            ):
                self.space = space
        else:
            raise UserError(
                f"an action in {describe_space(space)} is not supported: "
                "wrap the environment so that "
                "all parts of its action are Boxes, or all are Discrete, MultiDiscrete or "
                "MultiBinary"
            )
        self._size = sum(part.size for part in self._parts)
        if not self._size:
            raise UserError("the action is empty: wrap the environment so that it takes one")

    def decode(self, action: Any) -> Any:
        """Return a flat action, or a choice, as a new element of the action space.

        Numbers beyond [-1, 1] are clipped.

        Raises:
            InvalidValueError: a number is not finite, or their number is not A.
        """
        flat = np.ravel(action)
        if len(flat) != self._size:
            detail = f"it has {len(flat)} numbers, and its space {self._size}"
            raise InvalidValueError("action", "has the wrong size", detail)
        if not np.isfinite(flat).all():
            raise InvalidValueError("action", "is not finite", f"it is {flat.tolist()}")
        elements = []
        start = 0
        for part in self._parts:
            elements.append(part.decode(flat[start : start + part.size]))
            start += part.size
        return map_leaves(self.action_space, elements)


class BoxScale:
    """The linear map from numbers in [-1, 1] to the elements of a bounded Box."""

    def __init__(self, space: Box) -> None:
        self.space = space
        self.size = math.prod(space.shape)
        self._low = space.low.astype(np.float64).ravel()
        self._high = space.high.astype(np.float64).ravel()
        # Halves first: the sum or the difference of two ends may be beyond float64.
        self._center = 0.5 * self._low + 0.5 * self._high
        self._radius = 0.5 * self._high - 0.5 * self._low
        # What holds for the whole space is found out here, for `decode` is called in every step.
        self._reaches_ends = bool(
            (self._center - self._radius == self._low).all()
            and (self._center + self._radius == self._high).all()
        )

    def decode(self, values: Array) -> Array:
        """Return numbers (size,) as an element: -1 is the low end, 1 the high end, exactly."""
        share = np.minimum(np.maximum(values.astype(np.float64), -1.0), 1.0)
        scaled = self._center + self._radius * share
        if not self._reaches_ends:
            scaled = np.where(share == -1.0, self._low, np.where(share == 1.0, self._high, scaled))
        shape = self.space.shape
        if self.space.dtype.kind == "f":
            # Clipped before rounding, which then stays within the ends: they are of the type.
            inside = np.minimum(np.maximum(scaled, self._low), self._high)
            return inside.astype(self.space.dtype).reshape(shape)
        # Ends of 64-bit integers are no float64 numbers: Python's integers are exact.
        ends = zip(scaled.tolist(), self.space.low.flat, self.space.high.flat, strict=True)
        whole = [min(max(round(number), int(low)), int(high)) for number, low, high in ends]
        return np.array(whole, self.space.dtype).reshape(shape)


class ChoiceShape:
    """Numbers of choices, and the first of each, in a Discrete, MultiDiscrete or MultiBinary."""

    def __init__(self, space: Any) -> None:
        self.space = space
        if isinstance(space, MultiBinary):
            self.counts = np.full(math.prod(space.shape), 2)
            self.starts = np.zeros_like(self.counts)
        else:
            self.counts = np.ravel(space.n if isinstance(space, Discrete) else space.nvec)
            self.starts = np.ravel(space.start)
        self.size = len(self.counts)

    def decode(self, values: Array) -> Any:
        """Return choices (size,) as an element of the space.

        Raises:
            InvalidValueError: the space has no such choice.
        """
        choices = values.astype(self.space.dtype)
        is_single = isinstance(self.space, Discrete)
        element = choices[0] if is_single else choices.reshape(self.space.shape)
        if not self.space.contains(element):
            detail = f"it is {values.tolist()}, and its space {self.space}"
            raise InvalidValueError("action", "is outside of its space", detail)
        return element


# Rewards, ends and infos.


def unpack(method: str, result: Any, names: Sequence[str]) -> Any:
    """Return the tuple that `method` returned, one value for each name.

    Raises:
        InvalidValueError: it is no tuple, or one of another length.
    """
    if not isinstance(result, tuple | list) or len(result) != len(names):
        is_tuple = isinstance(result, tuple | list)
        found = f"{len(result)} values" if is_tuple else f"a {type(result).__name__}"
        expected = f"it has to return ({', '.join(names)}), as Gymnasium's environments do"
        raise InvalidValueError(method, f"returned {found}", expected)
    return result


def to_reward(value: Any) -> float:
    """Return a reward as a plain number that is finite in float32.

    Raises:
        InvalidValueError: it is not a single real number, or is not finite.
    """
    if type(value) is not float:
        value = float(_to_scalar("reward", value))
    if not -FLOAT32_MAX <= value <= FLOAT32_MAX:
        raise InvalidValueError("reward", "is not finite", f"it is {value}")
    reward: float = value
    return reward


def to_flag(name: str, value: Any) -> bool:
    """Return `terminated` or `truncated` as a plain bool.

    Raises:
        InvalidValueError: it is neither a truth value nor 0 or 1.
    """
    if value is True or value is False:
        return value
    number = _to_scalar(f"flag {name!r}", value)
    if number not in (0, 1):
        raise InvalidValueError(f"flag {name!r}", "is neither true nor false", f"it is {value}")
    return bool(number)


def _to_scalar(subject: str, value: Any) -> Any:
    """Return a number, or an array that holds a single one, as a plain number."""
    array = _to_array(subject, "it", value)
    if array.size != 1:
        raise InvalidValueError(subject, "is not a single number", f"it has shape {array.shape}")
    return array.item()


def to_info(value: Any) -> dict[str, Any]:
    """Return a copy of an info dictionary.

    Raises:
        InvalidValueError: it is no dictionary.
    """
    if not isinstance(value, Mapping):
        raise InvalidValueError(
            "info", "is not a dictionary", f"it is of type {type(value).__name__}"
        )
    return dict(value)


# Parts of spaces.


def _find_image(leaves: Sequence[Leaf]) -> Leaf | None:
    """Return the part that is an image: of two axes only where no part has more."""
    images = [leaf for leaf in leaves if _is_bytes(leaf.space) and 3 <= len(leaf.space.shape) <= 4]
    images = images or [
        leaf for leaf in leaves if _is_bytes(leaf.space) and len(leaf.space.shape) == 2
    ]
    if len(images) > 1:
        names = ", ".join(str(leaf.path[-1]) for leaf in images)
        raise UserError(
            f"environments with more than one image are not supported, and this one has {names}: "
            "wrap the environment so that it gives one of them"
        )
    return images[0] if images else None


def _is_bytes(space: Any) -> bool:
    is_uint8_box = isinstance(space, Box) and space.dtype == np.uint8
    return is_uint8_box and bool((space.low == 0).all() and (space.high == BYTE_MAX).all())


def _to_vector(leaf: Leaf, value: Any) -> Array:
    """Return a part of an observation as a flat array: choices and texts as Gymnasium does."""
    if isinstance(leaf.space, Box):
        return _to_numbers(leaf, value).reshape(-1)
    element = value if isinstance(leaf.space, Text) else _to_numbers(leaf, value)
    if not leaf.space.contains(element):
        detail = f"observation{leaf.name} is {value!r}, and its space {describe_space(leaf.space)}"
        raise InvalidValueError("observation", "is outside of its space", detail)
    vector: Array = np.asarray(flatten(leaf.space, element))
    return vector


def _to_numbers(leaf: Leaf, value: Any) -> Array:
    """Return a part of an observation with the type and shape of its space."""
    space = leaf.space
    if type(value) is np.ndarray and value.dtype == space.dtype and value.shape == space.shape:
        return value
    name = f"observation{leaf.name}"
    array = _to_array("observation", name, value)
    if array.shape != space.shape:
        # Axes of length 1 are unambiguous: (1, 3), (3, 1) and (3,), or 1 and ().
        if np.squeeze(array).shape != tuple(length for length in space.shape if length != 1):
            detail = f"{name} has shape {array.shape}, and its space {space.shape}"
            raise InvalidValueError("observation", "has the wrong shape", detail)
        array = array.reshape(space.shape)
    with np.errstate(all="ignore"):  # What is cut off is found below, or is not finite.
        converted: Array = array.astype(space.dtype)
    if space.dtype.kind != "f" and not np.array_equal(converted, array):
        found = array[np.asarray(converted != array)].flat[0]
        detail = f"{name} holds {found}, and its space is of {space.dtype}"
        raise InvalidValueError("observation", "is not of its space's type", detail)
    return converted


def _to_array(subject: str, name: str, value: Any) -> Array:
    """Return real numbers as an array."""
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError):  # Lists of uneven lengths, tensors on a GPU.
        array = np.empty((), object)
    if array.dtype.kind not in "biuf":
        kind = array.dtype if array.dtype.kind == "c" else type(value).__name__
        raise InvalidValueError(subject, "is not a number", f"{name} is of type {kind}")
    return array


def _require_bounds(leaf: Leaf) -> None:
    is_bounded = np.isfinite(leaf.space.low) & np.isfinite(leaf.space.high)
    is_bounded &= leaf.space.bounded_below & leaf.space.bounded_above
    if not is_bounded.all():
        raise UserError(
            f"action{leaf.name} is without bounds: "
            "wrap the environment so that its bounds are finite"
        )


def describe_space(space: Any) -> str:
    """Return what kind of space it is, with its article."""
    name = type(space).__name__
    return f"an {name} space" if name[0] in "AEIOU" else f"a {name} space"
