"""The translator's commands: train with a live line, and judgements as tables."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from toolkit.console import table
from toolkit.dataset import Dataset
from toolkit.errors import UserError
from toolkit.run import Run
from tools.evaluate_translator import draw_worst, evaluate_translator
from tools.train_run import signals_caught
from tools.train_translator import start, train_translator, translation_config


def train_and_show(
    folder: Path | None, *, settings: Mapping[str, Any], name: str | None, resume: str | None, runs_dir: Path
) -> None:
    """Train on a dataset, or go on with a run on its own; exits with 128 and the signal's number where it was stopped."""
    if (folder is None) == (resume is None):
        raise UserError("say either a DATASET to begin with, or --resume RUN to go on")
    if resume is not None:
        if settings or name:
            raise UserError("--resume goes on as the run began: no --set and no --run go with it")
        run = Run.open(runs_dir, resume)
        data = Dataset(Path(translation_config(run)["dataset"]))
    else:
        assert folder is not None
        data = Dataset(folder)
        data.verify()
        run = start(runs_dir, name, data, settings)
    console = Console()

    def hear(step: int, seconds: float, metrics: Mapping[str, float]) -> None:
        if "eval/mse" in metrics:
            console.print(f"step {step:,}, {seconds:.0f} s: mean square error on held-out episodes {metrics['eval/mse']:.2e}")

    with signals_caught() as caught:
        outcome = train_translator(run, data, [hear], lambda: bool(caught))
    if caught:
        console.print(f"stopped after {outcome['steps']:,} steps, all saved: poise translate train --resume {run.path.name}")
        sys.exit(128 + caught[0])
    verb = "solved" if outcome["solved"] else "trained"
    console.print(f"{verb} after {outcome['steps']:,} steps, {outcome['seconds']:.0f} s: mean square error {outcome['mse']:.2e}")
    console.print(f"run:   {run.path}\njudge: poise translate evaluate {run.path.name} {data.folder}")


def evaluate_and_show(word: str, folder: Path, *, worst: Path | None, runs_dir: Path) -> None:
    """Print what a translator gets wrong, and by how much."""
    run, data = Run.open(runs_dir, word), Dataset(folder)
    judged = evaluate_translator(run, data)
    rows = [(told.name, f"{told.error:.1f} {told.unit}", f"{told.mean:.1f} {told.unit}") for told in judged.errors]
    console = Console()
    console.print(table(f"{run.path.name} on {judged.frames:,} held-out frames", ["signal", "error", "saying the mean"], rows))
    console.print(f"mean square error {judged.mse:.2e}; saying the mean {judged.baseline:.2e}")
    console.print("with " + ", ".join(f"{name}: {mse:.2e}" for name, mse in judged.shifts.items()))
    if worst is not None:
        console.print(f"worst frames: {draw_worst(run, data, judged, worst)}")
