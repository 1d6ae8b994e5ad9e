"""BaseEnvironment: the template of every environment, with one class for the physics between the two."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, Protocol, final, runtime_checkable

import gymnasium
import numpy as np

from poise.toolkit.appearance import DEFAULT_APPEARANCE, Appearance
from poise.toolkit.errors import unknown_name_error
from poise.toolkit.interaction import Interaction
from poise.toolkit.observation import AgentObservation
from poise.toolkit.settings import EnvSettings
from poise.toolkit.spaces import Action, Array, Signal, validate_action


class Joint(NamedTuple):
    """A joint now."""

    name: str
    angle: float
    """How far it is bent (rad)."""
    torque: float
    """Of its motor, on the link that the joint moves (N m)."""


@runtime_checkable
class HasJoints(Protocol):
    """An environment whose body has joints with motors, one for each number of its action and in that order."""

    def joints(self) -> list[Joint]:
        """All of them, now."""


@runtime_checkable
class HasGroundContacts(Protocol):
    """An environment whose body stands on something."""

    def ground_contacts(self) -> dict[str, bool]:
        """What may stand on it, and whether it does now."""


class PushTarget(NamedTuple):
    """The part of a body that is pushed."""

    mass: float
    """Of what is pushed (kg)."""
    push: Callable[[Array], None]
    """Pushes its middle with an impulse (N s), as it acts in the step to come: (2,) in the plane, (3,) in space."""


class Pushable:
    """The hook of an environment whose body can lose its balance."""

    def push_target(self) -> PushTarget | None:
        """What pushes hit; None where there is no balance to lose."""
        return None


class BaseEnvironment(Pushable, gymnasium.Env[Any, Array], ABC):
    """A Gymnasium environment whose episode is told by hooks; `reset` and `step` are written here, once.

    reset: clear -> place -> sense -> observe
    step:  apply -> advance x SUBSTEPS -> sense -> reward_terms -> has_failed -> renew -> observe
    """

    OBSERVATION: ClassVar[
        tuple[Signal, ...]
    ]  # what the environment shows, part by part; bounds are kept by clipping
    ACTION: ClassVar[
        tuple[Signal, ...]
    ]  # what the agent moves, in physical ranges; the agent itself always acts in [-1, 1]
    REWARD: ClassVar[
        Mapping[str, Mapping[str, float]]
    ]  # named rewards, each a table from term to weight
    SETTINGS: ClassVar[type[EnvSettings]] = EnvSettings
    CONTROL_HZ: ClassVar[int] = 50  # steps of the agent in a second
    PHYSICS_STEPS: ClassVar[int] = 16  # steps of the physics in a step of the agent
    VIEW_HEIGHT: ClassVar[float] = 2.0  # metres that the picture's height shows
    # What AppearanceRandomization may change in its image (toolkit/appearance.py).
    RANDOMIZABLE: ClassVar[tuple[str, ...]] = ("pixel_noise", "occluders")
    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc]
        "render_modes": ["human", "rgb_array"],
        "render_fps": CONTROL_HZ,
    }
    settings: EnvSettings
    action_space: gymnasium.spaces.Box
    # How the episode goes, for the eye: HUD and window.
    steps = 0
    total_reward = 0.0
    last_action: Action = ()
    last_reward_terms: Mapping[str, float]
    appearance: Appearance = (
        DEFAULT_APPEARANCE  # how the next picture is drawn; whoever sets it decides for how long
    )

    def __init__(self, render_mode: str | None = None, **settings: Any) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise unknown_name_error("render mode", str(render_mode), self.metadata["render_modes"])
        self.render_mode = render_mode
        self.settings = self.SETTINGS.parse(settings, kind="environment setting")
        if self.settings.reward not in self.REWARD:
            raise unknown_name_error("reward", self.settings.reward, self.REWARD)
        self._reward_weights = tuple(self.REWARD[self.settings.reward].items())
        self.agent_view = AgentObservation(self)
        self.observation_space = self.agent_view.space
        self.action_space = gymnasium.spaces.Box(
            -1.0, 1.0, (sum(signal.size for signal in self.ACTION),), np.float32
        )
        self._dt = 1.0 / (self.CONTROL_HZ * self.PHYSICS_STEPS)
        self._window: Any = None

    @final
    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode. One seed, one story: the same seed and actions give the same bits."""
        super().reset(seed=seed)
        self.steps = 0
        self.total_reward = 0.0
        self.last_action = ()
        self.last_reward_terms = {}
        self.reset_physics()
        self.initialize_episode(self.np_random)
        self.read_state()
        if self.render_mode == "human":
            self.render()
        return self.agent_observation(), {"reward_terms": {}}

    @final
    def step(self, action: Array) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One step of 1 / CONTROL_RATE seconds. `action` (A,) is clipped to [-1, 1]; NaN is a UserError."""
        self.apply_action(effort := validate_action(action, len(self.action_space.low)))
        for _ in range(self.PHYSICS_STEPS):
            self.step_physics(self._dt)
        self.read_state()
        terms = self.reward_terms(effort)
        reward = sum([weight * terms[name] for name, weight in self._reward_weights])
        failed = self.is_terminal()
        info: dict[str, Any] = {"reward_terms": terms}
        if failed and (margins := self.failure_margins()):
            info["failure"] = min(margins, key=lambda name: margins[name])
        self.update_task(info)
        self.steps = self.steps + 1
        self.total_reward = self.total_reward + reward
        self.last_action = effort
        self.last_reward_terms = terms
        if self.render_mode == "human":
            self.render()
        return self.agent_observation(), reward, failed, False, info

    @final
    def render(self) -> Array | None:
        """The picture (height, width, 3) uint8 in `rgb_array` mode; in `human` mode it goes to the window. None otherwise."""
        if self.render_mode is None:
            return None
        frame = self.appearance.postprocess(self.render_frame())
        if self.settings.hud:
            from poise.toolkit.media.hud import draw_hud

            frame = draw_hud(frame, self)
        if self.render_mode == "rgb_array":
            return frame
        from poise.toolkit.media.window import Window

        self._window = self._window or Window(type(self).__name__)
        self._window.show(frame, self.CONTROL_HZ)
        return None

    def close(self) -> None:
        """Give everything back; closing twice is no error."""
        self._window = self._window and self._window.close()

    @abstractmethod
    def reset_physics(self) -> None:
        """Empty the environment: nothing of the last episode may stay."""

    @abstractmethod
    def initialize_episode(self, rng: np.random.Generator) -> None:
        """Build the bodies in their start state; all chance comes from `rng`."""

    @abstractmethod
    def apply_action(self, action: Action) -> None:
        """Turn the agent's effort in [-1, 1] into forces that last for the whole control step."""

    @abstractmethod
    def step_physics(self, dt: float) -> None:
        """One step of the physics, `dt` seconds."""

    def read_state(self) -> None:
        """Read from the physics, once a step, what the hooks below look at."""

    @abstractmethod
    def reward_terms(self, action: Action) -> dict[str, float]:
        """Every reward term of the step just made, by name and unweighted."""

    def failure_margins(self) -> dict[str, float]:
        """How far each way of failing is: 1 at rest, 0 where the episode ends. No entry, no failure."""
        return {}

    def is_terminal(self) -> bool:
        """Whether the episode has ended by failure: a margin is used up."""
        return any(margin <= 0.0 for margin in self.failure_margins().values())

    def update_task(self, info: dict[str, Any]) -> None:
        """What the task does once a step is judged, a new target perhaps; it may add to `info`."""

    @abstractmethod
    def get_observation(self) -> Array:
        """All signals of OBSERVATION laid end to end, shape (O,)."""

    @abstractmethod
    def render_frame(self) -> Array:
        """The picture of the environment now, (height, width, 3) uint8, drawn without a display."""

    @abstractmethod
    def render_observation(self, size: int, *, at_target: bool = False) -> Array:
        """A bare picture (size, size, 3) for the agent, without targets; of a `at_target`, the body once it has reached its target."""

    def interaction(self) -> Interaction | None:
        """What a person disturbs the running episode with, where that can be done (toolkit/hands.py)."""
        return None

    def agent_observation(self) -> Any:
        """What the agent sees now: what `observe` tells, or pictures (toolkit/sight.py)."""
        return self.agent_view.build(self.get_observation())
