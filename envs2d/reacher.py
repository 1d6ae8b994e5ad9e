"""Reacher2D: a two-link arm, seen from above, that takes one pose after another."""

import math
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import pymunk
from pydantic import Field

from poise.envs2d.canvas import (
    BODY_COLOUR,
    NEAR_LIMB_COLOUR,
    Canvas,
    Point,
)
from poise.envs2d.planar import PlanarEnvironment, PlanarSettings
from poise.toolkit.appearance import TARGET, TARGET_EDGE, Colour
from poise.toolkit.environment import Joint
from poise.toolkit.media.image import TEXT_COLOUR
from poise.toolkit.pose_task import PoseEnvironment
from poise.toolkit.spaces import Action, Array, Signal

# Sizes (m), masses (kg), torques (N m).
LINK_LENGTH = 0.2
LINK_WIDTH = 0.04
LINK_MASS = 0.5
MAX_TORQUE = 1.0
SHOULDER_POSITION = (0.0, 0.0)


JOINT_DAMPING = 0.15
"""Torque of a joint's friction at 1 rad/s (N m s)."""


UNREACHABLE_SPEED = 1e6
"""Rate of a motor (rad/s) that it never reaches: it exerts its whole torque on the way."""


TRAIL_LENGTH = 40
"""Steps for which the trail of the hand is drawn."""


REACH_RING_COLOUR = (208, 216, 222)
TARGET_ARM_COLOUR = (250, 228, 181)


POINT_NAMES = ("elbow x", "elbow y", "hand x", "hand y")
JOINT_NAMES = ("shoulder", "elbow")


class ReacherSettings(PlanarSettings):
    """Settings of Reacher2D."""

    reward: str = Field("reach", description="name of the reward")
    gravity: float = Field(
        0.0, ge=0, le=40, description="gravity (m/s2); 0 where the arm is seen from above"
    )
    friction: float = Field(JOINT_DAMPING, ge=0, le=1, description="friction of each joint (N m s)")
    show_markers: bool = Field(True, description="draw targets, and the trail of the hand")


class Reacher2D(PoseEnvironment, PlanarEnvironment):
    """Take one pose after another.

    A pose is achieved when elbow and hand are held within 0.02 m of their targets for 25 steps;
    then a new target appears. The environment never fails, so `survival` teaches nothing. A random
    policy achieves no pose at all.
    """

    OBSERVATION = (
        Signal("target", 4, -0.5, 0.5, "m", "target positions of elbow and hand", POINT_NAMES),
        Signal("pose", 4, -0.5, 0.5, "m", "positions of elbow and hand", POINT_NAMES),
        Signal("difference", 4, -1.0, 1.0, "m", "target minus pose", POINT_NAMES),
        Signal("speed", 2, -60.0, 60.0, "rad/s", "angular velocity of each joint", JOINT_NAMES),
    )
    ACTION = (
        Signal("torque", 2, -MAX_TORQUE, MAX_TORQUE, "N m", "torque at each joint", JOINT_NAMES),
    )
    SETTINGS = ReacherSettings
    LIVE_SETTINGS = ("gravity", "friction")
    PHYSICS_STEPS = 20
    VIEW_HEIGHT = 1.0
    GROUND_LEVEL = None  # Seen from above.
    settings: ReacherSettings
    pose: tuple[Point, Point]

    def initialize_episode(self, rng: np.random.Generator) -> None:
        """Put the arm in a random pose, at rest but for the reset noise, and set a target."""
        super().initialize_episode(rng)
        self.trail: deque[Point] = deque(maxlen=TRAIL_LENGTH)

    def set_joint_state(self, angles: Array, speeds: Array) -> None:
        """Rebuild the arm with joint angles (2,) in rad and speeds (2,) in rad/s."""
        self.reset_physics()
        self.arm = Arm(self, angles, speeds, self.settings.friction)

    def sample_joint_angles(self, rng: np.random.Generator) -> Array:
        """Return random angles of shoulder and elbow (rad)."""
        return rng.uniform(-math.pi, math.pi, 2)

    def angles_to_points(self, angles: Array) -> tuple[Point, Point]:
        """Return the positions of elbow and hand (m) at `angles` (2,) in rad."""
        return locate_elbow_and_hand(*angles.tolist())

    def apply_action(self, action: Action) -> None:
        """Apply torques at shoulder and elbow."""
        self.arm.apply_action(action)

    def read_state(self) -> None:
        """Read joint angles (rad), elbow and hand positions (m) and joint speeds (rad/s)."""
        super().read_state()
        upper_arm, forearm = self.body_states.tolist()
        _, _, upper_angle, _, _, upper_speed = upper_arm
        _, _, forearm_angle, _, _, forearm_speed = forearm
        self.angles = (upper_angle, forearm_angle - upper_angle)
        self.pose = locate_elbow_and_hand(*self.angles)
        self.speeds = (upper_speed, forearm_speed - upper_speed)

    def update_task(self, info: dict[str, Any]) -> None:
        """Count an achieved pose, set a new target after it, and extend the hand's trail."""
        super().update_task(info)
        self.trail.append(self.pose[1])

    def apply_settings(self) -> None:
        """Apply gravity and the joints' friction to the running episode."""
        super().apply_settings()
        self.arm.set_joint_damping(self.settings.friction * self.settings.friction_scale)

    def collision_shapes(self) -> list[pymunk.Shape]:
        """Return the shapes of both links; the arm itself collides with nothing."""
        return self.arm.collision_shapes()

    def joints(self) -> list[Joint]:
        """Return shoulder and elbow, each with its angle (rad) and torque (N m)."""
        torques = [MAX_TORQUE * share for share in self.last_action or (0.0, 0.0)]
        return [Joint(*joint) for joint in zip(JOINT_NAMES, self.angles, torques, strict=True)]

    def draw_scene(self, canvas: Canvas) -> None:
        """Draw the target pose, the hand's trail and the arm."""
        if self.settings.show_markers:
            draw_links(canvas, self.task.target, (TARGET_ARM_COLOUR, TARGET_ARM_COLOUR))
            for x, y in self.task.target:
                canvas.draw_disc((x, y), self.POSITION_TOLERANCE, TARGET)
            canvas.draw_trail(list(self.trail), width=0.006)
        self.draw_body(canvas)
        if self.settings.show_markers:
            for x, y in self.task.target:
                canvas.draw_ring((x, y), self.POSITION_TOLERANCE, TARGET_EDGE, 0.005)

    def draw_body(self, canvas: Canvas) -> None:
        """Draw the arm and the circle that it can reach."""
        draw_arm(canvas, self.pose)

    def draw_goal(self, canvas: Canvas) -> None:
        """Draw the arm in its target pose."""
        draw_arm(canvas, self.task.target)


class Arm:
    """An arm in the empty space of an environment.

    Joint `angles` (2,) in rad, `speeds` (2,) in rad/s and the `damping` of each joint (N m s).
    """

    def __init__(
        self, env: PlanarEnvironment, angles: Array, speeds: Array, damping: float
    ) -> None:
        self.links: list[pymunk.Body] = []
        self.motors: list[pymunk.SimpleMotor] = []
        self.dampers: list[pymunk.DampedRotarySpring] = []
        parent = env.space.static_body
        link_angle = 0.0
        link_speed = 0.0
        joint_position = pymunk.Vec2d(*SHOULDER_POSITION)
        joint_velocity = pymunk.Vec2d(0.0, 0.0)
        for angle, speed in zip(angles.tolist(), speeds.tolist(), strict=True):
            link_angle = link_angle + angle
            link_speed = link_speed + speed
            along = pymunk.Vec2d(LINK_LENGTH, 0.0).rotated(link_angle)
            moment = pymunk.moment_for_box(LINK_MASS, (LINK_LENGTH, LINK_WIDTH))
            link = pymunk.Body(LINK_MASS, moment)
            link.position = joint_position + along / 2
            link.angle = link_angle
            link.velocity = joint_velocity + link_speed * along.perpendicular() / 2
            link.angular_velocity = link_speed
            motor = pymunk.SimpleMotor(parent, link, 0.0)
            motor.max_force = 0.0
            damper = pymunk.DampedRotarySpring(parent, link, 0.0, 0.0, damping)
            env.space.add(link, motor, damper)
            env.add_joint(pymunk.PivotJoint(parent, link, joint_position))
            self.links.append(link)
            self.motors.append(motor)
            self.dampers.append(damper)
            parent = link
            joint_position = joint_position + along
            joint_velocity = joint_velocity + link_speed * along.perpendicular()

    def apply_action(self, action: Action) -> None:
        """Turn an action in [-1, 1] into torques at the joints."""
        for motor, share in zip(self.motors, action, strict=True):
            motor.rate = -UNREACHABLE_SPEED if share > 0.0 else UNREACHABLE_SPEED
            motor.max_force = abs(share) * MAX_TORQUE

    def set_joint_damping(self, damping: float) -> None:
        """Set the damping of each joint (N m s)."""
        for damper in self.dampers:
            damper.damping = damping

    def collision_shapes(self) -> list[pymunk.Shape]:
        """Return new shapes of the links, which themselves have none."""
        return [pymunk.Poly.create_box(link, (LINK_LENGTH, LINK_WIDTH)) for link in self.links]


def locate_elbow_and_hand(shoulder: float, elbow: float) -> tuple[Point, Point]:
    """Return the positions of elbow and hand (m) for the angles of shoulder and elbow (rad)."""
    elbow_x = LINK_LENGTH * math.cos(shoulder)
    elbow_y = LINK_LENGTH * math.sin(shoulder)
    hand_x = elbow_x + LINK_LENGTH * math.cos(shoulder + elbow)
    hand_y = elbow_y + LINK_LENGTH * math.sin(shoulder + elbow)
    return (elbow_x, elbow_y), (hand_x, hand_y)


def draw_arm(canvas: Canvas, pose: Sequence[Sequence[float]]) -> None:
    """Draw an arm in a pose, its joints, and the circle that it can reach."""
    canvas.draw_ring(SHOULDER_POSITION, 2 * LINK_LENGTH + 0.02, REACH_RING_COLOUR, 0.003)
    draw_links(canvas, pose, (BODY_COLOUR, NEAR_LIMB_COLOUR))
    for (x, y), radius in zip((SHOULDER_POSITION, *pose), (0.03, 0.012, 0.012), strict=True):
        canvas.draw_joint((x, y), radius, TEXT_COLOUR)


def draw_links(canvas: Canvas, pose: Sequence[Sequence[float]], colours: Sequence[Colour]) -> None:
    """Draw the links of an arm in a pose."""
    starts = (SHOULDER_POSITION, pose[0])
    for (x1, y1), (x2, y2), colour in zip(starts, pose, colours, strict=True):
        canvas.draw_capsule((x1, y1), (x2, y2), LINK_WIDTH, colour)
