"""The command `poise play`: a run or an environment in, a window out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
from rich.console import Console

from poise.toolkit.errors import UserError, unknown_name_error
from poise.toolkit.media.window import Window
from poise.toolkit.registry import registered_ids, resolve_env_id, short_name, unwrap_poise_env
from poise.toolkit.run import NAME_PATTERN, Run
from poise.tools.play.actors import PolicyActor
from poise.tools.play.playground import Playground
from poise.tools.play.session import LiveRenderer, PlaySession, TapeRecorder
from poise.tools.record.record_run import make_render_env

HIDPI_SCREEN_HEIGHT = 1800
"""Screens of so many lines and more are dense: pictures and letters come twice as large."""


DEFAULT_SIZE = 600
"""Height of a picture where nobody says another, on a screen that is not dense (pixels)."""


def play(
    name: str,
    runs_dir: Path,
    checkpoint: str | None,
    env_settings: Mapping[str, Any],
    *,
    speed: float = 1.0,
    size: int | None = None,
    seed: int = 0,
    seconds: float | None = None,
) -> None:
    """Open a window on `name`: a run, whose policy acts, or an environment, in which the person does; for so many `seconds`."""
    run = find_run(name, runs_dir)
    if run is None and checkpoint is not None:
        raise UserError(f"--checkpoint goes with a run, and {name!r} is none in {runs_dir}")
    env_id = run.config["env"] if run else find_env(name, runs_dir)
    settings = {**(run.config["env_settings"] if run else {}), **env_settings}
    window = Window(f"Poise: {run.path.name if run else short_name(env_id)}", has_sidebar=True)
    size = size or DEFAULT_SIZE * (2 if window.screen_size[1] >= HIDPI_SCREEN_HEIGHT else 1)
    looks = {
        "width": size,
        "height": size,
        **env_settings,
        "hud": False,
    }  # The playground draws it itself.
    env = make_render_env(env_id, settings, looks)
    if (
        hasattr(ours := unwrap_poise_env(env), "camera")
        and ours is not None
        and "shadows" not in env_settings
    ):
        ours.settings = ours.settings.model_copy(
            update={"shadows": False}
        )  # Without a graphics card they take half the time.
    drawing = LiveRenderer(env, size, hud=env_settings.get("hud", True))
    live = PlaySession(
        env,
        PolicyActor(run, checkpoint) if run else None,
        speed,
        seed,
        drawing,
        TapeRecorder(env_id, settings),
    )
    playground = Playground(window, live, run.path / "videos" if run else Path())
    console = Console()
    playground.run(seconds)
    for line in playground.saved_messages:
        console.print(line, soft_wrap=True)
    if seconds is not None:
        rate = playground.frame_count / playground.elapsed_seconds
        slowest = 1000.0 * playground.max_frame_time
        console.print(
            f"{rate:.1f} frames a second in {playground.elapsed_seconds:.1f} s; the slowest took {slowest:.0f} ms"
        )


def find_run(name: str, runs_dir: Path) -> Run | None:
    """The run that `name` names or whose folder it is; None where there is none."""
    places = [Path(name), *([runs_dir / name] if NAME_PATTERN.fullmatch(name) else [])]
    return (
        Run.open(runs_dir, name)
        if any((place / "config.json").is_file() for place in places)
        else None
    )


def find_env(name: str, runs_dir: Path) -> str:
    """The id of the environment that `name` means; the error names the nearest environment or run."""
    try:
        return resolve_env_id(name)
    except UserError:
        known = [
            *map(short_name, registered_ids()),
            *(found.parent.name for found in runs_dir.glob("*/config.json")),
        ]
        # Other people's ids are too many to list, and only near ones help.
        raise unknown_name_error(
            "environment or run", name, [*known, *(gymnasium.registry if "-v" in name else ())]
        ) from None
