"""A figure: a torso with limbs in a world's space; its joints, motors, senses and looks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pymunk
from poise.envs2d.canvas import BODY, FAR, INK, NEAR, Canvas
from poise.envs2d.interaction import trunk_of
from poise.envs2d.planar import PlanarEnvironment, PlanarSettings
from poise.toolkit.environment import Joint, Trunk
from poise.toolkit.spaces import Array, Effort, Signal
from pydantic import Field

TORSO_WIDTH, TORSO_HEIGHT, TORSO_MASS = 0.3, 0.5, 30.0


LIMB_WIDTH, LIMB_MASS = 0.08, 5.0


STRAIGHT_HEIGHT = TORSO_HEIGHT / 2 + 0.35 + 0.30
"""The torso's centre over the feet when the legs hang straight (m)."""


@dataclass(frozen=True)
class Limb:
    """A limb of LIMB_MASS kg that hangs straight down at rest, its upper end at `at` in its parent's coordinates."""

    name: str
    parent: str
    at: tuple[float, float]
    length: float
    low: float
    high: float
    torque: float


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


def figure_signals(limbs: Sequence[Limb], standing_on: str) -> tuple[Signal, ...]:
    """Six signals for the torso and six for each limb, in the order of Figure.observe."""
    names = ["torso", *(limb.name for limb in limbs)]
    signals = []
    for name in names:
        origin = standing_on if name == "torso" else "the torso"
        signals += [
            Signal(f"{name} position", 2, -10.0, 10.0, "m", f"x and y relative to {origin} and to the rest pose"),
            Signal(f"{name} angle", 1, -100.0, 100.0, "rad", "turn from the rest pose, unwrapped"),
            Signal(f"{name} velocity", 2, -50.0, 50.0, "m/s", f"vx and vy relative to {origin}"),
            Signal(f"{name} angular velocity", 1, -200.0, 200.0, "rad/s", "rate of turn"),
        ]
    return tuple(signals)


def figure_actions(limbs: Sequence[Limb]) -> tuple[Signal, ...]:
    """One torque for each limb's joint."""
    return tuple(
        Signal(f"{limb.name} torque", 1, -limb.torque, limb.torque, "N m", "on the limb; its parent feels the opposite")
        for limb in limbs
    )


def speed(row: Sequence[float]) -> float:
    """How fast a body moves, turning counted as 1 m/s for each rad/s."""
    return math.sqrt(row[3] * row[3] + row[4] * row[4] + row[5] * row[5])


IMPULSE = 0.2
"""What a full action gives a limb under `impulse` actuation (kg m2/s)."""


MOTOR_SPEED = 12.0
"""No-load speed of a joint's motor (rad/s): up to it the torque is what the action asks for, beyond it the motor brakes."""


class FigureSettings(PlanarSettings):
    """What every world with a figure in it lets its user choose."""

    actuation: Literal["motor", "impulse"] = Field(
        "motor", description="motor: torques at joints with limits; impulse: kicks on the limb alone, no limits"
    )
    friction: float = Field(1.0, ge=0, le=2, description="coefficient of friction between any two surfaces")


class Figure:
    """A torso and its limbs in a world's space; `limbs` lists every parent before its children."""

    def __init__(self, world: PlanarEnvironment, limbs: Sequence[Limb], ground: float, rng: np.random.Generator) -> None:
        self.limbs = limbs
        settings = world.settings
        assert isinstance(settings, FigureSettings)
        self.impulse = settings.actuation == "impulse"
        noise = rng.normal(0.0, settings.start_noise, len(limbs) + 1).tolist()
        self.motors: list[pymunk.SimpleMotor] = []
        self.bodies: dict[str, pymunk.Body] = {}
        torso = self._add(world, "torso", (0.0, 0.0), noise[0], TORSO_WIDTH, TORSO_HEIGHT, TORSO_MASS)
        for limb, turn in zip(limbs, noise[1:], strict=True):
            parent = self.bodies[limb.parent]
            angle = parent.angle + min(limb.high, max(limb.low, turn))
            joint = parent.local_to_world(limb.at)
            middle = joint + pymunk.Vec2d(0.0, -limb.length / 2).rotated(angle)
            self._add(world, limb.name, middle, angle, LIMB_WIDTH, limb.length, LIMB_MASS)
        # The pose is known; now set it down so that its lowest foot touches the ground.
        lowest = min(self._lowest(limb) for limb in limbs)
        for body in self.bodies.values():
            body.position += pymunk.Vec2d(0.0, ground - lowest)
        for limb in limbs:
            self._join(world, limb)
        self.torso = torso
        self.rest_on(ground)

    def apply(self, effort: Effort) -> None:
        """Turn effort in [-1, 1] into torques at the joints, or into kicks on the limbs alone."""
        if self.impulse:
            for limb, share in zip(self.limbs, effort, strict=True):
                body = self.bodies[limb.name]
                body.angular_velocity += share * IMPULSE / body.moment
        else:
            for motor, limb, share in zip(self.motors, self.limbs, effort, strict=True):
                motor.rate = -MOTOR_SPEED if share > 0.0 else MOTOR_SPEED
                motor.max_force = abs(share) * limb.torque

    def observe(self, states: Array, origin_x: float = 0.0, origin_vx: float = 0.0) -> Array:
        """The figure's rows of PlanarEnvironment.states, (bodies, 6), relative to torso and rest pose, flat."""
        relative = states - self.rest
        relative[1:, :2] -= relative[0, :2]
        relative[1:, 3:5] -= relative[0, 3:5]
        relative[0, 0] -= origin_x
        relative[0, 3] -= origin_vx
        return relative.ravel()

    def joints(self, effort: Effort, rate: float) -> list[Joint]:
        """Every limb's joint, bent from where it hangs straight, and the torque that the effort asks for; of a kick, its mean."""
        asked = zip(self.limbs, effort or [0.0] * len(self.limbs), strict=True)
        return [
            Joint(
                limb.name,
                self.bodies[limb.name].angle - self.bodies[limb.parent].angle,
                share * (IMPULSE * rate if self.impulse else limb.torque),
            )
            for limb, share in asked
        ]

    def touching(self) -> dict[str, bool]:
        """Whether each shin touches something; limbs do not touch each other."""
        touched: dict[str, bool] = {}
        for name, body in self.bodies.items():
            if name.endswith("shin"):
                met: list[pymunk.Arbiter] = []
                body.each_arbiter(met.append)
                touched[name] = bool(met)
        return touched

    def rest_on(self, ground: float) -> None:
        """Let the rest pose, which is what it sees itself relative to, stand at this height (m)."""
        places = {"torso": (0.0, ground + STRAIGHT_HEIGHT)}
        for limb in self.limbs:
            x, y = places[limb.parent]
            places[limb.name] = (x + limb.at[0], y + limb.at[1] - limb.length / 2)
        self.rest = np.zeros((len(places), 6))
        self.rest[:, :2] = list(places.values())

    def paint(self, canvas: Canvas) -> None:
        """Limbs, torso and head over them, a dark dot at each joint."""
        for limb in self.limbs:
            body = self.bodies[limb.name]
            top = body.local_to_world((0.0, limb.length / 2))
            end = body.local_to_world((0.0, -limb.length / 2 + LIMB_WIDTH / 2))
            canvas.capsule(top, end, LIMB_WIDTH, FAR if limb.name.startswith("left") else NEAR)
        canvas.box(self.torso.position, self.torso.angle, TORSO_WIDTH, TORSO_HEIGHT, BODY, 0.06)
        neck, head = (self.torso.local_to_world((0.0, TORSO_HEIGHT / 2 + rise)) for rise in (0.0, 0.14))
        canvas.capsule(neck, head, LIMB_WIDTH, BODY)
        canvas.disc(head, 0.11, BODY)
        for limb in self.limbs:
            canvas.joint(self.bodies[limb.parent].local_to_world(limb.at), 0.02, INK)

    def _add(
        self, world: PlanarEnvironment, name: str, at: tuple[float, float], angle: float, width: float, height: float, mass: float
    ) -> pymunk.Body:
        body = pymunk.Body(mass, pymunk.moment_for_box(mass, (width, height)))
        body.position, body.angle = at, angle
        shape = pymunk.Poly.create_box(body, (width, height))
        shape.filter = pymunk.ShapeFilter(group=1)
        world.space.add(body, shape)
        self.bodies[name] = body
        return body

    def _join(self, world: PlanarEnvironment, limb: Limb) -> None:
        parent, body = self.bodies[limb.parent], self.bodies[limb.name]
        world.join(pymunk.PivotJoint(parent, body, limb.at, (0.0, limb.length / 2)))
        if not self.impulse:
            motor = pymunk.SimpleMotor(parent, body, 0.0)
            motor.max_force = 0.0
            self.motors.append(motor)
            world.space.add(motor, pymunk.RotaryLimitJoint(parent, body, limb.low, limb.high))

    def _lowest(self, limb: Limb) -> float:
        body = self.bodies[limb.name]
        return min(body.local_to_world((x, -limb.length / 2)).y for x in (-LIMB_WIDTH / 2, LIMB_WIDTH / 2))


class WithFigure:
    """The hooks that worlds with a `figure` have in common, beside PlanarEnvironment."""

    figure: Figure
    effort: Effort
    CONTROL_RATE: ClassVar[int]

    def joints(self) -> list[Joint]:
        """All of the figure's."""
        return self.figure.joints(self.effort, self.CONTROL_RATE)

    def touching(self) -> dict[str, bool]:
        """Whether the shins, which are its feet, touch what it stands on."""
        return self.figure.touching()

    def trunk(self) -> Trunk:
        """Pushes hit the torso."""
        return trunk_of(self.figure.torso)
