"""Reward terms as pure functions of plain numbers.

An environment names its terms and weights them in its REWARD table; `info["reward_terms"]` holds
them unweighted.
"""

import math
from collections.abc import Sequence


def gaussian_tolerance(distance: float, scale: float) -> float:
    """Return exp(-(distance / scale)^2): 1 at zero, 0.37 at one scale. Same unit for both."""
    ratio = distance / scale
    return math.exp(-ratio * ratio)


def linear_tolerance(value: float, low: float, high: float, margin: float) -> float:
    """Return 1 for low <= value <= high, decreasing linearly to 0 at `margin` > 0 outside."""
    outside = max(low - value, value - high, 0.0)
    return max(0.0, 1.0 - outside / margin)


def control_cost(action: Sequence[float]) -> float:
    """Return the mean square of an action in [-1, 1]: 0 at rest, 1 where all are at a bound."""
    return sum(u * u for u in action) / len(action)


def control_saving(action: Sequence[float]) -> float:
    """Return 1 - control_cost: 1 at rest, 0 where all are at a bound."""
    return 1.0 - control_cost(action)


def progress(potential: float, previous: float) -> float:
    """Return the gain in potential over one step.

    The gains of an episode sum to its last potential minus its first, so that moving in circles
    gains nothing. Source: Ng, Harada and Russell (1999), Policy invariance under reward
    transformations, with gamma = 1. A learner that discounts by gamma < 1 sees their shaping,
    gamma * potential - previous, plus (1 - gamma) * potential in every step: it also prefers to be
    at a high potential early.
    """
    return potential - previous
