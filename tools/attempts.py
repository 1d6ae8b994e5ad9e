"""What is told of a robot that takes poses by sight: of one pose, and of one frame of a film."""

from typing import NamedTuple

from toolkit.poses import Away


class Attempt(NamedTuple):
    """How one pose was taken: after how many steps, or not (None); how far away the robot was in the end."""

    name: str
    steps: int | None
    away: Away
    misread: Away | None
    """How far what the translator read is from the true pose, where that is known."""


class Moment(NamedTuple):
    """A frame of a film that was followed: how far the robot is from what it read, and from the truth where that is known."""

    away: Away
    from_truth: Away | None
    misread: Away | None
