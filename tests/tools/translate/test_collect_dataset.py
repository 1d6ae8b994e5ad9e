"""Datasets: what is in them is true, and the same whoever makes them, however often they are stopped."""

import json
import math
import shutil

import numpy as np
import pytest
from poise.toolkit.dataset import CARD, Dataset
from poise.toolkit.errors import UserError
from poise.tools.translate import collect_dataset as collecting
from poise.tools.translate.collect_dataset import PLAN_FILE, collect_dataset, plan_dataset
from sample_envs import make


def plan(env_id="poise/Reacher2D-v0", runs=None, **changed):
    how = {"frames": 60, "size": 32, "sequence": 6, "policy": "random", "seed": 3}
    return plan_dataset(env_id, {}, runs_dir=runs, **{**how, **changed})


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(collecting, "SHARD_FRAMES", 24)


@pytest.fixture(scope="module")
def reacher(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collecting, "SHARD_FRAMES", 24)
        return collect_dataset(plan(), tmp_path_factory.mktemp("data") / "reacher", jobs=1)


def test_its_shape_and_its_card_say_what_it_is(reacher):
    assert len(reacher) == 60
    assert [len(shard.frames) for shard in reacher.shards] == [24, 24, 12]
    assert reacher.load_frames(np.arange(60)).shape == (60, 32, 32, 3)
    assert reacher.card["env"] == "poise/Reacher2D-v0"
    assert [signal.name for signal in reacher.signals] == ["target", "pose", "difference", "speed"]
    assert {signal.unit for signal in reacher.signals} == {"m", "rad/s"}
    assert reacher.card["versions"]["python"]
    reacher.verify()


def test_a_frame_shows_the_state_beside_it(reacher):
    """The first frame of an episode is the environment's own picture at its seed; and equal signals mean equal pictures."""
    env = make("poise/Reacher2D-v0", "rgb_array", width=32, height=32, show_markers=False)
    for episode in range(10):
        row = int(np.flatnonzero(reacher.episodes == episode)[0])
        seen, _ = env.reset(seed=3_000_000 + episode)
        np.testing.assert_array_equal(reacher.signal_values[row], seen)
        np.testing.assert_array_equal(reacher.load_frames(np.array([row]))[0], env.render())
    env.close()


def test_a_frame_shows_the_state_beside_it_after_a_failure_too(tmp_path):
    """Full actions throw the cart-pole down within a sequence; it then begins anew, in the picture and in the signals."""
    data = collect_dataset(
        plan("poise/Cartpole-v0", frames=240, sequence=120), tmp_path / "falling", jobs=1
    )
    for episode in (0, 1):
        rows = np.flatnonzero(data.episodes == episode)
        begun = np.flatnonzero((data.signal_values[rows] == data.signal_values[rows[0]]).all(1))
        assert len(begun) > 1
        frames = data.load_frames(rows[begun])
        assert all(np.array_equal(frame, frames[0]) for frame in frames)


def test_rows_are_found_across_shards_in_any_order(reacher):
    rows = np.array([59, 0, 23, 24, 25, 48, 0])
    one_by_one = np.concatenate(
        [reacher.load_frames(rows[index : index + 1]) for index in range(len(rows))]
    )
    np.testing.assert_array_equal(reacher.load_frames(rows), one_by_one)


def test_signals_are_taken_by_name(reacher):
    both = reacher.select_signals(["speed", "pose"])
    np.testing.assert_array_equal(
        both, np.concatenate((reacher.signal_values[:, 12:14], reacher.signal_values[:, 4:8]), 1)
    )
    with pytest.raises(UserError, match="'height': it has target, pose"):
        reacher.select_signals(["pose", "height"])


def test_it_is_split_by_episode(reacher):
    learn, held_out = reacher.split()
    assert sorted([*learn, *held_out]) == list(range(60))
    assert not set(reacher.episodes[learn]) & set(reacher.episodes[held_out])
    assert len(held_out) == 6


def test_an_episode_moves(reacher):
    pose = reacher.select_signals(["pose"]).reshape(10, 6, 4)
    assert (np.abs(np.diff(pose, axis=1)).max(axis=(1, 2)) > 1e-3).all()


def test_two_processes_and_a_stop_make_the_same_files(reacher, tmp_path):
    many = collect_dataset(plan(), tmp_path / "many", jobs=2)
    assert many.card == reacher.card
    shutil.copytree(tmp_path / "many", tmp_path / "stopped")
    shutil.rmtree(tmp_path / "stopped" / "shard_0001")
    (tmp_path / "stopped" / CARD).unlink()
    with pytest.raises(UserError, match="holds no dataset"):
        Dataset(tmp_path / "stopped")
    heard = []
    resumed = collect_dataset(plan(), tmp_path / "stopped", jobs=1, on_progress=heard.append)
    assert resumed.card == reacher.card
    assert heard == [36, 60]


def test_random_motion_covers_the_joint_space_evenly(tmp_path):
    pose = collect_dataset(
        plan(frames=6000, size=16, sequence=3), tmp_path / "wide", jobs=2
    ).select_signals(["pose"])
    shoulder = np.arctan2(pose[:, 1], pose[:, 0])
    elbow = np.arctan2(pose[:, 3] - pose[:, 1], pose[:, 2] - pose[:, 0]) - shoulder
    angles = np.stack((shoulder, (elbow + math.pi) % (2 * math.pi) - math.pi), axis=1)
    counts, *_ = np.histogram2d(*angles.T, bins=6, range=[[-math.pi, math.pi]] * 2)
    assert counts.min() > 0.5 * counts.mean()
    assert counts.max() < 1.6 * counts.mean()


@pytest.mark.parametrize("env_id", ["poise/Reacher3D-v0", "poise/PoseHumanoid3D-v0"])
def test_pictures_hold_the_body_and_not_its_target(env_id, tmp_path):
    pytest.importorskip("pybullet")
    data = collect_dataset(plan(env_id, frames=4, sequence=2, size=48), tmp_path / "space", jobs=1)
    env = make(env_id, "rgb_array", width=48, height=48, show_markers=False)
    env.reset(seed=3_000_000)
    np.testing.assert_array_equal(data.load_frames(np.array([0]))[0], env.render())
    marked = make(env_id, "rgb_array", width=48, height=48)
    marked.reset(seed=3_000_000)
    assert not np.array_equal(marked.render(), env.render())


def test_other_words_for_the_same_folder_are_refused_and_nothing_is_lost(reacher):
    before = (reacher.folder / CARD).read_bytes()
    with pytest.raises(UserError, match="holds another dataset"):
        collect_dataset(plan(seed=4), reacher.folder, jobs=1)
    assert (reacher.folder / CARD).read_bytes() == before


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "diary.txt").write_text("dear diary")
    with pytest.raises(UserError, match="is not empty"):
        collect_dataset(plan(), tmp_path, jobs=1)
    assert [path.name for path in tmp_path.iterdir()] == ["diary.txt"]


def test_what_cannot_be_collected_is_said_before_anything_is_made():
    with pytest.raises(UserError, match="no whole number of sequences"):
        plan(frames=61)
    with pytest.raises(UserError, match="needs an environment of Poise"):
        plan("Pendulum-v1")


@pytest.mark.parametrize("damage", ["missing", "truncated", "altered", "no card"])
def test_damage_is_said_in_one_line(reacher, tmp_path, damage):
    folder = shutil.copytree(reacher.folder, tmp_path / "damaged")
    frames = folder / "shard_0001" / "frames.npy"
    if damage == "missing":
        frames.unlink()
    elif damage == "truncated":
        frames.write_bytes(frames.read_bytes()[:1000])
    elif damage == "altered":
        frames.write_bytes(frames.read_bytes()[:-1] + b"x")
    else:
        (folder / CARD).write_text("{")
    with pytest.raises(UserError) as caught:
        Dataset(folder).verify()
    assert len(str(caught.value).splitlines()) == 1
    assert str(folder) in str(caught.value)


def test_the_plan_is_kept_beside_the_data(reacher):
    assert json.loads((reacher.folder / PLAN_FILE).read_text()) == plan()
