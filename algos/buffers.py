"""The replay buffer: a circle of transitions, preallocated. Pictures that many of them show are kept once."""

import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch
from torch import Tensor

from poise.algos.frame_store import FrameStore
from poise.algos.optim import to_tensor
from poise.toolkit.errors import UserError
from poise.toolkit.experience import Transition
from poise.toolkit.spaces import Array
from poise.toolkit.wrappers import PixelVectorSpace


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

    def __init__(
        self,
        capacity: int,
        observation_space: gymnasium.spaces.Box,
        action_space: gymnasium.spaces.Box,
    ) -> None:
        self.capacity = capacity
        self.size = 0
        self.position = 0
        each = np.dtype((np.float32, action_space.shape))
        number = np.dtype(np.float32)
        seen = np.dtype(
            (
                np.uint8 if observation_space.dtype == np.uint8 else np.float32,
                observation_space.shape,
            )
        )
        _check_memory(capacity, 2 * seen.itemsize + each.itemsize + 2 * number.itemsize)
        self.frame_store = (
            FrameStore(observation_space, 2 * capacity)
            if isinstance(observation_space, PixelVectorSpace)
            else None
        )
        seen = (
            np.dtype((np.uint8, self.frame_store.compact_row_bytes)) if self.frame_store else seen
        )
        rows = {"s": seen, "a": each, "r": number, "s2": seen, "terminated": number}
        self.columns: dict[str, Array] = {
            name: np.zeros(capacity, row) for name, row in rows.items()
        }

    @property
    def nbytes(self) -> int:
        """The memory that it takes at the most."""
        return sum(column.nbytes for column in self.columns.values()) + (
            self.frame_store.channels.nbytes if self.frame_store else 0
        )

    def add(self, transition: Transition) -> None:
        """Take the N rows of one step, over the oldest where the circle is full."""
        t = Transition(*(values[-self.capacity :] for values in transition))
        number = len(t.reward)
        places = np.arange(self.position, self.position + number) % self.capacity
        s = t.observation
        s2 = t.next_observation
        if self.frame_store:
            for name in ("s", "s2"):
                self.frame_store.release(self.columns[name][places])
            s = self.frame_store.add(s)
            s2 = self.frame_store.add(s2)
        for column, values in zip(
            self.columns.values(), (s, t.action, t.reward, s2, t.terminated), strict=True
        ):
            column[places] = values
        self.position = (self.position + number) % self.capacity
        self.size = min(self.size + number, self.capacity)

    def sample(self, batch_size: int, rng: np.random.Generator, device: torch.device) -> Batch:
        """`batch_size` rows, each equally likely, with replacement."""
        rows = rng.integers(0, self.size, batch_size)
        drawn = {name: column[rows] for name, column in self.columns.items()}
        if self.frame_store:
            drawn |= {name: self.frame_store.reconstruct(drawn[name]) for name in ("s", "s2")}
        return Batch(*(torch.from_numpy(values).to(device) for values in drawn.values()))

    def get_state(self) -> dict[str, Any]:
        """The filled part and the place of the next row."""
        filled = {name: column[: self.size] for name, column in self.columns.items()}
        return {
            "next": self.position,
            **filled,
            **(self.frame_store.get_state() if self.frame_store else {}),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take a saved state back."""
        self.position = state["next"]
        self.size = len(state["r"])
        for name, column in self.columns.items():
            column[: self.size] = state[name]
        if self.frame_store:
            self.frame_store.set_state(state, state["s"], state["s2"])


def _check_memory(capacity: int, bytes_per_transition: int) -> None:
    """A UserError where `capacity` transitions of `bytes_per_transition` bytes, once they have all come, are more than the machine can hold."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if capacity * bytes_per_transition > memory:
        needed = capacity * bytes_per_transition / 2**30
        there = memory / 2**30
        advice = f"--set buffer_size={memory // 4 // bytes_per_transition} takes a quarter of it"
        raise UserError(
            f"a buffer of {capacity:,} transitions takes up to {needed:,.0f} GiB, the memory here is {there:,.0f}: {advice}"
        )


class RolloutBuffer:
    """Transitions of N environments, one step after the other, up to `length`."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.steps = 0
        self.transitions: list[Transition] = []

    @property
    def is_full(self) -> bool:
        """Whether it is time to learn."""
        return len(self.transitions) >= self.length

    def add(self, transition: Transition) -> None:
        """Take one step of N environments."""
        self.transitions.append(transition)
        self.steps += len(transition.reward)

    def drain(self, device: torch.device) -> list[Tensor]:
        """The columns of Transition as tensors (T, N, ...), of float32 or of bytes; the buffer is empty then."""
        columns = self._columns()
        self.transitions = []
        return [to_tensor(column, device) for column in columns.values()]

    def get_state(self) -> dict[str, Any]:
        """The steps so far, column by column, and how many there ever were."""
        return {"steps": self.steps, **(self._columns() if self.transitions else {})}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take a saved state back."""
        self.steps = state["steps"]
        columns = [state[name] for name in Transition._fields if name in state]
        self.transitions = [Transition(*row) for row in zip(*columns, strict=True)]

    def _columns(self) -> dict[str, Array]:
        return {
            name: np.stack(column)
            for name, column in zip(
                Transition._fields, zip(*self.transitions, strict=True), strict=True
            )
        }


class Rollout(NamedTuple):
    """Steps as rows: s (B, O), a (B, A) or (B,), log_pi_old (B,), v_old (B,), A (B,), R (B,)."""

    s: Tensor
    a: Tensor
    log_pi_old: Tensor
    v_old: Tensor
    A: Tensor
    R: Tensor

    def minibatches(self, batch_size: int, rng: np.random.Generator) -> Iterator["Rollout"]:
        """All rows in a new order, `batch_size` at a time."""
        order = torch.from_numpy(rng.permutation(len(self.s))).to(self.s.device)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            yield Rollout(*(column[rows] for column in self))
