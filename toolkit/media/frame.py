"""Frames (H, W, 3) uint8, out of whatever environments render; pictures of them on the disk."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from poise.toolkit.appearance import Colour
from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.files import atomic_write, make_folder
from poise.toolkit.spaces import Array

WHITE: Colour = (255, 255, 255)

PICTURE_SUFFIX = ".png"
"""Suffix of the pictures that are written."""


class Renderable(Protocol):
    """An environment that renders; gymnasium.Env is one."""

    def render(self) -> Any:
        """Return an image, in whatever form the environment's author chose."""


def render_frame(env: Renderable) -> Array:
    """Return what `env.render()` returns as a frame (H, W, 3) uint8.

    Raises:
        WorkError: it is no image.
    """
    image = env.render()
    try:
        return convert_to_frame(image)
    except ValueError as error:
        name = getattr(getattr(env, "spec", None), "id", type(env).__name__)
        raise WorkError(f"environment {name!r} cannot be rendered: it returns {error}") from None


def convert_to_frame(image: Any) -> Array:
    """Return an image as a frame (H, W, 3) uint8; a frame is returned unchanged.

    An image has one value a pixel (grey) or 1 to 4 channels (the second or fourth is opacity, over
    white), last or first; uint8, other integers in [0, 255], floats in [0, 1] or [0, 255], 16 bits,
    or bool. Of a list of images, the last counts.

    Raises:
        ValueError: it is no image; the message says what it is.
    """
    if isinstance(image, list | tuple) and image and isinstance(image[-1], np.ndarray):
        image = image[-1]
    try:
        pixels: Array = np.asarray(image)
    except ValueError:
        raise ValueError("a list whose rows differ in length, which is no image") from None
    if pixels.dtype.kind not in "buif":
        kind = "None" if image is None else f"a {type(image).__name__}"
        raise ValueError(f"{kind}, which is no image (H, W, 3) uint8")
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim == 3 and pixels.shape[2] > 4 and pixels.shape[0] <= 4:
        pixels = np.moveaxis(pixels, 0, 2)
    if pixels.ndim != 3 or not 1 <= pixels.shape[2] <= 4 or not pixels.size:
        raise ValueError(f"an array of shape {np.shape(image)}, which is no image (H, W, 3)")
    pixels = scale_to_bytes(pixels)
    if pixels.shape[2] == 3:
        return pixels
    if pixels.shape[2] <= 2:
        grey, opacity = pixels[..., :1], pixels[..., 1:]
        pixels = np.concatenate([grey, grey, grey, opacity], axis=2)
    return pixels if pixels.shape[2] == 3 else blend_over(WHITE, pixels)


def scale_to_bytes(values: Array) -> Array:
    """Return pixel values of another type as uint8, scaled from the range that they fill.

    Raises:
        ValueError: a value is not finite, negative, or too large.
    """
    if values.dtype == np.uint8:
        return values
    numbers = values.astype(np.float64)
    lowest = numbers.min()
    highest = numbers.max()
    if not np.isfinite([lowest, highest]).all():
        raise ValueError("an image with values that are not finite")
    is_unit_range = values.dtype.kind in "bf" and highest <= 1.0
    is_16_bit = values.dtype == np.uint16 and highest > 255
    scale = 255.0 if is_unit_range else 1.0 / 257.0 if is_16_bit else 1.0
    if lowest < 0.0 or scale * highest > 255.0:
        raise ValueError(f"an image with values from {lowest:g} to {highest:g}")
    return np.rint(scale * numbers).astype(np.uint8)


def blend_over(background: Colour, pixels: Array) -> Array:
    """Return pixels (H, W, 4) uint8 over a plain background: (H, W, 3) uint8."""
    opacity = pixels[..., 3:] / 255.0  # (H, W, 1)
    blended = pixels[..., :3] * opacity + np.array(background) * (1.0 - opacity)
    return np.rint(blended).astype(np.uint8)


def save_picture(path: Path, frame: Array) -> Path:
    """Write a frame (H, W, 3) uint8 as a PNG, atomically; another suffix is a UserError."""
    if path.suffix.lower() != PICTURE_SUFFIX:
        raise UserError(f"a picture is written as {PICTURE_SUFFIX}, not as {path.name!r}")
    make_folder(path.parent)
    with atomic_write(path) as partial:
        Image.fromarray(frame).save(partial, format="PNG")
    return path
