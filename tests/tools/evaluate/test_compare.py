"""Comparing runs: a run does not differ from itself, order only turns the sign, and what cannot be compared is one line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import assert_one_line, invoke, said
from poise import algos
from poise.toolkit.run import Run
from poise.tools.evaluate.compare import compare_runs, describe_difference
from poise.tools.evaluate.evaluate import evaluate_run
from sample_policies import Hand
from sample_runs import start_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of one thing, one that was paid otherwise, and one of another environment."""
    folder = tmp_path_factory.mktemp("compared")
    for seed in (0, 1):
        start_run(folder, f"seed-{seed}", seed=seed, steps=100)
    start_run(folder, "elsewhere", "standing", steps=40)
    config = json.loads((folder / "seed-1" / "config.json").read_text())
    for name, value in (("noisy", 0.1), ("wide", 0.02)):
        (folder / name).mkdir()
        for part in ("checkpoints", "policies"):
            (folder / name / part).symlink_to(folder / "seed-1" / part)
        config["env_settings"] |= {"reset_noise_scale": value, "width": 300, "hud": True}
        (folder / name / "config.json").write_text(json.dumps(config))
    return folder


def run(runs: Path, name: str) -> Run:
    return Run.open(runs, name)


def test_a_run_does_not_differ_from_itself(runs):
    told = compare_runs(run(runs, "seed-0"), run(runs, "seed-0"), episodes=6)
    assert told["difference"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    assert told["probability"] == {"mean": 0.5, "low": 0.5, "high": 0.5}
    assert told["verdict"] == "they return exactly the same in all 6 episodes"


def test_order_only_turns_the_sign(runs):
    one, two = run(runs, "seed-0"), run(runs, "seed-1")
    there, back = compare_runs(one, two, episodes=6), compare_runs(two, one, episodes=6)
    assert there["difference"]["mean"] == -back["difference"]["mean"] != 0.0
    assert there["difference"]["low"] == pytest.approx(-back["difference"]["high"])
    assert there["probability"]["mean"] == pytest.approx(1.0 - back["probability"]["mean"])
    assert there["one"] == back["two"] and there["two"] == back["one"]


def test_both_live_the_episodes_of_an_evaluation(runs):
    told = compare_runs(run(runs, "seed-0"), run(runs, "seed-1"), ("latest", "50"), episodes=6)
    for entry, name, checkpoint in (
        (told["one"], "seed-0", "latest"),
        (told["two"], "seed-1", "50"),
    ):
        alone = evaluate_run(run(runs, name), checkpoint, 6)
        assert (
            entry["returns"] == alone["policy"]["returns"]
            and entry["checkpoint"] == alone["checkpoint"]
        )
    differences = np.subtract(told["one"]["returns"], told["two"]["returns"])
    assert told["difference"]["mean"] == pytest.approx(differences.mean())
    assert told["difference"]["low"] <= differences.mean() <= told["difference"]["high"]


def test_a_policy_that_balances_is_better_than_one_that_does_not(runs, monkeypatch):
    strengths: dict[str, Any] = {"seed-0": 1.0, "seed-1": 0.0}
    monkeypatch.setattr(
        algos, "restore_learner", lambda run, checkpoint: Hand(strengths[run.path.name])
    )
    told = compare_runs(run(runs, "seed-0"), run(runs, "seed-1"), episodes=6)
    assert told["one"]["success"] == 1.0 and told["two"]["success"] == 0.0
    assert told["difference"]["low"] > 0.0 and told["probability"]["mean"] == 1.0
    assert told["verdict"] == "seed-0, by hand is better"


def test_the_verdict_says_no_more_than_the_interval():
    differences = np.array([1.0, -1.0, 2.0, -1.5, 0.5])
    assert describe_difference("a", "b", differences, 0.1, 2.0) == "a is better"
    assert describe_difference("a", "b", differences, -2.0, -0.1) == "b is better"
    assert (
        describe_difference("a", "b", differences, -0.1, 0.1)
        == "no difference that 5 episodes can show: try --episodes 50"
    )
    assert describe_difference("a", "b", np.ones(4000), -1.0, 1.0).endswith("try --episodes 10000")
    assert (
        describe_difference("a", "b", np.ones(10_000), -1.0, 1.0)
        == "no difference that 10000 episodes can show"
    )


def test_the_command_prints_a_table_or_json(runs):
    words = ("compare", "seed-0", "seed-1", "--runs-dir", runs, "--episodes", "5")
    told = said(invoke(*words))
    for part in ("seed-0", "step_", "first minus second", "95 % interval"):
        assert part in told
    assert json.loads(said(invoke(*words, "--json"))) == compare_runs(
        run(runs, "seed-0"), run(runs, "seed-1"), episodes=5
    )
    said(invoke(*words, "--checkpoint", "50", "latest"))


def test_what_cannot_be_compared_is_one_line(runs):
    words = ("--runs-dir", runs, "--episodes", "5")
    assert_one_line(
        invoke("compare", "seed-0", "elsewhere", *words),
        2,
        "runs of different environments cannot be compared",
    )
    assert_one_line(
        invoke("compare", "seed-0", "noisy", *words),
        2,
        "reset_noise_scale is 0.02 and 0.1; use --env-set reset_noise_scale=0.02",
    )
    assert_one_line(invoke("compare", "seed-0", "sed-1", *words), 2, "did you mean 'seed-1'?")
    assert_one_line(
        invoke("compare", "seed-0", "seed-1", *words, "--checkpoint", "7", "best"),
        2,
        "unknown checkpoint '7'",
    )
    said(invoke("compare", "seed-0", "noisy", *words, "--env-set", "reset_noise_scale=0.02"))
    assert "exactly the same" in said(
        invoke("compare", "seed-1", "wide", *words, "--checkpoint", "50", "50")
    ), "looks change nothing"
    assert invoke("compare", "seed-0", "seed-1", "--episodes", "1").exit_code == 2
