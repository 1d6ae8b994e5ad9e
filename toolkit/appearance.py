"""How a world looks in one picture. Every world draws itself by its `look`; PLAIN changes nothing, not a bit.

Colours, widths, light and the camera's place are the world's to draw by; grain and bars come over the finished picture.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from poise.toolkit.errors import UserError
from poise.toolkit.settings import Settings
from poise.toolkit.spaces import Array
from pydantic import Field

Colour = tuple[int, int, int]
"""Red, green and blue, each from 0 to 255."""


STANDS_OUT = 0.25
"""The least contrast of a recoloured body with what is behind it; between black and white it is 1."""


class Colours(NamedTuple):
    """Colours in place of a world's own: `inks` for its bodies, by turns, and a `paper` behind them (top, bottom).

    `inked` and `papered` say how far to go from the world's own colours to these, from 0 to 1. None given, none changed.
    """

    inks: tuple[Colour, ...] = ()
    inked: float = 0.0
    paper: tuple[Colour, Colour] | None = None
    papered: float = 0.0

    def behind(self, top: Colour, bottom: Colour) -> tuple[Colour, Colour]:
        """What is drawn behind everything, in place of the world's own colours at the top and at the bottom."""
        paper = self.paper or (top, bottom)
        return mix(top, paper[0], self.papered), mix(bottom, paper[1], self.papered)

    def ink(self, own: Colour, turn: int, behind: Colour) -> Colour:
        """What is drawn in place of a body's own colour, made so much darker or lighter that it stands out."""
        ink = mix(own, self.inks[turn % len(self.inks)], self.inked) if self.inks else own
        pole = (0, 0, 0) if sum(behind) > sum(WHITE) / 2 else WHITE
        shades = (mix(ink, pole, part) for part in (0.0, 0.25, 0.5, 0.75, 1.0))
        return next(shade for shade in shades if contrast(shade, behind) >= STANDS_OUT)


class Light(NamedTuple):
    """What lights a world in space: where it comes from, its colour, and how strong it is everywhere and where it falls."""

    direction: tuple[float, float, float] = (2.0, -3.0, 6.0)
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)
    ambient: float = 0.6
    diffuse: float = 0.5


class Bar(NamedTuple):
    """A bar right across a picture, from `low` to `high`: fractions of its width, or of its height where it is level."""

    low: float
    high: float
    colour: Colour
    level: bool = False


class Look(NamedTuple):
    """How a world looks in one picture."""

    colours: Colours = Colours()
    limbs: float = 1.0
    """How many times as wide as in the world's own picture limbs and lines are, in the plane."""
    joints: float = 1.0
    """How many times as wide joints are marked, in the plane."""
    light: Light = Light()
    shift: tuple[float, float] = (0.0, 0.0)
    """How far the camera is moved to its right and up, in heights of the picture."""
    zoom: float = 1.0
    """How many times as large everything is."""
    turn: tuple[float, float] = (0.0, 0.0)
    """How far the camera goes round and over what it looks at (rad), in space."""
    grain: float = 0.0
    """Spread of the noise in every colour of every pixel, of 255."""
    seed: int = 0
    """Of the noise."""
    bars: tuple[Bar, ...] = ()

    def reflected(self) -> "Look":
        """The same in the light that a mirror at y = 0 shows."""
        x, y, z = self.light.direction
        return self._replace(light=self.light._replace(direction=(x, -y, z)))

    def finish(self, picture: Array) -> Array:
        """What a world has drawn, (H, W, 3) uint8, with bars and grain over it."""
        picture = picture.copy() if self.bars else picture
        for bar in self.bars:
            hide(picture, bar)
        return add_grain(picture, self.grain, np.random.default_rng(self.seed)) if self.grain else picture


WHITE: Colour = (255, 255, 255)


PLAIN = Look()
"""A world's own look."""


def mix(first: Colour, second: Colour, part: float) -> Colour:
    """The colour that lies so much of the way from one colour to another."""
    red, green, blue = (round(start + part * (end - start)) for start, end in zip(first, second, strict=True))
    return red, green, blue


def contrast(first: Colour, second: Colour) -> float:
    """How far apart two colours are: 0 for the same, 1 for black and white."""
    return math.dist(first, second) / math.dist((0, 0, 0), WHITE)


def add_grain(pictures: Array, spread: float, rng: np.random.Generator) -> Array:
    """A little of every colour more or less in every pixel; `spread` is its standard deviation, of 255."""
    return np.clip(pictures + rng.normal(0.0, spread, pictures.shape), 0, 255).astype(np.uint8)


def hide(picture: Array, bar: Bar) -> None:
    """Paint a bar over a picture (H, W, 3), in place."""
    across = picture if bar.level else picture.swapaxes(0, 1)
    across[round(bar.low * len(across)) : round(bar.high * len(across))] = bar.colour


ALL = "all"
"""What a user says to vary everything that a world can."""


THIN, WIDE = 0.2, 1.8
"""Limbs become so many times as wide at the least and at the most."""


MARKED = 2.5
"""Joints' marks become so many times as wide at the most; two of seven vanish."""


SHIFT, ZOOM, TURN = 0.08, 0.1, 0.15
"""How far the camera is moved: heights of the picture, parts of the distance, rad."""


GRAIN = 25.0
"""Spread of the strongest noise, of 255."""


BAR = 0.125
"""The widest bar, in widths of the picture."""


class Variation(Settings):
    """What a dataset lets its user vary."""

    colours: float = Field(0.0, ge=0, le=1, description="colours of the bodies")
    background: float = Field(0.0, ge=0, le=1, description="colours of what is behind them")
    widths: float = Field(0.0, ge=0, le=1, description="widths of limbs, lines and joints, in the plane")
    lighting: float = Field(0.0, ge=0, le=1, description="direction, colour and strength of the light, in space")
    jitter: float = Field(0.0, ge=0, le=1, description="place of the camera")
    noise: float = Field(0.0, ge=0, le=1, description="grain in every pixel")
    bars: float = Field(0.0, ge=0, le=1, description="how often a bar hides a part of the picture")

    @classmethod
    def of(cls, words: Mapping[str, Any], varies: Sequence[str], world: str) -> Self:
        """What a user asks of a world that can vary only so much; a UserError where it cannot."""
        everything = dict.fromkeys(varies, words[ALL]) if ALL in words else {}
        asked = cls.parse({**everything, **{name: words[name] for name in words if name != ALL}}, kind="variation")
        if vain := [name for name, strength in asked if strength and name not in varies]:
            raise UserError(f"{world} cannot vary {vain[0]}: it can vary {', '.join(varies)}")
        return asked

    def look(self, rng: np.random.Generator) -> Look:
        """The look of one picture; PLAIN where nothing varies."""
        paper = any_colour(rng)
        colours = Colours(
            inks=_any_inks(rng) if self.colours else (),
            inked=self.colours,
            paper=(paper, mix(paper, any_colour(rng), 0.3)) if self.background else None,
            papered=self.background,
        )
        x, y, yaw, pitch = (self.jitter * rng.uniform(-1.0, 1.0, 4)).tolist()
        return Look(
            colours=colours,
            limbs=float(np.exp(self.widths * rng.uniform(np.log(THIN), np.log(WIDE)))),
            joints=1.0 + self.widths * (max(0.0, rng.uniform(-1.0, MARKED)) - 1.0),
            light=self._light(rng),
            shift=(SHIFT * x, SHIFT * y),
            zoom=1.0 + self.jitter * rng.uniform(-ZOOM, ZOOM),
            turn=(TURN * yaw, TURN * pitch),
            grain=self.noise * rng.uniform(0.0, GRAIN),
            seed=int(rng.integers(2**32)) if self.noise else 0,
            bars=tuple(_any_bar(rng) for _ in range(rng.binomial(2, self.bars / 2.0))),
        )

    def _light(self, rng: np.random.Generator) -> Light:
        own, strength = Light(), self.lighting
        x, y, z = (strength * rng.uniform(-1.0, 1.0, 3) * own.direction[2]).tolist()
        red, green, blue = (1.0 - strength * rng.uniform(0.0, 0.35, 3)).tolist()
        return Light(
            direction=(own.direction[0] + x, own.direction[1] + y, own.direction[2] + z / 2.0),
            colour=(red, green, blue),
            ambient=own.ambient + strength * rng.uniform(-0.25, 0.2),
            diffuse=own.diffuse + strength * rng.uniform(-0.3, 0.3),
        )


def any_colour(rng: np.random.Generator) -> Colour:
    """A random colour; pale, dark and grey ones are as frequent as they are on paper and on blackboards."""
    brightness = rng.uniform(-0.2, 1.2) + rng.uniform() * rng.uniform(-0.6, 0.6, 3)
    red, green, blue = (255.0 * np.clip(brightness, 0.0, 1.0)).round().astype(int).tolist()
    return red, green, blue


def _any_inks(rng: np.random.Generator) -> tuple[Colour, ...]:
    """One ink half of the time, as a pen has; else two, three or four."""
    return tuple(any_colour(rng) for _ in range(max(1, int(rng.integers(-1, 5)))))


def _any_bar(rng: np.random.Generator) -> Bar:
    width = rng.uniform(0.02, BAR)
    low = rng.uniform(0.0, 1.0 - width)
    return Bar(low, low + width, any_colour(rng), level=bool(rng.integers(2)))
