"""A camera in space: its position and projection, and markers drawn over its images. z is up."""

import copy
import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pygame

from poise.toolkit.appearance import Appearance, Colour
from poise.toolkit.media.image import draw_disc, frame_to_surface, surface_to_frame
from poise.toolkit.spaces import Array

FIELD_OF_VIEW = math.radians(40.0)
"""Vertical field of view (rad)."""


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


MARKER_OPACITY = 150
"""Of 255."""


MIN_MARKER_RADIUS = 1.5
"""Of a marker in the image (pixels)."""


Point = npt.ArrayLike


class Marker(NamedTuple):
    """A translucent disc drawn over everything: centre (3,) in m, radius in m, and colour."""

    centre: Point
    radius: float
    colour: Colour


class Camera:
    """A camera that points at `target` (3,) from `distance` (m).

    `yaw` is the angle about z and `pitch` that above the horizon (rad). The image's height shows
    `view_height` metres at the target.
    """

    def __init__(self, preset: str, view_height: float, width: int, height: int) -> None:
        self.yaw, self.pitch = PRESETS[preset]
        self.distance = view_height / 2.0 / math.tan(FIELD_OF_VIEW / 2.0)
        self.width = width
        self.height = height
        self.target: Array = np.zeros(3)

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
        height = 2.0 * moved.distance * math.tan(FIELD_OF_VIEW / 2.0)
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
        scale = 1.0 / math.tan(FIELD_OF_VIEW / 2.0)
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
        half_height = math.tan(FIELD_OF_VIEW / 2.0) * depth
        right, up, backwards = self.axes()
        sideways = (2.0 * x - 1.0) * half_height * self.width / self.height
        upwards = (1.0 - 2.0 * y) * half_height
        point: Array = self.position() + right * sideways + up * upwards - backwards * depth
        return point

    def draw_markers(self, image: Array, markers: Iterable[Marker]) -> Array:
        """Return the image (H, W, 3) uint8 with translucent discs drawn over it."""
        surface = frame_to_surface(image)
        overlay = pygame.Surface((self.width, self.height), pygame.SRCALPHA)
        for marker in markers:
            x, y, depth = self.project(marker.centre)
            if depth <= NEAR_PLANE:
                continue
            view_height = 2.0 * depth * math.tan(FIELD_OF_VIEW / 2.0)
            radius = max(MIN_MARKER_RADIUS, marker.radius / view_height * self.height)
            centre = (x * self.width, y * self.height)
            draw_disc(overlay, (*marker.colour, MARKER_OPACITY), centre, radius)
        surface.blit(overlay, (0, 0))
        return surface_to_frame(surface)
