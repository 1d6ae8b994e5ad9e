"""Evaluate a run: its policy on episodes with fixed seeds, beside a policy that acts at random."""

from collections.abc import Mapping
from typing import Any

import algos
from toolkit.evaluation import EVALUATION_SEED, Evaluator
from toolkit.registry import random_actions
from toolkit.run import Run


def evaluate_run(
    run: Run,
    checkpoint: str | None = None,
    episodes: int = 20,
    steps: int | None = None,
    world_settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Mean and spread of return and length, and the part of episodes that succeed; `random` beside `policy`.

    Episodes are cut after `steps` where that is given: how many poses are taken within 150? `world_settings` come on top
    of those that the run was trained with: how does it stand when it is pushed?
    """
    config = run.config
    settings = {**config["world_settings"], **(world_settings or {})}
    learner = algos.restore(run, checkpoint)
    evaluator = Evaluator(config["world"], settings, episodes, steps=steps)
    scores = {
        "policy": evaluator(lambda observation: learner.act(observation, explore=False)),
        "random": evaluator(random_actions(evaluator.worlds[0], EVALUATION_SEED)),
    }
    evaluator.close()
    result: dict[str, Any] = {
        "run": run.path.name,
        "world": config["world"],
        "checkpoint": learner.checkpoint,
        "episodes": episodes,
    }
    for name, score in scores.items():
        result[name] = {
            "return_mean": float(score.returns.mean()),
            "return_std": float(score.returns.std()),
            "return_min": float(score.returns.min()),
            "length_mean": float(score.lengths.mean()),
            "success": float(score.successes.mean()),
            "returns": [float(value) for value in score.returns],
        }
    return result
