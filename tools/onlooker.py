"""An onlooker: a robot whose policy has learned to look at the picture of its target itself. It needs no translator."""

from collections.abc import Iterable, Iterator
from typing import Any

from toolkit.errors import UserError
from toolkit.run import Run
from tools.robot import Robot
from tools.targets import Target


class Onlooker(Robot):
    """A robot that is shown pictures where its world would show it one of the target: `policy` is a run with goal=pixels, say."""

    def __init__(self, policy: Run, size: int, **looks: Any) -> None:
        super().__init__(policy, size, **{"markers": False, **looks})  # Its world may not know the target.
        goal, name = self.ours.settings.goal, policy.path.name
        if goal == "state":
            raise UserError(f"run {name!r} is told its targets in numbers: --translator RUN names what reads them in pictures")
        if goal == "both" and not policy.config["settings"].get("asymmetric"):
            raise UserError(f"run {name!r} is told its targets in numbers too, and a picture alone comes without")
        pixels = self.ours.settings.pixels
        self.eye = pixels, pixels
        plain = {"observation": "state", "goal": "state", "translator": "", "markers": False}
        self.pictured = {**policy.config["world_settings"], **plain, "width": pixels, "height": pixels}

    def show(self, target: Target, *, see: bool = True) -> None:
        """Look at a picture from now on. The world is told the pose, or some pose, for its own judgement; the policy is not."""
        self._shown = target.picture
        self.aim_at(self.pose if target.pose is None else target.pose)

    def watch(self, film: Iterable[Target], seconds: float) -> Iterator[None]:
        """Look at the pictures of a film, one by one."""
        for target in film:
            self.show(target)
            yield

    def look_again(self, step: int) -> None:
        """It looks at every step as it is."""

    def tell(self) -> None:
        """The picture takes the place of the world's own."""
        super().tell()
        self.ours.sight.goal.show(self._shown)
