"""The normalizer: what a learner sees, brought to mean 0 and spread 1 by statistics of all it has seen."""

from collections.abc import Mapping
from typing import Any

import torch
from gymnasium.spaces import Box
from torch import Tensor, nn

from poise.toolkit.wrappers import FLOAT32_BYTES, PixelVectorSpace

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
    def is_empty(self) -> bool:
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


class PixelVectorNormalizer(Normalizer):
    """The same for the numbers in rows of bytes; their pictures stay what they are."""

    def update(self, rows: Tensor) -> None:
        """Fold in the numbers of rows (B, bytes)."""
        super().update(decode_vector(rows, len(self.mean)))

    def forward(self, rows: Tensor) -> Tensor:
        """Rows (B, bytes) as the learner sees them."""
        numbers = super().forward(decode_vector(rows, len(self.mean)))
        return torch.cat(
            (numbers.view(torch.uint8), rows[..., FLOAT32_BYTES * len(self.mean) :]), -1
        )


class IdentityNormalizer(nn.Identity):
    """What stands in a normalizer's place where nothing is to be normalized."""

    is_empty = False

    def update(self, rows: Tensor) -> None:
        """There is nothing to keep."""


def make_normalizer(observation_space: Box, enabled: bool) -> Normalizer | IdentityNormalizer:
    """What a learner looks through: a normalizer of the numbers that it sees, where one is wanted."""
    if isinstance(observation_space, PixelVectorSpace):
        return (
            PixelVectorNormalizer(observation_space.state_size)
            if enabled and observation_space.state_size
            else IdentityNormalizer()
        )
    return Normalizer(observation_space.shape[0]) if enabled else IdentityNormalizer()


def decode_vector(rows: Tensor, size: int) -> Tensor:
    """The first numbers (..., number) float32 of rows of bytes."""
    return rows[..., : FLOAT32_BYTES * size].contiguous().view(torch.float32)


class RewardNormalizer:
    """r -> r / spread of the discounted return, so that values stay near 1 whatever an environment pays; clipped to +-10.

    The return is run forwards, R_t = gamma R_(t-1) + r_t, from 0 at the start of every episode. Rewards are not shifted: that
    would change the task wherever an episode can end.
    """

    def __init__(self, gamma: float) -> None:
        self.gamma = gamma
        self.statistics = Normalizer(1)
        self.running_return: Tensor | None = None

    def __call__(self, r: Tensor, episode_ended: Tensor) -> Tensor:
        """Rewards (T, N) of the next T steps in N environments, scaled; `episode_ended` (T, N) is 1 where an episode ended."""
        running = (
            torch.zeros_like(r[0])
            if self.running_return is None
            else self.running_return.to(r.device)
        )
        returns = torch.empty_like(r)
        for t in range(len(r)):
            returns[t] = running = self.gamma * running + r[t]
            running = running * (1.0 - episode_ended[t])
        self.running_return = running
        self.statistics.to(r.device).update(returns.reshape(-1, 1))
        return (r * self.statistics.scale).clamp(-CLIP, CLIP)

    def get_state(self) -> dict[str, Any]:
        """The statistics, and the returns that are running."""
        running = (
            {}
            if self.running_return is None
            else {"running": self.running_return.cpu().numpy().copy()}
        )
        return {
            **{
                name: tensor.cpu().numpy().copy()
                for name, tensor in self.statistics.state_dict().items()
            },
            **running,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take a saved state back."""
        tensors = {name: torch.tensor(value) for name, value in state.items()}
        self.running_return = tensors.pop("running", None)
        self.statistics.load_state_dict(tensors)
