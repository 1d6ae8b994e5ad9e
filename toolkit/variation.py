"""How much the pictures of a dataset vary: settings, each a strength from 0, not at all, to 1.

What learns from varied pictures finds out what matters in them: an arm is an arm whatever its colour.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from pydantic import Field

from toolkit.errors import UserError
from toolkit.look import Bar, Colour, Colours, Light, Look, mix
from toolkit.settings import Settings

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
