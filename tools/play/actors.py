"""What moves a body in the playground: a run's policy, the keys a person holds, the mouse on a rubber band."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from poise import algos
from poise.toolkit.errors import UserError
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array

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


class Policy:
    """The policy of a run, as one of its checkpoints holds it."""

    def __init__(self, run: Run, checkpoint: str | None = None) -> None:
        self.run = run
        self._take(run.choose(checkpoint).name)

    @property
    def step(self) -> int:
        """How many steps the checkpoint had trained."""
        return int(self.name.removeprefix("step_"))

    def switch(self, by: int) -> None:
        """Take the checkpoint so many further; newest and oldest are neighbours. A run that still trains shows its new ones."""
        names = [path.name for path in self.run.policies()]
        place = names.index(self.name) if self.name in names else -1
        self._take(names[(place + by) % len(names)])

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


def shared(own: Any, person: Any, share: float, space: gymnasium.Space[Any]) -> Any:
    """The action between a policy's own and a person's, who has this share in it; of choices, whose share is larger."""
    if isinstance(space, Box):
        return np.asarray((1.0 - share) * own + share * person, space.dtype)
    return person if share > 0.5 else own


def action_of(effort: Array, space: gymnasium.Space[Any]) -> Any:
    """The action that an effort in [-1, 1] means: itself, or a choice: -1 is the first, 1 the last, 0 in the middle."""
    if isinstance(space, Discrete):
        return int(space.start) + round(float(effort[0] + 1.0) / 2.0 * (int(space.n) - 1))
    if isinstance(space, MultiDiscrete):
        return space.start + np.rint((effort + 1.0) / 2.0 * (space.nvec - 1)).astype(space.dtype)
    return np.asarray(effort, space.dtype)


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
