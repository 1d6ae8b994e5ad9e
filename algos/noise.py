"""Standard normal noise for exploration, correlated over the steps of an episode or not."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from poise.toolkit.spaces import Array

TIME_CONSTANTS = 2.0 ** torch.arange(10)
"""Steps after which the parts of pink noise have lost all but 1/e of their correlation."""


class ExplorationNoise:
    """Noise epsilon (N, A) for the actions of N environments; each number alone is N(0, 1).

    white: independent from step to step.
    pink: the power of each octave of frequencies is the same, so that actions add up to slow
    movements too (Eberhard et al., 2023, "Pink noise is all you need"). It is the sum of K
    autoregressive processes, whose time constants T_k are octaves apart:

    epsilon_t = K^(-1/2) sum_k n_k(t),  n_k(t+1) = c_k n_k(t) + (1 - c_k^2)^(1/2) xi,  xi ~ N(0, 1)

    with c_k = exp(-1 / T_k). An episode begins with new n_k ~ N(0, 1).
    """

    def __init__(self, color: str, action_dim: int, generator: torch.Generator) -> None:
        self.is_pink = color == "pink"
        self.action_dim = action_dim
        self.generator = generator
        device = generator.device
        self.correlation = torch.exp(-1.0 / TIME_CONSTANTS)[:, None, None].to(device)
        self.parts = torch.zeros(len(TIME_CONSTANTS), 0, action_dim, device=device)
        """n_k (K, N, A); no columns before the first sample."""

    def sample(self, num_envs: int) -> Tensor:
        """Return the noise of the next step, (N, A)."""
        if not self.is_pink:
            return self._normal(num_envs, self.action_dim)
        if self.parts.shape[1] != num_envs:
            self.parts = self._normal(len(self.parts), num_envs, self.action_dim)
        epsilon = self.parts.sum(0) / math.sqrt(len(self.parts))
        fresh = self._normal(*self.parts.shape)
        innovation = (1.0 - self.correlation.square()).sqrt() * fresh
        self.parts = self.correlation * self.parts + innovation
        return epsilon

    def reset(self, mask: Array | None = None) -> None:
        """Begin new episodes where `mask` (N,) is true; everywhere for None."""
        if mask is None:
            self.parts = self.parts[:, :0]
        if not self.parts.numel():  # It is white, or begins anew with the next sample.
            return
        is_new = torch.as_tensor(np.asarray(mask, bool), device=self.parts.device)
        number = int(is_new.sum())
        self.parts[:, is_new] = self._normal(len(self.parts), number, self.action_dim)

    def get_state(self) -> dict[str, Any]:
        """Return the parts of pink noise."""
        return {"parts": self.parts.cpu().numpy().copy()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state."""
        self.parts = torch.tensor(state["parts"], device=self.parts.device)

    def _normal(self, *shape: int) -> Tensor:
        values = torch.empty(shape, device=self.generator.device)
        return values.normal_(generator=self.generator)
