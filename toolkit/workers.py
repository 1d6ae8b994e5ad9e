"""Worlds in worker processes: the same worlds, stepped on several cores, to the same bits."""

import importlib
import multiprocessing
import signal
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import gymnasium
import numpy as np

from toolkit.errors import WorkError
from toolkit.experience import Transition, Worlds
from toolkit.signals import Array


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
