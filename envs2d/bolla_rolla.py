"""BollaRolla: a figure with arms and legs, 70 kg, that balances on a plank on a rolling ball."""

from typing import ClassVar

import numpy as np
import pymunk
from pydantic import Field

from poise.envs2d.canvas import BALL_COLOUR, SPOKE_COLOUR, WOOD_COLOUR, Canvas
from poise.envs2d.figure import (
    ARMS,
    LEGS,
    STRAIGHT_HEIGHT,
    Figure,
    FigureEnvironment,
    FigureSettings,
    body_speed,
    make_figure_actions,
    make_figure_signals,
)
from poise.envs2d.planar import PlanarEnvironment
from poise.toolkit.rewards import control_saving, gaussian_tolerance
from poise.toolkit.spaces import Action, Array, Signal

# Sizes (m), masses (kg), largest tilts (rad).
BALL_RADIUS = 0.25
BALL_MASS = 10.0
PLANK_LENGTH = 1.2
PLANK_HEIGHT = 0.05
PLANK_MASS = 2.0
PLANK_ANGLE_LIMIT = 0.8
TORSO_ANGLE_LIMIT = 1.5


LIMBS = ARMS + LEGS


class BollaRollaSettings(FigureSettings):
    """Settings of BollaRolla."""

    ball_radius: float = Field(
        BALL_RADIUS, ge=0.1, le=0.5, description="radius of the ball, whose mass stays the same (m)"
    )
    plank_length: float = Field(
        PLANK_LENGTH,
        ge=0.6,
        le=2.4,
        description="length of the plank, whose mass stays the same (m)",
    )


class BollaRolla(FigureEnvironment, PlanarEnvironment):
    """Balance on a plank on a rolling ball.

    The episode ends when plank or torso tip too far, or torso or ball leave the plank.

    Without actions it fails after 35 steps of 20 ms, under random actions after 30 (medians of 50
    seeds).
    """

    OBSERVATION = (
        Signal("ball x", 1, -100.0, 100.0, "m", "distance that the ball has rolled"),
        Signal("ball velocity", 1, -50.0, 50.0, "m/s", "velocity of the ball"),
        Signal("plank x", 1, -10.0, 10.0, "m", "centre of the plank relative to the ball"),
        Signal("plank angle", 1, -100.0, 100.0, "rad", "tilt of the plank, unwrapped"),
        Signal("plank velocity", 1, -50.0, 50.0, "m/s", "vx of the plank relative to the ball"),
        Signal("plank angular velocity", 1, -200.0, 200.0, "rad/s", "rate of tilt"),
        *make_figure_signals(LIMBS, standing_on="the plank"),
    )
    ACTION = make_figure_actions(LIMBS)
    REWARD: ClassVar = {
        "posture": {
            "upright": 0.2,
            "height": 0.25,
            "level": 0.15,
            "centred": 0.15,
            "low_velocity": 0.15,
            "control_saving": 0.1,
        },
        "survival": {"alive": 1.0},
    }
    SETTINGS = BollaRollaSettings
    LIVE_SETTINGS = ("gravity", "friction", "ball_radius", "plank_length")
    VIEW_HEIGHT = 3.0
    settings: BollaRollaSettings

    def initialize_episode(self, rng: np.random.Generator) -> None:
        """Build the ground, the ball on it, the plank on the ball and the figure on the plank."""
        ground = pymunk.Segment(self.space.static_body, (-100.0, -1.0), (100.0, -1.0), 1.0)
        radius = self.settings.ball_radius
        size = (self.settings.plank_length, PLANK_HEIGHT)
        self.ball = pymunk.Body(BALL_MASS, pymunk.moment_for_circle(BALL_MASS, 0.0, radius))
        self.ball.position = (0.0, radius)
        self.plank = pymunk.Body(PLANK_MASS, pymunk.moment_for_box(PLANK_MASS, size))
        self.plank.position = (0.0, 2 * radius + PLANK_HEIGHT / 2)
        self.ball_shape = pymunk.Circle(self.ball, radius)
        self.plank_shape = pymunk.Poly.create_box(self.plank, size)
        self.space.add(self.ball, self.plank, ground, self.ball_shape, self.plank_shape)
        self.figure = Figure(self, LIMBS, self.plank_top, rng)
        self.set_friction(self.settings.friction)

    @property
    def plank_top(self) -> float:
        """Height of the plank's upper side when it lies level on the ball (m)."""
        return 2 * self.settings.ball_radius + PLANK_HEIGHT

    def apply_action(self, action: Action) -> None:
        """Apply torques at shoulders, elbows, hips and knees."""
        self.figure.apply_action(action)

    def read_state(self) -> None:
        """Read ball, plank and torso: x, y (m), angle (rad), velocity and angular velocity."""
        super().read_state()
        self.ball_state, self.plank_state, self.torso_state = self.body_states[:3].tolist()

    def reward_terms(self, action: Action) -> dict[str, float]:
        """Return the terms of `posture`, each in [0, 1]: level and centred are the plank's."""
        ball = self.ball_state
        plank = self.plank_state
        torso = self.torso_state
        return {
            "alive": 1.0,
            "upright": gaussian_tolerance(torso[2], 0.4),
            "height": gaussian_tolerance(torso[1] - self.plank_top - STRAIGHT_HEIGHT, 0.2),
            "level": gaussian_tolerance(plank[2], 0.3),
            "centred": gaussian_tolerance(plank[0] - ball[0], 0.3),
            "low_velocity": gaussian_tolerance(body_speed(torso), 1.0),
            "control_saving": control_saving(action),
        }

    def failure_margins(self) -> dict[str, float]:
        """Return how far each failure is: tipping, and leaving the plank past its ends."""
        ball = self.ball_state
        plank = self.plank_state
        torso = self.torso_state
        half_length = self.settings.plank_length / 2
        return {
            "plank tips": 1.0 - abs(plank[2]) / PLANK_ANGLE_LIMIT,
            "torso tips": 1.0 - abs(torso[2]) / TORSO_ANGLE_LIMIT,
            "torso leaves the plank": 1.0 - abs(torso[0] - plank[0]) / half_length,
            "ball leaves the plank": 1.0 - abs(ball[0] - plank[0]) / half_length,
        }

    def get_observation(self) -> Array:
        """Return ball (x, v), plank (x, angle, v, angular velocity), torso and limbs, six each."""
        ball = self.ball_state
        plank = self.plank_state
        stand = [ball[0], ball[3], plank[0] - ball[0], plank[2], plank[3] - ball[3], plank[5]]
        figure = self.figure.get_observation(self.body_states[2:], plank[0], plank[3])
        return np.concatenate((stand, figure))

    def apply_settings(self) -> None:
        """Apply gravity, friction, ball radius and plank length to the running episode.

        Ball and plank change their size where they are, and lift what rests on them.
        """
        super().apply_settings()
        self.set_friction(self.settings.friction)
        radius = self.settings.ball_radius
        size = (self.settings.plank_length, PLANK_HEIGHT)
        self.ball_shape.unsafe_set_radius(radius)
        self.plank_shape.unsafe_set_vertices(pymunk.Poly.create_box(None, size).get_vertices())
        self.ball.moment = pymunk.moment_for_circle(self.ball.mass, 0.0, radius)
        self.plank.moment = pymunk.moment_for_box(self.plank.mass, size)
        self.figure.set_rest_height(self.plank_top)

    def camera_target(self) -> tuple[float, float]:
        """Return a point over the ground that follows the ball (m)."""
        return self.ball_state[0], 1.1

    def draw_scene(self, canvas: Canvas) -> None:
        """Draw the ball with its spokes, the plank and the figure."""
        radius = self.settings.ball_radius
        canvas.draw_disc(self.ball.position, radius, BALL_COLOUR)
        centre = self.ball.position
        for index in range(3):
            angle = self.ball.angle + index * np.pi / 3
            spoke = pymunk.Vec2d(radius * 0.85, 0.0).rotated(angle)
            canvas.draw_capsule(centre - spoke, centre + spoke, 0.02, SPOKE_COLOUR)
        canvas.draw_box(
            self.plank.position,
            self.plank.angle,
            self.settings.plank_length,
            PLANK_HEIGHT,
            WOOD_COLOUR,
            0.02,
        )
        self.figure.draw(canvas)
