"""Changes: what is left of a policy's return when mass, friction or gravity is not what it was trained with."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.evaluation import EVALUATION_SEED, Evaluator, Score
from toolkit.experience import Act
from toolkit.registry import as_ours, make_world, random_actions
from toolkit.signals import Array

FACTORS = (0.25, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0)
CHANGES = {"mass": "mass_scale", "friction": "friction_scale", "gravity": "gravity"}
"""What is changed, one at a time, and by which setting of the world."""
WORLDS = len(CHANGES) * (len(FACTORS) - 1) + 2
"""Evaluations that are made: every changed world, the one it was trained in, and that one with a random policy."""


@dataclass(frozen=True)
class Changes:
    """Mean return and success by change and factor (names, FACTORS)."""

    names: tuple[str, ...]
    """Those of CHANGES that the world feels at all."""
    returns: Array
    successes: Array
    random: float
    """The mean return of a random policy in the world as it was."""

    @property
    def scores(self) -> Array:
        """What is kept of the return above a random policy's, times success: whoever falls has kept nothing; in [0, 1]."""
        own = float(self.returns[0, FACTORS.index(1.0)]) - self.random
        return self.successes * (np.clip((self.returns - self.random) / own, 0.0, 1.0) if own > 0.0 else 0.0)

    @property
    def share(self) -> float:
        """The mean score of all changed worlds."""
        changed = [place for place, factor in enumerate(FACTORS) if factor != 1.0]
        return float(self.scores[:, changed].mean())


def changed_returns(
    world_id: str, settings: Mapping[str, Any], act: Act, episodes: int, tell: Callable[[int], None]
) -> Changes | None:
    """What `act` returns in the world as it is and in every changed one, on the same starts; None where it feels no change."""

    def judge(changed: Mapping[str, Any], chance: bool = False) -> Score:
        evaluator = Evaluator(world_id, {**settings, **changed}, episodes)
        score = evaluator(random_actions(evaluator.worlds[0], EVALUATION_SEED) if chance else act)
        evaluator.close()
        tell(episodes)
        return score

    own, chance = judge({}), judge({}, chance=True)
    with closing(make_world(world_id, settings)) as world:
        usually = getattr(as_ours(world), "settings", None)
    found = {}
    for name, setting in CHANGES.items():
        usual = getattr(usually, setting)
        scores = [own if factor == 1.0 else judge({setting: usual * factor}) for factor in FACTORS]
        if any(not np.array_equal(score.returns, own.returns) for score in scores):
            found[name] = scores
    if not found:
        return None
    returns, successes = (
        np.array([[getattr(score, part).mean() for score in scores] for scores in found.values()])
        for part in ("returns", "successes")
    )
    return Changes(tuple(found), returns, successes, float(chance.returns.mean()))
