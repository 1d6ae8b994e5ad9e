"""Films: H.264 in a fragmented MP4, which any browser plays and which stays readable when the program is killed."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np

from toolkit.errors import UserError
from toolkit.gif import GifRecorder
from toolkit.signals import Array

PENDING = 4
"""Frames that may wait for the encoder; it works in a thread of its own while the next frame is drawn."""


class VideoRecorder:
    """Writes frames one by one, in constant memory. Use it in a `with` block.

    A fragment is closed after every `rate` frames (a second of film), so a kill loses about that. A film that cannot
    be written is an OSError that names it.
    """

    def __init__(self, path: Path, rate: int) -> None:
        self.path, self.frames = path, 0
        path.parent.mkdir(parents=True, exist_ok=True)
        fragmented = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}
        with self._named_errors():
            self._container = av.open(str(path), "w", format="mp4", options=fragmented)
        self._stream = self._container.add_stream("libx264", rate=Fraction(rate))
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = {"preset": "veryfast", "crf": "20", "tune": "animation", "g": str(rate)}
        self._encoder = ThreadPoolExecutor(max_workers=1)
        self._pending: deque[Future[None]] = deque()
        self._closed = self._failed = False

    def add(self, frame: Array) -> None:
        """Add a frame (H, W, 3) uint8; all frames of a film have one size. An odd side is cut by one pixel."""
        height, width = frame.shape[0] // 2 * 2, frame.shape[1] // 2 * 2
        if self.frames == 0:
            self._stream.width, self._stream.height = width, height
        elif (self._stream.width, self._stream.height) != (width, height):
            raise ValueError(f"a frame of {width} x {height} in a film of {self._stream.width} x {self._stream.height}")
        self.frames += 1
        self._pending.append(self._encoder.submit(self._encode, frame[:height, :width]))
        while len(self._pending) > PENDING:
            self._pending.popleft().result()

    def close(self) -> None:
        """Finish the film; closing twice is no error."""
        if self._closed:
            return
        self._closed = True
        if self.frames:
            self._pending.append(self._encoder.submit(self._encode, None))
        self._encoder.shutdown()
        try:
            for job in self._pending:
                job.result()
        finally:
            with self._named_errors():
                self._container.close()

    def _encode(self, frame: Array | None) -> None:
        """Encode a frame, None to finish; never again after an error, which the encoder would not survive."""
        if self._failed:
            return
        self._failed = True
        with self._named_errors():
            picture = None if frame is None else av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            self._container.mux(self._stream.encode(picture))
        self._failed = False

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def recorder(path: Path, rate: int) -> VideoRecorder | GifRecorder:
    """What writes a film of the kind that the path's ending names: .mp4 or .gif; any other is a UserError."""
    if path.suffix == ".mp4":
        return VideoRecorder(path, rate)
    if path.suffix == ".gif":
        return GifRecorder(path, rate)
    raise UserError(f"a film is an .mp4 or a .gif, not {path.name!r}")


def read_video(path: Path) -> Iterator[Array]:
    """The frames (H, W, 3) uint8 of a film, one by one; a file that is no film is a UserError."""
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, OSError):
        raise UserError(f"{path} cannot be read as a film") from None
    with container:
        if not container.streams.video:
            raise UserError(f"{path} holds no pictures")
        try:
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="rgb24")
        except av.error.FFmpegError:
            return  # A film that was cut short shows what is there.


def frame_rate_of(path: Path) -> int:
    """Frames in a second of a film."""
    with av.open(str(path)) as container:
        return max(1, round(float(container.streams.video[0].average_rate or 25)))
