"""Canvas: anti-aliased drawing in metres on an off-screen pygame surface. Needs no display."""

import math
from collections.abc import Mapping
from types import MappingProxyType

import pygame

from poise.toolkit.appearance import (
    BODY,
    DEFAULT_APPEARANCE,
    LEFT_LIMB,
    MIN_CONTRAST,
    OBJECT,
    RIGHT_LIMB,
    SKY_BOTTOM,
    SKY_TOP,
    WOOD,
    Appearance,
    Colour,
    contrast,
    mix_colours,
)
from poise.toolkit.media.image import surface_to_frame
from poise.toolkit.spaces import Array

Point = tuple[float, float]


GROUND_COLOUR: Colour = (92, 107, 115)
GROUND_MARK_COLOUR: Colour = (139, 154, 161)
BODY_COLOUR: Colour = BODY
NEAR_LIMB_COLOUR: Colour = (87, 160, 211)
FAR_LIMB_COLOUR: Colour = (24, 84, 128)
WOOD_COLOUR: Colour = WOOD
BALL_COLOUR: Colour = (224, 90, 71)
SPOKE_COLOUR: Colour = (244, 164, 150)
TRAIL_COLOUR: Colour = (160, 180, 195)


FILM_COLOURS: Mapping[Colour, Colour] = {
    NEAR_LIMB_COLOUR: RIGHT_LIMB,
    FAR_LIMB_COLOUR: LEFT_LIMB,
    BALL_COLOUR: OBJECT,
    SPOKE_COLOUR: WOOD,
}
"""Colours that images for people have in place of those in the agent's images."""


SUPERSAMPLED_SIZE = 1200
"""Images are drawn at about this size (pixels) and scaled down smoothly, for anti-aliasing."""


MAX_SUPERSAMPLING = 8


GROUND_MARK_SLANT = 0.08
GROUND_MARK_DEPTH = 0.10
"""Width of a slanted mark and its depth below the ground's surface (m)."""


class Canvas:
    """An image of `width` x `height` pixels, drawn in the colours and widths of an Appearance."""

    def __init__(self, width: int, height: int) -> None:
        supersampling = round(SUPERSAMPLED_SIZE / max(width, height))
        self._supersampling = max(1, min(MAX_SUPERSAMPLING, supersampling))
        self._size = (width, height)
        self._large_surface = pygame.Surface(
            (width * self._supersampling, height * self._supersampling)
        )
        self._surface = pygame.Surface(self._size)
        self._background = (SKY_TOP, SKY_BOTTOM)
        self._sky = self._draw_gradient(*self._background)

    def begin_frame(
        self,
        centre: Point,
        view_height: float,
        appearance: Appearance,
        colours: Mapping[Colour, Colour] = MappingProxyType({}),
    ) -> None:
        """Start a new image with the point `centre` (m) in its middle, `view_height` (m) high.

        `colours` replace some of an environment's own, before the appearance does.
        """
        self._appearance = appearance
        self._colours = colours
        self._palette = dict[Colour, Colour]()
        width, height = self._large_surface.get_size()
        self._scale = height / view_height
        self._origin = (
            width / 2 - centre[0] * self._scale,
            height / 2 + centre[1] * self._scale,
        )
        background = appearance.colours.blend_background(SKY_TOP, SKY_BOTTOM)
        if background != self._background:
            self._background = background
            self._sky = self._draw_gradient(*background)
        self._large_surface.blit(self._sky, (0, 0))

    def get_frame(self) -> Array:
        """Return the finished image, (height, width, 3) uint8."""
        if self._supersampling == 1:
            return surface_to_frame(self._large_surface)
        pygame.transform.smoothscale(self._large_surface, self._size, self._surface)
        return surface_to_frame(self._surface)

    def draw_disc(self, centre: Point, radius: float, colour: Colour) -> None:
        """Draw a filled circle; lengths in m."""
        pygame.draw.circle(
            self._large_surface,
            self._map_colour(colour),
            self._point_to_pixel(centre),
            self._length_to_pixels(radius),
        )

    def draw_joint(self, centre: Point, radius: float, colour: Colour) -> None:
        """Draw a filled circle that marks a joint; the appearance scales its radius (m)."""
        self.draw_disc(centre, radius * self._appearance.joint_width_scale, colour)

    def draw_ring(
        self, centre: Point, radius: float, colour: Colour, line_width: float = 0.012
    ) -> None:
        """Draw the outline of a circle, `line_width` (m) wide."""
        width = line_width * self._appearance.limb_width_scale
        pygame.draw.circle(
            self._large_surface,
            self._map_colour(colour),
            self._point_to_pixel(centre),
            self._length_to_pixels(radius),
            self._length_to_pixels(width),
        )

    def draw_capsule(self, start: Point, end: Point, width: float, colour: Colour) -> None:
        """Draw a thick line with round ends: a limb; the appearance scales its width (m)."""
        width *= self._appearance.limb_width_scale
        if start != end:
            # The normal of the line, as long as half of its width.
            normal = (end[1] - start[1], start[0] - end[0])
            scale = width / 2 / math.hypot(*normal)
            dx = normal[0] * scale
            dy = normal[1] * scale
            corners = [
                (start[0] + dx, start[1] + dy),
                (end[0] + dx, end[1] + dy),
                (end[0] - dx, end[1] - dy),
                (start[0] - dx, start[1] - dy),
            ]
            self.draw_polygon(corners, colour)
        self.draw_disc(start, width / 2, colour)
        self.draw_disc(end, width / 2, colour)

    def draw_polygon(self, corners: list[Point], colour: Colour) -> None:
        """Draw a filled polygon."""
        pygame.draw.polygon(
            self._large_surface,
            self._map_colour(colour),
            [self._point_to_pixel(corner) for corner in corners],
        )

    def draw_box(
        self,
        centre: Point,
        angle: float,
        width: float,
        height: float,
        colour: Colour,
        corner_radius: float = 0.03,
    ) -> None:
        """Draw a filled rectangle, rotated by `angle` (rad), with round corners; lengths in m."""
        cosine = math.cos(angle)
        sine = math.sin(angle)

        def rotate(x: float, y: float) -> Point:
            return centre[0] + x * cosine - y * sine, centre[1] + x * sine + y * cosine

        x = width / 2
        y = height / 2
        inner_x = x - corner_radius
        inner_y = y - corner_radius
        outline = [
            (-inner_x, y),
            (inner_x, y),
            (x, inner_y),
            (x, -inner_y),
            (inner_x, -y),
            (-inner_x, -y),
            (-x, -inner_y),
            (-x, inner_y),
        ]
        self.draw_polygon([rotate(*point) for point in outline], colour)
        for corner_x in (inner_x, -inner_x):
            for corner_y in (inner_y, -inner_y):
                self.draw_disc(rotate(corner_x, corner_y), corner_radius, colour)

    def draw_trail(
        self, points: list[Point], colour: Colour = TRAIL_COLOUR, width: float = 0.012
    ) -> None:
        """Draw a path, newest point last, that fades into the background; `width` in m."""
        line_width = self._length_to_pixels(width * self._appearance.limb_width_scale)
        ink = self._map_colour(colour)
        sky = self._background[1]
        for index in range(1, len(points)):
            opacity = index / len(points)
            shade = tuple(
                int(behind + (full - behind) * opacity)
                for behind, full in zip(sky, ink, strict=True)
            )
            start = self._point_to_pixel(points[index - 1])
            end = self._point_to_pixel(points[index])
            pygame.draw.line(self._large_surface, shade, start, end, line_width)

    def draw_ground(self, level: float, spacing: float = 0.5) -> None:
        """Draw the ground below `level` (m), with a mark every `spacing` (m) that shows motion."""
        width, height = self._large_surface.get_size()
        top = self._point_to_pixel((0.0, level))[1]
        if top >= height:
            return
        self._large_surface.fill(
            self._map_colour(GROUND_COLOUR), (0, round(top), width, height - round(top))
        )
        step = spacing * self._scale
        slant = GROUND_MARK_SLANT * self._scale
        bottom = top + GROUND_MARK_DEPTH * self._scale
        first = self._origin[0] % step - step
        for index in range(int(width / step) + 3):
            x = first + index * step
            corners = [(x, top), (x + slant, top), (x, bottom), (x - slant, bottom)]
            pygame.draw.polygon(self._large_surface, self._map_colour(GROUND_MARK_COLOUR), corners)

    def _map_colour(self, original: Colour) -> Colour:
        """Return the appearance's colour for an environment's own one; pale colours stay pale."""
        original = self._colours.get(original, original)
        if self._appearance.colours == DEFAULT_APPEARANCE.colours:
            return original
        if original not in self._palette:
            background = mix_colours(*self._background, 0.5)
            sky = mix_colours(SKY_TOP, SKY_BOTTOM, 0.5)
            paleness = contrast(original, sky)
            index = len(self._palette)
            ink = self._appearance.colours.blend_body_colour(original, index, background)
            is_pale = paleness <= MIN_CONTRAST
            self._palette[original] = mix_colours(background, ink, paleness) if is_pale else ink
        return self._palette[original]

    def _draw_gradient(self, top: Colour, bottom: Colour) -> pygame.Surface:
        """Return a surface whose colour goes from `top` to `bottom`."""
        column = pygame.Surface((1, 2))
        column.set_at((0, 0), top)
        column.set_at((0, 1), bottom)
        return pygame.transform.smoothscale(column, self._large_surface.get_size())

    def _point_to_pixel(self, point: Point) -> Point:
        return self._origin[0] + point[0] * self._scale, self._origin[1] - point[1] * self._scale

    def _length_to_pixels(self, metres: float) -> int:
        return max(1, round(metres * self._scale))
