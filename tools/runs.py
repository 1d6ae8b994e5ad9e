"""The commands `poise runs` and `poise runs rm`: what was trained, and removing it."""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from poise.toolkit import checkpoint
from poise.toolkit.console import Console
from poise.toolkit.errors import UserError, WorkError, printable
from poise.toolkit.lock import LOCK_FILES
from poise.toolkit.loggers import read_metrics
from poise.toolkit.registry import short_name
from poise.toolkit.run import Run, list_runs

RUN_PARTS = frozenset(
    {
        "config.json",
        "summary.json",
        "metrics.csv",
        "episodes.csv",
        "curves.png",
        "checkpoints",
        "policies",
        "videos",
        *LOCK_FILES,
    }
)
"""What a training writes into its folder, beside TensorBoard's events."""

EVENTS_PREFIX = "events.out.tfevents."


@dataclass(frozen=True)
class RunRow:
    """What the table says of a run; None where it is not known."""

    run: str
    env: str
    algo: str
    steps: int | None
    best: float | None
    """Largest mean return of an evaluation."""
    solved: int | None
    """Step of the first evaluation that reached the threshold."""
    written: str
    """Date and time, in local time."""
    size: float
    """Megabytes of the folder."""
    finished: bool


COLUMNS = ("run", "env", "algo", "steps", "best", "solved", "written", "size")
"""Columns of the table, each of which it can be sorted by."""

LEFT_OUT_FIRST = ("size", "env", "algo", "written")
"""Columns that a narrow terminal does not show."""


def show_runs(
    runs_dir: Path,
    *,
    env: str | None,
    algo: str | None,
    unfinished: bool,
    sort: str,
    as_json: bool,
) -> None:
    """Print the runs of a folder, those that were written last first."""
    rows = [_make_row(run) for run in list_runs(runs_dir)]
    rows = [
        row
        for row in rows
        if (env is None or env in row.env)
        and (algo is None or algo == row.algo)
        and (not unfinished or not row.finished)
    ]
    if sort != "written":
        rows.sort(key=lambda row: _sort_key(getattr(row, sort)))
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return
    console = Console(highlight=False)
    if not rows:
        console.print(f"no runs in {runs_dir}", soft_wrap=True, markup=False)
        return
    for line in format_rows(rows, console.width if console.is_terminal else None):
        console.print(line, soft_wrap=True, markup=False)


def remove_runs(names: Sequence[str], runs_dir: Path) -> None:
    """Remove runs: what a training wrote; other files, and their folder, stay.

    Raises:
        UserError: a run is a link, a part of Poise, or is being trained; nothing of it is removed.
    """
    for name in names:
        run = Run.open(runs_dir, name)
        if run.path.is_symlink():
            raise UserError(f"run {name!r} is a link: remove the link itself")
        run.lock().release()
        others = [path for path in sorted(run.path.iterdir()) if not _is_ours(path)]
        if not others:
            checkpoint.remove(run.path)
            continue
        for path in run.path.iterdir():
            if not _is_ours(path):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        kept = ", ".join(path.name for path in others)
        print(f"{printable(str(run.path))} stays, with what is not Poise's: {printable(kept)}")


def describe_runs(names: Sequence[str], runs_dir: Path) -> str:
    """Return what would be removed, in words."""
    runs = [Run.open(runs_dir, name) for name in names]
    size = sum(_measure_size(run.path) for run in runs)
    listed = ", ".join(printable(run.path.name) for run in runs)
    return f"{listed} ({size:.1f} MB)"


def _is_ours(path: Path) -> bool:
    return path.name in RUN_PARTS or path.name.startswith(EVENTS_PREFIX)


def _make_row(run: Run) -> RunRow:
    config = run.config
    summary: Mapping[str, float] = run.summary()
    steps = summary.get("steps")
    best = None
    try:
        evaluations = read_metrics(run).get("eval/return")
        if evaluations is not None:
            best = float(evaluations.values.max())
            steps = max(steps or 0, evaluations.step[-1])
    except (WorkError, OSError):
        pass  # It has written nothing yet, or is damaged: the table goes on.
    solved = summary.get("solved_step")
    written = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.time))
    return RunRow(
        run.path.name,
        short_name(config["env"]),
        config["algorithm"],
        None if steps is None else int(steps),
        best,
        None if solved is None else int(solved),
        written,
        _measure_size(run.path),
        not run.is_unfinished,
    )


def _measure_size(folder: Path) -> float:
    """Return the megabytes of the files in a folder."""
    sizes = [path.lstat().st_size for path in folder.rglob("*") if path.is_file()]
    return round(sum(sizes) / 1e6, 1)


def _sort_key(value: object) -> tuple[bool, object]:
    """Order what is known before what is not, and large numbers first."""
    if value is None:
        return (True, 0)
    return (False, -value if isinstance(value, int | float) else value)


def format_rows(rows: Sequence[RunRow], width: int | None) -> list[str]:
    """Return the lines of the table; where it is wider than `width`, without some columns."""
    cells = [COLUMNS, *map(_format_row, rows)]
    left_out: list[str] = []
    while True:
        kept = [number for number, name in enumerate(COLUMNS) if name not in left_out]
        widths = {number: max(len(row[number]) for row in cells) for number in kept}
        lines = [
            "  ".join(
                f"{row[number]:>{widths[number]}}"
                if COLUMNS[number] in ("steps", "best", "solved", "size")
                else f"{row[number]:<{widths[number]}}"
                for number in kept
            ).rstrip()
            for row in cells
        ]
        is_narrow = width is None or max(map(len, lines)) <= width
        if is_narrow or len(left_out) == len(LEFT_OUT_FIRST):
            return lines
        left_out.append(LEFT_OUT_FIRST[len(left_out)])


def _format_row(row: RunRow) -> tuple[str, ...]:
    solved = "-" if row.solved is None else f"{row.solved:,}"
    return (
        row.run,
        row.env,
        row.algo,
        "-" if row.steps is None else f"{row.steps:,}",
        "-" if row.best is None else f"{row.best:,.1f}",
        solved if row.finished else "unfinished",
        row.written,
        f"{row.size:,.1f} MB",
    )
