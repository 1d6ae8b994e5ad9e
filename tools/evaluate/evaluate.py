"""Evaluate a run: its policy on episodes with fixed seeds, beside a policy that acts at random."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from poise import algos
from poise.toolkit.console import make_table
from poise.toolkit.evaluation import EVALUATION_SEED, Evaluator
from poise.toolkit.registry import make_random_policy
from poise.toolkit.run import Run


def evaluate_run(
    run: Run,
    checkpoint: str | None = None,
    episodes: int = 20,
    steps: int | None = None,
    env_settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Mean and spread of return and length, and the part of episodes that succeed; `random` beside `policy`.

    Episodes are cut after `steps` where that is given: how many poses are taken within 150? `env_settings` come on top
    of those that the run was trained with: how does it stand when it is pushed?
    """
    config = run.config
    settings = {**config["env_settings"], **(env_settings or {})}
    learner = algos.restore_learner(run, checkpoint)
    evaluator = Evaluator(config["env"], settings, episodes, max_steps=steps)
    scores = {
        "policy": evaluator(lambda observation: learner.act(observation, explore=False)),
        "random": evaluator(make_random_policy(evaluator.envs[0], EVALUATION_SEED)),
    }
    evaluator.close()
    result: dict[str, Any] = {
        "run": run.path.name,
        "env": config["env"],
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


def evaluate_and_show(
    run: str,
    *,
    runs_dir: Path,
    checkpoint: str | None,
    env_set: Mapping[str, Any],
    as_json: bool,
    **options: Any,
) -> None:
    """Print how good a run's policy is, beside a random one, as a table or as JSON."""
    result = evaluate_run(Run.open(runs_dir, run), checkpoint, env_settings=env_set, **options)
    if as_json:
        print(json.dumps(result, indent=2))
    else:
        show_evaluation(result)


def show_evaluation(result: Mapping[str, Any]) -> None:
    """Print an evaluation as a table."""
    rows = []
    for name in ("policy", "random"):
        score = result[name]
        spread = f"{score['return_mean']:.2f} +- {score['return_std']:.2f}"
        rows.append(
            (
                name,
                spread,
                f"{score['return_min']:.2f}",
                f"{score['length_mean']:.0f}",
                f"{score['success']:.0%}",
            )
        )
    title = (
        f"{result['run']}, {result['checkpoint']}: {result['episodes']} episodes of {result['env']}"
    )
    Console().print(make_table(title, ["", "return", "worst", "length", "success"], rows))
