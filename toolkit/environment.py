"""BaseEnvironment: the template of every environment; subclasses add the physics and the task."""

from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, Protocol, Self, final, runtime_checkable

import gymnasium
import numpy as np

from poise.toolkit.appearance import DEFAULT_APPEARANCE, Appearance
from poise.toolkit.errors import WorkError, unknown_name_error
from poise.toolkit.interaction import Interaction
from poise.toolkit.observation import AgentObservation
from poise.toolkit.settings import EnvSettings
from poise.toolkit.spaces import Action, Array, Signal, component_names, validate_action


class Joint(NamedTuple):
    """The current state of a joint."""

    name: str
    angle: float
    """Bend (rad)."""
    torque: float
    """Torque of the motor on the link that the joint moves (N m)."""


@runtime_checkable
class HasJoints(Protocol):
    """An environment whose body has motorized joints, one per component of its action, in order."""

    def joints(self) -> list[Joint]:
        """Return the current state of all joints."""


@runtime_checkable
class HasGroundContacts(Protocol):
    """An environment whose body stands on the ground."""

    def ground_contacts(self) -> dict[str, bool]:
        """Return, for each body part that can support weight, whether it has contact now."""


class PushTarget(NamedTuple):
    """The part of a body that pushes act on."""

    mass: float
    """Mass of the pushed part (kg)."""
    push: Callable[[Array], None]
    """Apply an impulse (N s) at the center of mass, effective in the next step.

    The impulse has shape (2,) in the plane and (3,) in space.
    """


class EnvCopy(NamedTuple):
    """All that a copy of an environment is rebuilt from: physics engines cannot be copied exactly.

    The copy replays the actions since the reset, from the same state of the random generator.
    """

    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]
    settings: EnvSettings
    appearance: Appearance
    render_mode: str | None
    action_space: gymnasium.spaces.Box
    rng_state: Mapping[str, Any]
    """State of the random generator now."""
    reset_rng_state: Mapping[str, Any] | None
    """State of the random generator at the start of the episode; None before the first reset."""
    actions: "array[float]"
    """All actions of the episode, one after the other."""
    fingerprint: bytes
    """State of the simulation now, which the copy must reach."""


PUSH = "push"
NEW_TARGET = "new target"
"""Events of the environments of Poise (BaseEnvironment.add_event)."""


class BaseEnvironment(gymnasium.Env[Any, Array], ABC):
    """A Gymnasium environment defined by hooks; `reset` and `step` are final.

    reset: reset_physics -> initialize_episode(rng) -> read_state -> get_observation
    step:  apply_action -> step_physics x PHYSICS_STEPS -> read_state -> reward_terms -> is_terminal
           (failure_margins) -> update_task -> get_observation

    An agent with pixels gets `render_observation` besides, or in place of, `get_observation`.
    """

    # Parts of the observation; values are clipped to their bounds.
    OBSERVATION: ClassVar[tuple[Signal, ...]]
    # Parts of the action, in physical ranges; the agent always acts in [-1, 1].
    ACTION: ClassVar[tuple[Signal, ...]]
    # Named rewards, each a table: term -> weight.
    REWARD: ClassVar[Mapping[str, Mapping[str, float]]]
    SETTINGS: ClassVar[type[EnvSettings]] = EnvSettings
    # Control steps per second.
    CONTROL_HZ: ClassVar[int] = 50
    # Physics steps per control step.
    PHYSICS_STEPS: ClassVar[int] = 16
    # Height of the rendered view (m).
    VIEW_HEIGHT: ClassVar[float] = 2.0
    # Parts of the image that AppearanceRandomization may change (toolkit/appearance.py).
    RANDOMIZABLE: ClassVar[tuple[str, ...]] = ("pixel_noise", "occluders")
    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc]
        "render_modes": ["human", "rgb_array"],
        "render_fps": CONTROL_HZ,
    }

    settings: EnvSettings
    action_space: gymnasium.spaces.Box
    # Progress of the episode, for HUD and window.
    steps = 0
    total_reward = 0.0
    last_action: Action = ()
    last_reward_terms: Mapping[str, float]
    last_events: tuple[str, ...] = ()
    _new_events: tuple[str, ...] = ()
    # Appearance of the next rendered images; stays in effect until it is set again.
    appearance: Appearance = DEFAULT_APPEARANCE
    # For copies (EnvCopy).
    _constructor_arguments: tuple[tuple[Any, ...], Mapping[str, Any]]
    _reset_rng_state: Mapping[str, Any] | None = None

    def __new__(cls, *arguments: Any, **keywords: Any) -> Self:
        """Make an environment that knows what it was made of."""
        env = super().__new__(cls)
        env._constructor_arguments = (arguments, keywords)
        return env

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
        action_size = sum(signal.size for signal in self.ACTION)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (action_size,), np.float32)
        self._dt = 1.0 / (self.CONTROL_HZ * self.PHYSICS_STEPS)
        self._window: Any = None
        self._episode_actions = array("d")

    @final
    def __reduce__(self) -> tuple[Any, ...]:
        """Return what copies of this environment are rebuilt from.

        The copy has a simulation of its own and goes on exactly as this environment; a WorkError
        where more than its actions moved it since its reset, such as a push.
        """
        arguments, keywords = self._constructor_arguments
        recorded = EnvCopy(
            arguments,
            keywords,
            self.settings,
            self.appearance,
            self.render_mode,
            self.action_space,
            self.np_random.bit_generator.state,
            self._reset_rng_state,
            self._episode_actions,
            self._fingerprint(),
        )
        return type(self)._from_copy, (recorded,)

    @classmethod
    def _from_copy(cls, recorded: EnvCopy) -> Self:
        env = cls(*recorded.arguments, **recorded.keywords)
        env.settings = recorded.settings
        env.appearance = recorded.appearance
        env.render_mode = None  # A replay is not shown.
        if recorded.reset_rng_state is not None:
            env.np_random.bit_generator.state = recorded.reset_rng_state
            env.reset()
            size = len(env.action_space.low)
            for start in range(0, len(recorded.actions), size):
                env.step(np.array(recorded.actions[start : start + size]))
        if env._fingerprint() != recorded.fingerprint:
            raise WorkError(
                f"this {cls.__name__} cannot be copied: more than its actions moved it since its "
                "reset (a push, a changed setting or target); copy it after a reset"
            )
        env.np_random.bit_generator.state = recorded.rng_state
        env.action_space = recorded.action_space
        env.render_mode = recorded.render_mode
        return env

    def _fingerprint(self) -> bytes:
        """Return the bytes of all that the next steps depend on; nothing before the first reset."""
        if self._reset_rng_state is None:
            return b""
        frames = [frame.tobytes() for frame in self.agent_view.frames]
        physics = np.asarray(self.get_physics_state(), np.float64)
        return b"".join([physics.tobytes(), self.get_observation().tobytes(), *frames])

    @final
    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode. The same seed and actions reproduce it bit for bit."""
        super().reset(seed=seed)
        self.steps = 0
        self.total_reward = 0.0
        self.last_action = ()
        self.last_reward_terms = {}
        self._reset_rng_state = self.np_random.bit_generator.state
        self._episode_actions = array("d")
        self.reset_physics()
        self.initialize_episode(self.np_random)
        self.read_state()
        self.last_events = self._new_events = ()  # An episode's start is no event within it.
        if self.render_mode == "human":
            self.render()
        return self.agent_observation(), {"reward_terms": {}}

    @final
    def step(self, action: Array) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Advance by one control step of 1 / CONTROL_HZ seconds.

        `action` (A,) is clipped to [-1, 1]; a wrong shape or a non-finite number is a UserError.
        `truncated` is always False: time limits belong to the registration. `info` holds the
        unweighted `reward_terms` and, after a failure, the name of the `failure`.
        """
        clipped_action = validate_action(action, len(self.action_space.low))
        self._episode_actions.extend(clipped_action)
        self.apply_action(clipped_action)
        for _ in range(self.PHYSICS_STEPS):
            self.step_physics(self._dt)
        self.read_state()
        terms = self.reward_terms(clipped_action)
        reward = sum([weight * terms[name] for name, weight in self._reward_weights])
        terminated = self.is_terminal()
        info: dict[str, Any] = {"reward_terms": terms}
        if terminated and (margins := self.failure_margins()):
            info["failure"] = min(margins, key=lambda name: margins[name])
        self.update_task(info)
        self.steps += 1
        self.total_reward += reward
        self.last_action = clipped_action
        self.last_reward_terms = terms
        self.last_events = self._new_events
        self._new_events = ()
        if self.render_mode == "human":
            self.render()
        return self.agent_observation(), reward, terminated, False, info

    def add_event(self, name: str) -> None:
        """Name what happens in this step, or before the next one, beside the action.

        Such as "push" or "new target". `last_events` has it after the step, once; films mark it.
        """
        if name not in self._new_events:
            self._new_events = (*self._new_events, name)

    @final
    def render(self) -> Array | None:
        """Return the image (H, W, 3) uint8 in `rgb_array` mode; show it in `human` mode."""
        if self.render_mode is None:
            return None
        if self.settings.view == "agent":
            frame = self.render_observation(self.settings.width, self.settings.height)
        else:
            frame = self.render_frame()
        frame = self.appearance.postprocess(frame)
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
        """Release all resources. Closing twice is no error."""
        if self._window is not None:
            self._window.close()
            self._window = None

    def agent_observation(self) -> Any:
        """Return what the agent observes: signals, pixels or both (toolkit/observation.py)."""
        return self.agent_view.build(self.get_observation())

    @abstractmethod
    def reset_physics(self) -> None:
        """Empty the simulation, so that nothing of the last episode remains."""

    @abstractmethod
    def initialize_episode(self, rng: np.random.Generator) -> None:
        """Build the bodies in their start state; draw all randomness from `rng`."""

    @abstractmethod
    def apply_action(self, action: Action) -> None:
        """Turn an action in [-1, 1] into forces that last for the whole control step."""

    @abstractmethod
    def step_physics(self, dt: float) -> None:
        """Advance the physics by `dt` seconds."""

    def read_state(self) -> None:
        """Read from the simulator, once per control step, the state that the hooks below use."""

    @abstractmethod
    def reward_terms(self, action: Action) -> dict[str, float]:
        """Return every reward term of this step by name, unweighted."""

    def failure_margins(self) -> dict[str, float]:
        """Return the remaining margin of each failure: 1 at rest, <= 0 where the episode ends."""
        return {}

    def is_terminal(self) -> bool:
        """Return whether the episode has ended by failure: a margin is used up."""
        return any(margin <= 0.0 for margin in self.failure_margins().values())

    def update_task(self, info: dict[str, Any]) -> None:
        """Update the task after the rewards, e.g. set a new target; may add entries to `info`."""

    @abstractmethod
    def get_observation(self) -> Array:
        """Return all signals of OBSERVATION, concatenated in their order, shape (O,)."""

    @abstractmethod
    def render_frame(self) -> Array:
        """Return the current image for people, (height, width, 3) uint8, without a display."""

    @abstractmethod
    def render_observation(self, width: int, height: int, *, at_target: bool = False) -> Array:
        """Return the agent's image (height, width, 3) uint8: observations, datasets, view=agent.

        It shows the bodies, and what the task depends on, but no target that the agent gets apart.
        With `at_target` the body is drawn as if it had reached its target.
        """

    def get_physics_state(self) -> Array:
        """Return the state of the whole simulation (K,): a copy must reach the same numbers.

        It should hold what the observation leaves out: velocities that a push has changed since the
        last step, thrown balls, grabs.
        """
        return self.get_observation()

    def action_names(self) -> list[str]:
        """Return a name for each action component: the joint that it moves, if there are joints."""
        if isinstance(self, HasJoints):
            return [joint.name for joint in self.joints()]
        return [name for name, _ in component_names(self.ACTION)]

    def interaction(self) -> Interaction | None:
        """Return the disturbances that a person can apply, None if unsupported."""
        return None

    def push_target(self) -> PushTarget | None:
        """Return the body part that pushes act on, None for a body without balance to lose."""
        return None
