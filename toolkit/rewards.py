"""The vocabulary of reward terms: pure functions of plain numbers.

Terms are named by an environment, weighted by its REWARD table and carried unweighted in `info["reward_terms"]`.
"""

import math
from collections.abc import Sequence


def gaussian_tolerance(distance: float, scale: float) -> float:
    """exp(-(distance / scale)^2): 1 at zero, 0.37 at one scale, never negative. Same unit for both."""
    ratio = distance / scale
    return math.exp(-ratio * ratio)


def linear_tolerance(value: float, low: float, high: float, margin: float) -> float:
    """1 while low <= value <= high, then falling in a straight line to 0 at `margin` outside (margin > 0)."""
    outside = max(low - value, value - high, 0.0)
    return max(0.0, 1.0 - outside / margin)


def control_cost(action: Sequence[float]) -> float:
    """The mean square of an action in [-1, 1]: 0 at rest, 1 at full effort everywhere."""
    return sum(u * u for u in action) / len(action)


def control_saving(action: Sequence[float]) -> float:
    """1 - effort_cost: 1 at rest, 0 at full effort everywhere."""
    return 1.0 - control_cost(action)


def progress(potential: float, previous: float) -> float:
    """The gain in potential over one step; it sums to last minus first, so it cannot be farmed in circles.

    Source: Ng, Harada and Russell (1999), Policy invariance under reward transformations, with gamma = 1.
    """
    return potential - previous
