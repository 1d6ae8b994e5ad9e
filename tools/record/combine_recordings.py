"""Combine recordings: several videos in one, in a grid or in sequence.

`python -m poise.tools.record.combine_recordings` is `poise combine`.
"""

import itertools
import os
import re
import runpy
import sys
from collections.abc import Callable, Iterator, Sequence
from math import ceil, sqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np

from poise.toolkit.console import count_progress
from poise.toolkit.errors import UserError
from poise.toolkit.media.image import (
    CARD_COLOUR,
    caption_height,
    render_caption,
    render_title_card,
)
from poise.toolkit.media.video import open_recorder
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
    caption for each video, or a single empty one for none; by default they name run and step.
    `max_size` limits width and height (pixels). The default frame rate (Hz) is the highest of the
    videos, at most MAX_FRAME_RATE.
    """
    if layout not in LAYOUTS:
        raise UserError(f"unknown layout {layout!r}: choose from {', '.join(LAYOUTS)}")
    if os.path.realpath(out) in map(os.path.realpath, videos):
        raise UserError(f"{out} is one of the videos to combine: choose another --out")
    clips = [Clip(video) for video in videos]
    if not captions:
        captions = make_captions(videos)
    elif not any(captions):
        captions = []
    if captions and len(captions) != len(clips):
        raise UserError(f"{len(captions)} captions for {len(clips)} videos: give one for each")
    frame_rate = fps or min(MAX_FRAME_RATE, max(clip.frame_rate for clip in clips))
    frames = LAYOUTS[layout](clips, captions, frame_rate, max_size or MAX_SIZE, columns)
    durations = [clip.duration for clip in clips]
    titles_seconds = TITLE_SECONDS * len(captions)
    seconds = max(durations) if layout == "grid" else sum(durations) + titles_seconds
    with open_recorder(out, frame_rate) as recorder:
        for frame in count_progress(frames, round(seconds * frame_rate), "frames"):
            recorder.add(frame)
    return out


def make_caption(path: Path) -> str:
    """Return the run and the step of a run's video, else the file name in words.

    `runs/cart-0/videos/step_000010000-seed7.mp4` becomes `cart-0, step 10,000, seed 7`, and
    `episode_000500.mp4` becomes `episode 500`.
    """
    recorded = re.fullmatch(r"step_0*(\d+)(?:-seed(\d+))?", path.stem)
    if recorded is None:
        words = re.sub(r"[_\s]+", " ", path.stem).strip()
        return re.sub(r"(?<!\S)0+(?=\d)", "", words)
    step, seed = recorded.groups()
    parts = [f"step {int(step):,}"]
    folder = path.absolute().parent
    if folder.name == "videos" and (folder.parent / "config.json").is_file():
        parts.insert(0, folder.parent.name)
    if seed is not None:
        parts.append(f"seed {seed}")
    return ", ".join(parts)


def make_captions(paths: Sequence[Path]) -> list[str]:
    """Return a caption for each video; a seed that all of them share is left out."""
    captions = [make_caption(path) for path in paths]
    seeds = {caption.rpartition(", seed ")[2] for caption in captions if ", seed " in caption}
    if len(seeds) == 1:
        captions = [caption.rpartition(", seed ")[0] or caption for caption in captions]
    return captions


def iter_grid_frames(
    clips: list[Clip],
    captions: Sequence[str],
    frame_rate: float,
    max_size: int,
    columns: int | None,
) -> Iterator[Array]:
    """Yield frames (H, W, 3) uint8 with all clips at once, each under its caption.

    A clip that ends before the others shows its last frame, and its caption says when it ended.
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

    def draw_caption(index: int, addition: str = "") -> None:
        top, left = grid.get_cell_corner(*divmod(index, num_columns))
        strip = render_caption(captions[index] + addition, width, strip_height)
        page[top : top + strip_height, left : left + width] = strip

    running = {index: clip.iter_frames(frame_rate, size) for index, clip in enumerate(clips)}
    if captions:
        for index in running:
            draw_caption(index)
    for tick in itertools.count():
        for index, frames in list(running.items()):
            top, left = grid.get_cell_corner(*divmod(index, num_columns))
            top += strip_height
            frame = next(frames, None)
            if frame is not None:
                page[top : top + height, left : left + width] = frame
                continue
            del running[index]
            if captions:
                draw_caption(index, f", ended at {tick / frame_rate:.2f} s")
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
    """Yield frames (H, W, 3) uint8 of one clip after the other, each after its title.

    The first frame of a clip is behind its title, dimmed.
    """
    if columns is not None:
        raise UserError("--columns goes with --layout grid")
    size = fit_size(get_common_size(clips), (max_size, max_size))
    max_font_size = size[1] // 14
    for index, clip in enumerate(clips):
        if captions:
            first_frame = next(clip.iter_frames(frame_rate, size))
            title = render_title_card(captions[index], *size, max_font_size, first_frame)
            for _ in range(round(TITLE_SECONDS * frame_rate)):
                yield title
        yield from clip.iter_frames(frame_rate, size)


Layout = Callable[[list[Clip], Sequence[str], float, int, int | None], Iterator[Array]]
LAYOUTS: dict[str, Layout] = {"grid": iter_grid_frames, "sequence": iter_sequence_frames}


def _get_cell_room(max_size: int, rows: int, columns: int) -> Size:
    """Return the maximum width and height of a cell on a page of `max_size` (pixels)."""
    width = (max_size - GRID_GAP) // columns - GRID_GAP
    height = (max_size - GRID_GAP) // rows - GRID_GAP
    return width, height


if __name__ == "__main__":
    sys.argv[1:1] = ["combine"]
    runpy.run_module("poise", run_name="__main__")
