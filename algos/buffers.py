"""The replay buffer: a circle of transitions, preallocated."""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch
from torch import Tensor

from toolkit.errors import UserError
from toolkit.experience import Transition
from toolkit.signals import Array


class Batch(NamedTuple):
    """B transitions as tensors: s (B, O), a (B, A), r (B,), s2 (B, O), terminated (B,) as 0 or 1."""

    s: Tensor
    a: Tensor
    r: Tensor
    s2: Tensor
    terminated: Tensor


class ReplayBuffer:
    """The last `capacity` transitions. Memory is reserved at once but taken only as it fills.

    Observations keep the type of their space (uint8 for images). A truncated episode is not a terminated one:
    only `terminated` is kept, so that the value of what would have followed a time-out is still bootstrapped.
    """

    def __init__(self, capacity: int, observation: gymnasium.spaces.Box, action: gymnasium.spaces.Box) -> None:
        self.capacity, self.size, self.next = capacity, 0, 0
        seen = observation.dtype if observation.dtype == np.uint8 else np.float32
        shapes = {"s": observation.shape, "a": action.shape, "r": (), "s2": observation.shape, "terminated": ()}
        rows = {name: np.dtype((seen if name in ("s", "s2") else np.float32, shape)) for name, shape in shapes.items()}
        _check_memory(capacity, sum(row.itemsize for row in rows.values()))
        self.columns: dict[str, Array] = {name: np.zeros(capacity, row) for name, row in rows.items()}

    def add(self, transition: Transition) -> None:
        """Take the N rows of one step, over the oldest where the circle is full."""
        t = transition
        rows = (t.observation, t.action, t.reward, t.next_observation, t.terminated)
        number = len(transition.reward)
        places = np.arange(self.next, self.next + number) % self.capacity
        for column, values in zip(self.columns.values(), rows, strict=True):
            column[places] = values
        self.next = (self.next + number) % self.capacity
        self.size = min(self.size + number, self.capacity)

    def sample(self, number: int, rng: np.random.Generator, device: torch.device) -> Batch:
        """`number` rows, each equally likely, with replacement."""
        rows = rng.integers(0, self.size, number)
        return Batch(*(torch.from_numpy(column[rows]).to(device) for column in self.columns.values()))

    def state(self) -> dict[str, Any]:
        """The filled part and the place of the next row."""
        return {"next": self.next, **{name: column[: self.size] for name, column in self.columns.items()}}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take a saved state back."""
        self.next, self.size = state["next"], len(state["r"])
        for name, column in self.columns.items():
            column[: self.size] = state[name]


def _check_memory(capacity: int, each: int) -> None:
    """A UserError where `capacity` transitions of `each` bytes, once they have all come, are more than the machine can hold."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if capacity * each > memory:
        needed, there = capacity * each / 2**30, memory / 2**30
        advice = f"--set buffer={memory // 4 // each} takes a quarter of it"
        raise UserError(
            f"a buffer of {capacity:,} transitions takes {needed:,.0f} GiB, this machine has {there:,.0f} of memory: {advice}"
        )
