"""Locks on folders: one process at a time writes a run or a dataset.

Two signs show that a folder is in use. The lock of the operating system on `.lock` ends with its
process, even with one that is killed; but on a disk that computers share, it may hold on one of
them only. So the writer also describes itself in `.writer.json`, and touches that file every
HEARTBEAT_INTERVAL: a writer on another computer whose file is older than MAX_HEARTBEAT_AGE is dead.
"""

import contextlib
import os
import socket
import time
import uuid
import warnings
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.files import read_json_mapping, write_json

LOCK_FILE = ".lock"
WRITER_FILE = ".writer.json"

LOCK_FILES = frozenset({LOCK_FILE, WRITER_FILE})
"""Names of the files that a lock leaves in a folder."""

HEARTBEAT_INTERVAL = 15.0
"""Seconds between two signs of life of a writer."""

MAX_HEARTBEAT_AGE = 60.0
"""Seconds without a sign of life after which a writer on another computer counts as dead."""


class FolderLock:
    """The right to write into a folder, from construction until `release`.

    Args:
        folder: an existing folder.
        name: what the folder is, for messages: `run 'cartpole-sac-0'`.

    Raises:
        UserError: another process writes into the folder; the message names it.
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self._writer = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
            "id": uuid.uuid4().hex,
        }
        self._system_lock = FileLock(folder / LOCK_FILE, timeout=0, thread_local=False)
        self._stopped = Event()
        try:
            with warnings.catch_warnings():
                # A disk without locks has the lock file itself as lock.
                warnings.simplefilter("ignore")
                self._system_lock.acquire()
        except Timeout:
            raise self._make_busy_error(self._read_writer()) from None
        try:
            self._refuse_living_writer()
            write_json(folder / WRITER_FILE, self._writer)
        except BaseException:
            self._system_lock.release()
            raise
        self._heartbeat = Thread(target=self._beat, name="folder lock", daemon=True)
        self._heartbeat.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def check(self) -> None:
        """Raise a WorkError where the folder is gone, or another process has taken it over."""
        if not self.folder.is_dir():
            raise WorkError(
                f"{self.name}: its folder {self.folder} was removed or renamed while it was "
                "written; nothing more can be saved there"
            )
        writer = self._read_writer()
        if writer is None:
            write_json(self.folder / WRITER_FILE, self._writer)
        elif writer["id"] != self._writer["id"]:
            raise WorkError(
                f"{self.name} was taken over by {_describe(writer)}, after no sign of life of "
                f"this process for {MAX_HEARTBEAT_AGE:.0f} s; this one stops, and saves no more"
            )

    def release(self) -> None:
        """Let other processes write into the folder. Releasing twice is no error."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        self._heartbeat.join()
        writer = self._read_writer()
        if writer is not None and writer["id"] == self._writer["id"]:
            (self.folder / WRITER_FILE).unlink(missing_ok=True)
        self._system_lock.release()

    def _refuse_living_writer(self) -> None:
        """Raise a UserError where another computer's writer has given a sign of life of late."""
        writer = self._read_writer()
        if writer is None or writer["host"] == self._writer["host"]:
            return
        # Both times are of the clock of the disk's own computer.
        os.utime(self.folder / LOCK_FILE)
        now = (self.folder / LOCK_FILE).stat().st_mtime
        age = now - (self.folder / WRITER_FILE).stat().st_mtime
        if age <= MAX_HEARTBEAT_AGE:
            raise self._make_busy_error(writer, f" (alive {max(0.0, age):.0f} s ago)")

    def _make_busy_error(self, writer: dict[str, Any] | None, note: str = "") -> UserError:
        return UserError(
            f"{self.name} is being written by {_describe(writer)}{note}: "
            "wait until that ends, or stop it; then try again"
        )

    def _read_writer(self) -> dict[str, Any] | None:
        """Return the description of the process that writes, None where there is none."""
        try:
            writer = read_json_mapping(self.folder / WRITER_FILE)
            return {name: writer[name] for name in self._writer}
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def _beat(self) -> None:
        while not self._stopped.wait(HEARTBEAT_INTERVAL):
            # The folder may be gone, or out of reach for a while: `check` reports that.
            with contextlib.suppress(OSError):
                os.utime(self.folder / WRITER_FILE)


def _describe(writer: dict[str, Any] | None) -> str:
    if writer is None:
        return "another process"
    return f"process {writer['pid']} on {writer['host']} since {writer['since']}"
