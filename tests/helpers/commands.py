"""The command, in this process."""

from pathlib import Path

from click.testing import CliRunner, Result
from poise import cli


def invoke(*words: str | Path) -> Result:
    """The command in this process."""
    return CliRunner().invoke(cli.main, [str(word) for word in words])


def said(result: Result) -> str:
    """What a command that went well printed."""
    assert result.exit_code == 0, (result.output, result.exception)
    assert not result.stderr, result.stderr
    return result.stdout


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder below, with its content."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def assert_one_line(result: Result, code: int, told: str) -> None:
    """It failed with this code and one line that says why."""
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    lines = result.stderr.splitlines()
    assert result.exit_code == code, result.output
    assert len(lines) == 1 and lines[0].startswith("poise: "), result.stderr
    assert told in lines[0] and len(lines[0]) < 400
    assert "Traceback" not in result.output
