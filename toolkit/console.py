"""What a training shows on the terminal: a bar with ETA and a live table, or plain lines where there is no terminal."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from poise.toolkit.loggers import LENGTH, RETURN

PLAIN_LINE_INTERVAL = 10.0


METRIC_LABELS = {
    "charts/SPS": "steps a second",
    RETURN: "return of the last episode",
    LENGTH: "length of the last episode",
    "eval/return": "return in evaluation",
    "eval/length": "length in evaluation",
    "eval/success": "success in evaluation",
}


class TrainingView:
    """A listener that shows how a training goes. Use it in a `with` block."""

    def __init__(
        self, title: str, steps: int, solved_at: float | None, console: Console | None = None
    ) -> None:
        self.console = console or Console()
        self.steps = steps
        self.solved_at = solved_at
        self._latest: dict[str, float] = {}
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} steps"),
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
            console=self.console,
        )
        self._task = self._bar.add_task(title, total=steps)
        self._live = Live(
            self._build_display(), console=self.console, refresh_per_second=4, transient=True
        )
        self._last_print_time = time.monotonic()

    def __call__(self, step: int, seconds: float, metrics: Mapping[str, float]) -> None:
        """Take in metrics; print a plain line every 10 s where there is no terminal."""
        self._latest.update(metrics)
        self._bar.update(self._task, completed=step)
        if self.console.is_terminal:
            self._live.update(self._build_display())
        elif time.monotonic() - self._last_print_time >= PLAIN_LINE_INTERVAL:
            self._last_print_time = time.monotonic()
            parts = [
                f"{name} {self._latest[key]:.1f}"
                for key, name in METRIC_LABELS.items()
                if key in self._latest
            ]
            self.console.print(
                f"step {step:,} of {self.steps:,}, {seconds:.0f} s: {', '.join(parts)}",
                highlight=False,
                soft_wrap=True,
            )

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.console.is_terminal:
            self._live.stop()

    def _build_display(self) -> Group:
        table = Table.grid(padding=(0, 2))
        for key, name in METRIC_LABELS.items():
            if key in self._latest:
                goal = (
                    f"solved at {self.solved_at:g}"
                    if key == "eval/return" and self.solved_at is not None
                    else ""
                )
                table.add_row(name, f"{self._latest[key]:,.1f}", goal)
        return Group(self._bar, table)


def make_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A plain table."""
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


@contextmanager
def progress_bar(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar that tells how many of `total` are done."""
    with Progress(
        "{task.description}",
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as bar:
        task = bar.add_task(description, total=total)
        yield lambda done: bar.update(task, completed=done)
