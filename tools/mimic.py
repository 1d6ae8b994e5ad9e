"""Mimicry: see a pose, take the pose. A translator reads a picture, and a policy that can move to any pose moves there."""

from collections.abc import Sequence
from typing import Any

import numpy as np

import algos
from algos.translator import Translator
from toolkit.errors import UserError
from toolkit.evaluation import EVALUATION_SEED
from toolkit.inverse import Inverse
from toolkit.poses import Away, PoseTask, TakesPoses
from toolkit.registry import TIME_LIMIT, World, as_ours
from toolkit.run import Run
from toolkit.signals import Array, layout
from tools.attempts import Attempt, Moment
from tools.record_run import drawable_world
from tools.side_by_side import side_by_side
from tools.targets import Target
from tools.train_translator import open_translator, translation_config

PAUSE = 15
"""Frames for which a film stays on a pose that was taken."""
LEAD = 0.07
"""How far ahead of what it sees the robot aims (s): about as long as its arms are behind a target that moves."""
LOOK, NEAR = 10, 2.0
"""Every so many steps a robot that is near its pose looks at itself too; how near, in units of the task's reach."""


class Mimic:
    """A robot that sees. `policy` and `translator` are runs of the same world, whose task is to take poses."""

    def __init__(self, policy: Run, translator: Run, size: int, **looks: Any) -> None:
        self.translator: Translator = open_translator(translator)
        config, known = policy.config, translation_config(translator)
        if known["world"] != config["world"]:
            raise UserError(
                f"run {translator.path.name!r} sees {known['world']}, run {policy.path.name!r} moves {config['world']}"
            )
        if known["settings"]["signals"][0] != "pose":
            raise UserError(f"run {translator.path.name!r} does not read the signal pose first: train one that does")
        self.learner = algos.restore(policy)
        stands = {name: value for name, value in known["world_settings"].items() if name == "camera"}
        looks = {"width": size, "height": size, "markers": True, **stands, **looks}
        self.world: World = drawable_world(config["world"], config["world_settings"], looks)
        self.ours: Any = as_ours(self.world)
        if not isinstance(self.ours, TakesPoses):
            raise UserError(f"run {policy.path.name!r} takes no poses: {config['world']} has no targets")
        if not self.ours.sight.plain:
            raise UserError(f"run {policy.path.name!r} sees pictures itself: mimic moves by one that is told numbers")
        limit = self.world.spec.max_episode_steps if self.world.spec else None
        self.steps: int = (limit or TIME_LIMIT) // 2
        """Steps that the robot has for a pose: half an episode."""
        self.place: slice = layout(self.ours.OBSERVATION)["pose"]
        self.size: int = size
        self.world.reset(seed=EVALUATION_SEED)  # The body is there from then on.
        self.inverse: Inverse = Inverse(self.ours.pose_at, self.ours.any_angles)

    def begin(self, seed: int) -> None:
        """Begin anew, in any pose, with nothing seen."""
        self.translator.begin()
        self.observation: Array = self.world.reset(seed=seed)[0]
        self._seen: Array | None = None
        self.aim_at(self.pose)

    @property
    def pose(self) -> Array:
        """Where the robot's joints are."""
        return self.observation[self.place]

    def read(self, picture: Array) -> Array:
        """The pose that a picture (H, W, 3) shows, after those of the same film, as near as the body can take it."""
        return self.takeable(self.translator.read(picture))

    def takeable(self, read: Array) -> Array:
        """The nearest pose to what was read that the body can take."""
        return self.inverse.nearest(read[: self.place.stop - self.place.start]).astype(np.float32)

    def look_at_itself(self, read: Array) -> None:
        """Take back from what was `read` of the target what the translator errs about the robot, whose pose is known.

        It errs alike about poses that are alike; so the robot has to be near.
        """
        if self.ours.task.away(self.pose, self._aim).metres < NEAR * self.ours.task.reach:
            own = self.translator.translate(self.ours.glance(self.translator.size[0])[None])[0]
            self.aim_at((self._aim + self.takeable((read - own)[: len(self.pose)] + self.pose)) / 2)

    def aim_at(self, pose: Array) -> None:
        """Move to a pose from now on."""
        self._aim, self._aimed = pose, False

    def keep_up_with(self, pose: Array, seconds: float) -> None:
        """Move with a pose seen `seconds` after the last one: aim ahead, where it will be once the arms are there."""
        before = pose if self._seen is None else self._seen
        self.aim_at(pose + (LEAD / seconds) * (pose - before))
        self._seen = pose

    def step(self) -> None:
        """One step towards the pose that is aimed at."""
        if not self._aimed:
            self.ours.aim_at(self._aim)
            self.observation, self._aimed = self.ours.observation(), True
        action = self.learner.act(self.observation[None], explore=False)[0]
        self.observation, _, _, _, info = self.world.step(action)
        self._aimed = not info["success"]  # Or the world has chosen its next target, and we have not.

    def take(self, target: Target, seed: int, film: Any = None, *, see: bool = True) -> Attempt:
        """Take one pose, from the world's start at a seed; by its picture, or blindly by its true numbers."""
        self.begin(seed)
        seen = self.translator.read(target.picture)
        read = self.takeable(seen)
        true = read if target.pose is None else target.pose
        self.aim_at(read if see else true)
        task: PoseTask = self.ours.task
        judge = PoseTask(task.reach, task.hold, task.roots)
        judge.aim(task.points(true), task.points(self.pose))
        taken = None
        for step in range(1, self.steps + 1):
            self.step()
            if see and step % LOOK == 0:
                self.look_at_itself(seen)
            judge.judge(task.points(self.pose))
            if film is not None:
                film.add(self.picture(target, true))
            if judge.achieved:
                taken = step
                break
        for _ in range(0 if film is None else PAUSE):
            film.add(self.picture(target, true))
        return Attempt(target.name, taken, task.away(self.pose, true), self._from_truth(read, target))

    def follow(self, targets: Sequence[Target], rate: int, film: Any = None) -> list[Moment]:
        """Follow a film shown at `rate` frames a second, once the robot has had its time to take the first frame's pose."""
        self.begin(EVALUATION_SEED)
        self.aim_at(self.read(targets[0].picture))
        for _ in range(self.steps):
            self.step()
        self.translator.begin()
        moments, due = [], 0.0
        for target in targets:
            read = self.read(target.picture)
            self.keep_up_with(read, 1.0 / rate)
            due += self.ours.CONTROL_RATE / rate
            while due >= 1.0:
                self.step()
                due -= 1.0
            away = self.ours.task.away(self.pose, read)
            moments.append(Moment(away, self._from_truth(self.pose, target), self._from_truth(read, target)))
            if film is not None:
                film.add(self.picture(target, read if target.pose is None else target.pose))
        return moments

    def picture(self, target: Target, wanted: Array) -> Array:
        """What it sees and what it does, side by side, and how far it is from what is wanted: (size, 2 size, 3) uint8."""
        captions = f"sees {target.name}", f"{1000 * self.ours.task.away(self.pose, wanted).metres:.0f} mm away"
        return side_by_side((target.picture, np.asarray(self.world.render())), captions, self.size)

    def _from_truth(self, pose: Array, target: Target) -> Away | None:
        return None if target.pose is None else self.ours.task.away(pose, target.pose)
