"""GIFs: for pages that play no films, such as a README. Short ones: the palette needs all frames at once."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import av.filter
import numpy as np

from toolkit.signals import Array

COLOURS = 64


class GifRecorder:
    """Writes a GIF with one palette, made from all frames; `every` keeps each so many-th frame. Like VideoRecorder."""

    def __init__(self, path: Path, rate: int, every: int = 2) -> None:
        self.path, self.frames = path, 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._rate, self._every = Fraction(rate, every), every
        self._container = av.open(str(path), "w", format="gif")
        self._graph: av.filter.Graph | None = None

    def add(self, frame: Array) -> None:
        """Add a frame (H, W, 3) uint8."""
        if self._graph is None:
            self._graph = self._make_graph(frame.shape[1], frame.shape[0])
        if self.frames % self._every == 0:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            picture.pts, picture.time_base = self.frames // self._every, 1 / self._rate
            self._graph.push(picture)
        self.frames += 1

    def close(self) -> None:
        """Choose the palette, write everything."""
        if self._graph is not None:
            graph, self._graph = self._graph, None
            graph.push(None)
            stream = self._container.add_stream("gif", rate=self._rate)
            stream.pix_fmt, stream.width, stream.height = "pal8", self._width, self._height
            for picture in _pull(graph):
                self._container.mux(stream.encode(picture))
            self._container.mux(stream.encode(None))
        self._container.close()

    def _make_graph(self, width: int, height: int) -> av.filter.Graph:
        self._width, self._height = width, height
        graph = av.filter.Graph()
        source = graph.add_buffer(width=width, height=height, format=av.VideoFormat("rgb24"), time_base=1 / self._rate)
        split, sink = graph.add("split"), graph.add("buffersink")
        palette = graph.add("palettegen", f"max_colors={COLOURS}")
        use = graph.add("paletteuse", "dither=none:diff_mode=rectangle")
        source.link_to(split)
        split.link_to(palette, 0, 0)
        split.link_to(use, 1, 0)
        palette.link_to(use, 0, 1)
        use.link_to(sink)
        graph.configure()
        return graph

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _pull(graph: av.filter.Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            yield graph.vpull()
        except (av.error.EOFError, av.error.BlockingIOError):
            return
