"""PoseHumanoid3D: the humanoid's bust, fixed in the air, that takes poses with both arms."""

from typing import ClassVar

from pydantic import Field

from poise.envs3d.posed_arms import PosedArms, PoseEnvironment
from poise.envs3d.spatial import SpatialEnvironment, SpatialSettings
from poise.toolkit.spaces import Signal

MAX_TORQUE = 25.0


JOINT_DAMPING = 0.5
"""Torque of a joint's friction at 1 rad/s (N m s)."""


POSITION_TOLERANCE = 0.05
HOLD_STEPS = 25
"""How close both elbows and hands must be to their targets (m), and for how many steps in a row."""


LINK_POINTS = (
    ("right_lower_arm", (0.0, 0.0, 0.0)),
    ("right_lower_arm", (0.18, 0.18, 0.18)),
    ("left_lower_arm", (0.0, 0.0, 0.0)),
    ("left_lower_arm", (0.18, -0.18, 0.18)),
)
"""Elbow and hand, right and left."""


SHOULDER_POINTS = (("right_upper_arm", (0.0, 0.0, 0.0)), ("left_upper_arm", (0.0, 0.0, 0.0)))


class PoseHumanoidSettings(SpatialSettings):
    """What the bust lets its user choose."""

    reward: str = Field("reach", description="which of the environment's named rewards it pays")


class PoseHumanoid3D(PoseEnvironment, SpatialEnvironment):
    """Take one pose after another with both arms: shoulders of two joints, elbows of one.

    Both elbows and both hands held within 0.05 m for 25 steps: a pose achieved, and a new one appears. It never fails.
    """

    OBSERVATION = (
        Signal(
            "pose",
            12,
            -1.0,
            1.0,
            "m",
            "where right elbow and hand, left elbow and hand are (x, y, z)",
        ),
        Signal("target", 12, -1.0, 1.0, "m", "where they should be"),
        Signal("difference", 12, -2.0, 2.0, "m", "target minus pose"),
        Signal(
            "speed",
            6,
            -100.0,
            100.0,
            "rad/s",
            "angular velocities of two shoulder joints and elbow, right and left",
        ),
    )
    ACTION = (
        Signal(
            "torque",
            6,
            -MAX_TORQUE,
            MAX_TORQUE,
            "N m",
            "at two shoulder joints and elbow, right and left",
        ),
    )
    REWARD: ClassVar = {
        "reach": {"progress": 1.0, "effort": -0.05, "achieved": 2.0},
        "likeness": {"likeness": 1.0, "effort": -0.05},
        "both": {"progress": 0.5, "likeness": 0.5, "effort": -0.05, "achieved": 2.0},
        "survival": {"alive": 1.0},
    }
    SETTINGS = PoseHumanoidSettings
    PHYSICS_STEPS = 10
    VIEW_HEIGHT = 1.8
    settings: PoseHumanoidSettings

    def load_bodies(self) -> None:
        """A floor and the bust."""
        self.add_floor(-0.6, 1.3)
        body = self.load_humanoid(upper_body_only=True)
        body.set_joint_damping(JOINT_DAMPING)
        self.set_arms(
            PosedArms(
                body,
                LINK_POINTS,
                body.sample_joint_angles,
                POSITION_TOLERANCE,
                HOLD_STEPS,
                SHOULDER_POINTS,
            )
        )
