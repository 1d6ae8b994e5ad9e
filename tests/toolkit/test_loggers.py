"""Log files: whole rows, in one order, and nothing lost without a word."""

import shutil

import numpy as np
import pytest
from sample_runs import start_run

from poise.toolkit.errors import WorkError
from poise.toolkit.loggers import (
    EPISODE,
    LENGTH,
    RETURN,
    open_file_logger,
    read_columns,
    read_metrics,
)
from poise.toolkit.run import Run
from poise.tools.train.session import resume_training

CSV_FILES = ("episodes.csv", "metrics.csv")


def write(folder, steps, start=0, num_rows=None):
    """Log an episode and two losses at each step; return the numbers of rows."""
    with open_file_logger(folder, start, num_rows) as logger:
        for step in steps:
            logger(step, 0.5, {EPISODE: step // 10, RETURN: 1.25, LENGTH: 10})
            logger(step, 0.5, {"losses/z": 0.125, "losses/a": 0.25})
        return logger.flush()


def read(folder):
    """Return the bytes of both CSV files."""
    return {name: (folder / name).read_bytes() for name in CSV_FILES}


@pytest.mark.parametrize("name", CSV_FILES)
def test_row_cut_at_any_byte_is_mended_on_resume_and_left_out_by_readers(tmp_path, name):
    write(tmp_path, [10, 20, 100])
    whole = read(tmp_path)
    lines = whole[name].splitlines(keepends=True)
    first_rows = b"".join(lines[:-1])
    first, *_ = read_columns(tmp_path / name, "step")
    for cut in range(len(first_rows), len(whole[name])):
        (tmp_path / name).write_bytes(whole[name][:cut])
        (steps,) = read_columns(tmp_path / name, "step")
        np.testing.assert_array_equal(steps, first[:-1])
        read_metrics(Run(tmp_path))
        write(tmp_path, [], start=100)
        assert (tmp_path / name).read_bytes() == first_rows


def test_resumed_files_equal_those_of_an_unbroken_training(tmp_path):
    for name in ("whole", "resumed"):
        (tmp_path / name).mkdir()
    write(tmp_path / "whole", [10, 20, 30])
    num_rows = write(tmp_path / "resumed", [10, 20])
    write(tmp_path / "resumed", [30, 40], start=20, num_rows=num_rows)  # Killed, and resumed:
    write(tmp_path / "resumed", [30], start=20, num_rows=num_rows)
    assert read(tmp_path / "resumed") == read(tmp_path / "whole")


def test_rows_logged_after_the_checkpoint_at_its_own_step_are_dropped(tmp_path):
    num_rows = write(tmp_path, [10, 20])
    before = read(tmp_path)
    write(tmp_path, [20], start=20)
    assert read(tmp_path) != before
    write(tmp_path, [], start=20, num_rows=num_rows)
    assert read(tmp_path) == before


@pytest.mark.parametrize("name", CSV_FILES)
@pytest.mark.parametrize("harm", ["missing", "emptied", "cut", "row lost", "bytes lost"])
def test_missing_rows_are_counted_once_on_resume(tmp_path, name, harm, capsys):
    num_rows = write(tmp_path, [10, 20, 30])
    path = tmp_path / name
    lines = path.read_bytes().splitlines(keepends=True)
    if harm == "missing":
        path.unlink()
    else:
        harmed = {
            "emptied": b"",
            "cut": b"".join(lines[:2]),
            "row lost": b"".join([lines[0], *lines[2:]]),
            "bytes lost": b"".join([*lines[:2], b"\0" * 8 + lines[2][8:], *lines[3:]]),
        }
        path.write_bytes(harmed[harm])
    rows_after = write(tmp_path, [40], start=30, num_rows=num_rows)
    (warning,) = capsys.readouterr().err.splitlines()
    assert f"{path} has" in warning and f"of the {num_rows[name]} rows" in warning
    read_metrics(Run(tmp_path))
    write(tmp_path, [50], start=40, num_rows=rows_after)
    assert capsys.readouterr().err == ""


def test_file_with_other_columns_is_refused_and_unchanged(tmp_path):
    (tmp_path / "metrics.csv").write_text("date,weight\n1,2\n", encoding="utf-8")
    with pytest.raises(WorkError, match="its columns should be step, seconds, name, value"):
        write(tmp_path, [])
    assert (tmp_path / "metrics.csv").read_text(encoding="utf-8") == "date,weight\n1,2\n"


@pytest.mark.parametrize("removed", [*CSV_FILES, "events.out.tfevents.*"])
def test_log_file_that_is_removed_is_written_again_whole(tmp_path, removed):
    with open_file_logger(tmp_path) as logger:
        logger(1, 0.5, {"losses/z": 0.125})
        logger.flush()
        (path,) = tmp_path.glob(removed)
        before = path.read_bytes()
        path.unlink()
        logger(2, 0.5, {"losses/z": 0.25})
        logger.flush()
        assert path.read_bytes().startswith(before)


def test_resumed_training_logs_its_metrics_in_the_same_order(tmp_path):
    """Several losses are summed between two rows: the order of their names is kept, too."""
    whole = start_run(tmp_path, "whole", log_every=100, steps=150).run
    half = start_run(tmp_path, "half", log_every=100, steps=150).run
    shutil.rmtree(half.checkpoints()[-1])
    shutil.rmtree(half.checkpoints()[-1])
    resume_training(half, {})

    def names(run):
        rows = (run.path / "metrics.csv").read_text(encoding="utf-8").splitlines()
        return [(row.split(",")[0], row.split(",")[2]) for row in rows]

    assert names(half) == names(whole)
