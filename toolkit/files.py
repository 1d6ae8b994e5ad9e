"""Files written whole or not at all, and how to tell that one has changed."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

from poise.toolkit.errors import UserError


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Where to write a file first: beside its place, into which it is renamed once it is whole; where that fails, it is gone."""
    aside = path.with_name(f".{path.name}.partial")
    try:
        yield aside
        aside.replace(path)
    except OSError as error:
        mine = error.filename in (None, str(aside))
        raise OSError(error.errno, error.strerror, str(path) if mine else error.filename) from None
    finally:
        aside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> Path:
    """Write a file whole or not at all; what no file can hold is written as question marks."""
    with atomic_write(path) as aside:
        aside.write_text(text, encoding="utf-8", errors="replace")
    return path


def write_json(path: Path, values: Any) -> Path:
    """Write plain values as JSON, whole or not at all."""
    return write_text(path, json.dumps(values, indent=2) + "\n")


def read_yaml_mapping(file: Traversable, kind: str, keys: str) -> dict[str, Any]:
    """Return the mapping that a YAML file holds; `file` is a path or a resource of a package.

    `kind` (what the file is) and `keys` (what it should hold) word the UserError for a file that
    cannot be read, is not YAML, or holds something else.
    """
    try:
        entries = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{kind} {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{kind} {file} cannot be read: it is not text") from None
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{kind} {file} is not valid YAML: {reason}") from None
    if not isinstance(entries, dict):
        raise UserError(f"{kind} {file} should hold {keys}")
    return entries


class ErrorTrackingFile:
    """A file for a library that cannot bear errors, or keeps the last ones to itself: it hears of none, `check` tells."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")
        self._error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write, unless that has failed before."""
        self._try(self._file.write, data)
        self._try(self._file.flush)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go on at another place."""
        self._try(self._file.seek, offset, whence)
        return self.tell()

    def tell(self) -> int:
        """The place now."""
        return self._file.tell()

    def close(self) -> None:
        """Close the file; closing twice is no error."""
        self._try(self._file.close)

    def raise_pending_error(self) -> None:
        """Raise the first error, which names the file."""
        if self._error is not None:
            raise OSError(self._error.errno, self._error.strerror, str(self._path))

    def _try(self, function: Callable[..., object], *args: object) -> None:
        if self._error is None:
            try:
                function(*args)
            except OSError as error:
                self._error = error


def sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fsync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
