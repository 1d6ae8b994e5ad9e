"""ReacherPlane3D: Reacher2D's twin, the same arm in the other physics."""

import math
from typing import ClassVar

import numpy as np

from envs3d.models import ArmJoint, arm_urdf
from envs3d.posed_arms import PosedArms, TakingPoses
from envs3d.reacher import HOLD, LINK, LINK_MASS, LINK_WIDTH, PLACES, REACH, REWARD, TORQUE, ReacherSettings
from envs3d.world import SpatialEnvironment
from toolkit.signals import Array, Signal


class ReacherPlane3D(TakingPoses, SpatialEnvironment):
    """Take one pose after another in a plane: Reacher2D's task, to the letter, in another physics.

    Both held within 0.02 m of their targets for 25 steps: a pose achieved, and a new one appears. It never fails.
    """

    OBSERVATION = (
        Signal("target", 4, -0.5, 0.5, "m", "where elbow (x, y) and hand (x, y) should be"),
        Signal("pose", 4, -0.5, 0.5, "m", "where elbow (x, y) and hand (x, y) are"),
        Signal("difference", 4, -1.0, 1.0, "m", "target minus pose"),
        Signal("speed", 2, -60.0, 60.0, "rad/s", "angular velocities of shoulder and elbow"),
    )
    ACTION = (Signal("torque", 2, -TORQUE, TORQUE, "N m", "at shoulder and elbow"),)
    REWARD: ClassVar = REWARD
    SETTINGS = ReacherSettings
    TURNS = ()  # Gravity pulls along the joints' axes.
    SUBSTEPS = 20
    VIEW = 1.0
    settings: ReacherSettings
    JOINTS: ClassVar = (ArmJoint("shoulder", (0, 0, 1), LINK), ArmJoint("elbow", (0, 0, 1), LINK))

    def build(self) -> None:
        """A floor and the arm."""
        self.lay_floor(-0.05, 0.5)
        body = self.load_text(arm_urdf(self.JOINTS, LINK_WIDTH, LINK_MASS, self.settings.friction))
        self.begin_with(PosedArms(body, PLACES, self.any_angles, REACH, HOLD))

    def any_angles(self, rng: np.random.Generator) -> Array:
        """Any angles of shoulder and elbow (rad)."""
        return rng.uniform(-math.pi, math.pi, 2)

    def pose_at(self, angles: Array) -> Array:
        """Elbow (x, y) and hand (x, y) with the joints at these angles (rad)."""
        return super().pose_at(angles).reshape(-1, 3)[:, :2].ravel()

    def observe(self) -> Array:
        """Target, pose, difference, speeds."""
        target, pose = (np.array(points)[:, :2].ravel() for points in (self.arms.task.target, self.arms.pose))
        return np.concatenate((target, pose, target - pose, self.arms.speeds))
