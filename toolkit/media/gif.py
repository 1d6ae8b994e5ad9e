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
from poise.toolkit.files import Sink
from poise.toolkit.spaces import Array

COLOURS = 64


PACE = 25
"""Frames in a second that are enough; of a quicker film some are left out."""


class GifRecorder:
    """Writes a GIF with one palette for all its frames, of which it leaves some out where they come quicker than PACE."""

    def __init__(self, path: Path, rate: float) -> None:
        self.path, self.frames = path, 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._every = max(1, round(rate / PACE))
        self._rate = Fraction(rate).limit_denominator(1000) / self._every
        self._waiting = path.with_name(f".{path.name}.frames")
        self._sink, self._spool_sink = Sink(path), Sink(self._waiting)
        self._container = av.open(self._sink, "w", format="gif")
        self._spool = av.open(self._spool_sink, "w", format="matroska")
        self._stream = self._spool.add_stream("libx264rgb", rate=self._rate)
        self._stream.pix_fmt, self._stream.options = "rgb24", {"preset": "ultrafast", "qp": "0"}  # Loses nothing.
        self._closed = False

    def add(self, frame: Array) -> None:
        """Add a frame (H, W, 3) uint8; all frames of a film have one size."""
        height, width = frame.shape[:2]
        if self.frames == 0:
            self._stream.width, self._stream.height = width, height
        elif (self._stream.width, self._stream.height) != (width, height):
            raise ValueError(f"a frame of {width} x {height} in a film of {self._stream.width} x {self._stream.height}")
        if self.frames % self._every == 0:
            self._spool_sink.check()
            self._spool.mux(self._stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        self.frames += 1

    def close(self) -> None:
        """Choose the palette, write everything; closing twice is no error."""
        if self._closed:
            return
        self._closed = True
        try:
            if self.frames:
                self._spool.mux(self._stream.encode(None))
            self._spool.close()
            self._spool_sink.close()
            self._spool_sink.check()
            if self.frames:
                self._write()
        finally:
            self._container.close()
            self._sink.close()
            self._waiting.unlink(missing_ok=True)
        self._sink.check()

    def _write(self) -> None:
        """Go through the frames twice: for the palette, then for the film."""
        (palette,) = _through(self._graph("palettegen", f"max_colors={COLOURS}", "rgb24"), self._kept())
        paint = self._graph("paletteuse", "dither=none:diff_mode=rectangle", "rgb24", "bgra")
        paint.push(palette, at=1)
        paint.push(None, at=1)  # No other palette comes: frames need not wait for one.
        stream = self._container.add_stream("gif", rate=self._rate)
        stream.pix_fmt, stream.width, stream.height = "pal8", self._stream.width, self._stream.height
        for picture in _through(paint, self._kept()):
            self._container.mux(stream.encode(picture))
        self._container.mux(stream.encode(None))

    def _kept(self) -> Iterator[av.VideoFrame]:
        """The frames that wait on the disk."""
        with av.open(str(self._waiting)) as container:
            for index, frame in enumerate(container.decode(video=0)):
                frame.pts, frame.time_base = index, 1 / self._rate
                yield frame

    def _graph(self, name: str, how: str, *formats: str) -> av.filter.Graph:
        """A filter, with a source for frames of each format; a palette has 16 x 16."""
        graph = av.filter.Graph()
        worker, sink = graph.add(name, how), graph.add("buffersink")
        for place, kind in enumerate(formats):
            width, height = (self._stream.width, self._stream.height) if place == 0 else (16, 16)
            source = graph.add_buffer(width=width, height=height, format=av.VideoFormat(kind), time_base=1 / self._rate)
            source.link_to(worker, 0, place)
        worker.link_to(sink)
        graph.configure()
        return graph

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _through(graph: av.filter.Graph, frames: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """What becomes of frames in a filter; each is taken out before the next goes in, or they would pile up."""
    for frame in chain(frames, (None,)):
        graph.push(frame, at=0)
        with suppress(av.error.EOFError, av.error.BlockingIOError):
            while True:
                yield graph.vpull()
