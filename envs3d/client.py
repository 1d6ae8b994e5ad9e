"""A PyBullet client.

Only client.py, body.py, environment.py, hold.py and photograph.py touch PyBullet, so that another engine could stand here one day.
"""

import contextlib
import ctypes
import math
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from poise.toolkit.errors import UserError, WorkError

ERROR_WORDS = ("error", "cannot", "fail", "not found")
"""A line with one of these words is no chatter."""


@contextlib.contextmanager
def suppress_c_output() -> Iterator[None]:
    """Hold back what C code prints meanwhile, on either output; what tells of trouble goes to standard error after all."""
    with tempfile.TemporaryFile() as held:
        _flush_output()
        outputs = {number: os.dup(number) for number in (1, 2)}
        for number in outputs:
            os.dup2(held.fileno(), number)
        try:
            yield
        finally:
            _flush_output()
            for number, output in outputs.items():
                os.dup2(output, number)
                os.close(output)
            held.seek(0)
            for line in held.read().decode(errors="replace").splitlines():
                if any(word in line.lower() for word in ERROR_WORDS):
                    print(line, file=sys.stderr)


def _flush_output() -> None:
    """Python and C have a buffer each."""
    sys.stdout.flush()
    sys.stderr.flush()
    ctypes.CDLL(None).fflush(None)


try:
    with suppress_c_output():
        import pybullet
        from pybullet_utils.bullet_client import BulletClient
except ModuleNotFoundError:
    raise UserError(
        "environments in space need pybullet: pip install -e '.[3d]' (Python 3.11; elsewhere from conda-forge)"
    ) from None


class Client(BulletClient):  # type: ignore[misc]
    """A PyBullet client whose functions are looked up once; each takes its own client's number along.

    What PyBullet cannot do is a WorkError: a body that is missing, a client that has died. Bodies are loaded with
    `mass_scale` times their masses and `friction_scale` times their frictions.
    """

    def __init__(self, mass_scale: float, friction_scale: float) -> None:
        super().__init__(pybullet.DIRECT)
        self.mass_scale = mass_scale
        self.friction_scale = friction_scale

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)

        def function(*words: Any, **more: Any) -> Any:
            try:
                return found(*words, **more)
            except pybullet.error as error:
                raise WorkError(f"PyBullet's {name} failed: {error}") from None

        self.__dict__[name] = function if callable(found) else found
        return self.__dict__[name]

    def has_finite_state(self) -> bool:
        """Whether all bodies are somewhere; a number that is not finite spreads, and no restoring cures it."""
        return all(
            math.isfinite(sum(self.getBasePositionAndOrientation(body)[0]))
            for body in range(self.getNumBodies())
        )
