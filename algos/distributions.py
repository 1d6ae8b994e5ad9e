"""Policy distributions: what an actor's numbers mean as chances of actions. Those over choices are in algos/choices.py.

Every one stands for B states at once. To bring one of your own, fill in the four methods of Distribution and give
it a head in algos/heads.py. Chance comes from the generator that is handed in, and from nowhere else.
"""

import math
from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

LOG_2 = math.log(2.0)
HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
EDGE = 1e-6
"""How near to the ends of (-1, 1) an action is taken at its word, where a density may be without bounds."""
TINY = 1e-30
# Integrals of f(u) N(u; 0, 1) du as sums of weights x f(nodes): Gauss-Hermite quadrature, exact for polynomials to degree 39.
NODES, WEIGHTS = (torch.from_numpy(numbers).float() for numbers in np.polynomial.hermite_e.hermegauss(20))
WEIGHTS = WEIGHTS / WEIGHTS.sum()


class Distribution(ABC):
    """Chances of actions: (B, A) numbers each, or (B,) choices."""

    @abstractmethod
    def mode(self) -> Tensor:
        """The action without chance."""

    @abstractmethod
    def sample(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """An action and its log-density (B,)."""

    @abstractmethod
    def log_prob(self, a: Tensor) -> Tensor:
        """Log pi(a|s), (B,): a density for numbers, a chance for choices."""

    @abstractmethod
    def entropy(self) -> Tensor:
        """-E[log pi(a|s)] in nats, (B,)."""

    def spread(self) -> Tensor:
        """How far actions stray from their mean, for the eye: the standard deviation of a few samples, always the same ones."""
        generator = torch.Generator().manual_seed(0)
        return torch.stack([self.sample(generator)[0] for _ in range(64)]).float().std(0)


class Gaussian(Distribution):
    """a ~ N(mean, exp(log_std)^2), each dimension by itself; mean (B, A), log_std (B, A) or (A,).

    It reaches beyond [-1, 1]; worlds clip what they are given.
    """

    def __init__(self, mean: Tensor, log_std: Tensor) -> None:
        self.mean, self.log_std = mean, log_std

    def mode(self) -> Tensor:
        """The mean."""
        return self.mean

    def sample(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Differentiable in mean and log_std."""
        noise = torch.empty_like(self.mean).normal_(generator=generator)
        return torch.addcmul(self.mean, noise, self.log_std.exp()), self._log_density(noise)

    def log_prob(self, a: Tensor) -> Tensor:
        """sum_i -z_i^2 / 2 - log std_i - log(2 pi) / 2 with z = (a - mean) / std."""
        return self._log_density((a - self.mean) * (-self.log_std).exp())

    def entropy(self) -> Tensor:
        """sum_i log std_i + log(2 pi e) / 2."""
        return (self.log_std + 0.5 + HALF_LOG_2PI).sum(-1).expand(self.mean.shape[:-1])

    def _log_density(self, z: Tensor) -> Tensor:
        return -0.5 * z.square().sum(-1) - (self.log_std + HALF_LOG_2PI).sum(-1)


class SquashedGaussian(Distribution):
    """a = tanh(u) with u ~ N(mean, exp(log_std)^2), each action dimension by itself; a lies in (-1, 1).

    log pi(a) = sum_i [ log N(u_i) - log(1 - tanh(u_i)^2) ]            (arXiv:1812.05905, appendix C)
    where log(1 - tanh(u)^2) = 2 (log 2 - u - softplus(-2u)) stays finite for every u.
    """

    def __init__(self, mean: Tensor, log_std: Tensor) -> None:
        self.mean, self.log_std = mean, log_std

    def mode(self) -> Tensor:
        """The squashed mean: the median, and where u is likeliest."""
        return torch.tanh(self.mean)

    def sample(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Differentiable in mean and log_std."""
        noise = torch.empty_like(self.mean).normal_(generator=generator)
        u = torch.addcmul(self.mean, noise, self.log_std.exp())
        log_density = -0.5 * noise.square() - self.log_std - HALF_LOG_2PI - _log_slope(u)
        return torch.tanh(u), log_density.sum(-1)

    def log_prob(self, a: Tensor) -> Tensor:
        """By way of u = atanh(a)."""
        u = torch.atanh(a.clamp(EDGE - 1.0, 1.0 - EDGE))
        return Gaussian(self.mean, self.log_std).log_prob(u) - _log_slope(u).sum(-1)

    def entropy(self) -> Tensor:
        """That of the Gaussian and E[log(1 - tanh(u)^2)], an integral by quadrature: it has no closed form."""
        u = self.mean[..., None] + self.log_std.exp()[..., None] * NODES.to(self.mean.device)
        slope = (_log_slope(u) * WEIGHTS.to(u.device)).sum(-1)
        return Gaussian(self.mean, self.log_std).entropy() + slope.sum(-1)


class Beta(Distribution):
    """a = 2 x - 1 with x ~ Beta(alpha, beta), each dimension by itself; alpha and beta (B, A), both above 1.

    Its support is [-1, 1] itself, so no chance is lost to clipping.           (Chou, Maturana and Scherer, 2017, ICML)
    """

    def __init__(self, alpha: Tensor, beta: Tensor) -> None:
        self.alpha, self.beta = alpha, beta

    def mode(self) -> Tensor:
        """2 (alpha - 1) / (alpha + beta - 2) - 1; the middle where all actions are equally likely."""
        rise = self.alpha - 1.0 + TINY
        return 2.0 * rise / (rise + (self.beta - 1.0 + TINY)) - 1.0

    def sample(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """X = g / (g + h) with g ~ Gamma(alpha), h ~ Gamma(beta)."""
        g, h = (torch._standard_gamma(shape, generator=generator) for shape in (self.alpha, self.beta))
        a = 2.0 * g / (g + h) - 1.0
        return a, self.log_prob(a)

    def log_prob(self, a: Tensor) -> Tensor:
        """sum_i (alpha_i - 1) log x_i + (beta_i - 1) log(1 - x_i) - log B(alpha_i, beta_i) - log 2."""
        x = (0.5 * (a + 1.0)).clamp(EDGE, 1.0 - EDGE)
        log_density = (self.alpha - 1.0) * x.log() + (self.beta - 1.0) * torch.log1p(-x) - self._log_beta() - LOG_2
        return log_density.sum(-1)

    def entropy(self) -> Tensor:
        """sum_i log B - (alpha - 1) psi(alpha) - (beta - 1) psi(beta) + (alpha + beta - 2) psi(alpha + beta) + log 2."""
        alpha, beta, total = self.alpha, self.beta, self.alpha + self.beta
        psi = torch.digamma
        own = (total - 2.0) * psi(total) - (alpha - 1.0) * psi(alpha) - (beta - 1.0) * psi(beta)
        return (self._log_beta() + own + LOG_2).sum(-1)

    def _log_beta(self) -> Tensor:
        return torch.lgamma(self.alpha) + torch.lgamma(self.beta) - torch.lgamma(self.alpha + self.beta)


def _log_slope(u: Tensor) -> Tensor:
    """log(da/du) of a = tanh(u), which is log(1 - tanh(u)^2)."""
    return 2.0 * (LOG_2 - u - functional.softplus(-2.0 * u))
