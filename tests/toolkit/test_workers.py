"""Worker processes: their answers, errors and ends. Functions with `status` run in a worker."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import HELPERS

from poise.toolkit import workers
from poise.toolkit.errors import UserError, WorkerError, WorkError
from poise.toolkit.process import STOP_SIGNALS, catch_signals
from poise.toolkit.workers import Failure, Watchdog, Worker, run_in_workers

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals between processes")


class OddError(Exception):
    """It cannot be pickled, and its text cannot be read."""

    def __init__(self, one, two):
        self.function = lambda: None

    def __str__(self):
        raise ValueError


def echo(status, *arguments):
    return lambda request: (*arguments, request)


def fail(status, kind):
    def handle(request):
        errors = {
            "user": UserError("wrong word"),
            "work": WorkError("no luck"),
            "odd": OddError(1, 2),
            "long": ValueError("x" * 10**6),
            "exit": SystemExit("the motor is hot"),
            "interrupt": KeyboardInterrupt(),
            "memory": MemoryError(),
            "answer": None,
        }
        if kind == "answer":
            return lambda: "cannot be sent"
        raise errors[kind]

    return handle


def die(status, code):
    return lambda request: os._exit(code)


def sleep_in_parts(status, parts, seconds):
    def handle(request):
        for _ in range(parts):
            time.sleep(seconds)
            status.progress += 1
        return "done"

    return handle


@pytest.fixture
def start(request):
    """Starts workers, and ends them after the test."""

    def start_worker(make_handler, *arguments):
        worker = Worker(make_handler, arguments)
        request.addfinalizer(worker.close)
        assert worker.receive() is None
        return worker

    return start_worker


def ask(worker, request=None):
    worker.send(request)
    return worker.receive()


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("user", UserError, "^wrong word$"),
        ("work", WorkError, "^no luck$"),
        (
            "odd",
            WorkerError,
            r"^a worker failed: OddError: .*test_workers.py, line \d+, in handle\)",
        ),
        ("long", WorkerError, r"ValueError: x{400,500} \("),
        ("exit", WorkerError, "SystemExit: the motor is hot"),
        ("interrupt", WorkerError, r"failed: KeyboardInterrupt \("),
        ("memory", WorkerError, r"failed: MemoryError \("),
        ("answer", WorkerError, "failed: "),
    ],
)
def test_error_of_a_worker_arrives_as_text_with_its_place(start, kind, error, message):
    worker = start(fail, kind)
    for _ in range(2):  # The worker goes on.
        with pytest.raises(error, match=message) as caught:
            ask(worker)
    if error is WorkerError:
        assert "In the worker process:" in caught.value.__notes__[0]


def test_failure_describes_any_exception():
    for error in (OddError(1, 2), SystemExit(0), ValueError("a\nb")):
        assert Failure.from_error(error).kind == type(error).__name__


def test_arguments_that_cannot_be_sent_are_one_line():
    with pytest.raises(UserError, match="cannot be sent to a worker process"):
        Worker(echo, [lambda: None])


@POSIX
def test_dead_worker_names_its_end(start):
    with pytest.raises(WorkerError, match="worker process of a worker has ended with exit code 7"):
        ask(start(die, 7))


@POSIX
def test_watchdog_kills_a_stopped_worker_and_no_slow_one(start, monkeypatch):
    monkeypatch.setattr(workers, "CHECK_INTERVAL", 0.05)
    slow, stopped = start(sleep_in_parts, 4, 0.3), start(echo)
    watchdog = Watchdog([slow, stopped], timeout=0.8)
    assert ask(slow) == "done" and ask(stopped, 1) == (1,)  # Idle workers do not stand still.
    os.kill(stopped.pid, signal.SIGSTOP)
    with pytest.raises(WorkerError, match="stands still: no answer for 1 s"):
        ask(stopped)
    watchdog.close()


@POSIX
def test_stop_signal_shortens_the_patience(start, monkeypatch):
    monkeypatch.setattr(workers, "CHECK_INTERVAL", 0.05)
    monkeypatch.setattr(workers, "STOP_PATIENCE", 0.3)
    stuck = start(sleep_in_parts, 1, 3600)
    watchdog = Watchdog([stuck], timeout=0)  # For ever.
    with catch_signals():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(WorkerError, match="stands still"):
            ask(stuck)
    watchdog.close()


def test_requests_are_answered_by_several_workers():
    answers = run_in_workers(echo, ("a",), {str(number): number for number in range(5)}, 2)
    assert sorted(answers) == [("a", number) for number in range(5)]
    assert not workers._workers


def test_failed_request_is_named_and_ends_all_workers():
    with pytest.raises(WorkerError, match="shard_3 failed: ValueError: x"):
        list(run_in_workers(fail, ("long",), {"shard_3": 0, "shard_4": 1}, 1))
    assert not workers._workers


@POSIX
@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_stop_signal_to_a_worker_that_starts_is_left_to_the_parent(request, capfd, number):
    worker = Worker(echo, ())
    request.addfinalizer(worker.close)
    os.kill(worker.pid, number)  # Ctrl-C reaches all processes of a terminal.
    assert worker.receive() is None and ask(worker, 1) == (1,)
    os.kill(worker.pid, number)
    assert ask(worker, 2) == (2,)
    assert capfd.readouterr().err == ""


ORPHANS = """
import sys, time
import test_workers
from poise.toolkit.workers import Worker

if __name__ == "__main__":
    busy = Worker(test_workers.sleep_in_parts, (1, 3600.0))
    idle = Worker(test_workers.echo, ())
    busy.receive(), idle.receive()
    busy.send(None)
    print(busy.pid, idle.pid, flush=True)
    if sys.argv[1] == "wait":
        time.sleep(3600)
    # Otherwise it ends without closing them.
"""


def is_running(pid):
    """Return whether a process exists that is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("way", ["wait", "end"])
def test_no_worker_outlasts_its_parent_however_that_ends(elsewhere, way):
    (elsewhere / "script.py").write_text(ORPHANS)
    path = os.pathsep.join(
        [str(Path(__file__).parent), str(HELPERS), os.environ.get("PYTHONPATH", "")]
    )
    command = [sys.executable, "script.py", way]
    environment = {**os.environ, "PYTHONPATH": path}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=elsewhere, env=environment, **pipes) as parent:
        pids = parent.stdout.readline().split()
        assert len(pids) == 2, parent.stderr.read()
        if way == "wait":
            parent.kill()
        assert parent.communicate(timeout=30)[1] == ""
    for _ in range(100):
        if not any(map(is_running, pids)):
            break
        time.sleep(0.05)
    assert not any(map(is_running, pids))
