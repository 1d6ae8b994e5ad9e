"""Experience: what worlds give and learners take. `collect` for training, `episode` for everything else."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from toolkit.errors import WorkError
from toolkit.registry import World, make_world
from toolkit.signals import Array

if TYPE_CHECKING:
    from toolkit.workers import WorkerWorlds

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
