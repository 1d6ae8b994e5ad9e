"""The normalizer: what a learner sees, brought to mean 0 and spread 1 by statistics of all it has seen."""

import torch
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
