"""Robustness: limits of pushes are exact, an idle policy survives none, no change costs nothing."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import assert_one_line, invoke
from sample_envs import needs_pybullet
from sample_policies import Hand
from sample_runs import start_run

from poise import algos
from poise.toolkit.evaluation import EVALUATION_SEED
from poise.toolkit.registry import make_env, unwrap_poise_env
from poise.toolkit.run import Run
from poise.tools.evaluate import pushes
from poise.tools.evaluate.evaluate import evaluate_run
from poise.tools.evaluate.pushes import (
    LEVELS_PER_DOUBLING,
    NUM_LEVELS,
    PushLimits,
    compute_push_angles,
    level_to_impulse,
    measure_push_limits,
)
from poise.tools.evaluate.robustness import (
    CHANGED_SETTINGS,
    SCALE_FACTORS,
    DynamicsChanges,
    RobustnessResult,
    count_episodes,
    has_push_target,
    measure_dynamics_changes,
    measure_robustness,
)
from poise.tools.evaluate.robustness_plot import plot_robustness

CARTPOLE = "poise/Cartpole-v0"
HUMANOID = "poise/Humanoid3D-v0"
HUMANOID_ACTION_SIZE = 17
UNCHANGED = SCALE_FACTORS.index(1.0)


@pytest.fixture(autouse=True)
def four_directions(monkeypatch):
    """Measure four directions instead of sixteen, to save time."""
    monkeypatch.setattr(pushes, "NUM_DIRECTIONS", 4)
    monkeypatch.setattr("poise.tools.evaluate.robustness.NUM_DIRECTIONS", 4)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained run for each kind of environment."""
    folder = tmp_path_factory.mktemp("robust")
    start_run(folder, "cartpole", steps=40)
    start_run(folder, "reacher", "reacher2d", steps=40)
    start_run(folder, "others", "Pendulum-v1", steps=40)
    return folder


def balance(observation: np.ndarray) -> np.ndarray:
    return Hand(1.0).act(observation, explore=False)


def idle(observation: np.ndarray) -> np.ndarray:
    return Hand(0.0).act(observation, explore=False)


def ignore_progress(num_episodes: int) -> None:
    pass


def survives_push(impulse: np.ndarray, policy: Any, start: int) -> bool:
    """Whether the cart-pole still stands three seconds after a push at one second."""
    env = make_env(CARTPOLE)
    observation, _ = env.reset(seed=EVALUATION_SEED + start)
    for step in range(200):
        if step == 50:
            unwrap_poise_env(env).push_target().push(impulse)
        observation, _, terminated, *_ = env.step(policy(observation[None])[0])
        if terminated:
            return False
    return True


# Pushes.


def test_largest_push_survived_is_survived_and_the_next_level_is_not():
    limits = measure_push_limits(CARTPOLE, {}, balance, 2, ignore_progress)
    assert limits.is_planar
    for angle, levels in zip(compute_push_angles(), limits.levels, strict=True):
        direction = np.array([np.cos(angle), np.sin(angle)])
        for start, level in enumerate(levels):
            survived = direction * level_to_impulse(level, limits.mass)
            fatal = direction * level_to_impulse(level + 1, limits.mass)
            assert survives_push(survived, balance, start)
            assert level == NUM_LEVELS or not survives_push(fatal, balance, start)
    right = limits.levels[0]
    assert right.min() > 0 and right.max() < NUM_LEVELS, "the limit to the right is on the ladder"


def test_push_along_the_pole_is_survived_better_than_one_across_it():
    limits = measure_push_limits(CARTPOLE, {}, balance, 1, ignore_progress)
    right, up, left, down = limits.levels[:, 0]
    assert min(up, down) > max(right, left)


def test_symmetric_start_has_the_same_limit_on_both_sides():
    limits = measure_push_limits(CARTPOLE, {"reset_noise_scale": 0.0}, balance, 1, ignore_progress)
    assert limits.levels[0] == limits.levels[2]


def test_policy_that_falls_without_a_push_survives_none():
    assert measure_push_limits(CARTPOLE, {}, idle, 2, ignore_progress).score == 0.0


def test_time_limit_of_the_environment_does_not_count_as_survival():
    limits = measure_push_limits(CARTPOLE, {"max_episode_steps": 20}, idle, 1, ignore_progress)
    assert limits.score == 0.0


def test_pushes_of_the_environment_are_off_in_a_measurement(monkeypatch):
    needs_pybullet(HUMANOID)
    monkeypatch.setattr(pushes, "SURVIVAL_TIME", 1.1)
    monkeypatch.setattr(pushes, "BISECTION_STEPS", 2)

    def rest(observation: np.ndarray) -> np.ndarray:
        return np.zeros((len(observation), HUMANOID_ACTION_SIZE), np.float32)

    with_pushes, without_pushes = (
        measure_push_limits(HUMANOID, {"push": push}, rest, 1, ignore_progress)
        for push in (100.0, 0.0)
    )
    assert not with_pushes.is_planar
    assert np.array_equal(with_pushes.levels, without_pushes.levels)


def test_ladder_of_pushes_starts_at_zero_and_doubles():
    assert level_to_impulse(np.array([0, NUM_LEVELS]), 2.0).tolist() == [0.0, 8.0]
    np.testing.assert_allclose(
        level_to_impulse(np.arange(1 + LEVELS_PER_DOUBLING, NUM_LEVELS), 3.0),
        2 * level_to_impulse(np.arange(1, NUM_LEVELS - LEVELS_PER_DOUBLING), 3.0),
    )


@pytest.mark.parametrize("env_id", ["poise/Standing-v0", "poise/BollaRolla-v0", CARTPOLE])
def test_push_changes_the_momentum_by_its_impulse(env_id):
    env = unwrap_poise_env(make_env(env_id))
    env.reset(seed=0)

    def momentum() -> np.ndarray:
        bodies = env.space.bodies
        return np.sum([body.mass * np.array(body.velocity) for body in bodies], axis=0)

    before = momentum()
    env.push_target().push(np.array([3.0, 4.0]))
    np.testing.assert_allclose(momentum() - before, (3.0, 4.0))


# Changed dynamics.


def test_unchanged_environment_has_the_returns_of_an_evaluation(runs):
    run = Run.open(runs, "cartpole")
    changes = measure_robustness(run, episodes=3).changes
    evaluation = evaluate_run(run, episodes=3)
    count = len(changes.names)
    assert changes.returns[:, UNCHANGED].tolist() == [evaluation["policy"]["return_mean"]] * count
    assert changes.successes[:, UNCHANGED].tolist() == [evaluation["policy"]["success"]] * count
    assert changes.random_return == evaluation["random"]["return_mean"]


def test_changes_list_only_what_affects_the_environment():
    settings = {"max_episode_steps": 50}
    changes = measure_dynamics_changes(CARTPOLE, settings, balance, 2, ignore_progress)
    assert changes.names == ("mass", "gravity"), "the cart-pole has no friction"

    def full_torque(observation: np.ndarray) -> np.ndarray:
        return np.ones((len(observation), 2))

    changes = measure_dynamics_changes(
        "poise/Reacher2D-v0", settings, full_torque, 1, ignore_progress
    )
    assert changes.names == ("mass", "friction"), "the reacher is seen from above"


def test_score_of_changes_is_the_return_kept_above_random_times_success():
    returns = np.full((1, len(SCALE_FACTORS)), 10.0)
    successes = np.ones((1, len(SCALE_FACTORS)))
    returns[0, UNCHANGED] = 20.0
    returns[0, 0] = -5.0
    successes[0, 1] = 0.0
    changes = DynamicsChanges(("mass",), returns, successes, random_return=0.0)
    assert changes.cell_scores[0].tolist() == [0.0, 0.0, 0.5, 1.0, 0.5, 0.5, 0.5]
    assert changes.score == pytest.approx(0.5 * 4 / 6)


def test_score_of_a_policy_no_better_than_random_is_zero():
    returns = np.full((1, len(SCALE_FACTORS)), 10.0)
    returns[0, UNCHANGED] = 20.0
    successes = np.ones((1, len(SCALE_FACTORS)))
    assert DynamicsChanges(("mass",), returns, successes, random_return=30.0).score == 0.0


# Both together.


@pytest.mark.parametrize("gain", [1.0, 0.0])
def test_robustness_is_the_mean_of_its_components_and_larger_for_a_policy_that_balances(
    runs, monkeypatch, gain
):
    monkeypatch.setattr(algos, "restore_learner", lambda run, checkpoint: Hand(gain))
    run = Run.open(runs, "cartpole")
    progress: list[int] = []
    result = measure_robustness(
        run,
        episodes=2,
        env_settings={"max_episode_steps": 100},
        on_progress=progress.append,
    )
    assert sum(progress) == count_episodes(run, 2)
    assert result.score == pytest.approx((result.pushes.score + result.changes.score) / 2)
    assert result.score > 0.6 if gain else result.score == 0.0


def test_arm_that_cannot_fall_is_not_pushed(runs):
    run = Run.open(runs, "reacher")
    result = measure_robustness(run, episodes=1, env_settings={"max_episode_steps": 50})
    assert not has_push_target(run)
    assert result.pushes is None and result.score == result.changes.score
    assert len(plot_robustness(result).axes) == 1, "the table alone, without a colour bar"


def test_push_beyond_the_rim_of_the_plot_is_written_at_the_rim():
    levels = np.full((4, 3), 20)
    levels[1] = NUM_LEVELS
    levels[3] = 50
    limits = PushLimits(levels, 1.0, is_planar=True)
    figure = plot_robustness(RobustnessResult("mine", CARTPOLE, "best", 3, limits, None))
    labels = " ".join(text.get_text() for text in figure.axes[0].texts)
    assert labels == f"4 or more {float(level_to_impulse(np.array(50), 1.0)):.3g}"


def test_plot_names_the_weakest_side_with_its_impulse_and_the_unit_of_its_rings():
    levels = np.full((4, 3), 20)
    levels[2] = 5
    limits = PushLimits(levels, 1.0, is_planar=True)
    figure = plot_robustness(RobustnessResult("mine", CARTPOLE, "best", 3, limits, None))
    impulse = f"{float(level_to_impulse(np.array(5), 1.0)):.2g}"
    title = figure.get_suptitle().replace("\N{NO-BREAK SPACE}", " ")
    assert f"falls first when pushed left, {impulse} N s" in title
    rings = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert rings and all(label.endswith(" N s") for label in rings)


def test_command_robustness_plots_and_prints_tables_or_json(runs, elsewhere):
    command = ("robustness", "cartpole", "--runs-dir", runs, "--episodes", "1")
    output = invoke(*command, "--out", "deep/mine.svg")
    assert output.exit_code == 0, output.output
    for text in ("Largest push survived", "0.0 right", "gravity", "robustness 0.", "deep/mine.svg"):
        assert text in output.stdout
    assert Path("deep/mine.svg").stat().st_size > 5000
    result = json.loads(invoke(*command, "--json").stdout)
    assert json.loads(invoke(*command, "--json").stdout) == result
    assert result["changes"]["factors"] == list(SCALE_FACTORS)
    assert len(result["pushes"]["survived"]) == 4
    assert set(result["changes"]) & set(CHANGED_SETTINGS) == {"mass", "gravity"}
    assert 0.0 <= result["robustness"] <= 1.0


def test_run_that_cannot_be_measured_is_refused_in_one_line(runs, elsewhere):
    options = ("--runs-dir", runs, "--episodes", "1")
    assert_one_line(
        invoke("robustness", "others", *options), 2, "Pendulum-v1 can neither be pushed nor changed"
    )
    assert_one_line(
        invoke("robustness", "cartpole", *options, "--out", "mine.txt"),
        2,
        "a plot is a .png, .svg or .pdf",
    )
    assert_one_line(invoke("robustness", "cartpol", *options), 2, "did you mean 'cartpole'?")
    assert not Path("robustness.png").exists()
