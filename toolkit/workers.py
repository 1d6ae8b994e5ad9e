"""Worker processes: they answer requests, are watched, and end with the process that wants them."""

import atexit
import ctypes
import multiprocessing
import signal
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from typing import Any, NamedTuple

from poise.toolkit.errors import EnvironmentFailedError, UserError, WorkerError, WorkError
from poise.toolkit.process import (
    do_before_exit_now,
    exit_now,
    is_stop_requested,
    leave_signals_to_parent,
    signals_held_back,
)

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
        with signals_held_back():
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
    atexit.register(_stop_all_workers)
    do_before_exit_now(_stop_all_workers)


def _stop_all_workers() -> None:
    stop_workers(list(_workers))


def _run_worker(status: WorkerStatus, connection: Connection, lifeline: Connection) -> None:
    """Answer requests in this process, until the connection closes."""
    leave_signals_to_parent()  # It saves, and then ends its workers.
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
