"""Interaction: how a person disturbs an environment while an episode runs.

Without disturbance, an episode is determined by its seed and its actions.
"""

from typing import ClassVar, Protocol

import numpy as np

ImagePoint = tuple[float, float]
"""Position in an image: fractions of its width and height, from the top left."""


class Grab(Protocol):
    """A grabbed body, pulled to the mouse by a spring."""

    def position(self) -> ImagePoint:
        """Return the current position of the grabbed point."""

    def pull(self, image_point: ImagePoint) -> None:
        """Pull the body towards a point for one control step."""

    def release(self) -> None:
        """Release the body."""


class Interaction(Protocol):
    """Disturbances of an environment. A reset undoes all but the values of set_parameter."""

    CAN_THROW: ClassVar[bool]
    """Whether throw_ball is supported."""
    LIVE_SETTINGS: tuple[str, ...]
    """Settings of the environment that set_parameter changes within an episode."""

    def grab(self, image_point: ImagePoint) -> Grab | None:
        """Grab the body at a point; return None where there is none."""

    def throw_ball(self, image_point: ImagePoint) -> None:
        """Throw a ball at a point."""

    def push_all(self, speed: float) -> None:
        """Add a velocity (m/s) to all bodies, to the image's right where positive."""

    def push_random(self, speed: float, rng: np.random.Generator) -> None:
        """Push a random body from a random direction.

        The impulse would change the velocity of the whole mass by `speed` (m/s).
        """

    def set_parameter(self, name: str, value: float) -> None:
        """Set one of LIVE_SETTINGS; effective at once."""
