"""Combine recordings: many films side by side in one, or one after the other with a title before each."""

import re
from collections.abc import Callable, Iterator, Sequence
from math import ceil, sqrt
from pathlib import Path

import numpy as np
import pygame

from poise.toolkit.errors import UserError
from poise.toolkit.files import atomic_write
from poise.toolkit.media.image import (
    CARD_COLOUR,
    caption_height,
    frame_to_surface,
    render_title_card,
)
from poise.toolkit.media.video import decode_frames, open_atomic_recorder
from poise.toolkit.spaces import Array
from poise.tools.record.clips import MAX_SIZE, Clip, Size, fit_size, get_common_size

MAX_FRAME_RATE = 60
"""Frames in a second that are enough, where nothing else is said."""


GRID_GAP = 4
"""Between the pictures of a grid (pixels)."""


TITLE_SECONDS = 1.5
"""How long a title stays (s)."""


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
    """Put films into one, an .mp4 or a .gif, whatever their sizes and rates; in constant memory, however long they are.

    `captions` has one for each film, or a single empty one for no captions; left out, they are made from the file names.
    """
    if layout not in LAYOUTS:
        raise UserError(f"unknown layout {layout!r}: choose from {', '.join(LAYOUTS)}")
    if out.resolve() in {video.resolve() for video in videos}:
        raise UserError(f"{out} is one of the films that go into it: choose another --out")
    clips = [Clip(video) for video in videos]
    if not captions:
        captions = [make_caption(video) for video in videos]
    elif not any(captions):
        captions = []
    if captions and len(captions) != len(clips):
        raise UserError(f"{len(captions)} captions for {len(clips)} films: give one for each")
    rate = fps or min(MAX_FRAME_RATE, max(clip.frame_rate for clip in clips))
    with open_atomic_recorder(out, rate) as film:
        for frame in LAYOUTS[layout](clips, captions, rate, max_size or MAX_SIZE, columns):
            film.add(frame)
    return out


def make_caption(path: Path) -> str:
    """What a file's name says, in words: `episode_000500.mp4` is `episode 500`."""
    words = re.sub(r"[_\s]+", " ", path.stem).strip()
    return re.sub(r"(?<!\S)0+(?=\d)", "", words)


def iter_grid_frames(
    clips: list[Clip],
    captions: Sequence[str],
    frame_rate: float,
    max_size: int,
    columns: int | None,
) -> Iterator[Array]:
    """All at once, row after row, each under its caption; the last frame of a shorter one is held."""
    across = min(len(clips), columns or ceil(sqrt(len(clips))))
    down = ceil(len(clips) / across)
    room = (max_size - GRID_GAP) // across - GRID_GAP, (max_size - GRID_GAP) // down - GRID_GAP
    whole = get_common_size(clips)
    strip = caption_height(min(whole[1], room[1])) if captions else 0
    width, height = size = fit_size(whole, (room[0], room[1] - strip))
    if min(room[0], room[1] - strip) < 16:
        raise UserError(
            f"{len(clips)} films have no room in {max_size} pixels: a larger --max-size, or other --columns"
        )
    page = np.empty(
        ((height + strip + GRID_GAP) * down + GRID_GAP, (width + GRID_GAP) * across + GRID_GAP, 3),
        np.uint8,
    )
    page[:] = CARD_COLOUR
    running: dict[tuple[int, int], Iterator[Array]] = {}
    for index, clip in enumerate(clips):
        top, left = (
            GRID_GAP + index // across * (height + strip + GRID_GAP),
            GRID_GAP + index % across * (width + GRID_GAP),
        )
        if captions:
            page[top : top + strip, left : left + width] = render_title_card(
                captions[index], width, strip, strip
            )
        running[top + strip, left] = clip.iter_frames(frame_rate, size)
    while True:
        for (top, left), frames in list(running.items()):
            if (frame := next(frames, None)) is None:
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
    """One after the other, each after its title."""
    if columns is not None:
        raise UserError("--columns goes with --layout grid")
    size: Size = fit_size(get_common_size(clips), (max_size, max_size))
    for index, clip in enumerate(clips):
        if captions:
            title = render_title_card(captions[index], *size, size[1] // 10)
            for _ in range(round(TITLE_SECONDS * frame_rate)):
                yield title
        yield from clip.iter_frames(frame_rate, size)


LAYOUTS: dict[
    str, Callable[[list[Clip], Sequence[str], float, int, int | None], Iterator[Array]]
] = {
    "grid": iter_grid_frames,
    "sequence": iter_sequence_frames,
}


SHEET_COLUMNS = 6
"""Pictures of each film, evenly spread over the time that the longest takes; one that has ended has none any more."""


def make_contact_sheet(videos: Sequence[Path], out: Path, max_size: int = MAX_SIZE) -> Path:
    """Put moments of films into one picture (PNG), at most so wide and high (pixels); it is there whole or not at all."""
    clips = [Clip(video) for video in videos]
    longest = max(sum(1 for _ in decode_frames(clip.path)) / clip.frame_rate for clip in clips)
    room = (
        (max_size - GRID_GAP) // SHEET_COLUMNS - GRID_GAP,
        (max_size - GRID_GAP) // len(clips) - GRID_GAP,
    )
    width, height = size = fit_size(get_common_size(clips), room)
    sheet = np.full(
        (
            GRID_GAP + len(clips) * (height + GRID_GAP),
            GRID_GAP + SHEET_COLUMNS * (width + GRID_GAP),
            3,
        ),
        CARD_COLOUR,
        np.uint8,
    )
    for row, clip in enumerate(clips):
        top = GRID_GAP + row * (height + GRID_GAP)
        for column, frame in zip(
            range(SHEET_COLUMNS), clip.iter_frames(SHEET_COLUMNS / longest, size), strict=False
        ):
            left = GRID_GAP + column * (width + GRID_GAP)
            sheet[top : top + height, left : left + width] = frame
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(out) as aside, aside.open("wb") as file:
        pygame.image.save(frame_to_surface(sheet), file, out.name)
    return out


if __name__ == "__main__":
    from poise.cli import combine as command

    command()
