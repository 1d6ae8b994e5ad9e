"""Evaluation: how good a policy is, judged on episodes with fixed seeds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from poise.toolkit.experience import Act
from poise.toolkit.registry import World, as_ours, make_world
from poise.toolkit.spaces import Array

EVALUATION_SEED = 1_000_000
"""The seed of the first episode of every evaluation; the next ones follow on."""


AT_ONCE = 20
"""Episodes that are lived side by side at most: a world in space takes 28 MB."""


PAID, SPREAD = "eval/reward/", "eval/return_std"
"""How those metrics of an evaluation begin that tell what a term of the reward paid; and which one tells how returns spread."""


@dataclass(frozen=True)
class Score:
    """The episodes of one evaluation."""

    returns: Array
    lengths: Array
    successes: Array
    paid: Array
    """(episodes, terms): what each term of the reward added to the return."""
    terms: tuple[str, ...] = ()

    def metrics(self) -> dict[str, float]:
        """Their means, the spread of the returns, and what each term of the reward added to the mean return."""
        parts = {"return": self.returns, "length": self.lengths, "success": self.successes}
        means = {f"eval/{name}": float(np.mean(values)) for name, values in parts.items()}
        paid = {f"{PAID}{name}": float(value) for name, value in zip(self.terms, self.paid.mean(axis=0), strict=True)}
        return {**means, SPREAD: float(self.returns.std()), **paid}


class Evaluator:
    """Judges a policy on episodes with fixed seeds, lived side by side, and cut after `steps` where that is given.

    An episode succeeds when its world says so in `info["success"]`; in a world that never does, when it is not
    ended by failure.
    """

    def __init__(
        self,
        world_id: str,
        settings: Mapping[str, Any],
        episodes: int,
        seed: int = EVALUATION_SEED,
        steps: int | None = None,
    ) -> None:
        self.worlds: list[World] = [make_world(world_id, settings) for _ in range(min(episodes, AT_ONCE))]
        self.episodes, self.seed, self.steps = episodes, seed, steps
        ours = as_ours(self.worlds[0])
        self.weights = dict(ours.REWARD[ours.settings.reward]) if ours else {}

    def __call__(self, act: Act) -> Score:
        """Let `act` live all episodes."""
        firsts = range(0, self.episodes, AT_ONCE)
        lived = [self._live(act, range(first, min(first + AT_ONCE, self.episodes))) for first in firsts]
        returns, lengths, successes, paid = (np.concatenate(column) for column in zip(*lived, strict=True))
        return Score(returns, lengths, successes, paid, tuple(self.weights))

    def _live(self, act: Act, episodes: range) -> tuple[Array, Array, Array, Array]:
        """Returns, lengths, successes and what the terms paid of some episodes, side by side."""
        number = len(episodes)
        returns, lengths, successes = np.zeros(number), np.zeros(number, int), np.zeros(number, bool)
        paid, weights = np.zeros((number, len(self.weights))), np.array([*self.weights.values()])
        observation = [self.worlds[index].reset(seed=self.seed + episode)[0] for index, episode in enumerate(episodes)]
        running = list(range(number))
        while running:
            actions = act(np.stack([observation[index] for index in running]))
            still = []
            for index, action in zip(running, actions, strict=True):
                observation[index], reward, terminated, truncated, info = self.worlds[index].step(action)
                returns[index] += float(reward)
                if len(weights):
                    paid[index] += weights * [info["reward_terms"][name] for name in self.weights]
                lengths[index] += 1
                successes[index] |= bool(info.get("success", False))
                if not (terminated or truncated or lengths[index] == self.steps):
                    still.append(index)
                elif "success" not in info:
                    successes[index] = not terminated
            running = still
        return returns, lengths, successes, paid

    def close(self) -> None:
        """Close the worlds."""
        for world in self.worlds:
            world.close()
