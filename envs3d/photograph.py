"""Photographs of a PyBullet client: by TinyRenderer on any machine, or by a graphics card."""

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

from envs3d.camera import Camera
from envs3d.chatter import silenced
from toolkit.errors import UserError
from toolkit.signals import Array

LIGHT = {
    "lightAmbientCoeff": 0.6,
    "lightDiffuseCoeff": 0.5,
    "lightSpecularCoeff": 0.1,
}


def photographer(client: Any, renderer: str, shadows: bool) -> Callable[[Camera], Array]:
    """What takes pictures (H, W, 3) uint8 of all bodies, as a camera sees them, with the renderer `tiny` or `egl`.

    Shadows take as long as all the rest. A UserError where there is no graphics card for `egl`.
    """
    if renderer == "egl":
        _load_egl(client)
    engine = client.ER_BULLET_HARDWARE_OPENGL if renderer == "egl" else client.ER_TINY_RENDERER

    def photograph(camera: Camera) -> Array:
        matrices = [matrix.T.ravel().tolist() for matrix in (camera.view_matrix(), camera.projection_matrix())]
        flags = client.ER_NO_SEGMENTATION_MASK
        light = {"lightDirection": camera.light, **LIGHT}
        size = (camera.width, camera.height)
        pixels = client.getCameraImage(*size, *matrices, shadow=shadows, renderer=engine, flags=flags, **light)[2]
        picture = np.asarray(pixels, np.uint8).reshape(camera.height, camera.width, 4)
        return np.ascontiguousarray(picture[..., :3])

    return photograph


def _load_egl(client: Any) -> None:
    found = importlib.util.find_spec("eglRenderer")
    with silenced():
        plugin = client.loadPlugin(found.origin, "_eglRendererPlugin") if found and found.origin else -1
    if plugin < 0:
        raise UserError("renderer=egl needs a graphics card with EGL, and finds none: use renderer=tiny")
