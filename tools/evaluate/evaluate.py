"""Evaluate a run: its policy on episodes with fixed seeds, beside a random policy."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from poise import algos
from poise.toolkit.console import Console, make_table, progress_bar
from poise.toolkit.evaluation import EVALUATION_SEED, EvaluationResult, Evaluator
from poise.toolkit.experience import ActorPolicy, Policy, PolicyFunction
from poise.toolkit.registry import make_random_policy
from poise.toolkit.run import Run


def evaluate_run(
    run: Run,
    checkpoint: str | None = None,
    episodes: int = 20,
    steps: int | None = None,
    env_settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the statistics of a run's policy (`policy`) and of a random policy (`random`).

    Args:
        run: The run.
        checkpoint: A step, `latest` or `best`; None is the best.
        episodes: Number of episodes. Both policies get the same seeds.
        steps: Truncate episodes after so many steps, e.g. to count the poses taken within 150.
        env_settings: Settings that override those of the training, e.g. to add pushes.
    """
    env_id = run.config["env"]
    settings = {**run.config["env_settings"], **(env_settings or {})}
    learner = algos.restore_learner(run, checkpoint)
    evaluator = Evaluator(env_id, settings, episodes, max_steps=steps)
    policies: dict[str, Policy | PolicyFunction] = {
        "policy": ActorPolicy(learner),
        "random": make_random_policy(evaluator.envs[0], EVALUATION_SEED),
    }
    statistics = {name: _summarize(evaluator(policy)) for name, policy in policies.items()}
    evaluator.close()
    return {
        "run": run.path.name,
        "env": env_id,
        "checkpoint": learner.checkpoint,
        "episodes": episodes,
        **statistics,
    }


def evaluate_and_show(
    run: str,
    *,
    runs_dir: Path,
    checkpoint: str | None,
    env_set: Mapping[str, Any],
    as_json: bool,
    **options: Any,
) -> None:
    """Print the evaluation of a run as a table or as JSON; `options` go to `evaluate_run`."""
    with progress_bar(f"evaluating {run}", quiet=as_json):
        result = evaluate_run(Run.open(runs_dir, run), checkpoint, env_settings=env_set, **options)
    if as_json:
        print(json.dumps(result, indent=2))
    else:
        show_evaluation(result)


def show_evaluation(result: Mapping[str, Any]) -> None:
    """Print an evaluation as a table."""
    rows = []
    for name in ("policy", "random"):
        statistics = result[name]
        row = (
            name,
            f"{statistics['return_mean']:.2f} +- {statistics['return_std']:.2f}",
            f"{statistics['return_min']:.2f}",
            f"{statistics['length_mean']:.0f}",
            f"{statistics['success']:.0%}",
        )
        rows.append(row)
    policy_name = f"{result['run']}, {result['checkpoint']}"
    title = f"{policy_name}: {result['episodes']} episodes of {result['env']}"
    Console().print(make_table(title, ["", "return", "worst", "length", "success"], rows))


def _summarize(result: EvaluationResult) -> dict[str, Any]:
    return {
        "return_mean": float(result.returns.mean()),
        "return_std": float(result.returns.std()),
        "return_min": float(result.returns.min()),
        "length_mean": float(result.lengths.mean()),
        "success": float(result.successes.mean()),
        "returns": [float(value) for value in result.returns],
    }
