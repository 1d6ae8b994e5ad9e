"""Reacher2D: a two-link arm, seen from above, that takes one pose after another."""

import math
from collections import deque
from typing import Any, ClassVar

import numpy as np
import pymunk
from pydantic import Field

from envs2d.canvas import BODY, INK, NEAR, TARGET, Canvas, Point
from envs2d.world import PlanarEnvironment
from toolkit.poses import PoseTask
from toolkit.rewards import effort_cost
from toolkit.settings import WorldSettings
from toolkit.signals import Array, Effort, Signal

LINK, LINK_WIDTH, LINK_MASS = 0.2, 0.04, 0.5
TORQUE = 1.0
FRICTION = 0.15
"""Torque of a joint's friction at 1 rad/s (N m s)."""
REACH = 0.02
"""How close elbow and hand must both be to their targets (m)."""
HOLD = 25
"""For how many steps in a row."""
SHOULDER = (0.0, 0.0)
PALE, SHADOW = (208, 216, 222), (205, 232, 216)


class ReacherSettings(WorldSettings):
    """What the reacher lets its user choose."""

    reward: str = Field("reach", description="which of the world's named rewards it pays")
    friction: float = Field(FRICTION, ge=0, le=1, description="friction of each joint (N m s)")
    markers: bool = Field(True, description="draw targets, and the hand's trail")


class Reacher2D(PlanarEnvironment):
    """Take one pose after another with elbow and hand.

    Both held within 0.02 m of their targets for 25 steps: a pose achieved, and a new one appears. It never fails,
    so `survival` teaches it nothing. A random policy achieves no pose at all.
    """

    OBSERVATION = (
        Signal("target", 4, -0.5, 0.5, "m", "where elbow (x, y) and hand (x, y) should be"),
        Signal("pose", 4, -0.5, 0.5, "m", "where elbow (x, y) and hand (x, y) are"),
        Signal("difference", 4, -1.0, 1.0, "m", "target minus pose"),
        Signal("speed", 2, -60.0, 60.0, "rad/s", "angular velocities of shoulder and elbow"),
    )
    ACTION = (Signal("torque", 2, -TORQUE, TORQUE, "N m", "at shoulder and elbow"),)
    REWARD: ClassVar = {
        "reach": {"progress": 1.0, "effort": -0.05, "achieved": 1.0},
        "survival": {"alive": 1.0},
    }
    SETTINGS = ReacherSettings
    GRAVITY = 0.0
    SUBSTEPS = 20
    VIEW = 1.0
    settings: ReacherSettings

    def place(self, rng: np.random.Generator) -> None:
        """The arm in any pose, at rest but for the start noise, and its first target."""
        angles = rng.uniform(-math.pi, math.pi, 2).tolist()
        speeds = rng.normal(0.0, self.settings.start_noise, 2).tolist()
        static = self.space.static_body
        parent, at, angle, speed = static, pymunk.Vec2d(0.0, 0.0), 0.0, 0.0
        velocity = pymunk.Vec2d(0.0, 0.0)
        self.links: list[pymunk.Body] = []
        self.motors: list[pymunk.SimpleMotor] = []
        for turn, rate in zip(angles, speeds, strict=True):
            angle, speed = angle + turn, speed + rate
            along = pymunk.Vec2d(LINK, 0.0).rotated(angle)
            link = pymunk.Body(LINK_MASS, pymunk.moment_for_box(LINK_MASS, (LINK, LINK_WIDTH)))
            link.position, link.angle = at + along / 2, angle
            link.velocity, link.angular_velocity = velocity + speed * along.perpendicular() / 2, speed
            motor = pymunk.SimpleMotor(parent, link, 0.0)
            motor.max_force = 0.0
            self.space.add(link, motor, pymunk.DampedRotarySpring(parent, link, 0.0, 0.0, self.settings.friction))
            self.join(pymunk.PivotJoint(parent, link, at))
            self.links.append(link)
            self.motors.append(motor)
            parent, at, velocity = link, at + along, velocity + speed * along.perpendicular()
        self.task = PoseTask(REACH, HOLD)
        self.pose = pose_of(*angles)
        self._aim(rng)
        self.trail: deque[Point] = deque(maxlen=40)

    def apply(self, effort: Effort) -> None:
        """Turn shoulder and elbow."""
        for motor, share in zip(self.motors, effort, strict=True):
            motor.rate = -1e6 if share > 0.0 else 1e6
            motor.max_force = abs(share) * TORQUE

    def sense(self) -> None:
        """Elbow and hand (m), joint speeds (rad/s)."""
        super().sense()
        (_, _, first, _, _, first_speed), (_, _, second, _, _, second_speed) = self.states.tolist()
        self.pose = pose_of(first, second - first)
        self.speeds = (first_speed, second_speed - first_speed)

    def reward_terms(self, effort: Effort) -> dict[str, float]:
        """Progress towards the pose (m), effort, and whether a pose was achieved just now."""
        return {"alive": 1.0, "effort": effort_cost(effort), **self.task.judge(self.pose)}

    def renew(self, info: dict[str, Any]) -> None:
        """A pose held long enough counts, and makes room for a new target."""
        info["success"], info["poses"] = self.task.achieved, self.task.poses
        if self.task.achieved:
            self._aim(self.np_random)
        self.trail.append(self.pose[1])

    def observe(self) -> Array:
        """Target, pose, difference, speeds."""
        target, pose = np.array(self.target).ravel(), np.array(self.pose).ravel()
        return np.concatenate((target, pose, target - pose, self.speeds))

    def aim_at(self, pose: Array) -> None:
        """Set a target: elbow (x, y) and hand (x, y), in m."""
        elbow_x, elbow_y, hand_x, hand_y = pose.tolist()
        self.target = ((elbow_x, elbow_y), (hand_x, hand_y))
        self.task.aim(self.target, self.pose)

    def paint(self, canvas: Canvas) -> None:
        """Target pose, the hand's trail, the arm."""
        canvas.ring(SHOULDER, 2 * LINK + 0.02, PALE, 0.003)
        aims = [(self.target, (SHADOW, SHADOW))] if self.settings.markers else []
        for pose, colours in (*aims, (self.pose, (BODY, NEAR))):
            for start, end, colour in zip((SHOULDER, pose[0]), pose, colours, strict=True):
                canvas.capsule(start, end, LINK_WIDTH, colour)
        if self.settings.markers:
            canvas.trail(list(self.trail), width=0.006)
        canvas.joint(SHOULDER, 0.03, INK)
        for point, aim in zip(self.pose, self.target, strict=True):
            canvas.joint(point, 0.012, INK)
            if self.settings.markers:
                canvas.ring(aim, REACH, TARGET, 0.005)

    def _aim(self, rng: np.random.Generator) -> None:
        """Set a target that can be reached: the pose of two random joint angles."""
        self.aim_at(np.array(pose_of(*rng.uniform(-math.pi, math.pi, 2).tolist())).ravel())


def pose_of(shoulder: float, elbow: float) -> tuple[Point, Point]:
    """Where elbow and hand are (m) for the angles of shoulder and elbow (rad)."""
    bend = (LINK * math.cos(shoulder), LINK * math.sin(shoulder))
    return bend, (bend[0] + LINK * math.cos(shoulder + elbow), bend[1] + LINK * math.sin(shoulder + elbow))
