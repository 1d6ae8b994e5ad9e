"""Signals, and files that must not outlast the process."""

import os
import signal

import pytest
from processes import python

from poise.toolkit import process
from poise.toolkit.files import atomic_write
from poise.toolkit.process import (
    STOP_SIGNALS,
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
