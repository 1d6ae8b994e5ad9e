"""Time environments, vectors of them, workers and films beside the peers'."""

from functools import partial
from statistics import median

import click
import gymnasium
import numpy as np
from poise.toolkit.environment import BaseEnvironment
from poise.toolkit.experience import Worlds, worlds_of
from poise.toolkit.registry import make_world, short_name
from poise.tools.benchmark.timing import WORLDS, bare_step, film_seconds, names, run_episodes, seconds, show, spread

ROUNDS = 5


@click.command()
@WORLDS
def worlds(worlds: tuple[str, ...]) -> None:
    """Time env.step beside the bare steps of the physics that it makes, in the same states."""
    rows = []
    for world_id in names(worlds):
        world = make_world(world_id)
        inner = world.unwrapped
        assert isinstance(inner, BaseEnvironment)
        whole, bare = [], []
        for _ in range(ROUNDS):
            whole.append(run_episodes(world, 2000, world.step))
            bare.append(run_episodes(world, 2000, partial(bare_step, inner)))
        ratios = sorted(a / b for a, b in zip(whole, bare, strict=True))
        micro = [1e6 * median(times) / 2000 for times in (whole, bare)]
        rows.append((short_name(world_id), f"{micro[0]:.1f}", f"{micro[1]:.1f}", f"{median(ratios):.2f}", spread(ratios)))
    show("env.step and the physics in it", ["world", "step (us)", "bare (us)", "ratio", "min to max"], rows)


@click.command()
@WORLDS
@click.option("--number", default=8, show_default=True, help="Worlds side by side.")
def vector(worlds: tuple[str, ...], number: int) -> None:
    """Time collecting with Worlds beside Gymnasium's SyncVectorEnv, random actions."""
    rows = []
    for world_id in names(worlds):
        ours, peer = [], []
        many = Worlds(world_id, number, seed=0)
        same_step = gymnasium.vector.AutoresetMode.SAME_STEP
        sync = gymnasium.vector.SyncVectorEnv([partial(make_world, world_id)] * number, autoreset_mode=same_step)
        sync.reset(seed=0)
        rng = np.random.default_rng(0)
        actions = rng.uniform(-1, 1, (1000, number, *(many.action_space.shape or ()))).astype(np.float32)
        for _ in range(ROUNDS):
            ours.append(seconds(many.step, actions))
            peer.append(seconds(sync.step, actions))
        ratios = sorted(b / a for a, b in zip(ours, peer, strict=True))
        rates = [number * 1000 / median(times) for times in (ours, peer)]
        rows.append((short_name(world_id), f"{rates[0]:,.0f}", f"{rates[1]:,.0f}", f"{median(ratios):.2f}", spread(ratios)))
    show(f"steps a second, {number} worlds", ["world", "Worlds", "SyncVectorEnv", "times as fast", "min to max"], rows)


@click.command()
@WORLDS
@click.option("--number", default=32, show_default=True, help="Worlds side by side.")
@click.option("--steps", default=200, show_default=True, help="Steps of each that are timed in a round.")
def workers(worlds: tuple[str, ...], number: int, steps: int) -> None:
    """Time stepping worlds in two worker processes beside one process, random actions."""
    rows = []
    for world_id in names(worlds):
        ways = [worlds_of(world_id, number, 0, {}, processes) for processes in (1, 2)]
        rng = np.random.default_rng(0)
        actions = rng.uniform(-1, 1, (steps, number, *(ways[0].action_space.shape or ()))).astype(np.float32)
        rounds = [[seconds(way.step, actions) for way in ways] for _ in range(ROUNDS)]
        ratios = sorted(one / two for one, two in rounds)
        rates = [number * steps / median(times) for times in zip(*rounds, strict=True)]
        rows.append((short_name(world_id), f"{rates[0]:,.0f}", f"{rates[1]:,.0f}", f"{median(ratios):.2f}", spread(ratios)))
        for way in ways:
            way.close()
    show(f"steps a second, {number} worlds", ["world", "one process", "two workers", "times as fast", "min to max"], rows)


@click.command()
@WORLDS
@click.option("--size", default=600, show_default=True, help="Height and width (pixels).")
def films(worlds: tuple[str, ...], size: int) -> None:
    """Time filming: stepping, drawing and H.264 together."""
    rows = []
    for world_id in names(worlds):
        world = make_world(world_id, {"width": size, "height": size}, render_mode="rgb_array")
        rates = sorted(300 / film_seconds(world) for _ in range(ROUNDS))
        rows.append((short_name(world_id), f"{median(rates):.0f}", spread(rates, 0)))
    show(f"frames a second filmed at {size} x {size}", ["world", "frames/s", "min to max"], rows)
