"""Robot: a body in its environment that takes poses, moved by the policy of a run.

Subclasses define how the policy is given the pose to take (mimic.py).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np

from poise import algos
from poise.toolkit.appearance import AppearanceRandomization
from poise.toolkit.console import count_progress
from poise.toolkit.errors import UserError
from poise.toolkit.evaluation import EVALUATION_SEED
from poise.toolkit.pose_task import PoseEnvironment, PoseError, PoseTask
from poise.toolkit.registry import DEFAULT_MAX_EPISODE_STEPS, Env, make_env, unwrap_poise_env
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array, slices
from poise.toolkit.wrappers import unwrap_learner_env
from poise.tools.mimic.comparison import ErrorPlot, draw_views
from poise.tools.mimic.targets import NO_RANDOMIZATION, Target
from poise.tools.record.record_run import make_render_env
from poise.tools.translate.load import POSE_SIGNAL

PLOT_SECONDS = 4.0
"""Time that the plots of the error show where a target moves (s)."""

PAUSE_FRAMES = 15
"""Frames for which a video holds the end of an attempt."""


class Attempt(NamedTuple):
    """The result of one attempt to take a pose; errors are None where a pose is unknown."""

    name: str
    steps: int | None
    """Steps until the pose was reached; None if it was not."""
    final_error: PoseError | None
    """Robot's last pose to the true pose, or else to the pose that was read."""
    reading_error: PoseError | None
    """Pose that a translator read to the true pose."""


class FrameError(NamedTuple):
    """The errors in one frame of a followed video; None where a pose is unknown."""

    tracking_error: PoseError | None
    """Robot's pose to the pose that was read."""
    true_error: PoseError | None
    """Robot's pose to the true pose."""
    reading_error: PoseError | None
    """Pose that was read to the true pose."""


class Robot(ABC):
    """The body of a policy's environment, rendered at `size` pixels each way.

    `render_settings` are further settings of the environment that is rendered.

    Raises:
        UserError: the task of the policy's environment is not to take poses.
    """

    image_size: tuple[int, int]
    """Height and width of the images that the robot is shown."""
    image_env_settings: Mapping[str, Any]
    """Settings of an environment that renders such images."""
    appearance_randomization: AppearanceRandomization = NO_RANDOMIZATION
    """Randomization of the images that the robot was trained on."""
    poise_env: Any
    """The unwrapped environment: a BaseEnvironment that is a PoseEnvironment."""

    def __init__(self, policy: Run, size: int, **render_settings: Any) -> None:
        self.env_id: str = policy.config["env"]
        settings = policy.config["env_settings"]
        self.learner = algos.restore_learner(policy)
        with closing(make_env(self.env_id, settings)) as env:
            if not isinstance(unwrap_poise_env(env), PoseEnvironment):
                raise UserError(
                    f"run {policy.path.name!r} cannot take poses: {self.env_id} has no targets"
                )
        shown = {"width": size, "height": size, "show_markers": True, "view": "people"}
        render_settings = {**shown, **render_settings}
        self.env: Env = make_render_env(self.env_id, settings, render_settings)
        self.poise_env = self.env.unwrapped
        limit = self.env.spec.max_episode_steps if self.env.spec else None
        self.max_steps: int = (limit or DEFAULT_MAX_EPISODE_STEPS) // 2
        """Steps to take a pose: half an episode."""
        self.pose_slice: slice = slices(self.poise_env.OBSERVATION)[POSE_SIGNAL]
        self.size: int = size
        # Task and joints exist from the first reset on.
        self.env.reset(seed=EVALUATION_SEED)

    @abstractmethod
    def set_target_image(self, target: Target, *, use_image: bool = True) -> Array | None:
        """Set the pose in an image as the target, or the true pose if not `use_image`.

        Returns the pose (P,) read from the image; None where the policy observes the image itself.
        """

    @abstractmethod
    def track_video(self, frames: Iterable[Target], seconds: float) -> Iterator[Array | None]:
        """Set the frames of a video as targets one by one; yield the poses read.

        `seconds` is the time between two frames.
        """

    @abstractmethod
    def refine_target(self, step: int) -> None:
        """Correct the target after a step towards the pose in an image."""

    def reset(self, seed: int) -> None:
        """Start a new episode, with the initial pose as the target."""
        self.learner.reset(explore=False)
        self.observation: Array = self.env.reset(seed=seed)[0]
        self.set_target(self.pose)
        rate = float(self.poise_env.CONTROL_HZ)
        self.plot = self.make_plot(rate, self.max_steps / rate)

    def make_plot(self, rate: float, seconds: float) -> ErrorPlot:
        """Return empty plots of the error, `rate` times per second, over the last `seconds`."""
        return ErrorPlot(self.poise_env.task.position_tolerance, rate, seconds)

    @property
    def pose(self) -> Array:
        """Return the current pose (P,), as the signal `pose`."""
        pose: Array = self.poise_env.get_observation()[self.pose_slice].astype(np.float32)
        return pose

    def set_target(self, pose: Array) -> None:
        """Set the pose (P,) to move to from the next step on."""
        self._target_pose = pose
        self._is_target_set = False

    def step(self) -> None:
        """Take one step towards the target."""
        if not self._is_target_set:
            self.set_env_target()
            encoder = unwrap_learner_env(self.env).encoder
            self.observation = encoder.encode(self.poise_env.agent_observation())
            self._is_target_set = True
        action = self.learner.act(self.observation[None], explore=False)[0]
        self.observation, _, _, _, info = self.env.step(action)
        # After a success the environment has sampled a target of its own: replace it.
        self._is_target_set = not info["success"]

    def render(self) -> Array:
        """Return an image (H, W, 3) uint8 of the body and its target, never the environment's."""
        if not self._is_target_set:
            self.set_env_target()
        return np.asarray(self.env.render())

    def set_env_target(self) -> None:
        """Set the environment's target to the robot's."""
        self.poise_env.set_target(self._target_pose)

    def reach_pose(
        self, target: Target, seed: int, recorder: Any = None, *, use_image: bool = True
    ) -> Attempt:
        """Try to take one pose, from the initial state of a seed, by its image or its true pose.

        A `recorder` gets a frame for each step.
        """
        self.reset(seed)
        read_pose = self.set_target_image(target, use_image=use_image)
        goal_pose = read_pose if target.pose is None else target.pose
        task: PoseTask = self.poise_env.task
        # A second task decides on success: that of the environment has the robot's target, which
        # may be misread, and is refined on the way.
        check = PoseTask(task.position_tolerance, task.hold_steps, task.roots)
        if goal_pose is not None:
            check.set_target(task.pose_to_points(goal_pose), task.pose_to_points(self.pose))
        reached_after = None
        for step in range(1, self.max_steps + 1):
            self.step()
            if use_image:
                self.refine_target(step)
            if recorder is not None:
                self.plot.add(self._compute_error(self.pose, goal_pose))
                recorder.add(self.draw_comparison(target))
            if goal_pose is not None:
                check.step(task.pose_to_points(self.pose))
                if check.is_achieved:
                    reached_after = step
                    break
        if recorder is not None:
            last_frame = self.draw_comparison(target)
            for _ in range(PAUSE_FRAMES):
                recorder.add(last_frame)
        return Attempt(
            target.name,
            reached_after,
            final_error=self._compute_error(self.pose, goal_pose),
            reading_error=self._compute_error(read_pose, target.pose),
        )

    def follow_video(
        self, targets: Sequence[Target], frame_rate: float, recorder: Any = None
    ) -> list[FrameError]:
        """Follow a video shown at `frame_rate` (frames/s); return the errors in each frame.

        Before the video starts, the robot has `max_steps` to take the pose of the first frame.
        """
        self.reset(EVALUATION_SEED)
        self.plot = self.make_plot(frame_rate, PLOT_SECONDS)
        self.set_target_image(targets[0])
        for _ in range(self.max_steps):
            self.step()
        frame_errors = []
        due_steps = 0.0
        read_poses = self.track_video(targets, 1.0 / frame_rate)
        counted_targets = count_progress(targets, len(targets), "frames")
        for target, read_pose in zip(counted_targets, read_poses, strict=True):
            due_steps += self.poise_env.CONTROL_HZ / frame_rate
            while due_steps >= 1.0:
                self.step()
                due_steps -= 1.0
            frame_errors.append(
                FrameError(
                    tracking_error=self._compute_error(self.pose, read_pose),
                    true_error=self._compute_error(self.pose, target.pose),
                    reading_error=self._compute_error(read_pose, target.pose),
                )
            )
            if recorder is not None:
                goal_pose = read_pose if target.pose is None else target.pose
                self.plot.add(self._compute_error(self.pose, goal_pose))
                recorder.add(self.draw_comparison(target))
        return frame_errors

    def draw_comparison(self, target: Target) -> Array:
        """Return what the robot sees, what it does, and its error over time, (H, W, 3) uint8."""
        does = "does; amber: the pose it read" if self.poise_env.settings.show_markers else "does"
        images = (target.image, self.render())
        views = draw_views(images, (f"sees {target.name}", does), self.size)
        goal = "the pose it read" if target.pose is None else "the true pose"
        plot = self.plot.draw(self.size, f"error from {goal}")
        return np.concatenate([views, plot], axis=1)

    def _compute_error(self, pose: Array | None, goal_pose: Array | None) -> PoseError | None:
        """Return the error of one pose from another; None where one is unknown."""
        if pose is None or goal_pose is None:
            return None
        error: PoseError = self.poise_env.task.error(pose, goal_pose)
        return error
