"""Pushes: measure the largest impulse from each direction after which a body does not fall."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from poise.envs2d.planar import PlanarEnvironment
from poise.toolkit.evaluation import EVALUATION_SEED, Evaluator
from poise.toolkit.experience import Policy, PolicyFunction
from poise.toolkit.registry import Env, unwrap_poise_env
from poise.toolkit.spaces import Array

NUM_DIRECTIONS = 16

NUM_LEVELS = 63
LEVELS_PER_DOUBLING = 8
MAX_VELOCITY_CHANGE = 4.0
"""The ladder of pushes: NUM_LEVELS impulses, which double every LEVELS_PER_DOUBLING levels. The
highest would change the velocity of the pushed part, if it were free, by MAX_VELOCITY_CHANGE (m/s).
"""

BISECTION_STEPS = 6
"""log2 of the 64 outcomes of a search: each of the 63 levels, and none."""

PUSH_TIME = 1.0
SURVIVAL_TIME = 4.0
"""Times from the start of the episode (s): of the push, and until when the body must not fall."""

ProgressCallback = Callable[[int], None]
"""Called with the number of episodes that were simulated since the last call."""


@dataclass(frozen=True)
class PushLimits:
    """The highest level of the ladder that was survived, by direction and start.

    In the plane, directions are those of the image: 0 is right, 90 degrees up. In space they are
    seen from above: 0 is ahead, 90 degrees left.
    """

    levels: Array
    """(directions, starts), in 0 ... NUM_LEVELS; 0 where the weakest push was not survived."""
    mass: float
    """Mass of the part that is pushed (kg)."""
    is_planar: bool

    @property
    def angles(self) -> Array:
        """Directions of the pushes (rad), (directions,)."""
        return compute_push_angles()

    @property
    def impulses(self) -> Array:
        """The largest pushes survived (N s), (directions, starts)."""
        return level_to_impulse(self.levels, self.mass)

    @property
    def score(self) -> float:
        """The fraction of the ladder that is survived, averaged over directions and starts."""
        return float(self.levels.mean() / NUM_LEVELS)


def compute_push_angles() -> Array:
    """Return evenly spaced directions (rad), (NUM_DIRECTIONS,)."""
    return np.arange(NUM_DIRECTIONS) * 2.0 * np.pi / NUM_DIRECTIONS


def level_to_impulse(levels: Array, mass: float) -> Array:
    """Return the impulses (N s) of levels of the ladder for a mass (kg); 0 for level 0."""
    doublings = (levels - NUM_LEVELS) / LEVELS_PER_DOUBLING
    return np.where(levels > 0, mass * MAX_VELOCITY_CHANGE * 2.0**doublings, 0.0)


class PushWrapper(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Push the body once in each episode.

    Episode i of an evaluation (seed EVALUATION_SEED + i) gets the impulse `impulses[i]` and the
    start of episode i % num_starts.
    """

    def __init__(self, env: Env, num_starts: int) -> None:
        super().__init__(env)
        poise_env = unwrap_poise_env(env)
        assert poise_env is not None
        self.poise_env = poise_env
        self.num_starts = num_starts
        self.impulses = np.empty((0, 2))
        self.push_step = round(PUSH_TIME * poise_env.CONTROL_HZ)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start the episode of a push; its number follows from the seed."""
        episode = (seed or 0) - EVALUATION_SEED
        self.impulse = self.impulses[episode]
        start_seed = EVALUATION_SEED + episode % self.num_starts
        return super().reset(seed=start_seed, options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Make a step; at PUSH_TIME, push first."""
        if self.poise_env.steps == self.push_step:
            push_target = self.poise_env.push_target()
            if push_target is not None:
                push_target.push(self.impulse)
        return super().step(action)


def measure_push_limits(
    env_id: str,
    settings: Mapping[str, Any],
    policy: Policy | PolicyFunction,
    num_starts: int,
    on_progress: ProgressCallback,
) -> PushLimits:
    """Find the largest push that `policy` survives, by bisection for each direction and start.

    Bisection assumes that a policy which survives a push survives the weaker ones in the same
    direction, too. The environment must have a push target.
    """
    num_episodes = NUM_DIRECTIONS * num_starts
    # No pushes of the environment's own, and no time limit before SURVIVAL_TIME.
    no_pushes = {"push": 0.0} if settings.get("push") else {}
    evaluator = Evaluator(env_id, {**settings, **no_pushes, "max_episode_steps": -1}, num_episodes)
    envs = [PushWrapper(env, num_starts) for env in evaluator.envs]
    evaluator.envs = [*envs]
    poise_env = envs[0].poise_env
    evaluator.max_steps = round(SURVIVAL_TIME * poise_env.CONTROL_HZ)
    poise_env.reset(seed=EVALUATION_SEED)
    push_target = poise_env.push_target()
    assert push_target is not None
    is_planar = isinstance(poise_env, PlanarEnvironment)
    directions = _compute_directions(is_planar)

    survived = np.zeros((NUM_DIRECTIONS, num_starts), int)
    fatal = np.full((NUM_DIRECTIONS, num_starts), NUM_LEVELS + 1)
    for _ in range(BISECTION_STEPS):
        levels = (survived + fatal) // 2
        magnitudes = level_to_impulse(levels, push_target.mass)
        impulses = directions[:, None] * magnitudes[..., None]  # (directions, starts, 2 or 3)
        for env in envs:
            env.impulses = impulses.reshape(num_episodes, -1)
        has_fallen = evaluator(policy, on_progress).terminated.reshape(NUM_DIRECTIONS, num_starts)
        survived = np.where(has_fallen, survived, levels)
        fatal = np.where(has_fallen, levels, fatal)
    evaluator.close()
    return PushLimits(survived, push_target.mass, is_planar)


def _compute_directions(is_planar: bool) -> Array:
    """Return unit vectors (directions, 2) in the plane, horizontal (directions, 3) in space."""
    angles = compute_push_angles()
    components = [np.cos(angles), np.sin(angles)]
    if not is_planar:
        components.append(np.zeros(NUM_DIRECTIONS))
    return np.stack(components, axis=1)
