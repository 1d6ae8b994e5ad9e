"""What long-running commands show on a terminal: bars with ETA and live tables.

Where there is no terminal, such as in a log file, a view prints plain lines instead.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Timer
from types import TracebackType
from typing import Any, Self

import rich.console
from rich.console import ConsoleOptions, Group, RenderableType
from rich.live import Live
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from rich.table import Table

from poise.toolkit.errors import remove_control_characters
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


STATUS_LINE_DELAY = 5.0
STATUS_LINE_INTERVAL = 30.0
"""Seconds until the first plain line of other work, and between two of them."""


COUNT_COLUMNS = (
    BarColumn(),
    TextColumn("{task.completed:,.0f}/{task.total:,.0f}  ETA"),
    TimeRemainingColumn(),
)
"""What a bar shows of work whose size is known."""


class Console(rich.console.Console):
    """The console of every command: of a text from elsewhere, a terminal obeys nothing.

    Names, files and environments may hold control characters, such as codes that clear the screen:
    they become spaces. They may also look like rich's markup, such as `[red]`: markup is read only
    where `print` is called with `markup=True`.

    With the variable NO_COLOR it is as if there were no terminal: no colour, no control codes.
    """

    def __init__(self, **options: Any) -> None:
        is_plain = bool(os.environ.get("NO_COLOR"))
        defaults = {"markup": False, "force_terminal": False if is_plain else None}
        super().__init__(**{**defaults, **options})

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yield the parts of what is printed; only rich's own control codes remain."""
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else remove_control_characters(segment.text)
            yield segment._replace(text=text)


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
            TextColumn("{task.description}", style="bold", markup=False),
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
def progress_bar(
    description: str, total: int | None = None, *, quiet: bool = False
) -> Iterator[Callable[[int], None]]:
    """Show what a command is doing; yield the function that sets how many of `total` are done.

    On a terminal it is a bar on standard error, which goes when the block ends. Elsewhere it is a
    line on standard output after 5 s, and one every 30 s; with `quiet`, for output that another
    program reads, it is nothing.
    """
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            *(COUNT_COLUMNS if total is not None else ()),
            TimeElapsedColumn(),
        )
        # The results of a command go to standard output while the bar is shown: leave it alone.
        with Progress(
            *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
        ) as bar:
            task = bar.add_task(description, total=total)
            yield lambda done: bar.update(task, completed=done)
        return
    output = Console(highlight=False, soft_wrap=True)
    last_line_time = time.monotonic()

    def show_line(done: int) -> None:
        nonlocal last_line_time
        if time.monotonic() - last_line_time >= STATUS_LINE_INTERVAL and not quiet:
            last_line_time = time.monotonic()
            output.print(f"{description}: {done:,} of {total or done:,}")

    first_line = Timer(STATUS_LINE_DELAY, output.print, [f"{description} ..."])
    first_line.daemon = True
    if not quiet:
        first_line.start()
    try:
        yield show_line
    finally:
        first_line.cancel()
