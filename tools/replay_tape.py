"""Replay a tape: an episode that was recorded, filmed again at any size, from a few kilobytes."""

from pathlib import Path

from toolkit.tape import Tape
from tools.record_run import drawable_world, film_moments, frame_rate, looks
from tools.strips import Strips


def film_tape(
    path: Path,
    out: Path | None = None,
    *,
    size: int | None = None,
    hud: bool = False,
    annotate: bool = False,
    slow: float = 1.0,
) -> Path:
    """Film the episode of a tape, beside the tape where `out` does not say another place; bit for bit what it was."""
    tape = Tape.load(path)
    world = drawable_world(tape.world, tape.settings, looks(size, hud))
    out = out or path.with_suffix(".mp4")
    film_moments(world, tape.replay(world), out, [Strips(world, frame_rate(world))] if annotate else [], slow)
    return out


if __name__ == "__main__":
    from cli import replay

    replay()
