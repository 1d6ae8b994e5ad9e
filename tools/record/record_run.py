"""Record a run: one episode of its policy, or of a tape, as a video."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from numbers import Real
from pathlib import Path
from typing import Any

from poise import algos
from poise.toolkit.console import count_progress
from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.evaluation import EVALUATION_SEED
from poise.toolkit.experience import ActorPolicy, EpisodeStep, run_episode
from poise.toolkit.files import find_free_path
from poise.toolkit.media.frame import render_frame
from poise.toolkit.media.image import fit_frame
from poise.toolkit.media.video import open_recorder
from poise.toolkit.media.window import has_display
from poise.toolkit.registry import Env, make_env, unwrap_poise_env
from poise.toolkit.run import Run, get_versions
from poise.toolkit.spaces import Array
from poise.toolkit.tape import Tape
from poise.tools.record.overlays import GhostOverlay, StripChartOverlay

DEFAULT_FRAME_RATE = 30.0
"""Frame rate of environments that declare none (Hz)."""


MIN_FRAME_RATE = 0.01
MAX_FRAME_RATE = 1000.0
"""Frame rates that environments may declare (Hz)."""


Overlay = Callable[[Array, EpisodeStep], Array]
"""Change a frame (H, W, 3) uint8 of a step before it is written; its size may change."""


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
    """Record one episode of a run's policy as a video of steps + 1 frames; return `path`.

    `checkpoint` is a step, "latest" or "best", the default. `size` is the image's width and height
    (pixels), `slow` the speed relative to real time. `hud` draws time, return, reward terms,
    margins and action over the image, `annotate` draws strip charts beside it, `ghost` blends in
    another run's policy, and `overlays` are applied last. `env_settings` override those of the
    training. The episode itself is saved to `tape`, if given. A UserError if the environment cannot
    be rendered.
    """
    env_id = run.config["env"]
    overrides = env_settings or {}
    settings = {**run.config["env_settings"], **overrides}
    render_settings = {**make_render_settings(size, hud), **overrides}
    learner = algos.restore_learner(run, checkpoint, with_critic=annotate)
    env = make_render_env(env_id, settings, render_settings)
    steps = run_episode(env, ActorPolicy(learner), seed)
    num_frames = None
    with ExitStack() as stack:
        all_overlays: list[Overlay] = []
        if ghost is not None:
            ghost_env = make_render_env(env_id, settings, {**render_settings, "hud": False})
            stack.enter_context(closing(ghost_env))
            all_overlays.append(GhostOverlay(ghost, env_id, env, ghost_env, seed))
        if annotate:
            charts = StripChartOverlay(env, get_frame_rate(env), learner)
            with closing(make_env(env_id, settings)) as other_env:
                other_steps = run_episode(other_env, ActorPolicy(learner), seed)
                num_frames = charts.cover_episode(other_env, other_steps)
            all_overlays.append(charts)
        all_overlays += overlays
        recorded_steps = record_steps(env, steps, path, all_overlays, slow, num_frames)
    if tape is not None:
        Tape.from_steps(env_id, settings, seed, recorded_steps, get_versions()).save(tape)
    return path


def render_tape(
    path: Path,
    out: Path | None = None,
    *,
    size: int | None = None,
    hud: bool = False,
    annotate: bool = False,
    slow: float = 1.0,
) -> Path:
    """Record the episode of a tape, which is replayed bit for bit; return the video's path.

    By default it is written beside the tape, under a free name. The options are those of
    `record_episode`.
    """
    tape = Tape.load(path)
    env = make_render_env(tape.env, tape.settings, make_render_settings(size, hud))
    overlays = []
    if annotate:
        charts = StripChartOverlay(env, get_frame_rate(env))
        with closing(make_env(tape.env, tape.settings)) as other_env:
            charts.cover_episode(other_env, tape.replay(other_env))
        overlays.append(charts)
    out = out or find_free_path(path.with_suffix(".mp4"))
    num_frames = len(tape.actions) + 1
    record_steps(env, tape.replay(env), out, overlays, slow, num_frames)
    return out


def record_steps(
    env: Env,
    steps: Iterable[EpisodeStep],
    path: Path,
    overlays: Sequence[Overlay] = (),
    slow: float = 1.0,
    num_frames: int | None = None,
) -> list[EpisodeStep]:
    """Render an environment at each step into a video, close it, and return the steps.

    `num_frames` is how many there will be, or at most: by default what the time limit allows.
    """
    if num_frames is None and env.spec is not None and env.spec.max_episode_steps:
        num_frames = env.spec.max_episode_steps + 1
    recorded_steps = []
    size: tuple[int, ...] | None = None
    with closing(env), open_recorder(path, slow * get_frame_rate(env)) as recorder:
        for step in count_progress(steps, num_frames, "frames"):
            frame = render_frame(env)
            for overlay in overlays:
                frame = overlay(frame, step)
            if size is None:
                size = frame.shape[:2]
            elif frame.shape[:2] != size:
                # A video has one size; some environments change that of their images.
                frame = fit_frame(frame, size[1], size[0])
            recorder.add(frame)
            recorded_steps.append(step)
    return recorded_steps


def make_render_settings(size: int | None, hud: bool) -> dict[str, Any]:
    """Return the settings of a Poise environment that change its image."""
    settings: dict[str, Any] = {"hud": hud}
    if size:
        settings |= {"width": size, "height": size}
    return settings


def make_render_env(
    env_id: str, settings: Mapping[str, Any], render_settings: Mapping[str, Any]
) -> Env:
    """Make an environment that renders off screen; `render_settings` apply to those of Poise.

    A UserError if the environment cannot be rendered.
    """
    if not has_display():
        # Without a display, MuJoCo's environments render through EGL.
        os.environ.setdefault("MUJOCO_GL", "egl")
    env = make_env(env_id, settings)
    is_poise_env = unwrap_poise_env(env) is not None
    render_modes = env.metadata.get("render_modes", [])
    env.close()
    if "rgb_array" not in render_modes:
        raise UserError(f"environment {env_id!r} cannot be rendered: it has no rgb_array mode")
    if is_poise_env:
        return make_env(env_id, {**settings, **render_settings}, render_mode="rgb_array")
    env = make_env(env_id, settings, render_mode="rgb_array")
    try:
        env.reset(seed=0)
        render_frame(env)
    except WorkError:
        raise
    except Exception as error:
        # Code of another package may raise anything; its message is the best explanation.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"environment {env_id!r} cannot be rendered here: {reason}") from None
    return env


def get_frame_rate(env: Env) -> float:
    """Return the frames per second of an environment's video, one a step.

    DEFAULT_FRAME_RATE where the environment declares none, or what cannot be one.
    """
    frame_rate = env.metadata.get("render_fps")
    if not isinstance(frame_rate, Real) or isinstance(frame_rate, bool):
        return DEFAULT_FRAME_RATE
    is_possible = MIN_FRAME_RATE <= float(frame_rate) <= MAX_FRAME_RATE
    return float(frame_rate) if is_possible else DEFAULT_FRAME_RATE
