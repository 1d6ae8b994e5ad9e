"""A trained policy: observations of its environment in, actions for it out, both numpy."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np

from poise.algos.registry import restore_learner
from poise.toolkit.registry import make_env
from poise.toolkit.spaces import Array
from poise.toolkit.wrappers import map_leaves, unwrap_learner_env

if TYPE_CHECKING:
    from poise.toolkit.run import Run


class TrainedPolicy:
    """The policy of a run, acting without exploration.

    A learner acts on flat observations and in [-1, 1] (toolkit/registry.py, make_env). This class
    converts between those and the spaces of the environment as `poise.make` and `gymnasium.make`
    give it: images, Dicts and other ranges of actions.

    Args:
        run: the run that holds the policy.
        checkpoint: `latest`, `best` or a step; None is the best.
    """

    def __init__(self, run: "Run", checkpoint: str | None = None) -> None:
        config = run.config
        self._learner = restore_learner(run, checkpoint)
        self._learner_env = unwrap_learner_env(make_env(config["env"], config["env_settings"]))
        self._learner_env.close()
        self.env_id: str = config["env"]
        self.env_settings: dict[str, Any] = config["env_settings"]
        self.observation_space: gymnasium.Space[Any] = self._learner_env.env.observation_space
        self.action_space: gymnasium.Space[Any] = self._learner_env.env.action_space
        self.checkpoint: str = self._learner.checkpoint or ""
        self.path: Path = run.path

    def __call__(self, observation: Any) -> Any:
        """Return the action for one observation, or the actions (N, ...) for N of them.

        Args:
            observation: one element of `observation_space`, or N of them stacked; of a Dict or a
                Tuple, each value is stacked.
        """
        leaves = self._learner_env.encoder.leaves
        values = [leaf.read(observation) for leaf in leaves]
        if np.ndim(values[0]) == len(leaves[0].space.shape or ()):
            return self._act([observation])[0]
        columns = zip(*values, strict=True)
        actions = self._act([map_leaves(self.observation_space, list(row)) for row in columns])
        if isinstance(actions[0], dict | tuple):
            return actions
        return np.stack(actions)

    def reset(self, mask: Array | None = None) -> None:
        """Forget the episodes of the environments where `mask` (N,) is true; None: of all."""
        self._learner.reset(mask, explore=False)

    def _act(self, observations: list[Any]) -> list[Any]:
        """Actions in the environment's own space, for a list of N observations."""
        encode = self._learner_env.encoder.encode
        rows = np.stack([encode(observation) for observation in observations])
        actions = self._learner.act(rows, explore=False)
        return [self._learner_env.decode_action(action) for action in actions]
