"""Taking poses: bring the joints of an arm to a target, hold them there, get the next target.

PoseTask evaluates poses, InverseKinematics finds the nearest pose that a body can take, and
PoseEnvironment holds the hooks that such environments share, in the plane and in space.
"""

import functools
import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from poise.toolkit.environment import NEW_TARGET, BaseEnvironment
from poise.toolkit.rewards import control_cost, progress
from poise.toolkit.spaces import Array, slices

Points = Sequence[Sequence[float]]
"""Positions (m) along an arm, elbow first and hand last, each of two or three coordinates;
of several arms, one arm after the other."""


ORIGIN: Points = ((0.0, 0.0, 0.0),)


REACH_REWARDS: Mapping[str, Mapping[str, float]] = {
    "reach": {"progress": 1.0, "control_cost": -0.05, "achieved": 1.0},
    "image_similarity": {"image_similarity": 1.0, "control_cost": -0.05},
    "both": {"progress": 0.5, "image_similarity": 0.5, "control_cost": -0.05, "achieved": 1.0},
    "survival": {"alive": 1.0},
}
"""Rewards of a PoseEnvironment. It never fails, so `survival` teaches nothing."""


class PoseError(NamedTuple):
    """The difference of two poses: the mean over points (m), and over link directions (degrees)."""

    metres: float
    degrees: float


class PoseTask:
    """Evaluates one arm, or several with as many links each, on one target after another.

    A pose is achieved when every point stays within `position_tolerance` (m) of its target for
    `hold_steps` steps in a row. The arms begin at `roots` (m).
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
        """Return the points along the arms from a flat pose (P,)."""
        points: list[list[float]] = pose.reshape(len(self.target), -1).astype(float).tolist()
        return points

    def step(self, pose: Points) -> dict[str, float]:
        """Return the reward terms of one step: the gain in potential, and 1 on an achievement."""
        previous = self.potential
        self.potential = self._compute_potential(pose)
        is_near = all(
            math.dist(point, target) < self.position_tolerance
            for point, target in zip(pose, self.target, strict=True)
        )
        self.held_steps = self.held_steps + 1 if is_near else 0
        self.num_achieved += self.is_achieved
        return {"progress": progress(self.potential, previous), "achieved": float(self.is_achieved)}

    @property
    def is_achieved(self) -> bool:
        """Whether the pose has been held long enough."""
        return self.held_steps >= self.hold_steps

    def error(self, pose: Array, target: Array) -> PoseError:
        """Return the difference of two flat poses (P,)."""
        pose_chains = self._chains(pose)
        target_chains = self._chains(target)
        # The roots, at index 0, do not move.
        distances = np.linalg.norm(pose_chains - target_chains, axis=-1)[:, 1:]
        pose_links = np.diff(pose_chains, axis=1)
        target_links = np.diff(target_chains, axis=1)
        pose_lengths = np.linalg.norm(pose_links, axis=-1, keepdims=True)
        target_lengths = np.linalg.norm(target_links, axis=-1, keepdims=True)
        # Scale each pair of links to one length. A link without a length is at no angle.
        pose_links = pose_links * target_lengths
        target_links = target_links * pose_lengths
        # tan(angle / 2) = |u - v| / |u + v| for |u| = |v|: accurate near 0 and 180 degrees.
        half_angles = np.arctan2(
            np.linalg.norm(pose_links - target_links, axis=-1),
            np.linalg.norm(pose_links + target_links, axis=-1),
        )
        return PoseError(float(distances.mean()), float(np.degrees(2.0 * half_angles).mean()))

    def _chains(self, pose: Array) -> Array:
        """Return root and points of each arm (arms, 1 + links, 2 or 3)."""
        points = np.array(self.pose_to_points(pose))
        coordinates = points.shape[1]
        roots = np.array(self.roots)[:, None, :coordinates]
        return np.concatenate((roots, points.reshape(self.num_arms, -1, coordinates)), axis=1)

    def _compute_potential(self, pose: Points) -> float:
        """Return minus log(1 + error / position_tolerance), summed over the links; 0 in the pose.

        A link's error (m) is the distance of its end from where it should be if the joint before it
        were in place. A point's own distance would not do: with the hand on its target and the
        elbow bent the wrong way, every small rotation makes it worse, and the arm stays there. The
        logarithm rewards every halving of the distance alike; rewarded by the metre, the last
        centimetres are worth so little that the arm stops 3 cm short.
        """
        total = 0.0
        num_links = len(pose) // self.num_arms
        root_error = previous_error = [0.0] * len(pose[0])
        for index, (point, target) in enumerate(zip(pose, self.target, strict=True)):
            if index % num_links == 0:
                previous_error = root_error  # The root of an arm is in place.
            error = [goal - x for goal, x in zip(target, point, strict=True)]
            total -= math.log1p(math.dist(error, previous_error) / self.position_tolerance)
            previous_error = error
        return total


NUM_SAMPLES = 2000
"""Random poses, the nearest of which is the start of the search."""


MAX_ITERATIONS = 6


ANGLE_TOLERANCE = 1e-3
"""The search ends when no joint turns farther than this in one iteration (rad)."""


JACOBIAN_STEP = 1e-4
"""Joint rotation of the finite difference that gives the Jacobian (rad)."""


DAMPING = 4e-5
"""Keeps iterations small (m2/rad2) where the Jacobian is nearly singular, as at a straight arm."""


class InverseKinematics:
    """Inverse kinematics by damped least squares (Levenberg, 1944), for any body.

    `forward_kinematics` gives the pose (P,) for joint angles (J,) in rad; `sample_joint_angles`
    draws random angles. Joint limits are not enforced.
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
        """Return the pose (P,) that the body can take and that is nearest to `pose` (P,)."""
        nearest = np.square(self.sampled_poses - pose).sum(1).argmin()
        angles = self.sampled_angles[nearest]
        damping = DAMPING * np.eye(len(angles))
        for _ in range(MAX_ITERATIONS):
            current = self.forward_kinematics(angles)
            jacobian = self._compute_jacobian(angles, current)  # (P, J)
            gradient = jacobian.T @ (pose - current)
            rotation = np.linalg.solve(jacobian.T @ jacobian + damping, gradient)
            angles = angles + rotation
            if np.abs(rotation).max() < ANGLE_TOLERANCE:
                break
        return self.forward_kinematics(angles)

    def _compute_jacobian(self, angles: Array, pose: Array) -> Array:
        """Return d pose / d angles (P, J) by finite differences."""
        columns = [
            (self.forward_kinematics(angles + JACOBIAN_STEP * joint) - pose) / JACOBIAN_STEP
            for joint in np.eye(len(angles))
        ]
        return np.stack(columns, axis=1)


class PoseEnvironment(BaseEnvironment):
    """An environment whose task is to take one pose after another; mixed with a physics.

    A pose is the positions of elbows and hands (m). When it is achieved, a new target appears.
    The environment never fails. OBSERVATION holds the signals `target`, `pose`, `difference` and
    `speed`, in this order. `read_state` sets `angles`, `speeds` and `pose`. From the first reset on
    the PoseTask is `task`.
    """

    REWARD: ClassVar[Mapping[str, Mapping[str, float]]] = REACH_REWARDS
    POSITION_TOLERANCE: ClassVar[float] = 0.02
    """Largest distance of a point from its target that counts as reached (m)."""
    HOLD_STEPS: ClassVar[int] = 25
    """Steps in a row for which a pose must be held."""
    task: PoseTask
    angles: Sequence[float]
    """Of the joints (rad)."""
    speeds: Sequence[float]
    """Of the joints (rad/s)."""
    pose: Points
    target_angles: Array | None
    """Joint angles (J,) of the target (rad); None where only the target's points are known."""

    def __init__(self, render_mode: str | None = None, **settings: Any) -> None:
        super().__init__(render_mode, **settings)
        self._pose_slice = slices(self.OBSERVATION)["pose"]

    @abstractmethod
    def sample_joint_angles(self, rng: np.random.Generator) -> Array:
        """Return random angles (J,) of all joints (rad)."""

    @abstractmethod
    def set_joint_state(self, angles: Array, speeds: Array) -> None:
        """Set angles (J,) in rad and speeds (J,) in rad/s of all joints, without a motion."""

    @abstractmethod
    def angles_to_points(self, angles: Array) -> Points:
        """Return the points along the arms with the joints at `angles` (J,) in rad."""

    def root_points(self) -> Points:
        """Return the points at which the arms begin (m)."""
        return ORIGIN

    def initialize_episode(self, rng: np.random.Generator) -> None:
        """Put the arms in a random pose, at rest but for the reset noise, and set a target."""
        angles = self.sample_joint_angles(rng)
        speeds = rng.normal(0.0, self.settings.reset_noise_scale, len(angles))
        self.set_joint_state(angles, speeds)
        self.pose = self.angles_to_points(angles)
        self.task = PoseTask(self.POSITION_TOLERANCE, self.HOLD_STEPS, self.root_points())
        self.sample_target(rng)

    def reward_terms(self, action: Sequence[float]) -> dict[str, float]:
        """Return the progress towards the pose, its achievement and the control cost.

        Also the image similarity, where the reward has a weight for it.
        """
        return {
            "alive": 1.0,
            "control_cost": control_cost(action),
            **self.task.step(self.pose),
            **self.agent_view.image_similarity(),
        }

    def update_task(self, info: dict[str, Any]) -> None:
        """Count an achieved pose and set a new target after it."""
        info["success"] = self.task.is_achieved
        info["poses"] = self.task.num_achieved
        if self.task.is_achieved:
            self.sample_target(self.np_random)
            self.add_event(NEW_TARGET)

    def get_observation(self) -> Array:
        """Return target, pose, their difference and the joint speeds."""
        pose = self._flatten_points(self.pose)
        target = self._flatten_points(self.task.target)
        return np.concatenate((target, pose, target - pose, self.speeds))

    def sample_target(self, rng: np.random.Generator) -> None:
        """Set a random target."""
        self.target_angles = self.sample_joint_angles(rng)
        self.task.set_target(self.angles_to_points(self.target_angles), self.pose)

    def set_target(self, pose: Array) -> None:
        """Set a target: the numbers of the signal `pose`, as another body's `pose` gives them.

        Coordinates that the pose lacks are 0.
        """
        points = pose.reshape(len(self.pose), -1)
        num_missing = len(self.pose[0]) - points.shape[1]
        target: Points = np.pad(points, ((0, 0), (0, num_missing))).tolist()
        self.target_angles = None
        self.task.set_target(target, self.pose)

    def set_joint_angles(self, angles: Array) -> None:
        """Put the joints at `angles` (J,) in rad, at rest."""
        self.set_joint_state(angles, np.zeros(len(angles)))
        self.read_state()

    def forward_kinematics(self, angles: Array) -> Array:
        """Return the numbers of the signal `pose` (P,) with the joints at `angles` (J,) in rad."""
        return self._flatten_points(self.angles_to_points(angles))

    @functools.cached_property
    def inverse_kinematics(self) -> InverseKinematics:
        """The inverse kinematics of this body, made at first use: it takes 2,000 poses."""
        return InverseKinematics(self.forward_kinematics, self.sample_joint_angles)

    def _flatten_points(self, points: Points) -> Array:
        """Return points as the numbers of a pose signal: in a plane, without their z."""
        num_coordinates = (self._pose_slice.stop - self._pose_slice.start) // len(points)
        flat: Array = np.array(points)[:, :num_coordinates].ravel()
        return flat
