"""The rollout: what an on-policy learner has just lived through, kept until it has learned from it, and then dropped."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from algos.updates import tensor_of
from toolkit.experience import Transition
from toolkit.signals import Array


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
