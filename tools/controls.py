"""What moves a body in the playground: a run's policy, the keys a person holds, the mouse on a rubber band."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete

import algos
from toolkit.errors import UserError
from toolkit.hold import Hold, Place
from toolkit.run import Run
from toolkit.signals import Array

PAIRS = (
    ("left", "right"),
    ("down", "up"),
    ("z", "a"),
    ("x", "w"),
    ("d", "e"),
    ("v", "f"),
    ("g", "t"),
    ("j", "u"),
    ("k", "i"),
    ("l", "o"),
)
"""The keys for less and for more of each number of an action: the arrows, then one key above the other."""
RAMP = 6.0
"""How fast a held key changes the effort (1/s): a tap is a touch, full effort takes a sixth of a second."""
PULL = 20.0
"""What the band does to a body when it is as long as the picture is high (m/s2)."""


class Policy:
    """The policy of a run, as one of its checkpoints holds it."""

    def __init__(self, run: Run, checkpoint: str | None = None) -> None:
        self.run = run
        self._take(run.choose(checkpoint).name)

    @property
    def step(self) -> int:
        """How many steps the checkpoint had trained."""
        return int(self.name.removeprefix("step_"))

    def next(self) -> None:
        """Take the next checkpoint; after the newest comes the oldest. A run that still trains shows its new ones."""
        names = [path.name for path in self.run.policies()]
        self._take(next((name for name in names if name > self.name), names[0]))

    def act(self, observation: Array) -> Array:
        """The action (A,) for an observation (O,)."""
        action: Array = self.learner.act(observation[None], explore=False)[0]
        return action

    def _take(self, name: str) -> None:
        self.learner = algos.restore(self.run, name.removeprefix("step_"))
        self.name = name


def action_size(space: gymnasium.Space[Any]) -> int:
    """How many numbers or choices an action holds; a UserError where keys cannot steer it."""
    steered = isinstance(space, Box | Discrete | MultiDiscrete)
    if not steered or space.shape is None or len(space.shape) > 1:
        raise UserError(f"keys steer a flat Box of actions, or choices; this world takes {space}")
    return int(np.prod(space.shape, dtype=int))


def action_of(effort: Array, space: gymnasium.Space[Any]) -> Any:
    """The action that an effort in [-1, 1] means: itself, or a choice: -1 is the first, 1 the last, 0 in the middle."""
    if isinstance(space, Discrete):
        return int(space.start) + round(float(effort[0] + 1.0) / 2.0 * (int(space.n) - 1))
    if isinstance(space, MultiDiscrete):
        return space.start + np.rint((effort + 1.0) / 2.0 * (space.nvec - 1)).astype(space.dtype)
    return effort


class Controls:
    """Keys as effort: while a key is held its number runs to -1 or 1, and back to 0 when it is let go.

    Keys have pygame's names. Numbers beyond the last pair of keys stay 0.
    """

    def __init__(self, size: int) -> None:
        self.pairs = PAIRS[:size]
        self.effort: Array = np.zeros(size, np.float32)
        self.held: set[str] = set()

    def press(self, key: str) -> None:
        """A key goes down."""
        self.held.add(key)

    def release(self, key: str) -> None:
        """A key comes up."""
        self.held.discard(key)

    def release_all(self) -> None:
        """The hands leave the keyboard."""
        self.held.clear()

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass: every number moves towards what its keys ask for."""
        wanted = np.zeros_like(self.effort)
        for index, (less, more) in enumerate(self.pairs):
            wanted[index] = (more in self.held) - (less in self.held)
        change = np.float32(RAMP * seconds)
        self.effort = self.effort + np.clip(wanted - self.effort, -change, change)


class Band:
    """A rubber band from a hold on a body to where the mouse is.

    It pulls by its length and by the body's own mass, so that a pole of 100 g and a torso of 30 kg feel alike.
    """

    def __init__(self, hold: Hold, cursor: Place, view: float, rate: float) -> None:
        self.hold, self.cursor = hold, cursor
        self.strength = PULL / view * hold.mass / rate

    def pull(self) -> None:
        """Pull for one step of the world."""
        self.hold.push(self.hold.stretch(self.cursor) * self.strength)

    def ends(self) -> tuple[Place, Place]:
        """The body and the mouse in the picture."""
        return self.hold.place(), self.cursor
