"""What worlds with a figure have in common: its joints, its feet and its trunk."""

from typing import ClassVar

from envs2d.figure import Figure
from envs2d.hands import trunk_of
from toolkit.joints import Joint
from toolkit.signals import Effort
from toolkit.trunk import Trunk


class WithFigure:
    """The hooks that worlds with a `figure` have in common, beside PlanarEnvironment."""

    figure: Figure
    effort: Effort
    CONTROL_RATE: ClassVar[int]

    def joints(self) -> list[Joint]:
        """All of the figure's."""
        return self.figure.joints(self.effort, self.CONTROL_RATE)

    def touching(self) -> dict[str, bool]:
        """Whether the shins, which are its feet, touch what it stands on."""
        return self.figure.touching()

    def trunk(self) -> Trunk:
        """Pushes hit the torso."""
        return trunk_of(self.figure.torso)
