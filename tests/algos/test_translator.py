"""The translator: its network's formulas, learning, exact resume, and the commands."""

import json
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner
from torch import nn
from torch.nn.functional import conv2d

from poise.algos.preset import PRESETS, load_translator_preset
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

SMALL = {"conv_channels": [4, 8], "hidden_size": 16, "batch_size": 16}
CONVLSTM = {"kind": "convlstm", "lstm_channels": 4, "batch_size": 4, "next_frame_coef": 0.1}


def collect(folder, env_id="poise/Reacher2D-v0", **changes):
    options = {
        "frames": 200,
        "size": 32,
        "sequence": 5,
        "policy": "random",
        "seed": 0,
        "runs_dir": Path("runs"),
        **changes,
    }
    return collect_dataset(plan_dataset(env_id, {}, **options), folder, jobs=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return collect(tmp_path_factory.mktemp("data") / "reacher")


def make_translator(outputs=4, seed=0, size=(32, 32), **settings):
    return Translator(size, outputs, TranslatorSettings(**{**SMALL, **settings}), seed)


def random_images(number=6, seed=0, size=(32, 32)):
    return np.random.default_rng(seed).integers(0, 256, (number, *size, 3), dtype=np.uint8)


def random_values(number=6):
    return np.random.default_rng(1).normal(size=(number, 4)).astype(np.float32)


# The network.


def test_making_a_translator_changes_no_global_state():
    threads = torch.get_num_threads()
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    make_translator(threads=threads + 1)
    assert torch.equal(torch.rand(2), expected)
    assert torch.get_num_threads() == threads


def test_convolutions_halve_the_image_and_get_its_coordinates():
    estimator = ConvPoseEstimator((20, 30), 4, conv_channels=(4, 8), hidden_size=16)
    first = next(layer for layer in estimator.convolutions if isinstance(layer, nn.Conv2d))
    assert first.in_channels == 3 + 2, "three colours, and two coordinates"
    column, row = first.get_buffer("constant_input")[0, 3:]
    assert column.shape == row.shape == (20, 30)
    assert column[:, 0].tolist() == [-1.0] * 20
    assert column[:, -1].tolist() == [1.0] * 20
    assert row[0].tolist() == [-1.0] * 30
    assert row[-1].tolist() == [1.0] * 30
    linear = next(layer for layer in estimator.head if isinstance(layer, nn.Linear))
    assert linear.in_features == 8 * 5 * 8
    assert estimator(torch.zeros(7, 2, 3, 20, 30))[0].shape == (7, 2, 4)


def test_black_becomes_minus_one_and_white_one():
    black = np.zeros((32, 24, 3), np.uint8)
    white = np.full((32, 24, 3), 255, np.uint8)
    images = sequences_to_tensor(np.stack((black, white)), torch.device("cpu"))
    assert images.shape == (1, 2, 3, 32, 24)
    assert images[0, 0].unique().tolist() == [-1.0]
    assert images[0, 1].unique().tolist() == [1.0]


def test_zero_weights_predict_the_mean_and_components_of_a_signal_share_a_std():
    values = np.random.default_rng(0).normal([5.0, -3.0, 0.0], [1.0, 3.0, 10.0], (2000, 3))
    values = values.astype(np.float32)
    translator = make_translator(outputs=3)
    translator.fit_normalization(values, [2, 1])
    mean = translator.pose_estimator.get_buffer("mean").numpy()
    std = translator.pose_estimator.get_buffer("std").numpy()
    np.testing.assert_allclose(mean, values.mean(0), rtol=1e-5)
    assert std[0] == std[1] == pytest.approx(np.sqrt(5.0), rel=0.05)
    assert std[2] == pytest.approx(10.0, rel=0.05)
    with torch.no_grad():
        for parameter in translator.pose_estimator.parameters():
            parameter.zero_()
    predicted = translator.translate(random_images())
    np.testing.assert_allclose(predicted, np.tile(mean, (6, 1)), rtol=1e-6)


def test_loss_is_the_mean_square_in_units_of_the_std_without_nan():
    translator = make_translator()
    images = random_images()
    values = random_values()
    translator.fit_normalization(10.0 * values, [4])
    std = translator.pose_estimator.get_buffer("std").numpy()
    squares = np.square((translator.translate(images) - values) / std)
    loss = translator.losses(images, values)["translation"].item()
    assert loss == pytest.approx(squares.mean(), rel=1e-4)
    values[2:, 1] = np.nan
    known_mean = (squares.sum() - squares[2:, 1].sum()) / (squares.size - 4)
    loss = translator.losses(images, values)["translation"].item()
    assert loss == pytest.approx(known_mean, rel=1e-4)
    assert np.isfinite(translator.train_on_batch(images, values, 0.0)["losses/translation"])


def test_errors_are_predictions_minus_values():
    translator = make_translator()
    images = random_images()
    values = random_values()
    expected = translator.translate(images) - values
    np.testing.assert_array_equal(translator.compute_errors(images, values), expected)


def test_large_batch_is_translated_as_small_ones():
    translator = make_translator(size=(8, 8))
    images = random_images(1100, size=(8, 8))
    parts = [translator.translate(images[first : first + 100]) for first in range(0, 1100, 100)]
    np.testing.assert_allclose(translator.translate(images), np.concatenate(parts), atol=1e-5)


def test_translator_overfits_a_few_images_and_its_learning_rate_falls():
    translator = make_translator(learning_rate=0.003)
    images = random_images()
    values = random_values()
    translator.fit_normalization(values, [4])
    losses = [
        translator.train_on_batch(images, values, step / 300)["losses/translation"]
        for step in range(300)
    ]
    assert losses[0] > 0.5
    assert losses[-1] < 1e-3
    assert translator.optimizers["eye"].learning_rate == pytest.approx(0.003 * 0.03, rel=0.05)


# Sequences.


def make_convlstm(outputs=4, seed=0, size=(32, 32), **settings):
    pose_only = {"signals": ("pose",), "rates": ()}
    return make_translator(outputs, seed, size, **{**CONVLSTM, **pose_only, **settings})


def random_sequences(number=2, length=4, seed=0, size=(32, 32)):
    return random_images(number * length, seed, size).reshape(number, length, *size, 3)


def test_conv_lstm_computes_the_formulas_of_the_paper():
    torch.manual_seed(0)
    cell = ConvLSTM(3, 2)
    x = torch.randn(2, 3, 3, 5, 4)
    outputs, (h, c) = cell(x)
    input_weights = cell.input_conv.weight.chunk(4)
    hidden_weights = cell.hidden_conv.weight.chunk(4)
    biases = cell.input_conv.bias.chunk(4)
    expected_h = torch.zeros(2, 2, 5, 4)
    expected_c = torch.zeros(2, 2, 5, 4)
    for step in range(3):
        i, f, o, g = (
            conv2d(x[:, step], input_weights[gate], biases[gate], padding=1)
            + conv2d(expected_h, hidden_weights[gate], padding=1)
            for gate in range(4)
        )
        expected_c = torch.sigmoid(f) * expected_c + torch.sigmoid(i) * torch.tanh(g)
        expected_h = torch.sigmoid(o) * torch.tanh(expected_c)
        torch.testing.assert_close(outputs[:, step], expected_h)
    torch.testing.assert_close((h, c), (expected_h, expected_c))


@pytest.mark.parametrize(
    ("estimator_class", "is_recurrent"), [(ConvLSTMPoseEstimator, True), (ConvPoseEstimator, False)]
)
def test_gradient_of_the_last_step_reaches_the_first_image_only_with_a_state(
    estimator_class, is_recurrent
):
    """It reaches further than the image before the last, which is an input of the last step."""
    torch.manual_seed(0)
    images = torch.rand(1, 5, 3, 16, 16, requires_grad=True)
    y, _ = estimator_class((16, 16), 2, (4, 8), 16, 4 if is_recurrent else 0)(images)
    y[0, -1].sum().backward()
    gradients = images.grad[0].abs().sum(dim=(1, 2, 3))
    assert gradients[-1] > 0
    assert bool((gradients[:-1] > 0).all()) is is_recurrent


def test_output_does_not_depend_on_later_images():
    translator = make_convlstm()
    sequence = random_sequences(1, 6)
    changed = sequence.copy()
    changed[0, 4:] = 255 - changed[0, 4:]
    original_values = translator.translate(sequence)
    changed_values = translator.translate(changed)
    np.testing.assert_array_equal(original_values[0, :4], changed_values[0, :4])
    assert (original_values[0, 4:] != changed_values[0, 4:]).all()


def test_frames_one_by_one_equal_the_whole_sequence_and_reset_starts_anew():
    translator = make_convlstm()
    sequences = random_sequences(2, 5)
    expected = translator.translate(sequences)
    assert expected.shape == (2, 5, 4)
    for sequence, values in zip(sequences, expected, strict=True):
        translator.reset()
        frame_values = [translator.translate_frame(image) for image in sequence]
        np.testing.assert_allclose(frame_values, values, atol=1e-5)
    without_reset = translator.translate_frame(sequences[0, 0])
    assert np.abs(without_reset - expected[0, 0]).max() > 1e-3
    np.testing.assert_allclose(translator.translate(sequences[1]), expected[1], atol=1e-5)


def test_state_is_carried_between_the_chunks_of_a_long_sequence(monkeypatch):
    translator = make_convlstm(size=(8, 8))
    sequences = random_sequences(3, 20, size=(8, 8))
    assert MAX_FRAMES_PER_BATCH > 60
    in_one_chunk = translator.translate(sequences)
    monkeypatch.setattr("poise.algos.translator.MAX_FRAMES_PER_BATCH", 12)
    np.testing.assert_allclose(translator.translate(sequences), in_one_chunk, atol=1e-5)


def moving_squares(number=12, length=6, size=16, seed=0):
    """Sequences of a bright square that moves sideways, and its velocity (pixels a frame)."""
    rng = np.random.default_rng(seed)
    velocities = rng.integers(-2, 3, number)
    starts = rng.integers(0, size, number)
    sequences = np.zeros((number, length, size, size, 3), np.uint8)
    for sequence, velocity, start in zip(sequences, velocities, starts, strict=True):
        for step, image in enumerate(sequence):
            image[6:10, (start + velocity * step + np.arange(4)) % size] = 255
    values = np.repeat(velocities[:, None], length, axis=1)[..., None].astype(np.float32)
    values[:, 0] = np.nan
    return sequences, values


@pytest.mark.parametrize(("kind", "learns"), [("convlstm", True), ("cnn", False)])
def test_convlstm_learns_velocities_and_cnn_does_not(kind, learns):
    translator = make_convlstm(
        1, size=(16, 16), kind=kind, next_frame_coef=0.0, learning_rate=0.003, batch_size=32
    )
    for step in range(100):
        translator.train_on_batch(*moving_squares(16, seed=step), step / 100)
    errors = translator.compute_errors(*moving_squares(50, seed=1000))
    mse = float(np.nanmean(np.square(errors)))
    # Predicting the mean has an error of 2.
    assert mse < 0.5 if learns else mse > 1.5


def test_next_frame_prediction_becomes_better_than_repeating_the_frame():
    translator = make_convlstm(
        1, size=(16, 16), next_frame_coef=1.0, learning_rate=0.003, conv_channels=(8, 16)
    )
    losses = [
        translator.train_on_batch(*moving_squares(16, seed=step), step / 100)["losses/next_frame"]
        for step in range(100)
    ]
    assert losses[0] > 0.9
    with torch.no_grad():
        held_out_losses = translator.losses(*moving_squares(50, seed=1000))
    assert held_out_losses["next_frame"].item() < 0.8


def test_frame_decoder_returns_images_of_any_size():
    decoder = FrameDecoder((12, 4))
    predicted = decoder(torch.zeros(2, 3, 3, 19, 30), torch.zeros(2, 3, 12, 5, 8))
    assert predicted.shape == (2, 3, 3, 19, 30)


# Runs.


def make_settings(**changes):
    return {**SMALL, "steps": 30, "evaluate_every": 10, **changes}


def test_trained_translator_beats_the_baseline_and_its_evaluation_is_consistent(tmp_path):
    data = collect(tmp_path / "more", frames=600, sequence=3)
    settings = make_settings(
        steps=250,
        evaluate_every=250,
        learning_rate=0.002,
        conv_channels=[8, 16],
        hidden_size=64,
        batch_size=32,
    )
    run = create_translator_run(tmp_path, None, data, settings)
    outcome = train_translator(run, data)
    evaluation = evaluate_translator(run, data)
    assert run.path.name == "reacher2d-translator-0"
    assert evaluation.frames == 60
    assert evaluation.mse == pytest.approx(outcome["mse"], rel=1e-5)
    assert evaluation.mse < 0.5 * evaluation.baseline
    poses = data.select_signals(["pose"])
    training_rows, held_out_rows = data.split()
    held_out_poses = poses[held_out_rows]
    baseline = np.square(held_out_poses - poses[training_rows].mean(0)).mean()
    assert evaluation.baseline == pytest.approx(baseline, rel=1e-4)
    assert [row.name for row in evaluation.errors] == [
        "pose elbow x",
        "pose elbow y",
        "pose hand x",
        "pose hand y",
    ]
    assert {row.unit for row in evaluation.errors} == {"mm"}
    mean_square = np.mean([row.error**2 for row in evaluation.errors])
    assert mean_square == pytest.approx(1e6 * evaluation.mse, rel=1e-4)
    assert set(evaluation.corrupted_mse) == set(CORRUPTIONS)
    assert min(evaluation.corrupted_mse.values()) > evaluation.mse
    predicted = load_translator(run).translate(data.load_frames(held_out_rows))
    errors = np.square(predicted - held_out_poses).sum(1)
    assert evaluation.worst_rows[0] == held_out_rows[errors.argmax()]


@pytest.mark.parametrize(
    ("kind", "stops"), [({}, (7,)), ({}, (10, 23)), (CONVLSTM, (7,)), (CONVLSTM, (10, 23))]
)
def test_stopped_and_resumed_run_equals_an_uninterrupted_run(data, tmp_path, kind, stops):
    whole = create_translator_run(tmp_path, "whole", data, make_settings(**kind))
    train_translator(whole, data)
    parts = create_translator_run(tmp_path, "parts", data, make_settings(**kind))
    for stop in (*stops, None):
        calls = iter(range(100))
        steps_left = (stop or 99) - parts.summary().get("steps", 0)
        train_translator(
            parts,
            data,
            should_stop=lambda calls=calls, steps_left=steps_left: next(calls) >= steps_left,
        )
    expected_state = whole.load_checkpoint("latest")[1]
    state = parts.load_checkpoint("latest")[1]
    for group in expected_state.keys() - {"rng", "progress"}:
        for name, value in expected_state[group].items():
            np.testing.assert_array_equal(value, state[group][name])
    assert expected_state["rng"]["numpy"] == state["rng"]["numpy"]
    rows = read_evaluation_rows(whole)
    assert rows == read_evaluation_rows(parts)
    assert len(rows) == 3


def read_evaluation_rows(run):
    """Steps and values of the held-out errors in a run's metrics.csv."""
    lines = (run.path / "metrics.csv").read_text(encoding="utf-8").splitlines()
    return [line.split(",")[::2] for line in lines if "eval/mse" in line]


def test_preset_of_the_environment_applies_to_cnn_and_overrides_replace_it(data, monkeypatch):
    monkeypatch.setitem(data.card, "env", "poise/Reacher3D-v0")
    preset = load_translator_preset("poise/Reacher3D-v0")
    config = make_translator_config(data, {"hidden_size": 7})
    values = {**config["settings"], **config["training"]}
    assert values["hidden_size"] == 7
    assert preset
    for name, value in preset.items():
        assert name == "hidden_size" or values[name] == value
    convlstm_defaults = TranslatorSettings(kind="convlstm").to_dict()
    assert make_translator_config(data, {"kind": "convlstm"})["settings"] == convlstm_defaults


@pytest.mark.parametrize(
    "env_id", yaml.safe_load((PRESETS / "translator.yaml").read_text(encoding="utf-8"))
)
def test_every_preset_has_a_known_environment_and_valid_settings(env_id):
    assert env_id in gymnasium.registry
    preset = load_translator_preset(env_id)
    fields = TranslatorSettings.model_fields
    assert preset.keys() <= {**fields, **TranslatorTrainingSettings.model_fields}.keys()
    TranslatorSettings.parse({name: value for name, value in preset.items() if name in fields})


def test_training_stops_when_the_held_out_error_is_small_enough(data, tmp_path):
    run = create_translator_run(tmp_path, None, data, make_settings(solved_at=1.0))
    outcome = train_translator(run, data)
    assert outcome["steps"] == 10
    assert outcome["solved"] == 1.0
    assert run.summary()["mse"] == outcome["mse"]


def test_corruptions_change_what_their_names_say():
    images = random_images(4)
    rng = np.random.default_rng(0)
    noisy = CORRUPTIONS["noise"](images.copy(), rng).astype(int)
    assert 4.0 < np.abs(noisy - images).mean() < 10.0
    occluded = CORRUPTIONS["occluder"](images.copy(), rng)
    changed_columns = (occluded != images).any(axis=(1, 3)).sum(axis=1)
    assert changed_columns.tolist() == [4] * 4
    permuted = CORRUPTIONS["permuted colours"](images.copy(), rng)
    np.testing.assert_array_equal(permuted[..., 1], images[..., 0])


# The commands.


def poise(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def set_options(**changes):
    options = []
    for name, value in make_settings(**changes).items():
        options += ["--set", f"{name}={value}"]
    return options


def test_train_evaluate_and_resume_commands(data, elsewhere):
    result = poise("translate", "train", data.folder, *set_options())
    assert result.exit_code == 0, result.output
    assert "mean square error" in result.output
    assert "poise translate evaluate reacher2d-translator-0" in result.output
    result = poise(
        "translate", "evaluate", "reacher2d-translator-0", data.folder, "--worst", "worst.png"
    )
    assert result.exit_code == 0, result.output
    for text in ("pose hand y", " mm", "permuted colours"):
        assert text in result.output
    assert Path("worst.png").stat().st_size > 1000
    config = json.loads(Path("runs/reacher2d-translator-0/config.json").read_text(encoding="utf-8"))
    assert config["settings"]["signals"] == ["pose"]
    assert config["versions"]["torch"]
    result = poise("translate", "train", "--resume", "reacher2d-translator-0")
    assert result.exit_code == 0
    assert "after 30 steps" in result.output


def test_evaluate_command_compares_rates_with_differences(data, elsewhere):
    result = poise("translate", "train", data.folder, "--run", "eye", *set_options())
    assert result.exit_code == 0, result.output
    result = poise("translate", "train", data.folder, "--run", "film", *set_options(**CONVLSTM))
    assert result.exit_code == 0, result.output
    config = json.loads(Path("runs/film/config.json").read_text(encoding="utf-8"))
    assert config["settings"]["signals"] == ["pose", "speed"]
    assert config["settings"]["rates"] == ["pose"]
    figures = ("--map", "map.png", "--worst", "worst.png")
    result = poise("translate", "evaluate", "film", data.folder, "--beside", "eye", *figures)
    assert result.exit_code == 0, result.output
    for text in (
        "pose rate hand y",
        "mm/s",
        "deg/s",
        "differences of film",
        "differences of eye",
        "link angle",
        "hand ",
        "next-frame prediction: ",
    ):
        assert text in result.output
    assert Path("map.png").stat().st_size > 1000
    assert Path("worst.png").stat().st_size > 1000
    run = Run.open(Path("runs"), "film")
    decoder = load_translator(run).frame_decoder.state_dict()
    saved = run.load_checkpoint("latest", ["network_frame_decoder"])[1]["network_frame_decoder"]
    assert decoder
    for name, value in decoder.items():
        np.testing.assert_array_equal(value, saved[name], "the trained decoder is loaded")
    assert "next-frame" not in poise("translate", "evaluate", "eye", data.folder).output
    result = poise("translate", "evaluate", "eye", data.folder, "--beside", "eye")
    assert result.exit_code == 2
    assert "no rates to compare" in result.output


@pytest.mark.parametrize(("arguments", "message"), [
    (["train"], "give either a DATASET"),
    (["train", "{data}", "--set", "conv_chanels=[4]"], "did you mean 'conv_channels'"),
    (["train", "{data}", "--set", "signals=[height]"], "no signal 'height'"),
    (["train", "{data}", "--set", "kind=lstm"], "kind='lstm'"),
    (["train", "{data}", "--set", "kind=[cnn]"], "kind=['cnn']"),
    (["train", "{data}", "--set", "signals=[pose,pose]"], "listed twice: pose, pose"),
    (
        ["train", "{data}", "--set", "signals=[pose,speed]"],
        "cannot read 'speed' (rad/s) from a single image; use --set kind=convlstm",
    ),
    (
        ["train", "{data}", "--set", "rates=[pose]"],
        "cannot read 'pose rate' (m/s) from a single image",
    ),
    (["train", "{data}", "--set", "next_frame_coef=1"], "--set kind=convlstm"),
    (["train", "nowhere"], "holds no dataset"),
    (["evaluate", "missing", "{data}"], "unknown run 'missing'"),
    (["evaluate", "missing", "{data}", "--worst", "worst.txt"], "not 'worst.txt'"),
    (["evaluate", "missing", "{data}", "--map", "map"], "not 'map'"),
])  # fmt: skip
def test_invalid_arguments_are_one_line_errors_and_create_nothing(
    data, elsewhere, arguments, message
):
    result = poise("translate", *[argument.format(data=data.folder) for argument in arguments])
    assert result.exit_code == 2
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert not Path("runs").exists()


def test_dataset_that_does_not_fit_the_translator_is_refused(data, tmp_path):
    run = create_translator_run(tmp_path, None, data, make_settings(steps=1))
    train_translator(run, data)
    larger = collect(tmp_path / "larger", frames=50, size=48)
    with pytest.raises(UserError, match="reads images of 32 x 32 pixels"):
        evaluate_translator(run, larger)
    other = collect(tmp_path / "other", "poise/Standing-v0", frames=50, sequence=5)
    with pytest.raises(UserError, match="is for poise/Reacher2D-v0"):
        evaluate_translator(run, other)


def test_dataset_without_sequences_or_held_out_episodes_is_refused(tmp_path):
    single = collect(tmp_path / "single", frames=50, sequence=1)
    assert create_translator_run(tmp_path, None, single, make_settings()).path.exists()
    with pytest.raises(UserError, match=r"single images and no sequences: .* --sequences 10"):
        create_translator_run(tmp_path, None, single, make_settings(kind="convlstm"))
    few = collect(tmp_path / "few", frames=10)
    with pytest.raises(UserError, match="no held-out episode"):
        create_translator_run(tmp_path, None, few, make_settings())


def test_run_of_a_policy_is_not_loaded_as_a_translator(data, tmp_path):
    run = create_translator_run(tmp_path, None, data, make_settings(steps=1))
    run.write("config.json", {**run.config, "algorithm": "ppo"})
    with pytest.raises(UserError, match="not a translator"):
        load_translator(Run(run.path))


def test_translator_is_trained_and_evaluated_on_a_3d_environment(tmp_path):
    pytest.importorskip("pybullet")
    data = collect(tmp_path / "humanoid", "poise/PoseHumanoid3D-v0", frames=100)
    run = create_translator_run(tmp_path, None, data, make_settings(steps=5, evaluate_every=5))
    train_translator(run, data)
    evaluation = evaluate_translator(run, Dataset(data.folder))
    assert len(evaluation.errors) == 12


def test_worst_frames_are_drawn_for_planar_points_in_a_3d_environment(tmp_path):
    pytest.importorskip("pybullet")
    data = collect(tmp_path / "plane", "poise/ReacherPlane3D-v0", frames=100)
    run = create_translator_run(tmp_path, None, data, make_settings(steps=5, evaluate_every=5))
    train_translator(run, data)
    figure = draw_worst_frames(data, evaluate_translator(run, data), tmp_path / "worst.png")
    assert figure.stat().st_size > 1000


def test_run_of_a_policy_cannot_be_resumed_as_a_translator(data, elsewhere):
    run = create_translator_run(elsewhere / "runs", "odd", data, make_settings(steps=1))
    train_translator(run, data)
    config = {name: value for name, value in run.config.items() if name != "dataset"}
    run.write("config.json", {**config, "algorithm": "ppo"})
    result = poise("translate", "train", "--resume", "odd")
    assert result.exit_code == 2
    assert "not a translator" in result.output
