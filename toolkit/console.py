"""What long-running commands show on a terminal: bars with ETA and live tables.

Where there is no terminal, such as in a log file, a view prints plain lines instead.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
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

from poise.toolkit.loggers import LENGTH, RETURN, SPEED

PLAIN_LINE_INTERVAL = 10.0
"""Seconds between two plain lines of a training."""


METRIC_LABELS = {
    SPEED: "steps per second",
    RETURN: "return of the last episode",
    LENGTH: "length of the last episode",
    "eval/return": "evaluation return",
    "eval/length": "evaluation length",
    "eval/success": "evaluation success",
}


class LiveView:
    """A progress bar with a live display on a terminal. Use it in a `with` block.

    Args:
        console: where it is drawn.
        columns: what stands at the left of elapsed time and ETA.
        total: value at which the bar is full.
        completed: value at which it begins.
        description: of the bar, for a column that shows `task.description`.
        line_interval: seconds between two plain lines where there is no terminal.
    """

    def __init__(
        self,
        console: Console,
        columns: Sequence[TextColumn | BarColumn],
        *,
        total: int,
        completed: int = 0,
        description: str = "",
        line_interval: float,
    ) -> None:
        self.console = console
        self.bar = Progress(
            *columns,
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
            console=console,
        )
        self.task = self.bar.add_task(description, total=total, completed=completed)
        self.line_interval = line_interval
        self._live = Live(self.bar, console=console, refresh_per_second=4, transient=True)
        self._last_line_time = time.monotonic()

    @property
    def is_live(self) -> bool:
        """Whether there is a terminal to draw on."""
        return self.console.is_terminal

    def is_line_due(self) -> bool:
        """Return whether it is time for the next plain line; if so, restart the interval."""
        now = time.monotonic()
        is_due = now - self._last_line_time >= self.line_interval
        if is_due:
            self._last_line_time = now
        return is_due

    def show(self, display: RenderableType) -> None:
        """Replace the live display."""
        self._live.update(display)

    def __enter__(self) -> Self:
        if self.is_live:
            self._live.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.is_live:
            self._live.stop()


class TrainingView(LiveView):
    """Metric logger that shows the progress of a training. Use it in a `with` block."""

    def __init__(
        self, title: str, steps: int, solved_at: float | None, console: Console | None = None
    ) -> None:
        columns = (
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} steps"),
        )
        super().__init__(
            console or Console(),
            columns,
            total=steps,
            description=title,
            line_interval=PLAIN_LINE_INTERVAL,
        )
        self.steps = steps
        self.solved_at = solved_at
        self._latest: dict[str, float] = {}

    def __call__(self, step: int, seconds: float, metrics: Mapping[str, float]) -> None:
        """Show the latest value of each metric."""
        self._latest.update(metrics)
        self.bar.update(self.task, completed=step)
        if self.is_live:
            self.show(self._build_display())
        elif self.is_line_due():
            values = [
                f"{label} {self._latest[name]:.1f}"
                for name, label in METRIC_LABELS.items()
                if name in self._latest
            ]
            self.console.print(
                f"step {step:,} of {self.steps:,}, {seconds:.0f} s: {', '.join(values)}",
                highlight=False,
                soft_wrap=True,
            )

    def _build_display(self) -> Group:
        table = Table.grid(padding=(0, 2))
        for name, label in METRIC_LABELS.items():
            if name in self._latest:
                has_threshold = name == "eval/return" and self.solved_at is not None
                threshold = f"solved at {self.solved_at:g}" if has_threshold else ""
                table.add_row(label, f"{self._latest[name]:,.1f}", threshold)
        return Group(self.bar, table)


def make_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return a table without lines, with bold column names."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


@contextmanager
def progress_bar(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error; yield the function that sets how many of `total` are done."""
    bar = Progress(
        "{task.description}",
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    task = bar.add_task(description, total=total)

    def show(done: int) -> None:
        bar.start()  # Only now: work that is refused prints its one line and no bar.
        bar.update(task, completed=done)

    try:
        yield show
    finally:
        if bar.live.is_started:
            bar.stop()
