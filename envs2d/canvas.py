"""Canvas: anti-aliased drawing in metres on an off-screen pygame surface. Needs no display."""

import math

import pygame

from poise.toolkit.appearance import (
    DEFAULT_APPEARANCE,
    MIN_CONTRAST,
    Appearance,
    Colour,
    contrast,
    mix_colours,
)
from poise.toolkit.media.image import TEXT_COLOUR, surface_to_frame
from poise.toolkit.spaces import Array

Point = tuple[float, float]


SKY_TOP_COLOUR: Colour = (235, 242, 250)


SKY_BOTTOM_COLOUR: Colour = (253, 249, 240)


GROUND_COLOUR: Colour = (92, 107, 115)


GROUND_MARK_COLOUR: Colour = (139, 154, 161)


INK_COLOUR: Colour = TEXT_COLOUR


BODY_COLOUR: Colour = (33, 118, 174)


NEAR_LIMB_COLOUR: Colour = (87, 160, 211)


FAR_LIMB_COLOUR: Colour = (24, 84, 128)


WOOD_COLOUR: Colour = (196, 138, 79)


BALL_COLOUR: Colour = (224, 90, 71)


TARGET_COLOUR: Colour = (64, 178, 108)


TRAIL_COLOUR: Colour = (160, 180, 195)


SUPERSAMPLED_SIZE = 1200
"""Pictures are drawn at about this size and scaled down smoothly: that is the anti-aliasing."""


class Canvas:
    """A picture of `width` x `height` pixels, painted in an environment's own colours and widths as a look changes them."""

    def __init__(self, width: int, height: int) -> None:
        self._supersampling = max(1, min(8, round(SUPERSAMPLED_SIZE / max(width, height))))
        self._size = (width, height)
        self._large_surface = pygame.Surface(
            (width * self._supersampling, height * self._supersampling)
        )
        self._surface = pygame.Surface(self._size)
        self._background = (SKY_TOP_COLOUR, SKY_BOTTOM_COLOUR)
        self._sky = self._draw_gradient(*self._background)

    def begin_frame(self, centre: Point, view_height: float, appearance: Appearance) -> None:
        """Start a new picture with the environment's point `centre` in the middle and `view_height` from bottom to top (m)."""
        self._appearance = appearance
        self._palette = dict[Colour, Colour]()
        self._scale = self._large_surface.get_height() / view_height
        self._origin = (
            self._large_surface.get_width() / 2 - centre[0] * self._scale,
            self._large_surface.get_height() / 2 + centre[1] * self._scale,
        )
        if self._background != (
            paper := appearance.colours.blend_background(SKY_TOP_COLOUR, SKY_BOTTOM_COLOUR)
        ):
            self._background, self._sky = paper, self._draw_gradient(*paper)
        self._large_surface.blit(self._sky, (0, 0))

    def get_frame(self) -> Array:
        """The finished picture, (height, width, 3) uint8."""
        if self._supersampling == 1:
            return surface_to_frame(self._large_surface)
        pygame.transform.smoothscale(self._large_surface, self._size, self._surface)
        return surface_to_frame(self._surface)

    def draw_disc(self, centre: Point, radius: float, colour: Colour) -> None:
        """A filled circle."""
        pygame.draw.circle(
            self._large_surface,
            self._map_colour(colour),
            self._point_to_pixel(centre),
            self._length_to_pixels(radius),
        )

    def draw_joint(self, centre: Point, radius: float, colour: Colour) -> None:
        """A filled circle that marks a joint, whose size a look may change."""
        self.draw_disc(centre, radius * self._appearance.joint_width_scale, colour)

    def draw_ring(
        self, centre: Point, radius: float, colour: Colour, line_width: float = 0.012
    ) -> None:
        """A circle's outline, `line_width` metres wide."""
        line_width = self._length_to_pixels(line_width * self._appearance.limb_width_scale)
        pygame.draw.circle(
            self._large_surface,
            self._map_colour(colour),
            self._point_to_pixel(centre),
            self._length_to_pixels(radius),
            line_width,
        )

    def draw_capsule(self, start: Point, end: Point, width: float, colour: Colour) -> None:
        """A thick line with round ends: a limb, whose width a look may change."""
        width *= self._appearance.limb_width_scale
        if start != end:
            across = (end[1] - start[1], start[0] - end[0])
            half = width / 2 / math.hypot(*across)
            dx = across[0] * half
            dy = across[1] * half
            corners = [(start[0] + dx, start[1] + dy), (end[0] + dx, end[1] + dy)]
            corners += [(end[0] - dx, end[1] - dy), (start[0] - dx, start[1] - dy)]
            self.draw_polygon(corners, colour)
        self.draw_disc(start, width / 2, colour)
        self.draw_disc(end, width / 2, colour)

    def draw_polygon(self, corners: list[Point], colour: Colour) -> None:
        """A filled polygon."""
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
        """A filled rectangle, turned by `angle` (rad), with round corners of radius `corner_radius`."""
        along = (math.cos(angle), math.sin(angle))

        def place(x: float, y: float) -> Point:
            return centre[0] + x * along[0] - y * along[1], centre[1] + x * along[1] + y * along[0]

        x, y = width / 2, height / 2
        a = x - corner_radius
        b = y - corner_radius
        outline = [(-a, y), (a, y), (x, b), (x, -b), (a, -y), (-a, -y), (-x, -b), (-x, b)]
        self.draw_polygon([place(*point) for point in outline], colour)
        for point in ((a, b), (a, -b), (-a, b), (-a, -b)):
            self.draw_disc(place(*point), corner_radius, colour)

    def draw_trail(
        self, points: list[Point], colour: Colour = TRAIL_COLOUR, width: float = 0.012
    ) -> None:
        """A path that fades towards its past; the newest point is last."""
        for index in range(1, len(points)):
            part = index / len(points)
            shade = tuple(
                int(sky + (ink - sky) * part)
                for sky, ink in zip(self._background[1], self._map_colour(colour), strict=True)
            )
            start = self._point_to_pixel(points[index - 1])
            end = self._point_to_pixel(points[index])
            pygame.draw.line(
                self._large_surface,
                shade,
                start,
                end,
                self._length_to_pixels(width * self._appearance.limb_width_scale),
            )

    def draw_ground(self, level: float, spacing: float = 0.5) -> None:
        """The ground below `level` (m), with a mark every `spacing` metres so that motion is seen."""
        width, height = self._large_surface.get_size()
        top = self._point_to_pixel((0.0, level))[1]
        if top >= height:
            return
        self._large_surface.fill(
            self._map_colour(GROUND_COLOUR), (0, round(top), width, height - round(top))
        )
        step = spacing * self._scale
        first = self._origin[0] % step - step
        for index in range(int(width / step) + 3):
            x = first + index * step
            slant = 0.08 * self._scale
            bottom = top + 0.10 * self._scale
            corners = [(x, top), (x + slant, top), (x, bottom), (x - slant, bottom)]
            pygame.draw.polygon(self._large_surface, self._map_colour(GROUND_MARK_COLOUR), corners)

    def _map_colour(self, original: Colour) -> Colour:
        """The look's colour for one of an environment's own; what is pale stays pale."""
        if self._appearance.colours == DEFAULT_APPEARANCE.colours:
            return original
        if original not in self._palette:
            behind = mix_colours(*self._background, 0.5)
            paleness = contrast(original, mix_colours(SKY_TOP_COLOUR, SKY_BOTTOM_COLOUR, 0.5))
            ink = self._appearance.colours.blend_body_colour(original, len(self._palette), behind)
            self._palette[original] = (
                ink if paleness > MIN_CONTRAST else mix_colours(behind, ink, paleness)
            )
        return self._palette[original]

    def _draw_gradient(self, top: Colour, bottom: Colour) -> pygame.Surface:
        column = pygame.Surface((1, 2))
        column.set_at((0, 0), top)
        column.set_at((0, 1), bottom)
        return pygame.transform.smoothscale(column, self._large_surface.get_size()).convert(
            self._large_surface
        )

    def _point_to_pixel(self, point: Point) -> Point:
        return self._origin[0] + point[0] * self._scale, self._origin[1] - point[1] * self._scale

    def _length_to_pixels(self, metres: float) -> int:
        return max(1, round(metres * self._scale))
