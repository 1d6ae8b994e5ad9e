"""The process: signals that stop it, and the cores it may use."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def catch_signals() -> Iterator[list[int]]:
    """The signals caught so far. The first asks the loop to stop and save; a second stops at once."""
    caught: list[int] = []

    def note(number: int, frame: object) -> None:
        if caught:
            os._exit(128 + number)
        caught.append(number)

    try:
        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # Not in the main thread: the caller minds its own signals.
        before = {}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def count_cores() -> int:
    """How many processor cores we may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
