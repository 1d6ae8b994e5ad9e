"""The task of taking poses: bring the joints of an arm to their targets, hold them there, and get the next target."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from poise.toolkit.rewards import progress
from poise.toolkit.spaces import Array

Points = Sequence[Sequence[float]]
"""Places (m) along an arm, elbow first and hand last, each of two or three coordinates; of several arms, one after the other."""


ORIGIN: Points = ((0.0, 0.0, 0.0),)


@runtime_checkable
class TakesPoses(Protocol):
    """A world whose task is to take poses, and which can be told which one.

    It has a signal named `pose`, and from its first reset on a PoseTask named `task` and the joints' `angles` (rad).
    """

    def aim_at(self, pose: Array) -> None:
        """Set a target: the numbers of the signal `pose`, as another body would show them."""

    def any_angles(self, rng: np.random.Generator) -> Array:
        """Angles of all joints (rad) that chance draws."""

    def pose_at(self, angles: Array) -> Array:
        """The numbers of the signal `pose` with the joints at these angles (rad)."""

    def put(self, angles: Array) -> None:
        """Put the joints at these angles (rad), at rest, as a puppet's are."""


class Away(NamedTuple):
    """How far one pose is from another: its points (m), and the directions of its links (degrees), in the mean."""

    metres: float
    degrees: float


class PoseTask:
    """Judges one arm, or several of as many links each, on one pose after another; they begin at `roots` (m).

    A pose is achieved when every point stays within `reach` (m) of its target for `hold` steps in a row.
    """

    def __init__(self, reach: float, hold: int, roots: Points = ORIGIN) -> None:
        self.reach, self.hold, self.roots, self.arms = reach, hold, roots, len(roots)
        self.poses = 0

    def aim(self, target: Points, pose: Points) -> None:
        """Set a new target for an arm that is in `pose`."""
        self.target, self.held = target, 0
        self.potential = self._potential(pose)

    def points(self, numbers: Array) -> list[list[float]]:
        """The numbers of a pose, laid end to end, as the places along the arms."""
        points: list[list[float]] = numbers.reshape(len(self.target), -1).astype(float).tolist()
        return points

    def judge(self, pose: Points) -> dict[str, float]:
        """Reward terms of one step: the gain in potential, and 1 when the pose was achieved just now."""
        previous, self.potential = self.potential, self._potential(pose)
        near = all(math.dist(point, aim) < self.reach for point, aim in zip(pose, self.target, strict=True))
        self.held = self.held + 1 if near else 0
        self.poses += self.achieved
        return {"progress": progress(self.potential, previous), "achieved": float(self.achieved)}

    @property
    def achieved(self) -> bool:
        """Whether the pose has been held long enough."""
        return self.held >= self.hold

    def away(self, pose: Array, wanted: Array) -> Away:
        """How far a pose is from the wanted one, both as the numbers of the signal `pose`."""
        chains = self._chains(pose), self._chains(wanted)
        metres = np.linalg.norm(chains[0] - chains[1], axis=-1)[:, 1:]  # The roots are where they are.
        ours, aims = (np.diff(chain, axis=1) for chain in chains)
        lengths = [np.linalg.norm(links, axis=-1, keepdims=True) for links in (ours, aims)]
        ours, aims = ours * lengths[1], aims * lengths[0]  # Of one length; and a link of none is at no angle.
        half = np.arctan2(np.linalg.norm(ours - aims, axis=-1), np.linalg.norm(ours + aims, axis=-1))
        return Away(float(metres.mean()), float(np.degrees(2.0 * half).mean()))

    def _chains(self, pose: Array) -> Array:
        """Root and points of each arm (arms, 1 + links, 2 or 3)."""
        points = np.array(self.points(pose)).reshape(self.arms, -1, len(self.points(pose)[0]))
        roots = np.array(self.roots)[:, None, : points.shape[2]]
        return np.concatenate((roots, points), axis=1)

    def _potential(self, pose: Points) -> float:
        """Minus log(1 + error / reach), summed over the links; 0 in the pose.

        A link's error (m) is how far its end is from where it should be if the joint before it were in place.
        A point's own distance would not do: with the hand on its target and the elbow bent the wrong way, every
        small turn makes it worse, and the arm stays there. The logarithm pays every halving of the way alike; paid
        by the metre, the last centimetres are worth so little that the arm stops 3 cm short.
        """
        total, links = 0.0, len(pose) // self.arms
        still = before = [0.0] * len(pose[0])
        for index, (point, aim) in enumerate(zip(pose, self.target, strict=True)):
            if index % links == 0:
                before = still  # The joint that an arm begins at is in place.
            error = [a - p for a, p in zip(aim, point, strict=True)]
            total -= math.log1p(math.dist(error, before) / self.reach)
            before = error
        return total


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
