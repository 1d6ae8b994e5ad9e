"""The command `poise compare`: two runs on the same episodes, as a table or as JSON."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from toolkit.console import table
from toolkit.run import Run
from tools.compare_runs import compare_runs


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
