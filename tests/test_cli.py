"""The command: what it does when it is used well, and what it says when it is not."""

import csv
import errno
import gc
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import assert_one_line, invoke, said, snapshot
from poise.algos.preset import resolve_preset
from poise.algos.registry import ALGORITHMS, NAMED_PRESETS
from poise.toolkit import checkpoint, console
from poise.toolkit.console import TrainingView
from poise.toolkit.evaluation import Evaluator
from poise.toolkit.loggers import LENGTH, RETURN
from poise.toolkit.media.video import read_video
from poise.toolkit.registry import short_name
from poise.toolkit.run import Run
from poise.toolkit.tape import Tape
from processes import HELPERS, ROOT, python
from rich.console import Console
from sample_envs import OUR_IDS
from sample_runs import records_of, start_run

QUICK = [
    *(
        "--algo",
        "sac",
        "--steps",
        "120",
        "--set",
        "hidden_sizes=[8]",
        "--set",
        "batch_size=8",
        "--set",
        "learning_starts=20",
        "--set",
        "buffer_size=500",
    ),
    *(
        "--set",
        "evaluate_every=60",
        "--set",
        "evaluate_episodes=2",
        "--set",
        "solved_at=null",
        "--set",
        "log_every=20",
    ),
]
ABSENT = "mps" if sys.platform == "linux" else "cuda"


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run that others copy."""
    return start_run(tmp_path_factory.mktemp("trained"), "mine").run.path


@pytest.fixture
def place(trained: Path, elsewhere: Path) -> Path:
    """A working folder with the run `mine` in `runs`."""
    shutil.copytree(trained, elsewhere / "runs" / "mine")
    return elsewhere


# Used well.


def test_help_names_every_command():
    told = said(invoke("--help"))
    for command in (
        "train",
        "play",
        "record",
        "evaluate",
        "compare",
        "robustness",
        "plot",
        "list",
        "inspect",
        "doctor",
    ):
        assert f"\n  {command} " in told
        assert said(invoke(command, "--help")).startswith(f"Usage: main {command}")
    assert "poise train cartpole" in told


def test_version():
    assert "poise" in said(invoke("--version"))


def test_list_shows_every_world_and_algorithm():
    told = said(invoke("list"))
    for env_id in OUR_IDS:
        assert env_id in told and short_name(env_id) in told
    assert "sac" in told


@pytest.mark.parametrize("env_id", OUR_IDS)
@pytest.mark.parametrize("by", ["id", "short name"])
def test_inspect_shows_signals_rewards_and_settings(env_id, by):
    from sample_envs import bare

    told = said(invoke("inspect", env_id if by == "id" else short_name(env_id)))
    env = bare(env_id)
    words = [signal.name for signal in (*env.OBSERVATION, *env.ACTION)]
    words += [*env.REWARD, *(name for name, *_ in env.SETTINGS.describe()), env_id]
    assert [word for word in words if word not in told] == []


def test_inspect_shows_other_peoples_worlds_and_chosen_settings():
    assert "Box" in said(invoke("inspect", "Pendulum-v1"))
    assert "Discrete(2)" in said(invoke("inspect", "CartPole-v1"))
    assert "7.5" in said(invoke("inspect", "cartpole", "--env-set", "force=7.5"))


def test_doctor_finds_this_machine_well():
    told = said(invoke("doctor"))
    assert "torch" in told and "films" in told and "FAILS" not in told


SHORT = ("--steps", "128", "--no-video", "--set", "evaluate_every=0")


def config_of(name: str) -> dict[str, Any]:
    """What a run was told."""
    return Run(Path("runs") / name).config


def test_a_world_of_choices_is_learned_by_the_algorithm_that_can(elsewhere):
    said(invoke("train", "CartPole-v1", *SHORT, "--num-envs", "2", "--set", "rollout_steps=32"))
    assert config_of("cart-pole-ppo-0")["algorithm"] == "ppo"
    said(invoke("evaluate", "cart-pole-ppo-0", "--episodes", "2"))
    said(invoke("record", "cart-pole-ppo-0", "--out", "film.mp4"))
    assert Path("film.mp4").stat().st_size > 1000


@pytest.mark.parametrize("env", ["FrozenLake-v1", "Blackjack-v1", "CliffWalking-v1"])
def test_what_is_seen_as_a_choice_or_a_tuple_is_laid_out_flat_and_every_episode_ends(
    elsewhere, env
):
    short = ("--num-envs", "2", "--set", "rollout_steps=32", "--env-set", "max_episode_steps=20")
    said(invoke("train", env, *SHORT, *short))


def test_a_variant_by_name_brings_its_algorithm(elsewhere):
    said(
        invoke(
            "train",
            "cartpole",
            "--preset",
            "ddpg",
            *SHORT,
            "--set",
            "hidden_sizes=[8]",
            "--set",
            "batch_size=8",
        )
    )
    config = config_of("cartpole-td3-0")
    assert [
        config["settings"][name] for name in ("twin_critics", "policy_noise", "policy_delay")
    ] == [False, 0.0, 1]


def test_workers_change_nothing_but_the_time(elsewhere):
    words = (
        "train",
        "cartpole",
        "--algo",
        "ppo",
        *SHORT,
        "--num-envs",
        "3",
        "--set",
        "rollout_steps=16",
    )
    said(invoke(*words, "--run", "one"))
    said(invoke(*words, "--run", "two", "--num-workers", "2"))
    one, two = (Run(Path("runs") / name).load_checkpoint("latest")[1] for name in ("one", "two"))
    assert (
        one["policy"].keys() == two["policy"].keys() and one["rng"]["numpy"] == two["rng"]["numpy"]
    )
    assert all(np.array_equal(one["policy"][name], two["policy"][name]) for name in one["policy"])


def test_train_record_evaluate_and_resume(elsewhere):
    told = said(invoke("train", "cartpole", *QUICK))
    path = Path("runs/cartpole-sac-0")
    run = Run(path)
    assert "trained 120 steps" in told and str(path) in told and "poise play cartpole-sac-0" in told
    assert [found.name for found in run.checkpoints()][-1] == "step_000000120"
    films = list((path / "videos").iterdir())
    assert len(films) == 1 and films[0].name in told.replace("\n", "")
    assert run.config["command"].split()[0] == "poise"

    told = said(
        invoke(
            "record",
            "cartpole-sac-0",
            "--out",
            "film.mp4",
            "--size",
            "64",
            "--hud",
            "--tape",
            "film.tape",
        )
    )
    assert "film.mp4" in told
    assert len(list(read_video(Path("film.mp4")))) == len(Tape.load(Path("film.tape")).actions) + 1

    first = json.loads(said(invoke("evaluate", "cartpole-sac-0", "--episodes", "3", "--json")))
    assert first == json.loads(said(invoke("evaluate", str(path), "--episodes", "3", "--json")))
    assert first["env"] == "poise/Cartpole-v0" and first["episodes"] == 3 == len(
        first["policy"]["returns"]
    )
    cut = json.loads(
        said(invoke("evaluate", "cartpole-sac-0", "--episodes", "3", "--steps", "2", "--json"))
    )
    assert cut["policy"]["length_mean"] == 2.0
    other = ("--env-set", "reward=survival", "--env-set", "width=48")
    paid = json.loads(
        said(invoke("evaluate", "cartpole-sac-0", "--episodes", "3", *other[:2], "--json"))
    )["policy"]
    assert np.mean(paid["returns"]) == paid["length_mean"] != first["policy"]["return_mean"]
    said(
        invoke(
            "record",
            "cartpole-sac-0",
            "--out",
            "narrow.mp4",
            *other,
            "--env-set",
            "height=80",
            "--tape",
            "narrow.tape",
        )
    )
    assert next(iter(read_video(Path("narrow.mp4")))).shape[:2] == (80, 48)
    assert Tape.load(Path("narrow.tape")).settings["reward"] == "survival"
    assert (
        first["policy"].keys()
        == first["random"].keys()
        >= {"return_mean", "return_std", "length_mean", "success"}
    )
    table = said(invoke("evaluate", "cartpole-sac-0", "--episodes", "3", "--checkpoint", "latest"))
    assert "policy" in table and "random" in table

    said(invoke("train", "--resume", "cartpole-sac-0", "--steps", "180", "--no-video"))
    assert run.summary()["steps"] == 180 and run.config["training"]["steps"] == 180
    assert len(list((path / "videos").iterdir())) == 1


def test_record_without_out_films_into_the_run(place):
    told = said(invoke("record", "mine"))
    films = list(Path("runs/mine/videos").glob("*.mp4"))
    assert len(films) == 1 and films[0].name in told and "step_" in films[0].name


@pytest.mark.parametrize("name", sorted(NAMED_PRESETS))
def test_every_variant_with_a_name_fits_its_algorithm_and_stands_in_the_help(name):
    algorithm, found = resolve_preset(name, None, "ppo")
    assert algorithm in ALGORITHMS and found.settings
    assert re.search(rf"variant: .*{name}", " ".join(said(invoke("train", "--help")).split()))


def test_words_settings_and_a_preset_meet_and_the_nearer_wins(elsewhere):
    Path("my.yaml").write_text(
        "training: {steps: 50, num_envs: 2}\nsettings: {batch_size: 16, hidden_sizes: [8], learning_starts: 20}\n"
    )
    said(
        invoke(
            *(
                "train",
                "standing",
                "--algo",
                "sac",
                "--preset",
                "my.yaml",
                "--set",
                "batch_size=4",
                "--num-envs",
                "1",
                "--seed",
                "3",
                "--no-video",
            ),
            *(
                "--env-set",
                "actuation=impulse",
                "--set",
                "evaluate_every=0",
                "--run",
                "named",
                "--runs-dir",
                "there",
            ),
        )
    )
    config = Run(Path("there/named")).config
    assert (config["settings"]["batch_size"], config["settings"]["hidden_sizes"]) == (4, [8])
    assert (
        config["training"]["steps"],
        config["training"]["num_envs"],
        config["training"]["seed"],
    ) == (50, 1, 3)
    assert config["env_settings"]["actuation"] == "impulse"


@pytest.mark.parametrize("env", ["Pendulum-v1", "probe/Named-v0", "probe/Uneven-v0"])
def test_any_box_to_box_world_of_gymnasium_trains(elsewhere, env):
    said(invoke("train", env, *QUICK, "--no-video"))
    assert Run(next(Path("runs").iterdir())).summary()["steps"] == 120


def test_a_world_without_a_renderer_trains_and_says_that_there_is_no_film(elsewhere):
    told = said(invoke("train", "probe/Counter-v0", *QUICK))
    assert "run:" in told and ".mp4" not in told
    assert Run(Path("runs/counter-sac-0")).summary()["steps"] == 120


def test_solved_is_said(elsewhere):
    told = said(invoke("train", "cartpole", *QUICK, "--set", "solved_at=1", "--no-video"))
    assert "solved after 60 steps" in told
    assert Run(Path("runs/cartpole-sac-0")).summary()["solved"] is True


def test_two_runs_of_one_kind_lie_side_by_side(elsewhere):
    for _ in range(2):
        said(invoke("train", "probe/Counter-v0", *QUICK, "--no-video"))
    assert {path.name for path in Path("runs").iterdir()} == {"counter-sac-0", "counter-sac-0-2"}


def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_it_used(place):
    newest = Run(Path("runs/mine")).checkpoints()[-1]
    (newest / "policy" / "arrays.safetensors").write_bytes(b"nonsense")
    result = invoke("evaluate", "mine", "--checkpoint", "latest", "--episodes", "2", "--json")
    assert result.exit_code == 0
    assert newest.name in result.stderr and "damaged" in result.stderr
    told = json.loads(result.stdout)
    assert told["checkpoint"] != newest.name, "it says what it judged"


# Mistakes in the user's words: exit code 2, one line, nothing changed.

TRAIN = ("train", "cartpole", *QUICK, "--no-video")
RESUME = ("train", "--resume", "mine")
MISTAKES: dict[str, tuple[tuple[str, ...], str]] = {
    # environments
    "misspelt environment": (("train", "cartpol"), "did you mean 'cartpole'"),
    "unknown id": (("train", "Pendulum-v9"), "did you mean 'Pendulum-v1'"),
    "no such module": (
        ("train", "no_such_module:Environment-v0"),
        "needs the module 'no_such_module', which is not installed",
    ),
    "module without the environment": (("train", "math:Environment-v0"), "'math:Environment-v0'"),
    "missing extra": (
        ("train", "probe/NeedsMore-v0"),
        "'module_of_an_extra', which is not installed",
    ),
    "choices for actions": (
        ("train", "CartPole-v1", "--algo", "sac"),
        "takes Discrete(2); --algo ppo takes those",
    ),
    "variant for an algorithm": (
        (*TRAIN, "--algo", "ddpg"),
        "ddpg is a preset: write --preset ddpg",
    ),
    "variant of another algorithm": (
        (*TRAIN, "--preset", "ddpg", "--algo", "sac"),
        "is for td3, not for sac",
    ),
    "misspelt variant": ((*TRAIN, "--preset", "dpg"), "presets with a name: ddpg, pixels"),
    "no worker": ((*TRAIN, "--num-workers", "0"), "num_workers=0"),
    "unknown distribution": (
        ("train", "cartpole", "--algo", "ppo", "--set", "distribution=gauss"),
        "did you mean 'gaussian'",
    ),
    "actions without bounds": (("train", "probe/Boundless-v0", *QUICK), "without bounds"),
    "inspect an unknown environment": (("inspect", "standin"), "did you mean 'standing'"),
    "play an unknown environment": (("play", "standin"), "standing"),
    # settings of an environment
    "misspelt environment setting": ((*TRAIN, "--env-set", "forse=3"), "did you mean 'force'"),
    "unknown reward": ((*TRAIN, "--env-set", "reward=postur"), "did you mean 'posture'"),
    "environment setting of a wrong type": (
        (*TRAIN, "--env-set", "force=strong"),
        "force='strong'",
    ),
    "environment setting out of range": ((*TRAIN, "--env-set", "force=-1"), "force=-1"),
    "environment setting without =": ((*TRAIN, "--env-set", "force"), "key=value"),
    "environment setting that is no choice": (
        ("train", "standing", "--env-set", "actuation=magic"),
        "actuation='magic'",
    ),
    "picture too small": ((*TRAIN, "--env-set", "width=3"), "width=3"),
    "setting unknown to another's environment": (
        ("train", "Pendulum-v1", *QUICK, "--env-set", "gg=3"),
        "gg",
    ),
    "setting that breaks another's environment": (
        ("train", "Pendulum-v1", *QUICK, "--env-set", "g=heavy"),
        "Pendulum-v1",
    ),
    "inspect with a misspelt setting": (
        ("inspect", "cartpole", "--env-set", "forse=3"),
        "did you mean 'force'",
    ),
    # settings of the algorithm and the training
    "misspelt algorithm": ((*TRAIN, "--algo", "sca"), "did you mean 'sac'"),
    "misspelt setting": ((*TRAIN, "--set", "bach_size=3"), "did you mean 'batch_size'"),
    "setting of a wrong type": ((*TRAIN, "--set", "batch_size=many"), "batch_size='many'"),
    "setting out of range": ((*TRAIN, "--set", "batch_size=0"), "batch_size=0"),
    "negative step size": ((*TRAIN, "--set", "learning_rate=-1"), "learning_rate=-1"),
    "discount above 1": ((*TRAIN, "--set", "gamma=1.5"), "gamma=1.5"),
    "number for a list": ((*TRAIN, "--set", "hidden_sizes=8"), "hidden_sizes=8"),
    "layer without units": ((*TRAIN, "--set", "hidden_sizes=[8, 0]"), "hidden_sizes"),
    "negative layer": ((*TRAIN, "--set", "hidden_sizes=[-8]"), "hidden_sizes"),
    "unknown activation": ((*TRAIN, "--set", "activation=rel"), "activation='rel'"),
    "setting without =": ((*TRAIN, "--set", "batch_size"), "key=value"),
    "setting that cannot be read": ((*TRAIN, "--set", "hidden_sizes=[8"), "cannot be read"),
    "not a number": ((*TRAIN, "--set", "learning_rate=.nan"), "learning_rate=nan"),
    "buffer larger than any memory": ((*TRAIN, "--set", "buffer_size=1000000000000000"), "memory"),
    "no steps": (("train", "cartpole", "--steps", "0"), "steps=0"),
    "negative steps": (("train", "cartpole", "--steps", "-1"), "steps=-1"),
    "negative seed": ((*TRAIN, "--seed", "-1"), "seed=-1"),
    "no environments": ((*TRAIN, "--num-envs", "0"), "num_envs=0"),
    "too many environments": ((*TRAIN, "--num-envs", "99999"), "num_envs=99999"),
    "unknown device": ((*TRAIN, "--device", "gpu"), "unknown device 'gpu'"),
    "device that is not there": ((*TRAIN, "--device", ABSENT), "not on this machine"),
    # presets
    "missing preset": ((*TRAIN, "--preset", "none.yaml"), "none.yaml cannot be read"),
    "preset that is a folder": ((*TRAIN, "--preset", "runs"), "runs cannot be read"),
    "preset that is not YAML": ((*TRAIN, "--preset", "broken.yaml"), "broken.yaml is not YAML"),
    "preset that is a list": ((*TRAIN, "--preset", "list.yaml"), "list.yaml should hold"),
    "preset that is no text": ((*TRAIN, "--preset", "binary.yaml"), "it is not a text file"),
    "misspelt preset key": ((*TRAIN, "--preset", "key.yaml"), "did you mean 'training'"),
    "number for a preset key": ((*TRAIN, "--preset", "number.yaml"), "number.yaml"),
    "misspelt setting in a preset": (
        (*TRAIN, "--preset", "setting.yaml"),
        "did you mean 'batch_size'",
    ),
    "bad value in a preset": ((*TRAIN, "--preset", "value.yaml"), "num_envs='three'"),
    "preset part that is no table": ((*TRAIN, "--preset", "part.yaml"), "training"),
    # runs
    "nothing to train": (("train",), "say what to train"),
    "an environment and a run": (("train", "cartpole", "--resume", "mine"), "say what to train"),
    "run name with a path": ((*TRAIN, "--run", "a/b"), "no path"),
    "run name that climbs": ((*TRAIN, "--run", "../mine"), "no path"),
    "run name of dots": ((*TRAIN, "--run", ".."), "no path"),
    "empty run name": ((*TRAIN, "--run", ""), "no path"),
    "run name that is taken": ((*TRAIN, "--run", "mine"), "exists already"),
    "resume an unknown run": (("train", "--resume", "mien"), "did you mean 'mine'"),
    "resume with --set": ((*RESUME, "--set", "batch_size=3"), "--resume goes on as the run began"),
    "resume with --env-set": (
        (*RESUME, "--env-set", "force=3"),
        "--resume goes on as the run began",
    ),
    "resume with --algo": ((*RESUME, "--algo", "sac"), "--resume goes on as the run began"),
    "resume with --preset": (
        (*RESUME, "--preset", "list.yaml"),
        "--resume goes on as the run began",
    ),
    "resume with --run": ((*RESUME, "--run", "other"), "--resume goes on as the run began"),
    "resume with --seed": ((*RESUME, "--seed", "4"), "--resume goes on as the run began"),
    "resume with --num-envs": ((*RESUME, "--num-envs", "2"), "--resume goes on as the run began"),
    "resume with --device": ((*RESUME, "--device", "cuda"), "--resume goes on as the run began"),
    "resume with no steps": ((*RESUME, "--steps", "0"), "steps=0"),
    "record an unknown run": (("record", "mien"), "did you mean 'mine'"),
    "record an unknown checkpoint": (
        ("record", "mine", "--checkpoint", "7"),
        "unknown checkpoint '7'",
    ),
    "record another kind of film": (("record", "mine", "--out", "film.avi"), ".mp4"),
    "evaluate an unknown run": (("evaluate", "mien"), "did you mean 'mine'"),
    "evaluate a misspelt checkpoint": (
        ("evaluate", "mine", "--checkpoint", "bst"),
        "did you mean 'best'",
    ),
    "evaluate what is no run": (("evaluate", "."), "unknown run"),
}
PRESETS = {
    "broken.yaml": b"training: {steps: 5",
    "list.yaml": b"- training\n- settings\n",
    "binary.yaml": b"\xff\xfe\x00\x80",
    "key.yaml": b"trainin: {steps: 5}\n",
    "number.yaml": b"1: {steps: 5}\n",
    "setting.yaml": b"settings: {bach_size: 5}\n",
    "value.yaml": b"training: {num_envs: three}\n",
    "part.yaml": b"training: 5\n",
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_exit_code_2_and_changes_nothing(name, place):
    words, told = MISTAKES[name]
    for preset, content in PRESETS.items():
        Path(preset).write_bytes(content)
    before = snapshot(place)
    result = invoke(*words)
    assert_one_line(result, 2, told)
    assert snapshot(place) == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("trian", "cartpole"), "trian"),
        (("train", "cartpole", "--step", "many"), "--step"),
        (("train", "cartpole", "--steps", "many"), "'many' is not a valid integer"),
        (("train", "cartpole", "--colour"), "--colour"),
        (("train", "cartpole", "extra"), "extra"),
        (("record",), "RUN"),
        (("record", "mine", "--size", "3"), "3 is not in the range"),
        (("record", "mine", "--seed", "-1"), "-1 is not in the range"),
        (("evaluate", "mine", "--episodes", "0"), "0 is not in the range"),
        (("evaluate", "mine", "--episodes", "x"), "'x' is not a valid integer"),
        (("inspect",), "ENV"),
        (("play", "cartpole", "--speed", "0"), "0"),
    ],
)
def test_a_mistaken_usage_ends_with_one_line_and_exit_code_2(words, told, place):
    before = snapshot(place)
    result = invoke(*words)
    assert result.exit_code == 2 and isinstance(result.exception, SystemExit)
    *usage, last = result.stderr.strip().splitlines()
    assert last.startswith("Error: ") and told in last
    assert usage[0].startswith("Usage: ")
    assert snapshot(place) == before


# Work that fails: exit code 1, one line, nothing that was there is lost.


def damage(pattern: str, content: bytes | None) -> None:
    """Overwrite or remove every file of the run that matches."""
    found = list(Path("runs/mine").glob(pattern))
    assert found
    for path in found:
        path.unlink() if content is None else path.write_bytes(content)


@pytest.mark.parametrize(
    "command",
    [("evaluate", "mine"), ("record", "mine"), ("train", "--resume", "mine")],
    ids=lambda w: w[0],
)
@pytest.mark.parametrize(
    ("pattern", "content", "told"),
    [
        ("config.json", b"{", "config.json"),
        ("config.json", b"{}", "config.json"),
        ("config.json", b"[1]", "config.json"),
        ("config.json", b"\xff\xfe", "config.json"),
        ("checkpoints/*/manifest.json", None, "no undamaged checkpoint"),
        ("checkpoints/*/policy/arrays.safetensors", b"nonsense", "no undamaged checkpoint"),
    ],
)
def test_a_damaged_run_says_so_and_loses_nothing(place, command, pattern, content, told):
    damage(pattern, content)
    before = snapshot(place)
    result = invoke(*command)
    if isinstance(result.exception, Exception):
        raise result.exception
    lines = result.stderr.splitlines()
    assert result.exit_code == 1
    assert told in lines[-1] and lines[-1].startswith("poise: ")
    assert all(line.startswith("warning: checkpoint") for line in lines[:-1])
    assert snapshot(place) == before


@pytest.mark.parametrize("name", ["episodes.csv", "metrics.csv"])
def test_a_damaged_csv_stops_a_resume_kindly_and_is_kept(place, name):
    damage(name, b"step,episode\nnonsense,1\n")
    before = snapshot(place)
    assert_one_line(invoke(*RESUME, "--steps", "220"), 1, name)
    after = snapshot(place)
    assert {
        key: value
        for key, value in before.items()
        if after.get(key) != value and not key.endswith("config.json")
    } == {}
    gc.collect()  # A file left open would be complained about here.


def test_a_damaged_summary_does_not_matter(place):
    damage("summary.json", b"{")
    said(invoke("evaluate", "mine", "--episodes", "2"))


def test_a_run_without_a_checkpoint_is_resumed_from_its_beginning(place):
    shutil.rmtree("runs/mine/checkpoints")
    assert_one_line(invoke("evaluate", "mine"), 2, "no checkpoint yet")
    said(invoke(*RESUME, "--steps", "60", "--no-video"))
    assert Run(Path("runs/mine")).summary()["steps"] == 60
    with Path("runs/mine/episodes.csv").open(newline="") as file:
        episodes = [int(row["episode"]) for row in csv.DictReader(file)]
    assert episodes and episodes == list(range(1, len(episodes) + 1)), "told once"


def test_a_file_where_the_runs_should_lie(elsewhere):
    Path("runs").write_text("mine")
    assert_one_line(invoke(*TRAIN), 1, "runs")
    assert Path("runs").read_text() == "mine"


def test_a_folder_that_may_not_be_written(elsewhere, monkeypatch):
    def refused(self: Path, *_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", refused)
    assert_one_line(invoke(*TRAIN), 1, "Permission denied")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--out", "file/film.mp4"), "file"),
        (("--out", "folder.mp4"), "folder.mp4"),
        (("--tape", "nowhere/tape"), "nowhere/tape"),
        (("--tape", "folder.mp4"), "folder.mp4"),
    ],
    ids=["film below a file", "film over a folder", "tape in no folder", "tape over a folder"],
)
def test_a_film_that_cannot_be_written(place, words, told):
    Path("file").write_text("mine")
    Path("folder.mp4").mkdir()
    before = snapshot(place / "runs")
    assert_one_line(invoke("record", "mine", "--size", "64", *words), 1, told)
    after = snapshot(place / "runs")
    assert [name for name, content in before.items() if after.get(name) != content] == []


@pytest.mark.parametrize("name", ["full.mp4", "full.gif"])
@pytest.mark.parametrize("limit", [0, 3000, 8000])
def test_a_film_onto_a_full_disk(place, name, limit):
    """In a process of its own: a library that goes on writing after the first error may take it down."""
    before = snapshot(place)
    told = python("-c", FULL_DISK, str(limit), "record", "mine", "--out", name, cwd=place)
    lines = told.stderr.strip().splitlines()
    assert told.returncode == 1, told.stderr
    assert len(lines) == 1 and lines[0].startswith("poise: ") and name in lines[0]
    assert snapshot(place) == before


def test_a_world_that_cannot_draw_itself_cannot_be_recorded(elsewhere):
    said(invoke("train", "probe/Counter-v0", *QUICK, "--no-video"))
    assert_one_line(invoke("record", "counter-sac-0", "--out", "film.mp4"), 2, "cannot draw itself")
    assert not Path("film.mp4").exists()


@pytest.mark.parametrize("what", ["observation", "reward"])
def test_a_world_that_breaks_down(elsewhere, what):
    words = (
        "train",
        "probe/Breaks-v0",
        *QUICK,
        "--env-set",
        f"what={what}",
        "--set",
        "evaluate_every=0",
        "--env-set",
        "when=45",
    )
    assert_one_line(invoke(*words), 1, f"the {what} of environment 0 is not finite")


def test_a_world_that_tells_another_story_is_not_resumed(elsewhere):
    said(invoke("train", "probe/Forgetful-v0", *QUICK, "--no-video", "--set", "evaluate_every=0"))
    result = invoke("train", "--resume", "forgetful-sac-0", "--steps", "200", "--no-video")
    assert_one_line(result, 1, "another story")


FULL_DISK = """
import resource, sys
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))  # No file may grow beyond it: as on a full disk.
from poise import cli
cli.main()
"""


@pytest.mark.parametrize("limit", [0, 3000])
def test_a_full_disk_stops_a_new_run_with_one_line(elsewhere, limit):
    told = python("-c", FULL_DISK, str(limit), *TRAIN, cwd=elsewhere)
    lines = told.stderr.strip().splitlines()
    assert told.returncode == 1, told.stderr
    assert len(lines) == 1 and lines[0].startswith("poise: "), told.stderr
    for path in elsewhere.glob("runs/*/checkpoints/step_*"):
        checkpoint.load(path)


@pytest.mark.parametrize("limit", [0, 3000])
def test_a_full_disk_loses_nothing_of_a_run_that_is_resumed(place, limit):
    before = snapshot(place / "runs" / "mine")
    told = python("-c", FULL_DISK, str(limit), *RESUME, "--steps", "300", "--no-video", cwd=place)
    lines = told.stderr.strip().splitlines()
    assert told.returncode == 1, told.stderr
    assert len(lines) == 1 and lines[0].startswith("poise: "), told.stderr
    after = snapshot(place / "runs" / "mine")
    for name, content in before.items():
        if name.endswith(".csv"):
            assert after[name].startswith(content), f"{name} lost rows"
        elif name != "config.json":
            assert after.get(name) == content, name
    said(invoke(*RESUME, "--steps", "300", "--no-video"))  # When there is space again.
    assert Run(Path("runs/mine")).summary()["steps"] == 300


# Real processes.


ENDLESS = (
    "train",
    "cartpole",
    *QUICK,
    "--steps",
    "10000000",
    "--set",
    "evaluate_every=0",
    "--no-video",
)


def begun(folder: Path, training: subprocess.Popen) -> Run:
    """The run of a training, once its first episodes have been told."""
    for _ in range(600):
        told = list(folder.glob("runs/*/episodes.csv"))
        if told and len(told[0].read_text().splitlines()) > 3:
            return Run(told[0].parent)
        assert training.poll() is None, training.stderr.read()
        time.sleep(0.05)
    raise AssertionError("it never began")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_saves_everything_and_exits_with_its_code(elsewhere, number, code):
    command = [sys.executable, str(ROOT / "cli.py"), *ENDLESS]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(HELPERS), os.environ.get("PYTHONPATH", "")]),
    }
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=elsewhere, env=environment, **pipes) as training:
        run = begun(elsewhere, training)
        training.send_signal(number)
        output, errors = training.communicate(timeout=60)
    assert training.returncode == code
    assert (
        errors == ""
        and "everything is saved" in output
        and "poise train --resume cartpole-sac-0" in output
    )
    stopped = int(run.checkpoints()[-1].name[5:])
    assert run.load_checkpoint("latest")[1]["progress"]["step"] == stopped
    assert max(int(row["step"]) for row in records_of(run)["episodes"]) <= stopped
    said(invoke("train", "--resume", "cartpole-sac-0", "--steps", stopped + 50, "--no-video"))
    assert run.summary()["steps"] == stopped + 50


TWICE = """
import pathlib, signal
from sample_runs import start_run

def listen(config):
    def hear(step, seconds, metrics):
        if step >= 40:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
    return hear

start_run(pathlib.Path("runs"), listen=listen)
print("never")
"""


def test_a_second_interrupt_stops_at_once(elsewhere):
    told = python("-c", TWICE, cwd=elsewhere)
    assert (told.returncode, told.stdout, told.stderr) == (130, "", "")
    assert Run(elsewhere / "runs" / "run").checkpoints() == []


def test_an_interrupt_in_the_last_evaluation_is_heard_too(elsewhere, monkeypatch):
    judge = Evaluator.__call__

    def interrupted(self: Evaluator, act: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return judge(self, act)

    monkeypatch.setattr(Evaluator, "__call__", interrupted)
    result = invoke("train", "cartpole", *QUICK, "--set", "evaluate_every=0")
    assert result.exit_code == 130, result.output
    run = Run(Path("runs/cartpole-sac-0"))
    assert run.load_checkpoint("latest")[1]["progress"]["step"] == 120 and not list(
        run.path.glob("videos/*")
    )


def test_an_interrupt_while_filming_leaves_the_trained_run(elsewhere, monkeypatch):
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("poise.tools.train.session.record_episode", interrupted)
    result = invoke("train", "cartpole", *QUICK)
    assert result.exit_code == 130 and result.stderr == "poise: interrupted\n"
    run = Run(Path("runs/cartpole-sac-0"))
    assert (
        run.summary()["steps"] == 120
        and run.load_checkpoint("latest")[1]["progress"]["step"] == 120
    )


def test_cli_py_is_the_poise_command(elsewhere):
    one = python(ROOT / "cli.py", "--help", cwd=elsewhere)
    two = subprocess.run(
        [Path(sys.executable).parent / "poise", "--help"],
        cwd=elsewhere,
        capture_output=True,
        text=True,
        check=False,
    )
    assert one.returncode == two.returncode == 0
    assert one.stdout.partition("\n")[2] == two.stdout.partition("\n")[2]


def test_a_world_of_ones_own_trains_by_its_module(elsewhere):
    told = python(
        ROOT / "cli.py", "train", "probes:probe/Counter-v0", *QUICK, "--no-video", cwd=elsewhere
    )
    assert told.returncode == 0, told.stderr
    assert Run(elsewhere / "runs" / "counter-sac-0").summary()["steps"] == 120
    told = python(
        ROOT / "cli.py", "evaluate", "counter-sac-0", "--episodes", "2", "--json", cwd=elsewhere
    )
    assert json.loads(told.stdout)["env"] == "probes:probe/Counter-v0", told.stderr


def test_a_mistake_has_no_traceback_in_a_real_process_either(elsewhere):
    told = python(ROOT / "cli.py", "train", "cartpol", cwd=elsewhere)
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == "poise: unknown environment 'cartpol': did you mean 'cartpole'?\n"


# What is shown while training.


def view_of(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a short training shows."""
    monkeypatch.setattr(console, "PLAIN_LINE_INTERVAL", 0.0)
    page = io.StringIO()
    with TrainingView(
        "cartpole sac", 200, 360.0, Console(file=page, force_terminal=terminal, width=120)
    ) as view:
        for step in (50, 100):
            view(step, step / 10, {"charts/SPS": 123.0})
            view(step, step / 10, {RETURN: 7.5, LENGTH: 30.0})
        view(150, 15.0, {"eval/return": 200.0, "eval/length": 210.0, "eval/success": 0.25})
    return page.getvalue()


def test_where_there_is_no_terminal_plain_lines_tell_how_it_goes(monkeypatch):
    lines = view_of(False, monkeypatch).splitlines()
    assert "step 50 of 200, 5 s: steps a second 123.0" in lines[0]
    assert "return of the last episode 7.5" in lines[1]
    assert "return in evaluation 200.0" in lines[-1] and "step 150 of 200" in lines[-1]
    assert not any("\x1b" in line for line in lines)


def test_on_a_terminal_there_is_a_bar_with_an_eta_and_no_colour_where_none_is_wanted(monkeypatch):
    shown = view_of(True, monkeypatch)
    assert (
        "ETA" in shown
        and "cartpole sac" in shown
        and "150/200 steps" in shown
        and "solved at 360" in shown
    )
    assert os.environ["NO_COLOR"] and "\x1b[3" not in shown


def test_plain_lines_come_no_more_often_than_every_ten_seconds():
    page = io.StringIO()
    with TrainingView("x", 200, None, Console(file=page, force_terminal=False)) as view:
        for step in range(100):
            view(step, 0.0, {"charts/SPS": 1.0})
    assert page.getvalue() == "" and console.PLAIN_LINE_INTERVAL == 10.0


def test_plot_draws_the_curves_of_runs(place):
    assert "curves.png" in said(invoke("plot", "mine", "mine"))
    assert Path("curves.png").read_bytes().startswith(b"\x89PNG")
    assert_one_line(invoke("plot", "mine", "--out", "curves.txt"), 2, "curves.txt")
    assert_one_line(invoke("plot", "yours"), 2, "unknown run")
    damage("metrics.csv", b"nonsense\n1\n")
    assert_one_line(invoke("plot", "mine", "--out", "again.png"), 1, "metrics.csv")
    assert not Path("again.png").exists()
