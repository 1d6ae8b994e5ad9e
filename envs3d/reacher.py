"""Reacher3D and ReacherPlane3D: a two-link arm that takes one pose after another."""

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field

from poise.envs3d.models import ArmJoint, make_arm_urdf
from poise.envs3d.spatial import SpatialPoseEnvironment, SpatialSettings
from poise.toolkit.appearance import BODY, RIGHT_LIMB
from poise.toolkit.spaces import Array, Signal

# Sizes (m), masses (kg), torques (N m).
LINK_LENGTH = 0.2
LINK_WIDTH = 0.04
LINK_MASS = 0.5
MAX_TORQUE = 1.0


JOINT_DAMPING = 0.15
"""Torque of a joint's friction at 1 rad/s (N m s)."""


ELBOW_POINT = ("elbow_link", (0.0, 0.0, 0.0))
HAND_POINT = ("elbow_link", (LINK_LENGTH, 0.0, 0.0))


POINT_NAMES = ("elbow x", "elbow y", "elbow z", "hand x", "hand y", "hand z")
PLANE_POINT_NAMES = ("elbow x", "elbow y", "hand x", "hand y")
JOINT_NAMES = ("turn", "lift", "elbow")
PLANE_JOINT_NAMES = ("shoulder", "elbow")


class ReacherSettings(SpatialSettings):
    """Settings of the reachers in space."""

    reward: str = Field("reach", description="name of the reward")
    gravity: float = Field(
        0.0, ge=0, le=40, description="gravity (m/s2); 0 lets the arms move as in the plane"
    )
    friction: float = Field(JOINT_DAMPING, ge=0, le=1, description="friction of each joint (N m s)")


class Reacher(SpatialPoseEnvironment):
    """An arm of boxes over a floor; the subclasses choose its joints."""

    SETTINGS = ReacherSettings
    PHYSICS_STEPS = 20
    VIEW_HEIGHT = 1.0
    LINK_POINTS = (ELBOW_POINT, HAND_POINT)
    JOINTS: ClassVar[Sequence[ArmJoint]]
    FLOOR_HALF_EXTENT: ClassVar[float]
    settings: ReacherSettings

    def load_bodies(self) -> None:
        """Load the floor and the arm."""
        self.add_floor(self.FLOOR_HEIGHT, self.FLOOR_HALF_EXTENT)
        urdf = make_arm_urdf(self.JOINTS, LINK_WIDTH, LINK_MASS, self.settings.friction)
        self.body = self.load_body_from_text(urdf)
        links = [f"{joint.name}_link" for joint in reversed(self.JOINTS)]
        colours = {link: (RIGHT_LIMB, BODY)[index % 2] for index, link in enumerate(links)}
        self.set_film_colours(self.body, colours)


class Reacher3D(Reacher):
    """Take poses all round the shoulder.

    The shoulder turns about z and lifts about y; the elbow bends about y. The target of the elbow
    lies anywhere on a sphere of 0.2 m, that of the hand on one of 0.2 m about the elbow, both where
    the three joints can bring them. A pose is achieved when both are held within 0.02 m for 25
    steps; then a new target appears. The environment never fails.
    """

    OBSERVATION = (
        Signal("target", 6, -0.5, 0.5, "m", "target positions of elbow and hand", POINT_NAMES),
        Signal("pose", 6, -0.5, 0.5, "m", "positions of elbow and hand", POINT_NAMES),
        Signal("difference", 6, -1.0, 1.0, "m", "target minus pose", POINT_NAMES),
        Signal("speed", 3, -100.0, 100.0, "rad/s", "angular velocity of each joint", JOINT_NAMES),
    )
    ACTION = (
        Signal("torque", 3, -MAX_TORQUE, MAX_TORQUE, "N m", "torque at each joint", JOINT_NAMES),
    )
    JOINTS = (
        ArmJoint("turn", (0, 0, 1), 0.0),
        ArmJoint("lift", (0, 1, 0), LINK_LENGTH),
        ArmJoint("elbow", (0, 1, 0), LINK_LENGTH),
    )
    FLOOR_HEIGHT = -0.45
    FLOOR_HALF_EXTENT = 0.8

    def sample_joint_angles(self, rng: np.random.Generator) -> Array:
        """Return random angles of turn, lift and elbow (rad).

        The elbow is uniform on its sphere, since its height, sin(lift), is uniform.
        """
        turn = rng.uniform(-math.pi, math.pi)
        lift = math.asin(rng.uniform(-1.0, 1.0))
        elbow = rng.uniform(-math.pi, math.pi)
        return np.array([turn, lift, elbow])


class ReacherPlane3D(Reacher):
    """The same as Reacher2D, in PyBullet.

    A pose is achieved when elbow and hand are held within 0.02 m of their targets for 25 steps;
    then a new target appears. The environment never fails.
    """

    OBSERVATION = (
        Signal(
            "target", 4, -0.5, 0.5, "m", "target positions of elbow and hand", PLANE_POINT_NAMES
        ),
        Signal("pose", 4, -0.5, 0.5, "m", "positions of elbow and hand", PLANE_POINT_NAMES),
        Signal("difference", 4, -1.0, 1.0, "m", "target minus pose", PLANE_POINT_NAMES),
        Signal(
            "speed", 2, -60.0, 60.0, "rad/s", "angular velocity of each joint", PLANE_JOINT_NAMES
        ),
    )
    ACTION = (
        Signal(
            "torque", 2, -MAX_TORQUE, MAX_TORQUE, "N m", "torque at each joint", PLANE_JOINT_NAMES
        ),
    )
    LIVE_SETTINGS = ()  # Gravity pulls along the joints' axes.
    JOINTS = (
        ArmJoint("shoulder", (0, 0, 1), LINK_LENGTH),
        ArmJoint("elbow", (0, 0, 1), LINK_LENGTH),
    )
    FLOOR_HEIGHT = -0.05
    FLOOR_HALF_EXTENT = 0.5

    def sample_joint_angles(self, rng: np.random.Generator) -> Array:
        """Return random angles of shoulder and elbow (rad)."""
        return rng.uniform(-math.pi, math.pi, 2)
