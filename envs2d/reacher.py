"""Reacher2D: a two-link arm, seen from above, that takes one pose after another."""

import math
from collections import deque
from typing import Any, ClassVar

import numpy as np
import pymunk
from pydantic import Field

from envs2d.canvas import BODY, INK, NEAR, TARGET, Canvas, Point
from envs2d.world import PlanarEnvironment
from toolkit.rewards import effort_cost, progress
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


class ReacherSettings(WorldSettings):
    """What the reacher lets its user choose."""

    reward: str = Field("reach", description="which of the world's named rewards it pays")
    friction: float = Field(FRICTION, ge=0, le=1, description="friction of each joint (N m s)")


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
        angles = rng.uniform(-math.pi, math.pi, 2)
        speeds = rng.normal(0.0, self.settings.start_noise, 2)
        static = self.space.static_body
        parent, at, angle, speed = static, pymunk.Vec2d(0.0, 0.0), 0.0, 0.0
        velocity = pymunk.Vec2d(0.0, 0.0)
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
        self.held, self.poses = 0, 0
        self.trail: deque[Point] = deque(maxlen=40)
        self._aim(rng)
        self.potential = self._potential(self._pose_of(angles))

    def apply(self, effort: Effort) -> None:
        """Turn shoulder and elbow."""
        for motor, share in zip(self.motors, effort, strict=True):
            motor.rate = -1e6 if share > 0.0 else 1e6
            motor.max_force = abs(share) * TORQUE

    def sense(self) -> None:
        """Elbow and hand (m), joint speeds (rad/s)."""
        super().sense()
        (_, _, first, _, _, first_speed), (_, _, second, _, _, second_speed) = self.states.tolist()
        self.pose = self._pose_of((first, second - first))
        self.speeds = (first_speed, second_speed - first_speed)

    def reward_terms(self, effort: Effort) -> dict[str, float]:
        """Progress towards the pose (m), effort, and whether a pose was achieved just now."""
        previous, self.potential = self.potential, self._potential(self.pose)
        self.held = self.held + 1 if max(self._distances(self.pose)) < REACH else 0
        return {
            "alive": 1.0,
            "progress": progress(self.potential, previous),
            "effort": effort_cost(effort),
            "achieved": float(self.held >= HOLD),
        }

    def renew(self, info: dict[str, Any]) -> None:
        """A pose held long enough counts, and makes room for a new target."""
        info["success"] = self.held >= HOLD
        if info["success"]:
            self.poses += 1
            self.held = 0
            self._aim(self.np_random)
            self.potential = self._potential(self.pose)
        info["poses"] = self.poses

    def observe(self) -> Array:
        """Target, pose, difference, speeds."""
        difference = [aim - is_at for aim, is_at in zip(self.target, self.pose, strict=True)]
        return np.array((*self.target, *self.pose, *difference, *self.speeds))

    def paint(self, canvas: Canvas) -> None:
        """Target pose, the hand's trail, the arm."""
        x, y, hand_x, hand_y = self.pose
        self.trail.append((hand_x, hand_y))
        aim_x, aim_y, aim_hand_x, aim_hand_y = self.target
        canvas.ring((0.0, 0.0), 2 * LINK + 0.02, (208, 216, 222), 0.003)
        canvas.capsule((0.0, 0.0), (aim_x, aim_y), LINK_WIDTH, (205, 232, 216))
        canvas.capsule((aim_x, aim_y), (aim_hand_x, aim_hand_y), LINK_WIDTH, (205, 232, 216))
        canvas.trail(list(self.trail), width=0.006)
        canvas.capsule((0.0, 0.0), (x, y), LINK_WIDTH, BODY)
        canvas.capsule((x, y), (hand_x, hand_y), LINK_WIDTH, NEAR)
        canvas.disc((0.0, 0.0), 0.03, INK)
        for is_at, aim in (((x, y), (aim_x, aim_y)), ((hand_x, hand_y), (aim_hand_x, aim_hand_y))):
            canvas.disc(is_at, 0.012, INK)
            canvas.ring(aim, REACH, TARGET, 0.005)

    def _aim(self, rng: np.random.Generator) -> None:
        """A new target: the pose of two joint angles, so that it can always be reached."""
        self.target = self._pose_of(rng.uniform(-math.pi, math.pi, 2))

    def _potential(self, pose: tuple[float, ...]) -> float:
        """Minus log(1 + distance / REACH) of each link's end from where it should be about its own joint; at most 0.

        The hand's own distance would not do: with the hand on its target and the elbow bent the wrong way, every
        small turn makes it worse, and the arm stays there. The logarithm pays every halving of the way alike;
        paid by the metre, the last centimetres are worth so little that the arm stops 3 cm short.
        """
        x, y, hand_x, hand_y = pose
        aim_x, aim_y, aim_hand_x, aim_hand_y = self.target
        upper = math.hypot(aim_x - x, aim_y - y)
        lower = math.hypot(aim_hand_x - aim_x - hand_x + x, aim_hand_y - aim_y - hand_y + y)
        return -math.log1p(upper / REACH) - math.log1p(lower / REACH)

    def _distances(self, pose: tuple[float, ...]) -> tuple[float, float]:
        return math.dist(pose[:2], self.target[:2]), math.dist(pose[2:], self.target[2:])

    @staticmethod
    def _pose_of(angles: Any) -> tuple[float, float, float, float]:
        """Elbow and hand (m) for the angles of shoulder and elbow (rad)."""
        first, both = float(angles[0]), float(angles[0] + angles[1])
        elbow = (LINK * math.cos(first), LINK * math.sin(first))
        return (*elbow, elbow[0] + LINK * math.cos(both), elbow[1] + LINK * math.sin(both))
