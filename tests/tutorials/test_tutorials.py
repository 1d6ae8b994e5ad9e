"""Lessons: each runs, uses public names only, and ends with three exercises with their checks."""

import ast
import math
import os
import re
import runpy
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from processes import ROOT

from poise.envs2d.figure import STRAIGHT_HEIGHT

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


def load_checks(number: str, folder: Path, **names: Any) -> dict[str, Any]:
    """Load the checks of a lesson without running it: its imports, and `names` that they use."""
    (path,) = FOLDER.glob(f"{number}_*.py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kept = [
        node
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        or (isinstance(node, ast.FunctionDef) and node.name in EXERCISES)
    ]
    program = folder / "checks.py"
    program.write_text(ast.unparse(ast.Module(kept, [])), encoding="utf-8")
    return runpy.run_path(str(program), init_globals=names)


def right_height_term(y: float) -> float:
    return math.exp(-(((y - STRAIGHT_HEIGHT + 0.2) / 0.08) ** 2))


def right_delta(r: float, v: float, v2: float, end: bool, cut: bool) -> float:
    return r + 0.99 * (1 - end) * v2 - v


def right_slope_of_tanh(w: float, s: float) -> float:
    return float(-2 * (np.tanh(w * s) - s) * (1 - np.tanh(w * s) ** 2) * s)


def right_target(r: float, end: bool, q2: list[float], bonus: float) -> float:
    return r + 0.98 * (1 - end) * (min(q2) + bonus)


GAMMA = {"GAMMA": 0.98}
TRUTHS = {"truths": np.random.default_rng(0).uniform(-0.4, 0.4, (100, 4))}
ANSWERS: list[tuple[str, int, dict[str, Any], Any, list[Any]]] = [
    ("02", 2, {}, right_height_term, [lambda y: 1.5 * right_height_term(y)]),
    (
        "03",
        3,
        GAMMA,
        lambda r, r2, end, v: r + 0.98 * r2 + 0.98**2 * (1 - end) * v,
        [
            lambda r, r2, end, v: r2 + 0.98 * r + 0.98**2 * (1 - end) * v,
            lambda r, r2, end, v: 1 + 0.98 + 0.98**2 * (1 - end) * v,
        ],
    ),
    (
        "05",
        1,
        {},
        lambda a, f, m: (f * (a - m)).mean(),
        [lambda a, f, m: torch.ones(()), lambda a, f, m: (f * (a - 0.5)).mean()],
    ),
    (
        "05",
        2,
        {},
        right_delta,
        [
            lambda r, v, v2, end, cut: right_delta(r, v2, v, end, cut),
            lambda r, v, v2, end, cut: -99 * end,
            lambda r, v, v2, end, cut: r + 0.99 * (1 - end) * v2 - v2,
            lambda r, v, v2, end, cut: right_delta(r, v, v2, end or cut, cut),
            lambda r, v, v2, end, cut: right_delta(1.0, v, v2, end, cut),
        ],
    ),
    (
        "06",
        1,
        {},
        right_slope_of_tanh,
        [lambda w, s: w * right_slope_of_tanh(w, s), lambda w, s: right_slope_of_tanh(w, 0.5)],
    ),
    (
        "06",
        3,
        GAMMA,
        right_target,
        [
            lambda r, end, q2, bonus: right_target(r, end, q2[-1:], bonus),
            lambda r, end, q2, bonus: right_target(1.0, end, q2, bonus),
        ],
    ),
    (
        "10",
        3,
        TRUTHS,
        lambda readings: readings.mean(0),
        [
            lambda readings: readings[:3].mean(0),
            lambda readings: readings[1:].mean(0),
            lambda readings: np.median(readings, 0),
        ],
    ),
]
"""Lesson, exercise, names that its check uses, the right answer, and wrong ones that look alike."""


@pytest.mark.parametrize(
    ("number", "exercise", "names", "right", "wrong"),
    ANSWERS,
    ids=[f"{number}-{exercise}" for number, exercise, *_ in ANSWERS],
)
def test_exercise_refuses_answers_that_are_right_by_accident_only(
    number: str,
    exercise: int,
    names: dict[str, Any],
    right: Callable[..., Any],
    wrong: list[Callable[..., Any]],
    tmp_path: Path,
) -> None:
    """Exchanged arguments, constants, or a part of the numbers."""
    check = load_checks(number, tmp_path, **names)[EXERCISES[exercise - 1]]
    assert check(right)
    accepted = [index for index, answer in enumerate(wrong) if check(answer)]
    assert not accepted


SOURCES = {
    "02": [
        r"Ng et al\. \(1999\), with phi = 0 in terminal states",
        r"and 1 - mean\(a\^2\) for effort saved",
        r"phi must be 0 in terminal",
    ],
    "03": [
        r"arXiv:1812\.05905, which has alpha in place of log\(alpha\)",
        r"algos/sac\.py steps the critics first",
        r"it falls for as long as the entropy, 0\.67 at first, is above the target, -1",
    ],
    "05": [
        r"reward-to-go: [^\n]*\n\s+Sutton et al\. \(2000\)",
        r"R_t - V\(s_t\) for R_t[^\n]*\n\s+Greensmith, Bartlett and Baxter \(2004\)",
        r"REINFORCE  grad[^\n]*\n\s+Williams \(1992\)",
        r"grad log p = grad p / p",
        r'KINDS = \("reward-to-go"',
        r"bootstrapped with V where the rollout cuts an episode",
    ],
    "06": [
        r"Silver et al\. \(2014\)",
        r"L_mu = [^\n]*arXiv:1509\.02971",
        r"Of the first critic for all",
        r"grad V\(s_0\) = E\[ sum_t gamma\^t grad mu\(s_t\) grad_a Q\(s_t, a_t\) \]",
    ],
    "09": [r"A colouring that neither network was trained on"],
    "10": [
        r"a goal g, the positions of elbow and hand \(m\)",
        r"Schaul et al\. \(2015\), Universal value function approximators",
    ],
    "11": [r"V\(s_t\) = E\[ r_t \+ gamma r_\(t\+1\)"],
}
"""Lesson -> what it must say, with the source beside the statement."""


@pytest.mark.parametrize("number", SOURCES)
def test_lesson_derives_and_credits_what_it_states(number: str) -> None:
    (path,) = FOLDER.glob(f"{number}_*.py")
    text = path.read_text(encoding="utf-8")
    missing = [pattern for pattern in SOURCES[number] if not re.search(pattern, text)]
    assert not missing


def test_reward_of_a_step_has_the_index_of_its_action_in_every_lesson(lesson: Path) -> None:
    """r_t follows a_t, so every return begins with r_t."""
    text = lesson.read_text(encoding="utf-8")
    assert not re.findall(r"= (?:E\[ ?)?r_(?:1|\(t ?\+ ?1\)) \+", text)


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
