"""What an environment shows its agent: numbers, pictures or both; and how it tells the agent the target.

    observation = state         the environment's signals
                = pixels        the pictures of the last steps, (size, size, 3 stack) uint8, oldest first
                = both          a Dict of `pixels` and `state`
    goal        = state         the target in numbers, among the signals
                = pixels        the target as a picture of the body that has reached it, after the other pictures
                = both          the target as that picture, and in numbers
                = translated    the target in numbers that a translator has read from that picture (toolkit/goal.py)

Who sees no state is told no signal but the target; who sees the target as a picture is told no number of it.
"""

import importlib
import math
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np

from poise.toolkit.errors import UserError
from poise.toolkit.rewards import progress
from poise.toolkit.spaces import Array, box_space, slices

if TYPE_CHECKING:
    from poise.toolkit.environment import BaseEnvironment


TRANSLATOR_ENTRY_POINT = "poise.tools.translate.load:load_pose_reader"
"""What opens a translator's run: by its name, as environments have entry points, for toolkit knows no tools."""


NUM_SCALES = 4


DISTANCE_SCALE = 0.002
"""How unlike two pictures of the reacher are whose joints differ by 3 degrees."""


class GoalImage:
    """The picture of an environment's body that has reached its target; drawn, and read, once for every target."""

    def __init__(self, env: Any) -> None:
        self.env = env
        self._image_target = None
        self._estimated_target = None
        self._compared_target = None
        self._image = self._estimated_pose = np.empty(0)
        self._potential = 0.0
        c = env.settings
        self._translate: Callable[[Array], Array] = (
            _import_entry_point(TRANSLATOR_ENTRY_POINT)(c.translator)
            if c.goal == "translated"
            else np.asarray
        )

    def get_image(self) -> Array:
        """The picture, (size, size, 3) uint8."""
        if self._image_target is not self.env.task.target:
            self._image_target, self._image = (
                self.env.task.target,
                self.env.render_observation(self.env.settings.image_size, at_target=True),
            )
        return self._image

    def set_image(self, image: Array) -> None:
        """Let this be the picture of the target that the environment has now, instead of its own."""
        self._image_target = self.env.task.target
        self._estimated_target = None
        self._compared_target = None
        self._image = image

    def estimate_pose(self) -> Array:
        """The pose, of those that can be taken, nearest to what the translator makes of it: the target in numbers."""
        if self._estimated_target is not self.env.task.target:
            kinematics = self.env.inverse_kinematics
            read = self._translate(self.get_image())[: kinematics.sampled_poses.shape[1]]
            self._estimated_target, self._estimated_pose = (
                self.env.task.target,
                kinematics.nearest_pose(read),
            )
        return self._estimated_pose

    def similarity_gain(self) -> float:
        """How much more like it the last step made the body's picture: the gain of -log(1 + unlikeness / NEAR).

        0 at a new target.
        """
        previous = self._potential
        self._potential = -math.log1p(self.image_distance() / DISTANCE_SCALE)
        known = self._compared_target is self.env.task.target
        self._compared_target = self.env.task.target
        return progress(self._potential, previous) if known else 0.0

    def image_distance(self) -> float:
        """How unlike it the body's picture is now: 0 where they are the same, in [0, 1].

        The mean difference of the two at four scales, from one pixel to eight: pixel by pixel alone, an arm just beside
        its target would be no better than one far away.
        """
        difference = (
            self.env.render_observation(self.env.settings.image_size).astype(np.float32)
            - self.get_image()
        )
        total = 0.0
        for _ in range(NUM_SCALES):
            total += float(np.abs(difference).mean()) / 255.0 / NUM_SCALES
            even = difference[: len(difference) // 2 * 2, : len(difference) // 2 * 2]
            difference = (
                even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]
            ) / 4.0
        return total


def _import_entry_point(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


TARGET = "target"
DIFFERENCE = "difference"
POSE = "pose"
"""The signals of an environment that takes poses: where it should be, how far that is, where it is."""


class AgentObservation:
    """The eyes of an environment's agent, as the environment's settings say."""

    space: gymnasium.Space[Any]
    """Of what is seen."""

    def __init__(self, env: "BaseEnvironment") -> None:
        self.env = env
        c = env.settings
        takes_poses = {TARGET, DIFFERENCE, POSE} <= {signal.name for signal in env.OBSERVATION}
        if c.goal != "state" and not takes_poses:
            raise UserError(
                f"{type(env).__name__} sets no target that could be a picture: leave goal=state"
            )
        if (c.goal == "translated") != bool(c.translator):
            raise UserError(
                "goal=translated goes with translator=FOLDER, of the run that reads pictures, and neither goes alone"
            )
        told = [signal for signal in env.OBSERVATION if self._is_visible(signal.name)]
        self.bounds = box_space(env.OBSERVATION)
        self.slices = slices(env.OBSERVATION)
        self.visible_indices = [
            index for signal in told for index in np.r_[self.slices[signal.name]].tolist()
        ]
        self.frame_stack = 0 if c.observation == "state" else c.frame_stack
        self.goal_image = GoalImage(env)
        self.has_goal_image = c.goal in ("pixels", "both")
        channels = 3 * (self.frame_stack + self.has_goal_image)
        pixels = gymnasium.spaces.Box(0, 255, (c.image_size, c.image_size, channels), np.uint8)
        self.has_no_pixels = not channels
        self.space = box_space(told) if told else pixels
        if told and channels:
            self.space = gymnasium.spaces.Dict({"pixels": pixels, "state": self.space})
        self._frames: deque[Array] = deque(maxlen=max(1, self.frame_stack))
        self._step = 0

    @property
    def is_state_only(self) -> bool:
        """Whether it is the environment's signals that are seen, as they are, and nothing else."""
        return self.env.settings.observation == self.env.settings.goal == "state"

    def build(self, values: Array) -> Any:
        """What the agent sees of an environment whose signals have these values: within their bounds as float32, pictures as uint8."""
        numbers = np.minimum(np.maximum(values, self.bounds.low), self.bounds.high).astype(
            np.float32, copy=False
        )
        if self.env.settings.goal == "translated":
            target = self.slices[TARGET]
            pose = self.slices[POSE]
            numbers[target] = self.goal_image.estimate_pose()
            numbers[self.slices[DIFFERENCE]] = numbers[target] - numbers[pose]
        if self.has_no_pixels:
            return numbers
        pictures = self._stack_images() if self.frame_stack else []
        if self.has_goal_image:
            pictures.append(self.goal_image.get_image())
        pixels = np.concatenate(pictures, axis=-1)
        return (
            {"pixels": pixels, "state": numbers[self.visible_indices]}
            if self.visible_indices
            else pixels
        )

    def image_similarity(self) -> dict[str, float]:
        """The reward term of that name, where the environment's reward pays for it: to draw takes time."""
        return (
            {"image_similarity": self.goal_image.similarity_gain()}
            if "image_similarity" in self.env.REWARD[self.env.settings.reward]
            else {}
        )

    def _is_visible(self, name: str) -> bool:
        """Whether the agent is told the signal `name` in numbers."""
        state = self.env.settings.observation != "pixels"
        goal = self.env.settings.goal != "pixels"
        return {TARGET: goal, DIFFERENCE: goal and state}.get(name, state)

    def _stack_images(self) -> list[Array]:
        """The pictures of the last steps; where there were not so many yet, the first stands for those before it."""
        if self.env.steps == 0:
            self._frames.clear()
        elif self.env.steps == self._step:  # Looked at again, with another target perhaps.
            self._frames.pop()
        self._step = self.env.steps
        self._frames.append(self.env.render_observation(self.env.settings.image_size))
        return [self._frames[0]] * (self.frame_stack - len(self._frames)) + list(self._frames)
