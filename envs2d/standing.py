"""Standing: a torso on two legs without feet, 50 kg, that must not fall; kneeling is allowed."""

from typing import ClassVar

import numpy as np
import pymunk

from poise.envs2d.canvas import Canvas
from poise.envs2d.figure import (
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
from poise.toolkit.spaces import Action, Array

DROP_LIMIT = 0.32
"""Largest drop of the torso's centre below its start (m)."""


class Standing(FigureEnvironment, PlanarEnvironment):
    """Stand on two legs without feet.

    The episode ends when the torso's centre has dropped 0.32 m below its start. Kneeling, a drop of
    0.30 m, does not end it: `survival` pays for it as for standing, `posture` pays less.

    Without actions it falls after 66 steps of 20 ms, under random actions after 36 (medians of 50
    seeds).
    """

    OBSERVATION = make_figure_signals(LEGS, standing_on="the start")
    ACTION = make_figure_actions(LEGS)
    REWARD: ClassVar = {
        "posture": {"upright": 0.3, "height": 0.4, "low_velocity": 0.2, "control_saving": 0.1},
        "survival": {"alive": 1.0},
    }
    SETTINGS = FigureSettings
    LIVE_SETTINGS = ("gravity", "friction")
    settings: FigureSettings

    def initialize_episode(self, rng: np.random.Generator) -> None:
        """Build the ground and the figure on it, with random small joint angles."""
        ground = pymunk.Segment(self.space.static_body, (-100.0, -1.0), (100.0, -1.0), 1.0)
        self.space.add(ground)
        self.figure = Figure(self, LEGS, 0.0, rng)
        self.apply_settings()
        self.start_height = self.figure.torso.position.y

    def apply_action(self, action: Action) -> None:
        """Apply torques at hips and knees."""
        self.figure.apply_action(action)

    def read_state(self) -> None:
        """Read the torso: x, y (m), angle (rad), vx, vy (m/s), angular velocity (rad/s)."""
        super().read_state()
        self.torso_state = self.body_states[0].tolist()

    def reward_terms(self, action: Action) -> dict[str, float]:
        """Return upright, height, low_velocity and control_saving, each in [0, 1]."""
        return {
            "alive": 1.0,
            "upright": gaussian_tolerance(self.torso_state[2], 0.4),
            "height": gaussian_tolerance(self.torso_state[1] - STRAIGHT_HEIGHT, 0.15),
            "low_velocity": gaussian_tolerance(body_speed(self.torso_state), 1.0),
            "control_saving": control_saving(action),
        }

    def failure_margins(self) -> dict[str, float]:
        """Return how far the torso is from having dropped by DROP_LIMIT."""
        return {"height": 1.0 - (self.start_height - self.torso_state[1]) / DROP_LIMIT}

    def get_observation(self) -> Array:
        """Return torso and limbs, six numbers each."""
        return self.figure.get_observation(self.body_states)

    def apply_settings(self) -> None:
        """Apply gravity and friction to the running episode."""
        super().apply_settings()
        self.set_friction(self.settings.friction)

    def camera_target(self) -> tuple[float, float]:
        """Return a point over the ground that follows the torso (m)."""
        return self.torso_state[0], 0.75

    def draw_scene(self, canvas: Canvas) -> None:
        """Draw the figure."""
        self.figure.draw(canvas)
