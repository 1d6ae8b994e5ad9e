"""Find environments by name, make them, and describe them.

envs2d and envs3d register their ids when they are imported; toolkit imports neither.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec, load_env_creator

from poise.toolkit.environment import BaseEnvironment
from poise.toolkit.errors import UserError, WorkError, describe_error, printable, unknown_name_error
from poise.toolkit.process import EnvironmentScope
from poise.toolkit.spaces import Array, Signal
from poise.toolkit.wrappers import AllowedActions, LearnerEnv

NAMESPACE = "poise"


Env = gymnasium.Env[Any, Any]


Space = gymnasium.Space[Any]


DEFAULT_MAX_EPISODE_STEPS = 1000
"""Time limit (steps) of a third-party environment that is registered without one.

`--env-set max_episode_steps=N` sets another.
"""


TrustDecision = Callable[[str, Path], bool]
"""Whether to import a module, given its name and the file that names it."""


_trust_decision: ContextVar[TrustDecision] = ContextVar(
    "trust_decision", default=lambda module, source: False
)


_trusted_modules = {NAMESPACE}
"""Modules whose code may run: of environments that were made already, and those trusted since."""


@contextmanager
def deciding_trust(decision: TrustDecision) -> Iterator[None]:
    """Let `decision` answer within a `with` block whether a module may be imported."""
    token = _trust_decision.set(decision)
    try:
        yield
    finally:
        _trust_decision.reset(token)


def require_trust(env_id: str, source: Path) -> None:
    """Raise a UserError where a file from elsewhere names a module that may not be imported.

    To import the module of `module:MyEnv-v0` is to run its code. So every reader of a tape, a
    suite, a dataset, or a run outside of the runs folder calls this before it uses an id. Ids that
    the user typed, and those of the user's own runs, need no trust.
    """
    module, colon, _ = env_id.partition(":")
    if not colon or module in _trusted_modules:
        return
    if not _trust_decision.get()(module, source):
        raise UserError(
            f"{source} comes from elsewhere and would run the code of the module {module!r}: "
            "add --trust if you trust both"
        )
    _trusted_modules.add(module)


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
    raise unknown_env_error(name)


def unknown_env_error(
    name: str, kind: str = "environment", more_choices: Iterable[str] = (), where: str = ""
) -> UserError:
    """Return the error for an unknown environment: the nearest name, and the form of other ids.

    Args:
        name: what the user typed.
        kind: what a name may be.
        more_choices: names of another kind that the command takes too.
        where: place that was searched for those.
    """
    choices = [*map(short_name, registered_ids()), *more_choices]
    newest_ids = {short_name(env_id): env_id for env_id in sorted(gymnasium.registry, key=_age)}
    has_version = re.search(r"-v\d+$", name) is not None
    if short_name(name) in newest_ids and (has_version or short_name(name) not in choices):
        choices = [newest_ids[short_name(name)]]
    elif has_version:
        choices += gymnasium.registry
    advice = "an environment of another package is MODULE:ID, such as my_module:MyEnv-v0"
    return unknown_name_error(kind, name, choices, where=where, advice=advice)


def _age(env_id: str) -> tuple[bool, int]:
    """Return a sort key: ids in a namespace first, then by version, the newest last."""
    version = re.search(r"\d+$", env_id)
    return "/" not in env_id, int(version[0]) if version else 0


def make_env(
    env_id: str, settings: Mapping[str, Any] | None = None, render_mode: str | None = None
) -> Env:
    """Make one environment of any id in the form that every learner expects: a LearnerEnv.

    Observations are a Box: spaces of any form are flattened, an image becomes a row of bytes
    (PixelVectorSpace). Actions are Discrete, MultiDiscrete or a Box of [-1, 1], clipped to it.
    Around it is the time limit.

    Raises:
        UserError: the environment cannot be made with these settings, or a space is not supported.
    """
    scope = EnvironmentScope()
    env = make_unwrapped_env(env_id, settings, render_mode, scope)
    max_steps = env.spec.max_episode_steps if env.spec is not None else None
    if isinstance(env, gymnasium.wrappers.TimeLimit):
        env = env.env  # The limit goes around the checks: it unpacks what a step returns.
    elif max_steps is None and unwrap_poise_env(env) is None:
        max_steps = DEFAULT_MAX_EPISODE_STEPS
    else:
        max_steps = None  # There is none, or another wrapper lies around it.
    try:
        env = LearnerEnv(env if unwrap_poise_env(env) else AllowedActions(env), scope)
    except Exception as error:  # The code of another package may raise anything.
        env.close()
        raise UserError(_format_make_error(env_id, error)) from error
    return env if max_steps is None else gymnasium.wrappers.TimeLimit(env, max_steps)


def make_unwrapped_env(
    env_id: str,
    settings: Mapping[str, Any] | None = None,
    render_mode: str | None = None,
    scope: EnvironmentScope | None = None,
) -> Env:
    """Make one environment as its author wrote it, with the spaces that Gymnasium shows.

    Its code is called in `scope`.

    Raises:
        UserError: the id or a setting is unknown, or a module that it needs is missing.
    """
    kwargs = dict(settings or {})
    if render_mode is not None:
        kwargs["render_mode"] = render_mode
    try:
        scope = scope or EnvironmentScope()
        env: Env = scope.start(gymnasium.make, env_id, disable_env_checker=True, **kwargs)
    except (UserError, WorkError):
        raise
    except ModuleNotFoundError as error:
        module_of_id = env_id.partition(":")[0]
        missing = error.name or module_of_id
        advice = " and is not on PYTHONPATH" if missing == module_of_id else ""
        raise UserError(
            f"environment {env_id!r} needs the module {missing!r}, which is not installed{advice}"
        ) from None
    except (Exception, SystemExit) as error:  # The code of another package may raise anything.
        _check_setting_names(env_id, settings or {})
        if render_mode and isinstance(error, TypeError) and "'render_mode'" in str(error):
            raise UserError(
                f"environment {env_id!r} cannot be rendered: its constructor takes no render_mode"
            ) from error
        raise UserError(_format_make_error(env_id, error)) from error
    _trusted_modules.add(env_id.partition(":")[0])
    return env


def _format_make_error(env_id: str, error: BaseException) -> str:
    if isinstance(error, UserError):
        return str(error)
    is_explained = isinstance(error, gymnasium.error.Error | TypeError | ValueError)
    reason = printable(error) if is_explained else describe_error(error)
    return f"environment {env_id!r} cannot be made: {reason}"


def _check_setting_names(env_id: str, settings: Mapping[str, Any]) -> None:
    """Raise a UserError for a setting that the constructor of an environment does not take."""
    try:
        # gymnasium.spec does not know module:id, though making it has registered the id.
        entry_point = gymnasium.spec(env_id.rpartition(":")[2]).entry_point
        creator = load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
        parameters = inspect.signature(creator).parameters if creator else {}
    except (gymnasium.error.Error, ImportError, AttributeError, ValueError):
        return
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    names = [*(name for name in parameters if name != "render_mode"), "max_episode_steps"]
    for name in settings:
        if name not in names:
            raise unknown_name_error("setting", name, names, where=f" of {env_id}")


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
            spec=env.spec or gymnasium.spec(env_id.rpartition(":")[2]),
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


def _smoke_test(env: Env, env_id: str) -> None:
    try:
        env.reset(seed=0)
        env.step(env.action_space.sample())
    except WorkError as error:
        cause = describe_error(error.__cause__) if error.__cause__ else error
        raise UserError(
            f"environment {env_id!r} breaks at its first step with these settings: {cause}"
        ) from error
