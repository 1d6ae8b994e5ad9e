"""Robustness: how hard a policy's body can be pushed, what is left of its return in changed worlds, and one figure for both."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import algos
from toolkit.errors import UserError
from toolkit.registry import as_ours, make_world
from toolkit.run import Run
from tools.changes import FACTORS, WORLDS, Changes, changed_returns
from tools.pushes import DIRECTIONS, FINENESS, ROUNDS, RUNGS, Pushes, push_limits

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


if __name__ == "__main__":
    from cli import robustness as command

    command()
