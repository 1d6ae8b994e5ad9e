"""Overlays of recorded frames: strip charts beside the image, and the ghost of another run."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pygame

from poise import algos
from poise.algos.base import Learner
from poise.toolkit.errors import UserError
from poise.toolkit.evaluation import read_success
from poise.toolkit.experience import ActorPolicy, EpisodeStep, run_episode
from poise.toolkit.media.frame import render_frame
from poise.toolkit.media.hud import describe_action
from poise.toolkit.media.image import CARD_COLOUR, MIN_FONT_SIZE, surface_to_frame
from poise.toolkit.registry import Env, unwrap_poise_env
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array
from poise.tools.record.episode_trace import (
    TraceSample,
    make_action_samples,
    read_failure_margins,
    read_reward_terms,
)
from poise.tools.record.strip_chart import MAX_COLUMNS, StripCharts

PANEL_WIDTH = 0.7
"""Width of a column of strip charts, in heights of the frame."""


MIN_PANEL_WIDTH = 320
"""Minimum width of a column of strip charts (pixels)."""


TEXT_FRACTION = 42
"""Height of the frame in font sizes of the charts."""


GHOST_OPACITY = 0.4
"""Opacity of the ghost's image."""


DARK_BACKGROUND = 128.0
"""Mean brightness of a frame (0 to 255) below which its background counts as dark."""


class StripChartOverlay:
    """Draw strip charts to the right of the frame: reward terms, value, actions and margins.

    Value and standard deviation of the actions need a learner; without one they are left out.
    """

    def __init__(self, env: Env, steps_per_second: float, learner: Learner | None = None) -> None:
        self.env = env
        self.learner = learner
        notes = {}
        poise_env = unwrap_poise_env(env)
        if poise_env is not None:
            notes["action"] = describe_action(poise_env.ACTION)
            if learner is not None:
                notes["action"] += "; band = 1 sd"
        self.charts = StripCharts(steps_per_second, notes)
        self._was_success = False

    def cover_episode(self, env: Env, steps: Iterable[EpisodeStep]) -> int:
        """Run through an episode in another environment, so that all ranges hold its values.

        Lines of a film whose ranges grow on the way cannot be compared. Returns the number of
        steps, the start included.
        """
        num_steps = 0
        for step in steps:
            self.charts.cover(self._read_samples(env, step))
            num_steps += 1
        return num_steps

    def __call__(self, frame: Array, step: EpisodeStep) -> Array:
        """Return the frame (H, W, 3) uint8, widened by the charts."""
        self.charts.add(self._read_samples(self.env, step), self._describe_events(step))
        return np.concatenate([frame, self._draw_panel(frame.shape[0])], axis=1)

    def _describe_events(self, step: EpisodeStep) -> str:
        """Return what happened in a step beside the action, with a check mark on a success."""
        poise_env = unwrap_poise_env(self.env)
        events = ", ".join(poise_env.last_events) if poise_env else ""
        is_success = bool(read_success(step.info))
        is_new_success = is_success and not self._was_success
        self._was_success = is_success
        return f"✓ {events or 'success'}" if is_new_success else events

    def _read_samples(self, env: Env, step: EpisodeStep) -> list[TraceSample]:
        return [
            *read_reward_terms(env, step),
            *self._read_policy(env, step),
            *read_failure_margins(env),
        ]

    def _read_policy(self, env: Env, step: EpisodeStep) -> list[TraceSample]:
        """Return V(s), if there is a critic, and the mean action with its standard deviation."""
        if self.learner is None:
            no_action = np.zeros(env.action_space.shape or ())
            return make_action_samples(env, no_action if step.action is None else step.action)
        observation = step.observation[None]  # (1, O)
        value, std = self.learner.value_and_std(observation)
        action = self.learner.act(observation, explore=False)[0]
        samples = make_action_samples(env, action, std[0])
        if self.learner.has_critic:
            samples.insert(0, TraceSample("value", "value", float(value[0])))
        return samples

    def _draw_panel(self, height: int) -> Array:
        """Return an image (height, W, 3) uint8 of all charts, in as many columns as they need."""
        font_size = max(MIN_FONT_SIZE, height // TEXT_FRACTION)
        num_columns = min(len(self.charts.arrange(height, font_size)), MAX_COLUMNS)
        width = max(MIN_PANEL_WIDTH, round(PANEL_WIDTH * height)) // 2 * 2  # even, for H.264
        surface = pygame.Surface((width * num_columns, height))
        surface.fill(CARD_COLOUR)
        self.charts.draw(surface, surface.get_rect(), font_size)
        return surface_to_frame(surface)


@runtime_checkable
class HasCameraTarget(Protocol):
    """An environment whose camera can follow a target other than its own body."""

    camera_target_override: Callable[[], Any] | None

    def camera_target(self) -> Sequence[float]:
        """Return the point at the centre of the image (m)."""


class GhostOverlay:
    """Blend in the same episode, controlled by another run's policy in an environment of its own.

    The ghost is rendered by the camera of `env`; after its episode it stays where it ended.
    """

    def __init__(self, run: Run, env_id: str, env: Env, ghost_env: Env, seed: int) -> None:
        learner = algos.restore_learner(run)
        trained_on = run.config["env"]
        if trained_on != env_id:
            raise UserError(
                f"run {run.path.name!r} cannot be a ghost in {env_id}: "
                f"it was trained on {trained_on}"
            )
        if learner.observation_space != ghost_env.observation_space:
            raise UserError(
                f"run {run.path.name!r} cannot be a ghost in {env_id}: "
                "it was trained with other observations"
            )
        followed_env = unwrap_poise_env(env)
        camera_env = unwrap_poise_env(ghost_env)
        if isinstance(followed_env, HasCameraTarget) and isinstance(camera_env, HasCameraTarget):
            camera_env.camera_target_override = followed_env.camera_target
        self.ghost_env = ghost_env
        self._steps = run_episode(ghost_env, ActorPolicy(learner), seed)

    def __call__(self, frame: Array, step: EpisodeStep) -> Array:
        """Return the frame (H, W, 3) uint8 with the ghost; a HUD beside the image stays as it is.

        The ghost is paler than the body on a light background, darker on a dark one.
        """
        next(self._steps, None)
        ghost = render_frame(self.ghost_env).astype(float)
        height, width = ghost.shape[:2]
        blended = frame.copy()
        image = blended[:height, :width]
        if image.mean() < DARK_BACKGROUND:
            np.maximum(image, (GHOST_OPACITY * ghost).astype(np.uint8), out=image)
        else:
            pale_ghost = (255.0 - GHOST_OPACITY * (255.0 - ghost)).astype(np.uint8)
            np.minimum(image, pale_ghost, out=image)
        return blended
