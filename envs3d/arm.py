"""Arm7: a Kuka arm of seven joints over a table that reaches for an object, or picks it up."""

import math
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from poise.envs3d.body import NO_ROTATION, Point
from poise.envs3d.camera import Marker
from poise.envs3d.spatial import PYBULLET_DATA, SpatialEnvironment, SpatialSettings
from poise.toolkit.appearance import BODY, OBJECT, RIGHT_LIMB, Colour
from poise.toolkit.environment import NEW_TARGET, Joint
from poise.toolkit.media.image import TEXT_COLOUR
from poise.toolkit.rewards import control_cost, progress
from poise.toolkit.spaces import Action, Array, Signal

ARM_JOINTS = tuple(f"J{number}" for number in range(7))


FINGER_DIRECTIONS = {
    "gripper_to_arm": 0.0,
    "base_left_finger_joint": -1.0,
    "left_base_tip_joint": 0.0,
    "base_right_finger_joint": 1.0,
    "right_base_tip_joint": 0.0,
}
"""Joints of the hand, and the direction in which each one opens it."""


FINGERTIP_LINKS = ("left_finger_tip", "right_finger_tip")


HAND_POINT = ("base_link", (0.0, 0.024, 0.225))
"""The hand's centre, between the fingertips."""


POINT_AHEAD = ("base_link", (0.0, 0.024, 1.225))
"""A point 1 m ahead of the hand's centre: the difference is the unit vector of its direction."""


READY_ANGLES = (0.0, 0.4, 0.0, -1.4, 0.0, 1.3, 0.0)
"""Angles of the arm (rad) at which the hand points down over the table."""


READY_NOISE = 0.3
"""Largest deviation of the first angles from READY_ANGLES (rad)."""


MAX_SPEED = 1.5
"""Target speed of a joint for a full action (rad/s)."""


MAX_TORQUE = 200.0
"""Largest torque of an arm's motor (N m)."""


OPEN_ANGLE = 0.3
"""Angle of an open finger (rad)."""


GRIP_TORQUE = 10.0
"""Largest torque of a finger's motor (N m)."""


TABLE_BASE = -0.625
"""Height of the floor (m): the table's top is at 0."""


CUBE_SIZE = 0.05
CUBE_MASS = 0.1
"""Edge (m) and mass (kg) of the cube that is lifted."""


OBJECT_LOW = (0.45, -0.25, CUBE_SIZE / 2)
OBJECT_HIGH = (0.7, 0.25, 0.4)
"""Corners of the box over the table in which the object appears (m)."""


POSITION_TOLERANCE = 0.03
"""Largest distance of the hand from the object that counts as reached (m)."""


CLOSE_DISTANCE = 0.8 * POSITION_TOLERANCE
OPEN_DISTANCE = 2.0 * POSITION_TOLERANCE
"""The fingers close when the object is nearer than the first (m), and open beyond the second."""


LIFT_HEIGHT = 0.1
"""Height over the table to which the cube must be lifted (m)."""


HOLD_STEPS = 10
"""Steps in a row for which the object must be reached or lifted."""


OBJECT_COLOUR = (224, 90, 71)


HAND_COLOUR: Colour = (92, 107, 115)
"""Of the hand in images for people."""


AXES = ("x", "y", "z")


class ArmSettings(SpatialSettings):
    """Settings of Arm7."""

    reward: str = Field("reach", description="name of the reward")
    task: Literal["touch", "lift"] = Field(
        "touch", description="reach an object in the air, or lift one from the table"
    )


class Arm7(SpatialEnvironment):
    """Touch or lift an object (task=lift).

    The object lies on a table. touch: the hand must be within 0.03 m of the object for 10 steps.
    lift: the fingers close by themselves when the object is between them; it must stay up for 10
    steps. Then, or when it falls off the table, a new object appears. The environment never fails.
    """

    OBSERVATION = (
        Signal("angle", 7, -3.2, 3.2, "rad", "angle of each joint", ARM_JOINTS),
        Signal("speed", 7, -20.0, 20.0, "rad/s", "angular velocity of each joint", ARM_JOINTS),
        Signal("hand", 3, -2.0, 2.0, "m", "position of the hand's centre", AXES),
        Signal("object", 3, -2.0, 2.0, "m", "position of the object's centre", AXES),
        Signal("difference", 3, -4.0, 4.0, "m", "object minus hand", AXES),
        Signal("pointing", 3, -1.1, 1.1, "1", "direction of the hand, a unit vector", AXES),
        Signal("closed", 1, 0.0, 1.0, "1", "whether the fingers close"),
    )
    ACTION = (
        Signal(
            "speed", 7, -MAX_SPEED, MAX_SPEED, "rad/s", "target speed of each joint", ARM_JOINTS
        ),
    )
    REWARD: ClassVar = {
        "reach": {
            "progress": 1.0,
            "control_cost": -0.02,
            "down": 0.02,
            "grasp": 0.1,
            "lift": 5.0,
            "achieved": 2.0,
        },
        "survival": {"alive": 1.0},
    }
    SETTINGS = ArmSettings
    PHYSICS_STEPS = 8
    VIEW_HEIGHT = 1.5
    FLOOR_HEIGHT = TABLE_BASE
    settings: ArmSettings
    object_position: Point
    held_steps: int
    potentials: tuple[float, float]

    def load_bodies(self) -> None:
        """Load the table, the arm, and a cube if one is to be lifted."""
        self.load_body(PYBULLET_DATA / "table" / "table.urdf", (0.5, 0.0, TABLE_BASE))
        self.body = self.load_body(PYBULLET_DATA / "kuka_iiwa" / "kuka_with_gripper2.sdf")
        self.body.set_base_pose((0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
        self.finger_joints = [name for name in self.body.joints if name not in ARM_JOINTS]
        base, *links = self.body.links
        limbs = links[: len(ARM_JOINTS)]
        colours = dict.fromkeys(links, HAND_COLOUR)
        colours |= {link: (RIGHT_LIMB, BODY)[index % 2] for index, link in enumerate(limbs)}
        self.set_film_colours(self.body, {base: TEXT_COLOUR, **colours})
        self.cube = None
        self.ball = None
        if self.settings.task == "lift":
            red, green, blue = (value / 255 for value in OBJECT_COLOUR)
            self.cube = self.load_box(CUBE_SIZE, CUBE_MASS, (red, green, blue, 1.0))
            self.set_film_colours(self.cube, dict.fromkeys(self.cube.links, OBJECT))
        else:
            self.ball = self.load_target(POSITION_TOLERANCE, OBJECT_COLOUR)

    def initialize_episode(self, rng: np.random.Generator) -> None:
        """Put the arm near its ready pose over the table, fingers open, and place an object."""
        num_joints = len(ARM_JOINTS)
        arm_angles = READY_ANGLES + rng.uniform(-READY_NOISE, READY_NOISE, num_joints)
        arm_speeds = rng.normal(0.0, self.settings.reset_noise_scale, num_joints)
        finger_speeds = [0.0] * len(self.finger_joints)
        self.body.set_joint_state(
            [*arm_angles, *self._finger_angles(OPEN_ANGLE)], [*arm_speeds, *finger_speeds]
        )
        self.is_closed = False
        self.num_achieved = 0
        self._place_object(rng)

    def apply_action(self, action: Action) -> None:
        """Set target speeds of the joints, and open or close the fingers."""
        speeds = [share * MAX_SPEED for share in action]
        self.body.set_velocity_targets(speeds, [MAX_TORQUE] * len(ARM_JOINTS), ARM_JOINTS)
        self.body.set_position_targets(
            self._finger_angles(0.0 if self.is_closed else OPEN_ANGLE),
            [GRIP_TORQUE] * len(self.finger_joints),
            self.finger_joints,
        )

    def read_state(self) -> None:
        """Read joints, hand and object, and decide whether the fingers close."""
        angles, speeds = self.body.joint_state()
        self.angles = angles[: len(ARM_JOINTS)]
        self.speeds = speeds[: len(ARM_JOINTS)]
        self.hand_position, ahead = self.body.point_positions((HAND_POINT, POINT_AHEAD))
        self.hand_direction = np.subtract(ahead, self.hand_position)
        if self.cube is not None:
            self.object_position = self.cube.base_state()[0].tolist()
        self.distance = math.dist(self.object_position, self.hand_position)
        self.lift_height = min(LIFT_HEIGHT, max(0.0, self.object_position[2] - CUBE_SIZE / 2))
        # Closed fingers open only when the object has been lost, not at the first small gap.
        limit = OPEN_DISTANCE if self.is_closed else CLOSE_DISTANCE
        self.is_closed = self.cube is not None and self.distance < limit

    def reward_terms(self, action: Action) -> dict[str, float]:
        """Return the progress of the hand to the object, and of the object upwards.

        Also whether the hand points down and grasps the object, the achievement, and the control
        cost.
        """
        if self.cube is not None:
            is_reached = self.lift_height >= LIFT_HEIGHT
            has_grasp = all(self.body.has_contact(self.cube, tip) for tip in FINGERTIP_LINKS)
        else:
            is_reached = self.distance < POSITION_TOLERANCE
            has_grasp = False
        self.held_steps = self.held_steps + 1 if is_reached else 0
        previous = self.potentials
        self.potentials = self._compute_potentials()
        return {
            "alive": 1.0,
            "control_cost": control_cost(action),
            "progress": progress(self.potentials[0], previous[0]),
            "lift": progress(self.potentials[1], previous[1]) if self.cube else 0.0,
            "down": -float(self.hand_direction[2]) if self.cube else 0.0,
            "grasp": float(has_grasp),
            "achieved": float(self.held_steps >= HOLD_STEPS),
        }

    def update_task(self, info: dict[str, Any]) -> None:
        """Count an object that was reached or lifted, and place a new one after it."""
        info["success"] = self.held_steps >= HOLD_STEPS
        self.num_achieved += info["success"]
        info["poses"] = self.num_achieved
        has_fallen = self.object_position[2] < 0.0  # The table's top is at 0.
        if info["success"] or has_fallen:
            self._place_object(self.np_random)
            self.add_event(NEW_TARGET)

    def get_observation(self) -> Array:
        """Return all signals, in their order."""
        difference = np.subtract(self.object_position, self.hand_position)
        return np.concatenate(
            (
                self.angles,
                self.speeds,
                self.hand_position,
                self.object_position,
                difference,
                self.hand_direction,
                [self.is_closed],
            )
        )

    def joints(self) -> list[Joint]:
        """Return the joints of the arm, without those of the hand."""
        return self.body.read_joints()[: len(ARM_JOINTS)]

    def camera_target(self) -> Point:
        """Return a point between the arm's base and the far edge of the table (m)."""
        return (0.4, 0.0, 0.35)

    def markers(self) -> list[Marker]:
        """Return a marker at the object, where it is not a body."""
        if self.cube is not None:
            return []
        return [Marker(self.object_position, POSITION_TOLERANCE)]

    def drop_height(self) -> float:
        """Return the height of the table's top (m)."""
        return 0.0

    def _finger_angles(self, opening: float) -> list[float]:
        """Return the angles of the hand's joints (rad) for an opening (rad)."""
        return [FINGER_DIRECTIONS[name] * opening for name in self.finger_joints]

    def _place_object(self, rng: np.random.Generator) -> None:
        """Put the object at a random position over the table; a cube on the table."""
        self.object_position = rng.uniform(OBJECT_LOW, OBJECT_HIGH).tolist()
        if self.cube is not None:
            x, y, _ = self.object_position
            yaw = rng.uniform(-math.pi / 4, math.pi / 4)
            orientation = (0.0, 0.0, math.sin(yaw / 2), math.cos(yaw / 2))
            self.cube.set_base_pose((x, y, CUBE_SIZE / 2), orientation)
        if self.ball is not None:
            self.ball.set_base_pose(self.object_position, NO_ROTATION)
        self.read_state()
        self.held_steps = 0
        self.potentials = self._compute_potentials()

    def _compute_potentials(self) -> tuple[float, float]:
        """Return the potential of the hand and that of the cube.

        For the hand every halving of its distance is worth the same; the cube's is the fraction of
        LIFT_HEIGHT that it has been lifted.
        """
        hand = -math.log1p(self.distance / POSITION_TOLERANCE)
        return hand, self.lift_height / LIFT_HEIGHT
