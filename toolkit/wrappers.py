"""Pictures in rows: what a learner sees of an environment with pictures is a row of bytes, as it is a row of numbers elsewhere."""

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


class PixelVectorSpace(Box):
    """Rows of bytes: first `numbers` float32 numbers, then a picture of the shape `picture` (H, W, channels)."""

    def __init__(self, state_size: int, image_shape: tuple[int, int, int]) -> None:
        self.state_size = state_size
        self.image_shape = image_shape
        super().__init__(0, 255, (FLOAT32_BYTES * state_size + math.prod(image_shape),), np.uint8)


class FlattenPixels(gymnasium.ObservationWrapper[Any, Any, Any]):
    """An environment whose pictures, and numbers beside them, come as rows of PictureRows."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        space = env.observation_space
        self._vector_spaces = dict(space.spaces) if isinstance(space, Dict) else {SINGLE_KEY: space}
        pictures = [name for name, part in self._vector_spaces.items() if is_image_space(part)]
        if len(pictures) > 1:
            raise UserError(
                f"an environment with several pictures cannot be learned from; this one shows {', '.join(pictures)}"
            )
        self._image_key = pictures[0]
        picture: Any = self._vector_spaces.pop(self._image_key)
        self.observation_space = PixelVectorSpace(
            sum(flatdim(part) for part in self._vector_spaces.values()), picture.shape
        )

    def observation(self, observation: Any) -> Array:
        """The row."""
        seen = {SINGLE_KEY: observation} if self._image_key == SINGLE_KEY else observation
        numbers = [
            np.asarray(flatten(part, seen[name]), np.float32)
            for name, part in self._vector_spaces.items()
        ]
        if not all(np.isfinite(part).all() for part in numbers):
            raise WorkError("a number that an environment shows beside its picture is not finite")
        return np.concatenate(
            [*(part.view(np.uint8) for part in numbers), seen[self._image_key].ravel()]
        )


def is_image_space(space: gymnasium.Space[Any]) -> bool:
    """Whether a space is one of pictures (H, W, channels) uint8."""
    return isinstance(space, Box) and space.dtype == np.uint8 and len(space.shape) == 3


def has_image_space(space: gymnasium.Space[Any]) -> bool:
    """Whether pictures are a part of a space."""
    return any(
        is_image_space(part)
        for part in (space.spaces.values() if isinstance(space, Dict) else (space,))
    )
