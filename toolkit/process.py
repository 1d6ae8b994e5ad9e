"""The process itself: the signals that stop it, and the cores that it may use."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


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
