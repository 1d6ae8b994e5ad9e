"""What the benchmarks time."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from envs2d.world import PlanarEnvironment
from toolkit.environment import BaseEnvironment
from toolkit.registry import World
from toolkit.signals import Array
from toolkit.video import VideoRecorder


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
