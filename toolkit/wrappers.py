"""Wrappers that every environment gets where it is used.

FlattenPixels: observations with an image as one byte vector, which learners store and batch.
ErrorReports: whatever an environment raises, as one WorkError that names it.
"""

import math
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, flatdim, flatten

from poise.toolkit.errors import UserError, WorkError, describe_error
from poise.toolkit.spaces import Array

FLOAT32_BYTES = 4
"""Bytes of a float32 number."""

SINGLE_KEY = ""
"""Name of the only part of an observation that is no Dict."""


class PixelVectorSpace(Box):
    """Byte vectors: `state_size` float32 numbers, then an image `image_shape` (H, W, channels)."""

    def __init__(self, state_size: int, image_shape: tuple[int, int, int]) -> None:
        self.state_size = state_size
        self.image_shape = image_shape
        num_bytes = FLOAT32_BYTES * state_size + math.prod(image_shape)
        super().__init__(0, 255, (num_bytes,), np.uint8)


class FlattenPixels(gymnasium.ObservationWrapper[Any, Any, Any]):
    """Turns an image, and the numbers beside it, into vectors of a PixelVectorSpace."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        space = env.observation_space
        # All parts but the image, once that is popped below.
        self._vector_spaces = dict(space.spaces) if isinstance(space, Dict) else {SINGLE_KEY: space}
        image_keys = [key for key, part in self._vector_spaces.items() if is_image_space(part)]
        if len(image_keys) > 1:
            raise UserError(
                "environments with more than one image are not supported; "
                f"this one has {', '.join(image_keys)}"
            )
        self._image_key = image_keys[0]
        image_space: Any = self._vector_spaces.pop(self._image_key)
        state_size = sum(flatdim(part) for part in self._vector_spaces.values())
        self.observation_space = PixelVectorSpace(state_size, image_space.shape)

    def observation(self, observation: Any) -> Array:
        """Return the vector; a number that is not finite is a WorkError."""
        parts = {SINGLE_KEY: observation} if self._image_key == SINGLE_KEY else observation
        numbers = [
            np.asarray(flatten(space, parts[key]), np.float32)
            for key, space in self._vector_spaces.items()
        ]
        if not all(np.isfinite(values).all() for values in numbers):
            raise WorkError("a number beside the image in the observation is not finite")
        number_bytes = [values.view(np.uint8) for values in numbers]
        return np.concatenate([*number_bytes, parts[self._image_key].ravel()])


class ErrorReports(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Raises what an environment raises as a WorkError with its id, the method and the cause.

    An environment may be the user's own or another package's, and may raise anything, SystemExit
    included. Errors that Poise raises itself pass unchanged. A failure to close is only printed:
    what the environment was needed for is done by then.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], env_id: str) -> None:
        super().__init__(env)
        self.env_id = env_id
        if not isinstance(env.metadata, Mapping):
            self.metadata = {}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset the environment."""
        try:
            return self.env.reset(seed=seed, options=options)
        except (Exception, SystemExit) as error:
            self._raise_work_error("reset", error)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step the environment."""
        try:
            return self.env.step(action)
        except (Exception, SystemExit) as error:
            self._raise_work_error("step", error)

    def render(self) -> Any:
        """Render the environment."""
        try:
            return self.env.render()
        except (Exception, SystemExit) as error:
            self._raise_work_error("render", error)

    def close(self) -> None:
        """Close the environment."""
        try:
            self.env.close()
        except (Exception, SystemExit) as error:
            cause = describe_error(error)
            print(f"warning: environment {self.env_id!r} failed in close: {cause}", file=sys.stderr)

    def _raise_work_error(self, method: str, error: BaseException) -> NoReturn:
        if isinstance(error, UserError | WorkError):
            raise error
        raise WorkError(
            f"environment {self.env_id!r} failed in {method}: {describe_error(error)}"
        ) from error


def is_image_space(space: gymnasium.Space[Any]) -> bool:
    """Return whether a space holds images (H, W, channels) uint8."""
    return isinstance(space, Box) and space.dtype == np.uint8 and len(space.shape) == 3


def has_image_space(space: gymnasium.Space[Any]) -> bool:
    """Return whether a space, or a part of a Dict space, holds images."""
    parts = space.spaces.values() if isinstance(space, Dict) else (space,)
    return any(is_image_space(part) for part in parts)
