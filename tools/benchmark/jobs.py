"""Processes of a suite: each trains one run; several run at once, and stop signals reach all.

`python -m poise.tools.benchmark.jobs MODULE ...` is `python -m MODULE ...` in a process that ends
with the benchmark, however that ends: its standard input is a pipe from the benchmark.
"""

import os
import runpy
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from poise.toolkit.files import read_tail
from poise.toolkit.process import catch_signals, stop_at_end_of_input
from poise.tools.benchmark.suite import Job

POLL_INTERVAL = 0.2
"""Seconds between two polls of the processes."""


SAVE_SECONDS = 30.0
"""Seconds in which a run must have saved after the end of the benchmark."""


TAIL_BYTES = 4096
"""Bytes read from the end of a CSV file to find the progress of a run."""


THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PJRT_NPROC")
"""Where torch, numpy and JAX (PJRT_NPROC) look up how many threads to start."""


class RunProcess:
    """The process that trains a run, and the progress read from its files."""

    def __init__(self, job: Job, out: Path) -> None:
        self.job = job
        self.folder = out / job.name
        self.log_path = out / "logs" / f"{job.name}.log"
        self.start_time = time.monotonic()
        self.step = 0
        self.latest_return = ""
        # One thread for each run: parallel runs would compete for the cores.
        threads = dict.fromkeys(THREAD_VARIABLES, "1")
        self.log_path.parent.mkdir(exist_ok=True)
        with self.log_path.open("a", encoding="utf-8") as log:
            # A session of its own: Ctrl-C reaches the benchmark alone, which passes it on once.
            self._process = subprocess.Popen(
                job.build_command(out),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **threads},
                start_new_session=True,
            )

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since this process started."""
        return time.monotonic() - self.start_time

    def poll(self) -> int | None:
        """Return the exit code, or None while the process runs."""
        code = self._process.poll()
        if code is not None and self._process.stdin is not None:
            self._process.stdin.close()
        return code

    def stop(self, kill: bool) -> None:
        """Send SIGTERM, so that the run is saved, or SIGKILL."""
        if kill:
            self._process.kill()
        else:
            self._process.terminate()

    def wait(self) -> None:
        """Wait until the process has ended."""
        self._process.wait()
        self.poll()

    def get_error_message(self) -> str:
        """Return the signal that killed the process, or else the last line of its log."""
        code = self._process.returncode
        if code < 0:
            return f"killed by signal {-code}"
        lines = read_tail(self.log_path, TAIL_BYTES).split("\n")
        last_line = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return last_line.removeprefix("poise: ") or f"exit code {code}"

    def update_progress(self) -> None:
        """Read the latest step and evaluation return from the ends of the run's CSV files."""
        for row in _read_last_rows(self.folder / "episodes.csv"):
            if row[0].isdigit():
                self.step = int(row[0])
        for row in _read_last_rows(self.folder / "metrics.csv"):
            if len(row) != 4 or not row[0].isdigit():
                continue
            step, _, name, value = row
            self.step = max(self.step, int(step))
            if name == "eval/return":
                self.latest_return = value


def train_jobs(
    jobs: Sequence[Job],
    out: Path,
    max_parallel: int,
    on_update: Callable[[Sequence[RunProcess]], None],
    on_finished: Callable[[RunProcess, str], None],
) -> int | None:
    """Train all jobs; return the first signal that stopped them, or None.

    The first stop signal is passed on, so that the runs are saved; the second one kills them.

    Args:
        jobs: runs to train, in this order.
        out: folder of the runs and their logs.
        max_parallel: largest number of runs at once.
        on_update: called with the running processes at every poll.
        on_finished: called with a process that has ended, and its error message or "".
    """
    waiting = list(jobs)
    running = list[RunProcess]()
    num_passed_on = 0
    with catch_signals(exit_on_second=False) as caught:
        try:
            while running or (waiting and not caught):
                while waiting and not caught and len(running) < max_parallel:
                    running.append(RunProcess(waiting.pop(0), out))
                on_update(running)
                time.sleep(POLL_INTERVAL)
                ended = [process for process in running if process.poll() is not None]
                for process in ended:
                    running.remove(process)
                    if process.poll() == 0:
                        on_finished(process, "")
                    elif not caught:
                        on_finished(process, process.get_error_message())
                    # Otherwise a signal stopped it: it has not failed, and can be resumed.
                if len(caught) > num_passed_on:
                    num_passed_on = len(caught)
                    for process in running:
                        process.stop(kill=num_passed_on > 1)
        finally:
            for process in running:
                process.stop(kill=False)
            for process in running:
                process.wait()
    return caught[0] if caught else None


def _read_last_rows(path: Path) -> list[list[str]]:
    """Return the last complete rows of a CSV file that is being written."""
    return [line.split(",") for line in read_tail(path, TAIL_BYTES).split("\n")[1:-1]]


if __name__ == "__main__":
    stop_at_end_of_input(SAVE_SECONDS)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
