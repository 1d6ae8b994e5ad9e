"""Heads: the last piece of an actor, which turns its numbers into a Distribution of actions. Chosen by name."""

from abc import ABC, abstractmethod
from typing import Any, cast

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from torch import Tensor, nn
from torch.nn import functional

from algos.choices import Categorical, MultiCategorical
from algos.distributions import Beta, Distribution, Gaussian, SquashedGaussian
from toolkit.errors import unknown

LOG_STD_MIN, LOG_STD_MAX = -5.0, 2.0


class Head(nn.Module, ABC):
    """Takes `inputs` numbers a state and gives a Distribution. Your own: these two, and an entry in HEADS."""

    inputs: int

    def __call__(self, numbers: Tensor) -> Distribution:
        """The distribution that numbers (B, inputs) mean."""
        return cast(Distribution, super().__call__(numbers))

    @abstractmethod
    def forward(self, numbers: Tensor) -> Distribution:
        """The distribution that numbers (B, inputs) mean."""


class GaussianHead(Head):
    """A Gaussian whose spread is the same in every state: log std is a weight of its own."""

    def __init__(self, action: Box, log_std: float) -> None:
        super().__init__()
        self.inputs = action.shape[0]
        self.log_std = nn.Parameter(torch.full((self.inputs,), log_std))

    def forward(self, numbers: Tensor) -> Gaussian:
        """N(numbers, exp(log_std)^2)."""
        return Gaussian(numbers, self.log_std)


class StateGaussianHead(Head):
    """A Gaussian whose spread is told by the network, state by state, from exp(log_std) on."""

    kind: type[Gaussian] | type[SquashedGaussian] = Gaussian

    def __init__(self, action: Box, log_std: float) -> None:
        super().__init__()
        self.inputs, self.log_std = 2 * action.shape[0], log_std

    def forward(self, numbers: Tensor) -> Gaussian | SquashedGaussian:
        """The first half are means, the second half says how log std differs from where it began."""
        mean, log_std = numbers.chunk(2, -1)
        return self.kind(mean, (log_std + self.log_std).clamp(LOG_STD_MIN, LOG_STD_MAX))


class SquashedGaussianHead(StateGaussianHead):
    """The same through tanh."""

    kind = SquashedGaussian


class BetaHead(Head):
    """alpha and beta = 1 + softplus(numbers), which keeps both above 1 and the density one hill."""

    def __init__(self, action: Box, log_std: float) -> None:
        super().__init__()
        self.inputs = 2 * action.shape[0]

    def forward(self, numbers: Tensor) -> Beta:
        """The first half are for alpha, the second for beta."""
        return Beta(*(1.0 + functional.softplus(numbers)).chunk(2, -1))


class ChoiceHead(Head):
    """A chance for each choice of a Discrete world, or of every part of a MultiDiscrete one."""

    def __init__(self, action: Discrete | MultiDiscrete) -> None:
        super().__init__()
        self.several = isinstance(action, MultiDiscrete)
        self.counts: list[int] = np.atleast_1d(action.nvec if isinstance(action, MultiDiscrete) else action.n).tolist()
        self.starts: list[int] = np.atleast_1d(action.start).tolist()
        self.inputs = sum(self.counts)

    def forward(self, numbers: Tensor) -> Categorical | MultiCategorical:
        """Numbers are logits, part after part."""
        logits = torch.split(numbers, self.counts, -1)
        parts = [Categorical(own, start) for own, start in zip(logits, self.starts, strict=True)]
        return MultiCategorical(parts) if self.several else parts[0]


HEADS: dict[str, Any] = {
    "gaussian": GaussianHead,
    "state_gaussian": StateGaussianHead,
    "squashed_gaussian": SquashedGaussianHead,
    "beta": BetaHead,
}
"""Heads for actions in a Box, by the name of their distribution; each is made with the space and the first log std."""


def head(action: gymnasium.Space[Any], distribution: str, log_std: float = 0.0) -> Head:
    """The head for a world's actions; `distribution` says which where the actions are numbers."""
    if isinstance(action, Discrete | MultiDiscrete):
        return ChoiceHead(action)
    if distribution not in HEADS:
        raise unknown("distribution", distribution, HEADS)
    made: Head = HEADS[distribution](action, log_std)
    return made
