"""Record a run: one episode of its policy as a film that a browser plays."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np

from poise import algos
from poise.toolkit.errors import UserError
from poise.toolkit.evaluation import EVALUATION_SEED
from poise.toolkit.experience import EpisodeStep, run_episode
from poise.toolkit.media.video import open_atomic_recorder
from poise.toolkit.media.window import DISPLAY_VARIABLES
from poise.toolkit.registry import Env, make_env, unwrap_poise_env
from poise.toolkit.run import Run, get_versions
from poise.toolkit.spaces import Array
from poise.toolkit.tape import Tape
from poise.tools.record.overlays import GhostOverlay, StripChartOverlay

Overlay = Callable[[Array, EpisodeStep], Array]
"""What is done to a picture (H, W, 3) uint8 of a moment before it goes into the film; its size may change."""


def record_episode(
    run: Run,
    path: Path,
    *,
    checkpoint: str | None = None,
    seed: int = EVALUATION_SEED,
    size: int | None = None,
    hud: bool = False,
    annotate: bool = False,
    slow: float = 1.0,
    ghost: Run | None = None,
    tape: Path | None = None,
    env_settings: Mapping[str, Any] | None = None,
    overlays: Sequence[Overlay] = (),
) -> Path:
    """Film one episode, steps + 1 frames; `tape` keeps the episode itself. An environment that cannot be drawn is a UserError.

    `env_settings` come on top of those that the run was trained with; `overlays` on top of all that is drawn.
    """
    config = run.config
    settings = {**config["env_settings"], **(env_settings or {})}
    seen = {**make_render_settings(size, hud), **(env_settings or {})}
    learner = algos.restore_learner(run, checkpoint, with_critic=annotate)
    env = make_render_env(config["env"], settings, seen)
    moments = run_episode(env, lambda observation: learner.act(observation, explore=False), seed)
    with ExitStack() as stack:
        layers: list[Overlay] = []
        if ghost is not None:
            twin = stack.enter_context(
                closing(make_render_env(config["env"], settings, {**seen, "hud": False}))
            )
            layers.append(GhostOverlay(ghost, config["env"], env, twin, seed))
        if annotate:
            layers.append(StripChartOverlay(env, get_frame_rate(env), learner))
        lived = record_steps(env, moments, path, [*layers, *overlays], slow)
    if tape is not None:
        Tape.from_steps(config["env"], settings, seed, lived, get_versions()).save(tape)
    return path


def record_run(
    run_name: str,
    *,
    runs_dir: Path,
    checkpoint: str | None,
    out: Path | None,
    seed: int | None,
    **options: Any,
) -> Path:
    """Film an episode of the run that `run_name` means, into its own folder where `out` does not say another."""
    run = Run.open(runs_dir, run_name)
    seed = EVALUATION_SEED if seed is None else seed
    path = out or run.video_path(f"{run.find_checkpoint(checkpoint).name}-seed{seed}")
    return record_episode(
        run, path, checkpoint=checkpoint, seed=seed, env_settings=options.pop("env_set"), **options
    )


def record_steps(
    env: Env,
    steps: Iterable[EpisodeStep],
    path: Path,
    overlays: Sequence[Overlay] = (),
    slow: float = 1.0,
) -> list[EpisodeStep]:
    """Film the moments of an environment as they come, and close it; `slow` is the part of its own speed. The moments lived."""
    lived = []
    with closing(env), open_atomic_recorder(path, slow * get_frame_rate(env)) as film:
        for moment in steps:
            frame = np.asarray(env.render())
            for overlay in overlays:
                frame = overlay(frame, moment)
            film.add(frame)
            lived.append(moment)
    return lived


def make_render_settings(size: int | None, hud: bool) -> dict[str, Any]:
    """The settings of an environment of ours that say how it is seen."""
    return {"hud": hud, **({"width": size, "height": size} if size else {})}


def make_render_env(
    env_id: str, settings: Mapping[str, Any], render_settings: Mapping[str, Any]
) -> Env:
    """An environment that draws itself off screen, ours with the given looks; a UserError where it has no renderer."""
    if not any(display in os.environ for display in DISPLAY_VARIABLES):
        os.environ.setdefault(
            "MUJOCO_GL", "egl"
        )  # How MuJoCo's environments draw without a display.
    env = make_env(env_id, settings)
    ours = unwrap_poise_env(env)
    modes = env.metadata.get("render_modes", [])
    env.close()
    if "rgb_array" not in modes:
        raise UserError(f"environment {env_id!r} cannot draw itself: it has no rgb_array mode")
    env = make_env(
        env_id, {**settings, **render_settings} if ours else settings, render_mode="rgb_array"
    )
    if ours is None:
        try:
            env.reset(seed=0)
            env.render()
        except (
            Exception
        ) as error:  # Somebody else's code: whatever it raises is what the user must hear.
            raise UserError(
                f"environment {env_id!r} cannot draw itself here: {str(error).splitlines()[0]}"
            ) from None
    return env


def get_frame_rate(env: Env) -> int:
    """Frames in a second of an environment's film."""
    return int(env.metadata.get("render_fps", 30))


def render_tape(
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
    env = make_render_env(tape.env, tape.settings, make_render_settings(size, hud))
    out = out or path.with_suffix(".mp4")
    record_steps(
        env,
        tape.replay(env),
        out,
        [StripChartOverlay(env, get_frame_rate(env))] if annotate else [],
        slow,
    )
    return out
