"""Small steps that all learners take: along a gradient, towards a target."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def descend(optimizer: torch.optim.Optimizer, loss: Tensor, parameters: Sequence[Tensor]) -> None:
    """One step of `optimizer` down the gradient of `loss` in `parameters`, and in nothing else."""
    gradients = torch.autograd.grad(loss, parameters)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    optimizer.step()


@torch.no_grad()
def track(target: nn.Module, source: nn.Module, tau: float) -> None:
    """target <- (1 - tau) target + tau source, for all weights at once."""
    torch._foreach_lerp_(list(target.parameters()), list(source.parameters()), tau)
