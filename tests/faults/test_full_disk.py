"""A disk may be full at any byte: one line names a file, and nothing is half-written or lost."""

import errno
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import assert_one_line, invoke, snapshot
from disks import FullDisk, files_up_to
from sample_runs import contents, records_of, start_run, state_of, train_in
from writing_commands import QUICK, WRITING_COMMANDS, do_again

from poise.toolkit import checkpoint
from poise.toolkit.run import Run
from poise.tools.train.session import resume_training


def leftovers(folder: Path) -> list[str]:
    """Return the names of temporary files and folders."""
    return [path.name for path in folder.rglob(".*") if not path.name.endswith(("lock", ".json"))]


def test_training_on_a_disk_that_is_full_at_any_of_fifty_bytes_resumes_to_the_same_files(tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        disk = FullDisk(patch, 10**9)
        (tmp_path / "whole").mkdir()
        train_in(tmp_path / "whole")
        size = 10**9 - disk.free
    whole = contents(tmp_path / "whole")
    for free in np.linspace(0, size - 1, 50).astype(int).tolist():
        folder = tmp_path / str(free)
        folder.mkdir()
        with pytest.MonkeyPatch.context() as patch, pytest.raises(OSError) as failure:
            FullDisk(patch, free)
            train_in(folder)
        assert failure.value.errno == errno.ENOSPC
        assert str(failure.value.filename).startswith(str(folder))
        for saved in Run(folder).checkpoints():
            checkpoint.load(saved)
        assert leftovers(folder) == []
        with pytest.MonkeyPatch.context() as patch:
            FullDisk(patch, 10**9)
            train_in(folder)
        assert contents(folder) == whole, free
        shutil.rmtree(folder)


@pytest.mark.slow
def test_training_with_any_of_fifty_file_sizes_resumes_to_the_same_state(tmp_path):
    whole = start_run(tmp_path, "whole", log_every=1).run
    num_failures = 0
    for limit in np.geomspace(1, 60_000, 50).astype(int).tolist():
        with files_up_to(limit):
            try:
                start_run(tmp_path, f"run-{limit}", log_every=1)
            except OSError as error:
                assert str(error.filename).startswith(str(tmp_path))
                num_failures += 1
        run = Run(tmp_path / f"run-{limit}")
        if not run.path.exists():
            continue  # Its config could not be written.
        for saved in run.checkpoints():
            checkpoint.load(saved)
        resume_training(run, {})
        one, two = state_of(whole), state_of(run)
        assert [name for name in one if one[name] != two[name]] == [], limit
        assert records_of(run) == records_of(whole)
    assert num_failures > 30


def fail_and_check(name: str, folder: Path, limit: int) -> None:
    """Do a command while no file may grow beyond `limit` bytes, and check what is left."""
    before = snapshot(folder)
    with files_up_to(limit):
        result = invoke(*WRITING_COMMANDS[name])
    assert leftovers(folder) == []
    if result.exit_code == 0:
        return
    assert_one_line(result, 1, "")
    assert re.search(r"File too large|is the disk full", result.stderr), result.stderr
    assert not list(folder.glob("new.*"))
    after = snapshot(folder)
    assert {path: after[path] for path in before} == before
    do_again(name, folder)


@pytest.mark.parametrize("name", QUICK)
def test_command_on_a_full_disk_is_one_line_and_leaves_what_was_there(
    name, quick_origin, enter_copy
):
    fail_and_check(name, enter_copy(quick_origin, "copy"), 200)


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITING_COMMANDS)
def test_command_with_any_of_fifty_file_sizes_leaves_nothing_half_written(
    name, whole_origin, enter_copy
):
    for limit in np.geomspace(1, 100_000, 50).astype(int).tolist():
        folder = enter_copy(whole_origin, str(limit))
        fail_and_check(name, folder, limit)
        shutil.rmtree(folder)
