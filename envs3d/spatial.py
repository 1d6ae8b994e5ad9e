"""SpatialEnvironment: a world whose bodies live in a PyBullet client of its own. SI units, z up, +x ahead."""

import contextlib
import tempfile
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from poise.envs3d.body import Body
from poise.envs3d.camera import Camera, Marker
from poise.envs3d.client import Client, silenced
from poise.envs3d.interaction import SpatialHands, push_link
from poise.envs3d.models import FLOOR, SLEEVES, humanoid_mjcf
from poise.envs3d.renderer import photographer
from poise.toolkit.appearance import Look
from poise.toolkit.environment import BaseEnvironment
from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.settings import WorldSettings
from poise.toolkit.spaces import Array
from pydantic import Field


class SpatialSettings(WorldSettings):
    """What every world in space lets its user choose."""

    gravity: float = Field(9.81, ge=0, le=40, description="gravity (m/s2)")
    camera: Literal["front", "side", "top", "follow"] = Field("follow", description="where its pictures are taken from")
    width: int = Field(480, ge=16, le=4096, description="width of its picture (pixels)")
    height: int = Field(480, ge=16, le=4096, description="height of its picture (pixels)")
    markers: bool = Field(True, description="paint targets over its pictures")
    shadows: bool = Field(True, description="draw shadows; without them pictures take half the time")
    renderer: Literal["tiny", "egl"] = Field("tiny", description="tiny: on any machine; egl: on a graphics card")


with silenced():
    import pybullet_data


DATA = Path(pybullet_data.getDataPath())
"""Robots that come with PyBullet."""


class SpatialEnvironment(BaseEnvironment):
    """Space: one client, in which bodies are loaded once; every episode begins by restoring the state just after."""

    SETTINGS = SpatialSettings
    TURNS: ClassVar[tuple[str, ...]] = ("gravity",)  # settings that `tune` lets act within an episode
    VARIES = ("colours", "background", "lighting", "jitter", *BaseEnvironment.VARIES)
    settings: SpatialSettings

    def __init__(self, render_mode: str | None = None, **settings: Any) -> None:
        super().__init__(render_mode, **settings)
        self.camera = Camera(self.settings.camera, self.VIEW, self.settings.width, self.settings.height)
        self._client: Any = None
        self._photograph: Callable[[Camera, Look], Array] | None = None

    @abstractmethod
    def build(self) -> None:
        """Load the bodies; once for all episodes."""

    def clear(self) -> None:
        """Restore the state in which the bodies were loaded; load them anew where numbers have broken."""
        if self._client is None or not self._client.is_sound():
            self._open()
        self._client.restoreState(self._start)

    def meet(self) -> None:
        """Find out what touches what, now that bodies were placed; a step of the physics does so by itself."""
        self._client.performCollisionDetection()

    def advance(self, dt: float) -> None:
        """One step of the physics, `dt` seconds."""
        self._step()

    def close(self) -> None:
        """Give everything back; closing twice is no error."""
        super().close()
        if self._client is not None:
            with contextlib.suppress(WorkError):  # It may have died.
                self._client.disconnect()
            self._client = None

    def load(self, path: Path, at: Sequence[float] = (0, 0, 0)) -> Body:
        """Load a body with a fixed base from a URDF file; from an MJCF or an SDF file, which say themselves where it is."""
        if path.suffix == ".urdf":
            return Body(self._client, self._client.loadURDF(str(path), basePosition=at, useFixedBase=True))
        return Body(self._client, (self._client.loadSDF if path.suffix == ".sdf" else self._client.loadMJCF)(str(path))[0])

    def load_text(self, text: str) -> Body:
        """Load a body from the text of a URDF or of an MJCF file."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "body.xml" if "<mujoco" in text else "body.urdf")
            path.write_text(text)
            return self.load(path)

    def load_box(self, edge: float, mass: float, colour: Sequence[float]) -> Body:
        """A cube (m, kg) of a colour (red, green, blue, opacity in [0, 1])."""
        half = [edge / 2.0] * 3
        shape = self._client.createCollisionShape(self._client.GEOM_BOX, halfExtents=half)
        look = self._client.createVisualShape(self._client.GEOM_BOX, halfExtents=half, rgbaColor=colour)
        return Body(self._client, self._client.createMultiBody(mass, shape, look))

    def load_humanoid(self, *, bust: bool = False) -> Body:
        """Load the humanoid that comes with PyBullet; as a `bust`, fixed in the air and without its lower body."""
        body = self.load_text(humanoid_mjcf((DATA / "mjcf" / "humanoid_symmetric_no_ground.xml").read_text(), bust=bust))
        for link, colour in SLEEVES.items():
            body.paint(link, colour)
        return body

    def push(self, body: Body, link: str, impulse: Sequence[float] | Array) -> None:
        """Push a link in its middle with an impulse (N s); it acts at the next step."""
        push_link(self._client, body.number, body.links[link], np.array(impulse), np.array(body.middle(link)), self._dt)

    def seen_at(self, point: Sequence[float]) -> tuple[float, float]:
        """Where a point (m; z is 0 if not told) is in the picture: fractions of its width and height, from the top left."""
        return self._moved(self.camera).project(np.pad(point, (0, 3 - len(point))))[:2]

    def hands(self) -> SpatialHands:
        """What disturbs this episode."""
        return self._hands

    def tune(self) -> None:
        """Let the settings that it TURNS act, whatever they were before."""
        self._client.setGravity(0.0, 0.0, -self.settings.gravity)

    def lay_floor(self, height: float, half: float, thin: float = 0.005) -> None:
        """A pale square to see, not to touch: at a height, and so far from the middle to its edge (m)."""
        shape = self._client.createVisualShape(self._client.GEOM_BOX, halfExtents=(half, half, thin), rgbaColor=FLOOR)
        self._client.createMultiBody(0.0, -1, shape, (0.0, 0.0, height - thin))

    def draw(self) -> Array:
        """The picture now: what the renderer sees, and over it the markers."""
        camera = self._moved(self.camera)
        return camera.mark(self._seen_by(camera), self.markers() if self.settings.markers else ())

    def glance(self, size: int, *, goal: bool = False) -> Array:
        """A bare picture (size, size, 3) for the agent; of a `goal`, the body at its target."""
        with self.at_goal() if goal else contextlib.nullcontext():
            return self._seen_by(self._moved(Camera(self.settings.camera, self.VIEW, size, size)))

    def at_goal(self) -> contextlib.AbstractContextManager[None]:
        """The body at its target, for as long as one looks at it."""
        raise UserError(f"{type(self).__name__} cannot draw its body at the target: leave goal=state")

    def focus(self) -> Sequence[float]:
        """The point (m) at the picture's centre."""
        return (0.0, 0.0, 0.0)

    def markers(self) -> Iterable[Marker]:
        """What is painted over the picture: targets."""
        return ()

    def _moved(self, camera: Camera) -> Camera:
        """A camera turned to the focus, where the look has moved it."""
        camera.focus = np.array(self.focus())
        return camera.moved(self.look)

    def _seen_by(self, camera: Camera) -> Array:
        if self._photograph is None:
            self._photograph = photographer(self._client, self.settings.renderer, self.settings.shadows)
        return self._photograph(camera, self.look)

    def _open(self) -> None:
        self.close()
        with silenced():
            self._client = Client(self.settings.mass_scale, self.settings.friction_scale)
            self._client.setPhysicsEngineParameter(fixedTimeStep=self._dt, deterministicOverlappingPairs=1)
            self.tune()
            self.build()
        self._photograph, self._hands = None, SpatialHands(self, self._client)
        self._start, self._step = self._client.saveState(), self._client.stepSimulation
