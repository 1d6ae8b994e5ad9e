"""Appearance of rendered images, and its randomization.

Environments draw with the colours, widths, light and camera of their `appearance`; pixel noise and
occluders are added to the finished image. DEFAULT_APPEARANCE changes no bit.
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

BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)

# Colours of images for people, in the plane and in space.

SKY_TOP: Colour = (235, 242, 250)
SKY_BOTTOM: Colour = (253, 249, 240)
BODY: Colour = (33, 118, 174)
LEFT_LIMB: Colour = (19, 74, 115)
RIGHT_LIMB: Colour = (111, 180, 227)
"""Left and right differ by lightness, so in grey too."""
OBJECT: Colour = (140, 90, 60)
WOOD: Colour = (196, 138, 79)
TARGET: Colour = (232, 163, 23)
TARGET_EDGE: Colour = (138, 90, 0)
"""A target is never drawn without its edge: the fill alone has too little contrast."""

MIN_CONTRAST = 0.25
"""Least contrast of a recoloured body with its background; that of black and white is 1."""

CONTRAST_STEPS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Fractions of black or white that are mixed into a colour in turn, up to the least contrast."""

ALL = "all"
"""Key for the strength of everything that an environment can randomize."""

# Ranges of the randomization, at strength 1.

MIN_LIMB_SCALE = 0.2
MAX_LIMB_SCALE = 1.8
"""Least and greatest factor on the width of limbs."""

MAX_JOINT_SCALE = 2.5
"""Greatest factor on the size of joint marks; two of seven vanish."""

MAX_CAMERA_SHIFT = 0.08
"""Heights of the image."""
MAX_CAMERA_ZOOM = 0.1
"""Greatest change of the zoom factor 1."""
MAX_CAMERA_ROTATION = 0.15
"""Radians."""

MAX_PIXEL_NOISE = 25.0
"""Greatest standard deviation of the noise, of 255."""

MAX_OCCLUDER_WIDTH = 0.125
"""Width of the widest bar, in widths of the image."""


class Colours(NamedTuple):
    """Colours that replace an environment's own.

    `palette` is for bodies, in turn; `background` (top, bottom) for what is behind them. The
    strengths say how far to mix from the own colours (0) to these (1). An empty palette, or a
    background of None, changes nothing.
    """

    palette: tuple[Colour, ...] = ()
    palette_strength: float = 0.0
    background: tuple[Colour, Colour] | None = None
    background_strength: float = 0.0

    def blend_background(self, top: Colour, bottom: Colour) -> tuple[Colour, Colour]:
        """Return the background colours (top, bottom) for an environment's own ones."""
        new_top, new_bottom = self.background or (top, bottom)
        return (
            mix_colours(top, new_top, self.background_strength),
            mix_colours(bottom, new_bottom, self.background_strength),
        )

    def blend_body_colour(self, original: Colour, index: int, background: Colour) -> Colour:
        """Return the colour of body `index`, darkened or lightened to MIN_CONTRAST."""
        colour = original
        if self.palette:
            replacement = self.palette[index % len(self.palette)]
            colour = mix_colours(original, replacement, self.palette_strength)
        extreme = BLACK if sum(background) > sum(WHITE) / 2 else WHITE
        shades = (mix_colours(colour, extreme, fraction) for fraction in CONTRAST_STEPS)
        return next(shade for shade in shades if contrast(shade, background) >= MIN_CONTRAST)


class Light(NamedTuple):
    """The light of an environment in space: where it comes from, its colour and its strength."""

    direction: tuple[float, float, float] = (2.0, -3.0, 6.0)
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)
    ambient: float = 0.6
    diffuse: float = 0.5


class Occluder(NamedTuple):
    """A bar across the whole image, from `low` to `high`.

    Both are fractions of the image's width, or of its height for a horizontal bar.
    """

    low: float
    high: float
    colour: Colour
    is_horizontal: bool = False


class Appearance(NamedTuple):
    """Appearance of one image."""

    colours: Colours = Colours()
    limb_width_scale: float = 1.0
    """Factor on the width of limbs and lines, in the plane."""
    joint_width_scale: float = 1.0
    """Factor on the size of joint marks, in the plane."""
    light: Light = Light()
    camera_shift: tuple[float, float] = (0.0, 0.0)
    """Shift of the camera to its right and up, in heights of the image."""
    camera_zoom: float = 1.0
    """Factor on the size of everything."""
    camera_rotation: tuple[float, float] = (0.0, 0.0)
    """Rotation of the camera around and over its target (rad), in space."""
    pixel_noise: float = 0.0
    """Standard deviation of the noise in every channel of every pixel, of 255."""
    noise_seed: int = 0
    occluders: tuple[Occluder, ...] = ()

    def reflected(self) -> "Appearance":
        """Return the same with the light mirrored at the plane y = 0."""
        x, y, z = self.light.direction
        return self._replace(light=self.light._replace(direction=(x, -y, z)))

    def postprocess(self, image: Array) -> Array:
        """Return an image (H, W, 3) uint8 with occluders and pixel noise; may be the same array."""
        if self.occluders:
            image = image.copy()
        for occluder in self.occluders:
            draw_occluder(image, occluder)
        if self.pixel_noise:
            image = add_pixel_noise(image, self.pixel_noise, np.random.default_rng(self.noise_seed))
        return image


DEFAULT_APPEARANCE = Appearance()
"""An environment's own appearance."""


def mix_colours(first: Colour, second: Colour, fraction: float) -> Colour:
    """Return the colour at `fraction` of the way from the first to the second."""
    red, green, blue = (
        round(start + fraction * (end - start)) for start, end in zip(first, second, strict=True)
    )
    return red, green, blue


def contrast(first: Colour, second: Colour) -> float:
    """Return the distance of two colours: 0 for the same, 1 for black and white."""
    return math.dist(first, second) / math.dist(BLACK, WHITE)


def add_pixel_noise(images: Array, std: float, rng: np.random.Generator) -> Array:
    """Return images (..., 3) uint8 with Gaussian noise of standard deviation `std`, of 255."""
    return np.clip(images + rng.normal(0.0, std, images.shape), 0, 255).astype(np.uint8)


def draw_occluder(image: Array, occluder: Occluder) -> None:
    """Draw a bar over an image (H, W, 3), in place."""
    rows = image if occluder.is_horizontal else image.swapaxes(0, 1)
    first = round(occluder.low * len(rows))
    end = round(occluder.high * len(rows))
    rows[first:end] = occluder.colour


class AppearanceRandomization(Settings):
    """Strengths of the randomization, from 0 (none) to 1."""

    colours: float = Field(0.0, ge=0, le=1, description="colours of the bodies")
    background: float = Field(0.0, ge=0, le=1, description="colours of the background")
    widths: float = Field(
        0.0, ge=0, le=1, description="widths of limbs, lines and joints, in the plane"
    )
    lighting: float = Field(
        0.0, ge=0, le=1, description="direction, colour and strength of the light, in space"
    )
    camera_jitter: float = Field(
        0.0, ge=0, le=1, description="position, zoom and rotation of the camera"
    )
    pixel_noise: float = Field(0.0, ge=0, le=1, description="noise in every pixel")
    occluders: float = Field(0.0, ge=0, le=1, description="how often bars hide a part of the image")

    @classmethod
    def for_env(cls, strengths: Mapping[str, Any], randomizable: Sequence[str], env: str) -> Self:
        """Return the randomization from a user's `strengths`; `all` is the default of the others.

        A strength for what the environment `env` cannot randomize is a UserError.
        """
        defaults = dict.fromkeys(randomizable, strengths[ALL]) if ALL in strengths else {}
        named = {name: strength for name, strength in strengths.items() if name != ALL}
        randomization = cls.parse({**defaults, **named}, kind="appearance randomization")
        for name, strength in randomization:
            if strength and name not in randomizable:
                raise UserError(
                    f"{env} cannot randomize {name}: it can randomize {', '.join(randomizable)}"
                )
        return randomization

    def sample_appearance(self, rng: np.random.Generator) -> Appearance:
        """Return the appearance of one image; DEFAULT_APPEARANCE where all strengths are 0."""
        # The order of the random draws below is part of what a dataset's seed determines.
        background_top = sample_colour(rng)
        palette = _sample_palette(rng) if self.colours else ()
        background = None
        if self.background:
            background_bottom = mix_colours(background_top, sample_colour(rng), 0.3)
            background = (background_top, background_bottom)
        x, y, yaw, pitch = (self.camera_jitter * rng.uniform(-1.0, 1.0, 4)).tolist()
        log_limb_scale = rng.uniform(np.log(MIN_LIMB_SCALE), np.log(MAX_LIMB_SCALE))
        joint_scale = max(0.0, rng.uniform(-1.0, MAX_JOINT_SCALE))
        light = self._sample_light(rng)
        zoom_change = self.camera_jitter * rng.uniform(-MAX_CAMERA_ZOOM, MAX_CAMERA_ZOOM)
        pixel_noise = self.pixel_noise * rng.uniform(0.0, MAX_PIXEL_NOISE)
        noise_seed = int(rng.integers(2**32)) if self.pixel_noise else 0
        num_occluders = rng.binomial(2, self.occluders / 2.0)
        return Appearance(
            colours=Colours(palette, self.colours, background, self.background),
            limb_width_scale=float(np.exp(self.widths * log_limb_scale)),
            joint_width_scale=1.0 + self.widths * (joint_scale - 1.0),
            light=light,
            camera_shift=(MAX_CAMERA_SHIFT * x, MAX_CAMERA_SHIFT * y),
            camera_zoom=1.0 + zoom_change,
            camera_rotation=(MAX_CAMERA_ROTATION * yaw, MAX_CAMERA_ROTATION * pitch),
            pixel_noise=pixel_noise,
            noise_seed=noise_seed,
            occluders=tuple(_sample_occluder(rng) for _ in range(num_occluders)),
        )

    def _sample_light(self, rng: np.random.Generator) -> Light:
        default = Light()
        strength = self.lighting
        x, y, z = (strength * rng.uniform(-1.0, 1.0, 3) * default.direction[2]).tolist()
        red, green, blue = (1.0 - strength * rng.uniform(0.0, 0.35, 3)).tolist()
        return Light(
            direction=(
                default.direction[0] + x,
                default.direction[1] + y,
                default.direction[2] + z / 2.0,
            ),
            colour=(red, green, blue),
            ambient=default.ambient + strength * rng.uniform(-0.25, 0.2),
            diffuse=default.diffuse + strength * rng.uniform(-0.3, 0.3),
        )


def sample_colour(rng: np.random.Generator) -> Colour:
    """Return a random colour; pale, dark and grey ones are common, as on paper and blackboards."""
    grey = rng.uniform(-0.2, 1.2)
    brightness = grey + rng.uniform() * rng.uniform(-0.6, 0.6, 3)
    red, green, blue = (255.0 * np.clip(brightness, 0.0, 1.0)).round().astype(int).tolist()
    return red, green, blue


def _sample_palette(rng: np.random.Generator) -> tuple[Colour, ...]:
    """Return one colour half of the time, as of a pen; else two, three or four."""
    num_colours = max(1, int(rng.integers(-1, 5)))
    return tuple(sample_colour(rng) for _ in range(num_colours))


def _sample_occluder(rng: np.random.Generator) -> Occluder:
    width = rng.uniform(0.02, MAX_OCCLUDER_WIDTH)
    low = rng.uniform(0.0, 1.0 - width)
    return Occluder(low, low + width, sample_colour(rng), is_horizontal=bool(rng.integers(2)))
