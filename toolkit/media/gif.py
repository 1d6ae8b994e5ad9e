"""GIFs: for pages that play no films, such as a README. In constant memory: frames wait on the disk for their palette."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import av.filter
import numpy as np

from poise.toolkit.files import ErrorTrackingFile
from poise.toolkit.spaces import Array

PALETTE_SIZE = 64


MAX_FRAME_RATE = 25
"""Frames in a second that are enough; of a quicker film some are left out."""


class GifRecorder:
    """Writes a GIF with one palette for all its frames, of which it leaves some out where they come quicker than PACE."""

    def __init__(self, path: Path, frame_rate: float) -> None:
        self.path = path
        self.frame_count = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._frame_stride = max(1, round(frame_rate / MAX_FRAME_RATE))
        self._frame_rate = Fraction(frame_rate).limit_denominator(1000) / self._frame_stride
        self._spool_path = path.with_name(f".{path.name}.frames")
        self._file = ErrorTrackingFile(path)
        self._spool_file = ErrorTrackingFile(self._spool_path)
        self._container = av.open(self._file, "w", format="gif")
        self._spool = av.open(self._spool_file, "w", format="matroska")
        self._stream = self._spool.add_stream("libx264rgb", rate=self._frame_rate)
        # Loses nothing.
        self._stream.pix_fmt = "rgb24"
        self._stream.options = {"preset": "ultrafast", "qp": "0"}
        self._closed = False

    def add(self, frame: Array) -> None:
        """Add a frame (H, W, 3) uint8; all frames of a film have one size."""
        height, width = frame.shape[:2]
        if self.frame_count == 0:
            self._stream.width, self._stream.height = width, height
        elif (self._stream.width, self._stream.height) != (width, height):
            raise ValueError(
                f"a frame of {width} x {height} in a film of {self._stream.width} x {self._stream.height}"
            )
        if self.frame_count % self._frame_stride == 0:
            self._spool_file.raise_pending_error()
            self._spool.mux(
                self._stream.encode(
                    av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
                )
            )
        self.frame_count += 1

    def close(self) -> None:
        """Choose the palette, write everything; closing twice is no error."""
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
                self._write()
        finally:
            self._container.close()
            self._file.close()
            self._spool_path.unlink(missing_ok=True)
        self._file.raise_pending_error()

    def _write(self) -> None:
        """Go through the frames twice: for the palette, then for the film."""
        (palette,) = _filter_frames(
            self._make_filter_graph("palettegen", f"max_colors={PALETTE_SIZE}", "rgb24"),
            self._read_spool(),
        )
        paint = self._make_filter_graph(
            "paletteuse", "dither=none:diff_mode=rectangle", "rgb24", "bgra"
        )
        paint.push(palette, at=1)
        paint.push(None, at=1)  # No other palette comes: frames need not wait for one.
        stream = self._container.add_stream("gif", rate=self._frame_rate)
        stream.pix_fmt = "pal8"
        stream.width = self._stream.width
        stream.height = self._stream.height
        for picture in _filter_frames(paint, self._read_spool()):
            self._container.mux(stream.encode(picture))
        self._container.mux(stream.encode(None))

    def _read_spool(self) -> Iterator[av.VideoFrame]:
        """The frames that wait on the disk."""
        with av.open(str(self._spool_path)) as container:
            for index, frame in enumerate(container.decode(video=0)):
                frame.pts = index
                frame.time_base = 1 / self._frame_rate
                yield frame

    def _make_filter_graph(self, name: str, arguments: str, *formats: str) -> av.filter.Graph:
        """A filter, with a source for frames of each format; a palette has 16 x 16."""
        graph = av.filter.Graph()
        worker = graph.add(name, arguments)
        sink = graph.add("buffersink")
        for place, kind in enumerate(formats):
            width, height = (self._stream.width, self._stream.height) if place == 0 else (16, 16)
            source = graph.add_buffer(
                width=width,
                height=height,
                format=av.VideoFormat(kind),
                time_base=1 / self._frame_rate,
            )
            source.link_to(worker, 0, place)
        worker.link_to(sink)
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
    """What becomes of frames in a filter; each is taken out before the next goes in, or they would pile up."""
    for frame in chain(frames, (None,)):
        graph.push(frame, at=0)
        with suppress(av.error.EOFError, av.error.BlockingIOError):
            while True:
                yield graph.vpull()
