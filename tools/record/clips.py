"""Clips: films and pictures as they are put together with others, in another size and at another pace."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from poise.toolkit.errors import UserError
from poise.toolkit.media.image import CARD_COLOUR
from poise.toolkit.media.video import decode_frames, read_frame_rate
from poise.toolkit.spaces import Array

MAX_SIZE = 1920
"""Width and height that a film has at most where nothing else is said: what players and browsers show without trouble."""


Size = tuple[int, int]
"""Width and height (pixels)."""


class Clip:
    """A film, or a picture, which is a film of one frame. Frames are decoded as they are asked for, and never kept."""

    def __init__(self, path: Path) -> None:
        first = next(decode_frames(path), None)
        if first is None:
            raise UserError(f"{path} holds no picture that can be read")
        self.path = path
        self.frame_rate = read_frame_rate(path)
        self.width, self.height = first.width, first.height

    def iter_frames(self, frame_rate: float, size: Size) -> Iterator[Array]:
        """What it shows at each tick of a clock of `frame_rate`, fitted into `size`; it takes as long as it always took."""
        fitted = Letterbox(size)
        ticks = 0
        for frame, end in self._iter_timed_frames():
            picture = None
            while ticks / frame_rate < end - 1e-6:
                picture = fitted(frame) if picture is None else picture
                yield picture
                ticks += 1

    def _iter_timed_frames(self) -> Iterator[tuple[av.VideoFrame, float]]:
        """Its frames, and until when each is seen (s after its start)."""
        before = None
        start = 0.0
        now = 0.0
        for index, frame in enumerate(decode_frames(self.path)):
            moment = index / self.frame_rate if frame.time is None else frame.time
            start = start if index else moment
            now = moment - start
            if before is not None:
                yield before, now
            before = frame
        if before is not None:
            yield before, now + 1.0 / self.frame_rate


class Letterbox:
    """Fits frames into a size (width, height): each is shown whole and in its own shape, with paper around it."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> Array:
        """The frame as a picture (height, width, 3) uint8."""
        share = min(self.size[0] / frame.width, self.size[1] / frame.height)
        sides = zip(self.size, (frame.width, frame.height), strict=True)
        width, height = (max(1, min(there, round(side * share))) for there, side in sides)
        clear = any(part.is_alpha for part in frame.format.components)
        picture: Array = self._reformatter.reformat(
            frame, width, height, "rgba" if clear else "rgb24"
        ).to_ndarray()
        if clear:
            opaque = picture[..., 3:] / 255.0
            picture = (picture[..., :3] * opaque + np.array(CARD_COLOUR) * (1.0 - opaque)).astype(
                np.uint8
            )
        if (width, height) == self.size:
            return picture
        page = np.empty((self.size[1], self.size[0], 3), np.uint8)
        page[:] = CARD_COLOUR
        left, top = (self.size[0] - width) // 2, (self.size[1] - height) // 2
        page[top : top + height, left : left + width] = picture
        return page


def get_common_size(clips: list[Clip]) -> Size:
    """A size in which each of them has room."""
    return max(clip.width for clip in clips), max(clip.height for clip in clips)


def fit_size(size: Size, max_size: tuple[float, float]) -> Size:
    """The largest size of the same shape, no larger than itself, that has room; even, as films want it."""
    share = min(1.0, *(there / wanted for there, wanted in zip(max_size, size, strict=True)))
    width, height = (max(2, int(side * share) // 2 * 2) for side in size)
    return width, height
