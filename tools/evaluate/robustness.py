"""Robustness of a policy: pushes that it survives, returns that it keeps in changed dynamics."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from poise import algos
from poise.toolkit.errors import UserError
from poise.toolkit.evaluation import EVALUATION_SEED, EvaluationResult, Evaluator
from poise.toolkit.experience import ActorPolicy, Policy, PolicyFunction
from poise.toolkit.registry import make_env, make_random_policy, unwrap_poise_env
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array
from poise.tools.evaluate.pushes import (
    BISECTION_STEPS,
    LEVELS_PER_DOUBLING,
    NUM_DIRECTIONS,
    NUM_LEVELS,
    ProgressCallback,
    PushLimits,
    measure_push_limits,
)

SCALE_FACTORS = (0.25, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0)

CHANGED_SETTINGS = {"mass": "mass_scale", "friction": "friction_scale", "gravity": "gravity"}
"""What is scaled, one at a time, and the environment's setting for it."""

NUM_EVALUATIONS = len(CHANGED_SETTINGS) * (len(SCALE_FACTORS) - 1) + 2
"""Every changed environment, the unchanged one, and the unchanged one with a random policy."""

LEVEL_INCREASE = 2.0 ** (1.0 / LEVELS_PER_DOUBLING) - 1.0
PUSHES_DEFINITION = (
    f"of a ladder of {NUM_LEVELS} pushes, each {LEVEL_INCREASE:.0%} harder than the one before,"
    " the fraction that is survived"
)
CHANGES_DEFINITION = (
    "of the return above a random policy's, the fraction that is kept in changed environments,"
    " times the fraction of episodes without a failure"
)


@dataclass(frozen=True)
class DynamicsChanges:
    """Mean returns and episodes without a failure in changed environments.

    Arrays are (changes, SCALE_FACTORS).
    """

    names: tuple[str, ...]
    """The keys of CHANGED_SETTINGS that affect the environment."""
    returns: Array
    successes: Array
    """Fraction of the episodes that are a success where the environment reports one, and that do
    not terminate in all others."""
    random_return: float
    """Mean return of a random policy in the unchanged environment."""

    @property
    def cell_scores(self) -> Array:
        """Fraction of the return above a random policy's that is kept, times `successes`.

        In [0, 1]; all zero if the policy is no better than a random one where nothing is changed.
        """
        unchanged_return = float(self.returns[0, SCALE_FACTORS.index(1.0)])
        unchanged_gain = unchanged_return - self.random_return
        if unchanged_gain <= 0.0:
            return np.zeros_like(self.successes)
        kept = (self.returns - self.random_return) / unchanged_gain
        return self.successes * np.clip(kept, 0.0, 1.0)

    @property
    def score(self) -> float:
        """The mean score of all changed environments."""
        changed = [column for column, factor in enumerate(SCALE_FACTORS) if factor != 1.0]
        return float(self.cell_scores[:, changed].mean())


@dataclass(frozen=True)
class RobustnessResult:
    """The robustness of a run's policy, and its two components where they apply."""

    run: str
    env: str
    checkpoint: str
    episodes: int
    """Starts of each push and of each changed environment."""
    pushes: PushLimits | None
    changes: DynamicsChanges | None

    @property
    def component_scores(self) -> dict[str, float]:
        """The score of each component, in [0, 1], under its definition."""
        components = {
            f"pushes ({PUSHES_DEFINITION})": self.pushes,
            f"changes ({CHANGES_DEFINITION})": self.changes,
        }
        return {
            definition: component.score
            for definition, component in components.items()
            if component is not None
        }

    @property
    def score(self) -> float:
        """The mean of the components' scores, in [0, 1]."""
        return float(np.mean([*self.component_scores.values()]))

    @property
    def definition(self) -> str:
        """How the score is composed, in words."""
        components = [f"{name} {score:.2f}" for name, score in self.component_scores.items()]
        if len(components) == 1:
            return components[0]
        return f"the mean of {' and '.join(components)}"

    def to_dict(self) -> dict[str, Any]:
        """Return the whole result, ready for JSON."""
        result: dict[str, Any] = {
            "run": self.run,
            "env": self.env,
            "checkpoint": self.checkpoint,
            "episodes": self.episodes,
            "robustness": self.score,
            "definition": self.definition,
        }
        if self.pushes is not None:
            result["pushes"] = {
                "share": self.pushes.score,
                "directions": np.degrees(self.pushes.angles).tolist(),
                "survived": self.pushes.impulses.tolist(),
            }
        if self.changes is not None:
            result["changes"] = {
                "share": self.changes.score,
                "factors": SCALE_FACTORS,
                "random_return": self.changes.random_return,
            }
            scores = self.changes.cell_scores
            for row, name in enumerate(self.changes.names):
                result["changes"][name] = {
                    "return": self.changes.returns[row].tolist(),
                    "success": self.changes.successes[row].tolist(),
                    "score": scores[row].tolist(),
                }
        return result


def measure_robustness(
    run: Run,
    checkpoint: str | None = None,
    episodes: int = 5,
    env_settings: Mapping[str, Any] | None = None,
    on_progress: ProgressCallback = lambda num_episodes: None,
) -> RobustnessResult:
    """Push a run's body from all directions and change its environment's dynamics.

    Args:
        run: The run.
        checkpoint: A step, `latest` or `best`; None is the best.
        episodes: Starts of each push and of each changed environment.
        env_settings: Settings that override those of the training.
        on_progress: Called with the number of episodes simulated since the last call.

    Raises:
        UserError: The environment is not one of Poise's, or neither pushes nor changes affect it.
    """
    env_id = run.config["env"]
    settings = {**run.config["env_settings"], **(env_settings or {})}
    learner = algos.restore_learner(run, checkpoint)
    policy = ActorPolicy(learner)
    pushes = None
    if has_push_target(run):
        pushes = measure_push_limits(env_id, settings, policy, episodes, on_progress)
    changes = measure_dynamics_changes(env_id, settings, policy, episodes, on_progress)
    if pushes is None and changes is None:
        raise UserError(
            f"{env_id} cannot be pushed, and mass, friction and gravity do not affect it"
        )
    return RobustnessResult(
        run.path.name, env_id, str(learner.checkpoint), episodes, pushes, changes
    )


def measure_dynamics_changes(
    env_id: str,
    settings: Mapping[str, Any],
    policy: Policy | PolicyFunction,
    episodes: int,
    on_progress: Callable[[int], None],
) -> DynamicsChanges | None:
    """Evaluate `policy` in the unchanged and in every changed environment, on the same starts.

    Return None if no change affects the returns.
    """

    def evaluate(
        changed_settings: Mapping[str, Any], *, use_random_policy: bool = False
    ) -> EvaluationResult:
        evaluator = Evaluator(env_id, {**settings, **changed_settings}, episodes)
        evaluated: Policy | PolicyFunction = policy
        if use_random_policy:
            evaluated = make_random_policy(evaluator.envs[0], EVALUATION_SEED)
        result = evaluator(evaluated, on_progress)
        evaluator.close()
        return result

    unchanged = evaluate({})
    random_policy = evaluate({}, use_random_policy=True)
    with closing(make_env(env_id, settings)) as env:
        default_settings = getattr(unwrap_poise_env(env), "settings", None)
    results_by_name: dict[str, list[EvaluationResult]] = {}
    for name, setting in CHANGED_SETTINGS.items():
        default = getattr(default_settings, setting)
        results = [
            unchanged if factor == 1.0 else evaluate({setting: default * factor})
            for factor in SCALE_FACTORS
        ]
        if any(not np.array_equal(result.returns, unchanged.returns) for result in results):
            results_by_name[name] = results
    if not results_by_name:
        return None
    return DynamicsChanges(
        names=tuple(results_by_name),
        returns=_means(results_by_name, lambda result: result.returns),
        successes=_means(results_by_name, _find_unfailed_episodes),
        random_return=float(random_policy.returns.mean()),
    )


def has_push_target(run: Run) -> bool:
    """Return whether the body of a run's environment can lose its balance.

    Raises:
        UserError: The environment is not one of Poise's.
    """
    env = make_env(run.config["env"], run.config["env_settings"])
    poise_env = unwrap_poise_env(env)
    if poise_env is None:
        raise UserError(
            f"{run.config['env']} can neither be pushed nor changed:"
            " robustness needs an environment of Poise"
        )
    env.reset(seed=0)
    has_target = poise_env.push_target() is not None
    env.close()
    return has_target


def count_episodes(run: Run, episodes: int) -> int:
    """Return how many episodes `measure_robustness` simulates with this many starts."""
    evaluations = NUM_EVALUATIONS
    if has_push_target(run):
        evaluations += BISECTION_STEPS * NUM_DIRECTIONS
    return episodes * evaluations


def _find_unfailed_episodes(result: EvaluationResult) -> Array:
    """Return which episodes (E,) did not fail: the threshold of the return is for no change."""
    return ~result.terminated if result.reports is None else result.reports


def _means(
    results_by_name: Mapping[str, list[EvaluationResult]],
    values: Callable[[EvaluationResult], Array],
) -> Array:
    """Return the means of some values of results, (changes, SCALE_FACTORS)."""
    return np.array(
        [[values(result).mean() for result in results] for results in results_by_name.values()]
    )
