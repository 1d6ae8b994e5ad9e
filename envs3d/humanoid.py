"""Humanoid3D: a body of 42 kg on two round feet that stands, also when pushed, or walks at a commanded speed."""

import math
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from poise.envs3d.spatial import PYBULLET_DATA, SpatialEnvironment, SpatialSettings
from poise.toolkit.environment import Joint, PushTarget
from poise.toolkit.rewards import control_cost, gaussian_tolerance, linear_tolerance
from poise.toolkit.spaces import Action, Array, Signal

MAX_TORQUE = {
    "abdomen": 50.0,
    "hip_x": 50.0,
    "hip_z": 50.0,
    "hip_y": 100.0,
    "knee": 80.0,
    "shoulder": 15.0,
    "elbow": 15.0,
}
"""Of each motor (N m), by a part of its joint's name."""


NO_LOAD_SPEED = 12.0
"""No-load speed of every motor (rad/s)."""


JOINT_DAMPING = 3.0
"""Torque of a joint's friction at 1 rad/s (N m s)."""


NUM_JOINTS = 17


FOOT_LINKS = ("right_foot", "left_foot")


FOOT_SPHERE = ((0.0, 0.0, 0.1), 0.075)
"""The ball that is a foot: its middle in the foot's frame, and its radius (m)."""


MIN_TORSO_HEIGHT = 0.8
MAX_TILT = 1.0
"""The torso lower than this (m) or tipped farther (rad): it has fallen."""


PUSH_INTERVAL = 100
"""Steps between pushes."""


SPEED_SCALE = 0.1
"""What a joint's speed (rad/s) is multiplied by to be of the size of the other signals."""


class HumanoidSettings(SpatialSettings):
    """What the humanoid lets its user choose."""

    task: Literal["stand", "walk"] = Field("stand", description="stand still, or walk ahead")
    speed: float = Field(1.0, ge=0, le=3, description="how fast it should walk along x (m/s)")
    push: float = Field(
        0.0,
        ge=0,
        le=100,
        description="impulse of the pushes from any side, one every two seconds (N s)",
    )


class Humanoid3D(SpatialEnvironment):
    """Stand on two round feet, or walk.

    It fails when its torso is lower than 0.8 m or tips farther than 1 rad.
    """

    OBSERVATION = (
        Signal("height", 1, 0.0, 3.0, "m", "of the torso"),
        Signal("up", 3, -1.0, 1.0, "1", "the vertical, seen from the torso"),
        Signal(
            "heading",
            2,
            -1.0,
            1.0,
            "1",
            "cosine and sine of the torso's direction about the vertical",
        ),
        Signal(
            "velocity", 3, -20.0, 20.0, "m/s", "of the torso: along its heading, to its left, up"
        ),
        Signal("spin", 3, -50.0, 50.0, "rad/s", "how the torso turns, about its own axes"),
        Signal(
            "joint position", NUM_JOINTS, -1.5, 1.5, "1", "of each joint: -1 and 1 are its limits"
        ),
        Signal("joint speed", NUM_JOINTS, -10.0, 10.0, "10 rad/s", "of each joint"),
        Signal(
            "foot contact", 2, 0.0, 1.0, "1", "whether the right and the left foot touch the ground"
        ),
        Signal("command", 1, 0.0, 3.0, "m/s", "how fast it should walk"),
    )
    ACTION = (
        Signal(
            "torque",
            NUM_JOINTS,
            -100.0,
            100.0,
            "N m",
            "at each joint; the abdomen's and arms' motors are weaker",
        ),
    )
    REWARD: ClassVar = {
        "posture": {"alive": 0.3, "upright": 0.2, "height": 0.2, "pace": 0.3, "progress": 10.0, "straight": -0.1,
                    "electricity": -0.1, "stall": -0.1, "limits": -0.1},
        "survival": {"alive": 1.0},
    }  # fmt: skip
    SETTINGS = HumanoidSettings
    PHYSICS_STEPS = 5
    VIEW_HEIGHT = 2.4
    settings: HumanoidSettings

    def load_bodies(self) -> None:
        """The ground and the body."""
        self.ground = self.load_body(PYBULLET_DATA / "plane.urdf")
        self.body = self.load_humanoid()
        self.body.set_joint_damping(JOINT_DAMPING)
        self.max_torques = np.array(
            [
                next(MAX_TORQUE[part] for part in MAX_TORQUE if part in name)
                for name in self.body.joints
            ]
        )
        low, high = self.body.joint_limits.T
        self.joint_midpoints = (low + high) / 2.0
        self.joint_half_ranges = (high - low) / 2.0
        self.rest_angles = np.clip(0.0, low, high)
        self.command = self.settings.speed if self.settings.task == "walk" else 0.0

    def initialize_episode(self, rng: np.random.Generator) -> None:
        """Upright on both feet, joints at rest but for the start noise."""
        noise = rng.normal(0.0, self.settings.reset_noise_scale, (2, NUM_JOINTS))
        self.body.set_joint_state(
            np.clip(self.rest_angles + noise[0], *self.body.joint_limits.T), noise[1]
        )
        tilt = rng.normal(0.0, self.settings.reset_noise_scale / 2, 2)
        orientation = np.array([*tilt, 0.0, 1.0]) / math.sqrt(1.0 + tilt @ tilt)
        self.body.set_base_pose((0.0, 0.0, 0.0), orientation.tolist())
        lowest = (
            min(
                point[2]
                for point in self.body.point_positions(
                    [(foot, FOOT_SPHERE[0]) for foot in FOOT_LINKS]
                )
            )
            - FOOT_SPHERE[1]
        )
        self.body.set_base_pose((0.0, 0.0, -lowest), orientation.tolist())
        self.full_height = -lowest
        self.torso_x = 0.0
        self.detect_collisions()

    def apply_action(self, action: Action) -> None:
        """Torques at the joints; and from time to time a push from any side."""
        self.body.apply_torques((self.max_torques * action).tolist(), NO_LOAD_SPEED)
        if self.settings.push and self.steps % PUSH_INTERVAL == PUSH_INTERVAL - 1:
            direction = self.np_random.uniform(-math.pi, math.pi)
            self.push(
                self.body,
                "torso",
                self.settings.push * np.array([math.cos(direction), math.sin(direction), 0.0]),
            )

    def read_state(self) -> None:
        """Torso, joints and feet."""
        angles, speeds = self.body.joint_state()
        self.speeds = np.array(speeds)
        self.normalized_angles = (np.array(angles) - self.joint_midpoints) / self.joint_half_ranges
        self.position, self.axes, self.velocity, self.angular_velocity = self.body.base_state()
        self.tilt = math.acos(min(1.0, max(-1.0, self.axes[2, 2])))
        self.heading = math.atan2(self.axes[1, 0], self.axes[0, 0])
        self.foot_contacts = [
            float(self.body.has_contact(self.ground, foot)) for foot in FOOT_LINKS
        ]

    def reward_terms(self, action: Action) -> dict[str, float]:
        """Upright and high, at the commanded pace; costs of sideways motion, power, stall torque and joints at their limits."""
        before = self.torso_x
        self.torso_x = float(self.position[0])
        ahead = float(self.velocity[0])
        sideways = float(self.velocity[1])
        return {
            "alive": 1.0,
            "upright": gaussian_tolerance(self.tilt, 0.4),
            "height": linear_tolerance(
                float(self.position[2]), self.full_height - 0.05, math.inf, 0.4
            ),
            "pace": gaussian_tolerance(
                math.hypot(ahead - self.command, sideways), max(0.5, self.command / 2)
            ),
            "progress": min((self.torso_x - before), self.command / self.CONTROL_HZ)
            if self.command
            else 0.0,
            "straight": abs(sideways) + abs(self.heading),
            "electricity": float(np.abs(np.multiply(action, self.speeds)).mean()) * SPEED_SCALE,
            "stall": control_cost(action),
            "limits": float((np.abs(self.normalized_angles) > 0.99).mean()),
        }

    def failure_margins(self) -> dict[str, float]:
        """The torso may sink and tip so far."""
        return {
            "torso sinks": (float(self.position[2]) - MIN_TORSO_HEIGHT)
            / (self.full_height - MIN_TORSO_HEIGHT),
            "torso tips": 1.0 - self.tilt / MAX_TILT,
        }

    def get_observation(self) -> Array:
        """All signals, in their order."""
        cosine = math.cos(self.heading)
        sine = math.sin(self.heading)
        vx, vy, vz = self.velocity.tolist()
        return np.concatenate((
            (self.position[2], *self.axes[2], cosine, sine, vx * cosine + vy * sine, vy * cosine - vx * sine, vz),
            self.axes.T @ self.angular_velocity,
            self.normalized_angles,
            self.speeds * SPEED_SCALE,
            (*self.foot_contacts, self.command),
        ))  # fmt: skip

    def joints(self) -> list[Joint]:
        """From the abdomen to the elbows."""
        return self.body.read_joints()

    def ground_contacts(self) -> dict[str, bool]:
        """Whether the feet touch the ground."""
        return {
            name.replace("_", " "): bool(contact)
            for name, contact in zip(FOOT_LINKS, self.foot_contacts, strict=True)
        }

    def push_target(self) -> PushTarget:
        """Pushes hit the torso."""
        return PushTarget(self.body.mass, lambda impulse: self.push(self.body, "torso", impulse))

    def camera_target(self) -> tuple[float, float, float]:
        """The camera follows the torso over the ground."""
        return float(self.position[0]), float(self.position[1]), 0.9
