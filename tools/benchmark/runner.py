"""Run a suite in a folder: skip finished runs, resume unfinished ones, and write results.csv."""

import contextlib
import json
from pathlib import Path
from typing import Any

from poise.toolkit.console import Console
from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.files import make_folder, parse_json, read_json_mapping
from poise.toolkit.lock import FolderLock
from poise.toolkit.process import count_cores
from poise.toolkit.run import Run
from poise.toolkit.settings import Settings
from poise.toolkit.trainer import Progress, TrainSettings
from poise.tools.benchmark.jobs import RunProcess, train_jobs
from poise.tools.benchmark.progress import SuiteView, print_report
from poise.tools.benchmark.suite import Job, SuitePlan, plan_suite
from poise.tools.plot.results import RESULTS_FILE, Trial, read_trial, write_results

SUITE_FILE = "suite.json"


class SavedSuite(Settings):
    """Content of suite.json: what the runs in a folder were planned from."""

    suite: str
    seeds: list[int]
    runs: dict[str, dict[str, Any]]


MAX_DIFFERENCE_LENGTH = 200
"""Characters of the difference between two suites in an error message."""


def run_benchmark(suite: str, *, out: Path | None, jobs: int | None, seeds: int | None) -> int:
    """Plan and run a suite; return the exit code.

    Args:
        suite: name of a suite, or path of its YAML file.
        out: folder of the runs; `benchmarks/<suite>` by default.
        jobs: runs at once; one for each core by default.
        seeds: number of seeds 0, 1, ..., in place of the suite's seeds.
    """
    with contextlib.chdir("."):  # Planning makes environments, which may change the folder.
        plan = plan_suite(suite, seeds)
    return run_suite(plan, out or Path.cwd() / "benchmarks" / plan.name, jobs or count_cores())


def run_suite(plan: SuitePlan, out: Path, max_parallel: int) -> int:
    """Train the unfinished runs, write results.csv, and print a report; return the exit code."""
    console = Console(soft_wrap=True, highlight=False)
    make_folder(out)
    results = _SuiteResults(plan, out)
    with FolderLock(out, f"benchmark {out}"):
        _check_and_save_plan(plan, out)
        finished = [job for job in plan.jobs if _is_finished(out, job)]
        unfinished = [job for job in plan.jobs if job not in finished]
        for job in finished:
            results.add(job, "")
        for job in unfinished:
            _refuse_running(out, job)
            _move_damaged_run(out, job)
        results.write()
        with SuiteView(len(plan.jobs), len(finished), console) as view:
            view.print_line(
                f"{plan.name}: {len(plan.jobs)} runs, {len(finished)} finished already; "
                f"{max_parallel} at once, in {out}"
            )

            def on_finished(process: RunProcess, error_message: str) -> None:
                results.add(process.job, error_message)
                results.write()
                view.add_finished(process, results.trials.get(process.job.name), error_message)

            stop_signal = train_jobs(unfinished, out, max_parallel, view.update, on_finished)
    return print_report(console, plan, out, results.trials, results.failed, stop_signal)


class _SuiteResults:
    """Evaluations of the ended runs, and the error messages of the failed ones, by run name."""

    def __init__(self, plan: SuitePlan, out: Path) -> None:
        self.plan = plan
        self.out = out
        self.trials: dict[str, Trial] = {}
        self.failed: dict[str, str] = {}

    def add(self, job: Job, error_message: str) -> None:
        """Read the evaluations of a run that has ended; of a failed run, those until it failed."""
        try:
            trial = read_trial(Run(self.out / job.name), job.variant)
            if len(trial.evaluations):
                self.trials[job.name] = trial
        except WorkError as error:
            error_message = error_message or str(error)
        if error_message:
            self.failed[job.name] = error_message

    def write(self) -> None:
        """Write results.csv, with the runs in the order of the plan."""
        ordered = [self.trials[job.name] for job in self.plan.jobs if job.name in self.trials]
        write_results(self.out / RESULTS_FILE, ordered)


def _is_finished(out: Path, job: Job) -> bool:
    """Return whether a run ended by itself, and not by a signal."""
    summary = Run(out / job.name).summary()
    # `interrupted` is the signal that stopped the run, or None if no signal did.
    if summary.get("interrupted", True) is not None:
        return False
    progress = Progress(
        step=summary.get("steps", 0),
        seconds=summary.get("seconds", 0.0),
        solved_step=summary.get("solved_step"),
        evaluations_since_best=summary.get("evaluations_since_best", 0),
    )
    return progress.is_finished(TrainSettings.parse(job.config["training"]))


def _refuse_running(out: Path, job: Job) -> None:
    """Raise a UserError where a run that an earlier benchmark left behind is still trained."""
    if (out / job.name).is_dir():
        Run(out / job.name).lock().release()


def _move_damaged_run(out: Path, job: Job) -> None:
    """Rename a folder without a readable config.json, so that the run can start again."""
    folder = out / job.name
    if not folder.exists():
        return
    try:
        _ = Run(folder).config
    except WorkError:
        number = 1
        while (target := folder.with_name(f"{job.name}.damaged-{number}")).exists():
            number += 1
        folder.rename(target)


def _check_and_save_plan(plan: SuitePlan, out: Path) -> None:
    """Write the configurations of the suite to suite.json.

    Raises:
        UserError: `out` holds another suite, a seed that the plan lacks, or other runs.
        WorkError: suite.json cannot be read.
    """
    configs = parse_json(json.dumps(plan.fixed_configs), plan.name)  # As they will be read back.
    if (out / SUITE_FILE).exists():
        try:
            file = out / SUITE_FILE
            saved = SavedSuite.parse(read_json_mapping(file), "key", file)
        except UserError as error:
            raise WorkError(f"{error}: choose another --out, or move the file away") from None
    else:
        existing = [job.name for job in plan.jobs if (out / job.name).exists()]
        if existing:
            raise UserError(
                f"{out} holds a run {existing[0]} that is not of this suite: choose another --out"
            )
        saved = SavedSuite(suite=plan.name, seeds=[], runs=configs)
    difference = _describe_difference(saved.runs, configs, ())
    if difference:
        raise UserError(f"{out} holds another suite: {difference}; choose another --out")
    if not set(saved.seeds) <= set(plan.seeds):
        seeds = ", ".join(map(str, saved.seeds))
        raise UserError(f"{out} holds seeds {seeds}: seeds can be added, but none left out")
    Run(out).write(SUITE_FILE, {"suite": plan.name, "seeds": plan.seeds, "runs": configs})


def _describe_difference(before: Any, now: Any, key_path: tuple[str, ...]) -> str:
    """Describe the first difference between two JSON values; return "" if they are equal."""
    if isinstance(before, dict) and isinstance(now, dict):
        differences = (
            _describe_difference(before.get(key), now.get(key), (*key_path, str(key)))
            for key in {**before, **now}
        )
        return next((difference for difference in differences if difference), "")
    if before == now:
        return ""
    description = f"{' '.join(key_path)} was {json.dumps(before)}, is {json.dumps(now)}"
    return description[:MAX_DIFFERENCE_LENGTH]
