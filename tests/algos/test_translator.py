"""The translator: what its network computes, that it learns, and that its runs are as exact as every other run."""

import json
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner
from poise.algos.preset import load_translator_preset
from poise.algos.registry import PRESETS_DIR as PRESETS
from poise.algos.translator import (
    MAX_FRAMES_PER_BATCH,
    ConvLSTM,
    ConvLSTMPoseEstimator,
    ConvPoseEstimator,
    FrameDecoder,
    Translator,
    TranslatorSettings,
    sequences_to_tensor,
)
from poise.cli import main
from poise.toolkit.dataset import Dataset
from poise.toolkit.errors import UserError
from poise.toolkit.run import Run
from poise.tools.translate.collect_dataset import collect_dataset, plan_dataset
from poise.tools.translate.evaluate import CORRUPTIONS, evaluate_translator
from poise.tools.translate.load import load_translator
from poise.tools.translate.pose_errors import draw_worst_frames
from poise.tools.translate.train import (
    TranslatorTrainingSettings,
    create_translator_run,
    make_translator_config,
    train_translator,
)
from torch import nn
from torch.nn.functional import conv2d

SMALL = {"conv_channels": [4, 8], "hidden_size": 16, "batch_size": 16}
FILMS = {"kind": "convlstm", "lstm_channels": 4, "batch_size": 4, "next_frame_coef": 0.1}


def collect(folder, env_id="poise/Reacher2D-v0", **changed):
    how = {
        "frames": 200,
        "size": 32,
        "sequence": 5,
        "policy": "random",
        "seed": 0,
        "runs_dir": Path("runs"),
        **changed,
    }
    return collect_dataset(plan_dataset(env_id, {}, **how), folder, jobs=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return collect(tmp_path_factory.mktemp("data") / "reacher")


def learner(outputs=4, seed=0, size=(32, 32), **settings):
    return Translator(size, outputs, TranslatorSettings(**{**SMALL, **settings}), seed)


def pictures(number=6, seed=0, size=(32, 32)):
    return np.random.default_rng(seed).integers(0, 256, (number, *size, 3), dtype=np.uint8)


# The network.


def test_every_convolution_halves_the_picture_and_sees_where_it_looks():
    eye = ConvPoseEstimator((20, 30), 4, channels=(4, 8), hidden_size=16)
    first = next(layer for layer in eye.convolutions if isinstance(layer, nn.Conv2d))
    assert first.in_channels == 5  # Three colours, and the place.
    where = eye.convolutions.get_buffer("always")[0, 3:]
    assert where.shape == (2, 20, 30)
    assert where[0, :, 0].tolist() == [-1.0] * 20 and where[0, :, -1].tolist() == [1.0] * 20
    assert where[1, 0].tolist() == [-1.0] * 30 and where[1, -1].tolist() == [1.0] * 30
    assert (
        next(layer for layer in eye.head if isinstance(layer, nn.Linear)).in_features == 8 * 5 * 8
    )
    assert eye(torch.zeros(7, 2, 3, 20, 30))[0].shape == (7, 2, 4)


def test_black_is_minus_one_and_white_is_one():
    film = np.stack((np.zeros((32, 24, 3), np.uint8), np.full((32, 24, 3), 255, np.uint8)))
    seen = sequences_to_tensor(film, torch.device("cpu"))
    assert seen.shape == (1, 2, 3, 32, 24)
    assert seen[0, 0].unique().tolist() == [-1.0] and seen[0, 1].unique().tolist() == [1.0]


def test_what_has_learned_nothing_says_about_the_mean_and_metres_stay_metres():
    values = (
        np.random.default_rng(0)
        .normal([5.0, -3.0, 0.0], [1.0, 3.0, 10.0], (2000, 3))
        .astype(np.float32)
    )
    translator = learner(outputs=3)
    translator.fit_normalization(values, [2, 1])
    mean, spread = (
        translator.pose_estimator.get_buffer(name).numpy() for name in ("mean", "spread")
    )
    np.testing.assert_allclose(mean, values.mean(0), rtol=1e-5)
    assert spread[0] == spread[1] == pytest.approx(np.sqrt(5.0), rel=0.05)
    assert spread[2] == pytest.approx(10.0, rel=0.05)
    with torch.no_grad():
        for parameter in translator.pose_estimator.parameters():
            parameter.zero_()
    np.testing.assert_allclose(translator.translate(pictures()), np.tile(mean, (6, 1)), rtol=1e-6)


def test_the_loss_is_the_mean_square_in_units_of_the_spread():
    translator, frames = learner(), pictures()
    values = np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)
    translator.fit_normalization(10.0 * values, [4])
    spread = translator.pose_estimator.get_buffer("spread").numpy()
    wrong = np.square((translator.translate(frames) - values) / spread)
    assert translator.losses(frames, values)["translation"].item() == pytest.approx(
        wrong.mean(), rel=1e-4
    )
    values[2:, 1] = np.nan
    known = (wrong.sum() - wrong[2:, 1].sum()) / (wrong.size - 4)
    assert translator.losses(frames, values)["translation"].item() == pytest.approx(known, rel=1e-4)
    assert np.isfinite(translator.train_on_batch(frames, values, 0.0)["losses/translation"])


def test_many_pictures_are_translated_as_few():
    translator, frames = learner(size=(8, 8)), pictures(1100, size=(8, 8))
    few = np.concatenate(
        [translator.translate(frames[first : first + 100]) for first in range(0, 1100, 100)]
    )
    np.testing.assert_allclose(translator.translate(frames), few, atol=1e-5)


def test_it_learns_pictures_by_heart_and_the_learning_rate_falls():
    translator, frames = learner(learning_rate=0.003), pictures()
    values = np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)
    translator.fit_normalization(values, [4])
    losses = [
        translator.train_on_batch(frames, values, step / 300)["losses/translation"]
        for step in range(300)
    ]
    assert losses[0] > 0.5
    assert losses[-1] < 1e-3
    assert translator.optimizers["eye"].learning_rate == pytest.approx(0.003 * 0.03, rel=0.05)


# Films.


def film_learner(outputs=4, seed=0, size=(32, 32), **settings):
    return learner(outputs, seed, size, **{**FILMS, "signals": ("pose",), "rates": (), **settings})


def films(number=2, length=4, seed=0, size=(32, 32)):
    return pictures(number * length, seed, size).reshape(number, length, *size, 3)


def test_the_memory_computes_what_the_paper_says():
    torch.manual_seed(0)
    cell, x = ConvLSTM(3, 2), torch.randn(2, 3, 3, 5, 4)
    told, (h, c) = cell(x)
    hand_h = hand_c = torch.zeros(2, 2, 5, 4)
    for moment in range(3):
        weights, remembered = cell.input_conv.weight.chunk(4), cell.hidden_conv.weight.chunk(4)
        i, f, o, g = (
            conv2d(x[:, moment], weights[gate], cell.input_conv.bias.chunk(4)[gate], padding=1)
            + conv2d(hand_h, remembered[gate], padding=1)
            for gate in range(4)
        )
        hand_c = torch.sigmoid(f) * hand_c + torch.sigmoid(i) * torch.tanh(g)
        hand_h = torch.sigmoid(o) * torch.tanh(hand_c)
        torch.testing.assert_close(told[:, moment], hand_h)
    torch.testing.assert_close((h, c), (hand_h, hand_c))


@pytest.mark.parametrize(
    ("kind", "reaches"), [(ConvLSTMPoseEstimator, True), (ConvPoseEstimator, False)]
)
def test_gradients_of_the_last_moment_go_back_to_the_first_picture(kind, reaches):
    """And further than to the picture before, which the last one is seen beside."""
    torch.manual_seed(0)
    film = torch.rand(1, 5, 3, 16, 16, requires_grad=True)
    y, _ = kind((16, 16), 2, (4, 8), 16, 4 if reaches else 0)(film)
    y[0, -1].sum().backward()
    felt = film.grad[0].abs().sum(dim=(1, 2, 3))
    assert felt[-1] > 0
    assert bool((felt[:-1] > 0).all()) is reaches


def test_no_moment_knows_what_comes_after_it():
    translator, film = film_learner(), films(1, 6)
    changed = film.copy()
    changed[0, 4:] = 255 - changed[0, 4:]
    before, after = translator.translate(film), translator.translate(changed)
    np.testing.assert_array_equal(before[0, :4], after[0, :4])
    assert (before[0, 4:] != after[0, 4:]).all()


def test_a_film_is_read_picture_by_picture_as_at_once_and_a_new_one_begins_anew():
    translator, both = film_learner(), films(2, 5)
    at_once = translator.translate(both)
    assert at_once.shape == (2, 5, 4)
    for film, told in zip(both, at_once, strict=True):
        translator.reset()
        np.testing.assert_allclose(
            [translator.translate_frame(picture) for picture in film], told, atol=1e-5
        )
    assert np.abs(translator.translate_frame(both[0, 0]) - at_once[0, 0]).max() > 1e-3
    np.testing.assert_allclose(translator.translate(both[1]), at_once[1], atol=1e-5)


def test_a_long_film_is_remembered_across_the_parts_that_it_is_translated_in(monkeypatch):
    translator, long = film_learner(size=(8, 8)), films(3, 20, size=(8, 8))
    at_once = translator.translate(long)
    monkeypatch.setattr("poise.algos.translator.MAX_FRAMES_PER_BATCH", 12)
    np.testing.assert_allclose(translator.translate(long), at_once, atol=1e-5)
    assert MAX_FRAMES_PER_BATCH > 60


def moving(number=12, length=6, size=16, seed=0):
    """Films of a bright square that goes left or right, and by how many pixels in a picture."""
    rng = np.random.default_rng(seed)
    speeds, places = rng.integers(-2, 3, number), rng.integers(0, size, number)
    shown = np.zeros((number, length, size, size, 3), np.uint8)
    for film, speed, place in zip(shown, speeds, places, strict=True):
        for moment, picture in enumerate(film):
            picture[6:10, (place + speed * moment + np.arange(4)) % size] = 255
    values = np.repeat(speeds[:, None], length, axis=1)[..., None].astype(np.float32)
    values[:, 0] = np.nan
    return shown, values


@pytest.mark.parametrize(("kind", "learns"), [("convlstm", True), ("cnn", False)])
def test_a_film_tells_how_fast_something_moves_and_a_picture_does_not(kind, learns):
    translator = film_learner(
        1, size=(16, 16), kind=kind, next_frame_coef=0.0, learning_rate=0.003, batch_size=32
    )
    for step in range(100):
        translator.train_on_batch(*moving(16, seed=step), step / 100)
    shown, speeds = moving(50, seed=1000)
    error = float(np.nanmean(np.square(translator.translate(shown) - speeds)))
    assert error < 0.5 if learns else error > 1.5  # Saying the mean: 2.


def test_it_learns_to_paint_the_next_picture_better_than_the_same_again():
    translator = film_learner(
        1, size=(16, 16), next_frame_coef=1.0, learning_rate=0.003, conv_channels=(8, 16)
    )
    losses = [
        translator.train_on_batch(*moving(16, seed=step), step / 100)["losses/next_frame"]
        for step in range(100)
    ]
    assert losses[0] > 0.9
    with torch.no_grad():
        assert translator.losses(*moving(50, seed=1000))["next_frame"].item() < 0.8


def test_the_painter_paints_pictures_of_any_size():
    painted = FrameDecoder((12, 4))(torch.zeros(2, 3, 3, 19, 30), torch.zeros(2, 3, 12, 5, 8))
    assert painted.shape == (2, 3, 3, 19, 30)


# Runs.


def settings(**changed):
    return {**SMALL, "steps": 30, "evaluate_every": 10, **changed}


def test_it_learns_to_see_better_than_saying_the_mean(tmp_path):
    data = collect(tmp_path / "more", frames=600, sequence=3)
    words = settings(
        steps=250,
        evaluate_every=250,
        learning_rate=0.002,
        conv_channels=[8, 16],
        hidden_size=64,
        batch_size=32,
    )
    run = create_translator_run(tmp_path, None, data, words)
    outcome = train_translator(run, data)
    judged = evaluate_translator(run, data)
    assert run.path.name == "reacher2d-translator-0"
    assert judged.frames == 60
    assert judged.mse == pytest.approx(outcome["mse"], rel=1e-5)
    assert judged.mse < 0.5 * judged.baseline
    values = data.select_signals(["pose"])
    teach, held_out = data.split()
    assert judged.baseline == pytest.approx(
        np.square(values[held_out] - values[teach].mean(0)).mean(), rel=1e-4
    )
    assert [told.name for told in judged.errors] == ["pose 1", "pose 2", "pose 3", "pose 4"]
    assert {told.unit for told in judged.errors} == {"mm"}
    assert np.mean([told.error**2 for told in judged.errors]) == pytest.approx(
        1e6 * judged.mse, rel=1e-4
    )
    assert (
        set(judged.corrupted_mse) == set(CORRUPTIONS)
        and min(judged.corrupted_mse.values()) > judged.mse
    )
    wrong = np.square(
        load_translator(run).translate(data.load_frames(held_out)) - values[held_out]
    ).sum(1)
    assert judged.worst_rows[0] == held_out[wrong.argmax()]


@pytest.mark.parametrize(
    ("kind", "stops"), [({}, (7,)), ({}, (10, 23)), (FILMS, (7,)), (FILMS, (10, 23))]
)
def test_stopped_and_resumed_it_is_the_same_to_the_last_bit(data, tmp_path, kind, stops):
    whole = create_translator_run(tmp_path, "whole", data, settings(**kind))
    train_translator(whole, data)
    parts = create_translator_run(tmp_path, "parts", data, settings(**kind))
    for stop in (*stops, None):
        looks = iter(range(100))
        done = parts.summary().get("steps", 0)
        train_translator(
            parts,
            data,
            should_stop=lambda looks=looks, left=(stop or 99) - done: next(looks) >= left,
        )
    first, second = (run.load_checkpoint("latest")[1] for run in (whole, parts))
    for group in {*first} - {"rng", "progress"}:
        for name, array in first[group].items():
            np.testing.assert_array_equal(array, second[group][name])
    assert first["rng"]["numpy"] == second["rng"]["numpy"]
    tables = [
        [
            line.split(",")[::2]
            for line in (run.path / "metrics.csv").read_text().splitlines()
            if "eval/mse" in line
        ]
        for run in (whole, parts)
    ]
    assert tables[0] == tables[1] and len(tables[0]) == 3


def test_a_worlds_preset_is_taken_for_pictures_and_what_is_told_comes_on_top_of_it(
    data, monkeypatch
):
    monkeypatch.setitem(data.card, "env", "poise/Reacher3D-v0")
    preset = load_translator_preset("poise/Reacher3D-v0")
    config = make_translator_config(data, {"hidden_size": 7})
    told = {**config["settings"], **config["training"]}
    assert told["hidden_size"] == 7
    assert preset and all(
        told[name] == value for name, value in preset.items() if name != "hidden_size"
    )
    film = TranslatorSettings(kind="convlstm").to_dict()
    assert make_translator_config(data, {"kind": "convlstm"})["settings"] == film


@pytest.mark.parametrize("env_id", yaml.safe_load((PRESETS / "translator.yaml").read_text()))
def test_every_preset_is_of_a_world_and_of_settings_that_there_are(env_id):
    assert env_id in gymnasium.registry
    known = {**TranslatorSettings.model_fields, **TranslatorTrainingSettings.model_fields}
    assert load_translator_preset(env_id).keys() <= known.keys()
    TranslatorSettings.parse(
        {
            name: value
            for name, value in load_translator_preset(env_id).items()
            if name in TranslatorSettings.model_fields
        }
    )


def test_it_stops_when_it_sees_well_enough(data, tmp_path):
    outcome = train_translator(
        run := create_translator_run(tmp_path, None, data, settings(solved_at=1.0)), data
    )
    assert outcome["steps"] == 10 and outcome["solved"] == 1.0
    assert run.summary()["mse"] == outcome["mse"]


def test_shifts_change_what_they_say_and_nothing_else():
    frames, rng = pictures(4), np.random.default_rng(0)
    assert 4.0 < np.abs(CORRUPTIONS["noise"](frames.copy(), rng).astype(int) - frames).mean() < 10.0
    changed = (CORRUPTIONS["a bar"](frames.copy(), rng) != frames).any(axis=(1, 3)).sum(axis=1)
    assert changed.tolist() == [4] * 4
    np.testing.assert_array_equal(
        CORRUPTIONS["other colours"](frames.copy(), rng)[..., 1], frames[..., 0]
    )


# What the user types.


def poise(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def words_of(**changed):
    return [
        word for name, value in settings(**changed).items() for word in ("--set", f"{name}={value}")
    ]


def test_train_and_evaluate_from_the_command(data, elsewhere):
    told = poise("translate", "train", data.folder, *words_of())
    assert told.exit_code == 0, told.output
    assert (
        "mean square error" in told.output
        and "poise translate evaluate reacher2d-translator-0" in told.output
    )
    judged = poise(
        "translate", "evaluate", "reacher2d-translator-0", data.folder, "--worst", "worst.png"
    )
    assert judged.exit_code == 0, judged.output
    assert "pose 4" in judged.output and " mm" in judged.output and "other colours" in judged.output
    assert Path("worst.png").stat().st_size > 1000
    config = json.loads(Path("runs/reacher2d-translator-0/config.json").read_text())
    assert config["settings"]["signals"] == ["pose"] and config["versions"]["torch"]
    again = poise("translate", "train", "--resume", "reacher2d-translator-0")
    assert again.exit_code == 0 and "after 30 steps" in again.output


def test_speeds_are_read_from_films_and_compared_with_differences_from_the_command(data, elsewhere):
    assert poise("translate", "train", data.folder, "--run", "eye", *words_of()).exit_code == 0
    told = poise("translate", "train", data.folder, "--run", "film", *words_of(**FILMS))
    assert told.exit_code == 0, told.output
    config = json.loads(Path("runs/film/config.json").read_text())
    assert config["settings"]["signals"] == ["pose", "speed"] and config["settings"]["rates"] == [
        "pose"
    ]
    judged = poise(
        "translate",
        "evaluate",
        "film",
        data.folder,
        "--beside",
        "eye",
        "--map",
        "map.png",
        "--worst",
        "worst.png",
    )
    assert judged.exit_code == 0, judged.output
    for said in (
        "pose rate 4",
        "mm/s",
        "deg/s",
        "differences of what film reads",
        "differences of what eye reads",
        "at the",
        "hand ",
        "the next picture: ",
    ):
        assert said in judged.output
    assert Path("map.png").stat().st_size > 1000 and Path("worst.png").stat().st_size > 1000
    painter = load_translator(run := Run.open(Path("runs"), "film")).frame_decoder.state_dict()
    saved = run.load_checkpoint("latest", ["network_painter"])[1]["network_painter"]
    assert painter and all(np.array_equal(value, saved[name]) for name, value in painter.items()), (
        "it paints as it has learned to"
    )
    assert "the next picture" not in poise("translate", "evaluate", "eye", data.folder).output
    alone = poise("translate", "evaluate", "eye", data.folder, "--beside", "eye")
    assert alone.exit_code == 2 and "no speeds to compare" in alone.output


@pytest.mark.parametrize(("words", "said"), [
    (["train"], "say either a DATASET"),
    (["train", "{data}", "--set", "conv_chanels=[4]"], "did you mean 'conv_channels'"),
    (["train", "{data}", "--set", "signals=[height]"], "no signal 'height'"),
    (["train", "{data}", "--set", "kind=lstm"], "kind='lstm'"),
    (["train", "{data}", "--set", "kind=[cnn]"], "kind=['cnn']"),
    (["train", "{data}", "--set", "signals=[pose,pose]"], "told twice: pose, pose"),
    (["train", "{data}", "--set", "signals=[pose,speed]"], "one picture does not show the speed (rad/s)"),
    (["train", "{data}", "--set", "rates=[pose]"], "one picture does not show the pose rate (m/s)"),
    (["train", "{data}", "--set", "next_frame_coef=1"], "next_frame_coef is for films"),
    (["train", "nowhere"], "holds no dataset"),
    (["evaluate", "nobody", "{data}"], "unknown run 'nobody'"),
    (["evaluate", "nobody", "{data}", "--worst", "worst.txt"], "not 'worst.txt'"),
    (["evaluate", "nobody", "{data}", "--map", "map"], "not 'map'"),
])  # fmt: skip
def test_wrong_words_are_said_in_one_line_and_leave_nothing(data, elsewhere, words, said):
    result = poise("translate", *[word.format(data=data.folder) for word in words])
    assert result.exit_code == 2
    assert said in result.output and len(result.output.strip().splitlines()) == 1
    assert not Path("runs").exists()


def test_a_translator_and_pictures_that_do_not_fit_are_refused(data, tmp_path):
    train_translator(run := create_translator_run(tmp_path, None, data, settings(steps=1)), data)
    larger = collect(tmp_path / "larger", frames=50, size=48)
    with pytest.raises(UserError, match="sees 32 x 32 pixels"):
        evaluate_translator(run, larger)
    other = collect(tmp_path / "other", "poise/Standing-v0", frames=50, sequence=5)
    with pytest.raises(UserError, match="knows poise/Reacher2D-v0"):
        evaluate_translator(run, other)
    single = collect(tmp_path / "single", frames=50, sequence=1)
    assert create_translator_run(tmp_path, None, single, settings()).path.exists()
    with pytest.raises(
        UserError, match="single pictures and no films: collect it with --sequences 10"
    ):
        create_translator_run(tmp_path, None, single, settings(kind="convlstm"))
    with pytest.raises(UserError, match="no tenth episode"):
        create_translator_run(tmp_path, None, collect(tmp_path / "few", frames=10), settings())
    config = run.config
    run.write("config.json", {**config, "algorithm": "ppo"})
    with pytest.raises(UserError, match="not a translator"):
        load_translator(Run(run.path))


def test_a_dataset_holds_what_a_translator_needs_in_space_too(tmp_path):
    pytest.importorskip("pybullet")
    data = collect(tmp_path / "bust", "poise/PoseHumanoid3D-v0", frames=100)
    train_translator(
        run := create_translator_run(tmp_path, None, data, settings(steps=5, evaluate_every=5)),
        data,
    )
    judged = evaluate_translator(run, Dataset(data.folder))
    assert len(judged.errors) == 12


def test_the_worst_frames_are_drawn_for_the_twin_in_space_whose_places_have_no_height(tmp_path):
    pytest.importorskip("pybullet")
    data = collect(tmp_path / "twin", "poise/ReacherPlane3D-v0", frames=100)
    train_translator(
        run := create_translator_run(tmp_path, None, data, settings(steps=5, evaluate_every=5)),
        data,
    )
    assert (
        draw_worst_frames(data, evaluate_translator(run, data), tmp_path / "worst.png")
        .stat()
        .st_size
        > 1000
    )


def test_a_policys_run_is_no_translators_to_go_on_with(data, elsewhere):
    train_translator(
        run := create_translator_run(elsewhere / "runs", "odd", data, settings(steps=1)), data
    )
    config = {name: value for name, value in run.config.items() if name != "dataset"}
    run.write("config.json", {**config, "algorithm": "ppo"})
    result = poise("translate", "train", "--resume", "odd")
    assert result.exit_code == 2 and "not a translator" in result.output
