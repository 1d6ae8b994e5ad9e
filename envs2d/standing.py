"""Standing: a torso on two legs without feet, 50 kg, that must not sink to its knees."""

from typing import ClassVar

import numpy as np
import pymunk
from poise.envs2d.canvas import Canvas
from poise.envs2d.figure import LEGS, STRAIGHT_HEIGHT, Figure, FigureSettings, WithFigure, figure_actions, figure_signals, speed
from poise.envs2d.planar import PlanarEnvironment
from poise.toolkit.rewards import closeness, economy
from poise.toolkit.spaces import Array, Effort

DROP_LIMIT = 0.32


class Standing(WithFigure, PlanarEnvironment):
    """Stand on two legs without feet.

    The episode ends when the torso's centre has dropped 0.32 m below its start.

    Without effort it falls after 66 steps of 20 ms, under random actions after 36 (medians of 50 seeds).
    """

    OBSERVATION = figure_signals(LEGS, standing_on="the start")
    ACTION = figure_actions(LEGS)
    REWARD: ClassVar = {
        "posture": {"upright": 0.3, "height": 0.4, "quiet": 0.2, "economy": 0.1},
        "survival": {"alive": 1.0},
    }
    SETTINGS = FigureSettings
    TURNS = ("gravity", "friction")
    settings: FigureSettings

    def place(self, rng: np.random.Generator) -> None:
        """The ground, and the figure on it, its joints turned a little by chance."""
        ground = pymunk.Segment(self.space.static_body, (-100.0, -1.0), (100.0, -1.0), 1.0)
        self.space.add(ground)
        self.figure = Figure(self, LEGS, 0.0, rng)
        self.tune()
        self.start_height = self.figure.torso.position.y

    def tune(self) -> None:
        """Gravity and friction act at once."""
        super().tune()
        self.rub(self.settings.friction)

    def apply(self, effort: Effort) -> None:
        """Move hips and knees."""
        self.figure.apply(effort)

    def sense(self) -> None:
        """Keep the torso's state as plain numbers: x, y, angle, vx, vy, angular velocity."""
        super().sense()
        self.torso = self.states[0].tolist()

    def reward_terms(self, effort: Effort) -> dict[str, float]:
        """Upright, at height, quiet, with little effort; each in [0, 1]."""
        return {
            "alive": 1.0,
            "upright": closeness(self.torso[2], 0.4),
            "height": closeness(self.torso[1] - STRAIGHT_HEIGHT, 0.15),
            "quiet": closeness(speed(self.torso), 1.0),
            "economy": economy(effort),
        }

    def margins(self) -> dict[str, float]:
        """The torso may sink by DROP_LIMIT."""
        return {"height": 1.0 - (self.start_height - self.torso[1]) / DROP_LIMIT}

    def observe(self) -> Array:
        """Torso and limbs, six numbers each."""
        return self.figure.observe(self.states)

    def focus(self) -> tuple[float, float]:
        """The camera follows the torso to left and right."""
        return self.torso[0], 0.75

    def paint(self, canvas: Canvas) -> None:
        """The ground and the figure."""
        canvas.ground(0.0)
        self.figure.paint(canvas)
