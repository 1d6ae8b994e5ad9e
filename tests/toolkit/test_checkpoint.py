"""Checkpoints and the run folder: written whole or not at all, verified when read, never more lost than must be."""

import errno
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from poise.toolkit import checkpoint
from poise.toolkit.checkpoint import DamagedCheckpointError
from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.run import MAX_POLICIES, Run, parse_step
from processes import HELPERS, python

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
    """The same groups, names, types, shapes and bits."""
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


def test_what_is_read_is_what_was_written(tmp_path):
    checkpoint.save(tmp_path / "step_1", STATE)
    assert_equal(checkpoint.load(tmp_path / "step_1"), STATE)
    assert [path.name for path in tmp_path.iterdir()] == ["step_1"], "nothing else is left behind"


@given(
    value=hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ),
    number=st.floats(allow_nan=False),
    group=st.sampled_from(["policy", "buffer"]),
)
def test_every_array_and_number_goes_round_exactly(tmp_path_factory, value, number, group):
    folder = tmp_path_factory.mktemp("round") / "step"
    state = {group: {"array": value, "number": number, "turned": value.T}}
    checkpoint.save(folder, state)
    assert_equal(
        checkpoint.load(folder),
        {group: {"array": value, "number": number, "turned": np.array(value.T)}},
    )


def test_the_policy_can_be_read_alone_even_where_the_rest_is_damaged(tmp_path):
    folder = tmp_path / "step_1"
    checkpoint.save(folder, STATE)
    (folder / "buffer" / "s.npy").write_bytes(b"")
    assert_equal(checkpoint.load(folder, ["policy"]), {"policy": STATE["policy"]})


def test_files_are_the_kinds_that_the_design_names(tmp_path):
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
    manifest = json.loads((folder / "manifest.json").read_text())
    assert set(manifest) == files - {"manifest.json"}
    assert all(len(digest) == 64 for digest in manifest.values())


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
def test_damage_is_found_and_the_checkpoint_named(tmp_path, name, harm):
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
    with pytest.raises(DamagedCheckpointError, match="step_000000042 is damaged") as told:
        checkpoint.load(folder)
    assert "\n" not in str(told.value)
    if harm == "missing":
        assert name in str(told.value), "the file is named too"


@pytest.mark.parametrize(
    "manifest", ["[]", "3", '{"policy/values.json": 3}', '{"nowhere/values.json": "00"}', "null"]
)
def test_a_manifest_that_makes_no_sense_is_damage(tmp_path, manifest):
    checkpoint.save(tmp_path / "step_1", STATE)
    (tmp_path / "step_1" / "manifest.json").write_text(manifest)
    with pytest.raises(DamagedCheckpointError):
        checkpoint.load(tmp_path / "step_1")


def test_a_group_that_was_never_there_is_damage(tmp_path):
    checkpoint.save(tmp_path / "step_1", {"rng": {"x": 1}})
    with pytest.raises(DamagedCheckpointError):
        checkpoint.load(tmp_path / "step_1", ["policy"])


def test_a_checkpoint_that_is_not_there_is_damage(tmp_path):
    with pytest.raises(DamagedCheckpointError, match="nowhere"):
        checkpoint.load(tmp_path / "nowhere")


# Writing that fails.


@pytest.mark.parametrize(
    "writer", ["numpy.save", "os.fsync", "pathlib.Path.write_text", "pathlib.Path.replace"]
)
def test_a_write_that_fails_leaves_nothing_under_the_final_name_and_no_rubbish(
    tmp_path, monkeypatch, writer
):
    checkpoint.save(tmp_path / "step_1", STATE)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(writer, full)
        with pytest.raises(OSError, match="No space"):
            checkpoint.save(tmp_path / "step_2", STATE)
    assert [path.name for path in tmp_path.iterdir()] == ["step_1"]
    assert_equal(checkpoint.load(tmp_path / "step_1"), STATE)
    checkpoint.save(tmp_path / "step_2", STATE)  # When there is space again.
    assert_equal(checkpoint.load(tmp_path / "step_2"), STATE)


@pytest.mark.parametrize("limit", [0, 30, 2000, 60_000])
def test_a_full_disk_leaves_no_rubbish_and_is_told_as_an_error_of_the_system(tmp_path, limit):
    """No file may grow beyond the limit: whatever library writes it, it fails as on a full disk."""
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
    told = python("-c", program, tmp_path / "step_1")
    assert told.returncode == 7, told.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_partial_left_by_a_kill_is_swept_away(tmp_path):
    rubbish = tmp_path / ".step_1.partial" / "policy"
    rubbish.mkdir(parents=True)
    (rubbish / "values.json").write_text("{")
    checkpoint.save(tmp_path / "step_1", STATE)
    assert [path.name for path in tmp_path.iterdir()] == ["step_1"]
    assert_equal(checkpoint.load(tmp_path / "step_1"), STATE)


def test_everything_is_on_the_disk_before_the_name_is(tmp_path, monkeypatch):
    """Each file and folder is flushed before the rename, and the folder above after it."""
    happened: list[Path | str] = []
    real = Path.replace
    monkeypatch.setattr(
        os,
        "fsync",
        lambda descriptor: happened.append(Path(f"/proc/self/fd/{descriptor}").readlink()),
    )
    monkeypatch.setattr(
        Path, "replace", lambda self, target: (happened.append("renamed"), real(self, target))[1]
    )
    checkpoint.save(tmp_path / "step_1", STATE)
    renamed = happened.index("renamed")
    aside = tmp_path / ".step_1.partial"
    files = {path.relative_to(tmp_path / "step_1") for path in (tmp_path / "step_1").rglob("*")}
    flushed = {path.relative_to(aside) for path in happened[:renamed] if path != aside}
    assert flushed == files and aside in happened[:renamed]
    assert happened[renamed + 1 :] == [tmp_path]


SAVE_FOR_EVER = """
import pathlib, sys
import numpy as np
from poise.toolkit.run import Run
run = Run(pathlib.Path(sys.argv[1]))
rng = np.random.default_rng(0)
print("ready", flush=True)
for step in range(1, 100_000):
    state = {"policy": {"w": rng.random(20_000)}, "buffer": {"s": rng.random(50_000)}, "progress": {"step": step}}
    run.save_checkpoint(step, state, best_step=1)
"""


def test_kill_minus_nine_while_saving_leaves_only_readable_checkpoints(tmp_path):
    chance = random.Random(0)
    whole = 0
    for turn in range(6):
        folder = tmp_path / str(turn)
        command = [sys.executable, "-c", SAVE_FOR_EVER, str(folder)]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(HELPERS), os.environ.get("PYTHONPATH", "")]),
        }
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as saving:
            assert saving.stdout.readline() == b"ready\n"
            time.sleep(chance.uniform(0.05, 0.4))
            saving.kill()
        for path in Run(folder).checkpoints():
            state = checkpoint.load(path)
            assert state["progress"]["step"] == int(path.name[5:])
            whole += 1
    assert whole > 6


# The run folder.


def saved(path: Path, *steps: int, best: int | None = None) -> Run:
    """A run with checkpoints at some steps."""
    run = Run(path)
    for step in steps:
        run.save_checkpoint(step, {"policy": {"step": step}, "rng": {}}, best)
    return run


def steps_of(run: Run) -> list[int]:
    """The steps of its checkpoints."""
    return [int(path.name[5:]) for path in run.checkpoints()]


@pytest.mark.parametrize(
    ("best", "kept"),
    [(None, [40, 50, 60]), (20, [20, 40, 50, 60]), (50, [40, 50, 60]), (7, [40, 50, 60])],
)
def test_the_last_three_and_the_best_are_kept(tmp_path, best, kept):
    run = saved(tmp_path, 10, 20, 30, 40, 50, 60, best=best)
    assert steps_of(run) == kept


def test_nothing_that_we_did_not_make_is_deleted(tmp_path):
    (tmp_path / "checkpoints" / "mine").mkdir(parents=True)
    (tmp_path / "checkpoints" / "notes.txt").write_text("mine")
    saved(tmp_path, *range(10, 100, 10))
    assert (tmp_path / "checkpoints" / "mine").is_dir()
    assert (tmp_path / "checkpoints" / "notes.txt").read_text() == "mine"


def test_a_step_is_written_once(tmp_path):
    run = saved(tmp_path, 10)
    before = (run.checkpoints()[0] / "manifest.json").stat().st_mtime_ns
    saved_again = run.save_checkpoint(10, {"policy": {"step": 99}}, None)
    assert (saved_again / "manifest.json").stat().st_mtime_ns == before


def test_a_checkpoint_that_is_being_removed_is_no_longer_one(tmp_path, monkeypatch):
    """A kill in the middle of removing an old checkpoint must not leave half of one under its name."""
    run = saved(tmp_path, 10, 20, 30)
    real = shutil.rmtree

    def killed(path: Path, *words: Any, **more: Any) -> None:
        if Path(path).exists() and "partial" not in Path(path).name:
            next(file for file in sorted(Path(path).rglob("*")) if file.is_file()).unlink()
            raise KeyboardInterrupt
        real(path, *words, **more)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            run.save_checkpoint(40, {"policy": {"step": 40}, "rng": {}}, None)
    for path in Run(tmp_path).checkpoints():
        checkpoint.load(path)


def test_what_a_kill_left_half_removed_does_not_stand_in_the_way(tmp_path):
    run = saved(tmp_path, 10, 20, 30)
    shutil.copytree(
        tmp_path / "checkpoints" / "step_000000010",
        tmp_path / "checkpoints" / ".step_000000010.removed",
    )
    run.save_checkpoint(40, {"policy": {"step": 40}, "rng": {}}, None)
    assert steps_of(run) == [20, 30, 40]


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(tmp_path, capsys):
    run = saved(tmp_path, 10, 20, 30)
    for step in (20, 30):
        (tmp_path / "checkpoints" / f"step_{step:09d}" / "policy" / "values.json").write_text("{}")
    assert run.load_checkpoint()[1]["policy"]["step"] == 10
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert "step_000000030 is damaged" in told[0] and "step_000000020 is damaged" in told[1]


def test_a_run_with_no_undamaged_checkpoint_says_so(tmp_path, capsys):
    run = saved(tmp_path, 10)
    (tmp_path / "checkpoints" / "step_000000010" / "manifest.json").unlink()
    with pytest.raises(WorkError, match="no undamaged checkpoint"):
        run.load_checkpoint()
    capsys.readouterr()


def test_words_for_a_checkpoint(tmp_path):
    run = saved(tmp_path, 10, 20, 30, 40, best=10)
    assert run.find_checkpoint("latest").name == "step_000000040"
    assert run.find_checkpoint().name == "step_000000040", (
        "the latest, while no summary names a best"
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


# Policies that stay when their checkpoints go.


def kept(path: Path, *steps: int, most: int = MAX_POLICIES) -> Run:
    """A run with checkpoints and policies of some steps."""
    run = saved(path)
    for step in steps:
        run.save_checkpoint(step, {"policy": {"step": step}, "rng": {}}, None)
        run.save_policy(step, {"step": step}, most)
    return run


def test_the_policy_of_a_checkpoint_that_is_gone_can_still_act_and_nothing_can_go_on_from_it(
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
    assert run.find_checkpoint("40").parent.name == "checkpoints", "all of it, where that is left"
    assert run.find_checkpoint().name == run.find_checkpoint("latest").name == "step_000000050"
    with pytest.raises(WorkError, match="no undamaged checkpoint up to step_000000020"):
        run.load_checkpoint("20", ["policy", "rng"])


@pytest.mark.parametrize("most", [1, 2, 3, 5, 8, 100])
def test_of_many_policies_those_stay_that_are_spread_most_evenly(tmp_path, most):
    run = kept(tmp_path, *range(10, 1010, 10), most=most)
    steps = [parse_step(path) for path in (tmp_path / "policies").iterdir()]
    assert len(steps) == min(most, 100) and max(steps) == 1000
    if most > 1:
        assert min(steps) == 10
        assert np.diff(sorted(steps)).max() <= 4 * 1000 / most, "no long time is left out"
    assert steps_of(run) == [980, 990, 1000]


def test_a_damaged_policy_is_named_and_an_earlier_one_used(tmp_path, capsys):
    run = kept(tmp_path, 10, 20, 30, 40, 50)
    (tmp_path / "policies" / "step_000000020" / "policy" / "values.json").write_text("{}")
    assert run.load_checkpoint("20", ["policy"])[1]["policy"]["step"] == 10
    assert "step_000000020 is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a", "A9", "run-1", "x.y_z", "0" * 80])
def test_good_names_of_runs(tmp_path, name):
    assert Run.create(tmp_path, name, "w", "sac", 0).path == tmp_path / name


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
def test_bad_names_of_runs(tmp_path, name):
    with pytest.raises(UserError, match="run name"):
        Run.create(tmp_path / "runs", name, "w", "sac", 0)
    assert not (tmp_path / "runs").exists()


def test_runs_without_a_name_are_numbered_and_none_is_taken_twice(tmp_path):
    made = [Run.create(tmp_path, None, "poise/BollaRolla-v0", "sac", 3).path.name for _ in range(3)]
    assert made == ["bolla-rolla-sac-3", "bolla-rolla-sac-3-2", "bolla-rolla-sac-3-3"]
    Run.create(tmp_path, "mine", "w", "sac", 0)
    (tmp_path / "mine" / "note").write_text("x")
    with pytest.raises(UserError, match="exists already"):
        Run.create(tmp_path, "mine", "w", "sac", 0)
    assert (tmp_path / "mine" / "note").read_text() == "x"


def test_runs_are_found_by_name_and_by_path(tmp_path, monkeypatch):
    run = Run.create(tmp_path / "runs", "mine", "w", "sac", 0)
    run.write("config.json", {})
    assert Run.open(tmp_path / "runs", "mine").path == run.path
    assert Run.open(tmp_path / "elsewhere", str(run.path)).path == run.path
    monkeypatch.chdir(run.path.parent)
    assert Run.open(tmp_path / "elsewhere", "mine").path.resolve() == run.path
    with pytest.raises(UserError, match="did you mean 'mine'"):
        Run.open(tmp_path / "runs", "mien")
    with pytest.raises(UserError, match="there are none"):
        Run.open(tmp_path / "empty", "other")


def test_json_files_of_a_run_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
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
def test_a_config_that_makes_no_sense_is_damage(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(WorkError, match=r"config\.json"):
        _ = Run(tmp_path).config["settings"]


def test_a_summary_that_makes_no_sense_does_not_hide_the_checkpoints(tmp_path):
    run = saved(tmp_path, 10)
    (tmp_path / "summary.json").write_text("{")
    assert run.find_checkpoint().name == "step_000000010"


def test_weights_of_another_network_are_refused_in_one_line():
    from poise import algos

    small, large = (
        algos.make_learner("ppo", "poise/Cartpole-v0", {}, {"hidden_sizes": hidden})
        for hidden in ([4], [8])
    )
    with pytest.raises(
        WorkError, match="weights of its policy are those of another network"
    ) as told:
        large.load_state_dict(small.state_dict())
    assert "\n" not in str(told.value)
