"""Benchmarks that anyone can run: every figure is a ratio beside a peer, measured in one run.

python -m tools.benchmark worlds | vector | films | update | speed | solve        (the last two need the extra `dev`)
"""

from collections.abc import Sequence
from functools import partial
from statistics import median

import click
import gymnasium
import numpy as np
from rich.console import Console

import envs2d  # noqa: F401  (registers the worlds in the plane)
from envs2d.world import PlanarEnvironment
from toolkit.console import table
from toolkit.experience import Worlds
from toolkit.registry import make_world, our_ids, resolve, short_name
from tools.peer import sac_speeds, solve_times, update_times
from tools.stopwatch import bare_step, film_seconds, run_episodes, seconds

ROUNDS = 5
WORLDS = click.argument("worlds", nargs=-1)


def names(words: tuple[str, ...]) -> list[str]:
    """The ids of the named worlds; of all of ours where none is named."""
    return [resolve(word) for word in words] or our_ids()


def show(title: str, columns: list[str], rows: Sequence[tuple[str, ...]]) -> None:
    """Print a table."""
    Console(width=110).print(table(title, columns, rows))


@click.group()
def main() -> None:
    """Measure Poise beside its peers."""


@main.command()
@WORLDS
def worlds(worlds: tuple[str, ...]) -> None:
    """Time env.step beside the bare space.step calls that it makes, in the same states."""
    rows = []
    for world_id in names(worlds):
        world = make_world(world_id)
        inner = world.unwrapped
        assert isinstance(inner, PlanarEnvironment)
        whole, bare = [], []
        for _ in range(ROUNDS):
            whole.append(run_episodes(world, 2000, world.step))
            bare.append(run_episodes(world, 2000, partial(bare_step, inner)))
        ratios = sorted(a / b for a, b in zip(whole, bare, strict=True))
        micro = [1e6 * median(times) / 2000 for times in (whole, bare)]
        rows.append((short_name(world_id), f"{micro[0]:.1f}", f"{micro[1]:.1f}", f"{median(ratios):.2f}", _range(ratios)))
    show("env.step and its space.step calls", ["world", "step (us)", "bare (us)", "ratio", "min to max"], rows)


@main.command()
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
        rows.append((short_name(world_id), f"{rates[0]:,.0f}", f"{rates[1]:,.0f}", f"{median(ratios):.2f}", _range(ratios)))
    show(f"steps a second, {number} worlds", ["world", "Worlds", "SyncVectorEnv", "times as fast", "min to max"], rows)


@main.command()
@WORLDS
@click.option("--size", default=600, show_default=True, help="Height and width (pixels).")
def films(worlds: tuple[str, ...], size: int) -> None:
    """Time filming: stepping, drawing and H.264 together."""
    rows = []
    for world_id in names(worlds):
        world = make_world(world_id, {"width": size, "height": size}, render_mode="rgb_array")
        rates = sorted(300 / film_seconds(world) for _ in range(ROUNDS))
        rows.append((short_name(world_id), f"{median(rates):.0f}", _range(rates, 0)))
    show(f"frames a second filmed at {size} x {size}", ["world", "frames/s", "min to max"], rows)


@main.command()
@WORLDS
@click.option("--steps", default=2000, show_default=True, help="Steps timed in each round.")
@click.option("--threads", default=1, show_default=True, help="torch threads of both.")
def speed(worlds: tuple[str, ...], steps: int, threads: int) -> None:
    """Time SAC beside stable-baselines3's at equal settings: 256x256, batch 256, one update a step."""
    rows = []
    for world_id in names(worlds):
        rounds = [sac_speeds(world_id, steps, threads) for _ in range(3)]
        ratios = sorted(ours / peer for ours, peer in rounds)
        ours, peer = (median(column) for column in zip(*rounds, strict=True))
        rows.append((short_name(world_id), f"{ours:.0f}", f"{peer:.0f}", f"{median(ratios):.2f}", _range(ratios)))
    show(
        f"SAC steps a second, torch threads: {threads}",
        ["world", "Poise", "stable-baselines3", "times as fast", "min to max"],
        rows,
    )


@main.command()
@click.option("--rounds", default=300, show_default=True, help="Updates timed.")
def update(rounds: int) -> None:
    """Time one SAC update of 256x256 and batch 256, and one of the 16 products of 256x256x256 in it; one thread."""
    whole, product = update_times(rounds)
    rows = [(f"{1e3 * whole:.2f}", f"{1e3 * product:.3f}", f"{16 * product / whole:.0%}", f"{2 * 256**3 / product / 1e9:.0f}")]
    show("one SAC update", ["update (ms)", "product (ms)", "16 products of the update", "GFLOP/s"], rows)


@main.command()
@WORLDS
@click.option("--seeds", default=5, show_default=True, help="Seeds 0, 1, ...")
@click.option("--limit", default=4.0, show_default=True, help="Stop the peer at so many times our seconds.")
def solve(worlds: tuple[str, ...], seeds: int, limit: float) -> None:
    """Time `poise train` from the shell to solved, beside stable-baselines3's SAC on the very same world."""
    rows = []
    for world_id in names(worlds):
        for seed in range(seeds):
            rows.append((short_name(world_id), str(seed), *solve_times(world_id, seed, limit)))
            click.echo("  ".join(rows[-1]))
    columns = ["world", "seed", "s", "episodes", "steps", "return", "peer s", "peer episodes", "peer return"]
    show("from the shell to solved", columns, rows)


def _range(values: list[float], digits: int = 2) -> str:
    return f"{values[0]:.{digits}f} to {values[-1]:.{digits}f}"


if __name__ == "__main__":
    main()
