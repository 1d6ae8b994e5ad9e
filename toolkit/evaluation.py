"""Evaluation of a policy on episodes with fixed seeds, and what counts as a success."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from poise.toolkit.conversion import InvalidValueError, to_flag
from poise.toolkit.experience import Policy, PolicyFunction, as_policy
from poise.toolkit.registry import Env, get_reward_threshold, make_env, unwrap_poise_env
from poise.toolkit.run import Run
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


SUCCESS_KEYS = ("success", "is_success")
"""Entries of `info` by which environments report a success."""


def read_success(info: Mapping[str, Any]) -> bool | None:
    """Return whether an environment reports a success in a step; None where it reports neither.

    What is no truth value, a text or an array of several, is no report.
    """
    return merge_reports(_read_flag(info[key]) for key in SUCCESS_KEYS if key in info)


def _read_flag(value: Any) -> bool | None:
    """Return True, False or None for what is neither."""
    try:
        return to_flag("success", value)
    except InvalidValueError:
        return None


def merge_reports(reports: Iterable[bool | None]) -> bool | None:
    """Return whether any of several steps reported a success; None where none reported."""
    known = [report for report in reports if report is not None]
    return any(known) if known else None


def is_success(report: bool | None, episode_return: float, solved_at: float | None) -> bool | None:
    """Return whether an episode was a success; None where that is not defined.

    It is what the environment reported, or else whether the return reaches `solved_at`. How an
    episode ended says nothing: some environments end it at the goal, others at a failure.
    """
    if report is not None or solved_at is None:
        return report
    return episode_return >= solved_at


@dataclass(frozen=True)
class EvaluationResult:
    """Results of E episodes."""

    returns: Array
    """(E,)"""
    lengths: Array
    """(E,) steps"""
    terminated: Array
    """(E,) bool: the environment ended the episode, at a goal or at a failure"""
    reports: Array | None
    """(E,) bool: the environment reported a success; None where it reports none in any episode"""
    solved_at: float | None
    """Return that counts as a success where the environment reports none"""
    reward_contributions: Array
    """(E, terms): weighted sum of each reward term over the episode"""
    term_names: tuple[str, ...] = ()

    @property
    def successes(self) -> Array | None:
        """Successes (E,) bool, as `is_success` defines them; None where they are not defined."""
        if self.reports is not None or self.solved_at is None:
            return self.reports
        return np.array([is_success(None, total, self.solved_at) for total in self.returns])

    def metrics(self) -> dict[str, float]:
        """Return means, the returns' standard deviation, and each reward term's contribution.

        `eval/success` is left out where a success is not defined.
        """
        mean_contributions = self.reward_contributions.mean(axis=0)
        success = {} if self.successes is None else {"eval/success": float(self.successes.mean())}
        return {
            "eval/return": float(np.mean(self.returns)),
            "eval/length": float(np.mean(self.lengths)),
            **success,
            RETURN_STD: float(self.returns.std()),
            **{
                f"{REWARD_PREFIX}{name}": float(contribution)
                for name, contribution in zip(self.term_names, mean_contributions, strict=True)
            },
        }


class Evaluator:
    """Runs a policy on episodes with fixed seeds, in parallel, each cut after `max_steps` if given.

    `solved_at` is the return that counts as a success where the environment reports none; by
    default it is the environment's own threshold, if it has one.
    """

    def __init__(
        self,
        env_id: str,
        settings: Mapping[str, Any],
        num_episodes: int,
        seed: int = EVALUATION_SEED,
        max_steps: int | None = None,
        solved_at: float | None = None,
    ) -> None:
        num_envs = min(num_episodes, MAX_PARALLEL_EPISODES)
        self.envs: list[Env] = [make_env(env_id, settings) for _ in range(num_envs)]
        for index, env in enumerate(self.envs):
            unwrap_learner_env(env).label = f"environment {index} of the evaluation"
        self.num_episodes = num_episodes
        self.seed = seed
        self.max_steps = max_steps
        if solved_at is None:
            solved_at = get_reward_threshold(self.envs[0])
        self.solved_at = solved_at
        self.reward_weights: dict[str, float] = {}
        if poise_env := unwrap_poise_env(self.envs[0]):
            self.reward_weights.update(poise_env.REWARD[poise_env.settings.reward])

    def __call__(
        self,
        policy: Policy | PolicyFunction,
        on_progress: Callable[[int], None] = lambda num_episodes: None,
    ) -> EvaluationResult:
        """Run all episodes with `policy`.

        `on_progress` is called with the number of episodes that have ended since its last call.
        """
        policy = as_policy(policy)
        results = []
        for first in range(0, self.num_episodes, MAX_PARALLEL_EPISODES):
            end = min(first + MAX_PARALLEL_EPISODES, self.num_episodes)
            results.append(self._run_episodes(policy, range(first, end), on_progress))
        returns, lengths, terminated, reports, contributions = (
            np.concatenate(column) for column in zip(*results, strict=True)
        )
        return EvaluationResult(
            returns,
            lengths,
            terminated,
            # Some environments report a success only where there is one.
            reports.astype(bool) if any(report is not None for report in reports) else None,
            self.solved_at,
            contributions,
            tuple(self.reward_weights),
        )

    def _run_episodes(
        self, policy: Policy, episodes: range, on_progress: Callable[[int], None]
    ) -> tuple[Array, Array, Array, Array, Array]:
        """Return returns, lengths, terminations, reports of success and reward contributions."""
        num_episodes = len(episodes)
        returns = np.zeros(num_episodes)
        lengths = np.zeros(num_episodes, int)
        all_terminated = np.zeros(num_episodes, bool)
        reports = np.full(num_episodes, None)
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
                reports[index] = merge_reports((reports[index], read_success(info)))
                all_terminated[index] = bool(terminated)
                if not (terminated or truncated or lengths[index] == self.max_steps):
                    still_running.append(index)
            if len(still_running) < len(running):
                on_progress(len(running) - len(still_running))
            running = still_running
        return returns, lengths, all_terminated, reports, contributions

    def close(self) -> None:
        """Close the environments."""
        for env in self.envs:
            env.close()


def make_run_evaluator(
    run: Run,
    num_episodes: int,
    env_settings: Mapping[str, Any] | None = None,
    max_steps: int | None = None,
) -> Evaluator:
    """Return the evaluator of a run's policies; `env_settings` override those of its training.

    The training's threshold counts unless another reward is chosen.
    """
    config = run.config
    settings = {**config["env_settings"], **(env_settings or {})}
    has_same_reward = settings.get("reward") == config["env_settings"].get("reward")
    return Evaluator(
        config["env"],
        settings,
        num_episodes,
        max_steps=max_steps,
        solved_at=run.solved_at if has_same_reward else None,
    )
