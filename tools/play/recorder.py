"""Recording of a live environment: its last seconds as a video, its episode as a tape.

Frames are compressed and files are written in threads, so that the window never waits.
"""

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
from poise.toolkit.media.video import open_recorder
from poise.toolkit.spaces import Array
from poise.toolkit.tape import Tape

BUFFER_SECONDS = 10.0
"""Duration of a saved video (s)."""


VIDEO_FRAME_RATE = 50
"""Frames per second of a saved video."""


MAX_HEIGHT = 600
"""Maximum height of a saved video (pixels)."""


MAX_PENDING_FRAMES = 4
"""Frames that may wait for compression; on a slow machine further frames are dropped."""


class CompressedFrame(NamedTuple):
    """A compressed frame (H, W, 3) uint8 and the time from which it was shown (s)."""

    time: float
    shape: tuple[int, ...]
    data: bytes

    def decompress(self) -> Array:
        """Return the frame (H, W, 3) uint8."""
        return np.frombuffer(zlib.decompress(self.data), np.uint8).reshape(self.shape)


class PlayRecorder:
    """Buffer the last frames and save videos and tapes to `folder`, which is made when needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.time = 0.0
        self._frames: deque[Future[CompressedFrame]] = deque()
        self._last_frame: Array | None = None
        self._compress_executor = ThreadPoolExecutor(1)
        self._write_executor = ThreadPoolExecutor(1)
        self._pending_writes: deque[Future[str]] = deque()

    def add_frame(self, frame: Array, seconds: float) -> None:
        """Buffer a frame (H, W, 3) that is shown `seconds` after the last one.

        While no time passes, only the first frame is kept.
        """
        self.time += seconds
        recent = list(self._frames)[-MAX_PENDING_FRAMES:]
        num_pending = sum(not future.done() for future in recent)
        is_new = frame is not self._last_frame and (seconds or not self._frames)
        if is_new and num_pending < MAX_PENDING_FRAMES:
            self._frames.append(self._compress_executor.submit(_compress_frame, self.time, frame))
            self._last_frame = frame
        self._drop_old_frames()

    def save_video(self) -> str:
        """Start to write the last seconds as a video; return a message."""
        frames = list(self._frames)
        end_time = self.time
        return self._submit_write(
            "video", ".mp4", lambda path: _write_video(path, frames, end_time)
        )

    def save_tape(self, tape: Tape) -> str:
        """Start to write a tape; return a message. A tape whose replay differs is not saved."""
        return self._submit_write("tape", ".tape", lambda path: _write_tape(path, tape))

    def poll_message(self) -> str:
        """Return the result of the next finished write, path or error; "" if there is none."""
        if not self._pending_writes or not self._pending_writes[0].done():
            return ""
        try:
            return self._pending_writes.popleft().result()
        except (OSError, UserError, WorkError) as error:
            return f"not saved: {error}"

    def close(self) -> list[str]:
        """Wait until all files are written; return the remaining messages."""
        self._write_executor.shutdown()
        self._compress_executor.shutdown(cancel_futures=True)
        return [self.poll_message() for _ in range(len(self._pending_writes))]

    def _drop_old_frames(self) -> None:
        start_time = self.time - BUFFER_SECONDS
        while (
            self._frames and self._frames[0].done() and self._frames[0].result().time < start_time
        ):
            self._frames.popleft()

    def _submit_write(self, name: str, suffix: str, write: Callable[[Path], None]) -> str:
        def write_file() -> str:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = _find_free_path(self.folder).with_suffix(suffix)
            write(path)
            return f"{name}: {path}"

        self._pending_writes.append(self._write_executor.submit(write_file))
        return f"writing the {name} ..."


def _find_free_path(folder: Path) -> Path:
    """Return a path whose stem no file has: the video of a replayed tape gets the tape's stem."""
    taken = {path.stem for path in folder.iterdir()}
    names = (f"play-{number}" for number in count(1))
    return folder / next(name for name in names if name not in taken)


def _compress_frame(time: float, frame: Array) -> CompressedFrame:
    if frame.shape[0] > MAX_HEIGHT:
        frame = resize_frame(frame, round(frame.shape[1] * MAX_HEIGHT / frame.shape[0]), MAX_HEIGHT)
    return CompressedFrame(time, frame.shape, zlib.compress(frame.tobytes(), 1))


def _write_video(path: Path, futures: list[Future[CompressedFrame]], end_time: float) -> None:
    """Write a video in which each frame lasts until the next one was shown."""
    frames = [future.result() for future in futures]
    # Frames from before the window changed the image's size do not fit into the same video.
    frames = [frame for frame in frames if frame.shape == frames[-1].shape]
    if not frames:
        raise UserError("no frame has been shown yet")
    frame_seconds = 1.0 / VIDEO_FRAME_RATE
    last_end = max(end_time, frames[-1].time + frame_seconds)
    end_times = [*(frame.time for frame in frames[1:]), last_end]
    time = frames[0].time
    with open_recorder(path, VIDEO_FRAME_RATE) as recorder:
        for compressed, end in zip(frames, end_times, strict=True):
            frame = compressed.decompress()
            while time < end - 1e-9:
                recorder.add(frame)
                time += frame_seconds


def _write_tape(path: Path, tape: Tape) -> None:
    with closing(tape.make_env()) as env:
        # Replay to the end: raises a WorkError where the environment deviates from the tape.
        deque(tape.replay(env), maxlen=0)
    with atomic_write(path) as temporary_path:
        tape.save(temporary_path)
