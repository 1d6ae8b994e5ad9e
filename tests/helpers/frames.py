"""Frames for videos, and films with the metadata that cameras write."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace


def frame(shade: int, height: int = 64, width: int = 96) -> np.ndarray:
    """Return a grey image with a bright square, whose position depends on the shade."""
    image = np.full((height, width, 3), shade % 200, np.uint8)
    left = shade % (width - 20)
    image[10:30, left : left + 16] = 250
    return image


def write_film(
    path: Path,
    images: Sequence[np.ndarray],
    *,
    rate: float = 10,
    times: Sequence[float] | None = None,
    pixel_format: str = "yuv444p",
    pixel_aspect: Fraction | None = None,
    colorspace: Colorspace | None = None,
    color_range: ColorRange = ColorRange.MPEG,
) -> Path:
    """Write a film by PyAV, with the metadata that cameras write; `times` in s."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(rate).limit_denominator(1001))
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pixel_format
        stream.options = {"crf": "1", "preset": "ultrafast"}
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if colorspace is not None:
            stream.codec_context.colorspace = int(colorspace)
            stream.codec_context.color_range = int(color_range)
        for index, image in enumerate(images):
            video_frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            video_frame = video_frame.reformat(
                format=pixel_format,
                dst_colorspace=colorspace or Colorspace.ITU601,
                dst_color_range=color_range,
            )
            if times is not None:
                video_frame.pts = round(1000 * times[index])
                video_frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(video_frame))
        container.mux(stream.encode(None))
    return path


def write_display_matrix(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Write a display matrix (a, b, c, d) into the track header of an MP4, as telephones do."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 44
    a, b, c, d = (0x10000 * value for value in matrix)
    data[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000)
    path.write_bytes(data)
