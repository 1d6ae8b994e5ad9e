"""Datasets: frames match their signals, and the files do not depend on processes or stops."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import assert_one_line, invoke
from sample_envs import make

from poise.toolkit.dataset import CARD, Dataset
from poise.toolkit.errors import UserError
from poise.tools.translate.collect_dataset import PLAN_FILE, collect_dataset, plan_dataset

SHARD_FRAMES = "poise.tools.translate.collect_dataset.SHARD_FRAMES"
SEED = 3
FIRST_EPISODE_SEED = 3_000_000


def plan(env_id="poise/Reacher2D-v0", runs=None, **changes):
    options = {"frames": 60, "size": 32, "sequence": 6, "policy": "random", "seed": SEED}
    return plan_dataset(env_id, {}, runs_dir=runs, **{**options, **changes})


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(SHARD_FRAMES, 24)


@pytest.fixture(scope="module")
def reacher(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SHARD_FRAMES, 24)
        return collect_dataset(plan(), tmp_path_factory.mktemp("data") / "reacher", jobs=1)


def test_dataset_has_the_planned_shape_and_card(reacher):
    assert len(reacher) == 60
    assert [len(shard.frames) for shard in reacher.shards] == [24, 24, 12]
    assert reacher.load_frames(np.arange(60)).shape == (60, 32, 32, 3)
    assert reacher.card["env"] == "poise/Reacher2D-v0"
    assert [signal.name for signal in reacher.signals] == ["target", "pose", "difference", "speed"]
    assert {signal.unit for signal in reacher.signals} == {"m", "rad/s"}
    assert reacher.card["versions"]["python"]


def test_first_frame_of_each_episode_equals_the_environment_at_its_seed(reacher):
    env = make("poise/Reacher2D-v0", "rgb_array", width=32, height=32, view="agent")
    for episode in range(10):
        row = int(np.flatnonzero(reacher.episodes == episode)[0])
        observation, _ = env.reset(seed=FIRST_EPISODE_SEED + episode)
        np.testing.assert_array_equal(reacher.signal_values[row], observation)
        np.testing.assert_array_equal(reacher.load_frames(np.array([row]))[0], env.render())
    env.close()


def test_equal_signals_have_equal_frames_after_a_failure(tmp_path):
    """Full actions make the cart-pole fail within a sequence; it then restarts from its reset."""
    data = collect_dataset(
        plan("poise/Cartpole-v0", frames=240, sequence=120), tmp_path / "falling", jobs=1
    )
    for episode in (0, 1):
        rows = np.flatnonzero(data.episodes == episode)
        equals_first = (data.signal_values[rows] == data.signal_values[rows[0]]).all(1)
        restarts = np.flatnonzero(equals_first)
        assert len(restarts) > 1
        frames = data.load_frames(rows[restarts])
        assert all(np.array_equal(frame, frames[0]) for frame in frames)


def test_rows_in_any_order_are_loaded_across_shards(reacher):
    rows = np.array([59, 0, 23, 24, 25, 48, 0])
    one_by_one = np.concatenate(
        [reacher.load_frames(rows[index : index + 1]) for index in range(len(rows))]
    )
    np.testing.assert_array_equal(reacher.load_frames(rows), one_by_one)


def test_signals_are_selected_by_name(reacher):
    speed = reacher.signal_values[:, 12:14]
    pose = reacher.signal_values[:, 4:8]
    np.testing.assert_array_equal(
        reacher.select_signals(["speed", "pose"]), np.concatenate((speed, pose), 1)
    )
    with pytest.raises(UserError, match="'height': it has target, pose"):
        reacher.select_signals(["pose", "height"])


def test_split_separates_whole_episodes(reacher):
    training_rows, held_out_rows = reacher.split()
    assert sorted([*training_rows, *held_out_rows]) == list(range(60))
    assert not set(reacher.episodes[training_rows]) & set(reacher.episodes[held_out_rows])
    assert len(held_out_rows) == 6


def test_pose_changes_within_every_episode(reacher):
    pose = reacher.select_signals(["pose"]).reshape(10, 6, 4)
    assert (np.abs(np.diff(pose, axis=1)).max(axis=(1, 2)) > 1e-3).all()


def test_two_processes_and_a_stop_give_the_same_files(reacher, tmp_path):
    parallel = collect_dataset(plan(), tmp_path / "parallel", jobs=2)
    assert parallel.card == reacher.card
    stopped = shutil.copytree(tmp_path / "parallel", tmp_path / "stopped")
    shutil.rmtree(stopped / "shard_0001")
    (stopped / CARD).unlink()
    with pytest.raises(UserError, match="holds no dataset"):
        Dataset(stopped)
    frames_done = []
    resumed = collect_dataset(plan(), stopped, jobs=1, on_progress=frames_done.append)
    assert resumed.card == reacher.card
    assert frames_done == [36, 60]


def test_random_motion_covers_the_joint_space_evenly(tmp_path):
    data = collect_dataset(plan(frames=6000, size=16, sequence=3), tmp_path / "wide", jobs=2)
    pose = data.select_signals(["pose"])
    shoulder = np.arctan2(pose[:, 1], pose[:, 0])
    elbow = np.arctan2(pose[:, 3] - pose[:, 1], pose[:, 2] - pose[:, 0]) - shoulder
    angles = np.stack((shoulder, (elbow + math.pi) % (2 * math.pi) - math.pi), axis=1)
    counts, *_ = np.histogram2d(*angles.T, bins=6, range=[[-math.pi, math.pi]] * 2)
    assert counts.min() > 0.5 * counts.mean()
    assert counts.max() < 1.6 * counts.mean()


@pytest.mark.parametrize("env_id", ["poise/Reacher3D-v0", "poise/PoseHumanoid3D-v0"])
def test_frames_show_the_body_without_its_target(env_id, tmp_path):
    pytest.importorskip("pybullet")
    data = collect_dataset(plan(env_id, frames=4, sequence=2, size=48), tmp_path / "space", jobs=1)
    env = make(env_id, "rgb_array", width=48, height=48, view="agent")
    env.reset(seed=FIRST_EPISODE_SEED)
    np.testing.assert_array_equal(data.load_frames(np.array([0]))[0], env.render())
    env_with_markers = make(env_id, "rgb_array", width=48, height=48)
    env_with_markers.reset(seed=FIRST_EPISODE_SEED)
    assert not np.array_equal(env_with_markers.render(), env.render())


def test_folder_of_another_dataset_is_refused_and_unchanged(reacher):
    card = (reacher.folder / CARD).read_bytes()
    with pytest.raises(UserError, match="holds another dataset"):
        collect_dataset(plan(seed=4), reacher.folder, jobs=1)
    assert (reacher.folder / CARD).read_bytes() == card


def test_folder_of_other_files_is_refused_and_unchanged(tmp_path):
    (tmp_path / "diary.txt").write_text("dear diary", encoding="utf-8")
    with pytest.raises(UserError, match="is not empty"):
        collect_dataset(plan(), tmp_path, jobs=1)
    assert [path.name for path in tmp_path.iterdir()] == ["diary.txt"]


def test_folder_of_a_collection_that_was_killed_at_its_start_is_taken_up(reacher, tmp_path):
    (tmp_path / ".shard_0000.partial" / "deep").mkdir(parents=True)
    (tmp_path / ".plan.json.partial").write_text("{", encoding="utf-8")
    assert collect_dataset(plan(), tmp_path, jobs=1).card == reacher.card
    assert not list(tmp_path.glob(".*.partial"))


def test_impossible_plans_are_refused():
    with pytest.raises(UserError, match="cannot be divided into sequences"):
        plan(frames=61)
    with pytest.raises(UserError, match="needs a Poise environment"):
        plan("Pendulum-v1")


@pytest.mark.parametrize("damage", ["missing", "truncated", "altered", "no card"])
def test_damaged_dataset_is_a_one_line_error_that_names_the_folder(reacher, tmp_path, damage):
    folder = shutil.copytree(reacher.folder, tmp_path / "damaged")
    frames = folder / "shard_0001" / "frames.npy"
    if damage == "missing":
        frames.unlink()
    elif damage == "truncated":
        frames.write_bytes(frames.read_bytes()[:1000])
    elif damage == "altered":
        frames.write_bytes(frames.read_bytes()[:-1] + b"x")
    else:
        (folder / CARD).write_text("{", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        Dataset(folder)
    assert len(str(caught.value).splitlines()) == 1
    assert str(folder) in str(caught.value)


def test_plan_is_saved_with_the_data(reacher):
    assert json.loads((reacher.folder / PLAN_FILE).read_text(encoding="utf-8")) == plan()


def test_policy_of_another_environment_is_refused_before_there_is_a_folder(elsewhere):
    words = ("dataset", "reacher2d", "--policy", "pretrained/cartpole", "-n", "100", "-o", "data")
    assert_one_line(invoke(*words), 2, "is of poise/Cartpole-v0: name a run of this environment")
    assert not Path("data").exists()
