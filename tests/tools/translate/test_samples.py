"""Samples and errors of a translator: sequences, rates of change, arms, and rate comparison."""

import json
import shutil

import numpy as np
import pytest
from sample_envs import bare

from poise.algos.translator import TranslatorSettings
from poise.toolkit.dataset import CARD, Dataset
from poise.toolkit.errors import UserError
from poise.toolkit.spaces import Signal
from poise.tools.translate.collect_dataset import collect_dataset, plan_dataset
from poise.tools.translate.evaluate import Predictions, compare_rates
from poise.tools.translate.pose_errors import (
    compute_angles,
    compute_point_errors,
    draw_error_map,
    extract_arm_points,
    fit_sphere_center,
)
from poise.tools.translate.samples import TranslatorSamples, make_rate_signal
from poise.tools.translate.train import create_translator_run, train_translator

POINT = Signal("point", 2, -1.0, 1.0, "m", "position of a point")


def collect(folder, env_id="poise/Reacher2D-v0", runs=None, **changes):
    options = {"frames": 60, "size": 16, "sequence": 6, "policy": "random", "seed": 3, **changes}
    return collect_dataset(plan_dataset(env_id, {}, runs_dir=runs, **options), folder, jobs=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return collect(tmp_path_factory.mktemp("data") / "reacher")


# Sequences and rates.


def test_sequences_are_consecutive_rows_of_one_episode(data):
    rows = np.arange(60)
    assert data.find_sequences(rows, 6).tolist() == rows.reshape(10, 6).tolist()
    assert data.find_sequences(rows, 1).tolist() == rows[:, None].tolist()
    sequences = data.find_sequences(rows, 4)
    assert len(sequences) == 10 * 3
    assert (np.diff(sequences, axis=1) == 1).all()
    assert (data.episodes[sequences] == data.episodes[sequences[:, :1]]).all()
    assert data.find_sequences(rows, 7).shape == (0, 7)
    frames = data.load_frames(sequences)
    assert frames.shape == (30, 4, 16, 16, 3)
    np.testing.assert_array_equal(frames[7, 2], data.load_frames(sequences[7, 2:3])[0])


def test_time_derivatives_are_differences_per_second(data):
    rates = data.time_derivatives(["pose"]).reshape(10, 6, 4)
    poses = data.select_signals(["pose"]).reshape(10, 6, 4)
    assert np.isnan(rates[:, 0]).all()
    assert np.isfinite(rates[:, 1:]).all()
    assert data.frame_rate == 50
    np.testing.assert_allclose(rates[:, 1:], (poses[:, 1:] - poses[:, :-1]) / 0.02, atol=1e-5)


def test_rate_signal_has_the_unit_per_second():
    rate = make_rate_signal(POINT)
    assert (rate.name, rate.unit, rate.size) == ("point rate", "m/s", 2)


def test_dataset_without_frame_rate_is_refused(data, tmp_path):
    folder = tmp_path / "without-rate"
    shutil.copytree(data.folder, folder)
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    del card["rate"]
    (folder / CARD).write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(UserError, match=f"{CARD}: key rate: field required"):
        Dataset(folder)


def test_rates_are_unknown_in_the_first_frame_of_a_sequence(data):
    samples = TranslatorSamples(data, TranslatorSettings.parse({"kind": "convlstm"}))
    assert [signal.name for signal in samples.signals] == ["pose", "speed", "pose rate"]
    assert samples.sizes == [4, 2, 4]
    assert samples.is_rate.tolist() == [False] * 4 + [True] * 6
    sequences = samples.get_training_sequences(max_length=3)
    assert len(sequences) == 9 * 4
    assert not set(sequences.ravel()) & set(samples.get_held_out_sequences().ravel())
    images, values = samples.get_batch(sequences)
    assert images.shape == (36, 3, 16, 16, 3)
    assert np.isnan(values[:, 0, 4:]).all()
    assert np.isfinite(values[:, 1:]).all()
    assert np.isfinite(values[:, 0, :4]).all()
    speed = data.select_signals(["speed"])
    np.testing.assert_array_equal(values[:, 1:, 4:6], speed[sequences[:, 1:]])
    assert np.isfinite(samples.values[0, 4:6]).all(), "the dataset itself is unchanged"


def test_cnn_is_trained_on_single_frames_and_evaluated_on_whole_episodes(data):
    samples = TranslatorSamples(data, TranslatorSettings())
    training_rows, _ = data.split()
    sequences = samples.get_training_sequences(max_length=10)
    assert sequences.ravel().tolist() == training_rows.tolist()
    assert samples.get_held_out_sequences().shape == (1, 6)


# Arms.


@pytest.mark.parametrize("center", [(0.5, -2.0), (0.1, 0.2, 0.3)])
def test_sphere_center_is_found_from_points_on_one_side(center):
    directions = np.random.default_rng(0).normal(
        np.eye(len(center))[0] * 2.0, 1.0, (200, len(center))
    )
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    np.testing.assert_allclose(fit_sphere_center(center + 0.3 * directions), center, atol=1e-9)


def test_angles_do_not_depend_on_lengths_and_are_exact_when_small():
    first = np.array([[1.0, 0.0], [2.0, 0.0], [1.0, 0.0], [0.3, 0.0]])
    second = np.array([[5.0, 0.0], [0.0, -0.1], [-3.0, 0.0], [np.cos(1e-7), np.sin(1e-7)]])
    np.testing.assert_allclose(
        compute_angles(first, second), [0.0, np.pi / 2, np.pi, 1e-7], rtol=1e-6
    )


def make_predictions(data, names=("pose",), error=0.0):
    samples = TranslatorSamples(data, TranslatorSettings(signals=names))
    sequences = samples.get_held_out_sequences()
    true = samples.values[sequences]
    return Predictions(samples.signals, sequences, true, true + error, samples.values.mean(0))


def test_rotated_arm_has_the_rotation_as_its_angle_errors(data):
    predictions = make_predictions(data)
    rotation = np.array([[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]])
    points = predictions.true.reshape(-1, 2, 2)
    rotated_points = (points @ rotation.T).reshape(predictions.true.shape)
    rotated = predictions._replace(predicted=rotated_points)
    elbow, hand = compute_point_errors(extract_arm_points(data, rotated))
    assert (elbow.name, hand.name) == ("elbow", "hand")
    assert elbow.angle == pytest.approx(0.1, rel=1e-4)
    assert hand.angle == pytest.approx(0.1, rel=1e-4)
    chord = 2 * np.sin(0.05)
    assert elbow.distance == pytest.approx(0.2 * chord, rel=1e-4)
    hand_radius = np.linalg.norm(points[:, 1], axis=1).mean()
    assert hand.distance == pytest.approx(hand_radius * chord, rel=1e-4)
    assert hand.baseline_distance > 0.1


@pytest.mark.parametrize(("env_id", "lengths"), [
    ("poise/Reacher2D-v0", (0.2, 0.2)),
    ("poise/ReacherPlane3D-v0", (0.2, 0.2)),
    ("poise/Reacher3D-v0", (0.2, 0.2)),
    ("poise/PoseHumanoid3D-v0", None),
])  # fmt: skip
def test_links_have_constant_lengths_in_every_pose_environment(env_id, lengths, tmp_path):
    if "3D" in env_id:
        pytest.importorskip("pybullet")
    data = collect(tmp_path / "data", env_id)
    arms = extract_arm_points(data, make_predictions(data))
    measured = np.linalg.norm(np.diff(arms.true, axis=2), axis=-1)
    expected = np.broadcast_to(lengths or measured[0], measured.shape)
    np.testing.assert_allclose(measured, expected, atol=1e-3)
    assert all(point.distance == point.angle == 0.0 for point in compute_point_errors(arms))
    figure = draw_error_map(data, make_predictions(data, error=0.01), tmp_path / "map.png")
    assert figure.stat().st_size > 1000


def test_predictions_without_a_pose_first_have_no_arms(data, tmp_path):
    cartpole = collect(tmp_path / "data", "poise/Cartpole-v0")
    for dataset, predictions in (
        (cartpole, make_predictions(cartpole, ("x",))),
        (data, make_predictions(data, ("target", "pose"))),
    ):
        assert extract_arm_points(dataset, predictions) is None
        with pytest.raises(UserError, match="no arms to draw"):
            draw_error_map(dataset, predictions, tmp_path / "map.png")


# Rates.


def test_rates_are_compared_with_differences_of_signals():
    """Positions with errors of alternately +3 and -3 mm have rate errors of 50 * 6 mm/s."""
    true = np.cumsum(np.random.default_rng(0).normal(0.0, 0.01, (5, 8, 2)), axis=1)
    true_rates = 50.0 * np.diff(true, axis=1, prepend=np.nan)
    alternating = true + 0.003 * (-1.0) ** np.arange(8)[:, None]
    rows = np.zeros((5, 8))
    mean = np.zeros(2)
    rate_signal = make_rate_signal(POINT)
    rates = Predictions([rate_signal], rows, true_rates, true_rates + 0.05, mean)
    points = Predictions([POINT], rows, true, alternating, mean)
    data = type("Data", (), {"frame_rate": 50})
    direct, differences, baseline = compare_rates(data, rates, {"film": rates, "eye": points})
    assert (direct.name, direct.unit, direct.ratio) == ("point rate", "mm/s", 1.0)
    assert direct.error == pytest.approx(50.0)
    assert differences.method == "differences of eye"
    assert differences.error == pytest.approx(300.0)
    assert differences.ratio == pytest.approx(6.0)
    assert baseline.error == pytest.approx(1000.0 * np.sqrt(np.nanmean(np.square(true_rates))))
    with pytest.raises(UserError, match="no rates to compare"):
        compare_rates(data, rates, {"film": rates})


def test_convlstm_is_trained_on_a_3d_pose_environment(tmp_path):
    pytest.importorskip("pybullet")
    data = collect(tmp_path / "data", "poise/PoseHumanoid3D-v0")
    settings = {
        "kind": "convlstm",
        "conv_channels": [4, 8],
        "lstm_channels": 2,
        "hidden_size": 8,
        "steps": 2,
        "evaluate_every": 2,
    }
    run = create_translator_run(tmp_path, None, data, settings)
    outcome = train_translator(run, data)
    assert outcome["steps"] == 2
    assert run.config["outputs"] == 12 + 6 + 12
    assert data.frame_rate == bare("poise/PoseHumanoid3D-v0").CONTROL_HZ
