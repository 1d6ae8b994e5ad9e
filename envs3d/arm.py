"""Arm7: a seven-jointed Kuka arm over a table that reaches for an object, or picks it up."""

import math
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from poise.envs3d.body import Point
from poise.envs3d.camera import Marker
from poise.envs3d.spatial import PYBULLET_DATA, SpatialEnvironment, SpatialSettings
from poise.toolkit.environment import Joint
from poise.toolkit.rewards import control_cost, progress
from poise.toolkit.spaces import Action, Array, Signal

ARM_JOINTS = tuple(f"J{number}" for number in range(7))


FINGER_DIRECTIONS = {"gripper_to_arm": 0.0, "base_left_finger_joint": -1.0, "left_base_tip_joint": 0.0,
           "base_right_finger_joint": 1.0, "right_base_tip_joint": 0.0}  # fmt: skip
"""The hand's joints, and which way each turns to open it."""


FINGERTIP_LINKS = ("left_finger_tip", "right_finger_tip")


HAND_POINT, POINT_AHEAD = (("base_link", (0.0, 0.024, along)) for along in (0.225, 1.225))
"""The hand's middle, between the tips of its fingers, and a point 1 m ahead of it."""


READY_ANGLES = (0.0, 0.4, 0.0, -1.4, 0.0, 1.3, 0.0)
"""Angles of the arm (rad) at which the hand points down over the table."""


MAX_SPEED = 1.5
MAX_TORQUE = 200.0
"""What a full action asks of a joint (rad/s), and the most its motor exerts for it (N m)."""


OPEN_ANGLE = 0.3
GRIP_TORQUE = 10.0
"""Angle of an open finger (rad), and the most a finger's motor exerts (N m)."""


CUBE_SIZE = 0.05
CUBE_MASS = 0.1
"""Edge (m) and mass (kg) of the cube that is lifted."""


OBJECT_LOW = (0.45, -0.25, CUBE_SIZE / 2)
OBJECT_HIGH = (0.7, 0.25, 0.4)
"""Corners of the box over the table in which the object appears (m)."""


POSITION_TOLERANCE = 0.03
LIFT_HEIGHT = 0.1
HOLD_STEPS = 10
"""How close the hand must be (m), how high the cube must be lifted (m), and for how many steps in a row."""


OBJECT_COLOUR = (224, 90, 71)


class ArmSettings(SpatialSettings):
    """What the arm lets its user choose."""

    reward: str = Field("reach", description="which of the environment's named rewards it pays")
    task: Literal["touch", "lift"] = Field(
        "touch", description="reach an object in the air, or lift one from the table"
    )


class Arm7(SpatialEnvironment):
    """Reach for an object over the table with the hand, or lift it 0.1 m from the table and hold it there.

    touch: the hand within 0.03 m of the object for 10 steps. lift: the fingers close by themselves about what is between
    them, and the object stays up for 10 steps. A new object then appears elsewhere, as it does when one falls off the table.
    It never fails.
    """

    OBSERVATION = (
        Signal("angle", 7, -3.2, 3.2, "rad", "of each joint"),
        Signal("speed", 7, -20.0, 20.0, "rad/s", "of each joint"),
        Signal("hand", 3, -2.0, 2.0, "m", "where the hand's middle is"),
        Signal("object", 3, -2.0, 2.0, "m", "where the object's middle is"),
        Signal("difference", 3, -4.0, 4.0, "m", "object minus hand"),
        Signal("pointing", 3, -1.1, 1.1, "1", "where the fingers point, as a unit vector"),
        Signal("closed", 1, 0.0, 1.0, "1", "whether the fingers close"),
    )
    ACTION = (Signal("speed", 7, -MAX_SPEED, MAX_SPEED, "rad/s", "asked of each joint"),)
    REWARD: ClassVar = {
        "reach": {
            "progress": 1.0,
            "effort": -0.02,
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
    settings: ArmSettings
    object_position: Point
    held_steps: int
    potentials: tuple[float, float]

    def load_bodies(self) -> None:
        """The table, the arm, and the cube where one is to be lifted."""
        self.load_body(PYBULLET_DATA / "table" / "table.urdf", (0.5, 0.0, -0.625))
        self.body = self.load_body(PYBULLET_DATA / "kuka_iiwa" / "kuka_with_gripper2.sdf")
        self.body.set_base_pose((0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
        self.finger_joints = [name for name in self.body.joints if name not in ARM_JOINTS]
        self.cube = (
            self.load_box(CUBE_SIZE, CUBE_MASS, (*(part / 255 for part in OBJECT_COLOUR), 1.0))
            if self.settings.task == "lift"
            else None
        )

    def initialize_episode(self, rng: np.random.Generator) -> None:
        """The arm over the table, its joints up to 0.3 rad from ready, the fingers open; the object anywhere."""
        angles = [
            *(READY_ANGLES + rng.uniform(-0.3, 0.3, len(ARM_JOINTS))),
            *(FINGER_DIRECTIONS[name] * OPEN_ANGLE for name in self.finger_joints),
        ]
        self.body.set_joint_state(
            angles,
            [
                *rng.normal(0.0, self.settings.reset_noise_scale, len(ARM_JOINTS)),
                *(0.0 for _ in self.finger_joints),
            ],
        )
        self.is_closed = False
        self.num_achieved = 0
        self._place_object(rng)

    def apply_action(self, action: Action) -> None:
        """Ask the joints for speeds; the fingers open, or close about what is between them."""
        self.body.set_velocity_targets(
            [share * MAX_SPEED for share in action], [MAX_TORQUE] * len(ARM_JOINTS), ARM_JOINTS
        )
        opening = 0.0 if self.is_closed else OPEN_ANGLE
        self.body.set_position_targets(
            [FINGER_DIRECTIONS[name] * opening for name in self.finger_joints],
            [GRIP_TORQUE] * len(self.finger_joints),
            self.finger_joints,
        )

    def read_state(self) -> None:
        """Joints, hand, object; and the potentials that the reward pays for."""
        self.angles, self.speeds = (values[: len(ARM_JOINTS)] for values in self.body.joint_state())
        self.hand_position, ahead = self.body.point_positions((HAND_POINT, POINT_AHEAD))
        self.hand_direction = np.subtract(ahead, self.hand_position)
        if self.cube is not None:
            self.object_position = self.cube.base_state()[0].tolist()
        self.distance = math.dist(self.object_position, self.hand_position)
        self.lift_height = min(LIFT_HEIGHT, max(0.0, self.object_position[2] - CUBE_SIZE / 2))
        # They close about what is between them, and open again when they have lost it.
        self.is_closed = (
            self.cube is not None
            and self.distance < (2.0 if self.is_closed else 0.8) * POSITION_TOLERANCE
        )

    def reward_terms(self, action: Action) -> dict[str, float]:
        """Progress of the hand to the object and of the object upwards; the hand pointing down; the grasp; effort."""
        done = (
            self.lift_height >= LIFT_HEIGHT
            if self.cube is not None
            else self.distance < POSITION_TOLERANCE
        )
        self.held_steps = self.held_steps + 1 if done else 0
        before = self.potentials
        self.potentials = self._potentials()
        return {
            "alive": 1.0,
            "effort": control_cost(action),
            "progress": progress(self.potentials[0], before[0]),
            "lift": progress(self.potentials[1], before[1]) if self.cube else 0.0,
            "down": -float(self.hand_direction[2]) if self.cube else 0.0,
            "grasp": float(
                self.cube is not None
                and all(self.body.has_contact(self.cube, tip) for tip in FINGERTIP_LINKS)
            ),
            "achieved": float(self.held_steps >= HOLD_STEPS),
        }

    def update_task(self, info: dict[str, Any]) -> None:
        """An object reached or lifted long enough counts, and appears elsewhere."""
        info["success"] = self.held_steps >= HOLD_STEPS
        self.num_achieved += info["success"]
        info["poses"] = self.num_achieved
        if info["success"] or self.object_position[2] < 0.0:  # Lifted; or fallen off the table.
            self._place_object(self.np_random)

    def get_observation(self) -> Array:
        """Joints, hand, object, their difference, where the hand points, whether it closes."""
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
        """The arm's, without the hand's."""
        return self.body.read_joints()[: len(ARM_JOINTS)]

    def camera_target(self) -> Point:
        """Between the arm's base and the table's far edge."""
        return (0.4, 0.0, 0.35)

    def markers(self) -> list[Marker]:
        """The object, where it is no body."""
        return (
            []
            if self.cube is not None
            else [Marker(self.object_position, POSITION_TOLERANCE, OBJECT_COLOUR)]
        )

    def _place_object(self, rng: np.random.Generator) -> None:
        """Put the object somewhere over the table, or on it."""
        self.object_position = rng.uniform(OBJECT_LOW, OBJECT_HIGH).tolist()
        if self.cube is not None:
            turn = rng.uniform(-math.pi / 4, math.pi / 4)
            self.cube.set_base_pose(
                (*self.object_position[:2], CUBE_SIZE / 2),
                (0.0, 0.0, math.sin(turn / 2), math.cos(turn / 2)),
            )
        self.read_state()
        self.held_steps, self.potentials = 0, self._potentials()

    def _potentials(self) -> tuple[float, float]:
        """Of the hand: every halving of its way is worth the same. Of the cube: the part of its way up that is done."""
        return -math.log1p(self.distance / POSITION_TOLERANCE), self.lift_height / LIFT_HEIGHT
