"""Every lesson runs, keeps to the public names and ends with three exercises whose checks can say no."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from processes import ROOT

FOLDER = ROOT / "tutorials"
LESSONS = sorted(FOLDER.glob("[0-9][0-9]_*.py"))
Running = Mapping[Path, tuple[Path, "Future[subprocess.CompletedProcess[str]]"]]
EXERCISES = [f"check_exercise_{number}" for number in (1, 2, 3)]


@pytest.fixture(params=LESSONS, ids=lambda path: path.stem)
def lesson(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def called(expression: ast.expr) -> tuple[str, bool] | None:
    """The check that `expression` calls, and whether it is expected to say yes."""
    yes = True
    if isinstance(expression, ast.UnaryOp) and isinstance(expression.op, ast.Not):
        expression, yes = expression.operand, False
    if isinstance(expression, ast.Call) and isinstance(expression.func, ast.Name):
        return expression.func.id, yes
    return None


def test_lessons_are_numbered_without_a_gap() -> None:
    assert len(LESSONS) >= 4
    assert [int(path.name[:2]) for path in LESSONS] == list(range(1, len(LESSONS) + 1))


def test_every_lesson_is_in_the_table(lesson: Path) -> None:
    assert f"({lesson.name})" in (FOLDER / "README.md").read_text()


def test_it_is_made_of_cells(lesson: Path) -> None:
    lines = lesson.read_text().splitlines()
    assert sum(line.startswith("# %%") for line in lines) >= 5


def test_it_says_what_one_will_be_able_to_do_and_where_its_equations_come_from(
    lesson: Path,
) -> None:
    told = ast.get_docstring(ast.parse(lesson.read_text())) or ""
    assert told.startswith(f"Lesson {int(lesson.name[:2])}: ")
    assert "Afterwards you can" in told
    assert "arXiv:" in told
    assert "=" in told


def test_it_keeps_to_public_names(lesson: Path) -> None:
    for node in ast.walk(ast.parse(lesson.read_text())):
        name = (
            node.attr
            if isinstance(node, ast.Attribute)
            else node.name
            if isinstance(node, ast.alias)
            else ""
        )
        assert not name.startswith("_") or name == "_replace", f"{lesson.name} uses {name}"


def test_its_exercises_accept_the_answer_and_refuse_a_wrong_one(lesson: Path) -> None:
    tree = ast.parse(lesson.read_text())
    checks = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("check_exercise_")
    ]
    assert [node.name for node in checks] == EXERCISES
    for number, node in enumerate(checks, 1):
        assert (ast.get_docstring(node) or "").startswith(f"{number}. ")
    tests = [node.test for node in tree.body if isinstance(node, ast.Assert)]
    parts = [
        part for test in tests for part in (test.values if isinstance(test, ast.BoolOp) else [test])
    ]
    asked = {answer for part in parts if (answer := called(part))}
    assert {(name, yes) for name in EXERCISES for yes in (True, False)} <= asked


def run(lesson: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "POISE_QUICK": "1", "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-W", "error", str(lesson)]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """The folder of each lesson that was asked for, and how it ends there: two run at a time, which takes half as long."""
    items = [
        item
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == "test_it_runs"
    ]
    folders = {item.callspec.params["lesson"]: tmp_path_factory.mktemp("lesson") for item in items}
    with ThreadPoolExecutor(2) as two:
        yield {
            lesson: (folder, two.submit(run, lesson, folder)) for lesson, folder in folders.items()
        }


def test_it_runs(lesson: Path, running: Running) -> None:
    folder, done = running[lesson]
    assert done.result().returncode == 0, done.result().stdout + done.result().stderr
    assert [path.name for path in folder.iterdir()] == ["lessons_out"]
    pictures = list((folder / "lessons_out").glob("*.png"))
    assert [path.stem for path in pictures] == [lesson.stem]
