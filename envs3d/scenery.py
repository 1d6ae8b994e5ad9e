"""Images of a PyBullet client for people: sky, floor, soft shadow and targets around the bodies.

The bodies come from the renderer (renderer.py); all else is computed from the depth and the body of
each pixel. The agent's images have none of it.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from poise.envs3d.camera import FAR_PLANE, NEAR_PLANE, Camera, Marker
from poise.envs3d.renderer import Renderer, Shot, average_blocks, supersampled
from poise.toolkit.appearance import (
    SKY_BOTTOM,
    SKY_TOP,
    TARGET,
    TARGET_EDGE,
    Appearance,
    Colour,
    Light,
)
from poise.toolkit.spaces import Array

FLOOR: Colour = (213, 220, 224)
FLOOR_LINE: Colour = (188, 199, 205)


LINE_WIDTH = 0.032
"""Width of the lines on the floor, as a fraction of the distance between two."""


LINE_SPACINGS = (0.25, 0.5)
"""Distances between the lines on the floor (m): the first for a camera nearer than NEAR_CAMERA."""


NEAR_CAMERA = 2.2
"""In m."""


FADE_START = 1.0
FADE_END = 2.4
"""Depths between which the floor fades into the sky, in distances of the camera from its target."""


LIGHT = Light(direction=(1.5, -2.5, 5.0), ambient=0.74, diffuse=0.36)
"""In place of the default light; an appearance changes both in proportion."""


SPECULAR = 0.06


SHADOW_SIZE = 128
"""Width of the image from the light, of which shadows are made (pixels)."""


SHADOW_SCALE = 3
"""Factor by which that image is enlarged before it is blurred."""


SHADOW_BLUR = 1.2
"""Standard deviation of the blur, in pixels of the image from the light."""


SHADOW_STRENGTH = 0.34


SHADOW_VIEW = 2.0
"""Height of the region in which shadows fall, in heights of the camera's view."""


EDGE_CONTRAST = 20.0
"""Difference in green (of 255) between neighbouring pixels from which on their edge is smoothed."""


EDGE_WEIGHTS = (0.2, 0.6, 0.2)
"""Weights of three neighbouring pixels, each way, in a pixel of an edge."""


BELOW_FLOOR_OPACITY = 0.4
"""Opacity of bodies that are below the floor: they shine through."""


BALL_OPACITY = 0.85
LIMB_OPACITY = 0.5
DISC_OPACITY = 0.45
LINE_OPACITY = 0.7
"""Of a target: its ball, the limb that should reach it, its disc on the floor, the line to it."""


HIDDEN_OPACITY = 0.45
"""Factor on the opacity of the part of a target that is behind a body."""


EDGE_WIDTH = 0.14
"""Width of a ball's edge, as a fraction of its radius."""


MIN_BALL_RADIUS = 2.5
"""Of a ball in the image (pixels)."""


DISC_SCALE = 0.8
"""Radius of the disc on the floor below a target, as a fraction of the ball's."""


DASH_LENGTH = 0.012
"""Length of a dash, and of the gap after it, in heights of the camera's view."""


class View(NamedTuple):
    """A camera's image in the making."""

    camera: Camera
    rays: Array
    """(H, W, 3): each ray is 1 m deep."""
    image: Array
    """(H, W, 3) float32, in [0, 255]."""
    depth: Array
    """(H, W): of what the image shows (m)."""
    projection: Array
    """(4, 4): from the world to OpenGL's clip space."""

    def project(self, point: Array) -> tuple[float, float, float]:
        """Return the column and row of a point (3,) in pixels, and its depth (m)."""
        x, y, _, depth = (self.projection @ np.append(point, 1.0)).tolist()
        column = (0.5 + x / depth / 2.0) * self.camera.width - 0.5
        row = (0.5 - y / depth / 2.0) * self.camera.height - 0.5
        return column, row, depth

    def points(self, depth: Array, pixels: Array | tuple[slice, slice]) -> Array:
        """Return the points (..., 3) of some pixels at their depths (...) in m."""
        position = self.camera.position().astype(np.float32)
        points: Array = position + depth[..., None] * self.rays[pixels]
        return points


class Scenery:
    """Renders the bodies of a client for people, over a floor at `floor_height` (m)."""

    def __init__(self, renderer: Renderer, floor_height: float) -> None:
        self.renderer = renderer
        self.floor_height = floor_height

    def render(
        self, camera: Camera, appearance: Appearance, targets: Iterable[Marker], drop_height: float
    ) -> Array:
        """Return an image (height, width, 3) uint8; targets drop lines to `drop_height` (m)."""
        large = supersampled(camera)
        light = _scale_light(appearance.light)
        self.renderer.link_colours.apply(appearance.colours, for_people=True)
        shot = self.renderer.shoot(large, light, shadows=False, specular=SPECULAR)
        shadow = _Shadow(self.renderer, large, light) if self.renderer.has_shadows else None
        view = self._draw_floor(large, appearance, shadow)
        self._draw_bodies(view, shot, shadow)
        _smooth_edges(view.image)
        for target in targets:
            draw_target(view, target, drop_height)
        return average_blocks(np.rint(view.image).astype(np.uint8), camera)

    def _draw_floor(self, camera: Camera, appearance: Appearance, shadow: "_Shadow | None") -> View:
        """Return a view of sky and floor."""
        top, bottom = appearance.colours.blend_background(SKY_TOP, SKY_BOTTOM)
        floor, line = appearance.colours.blend_background(FLOOR, FLOOR_LINE)
        rays = camera.pixel_rays()
        sky = np.linspace(top, bottom, camera.height, dtype=np.float32)[:, None]
        image = np.broadcast_to(sky, rays.shape).copy()
        depth = np.full(rays.shape[:2], np.inf, np.float32)
        projection = camera.projection_matrix() @ camera.view_matrix()
        view = View(camera, rays, image, depth, projection)
        height = float(camera.position()[2]) - self.floor_height
        fade_start = FADE_START * camera.distance
        fade_end = FADE_END * camera.distance
        rows = _rows_with_floor(rays, height / fade_end)
        if height <= 0.0 or rows.start == rows.stop:
            return view
        pixels = (rows, slice(None))
        floor_depth = -height / np.minimum(rays[rows, :, 2], -1e-6)
        points = view.points(floor_depth, pixels)
        is_near = camera.distance < NEAR_CAMERA
        coverage = _grid_coverage(points, LINE_SPACINGS[0 if is_near else 1])
        contrast = np.subtract(line, floor, dtype=np.float32)
        colour = np.array(floor, np.float32) + coverage[..., None] * contrast
        if shadow is not None:
            mask = shadow.make_mask(shadow.bodies >= 0)
            colour *= shadow.brightness(points, mask)[..., None]
        opacity = np.clip((fade_end - floor_depth) / (fade_end - fade_start), 0.0, 1.0)
        opacity *= opacity * (3.0 - 2.0 * opacity)
        image[rows] += opacity[..., None] * (colour - image[rows])
        view.depth[rows] = np.where(rays[rows, :, 2] < 0.0, floor_depth, np.inf)
        return view

    def _draw_bodies(self, view: View, shot: Shot, shadow: "_Shadow | None") -> None:
        """Draw the bodies; static ones, such as a table, in the shadow of the others."""
        depth = _linear_depth(shot.depth)
        image = shot.image.astype(np.float32)
        static_bodies = list(self.renderer.link_colours.static_bodies)
        is_static = np.isin(shot.bodies, static_bodies)
        if shadow is not None and is_static.any():
            points = view.points(depth[is_static], is_static)
            is_moving = (shadow.bodies >= 0) & ~np.isin(shadow.bodies, static_bodies)
            mask = shadow.make_mask(is_moving)
            image[is_static] *= shadow.brightness(points, mask)[:, None]
        is_body = shot.bodies >= 0
        is_above = is_body & (depth <= view.depth)
        is_below = is_body & ~is_above
        view.image[is_above] = image[is_above]
        view.depth[is_above] = depth[is_above]
        view.image[is_below] *= 1.0 - BELOW_FLOOR_OPACITY
        view.image[is_below] += BELOW_FLOOR_OPACITY * image[is_below]


class _Shadow:
    """Shadows: the image of the bodies from the light, as masks that are blurred."""

    def __init__(self, renderer: Renderer, camera: Camera, light: Light) -> None:
        view_height = SHADOW_VIEW * camera.view_height()
        self.camera = Camera.at_light(light.direction, camera.target, view_height, SHADOW_SIZE)
        self.bodies = renderer.shoot(self.camera, light, shadows=False).bodies

    def make_mask(self, is_body: Array) -> Array:
        """Return how much of the light some pixels of the image from the light take, blurred."""
        mask: Array = BLUR @ is_body.astype(np.float32) @ BLUR.T
        return mask

    def brightness(self, points: Array, mask: Array) -> Array:
        """Return the brightness in [0, 1] of points (..., 3) in the shadow of a mask."""
        right, up, backwards = self.camera.axes().astype(np.float32)
        offset = points - self.camera.target.astype(np.float32)
        depth = np.maximum(NEAR_PLANE, self.camera.distance - offset @ backwards)
        scale = len(mask) / self.camera.view_height() * self.camera.distance / depth
        middle = len(mask) / 2.0
        columns = (middle + scale * (offset @ right)).astype(np.int32)
        rows = (middle - scale * (offset @ up)).astype(np.int32)
        np.clip(columns, 0, len(mask) - 1, out=columns)
        np.clip(rows, 0, len(mask) - 1, out=rows)
        brightness: Array = 1.0 - SHADOW_STRENGTH * mask[rows, columns]
        return brightness


def draw_target(view: View, target: Marker, drop_height: float) -> None:
    """Draw a target: its limb, its ball, a dashed line down to `drop_height` (m), and a disc."""
    centre = np.asarray(target.centre, float)
    foot = np.array([*centre[:2], drop_height])
    radius = DISC_SCALE * target.radius
    _draw_disc(view, foot, radius)
    if centre[2] > drop_height:
        dash = DASH_LENGTH * view.camera.view_height()
        width = view.camera.view_height() / 400.0
        _draw_capsule(view, centre, foot, width, TARGET_EDGE, LINE_OPACITY, dash=dash)
    if target.parent is not None:
        parent = np.asarray(target.parent, float)
        _draw_capsule(view, parent, centre, 0.6 * target.radius, TARGET, LIMB_OPACITY)
    _draw_ball(view, centre, target.radius)


def _draw_ball(view: View, centre: Array, radius: float) -> None:
    """Draw a translucent, shaded ball with an edge."""
    camera = view.camera
    column, row, depth = view.project(centre)
    if depth <= NEAR_PLANE:
        return
    pixel_radius = max(MIN_BALL_RADIUS, radius * camera.height / camera.view_height(depth))
    pixels = _pixels_around(camera, [column], [row], pixel_radius + 1.0)
    columns, rows = _pixel_grid(pixels)
    distance = np.hypot(columns - column, rows - row)
    coverage = np.clip(pixel_radius + 0.5 - distance, 0.0, 1.0)
    edge_start = pixel_radius * (1.0 - EDGE_WIDTH)
    edge = np.clip(distance - min(edge_start, pixel_radius - 1.0) + 0.5, 0.0, 1.0)
    # The light falls from the upper right: the highlight lies there.
    light = np.hypot(columns - column - 0.35 * pixel_radius, rows - row + 0.4 * pixel_radius)
    shade = np.clip(1.12 - 0.3 * light / pixel_radius, 0.7, 1.12)
    colour = shade[..., None] * np.array(TARGET)
    colour += edge[..., None] * (TARGET_EDGE - colour)
    is_hidden = view.depth[pixels] < depth - radius
    opacity = BALL_OPACITY * np.where(is_hidden, HIDDEN_OPACITY, 1.0)
    _mix(view, pixels, np.minimum(colour, 255.0), coverage * opacity)


def _draw_capsule(
    view: View,
    start: Array,
    end: Array,
    radius: float,
    colour: Colour,
    opacity: float,
    *,
    dash: float = 0.0,
) -> None:
    """Draw a translucent line with round ends, dashed where `dash` (m) is given."""
    camera = view.camera
    column1, row1, depth1 = view.project(start)
    column2, row2, depth2 = view.project(end)
    if min(depth1, depth2) <= NEAR_PLANE:
        return
    ends = np.array([[column1, row1], [column2, row2]])
    pixel_radius = radius * camera.height / camera.view_height((depth1 + depth2) / 2.0)
    pixel_radius = max(0.5, pixel_radius)
    pixels = _pixels_around(camera, ends[:, 0], ends[:, 1], pixel_radius + 1.0)
    columns, rows = _pixel_grid(pixels)
    along = ends[1] - ends[0]
    length = max(1e-6, float(np.hypot(*along)))
    dx = columns - ends[0, 0]
    dy = rows - ends[0, 1]
    position = np.clip((dx * along[0] + dy * along[1]) / length**2, 0.0, 1.0)
    distance = np.hypot(dx - position * along[0], dy - position * along[1])
    coverage = np.clip(pixel_radius + 0.5 - distance, 0.0, 1.0)
    if dash:
        metres = position * float(np.linalg.norm(end - start))
        coverage = coverage * (metres % (2.0 * dash) < dash)
    depth = depth1 + position * (depth2 - depth1)
    is_hidden = view.depth[pixels] < depth - radius
    opacities = opacity * np.where(is_hidden, HIDDEN_OPACITY, 1.0)
    _mix(view, pixels, np.array(colour), coverage * opacities)


def _draw_disc(view: View, centre: Array, radius: float) -> None:
    """Draw a flat, level disc where nothing hides it."""
    camera = view.camera
    corners = [
        view.project(centre + radius * np.array([x, y, 0.0]))
        for x in (-1.0, 1.0)
        for y in (-1.0, 1.0)
    ]
    height = float(camera.position()[2] - centre[2])
    if height <= 0.0 or min(corner[2] for corner in corners) <= NEAR_PLANE:
        return
    columns, rows, _ = zip(*corners, strict=True)
    pixels = _pixels_around(camera, columns, rows, 2.0)
    depth = -height / np.minimum(view.rays[pixels][..., 2], -1e-6)
    points = view.points(depth, pixels)
    distance = np.hypot(points[..., 0] - centre[0], points[..., 1] - centre[1])
    pixel = camera.view_height(view.project(centre)[2]) / camera.height
    coverage = np.clip((radius - distance) / pixel + 0.5, 0.0, 1.0)
    is_visible = view.depth[pixels] > depth - 2.0 * pixel - 0.01
    _mix(view, pixels, np.array(TARGET_EDGE), DISC_OPACITY * coverage * is_visible)


def _mix(view: View, pixels: tuple[slice, slice], colour: Array, opacity: Array) -> None:
    """Mix a colour (..., 3) into pixels, with an opacity in [0, 1] for each pixel."""
    view.image[pixels] += opacity[..., None] * (colour - view.image[pixels])


def _pixels_around(
    camera: Camera, columns: Iterable[float], rows: Iterable[float], margin: float
) -> tuple[slice, slice]:
    """Return the pixels of the image in a rectangle around points, with a margin."""
    x = np.array(list(columns))
    y = np.array(list(rows))

    def span(values: Array, size: int) -> slice:
        first = int(np.clip(values.min() - margin, 0, size))
        return slice(first, max(first, int(np.clip(values.max() + margin + 2.0, 0, size))))

    return span(y, camera.height), span(x, camera.width)


def _pixel_grid(pixels: tuple[slice, slice]) -> tuple[Array, Array]:
    """Return the columns (1, W) and the rows (H, 1) of a rectangle of pixels."""
    rows, columns = pixels
    return np.arange(columns.start, columns.stop)[None], np.arange(rows.start, rows.stop)[:, None]


def _smooth_edges(image: Array) -> None:
    """Smooth the edges in an image (H, W, 3), which the renderer leaves jagged, in place."""
    green = image[..., 1]
    is_edge = np.zeros(green.shape, bool)
    is_step = np.abs(np.diff(green, axis=0)) > EDGE_CONTRAST
    is_edge[1:] |= is_step
    is_edge[:-1] |= is_step
    is_step = np.abs(np.diff(green, axis=1)) > EDGE_CONTRAST
    is_edge[:, 1:] |= is_step
    is_edge[:, :-1] |= is_step
    rows, columns = np.nonzero(is_edge[1:-1, 1:-1])
    image[rows + 1, columns + 1] = sum(
        EDGE_WEIGHTS[down] * EDGE_WEIGHTS[right] * image[rows + down, columns + right]
        for down in range(3)
        for right in range(3)
    )


def _scale_light(light: Light) -> Light:
    """Return the light for people in place of an appearance's light."""
    default = Light()
    ratios = zip(light.direction, LIGHT.direction, default.direction, strict=True)
    x, y, z = (value * ours / own for value, ours, own in ratios)
    return light._replace(
        direction=(x, y, z),
        ambient=light.ambient * LIGHT.ambient / default.ambient,
        diffuse=light.diffuse * LIGHT.diffuse / default.diffuse,
    )


def _rows_with_floor(rays: Array, min_fall: float) -> slice:
    """Return the rows in which some ray falls by `min_fall` or more for each metre of depth."""
    rows = np.flatnonzero((rays[..., 2] <= -min_fall).any(1))
    return slice(int(rows[0]), len(rays)) if len(rows) else slice(0, 0)


def _grid_coverage(points: Array, spacing: float) -> Array:
    """Return how much of each pixel the lines of a floor cover, in [0, 1], (H, W).

    `points` (H, W, 3) are those of neighbouring pixels; a line narrower than a pixel is paler.
    """
    half_width = LINE_WIDTH * spacing / 2.0
    bare = np.ones(points.shape[:2], np.float32)
    for axis in (0, 1):
        values = points[..., axis]
        footprint = np.abs(_steps(values, 0)) + np.abs(_steps(values, 1)) + 1e-6
        distance = np.abs(values - spacing * np.rint(values / spacing))
        coverage = np.clip((half_width - distance) / footprint + 0.5, 0.0, 1.0)
        bare *= 1.0 - coverage * np.minimum(1.0, 2.0 * half_width / footprint)
    return 1.0 - bare


def _steps(values: Array, axis: int) -> Array:
    """Return the difference (H, W) to the next value along an axis; the last one repeats."""
    if values.shape[axis] == 1:
        return np.zeros_like(values)
    steps = np.diff(values, axis=axis)
    last = steps[-1:] if axis == 0 else steps[:, -1:]
    return np.concatenate([steps, last], axis=axis)


def _make_blur() -> Array:
    """Return the matrix (N, SHADOW_SIZE) that enlarges a column of pixels to N and blurs it."""
    small = np.arange(SHADOW_SIZE)
    large = (np.arange(SHADOW_SCALE * SHADOW_SIZE) + 0.5) / SHADOW_SCALE - 0.5
    weights = np.exp(-0.5 * np.square((large[:, None] - small) / SHADOW_BLUR))
    # Nothing at the border: what lies beyond the image has no shadow.
    weights[[0, -1]] = 0.0
    blur: Array = (weights / weights[len(weights) // 2].sum()).astype(np.float32)
    return blur


BLUR = _make_blur()


def _linear_depth(depth: Array) -> Array:
    """Return depths in m for those of OpenGL in [0, 1]."""
    product = NEAR_PLANE * FAR_PLANE
    return product / (FAR_PLANE - (FAR_PLANE - NEAR_PLANE) * depth)
