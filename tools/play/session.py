"""A live environment: consecutive episodes in real time, controlled by policy and keyboard."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from poise.toolkit.errors import UserError
from poise.toolkit.experience import EpisodeStep
from poise.toolkit.interaction import ImagePoint
from poise.toolkit.media.frame import render_frame
from poise.toolkit.media.hud import format_value
from poise.toolkit.media.image import resize_frame
from poise.toolkit.registry import Env, unwrap_poise_env
from poise.toolkit.run import get_versions
from poise.toolkit.spaces import Array
from poise.toolkit.tape import Tape
from poise.tools.play.actors import (
    KeyboardActor,
    PolicyActor,
    blend_actions,
    convert_action,
    get_action_dim,
)
from poise.tools.play.perturbation import Perturbations
from poise.tools.record.episode_trace import (
    TraceSample,
    make_action_samples,
    read_failure_margins,
)
from poise.tools.record.record_run import get_frame_rate

HUMAN = "you"
POLICY = "policy"
"""Names of the players on the scoreboard."""


SLOW_MOTION_FACTOR = 0.25


OUTCOME_SECONDS = 1.5
"""Time for which the end of an episode stays on the screen, so that its outcome can be read (s)."""


MAX_CATCH_UP = 0.1
"""Maximum real time simulated at once (s): on a slow machine the environment runs slower."""


FRAME_BUDGET = 0.012
"""Time for rendering a moving scene (s); the rest of a frame is for the policy and the window."""


MIN_RESOLUTION_SCALE = 0.3
"""Smallest scale at which a moving scene in space is rendered before it is enlarged."""


class PlaySession:
    """An environment in real time, with its policy, keyboard, perturbations, tape and scoreboard.

    `human_share`, in [0, 1], is the weight of the keyboard's action against the policy's; without a
    policy it is 1. Such a session starts paused, because a body falls within a second.
    """

    def __init__(
        self,
        env: Env,
        policy: PolicyActor | None = None,
        speed: float = 1.0,
        seed: int = 0,
        renderer: "LiveRenderer | None" = None,
        tape: "TapeRecorder | None" = None,
    ) -> None:
        self.env = env
        self.poise_env = unwrap_poise_env(env)
        self.policy = policy
        self.keyboard = KeyboardActor(get_action_dim(env.action_space))
        self.human_share = 0.0 if policy else 1.0
        self.actor_name = HUMAN
        self.speed = speed
        self.rate = get_frame_rate(env)
        """Steps per second of the environment's own time (Hz)."""
        self.perturbations = Perturbations(self.poise_env)
        self.scoreboard = Scoreboard()
        self.renderer = renderer or LiveRenderer(env)
        self.tape = tape or TapeRecorder()
        self.is_paused = policy is None
        self.is_slow_motion = False
        self.start_episode(seed)

    @property
    def effective_speed(self) -> float:
        """Seconds of the environment's time per second of real time."""
        return self.speed * (SLOW_MOTION_FACTOR if self.is_slow_motion else 1.0)

    def start_episode(self, seed: int) -> None:
        """Start the episode of a seed."""
        self.seed = seed
        if self.policy is not None:
            self.policy.reset()
        self.observation: Array = self.env.reset(seed=seed)[0]
        self.action: Array = np.zeros_like(self.keyboard.action)  # (A,)
        self.steps = 0
        self.reward = 0.0
        self.episode_return = 0.0
        self.outcome = ""
        self.has_failed = False
        self.perturbations.start_episode(seed)
        self.tape.start_episode(seed, self.perturbations.changed_settings, self.observation)
        self.scoreboard.start_episode()
        self._pending_steps = 0.0
        self._outcome_elapsed = 0.0
        self._frame: Array | None = None

    def start_next_episode(self) -> None:
        """Start the episode of the next seed."""
        self.start_episode(self.seed + 1)

    def restart_episode(self) -> None:
        """Start the same episode again."""
        self.start_episode(self.seed)

    def step_once(self) -> None:
        """Make one step if the session is paused."""
        if self.is_paused:
            self.step()

    def toggle_slow_motion(self) -> None:
        """Turn slow motion on or off."""
        self.is_slow_motion = not self.is_slow_motion

    def toggle_control(self) -> None:
        """Take control from the policy, or return it."""
        self.human_share = 0.0 if self.human_share > 0.5 else 1.0

    def get_frame(self) -> Array:
        """Return the current frame (H, W, 3) uint8.

        It is rendered again only after the scene changed, or at full resolution once it is paused.
        """
        if self._frame is None or (self.is_paused and self.renderer.is_downscaled):
            self._frame = self.renderer.render(full_resolution=self._frame is not None)
        return self._frame

    def grab(self, cursor: ImagePoint) -> None:
        """Grab the body at a point of the image."""
        if not self.outcome and 0.0 <= min(cursor) <= max(cursor) <= 1.0:
            self.perturbations.grab(cursor)

    def throw_ball(self, cursor: ImagePoint) -> None:
        """Throw a ball at a point of the image."""
        if not self.outcome:
            self.perturbations.throw_ball(cursor)
            self._frame = None

    def set_parameter(self, name: str, value: float) -> None:
        """Change a setting of the environment at once."""
        self.perturbations.set_parameter(name, value)
        self._frame = None

    def move_camera(self, right: float = 0.0, down: float = 0.0, zoom_steps: float = 0.0) -> None:
        """Orbit by fractions of the image's size and zoom in, where there is a camera."""
        if camera := getattr(self.poise_env, "camera", None):
            camera.orbit(right, down)
            camera.zoom(zoom_steps)
            self._frame = None

    def read_samples(self) -> list[TraceSample]:
        """Return the reward, failure margins and action of the current step."""
        reward = self.reward if self.steps else math.nan
        return [
            TraceSample("reward", "reward", reward),
            *read_failure_margins(self.env),
            *make_action_samples(self.env, self.action),
        ]

    def advance(self, seconds: float) -> None:
        """Advance by `seconds` of real time: ramp the held keys and make the steps that are due."""
        self.keyboard.update(seconds)
        if self.is_paused:
            return
        seconds = min(seconds, MAX_CATCH_UP)
        if self.outcome:
            self._outcome_elapsed += seconds
            if self._outcome_elapsed >= OUTCOME_SECONDS:
                self.start_next_episode()
            return
        self._pending_steps += seconds * self.rate * self.effective_speed
        while self._pending_steps >= 1.0 and not self.outcome:
            self._pending_steps -= 1.0
            self.step()

    def step(self) -> None:
        """Make one step with perturbations; after the end of an episode, start the next one."""
        if self.outcome:
            self.start_next_episode()
            return
        self.perturbations.apply(1.0 / self.rate)
        action = self._choose_action()
        self.observation, reward, terminated, truncated, info = self.env.step(action)
        self.tape.add(self.observation, action)
        self.action = np.atleast_1d(action)
        self._frame = None
        self.steps += 1
        self.reward = float(reward)
        self.episode_return += self.reward
        is_human = self.policy is None or self.human_share > 0.5
        player = self.actor_name if is_human else POLICY
        self.scoreboard.add_step(player, 1.0 / self.rate, self.reward, has_fallen=bool(terminated))
        if terminated or truncated:
            self.outcome = _describe_outcome(bool(terminated), info)
            self.has_failed = "failure" in info
            self.perturbations.release()

    def _choose_action(self) -> Any:
        """Return the action of keyboard and policy, weighted by `human_share`."""
        space = self.env.action_space
        human_action = convert_action(self.keyboard.action, space)
        if self.policy is None or self.human_share == 1.0:
            return human_action
        policy_action = self.policy.act(self.observation)
        if self.human_share == 0.0:
            return policy_action
        return blend_actions(policy_action, human_action, self.human_share, space)


def _describe_outcome(terminated: bool, info: Mapping[str, Any]) -> str:
    if "failure" in info:
        return f"failed: {info['failure']}"
    return "terminated" if terminated else "time limit reached"


class LiveRenderer:
    """Render an environment in real time.

    Without a GPU, scenes in space render slowly: while they move, they are rendered at a scale that
    fits into FRAME_BUDGET, and enlarged. `size` is the height at which images of other packages'
    environments are shown (pixels; None: as rendered).
    """

    def __init__(self, env: Env, size: int | None = None) -> None:
        self.env = env
        self.poise_env = unwrap_poise_env(env)
        self.size = size
        self.resolution_scale = 1.0
        """Scale of the full size at which rendering fits into the budget."""
        self.is_downscaled = False
        """Whether the last image was rendered below its full size."""

    def render(self, *, full_resolution: bool) -> Array:
        """Return the current frame (H, W, 3) uint8; full resolution may exceed the budget."""
        frame = self._render_scaled(full_resolution)
        width, height = self._get_display_size(frame)
        if frame.shape[:2] != (height, width):
            frame = resize_frame(frame, width, height)
        return frame

    def _render_scaled(self, full_resolution: bool) -> Array:
        camera = getattr(self.poise_env, "camera", None)
        if camera is None:
            return render_frame(self.env)
        scale = 1.0 if full_resolution else self.resolution_scale
        self.is_downscaled = scale < 1.0
        width, height = self._get_full_size()
        camera.width = max(16, round(scale * width))
        camera.height = max(16, round(scale * height))
        start = time.perf_counter()
        frame = render_frame(self.env)
        seconds = time.perf_counter() - start
        is_on_budget = 0.5 * FRAME_BUDGET < seconds < 1.5 * FRAME_BUDGET
        if not full_resolution and not is_on_budget:
            # Rendering time grows with the number of pixels: with the square of the scale.
            best_scale = scale * (FRAME_BUDGET / seconds) ** 0.5
            self.resolution_scale = min(1.0, max(MIN_RESOLUTION_SCALE, best_scale))
        return frame

    def _get_full_size(self) -> tuple[int, int]:
        """Return width and height of a Poise environment's image (pixels)."""
        assert self.poise_env is not None
        return self.poise_env.settings.width, self.poise_env.settings.height

    def _get_display_size(self, frame: Array) -> tuple[int, int]:
        """Return width and height at which the image is shown (pixels)."""
        if self.poise_env is not None:
            return self._get_full_size()
        scale = self.size / frame.shape[0] if self.size else 1.0
        return round(scale * frame.shape[1]), round(scale * frame.shape[0])


class TapeRecorder:
    """Record the observations and actions of an episode, for a tape."""

    def __init__(self, env_id: str = "", settings: Mapping[str, Any] | None = None) -> None:
        self.env_id = env_id
        self.settings = dict(settings or {})

    def start_episode(
        self, seed: int, changed_settings: Mapping[str, float], observation: Array
    ) -> None:
        """Start an episode under the environment's settings, updated by the changed ones."""
        self._seed = seed
        self._episode_settings = {**self.settings, **changed_settings}
        self._steps: list[EpisodeStep] = []
        self.add(observation, None)

    def add(self, observation: Array, action: Any) -> None:
        """Add a step: the action and the observation that followed."""
        self._steps.append(EpisodeStep(observation, action, 0.0, False, False, {}))

    def make_tape(self, perturbed_by: str) -> Tape:
        """Return a tape of the episode so far.

        A UserError if a perturbation makes the episode irreproducible, if the environment's id is
        unknown, or before the first step.
        """
        if perturbed_by:
            raise UserError(
                f"no tape: this episode was perturbed ({perturbed_by}), "
                "and a tape holds only seed and actions"
            )
        if not self.env_id:
            raise UserError("no tape: the environment's id is unknown")
        if len(self._steps) < 2:
            raise UserError("no tape: the episode has no step yet")
        return Tape.from_steps(
            self.env_id, self._episode_settings, self._seed, self._steps, get_versions()
        )


@dataclass
class PlayerScore:
    """Statistics of one player."""

    seconds: float = 0.0
    total_reward: float = 0.0
    steps: int = 0
    falls: int = 0
    current_streak: float = 0.0
    longest_streak: float = 0.0
    """Longest time in control within one episode without a fall (s)."""


@dataclass
class Scoreboard:
    """Scores by player; a step counts for the player with more than half of the control."""

    players: dict[str, PlayerScore] = field(default_factory=dict)
    current_player: str = ""

    def add_step(self, player: str, seconds: float, reward: float, *, has_fallen: bool) -> None:
        """Count a step of `seconds` for a player."""
        score = self.players.setdefault(player, PlayerScore())
        if player != self.current_player:
            self.current_player = player
            score.current_streak = 0.0
        score.seconds += seconds
        score.total_reward += reward
        score.steps += 1
        score.current_streak += seconds
        score.longest_streak = max(score.longest_streak, score.current_streak)
        if has_fallen:
            score.falls += 1
            score.current_streak = 0.0

    def start_episode(self) -> None:
        """End the current streak: streaks do not continue across episodes."""
        self.current_player = ""

    def make_rows(self) -> list[tuple[str, str]]:
        """Return a row for each player: longest streak and falls; mean reward of a step."""
        rows = []
        for player, score in self.players.items():
            falls = f"{score.falls} fall{'s' * (score.falls != 1)}"
            mean_reward = format_value(score.total_reward / score.steps, 1.0)
            left = f"{player}: longest {score.longest_streak:.1f} s, {falls}"
            rows.append((left, f"mean reward {mean_reward}"))
        return rows
