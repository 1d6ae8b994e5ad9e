"""Optimization: Adam, gradient steps, soft updates of target networks, learning-rate schedules."""

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
    """Return an array as a float32 tensor on the device; bytes stay uint8."""
    dtype = torch.uint8 if rows.dtype == np.uint8 else torch.float32
    return torch.as_tensor(rows, dtype=dtype, device=device)


class Adam:
    """Adam (Kingma and Ba, 2015, arXiv:1412.6980) for all parameters of some networks.

    The arithmetic is torch's, in one fused call. The bookkeeping of torch.optim.Adam would double
    its time for networks of this size, and add a second to every start.
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
        """Step against the running mean of gradients over their running root mean square.

        `gradients` are in the order of `parameters`, and laid out in memory as these are.
        """
        hyperparameters: dict[str, Any] = {
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
            **hyperparameters,
        )

    def get_state(self) -> dict[str, Any]:
        """Return the running means and the step count of each parameter."""
        return {
            f"{index}.{name}": tensor.cpu().numpy().copy()
            for name, tensors in self._columns().items()
            for index, tensor in enumerate(tensors)
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state."""
        for name, tensors in self._columns().items():
            for index, tensor in enumerate(tensors):
                tensor.copy_(torch.as_tensor(state[f"{index}.{name}"]))

    def _columns(self) -> dict[str, list[Tensor]]:
        return {"mean": self.exp_avg, "square": self.exp_avg_sq, "count": self.step_counts}


def gradient_step(optimizer: Adam, loss: Tensor, max_grad_norm: float = math.inf) -> None:
    """Take one step of `optimizer` on `loss`; only its own parameters get a gradient.

    Gradients are scaled down to a global norm of at most `max_grad_norm` (arXiv:1211.5063).

    Raises:
        WorkError: a gradient is not finite; the parameters are unchanged.

    """
    for parameter in optimizer.parameters:
        parameter.grad = None
    # backward lays each gradient out in memory as its parameter is, which the fused Adam relies on.
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
    """Move all parameters at once: target <- (1 - tau) target + tau source."""
    torch._foreach_lerp_(list(target.parameters()), list(source.parameters()), tau)


def scheduled_lr(
    initial_lr: float, schedule: str, progress: float, final_lr_fraction: float
) -> float:
    """Return the learning rate at `progress`: 0 at the start, 1 at the end of the schedule.

    `constant` stays at `initial_lr`. `linear` falls to `final_lr_fraction` * `initial_lr` in a
    straight line, `exponential` by the same factor in equal times. After the end the rate stays
    constant.
    """
    progress = min(progress, 1.0)
    factors = {
        "constant": 1.0,
        "linear": 1.0 - progress * (1.0 - final_lr_fraction),
        "exponential": math.pow(final_lr_fraction, progress),
    }
    return initial_lr * factors[schedule]
