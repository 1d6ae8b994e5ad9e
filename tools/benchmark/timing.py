"""What the benchmarks share: which environments they are asked for, and how their tables look."""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import numpy as np
from rich.console import Console

from poise.envs2d.planar import PlanarEnvironment
from poise.toolkit.console import make_table
from poise.toolkit.environment import BaseEnvironment
from poise.toolkit.media.video import VideoRecorder
from poise.toolkit.registry import Env, registered_ids, resolve_env_id
from poise.toolkit.spaces import Array

ENVS_ARGUMENT = click.argument("envs", nargs=-1)


def resolve_env_ids(env_names: tuple[str, ...]) -> list[str]:
    """The ids of the named environments; of all of ours where none is named."""
    return [resolve_env_id(word) for word in env_names] or registered_ids()


def print_table(title: str, columns: list[str], rows: Sequence[tuple[str, ...]]) -> None:
    """Print a table."""
    Console(width=150).print(make_table(title, columns, rows))


def format_range(values: list[float], digits: int = 2) -> str:
    """The least and the most of sorted values."""
    return f"{values[0]:.{digits}f} to {values[-1]:.{digits}f}"


def time_calls(function: Callable[[Array], object], actions: Array) -> float:
    """How long `function` takes over all actions."""
    began = time.perf_counter()
    for action in actions:
        function(action)
    return time.perf_counter() - began


def step_physics_only(env: BaseEnvironment, action: Array) -> None:
    """The physics alone of one step, whatever the action."""
    dt = 1.0 / (env.CONTROL_HZ * env.PHYSICS_STEPS)
    step = env.space.step if isinstance(env, PlanarEnvironment) else env.step_physics
    for _ in range(env.PHYSICS_STEPS):
        step(dt)


def time_episodes(env: Env, steps: int, step: Callable[[Array], object]) -> float:
    """Seconds of `steps` steps under small random actions, ten to an episode so that the body is still in the air."""
    rng = np.random.default_rng(0)
    spent = 0.0
    for seed in range(steps // 10):
        env.reset(seed=seed)
        actions = rng.uniform(-0.3, 0.3, (10, *(env.action_space.shape or ()))).astype(np.float32)
        env.step(actions[0])
        spent += time_calls(step, actions)
    return spent


def time_video_recording(env: Env) -> float:
    """Seconds to step, draw and encode 300 frames."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        with VideoRecorder(Path(folder) / "film.mp4", 50) as film:
            env.reset(seed=0)
            for _ in range(300):
                env.step(env.action_space.sample())
                film.add(env.render())  # type: ignore[arg-type]
        return time.perf_counter() - began
