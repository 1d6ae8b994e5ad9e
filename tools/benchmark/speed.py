"""Time environments, vectors of them, workers and films beside the peers'."""

from functools import partial
from statistics import median

import click
import gymnasium
import numpy as np

from poise.toolkit.environment import BaseEnvironment
from poise.toolkit.experience import EnvBatch, make_env_batch
from poise.toolkit.registry import make_env, short_name
from poise.tools.benchmark.timing import (
    ENVS_ARGUMENT,
    format_range,
    print_table,
    resolve_env_ids,
    step_physics_only,
    time_calls,
    time_episodes,
    time_video_recording,
)

ROUNDS = 5


@click.command()
@ENVS_ARGUMENT
def envs(envs: tuple[str, ...]) -> None:
    """Time env.step beside the bare steps of the physics that it makes, in the same states."""
    rows = []
    for env_id in resolve_env_ids(envs):
        env = make_env(env_id)
        inner = env.unwrapped
        assert isinstance(inner, BaseEnvironment)
        whole = []
        bare = []
        for _ in range(ROUNDS):
            whole.append(time_episodes(env, 2000, env.step))
            bare.append(time_episodes(env, 2000, partial(step_physics_only, inner)))
        ratios = sorted(a / b for a, b in zip(whole, bare, strict=True))
        micro = [1e6 * median(times) / 2000 for times in (whole, bare)]
        rows.append(
            (
                short_name(env_id),
                f"{micro[0]:.1f}",
                f"{micro[1]:.1f}",
                f"{median(ratios):.2f}",
                format_range(ratios),
            )
        )
    print_table(
        "env.step and the physics in it",
        ["env", "step (us)", "bare (us)", "ratio", "min to max"],
        rows,
    )


@click.command()
@ENVS_ARGUMENT
@click.option("--number", default=8, show_default=True, help="Environments side by side.")
def vector(envs: tuple[str, ...], number: int) -> None:
    """Time collecting with Environments beside Gymnasium's SyncVectorEnv, random actions."""
    rows = []
    for env_id in resolve_env_ids(envs):
        ours = []
        peer = []
        many = EnvBatch(env_id, number, seed=0)
        same_step = gymnasium.vector.AutoresetMode.SAME_STEP
        sync = gymnasium.vector.SyncVectorEnv(
            [partial(make_env, env_id)] * number, autoreset_mode=same_step
        )
        sync.reset(seed=0)
        rng = np.random.default_rng(0)
        actions = rng.uniform(-1, 1, (1000, number, *(many.action_space.shape or ()))).astype(
            np.float32
        )
        for _ in range(ROUNDS):
            ours.append(time_calls(many.step, actions))
            peer.append(time_calls(sync.step, actions))
        ratios = sorted(b / a for a, b in zip(ours, peer, strict=True))
        rates = [number * 1000 / median(times) for times in (ours, peer)]
        rows.append(
            (
                short_name(env_id),
                f"{rates[0]:,.0f}",
                f"{rates[1]:,.0f}",
                f"{median(ratios):.2f}",
                format_range(ratios),
            )
        )
    print_table(
        f"steps a second, {number} environments",
        ["env", "Worlds", "SyncVectorEnv", "times as fast", "min to max"],
        rows,
    )


@click.command()
@ENVS_ARGUMENT
@click.option("--number", default=32, show_default=True, help="Environments side by side.")
@click.option(
    "--steps", default=200, show_default=True, help="Steps of each that are timed in a round."
)
def workers(envs: tuple[str, ...], number: int, steps: int) -> None:
    """Time stepping environments in two worker processes beside one process, random actions."""
    rows = []
    for env_id in resolve_env_ids(envs):
        ways = [make_env_batch(env_id, number, 0, {}, processes) for processes in (1, 2)]
        rng = np.random.default_rng(0)
        actions = rng.uniform(-1, 1, (steps, number, *(ways[0].action_space.shape or ()))).astype(
            np.float32
        )
        rounds = [[time_calls(way.step, actions) for way in ways] for _ in range(ROUNDS)]
        ratios = sorted(one / two for one, two in rounds)
        rates = [number * steps / median(times) for times in zip(*rounds, strict=True)]
        rows.append(
            (
                short_name(env_id),
                f"{rates[0]:,.0f}",
                f"{rates[1]:,.0f}",
                f"{median(ratios):.2f}",
                format_range(ratios),
            )
        )
        for way in ways:
            way.close()
    print_table(
        f"steps a second, {number} environments",
        ["env", "one process", "two workers", "times as fast", "min to max"],
        rows,
    )


@click.command()
@ENVS_ARGUMENT
@click.option("--size", default=600, show_default=True, help="Height and width (pixels).")
def films(envs: tuple[str, ...], size: int) -> None:
    """Time filming: stepping, drawing and H.264 together."""
    rows = []
    for env_id in resolve_env_ids(envs):
        env = make_env(env_id, {"width": size, "height": size}, render_mode="rgb_array")
        rates = sorted(300 / time_video_recording(env) for _ in range(ROUNDS))
        rows.append((short_name(env_id), f"{median(rates):.0f}", format_range(rates, 0)))
    print_table(
        f"frames a second filmed at {size} x {size}", ["env", "frames/s", "min to max"], rows
    )
