"""The replay buffer: a circle of transitions, preallocated. Pictures that many of them show are kept once."""

import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch
from poise.algos.frame_store import Album
from poise.algos.optim import tensor_of
from poise.toolkit.errors import UserError
from poise.toolkit.experience import Transition
from poise.toolkit.spaces import Array
from poise.toolkit.wrappers import PictureRows
from torch import Tensor


class Batch(NamedTuple):
    """B transitions as tensors: s (B, O), a (B, A), r (B,), s2 (B, O), terminated (B,) as 0 or 1."""

    s: Tensor
    a: Tensor
    r: Tensor
    s2: Tensor
    terminated: Tensor


class ReplayBuffer:
    """The last `capacity` transitions. Memory is reserved at once but taken only as it fills.

    Observations keep the type of their space (uint8 for images); those with pictures lie in an album, and here as its short
    rows. A truncated episode is not a terminated one: only `terminated` is kept, so that the value of what would have followed a
    time-out is still bootstrapped.
    """

    def __init__(self, capacity: int, observation: gymnasium.spaces.Box, action: gymnasium.spaces.Box) -> None:
        self.capacity, self.size, self.next = capacity, 0, 0
        each, number = np.dtype((np.float32, action.shape)), np.dtype(np.float32)
        seen = np.dtype((np.uint8 if observation.dtype == np.uint8 else np.float32, observation.shape))
        _check_memory(capacity, 2 * seen.itemsize + each.itemsize + 2 * number.itemsize)
        self.album = Album(observation, 2 * capacity) if isinstance(observation, PictureRows) else None
        seen = np.dtype((np.uint8, self.album.row_bytes)) if self.album else seen
        rows = {"s": seen, "a": each, "r": number, "s2": seen, "terminated": number}
        self.columns: dict[str, Array] = {name: np.zeros(capacity, row) for name, row in rows.items()}

    @property
    def nbytes(self) -> int:
        """The memory that it takes at the most."""
        return sum(column.nbytes for column in self.columns.values()) + (self.album.channels.nbytes if self.album else 0)

    def add(self, transition: Transition) -> None:
        """Take the N rows of one step, over the oldest where the circle is full."""
        t = Transition(*(values[-self.capacity :] for values in transition))
        number = len(t.reward)
        places = np.arange(self.next, self.next + number) % self.capacity
        s, s2 = t.observation, t.next_observation
        if self.album:
            for name in ("s", "s2"):
                self.album.drop(self.columns[name][places])
            s, s2 = self.album.keep(s), self.album.keep(s2)
        for column, values in zip(self.columns.values(), (s, t.action, t.reward, s2, t.terminated), strict=True):
            column[places] = values
        self.next = (self.next + number) % self.capacity
        self.size = min(self.size + number, self.capacity)

    def sample(self, number: int, rng: np.random.Generator, device: torch.device) -> Batch:
        """`number` rows, each equally likely, with replacement."""
        rows = rng.integers(0, self.size, number)
        drawn = {name: column[rows] for name, column in self.columns.items()}
        if self.album:
            drawn |= {name: self.album.whole(drawn[name]) for name in ("s", "s2")}
        return Batch(*(torch.from_numpy(values).to(device) for values in drawn.values()))

    def state(self) -> dict[str, Any]:
        """The filled part and the place of the next row."""
        filled = {name: column[: self.size] for name, column in self.columns.items()}
        return {"next": self.next, **filled, **(self.album.state() if self.album else {})}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take a saved state back."""
        self.next, self.size = state["next"], len(state["r"])
        for name, column in self.columns.items():
            column[: self.size] = state[name]
        if self.album:
            self.album.load_state(state, state["s"], state["s2"])


def _check_memory(capacity: int, each: int) -> None:
    """A UserError where `capacity` transitions of `each` bytes, once they have all come, are more than the machine can hold."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if capacity * each > memory:
        needed, there = capacity * each / 2**30, memory / 2**30
        advice = f"--set buffer={memory // 4 // each} takes a quarter of it"
        raise UserError(
            f"a buffer of {capacity:,} transitions takes up to {needed:,.0f} GiB, the memory here is {there:,.0f}: {advice}"
        )


class RolloutBuffer:
    """Transitions of N worlds, one step after the other, up to `length`."""

    def __init__(self, length: int) -> None:
        self.length, self.steps = length, 0
        self.transitions: list[Transition] = []

    @property
    def full(self) -> bool:
        """Whether it is time to learn."""
        return len(self.transitions) >= self.length

    def add(self, transition: Transition) -> None:
        """Take one step of N worlds."""
        self.transitions.append(transition)
        self.steps += len(transition.reward)

    def take(self, device: torch.device) -> list[Tensor]:
        """The columns of Transition as tensors (T, N, ...), of float32 or of bytes; the buffer is empty then."""
        columns = self._columns()
        self.transitions = []
        return [tensor_of(column, device) for column in columns.values()]

    def state(self) -> dict[str, Any]:
        """The steps so far, column by column, and how many there ever were."""
        return {"steps": self.steps, **(self._columns() if self.transitions else {})}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take a saved state back."""
        self.steps = state["steps"]
        columns = [state[name] for name in Transition._fields if name in state]
        self.transitions = [Transition(*row) for row in zip(*columns, strict=True)]

    def _columns(self) -> dict[str, Array]:
        return {
            name: np.stack(column) for name, column in zip(Transition._fields, zip(*self.transitions, strict=True), strict=True)
        }


class Rollout(NamedTuple):
    """Steps as rows: s (B, O), a (B, A) or (B,), log_pi_old (B,), v_old (B,), A (B,), R (B,)."""

    s: Tensor
    a: Tensor
    log_pi_old: Tensor
    v_old: Tensor
    A: Tensor
    R: Tensor

    def minibatches(self, size: int, rng: np.random.Generator) -> Iterator["Rollout"]:
        """All rows in a new order, `size` at a time."""
        order = torch.from_numpy(rng.permutation(len(self.s))).to(self.s.device)
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            yield Rollout(*(column[rows] for column in self))
