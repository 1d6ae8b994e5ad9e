"""Run a suite into a folder: what is finished stays, what is half done goes on, and all of it becomes one table."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.process import count_cores
from poise.toolkit.run import Run
from poise.tools.benchmark.jobs import RunProcess, train_jobs
from poise.tools.benchmark.progress import SuiteView, print_report
from poise.tools.benchmark.suite import Job, SuitePlan, plan_suite
from poise.tools.plot.results import RESULTS_FILE, Trial, read_trial, write_results

SUITE_FILE = "suite.json"


def run_benchmark(suite: str, *, out: Path | None, jobs: int | None, seeds: int | None) -> int:
    """Plan and run a suite, named or in a file, in its own folder where `out` names no other; the exit code."""
    plan = plan_suite(suite, seeds)
    return run_suite(plan, out or Path("benchmarks") / plan.name, jobs or count_cores())


def run_suite(plan: SuitePlan, out: Path, max_parallel: int) -> int:
    """Train what is not finished in `out`, write results.csv, and say how it went; the command's exit code."""
    console = Console(soft_wrap=True, highlight=False)
    out.mkdir(parents=True, exist_ok=True)
    trials: dict[str, Trial] = {}
    failed: dict[str, str] = {}

    def take(job: Job, problem: str) -> None:
        """Take an ended run into the table, which is written anew; a failed one with what it measured until then."""
        try:
            trial = read_trial(Run(out / job.name), job.variant)
            if len(trial.evaluations):
                trials[job.name] = trial
        except WorkError as error:
            problem = problem or str(error)
        if problem:
            failed[job.name] = problem

    def gather() -> None:
        write_results(
            out / RESULTS_FILE, [trials[job.name] for job in plan.jobs if job.name in trials]
        )

    with _lock_folder(out) as lock:
        _check_and_save_plan(plan, out)
        finished = [job for job in plan.jobs if _is_finished(out, job)]
        unfinished = [job for job in plan.jobs if job not in finished]
        for job in finished:
            take(job, "")
        for job in unfinished:
            _set_aside_damaged(out, job)
        gather()
        with SuiteView(len(plan.jobs), len(finished), console) as view:
            view.print_line(
                f"{plan.name}: {len(plan.jobs)} runs, {len(finished)} of them finished already; {max_parallel} at once, in {out}"
            )

            def ended(process: RunProcess, problem: str) -> None:
                take(process.job, problem)
                gather()
                view.add_finished(process, trials.get(process.job.name), problem)

            stopped = train_jobs(unfinished, out, max_parallel, lock, view.update, ended)
    return print_report(console, plan, out, trials, failed, stopped)


def _is_finished(out: Path, job: Job) -> bool:
    """Whether a run has ended by itself: solved, or at its last step."""
    told = Run(out / job.name).summary()
    training = job.config["training"]
    if told.get("interrupted", True) is not None:
        return False
    return bool(
        told.get("steps", 0) >= training["steps"]
        or (told.get("solved") and training["stop_when_solved"])
    )


def _set_aside_damaged(out: Path, job: Job) -> None:
    """Put a folder that holds no readable run aside under another name, so that the run can begin afresh."""
    folder = out / job.name
    if not folder.exists():
        return
    try:
        _ = Run(folder).config
    except WorkError:
        number = 1
        while (aside := folder.with_name(f"{job.name}.damaged-{number}")).exists():
            number += 1
        folder.rename(aside)


def _check_and_save_plan(plan: SuitePlan, out: Path) -> None:
    """Keep what the suite is in suite.json; refuse a folder that holds another one."""
    lasting = json.loads(json.dumps(plan.fixed_configs))
    try:
        kept = json.loads((out / SUITE_FILE).read_text())
        before = kept["runs"]
        seeds = kept["seeds"]
    except FileNotFoundError:
        taken = [job.name for job in plan.jobs if (out / job.name).exists()]
        if taken:
            raise UserError(
                f"{out} holds the run {taken[0]} of something else: choose another --out"
            ) from None
        before = lasting
        seeds = []
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise WorkError(
            f"{out / SUITE_FILE} cannot be read: choose another --out, or move it away"
        ) from None
    changed = _describe_difference(before, lasting, ())
    if changed:
        raise UserError(f"{out} was begun with another suite: {changed}; choose another --out")
    if not set(seeds) <= set(plan.seeds):
        raise UserError(
            f"{out} was begun with seeds {', '.join(map(str, seeds))}: more may join them, none may leave"
        )
    Run(out).write(SUITE_FILE, {"suite": plan.name, "seeds": plan.seeds, "runs": lasting})


def _describe_difference(before: Any, now: Any, key_path: tuple[str, ...]) -> str:
    """Where two values that came from JSON differ first, in words; "" where they do not."""
    if isinstance(before, dict) and isinstance(now, dict):
        told = (
            _describe_difference(before.get(key), now.get(key), (*key_path, str(key)))
            for key in {**before, **now}
        )
        return next((words for words in told if words), "")
    return (
        ""
        if before == now
        else f"{' '.join(key_path)} was {json.dumps(before)}, is {json.dumps(now)}"[:200]
    )


@contextmanager
def _lock_folder(out: Path) -> Iterator[int]:
    """Make sure that nobody else works in this folder: not even runs that an earlier benchmark, killed, has left at work."""
    with (out / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"another benchmark is at work in {out}, or a run that it left: wait, or choose another --out"
            ) from None
        yield file.fileno()
