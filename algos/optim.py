"""Small steps that all learners take: along a gradient, towards a target."""

import math
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.adam import adam

from poise.toolkit.errors import WorkError
from poise.toolkit.spaces import Array


def to_tensor(rows: Array, device: torch.device) -> Tensor:
    """Numbers as a float32 tensor on the device; bytes stay bytes."""
    return torch.as_tensor(
        rows, dtype=torch.uint8 if rows.dtype == np.uint8 else torch.float32, device=device
    )


class Adam:
    """Adam (Kingma and Ba, 2015, arXiv:1412.6980) for all parameters of some networks.

    The arithmetic is torch's, in one fused call. What torch.optim.Adam wraps around it costs as much again for networks
    of this size, and a second of every start.
    """

    def __init__(self, learning_rate: float, *networks: nn.Module) -> None:
        self.learning_rate = learning_rate
        self.parameters: list[Tensor] = [
            parameter for network in networks for parameter in network.parameters()
        ]
        self.exp_avg = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.exp_avg_sq = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.step_counts = [
            torch.zeros((), device=parameter.device) for parameter in self.parameters
        ]

    @torch.no_grad()
    def step(self, gradients: list[Tensor]) -> None:
        """One step along the running mean of the gradients, in units of their running root mean square."""
        rates: dict[str, Any] = {
            "lr": self.learning_rate,
            "beta1": 0.9,
            "beta2": 0.999,
            "eps": 1e-8,
            "weight_decay": 0.0,
        }
        variant: dict[str, Any] = {"fused": True, "amsgrad": False, "maximize": False}
        adam(
            self.parameters,
            gradients,
            self.exp_avg,
            self.exp_avg_sq,
            [],
            self.step_counts,
            **variant,
            **rates,
        )

    def get_state(self) -> dict[str, Any]:
        """The running means, parameter by parameter."""
        columns = {"mean": self.exp_avg, "square": self.exp_avg_sq, "count": self.step_counts}
        return {
            f"{index}.{name}": t.cpu().numpy().copy()
            for name, column in columns.items()
            for index, t in enumerate(column)
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take a saved state back."""
        for name, column in (
            ("mean", self.exp_avg),
            ("square", self.exp_avg_sq),
            ("count", self.step_counts),
        ):
            for index, tensor in enumerate(column):
                tensor.copy_(torch.as_tensor(state[f"{index}.{name}"]))


def gradient_step(optimizer: Adam, loss: Tensor, max_grad_norm: float = math.inf) -> None:
    """One step of `optimizer` down the gradient of `loss` in its own parameters, and in nothing else.

    A gradient longer than `max_grad_norm` is shortened to it (arXiv:1211.5063). One that is not finite is a WorkError,
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
    if norm > max_grad_norm:
        torch._foreach_mul_(gradients, max_grad_norm / norm)
    optimizer.step(gradients)


@torch.no_grad()
def soft_update(target: nn.Module, source: nn.Module, tau: float) -> None:
    """Let target <- (1 - tau) target + tau source, for all weights at once."""
    torch._foreach_lerp_(list(target.parameters()), list(source.parameters()), tau)


def scheduled_lr(
    initial_lr: float, schedule: str, progress: float, final_lr_fraction: float
) -> float:
    """A learning rate that falls from `initial_lr` to `final_lr_fraction` * start as `progress` goes from 0 to 1, and then stays.

    `constant` does not fall; `linear` goes in a straight line; `exponential` loses the same part in the same time.
    """
    progress = min(progress, 1.0)
    factors = {
        "constant": 1.0,
        "linear": 1.0 - progress * (1.0 - final_lr_fraction),
        "exponential": math.pow(final_lr_fraction, progress),
    }
    return initial_lr * factors[schedule]
