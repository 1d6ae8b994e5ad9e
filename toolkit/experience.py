"""Experience: single episodes, and batches of environments in this process or in worker processes.

`run_episode` serves playing, recording and evaluation; `collect` serves training.
"""

import importlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from multiprocessing.reduction import ForkingPickler
from typing import Any, NamedTuple, Protocol, runtime_checkable

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec

from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.registry import Env, make_env
from poise.toolkit.spaces import Array
from poise.toolkit.workers import Watchdog, Worker, WorkerStatus, stop_workers
from poise.toolkit.wrappers import unwrap_learner_env

PolicyFunction = Callable[[Array], Array]
"""Map observations (N, O) to actions: (N, A) numbers, clipped to [-1, 1], or (N,) discrete ones."""


@runtime_checkable
class Policy(Protocol):
    """A policy, with or without memory. Row i of its observations is always environment i."""

    def __call__(self, observation: Array) -> Array:
        """Return actions for observations (N, O): (N, A) numbers, or (N,) discrete ones."""

    def reset(self, mask: Array | None = None) -> None:
        """Clear the memory of the environments where `mask` (N,) is true; of all for None.

        Every rollout loop calls it where episodes start and end.
        """


class Actor(Protocol):
    """The part of an algorithm that acts (toolkit/trainer.py, Algorithm)."""

    def act(self, observation: Array, *, explore: bool) -> Array:
        """Return actions for observations (N, O)."""

    def reset(self, mask: Array | None = None, *, explore: bool) -> None:
        """Clear memory where `mask` (N,) is true: that of exploring or that of acting greedily."""


@dataclass(frozen=True)
class ActorPolicy:
    """The policy of an algorithm, with or without exploration."""

    actor: Actor
    explore: bool = False

    def __call__(self, observation: Array) -> Array:
        """Return actions for observations (N, O)."""
        return self.actor.act(observation, explore=self.explore)

    def reset(self, mask: Array | None = None) -> None:
        """Clear memory where `mask` (N,) is true."""
        self.actor.reset(mask, explore=self.explore)


@dataclass(frozen=True)
class MemorylessPolicy:
    """A function of the observation as a policy."""

    function: PolicyFunction

    def __call__(self, observation: Array) -> Array:
        """Return actions for observations (N, O)."""
        return self.function(observation)

    def reset(self, mask: Array | None = None) -> None:
        """Do nothing: there is no memory."""


def as_policy(policy: Policy | PolicyFunction) -> Policy:
    """Return a policy as it is, and a function as a policy without memory."""
    return policy if isinstance(policy, Policy) else MemorylessPolicy(policy)


# One episode of one environment.


class EpisodeStep(NamedTuple):
    """The observation at one step of an episode, and the outcome of the action that led to it."""

    observation: Array
    action: Array | None
    """The action before the observation; None at the start of the episode."""
    reward: float
    terminated: bool
    truncated: bool
    info: Mapping[str, Any]


def run_episode(env: Env, policy: Policy | PolicyFunction, seed: int) -> Iterator[EpisodeStep]:
    """Run one episode; yield its start, then one EpisodeStep per action.

    Steps are copies, and remain as they were whatever environment and policy do with their arrays.
    """
    policy = as_policy(policy)
    policy.reset()
    observation, info = env.reset(seed=seed)
    step = EpisodeStep(np.array(observation), None, 0.0, False, False, dict(info))
    yield step
    while not (step.terminated or step.truncated):
        action = np.array(policy(step.observation[None])[0])[()]
        observation, reward, terminated, truncated, info = env.step(action.copy())
        step = EpisodeStep(
            np.array(observation),
            action,
            float(reward),
            bool(terminated),
            bool(truncated),
            dict(info),
        )
        yield step


# Batches of environments.


class Transition(NamedTuple):
    """One step of N environments."""

    observation: Array
    """(N, O)"""
    action: Array
    """(N, A) in [-1, 1], or (N,) discrete actions"""
    reward: Array
    """(N,) float32"""
    next_observation: Array
    """(N, O): the true successor, never the next episode's first observation"""
    terminated: Array
    """(N,) bool"""
    truncated: Array
    """(N,) bool"""


@dataclass(frozen=True)
class EpisodeStats:
    """Return and length (steps) of a finished episode."""

    total_reward: float
    length: int


class EnvBatch:
    """Vectorized environment with automatic reset.

    Episodes are seeded from (seed, env index, episode index); `set_state` replays the actions
    since. A state is therefore the episode indices and these actions: physics engines cannot be
    copied bit for bit, but a replay is exact.

    Where the batch is a part of a larger one, in a worker process, `first_env_index` is the index
    of its first environment, and `status` shows the parent what is being done.
    """

    def __init__(
        self,
        env_id: str,
        num_envs: int,
        seed: int,
        settings: Mapping[str, Any] | None = None,
        first_env_index: int = 0,
        status: WorkerStatus | None = None,
    ) -> None:
        self._status = WorkerStatus() if status is None else status
        self._status.env_index = first_env_index
        self.envs = [make_env(env_id, settings) for _ in range(num_envs)]
        self.observation_space = self.envs[0].observation_space
        self.action_space = self.envs[0].action_space
        self.seed = seed
        self.first_env_index = first_env_index
        self.finished_episodes: list[EpisodeStats] = []
        self._episode_indices = [0] * num_envs
        self._actions: list[list[Array]] = [[] for _ in range(num_envs)]
        self._total_rewards = [0.0] * num_envs
        for index, env in enumerate(self.envs, first_env_index):
            unwrap_learner_env(env).label = f"environment {index}"
        self.observation = np.stack([self._reset_env(index) for index in range(num_envs)])

    def step(self, action: Array) -> Transition:
        """Step every environment; reset those whose episode ends and list it in finished_episodes.

        Raises:
            WorkError: an action is not finite.
            EnvironmentFailedError: an environment raised, or gave a value that does not fit. The
                state is that before the step.
        """
        action = np.array(action)  # Transitions and state keep it; the policy may reuse its own.
        _check_finite("action", action, self.first_env_index)
        observation = self.observation
        num_envs = len(self.envs)
        next_observation = np.empty_like(observation)
        rewards = np.empty(num_envs, np.float32)
        terminated = np.zeros(num_envs, bool)
        truncated = np.zeros(num_envs, bool)
        exact_rewards = []
        for index, env in enumerate(self.envs):
            self._status.env_index = self.first_env_index + index
            successor, reward, terminated[index], truncated[index], _ = env.step(action[index])
            next_observation[index] = successor
            rewards[index] = reward
            exact_rewards.append(float(reward))  # Returns are sums of float64.
        ended = np.flatnonzero(terminated | truncated).tolist()
        first_observations = [
            self._start_episode(index, self._episode_indices[index] + 1) for index in ended
        ]

        # No environment has failed: until here the state was that of the step before.
        for index, reward in enumerate(exact_rewards):
            self._actions[index].append(action[index])
            self._total_rewards[index] += reward
        self.finished_episodes = [
            EpisodeStats(self._total_rewards[index], len(self._actions[index])) for index in ended
        ]
        self.observation = next_observation.copy() if ended else next_observation
        for index, first_observation in zip(ended, first_observations, strict=True):
            self._episode_indices[index] += 1
            self._clear_episode(index)
            self.observation[index] = first_observation
        return Transition(observation, action, rewards, next_observation, terminated, truncated)

    def get_state(self) -> dict[str, Any]:
        """Return the episode indices, the observations (N, O) and the actions since each reset."""
        actions_since_reset = {
            f"actions_{index}": np.array(actions)
            for index, actions in enumerate(self._actions, self.first_env_index)
            if actions
        }
        return {
            "episode": list(self._episode_indices),
            "observation": self.observation.copy(),
            **actions_since_reset,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore a state by replaying the running episodes.

        A WorkError where the observations differ from those of the state.
        """
        self.observation = self.observation.copy()  # Transitions keep the array.
        for index, env in enumerate(self.envs):
            self._episode_indices[index] = state["episode"][index]
            self.observation[index] = self._reset_env(index)
            for action in state.get(f"actions_{self.first_env_index + index}", ()):
                self.observation[index], reward, _, _, _ = env.step(action)
                self._actions[index].append(action)
                self._total_rewards[index] += float(reward)
                self._status.progress += 1
        if not np.array_equal(self.observation, state["observation"]):
            raise WorkError(
                "the environment is not deterministic, or has changed since: the same seed and "
                "actions gave other observations, so the run cannot be resumed exactly"
            )

    def close(self) -> None:
        """Close every environment."""
        for env in self.envs:
            env.close()

    def _reset_env(self, index: int) -> Array:
        self._clear_episode(index)
        return self._start_episode(index, self._episode_indices[index])

    def _clear_episode(self, index: int) -> None:
        self._actions[index] = []
        self._total_rewards[index] = 0.0

    def _start_episode(self, index: int, episode_index: int) -> Array:
        """Reset an environment with the seed of an episode; return its first observation (O,)."""
        seed_sequence = np.random.SeedSequence(
            [self.seed, self.first_env_index + index, episode_index]
        )
        seed = int(seed_sequence.generate_state(1)[0])
        self._status.env_index = self.first_env_index + index
        self._status.seed = seed
        # The next reset counts one more.
        unwrap_learner_env(self.envs[index]).episode = episode_index - 1
        observation: Array = self.envs[index].reset(seed=seed)[0]
        return observation


def _check_finite(name: str, values: Array, first_env_index: int) -> None:
    # The sum is the cheapest test. It can overflow though all values are finite, so check again.
    if not math.isfinite(values.sum()) and not np.isfinite(values).all():
        is_finite = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
        index = int(np.flatnonzero(~is_finite)[0])
        raise WorkError(f"the {name} of environment {first_env_index + index} is not finite")


WORKER_TIMEOUT = 25.0
"""Default time (s) for which an environment in a worker process may stand still."""


class SubprocessEnvBatch:
    """An EnvBatch whose environments run in `num_workers` processes.

    The number of workers changes nothing but the speed. The actions since each reset are kept
    here, so that `get_state` needs no worker: it is the state after the last whole step, even
    when a step has failed. A worker that dies or stands still for `worker_timeout` seconds is not
    started again: what ended it would only come back, or be hidden.

    Raises:
        UserError: an environment cannot be made.
        WorkerError: the process of an environment died, or stands still (0: never).
    """

    def __init__(
        self,
        env_id: str,
        num_envs: int,
        seed: int,
        settings: Mapping[str, Any] | None = None,
        num_workers: int = 2,
        worker_timeout: float = WORKER_TIMEOUT,
    ) -> None:
        parts = np.array_split(np.arange(num_envs), min(num_workers, num_envs))
        # Indices of the first environment of every worker but the first, as np.split takes them.
        self._split_indices = np.cumsum([len(part) for part in parts])[:-1]
        self._episode_indices = np.zeros(num_envs, int)
        self._actions: list[list[Array]] = [[] for _ in range(num_envs)]
        self.finished_episodes: list[EpisodeStats] = []
        registration = _find_registration(env_id)
        self._workers: list[Worker] = []
        try:
            for part in parts:
                batch = (env_id, len(part), seed, dict(settings or {}), int(part[0]))
                worker = Worker(_EnvWorker, (registration, *batch))
                worker.status.env_index = int(part[0])
                worker.describe_task = partial(_describe_env, worker.status)
                self._workers.append(worker)
            self._watchdog = Watchdog(self._workers, worker_timeout)
            for worker in self._workers:
                worker.receive()
            answers = self._ask("describe", [None] * len(parts))
        except BaseException:
            stop_workers(self._workers)
            raise
        self.observation_space, self.action_space, _ = answers[0]
        self.observation = np.concatenate([observation for _, _, observation in answers])

    def step(self, action: Array) -> Transition:
        """Step every environment, as EnvBatch.step does."""
        answers = self._ask("step", np.split(action, self._split_indices))
        transitions = [transition for transition, _, _ in answers]
        transition = Transition(
            *(np.concatenate(column) for column in zip(*transitions, strict=True))
        )
        self.observation = np.concatenate([observation for _, observation, _ in answers])
        self.finished_episodes = [stats for _, _, finished in answers for stats in finished]
        has_ended = transition.terminated | transition.truncated
        self._episode_indices += has_ended
        for actions, env_action, is_reset in zip(self._actions, action, has_ended, strict=True):
            if is_reset:
                actions.clear()
            else:
                actions.append(env_action)
        return transition

    def get_state(self) -> dict[str, Any]:
        """Return the state, in the format of EnvBatch.get_state."""
        actions_since_reset = {
            f"actions_{index}": np.array(actions)
            for index, actions in enumerate(self._actions)
            if actions
        }
        return {
            "episode": self._episode_indices.tolist(),
            "observation": self.observation,
            **actions_since_reset,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore a state of any number of workers, as EnvBatch.set_state does."""
        episodes = np.split(np.array(state["episode"]), self._split_indices)
        observations = np.split(np.asarray(state["observation"]), self._split_indices)
        states = [
            {**state, "episode": episode.tolist(), "observation": observation}
            for episode, observation in zip(episodes, observations, strict=True)
        ]
        self.observation = np.concatenate(self._ask("set_state", states))
        self._episode_indices = np.array(state["episode"])
        self._actions = [
            list(state.get(f"actions_{index}", ())) for index in range(len(self._actions))
        ]

    def close(self) -> None:
        """Close the environments and end all workers; one that owes an answer is killed."""
        self._watchdog.close()
        for worker in self._workers:
            worker.close()

    def _ask(self, command: str, arguments: list[Any]) -> list[Any]:
        """Send a command to every worker, each with its own argument; return their answers.

        The first error among them is raised when all have answered.
        """
        for worker, argument in zip(self._workers, arguments, strict=True):
            worker.send((command, argument))
        answers = []
        errors = []
        for worker in self._workers:
            try:
                answers.append(worker.receive())
            except (UserError, WorkError) as error:
                errors.append(error)
        if errors:
            raise errors[0]
        return answers


class _EnvWorker:
    """The part of a SubprocessEnvBatch that runs in a worker process: it answers commands."""

    def __init__(
        self,
        status: WorkerStatus,
        registration: "_Registration",
        env_id: str,
        num_envs: int,
        seed: int,
        settings: Mapping[str, Any],
        first_env_index: int,
    ) -> None:
        if registration.module is not None:
            # The import may register the environment, and others that it needs.
            importlib.import_module(registration.module)
        if registration.spec is not None:
            gymnasium.registry.setdefault(env_id, registration.spec)
        self.envs = EnvBatch(env_id, num_envs, seed, settings, first_env_index, status)

    def __call__(self, request: tuple[str, Any]) -> Any:
        command, argument = request
        if command == "step":
            return self.envs.step(argument), self.envs.observation, self.envs.finished_episodes
        if command == "set_state":
            self.envs.set_state(argument)
            return self.envs.observation
        return self.envs.observation_space, self.envs.action_space, self.envs.observation

    def close(self) -> None:
        self.envs.close()


class _Registration(NamedTuple):
    """What registers an id in another process; nothing is needed for `module:id`."""

    module: str | None = None
    """Module of the environment."""
    spec: EnvSpec | None = None
    """None where it cannot be sent, such as a lambda: then the module must register it."""


def _find_registration(env_id: str) -> _Registration:
    spec = gymnasium.registry.get(env_id)
    if spec is None:
        return _Registration()
    if isinstance(spec.entry_point, str):
        module = spec.entry_point.partition(":")[0]
    else:
        module = spec.entry_point.__module__
    try:
        ForkingPickler.dumps(spec)
    except Exception:  # What is raised depends on what it holds.
        return _Registration(module)
    return _Registration(module, spec)


def _describe_env(status: WorkerStatus) -> str:
    seed = f" (episode seed {status.seed})" if status.seed >= 0 else ""
    return f"environment {status.env_index}{seed}"


def make_env_batch(
    env_id: str,
    num_envs: int,
    seed: int,
    settings: Mapping[str, Any],
    num_workers: int,
    worker_timeout: float = WORKER_TIMEOUT,
) -> EnvBatch | SubprocessEnvBatch:
    """Make N environments, in this process for one worker."""
    if num_workers == 1:
        return EnvBatch(env_id, num_envs, seed, settings)
    return SubprocessEnvBatch(env_id, num_envs, seed, settings, num_workers, worker_timeout)


def collect(
    envs: EnvBatch | SubprocessEnvBatch, policy: Policy | PolicyFunction
) -> Iterator[Transition]:
    """Step `envs` with `policy` and yield the transitions, without end."""
    policy = as_policy(policy)
    while True:
        transition = envs.step(policy(envs.observation))
        if envs.finished_episodes:
            policy.reset(transition.terminated | transition.truncated)
        yield transition
