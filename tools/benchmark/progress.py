"""Terminal output of a benchmark: progress of the running trainings, and the final report."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Group
from rich.progress import BarColumn, TextColumn

from poise.toolkit.console import Console, LiveView, make_table
from poise.toolkit.registry import short_name
from poise.tools.benchmark.jobs import RunProcess
from poise.tools.benchmark.suite import SuitePlan
from poise.tools.plot.curves import SUMMARY_COLUMNS, summarize
from poise.tools.plot.results import RESULTS_FILE, Trial, format_label

PLAIN_LINE_INTERVAL = 30.0
PLAIN_TABLE_WIDTH = 110
"""Columns of the summary where there is no terminal."""

COLUMNS = ("env", "algorithm", "seed", "step", "of", "return", "seconds")
PLAIN_LINE = "{} {} {}: step {} of {}, return {}, {} s"


class SuiteView(LiveView):
    """Show the progress of a benchmark. Use it in a `with` block."""

    def __init__(self, total: int, finished: int, console: Console) -> None:
        columns = (
            TextColumn("{task.completed:,.0f} of {task.total:,.0f} runs", style="bold"),
            BarColumn(),
        )
        super().__init__(
            console,
            columns,
            total=total,
            completed=finished,
            line_interval=PLAIN_LINE_INTERVAL,
        )

    def update(self, running: Sequence[RunProcess]) -> None:
        """Show the progress of the runs in training; in plain lines at most every 30 s."""
        if self.is_live:
            rows = [_format_row(process) for process in running]
            self.show(Group(make_table("", COLUMNS, rows), self.bar))
        elif self.is_line_due():
            for process in running:
                self.console.print(PLAIN_LINE.format(*_format_row(process)))

    def print_line(self, line: str) -> None:
        """Print a line that stays, above the table."""
        self.console.print(line, markup=False)

    def add_finished(self, process: RunProcess, trial: Trial | None, error_message: str) -> None:
        """Count a run that has ended, and print its return."""
        self.bar.advance(self.task)
        result = "ended before its first evaluation" if trial is None else _format_returns(trial)
        prefix = "FAILED " if error_message else ""
        seconds = f"{process.elapsed_seconds:.0f} s"
        self.print_line(f"{prefix}{process.job.name}: {result}, {seconds}")


def _format_returns(trial: Trial) -> str:
    """Format the return of the last policy, and of the best where that is another one."""
    steps = trial.get_column("step")
    returns = trial.get_column("return")
    last = f"return {returns[-1]:,.1f} at step {steps[-1]:,.0f}"
    best = trial.best_index
    if best == len(steps) - 1:
        return last
    return f"{last} (best: {returns[best]:,.1f} at step {steps[best]:,.0f})"


def _format_row(process: RunProcess) -> tuple[str, ...]:
    """Format a row of COLUMNS."""
    process.update_progress()
    config = process.job.config
    training = config["training"]
    latest_return = process.latest_return
    return (
        short_name(config["env"]),
        format_label(config["algorithm"], process.job.variant),
        str(training["seed"]),
        f"{process.step:,}",
        f"{training['steps']:,}",
        f"{float(latest_return):.1f}" if latest_return else "-",
        f"{process.elapsed_seconds:.0f}",
    )


def print_report(
    console: Console,
    plan: SuitePlan,
    out: Path,
    trials: Mapping[str, Trial],
    failed: Mapping[str, str],
    stop_signal: int | None,
) -> int:
    """Print the summary, the paths of the results, and the failures; return the exit code.

    Args:
        console: where to print.
        plan: all runs of the suite.
        out: folder of the suite.
        trials: evaluations by the name of the run.
        failed: error messages by the name of the run.
        stop_signal: signal that stopped the benchmark, or None.
    """
    if trials:
        rows = summarize([trials[job.name] for job in plan.jobs if job.name in trials])
        table_console = console if console.is_terminal else Console(width=PLAIN_TABLE_WIDTH)
        table_console.print(make_table("", SUMMARY_COLUMNS, rows))
        console.print(
            "to solved: median over runs (-: at least half are unsolved); "
            "final return: of the last step's policies, interquartile mean and 95 % interval"
        )
        console.print(f"results: {out / RESULTS_FILE}\nplot:    poise plot {out}", markup=False)
    for name, error_message in failed.items():
        log_path = out / "logs" / f"{name}.log"
        console.print(f"failed:  {name}: {error_message} (log: {log_path})", markup=False)
    if failed:
        console.print(
            "Run the same command to resume the failed runs; "
            "to train a run from the start, remove its folder first."
        )
    if stop_signal is not None:
        console.print(
            f"stopped: {len(trials)} of {len(plan.jobs)} runs have ended; "
            "run the same command to resume the others"
        )
        return 128 + stop_signal
    return 1 if failed else 0
