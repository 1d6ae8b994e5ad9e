"""SpatialEnvironment: an environment whose bodies live in a PyBullet client of its own. SI units, z up, +x ahead."""

import contextlib
import tempfile
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from poise.envs3d.body import Body
from poise.envs3d.camera import Camera, Marker
from poise.envs3d.client import Client, suppress_c_output
from poise.envs3d.interaction import SpatialInteraction, push_link
from poise.envs3d.models import FLOOR_RGBA, HUMANOID_ARM_RGBA, make_humanoid_mjcf
from poise.envs3d.renderer import make_renderer
from poise.toolkit.appearance import Appearance
from poise.toolkit.environment import BaseEnvironment
from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.settings import EnvSettings
from poise.toolkit.spaces import Array


class SpatialSettings(EnvSettings):
    """What every environment in space lets its user choose."""

    gravity: float = Field(9.81, ge=0, le=40, description="gravity (m/s2)")
    camera: Literal["front", "side", "top", "follow"] = Field(
        "follow", description="where its pictures are taken from"
    )
    width: int = Field(480, ge=16, le=4096, description="width of its picture (pixels)")
    height: int = Field(480, ge=16, le=4096, description="height of its picture (pixels)")
    show_markers: bool = Field(True, description="paint targets over its pictures")
    shadows: bool = Field(
        True, description="draw shadows; without them pictures take half the time"
    )
    renderer: Literal["tiny", "egl"] = Field(
        "tiny", description="tiny: on any machine; egl: on a graphics card"
    )


with suppress_c_output():
    import pybullet_data


PYBULLET_DATA = Path(pybullet_data.getDataPath())
"""Robots that come with PyBullet."""


class SpatialEnvironment(BaseEnvironment):
    """Space: one client, in which bodies are loaded once; every episode begins by restoring the state just after."""

    SETTINGS = SpatialSettings
    LIVE_SETTINGS: ClassVar[tuple[str, ...]] = (
        "gravity",
    )  # settings that `tune` lets act within an episode
    RANDOMIZABLE = (
        "colours",
        "background",
        "lighting",
        "camera_jitter",
        *BaseEnvironment.RANDOMIZABLE,
    )
    settings: SpatialSettings
    camera_target_override: Callable[[], Sequence[float]] | None = None
    """Replaces `camera_target` while set: two environments can be drawn by one camera."""

    def __init__(self, render_mode: str | None = None, **settings: Any) -> None:
        super().__init__(render_mode, **settings)
        self.camera = Camera(
            self.settings.camera, self.VIEW_HEIGHT, self.settings.width, self.settings.height
        )
        self._client: Any = None
        self._renderer: Callable[[Camera, Appearance], Array] | None = None

    @abstractmethod
    def load_bodies(self) -> None:
        """Load the bodies; once for all episodes."""

    def reset_physics(self) -> None:
        """Restore the state in which the bodies were loaded; load them anew where numbers have broken."""
        if self._client is None or not self._client.has_finite_state():
            self._connect()
        self._client.restoreState(self._initial_state_id)

    def detect_collisions(self) -> None:
        """Find out what touches what, now that bodies were placed; a step of the physics does so by itself."""
        self._client.performCollisionDetection()

    def step_physics(self, dt: float) -> None:
        """One step of the physics, `dt` seconds."""
        self._step_simulation()

    def close(self) -> None:
        """Give everything back; closing twice is no error."""
        super().close()
        if self._client is not None:
            with contextlib.suppress(WorkError):  # It may have died.
                self._client.disconnect()
            self._client = None

    def load_body(self, path: Path, position: Sequence[float] = (0, 0, 0)) -> Body:
        """Load a body with a fixed base from a URDF file; from an MJCF or an SDF file, which say themselves where it is."""
        if path.suffix == ".urdf":
            return Body(
                self._client,
                self._client.loadURDF(str(path), basePosition=position, useFixedBase=True),
            )
        return Body(
            self._client,
            (self._client.loadSDF if path.suffix == ".sdf" else self._client.loadMJCF)(str(path))[
                0
            ],
        )

    def load_body_from_text(self, text: str) -> Body:
        """Load a body from the text of a URDF or of an MJCF file."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "body.xml" if "<mujoco" in text else "body.urdf")
            path.write_text(text)
            return self.load_body(path)

    def load_box(self, edge: float, mass: float, rgba: Sequence[float]) -> Body:
        """A cube (m, kg) of a colour (red, green, blue, opacity in [0, 1])."""
        half = [edge / 2.0] * 3
        shape = self._client.createCollisionShape(self._client.GEOM_BOX, halfExtents=half)
        look = self._client.createVisualShape(
            self._client.GEOM_BOX, halfExtents=half, rgbaColor=rgba
        )
        return Body(self._client, self._client.createMultiBody(mass, shape, look))

    def load_humanoid(self, *, upper_body_only: bool = False) -> Body:
        """Load the humanoid that comes with PyBullet; as a `upper_body_only`, fixed in the air and without its lower body."""
        body = self.load_body_from_text(
            make_humanoid_mjcf(
                (PYBULLET_DATA / "mjcf" / "humanoid_symmetric_no_ground.xml").read_text(),
                upper_body_only=upper_body_only,
            )
        )
        for link, colour in HUMANOID_ARM_RGBA.items():
            body.set_link_colour(link, colour)
        return body

    def push(self, body: Body, link: str, impulse: Sequence[float] | Array) -> None:
        """Push a link in its middle with an impulse (N s); it acts at the next step."""
        push_link(
            self._client,
            body.body_id,
            body.links[link],
            np.array(impulse),
            np.array(body.center_of_mass(link)),
            self._dt,
        )

    def world_to_image(self, point: Sequence[float]) -> tuple[float, float]:
        """Where a point (m; z is 0 if not told) is in the picture: fractions of its width and height, from the top left."""
        return self._aim_camera(self.camera).project(np.pad(point, (0, 3 - len(point))))[:2]

    def interaction(self) -> SpatialInteraction:
        """What disturbs this episode."""
        return self._interaction

    def apply_settings(self) -> None:
        """Let the settings that it TURNS act, whatever they were before."""
        self._client.setGravity(0.0, 0.0, -self.settings.gravity)

    def add_floor(self, height: float, half_extent: float, half_thickness: float = 0.005) -> None:
        """A pale square to see, not to touch: at a height, and so far from the middle to its edge (m)."""
        shape = self._client.createVisualShape(
            self._client.GEOM_BOX,
            halfExtents=(half_extent, half_extent, half_thickness),
            rgbaColor=FLOOR_RGBA,
        )
        self._client.createMultiBody(0.0, -1, shape, (0.0, 0.0, height - half_thickness))

    def render_frame(self) -> Array:
        """The picture now: what the renderer sees, and over it the markers."""
        camera = self._aim_camera(self.camera)
        return camera.draw_markers(
            self._render_image(camera), self.markers() if self.settings.show_markers else ()
        )

    def render_observation(self, size: int, *, at_target: bool = False) -> Array:
        """A bare picture (size, size, 3) for the agent; of a `at_target`, the body at its target."""
        with self.posed_at_target() if at_target else contextlib.nullcontext():
            return self._render_image(
                self._aim_camera(Camera(self.settings.camera, self.VIEW_HEIGHT, size, size))
            )

    def posed_at_target(self) -> contextlib.AbstractContextManager[None]:
        """The body at its target, for as long as one looks at it."""
        raise UserError(
            f"{type(self).__name__} cannot draw its body at the target: leave goal=state"
        )

    def camera_target(self) -> Sequence[float]:
        """The point (m) at the picture's centre."""
        return (0.0, 0.0, 0.0)

    def markers(self) -> Iterable[Marker]:
        """What is painted over the picture: targets."""
        return ()

    def _aim_camera(self, camera: Camera) -> Camera:
        """A camera turned to the focus, where the look has moved it."""
        camera.target = np.array((self.camera_target_override or self.camera_target)())
        return camera.with_appearance(self.appearance)

    def _render_image(self, camera: Camera) -> Array:
        if self._renderer is None:
            self._renderer = make_renderer(
                self._client, self.settings.renderer, self.settings.shadows
            )
        return self._renderer(camera, self.appearance)

    def _connect(self) -> None:
        self.close()
        with suppress_c_output():
            self._client = Client(self.settings.mass_scale, self.settings.friction_scale)
            self._client.setPhysicsEngineParameter(
                fixedTimeStep=self._dt, deterministicOverlappingPairs=1
            )
            self.apply_settings()
            self.load_bodies()
        self._renderer = None
        self._interaction = SpatialInteraction(self, self._client)
        self._initial_state_id = self._client.saveState()
        self._step_simulation = self._client.stepSimulation
