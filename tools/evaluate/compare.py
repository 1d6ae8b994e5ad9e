"""Compare two runs on the same episodes: mean difference of returns, its interval, a verdict."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from poise import algos
from poise.toolkit.console import Console, make_table, progress_bar
from poise.toolkit.errors import UserError
from poise.toolkit.evaluation import make_run_evaluator
from poise.toolkit.experience import ActorPolicy
from poise.toolkit.registry import make_env, unwrap_poise_env
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array
from poise.tools.plot.statistics import (
    bootstrap_interval,
    improvement_interval,
    probability_of_improvement,
)

MAX_SUGGESTED_EPISODES = 10_000
"""Upper limit of the number of episodes that a verdict suggests."""

RENDER_SETTINGS = {
    "width",
    "height",
    "hud",
    "show_markers",
    "view",
    "camera",
    "shadows",
    "renderer",
}
OBSERVATION_SETTINGS = {"observation", "goal", "translator", "image_size", "frame_stack"}
"""Settings of rendering and of observations: they do not change what a return means."""


def compare_runs(
    one: Run,
    two: Run,
    checkpoints: tuple[str | None, str | None] = (None, None),
    episodes: int = 20,
    env_settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Compare the returns of two runs' policies on the same episodes.

    `difference` is the mean of one's minus two's returns, with its 95 % bootstrap interval;
    `probability` that of one returning more in an episode, ties counted half.

    Args:
        one: The first run.
        two: The second run, of the same environment.
        checkpoints: A step, `latest` or `best` of each; None is the best.
        episodes: Number of episodes.
        env_settings: Settings for both that override those of their trainings.

    Raises:
        UserError: The returns of the runs do not mean the same.
    """
    runs = (one, two)
    settings_of_runs = [{**run.config["env_settings"], **(env_settings or {})} for run in runs]
    env_id = _get_common_env_id(runs, settings_of_runs)
    first, second = (
        _evaluate(run, checkpoint, env_settings, episodes)
        for run, checkpoint in zip(runs, checkpoints, strict=True)
    )

    # Paired differences: each episode has the same seed, so luck with the start cancels out.
    differences = np.subtract(first["returns"], second["returns"])
    low, high = (float(bound) for bound in bootstrap_interval(differences, _mean))
    zero = np.zeros(1)
    probability_low, probability_high = improvement_interval(differences, zero)
    name_one, name_two = _format_name(first), _format_name(second)
    return {
        "env": env_id,
        "episodes": episodes,
        "one": first,
        "two": second,
        "difference": {"mean": float(differences.mean()), "low": low, "high": high},
        "probability": {
            "mean": probability_of_improvement(differences, zero),
            "low": probability_low,
            "high": probability_high,
        },
        "verdict": describe_difference(name_one, name_two, differences, low, high),
    }


def compare_and_show(
    one: str,
    two: str,
    *,
    runs_dir: Path,
    checkpoint: tuple[str, str] | None,
    episodes: int,
    env_set: Mapping[str, Any],
    as_json: bool,
) -> None:
    """Print the comparison of two runs as a table or as JSON."""
    runs = Run.open(runs_dir, one), Run.open(runs_dir, two)
    with progress_bar(f"evaluating {one} and {two}", quiet=as_json):
        result = compare_runs(*runs, checkpoint or (None, None), episodes, env_set)
    if as_json:
        print(json.dumps(result, indent=2))
    else:
        show_comparison(result)


def show_comparison(result: Mapping[str, Any]) -> None:
    """Print a comparison as a table, and what follows from it."""
    entries = (result["one"], result["two"])
    has_success = any("success" in entry for entry in entries)
    rows = []
    for entry in entries:
        mean_and_std = f"{entry['return_mean']:.2f} +- {np.std(entry['returns']):.2f}"
        row = [entry["run"], entry["checkpoint"], mean_and_std]
        if has_success:
            row.append(f"{entry.get('success', 0.0):.0%}")
        rows.append(row)
    title = f"The same {result['episodes']} episodes of {result['env']}"
    columns = ["run", "checkpoint", "return", *(["success"] if has_success else [])]
    console = Console(soft_wrap=True, highlight=False)
    console.print(make_table(title, columns, rows))

    difference = result["difference"]
    interval = f"95 % interval {difference['low']:+.2f} to {difference['high']:+.2f}"
    console.print(f"first minus second: {difference['mean']:+.2f} ({interval})")

    probability = result["probability"]
    one = _format_name(result["one"])
    line = f"{one} returns more in {probability['mean']:.0%} of the episodes, ties counted half"
    if probability["low"] < probability["high"]:
        line += f" (95 % interval {probability['low']:.0%} to {probability['high']:.0%})"
    console.print(line)
    console.print(result["verdict"], style="bold")


def _format_name(entry: Mapping[str, Any]) -> str:
    """Return the name of a policy: its run and its checkpoint."""
    return f"{entry['run']}, {entry['checkpoint']}"


def describe_difference(one: str, two: str, differences: Array, low: float, high: float) -> str:
    """Return the verdict on paired differences (episodes,) with the interval [low, high]."""
    if low > 0.0:
        return f"{one} is better"
    if high < 0.0:
        return f"{two} is better"
    episodes = len(differences)
    if not differences.any():
        return f"they return exactly the same in all {episodes} episodes"
    verdict = f"no difference that {episodes} episodes can show"
    if episodes < MAX_SUGGESTED_EPISODES:
        verdict += f": try --episodes {min(MAX_SUGGESTED_EPISODES, 10 * episodes)}"
    return verdict


def _get_common_env_id(runs: tuple[Run, Run], settings_of_runs: list[dict[str, Any]]) -> str:
    """Return the environment of both runs; raise a UserError if their returns differ in meaning."""
    first_id, second_id = (str(run.config["env"]) for run in runs)
    if first_id != second_id:
        raise UserError(
            f"runs of different environments cannot be compared: {first_id} and {second_id}"
        )
    one, two = (_get_comparable_settings(first_id, settings) for settings in settings_of_runs)
    for name in {**one, **two}:
        value_of_one = one.get(name)
        value_of_two = two.get(name)
        if value_of_one != value_of_two:
            common_value = value_of_two if value_of_one is None else value_of_one
            raise UserError(
                "returns under different settings cannot be compared:"
                f" {name} is {value_of_one} and {value_of_two};"
                f" use --env-set {name}={common_value} for both"
            )
    return first_id


def _get_comparable_settings(env_id: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return all settings that returns depend on, default values included."""
    env = make_env(env_id, settings)
    poise_env = unwrap_poise_env(env)
    env.close()
    if poise_env is None:
        return dict(settings)
    all_settings = {**settings, **poise_env.settings.to_dict()}
    ignored = RENDER_SETTINGS | OBSERVATION_SETTINGS
    return {name: value for name, value in all_settings.items() if name not in ignored}


def _evaluate(
    run: Run, checkpoint: str | None, env_settings: Mapping[str, Any] | None, episodes: int
) -> dict[str, Any]:
    """Return the results of a run's policy; without `success` where it is not defined."""
    learner = algos.restore_learner(run, checkpoint)
    evaluator = make_run_evaluator(run, episodes, env_settings)
    result = evaluator(ActorPolicy(learner))
    evaluator.close()
    successes = result.successes
    success = {} if successes is None else {"success": float(successes.mean())}
    return {
        "run": run.path.name,
        "checkpoint": learner.checkpoint,
        "return_mean": float(result.returns.mean()),
        **success,
        "returns": result.returns.tolist(),
    }


def _mean(values: Array) -> Array:
    means: Array = values.mean(axis=-1)
    return means
