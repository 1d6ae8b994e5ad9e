"""The processes of a suite: each trains one run, so many at once; when we are told to stop, they save and stop too."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from poise.toolkit.process import catch_signals
from poise.tools.benchmark.suite import Job

POLL_INTERVAL = 0.2
"""Seconds between two looks at the processes."""


STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that stop a benchmark; a second one kills its processes."""


TAIL_BYTES = 4096
"""Bytes at the end of a file that tell how far a run is."""


class RunProcess:
    """A run that is being trained, and what it has told so far."""

    def __init__(self, job: Job, out: Path, lock_fd: int) -> None:
        self.job = job
        self.folder = out / job.name
        self.log_path = out / "logs" / f"{job.name}.log"
        self.start_time = time.monotonic()
        self.step = 0
        self.latest_return = ""
        # One thread each, so that runs beside each other do not wait for each other.
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self.log_path.parent.mkdir(exist_ok=True)
        with self.log_path.open("a") as log:
            # A session of its own: Ctrl-C reaches us alone, and we pass it on once. The lock stays taken as long as it lives.
            self._process = subprocess.Popen(
                job.build_command(out),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **threads},
                start_new_session=True,
                pass_fds=(lock_fd,),
            )

    @property
    def elapsed_seconds(self) -> float:
        """How long it has been trained in this sitting."""
        return time.monotonic() - self.start_time

    def poll(self) -> int | None:
        """Its exit code, once it has ended."""
        return self._process.poll()

    def stop(self, kill: bool) -> None:
        """Ask it to save and stop; or do not ask."""
        (self._process.kill if kill else self._process.terminate)()

    def wait(self) -> None:
        """Wait until it has ended."""
        self._process.wait()

    def get_error_message(self) -> str:
        """Why it failed: the last line that it said."""
        code = self._process.returncode
        said = self.log_path.read_text(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(said) if line.strip()), "")
        return (
            f"killed by signal {-code}"
            if code < 0
            else last.removeprefix("poise: ") or f"exit code {code}"
        )

    def update_progress(self) -> None:
        """Learn from the ends of its files how far it is."""
        for row in _read_last_rows(self.folder / "episodes.csv"):
            self.step = int(row[0]) if row[0].isdigit() else self.step
        for row in _read_last_rows(self.folder / "metrics.csv"):
            if len(row) == 4 and row[0].isdigit():
                self.step = max(self.step, int(row[0]))
                self.latest_return = row[3] if row[2] == "eval/return" else self.latest_return


def train_jobs(
    jobs: Sequence[Job],
    out: Path,
    max_parallel: int,
    lock_fd: int,
    on_update: Callable[[Sequence[RunProcess]], None],
    on_finished: Callable[[RunProcess, str], None],
) -> int | None:
    """Train all jobs, and tell of each one that ended, with what went wrong; the signal that stopped us, if one did."""
    waiting = list(jobs)
    running = list[RunProcess]()
    passed_on = 0
    with catch_signals(STOP_SIGNALS, exit_on_second=False) as caught:
        try:
            while running or (waiting and not caught):
                while waiting and not caught and len(running) < max_parallel:
                    running.append(RunProcess(waiting.pop(0), out, lock_fd))
                on_update(running)
                time.sleep(POLL_INTERVAL)
                for process in [process for process in running if process.poll() is not None]:
                    running.remove(process)
                    # What we stopped ourselves has not failed: it goes on next time.
                    if process.poll() == 0 or not caught:
                        on_finished(
                            process, "" if process.poll() == 0 else process.get_error_message()
                        )
                if len(caught) > passed_on:
                    passed_on = len(caught)
                    for process in running:
                        process.stop(kill=passed_on > 1)
        finally:
            for process in running:
                process.stop(kill=False)
            for process in running:
                process.wait()
    return caught[0] if caught else None


def _read_last_rows(path: Path) -> list[list[str]]:
    """The last whole rows of a CSV file that somebody is writing."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            told = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line.split(",") for line in told.split("\n")[1:-1]]
