"""Pictures in rows: what a learner sees of a world with pictures is a row of bytes, as it is a row of numbers elsewhere."""

import math
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, flatdim, flatten
from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.spaces import Array

FLOAT = 4
"""Bytes of a float32 number."""


ALONE = ""


class PictureRows(Box):
    """Rows of bytes: first `numbers` float32 numbers, then a picture of the shape `picture` (H, W, channels)."""

    def __init__(self, numbers: int, picture: tuple[int, int, int]) -> None:
        self.numbers, self.picture = numbers, picture
        super().__init__(0, 255, (FLOAT * numbers + math.prod(picture),), np.uint8)


class InRows(gymnasium.ObservationWrapper[Any, Any, Any]):
    """A world whose pictures, and numbers beside them, come as rows of PictureRows."""

    def __init__(self, world: gymnasium.Env[Any, Any]) -> None:
        super().__init__(world)
        space = world.observation_space
        self._parts = dict(space.spaces) if isinstance(space, Dict) else {ALONE: space}
        pictures = [name for name, part in self._parts.items() if is_picture(part)]
        if len(pictures) > 1:
            raise UserError(f"a world with several pictures cannot be learned from; this one shows {', '.join(pictures)}")
        self._picture = pictures[0]
        picture: Any = self._parts.pop(self._picture)
        self.observation_space = PictureRows(sum(flatdim(part) for part in self._parts.values()), picture.shape)

    def observation(self, observation: Any) -> Array:
        """The row."""
        seen = {ALONE: observation} if self._picture == ALONE else observation
        numbers = [np.asarray(flatten(part, seen[name]), np.float32) for name, part in self._parts.items()]
        if not all(np.isfinite(part).all() for part in numbers):
            raise WorkError("a number that a world shows beside its picture is not finite")
        return np.concatenate([*(part.view(np.uint8) for part in numbers), seen[self._picture].ravel()])


def is_picture(space: gymnasium.Space[Any]) -> bool:
    """Whether a space is one of pictures (H, W, channels) uint8."""
    return isinstance(space, Box) and space.dtype == np.uint8 and len(space.shape) == 3


def shows_pictures(space: gymnasium.Space[Any]) -> bool:
    """Whether pictures are a part of a space."""
    return any(is_picture(part) for part in (space.spaces.values() if isinstance(space, Dict) else (space,)))
