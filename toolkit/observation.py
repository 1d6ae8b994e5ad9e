"""Observations: the signals and images that an agent gets, and the form of its goal.

    observation = state         the environment's signals
                = pixels        images of the last steps, (size, size, 3 stack) uint8, oldest first
                = both          a Dict of `pixels` and `state`
    goal        = state         the target as numbers, among the signals
                = pixels        an image of the body at the target, after the other images
                = both          the target as that image and as numbers
                = translated    the target as numbers that a translator estimates from that image

An agent without state gets no signal but the target. With goal=pixels it gets neither the target
nor the difference to it as numbers.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import gymnasium
import numpy as np

from poise.toolkit.errors import UserError
from poise.toolkit.rewards import progress
from poise.toolkit.spaces import Array, Signal, box_space, slices

if TYPE_CHECKING:  # pydantic loads slowly, and `import poise` imports this module
    from poise.toolkit.settings import EnvSettings

TARGET = "target"
DIFFERENCE = "difference"
POSE = "pose"
"""Signals of an environment with pose targets: the target, target - pose, and the pose."""

NUM_SCALES = 4
"""Resolutions at which two images are compared: blocks of 1, 2, 4 and 8 pixels."""

DISTANCE_SCALE = 0.002
"""Distance between two images of the reacher whose joint angles differ by 3 degrees."""

TargetEstimator = Callable[[Array], Array]
"""Estimate the signal `pose` (P,) from an image (H, W, 3) uint8; further numbers are ignored."""


def register_target_estimator(open_estimator: Callable[[str], TargetEstimator]) -> None:
    """Register the function that opens a translator's run folder, for goal=translated.

    Toolkit knows no learners; `poise/__init__.py` registers the translator of tools/translate.
    """
    GoalImage.open_estimator = open_estimator


def _no_target_estimator(folder: str) -> TargetEstimator:
    raise UserError(f"translator={folder}: no target estimator is registered; `import poise` first")


class GoalImage:
    """The image of a body at its target; drawn, and translated, once per target."""

    open_estimator: ClassVar[Callable[[str], TargetEstimator]] = _no_target_estimator

    def __init__(self, env: Any) -> None:
        self.env = env
        self._image = np.empty(0)
        self._estimated_pose = np.empty(0)
        # The targets for which image, estimated pose and potential are valid.
        self._image_target = None
        self._estimated_target = None
        self._compared_target = None
        self._potential = 0.0
        self._estimate: TargetEstimator = np.asarray
        if env.settings.goal == "translated":
            self._estimate = GoalImage.open_estimator(env.settings.translator)

    def get_image(self) -> Array:
        """Return the image, (size, size, 3) uint8."""
        if self._image_target is not self.env.task.target:
            self._image_target = self.env.task.target
            size = self.env.settings.image_size
            self._image = self.env.render_observation(size, size, at_target=True)
        return self._image

    def set_image(self, image: Array) -> None:
        """Replace the image of the current target."""
        self._image_target = self.env.task.target
        self._estimated_target = None
        self._compared_target = None
        self._image = image

    def estimate_pose(self) -> Array:
        """Return the reachable pose (P,) nearest to the translator's estimate."""
        if self._estimated_target is not self.env.task.target:
            kinematics = self.env.inverse_kinematics
            pose_size = kinematics.sampled_poses.shape[1]
            estimate = self._estimate(self.get_image())[:pose_size]
            self._estimated_target = self.env.task.target
            self._estimated_pose = kinematics.nearest_pose(estimate)
        return self._estimated_pose

    def similarity_gain(self) -> float:
        """Return the gain of -log(1 + image_distance / DISTANCE_SCALE) in the last step.

        It is 0 in the first step of a new target.
        """
        previous = self._potential
        self._potential = -math.log1p(self.image_distance() / DISTANCE_SCALE)
        is_same_target = self._compared_target is self.env.task.target
        self._compared_target = self.env.task.target
        return progress(self._potential, previous) if is_same_target else 0.0

    def image_distance(self) -> float:
        """Return the distance of the current image to the goal image, in [0, 1]; 0 if equal.

        The mean absolute difference at four scales, from one pixel to eight. With single pixels
        alone, an arm just beside its target would be no better than one far away.
        """
        size = self.env.settings.image_size
        image = self.env.render_observation(size, size).astype(np.float32)
        difference = image - self.get_image()
        total = 0.0
        for _ in range(NUM_SCALES):
            total += float(np.abs(difference).mean()) / 255.0 / NUM_SCALES
            even = difference[: len(difference) // 2 * 2, : len(difference) // 2 * 2]
            difference = (
                even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]
            ) / 4.0
        return total


class ObservableEnv(Protocol):
    """What AgentObservation needs of an environment; BaseEnvironment has it."""

    OBSERVATION: ClassVar[tuple[Signal, ...]]
    REWARD: ClassVar[Mapping[str, Mapping[str, float]]]
    settings: "EnvSettings"
    steps: int

    def render_observation(self, width: int, height: int, *, at_target: bool = False) -> Array:
        """Return the agent's image (height, width, 3) uint8."""


class AgentObservation:
    """Builds the agent's observations, as the settings `observation` and `goal` say."""

    space: gymnasium.Space[Any]
    """Space of the observations."""

    def __init__(self, env: ObservableEnv) -> None:
        self.env = env
        cfg = env.settings
        signal_names = {signal.name for signal in env.OBSERVATION}
        if cfg.goal != "state" and not {TARGET, DIFFERENCE, POSE} <= signal_names:
            raise UserError(
                f"{type(env).__name__} has no target pose to draw as an image: leave goal=state"
            )
        if (cfg.goal == "translated") != bool(cfg.translator):
            raise UserError(
                "goal=translated and translator=FOLDER (the run of a translator) "
                "must be set together"
            )
        visible_signals = [signal for signal in env.OBSERVATION if self._is_visible(signal.name)]
        self.bounds = box_space(env.OBSERVATION)
        self.slices = slices(env.OBSERVATION)
        self.visible_indices = [
            index
            for signal in visible_signals
            for index in np.r_[self.slices[signal.name]].tolist()
        ]
        self.frame_stack = 0 if cfg.observation == "state" else cfg.frame_stack
        self.goal_image = GoalImage(env)
        self.has_goal_image = cfg.goal in ("pixels", "both")
        channels = 3 * (self.frame_stack + self.has_goal_image)
        self.has_no_pixels = not channels
        pixel_space = gymnasium.spaces.Box(
            0, 255, (cfg.image_size, cfg.image_size, channels), np.uint8
        )
        if not visible_signals:
            self.space = pixel_space
        elif self.has_no_pixels:
            self.space = box_space(visible_signals)
        else:
            self.space = gymnasium.spaces.Dict(
                {"pixels": pixel_space, "state": box_space(visible_signals)}
            )
        self.frames: deque[Array] = deque(maxlen=max(1, self.frame_stack))
        """Images of the last steps, the newest last."""
        self._step = 0

    @property
    def is_state_only(self) -> bool:
        """Whether the observation is all of the environment's signals, unchanged."""
        return self.env.settings.observation == self.env.settings.goal == "state"

    def build(self, values: Array) -> Any:
        """Return the observation for signal values (O,).

        Numbers are float32, clipped to their bounds; images are uint8.
        """
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
        images = self._stack_images() if self.frame_stack else []
        if self.has_goal_image:
            images.append(self.goal_image.get_image())
        pixels = np.concatenate(images, axis=-1)
        if not self.visible_indices:
            return pixels
        return {"pixels": pixels, "state": numbers[self.visible_indices]}

    def image_similarity(self) -> dict[str, float]:
        """Return that reward term if the reward weights it, else {}: drawing takes time."""
        return (
            {"image_similarity": self.goal_image.similarity_gain()}
            if "image_similarity" in self.env.REWARD[self.env.settings.reward]
            else {}
        )

    def _is_visible(self, name: str) -> bool:
        """Return whether the agent gets the numbers of the signal `name`."""
        has_state = self.env.settings.observation != "pixels"
        has_goal_numbers = self.env.settings.goal != "pixels"
        if name == TARGET:
            return has_goal_numbers
        if name == DIFFERENCE:
            return has_goal_numbers and has_state
        return has_state

    def _stack_images(self) -> list[Array]:
        """Return the images of the last steps; before the reset, the first one repeats."""
        if self.env.steps == 0:
            self.frames.clear()
        elif self.env.steps == self._step:  # Built again within one step, e.g. for a new target.
            self.frames.pop()
        self._step = self.env.steps
        size = self.env.settings.image_size
        self.frames.append(self.env.render_observation(size, size))
        num_missing = self.frame_stack - len(self.frames)
        return [self.frames[0]] * num_missing + list(self.frames)
