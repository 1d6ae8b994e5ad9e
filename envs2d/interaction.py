"""Interaction in the plane (toolkit/interaction.py): grabs, balls, pushes and live settings."""

import math
from collections import deque
from typing import ClassVar, Protocol

import numpy as np
import pymunk

from poise.envs2d.canvas import Canvas
from poise.toolkit.environment import PUSH, BaseEnvironment, PushTarget
from poise.toolkit.interaction import ImagePoint
from poise.toolkit.media.image import TEXT_COLOUR
from poise.toolkit.spaces import Array

GRAB_LAG = 0.1
"""Time constant with which the grabbed point follows the mouse (s)."""


GRAB_FORCE_PER_KG = 25.0
"""Largest force of a grab for each kg of all bodies (N/kg): it lifts any robot, and joints hold."""


MAX_BALLS = 12
"""The next ball removes the oldest one."""


BALL_RADIUS = 0.03
"""As a fraction of the image's height."""


BALL_MASS_FRACTION = 0.03
"""Mass of a ball as a fraction of the mass of all bodies."""


BALL_FRICTION = 0.7
BALL_ELASTICITY = 0.5


FLIGHT_TIME = 0.4
"""Time from the throw of a ball until it passes its target (s)."""


THROW_HEIGHT = 0.4
"""Where a ball enters the image, as a fraction of its height from the top."""


class PlanarScene(Protocol):
    """What an interaction needs of its environment, a PlanarEnvironment."""

    LIVE_SETTINGS: ClassVar[tuple[str, ...]]
    VIEW_HEIGHT: ClassVar[float]
    space: pymunk.Space

    def collision_shapes(self) -> list[pymunk.Shape]:
        """Return the shapes that thrown balls hit, beside those of the environment's physics."""

    def change_setting(self, name: str, value: float) -> None:
        """Change one of LIVE_SETTINGS within the episode."""

    def add_event(self, name: str) -> None:
        """Name what happens in this step."""

    def world_to_image(self, point: tuple[float, float]) -> ImagePoint:
        """Return the image point at which a point (m) appears."""

    def image_to_world(self, x: float, y: float) -> tuple[float, float]:
        """Return the point (m) at an image point."""


class PlanarInteraction:
    """Disturbances of one episode in the plane; made at the first one, dropped with the space."""

    CAN_THROW: ClassVar[bool] = True

    def __init__(self, env: PlanarScene) -> None:
        self.env = env
        self.space = env.space
        self.LIVE_SETTINGS = env.LIVE_SETTINGS
        self.bodies = list(self.space.bodies)
        self.mass = sum(body.mass for body in self.bodies)
        self.balls: deque[pymunk.Body] = deque()
        for shape in env.collision_shapes():
            # For balls only: shapes of one group never collide with each other.
            shape.filter = pymunk.ShapeFilter(group=1)
            self.space.add(shape)

    def grab(self, image_point: ImagePoint) -> "PlanarGrab":
        """Grab the nearest body: at the point itself if it lies inside, else at the surface."""
        point = pymunk.Vec2d(*self.env.image_to_world(*image_point))
        candidates = []
        for body in (*self.bodies, *self.balls):
            for shape in body.shapes:
                shape.cache_bb()  # Before the first step, pymunk has not moved the shapes yet.
                candidates.append((body, shape.point_query(point)))
        body, query = min(candidates, key=lambda candidate: candidate[1].distance)
        grabbed_point = point if query.distance < 0.0 else query.point
        return PlanarGrab(self.env, body, grabbed_point, GRAB_FORCE_PER_KG * self.mass)

    def throw_ball(self, image_point: ImagePoint) -> None:
        """Throw a ball from the nearer side of the image through a point, FLIGHT_TIME later."""
        if len(self.balls) == MAX_BALLS:
            self._remove_ball(self.balls.popleft())
        nearer_side = 0.0 if image_point[0] < 0.5 else 1.0
        start = pymunk.Vec2d(*self.env.image_to_world(nearer_side, THROW_HEIGHT))
        target = pymunk.Vec2d(*self.env.image_to_world(*image_point))
        gravity = pymunk.Vec2d(*self.space.gravity)
        radius = BALL_RADIUS * self.env.VIEW_HEIGHT
        mass = BALL_MASS_FRACTION * self.mass
        ball = pymunk.Body(mass, pymunk.moment_for_circle(mass, 0.0, radius))
        ball.position = start
        ball.velocity = (target - start) / FLIGHT_TIME - gravity * FLIGHT_TIME / 2.0
        shape = pymunk.Circle(ball, radius)
        shape.friction = BALL_FRICTION
        shape.elasticity = BALL_ELASTICITY
        self.space.add(ball, shape)
        self.balls.append(ball)

    def push_all(self, speed: float) -> None:
        """Add `speed` (m/s) along x to the velocity of all bodies and balls."""
        for body in self.space.bodies:
            body.velocity += (speed, 0.0)

    def push_random(self, speed: float, rng: np.random.Generator) -> None:
        """Push the centre of a random body in a random direction.

        The impulse would give all bodies together the velocity `speed` (m/s).
        """
        body = self.bodies[int(rng.integers(len(self.bodies)))]
        angle = rng.uniform(0.0, 2.0 * math.pi)
        impulse = speed * self.mass * pymunk.Vec2d(math.cos(angle), math.sin(angle))
        body.apply_impulse_at_world_point(impulse, body.position)
        self.env.add_event(PUSH)

    def set_parameter(self, name: str, value: float) -> None:
        """Change one of LIVE_SETTINGS."""
        self.env.change_setting(name, value)

    def draw_balls(self, canvas: Canvas) -> None:
        """Draw the thrown balls."""
        for ball in self.balls:
            canvas.draw_disc(ball.position, BALL_RADIUS * self.env.VIEW_HEIGHT, TEXT_COLOUR)

    def _remove_ball(self, ball: pymunk.Body) -> None:
        grabs = [joint for joint in ball.constraints if joint in self.space.constraints]
        self.space.remove(ball, *ball.shapes, *grabs)


class PlanarGrab:
    """A grab of a body at `point` (m): a joint to the cursor with a lag and a `max_force` (N)."""

    def __init__(
        self, env: PlanarScene, body: pymunk.Body, point: pymunk.Vec2d, max_force: float
    ) -> None:
        self.env = env
        self.body = body
        self.local_point = body.world_to_local(point)
        self.cursor = pymunk.Body(body_type=pymunk.Body.KINEMATIC)
        self.cursor.position = point
        self.joint = pymunk.PivotJoint(self.cursor, body, (0.0, 0.0), self.local_point)
        self.joint.max_force = max_force
        self.joint.error_bias = math.exp(-1.0 / GRAB_LAG)
        env.space.add(self.joint)

    def position(self) -> ImagePoint:
        """Return the image point at which the grabbed point appears."""
        return self.env.world_to_image(self.body.local_to_world(self.local_point))

    def pull(self, image_point: ImagePoint) -> None:
        """Move the cursor to an image point."""
        self.cursor.position = self.env.image_to_world(*image_point)

    def release(self) -> None:
        """Remove the joint; a second release, or one after a reset, does nothing."""
        if self.joint in self.env.space.constraints:
            self.env.space.remove(self.joint)


def make_push_target(env: BaseEnvironment, body: pymunk.Body) -> PushTarget:
    """Return a body of an environment as the target of pushes at its centre."""

    def push(impulse: Array) -> None:
        body.apply_impulse_at_world_point(tuple(impulse.tolist()), body.position)
        env.add_event(PUSH)

    return PushTarget(body.mass, push)
