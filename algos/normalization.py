"""The normalizer: what a learner sees, brought to mean 0 and spread 1 by statistics of all it has seen."""

from collections.abc import Mapping
from typing import Any

import torch
from gymnasium.spaces import Box
from poise.toolkit.wrappers import FLOAT, PictureRows
from torch import Tensor, nn

CLIP = 10.0


class Normalizer(nn.Module):
    """x -> (x - mean) / std, clipped to +-10; mean and std are running statistics kept with the network's weights.

    `update` folds in a batch (Chan, Golub and LeVeque, 1979): exact whatever the batches' sizes. Acting and
    evaluating never update, so a policy that is played looks through the glasses it was last trained with.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor
    shift: Tensor
    scale: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("variance", torch.ones(size, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("shift", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))

    @property
    def empty(self) -> bool:
        """Whether it has seen nothing yet."""
        return not self.count

    @torch.no_grad()
    def update(self, rows: Tensor) -> None:
        """Fold in rows (B, size)."""
        rows = rows.double()
        number = len(rows)
        total = self.count + number
        gap = rows.mean(0) - self.mean
        squares = self.variance * self.count + rows.var(0, correction=0) * number
        self.variance.copy_((squares + gap.square() * self.count * number / total) / total)
        self.mean.add_(gap * number / total)
        self.count.copy_(total)
        self.shift.copy_(self.mean)
        self.scale.copy_((self.variance + 1e-8).rsqrt())

    def forward(self, rows: Tensor) -> Tensor:
        """Rows (B, size) as the learner sees them."""
        return ((rows - self.shift) * self.scale).clamp(-CLIP, CLIP)


class PictureNormalizer(Normalizer):
    """The same for the numbers in rows of bytes; their pictures stay what they are."""

    def update(self, rows: Tensor) -> None:
        """Fold in the numbers of rows (B, bytes)."""
        super().update(numbers_of(rows, len(self.mean)))

    def forward(self, rows: Tensor) -> Tensor:
        """Rows (B, bytes) as the learner sees them."""
        numbers = super().forward(numbers_of(rows, len(self.mean)))
        return torch.cat((numbers.view(torch.uint8), rows[..., FLOAT * len(self.mean) :]), -1)


class Unchanged(nn.Identity):
    """What stands in a normalizer's place where nothing is to be normalized."""

    empty = False

    def update(self, rows: Tensor) -> None:
        """There is nothing to keep."""


def glasses(observation: Box, wanted: bool) -> Normalizer | Unchanged:
    """What a learner looks through: a normalizer of the numbers that it sees, where one is wanted."""
    if isinstance(observation, PictureRows):
        return PictureNormalizer(observation.numbers) if wanted and observation.numbers else Unchanged()
    return Normalizer(observation.shape[0]) if wanted else Unchanged()


def numbers_of(rows: Tensor, number: int) -> Tensor:
    """The first numbers (..., number) float32 of rows of bytes."""
    return rows[..., : FLOAT * number].contiguous().view(torch.float32)


class ReturnScale:
    """r -> r / spread of the discounted return, so that values stay near 1 whatever a world pays; clipped to +-10.

    The return is run forwards, R_t = gamma R_(t-1) + r_t, from 0 at the start of every episode. Rewards are not shifted: that
    would change the task wherever an episode can end.
    """

    def __init__(self, gamma: float) -> None:
        self.gamma, self.statistics = gamma, Normalizer(1)
        self.running: Tensor | None = None

    def __call__(self, r: Tensor, over: Tensor) -> Tensor:
        """Rewards (T, N) of the next T steps in N worlds, scaled; `over` (T, N) is 1 where an episode ended."""
        running = torch.zeros_like(r[0]) if self.running is None else self.running.to(r.device)
        returns = torch.empty_like(r)
        for t in range(len(r)):
            returns[t] = running = self.gamma * running + r[t]
            running = running * (1.0 - over[t])
        self.running = running
        self.statistics.to(r.device).update(returns.reshape(-1, 1))
        return (r * self.statistics.scale).clamp(-CLIP, CLIP)

    def state(self) -> dict[str, Any]:
        """The statistics, and the returns that are running."""
        running = {} if self.running is None else {"running": self.running.cpu().numpy().copy()}
        return {**{name: tensor.cpu().numpy().copy() for name, tensor in self.statistics.state_dict().items()}, **running}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take a saved state back."""
        tensors = {name: torch.tensor(value) for name, value in state.items()}
        self.running = tensors.pop("running", None)
        self.statistics.load_state_dict(tensors)
