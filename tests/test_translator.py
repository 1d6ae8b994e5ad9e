"""The translator: what its network computes, that it learns, and that its runs are as exact as every other run."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from algos.translator import Eye, Translator, TranslatorSettings
from cli import main
from toolkit.dataset import Dataset
from toolkit.errors import UserError
from toolkit.run import Run
from tools.collect_dataset import collect_dataset, plan_dataset
from tools.evaluate_translator import SHIFTS, draw_worst, evaluate_translator
from tools.train_translator import open_translator, start, train_translator

SMALL = {"channels": [4, 8], "hidden": 16, "batch": 16}


def collect(folder, world_id="poise/Reacher2D-v0", **changed):
    how = {"frames": 200, "size": 32, "sequence": 5, "policy": "random", "seed": 0, "runs": Path("runs"), **changed}
    return collect_dataset(plan_dataset(world_id, {}, **how), folder, jobs=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return collect(tmp_path_factory.mktemp("data") / "reacher")


def learner(outputs=4, seed=0, size=(32, 32), **settings):
    return Translator(size, outputs, TranslatorSettings(**{**SMALL, **settings}), seed)


def pictures(number=6, seed=0, size=(32, 32)):
    return np.random.default_rng(seed).integers(0, 256, (number, *size, 3), dtype=np.uint8)


# The network.


def test_every_convolution_halves_the_picture_and_sees_where_it_looks():
    eye = Eye(20, 30, 4, TranslatorSettings(channels=(4, 8), hidden=16))
    first = next(layer for layer in eye.layers if isinstance(layer, nn.Conv2d))
    assert first.in_channels == 5  # Three colours, and the place.
    where = eye.get_buffer("where")[0]
    assert where.shape == (2, 20, 30)
    assert where[0, :, 0].tolist() == [-1.0] * 20 and where[0, :, -1].tolist() == [1.0] * 20
    assert where[1, 0].tolist() == [-1.0] * 30 and where[1, -1].tolist() == [1.0] * 30
    assert next(layer for layer in eye.layers if isinstance(layer, nn.Linear)).in_features == 8 * 5 * 8
    assert eye(torch.zeros(7, 3, 20, 30)).shape == (7, 4)


def test_black_is_minus_one_and_white_is_one():
    seen = learner()._pictures(np.stack((np.zeros((32, 32, 3), np.uint8), np.full((32, 32, 3), 255, np.uint8))))
    assert seen.shape == (2, 3, 32, 32)
    assert seen[0].unique().tolist() == [-1.0] and seen[1].unique().tolist() == [1.0]


def test_what_has_learned_nothing_says_about_the_mean_and_metres_stay_metres():
    values = np.random.default_rng(0).normal([5.0, -3.0, 0.0], [1.0, 3.0, 10.0], (2000, 3)).astype(np.float32)
    translator = learner(outputs=3)
    translator.standardize(values, [2, 1])
    mean, spread = (translator.eye.get_buffer(name).numpy() for name in ("mean", "spread"))
    np.testing.assert_allclose(mean, values.mean(0), rtol=1e-5)
    assert spread[0] == spread[1] == pytest.approx(np.sqrt(5.0), rel=0.05)
    assert spread[2] == pytest.approx(10.0, rel=0.05)
    with torch.no_grad():
        for parameter in translator.eye.parameters():
            parameter.zero_()
    np.testing.assert_allclose(translator.translate(pictures()), np.tile(mean, (6, 1)), rtol=1e-6)


def test_the_loss_is_the_mean_square_in_units_of_the_spread():
    translator, frames = learner(), pictures()
    values = np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)
    translator.standardize(10.0 * values, [4])
    spread = translator.eye.get_buffer("spread").numpy()
    by_hand = np.square((translator.translate(frames) - values) / spread).mean()
    assert translator.loss(frames, values).item() == pytest.approx(by_hand, rel=1e-4)


def test_many_pictures_are_translated_as_few():
    translator, frames = learner(size=(8, 8)), pictures(1100, size=(8, 8))
    few = np.concatenate([translator.translate(frames[first : first + 100]) for first in range(0, 1100, 100)])
    np.testing.assert_allclose(translator.translate(frames), few, atol=1e-5)


def test_it_learns_pictures_by_heart_and_the_learning_rate_falls():
    translator, frames = learner(learning_rate=0.003), pictures()
    values = np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)
    translator.standardize(values, [4])
    losses = [translator.learn(frames, values, step / 300)["losses/translation"] for step in range(300)]
    assert losses[0] > 0.5
    assert losses[-1] < 1e-3
    assert translator.optimizers["eye"].learning_rate == pytest.approx(0.003 * 0.03, rel=0.05)


# Runs.


def settings(**changed):
    return {**SMALL, "steps": 30, "evaluate_every": 10, **changed}


def test_it_learns_to_see_better_than_saying_the_mean(tmp_path):
    data = collect(tmp_path / "more", frames=600, sequence=3)
    words = settings(steps=250, evaluate_every=250, learning_rate=0.002, channels=[8, 16], hidden=64, batch=32)
    run = start(tmp_path, None, data, words)
    outcome = train_translator(run, data)
    judged = evaluate_translator(run, data)
    assert run.path.name == "reacher2d-translator-0"
    assert judged.frames == 60
    assert judged.mse == pytest.approx(outcome["mse"], rel=1e-5)
    assert judged.mse < 0.5 * judged.baseline
    values = data.values(["pose"])
    teach, held_out = data.split()
    assert judged.baseline == pytest.approx(np.square(values[held_out] - values[teach].mean(0)).mean(), rel=1e-4)
    assert [told.name for told in judged.errors] == ["pose 1", "pose 2", "pose 3", "pose 4"]
    assert {told.unit for told in judged.errors} == {"mm"}
    assert np.mean([told.error**2 for told in judged.errors]) == pytest.approx(1e6 * judged.mse, rel=1e-4)
    assert set(judged.shifts) == set(SHIFTS) and min(judged.shifts.values()) > judged.mse
    wrong = np.square(open_translator(run).translate(data.frames(held_out)) - values[held_out]).sum(1)
    assert judged.worst[0] == held_out[wrong.argmax()]


@pytest.mark.parametrize("stops", [(7,), (10, 23)])
def test_stopped_and_resumed_it_is_the_same_to_the_last_bit(data, tmp_path, stops):
    whole = start(tmp_path, "whole", data, settings())
    train_translator(whole, data)
    parts = start(tmp_path, "parts", data, settings())
    for stop in (*stops, None):
        looks = iter(range(100))
        done = parts.summary().get("steps", 0)
        train_translator(parts, data, should_stop=lambda looks=looks, left=(stop or 99) - done: next(looks) >= left)
    first, second = (run.load("latest")[1] for run in (whole, parts))
    for group in ("policy", "optimizer_eye"):
        for name, array in first[group].items():
            np.testing.assert_array_equal(array, second[group][name])
    assert first["chance"]["numpy"] == second["chance"]["numpy"]
    tables = [
        [line.split(",")[::2] for line in (run.path / "metrics.csv").read_text().splitlines() if "eval/mse" in line]
        for run in (whole, parts)
    ]
    assert tables[0] == tables[1] and len(tables[0]) == 3


def test_it_stops_when_it_sees_well_enough(data, tmp_path):
    outcome = train_translator(run := start(tmp_path, None, data, settings(solved_at=1.0)), data)
    assert outcome["steps"] == 10 and outcome["solved"] == 1.0
    assert run.summary()["mse"] == outcome["mse"]


def test_shifts_change_what_they_say_and_nothing_else():
    frames, rng = pictures(4), np.random.default_rng(0)
    assert 4.0 < np.abs(SHIFTS["noise"](frames.copy(), rng).astype(int) - frames).mean() < 10.0
    changed = (SHIFTS["a bar"](frames.copy(), rng) != frames).any(axis=(1, 3)).sum(axis=1)
    assert changed.tolist() == [4] * 4
    np.testing.assert_array_equal(SHIFTS["other colours"](frames.copy(), rng)[..., 1], frames[..., 0])


# What the user types.


def poise(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def test_train_and_evaluate_from_the_command(data, elsewhere):
    told = poise("translate", "train", data.folder, *[w for k, v in settings().items() for w in ("--set", f"{k}={v}")])
    assert told.exit_code == 0, told.output
    assert "mean square error" in told.output and "poise translate evaluate reacher2d-translator-0" in told.output
    judged = poise("translate", "evaluate", "reacher2d-translator-0", data.folder, "--worst", "worst.png")
    assert judged.exit_code == 0, judged.output
    assert "pose 4" in judged.output and " mm" in judged.output and "other colours" in judged.output
    assert Path("worst.png").stat().st_size > 1000
    config = json.loads(Path("runs/reacher2d-translator-0/config.json").read_text())
    assert config["settings"]["signals"] == ["pose"] and config["versions"]["torch"]
    again = poise("translate", "train", "--resume", "reacher2d-translator-0")
    assert again.exit_code == 0 and "after 30 steps" in again.output


@pytest.mark.parametrize(("words", "said"), [
    (["train"], "say either a DATASET"),
    (["train", "{data}", "--set", "chanels=[4]"], "did you mean 'channels'"),
    (["train", "{data}", "--set", "signals=[height]"], "no signal 'height'"),
    (["train", "nowhere"], "holds no dataset"),
    (["evaluate", "nobody", "{data}"], "unknown run 'nobody'"),
])  # fmt: skip
def test_wrong_words_are_said_in_one_line_and_leave_nothing(data, elsewhere, words, said):
    result = poise("translate", *[word.format(data=data.folder) for word in words])
    assert result.exit_code == 2
    assert said in result.output and len(result.output.strip().splitlines()) == 1
    assert not Path("runs").exists()


def test_a_translator_and_pictures_that_do_not_fit_are_refused(data, tmp_path):
    train_translator(run := start(tmp_path, None, data, settings(steps=1)), data)
    larger = collect(tmp_path / "larger", frames=50, size=48)
    with pytest.raises(UserError, match="sees 32 x 32 pixels"):
        evaluate_translator(run, larger)
    other = collect(tmp_path / "other", "poise/Standing-v0", frames=50, sequence=5)
    with pytest.raises(UserError, match="knows poise/Reacher2D-v0"):
        evaluate_translator(run, other)
    with pytest.raises(UserError, match="no tenth episode"):
        start(tmp_path, None, collect(tmp_path / "few", frames=10), settings())
    config = run.config
    run.write("config.json", {**config, "algorithm": "ppo"})
    with pytest.raises(UserError, match="not a translator"):
        open_translator(Run(run.path))


def test_a_dataset_holds_what_a_translator_needs_in_space_too(tmp_path):
    pytest.importorskip("pybullet")
    data = collect(tmp_path / "bust", "poise/PoseHumanoid3D-v0", frames=100)
    train_translator(run := start(tmp_path, None, data, settings(steps=5, evaluate_every=5)), data)
    judged = evaluate_translator(run, Dataset(data.folder))
    assert len(judged.errors) == 12


def test_the_worst_frames_are_drawn_for_the_twin_in_space_whose_places_have_no_height(tmp_path):
    pytest.importorskip("pybullet")
    data = collect(tmp_path / "twin", "poise/ReacherPlane3D-v0", frames=100)
    train_translator(run := start(tmp_path, None, data, settings(steps=5, evaluate_every=5)), data)
    assert draw_worst(run, data, evaluate_translator(run, data), tmp_path / "worst.png").stat().st_size > 1000


def test_a_policys_run_is_no_translators_to_go_on_with(data, elsewhere):
    train_translator(run := start(elsewhere / "runs", "odd", data, settings(steps=1)), data)
    config = {name: value for name, value in run.config.items() if name != "dataset"}
    run.write("config.json", {**config, "algorithm": "ppo"})
    result = poise("translate", "train", "--resume", "odd")
    assert result.exit_code == 2 and "not a translator" in result.output
