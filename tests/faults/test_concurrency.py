"""Many processes at one folder: one writes, the others are refused or read; nothing is lost."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from commands import assert_one_line, invoke
from processes import HELPERS, ROOT
from sample_runs import config_of, records_of, start_run, state_of

from poise.toolkit.run import Run

TRAIN = ["train", "cartpole", "--algo", "ppo", "--steps", "20000", "--keep-going", "--no-video"]
TRAIN += ["--set", "evaluate_every=0", "--set", "checkpoint_every=1600", "--set", "log_every=1600"]
DATASET = ["dataset", "reacher2d", "--frames", "600", "--size", "16", "--jobs", "1", "--out"]


def test_runs_that_are_made_at_once_have_names_of_their_own(tmp_path):
    def create(index: int) -> Path:
        return Run.create(tmp_path, None, config_of("poise/Cartpole-v0", "ppo", 0)).path

    with ThreadPoolExecutor(8) as pool:
        paths = [*pool.map(create, range(40))]
    assert len({*paths}) == 40 and all(path.is_dir() for path in paths)


def test_commands_that_read_a_run_while_it_is_trained_change_nothing_in_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole = start_run(tmp_path / "runs", "whole").run
    commands = [
        ["evaluate", "run", "--episodes", "1"],
        ["plot", "run", "--out", "curves.png"],
        ["doctor", "--report"],
    ]

    def read(step: int, seconds: float, metrics: object) -> None:
        if step >= 100 and commands:
            result = invoke(*commands.pop())
            assert result.exit_code == 0, (result.output, result.exception)

    run = start_run(tmp_path / "runs", "run", loggers=[read]).run
    assert not commands
    assert state_of(run) == state_of(whole) and records_of(run) == records_of(whole)


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    """Start a command in a folder."""
    path = os.pathsep.join([str(HELPERS), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, str(ROOT / "cli.py"), *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def assert_one_wins(processes: list[subprocess.Popen[str]]) -> str:
    """Wait; assert that one process succeeds and the others are refused; return their words."""
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    codes = [process.returncode for process in processes]
    assert sorted(codes) == [0] + [2] * (len(processes) - 1), outputs
    assert not any("Traceback" in output for output in outputs)
    refused = [output for output, code in zip(outputs, codes, strict=True) if code == 2]
    assert all(len(output.splitlines()) == 1 for output in refused), refused
    return refused[0]


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(4))
def test_run_that_is_resumed_while_it_trains_loses_no_row(attempt, tmp_path):
    whole = start(tmp_path, *TRAIN, "--run", "whole")
    whole.communicate(timeout=120)
    first = start(tmp_path, *TRAIN, "--run", "run")
    while first.poll() is None and not list(tmp_path.glob("runs/run/checkpoints/step_*")):
        time.sleep(0.01)
    time.sleep(0.1 * attempt)
    resume = ["train", "--resume", "run", "--no-video"]
    assert "is being written by process" in assert_one_wins(
        [first, start(tmp_path, *resume), start(tmp_path, *resume)]
    )
    runs = [Run(tmp_path / "runs" / name) for name in ("whole", "run")]
    assert records_of(runs[0]) == records_of(runs[1])


@pytest.mark.slow
@pytest.mark.parametrize("words", [[*TRAIN, "--run", "run"], [*DATASET, "data"]])
def test_command_that_is_started_three_times_at_once_runs_once(words, tmp_path):
    refused = assert_one_wins([start(tmp_path, *words) for _ in range(3)])
    assert "exists already" in refused or "is being written by process" in refused


def test_second_collection_of_a_dataset_is_one_line(tmp_path, monkeypatch):
    from poise.toolkit.lock import FolderLock

    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    with FolderLock(tmp_path / "data", "dataset data"):
        result = invoke(*DATASET, "data")
    assert_one_line(result, 2, "dataset data is being written by process")
