"""PlanarEnvironment: an environment with its bodies in a pymunk space. SI units, y up."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pymunk
import pymunk.batch
from pydantic import Field

from poise.envs2d.canvas import BODY_COLOUR, FILM_COLOURS, NEAR_LIMB_COLOUR, Canvas
from poise.envs2d.interaction import MAX_BALLS, PlanarInteraction
from poise.toolkit.appearance import Colour
from poise.toolkit.environment import BaseEnvironment
from poise.toolkit.errors import UserError
from poise.toolkit.interaction import ImagePoint
from poise.toolkit.settings import EnvSettings
from poise.toolkit.spaces import Array

BODY_FIELDS = (
    pymunk.batch.BodyFields.POSITION
    | pymunk.batch.BodyFields.ANGLE
    | pymunk.batch.BodyFields.VELOCITY
    | pymunk.batch.BodyFields.ANGULAR_VELOCITY
)


JOINT_CORRECTION = 0.2
"""Fraction of a joint's gap that is closed in one physics step. Chipmunk's default (10 % in 1/60 s)
lets the joints of a 70 kg body gape by 20 mm; this one keeps them under 1 cm and adds no energy
(tests/envs2d/test_physics.py)."""


CAMERA_HEIGHT = 0.35
"""Height of the image's centre over the ground, in heights of the image."""


COLLISION_SLOP = 0.001
"""Depth to which touching shapes may overlap (m)."""


class PlanarSettings(EnvSettings):
    """Settings of every environment in the plane."""

    gravity: float = Field(
        9.81, ge=0, le=40, description="gravity, towards the bottom of the image (m/s2)"
    )


class PlanarEnvironment(BaseEnvironment):
    """The plane: one pymunk space, rebuilt at every reset.

    A space keeps the solver's impulses of the last step as the start of the next one, so a space
    that was used before would give other bits.
    """

    SETTINGS = PlanarSettings
    LIVE_SETTINGS: ClassVar[tuple[str, ...]] = ("gravity",)
    """Settings that a person may change within an episode."""
    VIEW_HEIGHT = 2.4
    # Height of the ground in images (m); None for none, as seen from above.
    GROUND_LEVEL: ClassVar[float | None] = 0.0
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
        self.space.collision_slop = COLLISION_SLOP
        self.body_states: Array = np.empty((0, 6))
        self._interaction: PlanarInteraction | None = None

    def step_physics(self, dt: float) -> None:
        """Advance the physics by one step of `dt` seconds."""
        self.space.step(dt)

    def read_state(self) -> None:
        """Read all bodies at once into `body_states` (B, 6), in the order in which they were added.

        A row is x, y (m), angle (rad), vx, vy (m/s), angular velocity (rad/s).
        """
        if not len(self.body_states):
            self._scale_mass_and_friction()
            # Thrown balls and the static body come last and are left out. One more row, because
            # pymunk would grow a full buffer, and it cannot grow numpy's memory.
            memory = np.zeros((len(self.space.bodies) + MAX_BALLS + 2, 6))
            self._buffer.set_float_buf(memory)
            self.body_states = memory[: len(self.space.bodies)]
        self._buffer.clear()
        pymunk.batch.get_space_bodies(self.space, BODY_FIELDS, self._buffer)

    def get_physics_state(self) -> Array:
        """Return gravity, the numbers of shapes and joints, and the state of every body."""
        numbers = [*self.space.gravity, len(self.space.shapes), len(self.space.constraints)]
        for body in self.space.bodies:
            numbers += [*body.position, body.angle, *body.velocity, body.angular_velocity]
            numbers += [*body.force, body.torque]
        return np.array(numbers)

    def add_joint(self, joint: pymunk.Constraint) -> pymunk.Constraint:
        """Add a joint that closes its gaps by JOINT_CORRECTION a physics step."""
        joint.error_bias = (1.0 - JOINT_CORRECTION) ** (1.0 / self._dt)
        self.space.add(joint)
        return joint

    def set_friction(self, friction: float) -> None:
        """Set the friction coefficient between any two surfaces, times friction_scale."""
        # Before the first read_state friction is not scaled yet: read_state scales all of it.
        scale = self.settings.friction_scale if len(self.body_states) else 1.0
        for shape in self.space.shapes:
            shape.friction = math.sqrt(friction * scale)  # pymunk multiplies the two shapes' own.

    def apply_settings(self) -> None:
        """Apply LIVE_SETTINGS to the running episode."""
        self.space.gravity = (0.0, -self.settings.gravity)

    def change_setting(self, name: str, value: float) -> None:
        """Change one of LIVE_SETTINGS within the episode."""
        self.settings = self.settings.model_copy(update={name: value})
        self.apply_settings()

    def interaction(self) -> PlanarInteraction:
        """Return the disturbances of this episode."""
        self._interaction = self._interaction or PlanarInteraction(self)
        return self._interaction

    def collision_shapes(self) -> list[pymunk.Shape]:
        """Return the shapes that thrown balls hit, beside those of the environment's physics."""
        return []

    def render_frame(self) -> Array:
        """Return the image now, (height, width, 3) uint8; the camera follows `camera_target`."""
        return self._render_image(
            self.settings.width,
            self.settings.height,
            self._draw_scene_and_interaction,
            FILM_COLOURS,
        )

    def render_observation(self, width: int, height: int, *, at_target: bool = False) -> Array:
        """Return a bare image (height, width, 3) uint8 of the body, now or at its target."""
        draw_function = self.draw_goal if at_target else self.draw_body
        return self._render_image(width, height, draw_function, {})

    def draw_scene(self, canvas: Canvas) -> None:
        """Draw the environment, over sky and ground; by default the shape of every body."""
        for body in self.space.bodies:
            for shape in body.shapes:
                _draw_shape(canvas, body, shape)

    def draw_body(self, canvas: Canvas) -> None:
        """Draw the environment without its targets."""
        self.draw_scene(canvas)

    def draw_goal(self, canvas: Canvas) -> None:
        """Draw the body at its target; a UserError where it has none."""
        raise UserError(
            f"{type(self).__name__} cannot draw its body at the target: leave goal=state"
        )

    def camera_target(self) -> tuple[float, float]:
        """Return the point (m) at the centre of the image; by default over the ground."""
        if self.GROUND_LEVEL is None:
            return 0.0, 0.0
        return 0.0, self.GROUND_LEVEL + CAMERA_HEIGHT * self.VIEW_HEIGHT

    def world_to_image(self, point: Sequence[float]) -> ImagePoint:
        """Return the image point at which a point (m) appears."""
        left, top = self.image_to_world(0.0, 0.0)
        right, bottom = self.image_to_world(1.0, 1.0)
        return (point[0] - left) / (right - left), (point[1] - top) / (bottom - top)

    def image_to_world(self, x: float, y: float) -> tuple[float, float]:
        """Return the point (m) at an image point: fractions of width and height, from top left."""
        (centre_x, centre_y), height = self._camera_view()
        width = height * self.settings.width / self.settings.height
        return centre_x + (x - 0.5) * width, centre_y + (0.5 - y) * height

    def _scale_mass_and_friction(self) -> None:
        """Multiply masses and frictions of the new bodies by mass_scale and friction_scale."""
        mass_scale = self.settings.mass_scale
        friction_scale = self.settings.friction_scale
        for body in self.space.bodies:
            body.mass = mass_scale * body.mass
            body.moment = mass_scale * body.moment
        for shape in self.space.shapes:
            shape.friction *= math.sqrt(friction_scale)
        for joint in self.space.constraints:
            if isinstance(joint, pymunk.DampedRotarySpring):
                joint.damping *= friction_scale

    def _draw_scene_and_interaction(self, canvas: Canvas) -> None:
        self.draw_scene(canvas)
        if self._interaction:
            self._interaction.draw_balls(canvas)

    def _render_image(
        self,
        width: int,
        height: int,
        draw_function: Callable[[Canvas], None],
        palette: Mapping[Colour, Colour],
    ) -> Array:
        if (width, height) not in self._canvases:
            self._canvases[width, height] = Canvas(width, height)
        canvas = self._canvases[width, height]
        canvas.begin_frame(*self._camera_view(), self.appearance, palette)
        if self.GROUND_LEVEL is not None:
            canvas.draw_ground(self.GROUND_LEVEL)
        draw_function(canvas)
        return canvas.get_frame()

    def _camera_view(self) -> tuple[tuple[float, float], float]:
        """Return the point (m) at the image's centre and the height shown (m)."""
        x, y = (self.camera_target_override or self.camera_target)()
        view_height = self.VIEW_HEIGHT / self.appearance.camera_zoom
        shift_x, shift_y = self.appearance.camera_shift
        return (x + shift_x * view_height, y + shift_y * view_height), view_height


def _draw_shape(canvas: Canvas, body: pymunk.Body, shape: pymunk.Shape) -> None:
    """Draw the outline of a shape, filled; a circle with a spoke that shows how it is turned."""
    if isinstance(shape, pymunk.Circle):
        centre = body.local_to_world(shape.offset)
        rim = centre + pymunk.Vec2d(0.85 * shape.radius, 0.0).rotated(body.angle)
        canvas.draw_disc(centre, shape.radius, BODY_COLOUR)
        canvas.draw_capsule(centre, rim, 0.15 * shape.radius, NEAR_LIMB_COLOUR)
    elif isinstance(shape, pymunk.Segment):
        start = body.local_to_world(shape.a)
        end = body.local_to_world(shape.b)
        canvas.draw_capsule(start, end, 2.0 * shape.radius, BODY_COLOUR)
    elif isinstance(shape, pymunk.Poly):
        corners = [body.local_to_world(corner) for corner in shape.get_vertices()]
        canvas.draw_polygon(list(corners), BODY_COLOUR)
