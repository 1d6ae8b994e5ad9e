"""The one loop that trains every algorithm."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from pydantic import Field

from poise.toolkit.errors import WorkError
from poise.toolkit.evaluation import Evaluator
from poise.toolkit.experience import (
    WORKER_TIMEOUT,
    ActorPolicy,
    EnvBatch,
    EpisodeStats,
    SubprocessEnvBatch,
    Transition,
    collect,
)
from poise.toolkit.loggers import EPISODE, LENGTH, RETURN, SPEED, MetricLogger, TrainingLog
from poise.toolkit.settings import Settings
from poise.toolkit.spaces import Array


class Algorithm(Protocol):
    """The interface of a learner that `train` needs."""

    def act(self, observation: Array, *, explore: bool) -> Array:
        """Return actions for observations (N, O).

        Continuous: (N, A), clipped to [-1, 1] by the environments. Discrete: (N,).
        """

    def reset(self, mask: Array | None = None, *, explore: bool) -> None:
        """Clear the policy's memory of environments where `mask` (N,) is true; of all for None.

        A policy without memory ignores it. `explore` names which memory: that of the training
        environments, or that of playing and evaluation.
        """

    def observe(self, transition: Transition) -> None:
        """Store one step of N environments."""

    def update(self) -> dict[str, float]:
        """Update the networks and return the losses by name; {} when it is not yet time."""

    def state_dict(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the full training state, for bit-exact resume, in groups of arrays and values."""

    def load_state_dict(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Restore a state of `state_dict`."""


NO_STEP_LIMIT = 10**12
"""Steps of a training that only its minutes limit."""


class TrainSettings(Settings):
    """Length of a training, number of environments, and intervals of evaluation and logging."""

    steps: int = Field(
        100_000, ge=1, description="environment steps to train, over all environments"
    )
    minutes: float | None = Field(
        None, gt=0, description="minutes to train, evaluations included; empty: no limit"
    )
    seed: int = Field(
        0, ge=0, lt=2**32, description="seed of the weights, of exploration and of the episodes"
    )
    num_envs: int = Field(1, ge=1, le=4096, description="environments that are stepped together")
    num_workers: int = Field(
        1, ge=1, le=256, description="processes that step them; the result is the same"
    )
    worker_timeout: float = Field(
        WORKER_TIMEOUT,
        ge=0,
        description="seconds for which an environment in a worker may stand still; 0: no limit",
    )
    evaluate_every: int = Field(
        2000, ge=0, description="steps between evaluations; 0: only after the last step"
    )
    evaluate_episodes: int = Field(20, ge=1, le=1000, description="episodes of an evaluation")
    checkpoint_every: int = Field(10_000, ge=1, description="steps between checkpoints")
    log_every: int = Field(1000, ge=1, description="steps between rows of losses")
    solved_at: float | None = Field(
        None,
        description="mean evaluation return at which the environment is solved; empty: never",
    )
    stop_when_solved: bool = Field(
        True, description="end the training at the evaluation that reaches solved_at"
    )
    patience: int = Field(
        0,
        ge=0,
        description="end the training after so many evaluations in a row without a better return "
        "than before; 0: never",
    )


@dataclass
class Progress:
    """State of a training apart from the learner and the environments; part of every checkpoint."""

    step: int = 0
    episode: int = 0
    seconds: float = 0.0
    best_step: int | None = None
    best_return: float | None = None
    last_return: float | None = None
    solved_step: int | None = None
    evaluations_since_best: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def is_due(self, interval: int, num_envs: int) -> bool:
        """Return whether the last step of `num_envs` environments passed a multiple of `interval`.

        False for an interval of 0.
        """
        if interval == 0:
            return False
        return self.step // interval > (self.step - num_envs) // interval

    def is_finished(self, settings: TrainSettings) -> bool:
        """Return whether steps, minutes or patience are spent, or it is solved and that ends it."""
        is_solved = self.solved_step is not None
        has_no_time = settings.minutes is not None and self.seconds >= 60.0 * settings.minutes
        return (
            self.step >= settings.steps
            or has_no_time
            or self.has_stalled(settings)
            or (is_solved and settings.stop_when_solved)
        )

    def has_stalled(self, settings: TrainSettings) -> bool:
        """Return whether the patience is spent."""
        return 0 < settings.patience <= self.evaluations_since_best

    @property
    def policy_step(self) -> int:
        """Step of the policy that counts: the best, or without an evaluation the last."""
        return self.step if self.best_step is None else self.best_step

    def accumulate(self, losses: Mapping[str, float]) -> None:
        """Add the losses of one update to the means that `pop_means` returns.

        Raises:
            WorkError: a loss is not finite.
        """
        for name, value in losses.items():
            if not np.isfinite(value):
                raise WorkError(
                    f"{name} is not finite at step {self.step}; a smaller learning_rate may help"
                )
            self.sums[name] = self.sums.get(name, 0.0) + value
            self.counts[name] = self.counts.get(name, 0) + 1

    def pop_means(self) -> dict[str, float]:
        """Return the mean losses since the last call, by name."""
        means = {name: total / self.counts[name] for name, total in self.sums.items()}
        self.sums = {}
        self.counts = {}
        return means

    def add_episode(self, episode: EpisodeStats) -> dict[str, float]:
        """Count a finished episode and return its metrics."""
        self.episode += 1
        return {EPISODE: self.episode, RETURN: episode.total_reward, LENGTH: episode.length}

    def add_evaluation(self, mean_return: float, solved_at: float | None) -> bool:
        """Record the mean return of an evaluation; return whether it is the best so far."""
        self.last_return = mean_return
        if solved_at is not None and mean_return >= solved_at:
            self.solved_step = self.step if self.solved_step is None else self.solved_step
        is_best = self.best_return is None or mean_return > self.best_return
        self.evaluations_since_best += 1
        if is_best:
            self.best_return = mean_return
            self.best_step = self.step
            self.evaluations_since_best = 0
        return is_best

    def summarize(
        self, metrics: Mapping[str, float], interrupt_signal: int | None = None
    ) -> dict[str, Any]:
        """Return the content of summary.json; `metrics` are those of the policy of `best_step`."""
        return {
            "steps": self.step,
            "episodes": self.episode,
            "seconds": round(self.seconds, 3),
            "solved": self.solved_step is not None,
            "solved_step": self.solved_step,
            "best_step": self.best_step,
            "last_return": self.last_return,
            "evaluations_since_best": self.evaluations_since_best,
            "interrupted": interrupt_signal,
            **metrics,
        }


def train(
    algorithm: Algorithm,
    envs: EnvBatch | SubprocessEnvBatch,
    settings: TrainSettings,
    progress: Progress,
    *,
    evaluator: Evaluator | None = None,
    loggers: Sequence[MetricLogger] = (),
    save: Callable[[Progress], None] = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
    evaluate_first: bool = False,
) -> Progress:
    """Train from `progress` on until it is finished (`Progress.is_finished`), or `should_stop`.

    The policy of the last step is always evaluated. Where `evaluate_every` does not ask for it, no
    checkpoint knows of it, so that a run with more steps goes on as if it had not ended here. With
    `evaluate_first`, so is the policy that the training begins with.

    Evaluation, checkpoints and logging consume none of the learner's random numbers: the weights
    are the same without them.

    Raises:
        WorkError: an action, observation, reward or loss is not finite.
        EnvironmentFailedError: an environment, or its worker process, failed. `progress` and
            `envs.get_state()` are those of the step before.
    """
    num_envs = settings.num_envs
    log = TrainingLog(loggers, progress.seconds)
    if evaluate_first and evaluator is not None and progress.step == 0:
        _evaluate(algorithm, settings, progress, log, evaluator)
        save(progress)
    if not progress.is_finished(settings):
        last_log_step = progress.step
        last_log_seconds = progress.seconds
        for transition in collect(envs, ActorPolicy(algorithm, explore=True)):
            algorithm.observe(transition)
            progress.step += num_envs
            progress.accumulate(algorithm.update())
            progress.seconds = log.seconds

            for episode in envs.finished_episodes:
                log.write(progress.step, progress.add_episode(episode))

            if progress.is_due(settings.log_every, num_envs):
                elapsed = max(1e-9, progress.seconds - last_log_seconds)
                speed = (progress.step - last_log_step) / elapsed
                last_log_step = progress.step
                last_log_seconds = progress.seconds
                log.write(progress.step, {SPEED: speed, **progress.pop_means()})

            if evaluator is not None and progress.is_due(settings.evaluate_every, num_envs):
                is_best = _evaluate(algorithm, settings, progress, log, evaluator)
                if is_best:
                    save(progress)

            if progress.is_due(settings.checkpoint_every, num_envs):
                save(progress)
            if progress.is_finished(settings) or should_stop():
                break
        save(progress)

    is_evaluated = progress.is_due(settings.evaluate_every, num_envs)
    is_at_end = progress.is_finished(settings) and not should_stop()
    if evaluator is not None and is_at_end and not is_evaluated:
        _evaluate(algorithm, settings, progress, log, evaluator)
    return progress


def _evaluate(
    algorithm: Algorithm,
    settings: TrainSettings,
    progress: Progress,
    log: TrainingLog,
    evaluator: Evaluator,
) -> bool:
    """Evaluate and log the policy of this step; return whether it is the best so far."""
    metrics = evaluator(ActorPolicy(algorithm)).metrics()
    progress.seconds = log.seconds
    log.write(progress.step, metrics)
    return progress.add_evaluation(metrics["eval/return"], settings.solved_at)


def choose_budget(chosen: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of a training whose budget of steps or minutes is the chosen one, if any is.

    Both count, whichever is spent first, only where both are chosen.
    """
    budget = {"steps": NO_STEP_LIMIT, "minutes": None}
    is_chosen = any(name in chosen for name in budget)
    return {**settings, **(budget if is_chosen else {}), **chosen}
