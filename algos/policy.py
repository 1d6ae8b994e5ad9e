"""A trained policy: observations of its environment in, actions for it out, both numpy."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np

from poise.algos.registry import restore_learner
from poise.toolkit.registry import make_env
from poise.toolkit.spaces import Array

if TYPE_CHECKING:
    from poise.toolkit.run import Run

WRAPPERS = (gymnasium.ObservationWrapper, gymnasium.ActionWrapper)


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
        env = make_env(config["env"], config["env_settings"])
        self._wrappers: list[Any] = []  # from the outermost to the innermost
        while isinstance(env, gymnasium.Wrapper):
            if isinstance(env, WRAPPERS):
                self._wrappers.append(env)
            env = env.env
        env.close()
        self.env_id: str = config["env"]
        self.env_settings: dict[str, Any] = config["env_settings"]
        self.observation_space: gymnasium.Space[Any] = env.observation_space
        self.action_space: gymnasium.Space[Any] = env.action_space
        self.checkpoint: str = self._learner.checkpoint or ""
        self.path: Path = run.path

    def __call__(self, observation: Any) -> Array:
        """Return the action for one observation, or the actions (N, ...) for N of them.

        Args:
            observation: one element of `observation_space`, or N of them stacked; of a Dict, each
                value is stacked.
        """
        if self._is_single(observation):
            action: Array = self._act([observation])[0]
            return action
        if isinstance(observation, dict):
            number = len(next(iter(observation.values())))
            rows = [{key: value[i] for key, value in observation.items()} for i in range(number)]
        else:
            rows = list(observation)
        return self._act(rows)

    def reset(self, mask: Array | None = None) -> None:
        """Forget the episodes of the environments where `mask` (N,) is true; None: of all."""
        self._learner.reset(mask, explore=False)

    def _act(self, observations: list[Any]) -> Array:
        """Actions (N, ...) in the environment's own range, for a list of N observations."""
        for wrapper in reversed(self._wrappers):
            if isinstance(wrapper, gymnasium.ObservationWrapper):
                observations = [wrapper.observation(observation) for observation in observations]
        actions = self._learner.act(np.stack(observations), explore=False)
        for wrapper in self._wrappers:
            if isinstance(wrapper, gymnasium.ActionWrapper):
                actions = np.stack([wrapper.action(action) for action in actions])
        return actions

    def _is_single(self, observation: Any) -> bool:
        """Whether this is one observation, and not N of them."""
        space = self.observation_space
        while isinstance(space, gymnasium.spaces.Dict):
            key = next(iter(space.spaces))
            space = space.spaces[key]
            observation = observation[key]
        return np.ndim(observation) == len(space.shape or ())
