"""SpatialEnvironment: an environment with its bodies in a PyBullet client. SI units, z up.

SpatialPoseEnvironment adds what the environments share whose body takes poses.
"""

import contextlib
import tempfile
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from poise.envs3d.body import Body, LinkPoint
from poise.envs3d.camera import Camera, Marker
from poise.envs3d.client import Client, suppress_c_output
from poise.envs3d.interaction import SpatialInteraction, push_link
from poise.envs3d.models import FLOOR_RGBA, HUMANOID_ARM_RGBA, make_humanoid_mjcf
from poise.envs3d.renderer import Link, Renderer
from poise.envs3d.scenery import Scenery
from poise.toolkit.appearance import BODY, LEFT_LIMB, RIGHT_LIMB, Colour
from poise.toolkit.environment import PUSH, BaseEnvironment, Joint
from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.files import read_text
from poise.toolkit.interaction import ImagePoint
from poise.toolkit.pose_task import Points, PoseEnvironment
from poise.toolkit.settings import EnvSettings
from poise.toolkit.spaces import Action, Array

with suppress_c_output():
    import pybullet_data


PYBULLET_DATA = Path(pybullet_data.getDataPath())
"""Robot models that come with PyBullet."""


PLANE_PREFIX = "plane"
"""PyBullet's planes, such as plane.urdf: images for people show the floor instead."""


TRANSPARENT = (0.0, 0.0, 0.0, 0.0)


class SpatialSettings(EnvSettings):
    """Settings of every environment in space."""

    gravity: float = Field(9.81, ge=0, le=40, description="gravity (m/s2)")
    camera: Literal["front", "side", "top", "follow"] = Field(
        "follow", description="position of the camera"
    )
    width: int = Field(480, ge=16, le=4096, description="width of the image (pixels)")
    height: int = Field(480, ge=16, le=4096, description="height of the image (pixels)")
    show_markers: bool = Field(True, description="draw targets in images for people")
    shadows: bool = Field(True, description="draw shadows; images take half the time without them")
    renderer: Literal["tiny", "egl"] = Field(
        "tiny", description="tiny: on any machine; egl: on a graphics card"
    )


class SpatialEnvironment(BaseEnvironment):
    """Space: one client, in which bodies are loaded once.

    Every episode begins by restoring the state just after loading.
    """

    SETTINGS = SpatialSettings
    LIVE_SETTINGS: ClassVar[tuple[str, ...]] = ("gravity",)
    """Settings that a person may change within an episode."""
    RANDOMIZABLE = (
        "colours",
        "background",
        "lighting",
        "camera_jitter",
        *BaseEnvironment.RANDOMIZABLE,
    )
    # Height of the floor in images for people (m).
    FLOOR_HEIGHT: ClassVar[float] = 0.0
    settings: SpatialSettings
    camera_target_override: Callable[[], Sequence[float]] | None = None
    """Replaces `camera_target` while set: two environments can be drawn by one camera."""

    def __init__(self, render_mode: str | None = None, **settings: Any) -> None:
        super().__init__(render_mode, **settings)
        self.camera = Camera(
            self.settings.camera, self.VIEW_HEIGHT, self.settings.width, self.settings.height
        )
        self._client: Any = None
        self._renderer: Renderer | None = None

    @abstractmethod
    def load_bodies(self) -> None:
        """Load the bodies, once for all episodes."""

    def reset_physics(self) -> None:
        """Restore the state just after loading; load again if a number is not finite."""
        if self._client is None or not self._client.has_finite_state():
            self._connect()
        self._client.restoreState(self._initial_state_id)
        self._client.num_pushes = 0

    def step_physics(self, dt: float) -> None:
        """Advance the physics by one step of `dt` seconds."""
        self._step_simulation()

    def get_physics_state(self) -> Array:
        """Return the number of pushes and the state of every body, base and joints."""
        client = self._client
        if client is None:
            raise WorkError(f"this {type(self).__name__} is closed: it cannot be copied")
        numbers = [float(client.num_pushes), self.settings.gravity]
        for body in range(client.getNumBodies()):
            position, orientation = client.getBasePositionAndOrientation(body)
            linear, angular = client.getBaseVelocity(body)
            numbers += [*position, *orientation, *linear, *angular]
            for joint in range(client.getNumJoints(body)):
                angle, speed, *_ = client.getJointState(body, joint)
                numbers += [angle, speed]
        return np.array(numbers)

    def detect_collisions(self) -> None:
        """Update the contacts after bodies were placed; a physics step does so by itself."""
        self._client.performCollisionDetection()

    def push(self, body: Body, link: str, impulse: Sequence[float] | Array) -> None:
        """Push a link at its centre with an impulse (N s), which acts in the next physics step."""
        centre = np.array(body.center_of_mass(link))
        link_index = body.links[link]
        push_link(self._client, body.body_id, link_index, np.array(impulse), centre, self._dt)
        self.add_event(PUSH)

    def apply_settings(self) -> None:
        """Apply LIVE_SETTINGS to the running episode."""
        self._client.setGravity(0.0, 0.0, -self.settings.gravity)

    def change_setting(self, name: str, value: float) -> None:
        """Change one of LIVE_SETTINGS within the episode."""
        self.settings = self.settings.model_copy(update={name: value})
        self.apply_settings()

    def interaction(self) -> SpatialInteraction:
        """Return the disturbances of this episode."""
        return self._interaction

    def close(self) -> None:
        """Disconnect the client; a second call does nothing."""
        super().close()
        if self._client is not None:
            with contextlib.suppress(WorkError):  # It may be disconnected already.
                self._client.disconnect()
            self._client = None

    def load_body(self, path: Path, position: Sequence[float] = (0, 0, 0)) -> Body:
        """Load the first body of a URDF, MJCF or SDF file.

        A body from URDF has a fixed base at `position` (m); the other formats hold the position.
        """
        if path.suffix == ".urdf":
            body_id = self._client.loadURDF(str(path), basePosition=position, useFixedBase=True)
        elif path.suffix == ".sdf":
            body_id = self._client.loadSDF(str(path))[0]
        else:
            body_id = self._client.loadMJCF(str(path))[0]
        body = Body(self._client, body_id)
        if path.stem.startswith(PLANE_PREFIX):
            self.hide_in_films(body)
        return body

    def load_body_from_text(self, text: str) -> Body:
        """Load a body from the text of a URDF or of an MJCF file."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "body.xml" if "<mujoco" in text else "body.urdf")
            path.write_text(text, encoding="utf-8")
            return self.load_body(path)

    def load_box(self, edge: float, mass: float, rgba: Sequence[float]) -> Body:
        """Load a cube of an edge (m), a mass (kg) and a colour (r, g, b, opacity in [0, 1])."""
        client = self._client
        half_extents = [edge / 2.0] * 3
        collision = client.createCollisionShape(client.GEOM_BOX, halfExtents=half_extents)
        visual = client.createVisualShape(client.GEOM_BOX, halfExtents=half_extents, rgbaColor=rgba)
        return Body(client, client.createMultiBody(mass, collision, visual))

    def load_target(self, radius: float, colour: Colour) -> Body:
        """Load a ball of a radius (m) that collides with nothing: a target that agents see.

        Images for people show the `markers` instead.
        """
        client = self._client
        rgba = (*np.divide(colour, 255.0).tolist(), 1.0)
        visual = client.createVisualShape(client.GEOM_SPHERE, radius=radius, rgbaColor=rgba)
        body = Body(client, client.createMultiBody(0.0, -1, visual))
        self._targets.add(body.body_id)
        self.hide_in_films(body)
        return body

    def set_film_colours(self, body: Body, colours: Mapping[str, Colour]) -> None:
        """Set the colours of links in images for people; other links keep their own."""
        for link, colour in colours.items():
            rgba = (*np.divide(colour, 255.0).tolist(), 1.0)
            self._film_colours[body.body_id, body.links[link]] = rgba

    def hide_in_films(self, body: Body) -> None:
        """Leave a body out of images for people, such as a floor, which they have anyway."""
        for link in body.links.values():
            self._film_colours[body.body_id, link] = TRANSPARENT

    def load_humanoid(self, *, upper_body_only: bool = False) -> Body:
        """Load PyBullet's humanoid, or its upper body, fixed in the air."""
        mjcf = read_text(PYBULLET_DATA / "mjcf" / "humanoid_symmetric_no_ground.xml")
        body = self.load_body_from_text(make_humanoid_mjcf(mjcf, upper_body_only=upper_body_only))
        for link, rgba in HUMANOID_ARM_RGBA.items():
            body.set_link_colour(link, rgba)
        self.set_film_colours(body, side_colours(body.links))
        return body

    def add_floor(self, height: float, half_extent: float, half_thickness: float = 0.005) -> None:
        """Add a pale square that is visible but collides with nothing; lengths in m."""
        shape = self._client.createVisualShape(
            self._client.GEOM_BOX,
            halfExtents=(half_extent, half_extent, half_thickness),
            rgbaColor=FLOOR_RGBA,
        )
        position = (0.0, 0.0, height - half_thickness)
        self.hide_in_films(
            Body(self._client, self._client.createMultiBody(0.0, -1, shape, position))
        )

    def render_frame(self) -> Array:
        """Return the image now, (height, width, 3) uint8: bodies, floor, sky and targets."""
        targets = self.markers() if self.settings.show_markers else ()
        scenery = Scenery(self._get_renderer(), self.FLOOR_HEIGHT)
        camera = self._aim_camera(self.camera)
        return scenery.render(camera, self.appearance, targets, self.drop_height())

    def render_observation(self, width: int, height: int, *, at_target: bool = False) -> Array:
        """Return a bare image (height, width, 3) uint8 of the bodies, now or at the target."""
        camera = Camera(self.settings.camera, self.VIEW_HEIGHT, width, height)
        with self.posed_at_target() if at_target else contextlib.nullcontext():
            return self._get_renderer().render(self._aim_camera(camera), self.appearance)

    def posed_at_target(self) -> contextlib.AbstractContextManager[None]:
        """Put the body at its target within a `with` block; a UserError where it has none."""
        raise UserError(
            f"{type(self).__name__} cannot draw its body at the target: leave goal=state"
        )

    def markers(self) -> Iterable[Marker]:
        """Return the targets in images for people."""
        return ()

    def drop_height(self) -> float:
        """Return the height (m) of what lies below the targets in images for people."""
        return self.FLOOR_HEIGHT

    def camera_target(self) -> Sequence[float]:
        """Return the point (m) at the centre of the image."""
        return (0.0, 0.0, 0.0)

    def world_to_image(self, point: Sequence[float]) -> ImagePoint:
        """Return the image point at which a point (2,) or (3,) in m appears; z is 0 by default."""
        padded = np.pad(point, (0, 3 - len(point)))
        return self._aim_camera(self.camera).project(padded)[:2]

    def _aim_camera(self, camera: Camera) -> Camera:
        """Return a camera that points at camera_target, as the appearance moves it."""
        camera.target = np.array((self.camera_target_override or self.camera_target)())
        return camera.with_appearance(self.appearance)

    def _get_renderer(self) -> Renderer:
        if self._renderer is None:
            self._renderer = Renderer(
                self._client,
                self.settings.renderer,
                self.settings.shadows,
                self._film_colours,
                self._targets,
            )
        return self._renderer

    def _connect(self) -> None:
        """Open a new client and load the bodies."""
        self.close()
        with suppress_c_output():
            self._client = Client(self.settings.mass_scale, self.settings.friction_scale)
            self._client.setPhysicsEngineParameter(
                fixedTimeStep=self._dt, deterministicOverlappingPairs=1
            )
            self.apply_settings()
            self._renderer = None
            self._film_colours: dict[Link, tuple[float, ...]] = {}
            self._targets: set[int] = set()
            self.load_bodies()
        self._interaction = SpatialInteraction(self, self._client)
        self._initial_state_id = self._client.saveState()
        self._step_simulation = self._client.stepSimulation


class SpatialPoseEnvironment(PoseEnvironment, SpatialEnvironment):
    """A PoseEnvironment in space; `load_bodies` sets `body`, whose arms take the poses."""

    LINK_POINTS: ClassVar[Sequence[LinkPoint]]
    """Elbow and hand of each arm, one arm after the other."""
    body: Body

    def set_joint_state(self, angles: Array, speeds: Array) -> None:
        """Set angles (J,) in rad and speeds (J,) in rad/s of all joints, without a motion."""
        self.body.set_joint_state(angles, speeds)

    def sample_joint_angles(self, rng: np.random.Generator) -> Array:
        """Return random angles (J,) within the limits of all joints (rad)."""
        return self.body.sample_joint_angles(rng)

    def angles_to_points(self, angles: Array) -> Points:
        """Return the positions of elbows and hands (m) with the joints at `angles` (J,) in rad."""
        return self.body.forward_kinematics(angles, self.LINK_POINTS)

    def apply_action(self, action: Action) -> None:
        """Apply torques at the joints; 1 is the upper bound of ACTION (N m)."""
        max_torque = self.ACTION[0].high
        self.body.apply_torques([share * max_torque for share in action])

    def read_state(self) -> None:
        """Read joint angles (rad), joint speeds (rad/s), elbow and hand positions (m)."""
        self.angles, self.speeds = self.body.joint_state()
        self.pose = self.body.point_positions(self.LINK_POINTS)

    def joints(self) -> list[Joint]:
        """Return all joints of the arms."""
        return self.body.read_joints()

    def posed_at_target(self) -> contextlib.AbstractContextManager[None]:
        """Put the body at its target within a `with` block.

        A UserError where the target was set by its points: they do not give all joint angles.
        """
        if self.target_angles is None:
            raise UserError("cannot draw a target that was set by its points: leave goal=state")
        return self.body.posed_at(self.target_angles)

    def markers(self) -> list[Marker]:
        """Return markers at the targets of elbows and hands."""
        elbows = self.task.target[::2]
        hands = self.task.target[1::2]
        radius = self.POSITION_TOLERANCE
        return [
            marker
            for root, elbow, hand in zip(self.task.roots, elbows, hands, strict=True)
            for marker in (Marker(elbow, radius, root), Marker(hand, radius, elbow))
        ]


def side_colours(links: Iterable[str]) -> dict[str, Colour]:
    """Return a colour for each link in images for people: left dark, right light."""
    sides = {"left": LEFT_LIMB, "right": RIGHT_LIMB}
    return {
        link: next((colour for side, colour in sides.items() if side in link), BODY)
        for link in links
    }
