"""Every command takes an environment of the user's own: of a module here, or of a package."""

import json
import os
import shutil
import warnings
from pathlib import Path

import pytest
import yaml
from commands import assert_one_line, invoke, said
from processes import HELPERS, ROOT, python

import poise
from poise.toolkit.run import Run

OWN = "own_environments:Swing-v0"
POLE = "own_environments:MyPole-v0"

SHORT = ["--algo", "ppo", "--steps", "64", "--num-envs", "2"]
SETTINGS = {"rollout_steps": 32, "epochs": 1, "evaluate_every": 32, "evaluate_episodes": 2}
SHORT += [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]

STRONG = ["--env-set", "strength=0.2"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a folder with two runs of an environment of the user's own, trained in workers."""
    folder = tmp_path_factory.mktemp("own")
    shutil.copy(HELPERS / "own_environments.py", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for seed in (0, 1):
            words = [*SHORT, *STRONG, "--num-workers", "2", "--seed", str(seed)]
            said(invoke("train", OWN, *words))
        said(invoke("train", POLE, *SHORT, "--no-video"))
        said(invoke("record", "swing-ppo-0", "--tape", "swing.tape", "--out", "first.mp4"))
        suite = {
            "envs": [OWN],
            "algorithms": ["ppo"],
            "seeds": 1,
            "training": {"steps": 64, "num_envs": 2, "num_workers": 2, "evaluate_every": 32},
            "settings": {"ppo": {"rollout_steps": 32, "epochs": 1}},
            "env_set": {"strength": 0.2},
        }
        Path("own.yaml").write_text(yaml.safe_dump(suite))
        yield folder


COMMANDS = [
    ("inspect", OWN, *STRONG),
    ("train", OWN, *SHORT, *STRONG),
    ("train", "own_environments:SwingByFunction-v0", *SHORT, "--num-workers", "2"),
    ("train", "Pendulum-v1", *SHORT, "--num-workers", "2", "--env-set", "g=5.0", "--no-video"),
    ("train", "--resume", "swing-ppo-0", "--steps", "128"),
    ("train", "--resume", "swing-ppo-1", "--steps", "128", "--num-workers", "1"),
    ("play", OWN, "--seconds", "0.2", *STRONG),
    ("play", "swing-ppo-0", "--seconds", "0.2", *STRONG),
    ("record", "swing-ppo-0", *STRONG, "--annotate"),
    ("record", "swing-ppo-0", "--ghost", "swing-ppo-1", "--checkpoint", "latest"),
    ("record", "swing-ppo-0", "--checkpoint", "all", "--montage", "montage.png"),
    ("replay", "swing.tape"),
    ("evaluate", "swing-ppo-0", "--episodes", "2", *STRONG),
    ("compare", "swing-ppo-0", "swing-ppo-1", "--episodes", "5"),
    ("report", "swing-ppo-0", "swing-ppo-1", "--out", "page.html", "--episodes", "2"),
    ("plot", "swing-ppo-0", "swing-ppo-1"),
    ("benchmark", "own.yaml"),
    ("robustness", "my-pole-ppo-0", "--episodes", "1", "--env-set", "reset_noise_scale=0.02"),
    ("dataset", POLE, "--frames", "20", "--size", "16", "--jobs", "2", "--out", "data"),
    ("doctor",),
]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[:3]))
def test_command_takes_an_environment_that_leaves_the_working_folder(
    trained, monkeypatch, tmp_path, words
):
    """All files of the command are where it was typed, and are named as from there."""
    monkeypatch.chdir(trained)
    monkeypatch.setenv("POISE_TEST_WANDER", str(tmp_path))
    result = invoke(*words)
    assert result.exit_code == 0, (result.output, result.exception)
    assert str(trained) not in result.output
    assert {path.name for path in tmp_path.iterdir()} <= {"mark"}  # The environment's own.
    monkeypatch.chdir(trained)
    if words[:2] == ("train", OWN):
        assert Run(Path("runs/swing-ppo-0-2")).config["env_settings"] == {"strength": 0.2}


def test_paths_of_runs_lead_to_the_same_folder_where_an_environment_leaves_it(
    trained, monkeypatch, tmp_path
):
    one, two = "runs/swing-ppo-0", "./runs/swing-ppo-1"
    words = [("compare", one, two, "--episodes", "5"), ("record", one, "--ghost", two)]
    words += [("benchmark", "own.yaml", "--out", "other"), ("train", OWN, *SHORT, "--run", "new")]
    words[-1] += ("--preset", "mine.yaml", "--runs-dir", "others")
    (trained / "mine.yaml").write_text("settings: {gamma: 0.5}")
    monkeypatch.setenv("POISE_TEST_WANDER", str(tmp_path))
    for command in words:
        monkeypatch.chdir(trained)
        assert "Traceback" not in said(invoke(*command))
    monkeypatch.chdir(trained)
    poise.load(one, runs_dir="others")
    monkeypatch.chdir(trained)
    run = poise.train(OWN, algo="ppo", steps=64, settings=SETTINGS, runs_dir="others")
    assert run.path.parent == trained / "others" and run.summary()["steps"] == 64
    assert list(tmp_path.iterdir()) == []


REFUSED = [
    (("dataset", OWN, "--out", "data"), "a dataset needs a Poise environment"),
    (("robustness", "swing-ppo-0"), "Swing"),
    (("inspect", "own_environments:Absent-v0"), "Absent"),
    (("inspect", "absent_module:Swing-v0"), "'absent_module', which is not installed"),
    (("train", OWN, "--num-workers", "2", "--env-set", "strenth=1"), "did you mean 'strength'"),
]


@pytest.mark.parametrize(("words", "message"), REFUSED, ids=lambda value: str(value[0]))
def test_what_an_environment_cannot_do_is_one_line(trained, monkeypatch, words, message):
    monkeypatch.chdir(trained)
    before = sorted(Path("runs").iterdir())
    assert_one_line(invoke(*words), 2, message)
    assert sorted(Path("runs").iterdir()) == before


def test_warning_is_one_line_without_colours(trained, monkeypatch):
    monkeypatch.chdir(trained)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        result = invoke("inspect", OWN.removesuffix("-v0"))
    assert result.exit_code == 0 and result.stderr
    for line in result.stderr.splitlines():
        assert line.startswith("warning: Using the latest versioned") and "[" not in line


def test_failure_in_the_workers_leaves_no_run_folder(trained, elsewhere):
    words = [*SHORT, "--num-workers", "2", "--env-set", "fault=worker"]
    result = invoke("train", OWN, *words)
    assert_one_line(result, 2, "cannot be made: MotorError: the motor is hot: knee 90 (")
    assert "own_environments.py, line" in result.stderr
    assert list(Path("runs").iterdir()) == []


SCRIPT = """
import gymnasium
import poise
from own_environments import Swing

class Mine(Swing):
    pass

gymnasium.register("Mine-v0", entry_point=Mine)
if __name__ == "__main__":
    training = {"algo": "ppo", "steps": 64, "num_envs": 2, "num_workers": 2}
    settings = {"rollout_steps": 32, "epochs": 1, "evaluate_every": 0, "evaluate_episodes": 1}
    print(poise.train("Mine-v0", **training, settings=settings).summary()["steps"])
"""


def test_environment_of_a_script_is_trained_in_workers(elsewhere):
    Path("script.py").write_text(SCRIPT)
    process = python("script.py", cwd=elsewhere)
    assert (process.stdout, process.stderr) == ("64\n", "")


PACKAGE = """
import gymnasium
gymnasium.register("installed/Swing-v0", entry_point="installed.inside:Swing")
"""


def test_environment_of_an_installed_package_is_found_by_every_process(elsewhere):
    """Its id has a namespace, and registering it imports no environment."""
    package = elsewhere / "site" / "installed"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(PACKAGE)
    shutil.copy(HELPERS / "own_environments.py", package / "inside.py")
    path = os.pathsep.join([str(elsewhere / "site"), os.environ.get("PYTHONPATH", "")])
    words = [*SHORT, *STRONG, "--num-workers", "2", "--no-video"]
    command = [ROOT / "cli.py", "train", "installed:installed/Swing-v0", *words]
    process = python(*command, cwd=elsewhere, PYTHONPATH=path)
    assert (process.returncode, process.stderr) == (0, "")
    command = [ROOT / "cli.py", "evaluate", "swing-ppo-0", "--episodes", "2", "--json"]
    process = python(*command, cwd=elsewhere, PYTHONPATH=path)
    assert json.loads(process.stdout)["env"] == "installed:installed/Swing-v0", process.stderr
