"""Inverse kinematics: of all poses that a body can take, the one nearest to a pose that was only read or guessed."""

from collections.abc import Callable

import numpy as np

from toolkit.signals import Array

GUESSES, ROUNDS, SMALL = 2000, 6, 1e-3
"""Random poses of which the nearest is where the search begins; how often it is bettered, until joints turn by less (rad)."""
LITTLE = 1e-4
"""The turn of a joint (rad) by which is found how the pose changes with it."""
DAMPING = 4e-5
"""Keeps steps small (m2/rad2) where a turn changes next to nothing, as with a straight arm."""


class Inverse:
    """Damped least squares (Levenberg, 1944), for any body whose pose (P,) `pose_of` gives for its joints' angles (J,) in rad.

    `any_angles` draws angles by chance. The limits of joints are not looked at.
    """

    def __init__(self, pose_of: Callable[[Array], Array], any_angles: Callable[[np.random.Generator], Array]) -> None:
        rng = np.random.default_rng(0)
        self.pose_of = pose_of
        self.angles: Array = np.array([any_angles(rng) for _ in range(GUESSES)])
        self.poses: Array = np.array([pose_of(angles) for angles in self.angles])

    def nearest(self, pose: Array) -> Array:
        """The pose (P,) nearest to `pose` (P,)."""
        angles = self.angles[np.square(self.poses - pose).sum(1).argmin()]
        every = np.eye(len(angles))
        for _ in range(ROUNDS):
            here = self.pose_of(angles)
            slope = np.stack([(self.pose_of(angles + LITTLE * turn) - here) / LITTLE for turn in every], axis=1)
            turn = np.linalg.solve(slope.T @ slope + DAMPING * every, slope.T @ (pose - here))
            angles = angles + turn
            if np.abs(turn).max() < SMALL:
                break
        return self.pose_of(angles)
