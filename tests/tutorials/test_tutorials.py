"""Lessons: each runs, uses public names only, and ends with three exercises with their checks."""

import ast
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from processes import ROOT

FOLDER = ROOT / "tutorials"
LESSONS = sorted(FOLDER.glob("[0-9][0-9]_*.py"))
EXERCISES = [f"check_exercise_{number}" for number in (1, 2, 3)]
TIME_LIMIT = 300
"""Seconds that a lesson may take with POISE_QUICK=1, on a busy machine."""
WHOLE_TIME_LIMIT = 1800
"""Seconds that a lesson may take whole, on a busy machine."""
PARALLEL_LESSONS = 2

LessonRuns = Mapping[Path, tuple[Path, "Future[subprocess.CompletedProcess[str]]"]]
"""Of each lesson: its working folder, and its process."""


@pytest.fixture(params=LESSONS, ids=lambda path: path.stem)
def lesson(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def test_lessons_are_numbered_without_a_gap() -> None:
    assert len(LESSONS) >= 4
    assert [int(path.name[:2]) for path in LESSONS] == list(range(1, len(LESSONS) + 1))


def test_every_lesson_is_in_the_table(lesson: Path) -> None:
    assert f"({lesson.name})" in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_every_lesson_consists_of_cells(lesson: Path) -> None:
    lines = lesson.read_text(encoding="utf-8").splitlines()
    assert sum(line.startswith("# %%") for line in lines) >= 5


def test_every_lesson_states_its_goal_its_equations_and_their_sources(lesson: Path) -> None:
    docstring = ast.get_docstring(ast.parse(lesson.read_text(encoding="utf-8"))) or ""
    assert docstring.startswith(f"Lesson {int(lesson.name[:2])}: ")
    assert "Afterwards you can" in docstring
    assert "arXiv:" in docstring
    assert "=" in docstring


def test_every_lesson_uses_public_names_only(lesson: Path) -> None:
    for node in ast.walk(ast.parse(lesson.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            name = node.attr
        elif isinstance(node, ast.alias):
            name = node.name
        else:
            continue
        # `_replace` is the public method of a NamedTuple.
        assert not name.startswith("_") or name == "_replace", f"{lesson.name} uses {name}"


def test_every_lesson_that_computes_with_torch_sets_its_threads(lesson: Path) -> None:
    """Rounding depends on the number of threads; on a busy machine, two wait for each other."""
    nodes = list(ast.walk(ast.parse(lesson.read_text(encoding="utf-8"))))
    imports = [node for node in nodes if isinstance(node, ast.Import)]
    modules = {alias.name for node in imports for alias in node.names}
    calls = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
    assert "torch" not in modules or "torch.set_num_threads" in calls


def test_exercises_of_every_lesson_accept_an_answer_and_refuse_a_wrong_one(lesson: Path) -> None:
    tree = ast.parse(lesson.read_text(encoding="utf-8"))
    checks = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("check_exercise_")
    ]
    assert [node.name for node in checks] == EXERCISES
    for number, node in enumerate(checks, 1):
        assert (ast.get_docstring(node) or "").startswith(f"{number}. ")

    conditions: list[ast.expr] = []
    for statement in tree.body:
        if isinstance(statement, ast.Assert):
            condition = statement.test
            is_and = isinstance(condition, ast.BoolOp)
            conditions += condition.values if is_and else [condition]
    verdicts = {verdict for condition in conditions if (verdict := expected_verdict(condition))}
    assert {(name, accepts) for name in EXERCISES for accepts in (True, False)} <= verdicts


@pytest.mark.slow
def test_every_lesson_proves_its_claims_when_run_whole(lesson: Path, tmp_path: Path) -> None:
    """POISE_QUICK=1 skips or weakens some assertions; here all of them are checked."""
    began = time.monotonic()
    result = run_lesson(lesson, tmp_path, quick=False)
    assert result.returncode == 0, result.stdout + result.stderr
    print(f"{lesson.stem}: {time.monotonic() - began:.0f} s")


def test_every_lesson_runs_and_saves_one_figure(lesson: Path, lesson_runs: LessonRuns) -> None:
    folder, process = lesson_runs[lesson]
    result = process.result()
    assert result.returncode == 0, result.stdout + result.stderr
    assert [path.name for path in folder.iterdir()] == ["lessons_out"]
    figures = list((folder / "lessons_out").glob("*.png"))
    assert [path.stem for path in figures] == [lesson.stem]


@pytest.fixture(scope="module")
def lesson_runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LessonRuns]:
    """Run the selected lessons, two in parallel, which halves the time."""
    selected = [
        item.callspec.params["lesson"]
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.originalname == "test_every_lesson_runs_and_saves_one_figure"
    ]
    folders = {lesson: tmp_path_factory.mktemp("lesson") for lesson in selected}
    with ThreadPoolExecutor(PARALLEL_LESSONS) as pool:
        yield {
            lesson: (folder, pool.submit(run_lesson, lesson, folder))
            for lesson, folder in folders.items()
        }


def run_lesson(
    lesson: Path, folder: Path, *, quick: bool = True
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", str(lesson)],
        cwd=folder,
        env={**os.environ, "POISE_QUICK": "1" if quick else "", "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT if quick else WHOLE_TIME_LIMIT,
        check=False,
        encoding="utf-8",
    )


def expected_verdict(condition: ast.expr) -> tuple[str, bool] | None:
    """The function that an asserted condition calls, and whether it must return true."""
    accepts = True
    if isinstance(condition, ast.UnaryOp) and isinstance(condition.op, ast.Not):
        condition = condition.operand
        accepts = False
    if isinstance(condition, ast.Call) and isinstance(condition.func, ast.Name):
        return condition.func.id, accepts
    return None
