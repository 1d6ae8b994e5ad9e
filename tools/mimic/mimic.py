"""Mimicry: see a pose, take the pose. A translator reads a picture, and a policy that can move to any pose moves there."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from poise.algos.translator import Translator
from poise.toolkit.errors import UserError
from poise.toolkit.pose_task import Inverse
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array
from poise.tools.mimic.robot import Robot
from poise.tools.mimic.targets import Target
from poise.tools.translate.load import open_translator, translation_config

LEAD = 0.07
"""How far ahead of what it sees the robot aims (s): about as long as its arms are behind a target that moves."""


LOOK, NEAR = 10, 2.0
"""Every so many steps a robot that is near its pose looks at itself too; how near, in units of the task's reach."""


class Mimic(Robot):
    """A robot that sees by a translator. `policy` and `translator` are runs of the same world, whose task is to take poses."""

    def __init__(self, policy: Run, translator: Run, size: int, **looks: Any) -> None:
        self.translator: Translator = open_translator(translator)
        config, known = policy.config, translation_config(translator)
        if known["world"] != config["world"]:
            raise UserError(
                f"run {translator.path.name!r} sees {known['world']}, run {policy.path.name!r} moves {config['world']}"
            )
        if known["settings"]["signals"][0] != "pose":
            raise UserError(f"run {translator.path.name!r} does not read the signal pose first: train one that does")
        stands = {name: value for name, value in known["world_settings"].items() if name == "camera"}
        super().__init__(policy, size, **{**stands, **looks})
        if self.ours.settings.goal != "state":
            raise UserError(f"run {policy.path.name!r} looks at its targets itself: leave --translator away")
        self.eye, self.pictured = self.translator.size, known["world_settings"]
        self.inverse: Inverse = Inverse(self.ours.pose_at, self.ours.any_angles)

    def begin(self, seed: int) -> None:
        """Begin anew, in any pose, with nothing seen."""
        super().begin(seed)
        self.translator.begin()
        self._seen: Array | None = None

    def show(self, target: Target, *, see: bool = True) -> Array:
        """Move to what is read in a picture, or to its true pose."""
        self._told = self.translator.read(target.picture)
        read = self.takeable(self._told)
        self.aim_at(read if see or target.pose is None else target.pose)
        return read

    def watch(self, film: Iterable[Target], seconds: float) -> Iterator[Array]:
        """Move with what is read in a film."""
        self.translator.begin()
        for target in film:
            read = self.read(target.picture)
            self.keep_up_with(read, seconds)
            yield read

    def read(self, picture: Array) -> Array:
        """The pose that a picture (H, W, 3) shows, after those of the same film, as near as the body can take it."""
        return self.takeable(self.translator.read(picture))

    def takeable(self, read: Array) -> Array:
        """The nearest pose to what was read that the body can take."""
        return self.inverse.nearest(read[: self.place.stop - self.place.start]).astype(np.float32)

    def look_again(self, step: int) -> None:
        """Look at itself now and then, and take back from what was read what the translator errs about the robot.

        The robot's own pose is known, and the translator errs alike about poses that are alike; so it has to be near.
        """
        if step % LOOK == 0 and self.ours.task.away(self.pose, self._aim).metres < NEAR * self.ours.task.reach:
            own = self.translator.translate(self.ours.glance(self.eye[0])[None])[0]
            self.aim_at((self._aim + self.takeable((self._told - own)[: len(self.pose)] + self.pose)) / 2)

    def keep_up_with(self, pose: Array, seconds: float) -> None:
        """Move with a pose seen `seconds` after the last one: aim ahead, where it will be once the arms are there."""
        before = pose if self._seen is None else self._seen
        self.aim_at(pose + (LEAD / seconds) * (pose - before))
        self._seen = pose


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
