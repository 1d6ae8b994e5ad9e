"""Policy distributions over actions, and the heads that make them from a network's outputs.

Each distribution is a batch of B, one for each state. To add one, implement the four abstract
methods of Distribution and a Head, and enter the head in HEADS. Samples use the given generator,
never torch's global one.
"""

import math
from abc import ABC, abstractmethod
from typing import Any, cast

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from poise.toolkit.errors import unknown_name_error

LOG_2 = math.log(2.0)
HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)

EPS = 1e-30
"""Keeps the mode of Beta(1, 1) from being 0 / 0."""

LOG_STD_MIN = -5.0
LOG_STD_MAX = 2.0
"""Bounds of a log std that a network computes."""

NUM_STD_SAMPLES = 64
"""Samples from which `Distribution.std` estimates the standard deviation."""

# Gauss-Hermite quadrature: the integral of f(u) N(u; 0, 1) du is sum_k weight_k f(node_k), exact
# for polynomials up to degree 39.
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(20)
QUADRATURE_NODES = torch.from_numpy(_NODES).float()
QUADRATURE_WEIGHTS = torch.from_numpy(_WEIGHTS).float()
QUADRATURE_WEIGHTS = QUADRATURE_WEIGHTS / QUADRATURE_WEIGHTS.sum()


class Distribution(ABC):
    """A batch of distributions over continuous actions (B, A) or choices (B,)."""

    @abstractmethod
    def mode(self) -> Tensor:
        """Return the most likely action, or another typical one, without randomness."""

    @abstractmethod
    def sample(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return sampled actions and their log-densities (B,)."""

    @abstractmethod
    def log_prob(self, a: Tensor) -> Tensor:
        """Return log pi(a|s), (B,): a density for continuous actions, a probability for choices."""

    @abstractmethod
    def entropy(self) -> Tensor:
        """Return the entropy -E[log pi(a|s)] in nats, (B,)."""

    def unsquash(self, a: Tensor) -> Tensor:
        """Return the u that was squashed to `a`; `a` itself where the policy does not squash."""
        return a

    def log_prob_unsquashed(self, u: Tensor) -> Tensor:
        """Return log pi(a|s), (B,), of the actions that u is squashed to."""
        return self.log_prob(u)

    def std(self) -> Tensor:
        """Return the standard deviation of actions, estimated from samples with a fixed seed."""
        generator = torch.Generator().manual_seed(0)
        samples = [self.sample(generator)[0] for _ in range(NUM_STD_SAMPLES)]
        return torch.stack(samples).float().std(0)


class Gaussian(Distribution):
    """a ~ N(mean, exp(log_std)^2), dimensions independent; mean (B, A), log_std (B, A) or (A,).

    Actions may lie outside [-1, 1]; environments clip them.
    """

    def __init__(self, mean: Tensor, log_std: Tensor) -> None:
        self.mean = mean
        self.log_std = log_std

    def mode(self) -> Tensor:
        """Return the mean."""
        return self.mean

    def sample(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return samples that are differentiable in mean and log_std, and their log-densities."""
        noise = torch.empty_like(self.mean).normal_(generator=generator)
        a = torch.addcmul(self.mean, noise, self.log_std.exp())
        return a, self.log_prob(a)

    def log_prob(self, a: Tensor) -> Tensor:
        """Return sum_i -z_i^2 / 2 - log std_i - log(2 pi) / 2 with z = (a - mean) / std."""
        log_pi: Tensor = _GaussianLogProb.apply(  # type: ignore[no-untyped-call]
            a, self.mean, self.log_std
        )
        return log_pi

    def entropy(self) -> Tensor:
        """Return sum_i log std_i + log(2 pi e) / 2."""
        return (self.log_std + 0.5 + HALF_LOG_2PI).sum(-1).expand(self.mean.shape[:-1])


class _GaussianLogProb(torch.autograd.Function):
    """log N(a; mean, std^2), the sum over dimensions, as one step of autograd.

    With z = (a - mean) / std, its gradient is z / std for the mean, -z / std for a, and z^2 - 1 for
    log std.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
        precision = torch.exp(-log_std)
        z = (a - mean) * precision
        ctx.save_for_backward(z, precision)
        ctx.shapes = (a.shape, mean.shape, log_std.shape)
        return -0.5 * z.square().sum(-1) - (log_std + HALF_LOG_2PI).sum(-1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        z, precision = ctx.saved_tensors
        a_shape, mean_shape, log_std_shape = ctx.shapes
        gradient = gradient.unsqueeze(-1)
        mean_gradient = gradient * z * precision
        log_std_gradient = gradient * (z * z - 1.0)
        return (
            -mean_gradient.sum_to_size(a_shape) if ctx.needs_input_grad[0] else None,
            mean_gradient.sum_to_size(mean_shape),
            log_std_gradient.sum_to_size(log_std_shape),
        )


class _SquashedSample(torch.autograd.Function):
    """a = tanh(u), u = mean + std noise, and log pi(a), the sum over dimensions, as one step.

    log pi(a) = sum_i -noise_i^2 / 2 - log std_i - log(2 pi) / 2 - log(1 - tanh(u_i)^2)

    u is an output too. With da/du = 1 - a^2 and d log pi / du = 2 a, a loss L has the gradients

    g = dL/du + dL/da (1 - a^2) + dL/dlog pi 2 a        for the mean
    g std noise - dL/dlog pi                            for log std
    """

    @staticmethod
    def forward(
        ctx: Any, mean: Tensor, log_std: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        deviation = noise * log_std.exp()
        u = mean + deviation
        a = torch.tanh(u)
        log_density = -0.5 * noise.square() - log_std - HALF_LOG_2PI - _log_tanh_derivative(u)
        ctx.save_for_backward(a, deviation)
        ctx.log_std_shape = log_std.shape
        return a, u, log_density.sum(-1)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, a_gradient: Tensor, u_gradient: Tensor, log_pi_gradient: Tensor
    ) -> tuple[Tensor | None, ...]:
        a, deviation = ctx.saved_tensors
        log_pi_gradient = log_pi_gradient.unsqueeze(-1)
        mean_gradient = u_gradient + a_gradient * (1.0 - a * a) + log_pi_gradient * (2.0 * a)
        log_std_gradient = mean_gradient * deviation - log_pi_gradient
        return mean_gradient, log_std_gradient.sum_to_size(ctx.log_std_shape), None


class Squashed(Distribution):
    """a = tanh(u): actions that lie in [-1, 1], from numbers u without bounds.

    Densities are computed from u. In float32, tanh(u) is 1 from u = 9.01 on, and a step of a is
    worth ever more of u before: a number a alone does not say with which density it was sampled. So
    the last sample is kept, as torch's TanhTransform(cache_size=1) does, and a learner that needs
    the density of its actions later stores `unsquash` of them.
    """

    _last_sample: tuple[Tensor, Tensor] | None = None
    """The actions that `sample` returned last, and the u that they were squashed from."""

    def unsquash(self, a: Tensor) -> Tensor:
        """Return u, (B, A): that of the last sample if `a` is this very tensor, else atanh(a).

        atanh ends at the number next to 1: at |u| = 8.66 in float32, at 18.7 in float64.
        """
        if self._last_sample is not None and a is self._last_sample[0]:
            return self._last_sample[1]
        end = 1.0 - torch.finfo(a.dtype).eps / 2.0
        return torch.atanh(a.clamp(-end, end))

    def log_prob(self, a: Tensor) -> Tensor:
        """Return the log-densities of actions, exact for the last sample; see `unsquash`."""
        return self.log_prob_unsquashed(self.unsquash(a))

    @abstractmethod
    def log_prob_unsquashed(self, u: Tensor) -> Tensor:
        """Return log pi(tanh(u)|s), (B,)."""


class SquashedGaussian(Squashed):
    """a = tanh(u) with u ~ N(mean, exp(log_std)^2), dimensions independent; a lies in (-1, 1).

    log pi(a) = sum_i [ log N(u_i) - log(1 - tanh(u_i)^2) ]        (arXiv:1812.05905, appendix C)
    where log(1 - tanh(u)^2) = 2 (log 2 - u - softplus(-2u)) stays finite for every u.
    """

    def __init__(self, mean: Tensor, log_std: Tensor) -> None:
        self.mean = mean
        self.log_std = log_std

    def mode(self) -> Tensor:
        """Return tanh(mean): the median, and the image of the mode of u."""
        return torch.tanh(self.mean)

    def sample(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return samples that are differentiable in mean and log_std, and their log-densities."""
        return self.sample_at(torch.empty_like(self.mean).normal_(generator=generator))

    def sample_at(self, epsilon: Tensor) -> tuple[Tensor, Tensor]:
        """Return tanh(mean + std epsilon) and its log-density, for noise epsilon ~ N(0, 1)."""
        a, u, log_pi = _SquashedSample.apply(  # type: ignore[no-untyped-call]
            self.mean, self.log_std, epsilon
        )
        self._last_sample = (a, u)
        return a, log_pi

    def log_prob_unsquashed(self, u: Tensor) -> Tensor:
        """Return log N(u) - sum_i log(1 - tanh(u_i)^2)."""
        return Gaussian(self.mean, self.log_std).log_prob(u) - _log_tanh_derivative(u).sum(-1)

    def entropy(self) -> Tensor:
        """Return the Gaussian's entropy + E[log(1 - tanh(u)^2)], the latter by quadrature."""
        nodes = QUADRATURE_NODES.to(self.mean.device)
        weights = QUADRATURE_WEIGHTS.to(self.mean.device)
        u = self.mean[..., None] + self.log_std.exp()[..., None] * nodes  # (B, A, 20)
        log_det = (_log_tanh_derivative(u) * weights).sum(-1)  # (B, A)
        return Gaussian(self.mean, self.log_std).entropy() + log_det.sum(-1)


class Beta(Squashed):
    """a = 2 x - 1 with x ~ Beta(alpha, beta), dimensions independent; alpha, beta (B, A) > 1.

    Its support is [-1, 1], so clipping moves no probability to the bounds (Chou, Maturana and
    Scherer, 2017, ICML). With a = tanh(u), x = sigmoid(2 u) and 1 - x = sigmoid(-2 u).
    """

    def __init__(self, alpha: Tensor, beta: Tensor) -> None:
        self.alpha = alpha
        self.beta = beta

    def mode(self) -> Tensor:
        """Return 2 (alpha - 1) / (alpha + beta - 2) - 1; 0 where the density is uniform."""
        alpha_excess = self.alpha - 1.0 + EPS
        beta_excess = self.beta - 1.0 + EPS
        return 2.0 * alpha_excess / (alpha_excess + beta_excess) - 1.0

    def sample(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return samples, from x = g / (g + h) with g ~ Gamma(alpha), h ~ Gamma(beta)."""
        g = torch._standard_gamma(self.alpha, generator=generator)
        h = torch._standard_gamma(self.beta, generator=generator)
        a = 2.0 * g / (g + h) - 1.0
        self._last_sample = (a, 0.5 * (g.log() - h.log()))
        return a, self.log_prob(a)

    def log_prob_unsquashed(self, u: Tensor) -> Tensor:
        """Return sum_i (alpha_i - 1) log x_i + (beta_i - 1) log(1 - x_i) - log B_i - log 2."""
        log_density = (
            (self.alpha - 1.0) * functional.logsigmoid(2.0 * u)
            + (self.beta - 1.0) * functional.logsigmoid(-2.0 * u)
            - self._log_beta()
            - LOG_2
        )
        return log_density.sum(-1)

    def entropy(self) -> Tensor:
        """Return the sum over dimensions of the entropies, with psi the digamma function.

        H = log B(alpha, beta) - (alpha - 1) psi(alpha) - (beta - 1) psi(beta)
            + (alpha + beta - 2) psi(alpha + beta) + log 2
        """
        alpha = self.alpha
        beta = self.beta
        total = alpha + beta
        psi = torch.digamma
        psi_terms = (
            (total - 2.0) * psi(total) - (alpha - 1.0) * psi(alpha) - (beta - 1.0) * psi(beta)
        )
        return (self._log_beta() + psi_terms + LOG_2).sum(-1)

    def _log_beta(self) -> Tensor:
        return (
            torch.lgamma(self.alpha)
            + torch.lgamma(self.beta)
            - torch.lgamma(self.alpha + self.beta)
        )


def _log_tanh_derivative(u: Tensor) -> Tensor:
    """Return log(da/du) of a = tanh(u), which is log(1 - tanh(u)^2)."""
    return 2.0 * (LOG_2 - u - functional.softplus(-2.0 * u))


class Categorical(Distribution):
    """One of K choices, numbered from `start`: pi(k) = softmax(logits)_k, logits (B, K).

    Actions are (B,).
    """

    def __init__(self, logits: Tensor, start: int = 0) -> None:
        self.log_probs = functional.log_softmax(logits, -1)
        self.start = start

    def mode(self) -> Tensor:
        """Return the most likely choice."""
        return self.log_probs.argmax(-1) + self.start

    def sample(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return choices, drawn by their probabilities, and their log-probabilities."""
        a = torch.multinomial(self.log_probs.exp(), 1, generator=generator).squeeze(-1) + self.start
        return a, self.log_prob(a)

    def log_prob(self, a: Tensor) -> Tensor:
        """Return log softmax(logits)_a."""
        return self.log_probs.gather(-1, (a - self.start).long()[..., None]).squeeze(-1)

    def entropy(self) -> Tensor:
        """Return -sum_k pi_k log pi_k."""
        return -(self.log_probs.exp() * self.log_probs).sum(-1)


class MultiCategorical(Distribution):
    """Several independent choices at once, one for each of `categoricals`.

    Actions are (B, len(categoricals)).
    """

    def __init__(self, categoricals: list[Categorical]) -> None:
        self.categoricals = categoricals

    def mode(self) -> Tensor:
        """Return the most likely choice of each categorical."""
        return torch.stack([categorical.mode() for categorical in self.categoricals], -1)

    def sample(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return one choice of each categorical, and their joint log-probabilities."""
        choices = [categorical.sample(generator)[0] for categorical in self.categoricals]
        a = torch.stack(choices, -1)
        return a, self.log_prob(a)

    def log_prob(self, a: Tensor) -> Tensor:
        """Return the sum of the categoricals' log-probabilities."""
        choices = a.unbind(-1)
        pairs = zip(self.categoricals, choices, strict=True)
        return torch.stack([categorical.log_prob(choice) for categorical, choice in pairs]).sum(0)

    def entropy(self) -> Tensor:
        """Return the sum of the categoricals' entropies."""
        return torch.stack([categorical.entropy() for categorical in self.categoricals]).sum(0)


class Head(nn.Module, ABC):
    """The last stage of an actor: network outputs (B, in_features) to a Distribution."""

    in_features: int
    """Number of network outputs that the distribution needs."""

    def __call__(self, params: Tensor) -> Distribution:
        """Return the distributions with parameters (B, in_features)."""
        return cast(Distribution, super().__call__(params))

    @abstractmethod
    def forward(self, params: Tensor) -> Distribution:
        """Return the distributions with parameters (B, in_features)."""


class GaussianHead(Head):
    """A Gaussian whose log std is a parameter of its own, the same in every state."""

    def __init__(self, action_space: Box, log_std_init: float) -> None:
        super().__init__()
        self.in_features = action_space.shape[0]
        self.log_std = nn.Parameter(torch.full((self.in_features,), log_std_init))

    def forward(self, params: Tensor) -> Gaussian:
        """Return N(params, exp(log_std)^2)."""
        return Gaussian(params, self.log_std)


class StateGaussianHead(Head):
    """A Gaussian with a log std for each state: a network output plus `log_std_init`."""

    distribution_class: type[Gaussian] | type[SquashedGaussian] = Gaussian

    def __init__(self, action_space: Box, log_std_init: float) -> None:
        super().__init__()
        self.in_features = 2 * action_space.shape[0]
        self.log_std_init = log_std_init

    def forward(self, params: Tensor) -> Gaussian | SquashedGaussian:
        """Return Gaussians; params (B, 2 A) are means and log std - log_std_init."""
        mean, log_std = params.chunk(2, -1)
        log_std = (log_std + self.log_std_init).clamp(LOG_STD_MIN, LOG_STD_MAX)
        return self.distribution_class(mean, log_std)


class SquashedGaussianHead(StateGaussianHead):
    """A SquashedGaussian with a log std for each state."""

    distribution_class = SquashedGaussian


class BetaHead(Head):
    """A Beta with alpha, beta = 1 + softplus(params) > 1, so that the density has one maximum."""

    def __init__(self, action_space: Box, log_std_init: float) -> None:
        super().__init__()
        self.in_features = 2 * action_space.shape[0]

    def forward(self, params: Tensor) -> Beta:
        """Return Betas: the first half of params is for alpha, the second for beta."""
        alpha, beta = (1.0 + functional.softplus(params)).chunk(2, -1)
        return Beta(alpha, beta)


class CategoricalHead(Head):
    """Probabilities of the choices of a Discrete space, or of a MultiDiscrete one's dimensions."""

    def __init__(self, action_space: Discrete | MultiDiscrete) -> None:
        super().__init__()
        self.is_multi_discrete = isinstance(action_space, MultiDiscrete)
        self.nvec: list[int] = np.atleast_1d(
            action_space.nvec if isinstance(action_space, MultiDiscrete) else action_space.n
        ).tolist()
        self.starts: list[int] = np.atleast_1d(action_space.start).tolist()
        self.in_features = sum(self.nvec)

    def forward(self, params: Tensor) -> Categorical | MultiCategorical:
        """Return Categoricals with params as logits, dimension after dimension."""
        pairs = zip(torch.split(params, self.nvec, -1), self.starts, strict=True)
        categoricals = [Categorical(logits, start) for logits, start in pairs]
        return MultiCategorical(categoricals) if self.is_multi_discrete else categoricals[0]


HEADS: dict[str, Any] = {
    "gaussian": GaussianHead,
    "state_gaussian": StateGaussianHead,
    "squashed_gaussian": SquashedGaussianHead,
    "beta": BetaHead,
}
"""Heads for actions in a Box, by distribution; each is called with the space and log_std_init."""


def make_head(
    action_space: gymnasium.Space[Any], distribution: str, log_std_init: float = 0.0
) -> Head:
    """Return the head for an action space; `distribution`, a name in HEADS, is for a Box only.

    Raises:
        UserError: no head has this name.

    """
    if isinstance(action_space, Discrete | MultiDiscrete):
        return CategoricalHead(action_space)
    if distribution not in HEADS:
        raise unknown_name_error("distribution", distribution, HEADS)
    head: Head = HEADS[distribution](action_space, log_std_init)
    return head
