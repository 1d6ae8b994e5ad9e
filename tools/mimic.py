"""Mimicry: see a pose, take the pose. A translator reads a picture, and a policy that can move to any pose moves there."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pygame
import pygame.font

import algos
from algos.translator import Translator
from toolkit.errors import UserError
from toolkit.evaluation import EVALUATION_SEED
from toolkit.poses import PoseTask, TakesPoses
from toolkit.registry import World, as_ours
from toolkit.run import Run
from toolkit.signals import Array, layout
from tools.record_run import drawable_world
from tools.targets import Target
from tools.train_translator import open_translator

STEPS = 150
"""Steps that the robot has for a pose."""
PAUSE = 15
"""Frames for which a film stays on a pose that was taken."""


class Attempt(NamedTuple):
    """How one pose was taken: after how many steps, or not (None); the last and the translator's mean errors (m)."""

    name: str
    steps: int | None
    error: float
    misread: float
    """How far the places that the translator read are from the true ones, where these are known; else nan."""


class Mimic:
    """A robot that sees. `policy` and `translator` are runs of the same world, whose task is to take poses."""

    def __init__(self, policy: Run, translator: Run, size: int) -> None:
        self.translator: Translator = open_translator(translator)
        config, known = policy.config, translator.config
        if known["world"] != config["world"]:
            raise UserError(
                f"run {translator.path.name!r} sees {known['world']}, run {policy.path.name!r} moves {config['world']}"
            )
        if known["settings"]["signals"][0] != "pose":
            raise UserError(f"run {translator.path.name!r} does not read the signal pose first: train one that does")
        self.learner = algos.restore(policy)
        looks = {"width": size, "height": size, "markers": True}
        self.world: World = drawable_world(config["world"], config["world_settings"], looks)
        self.ours: Any = as_ours(self.world)
        if not isinstance(self.ours, TakesPoses):
            raise UserError(f"run {policy.path.name!r} takes no poses: {config['world']} has no targets")
        self.place: slice = layout(self.ours.OBSERVATION)["pose"]
        self.size: int = size
        self._aimed: Array | None = None

    def read(self, picture: Array) -> Array:
        """The pose that a picture (H, W, 3) shows, after those of the same film."""
        return self.translator.read(picture)[: self.place.stop - self.place.start]

    def take(self, target: Target, seed: int, film: Any = None, *, see: bool = True) -> Attempt:
        """Take one pose, from the world's start at a seed; by its picture, or blindly by its true numbers."""
        self.translator.begin()
        read = self.read(target.picture)
        pose = read if see or target.pose is None else target.pose
        true = pose if target.pose is None else target.pose
        observation, _ = self.world.reset(seed=seed)
        self._aimed = None
        judge = PoseTask(self.ours.task.reach, self.ours.task.hold, self.ours.task.arms)
        judge.aim(self.ours.task.points(true), self.ours.task.points(observation[self.place]))
        taken = None
        for step in range(1, STEPS + 1):
            observation = self._step(observation, pose)
            now = observation[self.place]
            judge.judge(self.ours.task.points(now))
            if film is not None:
                film.add(self.picture(target, self._error(now, true)))
            if judge.achieved:
                taken = step
                break
        if film is not None:
            for _ in range(PAUSE):
                film.add(self.picture(target, self._error(now, true)))
        misread = float("nan") if target.pose is None else self._error(read, target.pose)
        return Attempt(target.name, taken, self._error(now, true), misread)

    def follow(self, targets: Sequence[Target], rate: int, film: Any = None) -> list[float]:
        """Follow a film shown at `rate` frames a second: how far the robot is from what it reads, frame by frame (m)."""
        observation, _ = self.world.reset(seed=EVALUATION_SEED)
        self.translator.begin()
        self._aimed = None
        errors, due = [], 0.0
        for target in targets:
            pose = self.read(target.picture)
            due += self.ours.CONTROL_RATE / rate
            while due >= 1.0:
                observation = self._step(observation, pose)
                due -= 1.0
            errors.append(self._error(observation[self.place], pose))
            if film is not None:
                film.add(self.picture(target, errors[-1]))
        return errors

    def picture(self, target: Target, error: float) -> Array:
        """What it sees and what it does, side by side, with the error under them: (size, 2 size, 3) uint8."""
        surface = pygame.Surface((2 * self.size, self.size))
        height, width = target.picture.shape[:2]
        seen = pygame.image.frombuffer(np.ascontiguousarray(target.picture).tobytes(), (width, height), "RGB")
        surface.blit(pygame.transform.scale(seen, (self.size, self.size)), (0, 0))
        done = np.ascontiguousarray(self.world.render())
        surface.blit(pygame.image.frombuffer(done.tobytes(), (self.size, self.size), "RGB"), (self.size, 0))
        pygame.font.init()
        font = pygame.font.Font(None, max(12, self.size // 14))
        for text, left in ((f"sees {target.name}", 0), (f"{1000 * error:.0f} mm away", self.size)):
            surface.blit(font.render(text, True, (38, 50, 56)), (left + 6, self.size - font.get_linesize() - 4))
        return np.frombuffer(pygame.image.tobytes(surface, "RGB"), np.uint8).reshape(self.size, 2 * self.size, 3).copy()

    def _step(self, observation: Array, pose: Array) -> Array:
        """One step towards a pose; the observation after it."""
        if self._aimed is not pose:
            self.ours.aim_at(pose)
            observation, self._aimed = self.ours.observation(), pose
        stepped, _, _, _, info = self.world.step(self.learner.act(observation[None], explore=False)[0])
        if info["success"]:  # The world has chosen its next target, and we have not.
            self._aimed = None
        after: Array = stepped
        return after

    def _error(self, pose: Array, wanted: Array) -> float:
        """The mean distance of the points (m)."""
        pairs = zip(self.ours.task.points(pose), self.ours.task.points(wanted), strict=True)
        return float(np.mean([math.dist(point, aim) for point, aim in pairs]))
