"""The trunk: what pushes hit when a balance is tested (tools/robustness.py)."""

from collections.abc import Callable
from typing import NamedTuple

from toolkit.signals import Array


class Trunk(NamedTuple):
    """The part of a body that is pushed."""

    mass: float
    """Of what is pushed (kg)."""
    push: Callable[[Array], None]
    """Pushes its middle with an impulse (N s), as it acts in the step to come: (2,) in the plane, (3,) in space."""


class Pushable:
    """The hook of a world whose body can lose its balance."""

    def trunk(self) -> Trunk | None:
        """What pushes hit; None where there is no balance to lose."""
        return None
