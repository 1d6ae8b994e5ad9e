"""Locks on folders: one writer at a time, and none for ever."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time

import pytest
from sample_runs import records_of, start_run

from poise.toolkit import lock
from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.lock import LOCK_FILES, MAX_HEARTBEAT_AGE, WRITER_FILE, FolderLock
from poise.toolkit.run import Run
from poise.tools.train.session import TrainingSession, resume_training


def contents(folder):
    """Return the bytes of every file below a folder, by path."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def leave_writer(folder, host, age):
    """Leave the description of a writer on `host`, whose last sign of life is `age` seconds old."""
    writer = {"pid": 7, "host": host, "since": "2026-01-01 00:00:00", "id": "another"}
    (folder / WRITER_FILE).write_text(json.dumps(writer), encoding="utf-8")
    os.utime(folder / WRITER_FILE, (time.time() - age,) * 2)


def test_second_writer_is_refused_with_process_host_and_time_of_the_first(tmp_path):
    with FolderLock(tmp_path, "run 'mine'"):
        with pytest.raises(UserError) as refusal:
            FolderLock(tmp_path, "run 'mine'")
        message = str(refusal.value)
        assert "run 'mine'" in message and "\n" not in message
        assert f"process {os.getpid()} on {socket.gethostname()} since 2" in message
    with FolderLock(tmp_path, "run 'mine'") as again:
        again.check()
    again.release()
    assert {path.name for path in tmp_path.iterdir()} <= LOCK_FILES - {WRITER_FILE}


def test_lock_of_a_killed_process_is_taken_over_at_once(tmp_path):
    program = (
        "import pathlib, sys, time; from poise.toolkit.lock import FolderLock\n"
        "lock = FolderLock(pathlib.Path(sys.argv[1]), 'run'); print('held', flush=True)\n"
        "time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(UserError, match=f"process {holder.pid}"):
            FolderLock(tmp_path, "run")
        holder.kill()
    FolderLock(tmp_path, "run").release()


@pytest.mark.parametrize("age", [0.0, MAX_HEARTBEAT_AGE - 5])
def test_writer_on_another_computer_with_a_recent_sign_of_life_is_not_disturbed(tmp_path, age):
    leave_writer(tmp_path, "elsewhere", age)
    before = (tmp_path / WRITER_FILE).read_bytes()
    for _ in range(2):
        with pytest.raises(UserError, match="process 7 on elsewhere"):
            FolderLock(tmp_path, "run")
    assert (tmp_path / WRITER_FILE).read_bytes() == before


def test_writer_on_another_computer_without_a_recent_sign_of_life_is_taken_over(tmp_path):
    leave_writer(tmp_path, "elsewhere", MAX_HEARTBEAT_AGE + 5)
    FolderLock(tmp_path, "run").release()


def test_unreadable_description_of_a_writer_blocks_nothing(tmp_path):
    for text in ("", "[]", "{}", "nonsense"):
        (tmp_path / WRITER_FILE).write_text(text, encoding="utf-8")
        FolderLock(tmp_path, "run").release()


def test_writer_gives_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT_INTERVAL", 0.01)
    with FolderLock(tmp_path, "run"):
        os.utime(tmp_path / WRITER_FILE, (0.0, 0.0))
        deadline = time.monotonic() + 10.0
        while (tmp_path / WRITER_FILE).stat().st_mtime == 0.0:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_writer_that_was_taken_over_stops_and_leaves_the_other_alone(tmp_path):
    with FolderLock(tmp_path, "run 'mine'") as mine:
        leave_writer(tmp_path, "elsewhere", 0.0)
        with pytest.raises(WorkError, match="taken over by process 7 on elsewhere"):
            mine.check()
    assert (tmp_path / WRITER_FILE).exists()


def test_removed_files_of_a_lock_are_written_again_and_a_removed_folder_is_named(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    with FolderLock(folder, "run 'mine'") as mine:
        (folder / WRITER_FILE).unlink()
        mine.check()
        assert (folder / WRITER_FILE).exists()
        shutil.rmtree(folder)
        with pytest.raises(WorkError, match=r"'mine': its folder .* was removed") as error:
            mine.check()
        assert "\n" not in str(error.value)
    assert not folder.exists()


# Runs.


def test_run_that_is_trained_cannot_be_resumed_beside_it_and_loses_nothing(tmp_path):
    run = start_run(tmp_path).run
    session = TrainingSession.resume(run, {"steps": 250})
    before = contents(run.path)
    with pytest.raises(UserError, match="run 'run' is being written by process"):
        resume_training(Run(run.path), {"steps": 300})
    assert contents(run.path) == before
    session.train()
    whole = start_run(tmp_path, "whole", steps=250).run
    assert records_of(run) == records_of(whole)


def test_run_is_free_after_its_training_failed(tmp_path):
    with pytest.raises(WorkError, match="not finite"):
        start_run(tmp_path, env="probe/BreaksLate-v0")
    Run(tmp_path / "run").lock().release()


def test_run_is_free_after_its_resume_failed(tmp_path):
    run = start_run(tmp_path).run
    for folder in run.checkpoints():
        (folder / "manifest.json").write_text("{}", encoding="utf-8")
    with pytest.raises(WorkError, match="no undamaged checkpoint"):
        resume_training(run, {})
    run.lock().release()


@pytest.mark.parametrize(
    "removed", ["config.json", "episodes.csv", "metrics.csv", "events", "policies"]
)
def test_what_is_removed_during_a_training_is_written_again(tmp_path, removed):
    whole = start_run(tmp_path, "whole").run

    def remove(step, seconds, metrics):
        if step == 100:
            for path in (tmp_path / "run").glob(f"{removed}*"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    run = start_run(tmp_path, loggers=[remove]).run
    assert list(run.path.glob(f"{removed}*"))
    assert records_of(run) == records_of(whole)
    assert run.config == {**whole.config, "command": run.config["command"]}


def test_training_whose_folder_is_removed_ends_with_one_line(tmp_path):
    def remove(step, seconds, metrics):
        if step == 100 and (tmp_path / "run").exists():
            shutil.rmtree(tmp_path / "run")

    with pytest.raises(WorkError, match=r"run 'run': its folder .* was removed") as error:
        start_run(tmp_path, loggers=[remove])
    assert "\n" not in str(error.value)
