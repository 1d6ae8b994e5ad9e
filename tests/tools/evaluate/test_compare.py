"""Comparison of runs: antisymmetric, on the episodes of an evaluation, errors in one line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import assert_one_line, invoke, said
from sample_policies import Hand
from sample_runs import start_run

from poise import algos
from poise.toolkit.run import Run
from poise.tools.evaluate.compare import compare_runs, describe_difference
from poise.tools.evaluate.evaluate import evaluate_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds, copies of one with other settings, and a run of another environment."""
    folder = tmp_path_factory.mktemp("compared")
    for seed in (0, 1):
        start_run(folder, f"seed-{seed}", seed=seed, steps=100)
    start_run(folder, "elsewhere", "standing", steps=40)
    config = json.loads((folder / "seed-1" / "config.json").read_text(encoding="utf-8"))
    for name, noise_scale in (("noisy", 0.1), ("wide", 0.02)):
        (folder / name).mkdir()
        for subfolder in ("checkpoints", "policies"):
            (folder / name / subfolder).symlink_to(folder / "seed-1" / subfolder)
        config["env_settings"] |= {"reset_noise_scale": noise_scale, "width": 300, "hud": True}
        (folder / name / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.fixture
def first(runs: Path) -> Run:
    return Run.open(runs, "seed-0")


@pytest.fixture
def second(runs: Path) -> Run:
    return Run.open(runs, "seed-1")


def test_comparison_of_a_run_with_itself_finds_no_difference(first):
    result = compare_runs(first, first, episodes=6)
    assert result["difference"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    assert result["probability"] == {"mean": 0.5, "low": 0.5, "high": 0.5}
    assert result["verdict"] == "they return exactly the same in all 6 episodes"


def test_comparison_in_reverse_order_only_changes_the_sign(first, second):
    forward = compare_runs(first, second, episodes=6)
    backward = compare_runs(second, first, episodes=6)
    assert forward["difference"]["mean"] == -backward["difference"]["mean"] != 0.0
    assert forward["difference"]["low"] == pytest.approx(-backward["difference"]["high"])
    assert forward["probability"]["mean"] == pytest.approx(1.0 - backward["probability"]["mean"])
    assert forward["one"] == backward["two"] and forward["two"] == backward["one"]


def test_comparison_of_two_runs_uses_the_episodes_of_an_evaluation(first, second):
    result = compare_runs(first, second, ("latest", "50"), episodes=6)
    for entry, run, checkpoint in (
        (result["one"], first, "latest"),
        (result["two"], second, "50"),
    ):
        evaluation = evaluate_run(run, checkpoint, 6)
        assert entry["returns"] == evaluation["policy"]["returns"]
        assert entry["checkpoint"] == evaluation["checkpoint"]
    differences = np.subtract(result["one"]["returns"], result["two"]["returns"])
    assert result["difference"]["mean"] == pytest.approx(differences.mean())
    assert result["difference"]["low"] <= differences.mean() <= result["difference"]["high"]


def test_policy_that_balances_is_better_than_one_that_does_nothing(first, second, monkeypatch):
    gains: dict[str, Any] = {"seed-0": 1.0, "seed-1": 0.0}
    monkeypatch.setattr(
        algos, "restore_learner", lambda run, checkpoint: Hand(gains[run.path.name])
    )
    result = compare_runs(first, second, episodes=6)
    assert result["one"]["success"] == 1.0 and result["two"]["success"] == 0.0
    assert result["difference"]["low"] > 0.0 and result["probability"]["mean"] == 1.0
    assert result["verdict"] == "seed-0, by hand is better"


def test_verdict_claims_no_more_than_the_interval_shows():
    differences = np.array([1.0, -1.0, 2.0, -1.5, 0.5])
    assert describe_difference("a", "b", differences, 0.1, 2.0) == "a is better"
    assert describe_difference("a", "b", differences, -2.0, -0.1) == "b is better"
    verdict = describe_difference("a", "b", differences, -0.1, 0.1)
    assert verdict == "no difference that 5 episodes can show: try --episodes 50"
    verdict = describe_difference("a", "b", np.ones(4000), -1.0, 1.0)
    assert verdict.endswith("try --episodes 10000")
    verdict = describe_difference("a", "b", np.ones(10_000), -1.0, 1.0)
    assert verdict == "no difference that 10000 episodes can show"


def test_command_compare_prints_a_table_or_json(runs, first, second):
    command = ("compare", "seed-0", "seed-1", "--runs-dir", runs, "--episodes", "5")
    output = said(invoke(*command))
    for text in (
        "seed-0",
        "step_",
        "first minus second",
        "95 % interval",
        "seed-0, step_000000100 returns more in",
    ):
        assert text in output
    printed = json.loads(said(invoke(*command, "--json")))
    assert printed == compare_runs(first, second, episodes=5)
    said(invoke(*command, "--checkpoint", "50", "latest"))


def test_runs_whose_returns_differ_in_meaning_are_refused_in_one_line(runs):
    options = ("--runs-dir", runs, "--episodes", "5")

    def compare(one: str, two: str, *more_options: str) -> Any:
        return invoke("compare", one, two, *options, *more_options)

    assert_one_line(
        compare("seed-0", "elsewhere"), 2, "runs of different environments cannot be compared"
    )
    assert_one_line(
        compare("seed-0", "noisy"),
        2,
        "reset_noise_scale is 0.02 and 0.1; use --env-set reset_noise_scale=0.02",
    )
    said(compare("seed-0", "noisy", "--env-set", "reset_noise_scale=0.02"))
    assert "exactly the same" in said(compare("seed-1", "wide", "--checkpoint", "50", "50")), (
        "render settings do not matter"
    )


def test_mistaken_words_of_compare_are_refused_in_one_line(runs):
    options = ("--runs-dir", runs, "--episodes", "5")
    assert_one_line(invoke("compare", "seed-0", "sed-1", *options), 2, "did you mean 'seed-1'?")
    assert_one_line(
        invoke("compare", "seed-0", "seed-1", *options, "--checkpoint", "7", "best"),
        2,
        "unknown checkpoint '7'",
    )
    assert invoke("compare", "seed-0", "seed-1", "--episodes", "1").exit_code == 2
