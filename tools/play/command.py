"""The command `poise play`: a run or a world in, a window out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
from poise.toolkit.errors import UserError, unknown
from poise.toolkit.media.window import Window
from poise.toolkit.registry import as_ours, our_ids, resolve, short_name
from poise.toolkit.run import NAME, Run
from poise.tools.play.actors import Policy
from poise.tools.play.playground import Playground
from poise.tools.play.session import LivePicture, LiveTape, LiveWorld
from poise.tools.record.record_run import drawable_world
from rich.console import Console

SHARP = 1800
"""Screens of so many lines and more are dense: pictures and letters come twice as large."""


SIZE = 600
"""Height of a picture where nobody says another, on a screen that is not dense (pixels)."""


def play(
    what: str,
    runs: Path,
    checkpoint: str | None,
    world_settings: Mapping[str, Any],
    *,
    speed: float = 1.0,
    size: int | None = None,
    seed: int = 0,
    seconds: float | None = None,
) -> None:
    """Open a window on `what`: a run, whose policy acts, or a world, in which the person does; for so many `seconds`."""
    run = find_run(what, runs)
    if run is None and checkpoint is not None:
        raise UserError(f"--checkpoint goes with a run, and {what!r} is none in {runs}")
    world_id = run.config["world"] if run else find_world(what, runs)
    settings = {**(run.config["world_settings"] if run else {}), **world_settings}
    window = Window(f"Poise: {run.path.name if run else short_name(world_id)}", column=True)
    size = size or SIZE * (2 if window.screen[1] >= SHARP else 1)
    looks = {"width": size, "height": size, **world_settings, "hud": False}  # The playground draws it itself.
    world = drawable_world(world_id, settings, looks)
    if hasattr(ours := as_ours(world), "camera") and ours is not None and "shadows" not in world_settings:
        ours.settings = ours.settings.model_copy(update={"shadows": False})  # Without a graphics card they take half the time.
    drawing = LivePicture(world, size, hud=world_settings.get("hud", True))
    live = LiveWorld(world, Policy(run, checkpoint) if run else None, speed, seed, drawing, LiveTape(world_id, settings))
    playground = Playground(window, live, run.path / "videos" if run else Path())
    console = Console()
    playground.run(seconds)
    for line in playground.kept:
        console.print(line, soft_wrap=True)
    if seconds is not None:
        rate, slowest = playground.frames / playground.seconds, 1000.0 * playground.slowest
        console.print(f"{rate:.1f} frames a second in {playground.seconds:.1f} s; the slowest took {slowest:.0f} ms")


def find_run(what: str, runs: Path) -> Run | None:
    """The run that `what` names or whose folder it is; None where there is none."""
    places = [Path(what), *([runs / what] if NAME.fullmatch(what) else [])]
    return Run.open(runs, what) if any((place / "config.json").is_file() for place in places) else None


def find_world(what: str, runs: Path) -> str:
    """The id of the world that `what` means; the error names the nearest world or run."""
    try:
        return resolve(what)
    except UserError:
        known = [*map(short_name, our_ids()), *(found.parent.name for found in runs.glob("*/config.json"))]
        # Other people's ids are too many to list, and only near ones help.
        raise unknown("world or run", what, [*known, *(gymnasium.registry if "-v" in what else ())]) from None
