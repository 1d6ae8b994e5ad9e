"""Small steps that all learners take: along a gradient, towards a target."""

import math
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from poise.toolkit.errors import WorkError
from poise.toolkit.spaces import Array
from torch import Tensor, nn
from torch.optim.adam import adam


def tensor_of(rows: Array, device: torch.device) -> Tensor:
    """Numbers as a float32 tensor on the device; bytes stay bytes."""
    return torch.as_tensor(rows, dtype=torch.uint8 if rows.dtype == np.uint8 else torch.float32, device=device)


class Adam:
    """Adam (Kingma and Ba, 2015, arXiv:1412.6980) for all parameters of some networks.

    The arithmetic is torch's, in one fused call. What torch.optim.Adam wraps around it costs as much again for networks
    of this size, and a second of every start.
    """

    def __init__(self, learning_rate: float, *networks: nn.Module) -> None:
        self.learning_rate = learning_rate
        self.parameters: list[Tensor] = [parameter for network in networks for parameter in network.parameters()]
        self.mean = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.square = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.count = [torch.zeros((), device=parameter.device) for parameter in self.parameters]

    @torch.no_grad()
    def step(self, gradients: list[Tensor]) -> None:
        """One step along the running mean of the gradients, in units of their running root mean square."""
        rates: dict[str, Any] = {"lr": self.learning_rate, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0}
        variant: dict[str, Any] = {"fused": True, "amsgrad": False, "maximize": False}
        adam(self.parameters, gradients, self.mean, self.square, [], self.count, **variant, **rates)

    def state(self) -> dict[str, Any]:
        """The running means, parameter by parameter."""
        columns = {"mean": self.mean, "square": self.square, "count": self.count}
        return {f"{index}.{name}": t.cpu().numpy().copy() for name, column in columns.items() for index, t in enumerate(column)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take a saved state back."""
        for name, column in (("mean", self.mean), ("square", self.square), ("count", self.count)):
            for index, tensor in enumerate(column):
                tensor.copy_(torch.as_tensor(state[f"{index}.{name}"]))


def descend(optimizer: Adam, loss: Tensor, max_norm: float = math.inf) -> None:
    """One step of `optimizer` down the gradient of `loss` in its own parameters, and in nothing else.

    A gradient longer than `max_norm` is shortened to it (arXiv:1211.5063). One that is not finite is a WorkError,
    and changes nothing.
    """
    for parameter in optimizer.parameters:
        parameter.grad = None
    # backward lays each gradient out in memory as its parameter is, which the fused Adam takes for granted.
    loss.backward(inputs=optimizer.parameters)  # type: ignore[no-untyped-call]
    gradients = [cast(Tensor, parameter.grad) for parameter in optimizer.parameters]
    norm = math.hypot(*torch.stack(torch._foreach_norm(gradients)).tolist())
    if not math.isfinite(norm):
        raise WorkError("a gradient is not finite; a smaller learning_rate may help")
    if norm > max_norm:
        torch._foreach_mul_(gradients, max_norm / norm)
    optimizer.step(gradients)


@torch.no_grad()
def track(target: nn.Module, source: nn.Module, tau: float) -> None:
    """Let target <- (1 - tau) target + tau source, for all weights at once."""
    torch._foreach_lerp_(list(target.parameters()), list(source.parameters()), tau)


def scheduled(start: float, schedule: str, part: float, final: float) -> float:
    """A learning rate that falls from `start` to `final` * start as `part` goes from 0 to 1, and then stays.

    `constant` does not fall; `linear` goes in a straight line; `exponential` loses the same part in the same time.
    """
    part = min(part, 1.0)
    factors = {"constant": 1.0, "linear": 1.0 - part * (1.0 - final), "exponential": math.pow(final, part)}
    return start * factors[schedule]
