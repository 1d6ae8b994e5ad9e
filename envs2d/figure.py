"""A figure: a torso with limbs in an environment's space; its joints, motors, senses and looks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pymunk
from pydantic import Field

from poise.envs2d.canvas import BODY_COLOUR, FAR_LIMB_COLOUR, INK_COLOUR, NEAR_LIMB_COLOUR, Canvas
from poise.envs2d.interaction import make_push_target
from poise.envs2d.planar import PlanarEnvironment, PlanarSettings
from poise.toolkit.environment import Joint, PushTarget
from poise.toolkit.spaces import Action, Array, Signal

TORSO_WIDTH = 0.3
TORSO_HEIGHT = 0.5
TORSO_MASS = 30.0


LIMB_WIDTH = 0.08
LIMB_MASS = 5.0


STRAIGHT_HEIGHT = TORSO_HEIGHT / 2 + 0.35 + 0.30
"""The torso's centre over the feet when the legs hang straight (m)."""


@dataclass(frozen=True)
class Limb:
    """A limb of LIMB_MASS kg that hangs straight down at rest, its upper end at `at` in its parent's coordinates."""

    name: str
    parent: str
    anchor: tuple[float, float]
    length: float
    min_angle: float
    max_angle: float
    max_torque: float


LEGS = (
    #    name, parent, joint (m), length (m), joint's range (rad), motor's strength (N m)
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


def make_figure_signals(limbs: Sequence[Limb], standing_on: str) -> tuple[Signal, ...]:
    """Six signals for the torso and six for each limb, in the order of Figure.observe."""
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
                f"x and y relative to {origin} and to the rest pose",
            ),
            Signal(f"{name} angle", 1, -100.0, 100.0, "rad", "turn from the rest pose, unwrapped"),
            Signal(f"{name} velocity", 2, -50.0, 50.0, "m/s", f"vx and vy relative to {origin}"),
            Signal(f"{name} angular velocity", 1, -200.0, 200.0, "rad/s", "rate of turn"),
        ]
    return tuple(signals)


def make_figure_actions(limbs: Sequence[Limb]) -> tuple[Signal, ...]:
    """One torque for each limb's joint."""
    return tuple(
        Signal(
            f"{limb.name} torque",
            1,
            -limb.max_torque,
            limb.max_torque,
            "N m",
            "on the limb; its parent feels the opposite",
        )
        for limb in limbs
    )


def body_speed(body_state: Sequence[float]) -> float:
    """How fast a body moves, turning counted as 1 m/s for each rad/s."""
    return math.sqrt(
        body_state[3] * body_state[3]
        + body_state[4] * body_state[4]
        + body_state[5] * body_state[5]
    )


MAX_IMPULSE = 0.2
"""What a full action gives a limb under `impulse` actuation (kg m2/s)."""


NO_LOAD_SPEED = 12.0
"""No-load speed of a joint's motor (rad/s): up to it the torque is what the action asks for, beyond it the motor brakes."""


class FigureSettings(PlanarSettings):
    """What every environment with a figure in it lets its user choose."""

    actuation: Literal["motor", "impulse"] = Field(
        "motor",
        description="motor: torques at joints with limits; impulse: kicks on the limb alone, no limits",
    )
    friction: float = Field(
        1.0, ge=0, le=2, description="coefficient of friction between any two surfaces"
    )


class Figure:
    """A torso and its limbs in an environment's space; `limbs` lists every parent before its children."""

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
        torso = self._add_body(
            env, "torso", (0.0, 0.0), noise[0], TORSO_WIDTH, TORSO_HEIGHT, TORSO_MASS
        )
        for limb, turn in zip(limbs, noise[1:], strict=True):
            parent = self.bodies[limb.parent]
            angle = parent.angle + min(limb.max_angle, max(limb.min_angle, turn))
            joint = parent.local_to_world(limb.anchor)
            middle = joint + pymunk.Vec2d(0.0, -limb.length / 2).rotated(angle)
            self._add_body(env, limb.name, middle, angle, LIMB_WIDTH, limb.length, LIMB_MASS)
        # The pose is known; now set it down so that its lowest foot touches the ground.
        lowest = min(self._lowest_point(limb) for limb in limbs)
        for body in self.bodies.values():
            body.position += pymunk.Vec2d(0.0, ground_height - lowest)
        for limb in limbs:
            self._add_joint(env, limb)
        self.torso = torso
        self.set_rest_height(ground_height)

    def apply_action(self, action: Action) -> None:
        """Turn effort in [-1, 1] into torques at the joints, or into kicks on the limbs alone."""
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
        """The figure's rows of PlanarEnvironment.states, (bodies, 6), relative to torso and rest pose, flat."""
        relative = states - self.rest_state
        relative[1:, :2] -= relative[0, :2]
        relative[1:, 3:5] -= relative[0, 3:5]
        relative[0, 0] -= origin_x
        relative[0, 3] -= origin_vx
        return relative.ravel()

    def joints(self, action: Action, control_hz: float) -> list[Joint]:
        """Every limb's joint, bent from where it hangs straight, and the torque that the effort asks for; of a kick, its mean."""
        asked = zip(self.limbs, action or [0.0] * len(self.limbs), strict=True)
        return [
            Joint(
                limb.name,
                self.bodies[limb.name].angle - self.bodies[limb.parent].angle,
                share * (MAX_IMPULSE * control_hz if self.is_impulse_actuated else limb.max_torque),
            )
            for limb, share in asked
        ]

    def ground_contacts(self) -> dict[str, bool]:
        """Whether each shin touches something; limbs do not touch each other."""
        touched: dict[str, bool] = {}
        for name, body in self.bodies.items():
            if name.endswith("shin"):
                met: list[pymunk.Arbiter] = []
                body.each_arbiter(met.append)
                touched[name] = bool(met)
        return touched

    def set_rest_height(self, ground_height: float) -> None:
        """Let the rest pose, which is what it sees itself relative to, stand at this height (m)."""
        places = {"torso": (0.0, ground_height + STRAIGHT_HEIGHT)}
        for limb in self.limbs:
            x, y = places[limb.parent]
            places[limb.name] = (x + limb.anchor[0], y + limb.anchor[1] - limb.length / 2)
        self.rest_state = np.zeros((len(places), 6))
        self.rest_state[:, :2] = list(places.values())

    def draw(self, canvas: Canvas) -> None:
        """Limbs, torso and head over them, a dark dot at each joint."""
        for limb in self.limbs:
            body = self.bodies[limb.name]
            top = body.local_to_world((0.0, limb.length / 2))
            end = body.local_to_world((0.0, -limb.length / 2 + LIMB_WIDTH / 2))
            canvas.draw_capsule(
                top,
                end,
                LIMB_WIDTH,
                FAR_LIMB_COLOUR if limb.name.startswith("left") else NEAR_LIMB_COLOUR,
            )
        canvas.draw_box(
            self.torso.position, self.torso.angle, TORSO_WIDTH, TORSO_HEIGHT, BODY_COLOUR, 0.06
        )
        neck, head = (
            self.torso.local_to_world((0.0, TORSO_HEIGHT / 2 + rise)) for rise in (0.0, 0.14)
        )
        canvas.draw_capsule(neck, head, LIMB_WIDTH, BODY_COLOUR)
        canvas.draw_disc(head, 0.11, BODY_COLOUR)
        for limb in self.limbs:
            canvas.draw_joint(
                self.bodies[limb.parent].local_to_world(limb.anchor), 0.02, INK_COLOUR
            )

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
        shape.filter = pymunk.ShapeFilter(group=1)
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
            env.space.add(
                motor, pymunk.RotaryLimitJoint(parent, body, limb.min_angle, limb.max_angle)
            )

    def _lowest_point(self, limb: Limb) -> float:
        body = self.bodies[limb.name]
        return min(
            body.local_to_world((x, -limb.length / 2)).y for x in (-LIMB_WIDTH / 2, LIMB_WIDTH / 2)
        )


class FigureEnvironment:
    """The hooks that environments with a `figure` have in common, beside PlanarEnvironment."""

    figure: Figure
    last_action: Action
    CONTROL_HZ: ClassVar[int]

    def joints(self) -> list[Joint]:
        """All of the figure's."""
        return self.figure.joints(self.last_action, self.CONTROL_HZ)

    def ground_contacts(self) -> dict[str, bool]:
        """Whether the shins, which are its feet, touch what it stands on."""
        return self.figure.ground_contacts()

    def push_target(self) -> PushTarget:
        """Pushes hit the torso."""
        return make_push_target(self.figure.torso)
