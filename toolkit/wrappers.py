"""LearnerEnv: where the values of an environment enter, and the actions of a learner leave.

All that an environment gives is converted here, once, to what its spaces say, and checked; all
that it is given lies in its action space. Behind it, observations are flat and finite, rewards are
finite numbers, and no array is one that the environment may still change.
"""

import math
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Text, Tuple, flatten
from gymnasium.spaces.utils import flatdim, flatten_space

from poise.toolkit.environment import BaseEnvironment
from poise.toolkit.errors import UserError, WorkError, describe_error, printable
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

MASK_KEY = "action_mask"
MASK_METHOD = "action_masks"
"""Where environments say which actions are allowed: Gymnasium's key, stable-baselines3's method."""

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
                    f"observation{leaf.name} is in {_describe(leaf.space)}, which has no fixed "
                    "number of numbers: wrap the environment so that it gives a Box in its place, "
                    "or leaves it out"
                )
        self._image = _find_image(self.leaves)
        self._vectors = [leaf for leaf in self.leaves if leaf is not self._image]
        size = sum(flatdim(leaf.space) for leaf in self._vectors)
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
        if not self.space.shape[0]:
            raise UserError(
                "the observation is empty: wrap the environment so that it holds numbers"
            )
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
        # The squares' sum is the cheapest test. It can overflow though all values are finite.
        if flat.dot(flat) <= FLOAT32_MAX:
            return
        is_finite = np.abs(flat) <= FLOAT32_MAX
        if not is_finite.all():
            index = int(np.flatnonzero(~is_finite)[0])
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
        self._spaces: list[Any] = [leaf.space for leaf in leaves]
        self.space: Box | Discrete | MultiDiscrete
        if leaves and all(isinstance(part, Box) for part in self._spaces):
            for leaf in leaves:
                _require_bounds(leaf)
            self._sizes = [math.prod(part.shape) for part in self._spaces]
            dtype = np.result_type(np.float32, *(part.dtype for part in self._spaces))
            size = sum(self._sizes)
            if not size:
                raise UserError("the action is empty: wrap the environment so that it takes one")
            self.space = Box(-1.0, 1.0, (size,), np.float64 if dtype.itemsize > 4 else np.float32)
        elif leaves and all(isinstance(part, CHOICE_SPACES) for part in self._spaces):
            counts = [np.ravel(_count_choices(part)) for part in self._spaces]
            self._sizes = [len(count) for count in counts]
            starts = [
                np.ravel(getattr(part, "start", np.zeros(part.shape, int))) for part in self._spaces
            ]
            self.space = MultiDiscrete(np.concatenate(counts), start=np.concatenate(starts))
            if isinstance(space, Discrete) or (
                isinstance(space, MultiDiscrete) and space.nvec.ndim == 1
            ):
                self.space = space
        else:
            raise UserError(
                f"an action in {_describe(space)} is not supported: wrap the environment so that "
                "all parts of its action are Boxes, or all are Discrete, MultiDiscrete or "
                "MultiBinary"
            )

    def decode(self, action: Any) -> Any:
        """Return a flat action, or a choice, as a new element of the action space.

        Numbers beyond [-1, 1] are clipped.

        Raises:
            InvalidValueError: a number is not finite, or their number is not A.
        """
        flat = np.ravel(action)
        if len(flat) != sum(self._sizes):
            detail = f"it has {len(flat)} numbers, and its space {sum(self._sizes)}"
            raise InvalidValueError("action", "has the wrong size", detail)
        parts = []
        start = 0
        for space, size in zip(self._spaces, self._sizes, strict=True):
            values = flat[start : start + size]
            start += size
            parts.append(
                _to_box(space, values) if isinstance(space, Box) else _to_choice(space, values)
            )
        return map_leaves(self.action_space, parts)


class AllowedActions(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Replaces an action that the environment masks by the next one, in a circle, that it allows.

    So every action of a learner is legal, and all algorithms, evaluations and films see one and the
    same decision process. The mask is `info["action_mask"]`, the key `action_mask` of a Dict
    observation, or what the method `action_masks()` returns: a number for each choice, 0 where it
    is forbidden, those of a MultiDiscrete one part after the other. Most environments have none.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        self._has_method = env.has_wrapper_attr(MASK_METHOD)
        self._mask: Any = None

    def reset(self, **options: Any) -> Any:
        """Start an episode."""
        result = self.env.reset(**options)
        self._mask = self._find_mask(result)
        return result

    def step(self, action: Any) -> Any:
        """Make a step with an action that is allowed."""
        result = self.env.step(action if self._mask is None else self._allow(action))
        self._mask = self._find_mask(result)
        return result

    def _find_mask(self, result: Any) -> Any:
        """Return the mask in what `reset` or `step` returned; None where there is none."""
        if isinstance(result, tuple) and result:
            for holder in (result[-1], result[0]):
                if isinstance(holder, dict) and MASK_KEY in holder:
                    return holder[MASK_KEY]
        return self.env.get_wrapper_attr(MASK_METHOD)() if self._has_method else None

    def _allow(self, action: Any) -> Any:
        """Return an element of the action space that the mask allows: the action, or the next."""
        space = self.env.action_space
        if not isinstance(space, Discrete | MultiDiscrete):
            detail = f"actions in {_describe(space)} cannot be masked, only choices"
            raise InvalidValueError("action mask", "is not supported", detail)
        counts = np.ravel(space.n if isinstance(space, Discrete) else space.nvec)
        mask = np.ravel(np.asarray(self._mask)).astype(bool)
        if len(mask) != counts.sum():
            detail = f"it has {len(mask)} numbers for {counts.sum()} choices"
            raise InvalidValueError("action mask", "has the wrong size", detail)
        choices = np.ravel(action) - np.ravel(space.start)
        parts = np.split(mask, np.cumsum(counts)[:-1])
        for index, part in enumerate(parts):
            if not part.any():
                raise InvalidValueError("action mask", "allows no action", f"it is {self._mask}")
            # argmax finds the first allowed choice at or after the chosen one, around the circle.
            choices[index] += np.argmax(np.roll(part, -choices[index]))
        allowed = choices % counts + np.ravel(space.start)
        if isinstance(space, Discrete):
            return space.dtype.type(allowed[0])
        return allowed.reshape(space.shape).astype(space.dtype)


class LearnerEnv(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An environment in the form that every learner expects.

    Observations are flat (ObservationEncoder), actions are those of ActionDecoder; an environment
    of Poise takes its own actions unchanged, for it checks them itself. What the environment gives
    is checked: a value that does not fit, or an exception of the environment, is a WorkError that
    names the value, the environment, the step, the episode and its seed.
    """

    label: str
    """Name of the environment in errors; an EnvBatch sets `environment 0`, ..."""
    episode: int
    """Number of the episode, from 0; an EnvBatch sets it, else it counts the resets."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        self.label = env.spec.id if env.spec is not None else type(env.unwrapped).__name__
        for name in ("observation_space", "action_space"):
            if not isinstance(getattr(env, name, None), gymnasium.Space):
                raise UserError(f"environment {self.label!r} declares no {name}")
        self.is_poise_env = isinstance(env.unwrapped, BaseEnvironment)
        try:
            self.encoder = ObservationEncoder(env.observation_space, is_poise_env=self.is_poise_env)
            self.decoder = ActionDecoder(env.action_space)
        except UserError as error:
            raise UserError(f"environment {self.label!r}: {error}") from None
        self.observation_space = self.encoder.space
        self.action_space = self.decoder.space
        self.episode = -1
        self.seed: int | None = None
        self.steps = 0
        if not isinstance(env.metadata, Mapping):
            self.metadata = {}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Start an episode; return its first observation (O,) and info."""
        self.episode += 1
        self.seed = seed
        self.steps = 0
        try:
            result = self.env.reset(seed=seed, options=options)
            observation, info = _unpack("reset()", result, ("observation", "info"))
            return self.encoder.encode(observation), _to_info(info)
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            self._raise_located(error)

    def step(self, action: Any) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """Make one step; return observation (O,), reward, terminated, truncated and info."""
        self.steps += 1
        try:
            result = self.env.step(self.decode_action(action))
            observation, reward, terminated, truncated, info = _unpack(
                "step()", result, ("observation", "reward", "terminated", "truncated", "info")
            )
            return (
                self.encoder.encode(observation),
                _to_reward(reward),
                _to_flag("terminated", terminated),
                _to_flag("truncated", truncated),
                _to_info(info),
            )
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            self._raise_located(error)

    def render(self) -> Any:
        """Return what the environment renders; its exception is a WorkError."""
        try:
            return self.env.render()
        except (UserError, WorkError):
            raise
        except (Exception, SystemExit) as error:
            raise WorkError(f"{self.label} failed to render: {describe_error(error)}") from error

    def close(self) -> None:
        """Close the environment; only print its exception, for its work is done by then."""
        try:
            self.env.close()
        except (Exception, SystemExit) as error:
            message = f"warning: {self.label} failed to close: {describe_error(error)}"
            print(printable(message), file=sys.stderr)

    def decode_action(self, action: Any) -> Any:
        """Return a learner's action as the environment takes it.

        Raises:
            InvalidValueError: it is not finite, or has the wrong size.
        """
        if not self.is_poise_env:
            return self.decoder.decode(action)
        _require_finite_action(action)
        return action

    def _raise_located(self, error: BaseException) -> NoReturn:
        """Raise the error of a reset or a step as a WorkError that says where it came from."""
        step = f"step {self.steps}" if self.steps else "the start"
        seed = "" if self.seed is None else f" (seed {self.seed})"
        place = f"at {step} of episode {self.episode}{seed}"
        if isinstance(error, InvalidValueError):
            subject = f"the {error.subject} of {self.label}"
            raise WorkError(f"{subject} {error.problem} {place}: {error.detail}") from None
        if isinstance(error, UserError | WorkError):
            raise error
        if isinstance(error, KeyboardInterrupt) and _is_interruptible():
            raise error
        raise WorkError(f"{self.label} failed {place}: {describe_error(error)}") from error


def unwrap_learner_env(env: gymnasium.Env[Any, Any]) -> LearnerEnv:
    """Return the LearnerEnv inside an environment of `make_env`."""
    while not isinstance(env, LearnerEnv):
        assert isinstance(env, gymnasium.Wrapper)
        env = env.env
    return env


# Observations.


def _find_image(leaves: Sequence[Leaf]) -> Leaf | None:
    """Return the part that is an image: of two axes only where no part has more."""
    images = [leaf for leaf in leaves if _is_bytes(leaf.space) and 3 <= len(leaf.space.shape) <= 4]
    images = images or [
        leaf for leaf in leaves if _is_bytes(leaf.space) and len(leaf.space.shape) == 2
    ]
    if len(images) > 1:
        names = ", ".join(str(leaf.path[-1]) for leaf in images)
        raise UserError(
            f"environments with more than one image are not supported; this one has {names}"
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
        detail = f"observation{leaf.name} is {value!r}, and its space {_describe(leaf.space)}"
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


# Rewards, ends and infos.


def _unpack(method: str, result: Any, names: Sequence[str]) -> Any:
    if not isinstance(result, tuple | list) or len(result) != len(names):
        is_tuple = isinstance(result, tuple | list)
        found = f"{len(result)} values" if is_tuple else f"a {type(result).__name__}"
        expected = f"it has to return ({', '.join(names)}), as Gymnasium's environments do"
        raise InvalidValueError(method, f"returned {found}", expected)
    return result


def _to_reward(value: Any) -> float:
    if type(value) is not float:
        value = float(_to_scalar("reward", value))
    if not -FLOAT32_MAX <= value <= FLOAT32_MAX:
        raise InvalidValueError("reward", "is not finite", f"it is {value}")
    reward: float = value
    return reward


def _to_flag(name: str, value: Any) -> bool:
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


def _to_info(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidValueError(
            "info", "is not a dictionary", f"it is of type {type(value).__name__}"
        )
    return dict(value)


# Actions.


def _require_bounds(leaf: Leaf) -> None:
    is_bounded = np.isfinite(leaf.space.low) & np.isfinite(leaf.space.high)
    is_bounded &= leaf.space.bounded_below & leaf.space.bounded_above
    if not is_bounded.all():
        raise UserError(
            f"action{leaf.name} is without bounds: "
            "wrap the environment so that its bounds are finite"
        )


def _count_choices(space: Any) -> Array:
    if isinstance(space, Discrete):
        return np.asarray(space.n)
    return space.nvec if isinstance(space, MultiDiscrete) else np.full(space.shape, 2)


def _require_finite_action(values: Any) -> None:
    if not math.isfinite(np.sum(values)) and not np.isfinite(values).all():
        raise InvalidValueError("action", "is not finite", f"it is {np.ravel(values).tolist()}")


def _to_box(space: Box, values: Array) -> Array:
    """Return numbers in [-1, 1] as an element of a Box: -1 is its low end, 1 its high end."""
    _require_finite_action(values)
    share = np.minimum(np.maximum(values.astype(np.float64), -1.0), 1.0).reshape(space.shape)
    low = space.low.astype(np.float64)
    high = space.high.astype(np.float64)
    scaled = np.asarray((0.5 * low + 0.5 * high) + (0.5 * high - 0.5 * low) * share)
    if space.dtype.kind == "f":
        with np.errstate(over="ignore"):  # Beyond the end of the type is beyond the high end.
            rounded = scaled.astype(space.dtype)
        return np.asarray(np.minimum(np.maximum(rounded, space.low), space.high))
    # Ends of 64-bit integers are no float64 numbers: Python's integers are exact.
    ends = zip(scaled.flat, space.low.flat, space.high.flat, strict=True)
    whole = [min(max(round(float(number)), int(least)), int(most)) for number, least, most in ends]
    return np.array(whole, space.dtype).reshape(space.shape)


def _to_choice(space: Any, values: Array) -> Any:
    """Return choices as an element of a Discrete, MultiDiscrete or MultiBinary."""
    _require_finite_action(values)
    choices = values.astype(space.dtype)
    return choices[0] if isinstance(space, Discrete) else choices.reshape(space.shape)


# Errors.


def _describe(space: Any) -> str:
    name = type(space).__name__
    return f"an {name} space" if name[0] in "AEIOU" else f"a {name} space"


def _is_interruptible() -> bool:
    """Return whether Ctrl-C raises KeyboardInterrupt; where it is handled, the environment did."""
    return signal.getsignal(signal.SIGINT) is signal.default_int_handler
