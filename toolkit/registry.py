"""Find environments by name, make them, and describe them.

envs2d and envs3d register their ids when they are imported; toolkit imports neither.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec

from poise.toolkit.environment import BaseEnvironment
from poise.toolkit.errors import UserError, unknown_name_error
from poise.toolkit.spaces import Array, Signal
from poise.toolkit.wrappers import FlattenPixels, has_image_space

NAMESPACE = "poise"


Env = gymnasium.Env[Any, Any]


Space = gymnasium.Space[Any]


DEFAULT_MAX_EPISODE_STEPS = 1000
"""Time limit (steps) of a third-party environment that is registered without one.

`--env-set max_episode_steps=N` sets another.
"""


def registered_ids() -> list[str]:
    """Return all ids in Poise's own namespace."""
    return [spec.id for spec in gymnasium.registry.values() if spec.namespace == NAMESPACE]


def short_name(env_id: str) -> str:
    """Return the name that users type: `poise/BollaRolla-v0` is `bolla-rolla`.

    For any other id it is the class name: `my_module:MyEnv-v0` is `my-env`.
    """
    name = re.sub(r"-v\d+$", "", re.split("[/:]", env_id)[-1])
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def resolve_env_id(name: str) -> str:
    """Return the id for `name`: an id itself, or the short name of one of Poise's environments.

    Raises:
        UserError: no such environment; the message suggests the nearest name.
    """
    by_short_name = {short_name(env_id): env_id for env_id in registered_ids()}
    if name in by_short_name:
        return by_short_name[name]
    if name in gymnasium.registry or ":" in name:
        return name
    looks_like_id = re.search(r"-v\d+$", name) is not None
    other_ids = gymnasium.registry if looks_like_id else ()
    raise unknown_name_error("environment", name, [*by_short_name, *other_ids])


def make_env(
    env_id: str, settings: Mapping[str, Any] | None = None, render_mode: str | None = None
) -> Env:
    """Make one environment of any id in the form that every learner expects.

    Observations are a Box: a Dict, a Tuple or a Discrete space is flattened, an image becomes a
    row of bytes (PixelVectorSpace). Actions are Discrete or a Box of [-1, 1], clipped to it.

    Raises:
        UserError: the environment cannot be made with these settings, or its actions are unbounded.
    """
    env = make_unwrapped_env(env_id, settings, render_mode)
    if has_image_space(env.observation_space):
        env = FlattenPixels(env)
    if unwrap_poise_env(env):
        return env
    if env.spec is not None and env.spec.max_episode_steps is None:
        env = gymnasium.wrappers.TimeLimit(env, DEFAULT_MAX_EPISODE_STEPS)
    if not isinstance(env.observation_space, gymnasium.spaces.Box):
        env = gymnasium.wrappers.FlattenObservation(env)
    if isinstance(env.action_space, gymnasium.spaces.Box):
        env = _normalize_actions(env, env.action_space, env_id)
    return env


def make_unwrapped_env(
    env_id: str, settings: Mapping[str, Any] | None = None, render_mode: str | None = None
) -> Env:
    """Make one environment as its author wrote it, with the spaces that Gymnasium shows.

    Raises:
        UserError: the id or a setting is unknown, or a module that it needs is missing.
    """
    kwargs = dict(settings or {})
    if render_mode is not None:
        kwargs["render_mode"] = render_mode
    try:
        env: Env = gymnasium.make(env_id, disable_env_checker=True, **kwargs)
    except UserError:
        raise
    except ModuleNotFoundError as error:
        module_of_id = env_id.partition(":")[0]
        missing = error.name or module_of_id
        advice = " and is not on PYTHONPATH" if missing == module_of_id else ""
        raise UserError(
            f"environment {env_id!r} needs the module {missing!r}, which is not installed{advice}"
        ) from None
    except (gymnasium.error.Error, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"environment {env_id!r} cannot be made: {reason}") from None
    return env


@dataclass(frozen=True)
class EnvDescription:
    """What a command needs to know of an environment with its settings, resolved once."""

    env_id: str
    settings: Mapping[str, Any]
    """All settings for an environment of Poise; the given ones for any other."""
    spec: EnvSpec
    """Gymnasium's specification: time limit (steps) and `reward_threshold`."""
    env_class: type[Env]
    """Class of the unwrapped environment."""
    observation_space: Space
    """As a learner receives it: a Box of shape (O,)."""
    action_space: Space
    """As a learner acts in it: a Box of [-1, 1], shape (A,), or Discrete."""

    @property
    def poise_class(self) -> type[BaseEnvironment] | None:
        """The class, where the environment is one of Poise; None for any other."""
        return self.env_class if issubclass(self.env_class, BaseEnvironment) else None

    @property
    def observation_signals(self) -> tuple[Signal, ...]:
        """Named parts of the state; empty for an environment that is not Poise's."""
        return self.poise_class.OBSERVATION if self.poise_class else ()

    @property
    def action_signals(self) -> tuple[Signal, ...]:
        """Named parts of the action in physical units; empty where it is not Poise's."""
        return self.poise_class.ACTION if self.poise_class else ()

    @property
    def is_state_only(self) -> bool:
        """Whether the agent observes the state and no images."""
        return all(self.settings.get(name) == "state" for name in ("observation", "goal"))

    @property
    def has_default_reward(self) -> bool:
        """Whether `spec.reward_threshold` applies: it is measured with the default reward."""
        return self.poise_class is None or _is_default_reward(
            self.poise_class, self.settings["reward"]
        )

    @property
    def reward_threshold(self) -> float | None:
        """As `get_reward_threshold` of the environment."""
        return self.spec.reward_threshold if self.has_default_reward else None


def describe_env(
    env_id: str, settings: Mapping[str, Any] | None = None, *, check: bool = False
) -> EnvDescription:
    """Make an environment once, describe it and close it; `check` makes one step too.

    Raises:
        UserError: it cannot be made, or with `check` its first step fails.
    """
    env = make_env(env_id, settings)
    try:
        if check:
            _smoke_test(env, env_id)
        poise_env = unwrap_poise_env(env)
        return EnvDescription(
            env_id=env_id,
            settings=poise_env.settings.to_dict() if poise_env else dict(settings or {}),
            spec=env.spec or gymnasium.spec(env_id),
            env_class=type(env.unwrapped),
            observation_space=env.observation_space,
            action_space=env.action_space,
        )
    finally:
        env.close()


def make_random_policy(env: Env, seed: int) -> Callable[[Array], Array]:
    """Return a policy that ignores observations (N, O) and samples actions uniformly: (N, A)."""
    space = env.action_space
    space.seed(seed)
    return lambda observation: np.stack([space.sample() for _ in observation])


def get_reward_threshold(env: Env) -> float | None:
    """Return the return at which an environment counts as solved; None where it has none.

    Those of Poise's environments are measured with the default reward, and hold for no other.
    """
    poise_env = unwrap_poise_env(env)
    if env.spec is None:
        return None
    if poise_env and not _is_default_reward(type(poise_env), poise_env.settings.reward):
        return None
    return env.spec.reward_threshold


def _is_default_reward(poise_class: type[BaseEnvironment], reward: str) -> bool:
    return poise_class.SETTINGS().reward == reward


def unwrap_poise_env(env: Env) -> BaseEnvironment | None:
    """Return the BaseEnvironment inside `env`; None where it is not one of Poise."""
    inner = env.unwrapped
    return inner if isinstance(inner, BaseEnvironment) else None


def _normalize_actions(env: Env, box: gymnasium.spaces.Box, env_id: str) -> Env:
    if not box.is_bounded():
        raise UserError(
            f"environment {env_id!r} has an action without bounds; "
            "wrap it so that its bounds are finite"
        )
    if not (np.all(box.low == -1.0) and np.all(box.high == 1.0)):
        env = gymnasium.wrappers.RescaleAction(env, np.float32(-1.0), np.float32(1.0))
    return gymnasium.wrappers.TransformAction(
        env, lambda action: np.clip(action, -1.0, 1.0), env.action_space
    )


def _smoke_test(env: Env, env_id: str) -> None:
    try:
        env.reset(seed=0)
        env.step(env.action_space.sample())
    except UserError:
        raise
    except Exception as error:  # Third-party code may raise anything; report it as one line.
        raise UserError(
            f"environment {env_id!r} breaks at its first step with these settings: {error}"
        ) from None
