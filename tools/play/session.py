"""A live environment: episodes that follow one another in real time, in which policy and person act, and which may be disturbed."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from poise.toolkit.errors import UserError
from poise.toolkit.experience import EpisodeStep
from poise.toolkit.interaction import ImagePoint
from poise.toolkit.media.hud import draw_hud
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
from poise.tools.record.record_run import get_frame_rate


class TapeRecorder:
    """What was seen and done since an episode began, in the environment of an id with some settings."""

    def __init__(self, env_id: str = "", settings: Mapping[str, Any] | None = None) -> None:
        self.env_id = env_id
        self.settings = dict(settings or {})

    def start_episode(
        self, seed: int, changed_settings: Mapping[str, float], observation: Array
    ) -> None:
        """An episode begins, with these settings turned."""
        self._seed = seed
        self._episode_settings = {**self.settings, **changed_settings}
        self._steps: list[EpisodeStep] = []
        self.add(observation, None)

    def add(self, observation: Array, action: Any) -> None:
        """A step was made."""
        self._steps.append(EpisodeStep(observation, action, 0.0, False, False, {}))

    def make_tape(self, perturbed_by: str) -> Tape:
        """The tape up to now; a UserError where something has disturbed the episode, or nobody knows which environment it is."""
        if perturbed_by:
            raise UserError(
                f"no tape: {perturbed_by} disturbed this episode, and a tape knows only seed and actions"
            )
        if not self.env_id or len(self._steps) < 2:
            raise UserError("no tape: there is no episode yet that it could tell")
        return Tape.from_steps(
            self.env_id, self._episode_settings, self._seed, self._steps, get_versions()
        )


@dataclass
class PlayerScore:
    """What one of them has done."""

    seconds: float = 0.0
    total_reward: float = 0.0
    steps: int = 0
    falls: int = 0
    current_streak: float = 0.0
    longest_streak: float = 0.0
    """The longest time without a fall and without a break (s)."""


@dataclass
class Scoreboard:
    """A tally for each who has acted, by name. A step, and a fall, is theirs who had more than half of a say in it."""

    players: dict[str, PlayerScore] = field(default_factory=dict)
    current_player: str = ""

    def add_step(self, player: str, seconds: float, reward: float, *, has_fallen: bool) -> None:
        """Count a step."""
        tally = self.players.setdefault(player, PlayerScore())
        if player != self.current_player:
            self.current_player = player
            tally.current_streak = 0.0
        tally.seconds = tally.seconds + seconds
        tally.total_reward = tally.total_reward + reward
        tally.steps = tally.steps + 1
        tally.current_streak += seconds
        tally.longest_streak = max(tally.longest_streak, tally.current_streak)
        if has_fallen:
            tally.falls += 1
            tally.current_streak = 0.0

    def start_episode(self) -> None:
        """A new episode is a new stretch."""
        self.current_player = ""

    def make_rows(self) -> list[tuple[str, str]]:
        """The longest time up, falls, and what a step paid in the mean, for each who has acted."""
        rows = []
        for who, tally in self.players.items():
            rows += [(f"{who}: best, falls", f"{tally.longest_streak:.1f} s, {tally.falls}")]
            rows += [(f"{who}: reward a step", f"{tally.total_reward / tally.steps:z.2f}")]
        return rows


FRAME_BUDGET = 0.012
"""How long a picture in motion may take (s): what is left of a frame is for the policy and the window."""


MIN_RESOLUTION_SCALE = 0.3
"""The least part of its size in which an environment in space is drawn before it is enlarged."""


class LiveRenderer:
    """Draws an environment `size` pixels high, or as high as it draws itself; with a `hud` where the environment is ours.

    Pictures of space take long without a graphics card. In motion they are drawn as large as there is time for, and enlarged.
    """

    def __init__(self, env: Env, size: int | None = None, *, hud: bool = False) -> None:
        self.env = env
        self.poise_env = unwrap_poise_env(env)
        self.size = size
        self.has_hud = hud
        self.resolution_scale = 1.0
        self.is_downscaled = False
        """The part of its size in which there is time to draw it, and whether the last picture was."""

    def render(self, *, full_resolution: bool) -> Array:
        """The picture now (H, W, 3) uint8; a sharp one may take its time."""
        frame = self._render_scaled(full_resolution)
        wide, high = self._get_display_size(frame)
        if frame.shape[:2] != (high, wide):
            frame = resize_frame(frame, wide, high)
        return (
            draw_hud(frame, self.poise_env)
            if self.has_hud and self.poise_env is not None
            else frame
        )

    def _render_scaled(self, full_resolution: bool) -> Array:
        camera = getattr(self.poise_env, "camera", None)
        if camera is None or self.poise_env is None:
            return np.asarray(self.env.render())
        part = 1.0 if full_resolution else self.resolution_scale
        self.is_downscaled = part < 1.0
        camera.width, camera.height = (
            max(16, round(part * side)) for side in self._get_full_size()
        )
        began = time.perf_counter()
        frame = np.asarray(self.env.render())
        took = time.perf_counter() - began
        if not full_resolution and not 0.5 * FRAME_BUDGET < took < 1.5 * FRAME_BUDGET:
            self.resolution_scale = min(
                1.0, max(MIN_RESOLUTION_SCALE, part * (FRAME_BUDGET / took) ** 0.5)
            )
        return frame

    def _get_full_size(self) -> tuple[int, int]:
        assert self.poise_env is not None
        return self.poise_env.settings.width, self.poise_env.settings.height

    def _get_display_size(self, frame: Array) -> tuple[int, int]:
        """Width and height in which the picture is seen."""
        if self.poise_env is not None:
            return self._get_full_size()
        share = self.size / frame.shape[0] if self.size else 1.0
        return round(share * frame.shape[1]), round(share * frame.shape[0])


SLOW_MOTION_FACTOR = 0.25


OUTCOME_SECONDS = 1.5
"""How long an ended episode stays, so that one can read why it ended (s)."""


HUMAN = "you"
POLICY = "policy"


MAX_CATCH_UP = 0.1
"""The longest real time that is made up for at once (s): where a machine is slower, so is the environment."""


class PlaySession:
    """An environment, who acts in it and how its time goes. The person's keys have a `share` in a policy's actions, or all of it."""

    def __init__(
        self,
        env: Env,
        policy: PolicyActor | None = None,
        speed: float = 1.0,
        seed: int = 0,
        renderer: LiveRenderer | None = None,
        tape: TapeRecorder | None = None,
    ) -> None:
        size = get_action_dim(env.action_space)
        self.env = env
        self.policy = policy
        self.speed = speed
        self.poise_env = unwrap_poise_env(env)
        self.rate = get_frame_rate(env)
        self.actor_name = HUMAN
        self.human_share = 0.0 if policy else 1.0
        self.keyboard = KeyboardActor(size)
        self.perturbations = Perturbations(self.poise_env)
        self.scoreboard = Scoreboard()
        self.renderer = renderer or LiveRenderer(env)
        self.tape = tape or TapeRecorder()
        # A body falls within a second: whoever is to steer it begins when ready.
        self.is_paused = policy is None
        self.is_slow_motion = False
        self.start_episode(seed)

    @property
    def effective_speed(self) -> float:
        """How fast the environment's time goes."""
        return self.speed * (SLOW_MOTION_FACTOR if self.is_slow_motion else 1.0)

    def start_episode(self, seed: int) -> None:
        """Begin the episode of a seed."""
        self.seed = seed
        self.observation: Array = self.env.reset(seed=seed)[0]
        self.action: Array = np.zeros_like(self.keyboard.action)  # one number for each pair of keys
        self.steps = 0
        self.reward = 0.0
        self.episode_return = 0.0
        self.outcome = ""
        self.perturbations.start_episode(seed)
        self.tape.start_episode(seed, self.perturbations.changed_settings, self.observation)
        self.scoreboard.start_episode()
        self._pending_steps = 0.0
        self._outcome_elapsed = 0.0
        self._frame: Array | None = None

    def start_next_episode(self) -> None:
        """Begin the episode of the next seed."""
        self.start_episode(self.seed + 1)

    def restart_episode(self) -> None:
        """Begin the same episode again."""
        self.start_episode(self.seed)

    def step_once(self) -> None:
        """One step, while time stands still."""
        if self.is_paused:
            self.step()

    def toggle_slow_motion(self) -> None:
        """Slow motion, or full speed again."""
        self.is_slow_motion = not self.is_slow_motion

    def toggle_control(self) -> None:
        """Take the controls from the policy, or give them back."""
        self.human_share = 0.0 if self.human_share > 0.5 else 1.0

    def get_frame(self) -> Array:
        """The environment now, (H, W, 3) uint8; drawn again only when it has moved, or sharply, once it stands still."""
        if self._frame is None or (self.is_paused and self.renderer.is_downscaled):
            self._frame = self.renderer.render(full_resolution=self._frame is not None)
        return self._frame

    def grab(self, cursor: ImagePoint) -> None:
        """Take hold of the body at a place of the picture."""
        if not self.outcome and 0.0 <= min(cursor) <= max(cursor) <= 1.0:
            self.perturbations.grab(cursor)

    def throw_ball(self, cursor: ImagePoint) -> None:
        """Throw a ball at a place of the picture."""
        if not self.outcome:
            self.perturbations.throw_ball(cursor)
            self._frame = None

    def set_parameter(self, name: str, value: float) -> None:
        """Give a setting of the environment another value, at once."""
        self.perturbations.set_parameter(name, value)
        self._frame = None

    def move_camera(self, right: float = 0.0, down: float = 0.0, zoom_steps: float = 0.0) -> None:
        """Turn the scene by parts of the picture's width and height, and come nearer; where the environment has a camera."""
        if camera := getattr(self.poise_env, "camera", None):
            camera.orbit(right, down)
            camera.zoom(zoom_steps)
            self._frame = None

    def advance(self, seconds: float) -> None:
        """Let `seconds` of real time pass: hands move, and the environment makes the steps that are due."""
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
        """One step: policy and person act, and what disturbs the environment does. After an episode's last, the next one."""
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
        who = self.actor_name if self.policy is None or self.human_share > 0.5 else POLICY
        self.scoreboard.add_step(who, 1.0 / self.rate, self.reward, has_fallen=bool(terminated))
        if terminated or truncated:
            self.outcome = (
                f"failed: {info['failure']}"
                if "failure" in info
                else "ended"
                if terminated
                else "time is up"
            )
            self.perturbations.release()

    def _choose_action(self) -> Any:
        """What the policy and the person, each with a share, do now."""
        person = convert_action(self.keyboard.action, self.env.action_space)
        if self.policy is None or self.human_share == 1.0:
            return person
        own = self.policy.act(self.observation)
        return (
            blend_actions(own, person, self.human_share, self.env.action_space)
            if self.human_share
            else own
        )
