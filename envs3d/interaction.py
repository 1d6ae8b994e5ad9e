"""Interaction in space (toolkit/interaction.py): grabs, pushes and live settings."""

import math
from typing import Any, ClassVar, Protocol

import numpy as np

from poise.envs3d.camera import FAR_PLANE, Camera
from poise.toolkit.environment import PUSH
from poise.toolkit.interaction import ImagePoint
from poise.toolkit.spaces import Array

GRAB_ACCELERATION = 20.0
"""Acceleration of a grabbed body whose distance from the cursor is the image's height (m/s2)."""


class SpatialScene(Protocol):
    """What an interaction needs of its environment, a SpatialEnvironment."""

    LIVE_SETTINGS: ClassVar[tuple[str, ...]]
    VIEW_HEIGHT: ClassVar[float]
    CONTROL_HZ: ClassVar[int]
    PHYSICS_STEPS: ClassVar[int]
    camera: Camera

    def change_setting(self, name: str, value: float) -> None:
        """Change one of LIVE_SETTINGS within the episode."""

    def add_event(self, name: str) -> None:
        """Name what happens in this step."""


class SpatialInteraction:
    """Disturbances of an environment in space, whose bodies are in the PyBullet `client`."""

    CAN_THROW: ClassVar[bool] = False

    def __init__(self, env: SpatialScene, client: Any) -> None:
        self.env = env
        self.client = client
        self.LIVE_SETTINGS = env.LIVE_SETTINGS
        links = [
            (body, link)
            for body in range(client.getNumBodies())
            for link in range(-1, client.getNumJoints(body))
        ]
        masses = {link: client.getDynamicsInfo(*link)[0] for link in links}
        self.masses = {link: mass for link, mass in masses.items() if mass > 0.0}

    def grab(self, image_point: ImagePoint) -> "SpatialGrab | None":
        """Grab the link at an image point; None where nothing there can move."""
        camera = self.env.camera
        ray_start = camera.position().tolist()
        ray_end = camera.unproject(*image_point, FAR_PLANE).tolist()
        body, link, _, point, _ = self.client.rayTest(ray_start, ray_end)[0]
        if body < 0:
            return None
        grab = SpatialGrab(self.env, self.client, body, link, np.array(point))
        return grab if grab.mass > 0.0 else None

    def throw_ball(self, image_point: ImagePoint) -> None:
        """Do nothing: in space there are no balls."""

    def push_all(self, speed: float) -> None:
        """Add `speed` (m/s), towards the image's right, to the velocity of all bodies."""
        for (body, link), mass in self.masses.items():
            self._push(body, link, speed * mass * self.env.camera.axes()[0])

    def push_random(self, speed: float, rng: np.random.Generator) -> None:
        """Push the centre of a random link in a random horizontal direction.

        The impulse would give all bodies together the velocity `speed` (m/s).
        """
        body, link = list(self.masses)[int(rng.integers(len(self.masses)))]
        angle = rng.uniform(0.0, 2.0 * math.pi)
        total_mass = sum(self.masses.values())
        direction = np.array([math.cos(angle), math.sin(angle), 0.0])
        self._push(body, link, speed * total_mass * direction)
        self.env.add_event(PUSH)

    def set_parameter(self, name: str, value: float) -> None:
        """Change one of LIVE_SETTINGS."""
        self.env.change_setting(name, value)

    def _push(self, body: int, link: int, impulse: Array) -> None:
        centre, _ = center_of_mass_pose(self.client, body, link)
        dt = physics_timestep(self.env)
        push_link(self.client, body, link, impulse, np.array(centre), dt)


class SpatialGrab:
    """A grab of a link at `point` (m): a spring that pulls once in a step of the environment."""

    def __init__(self, env: SpatialScene, client: Any, body: int, link: int, point: Array) -> None:
        self.client = client
        self.camera = env.camera
        self.body = body
        self.link = link
        self.dt = physics_timestep(env)
        links = range(-1, client.getNumJoints(body))
        self.mass = sum(client.getDynamicsInfo(body, link)[0] for link in links)
        # Impulse for each metre (N s/m).
        self.stiffness = GRAB_ACCELERATION / env.VIEW_HEIGHT * self.mass / env.CONTROL_HZ
        frame = client.invertTransform(*center_of_mass_pose(client, body, link))
        self.local_point = client.multiplyTransforms(*frame, point.tolist(), (0, 0, 0, 1))[0]

    def point_position(self) -> Array:
        """Return the position of the grabbed point (3,) in m."""
        frame = center_of_mass_pose(self.client, self.body, self.link)
        return np.array(self.client.multiplyTransforms(*frame, self.local_point, (0, 0, 0, 1))[0])

    def position(self) -> ImagePoint:
        """Return the image point at which the grabbed point appears."""
        return self.camera.project(self.point_position())[:2]

    def pull(self, image_point: ImagePoint) -> None:
        """Pull the grabbed point towards an image point, at its own distance from the camera."""
        point = self.point_position()
        _, _, depth = self.camera.project(point)
        offset = self.camera.unproject(*image_point, depth) - point
        push_link(self.client, self.body, self.link, self.stiffness * offset, point, self.dt)

    def release(self) -> None:
        """Do nothing: a spring that is not pulled exerts no force."""


def center_of_mass_pose(client: Any, body: int, link: int) -> tuple[Any, Any]:
    """Return position (m) and orientation (quaternion, w last) of a link's centre of mass."""
    if link < 0:
        position, orientation = client.getBasePositionAndOrientation(body)
    else:
        state = client.getLinkState(body, link, computeForwardKinematics=True)
        position, orientation = state[:2]
    return position, orientation


def physics_timestep(env: SpatialScene) -> float:
    """Return the length of a step of the physics (s)."""
    return 1.0 / (env.CONTROL_HZ * env.PHYSICS_STEPS)


def push_link(client: Any, body: int, link: int, impulse: Array, point: Array, dt: float) -> None:
    """Apply an impulse (N s) to a link at a point (m), as a force during one step of `dt` s."""
    client.num_pushes += 1
    client.applyExternalForce(
        body, link, (impulse / dt).tolist(), point.tolist(), client.WORLD_FRAME
    )
