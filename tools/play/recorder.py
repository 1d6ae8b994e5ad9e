"""Keepsakes: the last seconds of a live world as a film, its episode as a tape; written in threads, so that nobody waits."""

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
from poise.toolkit.files import whole_file
from poise.toolkit.media.image import resized
from poise.toolkit.media.video import whole_film
from poise.toolkit.spaces import Array
from poise.toolkit.tape import Tape

SECONDS = 10.0
"""How much a film shows (s)."""


RATE = 50
"""Its frames in a second."""


HIGHEST = 600
"""Its height at most (pixels)."""


PENDING = 4
"""Frames that may wait to be packed; where the machine is slower, a film shows fewer."""


class Packed(NamedTuple):
    """A frame as it is remembered, and when it was seen (s)."""

    time: float
    shape: tuple[int, ...]
    data: bytes

    def frame(self) -> Array:
        """The frame again, (H, W, 3) uint8."""
        return np.frombuffer(zlib.decompress(self.data), np.uint8).reshape(self.shape)


class Keepsakes:
    """What can be kept of a live world, in a `folder`, which is made when something is."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.time = folder, 0.0
        self._past: deque[Future[Packed]] = deque()
        self._last: Array | None = None
        self._packer, self._writer = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        self._work: deque[Future[str]] = deque()

    def see(self, frame: Array, seconds: float) -> None:
        """Remember a frame (H, W, 3) that is seen from now on, `seconds` after the last; while no time passes, none."""
        self.time += seconds
        waiting = sum(not future.done() for future in list(self._past)[-PENDING:])
        if frame is not self._last and waiting < PENDING and (seconds or not self._past):
            self._past.append(self._packer.submit(_pack, self.time, frame))
            self._last = frame
        while self._past and self._past[0].done() and self._past[0].result().time < self.time - SECONDS:
            self._past.popleft()

    def film(self) -> str:
        """Begin to write the last seconds as a film; a word on it."""
        return self._begin("film", ".mp4", lambda path: _write_film(path, list(self._past), self.time))

    def tape(self, tape: Tape) -> str:
        """Begin to write a tape; a word on it. One that does not tell the same story again is not kept."""
        return self._begin("tape", ".tape", lambda path: _write_tape(path, tape))

    def news(self) -> str:
        """What has been written since the last call, or why not, in a line; nothing where there is nothing new."""
        if not self._work or not self._work[0].done():
            return ""
        try:
            return self._work.popleft().result()
        except (OSError, UserError, WorkError) as error:
            return f"not kept: {error}"

    def close(self) -> list[str]:
        """Wait until all is written; what was, in a line each."""
        self._writer.shutdown()
        self._packer.shutdown(cancel_futures=True)
        return [self.news() for _ in range(len(self._work))]

    def _begin(self, kind: str, ending: str, write: Callable[[Path], None]) -> str:
        def work() -> str:
            self.folder.mkdir(parents=True, exist_ok=True)
            write(path := _free(self.folder).with_suffix(ending))
            return f"{kind}: {path}"

        self._work.append(self._writer.submit(work))
        return f"the {kind} is being written"


def _free(folder: Path) -> Path:
    """A name that nothing has, whatever its ending: a tape's own film gets the tape's name."""
    taken = {path.stem for path in folder.iterdir()}
    return folder / next(name for name in map("play-{}".format, count(1)) if name not in taken)


def _pack(time: float, frame: Array) -> Packed:
    if frame.shape[0] > HIGHEST:
        frame = resized(frame, round(frame.shape[1] * HIGHEST / frame.shape[0]), HIGHEST)
    return Packed(time, frame.shape, zlib.compress(frame.tobytes(), 1))


def _write_film(path: Path, past: list[Future[Packed]], end: float) -> None:
    """Each frame is shown until the next one was seen."""
    packed = [future.result() for future in past]
    packed = [one for one in packed if one.shape == packed[-1].shape]
    if not packed:
        raise UserError("nothing has been seen yet")
    ends = [*(one.time for one in packed[1:]), max(end, packed[-1].time + 1.0 / RATE)]
    shown = packed[0].time
    with whole_film(path, RATE) as film:
        for one, until in zip(packed, ends, strict=True):
            frame = one.frame()
            while shown < until - 1e-9:
                film.add(frame)
                shown += 1.0 / RATE


def _write_tape(path: Path, tape: Tape) -> None:
    with closing(tape.make_world()) as world:
        deque(tape.replay(world), maxlen=0)  # A world that tells another story raises an error here.
    with whole_file(path) as aside:
        tape.save(aside)
