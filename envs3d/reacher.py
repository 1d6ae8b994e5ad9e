"""Reacher3D: a two-link arm that takes one pose after another all round its shoulder."""

import math
from typing import ClassVar

import numpy as np
from pydantic import Field

from poise.envs3d.models import ArmJoint, make_arm_urdf
from poise.envs3d.posed_arms import PosedArms, PoseEnvironment
from poise.envs3d.spatial import SpatialEnvironment, SpatialSettings
from poise.toolkit.spaces import Array, Signal

LINK_LENGTH = 0.2
LINK_WIDTH = 0.04
LINK_MASS = 0.5


MAX_TORQUE = 1.0


JOINT_DAMPING = 0.15
"""Torque of a joint's friction at 1 rad/s (N m s)."""


POSITION_TOLERANCE = 0.02
"""How close elbow and hand must both be to their targets (m)."""


HOLD_STEPS = 25
"""For how many steps in a row."""


LINK_POINTS = (("elbow_link", (0.0, 0.0, 0.0)), ("elbow_link", (LINK_LENGTH, 0.0, 0.0)))
"""Elbow and hand."""


class ReacherSettings(SpatialSettings):
    """What the reachers let their user choose."""

    reward: str = Field("reach", description="which of the environment's named rewards it pays")
    gravity: float = Field(
        0.0, ge=0, le=40, description="gravity (m/s2); 0 lets the arms move as in the plane"
    )
    friction: float = Field(JOINT_DAMPING, ge=0, le=1, description="friction of each joint (N m s)")


REWARD = {
    "reach": {"progress": 1.0, "effort": -0.05, "achieved": 1.0},
    "likeness": {"likeness": 1.0, "effort": -0.05},
    "both": {"progress": 0.5, "likeness": 0.5, "effort": -0.05, "achieved": 1.0},
    "survival": {"alive": 1.0},
}


class Reacher3D(PoseEnvironment, SpatialEnvironment):
    """Take one pose after another all round the shoulder, which turns about z and lifts about y; the elbow bends about y.

    The elbow's target lies anywhere on a sphere of 0.2 m, the hand's on one of 0.2 m about it, both where the three
    joints can bring them. Both held within 0.02 m for 25 steps: a pose achieved, and a new one appears. It never fails.
    """

    OBSERVATION = (
        Signal("pose", 6, -0.5, 0.5, "m", "where elbow (x, y, z) and hand (x, y, z) are"),
        Signal("target", 6, -0.5, 0.5, "m", "where elbow (x, y, z) and hand (x, y, z) should be"),
        Signal("difference", 6, -1.0, 1.0, "m", "target minus pose"),
        Signal("speed", 3, -100.0, 100.0, "rad/s", "angular velocities of turn, lift and elbow"),
    )
    ACTION = (
        Signal(
            "torque",
            3,
            -MAX_TORQUE,
            MAX_TORQUE,
            "N m",
            "at the shoulder's turn and lift, and the elbow",
        ),
    )
    REWARD: ClassVar = REWARD
    SETTINGS = ReacherSettings
    PHYSICS_STEPS = 20
    VIEW_HEIGHT = 1.0
    settings: ReacherSettings
    JOINTS: ClassVar = (
        ArmJoint("turn", (0, 0, 1), 0.0),
        ArmJoint("lift", (0, 1, 0), LINK_LENGTH),
        ArmJoint("elbow", (0, 1, 0), LINK_LENGTH),
    )

    def load_bodies(self) -> None:
        """A floor and the arm."""
        self.add_floor(-0.45, 0.8)
        body = self.load_body_from_text(
            make_arm_urdf(self.JOINTS, LINK_WIDTH, LINK_MASS, self.settings.friction)
        )
        self.set_arms(
            PosedArms(body, LINK_POINTS, self.sample_joint_angles, POSITION_TOLERANCE, HOLD_STEPS)
        )

    def sample_joint_angles(self, rng: np.random.Generator) -> Array:
        """Angles of turn, lift and elbow (rad) that spread the elbow evenly over its sphere and bend it evenly."""
        return np.array(
            [
                rng.uniform(-math.pi, math.pi),
                math.asin(rng.uniform(-1.0, 1.0)),
                rng.uniform(-math.pi, math.pi),
            ]
        )


class ReacherPlane3D(PoseEnvironment, SpatialEnvironment):
    """Take one pose after another in a plane: Reacher2D's task, to the letter, in another physics.

    Both held within 0.02 m of their targets for 25 steps: a pose achieved, and a new one appears. It never fails.
    """

    OBSERVATION = (
        Signal("target", 4, -0.5, 0.5, "m", "where elbow (x, y) and hand (x, y) should be"),
        Signal("pose", 4, -0.5, 0.5, "m", "where elbow (x, y) and hand (x, y) are"),
        Signal("difference", 4, -1.0, 1.0, "m", "target minus pose"),
        Signal("speed", 2, -60.0, 60.0, "rad/s", "angular velocities of shoulder and elbow"),
    )
    ACTION = (Signal("torque", 2, -MAX_TORQUE, MAX_TORQUE, "N m", "at shoulder and elbow"),)
    REWARD: ClassVar = REWARD
    SETTINGS = ReacherSettings
    LIVE_SETTINGS = ()  # Gravity pulls along the joints' axes.
    PHYSICS_STEPS = 20
    VIEW_HEIGHT = 1.0
    settings: ReacherSettings
    JOINTS: ClassVar = (
        ArmJoint("shoulder", (0, 0, 1), LINK_LENGTH),
        ArmJoint("elbow", (0, 0, 1), LINK_LENGTH),
    )

    def load_bodies(self) -> None:
        """A floor and the arm."""
        self.add_floor(-0.05, 0.5)
        body = self.load_body_from_text(
            make_arm_urdf(self.JOINTS, LINK_WIDTH, LINK_MASS, self.settings.friction)
        )
        self.set_arms(
            PosedArms(body, LINK_POINTS, self.sample_joint_angles, POSITION_TOLERANCE, HOLD_STEPS)
        )

    def sample_joint_angles(self, rng: np.random.Generator) -> Array:
        """Any angles of shoulder and elbow (rad)."""
        return rng.uniform(-math.pi, math.pi, 2)

    def forward_kinematics(self, angles: Array) -> Array:
        """Elbow (x, y) and hand (x, y) with the joints at these angles (rad)."""
        return super().forward_kinematics(angles).reshape(-1, 3)[:, :2].ravel()

    def get_observation(self) -> Array:
        """Target, pose, difference, speeds."""
        target, pose = (
            np.array(points)[:, :2].ravel() for points in (self.arms.task.target, self.arms.pose)
        )
        return np.concatenate((target, pose, target - pose, self.arms.speeds))
