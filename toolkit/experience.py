"""Experience: what worlds give and learners take. `collect` for training, `episode` for everything else."""

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
from poise.toolkit.registry import World, make_world
from poise.toolkit.spaces import Array

Act = Callable[[Array], Array]
"""What chooses: observations (N, O) to actions: (N, A) numbers, which worlds clip to [-1, 1], or (N,) choices."""


class Transition(NamedTuple):
    """One step of N worlds."""

    observation: Array
    action: Array
    reward: Array
    next_observation: Array
    """The true successor, never the next episode's first observation."""
    terminated: Array
    truncated: Array


@dataclass(frozen=True)
class Ended:
    """An episode that has just ended: its score, its length in steps and whether it ever was a success."""

    total: float
    length: int
    success: bool


class Worlds:
    """N worlds side by side, for ever: an ended episode is followed by the next one at once.

    Every episode begins from a seed of its own, drawn from (seed, world, episode); so where a world stands is told
    by its episode number and the actions since, which is what `state` keeps: physics engines cannot be copied bit
    for bit, but they can be told the same story again. `first` is the number of the first world, where these are
    some of many.
    """

    def __init__(
        self,
        world_id: str,
        number: int,
        seed: int,
        settings: Mapping[str, Any] | None = None,
        first: int = 0,
    ) -> None:
        self.worlds = [make_world(world_id, settings) for _ in range(number)]
        self.observation_space = self.worlds[0].observation_space
        self.action_space = self.worlds[0].action_space
        self.seed, self.first = seed, first
        self.ended: list[Ended] = []
        self._episode = [0] * number
        self._actions: list[list[Array]] = [[] for _ in range(number)]
        self._total = [0.0] * number
        self._success = [False] * number
        self.observation = np.stack([self._begin(index) for index in range(number)])

    def step(self, action: Array) -> Transition:
        """One step of every world; `ended` then tells which episodes it ended."""
        _refuse_non_finite("action", action, self.first)
        observation, self.ended = self.observation, []
        number = len(self.worlds)
        successor = np.empty_like(observation)
        reward, terminated, truncated = np.empty(number, np.float32), np.zeros(number, bool), np.zeros(number, bool)
        for index, world in enumerate(self.worlds):
            seen, gain, terminated[index], truncated[index], info = world.step(action[index])
            successor[index], reward[index] = seen, gain
            self._actions[index].append(action[index])
            self._total[index] += float(gain)
            self._success[index] |= bool(info.get("success", False))
            if terminated[index] or truncated[index]:
                length = len(self._actions[index])
                self.ended.append(Ended(self._total[index], length, self._success[index]))
        _refuse_non_finite("reward", reward, self.first)
        _refuse_non_finite("observation", successor, self.first)
        self.observation = successor
        if self.ended:
            self.observation = successor.copy()
            for index in np.flatnonzero(terminated | truncated).tolist():
                self._episode[index] += 1
                self.observation[index] = self._begin(index)
        return Transition(observation, action, reward, successor, terminated, truncated)

    def state(self) -> dict[str, Any]:
        """Where all worlds stand."""
        tapes = {f"actions_{index}": np.array(actions) for index, actions in enumerate(self._actions, self.first) if actions}
        return {"episode": list(self._episode), "observation": self.observation, **tapes}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Bring all worlds to where `state` was taken, by living the running episodes again."""
        for index, world in enumerate(self.worlds):
            self._episode[index] = state["episode"][index]
            self.observation[index] = self._begin(index)
            for action in state.get(f"actions_{self.first + index}", ()):
                self.observation[index], gain, _, _, info = world.step(action)
                self._actions[index].append(action)
                self._total[index] += float(gain)
                self._success[index] |= bool(info.get("success", False))
        if not np.array_equal(self.observation, state["observation"]):
            raise WorkError("the world told another story for the same seed and actions, so the run cannot go on exactly")

    def close(self) -> None:
        """Close every world."""
        for world in self.worlds:
            world.close()

    def _begin(self, index: int) -> Array:
        self._actions[index], self._total[index], self._success[index] = [], 0.0, False
        seeds = np.random.SeedSequence([self.seed, self.first + index, self._episode[index]])
        observation: Array = self.worlds[index].reset(seed=int(seeds.generate_state(1)[0]))[0]
        return observation


def collect(worlds: "Worlds | WorkerWorlds", act: Act) -> Iterator[Transition]:
    """The endless stream of experience that `act` makes in `worlds`."""
    while True:
        yield worlds.step(act(worlds.observation))


class Moment(NamedTuple):
    """A moment of one episode: what is seen now, and what the step before it did (no action at the start)."""

    observation: Array
    action: Array | None
    reward: float
    terminated: bool
    truncated: bool
    info: Mapping[str, Any]


def episode(world: World, act: Act, seed: int) -> Iterator[Moment]:
    """One episode of one world, moment by moment: the start first, then one for every step."""
    observation, info = world.reset(seed=seed)
    moment = Moment(observation, None, 0.0, False, False, info)
    yield moment
    while not (moment.terminated or moment.truncated):
        action = act(moment.observation[None])[0]
        observation, reward, terminated, truncated, info = world.step(action)
        moment = Moment(observation, action, float(reward), bool(terminated), bool(truncated), info)
        yield moment


def _refuse_non_finite(name: str, values: Array, first: int) -> None:
    # A sum is the quickest look; only when it is not finite is it worth looking closer.
    if not math.isfinite(values.sum()) and not np.isfinite(values).all():
        index = int(np.argwhere(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))[0, 0])
        raise WorkError(f"the {name} of world {first + index} is not finite")


class WorkerWorlds:
    """What Worlds is, with the worlds dealt out to `workers` processes. How many they are changes nothing but the time.

    An error in a worker is raised here; a worker that dies is a WorkError.
    """

    def __init__(
        self,
        world_id: str,
        number: int,
        seed: int,
        settings: Mapping[str, Any] | None = None,
        workers: int = 2,
    ) -> None:
        shares = [len(share) for share in np.array_split(np.arange(number), min(workers, number))]
        self._ends = np.cumsum(shares)[:-1]
        self._connections: list[Connection] = []
        # Spawned, not forked: a fork would inherit torch's threads half alive.
        context = multiprocessing.get_context("spawn")
        self._processes = []
        for share, first in zip(shares, [0, *self._ends.tolist()], strict=True):
            here, there = context.Pipe()
            words = (there, gymnasium.spec(world_id), dict(settings or {}), share, seed, first)
            process = context.Process(target=_serve, args=words, daemon=True)
            process.start()
            there.close()
            self._connections.append(here)
            self._processes.append(process)
        told = self._gather()
        self.observation_space, self.action_space = told[0][:2]
        self.observation = np.concatenate([observation for _, _, observation in told])
        self.ended: list[Any] = []

    def step(self, action: Array) -> Transition:
        """One step of every world; `ended` then tells which episodes it ended."""
        self._scatter("step", np.split(action, self._ends))
        told = self._gather()
        self.observation = np.concatenate([observation for _, observation, _ in told])
        self.ended = [ended for _, _, own in told for ended in own]
        return Transition(*(np.concatenate(column) for column in zip(*(row for row, _, _ in told), strict=True)))

    def state(self) -> dict[str, Any]:
        """Where all worlds stand."""
        self._scatter("state", [None] * len(self._connections))
        merged: dict[str, Any] = {"episode": [], "observation": self.observation}
        for own in self._gather():
            merged["episode"] += own["episode"]
            merged |= {name: value for name, value in own.items() if name.startswith("actions_")}
        return merged

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Bring all worlds to where `state` was taken."""
        episodes = np.split(np.array(state["episode"]), self._ends)
        observations = np.split(np.asarray(state["observation"]), self._ends)
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


def worlds_of(world_id: str, number: int, seed: int, settings: Mapping[str, Any], workers: int) -> Worlds | WorkerWorlds:
    """N worlds, in this process where one worker is enough."""
    if workers == 1:
        return Worlds(world_id, number, seed, settings)
    return WorkerWorlds(world_id, number, seed, settings, workers)


def _serve(connection: Connection, spec: Any, settings: Mapping[str, Any], number: int, seed: int, first: int) -> None:
    """A worker: makes its share of the worlds, and does what it is told until nobody listens any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the learner, which finishes its step and saves.
    try:
        if isinstance(spec.entry_point, str):
            importlib.import_module(spec.entry_point.partition(":")[0])  # Which may register the world, and others.
        gymnasium.registry.setdefault(spec.id, spec)
        worlds = Worlds(spec.id, number, seed, settings, first)
        answer: Any = (worlds.observation_space, worlds.action_space, worlds.observation)
    except Exception as error:
        connection.send(error)
        return
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            connection.send(answer)
            command, argument = connection.recv()
            try:
                answer = _obey(worlds, command, argument)
            except Exception as error:
                answer = error


def _obey(worlds: Worlds, command: str, argument: Any) -> Any:
    if command == "step":
        return worlds.step(argument), worlds.observation, worlds.ended
    if command == "state":
        return worlds.state()
    worlds.load_state(argument)
    return worlds.observation
