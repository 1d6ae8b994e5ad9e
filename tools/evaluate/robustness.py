"""Robustness: how hard a policy's body can be pushed, what is left of its return in changed environments, and one figure for both."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from poise import algos
from poise.toolkit.errors import UserError
from poise.toolkit.evaluation import EVALUATION_SEED, EvaluationResult, Evaluator
from poise.toolkit.experience import Policy
from poise.toolkit.registry import make_env, make_random_policy, unwrap_poise_env
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array
from poise.tools.evaluate.pushes import (
    BISECTION_STEPS,
    LEVELS_PER_DOUBLING,
    NUM_DIRECTIONS,
    NUM_LEVELS,
    PushLimits,
    measure_push_limits,
)

SCALE_FACTORS = (0.25, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0)


CHANGED_SETTINGS = {"mass": "mass_scale", "friction": "friction_scale", "gravity": "gravity"}
"""What is changed, one at a time, and by which setting of the environment."""


NUM_EVALUATIONS = len(CHANGED_SETTINGS) * (len(SCALE_FACTORS) - 1) + 2
"""Evaluations that are made: every changed environment, the one it was trained in, and that one with a random policy."""


@dataclass(frozen=True)
class DynamicsChanges:
    """Mean return and success by change and factor (names, FACTORS)."""

    names: tuple[str, ...]
    """Those of CHANGES that the environment feels at all."""
    returns: Array
    successes: Array
    random_return: float
    """The mean return of a random policy in the environment as it was."""

    @property
    def cell_scores(self) -> Array:
        """What is kept of the return above a random policy's, times success: whoever falls has kept nothing; in [0, 1]."""
        own = float(self.returns[0, SCALE_FACTORS.index(1.0)]) - self.random_return
        return self.successes * (
            np.clip((self.returns - self.random_return) / own, 0.0, 1.0) if own > 0.0 else 0.0
        )

    @property
    def score(self) -> float:
        """The mean score of all changed environments."""
        changed = [place for place, factor in enumerate(SCALE_FACTORS) if factor != 1.0]
        return float(self.cell_scores[:, changed].mean())


def measure_dynamics_changes(
    env_id: str,
    settings: Mapping[str, Any],
    policy: Policy,
    episodes: int,
    on_progress: Callable[[int], None],
) -> DynamicsChanges | None:
    """What `policy` returns in the environment as it is and in every changed one, on the same starts; None where it feels no change."""

    def judge(changed: Mapping[str, Any], chance: bool = False) -> EvaluationResult:
        evaluator = Evaluator(env_id, {**settings, **changed}, episodes)
        score = evaluator(
            make_random_policy(evaluator.envs[0], EVALUATION_SEED) if chance else policy
        )
        evaluator.close()
        on_progress(episodes)
        return score

    own = judge({})
    chance = judge({}, chance=True)
    with closing(make_env(env_id, settings)) as env:
        usually = getattr(unwrap_poise_env(env), "settings", None)
    found = {}
    for name, setting in CHANGED_SETTINGS.items():
        usual = getattr(usually, setting)
        scores = [
            own if factor == 1.0 else judge({setting: usual * factor}) for factor in SCALE_FACTORS
        ]
        if any(not np.array_equal(score.returns, own.returns) for score in scores):
            found[name] = scores
    if not found:
        return None
    returns, successes = (
        np.array([[getattr(score, part).mean() for score in scores] for scores in found.values()])
        for part in ("returns", "successes")
    )
    return DynamicsChanges(tuple(found), returns, successes, float(chance.returns.mean()))


PUSHES_DEFINITION = f"of a ladder of {NUM_LEVELS} pushes, each {2 ** (1 / LEVELS_PER_DOUBLING) - 1:.0%} harder than the one before, those survived"


CHANGES_DEFINITION = (
    "of the return above a random policy's, what is kept in changed environments, times success"
)
"""What the parts of the figure are."""


@dataclass(frozen=True)
class RobustnessResult:
    """What a run's policy withstands."""

    run: str
    env: str
    checkpoint: str
    episodes: int
    pushes: PushLimits | None
    changes: DynamicsChanges | None

    @property
    def component_scores(self) -> dict[str, float]:
        """What its figure is the mean of, each in [0, 1]."""
        parts = {
            f"pushes ({PUSHES_DEFINITION})": self.pushes,
            f"changes ({CHANGES_DEFINITION})": self.changes,
        }
        return {name: part.score for name, part in parts.items() if part is not None}

    @property
    def score(self) -> float:
        """One number for all of it, in [0, 1]: the mean of its parts."""
        return float(np.mean([*self.component_scores.values()]))

    @property
    def definition(self) -> str:
        """What the figure is, in words."""
        told = [f"{name} {share:.2f}" for name, share in self.component_scores.items()]
        return f"the mean of {' and '.join(told)}" if len(told) > 1 else told[0]

    def to_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        told: dict[str, Any] = {
            "run": self.run,
            "env": self.env,
            "checkpoint": self.checkpoint,
            "episodes": self.episodes,
        }
        told |= {"robustness": self.score, "definition": self.definition}
        if self.pushes is not None:
            degrees = np.degrees(self.pushes.angles).tolist()
            told["pushes"] = {
                "share": self.pushes.score,
                "directions": degrees,
                "survived": self.pushes.impulses.tolist(),
            }
        if (changes := self.changes) is not None:
            rows = zip(
                changes.names,
                changes.returns.tolist(),
                changes.successes.tolist(),
                changes.cell_scores.tolist(),
                strict=True,
            )
            cells = {
                name: {"return": returns, "success": success, "score": score}
                for name, returns, success, score in rows
            }
            told["changes"] = {
                "share": changes.score,
                "factors": SCALE_FACTORS,
                "random_return": changes.random_return,
                **cells,
            }
        return told


def measure_robustness(
    run: Run,
    checkpoint: str | None = None,
    episodes: int = 5,
    env_settings: Mapping[str, Any] | None = None,
    on_progress: Callable[[int], None] = lambda lived: None,
) -> RobustnessResult:
    """Push a run's body and change its environment, `episodes` starts of each; `on_progress` hears how many episodes have just been lived."""
    env_id = run.config["env"]
    settings = {**run.config["env_settings"], **(env_settings or {})}
    learner = algos.restore_learner(run, checkpoint)
    act = partial(learner.act, explore=False)
    pushes = (
        measure_push_limits(env_id, settings, act, episodes, on_progress)
        if has_push_target(run)
        else None
    )
    changes = measure_dynamics_changes(env_id, settings, act, episodes, on_progress)
    if pushes is None and changes is None:
        raise UserError(
            f"{env_id} cannot be pushed, and feels nothing of another mass, friction or gravity"
        )
    return RobustnessResult(
        run.path.name, env_id, str(learner.checkpoint), episodes, pushes, changes
    )


def has_push_target(run: Run) -> bool:
    """Whether the run's environment has a body that can lose its balance; a UserError where it is not one of ours."""
    env = make_env(run.config["env"], run.config["env_settings"])
    ours = unwrap_poise_env(env)
    if ours is None:
        raise UserError(
            f"{run.config['env']} can neither be pushed nor changed: robustness needs an environment of Poise"
        )
    env.reset(seed=0)
    found = ours.push_target() is not None
    env.close()
    return found


def count_episodes(run: Run, episodes: int) -> int:
    """How many episodes `robustness` lives."""
    return episodes * (
        NUM_EVALUATIONS + (BISECTION_STEPS * NUM_DIRECTIONS if has_push_target(run) else 0)
    )
