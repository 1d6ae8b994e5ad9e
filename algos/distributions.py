"""Policy distributions: what an actor's numbers mean as chances of actions."""

import math

import torch
from torch import Tensor
from torch.nn import functional

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


class SquashedGaussian:
    """a = tanh(u) with u ~ N(mean, exp(log_std)^2), each action dimension by itself; a lies in (-1, 1).

    log pi(a) = sum_i [ log N(u_i) - log(1 - tanh(u_i)^2) ]            (arXiv:1812.05905, appendix C)
    where log(1 - tanh(u)^2) = 2 (log 2 - u - softplus(-2u)) stays finite for every u.
    """

    def __init__(self, mean: Tensor, log_std: Tensor) -> None:
        self.mean, self.log_std = mean, log_std

    def mode(self) -> Tensor:
        """The action without chance: the squashed mean, (B, A)."""
        return torch.tanh(self.mean)

    def sample(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """An action (B, A) and its log-density (B,), both differentiable in mean and log_std."""
        noise = torch.empty_like(self.mean).normal_(generator=generator)
        u = torch.addcmul(self.mean, noise, self.log_std.exp())
        squash = 2.0 * (math.log(2.0) - u - functional.softplus(-2.0 * u))
        log_density = -0.5 * noise.square() - self.log_std - HALF_LOG_2PI - squash
        return torch.tanh(u), log_density.sum(-1)
