"""Robustness: a push survived is the largest, who does nothing survives none, and nothing changed is nothing lost."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import assert_one_line, invoke
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
from sample_envs import needs_pybullet
from sample_policies import Hand
from sample_runs import start_run

CARTPOLE = "poise/Cartpole-v0"


@pytest.fixture(autouse=True)
def four_directions(monkeypatch):
    """Tests are in a hurry."""
    monkeypatch.setattr(pushes, "NUM_DIRECTIONS", 4)
    monkeypatch.setattr("poise.tools.evaluate.robustness.NUM_DIRECTIONS", 4)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run for each kind of environment, which has learned nothing."""
    folder = tmp_path_factory.mktemp("robust")
    start_run(folder, "cartpole", steps=40)
    start_run(folder, "reacher", "reacher2d", steps=40)
    start_run(folder, "others", "Pendulum-v1", steps=40)
    return folder


def balance(seen: np.ndarray) -> np.ndarray:
    return Hand(1.0).act(seen, explore=False)


def idle(seen: np.ndarray) -> np.ndarray:
    return Hand(0.0).act(seen, explore=False)


def hear(lived: int) -> None:
    """Nobody listens."""


def stands(impulse: np.ndarray, act: Any, start: int) -> bool:
    """Whether the cart-pole still stands three seconds after a push at one second."""
    env = make_env(CARTPOLE)
    seen, _ = env.reset(seed=EVALUATION_SEED + start)
    for step in range(200):
        if step == 50:
            unwrap_poise_env(env).push_target().push(impulse)
        seen, _, fallen, *_ = env.step(act(seen[None])[0])
        if fallen:
            return False
    return True


def test_the_largest_push_survived_is_survived_and_the_next_one_is_not():
    found = measure_push_limits(CARTPOLE, {}, balance, 2, hear)
    assert found.is_planar
    for angle, row in zip(compute_push_angles(), found.levels, strict=True):
        for start, rung in enumerate(row):
            unit = np.array([np.cos(angle), np.sin(angle)])
            assert stands(unit * level_to_impulse(rung, found.mass), balance, start)
            assert rung == NUM_LEVELS or not stands(
                unit * level_to_impulse(rung + 1, found.mass), balance, start
            )
    assert found.levels[0].min() > 0 and found.levels[0].max() < NUM_LEVELS, (
        "to the right, there is a largest one"
    )


def test_a_push_along_the_pole_does_less_than_one_across_it():
    found = measure_push_limits(CARTPOLE, {}, balance, 1, hear)
    right, up, left, down = found.levels[:, 0]
    assert min(up, down) > max(right, left)


def test_what_is_the_same_seen_in_a_mirror_survives_the_same_on_both_sides():
    found = measure_push_limits(CARTPOLE, {"reset_noise_scale": 0.0}, balance, 1, hear)
    assert found.levels[0] == found.levels[2]


def test_who_falls_without_a_push_survives_none():
    assert measure_push_limits(CARTPOLE, {}, idle, 2, hear).score == 0.0


def test_a_time_limit_saves_nobody():
    told = measure_push_limits(CARTPOLE, {"max_episode_steps": 20}, idle, 1, hear)
    assert told.score == 0.0


def test_nobody_else_pushes_the_humanoid_meanwhile(monkeypatch):
    needs_pybullet("poise/Humanoid3D-v0")
    monkeypatch.setattr(pushes, "SURVIVAL_TIME", 1.1)
    monkeypatch.setattr(pushes, "BISECTION_STEPS", 2)
    act = lambda seen: np.zeros((len(seen), 17), np.float32)  # noqa: E731
    pushed, calm = (
        measure_push_limits("poise/Humanoid3D-v0", {"push": push}, act, 1, hear)
        for push in (100.0, 0.0)
    )
    assert not pushed.is_planar and np.array_equal(pushed.levels, calm.levels)


def test_the_ladder_doubles_and_begins_at_nothing():
    assert level_to_impulse(np.array([0, NUM_LEVELS]), 2.0).tolist() == [0.0, 8.0]
    np.testing.assert_allclose(
        level_to_impulse(np.arange(1 + LEVELS_PER_DOUBLING, NUM_LEVELS), 3.0),
        2 * level_to_impulse(np.arange(1, NUM_LEVELS - LEVELS_PER_DOUBLING), 3.0),
    )


def test_a_push_gives_what_it_hits_its_impulse():
    for env_id in ("poise/Standing-v0", "poise/BollaRolla-v0", CARTPOLE):
        env = unwrap_poise_env(make_env(env_id))
        env.reset(seed=0)

        def momentum(space=env.space):
            return np.sum([body.mass * np.array(body.velocity) for body in space.bodies], axis=0)

        before = momentum()
        env.push_target().push(np.array([3.0, 4.0]))
        np.testing.assert_allclose(momentum() - before, (3.0, 4.0))


# Changed environments.


def test_nothing_changed_is_nothing_lost_and_is_the_evaluation(runs):
    run = Run.open(runs, "cartpole")
    told, alone = measure_robustness(run, episodes=3).changes, evaluate_run(run, episodes=3)
    usual = SCALE_FACTORS.index(1.0)
    assert told.returns[:, usual].tolist() == [alone["policy"]["return_mean"]] * len(told.names)
    assert told.successes[:, usual].tolist() == [alone["policy"]["success"]] * len(told.names)
    assert told.random_return == alone["random"]["return_mean"]


def test_a_world_is_changed_only_in_what_it_feels():
    assert measure_dynamics_changes(
        CARTPOLE, {"max_episode_steps": 50}, balance, 2, hear
    ).names == ("mass", "gravity"), "nothing rubs"
    act = lambda seen: np.ones((len(seen), 2))  # noqa: E731
    assert measure_dynamics_changes(
        "poise/Reacher2D-v0", {"max_episode_steps": 50}, act, 1, hear
    ).names == (
        "mass",
        "friction",
    ), "it is seen from above"


def test_the_score_is_what_is_kept_above_a_random_policy_by_who_does_not_fall():
    usual, returns, successes = (
        SCALE_FACTORS.index(1.0),
        np.full((1, len(SCALE_FACTORS)), 10.0),
        np.ones((1, len(SCALE_FACTORS))),
    )
    returns[0, usual], returns[0, 0], successes[0, 1] = 20.0, -5.0, 0.0
    told = DynamicsChanges(("mass",), returns, successes, random_return=0.0)
    assert told.cell_scores[0].tolist() == [0.0, 0.0, 0.5, 1.0, 0.5, 0.5, 0.5]
    assert told.score == pytest.approx(0.5 * 4 / 6)
    assert DynamicsChanges(("mass",), returns, successes, random_return=30.0).score == 0.0, (
        "no better than chance: there is nothing to keep"
    )


# All of it.


@pytest.mark.parametrize("strength", [1.0, 0.0])
def test_the_figure_is_the_mean_of_its_parts_and_who_balances_has_the_larger_one(
    runs, monkeypatch, strength
):
    monkeypatch.setattr(algos, "restore_learner", lambda run, checkpoint: Hand(strength))
    lived: list[int] = []
    told = measure_robustness(
        Run.open(runs, "cartpole"),
        episodes=2,
        env_settings={"max_episode_steps": 100},
        on_progress=lived.append,
    )
    assert sum(lived) == count_episodes(Run.open(runs, "cartpole"), 2)
    assert told.score == pytest.approx((told.pushes.score + told.changes.score) / 2)
    assert told.score > 0.6 if strength else told.score == 0.0


def test_an_arm_that_cannot_fall_is_not_pushed(runs):
    run = Run.open(runs, "reacher")
    told = measure_robustness(run, episodes=1, env_settings={"max_episode_steps": 50})
    assert not has_push_target(run) and told.pushes is None and told.score == told.changes.score
    assert len(plot_robustness(told).axes) == 2, "the map and its scale"


def test_pushes_beyond_the_rim_are_told_at_it():
    rungs = np.full((4, 3), 20)
    rungs[1], rungs[3] = NUM_LEVELS, 50
    figure = plot_robustness(
        RobustnessResult("mine", CARTPOLE, "best", 3, PushLimits(rungs, 1.0, is_planar=True), None)
    )
    written = " ".join(text.get_text() for text in figure.axes[0].texts)
    assert written == f"4 or more {float(level_to_impulse(np.array(50), 1.0)):.3g}"


def test_the_command_draws_and_tells(runs, elsewhere):
    words = ("robustness", "cartpole", "--runs-dir", runs, "--episodes", "1")
    result = invoke(*words, "--out", "deep/mine.svg")
    assert result.exit_code == 0, result.output
    for part in ("Largest push survived", "0.0 right", "gravity", "robustness 0.", "deep/mine.svg"):
        assert part in result.stdout
    assert Path("deep/mine.svg").stat().st_size > 5000
    told = json.loads(invoke(*words, "--json").stdout)
    assert json.loads(invoke(*words, "--json").stdout) == told
    assert (
        told["changes"]["factors"] == list(SCALE_FACTORS) and len(told["pushes"]["survived"]) == 4
    )
    assert (
        set(told["changes"]) & set(CHANGED_SETTINGS) == {"mass", "gravity"}
        and 0.0 <= told["robustness"] <= 1.0
    )


def test_what_cannot_be_tested_is_one_line(runs, elsewhere):
    words = ("--runs-dir", runs, "--episodes", "1")
    assert_one_line(
        invoke("robustness", "others", *words), 2, "Pendulum-v1 can neither be pushed nor changed"
    )
    assert_one_line(
        invoke("robustness", "cartpole", *words, "--out", "mine.txt"),
        2,
        "a plot is a .png, .svg or .pdf",
    )
    assert_one_line(invoke("robustness", "cartpol", *words), 2, "did you mean 'cartpole'?")
    assert not Path("robustness.png").exists()
