"""Reacher2D: a two-link arm, seen from above, that takes one pose after another."""

import math
from collections import deque
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pymunk
from poise.envs2d.canvas import BODY, INK, NEAR, TARGET, Canvas, Point
from poise.envs2d.planar import PlanarEnvironment, PlanarSettings
from poise.toolkit.appearance import Colour
from poise.toolkit.environment import Joint
from poise.toolkit.pose_task import PoseTask
from poise.toolkit.rewards import effort_cost
from poise.toolkit.spaces import Array, Effort, Signal
from pydantic import Field

LINK, LINK_WIDTH, LINK_MASS = 0.2, 0.04, 0.5


TORQUE = 1.0


SHOULDER = (0.0, 0.0)


PALE = (208, 216, 222)


class Arm:
    """An arm in a world's empty space: its joints' angles (rad), speeds (rad/s) and friction (N m s)."""

    def __init__(self, world: PlanarEnvironment, angles: Array, speeds: Array, friction: float) -> None:
        parent, angle, speed = world.space.static_body, 0.0, 0.0
        at = velocity = pymunk.Vec2d(0.0, 0.0)
        self.links: list[pymunk.Body] = []
        self.motors: list[pymunk.SimpleMotor] = []
        self.dampers: list[pymunk.DampedRotarySpring] = []
        for turn, rate in zip(angles.tolist(), speeds.tolist(), strict=True):
            angle, speed = angle + turn, speed + rate
            along = pymunk.Vec2d(LINK, 0.0).rotated(angle)
            link = pymunk.Body(LINK_MASS, pymunk.moment_for_box(LINK_MASS, (LINK, LINK_WIDTH)))
            link.position, link.angle = at + along / 2, angle
            link.velocity, link.angular_velocity = velocity + speed * along.perpendicular() / 2, speed
            motor = pymunk.SimpleMotor(parent, link, 0.0)
            motor.max_force = 0.0
            damper = pymunk.DampedRotarySpring(parent, link, 0.0, 0.0, friction)
            world.space.add(link, motor, damper)
            world.join(pymunk.PivotJoint(parent, link, at))
            self.links.append(link)
            self.motors.append(motor)
            self.dampers.append(damper)
            parent, at, velocity = link, at + along, velocity + speed * along.perpendicular()

    def apply(self, effort: Effort) -> None:
        """Turn effort in [-1, 1] into torques at the joints."""
        for motor, share in zip(self.motors, effort, strict=True):
            motor.rate = -1e6 if share > 0.0 else 1e6
            motor.max_force = abs(share) * TORQUE

    def damp(self, friction: float) -> None:
        """Give the joints another friction (N m s)."""
        for damper in self.dampers:
            damper.damping = friction

    def solids(self) -> list[pymunk.Shape]:
        """The links as shapes; the arm itself moves without."""
        return [pymunk.Poly.create_box(link, (LINK, LINK_WIDTH)) for link in self.links]


def pose_of(shoulder: float, elbow: float) -> tuple[Point, Point]:
    """Where elbow and hand are (m) for the angles of shoulder and elbow (rad)."""
    bend = (LINK * math.cos(shoulder), LINK * math.sin(shoulder))
    return bend, (bend[0] + LINK * math.cos(shoulder + elbow), bend[1] + LINK * math.sin(shoulder + elbow))


def paint_arm(canvas: Canvas, pose: Sequence[Point]) -> None:
    """An arm in a pose, and how far it reaches."""
    canvas.ring(SHOULDER, 2 * LINK + 0.02, PALE, 0.003)
    paint_links(canvas, pose, (BODY, NEAR))
    for point, radius in zip((SHOULDER, *pose), (0.03, 0.012, 0.012), strict=True):
        canvas.joint(point, radius, INK)


def paint_links(canvas: Canvas, pose: Sequence[Point], colours: Sequence[Colour]) -> None:
    """The links of an arm in a pose."""
    for start, end, colour in zip((SHOULDER, pose[0]), pose, colours, strict=True):
        canvas.capsule(start, end, LINK_WIDTH, colour)


FRICTION = 0.15
"""Torque of a joint's friction at 1 rad/s (N m s)."""


REACH, HOLD = 0.02, 25
"""How close elbow and hand must both be to their targets (m), and for how many steps in a row."""


SHADOW = (205, 232, 216)


class ReacherSettings(PlanarSettings):
    """What the reacher lets its user choose."""

    reward: str = Field("reach", description="which of the world's named rewards it pays")
    gravity: float = Field(0.0, ge=0, le=40, description="gravity (m/s2); 0 where the arm is seen from above")
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
    TURNS = ("gravity", "friction")
    SUBSTEPS = 20
    VIEW = 1.0
    settings: ReacherSettings

    def place(self, rng: np.random.Generator) -> None:
        """The arm in any pose, at rest but for the start noise, and its first target."""
        angles = self.any_angles(rng)
        self.arm = Arm(self, angles, rng.normal(0.0, self.settings.start_noise, 2), self.settings.friction)
        self.task = PoseTask(REACH, HOLD)
        self.pose = pose_of(*angles)
        self.aim_at(self.pose_at(self.any_angles(rng)))
        self.trail: deque[Point] = deque(maxlen=40)

    def put(self, angles: Array) -> None:
        """Put the joints at these angles (rad), at rest."""
        self.clear()
        self.arm = Arm(self, angles, np.zeros(2), self.settings.friction)
        self.sense()

    def pose_at(self, angles: Array) -> Array:
        """Elbow (x, y) and hand (x, y) with the joints at these angles (rad)."""
        return np.array(pose_of(*angles.tolist())).ravel()

    def any_angles(self, rng: np.random.Generator) -> Array:
        """Any angles of shoulder and elbow (rad)."""
        return rng.uniform(-math.pi, math.pi, 2)

    def tune(self) -> None:
        """Gravity and the joints' friction act at once."""
        super().tune()
        self.arm.damp(self.settings.friction * self.settings.friction_scale)

    def solids(self) -> list[pymunk.Shape]:
        """Both links."""
        return self.arm.solids()

    def apply(self, effort: Effort) -> None:
        """Turn shoulder and elbow."""
        self.arm.apply(effort)

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
            self.aim_at(self.pose_at(self.any_angles(self.np_random)))
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
