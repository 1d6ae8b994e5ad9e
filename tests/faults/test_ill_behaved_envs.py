"""An environment may raise or give anything: one line, the right exit code, nothing lost."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from commands import assert_one_line, invoke
from ill_behaved import ERRORS, FAULTS, METHODS

from poise.toolkit import checkpoint
from poise.toolkit.run import Run

ENV = "ill_behaved:IllBehaved-v0"
SMALL = [
    *("--algo", "ppo", "--steps", "32", "--run", "run", "--set", "rollout_steps=32"),
    *("--set", "epochs=1", "--set", "hidden_sizes=[4]", "--set", "evaluate_episodes=1"),
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """A folder with a run in the environment, which behaves well in it."""
    folder = tmp_path_factory.mktemp("ill-behaved") / "runs"
    result = invoke("train", ENV, *SMALL, "--no-video", "--runs-dir", folder)
    assert result.exit_code == 0, result.output
    return folder


def raising(method: str, error: str = "lines", after: int = 0) -> list[str]:
    """Return the options that make a method of the environment raise."""
    settings = {"method": method, "error": error, "after": after}
    return [word for pair in settings.items() for word in ("--env-set", "{}={}".format(*pair))]


COMMANDS = {
    "inspect": lambda runs, options: invoke("inspect", ENV, *options),
    "train": lambda runs, options: invoke("train", ENV, *SMALL, "--runs-dir", "new", *options),
    "evaluate": lambda runs, options: invoke(
        "evaluate", "run", "--episodes", 1, "--runs-dir", runs, *options
    ),
    "record": lambda runs, options: invoke(
        "record", "run", "--out", "o.gif", "--runs-dir", runs, *options
    ),
    "play": lambda runs, options: invoke(
        "play", "run", "--seconds", 0.05, "--runs-dir", runs, *options
    ),
}
USES = {
    "inspect": ("init", "spaces", "metadata"),
    "evaluate": ("init", "spaces", "metadata", "reset", "step"),
    "train": ("init", "spaces", "metadata", "reset", "step"),
    "record": ("init", "spaces", "metadata", "reset", "step", "render"),
    "play": ("init", "spaces", "metadata", "reset", "step", "render"),
}
"""The methods without which a command cannot do its work."""


def assert_safe(result: Result, is_needed: bool) -> None:
    """Assert one line where the method is needed, else success; never a traceback."""
    if is_needed:
        assert_one_line(result, result.exit_code, "")
        assert result.exit_code in (1, 2)
    else:
        assert result.exit_code == 0, (result.output, result.exception)
        assert all(line.startswith("warning: ") for line in result.stderr.splitlines())
    assert not {"\x1b", "\x07"} & set(result.output)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("method", METHODS)
def test_error_in_any_method_is_one_line_in_every_command(command, method, runs, elsewhere):
    result = COMMANDS[command](runs, raising(method))
    assert_safe(result, method in USES[command])
    if method in USES[command]:
        assert "RuntimeError: first line second line (ill_behaved.py, line" in result.stderr


@pytest.mark.parametrize("error", ERRORS)
def test_error_of_any_kind_is_one_line(error, runs, elsewhere):
    if error != "interrupt":  # Ctrl-C raises it too: it ends a command as Ctrl-C does.
        assert_safe(COMMANDS["evaluate"](runs, raising("step", error)), True)
        assert_safe(COMMANDS["record"](runs, raising("render", error, after=3)), True)
        assert_safe(COMMANDS["inspect"](runs, raising("init", error)), True)
    assert not list(elsewhere.glob("*.gif"))


@pytest.mark.parametrize("error", sorted({*ERRORS} - {"interrupt"}))
def test_training_whose_film_fails_is_complete(error, elsewhere):
    result = invoke("train", ENV, *SMALL, *raising("render", error))
    assert_safe(result, False)
    assert result.stdout.count("no video: ") == 1 and "trained 32 steps" in result.stdout
    summary = json.loads(Path("runs/run/summary.json").read_text())
    assert summary["steps"] == 32 and summary["interrupted"] is None
    assert not list(Path("runs/run/videos").glob("*"))


# Values.

VALUED = "ill_behaved:IllValued-v0"
SAVED = ["--set", "checkpoint_every=8", "--num-envs", "1"]
REFUSED = [
    (kind, name)
    for kind in ("reset observation", "step observation", "reset", "step")
    for name in FAULTS[kind][1]
]


def train_with(kind: str, name: str, *words: str) -> Result:
    """Train in an environment whose second episode and later ones have a fault."""
    options = ["--env-set", f"kind={kind}", "--env-set", f"name={name}", "--no-video"]
    return invoke("train", VALUED, *SMALL, *SAVED, *options, *words)


def assert_finite(run: Run) -> None:
    """Assert that every checkpoint is whole, and all of its numbers are finite."""
    for folder in run.checkpoints():
        for group in checkpoint.load(folder).values():
            for value in group.values():
                if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                    assert np.isfinite(value).all(), folder


@pytest.mark.parametrize(("kind", "name"), REFUSED)
def test_value_that_does_not_fit_ends_training_with_one_line(kind, name, elsewhere):
    result = train_with(kind, name)
    assert_one_line(result, 1, "IllValued-v0" if "IllValued" in result.stderr else "environment 0")
    assert "seed" in result.stderr and "episode 1" in result.stderr
    assert_finite(Run(elsewhere / "runs" / "run"))


@pytest.mark.parametrize("name", FAULTS["harmless"][1])
def test_value_that_can_be_taken_does_not_end_training(name, elsewhere):
    result = train_with("harmless", name)
    assert result.exit_code == 0, (result.output, result.exception)
    run = Run(elsewhere / "runs" / "run")
    assert run.summary()["steps"] == 32
    assert_finite(run)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS["process"][1])
def test_environment_that_ends_its_worker_is_named_and_its_training_saved(name, elsewhere):
    words = ["--num-envs", "2", "--num-workers", "2", "--set", "worker_timeout=3"]
    result = train_with("process", name, *words)
    assert_one_line(result, 1, "everything up to step")
    assert "seed" in result.stderr
    run = Run(elsewhere / "runs" / "run")
    assert run.load_checkpoint("latest")[1]["progress"]["step"] >= 10
    assert_finite(run)
