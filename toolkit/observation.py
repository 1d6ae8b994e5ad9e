"""What a world shows its agent: numbers, pictures or both; and how it tells the agent the target.

    observation = state         the world's signals
                = pixels        the pictures of the last steps, (size, size, 3 stack) uint8, oldest first
                = both          a Dict of `pixels` and `state`
    goal        = state         the target in numbers, among the signals
                = pixels        the target as a picture of the body that has reached it, after the other pictures
                = both          the target as that picture, and in numbers
                = translated    the target in numbers that a translator has read from that picture (toolkit/goal.py)

Who sees no state is told no signal but the target; who sees the target as a picture is told no number of it.
"""

import functools
import importlib
import math
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from poise.toolkit.errors import UserError
from poise.toolkit.pose_task import Inverse, TakesPoses
from poise.toolkit.rewards import progress
from poise.toolkit.spaces import Array, box, layout

if TYPE_CHECKING:
    from poise.toolkit.environment import BaseEnvironment


READER = "poise.tools.translate.load:reader"
"""What opens a translator's run: by its name, as worlds have entry points, for toolkit knows no tools."""


SCALES = 4


NEAR = 0.002
"""How unlike two pictures of the reacher are whose joints differ by 3 degrees."""


class GoalPicture:
    """The picture of a world's body that has reached its target; drawn, and read, once for every target."""

    def __init__(self, world: Any) -> None:
        self.world, self._drawn, self._heard, self._judged = world, None, None, None
        self._picture = self._numbers = np.empty(0)
        self._potential = 0.0
        c = world.settings
        self._translate: Callable[[Array], Array] = _found(READER)(c.translator) if c.goal == "translated" else np.asarray

    def picture(self) -> Array:
        """The picture, (size, size, 3) uint8."""
        if self._drawn is not self.world.task.target:
            self._drawn, self._picture = self.world.task.target, self.world.glance(self.world.settings.pixels, goal=True)
        return self._picture

    def show(self, picture: Array) -> None:
        """Let this be the picture of the target that the world has now, instead of its own."""
        self._drawn, self._heard, self._judged, self._picture = self.world.task.target, None, None, picture

    def read(self) -> Array:
        """The pose, of those that can be taken, nearest to what the translator makes of it: the target in numbers."""
        if self._heard is not self.world.task.target:
            read = self._translate(self.picture())[: self._inverse.poses.shape[1]]
            self._heard, self._numbers = self.world.task.target, self._inverse.nearest(read)
        return self._numbers

    @functools.cached_property
    def _inverse(self) -> Inverse:
        return Inverse(self.world.pose_at, self.world.any_angles)

    def gain(self) -> float:
        """How much more like it the last step made the body's picture: the gain of -log(1 + unlikeness / NEAR).

        0 at a new target.
        """
        previous, self._potential = self._potential, -math.log1p(self.unlikeness() / NEAR)
        known, self._judged = self._judged is self.world.task.target, self.world.task.target
        return progress(self._potential, previous) if known else 0.0

    def unlikeness(self) -> float:
        """How unlike it the body's picture is now: 0 where they are the same, in [0, 1].

        The mean difference of the two at four scales, from one pixel to eight: pixel by pixel alone, an arm just beside
        its target would be no better than one far away.
        """
        difference = self.world.glance(self.world.settings.pixels).astype(np.float32) - self.picture()
        total = 0.0
        for _ in range(SCALES):
            total += float(np.abs(difference).mean()) / 255.0 / SCALES
            even = difference[: len(difference) // 2 * 2, : len(difference) // 2 * 2]
            difference = (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4.0
        return total


def _found(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


TARGET, GAP, POSE = "target", "difference", "pose"
"""The signals of a world that takes poses: where it should be, how far that is, where it is."""


class Sight:
    """The eyes of a world's agent, as the world's settings say."""

    space: gymnasium.Space[Any]
    """Of what is seen."""

    def __init__(self, world: "BaseEnvironment") -> None:
        self.world, c = world, world.settings
        if c.goal != "state" and not isinstance(world, TakesPoses):
            raise UserError(f"{type(world).__name__} sets no target that could be a picture: leave goal=state")
        if (c.goal == "translated") != bool(c.translator):
            raise UserError("goal=translated goes with translator=FOLDER, of the run that reads pictures, and neither goes alone")
        told = [signal for signal in world.OBSERVATION if self._tells(signal.name)]
        self.bounds, self.places = box(world.OBSERVATION), layout(world.OBSERVATION)
        self.told = [index for signal in told for index in np.r_[self.places[signal.name]].tolist()]
        self.stack, self.goal = 0 if c.observation == "state" else c.stack, GoalPicture(world)
        self.shown = c.goal in ("pixels", "both")
        channels = 3 * (self.stack + self.shown)
        pixels = gymnasium.spaces.Box(0, 255, (c.pixels, c.pixels, channels), np.uint8)
        self.blind = not channels
        self.space = box(told) if told else pixels
        if told and channels:
            self.space = gymnasium.spaces.Dict({"pixels": pixels, "state": self.space})
        self._frames: deque[Array] = deque(maxlen=max(1, self.stack))
        self._step = 0

    @property
    def plain(self) -> bool:
        """Whether it is the world's signals that are seen, as they are, and nothing else."""
        return self.world.settings.observation == self.world.settings.goal == "state"

    def see(self, values: Array) -> Any:
        """What the agent sees of a world whose signals have these values: within their bounds as float32, pictures as uint8."""
        numbers = np.minimum(np.maximum(values, self.bounds.low), self.bounds.high).astype(np.float32, copy=False)
        if self.world.settings.goal == "translated":
            target, pose = self.places[TARGET], self.places[POSE]
            numbers[target] = self.goal.read()
            numbers[self.places[GAP]] = numbers[target] - numbers[pose]
        if self.blind:
            return numbers
        pictures = self._seen() if self.stack else []
        if self.shown:
            pictures.append(self.goal.picture())
        pixels = np.concatenate(pictures, axis=-1)
        return {"pixels": pixels, "state": numbers[self.told]} if self.told else pixels

    def likeness(self) -> dict[str, float]:
        """The reward term of that name, where the world's reward pays for it: to draw takes time."""
        return {"likeness": self.goal.gain()} if "likeness" in self.world.REWARD[self.world.settings.reward] else {}

    def _tells(self, name: str) -> bool:
        """Whether the agent is told the signal `name` in numbers."""
        state, goal = self.world.settings.observation != "pixels", self.world.settings.goal != "pixels"
        return {TARGET: goal, GAP: goal and state}.get(name, state)

    def _seen(self) -> list[Array]:
        """The pictures of the last steps; where there were not so many yet, the first stands for those before it."""
        if self.world.steps == 0:
            self._frames.clear()
        elif self.world.steps == self._step:  # Looked at again, with another target perhaps.
            self._frames.pop()
        self._step = self.world.steps
        self._frames.append(self.world.glance(self.world.settings.pixels))
        return [self._frames[0]] * (self.stack - len(self._frames)) + list(self._frames)
