"""Hands in the plane (toolkit/hands.py): holds on bodies, thrown balls, wind, and settings that act at once."""

import math
from collections import deque
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pymunk

from poise.envs2d.canvas import INK_COLOUR, Canvas
from poise.toolkit.environment import PushTarget

if TYPE_CHECKING:
    from poise.envs2d.planar import PlanarEnvironment


GRAB_LAG = 0.1
"""How far a held point is behind the mouse (s)."""


GRAB_FORCE_PER_KG = 25.0
"""The hand's force at most, for each kg of all bodies (N): it lifts any robot, and a joint holds it."""


MAX_BALLS = 12
"""Of more balls the oldest go."""


BALL_RADIUS = 0.03
BALL_MASS_FRACTION = 0.03
FLIGHT_TIME = 0.4
"""A ball's radius in heights of the picture, its mass as a share of all bodies', and how long it flies (s)."""


class PlanarInteraction:
    """What disturbs the plane; made when something first does, and gone with the space it acts in."""

    CAN_THROW: ClassVar[bool] = True

    def __init__(self, env: "PlanarEnvironment") -> None:
        self.env = env
        self.space = env.space
        self.LIVE_SETTINGS = env.LIVE_SETTINGS
        self.bodies = list(self.space.bodies)
        self.mass = sum(body.mass for body in self.bodies)
        self.balls: deque[pymunk.Body] = deque()
        for solid in env.collision_shapes():
            solid.filter = pymunk.ShapeFilter(
                group=1
            )  # They are there for balls, and never touch each other.
            self.space.add(solid)

    def grab(self, image_point: tuple[float, float]) -> "PlanarGrab":
        """A hold on the nearest body: on the very point where it is touched, else on the nearest of its surface."""
        place = pymunk.Vec2d(*self.env.image_to_world(*image_point))
        touches = []
        for body in (*self.bodies, *self.balls):
            for shape in body.shapes:
                shape.cache_bb()  # Before an episode's first step, shapes are where they were made.
                touches.append((body, shape.point_query(place)))
        body, found = min(touches, key=lambda touch: touch[1].distance)
        return PlanarGrab(self.env, body, place if found.distance < 0.0 else found.point)

    def throw_ball(self, image_point: tuple[float, float]) -> None:
        """A ball flies from the nearer side of the picture, and passes this place after FLIGHT seconds."""
        if len(self.balls) == MAX_BALLS:
            oldest = self.balls.popleft()
            held = [joint for joint in oldest.constraints if joint in self.space.constraints]
            self.space.remove(oldest, *oldest.shapes, *held)
        start = pymunk.Vec2d(*self.env.image_to_world(0.0 if image_point[0] < 0.5 else 1.0, 0.4))
        target = pymunk.Vec2d(*self.env.image_to_world(*image_point))
        fall = pymunk.Vec2d(*self.space.gravity)
        radius = BALL_RADIUS * self.env.VIEW_HEIGHT
        mass = BALL_MASS_FRACTION * self.mass
        ball = pymunk.Body(mass, pymunk.moment_for_circle(mass, 0.0, radius))
        ball.position = start
        ball.velocity = (target - start) / FLIGHT_TIME - fall * FLIGHT_TIME / 2.0
        surface = pymunk.Circle(ball, radius)
        surface.friction = 0.7
        surface.elasticity = 0.5
        self.space.add(ball, surface)
        self.balls.append(ball)

    def push_all(self, speed: float) -> None:
        """Make all bodies, balls too, so much faster (m/s)."""
        for body in self.space.bodies:
            body.velocity += (speed, 0.0)

    def push_random(self, speed: float, rng: np.random.Generator) -> None:
        """Push the middle of one body, from any side, with an impulse that could make all bodies so much faster (m/s)."""
        body = self.bodies[int(rng.integers(len(self.bodies)))]
        angle = rng.uniform(0.0, 2.0 * math.pi)
        impulse = speed * self.mass * pymunk.Vec2d(math.cos(angle), math.sin(angle))
        body.apply_impulse_at_world_point(impulse, body.position)

    def set_parameter(self, name: str, value: float) -> None:
        """Give a setting another value."""
        self.env.settings = self.env.settings.model_copy(update={name: value})
        self.env.apply_settings()

    def draw_balls(self, canvas: Canvas) -> None:
        """The balls."""
        for ball in self.balls:
            canvas.draw_disc(ball.position, BALL_RADIUS * self.env.VIEW_HEIGHT, INK_COLOUR)


class PlanarGrab:
    """A hold on a point of a body: a joint to where the mouse is, that follows slowly and is only so strong."""

    def __init__(self, env: "PlanarEnvironment", body: pymunk.Body, point: pymunk.Vec2d) -> None:
        self.env = env
        self.body = body
        self.local_point = body.world_to_local(point)
        self.cursor = pymunk.Body(body_type=pymunk.Body.KINEMATIC)
        self.cursor.position = point
        self.joint = pymunk.PivotJoint(self.cursor, body, (0.0, 0.0), self.local_point)
        self.joint.max_force = GRAB_FORCE_PER_KG * env.interaction().mass
        self.joint.error_bias = math.exp(-1.0 / GRAB_LAG)
        env.space.add(self.joint)

    def position(self) -> tuple[float, float]:
        """Where the held point is seen."""
        return self.env.world_to_image(self.body.local_to_world(self.local_point))

    def pull(self, image_point: tuple[float, float]) -> None:
        """Pull it towards a place of the picture."""
        self.cursor.position = self.env.image_to_world(*image_point)

    def release(self) -> None:
        """Hold it no longer; letting go twice, or of an environment that began anew, is no error."""
        if self.joint in self.env.space.constraints:
            self.env.space.remove(self.joint)


def make_push_target(body: pymunk.Body) -> PushTarget:
    """A body as what pushes hit."""
    return PushTarget(
        body.mass,
        lambda impulse: body.apply_impulse_at_world_point(tuple(impulse.tolist()), body.position),
    )
