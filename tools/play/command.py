"""The command `poise play`: open a window on a run or an environment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from poise.toolkit.console import Console, progress_bar
from poise.toolkit.errors import UserError
from poise.toolkit.media.window import Window
from poise.toolkit.registry import (
    Env,
    resolve_env_id,
    short_name,
    unknown_env_error,
    unwrap_poise_env,
)
from poise.toolkit.run import PRETRAINED, Run, find_run_folder
from poise.tools.play.actors import PolicyActor
from poise.tools.play.playground import Playground
from poise.tools.play.session import LiveRenderer, PlaySession, TapeRecorder
from poise.tools.record.record_run import make_render_env

HIDPI_SCREEN_HEIGHT = 1800
"""Screens with at least so many lines are dense: images and text are drawn twice as large."""


DEFAULT_SIZE = 600
"""Default height of the image on a screen that is not dense (pixels)."""


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
    """Open a window on `name`: a run, controlled by its policy, or an environment, by the keyboard.

    With `seconds`, close after so much time and print the frame rate.
    """
    run = find_run(name, runs_dir)
    folder = run.video_folder if run else Path.cwd()
    if run is None and checkpoint is not None:
        raise UserError(f"--checkpoint needs a run, and {runs_dir} holds no run {name!r}")
    env_id = run.config["env"] if run else find_env(name, runs_dir)
    settings = {**(run.config["env_settings"] if run else {}), **env_settings}
    title = run.path.name if run else short_name(env_id)
    window = Window(f"Poise: {title}", has_sidebar=True)
    if size is None:
        is_hidpi = window.screen_size[1] >= HIDPI_SCREEN_HEIGHT
        size = DEFAULT_SIZE * (2 if is_hidpi else 1)
    # What the HUD shows is in the window's sidebar.
    render_settings = {"width": size, "height": size, **env_settings, "hud": False}
    with progress_bar(f"loading {title}"):
        env = make_render_env(env_id, settings, render_settings)
        actor = PolicyActor(run, checkpoint) if run else None
    if "shadows" not in env_settings:
        _turn_shadows_off(env)
    session = PlaySession(
        env,
        actor,
        speed,
        seed,
        LiveRenderer(env, size),
        TapeRecorder(env_id, settings),
    )
    playground = Playground(window, session, folder)
    playground.run(seconds)
    console = Console()
    for message in playground.saved_messages:
        console.print(message, soft_wrap=True)
    if seconds is not None:
        elapsed = playground.elapsed_seconds
        console.print(
            f"{playground.frame_count / elapsed:.1f} frames per second over {elapsed:.1f} s; "
            f"slowest frame: {1000.0 * playground.max_frame_time:.0f} ms"
        )


def find_run(name: str, runs_dir: Path) -> Run | None:
    """Return the run of that name or in that folder, or None."""
    is_run = name.startswith(PRETRAINED) or find_run_folder(runs_dir, name) is not None
    return Run.open(runs_dir, name) if is_run else None


def find_env(name: str, runs_dir: Path) -> str:
    """Return the id of an environment; the error for an unknown name suggests a similar name."""
    try:
        return resolve_env_id(name)
    except UserError:
        run_names = [config.parent.name for config in runs_dir.glob("*/config.json")]
        where = f" (runs are sought in {runs_dir})"
        raise unknown_env_error(name, "environment or run", run_names, where) from None


def _turn_shadows_off(env: Env) -> None:
    """Draw an environment in space without shadows: without a GPU they take half the time."""
    poise_env = unwrap_poise_env(env)
    if poise_env is not None and hasattr(poise_env, "camera"):
        poise_env.settings = poise_env.settings.model_copy(update={"shadows": False})
