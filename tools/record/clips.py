"""Clips: videos and images, decoded at another frame rate and fitted into another size."""

from collections.abc import Iterator
from pathlib import Path

from poise.toolkit.media.image import CARD_COLOUR, fit_frame
from poise.toolkit.media.reader import MediaFile
from poise.toolkit.spaces import Array

MAX_SIZE = 1920
"""Default maximum width and height of a video (pixels): what players and browsers show well."""


Size = tuple[int, int]
"""Width and height (pixels)."""


class Clip:
    """A video, or an image as a video of one frame. Frames are decoded on demand and never kept."""

    def __init__(self, path: Path) -> None:
        self._file = MediaFile(path, CARD_COLOUR)
        self.path = path
        self.frame_rate = self._file.frame_rate
        self.duration = self._file.duration
        """Time for which it is shown (s)."""
        self.width = self._file.width
        self.height = self._file.height

    def iter_frames(self, frame_rate: float, size: Size) -> Iterator[Array]:
        """Return the frames (H, W, 3) uint8 at another frame rate (Hz), fitted into `size`.

        Frames are repeated or dropped, so that the clip keeps its duration.
        """
        return self._file.iter_frames(frame_rate, lambda frame: fit_frame(frame, *size))


def get_common_size(clips: list[Clip]) -> Size:
    """Return the smallest size that holds each clip."""
    return max(clip.width for clip in clips), max(clip.height for clip in clips)


def fit_size(size: Size, max_size: tuple[float, float]) -> Size:
    """Scale a size down to fit into `max_size`, keeping its shape; even, as H.264 requires."""
    scale = min(1.0, max_size[0] / size[0], max_size[1] / size[1])
    width, height = (max(2, int(side * scale) // 2 * 2) for side in size)
    return width, height
