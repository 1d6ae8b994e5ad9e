"""The command `poise dataset`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from toolkit.registry import resolve
from tools.collect_dataset import collect_dataset, plan_dataset
from tools.show import counting
from tools.suite_jobs import cores


def collect_and_show(
    env: str, *, out: Path, sequences: int, jobs: int | None, runs_dir: Path, env_set: Mapping[str, Any], **how: Any
) -> None:
    """Collect a dataset with a bar that shows how far it is."""
    plan = plan_dataset(resolve(env), env_set, sequence=sequences, runs=runs_dir, **how)
    with counting("frames", plan["frames"]) as told:
        collected = collect_dataset(plan, out, jobs or cores(), told)
    Console().print(f"dataset: {out}, {len(collected):,} frames of {collected.card['world']}")
