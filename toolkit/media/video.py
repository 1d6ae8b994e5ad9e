"""Videos: H.264 in a fragmented MP4, which browsers play and which stays readable after a kill."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np

from poise.toolkit.errors import UserError
from poise.toolkit.files import ErrorTrackingFile, atomic_write, make_folder
from poise.toolkit.media.gif import GifRecorder, check_frame_size, make_frame_rate
from poise.toolkit.media.reader import MediaFile
from poise.toolkit.spaces import Array

MAX_PENDING_FRAMES = 4
"""Frames that may wait for the encoder, whose thread runs while the next frame is drawn."""

MIN_SIDE = 2
"""Smallest height and width of a video (pixels): its colours are coded for 2 x 2 pixels."""

BT601 = 6
SRGB_TRANSFER = 13
BT709_PRIMARIES = 1
LIMITED_RANGE = 1
"""How the colours of videos are coded (H.273), so that players do not guess."""

FRAGMENTED = {
    "movflags": "frag_keyframe+empty_moov+default_base_moof",
    "flush_packets": "1",
}

ENCODER_OPTIONS = {
    "preset": "veryfast",
    "crf": "20",
    "tune": "animation",
    # With macroblock trees, x264 does not encode the same frames to the same bytes every time.
    "x264-params": "mbtree=0",
}


class VideoRecorder:
    """Writes a video frame by frame, in constant memory. Use it in a `with` block.

    A fragment is closed after every second of video, so that a kill loses about one second. A video
    that cannot be written is an OSError that names it.
    """

    def __init__(self, path: Path, frame_rate: float) -> None:
        self.path = path
        self.frame_count = 0
        make_folder(path.parent)
        self._file = ErrorTrackingFile(path)
        self._container = av.open(self._file, "w", format="mp4", options=FRAGMENTED)
        self._stream = self._container.add_stream("libx264", rate=make_frame_rate(frame_rate))
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.colorspace = BT601
        self._stream.codec_context.color_primaries = BT709_PRIMARIES
        self._stream.codec_context.color_trc = SRGB_TRANSFER
        self._stream.codec_context.color_range = LIMITED_RANGE
        frames_per_fragment = max(1, round(frame_rate))
        self._stream.options = {**ENCODER_OPTIONS, "g": str(frames_per_fragment)}
        self._encoder = ThreadPoolExecutor(max_workers=1)
        self._pending: deque[Future[None]] = deque()
        self._closed = False

    def add(self, frame: Array) -> None:
        """Add a frame (H, W, 3) uint8; all must have the same size.

        An odd side loses a pixel; a side of one pixel is doubled.
        """
        if min(frame.shape[:2]) < MIN_SIDE:
            frame = np.repeat(np.repeat(frame, MIN_SIDE, axis=0), MIN_SIDE, axis=1)
        height = frame.shape[0] // 2 * 2
        width = frame.shape[1] // 2 * 2
        if self.frame_count == 0:
            check_frame_size(width, height)
            self._stream.width = width
            self._stream.height = height
        elif (self._stream.width, self._stream.height) != (width, height):
            raise ValueError(
                f"a frame of {width} x {height} "
                f"in a video of {self._stream.width} x {self._stream.height}"
            )
        self.frame_count += 1
        self._pending.append(self._encoder.submit(self._encode, frame[:height, :width]))
        while len(self._pending) > MAX_PENDING_FRAMES:
            self._pending.popleft().result()

    def close(self) -> None:
        """Finish the video. Closing twice is no error."""
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
        """Encode a frame, or flush the encoder for None."""
        self._file.raise_pending_error()
        video_frame = None
        if frame is not None:
            video_frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        self._container.mux(self._stream.encode(video_frame))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


RECORDERS: dict[str, type[VideoRecorder | GifRecorder]] = {
    ".mp4": VideoRecorder,
    ".gif": GifRecorder,
}


def get_recorder_class(path: Path) -> type[VideoRecorder | GifRecorder]:
    """Return the recorder for the path's suffix; other than .mp4 and .gif is a UserError."""
    suffix = path.suffix.lower()
    if suffix not in RECORDERS:
        raise UserError(f"a video is an .mp4 or a .gif, not {path.name!r}")
    return RECORDERS[suffix]


@contextmanager
def open_recorder(path: Path, frame_rate: float) -> Iterator[VideoRecorder | GifRecorder]:
    """Open the recorder for the path's suffix, .mp4 or .gif.

    Its file appears under `path` when it is complete, and not if the block fails.
    """
    recorder_class = get_recorder_class(path)
    with atomic_write(path) as partial, recorder_class(partial, frame_rate) as recorder:
        yield recorder


def read_video(path: Path) -> Iterator[Array]:
    """Yield the frames (H, W, 3) uint8 of a film as they are meant to be shown (MediaFile)."""
    return (frame.image for frame in MediaFile(path).iter_timed_frames())


def read_frame_rate(path: Path) -> float:
    """Return the frames per second of a film; the highest where frame times are uneven."""
    return MediaFile(path).frame_rate
