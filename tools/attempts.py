"""What is told of a robot that takes poses by sight: of one pose, and of one frame of a film."""

from typing import NamedTuple

from toolkit.poses import Away


class Attempt(NamedTuple):
    """How one pose was taken: after how many steps, or not (None); how far away the robot was in the end, if that is known."""

    name: str
    steps: int | None
    away: Away | None
    misread: Away | None
    """How far what a translator read is from the true pose, where both are known."""


class Moment(NamedTuple):
    """A frame of a film that was followed: how far the robot is from what was read, and from the truth, where that is known."""

    away: Away | None
    from_truth: Away | None
    misread: Away | None
