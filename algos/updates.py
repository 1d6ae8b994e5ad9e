"""Small steps that all learners take: along a gradient, towards a target."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def descend(optimizer: torch.optim.Optimizer, loss: Tensor, parameters: Sequence[Tensor]) -> None:
    """One step of `optimizer` down the gradient of `loss` in `parameters`, and in nothing else."""
    # backward lays each gradient out in memory as its parameter is, which the fused optimizers take for granted.
    for parameter in parameters:
        parameter.grad = None
    loss.backward(inputs=parameters)  # type: ignore[no-untyped-call]
    optimizer.step()


@torch.no_grad()
def track(target: nn.Module, source: nn.Module, tau: float) -> None:
    """Let target <- (1 - tau) target + tau source, for all weights at once."""
    torch._foreach_lerp_(list(target.parameters()), list(source.parameters()), tau)
