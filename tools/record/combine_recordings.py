"""Combine recordings: many films side by side in one, or one after the other with a title before each."""

import re
from collections.abc import Callable, Iterator, Sequence
from math import ceil, sqrt
from pathlib import Path

import numpy as np
import pygame
from poise.toolkit.errors import UserError
from poise.toolkit.files import whole_file
from poise.toolkit.media.image import PAPER, card, strip_of, surface_of
from poise.toolkit.media.video import decoded, whole_film
from poise.toolkit.spaces import Array
from poise.tools.record.clips import MAX_SIZE, Clip, Size, common_size, scaled

FASTEST = 60
"""Frames in a second that are enough, where nothing else is said."""


GAP = 4
"""Between the pictures of a grid (pixels)."""


TITLE = 1.5
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
        captions = [caption_of(video) for video in videos]
    elif not any(captions):
        captions = []
    if captions and len(captions) != len(clips):
        raise UserError(f"{len(captions)} captions for {len(clips)} films: give one for each")
    rate = fps or min(FASTEST, max(clip.rate for clip in clips))
    with whole_film(out, rate) as film:
        for frame in LAYOUTS[layout](clips, captions, rate, max_size or MAX_SIZE, columns):
            film.add(frame)
    return out


def caption_of(path: Path) -> str:
    """What a file's name says, in words: `episode_000500.mp4` is `episode 500`."""
    words = re.sub(r"[_\s]+", " ", path.stem).strip()
    return re.sub(r"(?<!\S)0+(?=\d)", "", words)


def grid(clips: list[Clip], captions: Sequence[str], rate: float, most: int, columns: int | None) -> Iterator[Array]:
    """All at once, row after row, each under its caption; the last frame of a shorter one is held."""
    across = min(len(clips), columns or ceil(sqrt(len(clips))))
    down = ceil(len(clips) / across)
    room = (most - GAP) // across - GAP, (most - GAP) // down - GAP
    whole = common_size(clips)
    strip = strip_of(min(whole[1], room[1])) if captions else 0
    width, height = size = scaled(whole, (room[0], room[1] - strip))
    if min(room[0], room[1] - strip) < 16:
        raise UserError(f"{len(clips)} films have no room in {most} pixels: a larger --max-size, or other --columns")
    page = np.empty(((height + strip + GAP) * down + GAP, (width + GAP) * across + GAP, 3), np.uint8)
    page[:] = PAPER
    running: dict[tuple[int, int], Iterator[Array]] = {}
    for index, clip in enumerate(clips):
        top, left = GAP + index // across * (height + strip + GAP), GAP + index % across * (width + GAP)
        if captions:
            page[top : top + strip, left : left + width] = card(captions[index], width, strip, strip)
        running[top + strip, left] = clip.frames(rate, size)
    while True:
        for (top, left), frames in list(running.items()):
            if (frame := next(frames, None)) is None:
                del running[top, left]
            else:
                page[top : top + height, left : left + width] = frame
        if not running:
            return
        yield page.copy()


def sequence(clips: list[Clip], captions: Sequence[str], rate: float, most: int, columns: int | None) -> Iterator[Array]:
    """One after the other, each after its title."""
    if columns is not None:
        raise UserError("--columns goes with --layout grid")
    size: Size = scaled(common_size(clips), (most, most))
    for index, clip in enumerate(clips):
        if captions:
            title = card(captions[index], *size, size[1] // 10)
            for _ in range(round(TITLE * rate)):
                yield title
        yield from clip.frames(rate, size)


LAYOUTS: dict[str, Callable[[list[Clip], Sequence[str], float, int, int | None], Iterator[Array]]] = {
    "grid": grid,
    "sequence": sequence,
}


MOMENTS = 6
"""Pictures of each film, evenly spread over the time that the longest takes; one that has ended has none any more."""


def contact_sheet(videos: Sequence[Path], out: Path, most: int = MAX_SIZE) -> Path:
    """Put moments of films into one picture (PNG), at most so wide and high (pixels); it is there whole or not at all."""
    clips = [Clip(video) for video in videos]
    longest = max(sum(1 for _ in decoded(clip.path)) / clip.rate for clip in clips)
    room = (most - GAP) // MOMENTS - GAP, (most - GAP) // len(clips) - GAP
    width, height = size = scaled(common_size(clips), room)
    sheet = np.full((GAP + len(clips) * (height + GAP), GAP + MOMENTS * (width + GAP), 3), PAPER, np.uint8)
    for row, clip in enumerate(clips):
        top = GAP + row * (height + GAP)
        for column, frame in zip(range(MOMENTS), clip.frames(MOMENTS / longest, size), strict=False):
            left = GAP + column * (width + GAP)
            sheet[top : top + height, left : left + width] = frame
    out.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(out) as aside, aside.open("wb") as file:
        pygame.image.save(surface_of(sheet), file, out.name)
    return out


if __name__ == "__main__":
    from poise.cli import combine as command

    command()
