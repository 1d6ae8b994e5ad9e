"""The commands `poise dataset`, `poise translate train` and `poise translate evaluate`."""

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from poise.toolkit.console import Console, make_table, progress_bar
from poise.toolkit.dataset import Dataset
from poise.toolkit.errors import UserError
from poise.toolkit.process import catch_signals, count_cores
from poise.toolkit.registry import resolve_env_id
from poise.toolkit.run import Run
from poise.tools.plot.figures import check_figure_path
from poise.tools.translate.collect_dataset import collect_dataset, plan_dataset
from poise.tools.translate.evaluate import (
    TranslatorEvaluation,
    compare_rates,
    evaluate_translator,
    get_display_unit,
    predict_sequences,
)
from poise.tools.translate.load import get_translator_config, parse_translator_settings
from poise.tools.translate.pose_errors import (
    MM_PER_M,
    compute_point_errors,
    draw_error_map,
    draw_worst_frames,
    extract_arm_points,
)
from poise.tools.translate.samples import TranslatorSamples
from poise.tools.translate.train import create_translator_run, train_translator


def collect_and_show(
    env: str,
    *,
    out: Path,
    sequences: int,
    jobs: int | None,
    runs_dir: Path,
    env_set: Mapping[str, Any],
    **options: Any,
) -> None:
    """Collect a dataset under a progress bar; `options` are further arguments of plan_dataset."""
    plan = plan_dataset(
        resolve_env_id(env), env_set, sequence=sequences, runs_dir=runs_dir, **options
    )
    with progress_bar("frames", plan["frames"]) as on_progress:
        data = collect_dataset(plan, out, jobs or count_cores(), on_progress)
    Console().print(f"dataset: {out}, {len(data):,} frames of {data.card['env']}")


def train_and_show(
    folder: Path | None,
    *,
    settings: Mapping[str, Any],
    name: str | None,
    resume: str | None,
    runs_dir: Path,
) -> None:
    """Train on a dataset, or resume a run; exit with 128 + signal number after an interrupt."""
    run, data = _open_training(folder, settings, name, resume, runs_dir)
    console = Console()
    samples = TranslatorSamples(data, parse_translator_settings(get_translator_config(run)))

    def print_evaluation(step: int, seconds: float, metrics: Mapping[str, float]) -> None:
        if "eval/mse" not in metrics:
            return
        errors = []
        for signal in samples.signals:
            unit, factor = get_display_unit(signal)
            errors.append(f"{signal.name} {factor * metrics[f'eval/{signal.name}']:.1f} {unit}")
        console.print(
            f"step {step:,}, {seconds:.0f} s: mean square error on held-out episodes "
            f"{metrics['eval/mse']:.2e}; {', '.join(errors)}",
            soft_wrap=True,
        )

    with catch_signals() as caught:
        outcome = train_translator(run, data, [print_evaluation], lambda: bool(caught))
    if caught:
        console.print(
            f"stopped after {outcome['steps']:,} steps, everything saved; "
            f"resume with: poise translate train --resume {run.path.name}"
        )
        sys.exit(128 + caught[0])
    verb = "solved" if outcome["solved"] else "trained"
    console.print(
        f"{verb} after {outcome['steps']:,} steps, {outcome['seconds']:.0f} s: "
        f"mean square error {outcome['mse']:.2e}"
    )
    console.print(f"run:      {run.path}")
    console.print(f"evaluate: poise translate evaluate {run.path.name} {data.folder}")


def _open_training(
    folder: Path | None,
    settings: Mapping[str, Any],
    name: str | None,
    resume: str | None,
    runs_dir: Path,
) -> tuple[Run, Dataset]:
    """Return a new run on a dataset, or the run to resume with its dataset."""
    if (folder is None) == (resume is None):
        raise UserError("give either a DATASET to start a run, or --resume RUN")
    if folder is not None:
        data = Dataset(folder)
        return create_translator_run(runs_dir, name, data, settings), data
    if settings or name:
        raise UserError("--resume continues a run with its settings: omit --set and --run")
    assert resume is not None
    run = Run.open_unfinished(runs_dir, resume, translator=True)
    return run, Dataset(Path(get_translator_config(run)["dataset"]))


def evaluate_and_show(
    run_name: str,
    folder: Path,
    *,
    worst: Path | None,
    drawn: Path | None,
    beside: str | None,
    runs_dir: Path,
) -> None:
    """Print the errors of a translator on held-out episodes, and draw them where asked.

    `worst` and `drawn` are the files of the worst frames and of the error map; `beside` is the
    run whose signals are differentiated for comparison.
    """
    for figure_path in (worst, drawn):
        if figure_path is not None:
            check_figure_path(figure_path)
    run = Run.open(runs_dir, run_name)
    data = Dataset(folder)
    other = Run.open(runs_dir, beside) if beside else None
    with progress_bar(f"evaluating {run_name}"):
        evaluation = evaluate_translator(run, data)
    console = Console()
    _print_signal_errors(console, run, evaluation)
    _print_point_errors(console, data, evaluation)
    console.print(
        f"mean square error {evaluation.mse:.2e}; baseline, the mean: {evaluation.baseline:.2e}"
    )
    if evaluation.next_frame_error is not None:
        console.print(
            f"next-frame prediction: {evaluation.next_frame_error:.2f} "
            "of the error of repeating the frame"
        )
    corrupted = [f"{name} {mse:.2e}" for name, mse in evaluation.corrupted_mse.items()]
    console.print(f"mean square error on corrupted images: {', '.join(corrupted)}")
    if other is not None:
        _print_rate_errors(console, run, other, data, evaluation)
    if worst is not None:
        console.print(f"worst frames: {draw_worst_frames(data, evaluation, worst)}")
    if drawn is not None:
        console.print(f"error map: {draw_error_map(data, evaluation.predictions, drawn)}")


def _print_signal_errors(console: Console, run: Run, evaluation: TranslatorEvaluation) -> None:
    rows = [
        (row.name, f"{row.error:.1f} {row.unit}", f"{row.baseline:.1f} {row.unit}")
        for row in evaluation.errors
    ]
    title = f"{run.path.name} on {evaluation.frames:,} held-out frames, root mean square errors"
    console.print(make_table(title, ["signal", "error", "baseline (the mean)"], rows))


def _print_point_errors(console: Console, data: Dataset, evaluation: TranslatorEvaluation) -> None:
    arms = extract_arm_points(data, evaluation.predictions)
    if arms is None:
        return
    rows = [
        (
            point.name,
            _format_distance(point.distance),
            _format_angle(point.angle),
            _format_distance(point.baseline_distance),
            _format_angle(point.baseline_angle),
        )
        for point in compute_point_errors(arms)
    ]
    columns = ["point", "distance", "link angle", "baseline distance", "baseline angle"]
    console.print(make_table("Arms, mean errors", columns, rows))


def _print_rate_errors(
    console: Console, run: Run, other: Run, data: Dataset, evaluation: TranslatorEvaluation
) -> None:
    predictions = {
        run.path.name: evaluation.predictions,
        other.path.name: predict_sequences(other, data),
    }
    rows = [
        (row.name, row.method, f"{row.error:.1f} {row.unit}", f"{row.ratio:.1f}")
        for row in compare_rates(data, evaluation.predictions, predictions)
    ]
    columns = ["signal", "method", "error", "ratio"]
    console.print(make_table("Rates of change, root mean square errors", columns, rows))


def _format_distance(metres: float) -> str:
    return f"{MM_PER_M * metres:.1f} mm"


def _format_angle(angle: float) -> str:
    return f"{math.degrees(angle):.1f} deg"
