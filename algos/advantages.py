"""Generalized advantage estimation (Schulman et al., 2016, arXiv:1506.02438)."""

import torch
from torch import Tensor


def gae(
    r: Tensor,
    v: Tensor,
    v2: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    gamma: float,
    lam: float,
) -> Tensor:
    """Advantages A (T, N) of a rollout of T steps in N worlds, from rewards, V(s), V(s2) and the ends of episodes.

    delta_t = r_t + gamma (1 - terminated_t) V(s2_t) - V(s_t)
    A_t     = delta_t + gamma lam (1 - terminated_t) (1 - truncated_t) A_(t+1),            A_T = 0

    A time-out cuts the sum, as what follows belongs to another episode, but keeps the value of what would have
    followed; death ends both.
    """
    delta = r + gamma * (1.0 - terminated) * v2 - v
    keep = gamma * lam * (1.0 - terminated) * (1.0 - truncated)
    advantages = torch.empty_like(delta)
    following = torch.zeros_like(delta[0])
    for t in range(len(r) - 1, -1, -1):
        advantages[t] = following = torch.addcmul(delta[t], keep[t], following)
    return advantages
