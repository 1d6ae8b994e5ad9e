"""What environments render becomes a frame (H, W, 3) uint8, or an error of one line."""

import numpy as np
import pytest

from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.media.frame import convert_to_frame, render_frame, save_picture
from poise.toolkit.media.reader import read_picture

GREY = np.full((48, 64), 100, np.uint8)
COLOUR = np.arange(48 * 64 * 3, dtype=np.uint8).reshape(48, 64, 3)


class Renders:
    """An environment that renders a given object."""

    def __init__(self, image):
        self.image = image

    def render(self):
        return self.image


def test_frame_is_returned_without_a_copy():
    assert convert_to_frame(COLOUR) is COLOUR


@pytest.mark.parametrize(
    "image",
    [
        GREY,
        GREY[..., None],
        GREY.tolist(),
        GREY.astype(np.int64),
        GREY.astype(np.uint16) * 257,
        GREY / 255.0,
        GREY.astype(np.float32),
        np.repeat(GREY[None], 3, axis=0),
        np.dstack([GREY, np.full_like(GREY, 255)]),
        np.dstack([GREY, GREY, GREY, np.full_like(GREY, 255)]),
        np.asfortranarray(np.dstack([GREY] * 3))[::-1],
        [np.dstack([GREY] * 3)],
        [GREY, GREY],
    ],
)
def test_image_of_any_form_becomes_the_same_frame(image):
    frame = convert_to_frame(image)
    assert frame.dtype == np.uint8
    np.testing.assert_array_equal(frame, np.full((48, 64, 3), 100))


def test_transparent_pixels_show_white_and_bool_is_black_and_white():
    clear = np.dstack([COLOUR, np.zeros((48, 64), np.uint8)])
    assert (convert_to_frame(clear) == 255).all()
    np.testing.assert_array_equal(convert_to_frame(GREY > 200), np.zeros((48, 64, 3)))
    np.testing.assert_array_equal(convert_to_frame(GREY > 0), np.full((48, 64, 3), 255))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, "it returns None, which is no image"),
        ("image", "it returns a str"),
        ({}, "it returns a dict"),
        ([], "shape"),
        ([[1, 2], [3]], "rows differ in length"),
        (np.zeros(5), r"shape \(5,\)"),
        (np.zeros((0, 4, 3)), r"shape \(0, 4, 3\)"),
        (np.zeros((9, 9, 7)), r"shape \(9, 9, 7\)"),
        (np.full((4, 4, 3), np.nan), "not finite"),
        (np.full((4, 4, 3), -1.0), "values from -1 to -1"),
        (np.full((4, 4, 3), 300), "values from 300 to 300"),
        (np.zeros((4, 4, 3), complex), "it returns a ndarray"),
    ],
)
def test_what_is_no_image_is_an_error_of_one_line_that_names_the_environment(image, message):
    with pytest.raises(WorkError, match=message) as caught:
        render_frame(Renders(image))
    assert "'Renders'" in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_picture_is_written_as_png_whole_or_not_at_all(tmp_path):
    path = save_picture(tmp_path / "new" / "picture.PNG", COLOUR)
    assert path.read_bytes().startswith(b"\x89PNG")
    np.testing.assert_array_equal(read_picture(path), COLOUR)
    with pytest.raises(UserError, match=r"written as \.png, not as 'picture\.tif'"):
        save_picture(tmp_path / "picture.tif", COLOUR)
    assert [item.name for item in tmp_path.iterdir()] == ["new"]
