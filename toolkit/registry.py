"""Environments by name: short names, ids of any Gymnasium environment, and making one.

The ids themselves are registered by envs2d and envs3d when they are imported; toolkit imports neither.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
import numpy as np

from poise.toolkit.environment import BaseEnvironment
from poise.toolkit.errors import UserError, unknown_name_error
from poise.toolkit.spaces import Array
from poise.toolkit.wrappers import FlattenPixels, has_image_space

NAMESPACE = "poise"


Env = gymnasium.Env[Any, Any]


DEFAULT_MAX_EPISODE_STEPS = 1000
"""Steps after which an episode ends in an environment of somebody else's that sets no limit; its setting `max_episode_steps` does."""


def registered_ids() -> list[str]:
    """All registered ids of Poise's own namespace."""
    return [spec.id for spec in gymnasium.registry.values() if spec.namespace == NAMESPACE]


def short_name(env_id: str) -> str:
    """The name people type: `poise/BollaRolla-v0` is `bolla-rolla`; `my_module:MyEnv-v0` is `my-env`."""
    name = re.sub(r"-v\d+$", "", re.split("[/:]", env_id)[-1])
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def resolve_env_id(name: str) -> str:
    """The id that `name` means: an id itself, or the short name of one of Poise's environments."""
    by_short_name = {short_name(env_id): env_id for env_id in registered_ids()}
    if name in by_short_name:
        return by_short_name[name]
    if name in gymnasium.registry or ":" in name:
        return name
    raise unknown_name_error(
        "environment",
        name,
        [*by_short_name, *(gymnasium.registry if re.search(r"-v\d+$", name) else ())],
    )


def make_env(
    env_id: str, settings: Mapping[str, Any] | None = None, render_mode: str | None = None
) -> Env:
    """One environment of any id, as every learner wants it: a Box to see, and choices or a Box of [-1, 1] to act in.

    Actions beyond [-1, 1] are clipped. A Dict, a Tuple or a choice to see is laid out flat; a picture comes in a row of bytes.
    """
    kwargs: dict[str, Any] = dict(settings or {})
    if render_mode is not None:
        kwargs["render_mode"] = render_mode
    try:
        env: Env = gymnasium.make(env_id, disable_env_checker=True, **kwargs)
    except UserError:
        raise
    except ModuleNotFoundError as error:
        module = error.name or env_id.partition(":")[0]
        advice = " and is not on PYTHONPATH" if module == env_id.partition(":")[0] else ""
        raise UserError(
            f"environment {env_id!r} needs the module {module!r}, which is not installed{advice}"
        ) from None
    except (gymnasium.error.Error, TypeError, ValueError) as error:
        raise UserError(
            f"environment {env_id!r} cannot be made: {str(error).splitlines()[0]}"
        ) from None
    if has_image_space(env.observation_space):
        env = FlattenPixels(env)
    if unwrap_poise_env(env):
        return env
    if env.spec is not None and env.spec.max_episode_steps is None:
        env = gymnasium.wrappers.TimeLimit(env, DEFAULT_MAX_EPISODE_STEPS)
    if not isinstance(env.observation_space, gymnasium.spaces.Box):
        env = gymnasium.wrappers.FlattenObservation(env)
    box = env.action_space
    if isinstance(box, gymnasium.spaces.Box):
        if not box.is_bounded():
            raise UserError(
                f"environment {env_id!r} has an action without bounds; wrap it so that they are finite"
            )
        if not (np.all(box.low == -1.0) and np.all(box.high == 1.0)):
            env = gymnasium.wrappers.RescaleAction(env, np.float32(-1.0), np.float32(1.0))
        env = gymnasium.wrappers.TransformAction(
            env, lambda action: np.clip(action, -1.0, 1.0), env.action_space
        )
    return env


def make_random_policy(env: Env, seed: int) -> Callable[[Array], Array]:
    """A policy that does not look: every action it may take is as likely as any other."""
    space = env.action_space
    space.seed(seed)
    return lambda observation: np.stack([space.sample() for _ in observation])


def smoke_test(env: Env) -> None:
    """One step of an environment, to see that its settings do; a UserError of one line where it breaks."""
    try:
        env.reset(seed=0)
        env.step(env.action_space.sample())
    except UserError:
        raise
    except (
        Exception
    ) as error:  # Somebody else's code: whatever it raises is what the user must hear.
        name = env.spec.id if env.spec is not None else str(env)
        raise UserError(
            f"environment {name!r} breaks at its first step with these settings: {error}"
        ) from None


def unwrap_poise_env(env: Env) -> BaseEnvironment | None:
    """The BaseEnvironment inside an environment, or None where the environment is somebody else's."""
    inner = env.unwrapped
    return inner if isinstance(inner, BaseEnvironment) else None
