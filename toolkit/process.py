"""The process itself: signals that stop it, files that must not outlast it, and its cores.

What an environment changes in the process is kept from the rest of it here (EnvironmentScope).

Exit codes after a signal are 128 + its number, as shells count: 130 for SIGINT (Ctrl-C), 143 for
SIGTERM, 129 for SIGHUP (the terminal was closed).
"""

import ctypes
import os
import shutil
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from poise.toolkit.errors import UserError, printable

HANGUP: int | None = getattr(signal, "SIGHUP", None)
"""Signal of a closed terminal; Windows has none."""

STOP_SIGNALS = tuple(
    int(number) for number in (signal.SIGINT, signal.SIGTERM, HANGUP) if number is not None
)
"""Signals that stop a command. All of them mean the same: save, and end."""

SHUTDOWN_SECONDS = 10.0
"""Time for which a command waits for threads that an environment has left behind."""

SHOW_CURSOR = b"\x1b[?25h"

# Signals.


M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
"""Parameters of glibc's mallopt, as malloc.h numbers them."""


class Interrupted(KeyboardInterrupt):
    """A stop signal. The command ends with `exit_code`."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


_caught_signals: list[list[int]] = []
"""The lists of the `catch_signals` blocks that are running."""


@contextmanager
def catch_signals(
    numbers: Sequence[int] = STOP_SIGNALS, *, exit_on_second: bool = True
) -> Iterator[list[int]]:
    """Collect signals in the yielded list instead of raising; restore the handlers afterwards.

    The first signal asks the loop to stop and save. A second one ends the process at once with
    exit code 128 + number; without `exit_on_second` it is collected too. A second SIGHUP is
    ignored: a terminal that closes sends one, and its shell another.

    Outside the main thread, where Python allows no handlers, nothing is caught.
    """
    caught: list[int] = []

    def handle(number: int) -> None:
        if caught and number == HANGUP:
            return
        if caught and exit_on_second:
            exit_now(128 + number)
        caught.append(number)

    _caught_signals.append(caught)
    try:
        with _handle_signals(numbers, handle):
            yield caught
    finally:
        _caught_signals.remove(caught)


@contextmanager
def raise_on_signals(numbers: Sequence[int] = STOP_SIGNALS) -> Iterator[None]:
    """Raise Interrupted at the first signal; a second one ends the process at once.

    For work that has nothing to save: the `finally` clauses remove what is half-written. Where
    Python cannot raise, as in `__del__`, the process ends at once. What a library makes of an
    Interrupted, such as an ImportError, becomes one again.
    """
    raised: list[int] = []

    def handle(number: int) -> None:
        if not raised:
            raised.append(number)
            raise Interrupted(number)
        if number != HANGUP:
            exit_now(128 + number)

    try:
        with _handle_signals(numbers, handle), _no_interrupt_lost():
            yield
    except Exception as error:
        if raised:
            raise Interrupted(raised[0]) from error
        raise
    finally:
        if raised:
            _remove_temporary_paths()


@contextmanager
def _no_interrupt_lost() -> Iterator[None]:
    """End the process where Python would print an Interrupted, and continue."""
    previous_hook = sys.unraisablehook

    def handle(unraisable: Any) -> None:
        if isinstance(unraisable.exc_value, Interrupted):
            exit_now(unraisable.exc_value.exit_code)
        previous_hook(unraisable)

    sys.unraisablehook = handle
    try:
        yield
    finally:
        sys.unraisablehook = previous_hook


def exit_on_signals() -> None:
    """Let every stop signal end the process at once, from now on.

    For a program that has nothing to save yet, where Python would print a traceback.
    """
    _set_handlers(STOP_SIGNALS, lambda number: exit_now(128 + number))


def ignore_signals() -> None:
    """Ignore stop signals from now on.

    For a program that has ended its work: while Python shuts down, a signal would print a
    traceback or change the exit code.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def limit_shutdown(code: int, seconds: float = SHUTDOWN_SECONDS) -> None:
    """End the process with `code` where it has not ended by itself after some seconds.

    For a program that has ended its work: Python waits for every thread and process that an
    environment has left behind, without end.
    """

    def end() -> None:
        with suppress(Exception):  # What an environment has closed or replaced cannot be written.
            message = "warning: the environment has left a thread or a process running; it is ended"
            print(printable(message), file=sys.stderr)
            sys.stdout.flush()
        multiprocessing = sys.modules.get("multiprocessing")
        for child in multiprocessing.active_children() if multiprocessing else ():
            child.kill()
        exit_now(code)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Block stop signals; a process that is started meanwhile begins with them blocked.

    A terminal sends Ctrl-C to all its processes, also to one that has no handler yet.
    """
    if os.name != "posix":
        yield
        return
    from multiprocessing import resource_tracker  # It takes a while: not for every command.

    previous = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        # multiprocessing starts a process for its own use with the first one, and then unblocks.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


def leave_signals_to_parent() -> None:
    """Do nothing at stop signals, in a process that was started with them held back.

    A handler, not SIG_IGN: programs that an environment starts would inherit that.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, lambda number, frame: None)
    if os.name == "posix":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def is_stop_requested() -> bool:
    """Return whether a running `catch_signals` block has caught a signal."""
    return any(_caught_signals)


_last_actions: list[Callable[[], None]] = []


def do_before_exit_now(action: Callable[[], None]) -> None:
    """Let `exit_now` do something before the process ends, such as ending others."""
    _last_actions.append(action)


def exit_now(code: int) -> NoReturn:
    """End the process and its workers at once. What is half-written is removed."""
    for action in _last_actions:
        action()
    _remove_temporary_paths()
    for descriptor in (1, 2):
        with suppress(OSError):
            if os.isatty(descriptor):
                os.write(descriptor, SHOW_CURSOR)  # Progress bars hide it.
    os._exit(code)


@contextmanager
def _handle_signals(numbers: Sequence[int], handle: Callable[[int], None]) -> Iterator[None]:
    previous_handlers = _set_handlers(numbers, handle)
    try:
        yield
    finally:
        for number, handler in previous_handlers.items():
            signal.signal(number, handler)


def _set_handlers(numbers: Sequence[int], handle: Callable[[int], None]) -> dict[int, Any]:
    """Handle signals; return the handlers before, {} outside the main thread."""

    def handle_signal(number: int, frame: object) -> None:
        if number == HANGUP:
            _leave_closed_terminal()
        handle(number)

    previous_handlers: dict[int, Any] = {}
    for number in numbers:
        if number == HANGUP and signal.getsignal(number) == signal.SIG_IGN:
            continue  # `nohup` ignores it, so that the command outlasts its terminal.
        with suppress(ValueError):
            previous_handlers[number] = signal.signal(number, handle_signal)
    return previous_handlers


def _leave_closed_terminal() -> None:
    """Send output to nowhere where the terminal is gone: writing to it would be an error."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        with suppress(OSError):
            is_device = stat.S_ISCHR(os.fstat(descriptor).st_mode)
            if is_device and not os.isatty(descriptor):
                os.dup2(nowhere, descriptor)
    os.close(nowhere)


# What the code of an environment may change.


class EnvironmentScope:
    """Calls the code of an environment in a working folder of its own.

    Where the environment changes the folder, its next call starts there. The rest of the process
    stays in its own, so that the relative paths of runs and films mean one place all the time.
    """

    def __init__(self) -> None:
        self._folder: str | None = None

    def call(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Return what a function returns."""
        outside = _get_folder()
        if self._folder is not None:
            with suppress(OSError):  # It may have been removed since.
                os.chdir(self._folder)
        try:
            return function(*arguments, **options)
        finally:
            inside = _get_folder()
            self._folder = None if inside == outside else inside
            if inside != outside and outside is not None:
                os.chdir(outside)

    def start(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Return what a function returns, and restore how this process ends.

        That is by the handlers of signals, the signals that are blocked, and `sys.excepthook`. For
        what makes or resets an environment: to read them takes too long for each step.
        """
        handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
        blocked = _get_blocked_signals()
        excepthook = sys.excepthook
        try:
            return self.call(function, *arguments, **options)
        finally:
            sys.excepthook = excepthook
            _block_signals(blocked)
            for number, handler in handlers.items():
                if signal.getsignal(number) is not handler:
                    with suppress(ValueError, TypeError):  # Another thread, or not Python's.
                        signal.signal(number, handler)


def _get_blocked_signals() -> set[int]:
    """Return the signals that this thread does not get; on Windows there are none."""
    if sys.platform == "win32":
        return set()
    return set(signal.pthread_sigmask(signal.SIG_BLOCK, ()))


def _block_signals(numbers: set[int]) -> None:
    """Keep these signals, and no others, from this thread."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_SETMASK, numbers)


def _get_folder() -> str | None:
    """Return the working folder; None where it was removed."""
    try:
        return os.getcwd()  # noqa: PTH109  (called at every step, and a Path takes longer)
    except OSError:
        return None


# Files that must not outlast the process.

_temporary_paths: set[Path] = set()


@contextmanager
def temporary_path(path: Path) -> Iterator[Path]:
    """Remove a file or folder at the end of the block, also where a signal ends the process."""
    _temporary_paths.add(path)
    try:
        yield path
    finally:
        remove_path(path)
        _temporary_paths.discard(path)


def _remove_temporary_paths() -> None:
    for path in list(_temporary_paths):
        remove_path(path)


def remove_path(path: Path) -> None:
    """Remove a file or a folder, as far as that can be done."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


# Jobs: commands in processes of their own.


def stop_at_end_of_input(grace_seconds: float) -> None:
    """Stop this process when its standard input ends: the process that holds the other end died.

    It gets SIGTERM, so that it can save, and ends after `grace_seconds` at the latest.
    """

    def watch() -> None:
        with suppress(OSError):
            while os.read(0, 1024):
                pass
        signal.raise_signal(signal.SIGTERM)
        time.sleep(grace_seconds)
        exit_now(128 + signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def is_dead(pid: int) -> bool:
    """Return whether there is no process of this number; False where the system does not say."""
    if os.name != "posix":
        return False  # There, os.kill ends it.
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False  # It is another user's.
    return False


# Cores and memory.


def count_cores() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def limit_cores(number: int | None) -> Iterator[None]:
    """Pin this process to its first `number` cores within the block; None: pin nothing.

    Processes that are started in the block inherit it.

    Raises:
        UserError: there are fewer cores, or the system pins no process to cores.
    """
    if number is None:
        yield
        return
    if not hasattr(os, "sched_setaffinity"):
        raise UserError("this system pins no process to cores: leave out --cores")
    if number > count_cores():
        raise UserError(f"--cores {number}: this process may use {count_cores()}")
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(cores)[:number])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def get_physical_memory() -> int | None:
    """Return the memory of this computer (bytes), None where the system does not name it."""
    if not hasattr(os, "sysconf"):
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def keep_freed_memory() -> None:
    """Make the C library keep the memory of freed arrays for the next ones, where it is glibc.

    By default it returns arrays of some hundred kilobytes to the system, and the next one of that
    size costs a page fault for every 4 KiB.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return  # Another C library.
    mallopt(M_MMAP_THRESHOLD, 32 * 2**20)  # The largest that glibc takes.
    mallopt(M_TRIM_THRESHOLD, 256 * 2**20)


def measure_child_memory() -> int:
    """Return the largest memory that any process started by this one took so far (bytes).

    Raises:
        UserError: the operating system does not measure it.
    """
    try:
        import resource
    except ImportError:
        raise UserError("the memory of a process cannot be measured on Windows") from None
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak  # Elsewhere in KiB.
