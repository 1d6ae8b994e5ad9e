"""LearnerEnv: where the values of an environment enter, and the actions of a learner leave.

All that an environment gives is converted here, once, to what its spaces say, and checked; all
that it is given lies in its action space. Behind it, observations are flat and finite, rewards are
finite numbers, and no array is one that the environment may still change.
"""

import signal
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

import gymnasium
import numpy as np
from gymnasium.spaces import Discrete, MultiDiscrete

from poise.toolkit.conversion import (
    ActionDecoder,
    InvalidValueError,
    ObservationEncoder,
    describe_space,
    to_flag,
    to_info,
    to_reward,
    unpack,
)
from poise.toolkit.environment import BaseEnvironment
from poise.toolkit.errors import (
    EnvironmentFailedError,
    UserError,
    WorkError,
    describe_error,
    printable,
)
from poise.toolkit.process import EnvironmentScope
from poise.toolkit.spaces import Array

MASK_KEY = "action_mask"
MASK_METHOD = "action_masks"
"""Where environments say which actions are allowed: Gymnasium's key, stable-baselines3's method."""


class AllowedActions(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Replaces an action that the environment masks by the next one, in a circle, that it allows.

    So every action of a learner is legal, and all algorithms, evaluations and films see one and the
    same decision process. The mask is `info["action_mask"]`, the key `action_mask` of a Dict
    observation, or what the method `action_masks()` returns: a number for each choice, 0 where it
    is forbidden, those of a MultiDiscrete one part after the other. Most environments have none.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        self._has_method = env.has_wrapper_attr(MASK_METHOD) and callable(
            env.get_wrapper_attr(MASK_METHOD)
        )
        self._mask: Any = None

    def reset(self, **options: Any) -> Any:
        """Start an episode."""
        result = self.env.reset(**options)
        self._mask = self._find_mask(result)
        return result

    def step(self, action: Any) -> Any:
        """Make a step with an action that is allowed."""
        result = self.env.step(action if self._mask is None else self._allow(action))
        self._mask = self._find_mask(result)
        return result

    def _find_mask(self, result: Any) -> Any:
        """Return the mask in what `reset` or `step` returned; None where there is none."""
        if isinstance(result, tuple) and result:
            for holder in (result[-1], result[0]):
                if isinstance(holder, dict) and MASK_KEY in holder:
                    return holder[MASK_KEY]
        return self.env.get_wrapper_attr(MASK_METHOD)() if self._has_method else None

    def _allow(self, action: Any) -> Any:
        """Return an element of the action space that the mask allows: the action, or the next."""
        space = self.env.action_space
        if not isinstance(space, Discrete | MultiDiscrete):
            detail = f"actions in {describe_space(space)} cannot be masked, only choices"
            raise InvalidValueError("action mask", "is not supported", detail)
        counts = np.ravel(space.n if isinstance(space, Discrete) else space.nvec)
        mask = np.ravel(np.asarray(self._mask)).astype(bool)
        if len(mask) != counts.sum():
            detail = f"it has {len(mask)} numbers for {counts.sum()} choices"
            raise InvalidValueError("action mask", "has the wrong size", detail)
        choices = np.ravel(action) - np.ravel(space.start)
        parts = np.split(mask, np.cumsum(counts)[:-1])
        for index, part in enumerate(parts):
            if not part.any():
                raise InvalidValueError("action mask", "allows no action", f"it is {self._mask}")
            # argmax finds the first allowed choice at or after the chosen one, around the circle.
            choices[index] += np.argmax(np.roll(part, -choices[index]))
        allowed = choices % counts + np.ravel(space.start)
        if isinstance(space, Discrete):
            return space.dtype.type(allowed[0])
        return allowed.reshape(space.shape).astype(space.dtype)


class LearnerEnv(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An environment in the form that every learner expects.

    Observations are flat (ObservationEncoder), actions are those of ActionDecoder; an environment
    of Poise takes its own actions unchanged, for it checks them itself. What the environment gives
    is checked: a value that does not fit, or an exception of the environment, is a WorkError that
    names the value, the environment, the step, the episode and its seed.
    """

    label: str
    """Name of the environment in errors; an EnvBatch sets `environment 0`, ..."""
    episode: int
    """Number of the episode, from 0; an EnvBatch sets it, else it counts the resets."""

    def __init__(self, env: gymnasium.Env[Any, Any], scope: EnvironmentScope | None = None) -> None:
        super().__init__(env)
        self._scope = scope or EnvironmentScope()
        self.label = env.spec.id if env.spec is not None else type(env.unwrapped).__name__
        for name in ("observation_space", "action_space"):
            if not isinstance(getattr(env, name, None), gymnasium.Space):
                raise UserError(
                    f"environment {self.label!r} declares no {name}: set it in its __init__"
                )
        self.is_poise_env = isinstance(env.unwrapped, BaseEnvironment)
        try:
            self.encoder = ObservationEncoder(env.observation_space, is_poise_env=self.is_poise_env)
            self.decoder = ActionDecoder(env.action_space)
        except UserError as error:
            raise UserError(f"environment {self.label!r}: {error}") from None
        self.observation_space = self.encoder.space
        self.action_space = self.decoder.space
        self.episode = -1
        self.seed: int | None = None
        self.steps = 0
        if not isinstance(env.metadata, Mapping):
            self.metadata = {}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Start an episode; return its first observation (O,) and info."""
        self.episode += 1
        self.seed = seed
        self.steps = 0
        try:
            result = self._scope.start(self.env.reset, seed=seed, options=options)
            observation, info = unpack("reset()", result, ("observation", "info"))
            return self.encoder.encode(observation), to_info(info)
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            self._raise_located(error)

    def step(self, action: Any) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """Make one step; return observation (O,), reward, terminated, truncated and info."""
        self.steps += 1
        try:
            if self.is_poise_env:
                result = self.env.step(action)
            else:
                result = self._scope.call(self.env.step, self.decoder.decode(action))
            observation, reward, terminated, truncated, info = unpack(
                "step()", result, ("observation", "reward", "terminated", "truncated", "info")
            )
            return (
                self.encoder.encode(observation),
                to_reward(reward),
                to_flag("terminated", terminated),
                to_flag("truncated", truncated),
                to_info(info),
            )
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            self._raise_located(error)

    def render(self) -> Any:
        """Return what the environment renders; its exception is a WorkError."""
        try:
            return self._scope.call(self.env.render)
        except (UserError, WorkError):
            raise
        except (Exception, SystemExit) as error:
            raise WorkError(f"{self.label} failed to render: {describe_error(error)}") from error

    def close(self) -> None:
        """Close the environment; only print its exception, for its work is done by then."""
        try:
            self._scope.start(self.env.close)
        except (Exception, SystemExit) as error:
            message = f"warning: {self.label} failed to close: {describe_error(error)}"
            print(printable(message), file=sys.stderr)

    def decode_action(self, action: Any) -> Any:
        """Return a learner's action as the environment takes it; see ActionDecoder.decode."""
        return action if self.is_poise_env else self.decoder.decode(action)

    def _raise_located(self, error: BaseException) -> NoReturn:
        """Raise the error of a reset or a step as an error that says where it came from."""
        step = f"step {self.steps}" if self.steps else "the start"
        seed = "" if self.seed is None else f" (seed {self.seed})"
        place = f"at {step} of episode {self.episode}{seed}"
        if isinstance(error, InvalidValueError):
            subject = f"the {error.subject} of {self.label}"
            raise EnvironmentFailedError(
                f"{subject} {error.problem} {place}: {error.detail}"
            ) from None
        is_users_error = isinstance(error, UserError) and not self.steps  # A setting is wrong.
        is_interrupt = isinstance(error, KeyboardInterrupt) and _is_interruptible()
        if is_users_error or is_interrupt or isinstance(error, EnvironmentFailedError):
            raise error
        reason = error if isinstance(error, WorkError) else describe_error(error)
        raise EnvironmentFailedError(f"{self.label} failed {place}: {reason}") from error


def unwrap_learner_env(env: gymnasium.Env[Any, Any]) -> LearnerEnv:
    """Return the LearnerEnv inside an environment of `make_env`."""
    while not isinstance(env, LearnerEnv):
        assert isinstance(env, gymnasium.Wrapper)
        env = env.env
    return env


def _is_interruptible() -> bool:
    """Return whether Ctrl-C raises KeyboardInterrupt; where it is handled, the environment did."""
    return signal.getsignal(signal.SIGINT) is signal.default_int_handler
