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
from poise.toolkit.experience import Moment, episode
from poise.toolkit.media.video import whole_film
from poise.toolkit.media.window import DISPLAYS
from poise.toolkit.registry import World, as_ours, make_world
from poise.toolkit.run import Run, versions
from poise.toolkit.spaces import Array
from poise.toolkit.tape import Tape, tape_of
from poise.tools.record.overlays import Ghost, Strips

Overlay = Callable[[Array, Moment], Array]
"""What is done to a picture (H, W, 3) uint8 of a moment before it goes into the film; its size may change."""


def film_episode(
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
    world_settings: Mapping[str, Any] | None = None,
    overlays: Sequence[Overlay] = (),
) -> Path:
    """Film one episode, steps + 1 frames; `tape` keeps the episode itself. A world that cannot be drawn is a UserError.

    `world_settings` come on top of those that the run was trained with; `overlays` on top of all that is drawn.
    """
    config = run.config
    settings = {**config["world_settings"], **(world_settings or {})}
    seen = {**looks(size, hud), **(world_settings or {})}
    learner = algos.restore(run, checkpoint, judge=annotate)
    world = drawable_world(config["world"], settings, seen)
    moments = episode(world, lambda observation: learner.act(observation, explore=False), seed)
    with ExitStack() as stack:
        layers: list[Overlay] = []
        if ghost is not None:
            twin = stack.enter_context(closing(drawable_world(config["world"], settings, {**seen, "hud": False})))
            layers.append(Ghost(ghost, config["world"], world, twin, seed))
        if annotate:
            layers.append(Strips(world, frame_rate(world), learner))
        lived = film_moments(world, moments, path, [*layers, *overlays], slow)
    if tape is not None:
        tape_of(config["world"], settings, seed, lived, versions()).save(tape)
    return path


def film_run(word: str, *, runs_dir: Path, checkpoint: str | None, out: Path | None, seed: int | None, **how: Any) -> Path:
    """Film an episode of the run that `word` means, into its own folder where `out` does not say another."""
    run, seed = Run.open(runs_dir, word), EVALUATION_SEED if seed is None else seed
    path = out or run.video(f"{run.choose(checkpoint).name}-seed{seed}")
    return film_episode(run, path, checkpoint=checkpoint, seed=seed, world_settings=how.pop("env_set"), **how)


def film_moments(
    world: World, moments: Iterable[Moment], path: Path, overlays: Sequence[Overlay] = (), slow: float = 1.0
) -> list[Moment]:
    """Film the moments of a world as they come, and close it; `slow` is the part of its own speed. The moments lived."""
    lived = []
    with closing(world), whole_film(path, slow * frame_rate(world)) as film:
        for moment in moments:
            frame = np.asarray(world.render())
            for overlay in overlays:
                frame = overlay(frame, moment)
            film.add(frame)
            lived.append(moment)
    return lived


def looks(size: int | None, hud: bool) -> dict[str, Any]:
    """The settings of a world of ours that say how it is seen."""
    return {"hud": hud, **({"width": size, "height": size} if size else {})}


def drawable_world(world_id: str, settings: Mapping[str, Any], looks: Mapping[str, Any]) -> World:
    """A world that draws itself off screen, ours with the given looks; a UserError where it has no renderer."""
    if not any(display in os.environ for display in DISPLAYS):
        os.environ.setdefault("MUJOCO_GL", "egl")  # How MuJoCo's worlds draw without a display.
    world = make_world(world_id, settings)
    ours = as_ours(world)
    modes = world.metadata.get("render_modes", [])
    world.close()
    if "rgb_array" not in modes:
        raise UserError(f"world {world_id!r} cannot draw itself: it has no rgb_array mode")
    world = make_world(world_id, {**settings, **looks} if ours else settings, render_mode="rgb_array")
    if ours is None:
        try:
            world.reset(seed=0)
            world.render()
        except Exception as error:  # Somebody else's code: whatever it raises is what the user must hear.
            raise UserError(f"world {world_id!r} cannot draw itself here: {str(error).splitlines()[0]}") from None
    return world


def frame_rate(world: World) -> int:
    """Frames in a second of a world's film."""
    return int(world.metadata.get("render_fps", 30))


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
