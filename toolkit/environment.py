"""BaseEnvironment: the template of every world. `reset` and `step` are written here, once.

A world says what it is (signals, rewards, settings) and fills in the hooks below; whether its bodies live in
pymunk or in PyBullet is the business of one class between (PlanarEnvironment, SpatialEnvironment).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, final

import gymnasium
import numpy as np
from pydantic import Field

from toolkit.errors import UserError, unknown
from toolkit.settings import Settings
from toolkit.signals import Array, Signal, box

Effort = Sequence[float]
"""An action as the hooks see it: one plain number in [-1, 1] for each part."""


class WorldSettings(Settings):
    """What every world lets its user choose."""

    reward: str = Field("posture", description="which of the world's named rewards it pays")
    start_noise: float = Field(0.02, ge=0, le=0.2, description="spread of the start state (m, rad, m/s, rad/s)")
    width: int = Field(600, ge=16, le=4096, description="width of its picture (pixels)")
    height: int = Field(600, ge=16, le=4096, description="height of its picture (pixels)")
    hud: bool = Field(False, description="draw time, return, reward terms, actions and margins over the picture")


class BaseEnvironment(gymnasium.Env[Array, Array], ABC):
    """A Gymnasium environment whose episode is told by hooks.

    reset: clear -> place -> sense -> observe
    step:  apply -> advance x SUBSTEPS -> sense -> reward_terms -> has_failed -> renew -> observe
    """

    OBSERVATION: ClassVar[tuple[Signal, ...]]
    """What the world shows, part by part; bounds are kept by clipping."""
    ACTION: ClassVar[tuple[Signal, ...]]
    """What the agent moves, in physical ranges; the agent itself always acts in [-1, 1]."""
    REWARD: ClassVar[Mapping[str, Mapping[str, float]]]
    """Named rewards, each a table from term to weight."""
    SETTINGS: ClassVar[type[WorldSettings]] = WorldSettings
    CONTROL_RATE: ClassVar[int] = 50
    """Steps of the agent in a second."""
    SUBSTEPS: ClassVar[int] = 16
    """Steps of the physics in a step of the agent."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["human", "rgb_array"], "render_fps": CONTROL_RATE}  # type: ignore[misc]
    settings: WorldSettings
    action_space: gymnasium.spaces.Box
    effort: Effort
    """The last action, for the eye: HUD and window."""
    terms: dict[str, float]
    """The last reward terms, likewise."""

    def __init__(self, render_mode: str | None = None, **settings: Any) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise unknown("render mode", str(render_mode), self.metadata["render_modes"])
        self.render_mode = render_mode
        self.settings = self.SETTINGS.parse(settings, kind="world setting")
        if self.settings.reward not in self.REWARD:
            raise unknown("reward", self.settings.reward, self.REWARD)
        self._weights = tuple(self.REWARD[self.settings.reward].items())
        self.observation_space = box(self.OBSERVATION)
        size = sum(signal.size for signal in self.ACTION)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (size,), np.float32)
        self._low, self._high = self.observation_space.low, self.observation_space.high
        self._dt = 1.0 / (self.CONTROL_RATE * self.SUBSTEPS)
        self._window: Any = None
        self._begin_story()

    @final
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Begin an episode. One seed, one story: the same seed and actions give the same bits."""
        super().reset(seed=seed)
        self._begin_story()
        self.clear()
        self.place(self.np_random)
        self.sense()
        if self.render_mode == "human":
            self.render()
        return self._observation(), {"reward_terms": {}}

    @final
    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """One step of 1 / CONTROL_RATE seconds. `action` (A,) is clipped to [-1, 1]; NaN is a ValueError."""
        effort = self._effort(action)
        self.apply(effort)
        for _ in range(self.SUBSTEPS):
            self.advance(self._dt)
        self.sense()
        terms = self.reward_terms(effort)
        reward = 0.0
        for name, weight in self._weights:
            reward += weight * terms[name]
        failed = self.has_failed()
        info: dict[str, Any] = {"reward_terms": terms}
        if failed:
            info["failure"] = min(self.margins().items(), key=lambda item: item[1])[0]
        self.renew(info)
        self.steps += 1
        self.total_reward += reward
        self.effort = effort
        self.terms = terms
        if self.render_mode == "human":
            self.render()
        return self._observation(), reward, failed, False, info

    @final
    def render(self) -> Array | None:
        """The picture (height, width, 3) uint8 in `rgb_array` mode; in `human` mode it goes to the window."""
        if self.render_mode is None:
            gymnasium.logger.warn("render() does nothing without a render_mode: make the world with rgb_array or human")
            return None
        frame = self.draw()
        if self.settings.hud:
            from toolkit.hud import draw_hud

            frame = draw_hud(frame, self)
        if self.render_mode == "rgb_array":
            return frame
        if self._window is None:
            from toolkit.window import Window

            self._window = Window(type(self).__name__)
        self._window.show(frame)
        self._window.wait(self.CONTROL_RATE)
        return None

    def close(self) -> None:
        """Give everything back; closing twice is no error."""
        if self._window is not None:
            self._window.close()
            self._window = None

    # The hooks.

    @abstractmethod
    def clear(self) -> None:
        """Empty the world: nothing of the last episode may stay."""

    @abstractmethod
    def place(self, rng: np.random.Generator) -> None:
        """Build the bodies in their start state; all chance comes from `rng`."""

    @abstractmethod
    def apply(self, effort: Effort) -> None:
        """Turn the agent's effort in [-1, 1] into forces that last for the whole control step."""

    @abstractmethod
    def advance(self, dt: float) -> None:
        """One step of the physics, `dt` seconds."""

    def sense(self) -> None:
        """Read from the physics, once a step, what the hooks below look at."""

    @abstractmethod
    def reward_terms(self, effort: Effort) -> dict[str, float]:
        """Every reward term of the step just made, by name and unweighted."""

    def margins(self) -> dict[str, float]:
        """How far each way of failing is: 1 at rest, 0 where the episode ends. No entry, no failure."""
        return {}

    def has_failed(self) -> bool:
        """Whether the episode has ended by failure: a margin is used up."""
        return any(margin <= 0.0 for margin in self.margins().values())

    def renew(self, info: dict[str, Any]) -> None:
        """What the task does once a step is judged, a new target perhaps; it may add to `info`."""

    @abstractmethod
    def observe(self) -> Array:
        """All signals of OBSERVATION laid end to end, shape (O,)."""

    @abstractmethod
    def draw(self) -> Array:
        """The picture of the world now, (height, width, 3) uint8, drawn without a display."""

    def _begin_story(self) -> None:
        self.steps = 0
        self.total_reward = 0.0
        self.effort = ()
        self.terms = {}

    def _effort(self, action: Array) -> list[float]:
        values: list[float] = np.asarray(action).tolist()
        if not isinstance(values, list) or len(values) != len(self.action_space.low):
            raise UserError(f"an action of shape {np.shape(action)} was given, {self.action_space.shape} is needed")
        if not math.isfinite(sum(values)):
            raise UserError(f"the action holds a number that is not finite: {values}")
        return [min(1.0, max(-1.0, value)) for value in values]

    def _observation(self) -> Array:
        return np.minimum(np.maximum(self.observe(), self._low), self._high).astype(np.float32, copy=False)
