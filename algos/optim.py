"""Optimization: Adam, gradient steps, soft updates of target networks, learning-rate schedules."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

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

    The parameters are moved into one vector, of which each becomes a view, and so are their
    gradients: a step is one call, however many parameters there are. The arithmetic is torch's; the
    bookkeeping of torch.optim.Adam would double its time for networks of this size, and add a
    second to every start.
    """

    def __init__(self, learning_rate: float, *networks: nn.Module) -> None:
        self.learning_rate = learning_rate
        self.parameters: list[Tensor] = [
            parameter for network in networks for parameter in network.parameters()
        ]
        self.values = _join_in_memory(self.parameters)
        self.gradient = torch.zeros_like(self.values)
        self.gradients = _split_in_memory(self.gradient, self.parameters)
        self.exp_avg = torch.zeros_like(self.values)
        self.exp_avg_sq = torch.zeros_like(self.values)
        self.step_count = torch.zeros((), device=self.values.device)

    @torch.no_grad()
    def step(self) -> None:
        """Step against the running mean of gradients over their running root mean square."""
        hyperparameters: dict[str, Any] = {
            "lr": self.learning_rate,
            "beta1": 0.9,
            "beta2": 0.999,
            "eps": 1e-8,
            "weight_decay": 0.0,
        }
        variant: dict[str, Any] = {"fused": True, "amsgrad": False, "maximize": False}
        adam(
            [self.values],
            [self.gradient],
            [self.exp_avg],
            [self.exp_avg_sq],
            [],
            [self.step_count],
            **variant,
            **hyperparameters,
        )

    def get_state(self) -> dict[str, Any]:
        """Return the running means and the number of steps."""
        return {name: tensor.cpu().numpy().copy() for name, tensor in self._tensors().items()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state."""
        for name, tensor in self._tensors().items():
            values = torch.as_tensor(state[name])
            if values.shape != tensor.shape:
                raise ValueError(f"{name} has the shape {tuple(values.shape)}")
            tensor.copy_(values)

    def _tensors(self) -> dict[str, Tensor]:
        return {"mean": self.exp_avg, "square": self.exp_avg_sq, "count": self.step_count}


@torch.no_grad()
def _join_in_memory(parameters: Sequence[Tensor]) -> Tensor:
    """Make parameters views of one vector, with their values and layouts, and return the vector."""
    size = sum(parameter.numel() for parameter in parameters)
    vector = torch.zeros(size, device=parameters[0].device)
    for parameter, view in zip(parameters, _split_in_memory(vector, parameters), strict=True):
        view.copy_(parameter)
        parameter.data = view
    return vector


def _split_in_memory(vector: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """Return views of a vector, one after the other, each laid out as a parameter is."""
    parts = torch.split(vector, [parameter.numel() for parameter in parameters])
    return [
        part.as_strided(parameter.shape, parameter.stride())
        for part, parameter in zip(parts, parameters, strict=True)
    ]


def gradient_step(optimizer: Adam, loss: Tensor, max_grad_norm: float = math.inf) -> None:
    """Take one step of `optimizer` on `loss`; only its own parameters get a gradient.

    Gradients are scaled down to a global norm of at most `max_grad_norm` (arXiv:1211.5063).

    Raises:
        WorkError: a gradient is not finite; the parameters are unchanged.

    """
    gradients = torch.autograd.grad(loss, optimizer.parameters)
    torch._foreach_copy_(optimizer.gradients, gradients)
    norm = torch.linalg.vector_norm(optimizer.gradient).item()
    if not math.isfinite(norm):
        raise WorkError("a gradient is not finite; a smaller learning_rate may help")
    if norm > max_grad_norm:
        optimizer.gradient.mul_(max_grad_norm / norm)
    optimizer.step()


@torch.no_grad()
def soft_update(target: nn.Module, source: nn.Module, tau: float) -> None:
    """Move all parameters at once: target <- (1 - tau) target + tau source.

    Nothing is done where both are one network.
    """
    if target is not source:
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
