"""The replay buffer: a circle of transitions, preallocated."""

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
        kind = observation.dtype if observation.dtype == np.uint8 else np.float32
        try:
            self.columns: dict[str, Array] = {
                "s": np.zeros((capacity, *observation.shape), kind),
                "a": np.zeros((capacity, *action.shape), np.float32),
                "r": np.zeros(capacity, np.float32),
                "s2": np.zeros((capacity, *observation.shape), kind),
                "terminated": np.zeros(capacity, np.float32),
            }
        except (MemoryError, ValueError) as error:
            raise UserError(f"a buffer of {capacity:,} transitions does not fit in memory: {error}") from None

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
