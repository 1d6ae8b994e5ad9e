"""Pushes: the largest impulse from each direction that a policy's body survives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from poise.envs2d.planar import PlanarEnvironment
from poise.toolkit.evaluation import EVALUATION_SEED, Evaluator
from poise.toolkit.experience import Policy
from poise.toolkit.registry import Env, unwrap_poise_env
from poise.toolkit.spaces import Array

NUM_DIRECTIONS = 16


NUM_LEVELS = 63
LEVELS_PER_DOUBLING = 8
MAX_VELOCITY_CHANGE = 4.0
"""Pushes of the ladder; every so many rungs they double; the last could make what it hits so much faster, were it free (m/s)."""


BISECTION_STEPS = 6
"""Halvings that tell 64 outcomes apart: all rungs, and none."""


PUSH_TIME = 1.0
SURVIVAL_TIME = 4.0
"""When the push comes, and when whoever has not fallen has survived it (s)."""


ProgressCallback = Callable[[int], None]
"""Hears how many episodes have just been lived."""


@dataclass(frozen=True)
class PushLimits:
    """How far up the ladder it came: `rungs` (DIRECTIONS, starts), 0 where the weakest push was too much.

    Angles are those of the picture in the plane, 0 to the right and 90 degrees up; in space those seen from above, 0 ahead.
    """

    levels: Array
    mass: float
    is_planar: bool

    @property
    def angles(self) -> Array:
        """Where the pushes go (rad)."""
        return compute_push_angles()

    @property
    def impulses(self) -> Array:
        """The largest pushes survived (N s), (DIRECTIONS, starts)."""
        return level_to_impulse(self.levels, self.mass)

    @property
    def score(self) -> float:
        """The part of the ladder that it survives, in the mean over directions and starts."""
        return float(self.levels.mean() / NUM_LEVELS)


def compute_push_angles() -> Array:
    """Angles all round (rad)."""
    return np.arange(NUM_DIRECTIONS) * 2.0 * np.pi / NUM_DIRECTIONS


def level_to_impulse(levels: Array, mass: float) -> Array:
    """The impulses (N s) of rungs of the ladder for a mass (kg); none at all below the first."""
    return np.where(
        levels > 0,
        mass * MAX_VELOCITY_CHANGE * 2.0 ** ((levels - NUM_LEVELS) / LEVELS_PER_DOUBLING),
        0.0,
    )


class PushWrapper(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An environment whose body is pushed once; the seed of an evaluation's episode says how, and from which of the `starts`."""

    def __init__(self, env: Env, num_starts: int) -> None:
        super().__init__(env)
        self.num_starts = num_starts
        self.impulses = np.empty((0, 2))
        ours = unwrap_poise_env(env)
        assert ours is not None
        self.poise_env = ours
        self.push_step = round(PUSH_TIME * ours.CONTROL_HZ)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin the episode of a push."""
        number = (seed or 0) - EVALUATION_SEED
        self.impulse = self.impulses[number]
        return super().reset(seed=EVALUATION_SEED + number % self.num_starts, options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """One step; at its time, the push comes first."""
        if self.poise_env.steps == self.push_step and (trunk := self.poise_env.push_target()):
            trunk.push(self.impulse)
        return super().step(action)


def measure_push_limits(
    env_id: str,
    settings: Mapping[str, Any],
    policy: Policy,
    num_starts: int,
    on_progress: ProgressCallback,
) -> PushLimits:
    """The largest pushes that `policy` survives in an environment that can be pushed, by halving the ladder for each direction and start.

    Whoever survives a push is taken to survive the weaker ones from there.
    """
    # Nobody else pushes, and time is not up before.
    quiet = {"push": 0.0} if settings.get("push") else {}
    judge = Evaluator(
        env_id, {**settings, **quiet, "max_episode_steps": -1}, NUM_DIRECTIONS * num_starts
    )
    pushed = [PushWrapper(env, num_starts) for env in judge.envs]
    ours = pushed[0].poise_env
    judge.envs = [*pushed]
    judge.max_steps = round(SURVIVAL_TIME * ours.CONTROL_HZ)
    ours.reset(seed=EVALUATION_SEED)
    trunk = ours.push_target()
    assert trunk is not None
    in_plane = isinstance(ours, PlanarEnvironment)
    angles = compute_push_angles()
    unit = np.stack(
        [np.cos(angles), np.sin(angles), *([] if in_plane else [np.zeros(NUM_DIRECTIONS)])], axis=1
    )
    survived = np.zeros((NUM_DIRECTIONS, num_starts), int)
    fatal = np.full((NUM_DIRECTIONS, num_starts), NUM_LEVELS + 1)
    for _ in range(BISECTION_STEPS):
        rungs = (survived + fatal) // 2
        impulses = (unit[:, None] * level_to_impulse(rungs, trunk.mass)[..., None]).reshape(
            NUM_DIRECTIONS * num_starts, -1
        )
        for env in pushed:
            env.impulses = impulses
        stands = judge(policy).successes.reshape(NUM_DIRECTIONS, num_starts)
        survived = np.where(stands, rungs, survived)
        fatal = np.where(stands, fatal, rungs)
        on_progress(NUM_DIRECTIONS * num_starts)
    judge.close()
    return PushLimits(survived, trunk.mass, in_plane)
