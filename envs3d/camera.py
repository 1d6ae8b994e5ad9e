"""A camera in space: where it stands, what it sees, and marks painted over its pictures. z is up."""

import copy
import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pygame

from poise.toolkit.appearance import Appearance, Colour
from poise.toolkit.media.image import frame_to_surface, surface_to_frame
from poise.toolkit.spaces import Array

FIELD_OF_VIEW = math.radians(40.0)
"""The angle that the picture's height spans."""


NEAR_PLANE = 0.02
FAR_PLANE = 60.0
"""What is nearer or farther is not seen (m)."""


PRESETS = {
    "front": (0.0, 0.15),
    "side": (-math.pi / 2, 0.1),
    "top": (-math.pi / 2, math.pi / 2),
    "follow": (-math.pi / 3, 0.35),
}
"""Yaw and pitch of a camera's place, seen from what it looks at (rad): +x is the front."""


Point = npt.ArrayLike


class Marker(NamedTuple):
    """A translucent disc that is seen through everything: its middle (m), radius (m) and colour."""

    centre: Point
    radius: float
    colour: Colour


class Camera:
    """Looks at `focus` (3,) from `distance`, at a yaw about z and a pitch above the horizon; SI units and radians."""

    def __init__(self, preset: str, view_height: float, width: int, height: int) -> None:
        self.yaw, self.pitch = PRESETS[preset]
        self.distance = view_height / 2.0 / math.tan(FIELD_OF_VIEW / 2.0)
        self.width, self.height = width, height
        self.target: Array = np.zeros(3)

    def orbit(self, right: float, down: float) -> None:
        """Go round what is looked at, as if the scene were dragged by fractions of the picture's width and height."""
        self.yaw -= right * math.pi
        self.pitch = min(math.pi / 2, max(-0.1, self.pitch + down * math.pi / 2))

    def zoom(self, notches: float) -> None:
        """Come nearer by 10 % a notch, or go back where negative."""
        self.distance = min(FAR_PLANE / 2, max(4 * NEAR_PLANE, self.distance * 0.9**notches))

    def mirror(self, other: "Camera") -> None:
        """Stand where the mirror y = 0 shows another camera."""
        self.yaw = -other.yaw
        self.pitch = other.pitch
        self.distance = other.distance

    def with_appearance(self, appearance: Appearance) -> "Camera":
        """A camera like this one where a look has moved it."""
        moved = copy.copy(self)
        moved.yaw = self.yaw + appearance.camera_rotation[0]
        moved.pitch = self.pitch + appearance.camera_rotation[1]
        moved.distance = self.distance / appearance.camera_zoom
        height = 2.0 * moved.distance * math.tan(FIELD_OF_VIEW / 2.0)
        right, up, _ = moved.axes()
        moved.target = self.target + height * (
            appearance.camera_shift[0] * right + appearance.camera_shift[1] * up
        )
        return moved

    def axes(self) -> Array:
        """The camera's right, up and backwards in the environment, one a row (3, 3)."""
        cos_yaw, sin_yaw, cos_pitch, sin_pitch = _cosines_and_sines(self.yaw, self.pitch)
        backwards = np.array([cos_pitch * cos_yaw, cos_pitch * sin_yaw, sin_pitch])
        right = np.array([-sin_yaw, cos_yaw, 0.0])
        return np.stack([right, np.cross(backwards, right), backwards])

    def position(self) -> Array:
        """Where the camera stands (3,)."""
        eye: Array = self.target + self.distance * self.axes()[2]
        return eye

    def view_matrix(self) -> Array:
        """From the environment to the camera, (4, 4), for column vectors."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.axes()
        matrix[:3, 3] = -matrix[:3, :3] @ self.position()
        return matrix

    def projection_matrix(self) -> Array:
        """From the camera to OpenGL's clip space, (4, 4), for column vectors."""
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
        """Where a point (m) is seen: fractions of the picture's width and height from the top left, and how far away (m)."""
        clip = self.projection_matrix() @ self.view_matrix() @ np.append(point, 1.0)
        depth = float(clip[3])
        return float(0.5 + clip[0] / depth / 2.0), float(0.5 - clip[1] / depth / 2.0), depth

    def unproject(self, x: float, y: float, depth: float) -> Array:
        """The point (3,) that is seen at a place of the picture, `depth` metres in front of the camera's eye."""
        half = math.tan(FIELD_OF_VIEW / 2.0) * depth
        right, up, backwards = self.axes()
        sideways = (2.0 * x - 1.0) * half * self.width / self.height
        upwards = (1.0 - 2.0 * y) * half
        point: Array = self.position() + right * sideways + up * upwards - backwards * depth
        return point

    def draw_markers(self, image: Array, markers: Iterable[Marker]) -> Array:
        """The picture (H, W, 3) uint8 with translucent discs painted over it."""
        surface = frame_to_surface(image)
        pane = pygame.Surface((self.width, self.height), pygame.SRCALPHA)
        for marker in markers:
            x, y, depth = self.project(marker.centre)
            if depth > NEAR_PLANE:
                radius = max(
                    1.5, marker.radius / (2.0 * depth * math.tan(FIELD_OF_VIEW / 2.0)) * self.height
                )
                pygame.draw.aacircle(
                    pane, (*marker.colour, 150), (x * self.width, y * self.height), radius
                )
        surface.blit(pane, (0, 0))
        return surface_to_frame(surface)


def _cosines_and_sines(yaw: float, pitch: float) -> tuple[float, float, float, float]:
    return math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
