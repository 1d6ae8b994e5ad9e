"""Evaluate a run: its policy on episodes with fixed seeds, beside a random policy."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from poise import algos
from poise.toolkit.console import Console, make_table, progress_bar
from poise.toolkit.evaluation import (
    EVALUATION_SEED,
    EvaluationResult,
    make_run_evaluator,
)
from poise.toolkit.experience import ActorPolicy, Policy, PolicyFunction
from poise.toolkit.registry import make_random_policy
from poise.toolkit.run import Run, parse_step


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
    learner = algos.restore_learner(run, checkpoint)
    evaluator = make_run_evaluator(run, episodes, env_settings, max_steps=steps)
    policies: dict[str, Policy | PolicyFunction] = {
        "policy": ActorPolicy(learner),
        "random": make_random_policy(evaluator.envs[0], EVALUATION_SEED),
    }
    statistics = {name: _summarize(evaluator(policy)) for name, policy in policies.items()}
    evaluator.close()
    return {
        "run": run.path.name,
        "env": run.config["env"],
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
    # A success may be reported in none of a random policy's episodes.
    has_success = any("success" in result[name] for name in ("policy", "random"))
    rows = []
    for name in ("policy", "random"):
        statistics = result[name]
        row = [
            name,
            f"{statistics['return_mean']:.2f} +- {statistics['return_std']:.2f}",
            f"{statistics['return_min']:.2f}",
            f"{statistics['length_mean']:.0f}",
        ]
        if has_success:
            row.append(f"{statistics.get('success', 0.0):.0%}")
        rows.append(row)
    step = parse_step(Path(result["checkpoint"]))
    title = (
        f"{result['run']} at step {step:,}: {result['episodes']} episodes of {result['env']}"
        " with fixed seeds"
    )
    columns = ["", "return", "worst", "length", *(["success"] if has_success else [])]
    console = Console()
    console.print(title, highlight=False, markup=False, soft_wrap=True)
    console.print(make_table("", columns, rows))


def _summarize(result: EvaluationResult) -> dict[str, Any]:
    """Return the statistics by name; without `success` where it is not defined."""
    successes = result.successes
    success = {} if successes is None else {"success": float(successes.mean())}
    return {
        "return_mean": float(result.returns.mean()),
        "return_std": float(result.returns.std()),
        "return_min": float(result.returns.min()),
        "length_mean": float(result.lengths.mean()),
        **success,
        "returns": [float(value) for value in result.returns],
    }
