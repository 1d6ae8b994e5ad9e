"""Normalizers of observations and rewards, by running statistics."""

from collections.abc import Mapping
from typing import Any

import torch
from gymnasium.spaces import Box
from torch import Tensor, nn

from poise.toolkit.conversion import FLOAT32_BYTES, PixelVectorSpace

CLIP = 10.0
"""Bound of normalized values, in standard deviations."""


class Normalizer(nn.Module):
    """x -> (x - mean) / std, clipped to +-10, by running statistics saved with the weights.

    `update` adds a batch exactly, whatever the sizes of batches (Chan, Golub and LeVeque, 1979).
    Acting and evaluating never update: a policy acts with the statistics that it was last trained
    with.
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
        """Whether there are no statistics yet."""
        return not self.count

    @torch.no_grad()
    def update(self, rows: Tensor) -> None:
        """Add rows (B, size) to the statistics."""
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
        """Return normalized rows (..., size)."""
        return ((rows - self.shift) * self.scale).clamp(-CLIP, CLIP)


class PixelVectorNormalizer(Normalizer):
    """A Normalizer of the vectors in rows of bytes; the images behind them stay unchanged."""

    def update(self, rows: Tensor) -> None:
        """Add the vectors of rows (B, O) uint8 to the statistics."""
        super().update(decode_vector(rows, len(self.mean)))

    def forward(self, rows: Tensor) -> Tensor:
        """Return rows (..., O) uint8 with normalized vectors."""
        size = len(self.mean)
        vector = super().forward(decode_vector(rows, size))
        pixels = rows[..., FLOAT32_BYTES * size :]
        return torch.cat((vector.view(torch.uint8), pixels), -1)


class IdentityNormalizer(nn.Identity):
    """The normalizer that changes nothing and keeps no statistics."""

    is_empty = False

    def update(self, rows: Tensor) -> None:
        """Do nothing."""


def make_normalizer(observation_space: Box, enabled: bool) -> Normalizer | IdentityNormalizer:
    """Return the normalizer of observations; images, or all if not `enabled`, stay unchanged."""
    if not enabled:
        return IdentityNormalizer()
    if not isinstance(observation_space, PixelVectorSpace):
        return Normalizer(observation_space.shape[0])
    if observation_space.state_size:
        return PixelVectorNormalizer(observation_space.state_size)
    return IdentityNormalizer()


def decode_vector(rows: Tensor, size: int) -> Tensor:
    """Return the vectors (..., size) float32 at the start of rows (..., O) uint8."""
    # Rows may be no whole number of float32 numbers long, and then cannot be viewed as such.
    vector = torch.empty((*rows.shape[:-1], size), dtype=torch.float32, device=rows.device)
    vector.view(torch.uint8).copy_(rows[..., : FLOAT32_BYTES * size])
    return vector


class RewardNormalizer:
    """r -> r / std(R), clipped to +-10, so that values stay near 1 in every environment.

    The discounted return is summed forwards, R_t = gamma R_(t-1) + r_t, from 0 at the start of
    every episode. Rewards are not shifted: that would change the task wherever an episode can end.
    """

    def __init__(self, gamma: float) -> None:
        self.gamma = gamma
        self.statistics = Normalizer(1)
        self.running_return: Tensor | None = None

    def __call__(self, r: Tensor, episode_ended: Tensor) -> Tensor:
        """Return the scaled rewards (T, N) of the next T steps, and add them to the statistics.

        `episode_ended` (T, N) is 1 where an episode terminated or was truncated, else 0.
        """
        if self.running_return is None:
            running = torch.zeros_like(r[0])
        else:
            running = self.running_return.to(r.device)
        returns = torch.empty_like(r)
        for t in range(len(r)):
            running = self.gamma * running + r[t]
            returns[t] = running
            running = running * (1.0 - episode_ended[t])
        self.running_return = running
        self.statistics.to(r.device).update(returns.reshape(-1, 1))
        return (r * self.statistics.scale).clamp(-CLIP, CLIP)

    def get_state(self) -> dict[str, Any]:
        """Return the statistics, and the returns of the episodes that have not ended."""
        tensors = dict(self.statistics.state_dict())
        if self.running_return is not None:
            tensors["running"] = self.running_return
        return {name: tensor.cpu().numpy().copy() for name, tensor in tensors.items()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state."""
        tensors = {name: torch.tensor(value) for name, value in state.items()}
        self.running_return = tensors.pop("running", None)
        self.statistics.load_state_dict(tensors)
