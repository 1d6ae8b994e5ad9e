"""The processes of a suite: each trains one run, so many at once; when we are told to stop, they save and stop too."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from poise.tools.benchmark.suite import Job

EVERY = 0.2
"""Seconds between two looks at the processes."""


TAIL = 4096
"""Bytes at the end of a file that tell how far a run is."""


class Process:
    """A run that is being trained, and what it has told so far."""

    def __init__(self, job: Job, out: Path, lock: int) -> None:
        self.job, self.folder, self.log = job, out / job.name, out / "logs" / f"{job.name}.log"
        self.began, self.step, self.score = time.monotonic(), 0, ""
        # One thread each, so that runs beside each other do not wait for each other.
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self.log.parent.mkdir(exist_ok=True)
        with self.log.open("a") as log:
            # A session of its own: Ctrl-C reaches us alone, and we pass it on once. The lock stays taken as long as it lives.
            self._process = subprocess.Popen(
                job.command(out),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **threads},
                start_new_session=True,
                pass_fds=(lock,),
            )

    @property
    def seconds(self) -> float:
        """How long it has been trained in this sitting."""
        return time.monotonic() - self.began

    def ended(self) -> int | None:
        """Its exit code, once it has ended."""
        return self._process.poll()

    def stop(self, at_once: bool) -> None:
        """Ask it to save and stop; or do not ask."""
        (self._process.kill if at_once else self._process.terminate)()

    def wait(self) -> None:
        """Wait until it has ended."""
        self._process.wait()

    def problem(self) -> str:
        """Why it failed: the last line that it said."""
        code = self._process.returncode
        said = self.log.read_text(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(said) if line.strip()), "")
        return f"killed by signal {-code}" if code < 0 else last.removeprefix("poise: ") or f"exit code {code}"

    def look(self) -> None:
        """Learn from the ends of its files how far it is."""
        for row in _tail(self.folder / "episodes.csv"):
            self.step = int(row[0]) if row[0].isdigit() else self.step
        for row in _tail(self.folder / "metrics.csv"):
            if len(row) == 4 and row[0].isdigit():
                self.step = max(self.step, int(row[0]))
                self.score = row[3] if row[2] == "eval/return" else self.score


def train_jobs(
    jobs: Sequence[Job],
    out: Path,
    at_once: int,
    lock: int,
    show: Callable[[Sequence[Process]], None],
    ended: Callable[[Process, str], None],
) -> int | None:
    """Train all jobs, and tell of each one that ended, with what went wrong; the signal that stopped us, if one did."""
    waiting, running = list(jobs), list[Process]()
    passed_on = 0
    with _signals() as caught:
        try:
            while running or (waiting and not caught):
                while waiting and not caught and len(running) < at_once:
                    running.append(Process(waiting.pop(0), out, lock))
                show(running)
                time.sleep(EVERY)
                for process in [process for process in running if process.ended() is not None]:
                    running.remove(process)
                    # What we stopped ourselves has not failed: it goes on next time.
                    if process.ended() == 0 or not caught:
                        ended(process, "" if process.ended() == 0 else process.problem())
                if len(caught) > passed_on:
                    passed_on = len(caught)
                    for process in running:
                        process.stop(at_once=passed_on > 1)
        finally:
            for process in running:
                process.stop(at_once=False)
            for process in running:
                process.wait()
    return caught[0] if caught else None


@contextmanager
def _signals() -> Iterator[list[int]]:
    """The signals that asked us to stop."""
    caught: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda number, frame: caught.append(number)) for number in numbers}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tail(path: Path) -> list[list[str]]:
    """The last whole rows of a CSV file that somebody is writing."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL))
            told = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line.split(",") for line in told.split("\n")[1:-1]]
