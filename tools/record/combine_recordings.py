"""Combine recordings: several videos in one, in a grid or in sequence; or as a contact sheet.

`python -m poise.tools.record.combine_recordings` is `poise combine`.
"""

import re
import runpy
import sys
from collections.abc import Callable, Iterator, Sequence
from math import ceil, sqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np

from poise.toolkit.errors import UserError
from poise.toolkit.media.frame import save_picture
from poise.toolkit.media.image import (
    CARD_COLOUR,
    caption_height,
    render_title_card,
)
from poise.toolkit.media.video import open_atomic_recorder
from poise.toolkit.spaces import Array
from poise.tools.record.clips import MAX_SIZE, Clip, Size, fit_size, get_common_size

MAX_FRAME_RATE = 60
"""Maximum default frame rate (Hz)."""


GRID_GAP = 4
"""Space between the cells of a grid (pixels)."""


MIN_CELL_SIZE = 16
"""Minimum room for a video in a grid (pixels)."""


TITLE_SECONDS = 1.5
"""Duration of a title in a sequence (s)."""


SHEET_COLUMNS = 6
"""Frames of each video on a contact sheet, at equal intervals of the longest video's duration."""


class Grid(NamedTuple):
    """Cells of one size on a page, GRID_GAP apart and from its edges (pixels)."""

    rows: int
    columns: int
    cell_width: int
    cell_height: int

    def make_page(self) -> Array:
        """Return an empty page (H, W, 3) uint8."""
        height = GRID_GAP + self.rows * (self.cell_height + GRID_GAP)
        width = GRID_GAP + self.columns * (self.cell_width + GRID_GAP)
        return np.full((height, width, 3), CARD_COLOUR, np.uint8)

    def get_cell_corner(self, row: int, column: int) -> tuple[int, int]:
        """Return top and left of a cell (pixels)."""
        top = GRID_GAP + row * (self.cell_height + GRID_GAP)
        left = GRID_GAP + column * (self.cell_width + GRID_GAP)
        return top, left


def combine(
    videos: Sequence[Path],
    out: Path,
    *,
    layout: str = "grid",
    columns: int | None = None,
    captions: Sequence[str] = (),
    max_size: int | None = None,
    fps: int | None = None,
) -> Path:
    """Combine videos of any sizes and frame rates into one, in constant memory; return its path.

    `out` is an .mp4 or a .gif; it exists only if all of it was written. The layout is "grid", all
    at once in about as many `columns` as rows, or "sequence", one after the other. There is one
    caption for each video, or a single empty one for none; by default they are the file names.
    `max_size` limits width and height (pixels). The default frame rate (Hz) is the highest of the
    videos, at most MAX_FRAME_RATE.
    """
    if layout not in LAYOUTS:
        raise UserError(f"unknown layout {layout!r}: choose from {', '.join(LAYOUTS)}")
    if out.resolve() in {video.resolve() for video in videos}:
        raise UserError(f"{out} is one of the videos to combine: choose another --out")
    clips = [Clip(video) for video in videos]
    if not captions:
        captions = [make_caption(video) for video in videos]
    elif not any(captions):
        captions = []
    if captions and len(captions) != len(clips):
        raise UserError(f"{len(captions)} captions for {len(clips)} videos: give one for each")
    frame_rate = fps or min(MAX_FRAME_RATE, max(clip.frame_rate for clip in clips))
    frames = LAYOUTS[layout](clips, captions, frame_rate, max_size or MAX_SIZE, columns)
    with open_atomic_recorder(out, frame_rate) as recorder:
        for frame in frames:
            recorder.add(frame)
    return out


def make_caption(path: Path) -> str:
    """Return a file name in words: `episode_000500.mp4` becomes `episode 500`."""
    words = re.sub(r"[_\s]+", " ", path.stem).strip()
    return re.sub(r"(?<!\S)0+(?=\d)", "", words)


def iter_grid_frames(
    clips: list[Clip],
    captions: Sequence[str],
    frame_rate: float,
    max_size: int,
    columns: int | None,
) -> Iterator[Array]:
    """Yield frames (H, W, 3) uint8 with all clips at once, each under its caption.

    A clip that ends before the others shows its last frame.
    """
    num_columns = min(len(clips), columns or ceil(sqrt(len(clips))))
    num_rows = ceil(len(clips) / num_columns)
    room_width, room_height = _get_cell_room(max_size, num_rows, num_columns)
    clip_size = get_common_size(clips)
    strip_height = caption_height(min(clip_size[1], room_height)) if captions else 0
    room_height -= strip_height
    if min(room_width, room_height) < MIN_CELL_SIZE:
        raise UserError(
            f"{len(clips)} videos do not fit into {max_size} pixels: "
            "choose a larger --max-size or other --columns"
        )
    size = fit_size(clip_size, (room_width, room_height))
    width, height = size
    grid = Grid(num_rows, num_columns, width, strip_height + height)
    page = grid.make_page()
    running: dict[tuple[int, int], Iterator[Array]] = {}
    for index, clip in enumerate(clips):
        top, left = grid.get_cell_corner(*divmod(index, num_columns))
        if captions:
            title = render_title_card(captions[index], width, strip_height, strip_height)
            page[top : top + strip_height, left : left + width] = title
        running[top + strip_height, left] = clip.iter_frames(frame_rate, size)
    while True:
        for (top, left), frames in list(running.items()):
            frame = next(frames, None)
            if frame is None:
                del running[top, left]
            else:
                page[top : top + height, left : left + width] = frame
        if not running:
            return
        yield page.copy()


def iter_sequence_frames(
    clips: list[Clip],
    captions: Sequence[str],
    frame_rate: float,
    max_size: int,
    columns: int | None,
) -> Iterator[Array]:
    """Yield frames (H, W, 3) uint8 of one clip after the other, each after its title."""
    if columns is not None:
        raise UserError("--columns goes with --layout grid")
    size = fit_size(get_common_size(clips), (max_size, max_size))
    max_font_size = size[1] // 10
    for index, clip in enumerate(clips):
        if captions:
            title = render_title_card(captions[index], *size, max_font_size)
            for _ in range(round(TITLE_SECONDS * frame_rate)):
                yield title
        yield from clip.iter_frames(frame_rate, size)


Layout = Callable[[list[Clip], Sequence[str], float, int, int | None], Iterator[Array]]
LAYOUTS: dict[str, Layout] = {"grid": iter_grid_frames, "sequence": iter_sequence_frames}


def make_contact_sheet(videos: Sequence[Path], out: Path, max_size: int = MAX_SIZE) -> Path:
    """Write a PNG with a row of SHEET_COLUMNS frames for each video; return `out`.

    It is at most `max_size` wide and high (pixels), and it exists only if all of it was written.
    Cells after the end of a shorter video stay empty.
    """
    clips = [Clip(video) for video in videos]
    longest = max(clip.duration for clip in clips)
    room = _get_cell_room(max_size, len(clips), SHEET_COLUMNS)
    size = fit_size(get_common_size(clips), room)
    width, height = size
    grid = Grid(len(clips), SHEET_COLUMNS, width, height)
    page = grid.make_page()
    for row, clip in enumerate(clips):
        frames = clip.iter_frames(SHEET_COLUMNS / longest, size)
        for column, frame in zip(range(SHEET_COLUMNS), frames, strict=False):
            top, left = grid.get_cell_corner(row, column)
            page[top : top + height, left : left + width] = frame
    return save_picture(out, page)


def _get_cell_room(max_size: int, rows: int, columns: int) -> Size:
    """Return the maximum width and height of a cell on a page of `max_size` (pixels)."""
    width = (max_size - GRID_GAP) // columns - GRID_GAP
    height = (max_size - GRID_GAP) // rows - GRID_GAP
    return width, height


if __name__ == "__main__":
    sys.argv[1:1] = ["combine"]
    runpy.run_module("poise", run_name="__main__")
