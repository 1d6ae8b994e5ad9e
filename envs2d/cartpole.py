"""Cart-pole: a pole hinged on a cart that is pushed left and right along a rail.

Source: Barto, Sutton and Anderson (1983), Neuronlike adaptive elements that can solve difficult
learning control problems.
"""

from typing import ClassVar, Literal

import numpy as np
import pymunk
from pydantic import Field

from poise.envs2d.canvas import BODY_COLOUR, GROUND_COLOUR, WOOD_COLOUR, Canvas
from poise.envs2d.interaction import make_push_target
from poise.envs2d.planar import PlanarEnvironment, PlanarSettings
from poise.toolkit.environment import PushTarget
from poise.toolkit.media.image import TEXT_COLOUR
from poise.toolkit.rewards import control_saving, gaussian_tolerance
from poise.toolkit.spaces import Action, Array, Signal

# Sizes (m), masses (kg), force (N).
CART_WIDTH = 0.5
CART_HEIGHT = 0.3
CART_MASS = 1.0
POLE_LENGTH = 1.0
POLE_WIDTH = 0.1
POLE_MASS = 0.1
GROUND_LEVEL = -0.25
MAX_FORCE = 10.0


RAIL_END = 3.0
"""Largest distance of the cart from the middle (m)."""


POLE_ANGLE_LIMIT = 0.21
"""Largest tilt of the pole (rad)."""


SPRING_LENGTH = 1e6
SPRING_STIFFNESS = 1e-3
"""Rest length (m) and stiffness (N/m) of the spring that drives the cart: so long and soft that
the cart's position does not change its pull."""


class CartpoleSettings(PlanarSettings):
    """Settings of Cartpole."""

    actuation: Literal["motor", "impulse"] = Field(
        "motor",
        description="motor: a force that lasts for the step; impulse: the same push all at once",
    )
    force: float = Field(MAX_FORCE, ge=0.1, le=100, description="force of a full action (N)")


class Cartpole(PlanarEnvironment):
    """Keep the pole upright on its cart.

    The episode ends when the pole tips beyond 0.21 rad or the cart passes the rail's end.

    Without actions it fails after 44 steps of 20 ms, under random actions after 24 (medians of 50
    seeds).
    """

    OBSERVATION = (
        Signal("x", 1, -4.0, 4.0, "m", "position of the cart on the rail, 0 in the middle"),
        Signal("v", 1, -20.0, 20.0, "m/s", "velocity of the cart"),
        Signal(
            "angle", 1, -0.6, 0.6, "rad", "angle of the pole from upright, positive to the left"
        ),
        Signal("angular velocity", 1, -20.0, 20.0, "rad/s", "angular velocity of the pole"),
    )
    ACTION = (Signal("force", 1, -MAX_FORCE, MAX_FORCE, "N", "force on the cart along the rail"),)
    REWARD: ClassVar = {
        "posture": {"upright": 0.4, "centred": 0.3, "low_velocity": 0.2, "control_saving": 0.1},
        "survival": {"alive": 1.0},
    }
    SETTINGS = CartpoleSettings
    GROUND_LEVEL = GROUND_LEVEL
    LIVE_SETTINGS = ("gravity", "force")
    PHYSICS_STEPS = 20
    settings: CartpoleSettings

    def initialize_episode(self, rng: np.random.Generator) -> None:
        """Build the cart on its rail and the pole on the cart, with a state near zero."""
        x, v, angle, angular_velocity = rng.normal(0.0, self.settings.reset_noise_scale, 4).tolist()
        static = self.space.static_body
        self.cart = pymunk.Body(CART_MASS, float("inf"))
        self.cart.position = (x, 0.0)
        self.cart.velocity = (v, 0.0)
        hinge = pymunk.Vec2d(x, CART_HEIGHT / 2)
        pole_moment = pymunk.moment_for_box(POLE_MASS, (POLE_WIDTH, POLE_LENGTH))
        self.pole = pymunk.Body(POLE_MASS, pole_moment)
        self.pole.angle = angle
        self.pole.angular_velocity = angular_velocity
        middle = pymunk.Vec2d(0.0, POLE_LENGTH / 2).rotated(angle)
        self.pole.position = hinge + middle
        self.pole.velocity = pymunk.Vec2d(v, 0.0) + angular_velocity * middle.perpendicular()
        self.space.add(self.cart, self.pole)
        self.add_joint(
            pymunk.GrooveJoint(static, self.cart, (-2 * RAIL_END, 0), (2 * RAIL_END, 0), (0, 0))
        )
        self.add_joint(pymunk.PivotJoint(self.cart, self.pole, hinge))
        # A force that lasts for all physics steps at no cost: the pull of a very long and soft
        # spring, which the action sets through the rest length.
        self.drive_spring = pymunk.DampedSpring(
            static, self.cart, (-SPRING_LENGTH, 0), (0, 0), SPRING_LENGTH, SPRING_STIFFNESS, 0.0
        )
        self.space.add(self.drive_spring)

    def apply_action(self, action: Action) -> None:
        """Push the cart."""
        force = action[0] * self.settings.force
        if self.settings.actuation == "impulse":
            self.cart.velocity += (force / self.CONTROL_HZ / self.cart.mass, 0.0)
        else:
            self.drive_spring.rest_length = SPRING_LENGTH + force / SPRING_STIFFNESS

    def read_state(self) -> None:
        """Read x (m), v (m/s), angle (rad) and angular velocity (rad/s) as plain numbers."""
        super().read_state()
        cart, pole = self.body_states.tolist()
        self.state = (cart[0], cart[3], pole[2], pole[5])

    def reward_terms(self, action: Action) -> dict[str, float]:
        """Return upright, centred, low_velocity and control_saving, each in [0, 1]."""
        x, v, angle, angular_velocity = self.state
        return {
            "alive": 1.0,
            "upright": gaussian_tolerance(angle, 0.1),
            "centred": gaussian_tolerance(x, 1.0),
            "low_velocity": gaussian_tolerance(v, 1.0) * gaussian_tolerance(angular_velocity, 1.0),
            "control_saving": control_saving(action),
        }

    def failure_margins(self) -> dict[str, float]:
        """Return how far the pole is from POLE_ANGLE_LIMIT, and the cart from RAIL_END."""
        x, _, angle, _ = self.state
        return {"pole": 1.0 - abs(angle) / POLE_ANGLE_LIMIT, "rail": 1.0 - abs(x) / RAIL_END}

    def get_observation(self) -> Array:
        """Return x, v, angle, angular velocity."""
        return np.array(self.state)

    def collision_shapes(self) -> list[pymunk.Shape]:
        """Return the shapes of cart, pole and ground, none of which collide with each other."""
        ground = pymunk.Segment(
            self.space.static_body, (-100.0, GROUND_LEVEL - 1.0), (100.0, GROUND_LEVEL - 1.0), 1.0
        )
        sizes = ((self.cart, (CART_WIDTH, CART_HEIGHT)), (self.pole, (POLE_WIDTH, POLE_LENGTH)))
        return [ground, *(pymunk.Poly.create_box(body, size) for body, size in sizes)]

    def push_target(self) -> PushTarget:
        """Return the pole."""
        return make_push_target(self, self.pole)

    def camera_target(self) -> tuple[float, float]:
        """Return a point over the ground that follows the cart (m)."""
        return self.state[0], 0.45

    def draw_scene(self, canvas: Canvas) -> None:
        """Draw rail, cart, wheels and pole."""
        x, _, angle, _ = self.state
        for end in (-RAIL_END, RAIL_END):
            canvas.draw_box((end, -0.1), 0.0, 0.06, 0.3, TEXT_COLOUR, 0.01)
        canvas.draw_capsule((-RAIL_END, -0.2), (RAIL_END, -0.2), 0.03, GROUND_COLOUR)
        canvas.draw_box((x, 0.0), 0.0, CART_WIDTH, CART_HEIGHT, BODY_COLOUR)
        for wheel in (-0.15, 0.15):
            canvas.draw_disc((x + wheel, -0.13), 0.07, TEXT_COLOUR)
        hinge = (x, CART_HEIGHT / 2)
        tip = pymunk.Vec2d(*hinge) + pymunk.Vec2d(0.0, POLE_LENGTH).rotated(angle)
        canvas.draw_capsule(hinge, (tip.x, tip.y), POLE_WIDTH * 0.8, WOOD_COLOUR)
        canvas.draw_joint(hinge, 0.03, TEXT_COLOUR)
