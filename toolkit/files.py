"""File access: atomic writes, deferred write errors, checksums, and readers with limits.

Every file that Poise reads may come from elsewhere, or may have been edited by hand. So JSON, YAML,
arrays and text are read here only. A reader takes regular files up to a size, plain values up to a
depth, and nothing that expands to more than its file holds; all else is a UserError of one line,
which names the file.
"""

import errno
import glob
import hashlib
import json
import math
import os
import socket
import stat
import threading
import zlib
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from importlib.resources.abc import Traversable
from itertools import chain, count
from pathlib import Path
from typing import Any, BinaryIO, Literal, TextIO

import numpy as np
import numpy.typing as npt
import yaml

from poise.toolkit.errors import UserError, printable
from poise.toolkit.process import is_dead, remove_path, temporary_path

MAX_TEXT_BYTES = 4 * 2**20
"""Largest JSON or text file: a config takes 3 kB, the card of 10 million images 1 MB."""


MAX_YAML_BYTES = 64 * 2**10
"""Largest YAML text: presets and suites take a few kB, and PyYAML reads 40 kB a second."""


MAX_YAML_VALUES = 10_000
"""Most values of a YAML text, each alias counted as all that it stands for."""


YAML_MERGE_TAG = "tag:yaml.org,2002:merge"
"""Tag of the key `<<`, which merges a mapping into another."""


MAX_TABLE_BYTES = 2**30
"""Largest CSV file: a training of 10 million steps writes about 100 MB."""


MAX_DEPTH = 32
"""Deepest nesting of lists and mappings: ours have 6 levels."""


MAX_INTEGER_BITS = 128
"""Length of the longest whole number: the states of numpy's random generators have 128 bits."""

HOST = f"{zlib.crc32(socket.gethostname().encode()):08x}"
"""This computer in the names of partial files: disks are shared, and numbers of processes not."""

PARTIAL_SUFFIX = ".partial"
"""Ending of the name of a file or folder that is being written."""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` on success, remove it on failure.

    The content is on the disk before the rename: a power failure leaves the old file or the new
    one, whole. Of processes that write `path` at once, each writes a whole file, and the last one
    stays. An OSError names `path` in place of the temporary one.
    """
    with partial_path(path, PARTIAL_SUFFIX) as partial:
        try:
            yield partial
            fsync(partial)
            partial.replace(path)
        except OSError as error:
            is_own = error.filename in (None, str(partial))
            filename = str(path) if is_own else error.filename
            raise OSError(error.errno, error.strerror, filename) from None


def make_folder(path: Path) -> None:
    """Make a folder that the user named, and those above it; one that exists is no error.

    Raises:
        UserError: a file, or a link that leads nowhere, stands in its place or above it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        obstacle = next(part for part in (path, *path.parents) if os.path.lexists(part))
        kind = "a link that leads nowhere" if obstacle.is_symlink() else "no folder"
        raise UserError(f"{path} cannot be a folder: {obstacle} is {kind}") from None


@contextmanager
def partial_path(path: Path, suffix: str) -> Iterator[Path]:
    """Yield a path beside `path` that no other thread uses; remove what is there afterwards.

    What killed processes of this computer have left is removed first: for a path that is partial
    itself, by the one who writes the whole.
    """
    prefix = f".{path.name.lstrip('.')}.{HOST}-"
    for left in path.parent.glob(f"{glob.escape(prefix)}*"):
        process_id = left.name.removeprefix(prefix).partition("-")[0]
        if process_id.isdecimal() and is_dead(int(process_id)):
            remove_path(left)
    name = f"{prefix}{os.getpid()}-{threading.get_native_id()}{suffix}"
    with temporary_path(path.with_name(name)) as partial:
        yield partial


def find_free_path(path: Path) -> Path:
    """Return `path`, or where it exists the first free of NAME-2, NAME-3, ... in its place.

    A file that a command names itself replaces no other.
    """
    numbered = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(2))
    return next(free for free in chain([path], numbered) if not free.exists())


def write_text(path: Path, text: str) -> Path:
    """Write a UTF-8 file atomically; characters that cannot be encoded become question marks."""
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="replace")
    return path


def write_json(path: Path, values: Any) -> Path:
    """Write plain values as JSON, atomically."""
    return write_text(path, json.dumps(values, indent=2) + "\n")


def write_array(path: Path, array: npt.NDArray[Any]) -> None:
    """Write a .npy file of numbers; an OSError names `path`."""
    try:
        np.save(path, array, allow_pickle=False)
    except OSError as error:
        # numpy counts the bytes that a full disk did not take, and gives no other reason.
        reason = error.strerror or f"it was not written whole, is the disk full? ({error})"
        raise OSError(error.errno or errno.EIO, reason, str(path)) from None


def sha256(path: Path) -> str:
    """Return the sha256 of a regular file, in hexadecimal."""
    check_regular_file(path)
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


# Readers with limits.


def check_regular_file(file: Traversable, max_bytes: float = math.inf) -> None:
    """Raise a UserError where `file` is missing, is no regular file, or is too large.

    A device may have no end, and a named pipe may block for ever. A resource of a package, which
    may lie in an archive, is taken as it is.
    """
    if not isinstance(file, Path):
        return
    try:
        status = file.stat()
    except (OSError, ValueError) as error:  # ValueError: the name holds a zero byte.
        raise _make_unreadable_error(file, error) from None
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a device or a pipe"
        raise UserError(f"{file} cannot be read: it is {kind}, not a file")
    if status.st_size > max_bytes:
        raise UserError(
            f"{file} cannot be read: it has {status.st_size:,} bytes, "
            f"and at most {max_bytes:,} are read"
        )


def read_text(file: Traversable, max_bytes: int = MAX_TEXT_BYTES) -> str:
    """Return the text of a UTF-8 file; a UserError names a file that cannot be read.

    A byte order mark, which editors on Windows add, is left out.
    """
    check_regular_file(file, max_bytes)
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{file} cannot be read: it is not text") from None
    except OSError as error:
        raise _make_unreadable_error(file, error) from None


def open_table(file: Path) -> TextIO:
    """Open a CSV file to read, as `read_text` reads; a UserError names one that cannot be read."""
    check_regular_file(file, MAX_TABLE_BYTES)
    try:
        return file.open(newline="", encoding="utf-8-sig")
    except OSError as error:
        raise _make_unreadable_error(file, error) from None


def read_start(file: Path, max_bytes: int) -> bytes:
    """Return the first `max_bytes` of a file; a UserError names a file that cannot be read."""
    check_regular_file(file)
    try:
        with file.open("rb") as stream:
            return stream.read(max_bytes)
    except OSError as error:
        raise _make_unreadable_error(file, error) from None


def read_tail(file: Path, max_bytes: int) -> str:
    """Return the last `max_bytes` of a text file that may be growing; "" if there is none."""
    try:
        check_regular_file(file)
        with file.open("rb") as stream:
            stream.seek(max(0, file.stat().st_size - max_bytes))
            return stream.read(max_bytes).decode(errors="replace")
    except (OSError, UserError):
        return ""


def parse_json(text: str, source: object) -> Any:
    """Return the plain values of a JSON text; the UserError for another text names `source`.

    Besides what is not JSON, it refuses keys that occur twice, numbers that are not finite or
    have more than MAX_INTEGER_BITS, and more than MAX_DEPTH levels.
    """
    try:
        values = json.loads(text, object_pairs_hook=_make_mapping)
        check_plain(values)
    except RecursionError:
        raise UserError(f"{source} cannot be read: {_too_deep()}") from None
    except ValueError as error:
        raise UserError(f"{source} cannot be read as JSON: {printable(error)}") from None
    return values


def parse_yaml(text: str, source: object) -> Any:
    """Return the plain values of a YAML text; the UserError for another text names `source`.

    It refuses what `parse_json` refuses, and more than MAX_YAML_VALUES values.
    """
    if len(text) > MAX_YAML_BYTES:
        raise UserError(f"{source} cannot be read: YAML of at most {MAX_YAML_BYTES} bytes is read")
    try:
        values = _PlainYamlLoader(text).get_single_data()
        check_plain(values)
    except RecursionError:
        raise UserError(f"{source} cannot be read: {_too_deep()}") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise UserError(f"{source} is not valid YAML: {printable(error)}") from None
    return values


def check_plain(values: Any) -> None:
    """Raise a ValueError unless `values` are plain: what JSON can hold, within the limits above."""
    level = [values]
    for _ in range(MAX_DEPTH):
        if not level:
            return
        level = [part for value in level for part in _get_parts(value)]
    if level:
        raise ValueError(_too_deep())


def read_json(file: Traversable) -> Any:
    """Return the plain values of a JSON file, as `parse_json` does."""
    return parse_json(read_text(file), file)


def read_json_mapping(file: Traversable) -> dict[str, Any]:
    """Return the mapping that a JSON file holds; a UserError where it holds something else."""
    values = read_json(file)
    if not isinstance(values, dict):
        raise UserError(f"{file} cannot be read: it should hold names with values, as {{...}}")
    return values


def read_yaml_mapping(file: Traversable, kind: str, keys: str) -> dict[str, Any]:
    """Return the mapping that a YAML file holds; `file` is a path or a resource of a package.

    `kind` (what the file is) and `keys` (what it should hold) word the UserError for a file that
    cannot be read, is not YAML, or holds something else.
    """
    try:
        entries = parse_yaml(read_text(file, MAX_YAML_BYTES), file)
    except UserError as error:
        raise UserError(f"{kind} {error}") from None
    if not isinstance(entries, dict):
        raise UserError(f"{kind} {file} should hold {keys}")
    return entries


def read_array(file: Path, *, mapped: bool = False) -> npt.NDArray[Any]:
    """Return the array of a .npy file: in memory, or with `mapped` on the disk and read-only.

    The header must describe as many bytes as the file has, before any memory is reserved.
    """
    check_regular_file(file)
    try:
        with file.open("rb") as stream:
            num_bytes = _read_array_size(stream)
            if num_bytes != file.stat().st_size - stream.tell():
                raise ValueError("its header does not fit its size")
        mode: Literal["r"] | None = "r" if mapped and num_bytes else None
        array: npt.NDArray[Any] = np.load(file, mmap_mode=mode, allow_pickle=False)
    except ValueError as error:
        raise UserError(f"{file} cannot be read as an array: {printable(error)}") from None
    except OSError as error:
        raise _make_unreadable_error(file, error) from None
    return array


def _read_array_size(stream: BinaryIO) -> int:
    """Read the header of a .npy file; return the number of bytes that should follow it."""
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version[0]}.{version[1]} of the format is unknown")
    is_first = version == (1, 0)
    try:
        shape, _, dtype = (
            np.lib.format.read_array_header_1_0(stream)
            if is_first
            else np.lib.format.read_array_header_2_0(stream)
        )
    except Exception as error:  # numpy's parser of headers raises errors of many types.
        raise ValueError(f"its header cannot be read: {printable(error)}") from None
    if dtype.hasobject or min(shape, default=0) < 0:
        raise ValueError("it does not hold plain numbers")
    return math.prod(shape) * dtype.itemsize


def _make_mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object as a dictionary; a key that occurs twice is a ValueError."""
    mapping: dict[str, Any] = {}
    for key, value in pairs:
        if key in mapping:
            raise ValueError(f"the key {printable(repr(key))} occurs twice")
        mapping[key] = value
    return mapping


def _get_parts(value: Any) -> list[Any]:
    """Return the elements of a list or mapping, [] for a plain value; refuse any other object."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise ValueError(f"the key {key!r} is not text: put it in quotes")
        return list(value.values())
    if value is None or isinstance(value, bool | str):
        return []
    if isinstance(value, int):
        if value.bit_length() > MAX_INTEGER_BITS:
            raise ValueError(f"a whole number has more than {MAX_INTEGER_BITS} bits")
        return []
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"the number {value} is not finite")
        return []
    raise ValueError(f"{value!r} is neither number, text, list nor mapping: put it in quotes")


def _too_deep() -> str:
    return f"it is nested more than {MAX_DEPTH} levels deep"


def _make_unreadable_error(file: Traversable, error: OSError | ValueError) -> UserError:
    reason = getattr(error, "strerror", None) or error
    return UserError(f"{file} cannot be read: {printable(reason)}")


class _PlainYamlLoader(yaml.SafeLoader):
    """PyYAML's safe loader with bounds, and without keys that occur twice.

    An alias (*name) counts as all that it stands for: a few lines of them may stand for gigabytes.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = 0
        self.num_values = 0
        self.sizes: dict[str, int] = {}
        """Values that each anchor (&name) stands for."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose a node; refuse one that is too deep, too large, or holds itself."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        anchor: str | None = getattr(event, "anchor", None)
        before = self.num_values
        if isinstance(event, yaml.AliasEvent):
            if anchor in self.anchors and anchor not in self.sizes:
                raise yaml.YAMLError(f"the alias *{anchor} stands for itself")
            self.num_values += self.sizes.get(str(anchor), 0)
        self.num_values += 1
        if self.depth > MAX_DEPTH:
            raise yaml.YAMLError(_too_deep())
        if self.num_values > MAX_YAML_VALUES:
            raise yaml.YAMLError(f"it holds more than {MAX_YAML_VALUES} values, aliases included")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        if anchor is not None:
            self.sizes[anchor] = self.num_values - before
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Construct a mapping; refuse a key that occurs twice or is not text."""
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == YAML_MERGE_TAG:
                continue
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if not isinstance(key, str):
                raise yaml.YAMLError(f"line {line}: the key {key!r} is not text: put it in quotes")
            if key in seen:
                raise yaml.YAMLError(f"line {line}: the key {key!r} occurs twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


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
        try:
            self._file.close()
        except OSError as error:
            self._error = self._error or error

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
