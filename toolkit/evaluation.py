"""Evaluation of a policy on episodes with fixed seeds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from poise.toolkit.experience import Policy, PolicyFunction, as_policy
from poise.toolkit.registry import Env, make_env, unwrap_poise_env
from poise.toolkit.spaces import Array
from poise.toolkit.wrappers import unwrap_learner_env

EVALUATION_SEED = 1_000_000
"""Seed of the first episode of every evaluation; the next episodes have the next seeds."""

MAX_PARALLEL_EPISODES = 20
"""Episodes that run in parallel at most: an environment in space takes 28 MB."""

REWARD_PREFIX = "eval/reward/"
"""Prefix of the metrics that hold a reward term's contribution to the mean return."""

RETURN_STD = "eval/return_std"
"""Metric: standard deviation of the returns."""


@dataclass(frozen=True)
class EvaluationResult:
    """Results of E episodes."""

    returns: Array
    """(E,)"""
    lengths: Array
    """(E,) steps"""
    successes: Array
    """(E,) bool"""
    reward_contributions: Array
    """(E, terms): weighted sum of each reward term over the episode"""
    term_names: tuple[str, ...] = ()

    def metrics(self) -> dict[str, float]:
        """Return means, the returns' standard deviation, and each reward term's contribution."""
        mean_contributions = self.reward_contributions.mean(axis=0)
        return {
            "eval/return": float(np.mean(self.returns)),
            "eval/length": float(np.mean(self.lengths)),
            "eval/success": float(np.mean(self.successes)),
            RETURN_STD: float(self.returns.std()),
            **{
                f"{REWARD_PREFIX}{name}": float(contribution)
                for name, contribution in zip(self.term_names, mean_contributions, strict=True)
            },
        }


class Evaluator:
    """Runs a policy on episodes with fixed seeds, in parallel, each cut after `max_steps` if given.

    An episode is a success if the environment reports `info["success"]` in any step; in an
    environment that reports none, if the episode did not end by failure.
    """

    def __init__(
        self,
        env_id: str,
        settings: Mapping[str, Any],
        num_episodes: int,
        seed: int = EVALUATION_SEED,
        max_steps: int | None = None,
    ) -> None:
        num_envs = min(num_episodes, MAX_PARALLEL_EPISODES)
        self.envs: list[Env] = [make_env(env_id, settings) for _ in range(num_envs)]
        for index, env in enumerate(self.envs):
            unwrap_learner_env(env).label = f"environment {index} of the evaluation"
        self.num_episodes = num_episodes
        self.seed = seed
        self.max_steps = max_steps
        self.reward_weights: dict[str, float] = {}
        if poise_env := unwrap_poise_env(self.envs[0]):
            self.reward_weights.update(poise_env.REWARD[poise_env.settings.reward])

    def __call__(self, policy: Policy | PolicyFunction) -> EvaluationResult:
        """Run all episodes with `policy`."""
        policy = as_policy(policy)
        results = []
        for first in range(0, self.num_episodes, MAX_PARALLEL_EPISODES):
            end = min(first + MAX_PARALLEL_EPISODES, self.num_episodes)
            results.append(self._run_episodes(policy, range(first, end)))
        returns, lengths, successes, contributions = (
            np.concatenate(column) for column in zip(*results, strict=True)
        )
        return EvaluationResult(
            returns, lengths, successes, contributions, tuple(self.reward_weights)
        )

    def _run_episodes(self, policy: Policy, episodes: range) -> tuple[Array, Array, Array, Array]:
        """Return returns, lengths, successes and reward contributions of parallel episodes."""
        num_episodes = len(episodes)
        returns = np.zeros(num_episodes)
        lengths = np.zeros(num_episodes, int)
        successes = np.zeros(num_episodes, bool)
        contributions = np.zeros((num_episodes, len(self.reward_weights)))
        weights = np.array([*self.reward_weights.values()])
        observations = [
            self.envs[index].reset(seed=self.seed + episode)[0]
            for index, episode in enumerate(episodes)
        ]
        policy.reset()
        running = list(range(num_episodes))
        while running:
            # A policy with memory needs every row, those of ended episodes too.
            actions = policy(np.stack(observations))
            still_running = []
            for index in running:
                observation, reward, terminated, truncated, info = self.envs[index].step(
                    actions[index]
                )
                observations[index] = observation
                returns[index] += float(reward)
                if len(weights):
                    terms = [info["reward_terms"][name] for name in self.reward_weights]
                    contributions[index] += weights * terms
                lengths[index] += 1
                successes[index] |= bool(info.get("success", False))
                if not (terminated or truncated or lengths[index] == self.max_steps):
                    still_running.append(index)
                elif "success" not in info:
                    successes[index] = not terminated
            running = still_running
        return returns, lengths, successes, contributions

    def close(self) -> None:
        """Close the environments."""
        for env in self.envs:
            env.close()
