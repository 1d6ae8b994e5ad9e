"""Run the `poise` command in this process."""

from pathlib import Path

from click.testing import CliRunner, Result

from poise import cli


def invoke(*arguments: str | Path) -> Result:
    """Run the command and return its result."""
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments])


def said(result: Result) -> str:
    """Return the standard output of a command that succeeded."""
    assert result.exit_code == 0, (result.output, result.exception)
    assert not result.stderr, result.stderr
    return result.stdout


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Return every file and folder below `folder` with its content."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def assert_one_line(result: Result, code: int, message: str) -> None:
    """Assert that it failed with this code and one line that contains `message`."""
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    lines = result.stderr.splitlines()
    assert result.exit_code == code, result.output
    assert len(lines) == 1 and lines[0].startswith("poise: "), result.stderr
    assert message in lines[0] and len(lines[0]) < 500
    assert "Traceback" not in result.output
