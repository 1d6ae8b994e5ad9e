"""Hands: what a person disturbs a world with while an episode runs. Undisturbed, an episode is its seed and its actions."""

from typing import ClassVar, Protocol

import numpy as np

Place = tuple[float, float]
"""A place in a picture: fractions of its width and height, from the top left."""


class Hold(Protocol):
    """A body that is held, as by a spring from it to where the mouse is."""

    def place(self) -> Place:
        """Where the held point is seen now."""

    def pull(self, to: Place) -> None:
        """Pull it towards a place of the picture, for one step of the world."""

    def let_go(self) -> None:
        """Hold it no longer."""


class Hands(Protocol):
    """What a world gives to a person. All that they do is gone at the next reset, but for the settings they turn."""

    THROWS: ClassVar[bool]
    """Whether they can throw balls."""
    TURNS: tuple[str, ...]
    """Settings of the world that they can turn, and that act at once."""

    def grab(self, at: Place) -> Hold | None:
        """Take hold of the body at a place of the picture, if there is one."""

    def throw(self, at: Place) -> None:
        """Throw a ball at a place of the picture."""

    def blow(self, speed: float) -> None:
        """Make all bodies so much faster (m/s), to the picture's right where positive."""

    def bump(self, speed: float, rng: np.random.Generator) -> None:
        """Push one body, which and from where chance decides, with an impulse that could make all so much faster (m/s)."""

    def turn(self, name: str, value: float) -> None:
        """Give one of the settings they turn another value."""
