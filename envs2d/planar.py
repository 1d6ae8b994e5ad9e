"""PlanarEnvironment: an environment whose bodies live in a pymunk space. SI units, y up."""

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import pymunk
import pymunk.batch
from pydantic import Field

from poise.envs2d.canvas import Canvas
from poise.envs2d.interaction import MAX_BALLS, PlanarInteraction
from poise.toolkit.environment import BaseEnvironment
from poise.toolkit.errors import UserError
from poise.toolkit.settings import EnvSettings
from poise.toolkit.spaces import Array


class PlanarSettings(EnvSettings):
    """What every environment in the plane lets its user choose."""

    gravity: float = Field(
        9.81, ge=0, le=40, description="gravity, towards the picture's bottom (m/s2)"
    )


BODY_FIELDS = (
    pymunk.batch.BodyFields.POSITION
    | pymunk.batch.BodyFields.ANGLE
    | pymunk.batch.BodyFields.VELOCITY
    | pymunk.batch.BodyFields.ANGULAR_VELOCITY
)


JOINT_CORRECTION = 0.2
"""The part of a joint's gap that is closed in one physics step. Chipmunk's own choice (10 % in 1/60 s) lets
the joints of a 70 kg body gape by 20 mm; this one keeps them under 1 cm and adds no energy (tests/test_physics.py)."""


class PlanarEnvironment(BaseEnvironment):
    """The plane: one pymunk space, rebuilt at every reset because pymunk remembers what it solved before."""

    SETTINGS = PlanarSettings
    LIVE_SETTINGS: ClassVar[tuple[str, ...]] = (
        "gravity",
    )  # settings that `tune` lets act within an episode
    VIEW_HEIGHT = 2.4
    RANDOMIZABLE = (
        "colours",
        "background",
        "widths",
        "camera_jitter",
        *BaseEnvironment.RANDOMIZABLE,
    )
    settings: PlanarSettings
    camera_target_override: Callable[[], tuple[float, float]] | None = None
    """Replaces `camera_target` while set: two environments can be drawn by one camera."""

    def __init__(self, render_mode: str | None = None, **settings: Any) -> None:
        super().__init__(render_mode, **settings)
        self._canvases: dict[tuple[int, int], Canvas] = {}
        self._buffer = pymunk.batch.Buffer()

    def reset_physics(self) -> None:
        """Start from an empty space."""
        self.space = pymunk.Space()
        self.space.gravity = (0.0, -self.settings.gravity)
        self.space.collision_slop = 0.001
        self.body_states: Array = np.empty((0, 6))
        self._interaction: PlanarInteraction | None = None

    def apply_settings(self) -> None:
        """Let the settings that it TURNS act, whatever they were before."""
        self.space.gravity = (0.0, -self.settings.gravity)

    def set_friction(self, friction: float) -> None:
        """Let any two surfaces that touch have this coefficient of friction; the engine multiplies theirs."""
        # What is being placed is scaled once all of it is there.
        scale = self.settings.friction_scale if len(self.body_states) else 1.0
        for shape in self.space.shapes:
            shape.friction = math.sqrt(friction * scale)

    def interaction(self) -> PlanarInteraction:
        """What disturbs this episode."""
        self._interaction = self._interaction or PlanarInteraction(self)
        return self._interaction

    def collision_shapes(self) -> list[pymunk.Shape]:
        """The shapes that thrown balls hit, where the environment's own physics has none."""
        return []

    def step_physics(self, dt: float) -> None:
        """One step of the physics, `dt` seconds."""
        self.space.step(dt)

    def read_state(self) -> None:
        """Read all bodies at once into `states` (B, 6): x, y, angle, vx, vy, angular velocity, in the order added."""
        if not len(self.body_states):
            self._scale_mass_and_friction()
            # Thrown balls and the static body come last and are not shown; one more row because pymunk would
            # grow a full buffer, and this memory is not its own to grow.
            memory = np.zeros((len(self.space.bodies) + MAX_BALLS + 2, 6))
            self._buffer.set_float_buf(memory)
            self.body_states = memory[: len(self.space.bodies)]
        self._buffer.clear()
        pymunk.batch.get_space_bodies(self.space, BODY_FIELDS, self._buffer)

    def _scale_mass_and_friction(self) -> None:
        """Make what was just placed as heavy and as rough as the settings want it."""
        mass = self.settings.mass_scale
        friction = self.settings.friction_scale
        for body in self.space.bodies:
            body.mass = mass * body.mass
            body.moment = mass * body.moment
        for shape in self.space.shapes:
            shape.friction *= math.sqrt(friction)
        for joint in self.space.constraints:
            if isinstance(joint, pymunk.DampedRotarySpring):
                joint.damping *= friction

    def add_joint(self, joint: pymunk.Constraint) -> pymunk.Constraint:
        """Add a joint that closes its gaps quickly."""
        joint.error_bias = (1.0 - JOINT_CORRECTION) ** (1.0 / self._dt)
        self.space.add(joint)
        return joint

    def render_frame(self) -> Array:
        """The picture now; the camera follows `focus`."""
        return self._render_image(
            self.settings.width, self.settings.height, self._draw_scene_and_interaction
        )

    def render_observation(self, size: int, *, at_target: bool = False) -> Array:
        """A bare picture (size, size, 3) for the agent."""
        return self._render_image(size, size, self.draw_goal if at_target else self.draw_body)

    def world_to_image(self, point: Sequence[float]) -> tuple[float, float]:
        """Where a point (m) is in the picture: fractions of its width and height, from the top left."""
        left, top = self.image_to_world(0.0, 0.0)
        right, bottom = self.image_to_world(1.0, 1.0)
        return (point[0] - left) / (right - left), (point[1] - top) / (bottom - top)

    def image_to_world(self, x: float, y: float) -> tuple[float, float]:
        """The environment's point (m) under a point of the picture (fractions of its width and height, from the top left)."""
        (centre_x, centre_y), height = self._camera_view()
        width = height * self.settings.width / self.settings.height
        return centre_x + (x - 0.5) * width, centre_y + (0.5 - y) * height

    def camera_target(self) -> tuple[float, float]:
        """The point (m) at the picture's centre."""
        return 0.0, 0.0

    def draw_scene(self, canvas: Canvas) -> None:
        """Draw the environment on the canvas."""
        raise NotImplementedError

    def draw_body(self, canvas: Canvas) -> None:
        """Draw it without its targets."""
        self.draw_scene(canvas)

    def draw_goal(self, canvas: Canvas) -> None:
        """Draw what is to be reached."""
        raise UserError(
            f"{type(self).__name__} cannot draw its body at the target: leave goal=state"
        )

    def _draw_scene_and_interaction(self, canvas: Canvas) -> None:
        self.draw_scene(canvas)
        if self._interaction:
            self._interaction.draw_balls(canvas)

    def _render_image(
        self, width: int, height: int, draw_function: Callable[[Canvas], None]
    ) -> Array:
        if (width, height) not in self._canvases:
            self._canvases[width, height] = Canvas(width, height)
        canvas = self._canvases[width, height]
        canvas.begin_frame(*self._camera_view(), self.appearance)
        draw_function(canvas)
        return canvas.get_frame()

    def _camera_view(self) -> tuple[tuple[float, float], float]:
        """The point at the picture's centre and how much its height shows (m), as the look has moved the camera."""
        x, y = (self.camera_target_override or self.camera_target)()
        view = self.VIEW_HEIGHT / self.appearance.camera_zoom
        return (
            x + self.appearance.camera_shift[0] * view,
            y + self.appearance.camera_shift[1] * view,
        ), view
