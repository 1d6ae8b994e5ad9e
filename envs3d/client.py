"""A PyBullet client.

Only client.py, body.py, world.py, hold.py and photograph.py touch PyBullet, so that another engine could stand here one day.
"""

import math
from typing import Any

from envs3d.chatter import silenced
from toolkit.errors import UserError, WorkError

try:
    with silenced():
        import pybullet
        from pybullet_utils.bullet_client import BulletClient
except ModuleNotFoundError:
    raise UserError("worlds in space need pybullet: pip install -e '.[3d]' (Python 3.11; elsewhere from conda-forge)") from None


class Client(BulletClient):  # type: ignore[misc]
    """A PyBullet client whose functions are looked up once; each takes its own client's number along.

    What PyBullet cannot do is a WorkError: a body that is missing, a client that has died. Bodies are loaded with
    `mass_scale` times their masses and `friction_scale` times their frictions.
    """

    def __init__(self, mass_scale: float, friction_scale: float) -> None:
        super().__init__(pybullet.DIRECT)
        self.mass_scale, self.friction_scale = mass_scale, friction_scale

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)

        def function(*words: Any, **more: Any) -> Any:
            try:
                return found(*words, **more)
            except pybullet.error as error:
                raise WorkError(f"PyBullet's {name} failed: {error}") from None

        self.__dict__[name] = function if callable(found) else found
        return self.__dict__[name]

    def is_sound(self) -> bool:
        """Whether all bodies are somewhere; a number that is not finite spreads, and no restoring cures it."""
        return all(math.isfinite(sum(self.getBasePositionAndOrientation(body)[0])) for body in range(self.getNumBodies()))
