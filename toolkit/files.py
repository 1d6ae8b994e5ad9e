"""File access: atomic writes, deferred write errors, checksums."""

import errno
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

PARTIAL_SUFFIX = ".partial"
"""Ending of the name of a file or folder that is being written."""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` on success, remove it on failure.

    The content is on the disk before the rename: a power failure leaves the old file or the new
    one, whole. An OSError names `path` in place of the temporary one.
    """
    partial = path.with_name(f".{path.name}{PARTIAL_SUFFIX}")
    try:
        yield partial
        fsync(partial)
        partial.replace(path)
    except OSError as error:
        is_own = error.filename in (None, str(partial))
        filename = str(path) if is_own else error.filename
        raise OSError(error.errno, error.strerror, filename) from None
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> Path:
    """Write a UTF-8 file atomically; characters that cannot be encoded become question marks."""
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="replace")
    return path


def write_json(path: Path, values: Any) -> Path:
    """Write plain values as JSON, atomically."""
    return write_text(path, json.dumps(values, indent=2) + "\n")


def sha256(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fsync(path: Path) -> None:
    """Wait until a file or folder is on the disk.

    Windows flushes only files, and those only through a handle that may write.
    """
    if path.is_dir():
        _fsync_folder(path)
        return
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _fsync_folder(folder: Path) -> None:
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network disks cannot flush folders.
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(descriptor)


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
    """A writable file that defers its errors to `raise_pending_error`.

    For libraries that crash on an error in a callback or lose it. After the first error, nothing
    more is written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")
        self._error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write and flush; report success in any case."""
        self._try(self._file.write, data)
        self._try(self._file.flush)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to another position, and return the position."""
        self._try(self._file.seek, offset, whence)
        return self.tell()

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def close(self) -> None:
        """Close the file. Closing twice is no error."""
        self._try(self._file.close)

    def raise_pending_error(self) -> None:
        """Raise the first error, with the file's name."""
        if self._error is not None:
            raise OSError(self._error.errno, self._error.strerror, str(self._path))

    def _try(self, function: Callable[..., object], *args: object) -> None:
        if self._error is None:
            try:
                function(*args)
            except OSError as error:
                self._error = error
