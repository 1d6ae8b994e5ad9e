"""A target as a picture, of the body that has reached it: what a translator reads in it, and how like it the body looks now."""

import functools
import importlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from toolkit.inverse import Inverse
from toolkit.rewards import progress
from toolkit.signals import Array

READER = "tools.reader:reader"
"""What opens a translator's run: by its name, as worlds have entry points, for toolkit knows no tools."""
SCALES = 4
NEAR = 0.002
"""How unlike two pictures of the reacher are whose joints differ by 3 degrees."""


class GoalPicture:
    """The picture of a world's body that has reached its target; drawn, and read, once for every target."""

    def __init__(self, world: Any) -> None:
        self.world, self._drawn, self._heard, self._judged = world, None, None, None
        self._picture = self._numbers = np.empty(0)
        self._potential = 0.0
        c = world.settings
        self._translate: Callable[[Array], Array] = _found(READER)(c.translator) if c.goal == "translated" else np.asarray

    def picture(self) -> Array:
        """The picture, (size, size, 3) uint8."""
        if self._drawn is not self.world.task.target:
            self._drawn, self._picture = self.world.task.target, self.world.glance(self.world.settings.pixels, goal=True)
        return self._picture

    def show(self, picture: Array) -> None:
        """Let this be the picture of the target that the world has now, instead of its own."""
        self._drawn, self._heard, self._judged, self._picture = self.world.task.target, None, None, picture

    def read(self) -> Array:
        """The pose, of those that can be taken, nearest to what the translator makes of it: the target in numbers."""
        if self._heard is not self.world.task.target:
            read = self._translate(self.picture())[: self._inverse.poses.shape[1]]
            self._heard, self._numbers = self.world.task.target, self._inverse.nearest(read)
        return self._numbers

    @functools.cached_property
    def _inverse(self) -> Inverse:
        return Inverse(self.world.pose_at, self.world.any_angles)

    def gain(self) -> float:
        """How much more like it the last step made the body's picture: the gain of -log(1 + unlikeness / NEAR).

        0 at a new target.
        """
        previous, self._potential = self._potential, -math.log1p(self.unlikeness() / NEAR)
        known, self._judged = self._judged is self.world.task.target, self.world.task.target
        return progress(self._potential, previous) if known else 0.0

    def unlikeness(self) -> float:
        """How unlike it the body's picture is now: 0 where they are the same, in [0, 1].

        The mean difference of the two at four scales, from one pixel to eight: pixel by pixel alone, an arm just beside
        its target would be no better than one far away.
        """
        difference = self.world.glance(self.world.settings.pixels).astype(np.float32) - self.picture()
        total = 0.0
        for _ in range(SCALES):
            total += float(np.abs(difference).mean()) / 255.0 / SCALES
            even = difference[: len(difference) // 2 * 2, : len(difference) // 2 * 2]
            difference = (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4.0
        return total


def _found(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)
