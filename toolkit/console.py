"""What long-running commands show on a terminal: bars with ETA and live tables.

Where there is no terminal, such as in a log file, a view prints plain lines instead.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Timer
from types import TracebackType
from typing import Any, Self, TypeVar

import rich.console
from rich.console import ConsoleOptions, Group, RenderableType
from rich.live import Live
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from poise.toolkit.errors import remove_control_characters, shorten_paths
from poise.toolkit.loggers import LENGTH, RETURN, SPEED

PLAIN_LINE_INTERVAL = 10.0
"""Seconds between two plain lines of a training; evaluations have lines of their own."""


MEAN_EPISODES = 20
"""Training episodes whose mean return is shown: one alone says little."""


THRESHOLD_BAR_WIDTH = 24
MIN_WIDTH_OF_BARS = 72
"""Characters of the bar from 0 to the threshold, and of a terminal that has room for it."""


STATUS_LINE_DELAY = 5.0
STATUS_LINE_INTERVAL = 30.0
"""Seconds until the first plain line of other work, and between two of them."""


REFRESH_HZ = 10.0
"""How often a bar is drawn (Hz)."""


BAR_WIDTH = 16
"""Characters of the bar of other work."""


Item = TypeVar("Item")


class CountColumn(ProgressColumn):
    """How many of how many are done, and the seconds left once they can be estimated."""

    def render(self, task: Task) -> Text:
        """Return the text for a task; of work whose size is unknown it is empty."""
        if task.total is None:
            return Text()
        text = f"{task.completed:,.0f}/{task.total:,.0f}"
        if unit := task.fields.get("unit"):
            text += f" {unit}"
        if task.time_remaining is not None:
            text += f", {task.time_remaining:.0f} s left"
        return Text(text)


ShowCount = Callable[[int, int | None, str], None]
"""Show how many are done, of how many, and what is counted."""

_show_count: ContextVar[ShowCount | None] = ContextVar("show_count", default=None)
"""Set while a bar is on a terminal, for `count_progress`."""


class Console(rich.console.Console):
    """The console of every command: of a text from elsewhere, a terminal obeys nothing.

    Names, files and environments may hold control characters, such as codes that clear the screen:
    they become spaces. They may also look like rich's markup, such as `[red]`: markup is read only
    where `print` is called with `markup=True`.

    Paths below the working folder are relative to it (`errors.shorten_paths`).

    With the variable NO_COLOR it is as if there were no terminal: no colour, no control codes.
    """

    def __init__(self, **options: Any) -> None:
        is_plain = bool(os.environ.get("NO_COLOR"))
        defaults = {"markup": False, "force_terminal": False if is_plain else None}
        super().__init__(**{**defaults, **options})

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a string as what is printed, before it is broken into lines."""
        return super().render_str(shorten_paths(text), **options)

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
        remaining: what stands before the remaining time.
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
        remaining: str = "ETA",
    ) -> None:
        self.console = console
        self.bar = Progress(
            *columns,
            TimeElapsedColumn(),
            TextColumn(remaining),
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
    """Metric logger that shows the progress of a training. Use it in a `with` block.

    Each evaluation is a row that stays. On a terminal a bar follows, and the mean of the last
    training episodes; the bar's time is an upper bound where the training may be solved before.
    """

    def __init__(
        self,
        title: str,
        steps: int,
        solved_at: float | None,
        console: Console | None = None,
        *,
        minutes: float | None = None,
        stop_when_solved: bool = True,
    ) -> None:
        self.minutes = minutes
        unit = "steps" if minutes is None else "s"
        columns = (
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} " + unit),
        )
        may_end_early = solved_at is not None and stop_when_solved
        super().__init__(
            console or Console(),
            columns,
            total=steps if minutes is None else round(60.0 * minutes),
            description=title,
            line_interval=PLAIN_LINE_INTERVAL,
            remaining="ETA at most" if may_end_early else "ETA",
        )
        self.steps = steps
        self.solved_at = solved_at
        self._speed: float | None = None
        self._returns: deque[float] = deque(maxlen=MEAN_EPISODES)
        self._lengths: deque[float] = deque(maxlen=MEAN_EPISODES)
        self._first_return: float | None = None

    def __call__(self, step: int, seconds: float, metrics: Mapping[str, float]) -> None:
        """Show an evaluation, or update what is shown of the training."""
        self._speed = metrics.get(SPEED, self._speed)
        if RETURN in metrics:
            self._returns.append(metrics[RETURN])
            self._lengths.append(metrics[LENGTH])
        is_evaluation = "eval/return" in metrics
        self.bar.update(self.task, completed=step if self.minutes is None else seconds)
        if self.is_live:
            if is_evaluation:
                self._print_row(step, metrics)
            self.show(Group(self.bar, *map(Text, self._describe_training())))
            return
        is_due = self.is_line_due()
        parts = self._describe_evaluation(metrics) if is_evaluation else self._describe_training()
        if parts and (is_due or is_evaluation):
            step_limit = f" of {self.steps:,}" if self.minutes is None else ""
            time_limit = "" if self.minutes is None else f" of {60.0 * self.minutes:,.0f}"
            position = f"step {step:,}{step_limit}, {seconds:.0f}{time_limit} s"
            self._print(f"{position}: {', '.join(parts)}")

    def _describe_training(self) -> list[str]:
        """Return what is known of the training: no return before an episode has ended."""
        parts = []
        if self._returns:
            mean_return = sum(self._returns) / len(self._returns)
            mean_length = sum(self._lengths) / len(self._lengths)
            number = len(self._returns)
            episodes = "the first episode" if number == 1 else f"mean of the last {number} episodes"
            parts.append(
                f"training return {mean_return:,.1f}, length {mean_length:,.0f} ({episodes})"
            )
        if self._speed is not None:
            parts.append(f"steps per second {self._speed:,.1f}")
        return parts

    def _describe_evaluation(self, metrics: Mapping[str, float]) -> list[str]:
        """Return the results of an evaluation; the success only where it is defined."""
        parts = [
            f"evaluation return {metrics['eval/return']:,.1f}",
            f"length {metrics['eval/length']:,.0f}",
        ]
        if "eval/success" in metrics:
            parts.append(f"success {metrics['eval/success']:.0%}")
        if self.solved_at is not None and metrics["eval/return"] >= self.solved_at:
            parts.append("solved")
        return parts

    def _print_row(self, step: int, metrics: Mapping[str, float]) -> None:
        """Print an evaluation above the bar, the first with the names of the columns."""
        has_success = "eval/success" in metrics
        mean_return = metrics["eval/return"]
        if self._first_return is None:
            self._first_return = mean_return
            heading = "  evaluation at step      return    length"
            self._print(heading + ("   success" if has_success else ""))
        row = f"  {step:>18,}  {mean_return:>10,.1f}  {metrics['eval/length']:>8,.0f}"
        if has_success:
            row += f"  {metrics['eval/success']:>8.0%}"
        if self.solved_at is not None and self.console.width >= MIN_WIDTH_OF_BARS:
            row += f"   {self._draw_bar(mean_return, self.solved_at)}"
        self._print(row)

    def _draw_bar(self, mean_return: float, solved_at: float) -> str:
        """Return a bar from 0, or from a first return below it, to the threshold."""
        start = min(0.0, self._first_return or 0.0)
        fraction = (mean_return - start) / (solved_at - start) if solved_at > start else 1.0
        if mean_return >= solved_at:
            fraction = 1.0
        filled = int(THRESHOLD_BAR_WIDTH * min(1.0, max(0.0, fraction)))
        bar = f"|{'#' * filled:<{THRESHOLD_BAR_WIDTH}}|"
        return (
            f"{bar} solved at {solved_at:g}" if mean_return >= solved_at else f"{bar} {solved_at:g}"
        )

    def _print(self, line: str) -> None:
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)


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
    description = shorten_paths(description)
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(BAR_WIDTH),
            CountColumn(),
            TimeElapsedColumn(),
        )
        # The results of a command go to standard output while the bar is shown: leave it alone.
        with Progress(
            *columns,
            console=console,
            refresh_per_second=REFRESH_HZ,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        ) as bar:
            task = bar.add_task(description, total=total)

            def show_count(done: int, of_total: int | None, unit: str) -> None:
                if done == 0:
                    bar.reset(task, total=of_total, unit=unit)
                bar.update(task, completed=done)

            token = _show_count.set(show_count if total is None else None)
            try:
                yield lambda done: bar.update(task, completed=done)
            finally:
                _show_count.reset(token)
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


def count_progress(items: Iterable[Item], total: int | None, unit: str) -> Iterator[Item]:
    """Yield items, and show how many of `total` were taken on the bar of the running command.

    `unit` is what they are, such as frames. Without a bar of a terminal, or where the bar counts
    something else, nothing is shown.
    """
    for done, item in enumerate(items):
        if show_count := _show_count.get():
            show_count(done, total, unit)
        yield item
