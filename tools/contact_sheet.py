"""Contact sheet: films as one picture to print, a row for each, with its moments from left to right."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pygame

from toolkit.files import whole_file
from toolkit.frames import surface_of
from toolkit.lettering import PAPER
from toolkit.video import decoded
from tools.clips import MAX_SIZE, Clip, common_size, scaled
from tools.combine_recordings import GAP

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
