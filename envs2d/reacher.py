"""Reacher2D: a two-link arm, seen from above, that takes one pose after another."""

import math
from collections import deque
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pymunk
from pydantic import Field

from poise.envs2d.canvas import (
    BODY_COLOUR,
    INK_COLOUR,
    NEAR_LIMB_COLOUR,
    TARGET_COLOUR,
    Canvas,
    Point,
)
from poise.envs2d.planar import PlanarEnvironment, PlanarSettings
from poise.toolkit.appearance import Colour
from poise.toolkit.environment import Joint
from poise.toolkit.pose_task import PoseTask
from poise.toolkit.rewards import control_cost
from poise.toolkit.spaces import Action, Array, Signal

LINK_LENGTH = 0.2
LINK_WIDTH = 0.04
LINK_MASS = 0.5


MAX_TORQUE = 1.0


SHOULDER_POSITION = (0.0, 0.0)


REACH_RING_COLOUR = (208, 216, 222)


class Arm:
    """An arm in an environment's empty space: its joints' angles (rad), speeds (rad/s) and friction (N m s)."""

    def __init__(
        self, env: PlanarEnvironment, angles: Array, speeds: Array, damping: float
    ) -> None:
        parent = env.space.static_body
        angle = 0.0
        speed = 0.0
        at = velocity = pymunk.Vec2d(0.0, 0.0)
        self.links: list[pymunk.Body] = []
        self.motors: list[pymunk.SimpleMotor] = []
        self.dampers: list[pymunk.DampedRotarySpring] = []
        for turn, rate in zip(angles.tolist(), speeds.tolist(), strict=True):
            angle = angle + turn
            speed = speed + rate
            along = pymunk.Vec2d(LINK_LENGTH, 0.0).rotated(angle)
            link = pymunk.Body(
                LINK_MASS, pymunk.moment_for_box(LINK_MASS, (LINK_LENGTH, LINK_WIDTH))
            )
            link.position = at + along / 2
            link.angle = angle
            link.velocity = velocity + speed * along.perpendicular() / 2
            link.angular_velocity = speed
            motor = pymunk.SimpleMotor(parent, link, 0.0)
            motor.max_force = 0.0
            damper = pymunk.DampedRotarySpring(parent, link, 0.0, 0.0, damping)
            env.space.add(link, motor, damper)
            env.add_joint(pymunk.PivotJoint(parent, link, at))
            self.links.append(link)
            self.motors.append(motor)
            self.dampers.append(damper)
            parent = link
            at = at + along
            velocity = velocity + speed * along.perpendicular()

    def apply_action(self, action: Action) -> None:
        """Turn effort in [-1, 1] into torques at the joints."""
        for motor, share in zip(self.motors, action, strict=True):
            motor.rate = -1e6 if share > 0.0 else 1e6
            motor.max_force = abs(share) * MAX_TORQUE

    def set_joint_damping(self, damping: float) -> None:
        """Give the joints another friction (N m s)."""
        for damper in self.dampers:
            damper.damping = damping

    def collision_shapes(self) -> list[pymunk.Shape]:
        """The links as shapes; the arm itself moves without."""
        return [pymunk.Poly.create_box(link, (LINK_LENGTH, LINK_WIDTH)) for link in self.links]


def forward_kinematics(shoulder: float, elbow: float) -> tuple[Point, Point]:
    """Where elbow and hand are (m) for the angles of shoulder and elbow (rad)."""
    bend = (LINK_LENGTH * math.cos(shoulder), LINK_LENGTH * math.sin(shoulder))
    return bend, (
        bend[0] + LINK_LENGTH * math.cos(shoulder + elbow),
        bend[1] + LINK_LENGTH * math.sin(shoulder + elbow),
    )


def draw_arm(canvas: Canvas, pose: Sequence[Point]) -> None:
    """An arm in a pose, and how far it reaches."""
    canvas.draw_ring(SHOULDER_POSITION, 2 * LINK_LENGTH + 0.02, REACH_RING_COLOUR, 0.003)
    draw_links(canvas, pose, (BODY_COLOUR, NEAR_LIMB_COLOUR))
    for point, radius in zip((SHOULDER_POSITION, *pose), (0.03, 0.012, 0.012), strict=True):
        canvas.draw_joint(point, radius, INK_COLOUR)


def draw_links(canvas: Canvas, pose: Sequence[Point], colours: Sequence[Colour]) -> None:
    """The links of an arm in a pose."""
    for start, end, colour in zip((SHOULDER_POSITION, pose[0]), pose, colours, strict=True):
        canvas.draw_capsule(start, end, LINK_WIDTH, colour)


JOINT_DAMPING = 0.15
"""Torque of a joint's friction at 1 rad/s (N m s)."""


POSITION_TOLERANCE = 0.02
HOLD_STEPS = 25
"""How close elbow and hand must both be to their targets (m), and for how many steps in a row."""


TARGET_ARM_COLOUR = (205, 232, 216)


class ReacherSettings(PlanarSettings):
    """What the reacher lets its user choose."""

    reward: str = Field("reach", description="which of the environment's named rewards it pays")
    gravity: float = Field(
        0.0, ge=0, le=40, description="gravity (m/s2); 0 where the arm is seen from above"
    )
    friction: float = Field(JOINT_DAMPING, ge=0, le=1, description="friction of each joint (N m s)")
    show_markers: bool = Field(True, description="draw targets, and the hand's trail")


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
    ACTION = (Signal("torque", 2, -MAX_TORQUE, MAX_TORQUE, "N m", "at shoulder and elbow"),)
    REWARD: ClassVar = {
        "reach": {"progress": 1.0, "effort": -0.05, "achieved": 1.0},
        "likeness": {"likeness": 1.0, "effort": -0.05},
        "both": {"progress": 0.5, "likeness": 0.5, "effort": -0.05, "achieved": 1.0},
        "survival": {"alive": 1.0},
    }
    SETTINGS = ReacherSettings
    LIVE_SETTINGS = ("gravity", "friction")
    PHYSICS_STEPS = 20
    VIEW_HEIGHT = 1.0
    settings: ReacherSettings

    def initialize_episode(self, rng: np.random.Generator) -> None:
        """The arm in any pose, at rest but for the start noise, and its first target."""
        angles = self.sample_joint_angles(rng)
        self.arm = Arm(
            self,
            angles,
            rng.normal(0.0, self.settings.reset_noise_scale, 2),
            self.settings.friction,
        )
        self.task = PoseTask(POSITION_TOLERANCE, HOLD_STEPS)
        self.pose = forward_kinematics(*angles)
        self.set_target(self.forward_kinematics(self.sample_joint_angles(rng)))
        self.trail: deque[Point] = deque(maxlen=40)

    def set_joint_angles(self, angles: Array) -> None:
        """Put the joints at these angles (rad), at rest."""
        self.reset_physics()
        self.arm = Arm(self, angles, np.zeros(2), self.settings.friction)
        self.read_state()

    def forward_kinematics(self, angles: Array) -> Array:
        """Elbow (x, y) and hand (x, y) with the joints at these angles (rad)."""
        return np.array(forward_kinematics(*angles.tolist())).ravel()

    def sample_joint_angles(self, rng: np.random.Generator) -> Array:
        """Any angles of shoulder and elbow (rad)."""
        return rng.uniform(-math.pi, math.pi, 2)

    def apply_settings(self) -> None:
        """Gravity and the joints' friction act at once."""
        super().apply_settings()
        self.arm.set_joint_damping(self.settings.friction * self.settings.friction_scale)

    def collision_shapes(self) -> list[pymunk.Shape]:
        """Both links."""
        return self.arm.collision_shapes()

    def apply_action(self, action: Action) -> None:
        """Turn shoulder and elbow."""
        self.arm.apply_action(action)

    def read_state(self) -> None:
        """Joint angles (rad), elbow and hand (m), joint speeds (rad/s)."""
        super().read_state()
        (_, _, first, _, _, first_speed), (_, _, second, _, _, second_speed) = (
            self.body_states.tolist()
        )
        self.angles = (first, second - first)
        self.pose = forward_kinematics(*self.angles)
        self.speeds = (first_speed, second_speed - first_speed)

    def reward_terms(self, action: Action) -> dict[str, float]:
        """Progress towards the pose, effort, and whether a pose was achieved just now; where it is paid for, likeness too."""
        return {
            "alive": 1.0,
            "effort": control_cost(action),
            **self.task.step(self.pose),
            **self.agent_view.image_similarity(),
        }

    def update_task(self, info: dict[str, Any]) -> None:
        """A pose held long enough counts, and makes room for a new target."""
        info["success"] = self.task.is_achieved
        info["poses"] = self.task.num_achieved
        if self.task.is_achieved:
            self.set_target(self.forward_kinematics(self.sample_joint_angles(self.np_random)))
        self.trail.append(self.pose[1])

    def get_observation(self) -> Array:
        """Target, pose, difference, speeds."""
        target = np.array(self.target).ravel()
        pose = np.array(self.pose).ravel()
        return np.concatenate((target, pose, target - pose, self.speeds))

    def joints(self) -> list[Joint]:
        """Shoulder and elbow."""
        shoulder, elbow = (MAX_TORQUE * share for share in self.last_action or (0.0, 0.0))
        return [Joint("shoulder", self.angles[0], shoulder), Joint("elbow", self.angles[1], elbow)]

    def set_target(self, pose: Array) -> None:
        """Set a target: elbow (x, y) and hand (x, y), in m."""
        elbow_x, elbow_y, hand_x, hand_y = pose.tolist()
        self.target = ((elbow_x, elbow_y), (hand_x, hand_y))
        self.task.set_target(self.target, self.pose)

    def draw_scene(self, canvas: Canvas) -> None:
        """Target pose, the hand's trail, the arm."""
        if self.settings.show_markers:
            draw_links(canvas, self.target, (TARGET_ARM_COLOUR, TARGET_ARM_COLOUR))
            canvas.draw_trail(list(self.trail), width=0.006)
        self.draw_body(canvas)
        if self.settings.show_markers:
            for aim in self.target:
                canvas.draw_ring(aim, POSITION_TOLERANCE, TARGET_COLOUR, 0.005)

    def draw_body(self, canvas: Canvas) -> None:
        """The arm, and how far it reaches."""
        draw_arm(canvas, self.pose)

    def draw_goal(self, canvas: Canvas) -> None:
        """The arm in its target pose."""
        draw_arm(canvas, self.target)
