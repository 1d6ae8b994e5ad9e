"""How an environment looks in one picture. Every environment draws itself by its `look`; PLAIN changes nothing, not a bit.

Colours, widths, light and the camera's place are the environment's to draw by; grain and bars come over the finished picture.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from pydantic import Field

from poise.toolkit.errors import UserError
from poise.toolkit.settings import Settings
from poise.toolkit.spaces import Array

Colour = tuple[int, int, int]
"""Red, green and blue, each from 0 to 255."""


MIN_CONTRAST = 0.25
"""The least contrast of a recoloured body with what is behind it; between black and white it is 1."""


class Colours(NamedTuple):
    """Colours in place of an environment's own: `inks` for its bodies, by turns, and a `paper` behind them (top, bottom).

    `inked` and `papered` say how far to go from the environment's own colours to these, from 0 to 1. None given, none changed.
    """

    palette: tuple[Colour, ...] = ()
    palette_strength: float = 0.0
    background: tuple[Colour, Colour] | None = None
    background_strength: float = 0.0

    def blend_background(self, top: Colour, bottom: Colour) -> tuple[Colour, Colour]:
        """What is drawn behind everything, in place of the environment's own colours at the top and at the bottom."""
        paper = self.background or (top, bottom)
        return mix_colours(top, paper[0], self.background_strength), mix_colours(
            bottom, paper[1], self.background_strength
        )

    def blend_body_colour(self, original: Colour, index: int, background: Colour) -> Colour:
        """What is drawn in place of a body's own colour, made so much darker or lighter that it stands out."""
        ink = (
            mix_colours(original, self.palette[index % len(self.palette)], self.palette_strength)
            if self.palette
            else original
        )
        pole = (0, 0, 0) if sum(background) > sum(WHITE) / 2 else WHITE
        shades = (mix_colours(ink, pole, part) for part in (0.0, 0.25, 0.5, 0.75, 1.0))
        return next(shade for shade in shades if contrast(shade, background) >= MIN_CONTRAST)


class Light(NamedTuple):
    """What lights an environment in space: where it comes from, its colour, and how strong it is everywhere and where it falls."""

    direction: tuple[float, float, float] = (2.0, -3.0, 6.0)
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)
    ambient: float = 0.6
    diffuse: float = 0.5


class Occluder(NamedTuple):
    """A bar right across a picture, from `low` to `high`: fractions of its width, or of its height where it is level."""

    low: float
    high: float
    colour: Colour
    is_horizontal: bool = False


class Appearance(NamedTuple):
    """How an environment looks in one picture."""

    colours: Colours = Colours()
    limb_width_scale: float = 1.0
    """How many times as wide as in the environment's own picture limbs and lines are, in the plane."""
    joint_width_scale: float = 1.0
    """How many times as wide joints are marked, in the plane."""
    light: Light = Light()
    camera_shift: tuple[float, float] = (0.0, 0.0)
    """How far the camera is moved to its right and up, in heights of the picture."""
    camera_zoom: float = 1.0
    """How many times as large everything is."""
    camera_rotation: tuple[float, float] = (0.0, 0.0)
    """How far the camera goes round and over what it looks at (rad), in space."""
    pixel_noise: float = 0.0
    """Spread of the noise in every colour of every pixel, of 255."""
    noise_seed: int = 0
    """Of the noise."""
    occluders: tuple[Occluder, ...] = ()

    def reflected(self) -> "Appearance":
        """The same in the light that a mirror at y = 0 shows."""
        x, y, z = self.light.direction
        return self._replace(light=self.light._replace(direction=(x, -y, z)))

    def postprocess(self, image: Array) -> Array:
        """What an environment has drawn, (H, W, 3) uint8, with bars and grain over it."""
        image = image.copy() if self.occluders else image
        for bar in self.occluders:
            draw_occluder(image, bar)
        return (
            add_pixel_noise(image, self.pixel_noise, np.random.default_rng(self.noise_seed))
            if self.pixel_noise
            else image
        )


WHITE: Colour = (255, 255, 255)


DEFAULT_APPEARANCE = Appearance()
"""An environment's own look."""


def mix_colours(first: Colour, second: Colour, fraction: float) -> Colour:
    """The colour that lies so much of the way from one colour to another."""
    red, green, blue = (
        round(start + fraction * (end - start)) for start, end in zip(first, second, strict=True)
    )
    return red, green, blue


def contrast(first: Colour, second: Colour) -> float:
    """How far apart two colours are: 0 for the same, 1 for black and white."""
    return math.dist(first, second) / math.dist((0, 0, 0), WHITE)


def add_pixel_noise(images: Array, std: float, rng: np.random.Generator) -> Array:
    """A little of every colour more or less in every pixel; `std` is its standard deviation, of 255."""
    return np.clip(images + rng.normal(0.0, std, images.shape), 0, 255).astype(np.uint8)


def draw_occluder(image: Array, occluder: Occluder) -> None:
    """Paint a bar over a picture (H, W, 3), in place."""
    across = image if occluder.is_horizontal else image.swapaxes(0, 1)
    across[round(occluder.low * len(across)) : round(occluder.high * len(across))] = occluder.colour


ALL = "all"
"""What a user says to vary everything that an environment can."""


MIN_LIMB_SCALE = 0.2
MAX_LIMB_SCALE = 1.8
"""Limbs become so many times as wide at the least and at the most."""


MAX_JOINT_SCALE = 2.5
"""Joints' marks become so many times as wide at the most; two of seven vanish."""


MAX_CAMERA_SHIFT = 0.08
MAX_CAMERA_ZOOM = 0.1
MAX_CAMERA_ROTATION = 0.15
"""How far the camera is moved: heights of the picture, parts of the distance, rad."""


MAX_PIXEL_NOISE = 25.0
"""Spread of the strongest noise, of 255."""


MAX_OCCLUDER_WIDTH = 0.125
"""The widest bar, in widths of the picture."""


class AppearanceRandomization(Settings):
    """What a dataset lets its user vary."""

    colours: float = Field(0.0, ge=0, le=1, description="colours of the bodies")
    background: float = Field(0.0, ge=0, le=1, description="colours of what is behind them")
    widths: float = Field(
        0.0, ge=0, le=1, description="widths of limbs, lines and joints, in the plane"
    )
    lighting: float = Field(
        0.0, ge=0, le=1, description="direction, colour and strength of the light, in space"
    )
    camera_jitter: float = Field(0.0, ge=0, le=1, description="place of the camera")
    pixel_noise: float = Field(0.0, ge=0, le=1, description="grain in every pixel")
    occluders: float = Field(
        0.0, ge=0, le=1, description="how often a bar hides a part of the picture"
    )

    @classmethod
    def for_env(cls, strengths: Mapping[str, Any], randomizable: Sequence[str], env: str) -> Self:
        """What a user asks of an environment that can vary only so much; a UserError where it cannot."""
        everything = dict.fromkeys(randomizable, strengths[ALL]) if ALL in strengths else {}
        asked = cls.parse(
            {**everything, **{name: strengths[name] for name in strengths if name != ALL}},
            kind="variation",
        )
        if vain := [name for name, strength in asked if strength and name not in randomizable]:
            raise UserError(f"{env} cannot vary {vain[0]}: it can vary {', '.join(randomizable)}")
        return asked

    def sample_appearance(self, rng: np.random.Generator) -> Appearance:
        """The look of one picture; PLAIN where nothing varies."""
        paper = sample_colour(rng)
        colours = Colours(
            palette=_sample_palette(rng) if self.colours else (),
            palette_strength=self.colours,
            background=(paper, mix_colours(paper, sample_colour(rng), 0.3))
            if self.background
            else None,
            background_strength=self.background,
        )
        x, y, yaw, pitch = (self.camera_jitter * rng.uniform(-1.0, 1.0, 4)).tolist()
        return Appearance(
            colours=colours,
            limb_width_scale=float(
                np.exp(self.widths * rng.uniform(np.log(MIN_LIMB_SCALE), np.log(MAX_LIMB_SCALE)))
            ),
            joint_width_scale=1.0
            + self.widths * (max(0.0, rng.uniform(-1.0, MAX_JOINT_SCALE)) - 1.0),
            light=self._sample_light(rng),
            camera_shift=(MAX_CAMERA_SHIFT * x, MAX_CAMERA_SHIFT * y),
            camera_zoom=1.0 + self.camera_jitter * rng.uniform(-MAX_CAMERA_ZOOM, MAX_CAMERA_ZOOM),
            camera_rotation=(MAX_CAMERA_ROTATION * yaw, MAX_CAMERA_ROTATION * pitch),
            pixel_noise=self.pixel_noise * rng.uniform(0.0, MAX_PIXEL_NOISE),
            noise_seed=int(rng.integers(2**32)) if self.pixel_noise else 0,
            occluders=tuple(
                _sample_occluder(rng) for _ in range(rng.binomial(2, self.occluders / 2.0))
            ),
        )

    def _sample_light(self, rng: np.random.Generator) -> Light:
        own = Light()
        strength = self.lighting
        x, y, z = (strength * rng.uniform(-1.0, 1.0, 3) * own.direction[2]).tolist()
        red, green, blue = (1.0 - strength * rng.uniform(0.0, 0.35, 3)).tolist()
        return Light(
            direction=(own.direction[0] + x, own.direction[1] + y, own.direction[2] + z / 2.0),
            colour=(red, green, blue),
            ambient=own.ambient + strength * rng.uniform(-0.25, 0.2),
            diffuse=own.diffuse + strength * rng.uniform(-0.3, 0.3),
        )


def sample_colour(rng: np.random.Generator) -> Colour:
    """A random colour; pale, dark and grey ones are as frequent as they are on paper and on blackboards."""
    brightness = rng.uniform(-0.2, 1.2) + rng.uniform() * rng.uniform(-0.6, 0.6, 3)
    red, green, blue = (255.0 * np.clip(brightness, 0.0, 1.0)).round().astype(int).tolist()
    return red, green, blue


def _sample_palette(rng: np.random.Generator) -> tuple[Colour, ...]:
    """One ink half of the time, as a pen has; else two, three or four."""
    return tuple(sample_colour(rng) for _ in range(max(1, int(rng.integers(-1, 5)))))


def _sample_occluder(rng: np.random.Generator) -> Occluder:
    width = rng.uniform(0.02, MAX_OCCLUDER_WIDTH)
    low = rng.uniform(0.0, 1.0 - width)
    return Occluder(low, low + width, sample_colour(rng), is_horizontal=bool(rng.integers(2)))
