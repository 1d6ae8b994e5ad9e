"""A figure: a torso with limbs in the space of an environment; its joints, motors and drawing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pymunk
from pydantic import Field

from poise.envs2d.canvas import BODY_COLOUR, FAR_LIMB_COLOUR, NEAR_LIMB_COLOUR, Canvas
from poise.envs2d.interaction import make_push_target
from poise.envs2d.planar import PlanarEnvironment, PlanarSettings
from poise.toolkit.environment import BaseEnvironment, Joint, PushTarget
from poise.toolkit.media.image import TEXT_COLOUR
from poise.toolkit.spaces import Action, Array, Signal

# Sizes (m), masses (kg).
TORSO_WIDTH = 0.3
TORSO_HEIGHT = 0.5
TORSO_MASS = 30.0
LIMB_WIDTH = 0.08
LIMB_MASS = 5.0
# For drawing only: the figure's physics has no head.
NECK_LENGTH = 0.14
HEAD_RADIUS = 0.11


STRAIGHT_HEIGHT = TORSO_HEIGHT / 2 + 0.35 + 0.30
"""Height of the torso's centre over the feet when the legs are straight (m)."""


MAX_IMPULSE = 0.2
"""Angular impulse of a full action on a limb under `impulse` actuation (kg m2/s)."""


NO_LOAD_SPEED = 12.0
"""No-load speed of a motor (rad/s): it exerts the action's torque below, and brakes above."""


AXES = ("x", "y")


@dataclass(frozen=True)
class Limb:
    """A limb of LIMB_MASS that hangs straight down in the rest pose.

    Its upper end is at `anchor` in the coordinates of its parent. Lengths in m, angles of the joint
    relative to the parent in rad, torque of the motor in N m.
    """

    name: str
    parent: str
    anchor: tuple[float, float]
    length: float
    min_angle: float
    max_angle: float
    max_torque: float


LEGS = (
    # name, parent, anchor (m), length (m), range of the joint (rad), max torque (N m)
    Limb("left thigh", "torso", (-0.10, -0.25), 0.35, -1.4, 0.7, 50.0),
    Limb("left shin", "left thigh", (0.0, -0.175), 0.30, -0.4, 2.2, 50.0),
    Limb("right thigh", "torso", (0.10, -0.25), 0.35, -0.7, 1.4, 50.0),
    Limb("right shin", "right thigh", (0.0, -0.175), 0.30, -2.2, 0.4, 50.0),
)


ARMS = (
    Limb("left upper arm", "torso", (-0.17, 0.21), 0.30, -2.8, 0.8, 20.0),
    Limb("left forearm", "left upper arm", (0.0, -0.15), 0.25, -2.4, 0.05, 10.0),
    Limb("right upper arm", "torso", (0.17, 0.21), 0.30, -0.8, 2.8, 20.0),
    Limb("right forearm", "right upper arm", (0.0, -0.15), 0.25, -0.05, 2.4, 10.0),
)


class FigureSettings(PlanarSettings):
    """Settings of every environment with a figure."""

    actuation: Literal["motor", "impulse"] = Field(
        "motor",
        description="motor: torques at joints with limits; "
        "impulse: angular impulses on the limbs alone, without joint limits",
    )
    friction: float = Field(
        1.0, ge=0, le=2, description="coefficient of friction between any two surfaces"
    )


class Figure:
    """A torso and its limbs in the space of an environment; in `limbs` parents precede children.

    The lowest foot stands at `ground_height` (m).
    """

    def __init__(
        self,
        env: PlanarEnvironment,
        limbs: Sequence[Limb],
        ground_height: float,
        rng: np.random.Generator,
    ) -> None:
        self.limbs = limbs
        settings = env.settings
        assert isinstance(settings, FigureSettings)
        self.is_impulse_actuated = settings.actuation == "impulse"
        noise = rng.normal(0.0, settings.reset_noise_scale, len(limbs) + 1).tolist()
        self.motors: list[pymunk.SimpleMotor] = []
        self.bodies: dict[str, pymunk.Body] = {}
        self.torso = self._add_body(
            env, "torso", (0.0, 0.0), noise[0], TORSO_WIDTH, TORSO_HEIGHT, TORSO_MASS
        )
        for limb, rotation in zip(limbs, noise[1:], strict=True):
            parent = self.bodies[limb.parent]
            angle = parent.angle + min(limb.max_angle, max(limb.min_angle, rotation))
            joint = parent.local_to_world(limb.anchor)
            middle = joint + pymunk.Vec2d(0.0, -limb.length / 2).rotated(angle)
            self._add_body(env, limb.name, middle, angle, LIMB_WIDTH, limb.length, LIMB_MASS)
        # Move the whole pose so that its lowest foot touches the ground.
        lowest = min(self._lowest_point(limb) for limb in limbs)
        for body in self.bodies.values():
            body.position += pymunk.Vec2d(0.0, ground_height - lowest)
        for limb in limbs:
            self._add_joint(env, limb)
        self.set_rest_height(ground_height)

    def apply_action(self, action: Action) -> None:
        """Turn an action in [-1, 1] into torques at the joints, or into impulses on the limbs."""
        if self.is_impulse_actuated:
            for limb, share in zip(self.limbs, action, strict=True):
                body = self.bodies[limb.name]
                body.angular_velocity += share * MAX_IMPULSE / body.moment
        else:
            for motor, limb, share in zip(self.motors, self.limbs, action, strict=True):
                motor.rate = -NO_LOAD_SPEED if share > 0.0 else NO_LOAD_SPEED
                motor.max_force = abs(share) * limb.max_torque

    def get_observation(
        self, states: Array, origin_x: float = 0.0, origin_vx: float = 0.0
    ) -> Array:
        """Return the states (B, 6) of torso and limbs relative to torso and rest pose, flat (6 B,).

        The torso's x and vx are relative to `origin_x` (m) and `origin_vx` (m/s).
        """
        relative = states - self.rest_state
        relative[1:, :2] -= relative[0, :2]
        relative[1:, 3:5] -= relative[0, 3:5]
        relative[0, 0] -= origin_x
        relative[0, 3] -= origin_vx
        return relative.ravel()

    def joints(self, action: Action, control_hz: float) -> list[Joint]:
        """Return the joint of each limb with its angle from the rest pose and the action's torque.

        The torque of an impulse is its mean over a step of 1 / `control_hz` seconds.
        """
        joints = []
        for limb, share in zip(self.limbs, action or [0.0] * len(self.limbs), strict=True):
            angle = self.bodies[limb.name].angle - self.bodies[limb.parent].angle
            impulse_torque = MAX_IMPULSE * control_hz
            max_torque = impulse_torque if self.is_impulse_actuated else limb.max_torque
            joints.append(Joint(limb.name, angle, share * max_torque))
        return joints

    def ground_contacts(self) -> dict[str, bool]:
        """Return whether each shin touches something; limbs do not collide with each other."""
        contacts: dict[str, bool] = {}
        for name, body in self.bodies.items():
            if name.endswith("shin"):
                arbiters: list[pymunk.Arbiter] = []
                body.each_arbiter(arbiters.append)
                contacts[name] = bool(arbiters)
        return contacts

    def set_rest_height(self, ground_height: float) -> None:
        """Set the height (m) of the rest pose, to which observations are relative."""
        positions = {"torso": (0.0, ground_height + STRAIGHT_HEIGHT)}
        for limb in self.limbs:
            x, y = positions[limb.parent]
            positions[limb.name] = (x + limb.anchor[0], y + limb.anchor[1] - limb.length / 2)
        self.rest_state = np.zeros((len(positions), 6))
        self.rest_state[:, :2] = list(positions.values())

    def draw(self, canvas: Canvas) -> None:
        """Draw the limbs, torso and head over them, and a dark dot at each joint."""
        for limb in self.limbs:
            body = self.bodies[limb.name]
            top = body.local_to_world((0.0, limb.length / 2))
            end = body.local_to_world((0.0, -limb.length / 2 + LIMB_WIDTH / 2))
            is_far = limb.name.startswith("left")
            colour = FAR_LIMB_COLOUR if is_far else NEAR_LIMB_COLOUR
            canvas.draw_capsule(top, end, LIMB_WIDTH, colour)
        canvas.draw_box(
            self.torso.position, self.torso.angle, TORSO_WIDTH, TORSO_HEIGHT, BODY_COLOUR, 0.06
        )
        neck = self.torso.local_to_world((0.0, TORSO_HEIGHT / 2))
        head = self.torso.local_to_world((0.0, TORSO_HEIGHT / 2 + NECK_LENGTH))
        canvas.draw_capsule(neck, head, LIMB_WIDTH, BODY_COLOUR)
        canvas.draw_disc(head, HEAD_RADIUS, BODY_COLOUR)
        for limb in self.limbs:
            joint = self.bodies[limb.parent].local_to_world(limb.anchor)
            canvas.draw_joint(joint, 0.02, TEXT_COLOUR)

    def _add_body(
        self,
        env: PlanarEnvironment,
        name: str,
        position: tuple[float, float],
        angle: float,
        width: float,
        height: float,
        mass: float,
    ) -> pymunk.Body:
        body = pymunk.Body(mass, pymunk.moment_for_box(mass, (width, height)))
        body.position = position
        body.angle = angle
        shape = pymunk.Poly.create_box(body, (width, height))
        shape.filter = pymunk.ShapeFilter(group=1)  # Limbs do not collide with each other.
        env.space.add(body, shape)
        self.bodies[name] = body
        return body

    def _add_joint(self, env: PlanarEnvironment, limb: Limb) -> None:
        parent = self.bodies[limb.parent]
        body = self.bodies[limb.name]
        env.add_joint(pymunk.PivotJoint(parent, body, limb.anchor, (0.0, limb.length / 2)))
        if not self.is_impulse_actuated:
            motor = pymunk.SimpleMotor(parent, body, 0.0)
            motor.max_force = 0.0
            self.motors.append(motor)
            limit = pymunk.RotaryLimitJoint(parent, body, limb.min_angle, limb.max_angle)
            env.space.add(motor, limit)

    def _lowest_point(self, limb: Limb) -> float:
        """Return the height (m) of the lower one of the corners at the limb's end."""
        body = self.bodies[limb.name]
        corners = ((side * LIMB_WIDTH / 2, -limb.length / 2) for side in (-1, 1))
        return min(body.local_to_world(corner).y for corner in corners)


class FigureEnvironment(BaseEnvironment):
    """Hooks that environments with a `figure` share, mixed with PlanarEnvironment."""

    figure: Figure

    def joints(self) -> list[Joint]:
        """Return the joints of the figure."""
        return self.figure.joints(self.last_action, self.CONTROL_HZ)

    def ground_contacts(self) -> dict[str, bool]:
        """Return whether each shin touches the ground; the figure stands on its shins."""
        return self.figure.ground_contacts()

    def push_target(self) -> PushTarget:
        """Return the torso."""
        return make_push_target(self, self.figure.torso)


def make_figure_signals(limbs: Sequence[Limb], standing_on: str) -> tuple[Signal, ...]:
    """Return six numbers for the torso and six for each limb, in the order of get_observation."""
    names = ["torso", *(limb.name for limb in limbs)]
    signals = []
    for name in names:
        origin = standing_on if name == "torso" else "the torso"
        signals += [
            Signal(
                f"{name} position",
                2,
                -10.0,
                10.0,
                "m",
                f"position relative to {origin} and to the rest pose",
                AXES,
            ),
            Signal(f"{name} angle", 1, -100.0, 100.0, "rad", "angle from the rest pose, unwrapped"),
            Signal(
                f"{name} velocity", 2, -50.0, 50.0, "m/s", f"velocity relative to {origin}", AXES
            ),
            Signal(f"{name} angular velocity", 1, -200.0, 200.0, "rad/s", "rate of rotation"),
        ]
    return tuple(signals)


def make_figure_actions(limbs: Sequence[Limb]) -> tuple[Signal, ...]:
    """Return one torque for the joint of each limb."""
    return tuple(
        Signal(
            f"{limb.name} torque",
            1,
            -limb.max_torque,
            limb.max_torque,
            "N m",
            "on the limb; the opposite acts on its parent",
        )
        for limb in limbs
    )


def body_speed(body_state: Sequence[float]) -> float:
    """Return the speed of a body, where 1 rad/s of rotation counts as 1 m/s."""
    _, _, _, vx, vy, angular_velocity = body_state
    return math.sqrt(vx * vx + vy * vy + angular_velocity * angular_velocity)
