"""Read pictures and films as they are meant to be shown, frame by frame, in constant memory.

Pillow reads pictures, PyAV reads films; an animated picture is a film. What a file says of its
orientation, pixel aspect ratio, colour matrix and range, transparency and times is applied.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from PIL import Image, ImageOps, UnidentifiedImageError

from poise.toolkit.appearance import Colour
from poise.toolkit.errors import UserError
from poise.toolkit.files import read_start
from poise.toolkit.media.frame import WHITE, blend_over, scale_to_bytes
from poise.toolkit.spaces import Array

PICTURE_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "PPM", "JPEG2000", "ICO")
"""Pillow's names of the picture formats that are read."""

ANIMATED_FORMATS = ("GIF", "PNG", "WEBP", "AVIF")
"""Formats whose frames follow each other in time; those of others are pages or sizes."""

FILM_FORMATS = (
    "mp4,mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,ivf,obu,ogg,flv,asf,mxf,dv,"
    "yuv4mpegpipe,3gp,nut,rm"
)
"""FFmpeg's names of the film formats that are read. None is a playlist of other files."""

DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
"""Pillow's modes of grey pictures with more than 8 bits a pixel."""

MAX_PIXELS = 80_000_000
"""Largest picture or frame that is decoded: 240 MB as RGB. Telephones make up to 50 million."""

MAX_DURATION = 24 * 3600.0
"""Longest film (s): time stamps beyond it are damaged."""

MAX_PIXEL_ASPECT = 8
"""Pixels more oblong than this, in either direction, are taken for square: the note is damaged."""

DEFAULT_FRAME_RATE = 25
"""Assumed for pictures, and for films that state no times (frames per second)."""

MAX_UNEVEN_RATE = 60.0
"""Highest frame rate at which a film of uneven frame rate is sampled (frames per second)."""

MAX_UNEVENNESS = 1.5
"""Ratio of longest to shortest frame up to which a frame rate counts as constant."""

MIN_DURATION = 1e-3
"""Shortest frame (s)."""

MIN_ANIMATION_STEP = 0.0105
"""Frames of animated pictures that are shorter last ANIMATION_STEP, as in browsers (s)."""

ANIMATION_STEP = 0.1

HD_SIZE = (1280, 720)
"""Films of this width or height are coded by BT.709 where they do not say, smaller ones by BT.601.
"""

COLORSPACES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
"""Colour matrices by their number in H.273, which films hold; RGB and unknown ones are missing."""


Convert = Callable[[Array], Array]
"""Changes an image (H, W, 3) uint8, as to its size."""


class TimedFrame(NamedTuple):
    """An image (H, W, 3) uint8, shown from `start` to `end` (s since the first frame)."""

    image: Array
    start: float
    end: float


class MediaFile:
    """A film, or a picture as a film of one frame. Frames are decoded on demand and never kept.

    Transparent pixels show `background`.

    Raises:
        UserError: the file is no picture or film, is damaged, or its images are too large.
    """

    def __init__(self, path: Path, background: Colour = WHITE) -> None:
        self.path = path
        self._background = background
        _check_file(path)
        self._is_picture = _is_picture(path)
        times = _read_picture_times(path) if self._is_picture else _read_film_times(path)
        self.duration: float = times[-1] - times[0]
        """Time for which the frames are shown (s)."""
        if self.duration > MAX_DURATION:
            hours = self.duration / 3600
            raise UserError(f"{path} is damaged: it lasts {hours:,.0f} hours by its time stamps")
        self.frame_rate: float = _find_frame_rate(np.diff(times))
        """Frames per second: the mean, or the highest where frame times are uneven."""
        first = next(self.iter_timed_frames(), None)
        if first is None:
            raise UserError(f"{path} holds no image that can be decoded")
        self.height: int = first.image.shape[0]
        self.width: int = first.image.shape[1]

    def iter_timed_frames(self, convert: Convert = np.asarray) -> Iterator[TimedFrame]:
        """Yield the frames, each converted once, with their times.

        A truncated film ends with its last readable frame.
        """
        decode = _decode_picture if self._is_picture else _decode_film
        decoded = decode(self.path, self._background)
        frames = (frame._replace(image=convert(frame.image)) for frame in decoded)
        current = next(frames, None)
        if current is None:
            return
        for following in frames:
            # A frame lasts until the next one is shown.
            change = max(current.start, following.start)
            yield current._replace(end=change)
            current = following._replace(start=change)
        yield current._replace(end=max(current.end, current.start + MIN_DURATION))

    def iter_frames(self, frame_rate: float, convert: Convert = np.asarray) -> Iterator[Array]:
        """Yield the image shown at each tick of a frame rate (Hz), for the file's duration."""
        # Files round times to milliseconds.
        tolerance = min(0.001, 0.25 / frame_rate)
        tick = 0
        for image, _, end in self.iter_timed_frames(convert):
            while tick / frame_rate < end - tolerance:
                yield image
                tick += 1


def read_picture(path: Path, background: Colour = WHITE) -> Array:
    """Return a picture (H, W, 3) uint8, the first frame of an animated one.

    Raises:
        UserError: the file is no picture, is damaged, or too large.
    """
    _check_file(path)
    if not _is_picture(path):
        raise UserError(f"{path} is not an image that can be read{_describe_content(path)}")
    return next(_decode_picture(path, background)).image


def _check_file(path: Path) -> None:
    """Raise a UserError unless the path is a regular file that holds something."""
    if not path.exists():
        raise UserError(f"{path} cannot be read as a video or an image: there is no such file")
    if not path.is_file():
        raise UserError(f"{path} cannot be read as a video or an image: it is not a regular file")
    if not read_start(path, 1):
        raise UserError(f"{path} cannot be read as a video or an image: it is empty")


def _describe_content(path: Path) -> str:
    """Return what a file holds instead of images, as the end of a message; "" if unknown."""
    start = read_start(path, 1000)
    if b"<svg" in start:
        return ": it is an SVG drawing; export it as PNG"
    if start.isascii() and b"\0" not in start:
        return ": it is text"
    return ""


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise _make_size_error(path)


def _make_size_error(path: Path) -> UserError:
    millions = MAX_PIXELS // 1_000_000
    return UserError(f"{path} is too large: images of up to {millions} million pixels are read")


def _find_frame_rate(intervals: Array) -> float:
    """Return the frame rate (Hz) for the times (N,) for which frames are shown (s)."""
    if len(intervals) > 1:
        intervals = intervals[:-1]  # Many files do not say how long their last frame lasts.
    shortest = max(MIN_DURATION, float(intervals.min()))
    if intervals.max() <= MAX_UNEVENNESS * shortest:
        # 30000/1001 too, out of times that are rounded.
        return float(Fraction(1.0 / float(intervals.mean())).limit_denominator(1001))
    return min(MAX_UNEVEN_RATE, 1.0 / shortest)


# Pictures.


def _is_picture(path: Path) -> bool:
    """Return whether a file's content is of a format that Pillow reads."""
    try:
        with _open_picture(path):
            return True
    except UnidentifiedImageError:
        return False


@contextmanager
def _open_picture(path: Path) -> Iterator[Image.Image]:
    """Open a picture; what a decoder raises on damaged files becomes a UserError."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of odd metadata, which does not matter, and of large images.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=PICTURE_FORMATS) as picture:
                _check_size(path, *picture.size)
                yield picture
    except (UserError, UnidentifiedImageError):
        raise
    except Image.DecompressionBombError:
        raise _make_size_error(path) from None
    except Exception as error:  # A decoder may raise anything.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path} cannot be read as an image: {reason}") from None


def _read_picture_times(path: Path) -> Array:
    """Return the start of each frame of a picture and the end of the last (s), (N + 1,)."""
    with _open_picture(path) as picture:
        steps = [_get_animation_step(picture) for _ in _iter_animation(picture)]
    return np.cumsum([0.0, *steps])


def _decode_picture(path: Path, background: Colour) -> Iterator[TimedFrame]:
    """Yield the frames of an animated picture, or the one of another."""
    start = 0.0
    with _open_picture(path) as picture:
        for _ in _iter_animation(picture):
            end = start + _get_animation_step(picture)
            yield TimedFrame(_convert_picture(picture, background), start, end)
            start = end


def _iter_animation(picture: Image.Image) -> Iterator[int]:
    """Load the frames of a picture one after the other, in place; yield their indices."""
    if not _is_animated(picture):
        picture.load()
        yield 0
        return
    # The first image of an animated PNG may be a substitute for programs that show no animation.
    first = int(getattr(picture, "default_image", False))
    for index in range(first, getattr(picture, "n_frames", 1)):
        picture.seek(index)
        picture.load()
        yield index


def _is_animated(picture: Image.Image) -> bool:
    return picture.format in ANIMATED_FORMATS and getattr(picture, "is_animated", False)


def _get_animation_step(picture: Image.Image) -> float:
    """Return how long the current frame of a picture is shown (s)."""
    if not _is_animated(picture):
        return 1.0 / DEFAULT_FRAME_RATE
    seconds = float(picture.info.get("duration") or 0.0) / 1000.0
    return seconds if seconds > MIN_ANIMATION_STEP else ANIMATION_STEP


def _convert_picture(picture: Image.Image, background: Colour) -> Array:
    """Return a picture as it is to be shown, (H, W, 3) uint8."""
    upright = ImageOps.exif_transpose(picture)
    if upright.mode in DEEP_MODES:
        grey = _scale_grey(np.asarray(upright))
        return np.repeat(grey[..., None], 3, axis=2)
    if upright.has_transparency_data:
        return blend_over(background, np.asarray(upright.convert("RGBA")))
    return np.array(upright.convert("RGB"))


def _scale_grey(values: Array) -> Array:
    """Return grey values (H, W) of 16 or 32 bits, or floats, as uint8."""
    if values.dtype.kind == "f":
        return scale_to_bytes(np.nan_to_num(values))
    # 32-bit integers mostly hold 16-bit values.
    full_scale = 65535 if values.max() <= 65535 else 2**31 - 1
    return scale_to_bytes(np.clip(values / full_scale, 0.0, 1.0))


# Films.


@contextmanager
def _open_film(path: Path) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    """Open a film at its stream of images; another file is a UserError."""
    options = {"format_whitelist": FILM_FORMATS, "protocol_whitelist": "file"}
    try:
        # FFmpeg takes an absolute path for a file, never for a protocol.
        container = av.open(str(path.absolute()), options=options)
    except (av.error.FFmpegError, OSError, ValueError):
        content = _describe_content(path)
        raise UserError(f"{path} cannot be read as a video or an image{content}") from None
    with container:
        stream = container.streams.best("video")
        if not isinstance(stream, av.VideoStream):
            raise UserError(f"{path} contains no images")
        # Every decoder thread keeps frames in memory, and hundreds of videos may be open.
        stream.codec_context.thread_count = 1
        _check_size(path, stream.width, stream.height)
        yield container, stream


def _read_film_times(path: Path) -> Array:
    """Return the start of each frame and the end of the last (s), (N + 1,), without decoding."""
    times: list[tuple[Fraction, Fraction]] = []
    num_frames = 0
    with _open_film(path) as (container, stream):
        frame_seconds = 1 / Fraction(stream.average_rate or DEFAULT_FRAME_RATE)
        with suppress(av.error.FFmpegError):  # A truncated film ends here.
            for packet in container.demux(stream):
                num_frames += packet.size > 0
                if packet.pts is not None:
                    duration = (packet.duration or 0) * packet.time_base
                    times.append((packet.pts * packet.time_base, duration or frame_seconds))
    if len(times) < max(1, num_frames):  # Some formats hold no times.
        return np.arange(max(1, num_frames) + 1) * float(frame_seconds)
    times.sort()
    end = times[-1][0] + times[-1][1]
    return np.array([float(time - times[0][0]) for time in (*(start for start, _ in times), end)])


def _decode_film(path: Path, background: Colour) -> Iterator[TimedFrame]:
    """Yield the frames of a film, up to the first that cannot be decoded."""
    reformatter = VideoReformatter()
    with _open_film(path) as (container, stream):
        frame_seconds = 1.0 / float(stream.average_rate or DEFAULT_FRAME_RATE)
        pixel_aspect = _get_pixel_aspect(stream)
        origin: float | None = None
        try:
            for index, frame in enumerate(container.decode(stream)):
                _check_size(path, frame.width, frame.height)
                time = index * frame_seconds if frame.time is None else frame.time
                if origin is None:
                    origin = time
                start = time - origin
                duration = float((frame.duration or 0) * (frame.time_base or 0)) or frame_seconds
                image = _convert_frame(reformatter, frame, pixel_aspect, background)
                yield TimedFrame(image, start, start + duration)
        except av.error.FFmpegError:
            return


def _get_pixel_aspect(stream: av.VideoStream) -> float:
    """Return width / height of a film's pixels."""
    aspect = float(stream.sample_aspect_ratio or 1.0)
    return aspect if 1.0 / MAX_PIXEL_ASPECT <= aspect <= MAX_PIXEL_ASPECT else 1.0


def _convert_frame(
    reformatter: VideoReformatter,
    frame: av.VideoFrame,
    pixel_aspect: float,
    background: Colour,
) -> Array:
    """Return a frame as it is to be shown, (H, W, 3) uint8."""
    has_alpha = any(component.is_alpha for component in frame.format.components)
    is_full_range = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
    # Square pixels: enlarge one side, so that no detail is lost.
    pixels: Array = reformatter.reformat(
        frame,
        width=round(frame.width * max(pixel_aspect, 1.0)),
        height=round(frame.height / min(pixel_aspect, 1.0)),
        format="rgba" if has_alpha else "rgb24",
        src_colorspace=_get_colorspace(frame),
        src_color_range=ColorRange.JPEG if is_full_range else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
    ).to_ndarray()
    return _apply_display_matrix(blend_over(background, pixels) if has_alpha else pixels, frame)


def _get_colorspace(frame: av.VideoFrame) -> Colorspace:
    """Return the matrix by which a frame's colours are coded; players guess it by the size."""
    is_hd = frame.width >= HD_SIZE[0] or frame.height >= HD_SIZE[1]
    guess = Colorspace.ITU709 if is_hd else Colorspace.ITU601
    return COLORSPACES.get(frame.colorspace, guess)


def _apply_display_matrix(image: Array, frame: av.VideoFrame) -> Array:
    """Return an image (H, W, 3), turned and mirrored by its frame's display matrix.

    The matrix maps a pixel (x, y) to (a x + c y, b x + d y); turns are by quarters.
    """
    side_data: Any = frame.side_data
    if SideDataType.DISPLAYMATRIX not in side_data:
        return image
    matrix = np.frombuffer(bytes(side_data[SideDataType.DISPLAYMATRIX]), np.int32)
    a, b, _, c, d = matrix[:5].tolist()
    if abs(b) + abs(c) > abs(a) + abs(d):
        image = image.swapaxes(0, 1)
        a, d = c, b
    vertical = -1 if d < 0 else 1
    horizontal = -1 if a < 0 else 1
    return np.ascontiguousarray(image[::vertical, ::horizontal])
