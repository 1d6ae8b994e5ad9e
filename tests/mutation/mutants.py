"""Mutation testing: break the learners in one small way at a time, and run the tests.

python tests/mutation/mutants.py [NAME...]

The mutants are listed in mutants.yaml: what each breaks, the text it replaces and by what. Each is
applied to a copy of the checkout, and the fast tests of algos run there. A test that fails has
killed the mutant; a mutant that survives shows what the tests do not check. A mutant whose text is
not found exactly once is stale, which is an error.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import yaml
from rich.console import Console

from poise.toolkit.console import make_table
from poise.toolkit.errors import UserError, unknown_name_error

ROOT = Path(__file__).resolve().parent.parent.parent
TESTS = ("tests/algos", "tests/toolkit/test_observation.py")
REQUIRED_FRACTION = 0.9
"""The fraction of mutants that must be killed."""
PYTEST_FAILED = 1
"""Exit code of pytest where some tests failed; 2 and more: it could not run them."""


@dataclass(frozen=True)
class Mutant:
    """A small error: `old`, which occurs once in `file`, becomes `new`."""

    name: str
    file: str
    breaks: str
    old: str
    new: str

    def mutated(self, text: str) -> str:
        """Return the text of its file with the mutant applied.

        `old` is found even where the formatter has wrapped it.

        Raises:
            UserError: `old` does not occur exactly once in the text, or `new` is the same.
        """
        occurrences = self.occurrences(text)
        if len(occurrences) != 1 or self.old == self.new:
            raise UserError(
                f"mutant {self.name} is stale: "
                f"its text occurs {len(occurrences)} times in {self.file}"
            )
        start, end = occurrences[0]
        return text[:start] + self.new + text[end:]

    def occurrences(self, text: str) -> list[tuple[int, int]]:
        """Return (start, end) of each occurrence of `old` in a text."""
        exact = [match.span() for match in re.finditer(re.escape(self.old), text)]
        if exact:
            return exact
        tokens = re.findall(r"\w+|[^\w\s]", self.old)
        closing = [
            rf",?\s*{re.escape(token)}" if token in ")]}" else re.escape(token) for token in tokens
        ]
        return [match.span() for match in re.finditer(r"\s*".join(closing), text)]


@dataclass(frozen=True)
class Verdict:
    """The result of one mutant: killed, survived, timed out, or broken: tests could not start."""

    mutant: Mutant
    word: str
    by: str
    seconds: float


def read_mutants() -> list[Mutant]:
    """Return all mutants of the list."""
    files = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    return [
        Mutant(name, file, **texts) for file, own in files.items() for name, texts in own.items()
    ]


def choose(names: Sequence[str]) -> list[Mutant]:
    """Return the mutants of these names, or all of them where none is given."""
    mutants = {mutant.name: mutant for mutant in read_mutants()}
    for name in names:
        if name not in mutants:
            raise unknown_name_error("mutant", name, mutants)
    return [mutants[name] for name in names or mutants]


def copy_checkout(folder: Path) -> Path:
    """Copy all files that git tracks or would add: once, so that all mutants get the same code."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(
        listing, cwd=ROOT, capture_output=True, text=True, check=True, encoding="utf-8"
    ).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def order_tests(file: str, folder: Path, tests: Sequence[str]) -> list[str]:
    """Return the test files, the one that mirrors `file` first: it kills a mutant soonest."""
    paths: list[Path] = []
    for test in tests:
        path = folder / test
        paths += sorted(path.glob("test_*.py")) if path.is_dir() else [path]
    mirror = f"test_{Path(file).stem}.py"
    paths.sort(key=lambda path: path.name != mirror)  # stable: the others keep their order
    return [path.relative_to(folder).as_posix() for path in paths]


def judge(mutant: Mutant | None, checkout: Path, tests: Sequence[str], limit: float) -> Verdict:
    """Run the tests on a mutant, up to the first failure; without a mutant, on the checkout."""
    began = time.monotonic()
    with TemporaryDirectory(prefix="mutant-") as place:
        folder = shutil.copytree(checkout, Path(place) / "poise")
        if mutant is None:
            mutant = Mutant("none", "", "nothing", "", "")
        else:
            path = folder / mutant.file
            path.write_text(mutant.mutated(path.read_text(encoding="utf-8")), encoding="utf-8")
        files = order_tests(mutant.file, folder, tests)
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *files]
        # One thread each, as there is one mutant for each core; the copy precedes an installed
        # poise.
        environment = {
            **os.environ,
            "PYTHONPATH": place,
            "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        try:
            result = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=limit,
                check=False,
                encoding="utf-8",
            )
        except subprocess.TimeoutExpired:
            return Verdict(mutant, "timed out", "", time.monotonic() - began)
    failed = [
        line.split("::", 1)[1].split(" - ")[0]
        for line in result.stdout.splitlines()
        if line.startswith("FAILED")
    ]
    word = {0: "survived", PYTEST_FAILED: "killed"}.get(result.returncode, "broken")
    by = failed[0] if failed else result.stdout[-300:] if word == "broken" else ""
    return Verdict(mutant, word, by, time.monotonic() - began)


@click.command()
@click.argument("names", nargs=-1)
@click.option(
    "--tests",
    multiple=True,
    default=TESTS,
    help="Test file to run; may be given again.  [default: those of algos]",
)
@click.option(
    "--limit", default=300.0, show_default=True, help="Seconds after which a mutant has timed out."
)
@click.option("--jobs", default=os.cpu_count() or 1, show_default=True, help="Mutants at once.")
def main(names: tuple[str, ...], tests: tuple[str, ...], limit: float, jobs: int) -> None:
    """Run the tests on each mutant, or those named; exit 1 if less than 90 % are killed."""
    console, verdicts = Console(width=150), []
    with TemporaryDirectory(prefix="checkout-") as place:
        checkout = copy_checkout(Path(place))
        try:
            mutants = choose(names)
            for mutant in mutants:
                mutant.mutated((checkout / mutant.file).read_text(encoding="utf-8"))
        except UserError as error:
            raise click.UsageError(str(error)) from None
        judged = partial(judge, checkout=checkout, tests=tests, limit=limit)
        healthy = judged(None)
        if healthy.word != "survived":
            raise click.ClickException(
                f"without any mutant the tests are not green: {healthy.by or healthy.word}"
            )
        console.print(
            f"{len(mutants)} mutants, {jobs} at once; "
            f"without any, the tests take {healthy.seconds:.0f} s"
        )
        with ThreadPoolExecutor(jobs) as pool:
            for verdict in pool.map(judged, mutants):
                verdicts.append(verdict)
                console.print(
                    f"{len(verdicts):4}  {verdict.word:9}  {verdict.mutant.name}", highlight=False
                )
    rows = [(v.mutant.name, v.mutant.breaks, v.word, v.by, f"{v.seconds:.0f}") for v in verdicts]
    console.print(make_table("Mutants", ["mutant", "what it breaks", "", "killed by", "s"], rows))
    killed = sum(verdict.word == "killed" for verdict in verdicts)
    console.print(f"killed {killed} of {len(verdicts)} ({killed / len(verdicts):.0%})")
    for verdict in verdicts:
        if verdict.word != "killed":
            console.print(
                f"{verdict.word}: {verdict.mutant.name} in {verdict.mutant.file}: "
                f"{verdict.mutant.breaks}",
                soft_wrap=True,
            )
    sys.exit(killed < REQUIRED_FRACTION * len(verdicts))


if __name__ == "__main__":
    main()
