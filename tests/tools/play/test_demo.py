"""Trained bodies: `poise demo`, and runs that are a part of Poise."""

from pathlib import Path

import pygame
import pytest
from commands import assert_one_line, invoke, said
from playing import dummy_display, make, press  # noqa: F401
from sample_envs import needs_pybullet

from poise.algos import restore_learner
from poise.toolkit.evaluation import RETURN_STD, make_run_evaluator
from poise.toolkit.experience import ActorPolicy
from poise.toolkit.run import PRETRAINED, PRETRAINED_FOLDER, Run, list_pretrained
from poise.tools.play import command
from poise.tools.play.playground import Playground, make_bindings
from poise.tools.pretrain import TRAININGS

NAMES = list_pretrained()

MAX_BYTES = 6 * 10**6


def list_package() -> dict[Path, int]:
    """Return the files of all pretrained runs and their times of change."""
    return {path: path.stat().st_mtime_ns for path in PRETRAINED_FOLDER.rglob("*")}


def test_there_are_pretrained_runs_of_known_trainings_in_a_few_megabytes():
    assert {name.removeprefix(PRETRAINED) for name in NAMES} <= TRAININGS.keys()
    assert "pretrained/bolla-rolla" in NAMES and "pretrained/standing" in NAMES
    assert sum(path.stat().st_size for path in list_package()) < MAX_BYTES


@pytest.mark.parametrize("name", NAMES)
def test_pretrained_policy_is_as_good_as_its_summary_says(name, tmp_path):
    run = Run.open(tmp_path, name)
    needs_pybullet(run.config["env"])
    evaluator = make_run_evaluator(run, 3)
    result = evaluator(ActorPolicy(restore_learner(run))).metrics()
    evaluator.close()
    summary = run.summary()
    assert abs(result["eval/return"] - summary["eval/return"]) <= 4 * summary[RETURN_STD] + 1.0


def test_pretrained_run_is_taken_where_a_run_is_expected_and_never_written_to(elsewhere):
    before = list_package()
    words = ["pretrained/cartpole", "--size", "64"]
    said(invoke("record", *words))
    said(invoke("record", *words))
    said(invoke("evaluate", "pretrained/cartpole", "--episodes", "1"))
    said(invoke("plot", "pretrained/cartpole"))
    said(invoke("report", "pretrained/cartpole", "--episodes", "1"))
    written = {path.suffix for path in Path().iterdir()}
    assert written == {".mp4", ".png", ".html"} and len(list(Path().glob("*.mp4"))) == 2
    assert_one_line(invoke("train", "--resume", "pretrained/cartpole"), 2, "is a part of Poise")
    assert list_package() == before


def test_unknown_pretrained_run_is_answered_with_those_there_are(elsewhere):
    for name in ("play", "record", "evaluate"):
        assert_one_line(invoke(name, "pretrained/cartpol"), 2, "did you mean 'pretrained/cartpole'")
    assert_one_line(invoke("demo", "cartpol"), 2, "did you mean 'cartpole'")


def test_number_key_chooses_another_body_and_ends_the_loop():
    playground = make()
    assert playground.chosen_body is None
    playground.bodies = ["pretrained/one", "pretrained/two"]
    playground.bindings = make_bindings(playground)
    press(playground, "2")
    assert playground.chosen_body == "pretrained/two" and not playground.is_open
    keys = [key for binding in playground.bindings for key in binding.keys]
    assert len(keys) == len(set(keys)), "no key has two meanings"


def test_demo_goes_on_to_the_chosen_body_in_the_same_window(monkeypatch):
    shown = []

    def run_and_choose(playground: Playground, seconds: float | None) -> None:
        playground.run_frame(0.0)
        shown.append(pygame.display.get_caption()[0])
        playground.session.env.close()
        if len(shown) == 1:
            playground.choose_body("pretrained/standing")

    monkeypatch.setattr(Playground, "run", run_and_choose)
    command.demo("cartpole", out=None, size=64)
    assert shown == ["Poise: pretrained/cartpole", "Poise: pretrained/standing"]


def test_demo_without_a_display_makes_a_film_and_says_so(elsewhere, monkeypatch):
    for name in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    result = invoke("demo", "cartpole")
    assert result.exit_code == 0 and "no display" in result.output
    assert Path("cartpole.mp4").stat().st_size > 1000
