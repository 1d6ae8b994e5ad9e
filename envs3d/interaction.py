"""Hands in space (toolkit/hands.py): holds on what is seen, wind, pushes, and settings that act at once."""

import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from poise.envs3d.camera import FAR_PLANE
from poise.toolkit.spaces import Array

if TYPE_CHECKING:
    from poise.envs3d.spatial import SpatialEnvironment


GRAB_ACCELERATION = 20.0
"""What a hold does to a body that is as far from the mouse as the picture is high (m/s2)."""


class SpatialInteraction:
    """What disturbs an environment in space: its `env` and the `client` that its bodies live in."""

    CAN_THROW: ClassVar[bool] = False

    def __init__(self, env: "SpatialEnvironment", client: Any) -> None:
        self.env = env
        self.client = client
        self.LIVE_SETTINGS = env.LIVE_SETTINGS
        links = [
            (body, link)
            for body in range(client.getNumBodies())
            for link in range(-1, client.getNumJoints(body))
        ]
        masses = {place: client.getDynamicsInfo(*place)[0] for place in links}
        self.masses = {place: mass for place, mass in masses.items() if mass > 0.0}

    def grab(self, image_point: tuple[float, float]) -> "SpatialGrab | None":
        """A hold on what is seen there; None where there is nothing that could be moved."""
        camera = self.env.camera
        body, link, _, point, _ = self.client.rayTest(
            camera.position().tolist(), camera.unproject(*image_point, FAR_PLANE).tolist()
        )[0]
        if body < 0:
            return None
        hold = SpatialGrab(self.env, self.client, body, link, np.array(point))
        return hold if hold.mass > 0.0 else None

    def throw_ball(self, image_point: tuple[float, float]) -> None:
        """Nothing is thrown in space."""

    def push_all(self, speed: float) -> None:
        """Make all bodies so much faster (m/s), level and to the picture's right where positive."""
        for (body, link), mass in self.masses.items():
            self._push(body, link, speed * mass * self.env.camera.axes()[0])

    def push_random(self, speed: float, rng: np.random.Generator) -> None:
        """Push one link, from any side and level, with an impulse that could make all so much faster (m/s)."""
        body, link = list(self.masses)[int(rng.integers(len(self.masses)))]
        angle = rng.uniform(0.0, 2.0 * math.pi)
        self._push(
            body,
            link,
            speed * sum(self.masses.values()) * np.array([math.cos(angle), math.sin(angle), 0.0]),
        )

    def set_parameter(self, name: str, value: float) -> None:
        """Give a setting another value."""
        self.env.settings = self.env.settings.model_copy(update={name: value})
        self.env.apply_settings()

    def _push(self, body: int, link: int, impulse: Array) -> None:
        push_link(
            self.client,
            body,
            link,
            impulse,
            np.array(center_of_mass_pose(self.client, body, link)[0]),
            physics_timestep(self.env),
        )


class SpatialGrab:
    """A hold on one point of a link: a spring, that pulls once in a step of the environment."""

    def __init__(
        self, env: "SpatialEnvironment", client: Any, body: int, link: int, point: Array
    ) -> None:
        self.client = client
        self.camera = env.camera
        self.body = body
        self.link = link
        self.dt = physics_timestep(env)
        self.mass = sum(
            client.getDynamicsInfo(body, number)[0]
            for number in range(-1, client.getNumJoints(body))
        )
        self.stiffness = GRAB_ACCELERATION / env.VIEW_HEIGHT * self.mass / env.CONTROL_HZ
        frame = client.invertTransform(*center_of_mass_pose(client, body, link))
        self.local_point = client.multiplyTransforms(*frame, point.tolist(), (0, 0, 0, 1))[0]

    def point_position(self) -> Array:
        """Where the held point is now (3,), in m."""
        frame = center_of_mass_pose(self.client, self.body, self.link)
        return np.array(self.client.multiplyTransforms(*frame, self.local_point, (0, 0, 0, 1))[0])

    def position(self) -> tuple[float, float]:
        """Where it is seen."""
        return self.camera.project(self.point_position())[:2]

    def pull(self, image_point: tuple[float, float]) -> None:
        """Pull it towards what is seen at a place of the picture, as far away as it is."""
        point = self.point_position()
        stretch = self.camera.unproject(*image_point, self.camera.project(point)[2]) - point
        push_link(self.client, self.body, self.link, self.stiffness * stretch, point, self.dt)

    def release(self) -> None:
        """A spring that pulls no more is gone."""


def center_of_mass_pose(client: Any, body: int, link: int) -> tuple[Any, Any]:
    """Place and orientation of a link's middle."""
    if link < 0:
        place, orientation = client.getBasePositionAndOrientation(body)
    else:
        place, orientation = client.getLinkState(body, link, computeForwardKinematics=True)[:2]
    return place, orientation


def physics_timestep(env: "SpatialEnvironment") -> float:
    """How long a step of the physics is (s)."""
    return 1.0 / (env.CONTROL_HZ * env.PHYSICS_STEPS)


def push_link(client: Any, body: int, link: int, impulse: Array, point: Array, dt: float) -> None:
    """An impulse (N s) on a link at a point of the environment (m), as a force that lasts for one step of the physics."""
    client.applyExternalForce(
        body, link, (impulse / dt).tolist(), point.tolist(), client.WORLD_FRAME
    )
