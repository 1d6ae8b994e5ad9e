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
class PoseGoalEnv(Protocol):
    """An environment whose task is to take poses, and which can be told which one.

    It has a signal named `pose`, and from its first reset on a PoseTask named `task` and the joints' `angles` (rad).
    """

    def set_target(self, pose: Array) -> None:
        """Set a target: the numbers of the signal `pose`, as another body would show them."""

    def sample_joint_angles(self, rng: np.random.Generator) -> Array:
        """Angles of all joints (rad) that chance draws."""

    def forward_kinematics(self, angles: Array) -> Array:
        """The numbers of the signal `pose` with the joints at these angles (rad)."""

    def set_joint_angles(self, angles: Array) -> None:
        """Put the joints at these angles (rad), at rest, as a puppet's are."""


class PoseError(NamedTuple):
    """How far one pose is from another: its points (m), and the directions of its links (degrees), in the mean."""

    metres: float
    degrees: float


class PoseTask:
    """Judges one arm, or several of as many links each, on one pose after another; they begin at `roots` (m).

    A pose is achieved when every point stays within `reach` (m) of its target for `hold` steps in a row.
    """

    def __init__(self, position_tolerance: float, hold_steps: int, roots: Points = ORIGIN) -> None:
        self.position_tolerance = position_tolerance
        self.hold_steps = hold_steps
        self.roots = roots
        self.num_arms = len(roots)
        self.num_achieved = 0

    def set_target(self, target: Points, pose: Points) -> None:
        """Set a new target for an arm that is in `pose`."""
        self.target = target
        self.held_steps = 0
        self.potential = self._compute_potential(pose)

    def pose_to_points(self, pose: Array) -> list[list[float]]:
        """The numbers of a pose, laid end to end, as the places along the arms."""
        points: list[list[float]] = pose.reshape(len(self.target), -1).astype(float).tolist()
        return points

    def step(self, pose: Points) -> dict[str, float]:
        """Reward terms of one step: the gain in potential, and 1 when the pose was achieved just now."""
        previous = self.potential
        self.potential = self._compute_potential(pose)
        near = all(
            math.dist(point, aim) < self.position_tolerance
            for point, aim in zip(pose, self.target, strict=True)
        )
        self.held_steps = self.held_steps + 1 if near else 0
        self.num_achieved += self.is_achieved
        return {"progress": progress(self.potential, previous), "achieved": float(self.is_achieved)}

    @property
    def is_achieved(self) -> bool:
        """Whether the pose has been held long enough."""
        return self.held_steps >= self.hold_steps

    def error(self, pose: Array, target: Array) -> PoseError:
        """How far a pose is from the wanted one, both as the numbers of the signal `pose`."""
        chains = self._chains(pose), self._chains(target)
        metres = np.linalg.norm(chains[0] - chains[1], axis=-1)[
            :, 1:
        ]  # The roots are where they are.
        ours, aims = (np.diff(chain, axis=1) for chain in chains)
        lengths = [np.linalg.norm(links, axis=-1, keepdims=True) for links in (ours, aims)]
        # Of one length; and a link of none is at no angle.
        ours = ours * lengths[1]
        aims = aims * lengths[0]
        half = np.arctan2(
            np.linalg.norm(ours - aims, axis=-1), np.linalg.norm(ours + aims, axis=-1)
        )
        return PoseError(float(metres.mean()), float(np.degrees(2.0 * half).mean()))

    def _chains(self, pose: Array) -> Array:
        """Root and points of each arm (arms, 1 + links, 2 or 3)."""
        points = np.array(self.pose_to_points(pose)).reshape(
            self.num_arms, -1, len(self.pose_to_points(pose)[0])
        )
        roots = np.array(self.roots)[:, None, : points.shape[2]]
        return np.concatenate((roots, points), axis=1)

    def _compute_potential(self, pose: Points) -> float:
        """Minus log(1 + error / reach), summed over the links; 0 in the pose.

        A link's error (m) is how far its end is from where it should be if the joint before it were in place.
        A point's own distance would not do: with the hand on its target and the elbow bent the wrong way, every
        small turn makes it worse, and the arm stays there. The logarithm pays every halving of the way alike; paid
        by the metre, the last centimetres are worth so little that the arm stops 3 cm short.
        """
        total = 0.0
        links = len(pose) // self.num_arms
        still = before = [0.0] * len(pose[0])
        for index, (point, aim) in enumerate(zip(pose, self.target, strict=True)):
            if index % links == 0:
                before = still  # The joint that an arm begins at is in place.
            error = [a - p for a, p in zip(aim, point, strict=True)]
            total -= math.log1p(math.dist(error, before) / self.position_tolerance)
            before = error
        return total


NUM_SAMPLES = 2000
MAX_ITERATIONS = 6
ANGLE_TOLERANCE = 1e-3
"""Random poses of which the nearest is where the search begins; how often it is bettered, until joints turn by less (rad)."""


JACOBIAN_STEP = 1e-4
"""The turn of a joint (rad) by which is found how the pose changes with it."""


DAMPING = 4e-5
"""Keeps steps small (m2/rad2) where a turn changes next to nothing, as with a straight arm."""


class InverseKinematics:
    """Damped least squares (Levenberg, 1944), for any body whose pose (P,) `forward_kinematics` gives for its joints' angles (J,) in rad.

    `sample_joint_angles` draws angles by chance. The limits of joints are not looked at.
    """

    def __init__(
        self,
        forward_kinematics: Callable[[Array], Array],
        sample_joint_angles: Callable[[np.random.Generator], Array],
    ) -> None:
        rng = np.random.default_rng(0)
        self.forward_kinematics = forward_kinematics
        self.sampled_angles: Array = np.array(
            [sample_joint_angles(rng) for _ in range(NUM_SAMPLES)]
        )
        self.sampled_poses: Array = np.array(
            [forward_kinematics(angles) for angles in self.sampled_angles]
        )

    def nearest_pose(self, pose: Array) -> Array:
        """The pose (P,) nearest to `pose` (P,)."""
        angles = self.sampled_angles[np.square(self.sampled_poses - pose).sum(1).argmin()]
        every = np.eye(len(angles))
        for _ in range(MAX_ITERATIONS):
            here = self.forward_kinematics(angles)
            slope = np.stack(
                [
                    (self.forward_kinematics(angles + JACOBIAN_STEP * turn) - here) / JACOBIAN_STEP
                    for turn in every
                ],
                axis=1,
            )
            turn = np.linalg.solve(slope.T @ slope + DAMPING * every, slope.T @ (pose - here))
            angles = angles + turn
            if np.abs(turn).max() < ANGLE_TOLERANCE:
                break
        return self.forward_kinematics(angles)
