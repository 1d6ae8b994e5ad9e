"""Images to video: a folder of numbered or dated images as one video, one frame each.

`python -m poise.tools.record.images_to_video` is `poise images-to-video`.
"""

import re
import runpy
import sys
from pathlib import Path

from poise.toolkit.console import count_progress
from poise.toolkit.errors import UserError
from poise.toolkit.media.video import open_recorder
from poise.tools.record.clips import MAX_SIZE, Clip, fit_size, get_common_size

DEFAULT_FRAME_RATE = 25
"""Default frame rate (Hz)."""


IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".avif")


def images_to_video(
    folder: Path, out: Path, *, fps: int | None = None, max_size: int | None = None
) -> Path:
    """Write all images of a folder to a video, .mp4 or .gif, in the order of `list_images`.

    All frames have the size of the largest image, at most `max_size` wide and high (pixels);
    smaller images are centred on a plain background. Return `out`.
    """
    clips = [Clip(path) for path in list_images(folder)]
    max_side = max_size or MAX_SIZE
    size = fit_size(get_common_size(clips), (max_side, max_side))
    frame_rate = fps or DEFAULT_FRAME_RATE
    with open_recorder(out, frame_rate) as recorder:
        for clip in count_progress(clips, len(clips), "pictures"):
            recorder.add(next(clip.iter_frames(frame_rate, size)))
    return out


def list_images(folder: Path) -> list[Path]:
    """Return the images of a folder in natural order: frame_2 before frame_10.

    A UserError if the folder does not exist or holds no image.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder")
    paths = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    ]
    if not paths:
        raise UserError(f"{folder} holds no images ({', '.join(IMAGE_SUFFIXES)})")
    return sorted(paths, key=_natural_sort_key)


def _natural_sort_key(path: Path) -> tuple[list[str | int], str]:
    """Return the words and numbers of a file name in turn, then the name itself."""
    pieces = re.split(r"(\d+)", path.stem.lower())  # Odd indices hold the numbers.
    return [int(piece) if index % 2 else piece for index, piece in enumerate(pieces)], path.name


if __name__ == "__main__":
    sys.argv[1:1] = ["images-to-video"]
    runpy.run_module("poise", run_name="__main__")
