"""Images of a PyBullet client: by TinyRenderer on any machine, or by a graphics card."""

import copy
import importlib.util
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from poise.envs3d.camera import Camera
from poise.envs3d.client import suppress_c_output
from poise.toolkit.appearance import (
    DEFAULT_APPEARANCE,
    WHITE,
    Appearance,
    Colours,
    Light,
    mix_colours,
)
from poise.toolkit.errors import UserError
from poise.toolkit.spaces import Array

Link = tuple[int, int]
"""A body and the index of its link; -1 is the base."""


SPECULAR = 0.1
"""Strength of specular reflections."""


MIN_RENDER_SIZE = 128
"""Least size (pixels) at which an image is rendered; smaller ones are rendered larger and averaged.
Aliased edges would hide the position of a limb to a fraction of a pixel."""


class Shot(NamedTuple):
    """What a renderer gives: image (H, W, 3) uint8, depth (H, W) and body (H, W), -1 for none."""

    image: Array
    depth: Array
    """Of OpenGL: 0 at NEAR_PLANE, 1 at FAR_PLANE."""
    bodies: Array


class Renderer:
    """Renders the bodies of a client, as agents get them.

    `renderer` is `tiny` or `egl`; a UserError for `egl` without a graphics card. Shadows double the
    time. `film_colours` are the colours of links in images for people, (r, g, b, opacity) in
    [0, 1], and `targets` the bodies that are targets.
    """

    def __init__(
        self,
        client: Any,
        renderer: str,
        shadows: bool,
        film_colours: Mapping[Link, Sequence[float]],
        targets: Collection[int],
    ) -> None:
        if renderer == "egl":
            _load_egl(client)
        self.client = client
        self.has_shadows = shadows
        self.link_colours = LinkColours(client, film_colours, targets)
        is_egl = renderer == "egl"
        self._engine = client.ER_BULLET_HARDWARE_OPENGL if is_egl else client.ER_TINY_RENDERER

    def render(self, camera: Camera, appearance: Appearance) -> Array:
        """Return the bare image (height, width, 3) uint8 that an agent gets."""
        colours = appearance.colours
        self.link_colours.apply(colours)
        large = supersampled(camera)
        has_background = colours.background is not None
        shot = self.shoot(large, appearance.light, self.has_shadows, segmentation=has_background)
        image = shot.image
        if has_background:
            image = _draw_background(image, shot.bodies[..., None] < 0, colours)
        return average_blocks(image, camera)

    def shoot(
        self,
        camera: Camera,
        light: Light,
        shadows: bool,
        *,
        specular: float = SPECULAR,
        segmentation: bool = True,
    ) -> Shot:
        """Return image, depth and bodies as they are now, without a background."""
        height = camera.height
        width = camera.width
        _, _, rgba, depth, bodies = self.client.getCameraImage(
            width,
            height,
            camera.view_matrix().T.ravel().tolist(),  # OpenGL stores columns.
            camera.projection_matrix().T.ravel().tolist(),
            lightDirection=light.direction,
            lightColor=light.colour,
            lightAmbientCoeff=light.ambient,
            lightDiffuseCoeff=light.diffuse,
            lightSpecularCoeff=specular,
            shadow=shadows,
            renderer=self._engine,
            flags=0 if segmentation else self.client.ER_NO_SEGMENTATION_MASK,
        )
        return Shot(
            np.asarray(rgba, np.uint8).reshape(height, width, 4)[..., :3],
            np.asarray(depth, np.float32).reshape(height, width),
            np.asarray(bodies).reshape(height, width),
        )


class LinkColours:
    """The colours of all links in a client: their own, those for people, or an Appearance's."""

    def __init__(
        self,
        client: Any,
        film_colours: Mapping[Link, Sequence[float]],
        targets: Collection[int],
    ) -> None:
        self._client = client
        self._film_colours = film_colours
        bodies = range(client.getNumBodies())
        self._original: dict[Link, Sequence[float]] = {
            shape[:2]: shape[7] for body in bodies for shape in client.getVisualShapeData(body)
        }
        self._current = dict(self._original)
        self._applied = (DEFAULT_APPEARANCE.colours, False)
        jointless = [body for body in bodies if not client.getNumJoints(body)]
        self.static_bodies = {
            body
            for body in jointless
            if body not in targets and not client.getDynamicsInfo(body, -1)[0]
        }  # A mass of 0 means static.

    def apply(self, colours: Colours, *, for_people: bool = False) -> None:
        """Set the colour of every link.

        Static bodies are scenery and take the background's colour; the others stand out from it.
        """
        if (colours, for_people) == self._applied:
            return
        self._applied = (colours, for_people)
        for index, (link, own_rgba) in enumerate(self._original.items()):
            rgba = self._film_colours.get(link, own_rgba) if for_people else own_rgba
            if colours != DEFAULT_APPEARANCE.colours:
                rgba = self._link_rgba(colours, index, link[0] in self.static_bodies, rgba)
            if rgba != self._current[link]:
                self._current[link] = rgba
                self._client.changeVisualShape(*link, rgbaColor=rgba)

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


def supersampled(camera: Camera) -> Camera:
    """Return a copy of a camera with at least MIN_RENDER_SIZE pixels each way."""
    factor = math.ceil(MIN_RENDER_SIZE / min(camera.width, camera.height))
    large = copy.copy(camera)
    large.width = factor * camera.width
    large.height = factor * camera.height
    return large


def average_blocks(image: Array, camera: Camera) -> Array:
    """Return the image of a supersampled camera at the size of `camera`."""
    factor = len(image) // camera.height
    if factor > 1:
        blocks = image.reshape(camera.height, factor, camera.width, factor, 3)
        image = blocks.mean((1, 3)).round().astype(np.uint8)
    return np.ascontiguousarray(image)


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
