"""Humanoid3D: a body of 42 kg on two round feet that stands, or walks at a commanded speed."""

import math
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from poise.envs3d.spatial import PYBULLET_DATA, SpatialEnvironment, SpatialSettings
from poise.toolkit.environment import Joint, PushTarget
from poise.toolkit.rewards import control_cost, gaussian_tolerance, linear_tolerance
from poise.toolkit.spaces import Action, Array, Signal

JOINT_NAMES = (
    "abdomen z",
    "abdomen y",
    "abdomen x",
    "right hip x",
    "right hip z",
    "right hip y",
    "right knee",
    "left hip x",
    "left hip z",
    "left hip y",
    "left knee",
    "right shoulder1",
    "right shoulder2",
    "right elbow",
    "left shoulder1",
    "left shoulder2",
    "left elbow",
)
"""In the order of the MJCF file."""


NUM_JOINTS = len(JOINT_NAMES)


MAX_TORQUE = {
    "abdomen": 50.0,
    "hip_x": 50.0,
    "hip_z": 50.0,
    "hip_y": 100.0,
    "knee": 80.0,
    "shoulder": 15.0,
    "elbow": 15.0,
}
"""Of each motor (N m), by a part of its joint's name in the MJCF file."""


NO_LOAD_SPEED = 12.0
"""No-load speed of every motor (rad/s)."""


JOINT_DAMPING = 3.0
"""Torque of a joint's friction at 1 rad/s (N m s)."""


FOOT_LINKS = ("right_foot", "left_foot")


FOOT_SPHERE = ((0.0, 0.0, 0.1), 0.075)
"""The sphere that is a foot: its centre in the frame of the foot, and its radius (m)."""


MIN_TORSO_HEIGHT = 0.8
"""The humanoid has fallen with the torso lower than this (m)."""


MAX_TILT = 1.0
"""The humanoid has fallen with the torso tilted farther than this (rad)."""


NEAR_LIMIT = 0.99
"""A joint counts as at its limit from this fraction of its half range on."""


PUSH_INTERVAL = 100
"""Steps between pushes."""


SPEED_SCALE = 0.1
"""Factor that brings a joint's speed (rad/s) to the size of the other signals."""


class HumanoidSettings(SpatialSettings):
    """Settings of Humanoid3D."""

    task: Literal["stand", "walk"] = Field("stand", description="stand still, or walk ahead")
    speed: float = Field(1.0, ge=0, le=3, description="commanded speed along x, for walk (m/s)")
    push: float = Field(
        0.0,
        ge=0,
        le=100,
        description="impulse of the pushes, in a random direction every two seconds (N s)",
    )


class Humanoid3D(SpatialEnvironment):
    """Stand, or walk (task=walk).

    It stands on two round feet. The episode ends when the torso is lower than 0.8 m or tilts
    farther than 1 rad.
    """

    OBSERVATION = (
        Signal("height", 1, 0.0, 3.0, "m", "height of the torso"),
        Signal("up", 3, -1.0, 1.0, "1", "the vertical in the frame of the torso", ("x", "y", "z")),
        Signal(
            "heading",
            2,
            -1.0,
            1.0,
            "1",
            "direction of the torso about the vertical",
            ("cosine", "sine"),
        ),
        Signal(
            "velocity",
            3,
            -20.0,
            20.0,
            "m/s",
            "velocity of the torso, relative to its heading",
            ("ahead", "left", "up"),
        ),
        Signal(
            "spin",
            3,
            -50.0,
            50.0,
            "rad/s",
            "angular velocity of the torso, about its own axes",
            ("x", "y", "z"),
        ),
        Signal(
            "joint position",
            NUM_JOINTS,
            -1.5,
            1.5,
            "1",
            "angle of each joint: -1 and 1 are its limits",
            JOINT_NAMES,
        ),
        Signal(
            "joint speed",
            NUM_JOINTS,
            -10.0,
            10.0,
            "10 rad/s",
            "angular velocity of each joint",
            JOINT_NAMES,
        ),
        Signal(
            "foot contact",
            2,
            0.0,
            1.0,
            "1",
            "whether each foot touches the ground",
            ("right", "left"),
        ),
        Signal("command", 1, 0.0, 3.0, "m/s", "commanded speed"),
    )
    ACTION = (
        Signal(
            "torque",
            NUM_JOINTS,
            -100.0,
            100.0,
            "N m",
            "torque at each joint; the motors of abdomen and arms are weaker",
            JOINT_NAMES,
        ),
    )
    REWARD: ClassVar = {
        "posture": {
            "alive": 0.3,
            "upright": 0.2,
            "height": 0.2,
            "pace": 0.3,
            "progress": 10.0,
            "straight": -0.1,
            "power_cost": -0.1,
            "torque_cost": -0.1,
            "limits": -0.1,
        },
        "survival": {"alive": 1.0},
    }
    SETTINGS = HumanoidSettings
    PHYSICS_STEPS = 5
    VIEW_HEIGHT = 2.4
    settings: HumanoidSettings

    def load_bodies(self) -> None:
        """Load the ground and the body."""
        self.ground = self.load_body(PYBULLET_DATA / "plane.urdf")
        self.body = self.load_humanoid()
        self.body.set_joint_damping(JOINT_DAMPING)
        self.max_torques = np.array([_max_torque(name) for name in self.body.joints])
        low, high = self.body.joint_limits.T
        self.joint_midpoints = (low + high) / 2.0
        self.joint_half_ranges = (high - low) / 2.0
        self.rest_angles = np.clip(0.0, low, high)
        self.command = self.settings.speed if self.settings.task == "walk" else 0.0

    def initialize_episode(self, rng: np.random.Generator) -> None:
        """Stand the body upright on both feet, at rest but for the reset noise."""
        noise_scale = self.settings.reset_noise_scale
        angle_noise, speeds = rng.normal(0.0, noise_scale, (2, NUM_JOINTS))
        low, high = self.body.joint_limits.T
        self.body.set_joint_state(np.clip(self.rest_angles + angle_noise, low, high), speeds)
        # For a small rotation the quaternion's vector part is half of the angle.
        tilt = rng.normal(0.0, noise_scale / 2, 2)
        orientation = np.array([*tilt, 0.0, 1.0]) / math.sqrt(1.0 + tilt @ tilt)
        self.body.set_base_pose((0.0, 0.0, 0.0), orientation.tolist())
        foot_centre, foot_radius = FOOT_SPHERE
        centres = self.body.point_positions([(foot, foot_centre) for foot in FOOT_LINKS])
        lowest = min(centre[2] for centre in centres) - foot_radius
        self.body.set_base_pose((0.0, 0.0, -lowest), orientation.tolist())
        self.full_height = -lowest
        self.torso_x = 0.0
        self.detect_collisions()

    def apply_action(self, action: Action) -> None:
        """Apply torques at the joints, and every PUSH_INTERVAL a push in a random direction."""
        self.body.apply_torques((self.max_torques * action).tolist(), NO_LOAD_SPEED)
        if self.settings.push and self.steps % PUSH_INTERVAL == PUSH_INTERVAL - 1:
            angle = self.np_random.uniform(-math.pi, math.pi)
            direction = np.array([math.cos(angle), math.sin(angle), 0.0])
            self.push(self.body, "torso", self.settings.push * direction)

    def read_state(self) -> None:
        """Read torso, joints and feet."""
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
        """Return posture, pace and progress, and the costs.

        Costs: sideways motion and heading, mechanical power, torque, joints at their limits.
        """
        previous_x = self.torso_x
        self.torso_x = float(self.position[0])
        vx = float(self.velocity[0])
        vy = float(self.velocity[1])
        height = float(self.position[2])
        pace_error = math.hypot(vx - self.command, vy)
        commanded_step = self.command / self.CONTROL_HZ
        powers = np.abs(np.multiply(action, self.speeds))
        is_at_limit = np.abs(self.normalized_angles) > NEAR_LIMIT
        return {
            "alive": 1.0,
            "upright": gaussian_tolerance(self.tilt, 0.4),
            "height": linear_tolerance(height, self.full_height - 0.05, math.inf, 0.4),
            "pace": gaussian_tolerance(pace_error, max(0.5, self.command / 2)),
            "progress": min(self.torso_x - previous_x, commanded_step) if self.command else 0.0,
            "straight": abs(vy) + abs(self.heading),
            "power_cost": float(powers.mean()) * SPEED_SCALE,
            "torque_cost": control_cost(action),
            "limits": float(is_at_limit.mean()),
        }

    def failure_margins(self) -> dict[str, float]:
        """Return how far the torso is from MIN_TORSO_HEIGHT and MAX_TILT."""
        height = float(self.position[2])
        full_drop = self.full_height - MIN_TORSO_HEIGHT
        return {
            "torso sinks": (height - MIN_TORSO_HEIGHT) / full_drop,
            "torso tips": 1.0 - self.tilt / MAX_TILT,
        }

    def get_observation(self) -> Array:
        """Return all signals, in their order."""
        cosine = math.cos(self.heading)
        sine = math.sin(self.heading)
        vx, vy, vz = self.velocity.tolist()
        ahead = vx * cosine + vy * sine
        left = vy * cosine - vx * sine
        return np.concatenate(
            (
                (self.position[2], *self.axes[2], cosine, sine, ahead, left, vz),
                self.axes.T @ self.angular_velocity,
                self.normalized_angles,
                self.speeds * SPEED_SCALE,
                (*self.foot_contacts, self.command),
            )
        )

    def joints(self) -> list[Joint]:
        """Return all joints, from the abdomen to the elbows."""
        return self.body.read_joints()

    def ground_contacts(self) -> dict[str, bool]:
        """Return whether each foot touches the ground."""
        return {
            name.replace("_", " "): bool(contact)
            for name, contact in zip(FOOT_LINKS, self.foot_contacts, strict=True)
        }

    def push_target(self) -> PushTarget:
        """Return the torso."""
        return PushTarget(self.body.mass, lambda impulse: self.push(self.body, "torso", impulse))

    def camera_target(self) -> tuple[float, float, float]:
        """Return a point over the ground that follows the torso (m)."""
        return float(self.position[0]), float(self.position[1]), 0.9


def _max_torque(joint: str) -> float:
    """Return the largest torque (N m) of the motor of a joint of the MJCF file."""
    return next(torque for part, torque in MAX_TORQUE.items() if part in joint)
