"""Images to video: a folder of numbered or dated pictures as one film."""

import re
from pathlib import Path

from poise.toolkit.errors import UserError
from poise.toolkit.media.video import open_atomic_recorder
from poise.tools.record.clips import MAX_SIZE, Clip, fit_size, get_common_size

DEFAULT_FRAME_RATE = 25
"""Pictures in a second, where nothing else is said."""


IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")


def images_to_video(
    folder: Path, out: Path, *, fps: int | None = None, max_size: int | None = None
) -> Path:
    """Make a film, an .mp4 or a .gif, of all pictures in a folder, one frame each; smaller ones get paper around them."""
    clips = [Clip(path) for path in list_images(folder)]
    size = fit_size(get_common_size(clips), (max_size or MAX_SIZE, max_size or MAX_SIZE))
    rate = fps or DEFAULT_FRAME_RATE
    with open_atomic_recorder(out, rate) as film:
        for clip in clips:
            film.add(next(clip.iter_frames(rate, size)))
    return out


def list_images(folder: Path) -> list[Path]:
    """The pictures of a folder in the order in which people count: frame_2 before frame_10."""
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder")
    found = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    ]
    if not found:
        raise UserError(f"{folder} holds no pictures: {', '.join(IMAGE_SUFFIXES)}")
    return sorted(found, key=_natural_sort_key)


def _natural_sort_key(path: Path) -> tuple[list[str | int], str]:
    """What to sort a name by: its words and its numbers, in turn."""
    pieces = re.split(r"(\d+)", path.stem.lower())
    return [int(piece) if place % 2 else piece for place, piece in enumerate(pieces)], path.name


if __name__ == "__main__":
    from poise.cli import images_to_video as command

    command()
