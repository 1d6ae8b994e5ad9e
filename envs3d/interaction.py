"""Hands in space (toolkit/hands.py): holds on what is seen, wind, pushes, and settings that act at once."""

import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from poise.envs3d.camera import FAR
from poise.toolkit.spaces import Array

if TYPE_CHECKING:
    from poise.envs3d.spatial import SpatialEnvironment


PULL = 20.0
"""What a hold does to a body that is as far from the mouse as the picture is high (m/s2)."""


class SpatialHands:
    """What disturbs a world in space: its `world` and the `client` that its bodies live in."""

    THROWS: ClassVar[bool] = False

    def __init__(self, world: "SpatialEnvironment", client: Any) -> None:
        self.world, self.client, self.TURNS = world, client, world.TURNS
        links = [(body, link) for body in range(client.getNumBodies()) for link in range(-1, client.getNumJoints(body))]
        masses = {place: client.getDynamicsInfo(*place)[0] for place in links}
        self.masses = {place: mass for place, mass in masses.items() if mass > 0.0}

    def grab(self, at: tuple[float, float]) -> "SpatialHold | None":
        """A hold on what is seen there; None where there is nothing that could be moved."""
        camera = self.world.camera
        body, link, _, point, _ = self.client.rayTest(camera.eye().tolist(), camera.unproject(*at, FAR).tolist())[0]
        if body < 0:
            return None
        hold = SpatialHold(self.world, self.client, body, link, np.array(point))
        return hold if hold.mass > 0.0 else None

    def throw(self, at: tuple[float, float]) -> None:
        """Nothing is thrown in space."""

    def blow(self, speed: float) -> None:
        """Make all bodies so much faster (m/s), level and to the picture's right where positive."""
        for (body, link), mass in self.masses.items():
            self._push(body, link, speed * mass * self.world.camera.axes()[0])

    def bump(self, speed: float, rng: np.random.Generator) -> None:
        """Push one link, from any side and level, with an impulse that could make all so much faster (m/s)."""
        body, link = list(self.masses)[int(rng.integers(len(self.masses)))]
        angle = rng.uniform(0.0, 2.0 * math.pi)
        self._push(body, link, speed * sum(self.masses.values()) * np.array([math.cos(angle), math.sin(angle), 0.0]))

    def turn(self, name: str, value: float) -> None:
        """Give a setting another value."""
        self.world.settings = self.world.settings.model_copy(update={name: value})
        self.world.tune()

    def _push(self, body: int, link: int, impulse: Array) -> None:
        push_link(self.client, body, link, impulse, np.array(middle(self.client, body, link)[0]), dt_of(self.world))


class SpatialHold:
    """A hold on one point of a link: a spring, that pulls once in a step of the world."""

    def __init__(self, world: "SpatialEnvironment", client: Any, body: int, link: int, point: Array) -> None:
        self.client, self.camera, self.body, self.link, self.dt = client, world.camera, body, link, dt_of(world)
        self.mass = sum(client.getDynamicsInfo(body, number)[0] for number in range(-1, client.getNumJoints(body)))
        self.spring = PULL / world.VIEW * self.mass / world.CONTROL_RATE
        frame = client.invertTransform(*middle(client, body, link))
        self.at = client.multiplyTransforms(*frame, point.tolist(), (0, 0, 0, 1))[0]

    def point(self) -> Array:
        """Where the held point is now (3,), in m."""
        frame = middle(self.client, self.body, self.link)
        return np.array(self.client.multiplyTransforms(*frame, self.at, (0, 0, 0, 1))[0])

    def place(self) -> tuple[float, float]:
        """Where it is seen."""
        return self.camera.project(self.point())[:2]

    def pull(self, to: tuple[float, float]) -> None:
        """Pull it towards what is seen at a place of the picture, as far away as it is."""
        point = self.point()
        stretch = self.camera.unproject(*to, self.camera.project(point)[2]) - point
        push_link(self.client, self.body, self.link, self.spring * stretch, point, self.dt)

    def let_go(self) -> None:
        """A spring that pulls no more is gone."""


def middle(client: Any, body: int, link: int) -> tuple[Any, Any]:
    """Place and orientation of a link's middle."""
    if link < 0:
        place, orientation = client.getBasePositionAndOrientation(body)
    else:
        place, orientation = client.getLinkState(body, link, computeForwardKinematics=True)[:2]
    return place, orientation


def dt_of(world: "SpatialEnvironment") -> float:
    """How long a step of the physics is (s)."""
    return 1.0 / (world.CONTROL_RATE * world.SUBSTEPS)


def push_link(client: Any, body: int, link: int, impulse: Array, at: Array, dt: float) -> None:
    """An impulse (N s) on a link at a point of the world (m), as a force that lasts for one step of the physics."""
    client.applyExternalForce(body, link, (impulse / dt).tolist(), at.tolist(), client.WORLD_FRAME)
