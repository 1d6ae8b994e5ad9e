"""Hands in the plane (toolkit/hands.py): holds on bodies, thrown balls, wind, and settings that act at once."""

import math
from collections import deque
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pymunk
from poise.envs2d.canvas import INK, Canvas
from poise.toolkit.environment import Trunk

if TYPE_CHECKING:
    from poise.envs2d.planar import PlanarEnvironment


LAG = 0.1
"""How far a held point is behind the mouse (s)."""


STRENGTH = 25.0
"""The hand's force at most, for each kg of all bodies (N): it lifts any robot, and a joint holds it."""


MOST_BALLS = 12
"""Of more balls the oldest go."""


BALL_SIZE, BALL_SHARE, FLIGHT = 0.03, 0.03, 0.4
"""A ball's radius in heights of the picture, its mass as a share of all bodies', and how long it flies (s)."""


class PlanarHands:
    """What disturbs the plane; made when something first does, and gone with the space it acts in."""

    THROWS: ClassVar[bool] = True

    def __init__(self, world: "PlanarEnvironment") -> None:
        self.world, self.space, self.TURNS = world, world.space, world.TURNS
        self.bodies = list(self.space.bodies)
        self.mass = sum(body.mass for body in self.bodies)
        self.balls: deque[pymunk.Body] = deque()
        for solid in world.solids():
            solid.filter = pymunk.ShapeFilter(group=1)  # They are there for balls, and never touch each other.
            self.space.add(solid)

    def grab(self, at: tuple[float, float]) -> "PlanarHold":
        """A hold on the nearest body: on the very point where it is touched, else on the nearest of its surface."""
        place = pymunk.Vec2d(*self.world.to_world(*at))
        touches = []
        for body in (*self.bodies, *self.balls):
            for shape in body.shapes:
                shape.cache_bb()  # Before an episode's first step, shapes are where they were made.
                touches.append((body, shape.point_query(place)))
        body, found = min(touches, key=lambda touch: touch[1].distance)
        return PlanarHold(self.world, body, place if found.distance < 0.0 else found.point)

    def throw(self, at: tuple[float, float]) -> None:
        """A ball flies from the nearer side of the picture, and passes this place after FLIGHT seconds."""
        if len(self.balls) == MOST_BALLS:
            oldest = self.balls.popleft()
            held = [joint for joint in oldest.constraints if joint in self.space.constraints]
            self.space.remove(oldest, *oldest.shapes, *held)
        start = pymunk.Vec2d(*self.world.to_world(0.0 if at[0] < 0.5 else 1.0, 0.4))
        target, fall = pymunk.Vec2d(*self.world.to_world(*at)), pymunk.Vec2d(*self.space.gravity)
        radius, mass = BALL_SIZE * self.world.VIEW, BALL_SHARE * self.mass
        ball = pymunk.Body(mass, pymunk.moment_for_circle(mass, 0.0, radius))
        ball.position, ball.velocity = start, (target - start) / FLIGHT - fall * FLIGHT / 2.0
        surface = pymunk.Circle(ball, radius)
        surface.friction, surface.elasticity = 0.7, 0.5
        self.space.add(ball, surface)
        self.balls.append(ball)

    def blow(self, speed: float) -> None:
        """Make all bodies, balls too, so much faster (m/s)."""
        for body in self.space.bodies:
            body.velocity += (speed, 0.0)

    def bump(self, speed: float, rng: np.random.Generator) -> None:
        """Push the middle of one body, from any side, with an impulse that could make all bodies so much faster (m/s)."""
        body, angle = self.bodies[int(rng.integers(len(self.bodies)))], rng.uniform(0.0, 2.0 * math.pi)
        impulse = speed * self.mass * pymunk.Vec2d(math.cos(angle), math.sin(angle))
        body.apply_impulse_at_world_point(impulse, body.position)

    def turn(self, name: str, value: float) -> None:
        """Give a setting another value."""
        self.world.settings = self.world.settings.model_copy(update={name: value})
        self.world.tune()

    def paint(self, canvas: Canvas) -> None:
        """The balls."""
        for ball in self.balls:
            canvas.disc(ball.position, BALL_SIZE * self.world.VIEW, INK)


class PlanarHold:
    """A hold on a point of a body: a joint to where the mouse is, that follows slowly and is only so strong."""

    def __init__(self, world: "PlanarEnvironment", body: pymunk.Body, point: pymunk.Vec2d) -> None:
        self.world, self.body, self.at = world, body, body.world_to_local(point)
        self.cursor = pymunk.Body(body_type=pymunk.Body.KINEMATIC)
        self.cursor.position = point
        self.joint = pymunk.PivotJoint(self.cursor, body, (0.0, 0.0), self.at)
        self.joint.max_force = STRENGTH * world.hands().mass
        self.joint.error_bias = math.exp(-1.0 / LAG)
        world.space.add(self.joint)

    def place(self) -> tuple[float, float]:
        """Where the held point is seen."""
        return self.world.seen_at(self.body.local_to_world(self.at))

    def pull(self, to: tuple[float, float]) -> None:
        """Pull it towards a place of the picture."""
        self.cursor.position = self.world.to_world(*to)

    def let_go(self) -> None:
        """Hold it no longer; letting go twice, or of a world that began anew, is no error."""
        if self.joint in self.world.space.constraints:
            self.world.space.remove(self.joint)


def trunk_of(body: pymunk.Body) -> Trunk:
    """A body as what pushes hit."""
    return Trunk(body.mass, lambda impulse: body.apply_impulse_at_world_point(tuple(impulse.tolist()), body.position))
