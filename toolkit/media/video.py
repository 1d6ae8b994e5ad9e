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
from av.video.reformatter import VideoReformatter

from poise.toolkit.errors import UserError
from poise.toolkit.files import ErrorTrackingFile, atomic_write
from poise.toolkit.media.gif import GifRecorder
from poise.toolkit.spaces import Array

MAX_PENDING_FRAMES = 4
"""Frames that may wait for the encoder; it works in a thread of its own while the next frame is drawn."""


class VideoRecorder:
    """Writes frames one by one, in constant memory. Use it in a `with` block.

    A fragment is closed after every second of film, so a kill loses about that. A film that cannot
    be written is an OSError that names it.
    """

    def __init__(self, path: Path, frame_rate: float) -> None:
        self.path = path
        self.frame_count = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        fragmented = {
            "movflags": "frag_keyframe+empty_moov+default_base_moof",
            "flush_packets": "1",
        }
        self._file = ErrorTrackingFile(path)
        self._container = av.open(self._file, "w", format="mp4", options=fragmented)
        self._stream = self._container.add_stream(
            "libx264", rate=Fraction(frame_rate).limit_denominator(1000)
        )
        self._stream.pix_fmt = "yuv420p"
        # With macroblock trees, x264 would not write the same film of the same frames every time.
        how = {"preset": "veryfast", "crf": "20", "tune": "animation", "x264-params": "mbtree=0"}
        self._stream.options = {**how, "g": str(max(1, round(frame_rate)))}
        self._encoder = ThreadPoolExecutor(max_workers=1)
        self._pending: deque[Future[None]] = deque()
        self._closed = False

    def add(self, frame: Array) -> None:
        """Add a frame (H, W, 3) uint8; all frames of a film have one size. An odd side is cut by one pixel."""
        height, width = frame.shape[0] // 2 * 2, frame.shape[1] // 2 * 2
        if self.frame_count == 0:
            self._stream.width, self._stream.height = width, height
        elif (self._stream.width, self._stream.height) != (width, height):
            raise ValueError(
                f"a frame of {width} x {height} in a film of {self._stream.width} x {self._stream.height}"
            )
        self.frame_count += 1
        self._pending.append(self._encoder.submit(self._encode, frame[:height, :width]))
        while len(self._pending) > MAX_PENDING_FRAMES:
            self._pending.popleft().result()

    def close(self) -> None:
        """Finish the film; closing twice is no error."""
        if self._closed:
            return
        self._closed = True
        if self.frame_count:
            self._pending.append(self._encoder.submit(self._encode, None))
        self._encoder.shutdown()
        try:
            for job in self._pending:
                job.result()
        finally:
            self._container.close()
            self._file.close()
        self._file.raise_pending_error()

    def _encode(self, frame: Array | None) -> None:
        """Encode a frame, None to finish."""
        self._file.raise_pending_error()
        picture = (
            None
            if frame is None
            else av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        )
        self._container.mux(self._stream.encode(picture))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_recorder(path: Path, frame_rate: float) -> VideoRecorder | GifRecorder:
    """What writes a film, an .mp4 or a .gif."""
    return get_recorder_class(path)(path, frame_rate)


@contextmanager
def open_atomic_recorder(path: Path, frame_rate: float) -> Iterator[VideoRecorder | GifRecorder]:
    """A recorder whose film comes under its name once it is finished, and is nowhere if it fails."""
    with atomic_write(path) as aside, get_recorder_class(path)(aside, frame_rate) as film:
        yield film


def get_recorder_class(path: Path) -> type[VideoRecorder | GifRecorder]:
    """The recorder of the kind that the path's ending names: .mp4 or .gif; any other is a UserError."""
    kinds: dict[str, type[VideoRecorder | GifRecorder]] = {
        ".mp4": VideoRecorder,
        ".gif": GifRecorder,
    }
    if path.suffix not in kinds:
        raise UserError(f"a film is an .mp4 or a .gif, not {path.name!r}")
    return kinds[path.suffix]


def decode_frames(path: Path) -> Iterator[av.VideoFrame]:
    """The frames of a film or a picture as they are stored, one by one; a file that is neither is a UserError."""
    with _open_container(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = (
            1  # More would each keep frames in memory, and hundreds of films may be open.
        )
        try:
            yield from container.decode(stream)
        except av.error.FFmpegError:
            return  # A film that was cut short shows what is there.


def read_video(path: Path) -> Iterator[Array]:
    """The frames (H, W, 3) uint8 of a film, one by one; a file that is no film is a UserError."""
    converter = VideoReformatter()
    for frame in decode_frames(path):
        yield converter.reformat(frame, format="rgb24").to_ndarray()


def read_frame_rate(path: Path) -> int:
    """Frames in a second of a film."""
    with _open_container(path) as container:
        return max(1, round(float(container.streams.video[0].average_rate or 25)))


def _open_container(path: Path) -> av.container.InputContainer:
    try:
        container = av.open(
            str(path.absolute())
        )  # What begins with / is taken for nothing but a file.
    except (av.error.FFmpegError, OSError):
        raise UserError(f"{path} cannot be read as a film or a picture") from None
    if not container.streams.video:
        container.close()
        raise UserError(f"{path} holds no pictures")
    return container
