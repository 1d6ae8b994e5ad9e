"""Photographs of a PyBullet client, as a look has it: by TinyRenderer on any machine, or by a graphics card."""

import importlib.util
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from poise.envs3d.camera import Camera
from poise.envs3d.client import suppress_c_output
from poise.toolkit.appearance import DEFAULT_APPEARANCE, WHITE, Appearance, Colours, mix_colours
from poise.toolkit.errors import UserError
from poise.toolkit.spaces import Array

SPECULAR = 0.1


MIN_RENDER_SIZE = 128
"""Pixels that a picture is drawn with on each side, at least. Smaller ones are drawn larger and averaged: with stairs for
edges, nobody could tell to a fraction of a pixel where a limb is."""


def make_renderer(
    client: Any, renderer: str, shadows: bool
) -> Callable[[Camera, Appearance], Array]:
    """What takes pictures (H, W, 3) uint8 of all bodies, as a camera sees them, with the renderer `tiny` or `egl`.

    Shadows take as long as all the rest. A UserError where there is no graphics card for `egl`.
    """
    if renderer == "egl":
        _load_egl(client)
    engine = client.ER_BULLET_HARDWARE_OPENGL if renderer == "egl" else client.ER_TINY_RENDERER
    wardrobe = LinkColours(client)

    def photograph(camera: Camera, look: Appearance) -> Array:
        wardrobe.apply(look.colours)
        finer = math.ceil(MIN_RENDER_SIZE / min(camera.width, camera.height))
        width, height = finer * camera.width, finer * camera.height
        matrices = [
            matrix.T.ravel().tolist()
            for matrix in (camera.view_matrix(), camera.projection_matrix())
        ]
        image = client.getCameraImage(
            width,
            height,
            *matrices,
            lightDirection=look.light.direction,
            lightColor=look.light.colour,
            lightAmbientCoeff=look.light.ambient,
            lightDiffuseCoeff=look.light.diffuse,
            lightSpecularCoeff=SPECULAR,
            shadow=shadows,
            renderer=engine,
            flags=0 if look.colours.background else client.ER_NO_SEGMENTATION_MASK,
        )
        picture = np.asarray(image[2], np.uint8).reshape(height, width, 4)[..., :3]
        if look.colours.background:
            nothing = np.asarray(image[4]).reshape(height, width, 1) < 0
            top, bottom = np.array(look.colours.blend_background(WHITE, WHITE))
            picture = np.where(nothing, np.linspace(top, bottom, height)[:, None], picture).astype(
                np.uint8
            )
        if finer > 1:
            picture = (
                picture.reshape(camera.height, finer, camera.width, finer, 3)
                .mean((1, 3))
                .round()
                .astype(np.uint8)
            )
        return np.ascontiguousarray(picture)

    return photograph


class LinkColours:
    """The colours of all links in a client: their own, and those that a look puts on them."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._current = DEFAULT_APPEARANCE.colours
        bodies = range(client.getNumBodies())
        self._original: dict[tuple[int, int], Sequence[float]] = {
            shape[:2]: shape[7] for body in bodies for shape in client.getVisualShapeData(body)
        }
        jointless = (body for body in bodies if not client.getNumJoints(body))
        self._static_bodies = {
            body for body in jointless if not client.getDynamicsInfo(body, -1)[0]
        }  # Without a mass.

    def apply(self, colours: Colours) -> None:
        """Colour every link: what cannot move is scenery and takes the paper's colour, the rest stands out from it."""
        if colours == self._current:
            return
        self._current = colours
        for turn, ((body, link), own) in enumerate(self._original.items()):
            rgba = (
                own
                if colours == DEFAULT_APPEARANCE.colours
                else self._link_rgba(colours, turn, body in self._static_bodies, own)
            )
            self._client.changeVisualShape(body, link, rgbaColor=rgba)

    @staticmethod
    def _link_rgba(
        colours: Colours, index: int, is_static: bool, rgba: Sequence[float]
    ) -> list[float]:
        red, green, blue, opacity = (round(255.0 * part) for part in rgba)
        own = (red, green, blue)
        new = (
            colours.blend_background(own, own)[1]
            if is_static
            else colours.blend_body_colour(
                own, index, mix_colours(*colours.blend_background(WHITE, WHITE), 0.5)
            )
        )
        return [part / 255.0 for part in (*new, opacity)]


def _load_egl(client: Any) -> None:
    found = importlib.util.find_spec("eglRenderer")
    with suppress_c_output():
        plugin = (
            client.loadPlugin(found.origin, "_eglRendererPlugin") if found and found.origin else -1
        )
    if plugin < 0:
        raise UserError(
            "renderer=egl needs a graphics card with EGL, and finds none: use renderer=tiny"
        )
