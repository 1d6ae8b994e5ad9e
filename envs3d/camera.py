"""A camera in space: its position and projection. z is up."""

import copy
import math
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from poise.toolkit.appearance import Appearance
from poise.toolkit.spaces import Array

FIELD_OF_VIEW = math.radians(40.0)
"""Vertical field of view (rad)."""


LIGHT_DISTANCE = 40.0
"""Distance of a camera in the place of the light (m): its rays are nearly parallel."""


NEAR_PLANE = 0.02
FAR_PLANE = 60.0
"""Distances between which bodies are rendered (m)."""


PRESETS = {
    "front": (0.0, 0.15),
    "side": (-math.pi / 2, 0.1),
    "top": (-math.pi / 2, math.pi / 2),
    "follow": (-math.pi / 3, 0.35),
}
"""Yaw and pitch of the camera's position as seen from its target (rad): +x is the front."""


MIN_PITCH = -0.1
MAX_PITCH = math.pi / 2
"""Range of the pitch that a person can choose (rad)."""


ZOOM_STEP = 0.9
"""Factor of the distance for one notch of the mouse wheel."""


Point = npt.ArrayLike


class Marker(NamedTuple):
    """A target in an image for people: a ball with its centre (3,) and radius, in m.

    `parent` is the point (3,) from which the limb comes that should reach it, if any.
    """

    centre: Point
    radius: float
    parent: Point | None = None


class Camera:
    """A camera that points at `target` (3,) from `distance` (m).

    `yaw` is the angle about z and `pitch` that above the horizon (rad). The image's height shows
    `view_height` metres at the target.
    """

    def __init__(self, preset: str, view_height: float, width: int, height: int) -> None:
        self.yaw, self.pitch = PRESETS[preset]
        self.field_of_view = FIELD_OF_VIEW
        self.distance = view_height / 2.0 / math.tan(self.field_of_view / 2.0)
        self.width = width
        self.height = height
        self.target: Array = np.zeros(3)

    @classmethod
    def at_light(
        cls, direction: Sequence[float], target: Array, view_height: float, size: int
    ) -> Self:
        """Return a camera (size x size pixels) far away in the `direction` of the light."""
        x, y, z = direction
        camera = cls("top", view_height, size, size)
        camera.yaw = math.atan2(y, x)
        camera.pitch = math.atan2(z, math.hypot(x, y))
        camera.distance = LIGHT_DISTANCE
        camera.field_of_view = 2.0 * math.atan(view_height / 2.0 / LIGHT_DISTANCE)
        camera.target = target
        return camera

    def orbit(self, right: float, down: float) -> None:
        """Orbit the target, as if the scene were dragged by fractions of the image's size."""
        self.yaw -= right * math.pi
        self.pitch = min(MAX_PITCH, max(MIN_PITCH, self.pitch + down * math.pi / 2))

    def zoom(self, notches: float) -> None:
        """Move nearer by 10 % a notch, or farther where negative."""
        distance = self.distance * ZOOM_STEP**notches
        self.distance = min(FAR_PLANE / 2, max(4 * NEAR_PLANE, distance))

    def mirror(self, other: "Camera") -> None:
        """Move to the reflection of another camera in the plane y = 0."""
        self.yaw = -other.yaw
        self.pitch = other.pitch
        self.distance = other.distance

    def with_appearance(self, appearance: Appearance) -> "Camera":
        """Return a copy of this camera, as an appearance moves it."""
        moved = copy.copy(self)
        moved.yaw = self.yaw + appearance.camera_rotation[0]
        moved.pitch = self.pitch + appearance.camera_rotation[1]
        moved.distance = self.distance / appearance.camera_zoom
        height = moved.view_height()
        right, up, _ = moved.axes()
        shift_right, shift_up = appearance.camera_shift
        moved.target = self.target + height * (shift_right * right + shift_up * up)
        return moved

    def axes(self) -> Array:
        """Return the unit vectors right, up and backwards of the camera, one a row (3, 3)."""
        cos_yaw = math.cos(self.yaw)
        sin_yaw = math.sin(self.yaw)
        cos_pitch = math.cos(self.pitch)
        sin_pitch = math.sin(self.pitch)
        backwards = np.array([cos_pitch * cos_yaw, cos_pitch * sin_yaw, sin_pitch])
        right = np.array([-sin_yaw, cos_yaw, 0.0])
        return np.stack([right, np.cross(backwards, right), backwards])

    def view_height(self, depth: float | None = None) -> float:
        """Return the height (m) that the image shows at a depth (m), by default at the target."""
        return (
            2.0 * math.tan(self.field_of_view / 2.0) * (self.distance if depth is None else depth)
        )

    def position(self) -> Array:
        """Return the position of the camera (3,) in m."""
        position: Array = self.target + self.distance * self.axes()[2]
        return position

    def view_matrix(self) -> Array:
        """Return the matrix from world to camera coordinates, (4, 4), for column vectors."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.axes()
        matrix[:3, 3] = -matrix[:3, :3] @ self.position()
        return matrix

    def projection_matrix(self) -> Array:
        """Return the matrix from camera coordinates to OpenGL's clip space, (4, 4), for columns."""
        scale = 1.0 / math.tan(self.field_of_view / 2.0)
        depth = NEAR_PLANE - FAR_PLANE
        matrix = np.zeros((4, 4))
        matrix[0, 0] = scale * self.height / self.width
        matrix[1, 1] = scale
        matrix[2, 2] = (FAR_PLANE + NEAR_PLANE) / depth
        matrix[2, 3] = 2.0 * FAR_PLANE * NEAR_PLANE / depth
        matrix[3, 2] = -1.0
        return matrix

    def project(self, point: Point) -> tuple[float, float, float]:
        """Return the image point (x, y) of a point (3,) in m, and its depth (m).

        x and y are fractions of the image's width and height, from the top left.
        """
        clip = self.projection_matrix() @ self.view_matrix() @ np.append(point, 1.0)
        depth = float(clip[3])
        return float(0.5 + clip[0] / depth / 2.0), float(0.5 - clip[1] / depth / 2.0), depth

    def unproject(self, x: float, y: float, depth: float) -> Array:
        """Return the point (3,) at an image point, `depth` metres in front of the camera."""
        half_height = math.tan(self.field_of_view / 2.0) * depth
        right, up, backwards = self.axes()
        sideways = (2.0 * x - 1.0) * half_height * self.width / self.height
        upwards = (1.0 - 2.0 * y) * half_height
        point: Array = self.position() + right * sideways + up * upwards - backwards * depth
        return point

    def pixel_rays(self) -> Array:
        """Return the direction of the ray through each pixel, 1 m deep, (height, width, 3)."""
        half_height = math.tan(self.field_of_view / 2.0)
        half_width = half_height * self.width / self.height
        sideways = half_width * ((2.0 * np.arange(self.width) + 1.0) / self.width - 1.0)
        upwards = half_height * (1.0 - (2.0 * np.arange(self.height) + 1.0) / self.height)
        right, up, backwards = self.axes().astype(np.float32)
        columns = sideways.astype(np.float32)[:, None] * right - backwards
        rows = upwards.astype(np.float32)[:, None] * up
        rays: Array = rows[:, None] + columns
        return rays
