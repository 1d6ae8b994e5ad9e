"""Pushes: the largest impulse from each direction that a policy's body survives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from poise.envs2d.planar import PlanarEnvironment
from poise.toolkit.evaluation import EVALUATION_SEED, Evaluator
from poise.toolkit.experience import Act
from poise.toolkit.registry import World, as_ours
from poise.toolkit.spaces import Array

DIRECTIONS = 16


RUNGS, FINENESS, STRONGEST = 63, 8, 4.0
"""Pushes of the ladder; every so many rungs they double; the last could make what it hits so much faster, were it free (m/s)."""


ROUNDS = 6
"""Halvings that tell 64 outcomes apart: all rungs, and none."""


PUSHED_AT, SURVIVED_AT = 1.0, 4.0
"""When the push comes, and when whoever has not fallen has survived it (s)."""


Tell = Callable[[int], None]
"""Hears how many episodes have just been lived."""


@dataclass(frozen=True)
class Pushes:
    """How far up the ladder it came: `rungs` (DIRECTIONS, starts), 0 where the weakest push was too much.

    Angles are those of the picture in the plane, 0 to the right and 90 degrees up; in space those seen from above, 0 ahead.
    """

    rungs: Array
    mass: float
    in_plane: bool

    @property
    def angles(self) -> Array:
        """Where the pushes go (rad)."""
        return directions()

    @property
    def impulses(self) -> Array:
        """The largest pushes survived (N s), (DIRECTIONS, starts)."""
        return impulse_of(self.rungs, self.mass)

    @property
    def share(self) -> float:
        """The part of the ladder that it survives, in the mean over directions and starts."""
        return float(self.rungs.mean() / RUNGS)


def directions() -> Array:
    """Angles all round (rad)."""
    return np.arange(DIRECTIONS) * 2.0 * np.pi / DIRECTIONS


def impulse_of(rungs: Array, mass: float) -> Array:
    """The impulses (N s) of rungs of the ladder for a mass (kg); none at all below the first."""
    return np.where(rungs > 0, mass * STRONGEST * 2.0 ** ((rungs - RUNGS) / FINENESS), 0.0)


class Pushed(gymnasium.Wrapper[Any, Any, Any, Any]):
    """A world whose body is pushed once; the seed of an evaluation's episode says how, and from which of the `starts`."""

    def __init__(self, world: World, starts: int) -> None:
        super().__init__(world)
        self.starts, self.impulses = starts, np.empty((0, 2))
        ours = as_ours(world)
        assert ours is not None
        self.ours, self.when = ours, round(PUSHED_AT * ours.CONTROL_RATE)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin the episode of a push."""
        number = (seed or 0) - EVALUATION_SEED
        self.impulse = self.impulses[number]
        return super().reset(seed=EVALUATION_SEED + number % self.starts, options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """One step; at its time, the push comes first."""
        if self.ours.steps == self.when and (trunk := self.ours.trunk()):
            trunk.push(self.impulse)
        return super().step(action)


def push_limits(world_id: str, settings: Mapping[str, Any], act: Act, starts: int, tell: Tell) -> Pushes:
    """The largest pushes that `act` survives in a world that can be pushed, by halving the ladder for each direction and start.

    Whoever survives a push is taken to survive the weaker ones from there.
    """
    # Nobody else pushes, and time is not up before.
    quiet = {"push": 0.0} if settings.get("push") else {}
    judge = Evaluator(world_id, {**settings, **quiet, "max_episode_steps": -1}, DIRECTIONS * starts)
    pushed = [Pushed(world, starts) for world in judge.worlds]
    ours = pushed[0].ours
    judge.worlds, judge.steps = [*pushed], round(SURVIVED_AT * ours.CONTROL_RATE)
    ours.reset(seed=EVALUATION_SEED)
    trunk = ours.trunk()
    assert trunk is not None
    in_plane = isinstance(ours, PlanarEnvironment)
    angles = directions()
    unit = np.stack([np.cos(angles), np.sin(angles), *([] if in_plane else [np.zeros(DIRECTIONS)])], axis=1)
    survived, fatal = np.zeros((DIRECTIONS, starts), int), np.full((DIRECTIONS, starts), RUNGS + 1)
    for _ in range(ROUNDS):
        rungs = (survived + fatal) // 2
        impulses = (unit[:, None] * impulse_of(rungs, trunk.mass)[..., None]).reshape(DIRECTIONS * starts, -1)
        for world in pushed:
            world.impulses = impulses
        stands = judge(act).successes.reshape(DIRECTIONS, starts)
        survived, fatal = np.where(stands, rungs, survived), np.where(stands, fatal, rungs)
        tell(DIRECTIONS * starts)
    judge.close()
    return Pushes(survived, trunk.mass, in_plane)
