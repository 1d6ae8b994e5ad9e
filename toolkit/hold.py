"""A hold on a body in a world, for a hand that pulls at it through the world's picture."""

from typing import Protocol

from toolkit.signals import Array

Place = tuple[float, float]
"""A place in a picture: fractions of its width and height, from the top left."""


class Hold(Protocol):
    """What a world gives to a hand that takes hold of a body."""

    mass: float
    """Of the body that is held (kg)."""

    def place(self) -> Place:
        """Where the held point is seen now."""

    def stretch(self, to: Place) -> Array:
        """From the held point to what is seen at another place, as far away as that point is (m)."""

    def push(self, impulse: Array) -> None:
        """Push the body at the held point (N s)."""
