"""Policy distributions over choices, for worlds whose actions are Discrete or MultiDiscrete."""

import torch
from torch import Tensor
from torch.nn import functional

from algos.distributions import Distribution


class Categorical(Distribution):
    """One of K choices, numbered from `start`; pi(k) = softmax(logits)_k, logits (B, K). Actions are (B,)."""

    def __init__(self, logits: Tensor, start: int = 0) -> None:
        self.log_chances, self.start = functional.log_softmax(logits, -1), start

    def mode(self) -> Tensor:
        """The likeliest choice."""
        return self.log_chances.argmax(-1) + self.start

    def sample(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Each choice as often as its chance."""
        a = torch.multinomial(self.log_chances.exp(), 1, generator=generator).squeeze(-1) + self.start
        return a, self.log_prob(a)

    def log_prob(self, a: Tensor) -> Tensor:
        """Log softmax(logits)_a."""
        return self.log_chances.gather(-1, (a - self.start).long()[..., None]).squeeze(-1)

    def entropy(self) -> Tensor:
        """-sum_k pi_k log pi_k."""
        return -(self.log_chances.exp() * self.log_chances).sum(-1)


class MultiCategorical(Distribution):
    """Several choices at once, each by itself; `parts` are their Categoricals. Actions are (B, number of parts)."""

    def __init__(self, parts: list[Categorical]) -> None:
        self.parts = parts

    def mode(self) -> Tensor:
        """Every part's likeliest choice."""
        return torch.stack([part.mode() for part in self.parts], -1)

    def sample(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """A sample of every part."""
        a = torch.stack([part.sample(generator)[0] for part in self.parts], -1)
        return a, self.log_prob(a)

    def log_prob(self, a: Tensor) -> Tensor:
        """The sum over the parts."""
        return torch.stack([part.log_prob(choice) for part, choice in zip(self.parts, a.unbind(-1), strict=True)]).sum(0)

    def entropy(self) -> Tensor:
        """The sum over the parts."""
        return torch.stack([part.entropy() for part in self.parts]).sum(0)
