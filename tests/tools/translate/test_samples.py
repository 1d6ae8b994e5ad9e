"""What a translator reads and how it is judged: films, rates of change, arms, and speeds beside differences."""

import json
import shutil

import numpy as np
import pytest
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
from sample_envs import bare

PLACE = Signal("place", 2, -1.0, 1.0, "m", "where it is")


def collect(folder, env_id="poise/Reacher2D-v0", runs=None, **changed):
    how = {"frames": 60, "size": 16, "sequence": 6, "policy": "random", "seed": 3, **changed}
    return collect_dataset(plan_dataset(env_id, {}, runs_dir=runs, **how), folder, jobs=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return collect(tmp_path_factory.mktemp("data") / "reacher")


# Films and rates.


def test_films_are_whole_and_of_one_episode(data):
    assert data.find_sequences(np.arange(60), 6).tolist() == np.arange(60).reshape(10, 6).tolist()
    assert data.find_sequences(np.arange(60), 1).tolist() == np.arange(60)[:, None].tolist()
    films = data.find_sequences(np.arange(60), 4)
    assert len(films) == 10 * 3
    assert (np.diff(films, axis=1) == 1).all() and (
        data.episodes[films] == data.episodes[films[:, :1]]
    ).all()
    assert data.find_sequences(np.arange(60), 7).shape == (0, 7)
    assert data.load_frames(films).shape == (30, 4, 16, 16, 3)
    np.testing.assert_array_equal(data.load_frames(films)[7, 2], data.load_frames(films[7, 2:3])[0])


def test_a_rate_is_how_far_a_signal_goes_in_a_second(data):
    rates, poses = (
        data.time_derivatives(["pose"]).reshape(10, 6, 4),
        data.select_signals(["pose"]).reshape(10, 6, 4),
    )
    assert np.isnan(rates[:, 0]).all() and np.isfinite(rates[:, 1:]).all()
    assert data.frame_rate == 50
    np.testing.assert_allclose(rates[:, 1:], (poses[:, 1:] - poses[:, :-1]) / 0.02, atol=1e-5)
    assert (
        make_rate_signal(PLACE).unit == "m/s"
        and make_rate_signal(PLACE).name == "place rate"
        and make_rate_signal(PLACE).size == 2
    )


def test_dataset_card_without_frame_rate_is_refused_in_one_line(data, tmp_path):
    folder = tmp_path / "incomplete"
    shutil.copytree(data.folder, folder)
    card = json.loads((folder / CARD).read_text())
    del card["rate"]
    (folder / CARD).write_text(json.dumps(card))
    with pytest.raises(UserError, match=r"card.json has no 'rate'$"):
        Dataset(folder)


def test_nobody_is_asked_for_a_speed_at_the_first_picture_of_a_film(data):
    readings = TranslatorSamples(data, TranslatorSettings.parse({"kind": "convlstm"}))
    assert [signal.name for signal in readings.signals] == ["pose", "speed", "pose rate"]
    assert readings.sizes == [4, 2, 4] and readings.is_rate.tolist() == [False] * 4 + [True] * 6
    films = readings.get_training_sequences(max_length=3)
    assert len(films) == 9 * 4 and not set(films.ravel()) & set(
        readings.get_held_out_sequences().ravel()
    )
    shown, values = readings.get_batch(films)
    assert shown.shape == (36, 3, 16, 16, 3)
    assert (
        np.isnan(values[:, 0, 4:]).all()
        and np.isfinite(values[:, 1:]).all()
        and np.isfinite(values[:, 0, :4]).all()
    )
    np.testing.assert_array_equal(values[:, 1:, 4:6], data.select_signals(["speed"])[films[:, 1:]])
    assert np.isfinite(readings.values[0, 4:6]).all()  # The dataset itself is as it was.


def test_who_sees_single_pictures_learns_from_them_and_is_judged_by_whole_episodes(data):
    readings = TranslatorSamples(data, TranslatorSettings())
    assert (
        readings.get_training_sequences(max_length=10).ravel().tolist() == data.split()[0].tolist()
    )
    assert readings.get_held_out_sequences().shape == (1, 6)


# Arms.


@pytest.mark.parametrize("middle", [(0.5, -2.0), (0.1, 0.2, 0.3)])
def test_the_centre_of_a_part_of_a_sphere_is_found(middle):
    directions = np.random.default_rng(0).normal(
        np.eye(len(middle))[0] * 2.0, 1.0, (200, len(middle))
    )
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    np.testing.assert_allclose(fit_sphere_center(middle + 0.3 * directions), middle, atol=1e-9)


def test_angles_are_those_between_directions_whatever_their_lengths():
    first = np.array([[1.0, 0.0], [2.0, 0.0], [1.0, 0.0], [0.3, 0.0]])
    second = np.array([[5.0, 0.0], [0.0, -0.1], [-3.0, 0.0], [np.cos(1e-7), np.sin(1e-7)]])
    np.testing.assert_allclose(
        compute_angles(first, second), [0.0, np.pi / 2, np.pi, 1e-7], rtol=1e-6
    )


def reading_of(data, names=("pose",), wrong=0.0):
    readings = TranslatorSamples(data, TranslatorSettings(signals=names))
    films = readings.get_held_out_sequences()
    true = readings.values[films]
    return Predictions(readings.signals, films, true, true + wrong, readings.values.mean(0))


def test_an_arm_that_is_read_turned_by_an_angle_is_wrong_by_that_angle(data):
    reading = reading_of(data)
    turn = np.array([[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]])
    points = reading.true.reshape(-1, 2, 2)
    turned = reading._replace(predicted=(points @ turn.T).reshape(reading.true.shape))
    elbow, hand = compute_point_errors(extract_arm_points(data, turned))
    assert (elbow.name, hand.name) == ("elbow", "hand")
    assert elbow.angle == pytest.approx(0.1, rel=1e-4) and hand.angle == pytest.approx(
        0.1, rel=1e-4
    )
    assert elbow.distance == pytest.approx(0.2 * 2 * np.sin(0.05), rel=1e-4)
    assert hand.distance == pytest.approx(
        np.linalg.norm(points[:, 1], axis=1).mean() * 2 * np.sin(0.05), rel=1e-4
    )
    assert hand.baseline_distance > 0.1


@pytest.mark.parametrize(("env_id", "lengths"), [
    ("poise/Reacher2D-v0", (0.2, 0.2)),
    ("poise/ReacherPlane3D-v0", (0.2, 0.2)),
    ("poise/Reacher3D-v0", (0.2, 0.2)),
    ("poise/PoseHumanoid3D-v0", None),
])  # fmt: skip
def test_shoulders_are_found_in_every_world_that_takes_poses(env_id, lengths, tmp_path):
    if "3D" in env_id:
        pytest.importorskip("pybullet")
    data = collect(tmp_path / "data", env_id)
    arms = extract_arm_points(data, reading_of(data))
    measured = np.linalg.norm(np.diff(arms.true, axis=2), axis=-1)
    np.testing.assert_allclose(
        measured, np.broadcast_to(lengths or measured[0], measured.shape), atol=1e-3
    )
    assert all(limb.distance == limb.angle == 0.0 for limb in compute_point_errors(arms))
    assert (
        draw_error_map(data, reading_of(data, wrong=0.01), tmp_path / "map.png").stat().st_size
        > 1000
    )


def test_what_has_no_arms_has_no_map(data, tmp_path):
    balancing = collect(tmp_path / "data", "poise/Cartpole-v0")
    for odd, reading in (
        (balancing, reading_of(balancing, ("x",))),
        (data, reading_of(data, ("target", "pose"))),
    ):
        assert extract_arm_points(odd, reading) is None
        with pytest.raises(UserError, match="no places to be drawn"):
            draw_error_map(odd, reading, tmp_path / "map.png")


# Speeds.


def test_speeds_are_compared_with_differences_of_what_is_read():
    """Poses that are 3 mm off, now here, now there, make speeds that are 50 * 6 mm off in every step."""
    true = np.cumsum(np.random.default_rng(0).normal(0.0, 0.01, (5, 8, 2)), axis=1)
    rates = 50.0 * np.diff(true, axis=1, prepend=np.nan)
    trembling = true + 0.003 * (-1.0) ** np.arange(8)[:, None]
    film = Predictions(
        [make_rate_signal(PLACE)], np.zeros((5, 8)), rates, rates + 0.05, np.zeros(2)
    )
    eye = Predictions([PLACE], np.zeros((5, 8)), true, trembling, np.zeros(2))
    data = type("Data", (), {"frame_rate": 50})
    read, differences, mean = compare_rates(data, film, {"film": film, "eye": eye})
    assert (read.name, read.unit, read.ratio) == ("place rate", "mm/s", 1.0)
    assert read.error == pytest.approx(50.0) and differences.error == pytest.approx(300.0)
    assert (
        differences.method == "differences of what eye reads"
        and differences.ratio == pytest.approx(6.0)
    )
    assert mean.error == pytest.approx(1000.0 * np.sqrt(np.nanmean(np.square(rates))))
    with pytest.raises(UserError, match="no speeds to compare"):
        compare_rates(data, film, {"film": film})


def test_a_translator_of_films_is_trained_on_any_world_that_takes_poses(tmp_path):
    pytest.importorskip("pybullet")
    data = collect(tmp_path / "data", "poise/PoseHumanoid3D-v0")
    small = {
        "kind": "convlstm",
        "conv_channels": [4, 8],
        "lstm_channels": 2,
        "hidden_size": 8,
        "steps": 2,
        "evaluate_every": 2,
    }
    outcome = train_translator(run := create_translator_run(tmp_path, None, data, small), data)
    assert outcome["steps"] == 2 and run.config["outputs"] == 12 + 6 + 12
    assert data.frame_rate == bare("poise/PoseHumanoid3D-v0").CONTROL_HZ
