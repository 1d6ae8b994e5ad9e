"""Arms of a body that take poses: their targets, the judge, what is painted of it, and the hooks of environments about it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import numpy as np

from poise.envs3d.body import Body, LinkPoint
from poise.envs3d.camera import Marker
from poise.toolkit.environment import Joint
from poise.toolkit.errors import UserError
from poise.toolkit.observation import AgentObservation
from poise.toolkit.pose_task import ORIGIN, PoseTask
from poise.toolkit.rewards import control_cost
from poise.toolkit.settings import EnvSettings
from poise.toolkit.spaces import Action, Array, Signal

ELBOW_COLOUR = (33, 118, 174)
HAND_COLOUR = (224, 90, 71)


class PosedArms:
    """One or two arms of a body, each with an elbow and a hand; `places` lists them arm by arm, `roots` where the arms begin.

    `draw` makes angles of all joints (rad) out of chance; `reach` (m) and `hold` (steps) say when a pose is achieved.
    """

    def __init__(
        self,
        body: Body,
        link_points: Sequence[LinkPoint],
        sample_angles: Callable[[np.random.Generator], Array],
        position_tolerance: float,
        hold_steps: int,
        root_points: Sequence[LinkPoint] = (),
    ) -> None:
        self.body = body
        self.link_points = link_points
        self.sample_angles = sample_angles
        self.task = PoseTask(
            position_tolerance,
            hold_steps,
            body.point_positions(root_points) if root_points else ORIGIN,
        )

    def reset_task(self, rng: np.random.Generator) -> None:
        """Read the pose that the body was placed in, and set the first target."""
        self.read_state()
        self.task.num_achieved = 0
        self.sample_target(rng)

    def sample_target(self, rng: np.random.Generator) -> None:
        """Set a new target: the pose of random angles."""
        self.target_angles: Array | None = self.sample_angles(rng)
        self.task.set_target(
            self.body.forward_kinematics(self.target_angles, self.link_points), self.pose
        )

    def set_target(self, pose: Array) -> None:
        """Set a target: the places laid end to end, x and y of each where z is not told (m)."""
        self.target_angles = None
        points = pose.reshape(len(self.link_points), -1)
        self.task.set_target(np.pad(points, ((0, 0), (0, 3 - points.shape[1]))).tolist(), self.pose)

    def read_state(self) -> None:
        """Read joints (rad, rad/s) and points (m)."""
        self.angles, self.speeds = self.body.joint_state()
        self.pose = self.body.point_positions(self.link_points)

    def update_task(self, rng: np.random.Generator, info: dict[str, Any]) -> None:
        """A pose held long enough counts, and makes room for a new target."""
        info["success"] = self.task.is_achieved
        info["poses"] = self.task.num_achieved
        if self.task.is_achieved:
            self.sample_target(rng)

    def posed_at_target(self) -> AbstractContextManager[None]:
        """The body at its target, for as long as one looks at it. A UserError where the target was told in numbers."""
        if self.target_angles is None:
            raise UserError("a target that was told in numbers cannot be drawn: leave goal=state")
        return self.body.posed_at(self.target_angles)

    def markers(self) -> list[Marker]:
        """The targets of elbows and hands."""
        colours = (ELBOW_COLOUR, HAND_COLOUR) * (len(self.pose) // 2)
        return [
            Marker(aim, self.task.position_tolerance, colour)
            for aim, colour in zip(self.task.target, colours, strict=True)
        ]


class PoseEnvironment:
    """The hooks that environments whose body takes poses with its `arms` have in common, beside SpatialEnvironment."""

    arms: PosedArms
    agent_view: AgentObservation
    np_random: np.random.Generator
    settings: EnvSettings
    ACTION: ClassVar[tuple[Signal, ...]]

    def set_arms(self, arms: PosedArms) -> None:
        """Take poses with these arms from now on."""
        self.arms = arms
        self.task = arms.task

    def sample_joint_angles(self, rng: np.random.Generator) -> Array:
        """Any angles of all joints (rad)."""
        return self.arms.body.sample_joint_angles(rng)

    def initialize_episode(self, rng: np.random.Generator) -> None:
        """The arms in any pose, at rest but for the start noise, and their first target."""
        angles = self.sample_joint_angles(rng)
        self.arms.body.set_joint_state(
            angles, rng.normal(0.0, self.settings.reset_noise_scale, len(angles))
        )
        self.arms.reset_task(rng)

    def forward_kinematics(self, angles: Array) -> Array:
        """The places of elbows and hands, laid end to end, with the joints at these angles (rad)."""
        return np.array(self.arms.body.forward_kinematics(angles, self.arms.link_points)).ravel()

    def set_joint_angles(self, angles: Array) -> None:
        """Put the joints at these angles (rad), at rest."""
        self.arms.body.set_joint_state(angles, np.zeros(len(angles)))
        self.read_state()

    def apply_action(self, action: Action) -> None:
        """Turn the arms' joints; a full effort is the action's own bound."""
        self.arms.body.apply_torques([share * self.ACTION[0].high for share in action])

    def read_state(self) -> None:
        """Joint angles (rad), elbows and hands (m), joint speeds (rad/s)."""
        self.arms.read_state()
        self.angles = self.arms.angles

    def reward_terms(self, action: Action) -> dict[str, float]:
        """Progress towards the pose, effort, and whether a pose was achieved just now; where it is paid for, likeness too."""
        return {
            "alive": 1.0,
            "effort": control_cost(action),
            **self.task.step(self.arms.pose),
            **self.agent_view.image_similarity(),
        }

    def update_task(self, info: dict[str, Any]) -> None:
        """A pose held long enough counts, and makes room for a new target."""
        self.arms.update_task(self.np_random, info)

    def get_observation(self) -> Array:
        """Pose, target, difference, speeds."""
        target = np.array(self.task.target).ravel()
        pose = np.array(self.arms.pose).ravel()
        return np.concatenate((pose, target, target - pose, self.arms.speeds))

    def set_target(self, pose: Array) -> None:
        """Set a target: the places of the signal `pose` (m)."""
        self.arms.set_target(pose)

    def posed_at_target(self) -> AbstractContextManager[None]:
        """The body at its target, for as long as one looks at it."""
        return self.arms.posed_at_target()

    def joints(self) -> list[Joint]:
        """All joints of the arms."""
        return self.arms.body.read_joints()

    def markers(self) -> list[Marker]:
        """The targets of elbows and hands."""
        return self.arms.markers()
