"""Signals, files that must not outlast the process, and workers that end with it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import HELPERS, python

from poise.toolkit import process
from poise.toolkit.errors import UserError, WorkerError, WorkError
from poise.toolkit.files import atomic_write
from poise.toolkit.process import (
    STOP_SIGNALS,
    EnvironmentScope,
    Failure,
    Interrupted,
    Watchdog,
    Worker,
    catch_signals,
    is_stop_requested,
    raise_on_signals,
    run_in_workers,
    temporary_path,
)

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals between processes")

# Signals.


def test_stop_signals_are_interrupt_termination_and_hangup():
    assert STOP_SIGNALS == (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_caught_signal_requests_a_stop_and_the_handlers_come_back(number):
    before = [signal.getsignal(each) for each in STOP_SIGNALS]
    with catch_signals() as caught:
        assert not is_stop_requested()
        signal.raise_signal(number)
        assert caught == [number] and is_stop_requested()
    assert not is_stop_requested()
    assert [signal.getsignal(each) for each in STOP_SIGNALS] == before


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_raised_signal_carries_its_exit_code(number):
    with pytest.raises(Interrupted) as caught, raise_on_signals():
        signal.raise_signal(number)
    assert caught.value.exit_code == 128 + number


def test_second_hangup_is_no_second_word_of_the_user():
    """A terminal that closes sends one, and its shell another."""
    with catch_signals() as caught:
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGHUP)
    assert caught == [signal.SIGHUP]


def test_hangup_that_nohup_ignores_stays_ignored(monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with catch_signals() as caught:
            signal.raise_signal(signal.SIGHUP)
            assert caught == []
            signal.raise_signal(signal.SIGTERM)
            assert caught == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGHUP, before)


TWICE = """
import pathlib, signal, sys
from poise.toolkit.files import atomic_write
from poise.toolkit.process import catch_signals, exit_on_signals, raise_on_signals, temporary_path

number = int(sys.argv[2])
if sys.argv[1] == "before":
    exit_on_signals()
    signal.raise_signal(number)
elif sys.argv[1] == "catch":
    with catch_signals(), atomic_write(pathlib.Path("file")) as partial:
        with temporary_path(pathlib.Path("folder")) as folder:
            folder.mkdir()
            partial.write_text("half")
            signal.raise_signal(number)
            signal.raise_signal(number)
else:
    with raise_on_signals(), atomic_write(pathlib.Path("file")) as partial:
        partial.write_text("half")
        try:
            signal.raise_signal(number)
        finally:
            signal.raise_signal(number)
print("never")
"""


@POSIX
@pytest.mark.parametrize("way", ["catch", "raise", "before"])
def test_last_signal_ends_the_process_at_once_and_leaves_nothing_half_written(elsewhere, way):
    number = signal.SIGTERM if way == "catch" else signal.SIGINT
    ended = python("-c", TWICE, way, str(int(number)), cwd=elsewhere)
    assert (ended.returncode, ended.stdout, ended.stderr) == (128 + number, "", "")
    assert list(elsewhere.iterdir()) == []


def test_interrupt_removes_what_a_finally_clause_had_no_time_for(tmp_path):
    path = tmp_path / "half"
    with pytest.raises(Interrupted), raise_on_signals():
        block = temporary_path(path)
        block.__enter__()
        path.mkdir()
        signal.raise_signal(signal.SIGINT)
    assert not path.exists()
    process._temporary_paths.discard(path)


def test_interrupted_file_is_not_written(tmp_path):
    with pytest.raises(Interrupted), raise_on_signals(), atomic_write(tmp_path / "file") as partial:
        partial.write_text("half")
        signal.raise_signal(signal.SIGTERM)
    assert list(tmp_path.iterdir()) == []


# What an environment may change.


def test_folder_that_an_environment_enters_is_its_own(elsewhere):
    (elsewhere / "inside").mkdir()
    scope = EnvironmentScope()
    scope.call(os.chdir, "inside")
    assert Path.cwd() == elsewhere
    assert scope.call(Path.cwd) == elsewhere / "inside"
    scope.call(os.chdir, elsewhere)
    assert scope.call(Path.cwd) == Path.cwd() == elsewhere


def test_folder_that_an_environment_removes_leaves_the_process_in_its_own(elsewhere):
    def enter_and_remove() -> None:
        Path("inside").mkdir()
        os.chdir("inside")
        (elsewhere / "inside").rmdir()

    scope = EnvironmentScope()
    for _ in range(2):
        scope.call(enter_and_remove)
        assert Path.cwd() == elsewhere


def test_folder_comes_back_where_an_environment_raises(elsewhere):
    def enter_and_raise() -> None:
        os.chdir("/")
        raise OSError("no such mesh")

    with pytest.raises(OSError, match="mesh"):
        EnvironmentScope().call(enter_and_raise)
    assert Path.cwd() == elsewhere


def test_handlers_that_an_environment_replaces_at_its_start_come_back():
    with catch_signals() as caught:
        EnvironmentScope().start(signal.signal, signal.SIGTERM, signal.SIG_IGN)
        signal.raise_signal(signal.SIGTERM)
    assert caught == [signal.SIGTERM]


LEFT_RUNNING = {
    "thread": "threading.Thread(target=time.sleep, args=(60,)).start()",
    "process": "context.Process(target=time.sleep, args=(60,)).start()",
}


@POSIX
@pytest.mark.parametrize("kind", LEFT_RUNNING)
def test_what_an_environment_leaves_running_does_not_hold_the_command(kind):
    lines = [
        "import multiprocessing, sys, threading, time",
        "from poise.toolkit.process import limit_shutdown",
        "context = multiprocessing.get_context('fork')",
        LEFT_RUNNING[kind],
        "print('done')",
        "limit_shutdown(3, seconds=0.1)",
        "sys.exit(3)",
    ]
    result = python("-c", "\n".join(lines), timeout=30.0)
    assert (result.returncode, result.stdout) == (3, "done\n")
    assert result.stderr.count("\n") == 1 and "left a thread or a process" in result.stderr


# Workers. The functions below run in worker processes.


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
            r"^a worker failed: OddError: .*test_process.py, line \d+, in handle\)",
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
    monkeypatch.setattr(process, "CHECK_INTERVAL", 0.05)
    slow, stopped = start(sleep_in_parts, 4, 0.3), start(echo)
    watchdog = Watchdog([slow, stopped], timeout=0.8)
    assert ask(slow) == "done" and ask(stopped, 1) == (1,)  # Idle workers do not stand still.
    os.kill(stopped.pid, signal.SIGSTOP)
    with pytest.raises(WorkerError, match="stands still: no answer for 1 s"):
        ask(stopped)
    watchdog.close()


@POSIX
def test_stop_signal_shortens_the_patience(start, monkeypatch):
    monkeypatch.setattr(process, "CHECK_INTERVAL", 0.05)
    monkeypatch.setattr(process, "STOP_PATIENCE", 0.3)
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
    assert not process._workers


def test_failed_request_is_named_and_ends_all_workers():
    with pytest.raises(WorkerError, match="shard_3 failed: ValueError: x"):
        list(run_in_workers(fail, ("long",), {"shard_3": 0, "shard_4": 1}, 1))
    assert not process._workers


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
import test_process
from poise.toolkit.process import Worker

if __name__ == "__main__":
    busy = Worker(test_process.sleep_in_parts, (1, 3600.0))
    idle = Worker(test_process.echo, ())
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
