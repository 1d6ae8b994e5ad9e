"""The process itself: signals that stop it, worker processes that end with it, and its cores.

What an environment changes in the process is kept from the rest of it here (EnvironmentScope).

Exit codes after a signal are 128 + its number, as shells count: 130 for SIGINT (Ctrl-C), 143 for
SIGTERM, 129 for SIGHUP (the terminal was closed).
"""

import atexit
import ctypes
import multiprocessing
import os
import shutil
import signal
import stat
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from poise.toolkit.errors import (
    EnvironmentFailedError,
    UserError,
    WorkerError,
    WorkError,
    printable,
)

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

    For work that has nothing to save: the `finally` clauses remove what is half-written.
    """
    raised: list[int] = []

    def handle(number: int) -> None:
        if not raised:
            raised.append(number)
            raise Interrupted(number)
        if number != HANGUP:
            exit_now(128 + number)

    try:
        with _handle_signals(numbers, handle):
            yield
    finally:
        if raised:
            _remove_temporary_paths()


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
        for child in multiprocessing.active_children():
            child.kill()
        exit_now(code)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def is_stop_requested() -> bool:
    """Return whether a running `catch_signals` block has caught a signal."""
    return any(_caught_signals)


def exit_now(code: int) -> NoReturn:
    """End the process and its workers at once. What is half-written is removed."""
    stop_workers(list(_workers))
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
        """Return what a function returns, and restore the handlers of signals that it replaced.

        For what makes or resets an environment: to read the handlers takes too long for each step.
        """
        handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
        try:
            return self.call(function, *arguments, **options)
        finally:
            for number, handler in handlers.items():
                if signal.getsignal(number) is not handler:
                    with suppress(ValueError, TypeError):  # Another thread, or not Python's.
                        signal.signal(number, handler)


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
        _remove(path)
        _temporary_paths.discard(path)


def _remove_temporary_paths() -> None:
    for path in list(_temporary_paths):
        _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


# Workers.

CHECK_INTERVAL = 0.5
"""Seconds between two looks at the workers."""

START_PATIENCE = 10.0
"""Factor on the timeout of a worker that starts: it imports packages and loads models."""

STOP_PATIENCE = 5.0
"""Seconds that a worker may still take for its answer after a stop signal."""

CLOSE_SECONDS = 5.0
"""Seconds that an idle worker may take to close its work."""

END_SECONDS = 1.0
"""Seconds that workers may take to end at once; then they are killed."""

MAX_MESSAGE_LENGTH = 500
"""Characters of the message of an error that are kept."""

Handler = Callable[[Any], Any]
"""Answers the requests to a worker, one at a time."""


class WorkerStatus(ctypes.Structure):
    """What a worker is doing, in memory that it shares with its parent.

    It can be read after the worker has died. A worker whose status changes does not stand still.
    `seed` is that of the episode of the environment, -1 before the first.
    """

    _fields_ = (
        ("num_answers", ctypes.c_int64),
        ("progress", ctypes.c_int64),
        ("env_index", ctypes.c_int64),
        ("seed", ctypes.c_int64),
    )


class Failure(NamedTuple):
    """An exception as text: one of a user's module may be impossible to send or to rebuild."""

    kind: str
    message: str
    place: str
    """File, line and function that raised it."""
    traceback_text: str

    @classmethod
    def from_error(cls, error: BaseException) -> "Failure":
        """Describe an exception. Nothing that its class does can make this fail."""
        try:
            message = str(error)
        except Exception:
            message = "(its message cannot be read)"
        try:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{frame.filename}, line {frame.lineno}, in {frame.name}"
            traceback_text = "".join(traceback.format_tb(error.__traceback__))
        except Exception:
            place = "unknown place"
            traceback_text = ""
        return cls(type(error).__name__, message[:MAX_MESSAGE_LENGTH], place, traceback_text)

    def to_error(self, task: str) -> UserError | WorkError:
        """Return an error of toolkit.errors as it was; any other as a WorkerError of `task`."""
        for error_class in (UserError, WorkError, EnvironmentFailedError, WorkerError):
            if self.kind == error_class.__name__:
                return error_class(self.message)
        summary = f"{self.kind}: {self.message}" if self.message else self.kind
        error = WorkerError(f"{task} failed: {summary} ({self.place})")
        error.add_note(f"In the worker process:\n{self.traceback_text}{summary}")
        return error


class Worker:
    """A process that answers requests, one at a time, and never outlasts this one.

    `make_handler(status, *arguments)` runs in the new process; its result answers the requests.
    The first answer, None, comes when it is made. Requests and answers are plain data. Both ends
    of a pipe that carries nothing, the lifeline, are held for as long as the parent wants the
    worker: it ends at once when the pipe closes, however the parent ended.

    Args:
        make_handler: a function or class of a module.
        arguments: its further arguments.
    """

    def __init__(self, make_handler: Callable[..., Handler], arguments: Sequence[Any]) -> None:
        # Spawned, not forked: a fork would inherit torch's thread pool without its threads.
        context = multiprocessing.get_context("spawn")
        self.status: WorkerStatus = context.RawValue(WorkerStatus)
        self.status.seed = -1
        self.num_requests = 0
        self.describe_task: Callable[[], str] = partial(str, "a worker")
        """Words what the worker does, for the errors of `send` and `receive`."""
        self._stop_reason = ""
        self.connection, connection = context.Pipe()
        lifeline, self._lifeline = context.Pipe(duplex=False)
        # Not a daemon: an environment may start processes of its own.
        self._process = context.Process(
            target=_run_worker, args=(self.status, connection, lifeline), daemon=False
        )
        with _signals_held_back():
            self._process.start()
        connection.close()
        lifeline.close()
        _workers.add(self)
        _stop_workers_at_exit()
        # Sent, not passed as arguments of the process: the modules that they need are imported
        # when the lifeline is being watched.
        try:
            self.send((make_handler, arguments))
        except WorkError:
            raise
        except Exception as error:  # What is raised depends on what cannot be sent.
            self.kill()
            raise UserError(f"cannot be sent to a worker process: {error}") from None

    @property
    def pid(self) -> int | None:
        """Id of the process."""
        return self._process.pid

    @property
    def is_busy(self) -> bool:
        """Whether it owes an answer."""
        return bool(self.num_requests > self.status.num_answers)

    def send(self, request: Any) -> None:
        """Send a request; a WorkerError where the process has died."""
        self.num_requests += 1
        try:
            self.connection.send(request)
        except OSError:
            raise self._make_end_error() from None

    def receive(self) -> Any:
        """Wait for the answer to the oldest request.

        Raises:
            UserError, WorkError: the handler raised it.
            WorkerError: the handler raised anything else, or the process died.
        """
        try:
            answer = self.connection.recv()
        except (EOFError, OSError):
            raise self._make_end_error() from None
        if isinstance(answer, Failure):
            raise answer.to_error(self.describe_task())
        return answer

    def close(self) -> None:
        """End the process: an idle one closes its work first."""
        is_idle = not self.is_busy
        self.connection.close()
        if is_idle:
            self._process.join(CLOSE_SECONDS)
        stop_workers([self])

    def cut_lifeline(self) -> None:
        """Let the process end at once, if it still can."""
        self._lifeline.close()

    def kill(self, reason: str = "") -> None:
        """Kill the process, even one that is stopped; `reason` is that of the WorkerError."""
        self._stop_reason = self._stop_reason or reason
        self._process.kill()
        self._process.join()

    def join(self, seconds: float) -> None:
        """Wait for the end of the process, but no longer than `seconds`."""
        self._process.join(seconds)

    def _make_end_error(self) -> WorkerError:
        task = self.describe_task()
        if self._stop_reason:
            return WorkerError(f"{task} {self._stop_reason}")
        self._process.join(END_SECONDS)
        code = self._process.exitcode
        if code is None:
            end = "has closed its pipe"
        elif code < 0:
            end = f"was killed by {signal.Signals(-code).name}"
        else:
            end = f"has ended with exit code {code}"
        return WorkerError(f"the worker process of {task} {end}")


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Block stop signals; a process that is started meanwhile begins with them blocked.

    A terminal sends Ctrl-C to all its processes, also to one that has no handler yet.
    """
    if os.name != "posix":
        yield
        return
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        # multiprocessing starts a process for its own use with the first one, and then unblocks.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


_workers: "weakref.WeakSet[Worker]" = weakref.WeakSet()


def stop_workers(workers: Sequence[Worker]) -> None:
    """End processes at once; they remove what is half-written."""
    for worker in workers:
        worker.cut_lifeline()
    deadline = time.monotonic() + END_SECONDS
    for worker in workers:
        worker.join(max(0.0, deadline - time.monotonic()))
        worker.kill()
        _workers.discard(worker)


@cache
def _stop_workers_at_exit() -> None:
    # multiprocessing has registered a function that waits for all processes. The functions run
    # in reverse order: this one comes first.
    atexit.register(lambda: stop_workers(list(_workers)))


def _run_worker(status: WorkerStatus, connection: Connection, lifeline: Connection) -> None:
    """Answer requests in this process, until the connection closes."""
    for number in STOP_SIGNALS:
        # The parent saves and then ends its workers. A handler, not SIG_IGN: programs that an
        # environment starts would inherit that.
        signal.signal(number, lambda number, frame: None)
    if os.name == "posix":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    threading.Thread(target=_exit_at_end, args=(lifeline,), daemon=True).start()

    handler: Handler | None = None
    with suppress(EOFError, OSError):  # The parent has closed the connection.
        while True:
            data = connection.recv_bytes()
            answer: Any = None
            try:
                request = ForkingPickler.loads(data)
                if handler is None:
                    make_handler, arguments = request
                    handler = make_handler(status, *arguments)
                else:
                    answer = handler(request)
            except BaseException as error:  # SystemExit too: an environment may call sys.exit.
                answer = Failure.from_error(error)
            status.num_answers += 1
            _send(connection, answer)
    close = getattr(handler, "close", None)
    if close is not None:
        close()


def _send(connection: Connection, answer: Any) -> None:
    try:
        connection.send(answer)
    except OSError:
        raise
    except Exception as error:  # The answer holds what cannot be sent.
        connection.send(Failure.from_error(error))


def _exit_at_end(lifeline: Connection) -> None:
    """Wait until the parent has closed its end of the lifeline, by its own end at the latest."""
    with suppress(EOFError, OSError):
        lifeline.recv_bytes()
    exit_now(0)


class Watchdog:
    """A thread that kills workers that stand still, so that nothing waits for them for ever.

    A busy worker stands still while its status does not change. It may do so for `timeout`
    seconds (0: for ever), for longer while it starts, and for STOP_PATIENCE after a stop signal.
    """

    def __init__(self, workers: Sequence[Worker], timeout: float) -> None:
        self._workers = workers
        self._timeout = timeout or float("inf")
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._thread.join()

    def _watch(self) -> None:
        states = [b""] * len(self._workers)
        still_seconds = [0.0] * len(self._workers)
        last_time = time.monotonic()
        while not self._closed.wait(CHECK_INTERVAL):
            now = time.monotonic()
            # Seconds of a pause of this process (Ctrl-Z) do not count.
            elapsed = min(now - last_time, 2.0 * CHECK_INTERVAL)
            last_time = now
            for index, worker in enumerate(self._workers):
                state = bytes(worker.status) + worker.num_requests.to_bytes(8, "little")
                if state != states[index] or not worker.is_busy:
                    states[index] = state
                    still_seconds[index] = 0.0
                    continue
                still_seconds[index] += elapsed
                if still_seconds[index] >= self._get_patience(worker):
                    worker.kill(
                        f"stands still: no answer for {still_seconds[index]:.0f} s; if it is only "
                        "slow, set a longer worker_timeout (seconds; 0: no limit), or resume with "
                        "--num-workers 1"
                    )

    def _get_patience(self, worker: Worker) -> float:
        if is_stop_requested():
            return min(STOP_PATIENCE, self._timeout)
        is_starting = worker.status.num_answers == 0
        return self._timeout * (START_PATIENCE if is_starting else 1.0)


def run_in_workers(
    make_handler: Callable[..., Handler],
    arguments: Sequence[Any],
    requests: Mapping[str, Any],
    num_workers: int,
) -> Iterator[Any]:
    """Answer all requests in `num_workers` processes; yield the answers as they come.

    The keys of `requests` name them in errors. All processes end with the iterator.
    """
    waiting = list(requests)
    workers: dict[Any, Worker] = {}
    try:
        for _ in range(min(num_workers, len(waiting))):
            worker = Worker(make_handler, arguments)
            workers[worker.connection] = worker
        while workers:
            for connection in wait(list(workers)):
                worker = workers[connection]
                answer = worker.receive()
                if worker.num_requests > 1:  # The first answer is that it has started.
                    yield answer
                if waiting:
                    name = waiting.pop(0)
                    worker.describe_task = partial(str, name)
                    worker.send(requests[name])
                else:
                    worker.close()
                    del workers[connection]
    finally:
        stop_workers(list(workers.values()))


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


# Cores.


def count_cores() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def get_physical_memory() -> int | None:
    """Return the memory of this computer (bytes), None where the system does not name it."""
    if not hasattr(os, "sysconf"):
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


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
