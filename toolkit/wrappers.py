"""FlattenPixels: observations with an image as one byte vector, which learners store and batch."""

import math
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, flatdim, flatten

from poise.toolkit.errors import UserError, WorkError
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


def is_image_space(space: gymnasium.Space[Any]) -> bool:
    """Return whether a space holds images (H, W, channels) uint8."""
    return isinstance(space, Box) and space.dtype == np.uint8 and len(space.shape) == 3


def has_image_space(space: gymnasium.Space[Any]) -> bool:
    """Return whether a space, or a part of a Dict space, holds images."""
    parts = space.spaces.values() if isinstance(space, Dict) else (space,)
    return any(is_image_space(part) for part in parts)
