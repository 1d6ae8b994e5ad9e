"""Signals, and files that must not outlast the process."""

import os
import platform
import signal
import sys
from pathlib import Path

import pytest
from processes import python

from poise.toolkit import process
from poise.toolkit.files import atomic_write
from poise.toolkit.process import (
    STOP_SIGNALS,
    EnvironmentScope,
    Interrupted,
    catch_signals,
    is_stop_requested,
    raise_on_signals,
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


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="Windows blocks no signals")
def test_signals_that_an_environment_blocks_and_its_excepthook_do_not_outlast_its_start():
    def block() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
        sys.excepthook = lambda *error: None

    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    excepthook = sys.excepthook
    try:
        EnvironmentScope().start(block)
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == blocked
        assert sys.excepthook is excepthook
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        sys.excepthook = excepthook


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


def test_interrupt_that_a_library_turns_into_its_own_error_stays_one():
    with pytest.raises(Interrupted), raise_on_signals():
        try:
            signal.raise_signal(signal.SIGINT)
        except Interrupted:
            raise ImportError("numpy failed to import") from None


UNRAISABLE = """
import signal
from poise.toolkit.process import raise_on_signals

class Closed:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

with raise_on_signals():
    Closed()
    print("never")
"""


def test_interrupt_where_python_cannot_raise_ends_the_process():
    ended = python("-c", UNRAISABLE)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


# Memory.

FAULTS = """
import resource
import numpy as np
from poise.toolkit.process import keep_freed_memory

def use_memory():
    return [np.ones(2**17, np.float32) for _ in range(8)]

keep_freed_memory()
use_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    use_memory()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_kept_memory_is_used_again_without_page_faults():
    assert int(python("-c", FAULTS).stdout) < 1000  # About 100,000 without.
