"""Policy distributions: what an actor's numbers mean as chances of actions. Those over choices are in algos/choices.py.

Every one stands for B states at once. To bring one of your own, fill in the four methods of Distribution and give
it a head in algos/heads.py. Chance comes from the generator that is handed in, and from nowhere else.
"""

import math
from abc import ABC, abstractmethod
from typing import Any, cast

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from torch import Tensor, nn
from torch.nn import functional

from poise.toolkit.errors import unknown_name_error

LOG_2 = math.log(2.0)


HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


BOUNDARY_EPS = 1e-6
"""How near to the ends of (-1, 1) an action is taken at its word, where a density may be without bounds."""


EPS = 1e-30


# Integrals of f(u) N(u; 0, 1) du as sums of weights x f(nodes): Gauss-Hermite quadrature, exact for polynomials to degree 39.
QUADRATURE_NODES, QUADRATURE_WEIGHTS = (
    torch.from_numpy(numbers).float() for numbers in np.polynomial.hermite_e.hermegauss(20)
)


QUADRATURE_WEIGHTS = QUADRATURE_WEIGHTS / QUADRATURE_WEIGHTS.sum()


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

    def std(self) -> Tensor:
        """How far actions stray from their mean, for the eye: the standard deviation of a few samples, always the same ones."""
        generator = torch.Generator().manual_seed(0)
        return torch.stack([self.sample(generator)[0] for _ in range(64)]).float().std(0)


class Gaussian(Distribution):
    """a ~ N(mean, exp(log_std)^2), each dimension by itself; mean (B, A), log_std (B, A) or (A,).

    It reaches beyond [-1, 1]; environments clip what they are given.
    """

    def __init__(self, mean: Tensor, log_std: Tensor) -> None:
        self.mean = mean
        self.log_std = log_std

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
        self.mean = mean
        self.log_std = log_std

    def mode(self) -> Tensor:
        """The squashed mean: the median, and where u is likeliest."""
        return torch.tanh(self.mean)

    def sample(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Differentiable in mean and log_std."""
        noise = torch.empty_like(self.mean).normal_(generator=generator)
        u = torch.addcmul(self.mean, noise, self.log_std.exp())
        log_density = -0.5 * noise.square() - self.log_std - HALF_LOG_2PI - _log_tanh_derivative(u)
        return torch.tanh(u), log_density.sum(-1)

    def log_prob(self, a: Tensor) -> Tensor:
        """By way of u = atanh(a)."""
        u = torch.atanh(a.clamp(BOUNDARY_EPS - 1.0, 1.0 - BOUNDARY_EPS))
        return Gaussian(self.mean, self.log_std).log_prob(u) - _log_tanh_derivative(u).sum(-1)

    def entropy(self) -> Tensor:
        """That of the Gaussian and E[log(1 - tanh(u)^2)], an integral by quadrature: it has no closed form."""
        u = self.mean[..., None] + self.log_std.exp()[..., None] * QUADRATURE_NODES.to(
            self.mean.device
        )
        slope = (_log_tanh_derivative(u) * QUADRATURE_WEIGHTS.to(u.device)).sum(-1)
        return Gaussian(self.mean, self.log_std).entropy() + slope.sum(-1)


class Beta(Distribution):
    """a = 2 x - 1 with x ~ Beta(alpha, beta), each dimension by itself; alpha and beta (B, A), both above 1.

    Its support is [-1, 1] itself, so no chance is lost to clipping.           (Chou, Maturana and Scherer, 2017, ICML)
    """

    def __init__(self, alpha: Tensor, beta: Tensor) -> None:
        self.alpha = alpha
        self.beta = beta

    def mode(self) -> Tensor:
        """2 (alpha - 1) / (alpha + beta - 2) - 1; the middle where all actions are equally likely."""
        rise = self.alpha - 1.0 + EPS
        return 2.0 * rise / (rise + (self.beta - 1.0 + EPS)) - 1.0

    def sample(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """X = g / (g + h) with g ~ Gamma(alpha), h ~ Gamma(beta)."""
        g, h = (
            torch._standard_gamma(shape, generator=generator) for shape in (self.alpha, self.beta)
        )
        a = 2.0 * g / (g + h) - 1.0
        return a, self.log_prob(a)

    def log_prob(self, a: Tensor) -> Tensor:
        """sum_i (alpha_i - 1) log x_i + (beta_i - 1) log(1 - x_i) - log B(alpha_i, beta_i) - log 2."""
        x = (0.5 * (a + 1.0)).clamp(BOUNDARY_EPS, 1.0 - BOUNDARY_EPS)
        log_density = (
            (self.alpha - 1.0) * x.log()
            + (self.beta - 1.0) * torch.log1p(-x)
            - self._log_beta()
            - LOG_2
        )
        return log_density.sum(-1)

    def entropy(self) -> Tensor:
        """sum_i log B - (alpha - 1) psi(alpha) - (beta - 1) psi(beta) + (alpha + beta - 2) psi(alpha + beta) + log 2."""
        alpha = self.alpha
        beta = self.beta
        total = self.alpha + self.beta
        psi = torch.digamma
        own = (total - 2.0) * psi(total) - (alpha - 1.0) * psi(alpha) - (beta - 1.0) * psi(beta)
        return (self._log_beta() + own + LOG_2).sum(-1)

    def _log_beta(self) -> Tensor:
        return (
            torch.lgamma(self.alpha)
            + torch.lgamma(self.beta)
            - torch.lgamma(self.alpha + self.beta)
        )


def _log_tanh_derivative(u: Tensor) -> Tensor:
    """log(da/du) of a = tanh(u), which is log(1 - tanh(u)^2)."""
    return 2.0 * (LOG_2 - u - functional.softplus(-2.0 * u))


class Categorical(Distribution):
    """One of K choices, numbered from `start`; pi(k) = softmax(logits)_k, logits (B, K). Actions are (B,)."""

    def __init__(self, logits: Tensor, start: int = 0) -> None:
        self.log_probs = functional.log_softmax(logits, -1)
        self.start = start

    def mode(self) -> Tensor:
        """The likeliest choice."""
        return self.log_probs.argmax(-1) + self.start

    def sample(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Each choice as often as its chance."""
        a = torch.multinomial(self.log_probs.exp(), 1, generator=generator).squeeze(-1) + self.start
        return a, self.log_prob(a)

    def log_prob(self, a: Tensor) -> Tensor:
        """Log softmax(logits)_a."""
        return self.log_probs.gather(-1, (a - self.start).long()[..., None]).squeeze(-1)

    def entropy(self) -> Tensor:
        """-sum_k pi_k log pi_k."""
        return -(self.log_probs.exp() * self.log_probs).sum(-1)


class MultiCategorical(Distribution):
    """Several choices at once, each by itself; `parts` are their Categoricals. Actions are (B, number of parts)."""

    def __init__(self, categoricals: list[Categorical]) -> None:
        self.categoricals = categoricals

    def mode(self) -> Tensor:
        """Every part's likeliest choice."""
        return torch.stack([part.mode() for part in self.categoricals], -1)

    def sample(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """A sample of every part."""
        a = torch.stack([part.sample(generator)[0] for part in self.categoricals], -1)
        return a, self.log_prob(a)

    def log_prob(self, a: Tensor) -> Tensor:
        """The sum over the parts."""
        return torch.stack(
            [
                part.log_prob(choice)
                for part, choice in zip(self.categoricals, a.unbind(-1), strict=True)
            ]
        ).sum(0)

    def entropy(self) -> Tensor:
        """The sum over the parts."""
        return torch.stack([part.entropy() for part in self.categoricals]).sum(0)


LOG_STD_MIN = -5.0
LOG_STD_MAX = 2.0


class Head(nn.Module, ABC):
    """Takes `inputs` numbers a state and gives a Distribution. Your own: these two, and an entry in HEADS."""

    in_features: int

    def __call__(self, params: Tensor) -> Distribution:
        """The distribution that numbers (B, inputs) mean."""
        return cast(Distribution, super().__call__(params))

    @abstractmethod
    def forward(self, params: Tensor) -> Distribution:
        """The distribution that numbers (B, inputs) mean."""


class GaussianHead(Head):
    """A Gaussian whose spread is the same in every state: log std is a weight of its own."""

    def __init__(self, action_space: Box, log_std_init: float) -> None:
        super().__init__()
        self.in_features = action_space.shape[0]
        self.log_std = nn.Parameter(torch.full((self.in_features,), log_std_init))

    def forward(self, params: Tensor) -> Gaussian:
        """N(numbers, exp(log_std)^2)."""
        return Gaussian(params, self.log_std)


class StateGaussianHead(Head):
    """A Gaussian whose spread is told by the network, state by state, from exp(log_std) on."""

    distribution_class: type[Gaussian] | type[SquashedGaussian] = Gaussian

    def __init__(self, action_space: Box, log_std_init: float) -> None:
        super().__init__()
        self.in_features = 2 * action_space.shape[0]
        self.log_std_init = log_std_init

    def forward(self, params: Tensor) -> Gaussian | SquashedGaussian:
        """The first half are means, the second half says how log std differs from where it began."""
        mean, log_std = params.chunk(2, -1)
        return self.distribution_class(
            mean, (log_std + self.log_std_init).clamp(LOG_STD_MIN, LOG_STD_MAX)
        )


class SquashedGaussianHead(StateGaussianHead):
    """The same through tanh."""

    distribution_class = SquashedGaussian


class BetaHead(Head):
    """alpha and beta = 1 + softplus(numbers), which keeps both above 1 and the density one hill."""

    def __init__(self, action_space: Box, log_std_init: float) -> None:
        super().__init__()
        self.in_features = 2 * action_space.shape[0]

    def forward(self, params: Tensor) -> Beta:
        """The first half are for alpha, the second for beta."""
        return Beta(*(1.0 + functional.softplus(params)).chunk(2, -1))


class CategoricalHead(Head):
    """A chance for each choice of a Discrete environment, or of every part of a MultiDiscrete one."""

    def __init__(self, action_space: Discrete | MultiDiscrete) -> None:
        super().__init__()
        self.is_multi_discrete = isinstance(action_space, MultiDiscrete)
        self.nvec: list[int] = np.atleast_1d(
            action_space.nvec if isinstance(action_space, MultiDiscrete) else action_space.n
        ).tolist()
        self.starts: list[int] = np.atleast_1d(action_space.start).tolist()
        self.in_features = sum(self.nvec)

    def forward(self, params: Tensor) -> Categorical | MultiCategorical:
        """Numbers are logits, part after part."""
        logits = torch.split(params, self.nvec, -1)
        parts = [Categorical(own, start) for own, start in zip(logits, self.starts, strict=True)]
        return MultiCategorical(parts) if self.is_multi_discrete else parts[0]


HEADS: dict[str, Any] = {
    "gaussian": GaussianHead,
    "state_gaussian": StateGaussianHead,
    "squashed_gaussian": SquashedGaussianHead,
    "beta": BetaHead,
}
"""Heads for actions in a Box, by the name of their distribution; each is made with the space and the first log std."""


def make_head(
    action_space: gymnasium.Space[Any], distribution: str, log_std_init: float = 0.0
) -> Head:
    """The head for an environment's actions; `distribution` says which where the actions are numbers."""
    if isinstance(action_space, Discrete | MultiDiscrete):
        return CategoricalHead(action_space)
    if distribution not in HEADS:
        raise unknown_name_error("distribution", distribution, HEADS)
    made: Head = HEADS[distribution](action_space, log_std_init)
    return made
