"""Policies written by hand."""

import numpy as np

import poise  # noqa: F401  (registers the environments)


class Hand:
    """Linear feedback policy of the cart-pole: `strength` 1 balances, 0 does nothing."""

    checkpoint = "by hand"

    def __init__(self, strength: float) -> None:
        self.strength = strength

    def reset(self, mask: np.ndarray | None = None, *, explore: bool) -> None:
        """Do nothing: there is no memory."""

    def act(self, observation: np.ndarray, *, explore: bool) -> np.ndarray:
        gains = np.array([[-0.3], [-0.5], [4.0], [1.0]])
        return np.clip(-self.strength * observation @ gains, -1.0, 1.0)


class Hands:
    """Policy of the reacher: springs pull elbow and hand to their targets."""

    def reset(self, mask: np.ndarray | None = None, *, explore: bool) -> None:
        """Do nothing: there is no memory."""

    def act(self, observation, *, explore):
        _, elbow, hand, pull, tug, speed = np.split(observation, [4, 6, 8, 10, 12], axis=1)
        pairs = ((elbow, pull), (hand, tug), (hand - elbow, tug))
        levers = [at[:, 0] * force[:, 1] - at[:, 1] * force[:, 0] for at, force in pairs]
        torques = np.stack((levers[0] + levers[1], levers[2]), axis=1)
        return np.clip(40 * torques - 0.2 * speed, -1, 1)
