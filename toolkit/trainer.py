"""The one loop that trains every algorithm."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from pydantic import Field

from poise.toolkit.errors import WorkError
from poise.toolkit.evaluation import Evaluator
from poise.toolkit.experience import EnvBatch, SubprocessEnvBatch, Transition, collect
from poise.toolkit.loggers import EPISODE, LENGTH, RETURN, MetricLogger
from poise.toolkit.settings import Settings
from poise.toolkit.spaces import Array


class Algorithm(Protocol):
    """What the loop asks of a learner."""

    def act(self, observation: Array, *, explore: bool) -> Array:
        """Actions for observations (N, O): (N, A) numbers, clipped to [-1, 1] by the environments, or (N,) choices."""

    def observe(self, transition: Transition) -> None:
        """Take in one step of N environments."""

    def update(self) -> dict[str, float]:
        """Improve, and return the losses by name; {} when it is not yet time."""

    def state_dict(self) -> Mapping[str, Mapping[str, Any]]:
        """All that makes going on exact, as groups of numpy arrays and plain values."""

    def load_state_dict(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Go on from a saved state."""


class TrainSettings(Settings):
    """How long to train, on how many environments, and how often to look."""

    steps: int = Field(100_000, ge=1, description="steps to train, counted over all environments")
    seed: int = Field(0, ge=0, lt=2**32, description="seed of everything that chance decides")
    num_envs: int = Field(1, ge=1, le=4096, description="environments side by side")
    num_workers: int = Field(
        1, ge=1, le=256, description="processes that step them; changes the time and nothing else"
    )
    evaluate_every: int = Field(2000, ge=0, description="steps between evaluations; 0: never")
    evaluate_episodes: int = Field(20, ge=1, le=1000, description="episodes of an evaluation")
    checkpoint_every: int = Field(10_000, ge=1, description="steps between checkpoints")
    log_every: int = Field(1000, ge=1, description="steps between rows of losses")
    solved_at: float | None = Field(
        None,
        description="mean evaluation return at which the environment counts as solved; empty: never",
    )
    stop_when_solved: bool = Field(
        True, description="end the training at the evaluation that reaches solved_at"
    )


@dataclass
class Progress:
    """How far a training is: part of every checkpoint."""

    step: int = 0
    episode: int = 0
    seconds: float = 0.0
    best_step: int | None = None
    best_return: float | None = None
    solved_step: int | None = None
    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def accumulate(self, losses: Mapping[str, float]) -> None:
        """Fold the losses of one `learn` into the means that are logged."""
        for name, value in losses.items():
            if not np.isfinite(value):
                raise WorkError(
                    f"{name} is not finite at step {self.step}; a smaller learning_rate may help"
                )
            self.sums[name] = self.sums.get(name, 0.0) + value
            self.counts[name] = self.counts.get(name, 0) + 1

    def pop_means(self) -> dict[str, float]:
        """The mean losses since the last call."""
        means = {name: total / self.counts[name] for name, total in self.sums.items()}
        self.sums = {}
        self.counts = {}
        return means


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
) -> Progress:
    """Train until the budget is spent, the environment is solved, or `should_stop`; `progress` says from where.

    Evaluating, saving and listening draw no chance from the learner: the weights come out the same without them.
    """
    began = time.perf_counter() - progress.seconds
    number = settings.num_envs

    def tell(metrics: Mapping[str, float]) -> None:
        for listener in loggers:
            listener(progress.step, progress.seconds, metrics)

    def due(every: int) -> bool:
        return every > 0 and progress.step // every > (progress.step - number) // every

    def explore(observation: Array) -> Array:
        return algorithm.act(observation, explore=True)

    def exploit(observation: Array) -> Array:
        return algorithm.act(observation, explore=False)

    def done() -> bool:
        return progress.step >= settings.steps or (
            progress.solved_step is not None and settings.stop_when_solved
        )

    if done():
        return progress
    logged = (progress.step, progress.seconds)
    for transition in collect(envs, explore):
        algorithm.observe(transition)
        progress.step += number
        progress.accumulate(algorithm.update())
        progress.seconds = time.perf_counter() - began
        for ended in envs.finished_episodes:
            progress.episode += 1
            tell({EPISODE: progress.episode, RETURN: ended.total_reward, LENGTH: ended.length})
        if due(settings.log_every):
            speed = (progress.step - logged[0]) / max(1e-9, progress.seconds - logged[1])
            logged = (progress.step, progress.seconds)
            tell({"charts/SPS": speed, **progress.pop_means()})
        if evaluator is not None and due(settings.evaluate_every):
            score = evaluator(exploit).metrics()
            progress.seconds = time.perf_counter() - began
            tell(score)
            if settings.solved_at is not None and score["eval/return"] >= settings.solved_at:
                progress.solved_step = progress.solved_step or progress.step
            if progress.best_return is None or score["eval/return"] > progress.best_return:
                progress.best_return = score["eval/return"]
                progress.best_step = progress.step
                save(progress)
        if due(settings.checkpoint_every):
            save(progress)
        if done() or should_stop():
            break
    save(progress)
    return progress
