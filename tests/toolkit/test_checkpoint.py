"""Checkpoints and run folders: atomic writes, verified reads, and recovery from damage."""

import contextlib
import errno
import itertools
import json
import math
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from disks import Killed, KillSwitch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from processes import HELPERS, python
from sample_runs import config_of, contents, train_in

from poise.toolkit import checkpoint
from poise.toolkit.checkpoint import DamagedCheckpointError
from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.run import MAX_POLICIES, Run, parse_step

STATE: dict[str, dict[str, Any]] = {
    "policy": {
        "weight": np.arange(6, dtype=np.float32).reshape(2, 3),
        "scalar": np.array(1.5),
        "name": "tanh",
    },
    "optimizer_policy": {"0.step": np.array(7.0, np.float32)},
    "buffer": {
        "next": 3,
        "s": np.arange(20, dtype=np.uint8).reshape(5, 4),
        "r": np.ones(5, np.float32),
    },
    "rng": {"numpy": {"state": 2**100, "inc": 5}, "torch": np.arange(16, dtype=np.uint8)},
    "empty": {},
}


def assert_equal(one: dict[str, dict[str, Any]], two: dict[str, dict[str, Any]]) -> None:
    """Assert equal groups, names, types, shapes and bits."""
    assert one.keys() == two.keys()
    for group, values in one.items():
        assert values.keys() == two[group].keys()
        for name, value in values.items():
            other = two[group][name]
            if isinstance(value, np.ndarray):
                assert (other.dtype, other.shape, other.tobytes()) == (
                    value.dtype,
                    value.shape,
                    value.tobytes(),
                ), name
            else:
                assert type(other) is type(value) and other == value, name


# Round trips.


def test_loaded_state_equals_saved_state(tmp_path):
    checkpoint.save(tmp_path / "step_1", STATE)
    assert_equal(checkpoint.load(tmp_path / "step_1"), STATE)
    assert [path.name for path in tmp_path.iterdir()] == ["step_1"], "nothing else is left"


@given(
    value=hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ),
    number=st.floats(allow_nan=False, allow_infinity=False),
    group=st.sampled_from(["policy", "buffer"]),
)
def test_arrays_and_numbers_round_trip_exactly(tmp_path_factory, value, number, group):
    folder = tmp_path_factory.mktemp("round") / "step"
    state = {group: {"array": value, "number": number, "turned": value.T}}
    checkpoint.save(folder, state)
    assert_equal(
        checkpoint.load(folder),
        {group: {"array": value, "number": number, "turned": np.array(value.T)}},
    )


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_number_that_is_not_finite_is_not_saved(tmp_path, number):
    with pytest.raises(WorkError, match="a number in progress is not finite"):
        checkpoint.save(tmp_path / "step_1", {**STATE, "progress": {"best": number}})
    assert not [*tmp_path.iterdir()]


def test_one_group_is_loaded_where_another_is_damaged(tmp_path):
    folder = tmp_path / "step_1"
    checkpoint.save(folder, STATE)
    (folder / "buffer" / "s.npy").write_bytes(b"")
    assert_equal(checkpoint.load(folder, ["policy"]), {"policy": STATE["policy"]})


def test_checkpoint_files_have_documented_formats(tmp_path):
    folder = tmp_path / "step_1"
    checkpoint.save(folder, STATE)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {
        "manifest.json",
        "policy/arrays.safetensors",
        "buffer/s.npy",
        "rng/values.json",
    } <= files
    assert {path.rpartition(".")[2] for path in files} == {"json", "safetensors", "npy"}
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert set(manifest) == files - {"manifest.json"}
    for name, entry in manifest.items():
        assert entry["size"] == (folder / name).stat().st_size and len(entry["sha256"]) == 64


# Damage.


FILES = [
    "manifest.json",
    "policy/arrays.safetensors",
    "policy/values.json",
    "buffer/s.npy",
    "buffer/values.json",
]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("harm", ["altered", "cut", "emptied", "missing", "replaced"])
def test_damaged_file_is_detected_and_checkpoint_named(tmp_path, name, harm):
    folder = tmp_path / "step_000000042"
    checkpoint.save(folder, STATE)
    victim = folder / name
    content = bytearray(victim.read_bytes())
    if harm == "missing":
        victim.unlink()
    elif harm == "replaced":
        victim.unlink()
        victim.mkdir()
    else:
        content[len(content) // 2] ^= 0x55
        kept = {
            "altered": bytes(content),
            "cut": bytes(content[: len(content) // 2]),
            "emptied": b"",
        }
        victim.write_bytes(kept[harm])
    with pytest.raises(DamagedCheckpointError, match="step_000000042 is damaged") as error:
        checkpoint.load(folder)
    assert "\n" not in str(error.value)
    if harm == "missing":
        assert name in str(error.value), "the file is named too"


@pytest.mark.parametrize(
    "manifest", ["[]", "3", '{"policy/values.json": 3}', '{"nowhere/values.json": "00"}', "null"]
)
def test_invalid_manifest_is_damage(tmp_path, manifest):
    checkpoint.save(tmp_path / "step_1", STATE)
    (tmp_path / "step_1" / "manifest.json").write_text(manifest, encoding="utf-8")
    with pytest.raises(DamagedCheckpointError):
        checkpoint.load(tmp_path / "step_1")


def test_missing_group_is_damage(tmp_path):
    checkpoint.save(tmp_path / "step_1", {"rng": {"x": 1}})
    with pytest.raises(DamagedCheckpointError):
        checkpoint.load(tmp_path / "step_1", ["policy"])


def test_missing_checkpoint_is_damage(tmp_path):
    with pytest.raises(DamagedCheckpointError, match="nowhere"):
        checkpoint.load(tmp_path / "nowhere")


# Failing writes.


@pytest.mark.parametrize(
    "writer", ["numpy.save", "os.fsync", "pathlib.Path.write_text", "pathlib.Path.replace"]
)
def test_failed_save_leaves_no_files(tmp_path, monkeypatch, writer):
    checkpoint.save(tmp_path / "step_1", STATE)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(writer, full)
        with pytest.raises(OSError, match="No space"):
            checkpoint.save(tmp_path / "step_2", STATE)
    assert [path.name for path in tmp_path.iterdir()] == ["step_1"]
    assert_equal(checkpoint.load(tmp_path / "step_1"), STATE)
    checkpoint.save(tmp_path / "step_2", STATE)  # Once there is space again.
    assert_equal(checkpoint.load(tmp_path / "step_2"), STATE)


@pytest.mark.parametrize("limit", [0, 30, 2000, 60_000])
def test_save_to_full_disk_is_os_error_and_leaves_no_files(tmp_path, limit):
    """A limit on the file size fails any library's writes, as a full disk does."""
    program = f"""
import pathlib, resource, sys
import numpy as np
from poise.toolkit import checkpoint
state = {{"policy": {{"w": np.zeros(10_000)}}, "buffer": {{"s": np.zeros(20_000)}}}}
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    checkpoint.save(pathlib.Path(sys.argv[1]), state)
except OSError:
    sys.exit(7)
"""
    result = python("-c", program, tmp_path / "step_1")
    assert result.returncode == 7, result.stderr
    assert list(tmp_path.iterdir()) == []


def test_partial_folder_of_a_killed_save_is_removed(tmp_path):
    partial = tmp_path / ".step_1.partial" / "policy"
    partial.mkdir(parents=True)
    (partial / "values.json").write_text("{", encoding="utf-8")
    checkpoint.save(tmp_path / "step_1", STATE)
    assert [path.name for path in tmp_path.iterdir()] == ["step_1"]
    assert_equal(checkpoint.load(tmp_path / "step_1"), STATE)


def test_files_are_flushed_before_the_rename(tmp_path, monkeypatch):
    """Each file and folder is flushed before the rename, and the parent folder after it."""
    events: list[Path | str] = []
    real = Path.replace
    monkeypatch.setattr(
        os,
        "fsync",
        lambda descriptor: events.append(Path(f"/proc/self/fd/{descriptor}").readlink()),
    )
    monkeypatch.setattr(
        Path, "replace", lambda self, target: (events.append("renamed"), real(self, target))[1]
    )
    checkpoint.save(tmp_path / "step_1", STATE)
    renamed = events.index("renamed")
    partial = tmp_path / ".step_1.partial"
    files = {path.relative_to(tmp_path / "step_1") for path in (tmp_path / "step_1").rglob("*")}
    flushed = {path.relative_to(partial) for path in events[:renamed] if path != partial}
    assert flushed == files and partial in events[:renamed]
    assert events[renamed + 1 :] == [tmp_path]


SAVE_FOR_EVER = """
import pathlib, sys
import numpy as np
from poise.toolkit.run import Run
run = Run(pathlib.Path(sys.argv[1]))
rng = np.random.default_rng(0)
print("ready", flush=True)
for step in range(1, 100_000):
    state = {
        "policy": {"w": rng.random(20_000)},
        "buffer": {"s": rng.random(50_000)},
        "progress": {"step": step},
    }
    run.save_checkpoint(step, state, best_step=1)
"""


def test_kill_while_saving_leaves_only_readable_checkpoints(tmp_path):
    rng = random.Random(0)
    num_readable = 0
    for turn in range(6):
        folder = tmp_path / str(turn)
        command = [sys.executable, "-c", SAVE_FOR_EVER, str(folder)]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(HELPERS), os.environ.get("PYTHONPATH", "")]),
        }
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as saving:
            assert saving.stdout.readline() == b"ready\n"
            time.sleep(rng.uniform(0.05, 0.4))
            saving.kill()
        for path in Run(folder).checkpoints():
            state = checkpoint.load(path)
            assert state["progress"]["step"] == int(path.name[5:])
            num_readable += 1
    assert num_readable > 6


# Run folders.


def saved(path: Path, *steps: int, best: int | None = None) -> Run:
    """Return a run with checkpoints at some steps."""
    run = Run(path)
    for step in steps:
        run.save_checkpoint(step, {"policy": {"step": step}, "rng": {}}, best)
    return run


def steps_of(run: Run) -> list[int]:
    """Return the steps of a run's checkpoints."""
    return [int(path.name[5:]) for path in run.checkpoints()]


@pytest.mark.parametrize(
    ("best", "kept"),
    [(None, [40, 50, 60]), (20, [20, 40, 50, 60]), (50, [40, 50, 60]), (7, [40, 50, 60])],
)
def test_last_three_and_best_checkpoints_are_kept(tmp_path, best, kept):
    run = saved(tmp_path, 10, 20, 30, 40, 50, 60, best=best)
    assert steps_of(run) == kept


def test_files_of_others_are_not_deleted(tmp_path):
    (tmp_path / "checkpoints" / "mine").mkdir(parents=True)
    (tmp_path / "checkpoints" / "notes.txt").write_text("mine", encoding="utf-8")
    saved(tmp_path, *range(10, 100, 10))
    assert (tmp_path / "checkpoints" / "mine").is_dir()
    assert (tmp_path / "checkpoints" / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_checkpoint_of_a_step_is_written_once(tmp_path):
    run = saved(tmp_path, 10)
    before = (run.checkpoints()[0] / "manifest.json").stat().st_mtime_ns
    saved_again = run.save_checkpoint(10, {"policy": {"step": 99}}, None)
    assert (saved_again / "manifest.json").stat().st_mtime_ns == before


def test_kill_while_removing_leaves_only_readable_checkpoints(tmp_path, monkeypatch):
    """A kill while removing an old checkpoint must not leave a part of it under its name."""
    run = saved(tmp_path, 10, 20, 30)
    real = shutil.rmtree

    def killed(path: Path, *args: Any, **kwargs: Any) -> None:
        if Path(path).exists() and "partial" not in Path(path).name:
            next(file for file in sorted(Path(path).rglob("*")) if file.is_file()).unlink()
            raise KeyboardInterrupt
        real(path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            run.save_checkpoint(40, {"policy": {"step": 40}, "rng": {}}, None)
    for path in Run(tmp_path).checkpoints():
        checkpoint.load(path)


def test_half_removed_checkpoint_does_not_block_the_next_removal(tmp_path):
    run = saved(tmp_path, 10, 20, 30)
    shutil.copytree(
        tmp_path / "checkpoints" / "step_000000010",
        tmp_path / "checkpoints" / ".step_000000010.removed",
    )
    run.save_checkpoint(40, {"policy": {"step": 40}, "rng": {}}, None)
    assert steps_of(run) == [20, 30, 40]


def test_damaged_checkpoint_is_named_and_previous_one_used(tmp_path, capsys):
    run = saved(tmp_path, 10, 20, 30)
    for step in (20, 30):
        (tmp_path / "checkpoints" / f"step_{step:09d}" / "policy" / "values.json").write_text(
            "{}", encoding="utf-8"
        )
    assert run.load_checkpoint()[1]["policy"]["step"] == 10
    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) == 2
    assert "step_000000030 is damaged" in warnings[0]
    assert "step_000000020 is damaged" in warnings[1]


def test_run_without_undamaged_checkpoint_is_work_error(tmp_path, capsys):
    run = saved(tmp_path, 10)
    (tmp_path / "checkpoints" / "step_000000010" / "manifest.json").unlink()
    with pytest.raises(WorkError, match="no undamaged checkpoint"):
        run.load_checkpoint()
    capsys.readouterr()


def test_find_checkpoint_accepts_latest_best_and_steps(tmp_path):
    run = saved(tmp_path, 10, 20, 30, 40, best=10)
    assert run.find_checkpoint("latest").name == "step_000000040"
    assert run.find_checkpoint().name == "step_000000040", (
        "the latest, while the summary names no best"
    )
    run.write("summary.json", {"best_step": 10})
    for word in (None, "best", "10", "000010"):
        assert run.find_checkpoint(word).name == "step_000000010"
    assert run.find_checkpoint("30").name == "step_000000030"
    for word in ("15", "-10", "bset", "1e1", ""):
        with pytest.raises(UserError, match="unknown checkpoint"):
            run.find_checkpoint(word)
    with pytest.raises(UserError, match="did you mean 'latest'"):
        run.find_checkpoint("latst")
    with pytest.raises(UserError, match="no checkpoint yet"):
        Run(tmp_path / "empty").find_checkpoint()


# Policies that outlast their checkpoints.


def kept(path: Path, *steps: int, most: int = MAX_POLICIES) -> Run:
    """Return a run with checkpoints and policies at some steps."""
    run = saved(path)
    for step in steps:
        run.save_policy(step, {"step": step}, most)
        run.save_checkpoint(step, {"policy": {"step": step}, "rng": {}}, None)
    return run


def test_policy_outlasts_its_checkpoint_but_cannot_be_resumed(
    tmp_path,
):
    run = kept(tmp_path, 10, 20, 30, 40, 50)
    assert steps_of(run) == [30, 40, 50] and [parse_step(path) for path in run.policies()] == [
        10,
        20,
        30,
        40,
        50,
    ]
    assert run.load_checkpoint("20", ["policy"])[1] == {"policy": {"step": 20}}
    assert run.find_checkpoint("40").parent.name == "checkpoints", (
        "the whole checkpoint while it exists"
    )
    assert run.find_checkpoint().name == run.find_checkpoint("latest").name == "step_000000050"
    with pytest.raises(WorkError, match="no undamaged checkpoint up to step_000000020"):
        run.load_checkpoint("20", ["policy", "rng"])


@pytest.mark.parametrize("most", [1, 2, 3, 5, 8, 100])
def test_kept_policies_are_evenly_spaced(tmp_path, most):
    run = kept(tmp_path, *range(10, 1010, 10), most=most)
    steps = [parse_step(path) for path in (tmp_path / "policies").iterdir()]
    assert len(steps) == min(most, 100) and max(steps) == 1000
    if most > 1:
        assert min(steps) == 10
        assert np.diff(sorted(steps)).max() <= 4 * 1000 / most, "no large gap"
    assert steps_of(run) == [980, 990, 1000]


def test_damaged_policy_is_named_and_previous_one_used(tmp_path, capsys):
    run = kept(tmp_path, 10, 20, 30, 40, 50)
    (tmp_path / "policies" / "step_000000020" / "policy" / "values.json").write_text(
        "{}", encoding="utf-8"
    )
    assert run.load_checkpoint("20", ["policy"])[1]["policy"]["step"] == 10
    assert "step_000000020 is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a", "A9", "run-1", "x.y_z", "0" * 80])
def test_valid_run_name_is_accepted(tmp_path, name):
    assert Run.create(tmp_path, name, config_of("w", "sac", 0)).path == tmp_path / name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "/tmp/x",
        "a b",
        "-x",
        ".x",
        "0" * 81,
        "ä",
        "a\n",
        "a\\b",
        "a\0",
    ],
)
def test_invalid_run_name_is_refused(tmp_path, name):
    with pytest.raises(UserError, match="run name"):
        Run.create(tmp_path / "runs", name, config_of("w", "sac", 0))
    assert not (tmp_path / "runs").exists()


def test_runs_without_name_are_numbered_and_no_name_is_reused(tmp_path):
    config = config_of("poise/BollaRolla-v0", "sac", 3)
    made = [Run.create(tmp_path, None, config).path.name for _ in range(3)]
    assert made == ["bolla-rolla-sac-3", "bolla-rolla-sac-3-2", "bolla-rolla-sac-3-3"]
    Run.create(tmp_path, "mine", config_of("w", "sac", 0))
    (tmp_path / "mine" / "note").write_text("x", encoding="utf-8")
    with pytest.raises(UserError, match="exists already"):
        Run.create(tmp_path, "mine", config_of("w", "sac", 0))
    assert (tmp_path / "mine" / "note").read_text(encoding="utf-8") == "x"


def test_run_that_is_killed_while_it_is_made_takes_no_name(tmp_path):
    """At any operation on files: there is a run with its config, or the name is free."""
    config = config_of("w", "sac", 0)
    for number in range(1, 20):
        with pytest.MonkeyPatch.context() as patch, contextlib.suppress(Killed):
            KillSwitch(patch, number)
            Run.create(tmp_path, str(number), config)
        if not (tmp_path / str(number)).exists():
            Run.create(tmp_path, str(number), config)
        assert json.loads((tmp_path / str(number) / "config.json").read_text()) == config
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(map(str, range(1, 20)))


def test_folder_that_is_no_run_is_replaced_only_where_it_is_empty(tmp_path):
    (tmp_path / "empty").mkdir()
    assert (Run.create(tmp_path, "empty", config_of("w", "sac", 0)).path / "config.json").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note").touch()
    with pytest.raises(UserError, match="it holds no config"):
        Run.create(tmp_path, "full", config_of("w", "sac", 0))
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["note"]


def test_run_is_opened_by_name_and_by_path(tmp_path, monkeypatch):
    run = Run.create(tmp_path / "runs", "mine", config_of("w", "sac", 0))
    parts = {key: {} for key in ("env_settings", "settings", "training")}
    run.write("config.json", {"env": "w", "algorithm": "sac", "device": "cpu", **parts})
    assert Run.open(tmp_path / "runs", "mine").path == run.path
    assert Run.open(tmp_path / "elsewhere", str(run.path)).path == run.path
    monkeypatch.chdir(run.path.parent)
    assert Run.open(tmp_path / "elsewhere", "mine").path.resolve() == run.path
    with pytest.raises(UserError, match="did you mean 'mine'"):
        Run.open(tmp_path / "runs", "mien")
    with pytest.raises(UserError, match=r"there is no folder .*empty"):
        Run.open(tmp_path / "empty", "other")


def test_failed_json_write_keeps_the_old_file(tmp_path, monkeypatch):
    run = Run(tmp_path)
    run.write("summary.json", {"steps": 1})

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="No space"):
            run.write("summary.json", {"steps": 2})
    assert run.summary() == {"steps": 1}


@pytest.mark.parametrize(
    "content", ["", "{", "nonsense", "[]", "{}", '{"env": 3}', '{"env": "poise/Cartpole-v0"}']
)
def test_invalid_config_is_work_error(tmp_path, content):
    (tmp_path / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(WorkError, match=r"config\.json"):
        _ = Run(tmp_path).config["settings"]


def test_invalid_summary_does_not_hide_checkpoints(tmp_path):
    run = saved(tmp_path, 10)
    (tmp_path / "summary.json").write_text("{", encoding="utf-8")
    assert run.find_checkpoint().name == "step_000000010"


def test_weights_of_another_network_are_refused_in_one_line():
    from poise import algos

    small, large = (
        algos.make_learner("ppo", "poise/Cartpole-v0", {}, {"hidden_sizes": hidden})
        for hidden in ([4], [8])
    )
    with pytest.raises(
        WorkError, match="weights of its policy are those of another network"
    ) as error:
        large.load_state_dict(small.state_dict())
    assert "\n" not in str(error.value)


# What a checkpoint must not name or hold.


def rewrite_manifest(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Replace a checkpoint's manifest by what `change` makes of it."""
    path = folder / "manifest.json"
    manifest = change(json.loads(path.read_text(encoding="utf-8")))
    path.write_text(json.dumps(manifest), encoding="utf-8")


def without_group(manifest: dict[str, Any]) -> dict[str, Any]:
    """Strike a group out of a manifest."""
    return {name: entry for name, entry in manifest.items() if not name.startswith("buffer/")}


def naming(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return a change that adds a file to a manifest, with the entry of another."""
    return lambda manifest: {**manifest, name: manifest["policy/values.json"]}


MANIFEST_CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no file": lambda manifest: {},
    "a group struck out": without_group,
    "a device": naming("/dev/zero"),
    "a device below": naming("policy/../../../../../../dev/zero"),
    "a file outside": naming("../outside.json"),
    "an absolute path": naming("/etc/hostname"),
    "another size": lambda manifest: {
        name: {**entry, "size": entry["size"] + 1} for name, entry in manifest.items()
    },
    "no sizes": lambda manifest: {name: entry["sha256"] for name, entry in manifest.items()},
    "numbers": lambda manifest: dict.fromkeys(manifest, 3),
    "a list": list,
}


@pytest.mark.parametrize("change", MANIFEST_CHANGES.values(), ids=MANIFEST_CHANGES)
def test_manifest_that_does_not_describe_the_files_is_damage(tmp_path, change):
    (tmp_path / "outside.json").write_text("{}", encoding="utf-8")
    run = Run(tmp_path)
    for step in (10, 20):
        run.save_checkpoint(step, {**STATE, "progress": {"step": step}}, None)
    rewrite_manifest(run.checkpoints()[-1], change)
    with pytest.raises(DamagedCheckpointError, match="step_000000020 is damaged") as error:
        checkpoint.load(run.checkpoints()[-1])
    assert "\n" not in str(error.value)
    assert run.load_checkpoint("latest")[1]["progress"]["step"] == 10


def link(path: Path) -> None:
    """Replace a file by a link to a copy of it elsewhere."""
    target = path.parents[3] / "elsewhere"
    shutil.move(path, target)
    path.symlink_to(target)


def link_folder(path: Path) -> None:
    """Replace a file's folder by a link to a copy of it elsewhere."""
    target = path.parents[3] / "elsewhere"
    shutil.move(path.parent, target)
    path.parent.symlink_to(target)


def link_to_device(path: Path) -> None:
    """Replace a file by a link to a device without an end."""
    path.unlink()
    path.symlink_to("/dev/zero")


def make_pipe(path: Path) -> None:
    """Replace a file by a named pipe, which blocks its readers."""
    path.unlink()
    os.mkfifo(path)


def add_file(path: Path) -> None:
    """Add a file that the manifest does not name."""
    shutil.copy(path, path.with_name("other.json"))


FILE_CHANGES = [link, link_folder, link_to_device, make_pipe, add_file]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        *itertools.product(FILE_CHANGES, ["policy/values.json", "buffer/values.json"]),
        # The folder of the manifest is the checkpoint itself: the next test is about that.
        *((change, "manifest.json") for change in FILE_CHANGES if change is not link_folder),
    ],
)
def test_link_pipe_and_unlisted_file_are_damage(tmp_path, change, name):
    run = Run(tmp_path)
    for step in (10, 20):
        run.save_checkpoint(step, {**STATE, "progress": {"step": step}}, None)
    change(run.checkpoints()[-1] / name)
    with pytest.raises(DamagedCheckpointError, match="step_000000020 is damaged"):
        checkpoint.load(run.checkpoints()[-1])
    assert run.load_checkpoint("latest")[1]["progress"]["step"] == 10


def test_checkpoint_that_is_a_link_is_not_followed(tmp_path):
    run = saved(tmp_path, 10, 20)
    newest = run.checkpoints()[-1]
    newest.rename(tmp_path / "elsewhere")
    newest.symlink_to(tmp_path / "elsewhere")
    assert run.load_checkpoint("latest")[1]["policy"]["step"] == 10
    saved(tmp_path, 20, 30, 40, 50, 60)
    assert (tmp_path / "elsewhere" / "manifest.json").exists(), "the link alone was removed"


def test_resume_needs_every_group(tmp_path):
    run = Run(tmp_path)
    run.save_checkpoint(10, {"policy": {"step": 10}, "rng": {}}, None)
    run.save_checkpoint(20, {"policy": {"step": 20}}, None)
    assert run.resume(["policy", "rng"])["policy"]["step"] == 10
    with pytest.raises(WorkError, match="no undamaged checkpoint"):
        run.resume(["policy", "buffer"])


# Names of others, and leftovers.


OTHER_NAMES = ["step_000002000.bak", "step_x", "step_", "step_2000", "step_0000000020", "mine"]


@pytest.mark.parametrize("folder", ["checkpoints", "policies"])
@pytest.mark.parametrize("name", OTHER_NAMES)
def test_other_names_are_ignored_and_kept(tmp_path, folder, name):
    run = kept(tmp_path, *range(10, 100, 10), most=3)
    (tmp_path / folder / name).mkdir()
    (tmp_path / folder / "step_000000005").write_text("a file", encoding="utf-8")
    again = Run(tmp_path)
    assert again.checkpoints() == run.checkpoints()
    assert [parse_step(path) for path in again.policies()][-1] == 90
    assert again.load_checkpoint("latest")[1]["policy"]["step"] == 90
    again.save_policy(100, {"step": 100}, 3)
    again.save_checkpoint(100, {"policy": {"step": 100}}, None)
    assert steps_of(again) == [80, 90, 100]
    assert (tmp_path / folder / name).is_dir()


def test_steps_are_ordered_as_numbers(tmp_path):
    run = saved(tmp_path, 999_999_999, 1_000_000_000, 1_000_000_001, 1_000_000_002)
    assert steps_of(run) == [1_000_000_000, 1_000_000_001, 1_000_000_002]


def test_leftovers_of_killed_processes_are_removed_by_the_next_writer(tmp_path):
    run = kept(tmp_path, 10, 20)
    leftovers = [
        *(tmp_path / name / ".step_000000007.partial" for name in ("checkpoints", "policies")),
        *(tmp_path / name / ".step_000000007.removed" for name in ("checkpoints", "policies")),
    ]
    for path in leftovers:
        (path / "policy").mkdir(parents=True)
    (tmp_path / ".config.json.partial").write_text("{", encoding="utf-8")
    mine = tmp_path / "checkpoints" / ".mine.removed"
    mine.mkdir()
    run.lock().release()
    assert not any(path.exists() for path in [*leftovers, tmp_path / ".config.json.partial"])
    assert mine.is_dir() and steps_of(run) == [10, 20]


def test_damaged_checkpoints_do_not_displace_new_ones(tmp_path):
    """A training that resumes before three damaged checkpoints keeps what it writes."""
    run = saved(tmp_path, 10, 100, 110, 120, best=10)
    for folder in run.checkpoints()[1:]:
        (folder / "manifest.json").write_text("{}", encoding="utf-8")
    resumed = Run(tmp_path)
    assert resumed.resume(["policy"])["policy"]["step"] == 10
    resumed.save_checkpoint(20, {"policy": {"step": 20}}, None)
    assert Run(tmp_path).load_checkpoint("latest")[1]["policy"]["step"] == 20


# A training that is killed between any two file operations.


def assert_kill_is_harmless(path: Path, whole: dict[str, bytes], numbers: Iterable[int]) -> None:
    """Kill trainings at file operations, and compare them with a whole one after a resume."""
    for number in numbers:
        folder = path / str(number)
        folder.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            KillSwitch(patch, number)
            with contextlib.suppress(Killed):
                train_in(folder)
        Run(folder).lock().release()
        for saved_checkpoint in Run(folder).checkpoints():
            checkpoint.load(saved_checkpoint)
        with pytest.MonkeyPatch.context() as patch:
            KillSwitch(patch, np.inf)  # It makes fsync quick.
            train_in(folder)
        assert contents(folder) == whole, f"killed at operation {number}"
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], int]:
    """Return the files of a training that was never stopped, and its file operations."""
    path = tmp_path_factory.mktemp("unbroken")
    with pytest.MonkeyPatch.context() as patch:
        switch = KillSwitch(patch, np.inf)
        train_in(path)
    return contents(path), switch.count


def test_training_killed_at_some_file_operations_and_resumed_leaves_the_same_files(
    unbroken, tmp_path
):
    whole, count = unbroken
    assert_kill_is_harmless(tmp_path, whole, range(1, count + 1, 41))


@pytest.mark.slow
def test_training_killed_at_any_file_operation_and_resumed_leaves_the_same_files(
    unbroken, tmp_path
):
    whole, count = unbroken
    assert_kill_is_harmless(tmp_path, whole, range(1, count + 1))


def test_training_stopped_at_any_two_steps_and_resumed_leaves_the_same_files(unbroken, tmp_path):
    whole, _ = unbroken
    for first, second in itertools.combinations([1, 5, 16, 23], 2):
        folder = tmp_path / f"{first}-{second}"
        folder.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            KillSwitch(patch, np.inf)
            train_in(folder, stop_at=first)
            train_in(folder, stop_at=second)
            train_in(folder)
        assert contents(folder) == whole, folder.name


@pytest.mark.parametrize("number_of_damaged", [1, 2])
def test_training_resumed_before_damaged_checkpoints_leaves_the_same_files(
    unbroken, tmp_path, number_of_damaged
):
    whole, _ = unbroken
    train_in(tmp_path)
    for folder in Run(tmp_path).checkpoints()[-number_of_damaged:]:
        (folder / "manifest.json").write_text("{}", encoding="utf-8")
    train_in(tmp_path)
    assert contents(tmp_path) == whole


@pytest.mark.parametrize("name", ["con", "NUL", "aux.txt", "COM1", "lpt9.a.b", "run.", "a.."])
def test_name_that_windows_refuses_is_refused(tmp_path, name):
    with pytest.raises(UserError, match="run name"):
        Run.create(tmp_path / "runs", name, config_of("w", "sac", 0))
    assert not (tmp_path / "runs").exists()
