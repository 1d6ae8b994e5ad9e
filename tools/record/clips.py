"""Clips: videos and images, decoded at another frame rate and fitted into another size."""

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
"""Default maximum width and height of a video (pixels): what players and browsers show well."""


Size = tuple[int, int]
"""Width and height (pixels)."""


class Clip:
    """A video, or an image as a video of one frame. Frames are decoded on demand and never kept."""

    def __init__(self, path: Path) -> None:
        first = next(decode_frames(path), None)
        if first is None:
            raise UserError(f"{path} holds no image that can be decoded")
        self.path = path
        self.frame_rate = read_frame_rate(path)
        self.width = first.width
        self.height = first.height

    def iter_frames(self, frame_rate: float, size: Size) -> Iterator[Array]:
        """Yield the frames (H, W, 3) uint8 at another frame rate (Hz), fitted into `size`.

        Frames are repeated or dropped, so that the clip keeps its duration.
        """
        letterbox = Letterbox(size)
        ticks = 0
        for frame, end in self._iter_timed_frames():
            fitted = None
            while ticks / frame_rate < end - 1e-6:
                if fitted is None:
                    fitted = letterbox(frame)
                yield fitted
                ticks += 1

    def _iter_timed_frames(self) -> Iterator[tuple[av.VideoFrame, float]]:
        """Yield each frame with the time at which the next one replaces it (s since the start)."""
        previous = None
        start = 0.0
        elapsed = 0.0
        for index, frame in enumerate(decode_frames(self.path)):
            time = index / self.frame_rate if frame.time is None else frame.time
            if index == 0:
                start = time
            elapsed = time - start
            if previous is not None:
                yield previous, elapsed
            previous = frame
        if previous is not None:
            yield previous, elapsed + 1.0 / self.frame_rate


class Letterbox:
    """Fit frames into a size, whole and in their aspect ratio, on a plain background."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> Array:
        """Return the frame fitted into the size, (H, W, 3) uint8."""
        width, height = self.size
        scale = min(width / frame.width, height / frame.height)
        fitted_width = max(1, min(width, round(scale * frame.width)))
        fitted_height = max(1, min(height, round(scale * frame.height)))
        fitted = self._decode(frame, fitted_width, fitted_height)
        if (fitted_width, fitted_height) == self.size:
            return fitted
        page = np.empty((height, width, 3), np.uint8)
        page[:] = CARD_COLOUR
        left = (width - fitted_width) // 2
        top = (height - fitted_height) // 2
        page[top : top + fitted_height, left : left + fitted_width] = fitted
        return page

    def _decode(self, frame: av.VideoFrame, width: int, height: int) -> Array:
        """Return the frame (height, width, 3) uint8; transparent pixels show the background."""
        has_alpha = any(component.is_alpha for component in frame.format.components)
        pixel_format = "rgba" if has_alpha else "rgb24"
        pixels: Array = self._reformatter.reformat(frame, width, height, pixel_format).to_ndarray()
        if not has_alpha:
            return pixels
        opacity = pixels[..., 3:] / 255.0  # (H, W, 1)
        blended = pixels[..., :3] * opacity + np.array(CARD_COLOUR) * (1.0 - opacity)
        return blended.astype(np.uint8)


def get_common_size(clips: list[Clip]) -> Size:
    """Return the smallest size that holds each clip."""
    return max(clip.width for clip in clips), max(clip.height for clip in clips)


def fit_size(size: Size, max_size: tuple[float, float]) -> Size:
    """Scale a size down to fit into `max_size`, keeping its shape; even, as H.264 requires."""
    scale = min(1.0, max_size[0] / size[0], max_size[1] / size[1])
    width, height = (max(2, int(side * scale) // 2 * 2) for side in size)
    return width, height
