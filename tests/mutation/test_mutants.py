"""The mutants fit the code. `python tests/mutation/mutants.py` shows whether tests kill them."""

import ast
import subprocess

import mutants
import pytest
from click.testing import CliRunner
from mutants import Mutant, read_mutants
from processes import ROOT

from poise.toolkit.errors import UserError

MUTANTS = read_mutants()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutants_text_stands_once_in_its_file_and_the_mutant_is_another_program(mutant):
    text = (ROOT / mutant.file).read_text(encoding="utf-8")
    assert len(mutant.occurrences(text)) == 1 and mutant.file.startswith("algos/")
    assert ast.dump(ast.parse(mutant.mutated(text))) != ast.dump(ast.parse(text))
    assert mutant.breaks and mutant.breaks == mutant.breaks.strip()


def test_there_are_many_and_every_name_is_its_own():
    assert len(MUTANTS) >= 40
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert len({(mutant.file, mutant.old, mutant.new) for mutant in MUTANTS}) == len(MUTANTS)
    files = {mutant.file for mutant in MUTANTS}
    assert {
        f"algos/{name}.py"
        for name in (
            "ppo",
            "td3",
            "sac",
            "distributions",
            "normalization",
            "optim",
            "networks",
            "off_policy",
        )
    } <= files


@pytest.mark.parametrize("text", ["a = 1\n", "a = 2\na = 2\n"])
def test_a_stale_mutant_is_an_error(text):
    with pytest.raises(UserError, match="mutant two is stale"):
        Mutant("two", "algos/ppo.py", "nothing", "a = 2", "a = 3").mutated(text)


def test_a_mutant_that_changes_nothing_is_stale_too():
    with pytest.raises(UserError, match="stale"):
        Mutant("two", "algos/ppo.py", "nothing", "a = 2", "a = 2").mutated("a = 2\n")


def test_an_unknown_mutant_is_named():
    result = CliRunner().invoke(mutants.main, ["ppo-max-for-mine"])
    assert result.exit_code == 2 and "did you mean 'ppo-max-for-min'" in result.output


def test_a_mutant_is_killed_by_a_test_that_fails_and_survives_where_none_does(
    tmp_path, monkeypatch
):
    """A checkout of a file and its test. A mutant that Python cannot parse is not killed."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "sums.py").write_text(
        "b = 2\n\n\ndef gap(a):\n    return a - b\n", encoding="utf-8"
    )
    (tmp_path / "tests" / "test_sums.py").write_text(
        "from sums import gap\n\n\ndef test_gap():\n    assert gap(2) == 0\n", encoding="utf-8"
    )
    changes = {
        "killed": ("a - b", "a + b"),
        "survived": ("b = 2", "b = 2.0"),
        "broken": ("def", "fed"),
    }
    listed = [
        Mutant(f"{word} one", "sums.py", "sums", old, new) for word, (old, new) in changes.items()
    ]
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    monkeypatch.setattr(mutants, "read_mutants", lambda: listed)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    result = CliRunner().invoke(mutants.main, ["--tests", "tests/test_sums.py"])
    assert all(f"{word:9}  {word} one" in result.output for word in changes), result.output
    assert result.exit_code == 1 and "killed 1 of 3" in result.output
    assert (tmp_path / "sums.py").read_text(encoding="utf-8").startswith("b = 2\n"), (
        "the checkout itself is left alone"
    )
    verdict = mutants.judge(listed[0], tmp_path, ["tests/test_sums.py"], limit=0.001)
    assert verdict.word == "timed out"
