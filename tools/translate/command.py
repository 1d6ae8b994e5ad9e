"""The translator's commands: train with a live line, and judgements as tables."""

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from poise.toolkit.console import make_table
from poise.toolkit.dataset import Dataset
from poise.toolkit.errors import UserError
from poise.toolkit.process import catch_signals
from poise.toolkit.run import Run
from poise.tools.plot.figures import check_figure_path
from poise.tools.translate.evaluate import (
    compare_rates,
    evaluate_translator,
    get_display_unit,
    predict_sequences,
)
from poise.tools.translate.load import get_translator_config, parse_translator_settings
from poise.tools.translate.pose_errors import (
    compute_point_errors,
    draw_error_map,
    draw_worst_frames,
    extract_arm_points,
)
from poise.tools.translate.samples import TranslatorSamples
from poise.tools.translate.train import create_translator_run, train_translator


def train_and_show(
    folder: Path | None,
    *,
    settings: Mapping[str, Any],
    name: str | None,
    resume: str | None,
    runs_dir: Path,
) -> None:
    """Train on a dataset, or go on with a run on its own; exits with 128 and the signal's number where it was stopped."""
    if (folder is None) == (resume is None):
        raise UserError("say either a DATASET to begin with, or --resume RUN to go on")
    if resume is not None:
        if settings or name:
            raise UserError("--resume goes on as the run began: no --set and no --run go with it")
        run = Run.open(runs_dir, resume)
        data = Dataset(Path(get_translator_config(run)["dataset"]))
    else:
        assert folder is not None
        data = Dataset(folder)
        data.verify()
        run = create_translator_run(runs_dir, name, data, settings)
    console = Console()
    signals = TranslatorSamples(data, parse_translator_settings(get_translator_config(run))).signals

    def hear(step: int, seconds: float, metrics: Mapping[str, float]) -> None:
        if "eval/mse" in metrics:
            units = [(signal.name, *get_display_unit(signal)) for signal in signals]
            errors = ", ".join(
                f"{name} {factor * metrics[f'eval/{name}']:.1f} {unit}"
                for name, unit, factor in units
            )
            score = f"mean square error on held-out episodes {metrics['eval/mse']:.2e}"
            console.print(f"step {step:,}, {seconds:.0f} s: {score}; {errors}", soft_wrap=True)

    with catch_signals() as caught:
        outcome = train_translator(run, data, [hear], lambda: bool(caught))
    if caught:
        console.print(
            f"stopped after {outcome['steps']:,} steps, all saved: poise translate train --resume {run.path.name}"
        )
        sys.exit(128 + caught[0])
    verb = "solved" if outcome["solved"] else "trained"
    console.print(
        f"{verb} after {outcome['steps']:,} steps, {outcome['seconds']:.0f} s: mean square error {outcome['mse']:.2e}"
    )
    console.print(
        f"run:   {run.path}\njudge: poise translate evaluate {run.path.name} {data.folder}"
    )


def evaluate_and_show(
    run_name: str,
    folder: Path,
    *,
    worst: Path | None,
    drawn: Path | None,
    beside: str | None,
    runs_dir: Path,
) -> None:
    """Print what a translator gets wrong, and by how much."""
    for picture in (worst, drawn):
        if picture is not None:
            check_figure_path(picture)
    run = Run.open(runs_dir, run_name)
    data = Dataset(folder)
    other = Run.open(runs_dir, beside) if beside else None
    judged = evaluate_translator(run, data)
    console = Console()
    rows = [
        (told.name, f"{told.error:.1f} {told.unit}", f"{told.baseline:.1f} {told.unit}")
        for told in judged.errors
    ]
    console.print(
        make_table(
            f"{run.path.name} on {judged.frames:,} held-out frames",
            ["signal", "error", "saying the mean"],
            rows,
        )
    )
    if (arms := extract_arm_points(data, judged.predictions)) is not None:
        lines = [
            (
                limb.name,
                _format_distance(limb.distance),
                _format_angle(limb.angle),
                f"{_format_distance(limb.baseline_distance)}, {_format_angle(limb.baseline_angle)}",
            )
            for limb in compute_point_errors(arms)
        ]
        console.print(
            make_table(
                "Arms, in the mean",
                ["at the", "away", "its link turned by", "saying the mean"],
                lines,
            )
        )
    console.print(f"mean square error {judged.mse:.2e}; saying the mean {judged.baseline:.2e}")
    if judged.next_frame_error is not None:
        console.print(
            f"the next picture: {judged.next_frame_error:.2f} of the error of painting the same again"
        )
    console.print(
        "with " + ", ".join(f"{name}: {mse:.2e}" for name, mse in judged.corrupted_mse.items())
    )
    if other is not None:
        readings = {
            run.path.name: judged.predictions,
            other.path.name: predict_sequences(other, data),
        }
        speeds = compare_rates(data, judged.predictions, readings)
        lines = [
            (told.name, told.method, f"{told.error:.1f} {told.unit}", f"{told.ratio:.1f}")
            for told in speeds
        ]
        console.print(make_table("Speeds", ["signal", "from", "error", "times"], lines))
    if worst is not None:
        console.print(f"worst frames: {draw_worst_frames(data, judged, worst)}")
    if drawn is not None:
        console.print(f"map: {draw_error_map(data, judged.predictions, drawn)}")


def _format_distance(metres: float) -> str:
    return f"{1000.0 * metres:.1f} mm"


def _format_angle(angle: float) -> str:
    return f"{math.degrees(angle):.1f} deg"
