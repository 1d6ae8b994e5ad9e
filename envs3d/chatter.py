"""PyBullet's chatter: what its C code prints, where only what the user asked for should stand."""

import contextlib
import ctypes
import os
import sys
import tempfile
from collections.abc import Iterator

TROUBLE = ("error", "cannot", "fail", "not found")
"""A line with one of these words is no chatter."""


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Hold back what C code prints meanwhile, on either output; what tells of trouble goes to standard error after all."""
    with tempfile.TemporaryFile() as held:
        _flush()
        outputs = {number: os.dup(number) for number in (1, 2)}
        for number in outputs:
            os.dup2(held.fileno(), number)
        try:
            yield
        finally:
            _flush()
            for number, output in outputs.items():
                os.dup2(output, number)
                os.close(output)
            held.seek(0)
            for line in held.read().decode(errors="replace").splitlines():
                if any(word in line.lower() for word in TROUBLE):
                    print(line, file=sys.stderr)


def _flush() -> None:
    """Python and C have a buffer each."""
    sys.stdout.flush()
    sys.stderr.flush()
    ctypes.CDLL(None).fflush(None)
