"""A robot: a body in its world that takes poses, moved by a run's policy. Who inherits says how it knows which pose to take."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np
import pygame
from poise import algos
from poise.toolkit.errors import UserError
from poise.toolkit.evaluation import EVALUATION_SEED
from poise.toolkit.media.hud import PALE
from poise.toolkit.media.image import INK, frame_of, letters, surface_of
from poise.toolkit.pose_task import Away, PoseTask, TakesPoses
from poise.toolkit.registry import TIME_LIMIT, World, as_ours, make_world
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array, layout
from poise.toolkit.wrappers import InRows
from poise.tools.mimic.targets import Target
from poise.tools.record.record_run import drawable_world


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


def side_by_side(pictures: tuple[Array, Array], captions: tuple[str, str], size: int) -> Array:
    """Pictures (H, W, 3) uint8 of any size, each shown as a square of `size` pixels: (size, 2 size, 3) uint8."""
    surface = pygame.Surface((2 * size, size))
    font = letters(max(12, size // 18))
    for picture, text, left in zip(pictures, captions, (0, size), strict=True):
        shown = surface_of(picture)
        if shown.get_size() != (size, size):
            enlarge = (
                pygame.transform.scale if len(picture) < size // 2 else pygame.transform.smoothscale
            )  # Few pixels stay pixels.
            shown = enlarge(shown, (size, size))
        surface.blit(shown, (left, 0))
        surface.blit(font.render(text, True, INK), (left + 6, size - font.get_linesize() - 4))
    pygame.draw.line(surface, PALE, (size, 0), (size, size), max(1, size // 160))
    return frame_of(surface)


PAUSE = 15
"""Frames for which a film stays on a pose that was taken."""


class Robot(ABC):
    """The body of a policy's world, whose task is to take poses, drawn in `size` pixels each way; `looks` are settings of it."""

    eye: tuple[int, int]
    """Height and width of the pictures that it is shown."""
    pictured: Mapping[str, Any]
    """Settings of a world whose own pictures are such ones."""
    ours: Any
    """The body's world itself, a BaseEnvironment that TakesPoses."""

    def __init__(self, policy: Run, size: int, **looks: Any) -> None:
        self.world_id: str = policy.config["world"]
        settings = policy.config["world_settings"]
        self.learner = algos.restore(policy)
        with closing(make_world(self.world_id, settings)) as world:
            if not isinstance(as_ours(world), TakesPoses):
                raise UserError(f"run {policy.path.name!r} takes no poses: {self.world_id} has no targets")
        looks = {"width": size, "height": size, "markers": True, **looks}
        self.world: World = drawable_world(self.world_id, settings, looks)
        self.ours = self.world.unwrapped
        limit = self.world.spec.max_episode_steps if self.world.spec else None
        self.steps: int = (limit or TIME_LIMIT) // 2
        """Steps that the robot has for a pose: half an episode."""
        self.place: slice = layout(self.ours.OBSERVATION)["pose"]
        self.size: int = size
        self.world.reset(seed=EVALUATION_SEED)  # The body is there from then on.

    @abstractmethod
    def show(self, target: Target, *, see: bool = True) -> Array | None:
        """Move to what a picture shows from now on, or blindly to its true pose; what was read in it, if anybody reads."""

    @abstractmethod
    def watch(self, film: Iterable[Target], seconds: float) -> Iterator[Array | None]:
        """The same for a film, picture by picture; each comes `seconds` after the last one."""

    @abstractmethod
    def look_again(self, step: int) -> None:
        """What it does at each step of its way to a pose that it sees."""

    def begin(self, seed: int) -> None:
        """Begin anew, in any pose, with nothing seen."""
        self.observation: Array = self.world.reset(seed=seed)[0]
        self.aim_at(self.pose)

    @property
    def pose(self) -> Array:
        """Where the robot's joints are."""
        pose: Array = self.ours.observe()[self.place].astype(np.float32)
        return pose

    def aim_at(self, pose: Array) -> None:
        """Move to a pose from now on."""
        self._aim, self._aimed = pose, False

    def step(self) -> None:
        """One step towards the pose that is aimed at."""
        if not self._aimed:
            self.tell()
            seen = self.ours.observation()
            self.observation = self.world.observation(seen) if isinstance(self.world, InRows) else seen
            self._aimed = True
        action = self.learner.act(self.observation[None], explore=False)[0]
        self.observation, _, _, _, info = self.world.step(action)
        self._aimed = not info["success"]  # Or the world has chosen its next target, and we have not.

    def tell(self) -> None:
        """Tell the world which target is its own now."""
        self.ours.aim_at(self._aim)

    def take(self, target: Target, seed: int, film: Any = None, *, see: bool = True) -> Attempt:
        """Take one pose, from the world's start at a seed; by its picture, or blindly by its true numbers."""
        self.begin(seed)
        read = self.show(target, see=see)
        true = read if target.pose is None else target.pose
        task: PoseTask = self.ours.task
        judge = PoseTask(task.reach, task.hold, task.roots)
        if true is not None:
            judge.aim(task.points(true), task.points(self.pose))
        taken = None
        for step in range(1, self.steps + 1):
            self.step()
            if see:
                self.look_again(step)
            if film is not None:
                film.add(self.picture(target, true))
            if true is not None:
                judge.judge(task.points(self.pose))
                if judge.achieved:
                    taken = step
                    break
        for _ in range(0 if film is None else PAUSE):
            film.add(self.picture(target, true))
        return Attempt(target.name, taken, self._away(self.pose, true), self._away(read, target.pose))

    def follow(self, targets: Sequence[Target], rate: int, film: Any = None) -> list[Moment]:
        """Follow a film shown at `rate` frames a second, once the robot has had its time to take the first frame's pose."""
        self.begin(EVALUATION_SEED)
        self.show(targets[0])
        for _ in range(self.steps):
            self.step()
        moments, due = [], 0.0
        for target, read in zip(targets, self.watch(targets, 1.0 / rate), strict=True):
            due += self.ours.CONTROL_RATE / rate
            while due >= 1.0:
                self.step()
                due -= 1.0
            moments.append(Moment(self._away(self.pose, read), self._away(self.pose, target.pose), self._away(read, target.pose)))
            if film is not None:
                film.add(self.picture(target, read if target.pose is None else target.pose))
        return moments

    def picture(self, target: Target, wanted: Array | None) -> Array:
        """What it sees and what it does, side by side, and how far it is from what is wanted: (size, 2 size, 3) uint8."""
        away = self._away(self.pose, wanted)
        captions = f"sees {target.name}", f"{1000 * away.metres:.0f} mm away" if away else ""
        return side_by_side((target.picture, np.asarray(self.world.render())), captions, self.size)

    def _away(self, pose: Array | None, wanted: Array | None) -> Away | None:
        """How far one pose is from another, where both are known."""
        return None if pose is None or wanted is None else self.ours.task.away(pose, wanted)
