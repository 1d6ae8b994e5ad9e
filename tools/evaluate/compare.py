"""Compare two runs: both policies live the same episodes, and how they differ is told with its interval."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from poise import algos
from poise.toolkit.console import make_table
from poise.toolkit.errors import UserError
from poise.toolkit.evaluation import Evaluator
from poise.toolkit.registry import make_env, unwrap_poise_env
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array
from poise.tools.plot.statistics import (
    bootstrap_interval,
    improvement_interval,
    probability_of_improvement,
)

MAX_SUGGESTED_EPISODES = 10_000
"""Episodes that are worth advising."""


RENDER_SETTINGS = {"width", "height", "hud", "show_markers", "camera", "shadows", "renderer"}


OBSERVATION_SETTINGS = {"observation", "goal", "translator", "image_size", "frame_stack"}
"""Settings of how an environment looks, and of what its agent sees: whatever they are, a return means the same."""


def compare_runs(
    one: Run,
    two: Run,
    checkpoints: tuple[str | None, str | None] = (None, None),
    episodes: int = 20,
    env_settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """How much more the policy of `one` returns than that of `two` on the same episodes, in the mean, and how sure that is.

    `env_settings` come on top of those that the runs were trained with, for both.
    """
    told = [{**run.config["env_settings"], **(env_settings or {})} for run in (one, two)]
    env = _get_common_env_id((one, two), told)
    entries = [
        _evaluate(*which, env, episodes)
        for which in zip((one, two), checkpoints, told, strict=True)
    ]
    differences = np.subtract(*(entry["returns"] for entry in entries))
    (low, high) = bootstrap_interval(differences, _mean)
    none = np.zeros(1)
    rarely, often = improvement_interval(differences, none)
    difference = {"mean": float(differences.mean()), "low": float(low), "high": float(high)}
    probability = {
        "mean": probability_of_improvement(differences, none),
        "low": rarely,
        "high": often,
    }
    first, second = (f"{entry['run']}, {entry['checkpoint']}" for entry in entries)
    return {
        "env": env,
        "episodes": episodes,
        "one": entries[0],
        "two": entries[1],
        "difference": difference,
        "probability": probability,
        "verdict": describe_difference(first, second, differences, float(low), float(high)),
    }


def describe_difference(one: str, two: str, differences: Array, low: float, high: float) -> str:
    """What may be said of paired differences (episodes,) whose mean lies between `low` and `high`."""
    if low > 0.0 or high < 0.0:
        return f"{one if low > 0.0 else two} is better"
    if not differences.any():
        return f"they return exactly the same in all {len(differences)} episodes"
    more = (
        f": try --episodes {min(MAX_SUGGESTED_EPISODES, 10 * len(differences))}"
        if len(differences) < MAX_SUGGESTED_EPISODES
        else ""
    )
    return f"no difference that {len(differences)} episodes can show{more}"


def _get_common_env_id(runs: tuple[Run, Run], settings_of_runs: list[dict[str, Any]]) -> str:
    """The environment of both runs; a UserError where a return of one does not mean what it means for the other."""
    first, second = (str(run.config["env"]) for run in runs)
    if first != second:
        raise UserError(f"runs of different environments cannot be compared: {first} and {second}")
    one, two = (_get_comparable_settings(first, settings) for settings in settings_of_runs)
    for name in {**one, **two}:
        mine = one.get(name)
        other = two.get(name)
        if mine != other:
            raise UserError(
                f"returns under different settings cannot be compared: {name} is {mine} and {other};"
                f" --env-set {name}={other if mine is None else mine} judges both alike"
            )
    return first


def _get_comparable_settings(env_id: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """All settings on which returns depend, those that were not told included."""
    env = make_env(env_id, settings)
    ours = unwrap_poise_env(env)
    env.close()
    full = {**settings, **(ours.settings.to_dict() if ours else {})}
    return {
        name: value
        for name, value in full.items()
        if not (ours and name in RENDER_SETTINGS | OBSERVATION_SETTINGS)
    }


def _evaluate(
    run: Run, checkpoint: str | None, settings: Mapping[str, Any], env_id: str, episodes: int
) -> dict[str, Any]:
    learner = algos.restore_learner(run, checkpoint)
    evaluator = Evaluator(env_id, settings, episodes)
    score = evaluator(partial(learner.act, explore=False))
    evaluator.close()
    means = {"return_mean": float(score.returns.mean()), "success": float(score.successes.mean())}
    return {
        "run": run.path.name,
        "checkpoint": learner.checkpoint,
        **means,
        "returns": score.returns.tolist(),
    }


def _mean(values: Array) -> Array:
    means: Array = values.mean(axis=-1)
    return means


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
    """Print how two runs compare."""
    runs = Run.open(runs_dir, one), Run.open(runs_dir, two)
    result = compare_runs(*runs, checkpoint or (None, None), episodes, env_set)
    if as_json:
        print(json.dumps(result, indent=2))
        return
    rows = []
    for entry in (result["one"], result["two"]):
        spread = f"{entry['return_mean']:.2f} +- {np.std(entry['returns']):.2f}"
        rows.append((entry["run"], entry["checkpoint"], spread, f"{entry['success']:.0%}"))
    console = Console(soft_wrap=True, highlight=False)
    difference = result["difference"]
    probability = result["probability"]
    title = f"The same {result['episodes']} episodes of {result['env']}"
    console.print(make_table(title, ["run", "checkpoint", "return", "success"], rows))
    console.print(
        "first minus second: {mean:+.2f} (95 % interval {low:+.2f} to {high:+.2f})".format(
            **difference
        )
    )
    sure = (
        " (95 % interval {low:.0%} to {high:.0%})".format(**probability)
        if probability["low"] < probability["high"]
        else ""
    )
    console.print(
        f"the first returns more in {probability['mean']:.0%} of the episodes, ties counted half{sure}"
    )
    console.print(result["verdict"], style="bold")
