"""The translator's commands: train with a live line, and judgements as tables."""

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from poise.toolkit.console import table
from poise.toolkit.dataset import Dataset
from poise.toolkit.errors import UserError
from poise.toolkit.process import signals_caught
from poise.toolkit.run import Run
from poise.tools.plot.figures import check_picture
from poise.tools.translate.evaluate import compare_speeds, evaluate_translator, read_films, small_unit
from poise.tools.translate.load import settings_of, translation_config
from poise.tools.translate.pose_errors import arms_of, draw_map, draw_worst, limbs
from poise.tools.translate.samples import Readings
from poise.tools.translate.train import start, train_translator
from rich.console import Console


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
    console, signals = Console(), Readings(data, settings_of(translation_config(run))).signals

    def hear(step: int, seconds: float, metrics: Mapping[str, float]) -> None:
        if "eval/mse" in metrics:
            units = [(signal.name, *small_unit(signal)) for signal in signals]
            errors = ", ".join(f"{name} {factor * metrics[f'eval/{name}']:.1f} {unit}" for name, unit, factor in units)
            score = f"mean square error on held-out episodes {metrics['eval/mse']:.2e}"
            console.print(f"step {step:,}, {seconds:.0f} s: {score}; {errors}", soft_wrap=True)

    with signals_caught() as caught:
        outcome = train_translator(run, data, [hear], lambda: bool(caught))
    if caught:
        console.print(f"stopped after {outcome['steps']:,} steps, all saved: poise translate train --resume {run.path.name}")
        sys.exit(128 + caught[0])
    verb = "solved" if outcome["solved"] else "trained"
    console.print(f"{verb} after {outcome['steps']:,} steps, {outcome['seconds']:.0f} s: mean square error {outcome['mse']:.2e}")
    console.print(f"run:   {run.path}\njudge: poise translate evaluate {run.path.name} {data.folder}")


def evaluate_and_show(
    word: str, folder: Path, *, worst: Path | None, drawn: Path | None, beside: str | None, runs_dir: Path
) -> None:
    """Print what a translator gets wrong, and by how much."""
    for picture in (worst, drawn):
        if picture is not None:
            check_picture(picture)
    run, data = Run.open(runs_dir, word), Dataset(folder)
    other = Run.open(runs_dir, beside) if beside else None
    judged, console = evaluate_translator(run, data), Console()
    rows = [(told.name, f"{told.error:.1f} {told.unit}", f"{told.mean:.1f} {told.unit}") for told in judged.errors]
    console.print(table(f"{run.path.name} on {judged.frames:,} held-out frames", ["signal", "error", "saying the mean"], rows))
    if (arms := arms_of(data, judged.reading)) is not None:
        lines = [
            (limb.name, _far(limb.away), _turned(limb.turned), f"{_far(limb.away_of_mean)}, {_turned(limb.turned_of_mean)}")
            for limb in limbs(arms)
        ]
        console.print(table("Arms, in the mean", ["at the", "away", "its link turned by", "saying the mean"], lines))
    console.print(f"mean square error {judged.mse:.2e}; saying the mean {judged.baseline:.2e}")
    if judged.next_frame is not None:
        console.print(f"the next picture: {judged.next_frame:.2f} of the error of painting the same again")
    console.print("with " + ", ".join(f"{name}: {mse:.2e}" for name, mse in judged.shifts.items()))
    if other is not None:
        readings = {run.path.name: judged.reading, other.path.name: read_films(other, data)}
        speeds = compare_speeds(data, judged.reading, readings)
        lines = [(told.name, told.way, f"{told.error:.1f} {told.unit}", f"{told.times:.1f}") for told in speeds]
        console.print(table("Speeds", ["signal", "from", "error", "times"], lines))
    if worst is not None:
        console.print(f"worst frames: {draw_worst(data, judged, worst)}")
    if drawn is not None:
        console.print(f"map: {draw_map(data, judged.reading, drawn)}")


def _far(metres: float) -> str:
    return f"{1000.0 * metres:.1f} mm"


def _turned(angle: float) -> str:
    return f"{math.degrees(angle):.1f} deg"
