"""Keepsakes: the last seconds of a live environment as a film, its episode as a tape; written in threads, so that nobody waits."""

import zlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np

from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.files import atomic_write
from poise.toolkit.media.image import resize_frame
from poise.toolkit.media.video import open_atomic_recorder
from poise.toolkit.spaces import Array
from poise.toolkit.tape import Tape

BUFFER_SECONDS = 10.0
"""How much a film shows (s)."""


VIDEO_FRAME_RATE = 50
"""Its frames in a second."""


MAX_HEIGHT = 600
"""Its height at most (pixels)."""


MAX_PENDING_FRAMES = 4
"""Frames that may wait to be packed; where the machine is slower, a film shows fewer."""


class CompressedFrame(NamedTuple):
    """A frame as it is remembered, and when it was seen (s)."""

    time: float
    shape: tuple[int, ...]
    data: bytes

    def decompress(self) -> Array:
        """The frame again, (H, W, 3) uint8."""
        return np.frombuffer(zlib.decompress(self.data), np.uint8).reshape(self.shape)


class PlayRecorder:
    """What can be kept of a live environment, in a `folder`, which is made when something is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.time = 0.0
        self._frames: deque[Future[CompressedFrame]] = deque()
        self._last_frame: Array | None = None
        self._compress_executor = ThreadPoolExecutor(1)
        self._write_executor = ThreadPoolExecutor(1)
        self._pending_writes: deque[Future[str]] = deque()

    def add_frame(self, frame: Array, seconds: float) -> None:
        """Remember a frame (H, W, 3) that is seen from now on, `seconds` after the last; while no time passes, none."""
        self.time += seconds
        waiting = sum(not future.done() for future in list(self._frames)[-MAX_PENDING_FRAMES:])
        if (
            frame is not self._last_frame
            and waiting < MAX_PENDING_FRAMES
            and (seconds or not self._frames)
        ):
            self._frames.append(self._compress_executor.submit(_compress_frame, self.time, frame))
            self._last_frame = frame
        while (
            self._frames
            and self._frames[0].done()
            and self._frames[0].result().time < self.time - BUFFER_SECONDS
        ):
            self._frames.popleft()

    def save_video(self) -> str:
        """Begin to write the last seconds as a film; a word on it."""
        return self._submit_write(
            "film", ".mp4", lambda path: _write_video(path, list(self._frames), self.time)
        )

    def save_tape(self, tape: Tape) -> str:
        """Begin to write a tape; a word on it. One that does not tell the same story again is not kept."""
        return self._submit_write("tape", ".tape", lambda path: _write_tape(path, tape))

    def poll_message(self) -> str:
        """What has been written since the last call, or why not, in a line; nothing where there is nothing new."""
        if not self._pending_writes or not self._pending_writes[0].done():
            return ""
        try:
            return self._pending_writes.popleft().result()
        except (OSError, UserError, WorkError) as error:
            return f"not kept: {error}"

    def close(self) -> list[str]:
        """Wait until all is written; what was, in a line each."""
        self._write_executor.shutdown()
        self._compress_executor.shutdown(cancel_futures=True)
        return [self.poll_message() for _ in range(len(self._pending_writes))]

    def _submit_write(self, kind: str, suffix: str, write: Callable[[Path], None]) -> str:
        def work() -> str:
            self.folder.mkdir(parents=True, exist_ok=True)
            write(path := _find_free_path(self.folder).with_suffix(suffix))
            return f"{kind}: {path}"

        self._pending_writes.append(self._write_executor.submit(work))
        return f"the {kind} is being written"


def _find_free_path(folder: Path) -> Path:
    """A name that nothing has, whatever its ending: a tape's own film gets the tape's name."""
    taken = {path.stem for path in folder.iterdir()}
    return folder / next(name for name in map("play-{}".format, count(1)) if name not in taken)


def _compress_frame(time: float, frame: Array) -> CompressedFrame:
    if frame.shape[0] > MAX_HEIGHT:
        frame = resize_frame(frame, round(frame.shape[1] * MAX_HEIGHT / frame.shape[0]), MAX_HEIGHT)
    return CompressedFrame(time, frame.shape, zlib.compress(frame.tobytes(), 1))


def _write_video(path: Path, futures: list[Future[CompressedFrame]], end_time: float) -> None:
    """Each frame is shown until the next one was seen."""
    packed = [future.result() for future in futures]
    packed = [one for one in packed if one.shape == packed[-1].shape]
    if not packed:
        raise UserError("nothing has been seen yet")
    ends = [
        *(one.time for one in packed[1:]),
        max(end_time, packed[-1].time + 1.0 / VIDEO_FRAME_RATE),
    ]
    shown = packed[0].time
    with open_atomic_recorder(path, VIDEO_FRAME_RATE) as film:
        for one, until in zip(packed, ends, strict=True):
            frame = one.decompress()
            while shown < until - 1e-9:
                film.add(frame)
                shown += 1.0 / VIDEO_FRAME_RATE


def _write_tape(path: Path, tape: Tape) -> None:
    with closing(tape.make_env()) as env:
        deque(
            tape.replay(env), maxlen=0
        )  # An environment that tells another story raises an error here.
    with atomic_write(path) as aside:
        tape.save(aside)
