"""Arm7: a seven-jointed Kuka arm over a table that reaches for an object, or picks it up."""

import math
from typing import Any, ClassVar, Literal

import numpy as np
from poise.envs3d.body import Point
from poise.envs3d.camera import Marker
from poise.envs3d.spatial import DATA, SpatialEnvironment, SpatialSettings
from poise.toolkit.environment import Joint
from poise.toolkit.rewards import effort_cost, progress
from poise.toolkit.spaces import Array, Effort, Signal
from pydantic import Field

ARM = tuple(f"J{number}" for number in range(7))


FINGERS = {"gripper_to_arm": 0.0, "base_left_finger_joint": -1.0, "left_base_tip_joint": 0.0,
           "base_right_finger_joint": 1.0, "right_base_tip_joint": 0.0}  # fmt: skip
"""The hand's joints, and which way each turns to open it."""


TIPS = ("left_finger_tip", "right_finger_tip")


HAND, AHEAD = (("base_link", (0.0, 0.024, along)) for along in (0.225, 1.225))
"""The hand's middle, between the tips of its fingers, and a point 1 m ahead of it."""


READY = (0.0, 0.4, 0.0, -1.4, 0.0, 1.3, 0.0)
"""Angles of the arm (rad) at which the hand points down over the table."""


SPEED, TORQUE = 1.5, 200.0
"""What a full action asks of a joint (rad/s), and the most its motor exerts for it (N m)."""


OPEN, GRIP = 0.3, 10.0
"""Angle of an open finger (rad), and the most a finger's motor exerts (N m)."""


SIZE, MASS = 0.05, 0.1
"""Edge (m) and mass (kg) of the cube that is lifted."""


NEAR, FAR = (0.45, -0.25, SIZE / 2), (0.7, 0.25, 0.4)
"""Corners of the box over the table in which the object appears (m)."""


REACH, HEIGHT, HOLD = 0.03, 0.1, 10
"""How close the hand must be (m), how high the cube must be lifted (m), and for how many steps in a row."""


RED = (224, 90, 71)


class ArmSettings(SpatialSettings):
    """What the arm lets its user choose."""

    reward: str = Field("reach", description="which of the world's named rewards it pays")
    task: Literal["touch", "lift"] = Field("touch", description="reach an object in the air, or lift one from the table")


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
    ACTION = (Signal("speed", 7, -SPEED, SPEED, "rad/s", "asked of each joint"),)
    REWARD: ClassVar = {
        "reach": {"progress": 1.0, "effort": -0.02, "down": 0.02, "grasp": 0.1, "lift": 5.0, "achieved": 2.0},
        "survival": {"alive": 1.0},
    }
    SETTINGS = ArmSettings
    SUBSTEPS = 8
    VIEW = 1.5
    settings: ArmSettings
    object: Point
    held: int
    potentials: tuple[float, float]

    def build(self) -> None:
        """The table, the arm, and the cube where one is to be lifted."""
        self.load(DATA / "table" / "table.urdf", (0.5, 0.0, -0.625))
        self.body = self.load(DATA / "kuka_iiwa" / "kuka_with_gripper2.sdf")
        self.body.place_root((0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
        self.others = [name for name in self.body.joints if name not in ARM]
        self.cube = self.load_box(SIZE, MASS, (*(part / 255 for part in RED), 1.0)) if self.settings.task == "lift" else None

    def place(self, rng: np.random.Generator) -> None:
        """The arm over the table, its joints up to 0.3 rad from ready, the fingers open; the object anywhere."""
        angles = [*(READY + rng.uniform(-0.3, 0.3, len(ARM))), *(FINGERS[name] * OPEN for name in self.others)]
        self.body.place(angles, [*rng.normal(0.0, self.settings.start_noise, len(ARM)), *(0.0 for _ in self.others)])
        self.closed, self.achievements = False, 0
        self._present(rng)

    def apply(self, effort: Effort) -> None:
        """Ask the joints for speeds; the fingers open, or close about what is between them."""
        self.body.drive([share * SPEED for share in effort], [TORQUE] * len(ARM), ARM)
        opening = 0.0 if self.closed else OPEN
        self.body.hold([FINGERS[name] * opening for name in self.others], [GRIP] * len(self.others), self.others)

    def sense(self) -> None:
        """Joints, hand, object; and the potentials that the reward pays for."""
        self.angles, self.speeds = (values[: len(ARM)] for values in self.body.angles_and_speeds())
        self.hand, ahead = self.body.points((HAND, AHEAD))
        self.pointing = np.subtract(ahead, self.hand)
        if self.cube is not None:
            self.object = self.cube.root()[0].tolist()
        self.distance = math.dist(self.object, self.hand)
        self.height = min(HEIGHT, max(0.0, self.object[2] - SIZE / 2))
        # They close about what is between them, and open again when they have lost it.
        self.closed = self.cube is not None and self.distance < (2.0 if self.closed else 0.8) * REACH

    def reward_terms(self, effort: Effort) -> dict[str, float]:
        """Progress of the hand to the object and of the object upwards; the hand pointing down; the grasp; effort."""
        done = self.height >= HEIGHT if self.cube is not None else self.distance < REACH
        self.held = self.held + 1 if done else 0
        before, self.potentials = self.potentials, self._potentials()
        return {
            "alive": 1.0,
            "effort": effort_cost(effort),
            "progress": progress(self.potentials[0], before[0]),
            "lift": progress(self.potentials[1], before[1]) if self.cube else 0.0,
            "down": -float(self.pointing[2]) if self.cube else 0.0,
            "grasp": float(self.cube is not None and all(self.body.touches(self.cube, tip) for tip in TIPS)),
            "achieved": float(self.held >= HOLD),
        }

    def renew(self, info: dict[str, Any]) -> None:
        """An object reached or lifted long enough counts, and appears elsewhere."""
        info["success"] = self.held >= HOLD
        self.achievements += info["success"]
        info["poses"] = self.achievements
        if info["success"] or self.object[2] < 0.0:  # Lifted; or fallen off the table.
            self._present(self.np_random)

    def observe(self) -> Array:
        """Joints, hand, object, their difference, where the hand points, whether it closes."""
        difference = np.subtract(self.object, self.hand)
        return np.concatenate((self.angles, self.speeds, self.hand, self.object, difference, self.pointing, [self.closed]))

    def joints(self) -> list[Joint]:
        """The arm's, without the hand's."""
        return self.body.read_joints()[: len(ARM)]

    def focus(self) -> Point:
        """Between the arm's base and the table's far edge."""
        return (0.4, 0.0, 0.35)

    def markers(self) -> list[Marker]:
        """The object, where it is no body."""
        return [] if self.cube is not None else [Marker(self.object, REACH, RED)]

    def _present(self, rng: np.random.Generator) -> None:
        """Put the object somewhere over the table, or on it."""
        self.object = rng.uniform(NEAR, FAR).tolist()
        if self.cube is not None:
            turn = rng.uniform(-math.pi / 4, math.pi / 4)
            self.cube.place_root((*self.object[:2], SIZE / 2), (0.0, 0.0, math.sin(turn / 2), math.cos(turn / 2)))
        self.sense()
        self.held, self.potentials = 0, self._potentials()

    def _potentials(self) -> tuple[float, float]:
        """Of the hand: every halving of its way is worth the same. Of the cube: the part of its way up that is done."""
        return -math.log1p(self.distance / REACH), self.height / HEIGHT
