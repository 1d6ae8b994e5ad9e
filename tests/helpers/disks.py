"""Disks that fail: processes killed between two operations, and disks without space."""

import builtins
import errno
import io
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest


class Killed(BaseException):
    """The end of a process: nothing after it may change a file."""


class KillSwitch:
    """Count operations that change files; from operation `number` on, each of them fails."""

    def __init__(self, patch: pytest.MonkeyPatch, number: float) -> None:
        self.count = 0
        self.number = number
        for name in ("mkdir", "unlink", "rmdir", "replace", "rename"):
            patch.setattr(os, name, self._wrap(getattr(os, name)))
        patch.setattr(os, "fsync", self._wrap(lambda descriptor: None))
        for module in (io, builtins):
            patch.setattr(module, "open", self._wrap(open, is_open=True))

    def _wrap(self, function: Callable[..., Any], *, is_open: bool = False) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            mode = args[1] if len(args) > 1 else kwargs.get("mode", "r")
            if not is_open or set(str(mode)) & set("wax+"):
                self.count += 1
                if self.count >= self.number:
                    raise Killed
            return function(*args, **kwargs)

        return call


class _LimitedFile(io.FileIO):
    """A file on a FullDisk."""

    disk: "FullDisk"

    def write(self, data: Any) -> int:
        taken = bytes(data)[: self.disk.free]
        if data and not taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.name)
        self.disk.free -= len(taken)
        return super().write(taken)


class FullDisk:
    """A disk with `free` bytes for all files that Python writes; the write beyond them fails."""

    def __init__(self, patch: pytest.MonkeyPatch, free: int) -> None:
        self.free = free
        self.open = open
        for module in (io, builtins):
            patch.setattr(module, "open", self._open)
        patch.setattr(os, "fsync", lambda descriptor: None)

    def _open(self, file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
        if not set(mode) & set("wxa") or not isinstance(file, str | os.PathLike):
            return self.open(file, mode, *args, **options)
        raw = _LimitedFile(file, mode.replace("b", "").replace("t", ""))
        raw.disk = self
        if args[:1] == (0,) or options.get("buffering") == 0:
            return raw
        writer = io.BufferedWriter(raw)
        if "b" in mode:
            return writer
        names = ("buffering", "encoding", "errors", "newline")
        texts = {**dict(zip(names, args, strict=False)), **options}
        return io.TextIOWrapper(writer, *(texts.get(name) for name in names[1:]))


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes, also in C libraries and in new processes."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limit[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
