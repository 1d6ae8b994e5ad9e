"""What a body's joints do and what of it touches the ground: worlds that know can be asked."""

from typing import NamedTuple, Protocol, runtime_checkable


class Joint(NamedTuple):
    """A joint now."""

    name: str
    angle: float
    """How far it is bent (rad)."""
    torque: float
    """Of its motor, on the link that the joint moves (N m)."""


@runtime_checkable
class HasJoints(Protocol):
    """A world whose body has joints with motors, one for each number of its action and in that order."""

    def joints(self) -> list[Joint]:
        """All of them, now."""


@runtime_checkable
class TouchesGround(Protocol):
    """A world whose body stands on something."""

    def touching(self) -> dict[str, bool]:
        """What may stand on it, and whether it does now."""
