"""Translators: one process trains a run, on the dataset that it was begun on, whole."""

import json
import shutil

import numpy as np
import pytest
from commands import assert_one_line, invoke
from disks import files_up_to
from sample_runs import state_of

from poise.toolkit.dataset import CARD, Dataset, write_card
from poise.toolkit.errors import UserError
from poise.toolkit.lock import FolderLock
from poise.toolkit.run import Run
from poise.tools.translate.collect_dataset import collect_dataset, plan_dataset
from poise.tools.translate.train import create_translator_run, train_translator

SETTINGS = {
    "conv_channels": [4, 8],
    "hidden_size": 8,
    "batch_size": 8,
    "steps": 60,
    "evaluate_every": 25,
    "solved_at": 0.0,
}
COLLECT = ("dataset", "reacher2d", "--frames", "60", "--size", "32", "--sequences", "6")


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr("poise.tools.translate.collect_dataset.SHARD_FRAMES", 24)


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    """A small dataset; tests copy it."""
    plan = plan_dataset(
        "poise/Reacher2D-v0",
        {},
        frames=60,
        size=32,
        sequence=6,
        policy="random",
        runs_dir=tmp_path_factory.getbasetemp(),
        seed=0,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("poise.tools.translate.collect_dataset.SHARD_FRAMES", 24)
        return collect_dataset(plan, tmp_path_factory.mktemp("data") / "reacher", jobs=1)


@pytest.fixture
def data(collected, tmp_path):
    """A copy of the dataset, for a test to change."""
    return Dataset(shutil.copytree(collected.folder, tmp_path / "data"))


def stop_after(number):
    """Return a function that is true from its call `number` on."""
    calls = []
    return lambda: calls.append(None) or len(calls) > number


def files_of(run):
    """Return the names of a run's checkpoints and all rows of its metrics, without the clock."""
    rows = (run.path / "metrics.csv").read_text(encoding="utf-8").splitlines()
    cells = [row.split(",") for row in rows]
    return [path.name for path in run.checkpoints()], [[row[0], *row[2:]] for row in cells]


def damage(data):
    """Change one byte of a frame; its file keeps its size."""
    path = data.folder / "shard_0001" / "frames.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_stopped_translator_resumes_to_the_same_checkpoints_and_rows(data, tmp_path):
    whole = create_translator_run(tmp_path, "whole", data, SETTINGS)
    train_translator(whole, data)
    stopped = create_translator_run(tmp_path, "stopped", data, SETTINGS)
    train_translator(stopped, data, should_stop=stop_after(31))
    assert stopped.checkpoints()[-1].name == "step_000000031"
    train_translator(Run(stopped.path), data)
    assert files_of(stopped) == files_of(whole)
    one, two = state_of(whole), state_of(stopped)
    assert one == two


def test_run_whose_config_cannot_be_written_leaves_no_folder(data, tmp_path):
    with files_up_to(10), pytest.raises(OSError, match="File too large"):
        create_translator_run(tmp_path, "run", data, SETTINGS)
    assert not (tmp_path / "run").exists()
    create_translator_run(tmp_path, "run", data, SETTINGS)


def test_run_that_is_trained_is_refused_to_a_second_process(data, tmp_path):
    run = create_translator_run(tmp_path, "run", data, SETTINGS)
    with FolderLock(run.path, "run"), pytest.raises(UserError, match="is being written by process"):
        train_translator(run, data)
    assert not run.checkpoints()


def test_translator_is_not_resumed_on_another_dataset(data, tmp_path):
    run = create_translator_run(tmp_path, "run", data, SETTINGS)
    train_translator(run, data, should_stop=stop_after(5))
    other = {**data.card, "seed": 1}
    (data.folder / CARD).unlink()
    episodes = data.folder / "shard_0002" / "episodes.npy"
    np.save(episodes, np.load(episodes) + 10)
    other.pop("shards"), other.pop("signals")
    write_card(data.folder, other, data.signals, list(data.card["shards"]))
    with pytest.raises(UserError, match="was begun on another dataset") as error:
        train_translator(run, Dataset(data.folder))
    assert "\n" not in str(error.value)
    assert run.checkpoints()[-1].name == "step_000000005"


def test_config_that_is_removed_during_a_training_is_written_again(data, tmp_path):
    run = create_translator_run(tmp_path, "run", data, SETTINGS)
    before = run.config

    def remove(step, seconds, metrics):
        (run.path / "config.json").unlink(missing_ok=True)

    train_translator(run, data, [remove])
    assert run.config == before


@pytest.mark.parametrize("command", ["evaluate", "train", "resume"])
def test_every_command_verifies_the_shards(data, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    run = create_translator_run(tmp_path / "runs", "eye", data, SETTINGS)
    train_translator(run, data, should_stop=stop_after(5))
    damage(data)
    words = {
        "evaluate": ("evaluate", "eye", str(data.folder)),
        "train": ("train", str(data.folder)),
        "resume": ("train", "--resume", "eye"),
    }
    refused = invoke("translate", *words[command])
    assert_one_line(refused, 2, "shard_0001/frames.npy is missing or has changed")


def test_repeated_dataset_collects_damaged_shards_again(tmp_path, monkeypatch, small_shards):
    monkeypatch.chdir(tmp_path)
    assert invoke(*COLLECT, "--jobs", "1", "--out", "data").exit_code == 0
    data = Dataset(tmp_path / "data")
    before = {path: path.read_bytes() for path in data.folder.rglob("*.npy")}
    damage(data)
    (data.folder / "shard_0002" / "signals.npy").unlink()
    (data.folder / ".shard_0007.partial").mkdir()
    result = invoke(*COLLECT, "--jobs", "1", "--out", "data")
    assert result.exit_code == 0
    for name in ("shard_0001", "shard_0002"):
        assert f"{name} is collected again" in " ".join(result.stderr.split())
    assert {path: path.read_bytes() for path in data.folder.rglob("*.npy")} == before
    assert Dataset(data.folder).sha256 == data.sha256
    assert not (data.folder / ".shard_0007.partial").exists()


def test_dataset_that_is_collected_is_refused_to_a_second_process(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    with FolderLock(tmp_path / "data", "dataset"):
        refused = invoke(*COLLECT, "--jobs", "1", "--out", "data")
    assert_one_line(refused, 2, "dataset data is being written by process")


@pytest.mark.parametrize(
    "change",
    [
        lambda shards: {"../elsewhere": shards["shard_0000"]},
        lambda shards: {**shards, "shard_0000": {}},
        lambda shards: {**shards, "shard_0000": {"/etc/hostname": "00"}},
        lambda shards: {**shards, "shard_0000": 3},
        lambda shards: [],
    ],
)
def test_card_that_names_other_files_is_one_line_and_deletes_nothing(data, tmp_path, change):
    card = {**data.card, "shards": change(data.card["shards"])}
    (data.folder / CARD).write_text(json.dumps(card), encoding="utf-8")
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(UserError) as error:
        Dataset(data.folder)
    assert "\n" not in str(error.value)
    plan = json.loads((data.folder / "plan.json").read_text(encoding="utf-8"))
    with pytest.raises(UserError, match=r"card\.json is damaged"):
        collect_dataset({**plan}, data.folder, jobs=1)
    assert (tmp_path / "elsewhere").is_dir() and (data.folder / "shard_0000").is_dir()


def test_shard_that_is_a_link_to_a_device_is_not_read(data):
    path = data.folder / "shard_0000" / "frames.npy"
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(UserError, match=r"shard_0000/frames\.npy is missing or has changed"):
        Dataset(data.folder)
