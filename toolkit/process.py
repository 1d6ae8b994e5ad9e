"""The process itself: the signals that stop it, and the cores that it may use."""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from poise.toolkit.errors import UserError


@contextmanager
def catch_signals(
    numbers: Sequence[int] = (signal.SIGINT, signal.SIGTERM), *, exit_on_second: bool = True
) -> Iterator[list[int]]:
    """Collect signals in the yielded list instead of raising; restore the handlers afterwards.

    The first signal asks the loop to stop and save. A second one ends the process at once with
    exit code 128 + number; without `exit_on_second` it is collected too.

    Outside the main thread, where Python allows no handlers, nothing is caught.
    """
    caught: list[int] = []

    def handle(number: int, frame: object) -> None:
        if caught and exit_on_second:
            os._exit(128 + number)
        caught.append(number)

    try:
        previous_handlers = {number: signal.signal(number, handle) for number in numbers}
    except ValueError:
        previous_handlers = {}
    try:
        yield caught
    finally:
        for number, handler in previous_handlers.items():
            signal.signal(number, handler)


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
