"""Pictures and films come out as they are meant to be shown, or as an error of one line."""

import os
import struct
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace
from frames import write_display_matrix, write_film
from PIL import Image

from poise.toolkit.errors import UserError
from poise.toolkit.media.reader import MAX_PIXELS, WHITE, MediaFile, read_picture
from poise.toolkit.media.video import read_frame_rate, read_video
from poise.tools.mimic.targets import load_image_targets, load_video_targets
from poise.tools.record.clips import Clip

RED = (220, 0, 0)
GREEN = (0, 160, 0)
BLUE = (0, 0, 200)


def make_corners(height: int = 32, width: int = 48) -> np.ndarray:
    """Return an image with four colours, so that each of its 8 orientations is another image."""
    image = np.full((height, width, 3), BLUE, np.uint8)
    image[: height // 2, : width // 2] = RED
    image[: height // 2, width // 2 :] = GREEN
    image[height // 2 :, : width // 2] = (230, 220, 40)
    return image


def make_square() -> np.ndarray:
    """Return a red square on green."""
    image = np.full((64, 64, 3), GREEN, np.uint8)
    image[16:48, 16:48] = RED
    return image


def assert_alike(one: np.ndarray, two: np.ndarray, mean_error: float = 6.0) -> None:
    """Assert that two images are equal but for compression."""
    assert one.shape == two.shape and one.dtype == np.uint8
    assert np.abs(one.astype(int) - two.astype(int)).mean() < mean_error


# Orientation.

STORED_BY_ORIENTATION = {
    1: lambda shown: shown,
    2: lambda shown: shown[:, ::-1],
    3: lambda shown: np.rot90(shown, 2),
    4: lambda shown: shown[::-1],
    5: lambda shown: shown.swapaxes(0, 1),
    6: lambda shown: np.rot90(shown, 1),
    7: lambda shown: np.rot90(shown.swapaxes(0, 1), 2),
    8: lambda shown: np.rot90(shown, -1),
}
"""How a picture is stored, by its EXIF orientation."""


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", STORED_BY_ORIENTATION)
def test_picture_is_turned_by_its_exif_orientation(tmp_path, suffix, orientation):
    shown = make_corners()
    stored = np.ascontiguousarray(STORED_BY_ORIENTATION[orientation](shown))
    exif = Image.Exif()
    exif[0x112] = orientation
    path = tmp_path / f"picture.{suffix}"
    Image.fromarray(stored).save(path, exif=exif, quality=98)
    assert_alike(read_picture(path), shown)
    clip = Clip(path)
    assert (clip.height, clip.width) == shown.shape[:2]
    assert_alike(load_image_targets([path], (32, 48))[0].image, shown)


@pytest.mark.parametrize(
    ("matrix", "orientation"),
    [
        ((1, 0, 0, 1), 1),
        ((-1, 0, 0, 1), 2),
        ((-1, 0, 0, -1), 3),
        ((1, 0, 0, -1), 4),
        ((0, 1, 1, 0), 5),
        ((0, 1, -1, 0), 6),
        ((0, -1, -1, 0), 7),
        ((0, -1, 1, 0), 8),
    ],
)
def test_film_is_turned_and_mirrored_by_its_display_matrix(tmp_path, matrix, orientation):
    shown = make_corners()
    path = tmp_path / "film.mp4"
    write_film(path, [STORED_BY_ORIENTATION[orientation](shown)] * 3)
    write_display_matrix(path, matrix)
    for image in read_video(path):
        assert_alike(image, shown)
    clip = Clip(path)
    assert (clip.height, clip.width) == shown.shape[:2]
    assert_alike(load_video_targets(path, (32, 48))[0].image, shown)


# Shape and colours.


@pytest.mark.parametrize(
    ("aspect", "shape"), [(Fraction(2), (32, 96)), (Fraction(1, 2), (64, 48)), (None, (32, 48))]
)
def test_film_is_shown_in_the_aspect_ratio_of_its_pixels(tmp_path, aspect, shape):
    path = write_film(tmp_path / "film.mp4", [make_corners()] * 2, pixel_aspect=aspect)
    assert next(read_video(path)).shape[:2] == shape


@pytest.mark.parametrize("pixel_format", ["yuv444p", "yuv444p10le"])
@pytest.mark.parametrize("color_range", [ColorRange.MPEG, ColorRange.JPEG])
@pytest.mark.parametrize("colorspace", [Colorspace.ITU601, Colorspace.ITU709])
def test_colours_of_a_film_are_decoded_as_they_were_coded(
    tmp_path, pixel_format, color_range, colorspace
):
    image = make_corners()
    path = write_film(
        tmp_path / "film.mp4",
        [image] * 2,
        pixel_format=pixel_format,
        colorspace=colorspace,
        color_range=color_range,
    )
    assert_alike(next(read_video(path)), image, 3.0)


def write_png(path: Path, size: tuple[int, int], depth: int, rows: bytes) -> None:
    """Write RGB rows, each after its filter byte, as a PNG of a size (width, height)."""
    header = struct.pack(">IIBBBBB", *size, depth, 2, 0, 0, 0)
    parts = [b"\x89PNG\r\n\x1a\n"]
    for name, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        checksum = struct.pack(">I", zlib.crc32(name + data))
        parts.append(struct.pack(">I", len(data)) + name + data + checksum)
    path.write_bytes(b"".join(parts))


def grey_of(image: np.ndarray) -> np.ndarray:
    """Return an image in grey, (H, W) uint8."""
    return np.asarray(Image.fromarray(image).convert("L"))


def write_picture(path: Path, kind: str, image: np.ndarray) -> np.ndarray:
    """Write an image in a kind of coding; return it as it should be shown."""
    picture = Image.fromarray(image)
    grey = np.repeat(grey_of(image)[..., None], 3, axis=2)
    opaque = np.full((*image.shape[:2], 1), 255, np.uint8)
    clear_top = opaque.copy()
    clear_top[:8] = 0
    over_white = image.copy()
    over_white[:8] = WHITE
    grey_over_white = grey.copy()
    grey_over_white[:8] = WHITE
    deep = grey_of(image).astype(np.uint16) * 257
    palette = Image.Palette.ADAPTIVE
    if kind == "rgb16.png":
        rows = b"".join(b"\0" + (row.astype(">u2") * 257).tobytes() for row in image)
        write_png(path, (image.shape[1], image.shape[0]), 16, rows)
        return image
    coded, shown, options = {
        "rgb.png": (picture, image, {}),
        "rgb.jpg": (picture, image, {"quality": 98}),
        "progressive.jpg": (picture, image, {"quality": 98, "progressive": True}),
        "rgb.bmp": (picture, image, {}),
        "rgb.webp": (picture, image, {"lossless": True}),
        "rgb.tif": (picture, image, {"compression": "tiff_lzw"}),
        "rgb.gif": (picture, image, {}),
        "rgb.ppm": (picture, image, {}),
        "palette.png": (picture.convert("P", palette=palette), image, {}),
        "cmyk.jpg": (picture.convert("CMYK"), image, {"quality": 98}),
        "cmyk.tif": (picture.convert("CMYK"), image, {}),
        "grey.png": (picture.convert("L"), grey, {}),
        "grey.jpg": (picture.convert("L"), grey, {"quality": 98}),
        "grey16.png": (Image.fromarray(deep), grey, {}),
        "grey16.tif": (Image.fromarray(deep), grey, {}),
        "grey32.tif": (Image.fromarray(deep.astype(np.int32)), grey, {}),
        "float.tif": (Image.fromarray(grey_of(image).astype(np.float32) / 255), grey, {}),
        "float255.tif": (Image.fromarray(grey_of(image).astype(np.float32)), grey, {}),
        "alpha.png": (Image.fromarray(np.dstack([image, clear_top])), over_white, {}),
        "alpha.webp": (
            Image.fromarray(np.dstack([image, clear_top])),
            over_white,
            {"lossless": True},
        ),
        "grey-alpha.png": (
            Image.fromarray(np.dstack([grey_of(image), clear_top])),
            grey_over_white,
            {},
        ),
        "opaque.png": (Image.fromarray(np.dstack([image, opaque])), image, {}),
    }[kind]  # fmt: skip
    coded.save(path, **options)
    return shown


@pytest.mark.parametrize(
    "kind",
    [
        "rgb.png", "rgb.jpg", "progressive.jpg", "rgb.bmp", "rgb.webp", "rgb.tif", "rgb.gif",
        "rgb.ppm", "palette.png", "cmyk.jpg", "cmyk.tif", "grey.png", "grey.jpg", "grey16.png",
        "grey16.tif", "grey32.tif", "float.tif", "float255.tif", "alpha.png", "alpha.webp",
        "grey-alpha.png", "opaque.png", "rgb16.png",
    ],
)  # fmt: skip
def test_picture_of_any_coding_shows_its_colours(tmp_path, kind):
    path = tmp_path / kind
    shown = write_picture(path, kind, make_square())
    for image in (
        read_picture(path),
        load_image_targets([path], (64, 64))[0].image,
        next(MediaFile(path).iter_timed_frames()).image,
    ):
        assert_alike(image, shown)
    assert Clip(path).width == 64


def test_transparent_colour_of_a_png_shows_the_background(tmp_path):
    path = tmp_path / "key.png"
    Image.fromarray(make_square()).save(path, transparency=RED)
    image = read_picture(path, background=BLUE)
    assert tuple(image[32, 32]) == BLUE and tuple(image[2, 2]) == GREEN


# Times.


@pytest.mark.parametrize(
    ("times", "rate", "duration"),
    [
        ([0, 2, 4], 0.5, 6.0),
        ([0, 0.08, 0.16, 0.24], 12.5, 0.32),
        ([0, 0.033, 0.067, 0.1, 0.133, 0.167], 29.94, 0.2),
        ([0, 0.1, 0.2, 4.0, 5.9], 10, 6.0),
        ([0, 3.0, 3.001, 3.1], 60, 3.13),
    ],
)
def test_film_is_sampled_by_presentation_time_and_keeps_its_duration(
    tmp_path, times, rate, duration
):
    images = [np.full((32, 32, 3), 40 * (1 + index), np.uint8) for index in range(len(times))]
    path = write_film(tmp_path / "film.mp4", images, rate=min(rate, 30), times=times)
    assert read_frame_rate(path) == pytest.approx(rate, rel=0.02)
    targets = load_video_targets(path, (32, 32))
    measured_rate = read_frame_rate(path)
    assert len(targets) / measured_rate == pytest.approx(duration, abs=1.1 / measured_rate)
    for index, target in enumerate(targets):
        shown = sum(time < index / measured_rate + 0.002 for time in times) - 1
        assert abs(float(target.image.mean()) - 40 * (1 + shown)) < 6
    clip_frames = list(Clip(path).iter_frames(20, (32, 32)))
    assert len(clip_frames) == pytest.approx(20 * duration, abs=2)


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_animated_picture_is_a_film_and_its_first_frame_a_picture(tmp_path, suffix):
    path = tmp_path / f"animated.{suffix}"
    images = [Image.fromarray(np.full((32, 32, 3), shade, np.uint8)) for shade in (60, 120, 180)]
    durations = [200, 600, 200]
    images[0].save(path, save_all=True, append_images=images[1:], duration=durations, loop=0)
    media = MediaFile(path)
    assert media.duration == pytest.approx(1.0) and media.frame_rate == 5
    shades = [float(image.mean()) for image in media.iter_frames(media.frame_rate)]
    np.testing.assert_allclose(shades, [60, 120, 120, 120, 180], atol=4)
    assert read_picture(path).mean() == pytest.approx(60, abs=4)


def test_time_stamps_of_many_days_are_refused(tmp_path):
    images = [np.full((32, 32, 3), 90, np.uint8)] * 3
    path = write_film(tmp_path / "film.mkv", images, times=[0, 1, 2_000_000])
    with pytest.raises(UserError, match="lasts 556 hours by its time stamps"):
        MediaFile(path)


# Limits and damage.


def test_image_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path):
    side = int(MAX_PIXELS**0.5) + 1
    png = tmp_path / "bomb.png"
    write_png(png, (side, side), 8, bytes(99))
    film = tmp_path / "bomb.mp4"
    film.write_bytes(f"YUV4MPEG2 W{side} H{side} F25:1 Ip C420\nFRAME\n".encode() + bytes(9))
    gif = tmp_path / "bomb.gif"
    gif.write_bytes(b"GIF89a" + struct.pack("<HH", 65535, 65535) + bytes(3) + b"\x2c" + bytes(40))
    for path in (png, film, gif):
        with pytest.raises(UserError, match="too large: images of up to 80 million pixels"):
            MediaFile(path)


SVG = '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"><rect width="9"/></svg>'


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("drawing.png", SVG.encode(), "it is an SVG drawing; export it as PNG"),
        ("words.mp4", b"words " * 100, "it is text"),
        ("list.mp4", b"#EXTM3U\n#EXTINF:9,\nhttp://localhost/film.ts\n", "it is text"),
        ("empty.png", b"", "it is empty"),
        ("noise.jpg", bytes(range(256)) * 9, "noise.jpg"),
        ("folder.png", None, "it is not a regular file"),
        ("missing.png", None, "there is no such file"),
    ],
)
def test_file_that_holds_no_images_is_an_error_that_names_what_it_is(
    tmp_path, name, content, message
):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    elif name == "folder.png":
        path.mkdir()
    for read in (MediaFile, read_picture):
        with pytest.raises(UserError, match=message) as caught:
            read(path)
        assert len(str(caught.value).splitlines()) == 1 and name in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="only POSIX has named pipes")
def test_named_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(UserError, match="not a regular file"):
        MediaFile(tmp_path / "pipe.mp4")


@pytest.mark.parametrize("kind", ["rgb.png", "rgb.jpg", "rgb.webp", "rgb.gif", "rgb.tif", "film"])
def test_damaged_file_is_read_or_is_an_error_of_one_line(tmp_path, kind):
    path = tmp_path / kind
    if kind == "film":
        path = write_film(tmp_path / "film.mp4", [make_square()] * 4)
    else:
        write_picture(path, kind, make_square())
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    damaged = [whole[: len(whole) * part // 12] for part in range(12)]
    for _ in range(12):
        flipped = bytearray(whole)
        for place in rng.integers(0, len(whole), 3):
            flipped[place] ^= 1 << int(rng.integers(8))
        damaged.append(bytes(flipped))
    for content in damaged:
        path.write_bytes(content)
        try:
            list(MediaFile(path).iter_timed_frames())
        except UserError as error:
            assert len(str(error).splitlines()) == 1
