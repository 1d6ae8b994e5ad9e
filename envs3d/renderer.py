"""Images of a PyBullet client: by TinyRenderer on any machine, or by a graphics card."""

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
"""Strength of specular reflections."""


MIN_RENDER_SIZE = 128
"""Least size (pixels) at which an image is rendered; smaller ones are rendered larger and averaged.
Aliased edges would hide the position of a limb to a fraction of a pixel."""


def make_renderer(
    client: Any, renderer: str, shadows: bool
) -> Callable[[Camera, Appearance], Array]:
    """Return a function that renders all bodies to an image (height, width, 3) uint8.

    `renderer` is `tiny` or `egl`; a UserError for `egl` without a graphics card. Shadows double the
    time.
    """
    if renderer == "egl":
        _load_egl(client)
    engine = client.ER_BULLET_HARDWARE_OPENGL if renderer == "egl" else client.ER_TINY_RENDERER
    link_colours = LinkColours(client)

    def render(camera: Camera, appearance: Appearance) -> Array:
        colours = appearance.colours
        light = appearance.light
        link_colours.apply(colours)
        supersampling = math.ceil(MIN_RENDER_SIZE / min(camera.width, camera.height))
        width = supersampling * camera.width
        height = supersampling * camera.height
        _, _, rgba, _, segmentation = client.getCameraImage(
            width,
            height,
            camera.view_matrix().T.ravel().tolist(),  # OpenGL stores columns.
            camera.projection_matrix().T.ravel().tolist(),
            lightDirection=light.direction,
            lightColor=light.colour,
            lightAmbientCoeff=light.ambient,
            lightDiffuseCoeff=light.diffuse,
            lightSpecularCoeff=SPECULAR,
            shadow=shadows,
            renderer=engine,
            flags=0 if colours.background else client.ER_NO_SEGMENTATION_MASK,
        )
        image = np.asarray(rgba, np.uint8).reshape(height, width, 4)[..., :3]
        if colours.background:
            is_empty = np.asarray(segmentation).reshape(height, width, 1) < 0
            image = _draw_background(image, is_empty, colours)
        if supersampling > 1:
            blocks = image.reshape(camera.height, supersampling, camera.width, supersampling, 3)
            image = blocks.mean((1, 3)).round().astype(np.uint8)
        return np.ascontiguousarray(image)

    return render


class LinkColours:
    """The colours of all links in a client, as an Appearance replaces them."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._current = DEFAULT_APPEARANCE.colours
        bodies = range(client.getNumBodies())
        self._original: dict[tuple[int, int], Sequence[float]] = {
            shape[:2]: shape[7] for body in bodies for shape in client.getVisualShapeData(body)
        }
        jointless = [body for body in bodies if not client.getNumJoints(body)]
        self._static_bodies = {
            body for body in jointless if not client.getDynamicsInfo(body, -1)[0]
        }  # A mass of 0 means static.

    def apply(self, colours: Colours) -> None:
        """Set the colour of every link.

        Static bodies are scenery and take the background's colour; the others stand out from it.
        """
        if colours == self._current:
            return
        self._current = colours
        for index, ((body, link), original) in enumerate(self._original.items()):
            if colours == DEFAULT_APPEARANCE.colours:
                rgba = original
            else:
                rgba = self._link_rgba(colours, index, body in self._static_bodies, original)
            self._client.changeVisualShape(body, link, rgbaColor=rgba)

    @staticmethod
    def _link_rgba(
        colours: Colours, index: int, is_static: bool, rgba: Sequence[float]
    ) -> list[float]:
        red, green, blue, opacity = (round(255.0 * part) for part in rgba)
        original = (red, green, blue)
        if is_static:
            _, colour = colours.blend_background(original, original)
        else:
            background = mix_colours(*colours.blend_background(WHITE, WHITE), 0.5)
            colour = colours.blend_body_colour(original, index, background)
        return [part / 255.0 for part in (*colour, opacity)]


def _draw_background(image: Array, is_empty: Array, colours: Colours) -> Array:
    """Return the image (H, W, 3) with a background where `is_empty` (H, W, 1)."""
    top, bottom = np.array(colours.blend_background(WHITE, WHITE))
    background = np.linspace(top, bottom, len(image))[:, None]
    return np.where(is_empty, background, image).astype(np.uint8)


def _load_egl(client: Any) -> None:
    """Load the plugin for a graphics card; a UserError where there is none."""
    spec = importlib.util.find_spec("eglRenderer")
    plugin = -1
    if spec is not None and spec.origin:
        with suppress_c_output():
            plugin = client.loadPlugin(spec.origin, "_eglRendererPlugin")
    if plugin < 0:
        raise UserError(
            "renderer=egl needs a graphics card with EGL, and finds none: use renderer=tiny"
        )
