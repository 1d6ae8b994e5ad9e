"""Small steps that all learners take: along a gradient, towards a target."""

import math

import torch
from torch import Tensor, nn

from toolkit.errors import WorkError


def descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step of `optimizer` down the gradient of `loss` in its own parameters, and in nothing else.

    A gradient that is not finite is a WorkError, and changes nothing.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for parameter in parameters:
        parameter.grad = None
    # backward lays each gradient out in memory as its parameter is, which the fused optimizers take for granted.
    loss.backward(inputs=parameters)  # type: ignore[no-untyped-call]
    lengths = torch._foreach_norm([parameter.grad for parameter in parameters])
    if not math.isfinite(sum(torch.stack(lengths).tolist())):
        raise WorkError("a gradient is not finite; a smaller learning_rate may help")
    optimizer.step()


@torch.no_grad()
def track(target: nn.Module, source: nn.Module, tau: float) -> None:
    """Let target <- (1 - tau) target + tau source, for all weights at once."""
    torch._foreach_lerp_(list(target.parameters()), list(source.parameters()), tau)
