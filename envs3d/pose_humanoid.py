"""PoseHumanoid3D: the humanoid's upper body, fixed in the air, that takes poses with both arms."""

from typing import ClassVar

from pydantic import Field

from poise.envs3d.spatial import SpatialPoseEnvironment, SpatialSettings
from poise.toolkit.pose_task import REACH_REWARDS, Points
from poise.toolkit.spaces import Signal

MAX_TORQUE = 25.0
"""Of each motor (N m)."""


JOINT_DAMPING = 0.5
"""Torque of a joint's friction at 1 rad/s (N m s)."""


SHOULDER_POINTS = (("right_upper_arm", (0.0, 0.0, 0.0)), ("left_upper_arm", (0.0, 0.0, 0.0)))


ARM_POINTS = (
    ("right_lower_arm", (0.0, 0.0, 0.0)),
    ("right_lower_arm", (0.18, 0.18, 0.18)),
    ("left_lower_arm", (0.0, 0.0, 0.0)),
    ("left_lower_arm", (0.18, -0.18, 0.18)),
)
"""Right elbow and hand, left elbow and hand."""


POINT_NAMES = tuple(
    f"{side} {point} {axis}"
    for side in ("right", "left")
    for point in ("elbow", "hand")
    for axis in "xyz"
)


JOINT_NAMES = (
    "right shoulder1",
    "right shoulder2",
    "right elbow",
    "left shoulder1",
    "left shoulder2",
    "left elbow",
)


class PoseHumanoidSettings(SpatialSettings):
    """Settings of PoseHumanoid3D."""

    reward: str = Field("reach", description="name of the reward")


class PoseHumanoid3D(SpatialPoseEnvironment):
    """Take poses with both arms.

    Shoulders have two joints, elbows one. A pose is achieved when both elbows and both hands are
    held within 0.05 m for 25 steps; then a new target appears. The environment never fails.
    """

    OBSERVATION = (
        Signal("target", 12, -1.0, 1.0, "m", "target positions of elbows and hands", POINT_NAMES),
        Signal("pose", 12, -1.0, 1.0, "m", "positions of elbows and hands", POINT_NAMES),
        Signal("difference", 12, -2.0, 2.0, "m", "target minus pose", POINT_NAMES),
        Signal("speed", 6, -100.0, 100.0, "rad/s", "angular velocity of each joint", JOINT_NAMES),
    )
    ACTION = (
        Signal("torque", 6, -MAX_TORQUE, MAX_TORQUE, "N m", "torque at each joint", JOINT_NAMES),
    )
    REWARD: ClassVar = {
        **REACH_REWARDS,
        "reach": {**REACH_REWARDS["reach"], "achieved": 2.0},
        "both": {**REACH_REWARDS["both"], "achieved": 2.0},
    }
    SETTINGS = PoseHumanoidSettings
    PHYSICS_STEPS = 10
    VIEW_HEIGHT = 1.8
    FLOOR_HEIGHT = -0.6
    POSITION_TOLERANCE = 0.05
    LINK_POINTS = ARM_POINTS
    settings: PoseHumanoidSettings

    def load_bodies(self) -> None:
        """Load the floor and the upper body."""
        self.add_floor(self.FLOOR_HEIGHT, 1.3)
        self.body = self.load_humanoid(upper_body_only=True)
        self.body.set_joint_damping(JOINT_DAMPING)

    def root_points(self) -> Points:
        """Return the positions of the shoulders (m)."""
        return self.body.point_positions(SHOULDER_POINTS)
