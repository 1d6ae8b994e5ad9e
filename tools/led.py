"""A world whose body is led along a smooth path through poses that chance draws, as a puppet is."""

from collections import deque
from typing import Any

import gymnasium
import numpy as np

from toolkit.registry import World, as_ours
from toolkit.signals import Array

PACE = 2.5
"""Time from one drawn pose to the next (s)."""


class Led(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Whatever action it is given, its joints follow a cubic B-spline from one drawn pose towards the next.

    So angles, speeds and accelerations have no jumps, and no angle leaves the limits within which poses are drawn.
    """

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.ours: Any = as_ours(world)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin at rest, in the pose of the seed's episode."""
        told = self.env.reset(seed=seed, options=options)
        self.rng = self.ours.np_random  # Not one of the same seed: it would draw the pose of the start once more.
        start = np.array(self.ours.angles)
        self._drawn = deque([start, start, start, self.ours.any_angles(self.rng)], maxlen=4)
        self._part = 0.0
        return told

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Go on along the path for one step of the world's time."""
        self._part += 1.0 / (PACE * self.ours.CONTROL_RATE)
        if self._part >= 1.0:
            self._part -= 1.0
            self._drawn.append(self.ours.any_angles(self.rng))
        self.ours.put(_between(np.stack(self._drawn), self._part))
        return self.ours.observation(), 0.0, False, False, {}


def _between(four: Array, u: float) -> Array:
    """A point of a uniform cubic B-spline, a part `u` of the way between the second and the third of four points (4, N)."""
    weights = np.array([(1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3]) / 6
    point: Array = weights @ four
    return point
