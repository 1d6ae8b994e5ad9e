"""The `poise` command: its results, and its messages for wrong input and failed work."""

import csv
import errno
import gc
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner
from commands import assert_one_line, invoke, said, snapshot
from processes import HELPERS, ROOT, python
from rich.console import Console
from sample_envs import OUR_IDS
from sample_runs import records_of, start_run

from poise import cli
from poise.algos.preset import find_preset, resolve_preset
from poise.algos.registry import ALGORITHMS, NAMED_PRESETS
from poise.toolkit import checkpoint, console
from poise.toolkit.console import TrainingView
from poise.toolkit.evaluation import Evaluator
from poise.toolkit.loggers import LENGTH, RETURN
from poise.toolkit.media.frame import save_picture
from poise.toolkit.media.video import read_video
from poise.toolkit.pose_task import PoseEnvironment
from poise.toolkit.registry import short_name
from poise.toolkit.run import Run
from poise.toolkit.tape import Tape
from poise.toolkit.trainer import TrainSettings

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
    """Train a small run for the tests to copy."""
    return start_run(tmp_path_factory.mktemp("trained"), "mine").run.path


@pytest.fixture
def place(trained: Path, elsewhere: Path) -> Path:
    """Return a working folder with the run `mine` in `runs`."""
    shutil.copytree(trained, elsewhere / "runs" / "mine")
    return elsewhere


# Correct use.


def list_commands(group: click.Group = cli.main, path: str = "") -> list[tuple[str, click.Command]]:
    """Return all commands with the words that call them."""
    commands = []
    for name, command in group.commands.items():
        words = f"{path} {name}".strip()
        if isinstance(command, click.Group):
            commands += list_commands(command, words)
        else:
            commands.append((words, command))
    return commands


@pytest.mark.parametrize("words", [words for words, _ in list_commands()])
def test_help_states_ranges_in_words_within_80_columns(words):
    output = CliRunner().invoke(cli.main, [*words.split(), "--help"], terminal_width=80).output
    assert max(map(len, output.splitlines())) <= 80
    assert not re.search(r"[<>]=|x[<>]|RANGE|INTEGER|FLOAT", output)
    assert "]  [" not in " ".join(output.split("\n"))


def test_range_in_words_is_the_range_that_is_enforced():
    def accepts(option, value):
        try:
            option.type.convert(str(value), option, None)
        except click.BadParameter as error:
            assert option.type._describe_range() in error.message
            return False
        return True

    numbers = [
        option
        for _, command in list_commands()
        for option in command.params
        if isinstance(option.type, click.IntRange | click.FloatRange)
    ]
    assert len(numbers) > 15
    for option in numbers:
        words = option.type._describe_range()
        low, *rest = re.findall(r"\d[\d.]*", words)
        is_open = words.startswith("more than")
        assert accepts(option, low) != is_open
        assert not accepts(option, float(low) - 1 if "." in low else int(low) - 1)
        if rest:
            assert accepts(option, rest[0]) and not accepts(option, int(float(rest[0])) + 1)


def test_help_names_every_command():
    output = said(invoke("--help"))
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
        assert f"\n  {command} " in output
        assert said(invoke(command, "--help")).startswith(f"Usage: main {command}")
    assert "poise train cartpole" in output


def test_version():
    assert "poise" in said(invoke("--version"))


def test_list_shows_every_environment_and_algorithm():
    output = said(invoke("list"))
    for env_id in OUR_IDS:
        assert f"\n  {short_name(env_id)} " in output
    assert all(name in output for name in ALGORITHMS)
    assert output.index("In the plane") < output.index("standing") < output.index("In space")


@pytest.mark.parametrize("width", [40, 50, 60, 80, 200])
def test_list_wraps_no_row_and_leaves_out_columns_instead(width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = said(invoke("list")).splitlines()
    table = [line for line in lines if "pybullet" not in line]  # Advice is a sentence, not a row.
    assert max(map(len, table)) <= max(width, 45)
    rows = [line for line in lines if line.startswith("  ")]
    assert len([row for row in rows if row.split()[0] in map(short_name, OUR_IDS)]) == len(OUR_IDS)
    assert ("sees" in lines[0]) == (width >= 80)
    assert ("what is learned" in lines[0]) == (width >= 60)


def test_unknown_option_is_one_line_without_pybullet_too():
    program = (
        "import sys; sys.modules['pybullet'] = None; sys.modules['pybullet_data'] = None; "
        "from poise import cli; cli.main(['train', 'cartpole', '--gravty', '3'])"
    )
    process = python("-c", program)
    assert process.returncode == 2
    assert len(process.stderr.splitlines()) == 1 and process.stderr.startswith("poise: ")


def test_inspect_names_every_joint_and_point(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    output = " ".join(said(invoke("inspect", "reacher2d")).split())
    assert "torque at each joint: shoulder, elbow" in output
    assert "positions of elbow and hand: elbow x, elbow y, hand x, hand y" in output


def test_list_without_pybullet_advises_once():
    program = (
        "import sys; sys.modules['pybullet'] = None; from poise import cli; cli.main(['list'])"
    )
    process = python("-c", program)
    assert process.returncode == 0 and process.stdout.count("need pybullet") == 1
    assert all(short_name(env_id) in process.stdout for env_id in OUR_IDS)


@pytest.mark.parametrize("env_id", OUR_IDS)
@pytest.mark.parametrize("by", ["id", "short name"])
def test_inspect_shows_signals_rewards_and_settings(env_id, by):
    from sample_envs import bare

    output = said(invoke("inspect", env_id if by == "id" else short_name(env_id)))
    env = bare(env_id)
    words = [signal.name for signal in (*env.OBSERVATION, *env.ACTION)]
    settings = {name for name, *_ in env.SETTINGS.describe()}
    without = set() if isinstance(env, PoseEnvironment) else {"goal", "translator"}
    words += [*env.REWARD, *(settings - without), env_id]
    assert [word for word in words if word not in output] == []
    assert not any(re.search(rf"^{name}  ", output, re.MULTILINE) for name in without)


def test_inspect_writes_a_cost_with_a_minus():
    output = " ".join(said(invoke("inspect", "reacher2d")).split())
    assert "Reward reach: 1 progress - 0.05 control_cost + 1 achieved" in output.replace(
        " (chosen)", ""
    )


def test_inspect_shows_third_party_environments_and_chosen_settings():
    assert "Box" in said(invoke("inspect", "Pendulum-v1"))
    assert "Discrete(2)" in said(invoke("inspect", "CartPole-v1"))
    assert "7.5" in said(invoke("inspect", "cartpole", "--env-set", "force=7.5"))


def test_doctor_passes_on_this_machine():
    output = said(invoke("doctor"))
    assert "torch" in output and "videos" in output and "FAILS" not in output


SHORT = ("--steps", "128", "--no-video", "--set", "evaluate_every=0")


def config_of(name: str) -> dict[str, Any]:
    """Return the config of a run."""
    return Run(Path("runs") / name).config


def test_environment_with_discrete_actions_is_trained_with_ppo(elsewhere):
    said(invoke("train", "CartPole-v1", *SHORT, "--num-envs", "2", "--set", "rollout_steps=32"))
    assert config_of("cart-pole-ppo-0")["algorithm"] == "ppo"
    said(invoke("evaluate", "cart-pole-ppo-0", "--episodes", "2"))
    said(invoke("record", "cart-pole-ppo-0", "--out", "film.mp4"))
    assert Path("film.mp4").stat().st_size > 1000


@pytest.mark.parametrize("env", ["FrozenLake-v1", "Blackjack-v1", "CliffWalking-v1"])
def test_discrete_and_tuple_observations_are_flattened_and_episodes_end(elsewhere, env):
    short = ("--num-envs", "2", "--set", "rollout_steps=32", "--env-set", "max_episode_steps=20")
    said(invoke("train", env, *SHORT, *short))


def test_preset_variant_by_name_sets_its_algorithm(elsewhere):
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


def test_number_of_workers_does_not_change_the_result(elsewhere):
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
    output = said(invoke("train", "cartpole", *QUICK))
    path = Path("runs/cartpole-sac-0")
    run = Run(path)
    assert (
        "trained 120 steps" in output
        and str(path) in output
        and "poise play cartpole-sac-0" in output
    )
    assert [found.name for found in run.checkpoints()][-1] == "step_000000120"
    videos = list((path / "videos").iterdir())
    assert len(videos) == 1 and videos[0].name in output.replace("\n", "")
    assert run.config["command"].split()[0] == "poise"

    output = said(
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
    assert "film.mp4" in output
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


def test_train_evaluate_and_record_speak_of_the_same_step(elsewhere):
    output = said(invoke("train", "cartpole", *QUICK, "--set", "evaluate_every=50", "--no-video"))
    run = Run(Path("runs/cartpole-sac-0"))
    rows = [row for row in records_of(run)["metrics"] if row["name"] == "eval/return"]
    returns = {int(row["step"]): float(row["value"]) for row in rows}
    assert list(returns) == [50, 100, 120], "the last policy is evaluated too"
    best_step = max(returns, key=returns.__getitem__)
    summary = run.summary()
    assert (summary["best_step"], summary["last_return"]) == (best_step, returns[120])
    assert summary["eval/return"] == returns[best_step]
    which = "the last" if best_step == 120 else "the best"
    assert f"policy: step {best_step} ({which}), return {returns[best_step]:.1f} " in output
    assert (f"last:   step 120, return {returns[120]:.1f}" in output) == (best_step != 120)
    assert f"poise play cartpole-sac-0  (the policy of step {best_step})" in output
    table = said(invoke("evaluate", "cartpole-sac-0", "--episodes", "2"))
    assert f"cartpole-sac-0 at step {best_step}: 2 episodes of poise/Cartpole-v0" in table
    film = said(invoke("record", "cartpole-sac-0", "--out", "film.mp4", "--size", "64"))
    assert film == f"video: film.mp4 (the policy of step {best_step})\n"


def test_success_is_shown_nowhere_where_it_is_not_defined(elsewhere):
    command = ("train", "probe/Counter-v0", *QUICK, "--no-video")
    shown = [said(invoke(*command)), said(invoke(*command, "--seed", "1"))]
    names = ("counter-sac-0", "counter-sac-1")
    shown.append(said(invoke("evaluate", names[0], "--episodes", "2")))
    shown.append(said(invoke("evaluate", names[0], "--episodes", "2", "--json")))
    shown.append(said(invoke("compare", *names, "--episodes", "5")))
    said(invoke("report", names[0], "--episodes", "2", "--out", "page.html"))
    page = Path("page.html").read_text()
    shown.append(re.sub(r"<(style|script)\b.*?</\1>", "", page, flags=re.DOTALL))
    shown += [path.read_text() for path in Path("runs").glob("*/*.[jc]s*")]
    assert not [text for text in shown if re.search("succe(ss|ed)", text)]
    said(invoke("plot", *names, "--kind", "evaluation", "--out", "evaluation.png"))
    assert_one_line(invoke("plot", *names, "--measure", "success"), 2, "has no success")


def test_record_without_out_writes_into_the_run(place):
    output = said(invoke("record", "mine"))
    videos = list(Path("runs/mine/videos").glob("*.mp4"))
    assert len(videos) == 1 and videos[0].name in output and "step_" in videos[0].name


@pytest.mark.parametrize("name", sorted(NAMED_PRESETS))
def test_named_preset_fits_its_algorithm_and_is_in_the_help(name):
    algorithm, found = resolve_preset(find_preset(name), None, "ppo")
    assert algorithm in ALGORITHMS and found.settings
    assert re.search(rf"variant: .*{name}", " ".join(said(invoke("train", "--help")).split()))


def test_options_override_set_and_set_overrides_the_preset(elsewhere):
    Path("my.yaml").write_text(
        "training: {steps: 50, num_envs: 2}\n"
        "settings: {batch_size: 16, hidden_sizes: [8], learning_starts: 20}\n",
        encoding="utf-8",
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
def test_any_gymnasium_environment_with_boxes_trains(elsewhere, env):
    said(invoke("train", env, *QUICK, "--no-video"))
    assert Run(next(Path("runs").iterdir())).summary()["steps"] == 120


def test_environment_without_a_renderer_trains_without_a_video(elsewhere):
    output = said(invoke("train", "probe/Counter-v0", *QUICK))
    assert "run:" in output and ".mp4" not in output
    assert Run(Path("runs/counter-sac-0")).summary()["steps"] == 120


def test_solved_training_prints_solved(elsewhere):
    output = said(invoke("train", "cartpole", *QUICK, "--set", "solved_at=1", "--no-video"))
    assert "solved after 60 steps" in output
    assert Run(Path("runs/cartpole-sac-0")).summary()["solved"] is True


def test_second_run_of_the_same_name_gets_a_number(elsewhere):
    for _ in range(2):
        said(invoke("train", "probe/Counter-v0", *QUICK, "--no-video"))
    assert {path.name for path in Path("runs").iterdir()} == {"counter-sac-0", "counter-sac-0-2"}


def test_damaged_latest_checkpoint_is_named_and_the_previous_one_used(place):
    newest = Run(Path("runs/mine")).checkpoints()[-1]
    (newest / "policy" / "arrays.safetensors").write_bytes(b"nonsense")
    result = invoke("evaluate", "mine", "--checkpoint", "latest", "--episodes", "2", "--json")
    assert result.exit_code == 0
    assert newest.name in result.stderr and "damaged" in result.stderr
    summary = json.loads(result.stdout)
    assert summary["checkpoint"] != newest.name, "it names the checkpoint that it evaluated"


# Wrong input: exit code 2, one line, nothing changed.

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
    "misspelt variant": ((*TRAIN, "--preset", "dpg"), "named presets: ddpg, pixels"),
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
    "frame too small": ((*TRAIN, "--env-set", "width=3"), "width=3"),
    "setting unknown to another's environment": (
        ("train", "Pendulum-v1", *QUICK, "--env-set", "gg=3"),
        "unknown setting 'gg' of Pendulum-v1: did you mean 'g'?",
    ),
    "setting of another algorithm": (
        ("train", "cartpole", "--algo", "ppo", "--set", "buffer_size=9"),
        "buffer_size is a setting of sac and td3, and not of ppo",
    ),
    "id without its version": (("train", "Pendulum"), "did you mean 'Pendulum-v1'"),
    "id of an unknown package": (("train", "Kitchen/Oven-v7"), "MODULE:ID"),
    "suite with an unknown key": (
        ("benchmark", "suite.yaml"),
        "suite suite.yaml: unknown key 'envz': did you mean 'envs'?",
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
    "setting by its name elsewhere": (
        (*TRAIN, "--set", "lr=3e-4"),
        "unknown setting 'lr': Poise calls it learning_rate",
    ),
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
    "not a number": ((*TRAIN, "--set", "learning_rate=.nan"), "not finite"),
    "buffer larger than any memory": ((*TRAIN, "--set", "buffer_size=1000000000000000"), "memory"),
    "no steps": (("train", "cartpole", "--steps", "0"), "--steps: 0 is less than 1"),
    "negative steps": (("train", "cartpole", "--steps", "-1"), "--steps: -1 is less than 1"),
    "negative seed": ((*TRAIN, "--seed", "-1"), "seed=-1"),
    "no environments": ((*TRAIN, "--num-envs", "0"), "num_envs=0"),
    "too many environments": ((*TRAIN, "--num-envs", "99999"), "num_envs=99999"),
    "environment in place of a run": (("evaluate", "standing"), "`poise train standing` makes a"),
    "unknown device": ((*TRAIN, "--device", "gpu"), "unknown device 'gpu'"),
    "device that is not there": ((*TRAIN, "--device", ABSENT), "not on this machine"),
    # presets
    "missing preset": ((*TRAIN, "--preset", "none.yaml"), "none.yaml cannot be read"),
    "preset that is a folder": ((*TRAIN, "--preset", "runs"), "runs cannot be read"),
    "preset that is no YAML": (
        (*TRAIN, "--preset", "broken.yaml"),
        "broken.yaml is not valid YAML",
    ),
    "preset that is a list": ((*TRAIN, "--preset", "list.yaml"), "list.yaml should hold"),
    "preset that is no text": ((*TRAIN, "--preset", "binary.yaml"), "it is not text"),
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
    "an environment and a run": (("train", "cartpole", "--resume", "mine"), "leave out 'cartpole'"),
    "run name with a path": ((*TRAIN, "--run", "a/b"), "no path"),
    "run name that climbs": ((*TRAIN, "--run", "../mine"), "no path"),
    "run name of dots": ((*TRAIN, "--run", ".."), "no path"),
    "empty run name": ((*TRAIN, "--run", ""), "no path"),
    "run name that is taken": ((*TRAIN, "--run", "mine"), "exists already"),
    "folder of runs that is a file": (
        (*TRAIN, "--runs-dir", "list.yaml"),
        "'list.yaml' is a file",
    ),
    "film that names itself": (("combine", "loop.mp4", "--out", "o.mp4"), "loop.mp4"),
    "resume an unknown run": (("train", "--resume", "mien"), "did you mean 'mine'"),
    "unknown run in the folder of runs": (("evaluate", "yours"), "in runs: choose from mine"),
    "unknown run in another folder": (
        ("evaluate", "x", "--runs-dir", "no"),
        "there is no folder no",
    ),
    "folder that is no run": (("evaluate", "."), "holds no config.json"),
    "play an unknown run": (("play", "mien"), "did you mean 'mine'"),
    "resume with --set": (
        (*RESUME, "--set", "batch_size=3"),
        "--resume continues the run as it began",
    ),
    "resume with --env-set": (
        (*RESUME, "--env-set", "force=3"),
        "--resume continues the run as it began",
    ),
    "resume with --algo": ((*RESUME, "--algo", "sac"), "--resume continues the run as it began"),
    "resume with --preset": (
        (*RESUME, "--preset", "list.yaml"),
        "--resume continues the run as it began",
    ),
    "resume with --run": ((*RESUME, "--run", "other"), "--resume continues the run as it began"),
    "resume with --seed": ((*RESUME, "--seed", "4"), "--resume continues the run as it began"),
    "resume with --num-envs": (
        (*RESUME, "--num-envs", "2"),
        "--resume continues the run as it began",
    ),
    "resume with --device": (
        (*RESUME, "--device", "cuda"),
        "--resume continues the run as it began",
    ),
    "resume with no steps": ((*RESUME, "--steps", "0"), "--steps: 0"),
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
    "suite.yaml": b"envz: [cartpole]\nalgorithms: [ppo]\nseeds: 1\n",
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
def test_wrong_input_is_one_line_with_exit_code_2_and_changes_nothing(name, place):
    words, message = MISTAKES[name]
    for preset, content in PRESETS.items():
        Path(preset).write_bytes(content)
    Path("loop.mp4").symlink_to("loop.mp4")
    before = snapshot(place)
    result = invoke(*words)
    assert_one_line(result, 2, message)
    assert snapshot(place) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        # commands
        (("trian", "cartpole"), "unknown command 'trian': did you mean `poise train`?"),
        (("enjoy", "mine"), "write `poise play`"),
        (("resume", "mine"), "write `poise train --resume RUN`"),
        (("cartpole",), "write `poise train cartpole`"),
        (("translate", "trian"), "did you mean `poise translate train`?"),
        (("zzzz",), "`poise --help` lists all"),
        # options
        (("train", "cartpole", "--colour"), "train has no option --colour"),
        (("train", "cartpole", "--sed", "3"), "did you mean --seed?"),
        (("train", "cartpole", "--lr", "3e-4"), "write --set learning_rate=VALUE"),
        (("train", "cartpole", "--learning-rate", "3e-4"), "write --set learning_rate=VALUE"),
        (("train", "cartpole", "--ent-coef=0.01"), "write --set entropy_coef=VALUE"),
        (("train", "cartpole", "--total-timesteps", "9"), "write --steps"),
        (("train", "cartpole", "--n-envs", "9"), "write --num-envs"),
        (("train", "cartpole", "--gravity", "3"), "write --env-set gravity=VALUE"),
        (
            ("train", "--env", "cartpole"),
            "write ENV without an option, as in `poise train cartpole`",
        ),
        (("translate", "train", "data", "--lr", "1"), "write --set learning_rate=VALUE"),
        (("record", "mine", "--output", "a.mp4"), "write --out"),
        (("evaluate", "mine", "--lr", "3"), "evaluate has no option --lr"),
        (("--colour",), "no option --colour"),
        (("train", "cartpole", "--set"), "requires an argument"),
        # arguments
        (("train", "cartpole", "extra"), "train takes [ENV]; too many: extra"),
        (("train", "cartpole", "lr=3e-4"), "in place of lr=3e-4 write --set learning_rate=3e-4"),
        (("train", "cartpole", "steps=9"), "in place of steps=9 write --steps 9"),
        (("train", "algo=ppo", "env=cartpole"), "in place of env=cartpole write cartpole"),
        (("train", "cartpole", "algo=ppo"), "in place of algo=ppo write --algo ppo"),
        (("train", "cartpole", "ppo"), "in place of ppo write --algo ppo"),
        (("train", "cartpole", "--set", "lr", "3e-4"), "write lr=3e-4, as one word"),
        (("ppo", "cartpole"), "write `poise train ENV --algo ppo`"),
        (("compare",), "compare needs RUN, as in `poise compare"),
        (("play", "cartpole", "--seconds", "nan"), "is not a finite number"),
        (("inspect",), "inspect needs ENV"),
        (("combine", "a.mp4"), "combine needs --out"),
        # values
        (("train", "cartpole", "--step", "many"), "--step"),
        (("train", "cartpole", "--steps", "many"), "--steps: 'many' is no whole number"),
        (("train", "cartpole", "--steps", "0.5"), "--steps: '0.5' is no whole number"),
        (("train", "cartpole", "--steps", "1e999999999"), "is no whole number"),
        (("record", "mine", "--size", "3"), "--size: 3 is not in the range"),
        (("record", "mine", "--seed", "-1"), "-1 is not in the range"),
        (("evaluate", "mine", "--episodes", "0"), "0 is not in the range"),
        (("evaluate", "mine", "--episodes", "x"), "'x' is not a valid integer"),
        (("play", "cartpole", "--speed", "0"), "0"),
    ],
)
def test_wrong_usage_is_one_line_that_says_what_to_write_and_changes_nothing(words, message, place):
    before = snapshot(place)
    assert_one_line(invoke(*words), 2, message)
    assert snapshot(place) == before


def parse_command_line(line: str) -> None:
    """Parse the words of a command line, without running it; wrong words raise."""
    command: click.Command = cli.main
    name, *words = shlex.split(line)
    ctx = command.make_context(name, words)
    while isinstance(command, click.Group) and (rest := [*ctx._protected_args, *ctx.args]):
        name, command, words = command.resolve_command(ctx, rest)
        ctx = command.make_context(name, words, parent=ctx)


@pytest.mark.parametrize(("name", "command"), list_commands(), ids=str)
def test_every_command_has_examples_that_parse_and_fit(name, command, elsewhere):
    assert command.examples
    for example in command.examples:
        assert example.startswith(f"poise {name}") and len(example) <= 76
        parse_command_line(example)
    assert command.examples[0] in said(invoke(*name.split(), "--help"))


def commands_in(page: Path) -> list[str]:
    """Return the command lines in the code blocks of a page, without their explanations."""
    blocks = page.read_text(encoding="utf-8").split("```")[1::2]
    lines = [line for block in blocks for line in block.splitlines()]
    return [re.split(r"\s{2,}|;|#", line)[0] for line in lines if line.startswith("poise ")]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/BENCHMARKS.md"])
def test_the_commands_of_a_page_parse(page, elsewhere):
    for line in commands_in(ROOT / page):
        parse_command_line(line)
    assert page != "README.md" or len(commands_in(ROOT / page)) > 30


def test_help_has_no_cut_line_and_fits_60_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    output = said(invoke("--help"))
    assert "..." not in output.replace("[ARGS]...", "")
    assert max(map(len, output.splitlines())) <= 60
    listed = re.findall(r"^  ([a-z-]+)  +\S", output.partition("Learn:")[2], re.MULTILINE)
    assert sorted(listed) == sorted(cli.main.commands), "each command stands in one section"


@pytest.mark.parametrize(
    ("option", "short"),
    [("--out", "-o"), ("--seed", "-s"), ("--episodes", "-n"), ("--steps", "-n")],
)
def test_common_options_have_one_short_form(option, short):
    commands = dict(list_commands())
    for name, command in commands.items():
        for param in command.params:
            if option in param.opts and (option, name) != ("--steps", "evaluate"):
                assert short in param.opts, name


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("50000", 50_000),
        ("1e6", 1_000_000),
        ("1_000_000", 1_000_000),
        ("1.5M", 1_500_000),
        ("20k", 20_000),
    ],
)
def test_numbers_of_steps_are_read_as_people_write_them(text, count, monkeypatch):
    options: dict[str, Any] = {}
    monkeypatch.setattr(
        "poise.tools.train.command.train_and_show", lambda env, **words: options.update(words)
    )
    assert invoke("train", "cartpole", "--steps", text).exit_code == 0
    assert options["steps"] == count
    assert TrainSettings.parse({"steps": text}).steps == count


# Progress.

FILMING = [
    (("record", "mine", "--size", "32", "-o", "a.gif"), "frames"),
    (("record", "mine", "--size", "32", "--annotate", "-o", "a.mp4"), "frames"),
    (("record", "mine", "--checkpoint", "all", "--montage", "sheet.png"), "policies"),
    (("record", "mine", "--size", "32", "--checkpoint", "all", "-o", "all"), "frames"),
    (("replay", "a.tape", "--size", "32", "-o", "b.mp4"), "frames"),
    (("combine", "film.mp4", "film.mp4", "-o", "both.mp4"), "frames"),
    (("images-to-video", "pictures", "-o", "c.mp4"), "pictures"),
    (("report", "mine", "-n", "2"), "episodes"),
]
"""Commands that film, and what they count."""


@pytest.fixture
def filmed(place):
    """Return the working folder with a film, a tape and a folder of pictures."""
    film = ("record", "mine", "--size", "32", "-o", "film.mp4", "--tape", "a.tape")
    assert invoke(*film).exit_code == 0
    Path("pictures").mkdir()
    for number in range(3):
        save_picture(Path(f"pictures/{number}.png"), np.zeros((8, 8, 3), np.uint8))
    return place


@pytest.mark.parametrize(("words", "unit"), FILMING)
def test_filming_counts_on_a_terminal_and_prints_nothing_of_it_elsewhere(
    words, unit, filmed, monkeypatch
):
    plain_console = console.Console
    screen = io.StringIO()
    counts = []
    render = console.CountColumn.render

    def render_and_keep(column, task):
        text = render(column, task)
        counts.append((text.plain, task.completed, task.total))
        return text

    def open_terminal(**options):
        if "stderr" in options:
            return plain_console(file=screen, force_terminal=True, width=80)
        return plain_console(**options)

    monkeypatch.setattr(console.CountColumn, "render", render_and_keep)
    monkeypatch.setattr(console, "STATUS_LINE_DELAY", 0.0)
    monkeypatch.setattr(console, "Console", open_terminal)
    monkeypatch.setattr(console, "REFRESH_HZ", 1000.0)
    assert not invoke(*words).stderr
    monkeypatch.undo()
    monkeypatch.chdir(filmed)
    shown = [(text, done, total) for text, done, total in counts if f" {unit}" in text]
    assert shown, {text for text, _, _ in counts}
    assert all(0 <= done <= total for _, done, total in shown)
    assert (
        max(len(line) for line in re.split(r"[\r\n]|\x1b\[[0-9;?]*[A-Za-z]", screen.getvalue()))
        <= 80
    )
    monkeypatch.setattr(console, "STATUS_LINE_DELAY", 0.0)
    lines = said(invoke(*words, "--force")).splitlines()
    assert all(re.match("(video|report): ", line) for line in lines), lines


def test_slow_work_without_a_terminal_is_one_plain_line(place, monkeypatch):
    monkeypatch.setattr(console, "STATUS_LINE_DELAY", 0.0)
    assert "evaluating mine ..." in said(invoke("evaluate", "mine", "--episodes", "1")).splitlines()
    assert json.loads(said(invoke("evaluate", "mine", "--episodes", "1", "--json")))


def test_quick_work_without_a_terminal_prints_no_progress(capsys, monkeypatch):
    monkeypatch.setattr(console, "STATUS_LINE_DELAY", 60.0)
    with console.progress_bar("recording it") as show:
        show(3)
    assert capsys.readouterr() == ("", "")
    assert console.STATUS_LINE_INTERVAL == 30.0


@pytest.mark.parametrize("total", [None, 7])
def test_progress_on_a_terminal_is_a_bar_that_goes_on_standard_error(total, monkeypatch, capsys):
    page = io.StringIO()
    terminal = partial(Console, file=page, force_terminal=True, width=80)
    monkeypatch.setattr(console, "Console", lambda stderr: terminal())
    with console.progress_bar("recording it", total) as show:
        show(3)
    shown = page.getvalue()
    assert "recording it" in shown and ("3/7" in shown) == (total is not None)
    assert shown.rstrip().endswith("\x1b[2K"), "the bar is erased"
    assert capsys.readouterr() == ("", "")


def test_no_color_allows_no_control_codes(monkeypatch):
    page = io.StringIO()
    page.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR")
    assert console.Console(file=page).is_terminal
    monkeypatch.setenv("NO_COLOR", "1")
    assert not console.Console(file=page).is_terminal


# Files that commands write.


OUTPUTS = [
    (name, param.opts[-1])
    for name, command in list_commands()
    for param in command.params
    if param.callback is cli.check_output_file
]
ARGUMENTS = {"combine": ["a.mp4"], "images-to-video": ["."], "translate evaluate": ["mine", "."]}


@pytest.mark.parametrize(("name", "option"), OUTPUTS)
def test_file_that_exists_is_not_overwritten_without_force(name, option, place, monkeypatch):
    Path("kept").write_text("precious")
    words = [*name.split(), *ARGUMENTS.get(name, ["mine"]), option, "kept"]
    before = snapshot(place)
    assert_one_line(invoke(*words), 2, f"kept exists: choose another {option}, or add --force")
    assert snapshot(place) == before
    assert "exists" not in invoke(*words, "--force").output, "--force counts wherever it stands"


def test_every_option_for_a_file_to_write_obeys_the_rule():
    written = {"--out", "--montage", "--tape", "--worst", "--map", "--template"}
    folders = {("benchmark", "--out"), ("dataset", "--out")}  # The same command resumes them.
    found = {
        (name, option)
        for name, command in list_commands()
        for param in command.params
        for option in param.opts
        if option in written
    }
    assert found - folders == set(OUTPUTS)


@pytest.mark.parametrize(("name", "option"), OUTPUTS)
def test_path_where_no_file_can_be_is_refused_before_the_work(name, option, place):
    """A folder, and a path below a file."""
    Path("folder.mp4").mkdir()
    Path("file").touch()
    words = [*name.split(), *ARGUMENTS.get(name, ["mine"]), option]
    before = snapshot(place)
    for path in (".", "folder.mp4", "..", "/", ""):
        assert_one_line(invoke(*words, path), 2, "")
    for path in ("file/x.mp4", "file/x/y.png"):
        assert_one_line(invoke(*words, path), 2, "file is a file, not a folder")
    assert snapshot(place) == before


@pytest.mark.parametrize(
    "words",
    [
        ["dataset", "reacher2d", "--out"],
        ["benchmark", "quick", "--out"],
        ["train", "cartpole", "--runs-dir"],
        ["evaluate", "mine", "--runs-dir"],
    ],
)
def test_path_where_no_folder_can_be_is_refused_before_the_work(words, place):
    Path("file").touch()
    before = snapshot(place)
    for path in ("file", "file/below"):
        assert_one_line(invoke(*words, path), 2, " is a file")
    assert snapshot(place) == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps the folder of a process")
@pytest.mark.parametrize("words", [["list"], ["train", "cartpole"], ["record", "a", "-o", "b.mp4"]])
def test_deleted_working_folder_is_one_line(words, elsewhere):
    program = "import os, runpy; os.rmdir(os.getcwd()); "
    program += "runpy.run_module('poise', run_name='__main__')"
    (elsewhere / "gone").mkdir()
    ended = python("-c", program, *words, cwd=elsewhere / "gone")
    line = "poise: the current folder was deleted: change to another one\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", line)


def test_two_options_cannot_name_one_file(place):
    before = snapshot(place)
    result = invoke("record", "mine", "--out", "film.mp4", "--tape", "./film.mp4")
    assert_one_line(result, 2, "--out and --tape name the same file")
    assert snapshot(place) == before


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("plot", "mine"), "mine-returns.png"),
        (("plot", "mine", "--kind", "losses", "--by", "seconds"), "mine-losses-by-seconds.png"),
        (("report", "mine", "--episodes", "1"), "mine-report.html"),
        (("robustness", "mine", "--episodes", "1"), "mine-robustness.png"),
        (("record", "mine", "--size", "16"), "runs/mine/videos/step_000000120-seed1000000.mp4"),
        (("replay", "fall.tape", "--size", "16"), "fall.mp4"),
    ],
)
def test_file_without_a_given_name_says_what_it_is_and_replaces_none(
    words, name, place, monkeypatch
):
    monkeypatch.setattr("poise.tools.evaluate.pushes.NUM_DIRECTIONS", 1)
    if words[0] == "replay":
        said(invoke("record", "mine", "--size", "16", "-o", "x.mp4", "--tape", "fall.tape"))
    before = snapshot(place)
    for _ in range(2):
        assert invoke(*words).exit_code == 0
    after = snapshot(place)
    path = Path(name)
    new = {key for key in after if key not in before and not key.endswith("videos")}
    assert new == {path.as_posix(), path.with_stem(f"{path.stem}-2").as_posix()}
    assert {key: after[key] for key in before} == before


# Failed work: exit code 1, one line, nothing that existed is lost.


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
    ("pattern", "content", "message"),
    [
        ("config.json", b"{", "config.json"),
        ("config.json", b"{}", "config.json"),
        ("config.json", b"[1]", "config.json"),
        ("config.json", b"\xff\xfe", "config.json"),
        ("checkpoints/*/manifest.json", None, "no undamaged checkpoint"),
        ("checkpoints/*/policy/arrays.safetensors", b"nonsense", "no undamaged checkpoint"),
    ],
)
def test_damaged_run_is_reported_and_loses_nothing(place, command, pattern, content, message):
    damage(pattern, content)
    before = snapshot(place)
    result = invoke(*command)
    if isinstance(result.exception, Exception):
        raise result.exception
    lines = result.stderr.splitlines()
    assert result.exit_code == 1
    assert message in lines[-1] and lines[-1].startswith("poise: ")
    assert all(line.startswith("warning: checkpoint") for line in lines[:-1])
    assert snapshot(place) == before


@pytest.mark.parametrize("name", ["episodes.csv", "metrics.csv"])
def test_damaged_csv_stops_a_resume_with_one_line_and_is_kept(place, name):
    damage(name, b"step,episode\nnonsense,1\n")
    before = snapshot(place)
    assert_one_line(invoke(*RESUME, "--steps", "220"), 1, name)
    after = snapshot(place)
    assert {
        key: value
        for key, value in before.items()
        if after.get(key) != value and not key.endswith("config.json")
    } == {}
    gc.collect()  # A file left open raises a ResourceWarning here.


def test_damaged_summary_does_not_stop_evaluate(place):
    damage("summary.json", b"{")
    result = invoke("evaluate", "mine", "--episodes", "2")
    assert result.exit_code == 0 and "policy" in result.stdout
    warnings = result.stderr.splitlines()
    assert warnings and all(line.startswith("warning: runs/mine/summary.json") for line in warnings)


def test_run_without_a_checkpoint_is_resumed_from_step_0(place):
    shutil.rmtree("runs/mine/checkpoints")
    assert_one_line(invoke("evaluate", "mine"), 2, "no checkpoint yet")
    result = invoke(*RESUME, "--steps", "60", "--no-video")
    assert result.exit_code == 0
    assert "run 'mine' has no checkpoint: it is trained from step 0" in result.stderr
    assert Run(Path("runs/mine")).summary()["steps"] == 60
    with Path("runs/mine/episodes.csv").open(newline="", encoding="utf-8") as file:
        episodes = [int(row["episode"]) for row in csv.DictReader(file)]
    assert episodes and episodes == list(range(1, len(episodes) + 1)), "each episode is logged once"


def test_file_in_place_of_the_runs_folder_is_reported_and_kept(elsewhere):
    Path("runs").write_text("mine", encoding="utf-8")
    assert_one_line(invoke(*TRAIN), 2, "'runs' is a file")
    assert Path("runs").read_text(encoding="utf-8") == "mine"


def test_runs_folder_without_write_permission_is_reported(elsewhere, monkeypatch):
    def refused(self: Path, *_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", refused)
    assert_one_line(invoke(*TRAIN), 1, "Permission denied")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--out", "file/film.mp4"), 2, "file is a file, not a folder"),
        (("--out", "folder.mp4"), 2, "folder.mp4 is a folder"),
        (("--tape", "nowhere/tape"), 1, "nowhere/tape"),
        (("--tape", "folder.mp4"), 2, "'folder.mp4' is a directory"),
    ],
    ids=["film below a file", "film over a folder", "tape in no folder", "tape over a folder"],
)
def test_video_or_tape_that_cannot_be_written_is_reported(place, words, code, message):
    Path("file").write_text("mine", encoding="utf-8")
    Path("folder.mp4").mkdir()
    before = snapshot(place / "runs")
    assert_one_line(invoke("record", "mine", "--size", "64", *words), code, message)
    after = snapshot(place / "runs")
    assert [name for name, content in before.items() if after.get(name) != content] == []


@pytest.mark.parametrize("name", ["full.mp4", "full.gif"])
@pytest.mark.parametrize("limit", [0, 3000, 8000])
def test_video_on_a_full_disk_is_reported_and_loses_nothing(place, name, limit):
    """Run in a process of its own: a library that writes on after the first error may end it."""
    before = snapshot(place)
    process = python("-c", FULL_DISK, str(limit), "record", "mine", "--out", name, cwd=place)
    lines = process.stderr.strip().splitlines()
    assert process.returncode == 1, process.stderr
    assert len(lines) == 1 and lines[0].startswith("poise: ") and name in lines[0]
    assert snapshot(place) == before


def test_environment_without_a_renderer_cannot_be_recorded(elsewhere):
    said(invoke("train", "probe/Counter-v0", *QUICK, "--no-video"))
    assert_one_line(invoke("record", "counter-sac-0", "--out", "film.mp4"), 2, "cannot be rendered")
    assert not Path("film.mp4").exists()


@pytest.mark.parametrize("what", ["observation", "reward"])
def test_environment_with_a_non_finite_value_stops_the_training(elsewhere, what):
    words = (
        "train",
        "probe/Breaks-v0",
        *QUICK,
        "--num-envs",
        "1",
        "--env-set",
        f"what={what}",
        "--set",
        "evaluate_every=0",
        "--env-set",
        "when=45",
    )
    assert_one_line(invoke(*words), 1, f"the {what} of environment 0 is not finite")


def test_environment_that_is_not_deterministic_is_not_resumed(elsewhere):
    said(invoke("train", "probe/Forgetful-v0", *QUICK, "--no-video", "--set", "evaluate_every=0"))
    result = invoke("train", "--resume", "forgetful-sac-0", "--steps", "200", "--no-video")
    assert_one_line(result, 1, "cannot be resumed exactly")


FULL_DISK = """
import resource, sys
limit = int(sys.argv.pop(1))
# As on a full disk: no file may grow beyond the limit.
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
from poise import cli
cli.main()
"""


@pytest.mark.parametrize("limit", [0, 3000])
def test_full_disk_stops_a_new_run_with_one_line(elsewhere, limit):
    process = python("-c", FULL_DISK, str(limit), *TRAIN, cwd=elsewhere)
    lines = process.stderr.strip().splitlines()
    assert process.returncode == 1, process.stderr
    assert len(lines) == 1 and lines[0].startswith("poise: "), process.stderr
    for path in elsewhere.glob("runs/*/checkpoints/step_*"):
        checkpoint.load(path)


@pytest.mark.parametrize("limit", [0, 3000])
def test_full_disk_loses_nothing_of_a_run_that_is_resumed(place, limit):
    before = snapshot(place / "runs" / "mine")
    process = python(
        "-c", FULL_DISK, str(limit), *RESUME, "--steps", "300", "--no-video", cwd=place
    )
    lines = process.stderr.strip().splitlines()
    assert process.returncode == 1, process.stderr
    assert len(lines) == 1 and lines[0].startswith("poise: "), process.stderr
    after = snapshot(place / "runs" / "mine")
    for name, content in before.items():
        if name.endswith(".csv"):
            assert after[name].startswith(content), f"{name} lost rows"
        elif name != "config.json":
            assert after.get(name) == content, name
    said(invoke(*RESUME, "--steps", "300", "--no-video"))  # With space again.
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


def wait_for_episodes(folder: Path, training: subprocess.Popen) -> Run:
    """Return the run of a training, after its first episodes have been logged."""
    for _ in range(600):
        files = list(folder.glob("runs/*/episodes.csv"))
        if files and len(files[0].read_text(encoding="utf-8").splitlines()) > 3:
            return Run(files[0].parent)
        assert training.poll() is None, training.stderr.read()
        time.sleep(0.05)
    raise AssertionError("it never began")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupt_saves_everything_and_exits_with_its_code(elsewhere, number, code):
    command = [sys.executable, str(ROOT / "cli.py"), *ENDLESS]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(HELPERS), os.environ.get("PYTHONPATH", "")]),
    }
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=elsewhere, env=environment, **pipes) as training:
        run = wait_for_episodes(elsewhere, training)
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

def interrupt_twice(step, seconds, metrics):
    if step >= 40:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

start_run(pathlib.Path("runs"), loggers=[interrupt_twice])
print("never")
"""


def test_second_interrupt_stops_at_once(elsewhere):
    process = python("-c", TWICE, cwd=elsewhere)
    assert (process.returncode, process.stdout, process.stderr) == (130, "", "")
    assert Run(elsewhere / "runs" / "run").checkpoints() == []


def test_interrupt_in_the_last_evaluation_exits_with_130(elsewhere, monkeypatch):
    evaluate = Evaluator.__call__

    def interrupted(self: Evaluator, act: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return evaluate(self, act)

    monkeypatch.setattr(Evaluator, "__call__", interrupted)
    result = invoke("train", "cartpole", *QUICK, "--set", "evaluate_every=0")
    assert result.exit_code == 130, result.output
    run = Run(Path("runs/cartpole-sac-0"))
    assert run.load_checkpoint("latest")[1]["progress"]["step"] == 120 and not list(
        run.path.glob("videos/*")
    )


def test_interrupt_while_recording_leaves_the_trained_run(elsewhere, monkeypatch):
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("poise.tools.train.command.record_episode", interrupted)
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
        encoding="utf-8",
    )
    assert one.returncode == two.returncode == 0
    assert one.stdout.partition("\n")[2] == two.stdout.partition("\n")[2]


def test_user_environment_trains_by_its_module(elsewhere):
    process = python(
        ROOT / "cli.py", "train", "probes:probe/Counter-v0", *QUICK, "--no-video", cwd=elsewhere
    )
    assert process.returncode == 0, process.stderr
    assert Run(elsewhere / "runs" / "counter-sac-0").summary()["steps"] == 120
    process = python(
        ROOT / "cli.py", "evaluate", "counter-sac-0", "--episodes", "2", "--json", cwd=elsewhere
    )
    assert json.loads(process.stdout)["env"] == "probes:probe/Counter-v0", process.stderr


def test_wrong_input_in_a_real_process_prints_no_traceback(elsewhere):
    process = python(ROOT / "cli.py", "train", "cartpol", cwd=elsewhere)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr == "poise: unknown environment 'cartpol': did you mean 'cartpole'?\n"


# The live view of a training.


def view_of(
    terminal: bool,
    monkeypatch: pytest.MonkeyPatch,
    solved_at: float | None = 360.0,
    metrics: Mapping[str, float] = MappingProxyType({"eval/success": 0.25}),
    width: int = 120,
    **options: Any,
) -> str:
    """Return what the view of a short training prints."""
    monkeypatch.setattr(console, "PLAIN_LINE_INTERVAL", 0.0)
    page = io.StringIO()
    drawn_on = Console(file=page, force_terminal=terminal, width=width)
    with TrainingView("cartpole sac", 200, solved_at, drawn_on, **options) as view:
        for step in (50, 100):
            view(step, step / 10, {"charts/SPS": 123.0})
            view(step, step / 10, {RETURN: step / 10, LENGTH: 30.0})
        view(150, 15.0, {"eval/return": 200.0, "eval/length": 210.0, **metrics})
        view(160, 16.0, {"eval/return": 361.0, "eval/length": 390.0, **metrics})
    return page.getvalue()


def test_view_without_a_terminal_prints_a_line_for_each_evaluation(monkeypatch):
    lines = view_of(False, monkeypatch).splitlines()
    assert lines[0] == "step 50 of 200, 5 s: steps per second 123.0", "no return before an episode"
    assert "training return 7.5, length 30 (mean of the last 2 episodes)" in lines[3]
    assert lines[-2:] == [
        "step 150 of 200, 15 s: evaluation return 200.0, length 210, success 25%",
        "step 160 of 200, 16 s: evaluation return 361.0, length 390, success 25%, solved",
    ]
    assert not any("\x1b" in line for line in lines)


def test_view_on_a_terminal_keeps_a_row_for_each_evaluation_and_obeys_no_color(monkeypatch):
    shown = view_of(True, monkeypatch)
    for words in ("cartpole sac", "150/200 steps", "mean of the last 2 episodes"):
        assert words in shown
    rows = [line for line in shown.splitlines() if "####" in line]
    assert [row.removeprefix("\x1b[2K").split() for row in rows] == [
        ["150", "200.0", "210", "25%", f"|{13 * '#'}", "|", "360"],
        ["160", "361.0", "390", "25%", f"|{24 * '#'}|", "solved", "at", "360"],
    ]
    assert os.environ["NO_COLOR"] and "\x1b[3" not in shown
    assert "###" not in view_of(True, monkeypatch, width=60), "columns are dropped, not wrapped"


@pytest.mark.parametrize("terminal", [False, True])
def test_view_shows_a_success_only_where_it_is_defined(monkeypatch, terminal):
    assert "success" not in view_of(terminal, monkeypatch, solved_at=None, metrics={})


def test_view_says_that_a_training_that_may_be_solved_takes_at_most_so_long(monkeypatch):
    assert "ETA at most" in view_of(True, monkeypatch)
    for options in ({"solved_at": None}, {"stop_when_solved": False}):
        shown = view_of(True, monkeypatch, **options)
        assert "ETA" in shown and "at most" not in shown


def test_plain_lines_are_at_least_ten_seconds_apart():
    page = io.StringIO()
    with TrainingView("x", 200, None, Console(file=page, force_terminal=False)) as view:
        for step in range(100):
            view(step, 0.0, {"charts/SPS": 1.0})
    assert page.getvalue() == "" and console.PLAIN_LINE_INTERVAL == 10.0


def test_plot_writes_the_curves_of_runs(place):
    assert "curves.png" in said(invoke("plot", "mine", "mine", "--out", "curves.png"))
    assert Path("curves.png").read_bytes().startswith(b"\x89PNG")
    assert_one_line(invoke("plot", "mine", "--out", "curves.txt"), 2, "curves.txt")
    assert_one_line(invoke("plot", "yours"), 2, "unknown run")
    damage("metrics.csv", b"nonsense\n1\n")
    assert_one_line(invoke("plot", "mine", "--out", "again.png"), 1, "metrics.csv")
    assert not Path("again.png").exists()
