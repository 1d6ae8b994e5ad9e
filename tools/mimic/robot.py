"""A robot: a body in its environment that takes poses, moved by a run's policy. Who inherits says how it knows which pose to take."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np
import pygame

from poise import algos
from poise.toolkit.errors import UserError
from poise.toolkit.evaluation import EVALUATION_SEED
from poise.toolkit.media.hud import TRACK_COLOUR
from poise.toolkit.media.image import TEXT_COLOUR, frame_to_surface, get_font, surface_to_frame
from poise.toolkit.pose_task import PoseEnvironment, PoseError, PoseTask
from poise.toolkit.registry import DEFAULT_MAX_EPISODE_STEPS, Env, make_env, unwrap_poise_env
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array, slices
from poise.toolkit.wrappers import FlattenPixels
from poise.tools.mimic.targets import Target
from poise.tools.record.record_run import make_render_env


class Attempt(NamedTuple):
    """How one pose was taken: after how many steps, or not (None); how far away the robot was in the end, if that is known."""

    name: str
    steps: int | None
    final_error: PoseError | None
    reading_error: PoseError | None
    """How far what a translator read is from the true pose, where both are known."""


class FrameError(NamedTuple):
    """A frame of a film that was followed: how far the robot is from what was read, and from the truth, where that is known."""

    tracking_error: PoseError | None
    true_error: PoseError | None
    reading_error: PoseError | None


def draw_side_by_side(images: tuple[Array, Array], captions: tuple[str, str], size: int) -> Array:
    """Pictures (H, W, 3) uint8 of any size, each shown as a square of `size` pixels: (size, 2 size, 3) uint8."""
    surface = pygame.Surface((2 * size, size))
    font = get_font(max(12, size // 18))
    for picture, text, left in zip(images, captions, (0, size), strict=True):
        shown = frame_to_surface(picture)
        if shown.get_size() != (size, size):
            enlarge = (
                pygame.transform.scale if len(picture) < size // 2 else pygame.transform.smoothscale
            )  # Few pixels stay pixels.
            shown = enlarge(shown, (size, size))
        surface.blit(shown, (left, 0))
        surface.blit(
            font.render(text, True, TEXT_COLOUR), (left + 6, size - font.get_linesize() - 4)
        )
    pygame.draw.line(surface, TRACK_COLOUR, (size, 0), (size, size), max(1, size // 160))
    return surface_to_frame(surface)


PAUSE_FRAMES = 15
"""Frames for which a film stays on a pose that was taken."""


class Robot(ABC):
    """The body of a policy's environment, whose task is to take poses, drawn in `size` pixels each way; `looks` are settings of it."""

    image_size: tuple[int, int]
    """Height and width of the pictures that it is shown."""
    image_env_settings: Mapping[str, Any]
    """Settings of an environment whose own pictures are such ones."""
    poise_env: Any
    """The body's environment itself, a PoseEnvironment."""

    def __init__(self, policy: Run, size: int, **render_settings: Any) -> None:
        self.env_id: str = policy.config["env"]
        settings = policy.config["env_settings"]
        self.learner = algos.restore_learner(policy)
        with closing(make_env(self.env_id, settings)) as env:
            if not isinstance(unwrap_poise_env(env), PoseEnvironment):
                raise UserError(
                    f"run {policy.path.name!r} takes no poses: {self.env_id} has no targets"
                )
        render_settings = {"width": size, "height": size, "show_markers": True, **render_settings}
        self.env: Env = make_render_env(self.env_id, settings, render_settings)
        self.poise_env = self.env.unwrapped
        limit = self.env.spec.max_episode_steps if self.env.spec else None
        self.max_steps: int = (limit or DEFAULT_MAX_EPISODE_STEPS) // 2
        """Steps that the robot has for a pose: half an episode."""
        self.pose_slice: slice = slices(self.poise_env.OBSERVATION)["pose"]
        self.size: int = size
        self.env.reset(seed=EVALUATION_SEED)  # The body is there from then on.

    @abstractmethod
    def set_target_image(self, target: Target, *, use_image: bool = True) -> Array | None:
        """Move to what a picture shows from now on, or blindly to its true pose; what was read in it, if anybody reads."""

    @abstractmethod
    def track_video(self, frames: Iterable[Target], seconds: float) -> Iterator[Array | None]:
        """The same for a film, picture by picture; each comes `seconds` after the last one."""

    @abstractmethod
    def refine_target(self, step: int) -> None:
        """What it does at each step of its way to a pose that it sees."""

    def reset(self, seed: int) -> None:
        """Begin anew, in any pose, with nothing seen."""
        self.observation: Array = self.env.reset(seed=seed)[0]
        self.set_target(self.pose)

    @property
    def pose(self) -> Array:
        """Where the robot's joints are."""
        pose: Array = self.poise_env.get_observation()[self.pose_slice].astype(np.float32)
        return pose

    def set_target(self, pose: Array) -> None:
        """Move to a pose from now on."""
        self._target_pose = pose
        self._is_target_set = False

    def step(self) -> None:
        """One step towards the pose that is aimed at."""
        if not self._is_target_set:
            self.set_env_target()
            seen = self.poise_env.agent_observation()
            self.observation = (
                self.env.observation(seen) if isinstance(self.env, FlattenPixels) else seen
            )
            self._is_target_set = True
        action = self.learner.act(self.observation[None], explore=False)[0]
        self.observation, _, _, _, info = self.env.step(action)
        self._is_target_set = not info[
            "success"
        ]  # Or the environment has chosen its next target, and we have not.

    def set_env_target(self) -> None:
        """Tell the environment which target is its own now."""
        self.poise_env.set_target(self._target_pose)

    def reach_pose(
        self, target: Target, seed: int, recorder: Any = None, *, use_image: bool = True
    ) -> Attempt:
        """Take one pose, from the environment's start at a seed; by its picture, or blindly by its true numbers."""
        self.reset(seed)
        read = self.set_target_image(target, use_image=use_image)
        true = read if target.pose is None else target.pose
        task: PoseTask = self.poise_env.task
        judge = PoseTask(task.position_tolerance, task.hold_steps, task.roots)
        if true is not None:
            judge.set_target(task.pose_to_points(true), task.pose_to_points(self.pose))
        taken = None
        for step in range(1, self.max_steps + 1):
            self.step()
            if use_image:
                self.refine_target(step)
            if recorder is not None:
                recorder.add(self.draw_comparison(target, true))
            if true is not None:
                judge.step(task.pose_to_points(self.pose))
                if judge.is_achieved:
                    taken = step
                    break
        for _ in range(0 if recorder is None else PAUSE_FRAMES):
            recorder.add(self.draw_comparison(target, true))
        return Attempt(
            target.name,
            taken,
            self._compute_error(self.pose, true),
            self._compute_error(read, target.pose),
        )

    def follow_video(
        self, targets: Sequence[Target], frame_rate: int, recorder: Any = None
    ) -> list[FrameError]:
        """Follow a film shown at `frame_rate` frames a second, once the robot has had its time to take the first frame's pose."""
        self.reset(EVALUATION_SEED)
        self.set_target_image(targets[0])
        for _ in range(self.max_steps):
            self.step()
        moments = []
        due = 0.0
        for target, read in zip(targets, self.track_video(targets, 1.0 / frame_rate), strict=True):
            due += self.poise_env.CONTROL_HZ / frame_rate
            while due >= 1.0:
                self.step()
                due -= 1.0
            moments.append(
                FrameError(
                    self._compute_error(self.pose, read),
                    self._compute_error(self.pose, target.pose),
                    self._compute_error(read, target.pose),
                )
            )
            if recorder is not None:
                recorder.add(
                    self.draw_comparison(target, read if target.pose is None else target.pose)
                )
        return moments

    def draw_comparison(self, target: Target, target_pose: Array | None) -> Array:
        """What it sees and what it does, side by side, and how far it is from what is wanted: (size, 2 size, 3) uint8."""
        away = self._compute_error(self.pose, target_pose)
        captions = f"sees {target.name}", f"{1000 * away.metres:.0f} mm away" if away else ""
        return draw_side_by_side((target.image, np.asarray(self.env.render())), captions, self.size)

    def _compute_error(self, pose: Array | None, target_pose: Array | None) -> PoseError | None:
        """How far one pose is from another, where both are known."""
        return (
            None
            if pose is None or target_pose is None
            else self.poise_env.task.error(pose, target_pose)
        )
