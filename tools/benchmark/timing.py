"""What the benchmarks share: which worlds they are asked for, and how their tables look."""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import numpy as np
from poise.envs2d.planar import PlanarEnvironment
from poise.toolkit.console import table
from poise.toolkit.environment import BaseEnvironment
from poise.toolkit.media.video import VideoRecorder
from poise.toolkit.registry import World, our_ids, resolve
from poise.toolkit.spaces import Array
from rich.console import Console

WORLDS = click.argument("worlds", nargs=-1)


def names(words: tuple[str, ...]) -> list[str]:
    """The ids of the named worlds; of all of ours where none is named."""
    return [resolve(word) for word in words] or our_ids()


def show(title: str, columns: list[str], rows: Sequence[tuple[str, ...]]) -> None:
    """Print a table."""
    Console(width=150).print(table(title, columns, rows))


def spread(values: list[float], digits: int = 2) -> str:
    """The least and the most of sorted values."""
    return f"{values[0]:.{digits}f} to {values[-1]:.{digits}f}"


def seconds(work: Callable[[Array], object], actions: Array) -> float:
    """How long `work` takes over all actions."""
    began = time.perf_counter()
    for action in actions:
        work(action)
    return time.perf_counter() - began


def bare_step(inner: BaseEnvironment, action: Array) -> None:
    """The physics alone of one step, whatever the action."""
    dt = 1.0 / (inner.CONTROL_RATE * inner.SUBSTEPS)
    step = inner.space.step if isinstance(inner, PlanarEnvironment) else inner.advance
    for _ in range(inner.SUBSTEPS):
        step(dt)


def run_episodes(world: World, steps: int, step: Callable[[Array], object]) -> float:
    """Seconds of `steps` steps under small random actions, ten to an episode so that the body is still in the air."""
    rng = np.random.default_rng(0)
    spent = 0.0
    for seed in range(steps // 10):
        world.reset(seed=seed)
        actions = rng.uniform(-0.3, 0.3, (10, *(world.action_space.shape or ()))).astype(np.float32)
        world.step(actions[0])
        spent += seconds(step, actions)
    return spent


def film_seconds(world: World) -> float:
    """Seconds to step, draw and encode 300 frames."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        with VideoRecorder(Path(folder) / "film.mp4", 50) as film:
            world.reset(seed=0)
            for _ in range(300):
                world.step(world.action_space.sample())
                film.add(world.render())  # type: ignore[arg-type]
        return time.perf_counter() - began
