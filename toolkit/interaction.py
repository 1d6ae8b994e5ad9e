"""Hands: what a person disturbs an environment with while an episode runs. Undisturbed, an episode is its seed and its actions."""

from typing import ClassVar, Protocol

import numpy as np

ImagePoint = tuple[float, float]
"""A place in a picture: fractions of its width and height, from the top left."""


class Grab(Protocol):
    """A body that is held, as by a spring from it to where the mouse is."""

    def position(self) -> ImagePoint:
        """Where the held point is seen now."""

    def pull(self, image_point: ImagePoint) -> None:
        """Pull it towards a place of the picture, for one step of the environment."""

    def release(self) -> None:
        """Hold it no longer."""


class Interaction(Protocol):
    """What an environment gives to a person. All that they do is gone at the next reset, but for the settings they turn."""

    CAN_THROW: ClassVar[bool]
    """Whether they can throw balls."""
    LIVE_SETTINGS: tuple[str, ...]
    """Settings of the environment that they can turn, and that act at once."""

    def grab(self, image_point: ImagePoint) -> Grab | None:
        """Take hold of the body at a place of the picture, if there is one."""

    def throw_ball(self, image_point: ImagePoint) -> None:
        """Throw a ball at a place of the picture."""

    def push_all(self, speed: float) -> None:
        """Make all bodies so much faster (m/s), to the picture's right where positive."""

    def push_random(self, speed: float, rng: np.random.Generator) -> None:
        """Push one body, which and from where chance decides, with an impulse that could make all so much faster (m/s)."""

    def set_parameter(self, name: str, value: float) -> None:
        """Give one of the settings they turn another value."""
