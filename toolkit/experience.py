"""Experience: what environments give and learners take. `collect` for training, `episode` for everything else."""

import importlib
import math
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from poise.toolkit.errors import WorkError
from poise.toolkit.registry import Env, make_env
from poise.toolkit.spaces import Array

Policy = Callable[[Array], Array]
"""What chooses: observations (N, O) to actions: (N, A) numbers, which environments clip to [-1, 1], or (N,) choices."""


class Transition(NamedTuple):
    """One step of N environments."""

    observation: Array
    action: Array
    reward: Array
    next_observation: Array
    """The true successor, never the next episode's first observation."""
    terminated: Array
    truncated: Array


@dataclass(frozen=True)
class EpisodeStats:
    """An episode that has just ended: its score, its length in steps and whether it ever was a success."""

    total_reward: float
    length: int
    is_success: bool


class EnvBatch:
    """N environments side by side, for ever: an ended episode is followed by the next one at once.

    Every episode begins from a seed of its own, drawn from (seed, environment, episode); so where an environment stands is told
    by its episode number and the actions since, which is what `state` keeps: physics engines cannot be copied bit
    for bit, but they can be told the same story again. `first` is the number of the first environment, where these are
    some of many.
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
        self.observation = np.stack([self._reset_env(index) for index in range(num_envs)])

    def step(self, action: Array) -> Transition:
        """One step of every environment; `ended` then tells which episodes it ended."""
        _check_finite("action", action, self.first_env_index)
        observation = self.observation
        self.finished_episodes = []
        number = len(self.envs)
        successor = np.empty_like(observation)
        reward = np.empty(number, np.float32)
        terminated = np.zeros(number, bool)
        truncated = np.zeros(number, bool)
        for index, env in enumerate(self.envs):
            seen, gain, terminated[index], truncated[index], info = env.step(action[index])
            successor[index] = seen
            reward[index] = gain
            self._actions[index].append(action[index])
            self._total_rewards[index] += float(gain)
            self._successes[index] |= bool(info.get("success", False))
            if terminated[index] or truncated[index]:
                length = len(self._actions[index])
                self.finished_episodes.append(
                    EpisodeStats(self._total_rewards[index], length, self._successes[index])
                )
        _check_finite("reward", reward, self.first_env_index)
        _check_finite("observation", successor, self.first_env_index)
        self.observation = successor
        if self.finished_episodes:
            self.observation = successor.copy()
            for index in np.flatnonzero(terminated | truncated).tolist():
                self._episode_indices[index] += 1
                self.observation[index] = self._reset_env(index)
        return Transition(observation, action, reward, successor, terminated, truncated)

    def get_state(self) -> dict[str, Any]:
        """Where all environments stand."""
        tapes = {
            f"actions_{index}": np.array(actions)
            for index, actions in enumerate(self._actions, self.first_env_index)
            if actions
        }
        return {"episode": list(self._episode_indices), "observation": self.observation, **tapes}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Bring all environments to where `state` was taken, by living the running episodes again."""
        for index, env in enumerate(self.envs):
            self._episode_indices[index] = state["episode"][index]
            self.observation[index] = self._reset_env(index)
            for action in state.get(f"actions_{self.first_env_index + index}", ()):
                self.observation[index], gain, _, _, info = env.step(action)
                self._actions[index].append(action)
                self._total_rewards[index] += float(gain)
                self._successes[index] |= bool(info.get("success", False))
        if not np.array_equal(self.observation, state["observation"]):
            raise WorkError(
                "the environment told another story for the same seed and actions, so the run cannot go on exactly"
            )

    def close(self) -> None:
        """Close every environment."""
        for env in self.envs:
            env.close()

    def _reset_env(self, index: int) -> Array:
        self._actions[index] = []
        self._total_rewards[index] = 0.0
        self._successes[index] = False
        seeds = np.random.SeedSequence(
            [self.seed, self.first_env_index + index, self._episode_indices[index]]
        )
        observation: Array = self.envs[index].reset(seed=int(seeds.generate_state(1)[0]))[0]
        return observation


def collect(envs: "EnvBatch | SubprocessEnvBatch", policy: Policy) -> Iterator[Transition]:
    """The endless stream of experience that `policy` makes in `envs`."""
    while True:
        yield envs.step(policy(envs.observation))


class EpisodeStep(NamedTuple):
    """A moment of one episode: what is seen now, and what the step before it did (no action at the start)."""

    observation: Array
    action: Array | None
    reward: float
    terminated: bool
    truncated: bool
    info: Mapping[str, Any]


def run_episode(env: Env, policy: Policy, seed: int) -> Iterator[EpisodeStep]:
    """One episode of one environment, moment by moment: the start first, then one for every step."""
    observation, info = env.reset(seed=seed)
    moment = EpisodeStep(observation, None, 0.0, False, False, info)
    yield moment
    while not (moment.terminated or moment.truncated):
        action = policy(moment.observation[None])[0]
        observation, reward, terminated, truncated, info = env.step(action)
        moment = EpisodeStep(
            observation, action, float(reward), bool(terminated), bool(truncated), info
        )
        yield moment


def _check_finite(name: str, values: Array, first_env_index: int) -> None:
    # A sum is the quickest look; only when it is not finite is it worth looking closer.
    if not math.isfinite(values.sum()) and not np.isfinite(values).all():
        index = int(np.argwhere(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))[0, 0])
        raise WorkError(f"the {name} of environment {first_env_index + index} is not finite")


class SubprocessEnvBatch:
    """What Environments is, with the environments dealt out to `workers` processes. How many they are changes nothing but the time.

    An error in a worker is raised here; a worker that dies is a WorkError.
    """

    def __init__(
        self,
        env_id: str,
        num_envs: int,
        seed: int,
        settings: Mapping[str, Any] | None = None,
        num_workers: int = 2,
    ) -> None:
        shares = [
            len(share) for share in np.array_split(np.arange(num_envs), min(num_workers, num_envs))
        ]
        self._split_indices = np.cumsum(shares)[:-1]
        self._connections: list[Connection] = []
        # Spawned, not forked: a fork would inherit torch's threads half alive.
        context = multiprocessing.get_context("spawn")
        self._processes = []
        for share, first in zip(shares, [0, *self._split_indices.tolist()], strict=True):
            here, there = context.Pipe()
            words = (there, gymnasium.spec(env_id), dict(settings or {}), share, seed, first)
            process = context.Process(target=_run_worker, args=words, daemon=True)
            process.start()
            there.close()
            self._connections.append(here)
            self._processes.append(process)
        told = self._gather()
        self.observation_space, self.action_space = told[0][:2]
        self.observation = np.concatenate([observation for _, _, observation in told])
        self.finished_episodes: list[Any] = []

    def step(self, action: Array) -> Transition:
        """One step of every environment; `ended` then tells which episodes it ended."""
        self._scatter("step", np.split(action, self._split_indices))
        told = self._gather()
        self.observation = np.concatenate([observation for _, observation, _ in told])
        self.finished_episodes = [ended for _, _, own in told for ended in own]
        return Transition(
            *(np.concatenate(column) for column in zip(*(row for row, _, _ in told), strict=True))
        )

    def get_state(self) -> dict[str, Any]:
        """Where all environments stand."""
        self._scatter("state", [None] * len(self._connections))
        merged: dict[str, Any] = {"episode": [], "observation": self.observation}
        for own in self._gather():
            merged["episode"] += own["episode"]
            merged |= {name: value for name, value in own.items() if name.startswith("actions_")}
        return merged

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Bring all environments to where `state` was taken."""
        episodes = np.split(np.array(state["episode"]), self._split_indices)
        observations = np.split(np.asarray(state["observation"]), self._split_indices)
        own = [
            {**state, "episode": episode.tolist(), "observation": observation}
            for episode, observation in zip(episodes, observations, strict=True)
        ]
        self._scatter("load_state", own)
        self.observation = np.concatenate(self._gather())

    def close(self) -> None:
        """End all workers."""
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            process.join()

    def _scatter(self, command: str, arguments: list[Any]) -> None:
        try:
            for connection, argument in zip(self._connections, arguments, strict=True):
                connection.send((command, argument))
        except (BrokenPipeError, ConnectionResetError):
            raise WorkError("a worker process has died") from None

    def _gather(self) -> list[Any]:
        try:
            answers = [connection.recv() for connection in self._connections]
        except (EOFError, ConnectionResetError):
            raise WorkError("a worker process has died") from None
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers


def make_env_batch(
    env_id: str, num_envs: int, seed: int, settings: Mapping[str, Any], num_workers: int
) -> EnvBatch | SubprocessEnvBatch:
    """N environments, in this process where one worker is enough."""
    if num_workers == 1:
        return EnvBatch(env_id, num_envs, seed, settings)
    return SubprocessEnvBatch(env_id, num_envs, seed, settings, num_workers)


def _run_worker(
    connection: Connection,
    spec: Any,
    settings: Mapping[str, Any],
    num_envs: int,
    seed: int,
    first_env_index: int,
) -> None:
    """A worker: makes its share of the environments, and does what it is told until nobody listens any more."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is for the learner, which finishes its step and saves.
    try:
        if isinstance(spec.entry_point, str):
            importlib.import_module(
                spec.entry_point.partition(":")[0]
            )  # Which may register the environment, and others.
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
                answer = _handle_command(envs, command, argument)
            except Exception as error:
                answer = error


def _handle_command(envs: EnvBatch, command: str, argument: Any) -> Any:
    if command == "step":
        return envs.step(argument), envs.observation, envs.finished_episodes
    if command == "state":
        return envs.get_state()
    envs.set_state(argument)
    return envs.observation
