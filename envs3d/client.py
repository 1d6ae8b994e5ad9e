"""A PyBullet client.

In envs3d only client, body, renderer, interaction and spatial call PyBullet, so that another engine
could replace it.
"""

import contextlib
import ctypes
import math
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from poise.envs3d import advise_installation
from poise.toolkit.errors import UserError, WorkError, printable

ERROR_WORDS = ("error", "cannot", "fail", "not found")
"""Words that mark a line of C output as an error: it is printed after all."""


@contextlib.contextmanager
def suppress_c_output() -> Iterator[None]:
    """Suppress what C code prints within a `with` block, on both outputs.

    Lines with ERROR_WORDS go to standard error afterwards.
    """
    with tempfile.TemporaryFile() as captured:
        _flush_output()
        saved_outputs = {number: os.dup(number) for number in (1, 2)}
        for number in saved_outputs:
            os.dup2(captured.fileno(), number)
        try:
            yield
        finally:
            _flush_output()
            for number, output in saved_outputs.items():
                os.dup2(output, number)
                os.close(output)
            captured.seek(0)
            for line in captured.read().decode(errors="replace").splitlines():
                if any(word in line.lower() for word in ERROR_WORDS):
                    print(printable(line), file=sys.stderr)


def _flush_output() -> None:
    """Flush the output buffers of Python and of C."""
    sys.stdout.flush()
    sys.stderr.flush()
    ctypes.CDLL(None).fflush(None)


try:
    with suppress_c_output():
        import pybullet
        from pybullet_utils.bullet_client import BulletClient
except ModuleNotFoundError:
    raise UserError(f"environments in space need pybullet: {advise_installation()}") from None


class Client(BulletClient):  # type: ignore[misc]
    """A PyBullet client whose functions are looked up once and pass its own client id.

    Errors of PyBullet are raised as WorkError: a missing body, a disconnected client. Bodies are
    loaded with `mass_scale` times their masses and `friction_scale` times their frictions.
    """

    def __init__(self, mass_scale: float, friction_scale: float) -> None:
        super().__init__(pybullet.DIRECT)
        self.num_pushes = 0
        """Pushes since the last reset: their forces act in the next step, and cannot be read."""
        self.mass_scale = mass_scale
        self.friction_scale = friction_scale

    def __getattr__(self, name: str) -> Any:
        attribute = super().__getattr__(name)

        def function(*args: Any, **kwargs: Any) -> Any:
            try:
                return attribute(*args, **kwargs)
            except pybullet.error as error:
                raise WorkError(f"PyBullet's {name} failed: {error}") from None

        # Once stored, the attribute is found without a call of __getattr__.
        self.__dict__[name] = function if callable(attribute) else attribute
        return self.__dict__[name]

    def has_finite_state(self) -> bool:
        """Return whether the positions of all bodies are finite.

        A NaN contaminates other bodies, and restoreState does not remove it.
        """
        return all(
            math.isfinite(sum(self.getBasePositionAndOrientation(body)[0]))
            for body in range(self.getNumBodies())
        )
