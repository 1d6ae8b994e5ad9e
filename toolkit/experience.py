"""Experience: single episodes, and batches of environments in this process or in worker processes.

`run_episode` serves playing, recording and evaluation; `collect` serves training.
"""

import importlib
import math
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, Protocol, runtime_checkable

import gymnasium
import numpy as np

from poise.toolkit.errors import WorkError
from poise.toolkit.registry import Env, make_env
from poise.toolkit.spaces import Array
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
    """Return, length (steps) and success of a finished episode."""

    total_reward: float
    length: int
    is_success: bool


class EnvBatch:
    """Vectorized environment with automatic reset.

    Episodes are seeded from (seed, env index, episode index); `set_state` replays the actions
    since. A state is therefore the episode indices and these actions: physics engines cannot be
    copied bit for bit, but a replay is exact. `first_env_index` is the index of the first
    environment, where the batch is a part of a larger one.
    """

    def __init__(
        self,
        env_id: str,
        num_envs: int,
        seed: int,
        settings: Mapping[str, Any] | None = None,
        first_env_index: int = 0,
    ) -> None:
        self.envs = [make_env(env_id, settings) for _ in range(num_envs)]
        self.observation_space = self.envs[0].observation_space
        self.action_space = self.envs[0].action_space
        self.seed = seed
        self.first_env_index = first_env_index
        self.finished_episodes: list[EpisodeStats] = []
        self._episode_indices = [0] * num_envs
        self._actions: list[list[Array]] = [[] for _ in range(num_envs)]
        self._total_rewards = [0.0] * num_envs
        self._successes = [False] * num_envs
        for index, env in enumerate(self.envs, first_env_index):
            unwrap_learner_env(env).label = f"environment {index}"
        self.observation = np.stack([self._reset_env(index) for index in range(num_envs)])

    def step(self, action: Array) -> Transition:
        """Step every environment; reset those whose episode ends and list it in finished_episodes.

        An action, reward or observation that is not finite is a WorkError.
        """
        action = np.array(action)  # Transitions and state keep it; the policy may reuse its own.
        _check_finite("action", action, self.first_env_index)
        observation = self.observation
        self.finished_episodes = []
        num_envs = len(self.envs)
        next_observation = np.empty_like(observation)
        rewards = np.empty(num_envs, np.float32)
        terminated = np.zeros(num_envs, bool)
        truncated = np.zeros(num_envs, bool)
        for index, env in enumerate(self.envs):
            successor, reward, terminated[index], truncated[index], info = env.step(action[index])
            next_observation[index] = successor
            rewards[index] = reward
            self._actions[index].append(action[index])
            self._total_rewards[index] += float(reward)
            self._successes[index] |= bool(info.get("success", False))
            if terminated[index] or truncated[index]:
                length = len(self._actions[index])
                self.finished_episodes.append(
                    EpisodeStats(self._total_rewards[index], length, self._successes[index])
                )
        self.observation = next_observation
        if self.finished_episodes:
            self.observation = next_observation.copy()
            for index in np.flatnonzero(terminated | truncated).tolist():
                self._episode_indices[index] += 1
                self.observation[index] = self._reset_env(index)
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
            "observation": self.observation,
            **actions_since_reset,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore a state by replaying the running episodes.

        A WorkError where the observations differ from those of the state.
        """
        for index, env in enumerate(self.envs):
            self._episode_indices[index] = state["episode"][index]
            self.observation[index] = self._reset_env(index)
            for action in state.get(f"actions_{self.first_env_index + index}", ()):
                self.observation[index], reward, _, _, info = env.step(action)
                self._actions[index].append(action)
                self._total_rewards[index] += float(reward)
                self._successes[index] |= bool(info.get("success", False))
        if not np.array_equal(self.observation, state["observation"]):
            raise WorkError(
                "the environment is not deterministic: the same seed and actions gave other "
                "observations, so the run cannot be resumed exactly"
            )

    def close(self) -> None:
        """Close every environment."""
        for env in self.envs:
            env.close()

    def _reset_env(self, index: int) -> Array:
        self._actions[index] = []
        self._total_rewards[index] = 0.0
        self._successes[index] = False
        seed_sequence = np.random.SeedSequence(
            [self.seed, self.first_env_index + index, self._episode_indices[index]]
        )
        seed = int(seed_sequence.generate_state(1)[0])
        # The next reset counts one more.
        unwrap_learner_env(self.envs[index]).episode = self._episode_indices[index] - 1
        observation: Array = self.envs[index].reset(seed=seed)[0]
        return observation


def _check_finite(name: str, values: Array, first_env_index: int) -> None:
    # The sum is the cheapest test. It can overflow though all values are finite, so check again.
    if not math.isfinite(values.sum()) and not np.isfinite(values).all():
        is_finite = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
        index = int(np.flatnonzero(~is_finite)[0])
        raise WorkError(f"the {name} of environment {first_env_index + index} is not finite")


class SubprocessEnvBatch:
    """An EnvBatch whose environments run in `num_workers` processes.

    The number of workers changes nothing but the speed. An error in a worker is raised here; a
    worker that dies is a WorkError.
    """

    def __init__(
        self,
        env_id: str,
        num_envs: int,
        seed: int,
        settings: Mapping[str, Any] | None = None,
        num_workers: int = 2,
    ) -> None:
        parts = np.array_split(np.arange(num_envs), min(num_workers, num_envs))
        # Indices of the first environment of every worker but the first, as np.split takes them.
        self._split_indices = np.cumsum([len(part) for part in parts])[:-1]
        self._connections: list[Connection] = []
        self._processes = []
        # Spawned, not forked: a fork would inherit torch's thread pool without its threads.
        context = multiprocessing.get_context("spawn")
        if env_id not in gymnasium.registry:
            make_env(env_id, settings).close()  # `module:id` is registered by importing its module.
        spec = gymnasium.spec(env_id.rpartition(":")[2])
        for part in parts:
            connection, worker_connection = context.Pipe()
            process = context.Process(
                target=_run_worker,
                args=(
                    worker_connection,
                    spec,
                    dict(settings or {}),
                    len(part),
                    seed,
                    int(part[0]),
                ),
                daemon=True,
            )
            process.start()
            worker_connection.close()
            self._connections.append(connection)
            self._processes.append(process)
        answers = self._gather()
        self.observation_space, self.action_space, _ = answers[0]
        self.observation = np.concatenate([observation for _, _, observation in answers])
        self.finished_episodes: list[EpisodeStats] = []

    def step(self, action: Array) -> Transition:
        """Step every environment, as EnvBatch.step does."""
        self._scatter("step", np.split(action, self._split_indices))
        answers = self._gather()
        transitions = [transition for transition, _, _ in answers]
        self.observation = np.concatenate([observation for _, observation, _ in answers])
        self.finished_episodes = [stats for _, _, finished in answers for stats in finished]
        return Transition(*(np.concatenate(column) for column in zip(*transitions, strict=True)))

    def get_state(self) -> dict[str, Any]:
        """Return the state, in the format of EnvBatch.get_state."""
        self._scatter("get_state", [None] * len(self._connections))
        merged: dict[str, Any] = {"episode": [], "observation": self.observation}
        for state in self._gather():
            merged["episode"] += state["episode"]
            merged |= {key: value for key, value in state.items() if key.startswith("actions_")}
        return merged

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore a state of any number of workers, as EnvBatch.set_state does."""
        episodes = np.split(np.array(state["episode"]), self._split_indices)
        observations = np.split(np.asarray(state["observation"]), self._split_indices)
        states = [
            {**state, "episode": episode.tolist(), "observation": observation}
            for episode, observation in zip(episodes, observations, strict=True)
        ]
        self._scatter("set_state", states)
        self.observation = np.concatenate(self._gather())

    def close(self) -> None:
        """End all workers."""
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            process.join()

    def _scatter(self, command: str, arguments: list[Any]) -> None:
        """Send a command to every worker, each with its own argument."""
        try:
            for connection, argument in zip(self._connections, arguments, strict=True):
                connection.send((command, argument))
        except (BrokenPipeError, ConnectionResetError):
            raise WorkError("a worker process has died") from None

    def _gather(self) -> list[Any]:
        """Return the answers of all workers; raise the first error among them."""
        try:
            answers = [connection.recv() for connection in self._connections]
        except (EOFError, ConnectionResetError):
            raise WorkError("a worker process has died") from None
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers


def _run_worker(
    connection: Connection,
    spec: Any,
    settings: Mapping[str, Any],
    num_envs: int,
    seed: int,
    first_env_index: int,
) -> None:
    """Run a part of the environments in this process, until the connection closes."""
    # Ctrl-C is handled by the learner, which finishes its step and saves.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        if isinstance(spec.entry_point, str):
            # The import may register the environment, and others that it needs.
            importlib.import_module(spec.entry_point.partition(":")[0])
        gymnasium.registry.setdefault(spec.id, spec)
        envs = EnvBatch(spec.id, num_envs, seed, settings, first_env_index)
        answer: Any = (envs.observation_space, envs.action_space, envs.observation)
    except Exception as error:
        connection.send(error)
        return
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            connection.send(answer)
            command, argument = connection.recv()
            try:
                answer = _run_command(envs, command, argument)
            except Exception as error:
                answer = error


def _run_command(envs: EnvBatch, command: str, argument: Any) -> Any:
    if command == "step":
        return envs.step(argument), envs.observation, envs.finished_episodes
    if command == "get_state":
        return envs.get_state()
    envs.set_state(argument)
    return envs.observation


def make_env_batch(
    env_id: str, num_envs: int, seed: int, settings: Mapping[str, Any], num_workers: int
) -> EnvBatch | SubprocessEnvBatch:
    """Make N environments, in this process for one worker."""
    if num_workers == 1:
        return EnvBatch(env_id, num_envs, seed, settings)
    return SubprocessEnvBatch(env_id, num_envs, seed, settings, num_workers)


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
