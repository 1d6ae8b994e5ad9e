"""Evaluation: how good a policy is, judged on episodes with fixed seeds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from poise.toolkit.experience import Policy
from poise.toolkit.registry import Env, make_env, unwrap_poise_env
from poise.toolkit.spaces import Array

EVALUATION_SEED = 1_000_000
"""The seed of the first episode of every evaluation; the next ones follow on."""


MAX_PARALLEL_EPISODES = 20
"""Episodes that are lived side by side at most: an environment in space takes 28 MB."""


REWARD_PREFIX = "eval/reward/"
RETURN_STD = "eval/return_std"
"""How those metrics of an evaluation begin that tell what a term of the reward paid; and which one tells how returns spread."""


@dataclass(frozen=True)
class EvaluationResult:
    """The episodes of one evaluation."""

    returns: Array
    lengths: Array
    successes: Array
    reward_contributions: Array
    """(episodes, terms): what each term of the reward added to the return."""
    term_names: tuple[str, ...] = ()

    def metrics(self) -> dict[str, float]:
        """Their means, the spread of the returns, and what each term of the reward added to the mean return."""
        parts = {"return": self.returns, "length": self.lengths, "success": self.successes}
        means = {f"eval/{name}": float(np.mean(values)) for name, values in parts.items()}
        paid = {
            f"{REWARD_PREFIX}{name}": float(value)
            for name, value in zip(
                self.term_names, self.reward_contributions.mean(axis=0), strict=True
            )
        }
        return {**means, RETURN_STD: float(self.returns.std()), **paid}


class Evaluator:
    """Judges a policy on episodes with fixed seeds, lived side by side, and cut after `steps` where that is given.

    An episode succeeds when its environment says so in `info["success"]`; in an environment that never does, when it is not
    ended by failure.
    """

    def __init__(
        self,
        env_id: str,
        settings: Mapping[str, Any],
        num_episodes: int,
        seed: int = EVALUATION_SEED,
        max_steps: int | None = None,
    ) -> None:
        self.envs: list[Env] = [
            make_env(env_id, settings) for _ in range(min(num_episodes, MAX_PARALLEL_EPISODES))
        ]
        self.num_episodes = num_episodes
        self.seed = seed
        self.max_steps = max_steps
        ours = unwrap_poise_env(self.envs[0])
        self.reward_weights = dict(ours.REWARD[ours.settings.reward]) if ours else {}

    def __call__(self, policy: Policy) -> EvaluationResult:
        """Let `policy` live all episodes."""
        firsts = range(0, self.num_episodes, MAX_PARALLEL_EPISODES)
        lived = [
            self._run_episodes(
                policy, range(first, min(first + MAX_PARALLEL_EPISODES, self.num_episodes))
            )
            for first in firsts
        ]
        returns, lengths, successes, paid = (
            np.concatenate(column) for column in zip(*lived, strict=True)
        )
        return EvaluationResult(returns, lengths, successes, paid, tuple(self.reward_weights))

    def _run_episodes(self, policy: Policy, episodes: range) -> tuple[Array, Array, Array, Array]:
        """Returns, lengths, successes and what the terms paid of some episodes, side by side."""
        number = len(episodes)
        returns = np.zeros(number)
        lengths = np.zeros(number, int)
        successes = np.zeros(number, bool)
        paid = np.zeros((number, len(self.reward_weights)))
        weights = np.array([*self.reward_weights.values()])
        observation = [
            self.envs[index].reset(seed=self.seed + episode)[0]
            for index, episode in enumerate(episodes)
        ]
        running = list(range(number))
        while running:
            actions = policy(np.stack([observation[index] for index in running]))
            still = []
            for index, action in zip(running, actions, strict=True):
                observation[index], reward, terminated, truncated, info = self.envs[index].step(
                    action
                )
                returns[index] += float(reward)
                if len(weights):
                    paid[index] += weights * [
                        info["reward_terms"][name] for name in self.reward_weights
                    ]
                lengths[index] += 1
                successes[index] |= bool(info.get("success", False))
                if not (terminated or truncated or lengths[index] == self.max_steps):
                    still.append(index)
                elif "success" not in info:
                    successes[index] = not terminated
            running = still
        return returns, lengths, successes, paid

    def close(self) -> None:
        """Close the environments."""
        for env in self.envs:
            env.close()
