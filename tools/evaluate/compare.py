"""Compare two runs: both policies live the same episodes, and how they differ is told with its interval."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from poise import algos
from poise.toolkit.console import table
from poise.toolkit.errors import UserError
from poise.toolkit.evaluation import Evaluator
from poise.toolkit.registry import as_ours, make_world
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array
from poise.tools.plot.statistics import bootstrap_interval, improvement_interval, probability_of_improvement
from rich.console import Console

MOST = 10_000
"""Episodes that are worth advising."""


LOOKS = {"width", "height", "hud", "markers", "camera", "shadows", "renderer"}


SIGHT = {"observation", "goal", "translator", "pixels", "stack"}
"""Settings of how a world looks, and of what its agent sees: whatever they are, a return means the same."""


def compare_runs(
    one: Run,
    two: Run,
    checkpoints: tuple[str | None, str | None] = (None, None),
    episodes: int = 20,
    world_settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """How much more the policy of `one` returns than that of `two` on the same episodes, in the mean, and how sure that is.

    `world_settings` come on top of those that the runs were trained with, for both.
    """
    told = [{**run.config["world_settings"], **(world_settings or {})} for run in (one, two)]
    world = _common_world((one, two), told)
    entries = [_judge(*which, world, episodes) for which in zip((one, two), checkpoints, told, strict=True)]
    differences = np.subtract(*(entry["returns"] for entry in entries))
    (low, high), none = bootstrap_interval(differences, _mean), np.zeros(1)
    rarely, often = improvement_interval(differences, none)
    difference = {"mean": float(differences.mean()), "low": float(low), "high": float(high)}
    probability = {"mean": probability_of_improvement(differences, none), "low": rarely, "high": often}
    first, second = (f"{entry['run']}, {entry['checkpoint']}" for entry in entries)
    return {
        "world": world,
        "episodes": episodes,
        "one": entries[0],
        "two": entries[1],
        "difference": difference,
        "probability": probability,
        "verdict": verdict(first, second, differences, float(low), float(high)),
    }


def verdict(one: str, two: str, differences: Array, low: float, high: float) -> str:
    """What may be said of paired differences (episodes,) whose mean lies between `low` and `high`."""
    if low > 0.0 or high < 0.0:
        return f"{one if low > 0.0 else two} is better"
    if not differences.any():
        return f"they return exactly the same in all {len(differences)} episodes"
    more = f": try --episodes {min(MOST, 10 * len(differences))}" if len(differences) < MOST else ""
    return f"no difference that {len(differences)} episodes can show{more}"


def _common_world(runs: tuple[Run, Run], told: list[dict[str, Any]]) -> str:
    """The world of both runs; a UserError where a return of one does not mean what it means for the other."""
    first, second = (str(run.config["world"]) for run in runs)
    if first != second:
        raise UserError(f"runs of different worlds cannot be compared: {first} and {second}")
    one, two = (_in_full(first, settings) for settings in told)
    for name in {**one, **two}:
        mine, other = one.get(name), two.get(name)
        if mine != other:
            raise UserError(
                f"returns under different settings cannot be compared: {name} is {mine} and {other};"
                f" --env-set {name}={other if mine is None else mine} judges both alike"
            )
    return first


def _in_full(world_id: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """All settings on which returns depend, those that were not told included."""
    world = make_world(world_id, settings)
    ours = as_ours(world)
    world.close()
    full = {**settings, **(ours.settings.plain() if ours else {})}
    return {name: value for name, value in full.items() if not (ours and name in LOOKS | SIGHT)}


def _judge(run: Run, checkpoint: str | None, settings: Mapping[str, Any], world_id: str, episodes: int) -> dict[str, Any]:
    learner = algos.restore(run, checkpoint)
    evaluator = Evaluator(world_id, settings, episodes)
    score = evaluator(partial(learner.act, explore=False))
    evaluator.close()
    means = {"return_mean": float(score.returns.mean()), "success": float(score.successes.mean())}
    return {"run": run.path.name, "checkpoint": learner.checkpoint, **means, "returns": score.returns.tolist()}


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
    console, difference, probability = Console(soft_wrap=True, highlight=False), result["difference"], result["probability"]
    title = f"The same {result['episodes']} episodes of {result['world']}"
    console.print(table(title, ["run", "checkpoint", "return", "success"], rows))
    console.print("first minus second: {mean:+.2f} (95 % interval {low:+.2f} to {high:+.2f})".format(**difference))
    sure = " (95 % interval {low:.0%} to {high:.0%})".format(**probability) if probability["low"] < probability["high"] else ""
    console.print(f"the first returns more in {probability['mean']:.0%} of the episodes, ties counted half{sure}")
    console.print(result["verdict"], style="bold")
