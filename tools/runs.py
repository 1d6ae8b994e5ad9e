"""The commands `poise runs` and `poise runs rm`: what was trained, and removing it."""

import json
import re
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from poise.algos.registry import ALGORITHMS
from poise.toolkit import checkpoint
from poise.toolkit.console import Console
from poise.toolkit.errors import UserError, WorkError, printable, unknown_name_error
from poise.toolkit.lock import LOCK_FILES
from poise.toolkit.loggers import read_metrics
from poise.toolkit.registry import short_name
from poise.toolkit.run import TRANSLATOR, Run, list_runs

RUN_FILES = frozenset({"config.json", "summary.json", "metrics.csv", "episodes.csv", *LOCK_FILES})
"""Files that a training writes into its folder, beside TensorBoard's events."""

RUN_FOLDERS = frozenset({"checkpoints", "policies", "videos"})
"""Folders of a run; what Poise writes into them begins with its step."""

STEP_ITEM = re.compile(r"\.?step_[0-9]{9,}.*")

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
    if algo is not None and algo.lower() not in (*ALGORITHMS, TRANSLATOR):
        raise unknown_name_error("algorithm", algo, [*ALGORITHMS, TRANSLATOR])
    runs = list_runs(runs_dir)
    _warn_of_damaged(runs_dir, runs)
    rows = [
        row
        for row, env_id in ((_make_row(run), run.config["env"]) for run in runs)
        if (env is None or env.lower() in f"{row.env} {env_id}".lower())
        and (algo is None or algo.lower() == row.algo)
        and (not unfinished or not row.finished)
    ]
    if sort != "written":
        rows.sort(key=lambda row: _sort_key(getattr(row, sort)))
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return
    console = Console(highlight=False)
    if not rows:
        none = f"none of the {len(runs)} runs matches" if runs else f"no runs in {runs_dir}"
        console.print(none, soft_wrap=True, markup=False)
        return
    for line in format_rows(rows, console.width if console.is_terminal else None):
        console.print(line, soft_wrap=True, markup=False)


def remove_runs(names: Sequence[str], runs_dir: Path) -> None:
    """Remove runs: what a training wrote; other files, and their folder, stay.

    Raises:
        UserError: a run is a link, or is being trained; nothing of it is removed.
        WorkError: its config cannot be read: it may be no run.
    """
    for name in names:
        run = Run.open(runs_dir, name)
        _ = run.config
        if run.path.is_symlink():
            raise UserError(f"run {name!r} is a link: remove the link itself")
        run.lock().release()
        others = _list_others(run.path)
        if not others:
            checkpoint.remove(run.path)
            print(f"removed {printable(run.path.name)}")
            continue
        for path in run.path.iterdir():
            _remove_ours(path)
        kept = ", ".join(path.relative_to(run.path).as_posix() for path in others)
        print(f"{printable(str(run.path))} stays, with what is not Poise's: {printable(kept)}")


def describe_runs(names: Sequence[str], runs_dir: Path) -> str:
    """Return what would be removed, in words; a part of Poise is a UserError."""
    runs = [Run.open(runs_dir, name) for name in names]
    for name, run in zip(names, runs, strict=True):
        if run.is_pretrained:
            raise UserError(f"{name} is a part of Poise, and is not removed")
    size = sum(_measure_size(run.path) for run in runs)
    listed = ", ".join(printable(run.path.name) for run in runs)
    return f"{listed} ({size:.1f} MB)"


def _list_others(folder: Path) -> list[Path]:
    """Return what a training has not written into its folder, in order."""
    others = []
    for path in sorted(folder.iterdir()):
        if path.name in RUN_FOLDERS and path.is_dir() and not path.is_symlink():
            others += [item for item in sorted(path.iterdir()) if not _is_of_a_step(item)]
        elif path.name not in RUN_FILES and not path.name.startswith(EVENTS_PREFIX):
            others.append(path)
    return others


def _is_of_a_step(path: Path) -> bool:
    return bool(STEP_ITEM.fullmatch(path.name)) and not path.is_symlink()


def _remove_ours(path: Path) -> None:
    """Remove an item of a run's folder as far as the training has written it."""
    if path.name in RUN_FOLDERS and path.is_dir() and not path.is_symlink():
        for item in filter(_is_of_a_step, list(path.iterdir())):
            if item.is_dir():
                shutil.rmtree(item)
            else:
                item.unlink()
        if not any(path.iterdir()):
            path.rmdir()
    elif path.name in RUN_FILES or path.name.startswith(EVENTS_PREFIX):
        path.unlink()


def _warn_of_damaged(runs_dir: Path, runs: Sequence[Run]) -> None:
    """Name the runs that the table leaves out, as their configs cannot be read."""
    shown = {run.path for run in runs}
    for config in sorted(runs_dir.glob("*/config.json")):
        if config.parent not in shown:
            print(f"warning: {printable(str(config))} cannot be read", file=sys.stderr)


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
        fits = width is None or max(map(len, lines)) <= width
        if fits or len(left_out) == len(LEFT_OUT_FIRST):
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
