"""Reacher2D: a two-link arm, seen from above, that takes one pose after another."""

import math
from collections import deque
from typing import Any, ClassVar

import numpy as np
import pymunk
from pydantic import Field

from envs2d.arm import LINK, LINK_WIDTH, paint_arm, paint_links, pose_of
from envs2d.canvas import TARGET, Canvas, Point
from envs2d.world import PlanarEnvironment
from toolkit.joints import Joint
from toolkit.poses import PoseTask
from toolkit.rewards import effort_cost
from toolkit.settings import WorldSettings
from toolkit.signals import Array, Effort, Signal

LINK_MASS, TORQUE = 0.5, 1.0
FRICTION = 0.15
"""Torque of a joint's friction at 1 rad/s (N m s)."""
REACH, HOLD = 0.02, 25
"""How close elbow and hand must both be to their targets (m), and for how many steps in a row."""
SHADOW = (205, 232, 216)


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
        "likeness": {"likeness": 1.0, "effort": -0.05},
        "both": {"progress": 0.5, "likeness": 0.5, "effort": -0.05, "achieved": 1.0},
        "survival": {"alive": 1.0},
    }
    SETTINGS = ReacherSettings
    GRAVITY = 0.0
    SUBSTEPS = 20
    VIEW = 1.0
    settings: ReacherSettings

    def place(self, rng: np.random.Generator) -> None:
        """The arm in any pose, at rest but for the start noise, and its first target."""
        angles = self.any_angles(rng)
        self._lay(angles, rng.normal(0.0, self.settings.start_noise, 2))
        self.task = PoseTask(REACH, HOLD)
        self.pose = pose_of(*angles)
        self.aim_at(np.array(pose_of(*self.any_angles(rng))).ravel())
        self.trail: deque[Point] = deque(maxlen=40)

    def put(self, angles: Array) -> None:
        """Put the joints at these angles (rad), at rest."""
        self.clear()
        self._lay(angles, np.zeros(2))
        self.sense()

    def any_angles(self, rng: np.random.Generator) -> Array:
        """Any angles of shoulder and elbow (rad)."""
        return rng.uniform(-math.pi, math.pi, 2)

    def _lay(self, angles: Array, speeds: Array) -> None:
        """Lay the arm into the empty space: its joints' angles (rad) and speeds (rad/s)."""
        parent, angle, speed = self.space.static_body, 0.0, 0.0
        at = velocity = pymunk.Vec2d(0.0, 0.0)
        self.links: list[pymunk.Body] = []
        self.motors: list[pymunk.SimpleMotor] = []
        for turn, rate in zip(angles.tolist(), speeds.tolist(), strict=True):
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

    def apply(self, effort: Effort) -> None:
        """Turn shoulder and elbow."""
        for motor, share in zip(self.motors, effort, strict=True):
            motor.rate = -1e6 if share > 0.0 else 1e6
            motor.max_force = abs(share) * TORQUE

    def sense(self) -> None:
        """Joint angles (rad), elbow and hand (m), joint speeds (rad/s)."""
        super().sense()
        (_, _, first, _, _, first_speed), (_, _, second, _, _, second_speed) = self.states.tolist()
        self.angles = (first, second - first)
        self.pose = pose_of(*self.angles)
        self.speeds = (first_speed, second_speed - first_speed)

    def reward_terms(self, effort: Effort) -> dict[str, float]:
        """Progress towards the pose, effort, and whether a pose was achieved just now; where it is paid for, likeness too."""
        return {"alive": 1.0, "effort": effort_cost(effort), **self.task.judge(self.pose), **self.sight.likeness()}

    def renew(self, info: dict[str, Any]) -> None:
        """A pose held long enough counts, and makes room for a new target."""
        info["success"], info["poses"] = self.task.achieved, self.task.poses
        if self.task.achieved:
            self.aim_at(np.array(pose_of(*self.any_angles(self.np_random))).ravel())
        self.trail.append(self.pose[1])

    def observe(self) -> Array:
        """Target, pose, difference, speeds."""
        target, pose = np.array(self.target).ravel(), np.array(self.pose).ravel()
        return np.concatenate((target, pose, target - pose, self.speeds))

    def joints(self) -> list[Joint]:
        """Shoulder and elbow."""
        shoulder, elbow = (TORQUE * share for share in self.effort or (0.0, 0.0))
        return [Joint("shoulder", self.angles[0], shoulder), Joint("elbow", self.angles[1], elbow)]

    def aim_at(self, pose: Array) -> None:
        """Set a target: elbow (x, y) and hand (x, y), in m."""
        elbow_x, elbow_y, hand_x, hand_y = pose.tolist()
        self.target = ((elbow_x, elbow_y), (hand_x, hand_y))
        self.task.aim(self.target, self.pose)

    def paint(self, canvas: Canvas) -> None:
        """Target pose, the hand's trail, the arm."""
        if self.settings.markers:
            paint_links(canvas, self.target, (SHADOW, SHADOW))
            canvas.trail(list(self.trail), width=0.006)
        self.paint_body(canvas)
        if self.settings.markers:
            for aim in self.target:
                canvas.ring(aim, REACH, TARGET, 0.005)

    def paint_body(self, canvas: Canvas) -> None:
        """The arm, and how far it reaches."""
        paint_arm(canvas, self.pose)

    def paint_goal(self, canvas: Canvas) -> None:
        """The arm in its target pose."""
        paint_arm(canvas, self.target)
