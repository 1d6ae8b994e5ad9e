"""Sources of actions in the playground: a run's policy and the keyboard."""

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
"""Keys that decrease and increase each action component: arrows, then a key and the one above."""


RAMP_RATE = 6.0
"""Rate at which a held key changes its component (1/s): from 0 to 1 in a sixth of a second."""


class PolicyActor:
    """The policy of a run, restored from one of its checkpoints."""

    def __init__(self, run: Run, checkpoint: str | None = None) -> None:
        self.run = run
        self._load_checkpoint(run.find_checkpoint(checkpoint).name)

    @property
    def training_steps(self) -> int:
        """Training steps before the checkpoint was saved."""
        return int(self.checkpoint_name.removeprefix("step_"))

    def switch_checkpoint(self, offset: int) -> None:
        """Load the checkpoint `offset` positions further; the oldest follows the newest.

        The checkpoints are listed anew, so those of a run that is still training become available.
        """
        names = [path.name for path in self.run.policies()]
        index = names.index(self.checkpoint_name) if self.checkpoint_name in names else -1
        self._load_checkpoint(names[(index + offset) % len(names)])

    def act(self, observation: Array) -> Array:
        """Return the action (A,) for an observation (O,), without exploration."""
        action: Array = self.learner.act(observation[None], explore=False)[0]
        return action

    def reset(self) -> None:
        """Clear the policy's memory before an episode."""
        self.learner.reset(explore=False)

    def _load_checkpoint(self, name: str) -> None:
        self.learner = algos.restore_learner(self.run, name.removeprefix("step_"))
        self.checkpoint_name = name


class KeyboardActor:
    """Turn held keys into an action (A,) in [-1, 1].

    While a key is held, its component ramps to -1 or 1; after its release, back to 0. Keys have
    pygame's names. Components beyond the last pair of keys stay 0.
    """

    def __init__(self, action_dim: int) -> None:
        self.key_pairs = KEY_PAIRS[:action_dim]
        self.action: Array = np.zeros(action_dim, np.float32)
        self.pressed_keys: set[str] = set()

    def press(self, key: str) -> None:
        """Mark a key as held."""
        self.pressed_keys.add(key)

    def release(self, key: str) -> None:
        """Mark a key as released."""
        self.pressed_keys.discard(key)

    def release_all(self) -> None:
        """Mark all keys as released."""
        self.pressed_keys.clear()

    def update(self, seconds: float) -> None:
        """Advance by `seconds`: move every component towards the value that its keys demand."""
        target = np.zeros_like(self.action)
        for index, (decrease, increase) in enumerate(self.key_pairs):
            target[index] = (increase in self.pressed_keys) - (decrease in self.pressed_keys)
        max_change = np.float32(RAMP_RATE * seconds)
        self.action = self.action + np.clip(target - self.action, -max_change, max_change)


def get_action_dim(space: gymnasium.Space[Any]) -> int:
    """Return the number of action components; a UserError if keys cannot control the space."""
    is_supported = isinstance(space, Box | Discrete | MultiDiscrete)
    if not is_supported or space.shape is None or len(space.shape) > 1:
        raise UserError(
            "keys control a Box with one axis, a Discrete or a MultiDiscrete action space; "
            f"this environment has {space}"
        )
    return int(np.prod(space.shape, dtype=int))


def convert_action(action: Array, space: gymnasium.Space[Any]) -> Any:
    """Convert a keyboard action (A,) in [-1, 1] to an action of `space`.

    A Box takes it as it is. Of discrete choices, -1 is the first, 1 the last and 0 the middle one.
    """
    if isinstance(space, Discrete):
        index = round(float(action[0] + 1.0) / 2.0 * (int(space.n) - 1))
        return int(space.start) + index
    if isinstance(space, MultiDiscrete):
        indices = np.rint((action + 1.0) / 2.0 * (space.nvec - 1))
        return space.start + indices.astype(space.dtype)
    return np.asarray(action, space.dtype)


def blend_actions(
    policy_action: Any, human_action: Any, human_share: float, space: gymnasium.Space[Any]
) -> Any:
    """Return the weighted mean of both actions; of choices, the one with the larger weight.

    `human_share`, in [0, 1], is the weight of the human's action.
    """
    if isinstance(space, Box):
        blended = (1.0 - human_share) * policy_action + human_share * human_action
        return np.asarray(blended, space.dtype)
    return human_action if human_share > 0.5 else policy_action
