"""The command `poise duel`: two robots face to face, in a window or a film."""

import time
from pathlib import Path

from toolkit.errors import UserError
from toolkit.registry import as_ours
from toolkit.run import Run
from toolkit.video import recorder
from toolkit.window import Window
from tools.controls import Policy
from tools.duel import Duel
from tools.led import Led
from tools.mimic import Mimic
from tools.open_translator import translation_config
from tools.playground import Playground
from tools.record_run import drawable_world

FILM_RATE = 25
"""Frames in a second of a film."""
SHARP = 240
"""Pixels, in height and width, of what is drawn in space, where drawing takes the time: larger pictures are blown up."""


def show_duel(
    policy: str,
    *,
    translator: str | None,
    by: str | None,
    out: Path | None,
    seconds: float | None,
    size: int,
    seed: int,
    runs_dir: Path,
) -> str:
    """Open a window on a duel until the person leaves, or film it; how well the leader was copied, in a line."""
    by = by or ("policy" if out else "keys")
    if out and by == "keys":
        raise UserError("keys need the window: leave --out away, or film --by policy or --by trajectory")
    if seconds and not out:
        raise UserError("--seconds is how long a film lasts: it goes with --out")
    mover, reader = Run.open(runs_dir, policy), Run.open(runs_dir, translator or policy)
    window = None if out else Window("Poise: duel", column=True)
    duel = prepare(mover, reader, by, size, seed)
    speed = ""
    try:
        if window is not None:
            Playground(window, duel).run()
        elif out is not None:
            speed = f", made at {film(duel, out, seconds or 10.0):.0f} frames a second: {out}"
    finally:
        duel.close()
    metres, degrees = duel.mean()
    return f"copied for {duel.judged / duel.rate:.1f} s, {1000 * metres:.1f} mm and {degrees:.1f} degrees away in the mean{speed}"


def prepare(mover: Run, reader: Run, by: str, size: int, seed: int) -> Duel:
    """A duel about to begin: the leader moved `by` keys, policy or trajectory."""
    config = translation_config(reader)
    world_id, settings = config["world"], config["world_settings"]
    eye = drawable_world(world_id, settings, {})
    in_space = hasattr(as_ours(eye), "camera")
    drawn, looks = (min(size, SHARP), {"shadows": False}) if in_space else (size, {})
    mimic = Mimic(mover, reader, drawn, **looks)
    endless = {"width": drawn, "height": drawn, "markers": False, "max_episode_steps": -1, **looks}
    leader = drawable_world(world_id, settings, endless)
    policy = Policy(mover) if by == "policy" else None
    return Duel(Led(leader) if by == "trajectory" else leader, eye, mimic, policy, size, seed)


def film(duel: Duel, path: Path, seconds: float) -> float:
    """Film a duel; how many frames a second were made, their drawing and writing included."""
    began, frames = time.perf_counter(), max(1, round(seconds * FILM_RATE))
    with recorder(path, FILM_RATE) as out:
        for _ in range(frames):
            duel.pass_time(1.0 / FILM_RATE)
            out.add(duel.picture())
    return frames / (time.perf_counter() - began)
