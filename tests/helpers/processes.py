"""Python in fresh processes."""

import os
import subprocess
import sys
from pathlib import Path

HELPERS = Path(__file__).resolve().parent
TESTS = HELPERS.parent
ROOT = TESTS.parent


def python(
    *arguments: str | Path, cwd: Path = ROOT, timeout: float = 120.0, **environment: str | None
) -> subprocess.CompletedProcess[str]:
    """Run Python with the tests' helper modules on its path; a variable that is None is unset."""
    path = os.pathsep.join([str(HELPERS), *filter(None, [os.environ.get("PYTHONPATH")])])
    variables = {**os.environ, "PYTHONPATH": path, **environment}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={name: value for name, value in variables.items() if value is not None},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        encoding="utf-8",
    )
