"""A hold on a body in space, for a hand that pulls at it through the world's picture (toolkit/hold.py)."""

from typing import Any

import numpy as np

from envs3d.camera import FAR, Camera
from toolkit.signals import Array


class SpatialHold:
    """A hold on one point of a link; `dt` is how long one step of the physics is (s)."""

    def __init__(self, client: Any, camera: Camera, body: int, link: int, point: Array, dt: float) -> None:
        self.client, self.camera, self.body, self.link, self.dt = client, camera, body, link, dt
        links = range(-1, client.getNumJoints(body))
        self.mass = sum(client.getDynamicsInfo(body, number)[0] for number in links)
        self.at = client.multiplyTransforms(*client.invertTransform(*self._frame()), point.tolist(), (0, 0, 0, 1))[0]

    def point(self) -> Array:
        """Where the held point is now (3,), in m."""
        return np.array(self.client.multiplyTransforms(*self._frame(), self.at, (0, 0, 0, 1))[0])

    def place(self) -> tuple[float, float]:
        """Where it is seen."""
        return self.camera.project(self.point())[:2]

    def stretch(self, to: tuple[float, float]) -> Array:
        """From it to what is seen at a place of the picture, as far away as it is (m)."""
        point = self.point()
        stretch: Array = self.camera.unproject(*to, self.camera.project(point)[2]) - point
        return stretch

    def push(self, impulse: Array) -> None:
        """Push the body there (N s); it acts in the next step of the physics."""
        push_link(self.client, self.body, self.link, impulse, self.point(), self.dt)

    def _frame(self) -> tuple[Any, Any]:
        """Place and orientation of the link's middle."""
        if self.link < 0:
            place, orientation = self.client.getBasePositionAndOrientation(self.body)
        else:
            place, orientation = self.client.getLinkState(self.body, self.link, computeForwardKinematics=True)[:2]
        return place, orientation


def push_link(client: Any, body: int, link: int, impulse: Array, at: Array, dt: float) -> None:
    """An impulse (N s) on a link at a point of the world (m), as a force that lasts for one step of the physics."""
    client.applyExternalForce(body, link, (impulse / dt).tolist(), at.tolist(), client.WORLD_FRAME)


def hold_at(client: Any, camera: Camera, x: float, y: float, dt: float) -> SpatialHold | None:
    """A hold on what is seen at a place of the picture; None where there is nothing that could be moved."""
    body, link, _, point, _ = client.rayTest(camera.eye().tolist(), camera.unproject(x, y, FAR).tolist())[0]
    if body < 0:
        return None
    hold = SpatialHold(client, camera, body, link, np.array(point), dt)
    return hold if hold.mass > 0.0 else None
