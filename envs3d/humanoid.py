"""Humanoid3D: a body of 42 kg on two round feet that stands, also when pushed, or walks at a commanded speed."""

import math
from typing import ClassVar, Literal

import numpy as np
from poise.envs3d.spatial import DATA, SpatialEnvironment, SpatialSettings
from poise.toolkit.environment import Joint, Trunk
from poise.toolkit.rewards import closeness, effort_cost, tolerance
from poise.toolkit.spaces import Array, Effort, Signal
from pydantic import Field

TORQUE = {"abdomen": 50.0, "hip_x": 50.0, "hip_z": 50.0, "hip_y": 100.0, "knee": 80.0, "shoulder": 15.0, "elbow": 15.0}
"""Of each motor (N m), by a part of its joint's name."""


MOTOR_SPEED = 12.0
"""No-load speed of every motor (rad/s)."""


FRICTION = 3.0
"""Torque of a joint's friction at 1 rad/s (N m s)."""


JOINTS = 17


FEET = ("right_foot", "left_foot")


SOLE = ((0.0, 0.0, 0.1), 0.075)
"""The ball that is a foot: its middle in the foot's frame, and its radius (m)."""


LOW, TILT = 0.8, 1.0
"""The torso lower than this (m) or tipped farther (rad): it has fallen."""


PUSH_EVERY = 100
"""Steps between pushes."""


SPEED_SCALE = 0.1
"""What a joint's speed (rad/s) is multiplied by to be of the size of the other signals."""


class HumanoidSettings(SpatialSettings):
    """What the humanoid lets its user choose."""

    task: Literal["stand", "walk"] = Field("stand", description="stand still, or walk ahead")
    speed: float = Field(1.0, ge=0, le=3, description="how fast it should walk along x (m/s)")
    push: float = Field(0.0, ge=0, le=100, description="impulse of the pushes from any side, one every two seconds (N s)")


class Humanoid3D(SpatialEnvironment):
    """Stand on two round feet, or walk.

    It fails when its torso is lower than 0.8 m or tips farther than 1 rad.
    """

    OBSERVATION = (
        Signal("height", 1, 0.0, 3.0, "m", "of the torso"),
        Signal("up", 3, -1.0, 1.0, "1", "the vertical, seen from the torso"),
        Signal("heading", 2, -1.0, 1.0, "1", "cosine and sine of the torso's direction about the vertical"),
        Signal("velocity", 3, -20.0, 20.0, "m/s", "of the torso: along its heading, to its left, up"),
        Signal("spin", 3, -50.0, 50.0, "rad/s", "how the torso turns, about its own axes"),
        Signal("joint position", JOINTS, -1.5, 1.5, "1", "of each joint: -1 and 1 are its limits"),
        Signal("joint speed", JOINTS, -10.0, 10.0, "10 rad/s", "of each joint"),
        Signal("foot contact", 2, 0.0, 1.0, "1", "whether the right and the left foot touch the ground"),
        Signal("command", 1, 0.0, 3.0, "m/s", "how fast it should walk"),
    )
    ACTION = (Signal("torque", JOINTS, -100.0, 100.0, "N m", "at each joint; the abdomen's and arms' motors are weaker"),)
    REWARD: ClassVar = {
        "posture": {"alive": 0.3, "upright": 0.2, "height": 0.2, "pace": 0.3, "progress": 10.0, "straight": -0.1,
                    "electricity": -0.1, "stall": -0.1, "limits": -0.1},
        "survival": {"alive": 1.0},
    }  # fmt: skip
    SETTINGS = HumanoidSettings
    SUBSTEPS = 5
    VIEW = 2.4
    settings: HumanoidSettings

    def build(self) -> None:
        """The ground and the body."""
        self.ground = self.load(DATA / "plane.urdf")
        self.body = self.load_humanoid()
        self.body.rub(FRICTION)
        self.torques = np.array([next(TORQUE[part] for part in TORQUE if part in name) for name in self.body.joints])
        low, high = self.body.limits.T
        self.middle, self.half = (low + high) / 2.0, (high - low) / 2.0
        self.rest = np.clip(0.0, low, high)
        self.command = self.settings.speed if self.settings.task == "walk" else 0.0

    def place(self, rng: np.random.Generator) -> None:
        """Upright on both feet, joints at rest but for the start noise."""
        noise = rng.normal(0.0, self.settings.start_noise, (2, JOINTS))
        self.body.place(np.clip(self.rest + noise[0], *self.body.limits.T), noise[1])
        tilt = rng.normal(0.0, self.settings.start_noise / 2, 2)
        orientation = np.array([*tilt, 0.0, 1.0]) / math.sqrt(1.0 + tilt @ tilt)
        self.body.place_root((0.0, 0.0, 0.0), orientation.tolist())
        lowest = min(point[2] for point in self.body.points([(foot, SOLE[0]) for foot in FEET])) - SOLE[1]
        self.body.place_root((0.0, 0.0, -lowest), orientation.tolist())
        self.full_height = -lowest
        self.x = 0.0
        self.meet()

    def apply(self, effort: Effort) -> None:
        """Torques at the joints; and from time to time a push from any side."""
        self.body.torque((self.torques * effort).tolist(), MOTOR_SPEED)
        if self.settings.push and self.steps % PUSH_EVERY == PUSH_EVERY - 1:
            direction = self.np_random.uniform(-math.pi, math.pi)
            self.push(self.body, "torso", self.settings.push * np.array([math.cos(direction), math.sin(direction), 0.0]))

    def sense(self) -> None:
        """Torso, joints and feet."""
        angles, speeds = self.body.angles_and_speeds()
        self.speeds = np.array(speeds)
        self.bends = (np.array(angles) - self.middle) / self.half
        self.position, self.axes, self.velocity, self.spin = self.body.root()
        self.tilt = math.acos(min(1.0, max(-1.0, self.axes[2, 2])))
        self.heading = math.atan2(self.axes[1, 0], self.axes[0, 0])
        self.contacts = [float(self.body.touches(self.ground, foot)) for foot in FEET]

    def reward_terms(self, effort: Effort) -> dict[str, float]:
        """Upright and high, at the commanded pace; costs of sideways motion, power, stall torque and joints at their limits."""
        before, self.x = self.x, float(self.position[0])
        ahead, sideways = float(self.velocity[0]), float(self.velocity[1])
        return {
            "alive": 1.0,
            "upright": closeness(self.tilt, 0.4),
            "height": tolerance(float(self.position[2]), self.full_height - 0.05, math.inf, 0.4),
            "pace": closeness(math.hypot(ahead - self.command, sideways), max(0.5, self.command / 2)),
            "progress": min((self.x - before), self.command / self.CONTROL_RATE) if self.command else 0.0,
            "straight": abs(sideways) + abs(self.heading),
            "electricity": float(np.abs(np.multiply(effort, self.speeds)).mean()) * SPEED_SCALE,
            "stall": effort_cost(effort),
            "limits": float((np.abs(self.bends) > 0.99).mean()),
        }

    def margins(self) -> dict[str, float]:
        """The torso may sink and tip so far."""
        return {
            "torso sinks": (float(self.position[2]) - LOW) / (self.full_height - LOW),
            "torso tips": 1.0 - self.tilt / TILT,
        }

    def observe(self) -> Array:
        """All signals, in their order."""
        cosine, sine = math.cos(self.heading), math.sin(self.heading)
        vx, vy, vz = self.velocity.tolist()
        return np.concatenate((
            (self.position[2], *self.axes[2], cosine, sine, vx * cosine + vy * sine, vy * cosine - vx * sine, vz),
            self.axes.T @ self.spin,
            self.bends,
            self.speeds * SPEED_SCALE,
            (*self.contacts, self.command),
        ))  # fmt: skip

    def joints(self) -> list[Joint]:
        """From the abdomen to the elbows."""
        return self.body.read_joints()

    def touching(self) -> dict[str, bool]:
        """Whether the feet touch the ground."""
        return {name.replace("_", " "): bool(contact) for name, contact in zip(FEET, self.contacts, strict=True)}

    def trunk(self) -> Trunk:
        """Pushes hit the torso."""
        return Trunk(self.body.mass, lambda impulse: self.push(self.body, "torso", impulse))

    def focus(self) -> tuple[float, float, float]:
        """The camera follows the torso over the ground."""
        return float(self.position[0]), float(self.position[1]), 0.9
