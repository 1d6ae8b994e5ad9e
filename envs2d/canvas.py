"""Canvas: anti-aliased drawing in metres on an off-screen pygame surface. Needs no display."""

import math

import pygame
from poise.toolkit.appearance import PLAIN, STANDS_OUT, Colour, Look, contrast, mix
from poise.toolkit.media.image import frame_of
from poise.toolkit.spaces import Array

Point = tuple[float, float]


SKY_TOP: Colour = (235, 242, 250)


SKY_BOTTOM: Colour = (253, 249, 240)


GROUND: Colour = (92, 107, 115)


GROUND_MARK: Colour = (139, 154, 161)


INK: Colour = (38, 50, 56)


BODY: Colour = (33, 118, 174)


NEAR: Colour = (87, 160, 211)


FAR: Colour = (24, 84, 128)


WOOD: Colour = (196, 138, 79)


BALL: Colour = (224, 90, 71)


TARGET: Colour = (64, 178, 108)


TRAIL: Colour = (160, 180, 195)


FINE_SIZE = 1200
"""Pictures are drawn at about this size and scaled down smoothly: that is the anti-aliasing."""


class Canvas:
    """A picture of `width` x `height` pixels, painted in a world's own colours and widths as a look changes them."""

    def __init__(self, width: int, height: int) -> None:
        self._factor = max(1, min(8, round(FINE_SIZE / max(width, height))))
        self._size = (width, height)
        self._fine = pygame.Surface((width * self._factor, height * self._factor))
        self._small = pygame.Surface(self._size)
        self._paper = (SKY_TOP, SKY_BOTTOM)
        self._sky = self._gradient(*self._paper)

    def begin(self, centre: Point, view: float, look: Look) -> None:
        """Start a new picture with the world's point `centre` in the middle and `view` from bottom to top (m)."""
        self._look, self._inks = look, dict[Colour, Colour]()
        self._scale = self._fine.get_height() / view
        self._origin = (
            self._fine.get_width() / 2 - centre[0] * self._scale,
            self._fine.get_height() / 2 + centre[1] * self._scale,
        )
        if self._paper != (paper := look.colours.behind(SKY_TOP, SKY_BOTTOM)):
            self._paper, self._sky = paper, self._gradient(*paper)
        self._fine.blit(self._sky, (0, 0))

    def frame(self) -> Array:
        """The finished picture, (height, width, 3) uint8."""
        if self._factor == 1:
            return frame_of(self._fine)
        pygame.transform.smoothscale(self._fine, self._size, self._small)
        return frame_of(self._small)

    def disc(self, centre: Point, radius: float, colour: Colour) -> None:
        """A filled circle."""
        pygame.draw.circle(self._fine, self._ink(colour), self._pixel(centre), self._length(radius))

    def joint(self, centre: Point, radius: float, colour: Colour) -> None:
        """A filled circle that marks a joint, whose size a look may change."""
        self.disc(centre, radius * self._look.joints, colour)

    def ring(self, centre: Point, radius: float, colour: Colour, line: float = 0.012) -> None:
        """A circle's outline, `line` metres wide."""
        line = self._length(line * self._look.limbs)
        pygame.draw.circle(self._fine, self._ink(colour), self._pixel(centre), self._length(radius), line)

    def capsule(self, start: Point, end: Point, width: float, colour: Colour) -> None:
        """A thick line with round ends: a limb, whose width a look may change."""
        width *= self._look.limbs
        if start != end:
            across = (end[1] - start[1], start[0] - end[0])
            half = width / 2 / math.hypot(*across)
            dx, dy = across[0] * half, across[1] * half
            corners = [(start[0] + dx, start[1] + dy), (end[0] + dx, end[1] + dy)]
            corners += [(end[0] - dx, end[1] - dy), (start[0] - dx, start[1] - dy)]
            self.polygon(corners, colour)
        self.disc(start, width / 2, colour)
        self.disc(end, width / 2, colour)

    def polygon(self, corners: list[Point], colour: Colour) -> None:
        """A filled polygon."""
        pygame.draw.polygon(self._fine, self._ink(colour), [self._pixel(corner) for corner in corners])

    def box(self, centre: Point, angle: float, width: float, height: float, colour: Colour, corner: float = 0.03) -> None:
        """A filled rectangle, turned by `angle` (rad), with round corners of radius `corner`."""
        along = (math.cos(angle), math.sin(angle))

        def place(x: float, y: float) -> Point:
            return centre[0] + x * along[0] - y * along[1], centre[1] + x * along[1] + y * along[0]

        x, y = width / 2, height / 2
        a, b = x - corner, y - corner
        outline = [(-a, y), (a, y), (x, b), (x, -b), (a, -y), (-a, -y), (-x, -b), (-x, b)]
        self.polygon([place(*point) for point in outline], colour)
        for point in ((a, b), (a, -b), (-a, b), (-a, -b)):
            self.disc(place(*point), corner, colour)

    def trail(self, points: list[Point], colour: Colour = TRAIL, width: float = 0.012) -> None:
        """A path that fades towards its past; the newest point is last."""
        for index in range(1, len(points)):
            part = index / len(points)
            shade = tuple(int(sky + (ink - sky) * part) for sky, ink in zip(self._paper[1], self._ink(colour), strict=True))
            start, end = self._pixel(points[index - 1]), self._pixel(points[index])
            pygame.draw.line(self._fine, shade, start, end, self._length(width * self._look.limbs))

    def ground(self, level: float, spacing: float = 0.5) -> None:
        """The ground below `level` (m), with a mark every `spacing` metres so that motion is seen."""
        width, height = self._fine.get_size()
        top = self._pixel((0.0, level))[1]
        if top >= height:
            return
        self._fine.fill(self._ink(GROUND), (0, round(top), width, height - round(top)))
        step = spacing * self._scale
        first = self._origin[0] % step - step
        for index in range(int(width / step) + 3):
            x = first + index * step
            slant = 0.08 * self._scale
            bottom = top + 0.10 * self._scale
            corners = [(x, top), (x + slant, top), (x, bottom), (x - slant, bottom)]
            pygame.draw.polygon(self._fine, self._ink(GROUND_MARK), corners)

    def _ink(self, own: Colour) -> Colour:
        """The look's colour for one of a world's own; what is pale stays pale."""
        if self._look.colours == PLAIN.colours:
            return own
        if own not in self._inks:
            behind, paleness = mix(*self._paper, 0.5), contrast(own, mix(SKY_TOP, SKY_BOTTOM, 0.5))
            ink = self._look.colours.ink(own, len(self._inks), behind)
            self._inks[own] = ink if paleness > STANDS_OUT else mix(behind, ink, paleness)
        return self._inks[own]

    def _gradient(self, top: Colour, bottom: Colour) -> pygame.Surface:
        column = pygame.Surface((1, 2))
        column.set_at((0, 0), top)
        column.set_at((0, 1), bottom)
        return pygame.transform.smoothscale(column, self._fine.get_size()).convert(self._fine)

    def _pixel(self, point: Point) -> Point:
        return self._origin[0] + point[0] * self._scale, self._origin[1] - point[1] * self._scale

    def _length(self, metres: float) -> int:
        return max(1, round(metres * self._scale))
