"""`poise runs`: the table, removing runs, and `latest` for a run's name."""

import json
import os
import shutil
from pathlib import Path

import pytest
from commands import assert_one_line, invoke, said
from sample_runs import start_run

from poise import cli
from poise.toolkit.errors import UserError
from poise.toolkit.run import LATEST, Run, list_runs
from poise.tools.runs import COLUMNS, RunRow, format_rows


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a folder of three runs: sac, another, which is solved, and cut, which was stopped."""
    folder = tmp_path_factory.mktemp("runs")
    start_run(folder, "sac")
    start_run(folder, "another", solved_at=1.0)
    shutil.copytree(folder / "sac", folder / "cut")
    run = Run(folder / "cut")
    run.write("summary.json", {**run.summary(), "interrupted": 2})
    return folder


@pytest.fixture
def three(elsewhere, trained):
    """Copies of the three runs, written in the order sac, another, cut."""
    shutil.copytree(trained, "runs")
    for number, name in enumerate(("sac", "another", "cut")):
        for file in Path("runs", name).iterdir():
            os.utime(file, (1e9 + number, 1e9 + number))


def test_table_has_a_row_for_each_run_the_newest_first(three):
    header, *rows = said(invoke("runs")).splitlines()
    assert header.split() == list(COLUMNS)
    assert [row.split()[0] for row in rows] == ["cut", "another", "sac"]
    entries = json.loads(said(invoke("runs", "--json")))
    assert [entry["run"] for entry in entries] == ["cut", "another", "sac"]
    assert [entry["finished"] for entry in entries] == [False, True, True]
    assert entries[1]["solved"] == entries[1]["steps"] == 60 and entries[2]["solved"] is None
    assert all(entry["env"] == "cartpole" and entry["algo"] == "sac" for entry in entries)
    assert all(entry["size"] >= 0 and entry["best"] > 0 for entry in entries)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--unfinished"], ["cut"]),
        (["--env", "stand"], []),
        (["--env", "cart", "--algo", "SAC", "--sort", "run"], ["another", "cut", "sac"]),
        (["--env", "poise/Cartpole-v0", "--unfinished"], ["cut"]),
        (["--algo", "ppo"], []),
        (["--sort", "solved", "--unfinished"], ["cut"]),
    ],
)
def test_table_can_be_filtered_and_sorted(three, words, names):
    entries = json.loads(said(invoke("runs", "--json", *words)))
    assert [entry["run"] for entry in entries] == names


def test_unknown_values_are_sorted_last(three):
    entries = json.loads(said(invoke("runs", "--json", "--sort", "solved")))
    assert entries[0]["run"] == "another"


def test_narrow_table_leaves_columns_out_and_folds_no_name():
    row = RunRow(
        "a-run-name", "an-environment", "sac", 1000, 1.5, None, "2026-01-01 10:00", 1, True
    )
    whole = format_rows([row], None)
    assert len(whole) == 2 and whole[0].split() == list(COLUMNS)
    for width in range(20, 120, 10):
        lines = format_rows([row], width)
        assert "a-run-name" in lines[1] and len(lines) == 2
        assert max(map(len, lines)) <= max(width, 45)


def test_run_that_is_damaged_or_has_written_nothing_does_not_hide_the_others(three):
    Path("runs/sac/metrics.csv").unlink()
    Path("runs/another/config.json").write_text("{", encoding="utf-8")
    result = invoke("runs", "--json")
    assert "another" in result.stderr and "cannot be read" in result.stderr
    entries = json.loads(result.stdout)
    assert [entry["run"] for entry in entries] == ["cut", "sac"] and entries[1]["best"] is None


def test_runs_are_removed_after_a_question_and_files_of_others_stay(three):
    mine = {"notes.txt", "videos/thesis.mp4", "checkpoints/notes.txt", "policies/old/notes.txt"}
    for name in mine:
        path = Path("runs/sac", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine", encoding="utf-8")
    Path("runs/sac/videos/step_000000060.mp4").touch()
    assert_one_line(invoke("runs", "rm", "sac"), 2, "Add --yes")
    assert Path("runs/sac/config.json").exists()
    output = said(invoke("runs", "rm", "sac", "cut", "--yes"))
    assert "videos/thesis.mp4" in output and "removed cut" in output
    assert {path.name for path in Path("runs").iterdir()} == {"another", "sac"}
    left = [path for path in Path("runs/sac").rglob("*") if path.is_file()]
    assert {path.relative_to("runs/sac").as_posix() for path in left} == mine
    assert_one_line(invoke("runs", "rm", "cut", "--yes"), 2, "unknown run 'cut'")
    assert_one_line(invoke("runs", "rm", "pretrained/cartpole"), 2, "is not removed")


def test_folder_that_is_no_run_is_not_removed(three):
    Path("runs/course/videos").mkdir(parents=True)
    Path("runs/course/config.json").write_text("[1, 2]", encoding="utf-8")
    assert_one_line(invoke("runs", "rm", "course", "--yes"), 1, "course")
    assert Path("runs/course/videos").exists()


def test_filters_name_what_they_do_not_know(three):
    assert_one_line(invoke("runs", "--algo", "foo"), 2, "unknown algorithm 'foo'")
    assert "none of the 3 runs matches" in said(invoke("runs", "--env", "humanoid"))


def test_words_of_the_command_line_are_those_of_the_package():
    """cli.py repeats them, as it imports nothing before a command runs."""
    (sort,) = [option for option in cli.main.commands["runs"].params if option.name == "sort"]
    assert set(sort.type.choices) == set(COLUMNS)
    assert cli.LATEST_RUN == LATEST


def test_files_are_named_after_the_latest_run(three):
    said(invoke("plot"))
    assert [path.name for path in Path().glob("*.png")] == ["cut-returns.png"]


def test_link_and_run_in_training_are_not_removed(three):
    Path("runs/link").symlink_to(Path("runs/sac").absolute())
    assert_one_line(invoke("runs", "rm", "link", "--yes"), 2, "is a link")
    lock = Run(Path("runs/cut")).lock()
    assert_one_line(invoke("runs", "rm", "cut", "--yes"), 2, "run 'cut'")
    lock.release()
    assert Path("runs/cut/config.json").exists() and Path("runs/sac/config.json").exists()


def test_latest_is_the_run_that_was_written_last(three):
    for words in (["latest"], []):
        assert "cut at step" in said(invoke("evaluate", *words, "--episodes", "1"))
    assert "runs/cut/" in said(invoke("record", "--size", "64"))
    assert Run.open(Path("runs"), "latest").path.name == "cut"
    Path("runs/another").rename("runs/latest")
    assert Run.open(Path("runs"), "latest").path.name == "latest", "a run of that name comes first"


def test_resume_without_a_name_takes_the_latest_unfinished_run(three):
    Path("runs/sac/summary.json").unlink()
    os.utime("runs/sac/config.json", (2e9, 2e9))
    assert Run.open_unfinished(Path("runs"), "latest").path.name == "sac"
    assert "runs/sac" in said(invoke("train", "--resume", "--no-video"))
    Path("runs/cut/summary.json").write_text("{}", encoding="utf-8")
    assert list_runs(Path("runs"))
    with pytest.raises(UserError, match="no unfinished run"):
        Run.open_unfinished(Path("runs"), "latest", translator=True)


@pytest.mark.parametrize("command", ["play", "record", "evaluate", "plot", "report", "robustness"])
def test_no_run_at_all_is_one_line(elsewhere, command):
    assert_one_line(invoke(command), 2, "there is no run in runs yet")
    assert_one_line(invoke("train", "--resume"), 2, "there is no unfinished run")
