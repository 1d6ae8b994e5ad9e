"""Every command that writes may be killed at any moment: done again, it leaves the same files."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from commands import invoke, snapshot
from disks import Killed, KillSwitch
from processes import HELPERS, ROOT
from writing_commands import QUICK, WRITING_COMMANDS, do_again

from poise.toolkit import checkpoint
from poise.toolkit.run import Run


def check(name: str, folder: Path, before: dict[str, bytes | None]) -> None:
    """Assert that nothing of before has changed, and that no file of a final name is half-made."""
    after = snapshot(folder)
    assert {path: after.get(path) for path in before} == before
    for saved in Run(folder / "runs" / "new").checkpoints():
        checkpoint.load(saved)
    for path in (folder / "new.mp4", folder / "new.gif"):
        if path.exists():
            assert invoke("combine", path, "--out", f"check{path.suffix}").exit_code == 0
            Path(f"check{path.suffix}").unlink()
    do_again(name, folder)


def names(folder: Path) -> set[str]:
    """Return the names of what a command has made; those of event files hold the time."""
    paths = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    return {path for path in paths if ".tfevents." not in path and not path.endswith(".lock")}


def assert_kills_are_harmless(name: str, origin: Path, enter_copy, numbers: int) -> None:
    """Kill a command at some of its operations on files."""
    folder = enter_copy(origin, "whole")
    with pytest.MonkeyPatch.context() as patch:
        switch = KillSwitch(patch, np.inf)
        assert invoke(*WRITING_COMMANDS[name]).exit_code == 0
    whole = names(folder)
    for number in np.unique(np.linspace(1, switch.count, numbers).astype(int)).tolist():
        folder = enter_copy(origin, str(number))
        before = snapshot(folder)
        with pytest.MonkeyPatch.context() as patch, contextlib.suppress(Killed):
            KillSwitch(patch, number)
            invoke(*WRITING_COMMANDS[name])
        check(name, folder, before)
        assert names(folder) == whole, number
        shutil.rmtree(folder)


# What is collected after the simulated kill is refused its operations on files, too.
IGNORED = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@IGNORED
@pytest.mark.parametrize("name", [name for name in QUICK if name != "train"])
def test_command_killed_between_two_operations_can_be_done_again(name, quick_origin, enter_copy):
    """For a training: tests/toolkit/test_checkpoint.py."""
    assert_kills_are_harmless(name, quick_origin, enter_copy, 3)


@IGNORED
@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in WRITING_COMMANDS if name != "train"])
def test_command_killed_between_any_two_operations_can_be_done_again(
    name, whole_origin, enter_copy
):
    assert_kills_are_harmless(name, whole_origin, enter_copy, 40)


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITING_COMMANDS)
def test_command_killed_at_any_moment_can_be_done_again(name, whole_origin, enter_copy):
    """Real processes and SIGKILL, at moments that are spread over the time of the command."""
    path = os.pathsep.join([str(HELPERS), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(ROOT / "cli.py"), *WRITING_COMMANDS[name]]
    enter_copy(whole_origin, "whole")
    start = time.monotonic()
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": path})
    seconds = time.monotonic() - start
    for share in np.linspace(0.4, 1.0, 8).tolist():
        folder = enter_copy(whole_origin, f"{share:.2f}")
        before = snapshot(folder)
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(share * seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        check(name, folder, before)
