"""BollaRolla: a figure with arms and legs, 70 kg, that balances on a plank on a rolling ball."""

from typing import ClassVar

import numpy as np
import pymunk
from pydantic import Field

from poise.envs2d.canvas import BALL_COLOUR, WOOD_COLOUR, Canvas
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

BALL_RADIUS = 0.25
BALL_MASS = 10.0


PLANK_LENGTH = 1.2
PLANK_HEIGHT = 0.05
PLANK_MASS = 2.0


PLANK_ANGLE_LIMIT = 0.8
TORSO_ANGLE_LIMIT = 1.5


LIMBS = ARMS + LEGS


class BollaRollaSettings(FigureSettings):
    """What the environment on the ball lets its user choose."""

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

    Without effort it fails after 35 steps of 20 ms, under random actions after 30 (medians of 50 seeds).
    """

    OBSERVATION = (
        Signal("ball x", 1, -100.0, 100.0, "m", "how far the ball has rolled"),
        Signal("ball velocity", 1, -50.0, 50.0, "m/s", "how fast it rolls"),
        Signal("plank x", 1, -10.0, 10.0, "m", "the plank's middle relative to the ball"),
        Signal("plank angle", 1, -100.0, 100.0, "rad", "the plank's tilt, unwrapped"),
        Signal("plank velocity", 1, -50.0, 50.0, "m/s", "the plank's vx relative to the ball"),
        Signal("plank angular velocity", 1, -200.0, 200.0, "rad/s", "how fast it tilts"),
        *make_figure_signals(LIMBS, standing_on="the plank"),
    )
    ACTION = make_figure_actions(LIMBS)
    REWARD: ClassVar = {
        "posture": {
            "upright": 0.2,
            "height": 0.25,
            "level": 0.15,
            "centred": 0.15,
            "quiet": 0.15,
            "economy": 0.1,
        },
        "survival": {"alive": 1.0},
    }
    SETTINGS = BollaRollaSettings
    LIVE_SETTINGS = ("gravity", "friction", "ball_radius", "plank_length")
    VIEW_HEIGHT = 3.0
    settings: BollaRollaSettings

    def initialize_episode(self, rng: np.random.Generator) -> None:
        """The ground, the ball on it, the plank on the ball, the figure on the plank."""
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
        """How high the plank's upper side is when it lies level on the ball (m)."""
        return 2 * self.settings.ball_radius + PLANK_HEIGHT

    def apply_settings(self) -> None:
        """Gravity and friction act at once; the ball grows, and the plank, as they are; what rests on them is lifted."""
        super().apply_settings()
        self.set_friction(self.settings.friction)
        radius = self.settings.ball_radius
        size = (self.settings.plank_length, PLANK_HEIGHT)
        self.ball_shape.unsafe_set_radius(radius)
        self.plank_shape.unsafe_set_vertices(pymunk.Poly.create_box(None, size).get_vertices())
        self.ball.moment = pymunk.moment_for_circle(self.ball.mass, 0.0, radius)
        self.plank.moment = pymunk.moment_for_box(self.plank.mass, size)
        self.figure.set_rest_height(self.plank_top)

    def apply_action(self, action: Action) -> None:
        """Move shoulders, elbows, hips and knees."""
        self.figure.apply_action(action)

    def read_state(self) -> None:
        """Keep ball, plank and torso as plain numbers: x, y, angle, vx, vy, angular velocity."""
        super().read_state()
        self.ball_state, self.plank_state, self.torso_state = self.body_states[:3].tolist()

    def reward_terms(self, action: Action) -> dict[str, float]:
        """Upright, at height, plank level and centred on the ball, quiet, with little effort; each in [0, 1]."""
        ball = self.ball_state
        plank = self.plank_state
        torso = self.torso_state
        return {
            "alive": 1.0,
            "upright": gaussian_tolerance(torso[2], 0.4),
            "height": gaussian_tolerance(torso[1] - self.plank_top - STRAIGHT_HEIGHT, 0.2),
            "level": gaussian_tolerance(plank[2], 0.3),
            "centred": gaussian_tolerance(plank[0] - ball[0], 0.3),
            "quiet": gaussian_tolerance(body_speed(torso), 1.0),
            "economy": control_saving(action),
        }

    def failure_margins(self) -> dict[str, float]:
        """Plank and torso may tip so far; torso and ball must stay between the plank's ends."""
        ball = self.ball_state
        plank = self.plank_state
        torso = self.torso_state
        half = self.settings.plank_length / 2
        return {
            "plank tips": 1.0 - abs(plank[2]) / PLANK_ANGLE_LIMIT,
            "torso tips": 1.0 - abs(torso[2]) / TORSO_ANGLE_LIMIT,
            "torso leaves the plank": 1.0 - abs(torso[0] - plank[0]) / half,
            "ball leaves the plank": 1.0 - abs(ball[0] - plank[0]) / half,
        }

    def get_observation(self) -> Array:
        """Ball (x, v), plank (x, angle, v, angular velocity), torso and limbs, six numbers each."""
        ball = self.ball_state
        plank = self.plank_state
        stand = [ball[0], ball[3], plank[0] - ball[0], plank[2], plank[3] - ball[3], plank[5]]
        return np.concatenate(
            (stand, self.figure.get_observation(self.body_states[2:], plank[0], plank[3]))
        )

    def camera_target(self) -> tuple[float, float]:
        """The camera follows the ball."""
        return self.ball_state[0], 1.1

    def draw_scene(self, canvas: Canvas) -> None:
        """Ground, ball with its spokes, plank, figure."""
        canvas.draw_ground(0.0)
        radius = self.settings.ball_radius
        canvas.draw_disc(self.ball.position, radius, BALL_COLOUR)
        for turn in range(3):
            spoke = pymunk.Vec2d(radius * 0.85, 0.0).rotated(self.ball.angle + turn * np.pi / 3)
            canvas.draw_capsule(
                self.ball.position - spoke, self.ball.position + spoke, 0.02, (244, 164, 150)
            )
        canvas.draw_box(
            self.plank.position,
            self.plank.angle,
            self.settings.plank_length,
            PLANK_HEIGHT,
            WOOD_COLOUR,
            0.02,
        )
        self.figure.draw(canvas)
