"""What moves a body in the playground: a run's policy, the keys a person holds, the mouse on a rubber band."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete

from poise import algos
from poise.toolkit.errors import UserError
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array

KEY_PAIRS = (
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


RAMP_RATE = 6.0
"""How fast a held key changes the effort (1/s): a tap is a touch, full effort takes a sixth of a second."""


class PolicyActor:
    """The policy of a run, as one of its checkpoints holds it."""

    def __init__(self, run: Run, checkpoint: str | None = None) -> None:
        self.run = run
        self._load_checkpoint(run.find_checkpoint(checkpoint).name)

    @property
    def training_steps(self) -> int:
        """How many steps the checkpoint had trained."""
        return int(self.checkpoint_name.removeprefix("step_"))

    def switch_checkpoint(self, offset: int) -> None:
        """Take the checkpoint so many further; newest and oldest are neighbours. A run that still trains shows its new ones."""
        names = [path.name for path in self.run.policies()]
        place = names.index(self.checkpoint_name) if self.checkpoint_name in names else -1
        self._load_checkpoint(names[(place + offset) % len(names)])

    def act(self, observation: Array) -> Array:
        """The action (A,) for an observation (O,)."""
        action: Array = self.learner.act(observation[None], explore=False)[0]
        return action

    def _load_checkpoint(self, name: str) -> None:
        self.learner = algos.restore_learner(self.run, name.removeprefix("step_"))
        self.checkpoint_name = name


def get_action_dim(space: gymnasium.Space[Any]) -> int:
    """How many numbers or choices an action holds; a UserError where keys cannot steer it."""
    steered = isinstance(space, Box | Discrete | MultiDiscrete)
    if not steered or space.shape is None or len(space.shape) > 1:
        raise UserError(
            f"keys steer a flat Box of actions, or choices; this environment takes {space}"
        )
    return int(np.prod(space.shape, dtype=int))


def blend_actions(
    policy_action: Any, human_action: Any, human_share: float, space: gymnasium.Space[Any]
) -> Any:
    """The action between a policy's own and a person's, who has this share in it; of choices, whose share is larger."""
    if isinstance(space, Box):
        return np.asarray(
            (1.0 - human_share) * policy_action + human_share * human_action, space.dtype
        )
    return human_action if human_share > 0.5 else policy_action


def convert_action(action: Array, space: gymnasium.Space[Any]) -> Any:
    """The action that an effort in [-1, 1] means: itself, or a choice: -1 is the first, 1 the last, 0 in the middle."""
    if isinstance(space, Discrete):
        return int(space.start) + round(float(action[0] + 1.0) / 2.0 * (int(space.n) - 1))
    if isinstance(space, MultiDiscrete):
        return space.start + np.rint((action + 1.0) / 2.0 * (space.nvec - 1)).astype(space.dtype)
    return np.asarray(action, space.dtype)


class KeyboardActor:
    """Keys as effort: while a key is held its number runs to -1 or 1, and back to 0 when it is let go.

    Keys have pygame's names. Numbers beyond the last pair of keys stay 0.
    """

    def __init__(self, action_dim: int) -> None:
        self.key_pairs = KEY_PAIRS[:action_dim]
        self.action: Array = np.zeros(action_dim, np.float32)
        self.pressed_keys: set[str] = set()

    def press(self, key: str) -> None:
        """A key goes down."""
        self.pressed_keys.add(key)

    def release(self, key: str) -> None:
        """A key comes up."""
        self.pressed_keys.discard(key)

    def release_all(self) -> None:
        """The hands leave the keyboard."""
        self.pressed_keys.clear()

    def update(self, seconds: float) -> None:
        """Let `seconds` pass: every number moves towards what its keys ask for."""
        wanted = np.zeros_like(self.action)
        for index, (less, more) in enumerate(self.key_pairs):
            wanted[index] = (more in self.pressed_keys) - (less in self.pressed_keys)
        change = np.float32(RAMP_RATE * seconds)
        self.action = self.action + np.clip(wanted - self.action, -change, change)
