"""Robustness: how hard a policy's body can be pushed, what is left of its return in changed worlds, and one figure for both."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from poise import algos
from poise.toolkit.errors import UserError
from poise.toolkit.evaluation import EVALUATION_SEED, Evaluator, Score
from poise.toolkit.experience import Act
from poise.toolkit.registry import as_ours, make_world, random_actions
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array
from poise.tools.evaluate.pushes import DIRECTIONS, FINENESS, ROUNDS, RUNGS, Pushes, push_limits

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


LADDER = f"of a ladder of {RUNGS} pushes, each {2 ** (1 / FINENESS) - 1:.0%} harder than the one before, those survived"


KEPT = "of the return above a random policy's, what is kept in changed worlds, times success"
"""What the parts of the figure are."""


@dataclass(frozen=True)
class Robustness:
    """What a run's policy withstands."""

    run: str
    world: str
    checkpoint: str
    episodes: int
    pushes: Pushes | None
    changes: Changes | None

    @property
    def parts(self) -> dict[str, float]:
        """What its figure is the mean of, each in [0, 1]."""
        parts = {f"pushes ({LADDER})": self.pushes, f"changes ({KEPT})": self.changes}
        return {name: part.share for name, part in parts.items() if part is not None}

    @property
    def figure(self) -> float:
        """One number for all of it, in [0, 1]: the mean of its parts."""
        return float(np.mean([*self.parts.values()]))

    @property
    def definition(self) -> str:
        """What the figure is, in words."""
        told = [f"{name} {share:.2f}" for name, share in self.parts.items()]
        return f"the mean of {' and '.join(told)}" if len(told) > 1 else told[0]

    def plain(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        told: dict[str, Any] = {"run": self.run, "world": self.world, "checkpoint": self.checkpoint, "episodes": self.episodes}
        told |= {"robustness": self.figure, "definition": self.definition}
        if self.pushes is not None:
            degrees = np.degrees(self.pushes.angles).tolist()
            told["pushes"] = {"share": self.pushes.share, "directions": degrees, "survived": self.pushes.impulses.tolist()}
        if (changes := self.changes) is not None:
            rows = zip(changes.names, changes.returns.tolist(), changes.successes.tolist(), changes.scores.tolist(), strict=True)
            cells = {name: {"return": returns, "success": success, "score": score} for name, returns, success, score in rows}
            told["changes"] = {"share": changes.share, "factors": FACTORS, "random_return": changes.random, **cells}
        return told


def robustness(
    run: Run,
    checkpoint: str | None = None,
    episodes: int = 5,
    world_settings: Mapping[str, Any] | None = None,
    tell: Callable[[int], None] = lambda lived: None,
) -> Robustness:
    """Push a run's body and change its world, `episodes` starts of each; `tell` hears how many episodes have just been lived."""
    world_id, settings = run.config["world"], {**run.config["world_settings"], **(world_settings or {})}
    learner = algos.restore(run, checkpoint)
    act = partial(learner.act, explore=False)
    pushes = push_limits(world_id, settings, act, episodes, tell) if can_be_pushed(run) else None
    changes = changed_returns(world_id, settings, act, episodes, tell)
    if pushes is None and changes is None:
        raise UserError(f"{world_id} cannot be pushed, and feels nothing of another mass, friction or gravity")
    return Robustness(run.path.name, world_id, str(learner.checkpoint), episodes, pushes, changes)


def can_be_pushed(run: Run) -> bool:
    """Whether the run's world has a body that can lose its balance; a UserError where it is not one of ours."""
    world = make_world(run.config["world"], run.config["world_settings"])
    ours = as_ours(world)
    if ours is None:
        raise UserError(f"{run.config['world']} can neither be pushed nor changed: robustness needs a world of Poise")
    world.reset(seed=0)
    found = ours.trunk() is not None
    world.close()
    return found


def lives(run: Run, episodes: int) -> int:
    """How many episodes `robustness` lives."""
    return episodes * (WORLDS + (ROUNDS * DIRECTIONS if can_be_pushed(run) else 0))
