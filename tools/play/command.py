"""The commands `poise play` and `poise demo`: open a window on a run or an environment."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from poise.toolkit.console import Console, progress_bar
from poise.toolkit.errors import UserError, shorten_paths, unknown_name_error
from poise.toolkit.files import find_free_path
from poise.toolkit.media.window import Window, open_display
from poise.toolkit.registry import (
    Env,
    resolve_env_id,
    short_name,
    unknown_env_error,
    unwrap_poise_env,
)
from poise.toolkit.run import LATEST, PRETRAINED, Run, find_run_folder, list_pretrained
from poise.tools.play.actors import PolicyActor
from poise.tools.play.playground import Playground
from poise.tools.play.session import LiveRenderer, PlaySession, TapeRecorder
from poise.tools.record.record_run import make_render_env, record_episode

HIDPI_SCREEN_HEIGHT = 1800
"""Screens with at least so many lines are dense: images and text are drawn twice as large."""


DEMO_RUN = f"{PRETRAINED}bolla-rolla"
"""What `poise demo` shows first."""

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
    if run is None and checkpoint is not None:
        raise UserError(f"--checkpoint needs a run, and {runs_dir} holds no run {name!r}")
    env_id = run.config["env"] if run else find_env(name, runs_dir)
    title = run.path.name if run else short_name(env_id)
    window = Window(f"Poise: {title}", has_sidebar=True)
    try:
        playground = make_playground(
            window, env_id, run, checkpoint, env_settings, speed=speed, size=size, seed=seed
        )
        playground.run(seconds)
    finally:
        window.close()
    show_end(playground, measured=seconds is not None)


def demo(
    env: str | None, *, out: Path | None, seconds: float | None = None, size: int | None = None
) -> None:
    """Open a window on a trained body; the number keys go on to the others.

    Without a display, or with `out`, film it instead.
    """
    names = list_pretrained()
    name = find_demo(env, names)
    if out is not None or not can_open_window():
        record_demo(name, out)
        return
    window = Window("Poise", has_sidebar=True)
    try:
        while True:
            run = Run.open(Path(), name)
            window.title = f"Poise: {name}"
            playground = make_playground(window, run.config["env"], run, size=size, bodies=names)
            playground.show_notice("drag it; 1, 2, 3 ...: other bodies; h: all keys")
            playground.run(seconds)
            show_end(playground, measured=seconds is not None)
            if playground.chosen_body is None:
                return
            name = playground.chosen_body
    finally:
        window.close()


def find_demo(env: str | None, names: Sequence[str]) -> str:
    """Return the name of the trained body for an environment; DEMO_RUN for none."""
    if env is None:
        return DEMO_RUN
    name = env if env.startswith(PRETRAINED) else f"{PRETRAINED}{env}"
    if name not in names:
        bodies = [trained.removeprefix(PRETRAINED) for trained in names]
        raise unknown_name_error("trained body", env, bodies)
    return name


def can_open_window() -> bool:
    """Return whether there is a display for a window; say why where there is none."""
    try:
        open_display()
    except UserError as error:
        Console(stderr=True).print(f"{error}".partition(":")[0], soft_wrap=True, markup=False)
        return False
    return True


def record_demo(name: str, out: Path | None) -> None:
    """Film an episode of a trained body."""
    path = out or find_free_path(Path.cwd() / f"{name.removeprefix(PRETRAINED)}.mp4")
    video = record_episode(Run.open(Path(), name), path)
    Console().print(f"film: {shorten_paths(str(video))}", soft_wrap=True, markup=False)


def make_playground(
    window: Window,
    env_id: str,
    run: Run | None,
    checkpoint: str | None = None,
    env_settings: Mapping[str, Any] = MappingProxyType({}),
    *,
    speed: float = 1.0,
    size: int | None = None,
    seed: int = 0,
    bodies: Sequence[str] = (),
) -> Playground:
    """Return a playground in a window, with the policy of a run or without one."""
    settings = {**(run.config["env_settings"] if run else {}), **env_settings}
    if size is None:
        is_hidpi = window.screen_size[1] >= HIDPI_SCREEN_HEIGHT
        size = DEFAULT_SIZE * (2 if is_hidpi else 1)
    # What the HUD shows is in the window's sidebar.
    render_settings = {"width": size, "height": size, **env_settings, "hud": False}
    with progress_bar(f"loading {run.path.name if run else short_name(env_id)}"):
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
    return Playground(window, session, run.video_folder if run else Path.cwd(), bodies)


def show_end(playground: Playground, *, measured: bool) -> None:
    """Print what was saved, and if `measured` the frame rate."""
    console = Console()
    for message in playground.saved_messages:
        console.print(message, soft_wrap=True)
    elapsed = playground.elapsed_seconds
    if measured and elapsed:
        console.print(
            f"{playground.frame_count / elapsed:.1f} frames per second over {elapsed:.1f} s; "
            f"slowest frame: {1000.0 * playground.max_frame_time:.0f} ms"
        )


def find_run(name: str, runs_dir: Path) -> Run | None:
    """Return the run of that name or in that folder, or None."""
    is_run = (
        name == LATEST or name.startswith(PRETRAINED) or find_run_folder(runs_dir, name) is not None
    )
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
