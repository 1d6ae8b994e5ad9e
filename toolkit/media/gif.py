"""GIFs, for pages that play no videos, such as a README.

Memory is constant: frames are spooled to the disk until the palette is computed from all of them.
The GIF appears under its name when it is complete, so that a kill leaves no part of one.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import av.filter
import numpy as np

from poise.toolkit.console import count_progress
from poise.toolkit.errors import WorkError
from poise.toolkit.files import ErrorTrackingFile, atomic_write, make_folder, partial_path
from poise.toolkit.spaces import Array

MAX_SIDE = 16384
"""Largest height and width that the encoders of films take (pixels)."""

PALETTE_SIZE = 64

SPOOL_SUFFIX = ".frames"
"""Ending of the name of the file that holds the frames until the palette is known."""

MAX_FRAME_RATE = 25
"""Frames per second at most; frames of a faster video are skipped."""

PALETTE_IMAGE_SIZE = (16, 16)
"""Width and height of the image that holds a palette, as FFmpeg defines it."""


def make_frame_rate(frame_rate: float) -> Fraction:
    """Return a frame rate (Hz) as a fraction of small numbers, as formats of videos need it."""
    if frame_rate < 1.0:
        return 1 / Fraction(1.0 / frame_rate).limit_denominator(1001)
    return Fraction(frame_rate).limit_denominator(1001)


def check_frame_size(width: int, height: int) -> None:
    """Raise a WorkError where an image is too large for a film."""
    if max(width, height) > MAX_SIDE:
        raise WorkError(
            f"images of {width} x {height} pixels are too large for a film: "
            f"it has at most {MAX_SIDE} pixels on a side"
        )


class GifRecorder:
    """Writes a GIF with one palette for all frames, at MAX_FRAME_RATE or less."""

    def __init__(self, path: Path, frame_rate: float) -> None:
        self.path = path
        self.frame_count = 0
        make_folder(path.parent)
        self._frame_stride = max(1, round(frame_rate / MAX_FRAME_RATE))
        self._frame_rate = make_frame_rate(frame_rate) / self._frame_stride
        self._cleanup = ExitStack()
        self._spool_path = self._cleanup.enter_context(partial_path(path, SPOOL_SUFFIX))
        self._spool_file = ErrorTrackingFile(self._spool_path)
        self._spool = av.open(self._spool_file, "w", format="matroska")
        self._stream = self._spool.add_stream("libx264rgb", rate=self._frame_rate)
        self._stream.pix_fmt = "rgb24"
        self._stream.options = {"preset": "ultrafast", "qp": "0"}  # lossless
        self._closed = False

    def add(self, frame: Array) -> None:
        """Add a frame (H, W, 3) uint8; all must have the same size."""
        height, width = frame.shape[:2]
        if self.frame_count == 0:
            check_frame_size(width, height)
            self._stream.width = width
            self._stream.height = height
        elif (self._stream.width, self._stream.height) != (width, height):
            raise ValueError(
                f"a frame of {width} x {height} "
                f"in a video of {self._stream.width} x {self._stream.height}"
            )
        if self.frame_count % self._frame_stride == 0:
            self._spool_file.raise_pending_error()
            video_frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            self._spool.mux(self._stream.encode(video_frame))
        self.frame_count += 1

    def close(self) -> None:
        """Compute the palette and write the GIF. Closing twice is no error."""
        if self._closed:
            return
        self._closed = True
        try:
            if self.frame_count:
                self._spool.mux(self._stream.encode(None))
            self._spool.close()
            self._spool_file.close()
            self._spool_file.raise_pending_error()
            if self.frame_count:
                with atomic_write(self.path) as partial:
                    self._write(partial)
        finally:
            self._cleanup.close()

    def _write(self, path: Path) -> None:
        """Read the frames twice: for the palette, then for the GIF."""
        palette_graph = self._make_filter_graph("palettegen", f"max_colors={PALETTE_SIZE}", "rgb24")
        (palette,) = _filter_frames(palette_graph, self._read_spool("frames for the palette"))
        gif_graph = self._make_filter_graph(
            "paletteuse", "dither=none:diff_mode=rectangle", "rgb24", "bgra"
        )
        gif_graph.push(palette, at=1)
        gif_graph.push(None, at=1)  # The end of the palettes; else frames wait for the next one.
        file = ErrorTrackingFile(path)
        with closing(file), av.open(file, "w", format="gif") as container:
            stream = container.add_stream("gif", rate=self._frame_rate)
            stream.pix_fmt = "pal8"
            stream.width = self._stream.width
            stream.height = self._stream.height
            for frame in _filter_frames(gif_graph, self._read_spool("frames of the GIF")):
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        file.raise_pending_error()

    def _read_spool(self, unit: str) -> Iterator[av.VideoFrame]:
        """Yield the spooled frames; progress counts them as `unit`."""
        num_frames = -(-self.frame_count // self._frame_stride)
        with av.open(str(self._spool_path)) as container:
            frames = count_progress(container.decode(video=0), num_frames, unit)
            for index, frame in enumerate(frames):
                frame.pts = index
                frame.time_base = 1 / self._frame_rate
                yield frame

    def _make_filter_graph(self, name: str, arguments: str, *formats: str) -> av.filter.Graph:
        """Return a graph of one filter: input 0 takes frames, input 1, if any, a palette."""
        graph = av.filter.Graph()
        filter_node = graph.add(name, arguments)
        sink = graph.add("buffersink")
        for index, pixel_format in enumerate(formats):
            frame_size = (self._stream.width, self._stream.height)
            width, height = frame_size if index == 0 else PALETTE_IMAGE_SIZE
            source = graph.add_buffer(
                width=width,
                height=height,
                format=av.VideoFormat(pixel_format),
                time_base=1 / self._frame_rate,
            )
            source.link_to(filter_node, 0, index)
        filter_node.link_to(sink)
        graph.configure()
        return graph

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _filter_frames(
    graph: av.filter.Graph, frames: Iterable[av.VideoFrame]
) -> Iterator[av.VideoFrame]:
    """Yield the output of a filter graph; drain it after every frame, to bound its memory."""
    for frame in chain(frames, (None,)):
        graph.push(frame, at=0)
        with suppress(av.error.EOFError, av.error.BlockingIOError):
            while True:
                yield graph.vpull()
