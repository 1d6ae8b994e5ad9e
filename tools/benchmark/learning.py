"""Benchmarks of learning: how fast steps are made and learned from, and how soon an environment is solved."""

from statistics import median
from typing import Any

import click

from poise.toolkit.registry import resolve_env_id, short_name
from poise.toolkit.settings import parse_assignments
from poise.tools.benchmark import sb3 as peer
from poise.tools.benchmark import solve_time as whole_runs
from poise.tools.benchmark.timing import ENVS_ARGUMENT, format_range, print_table, resolve_env_ids


@click.command()
@ENVS_ARGUMENT
@click.option(
    "--algo",
    type=click.Choice(["sac", "td3", "ppo"]),
    default="sac",
    show_default=True,
    help="Algorithm.",
)
@click.option("--steps", default=2048, show_default=True, help="Steps timed in each round.")
@click.option("--threads", default=1, show_default=True, help="torch threads of both.")
@click.option("--batch", default=64, show_default=True, help="PPO's minibatch.")
@click.option("--epochs", default=10, show_default=True, help="PPO's epochs.")
def speed(
    envs: tuple[str, ...], algo: str, steps: int, threads: int, batch: int, epochs: int
) -> None:
    """Time an algorithm beside stable-baselines3's at equal settings.

    SAC and TD3: 256x256, batch 256, one environment, one update a step. PPO: 64x64 tanh, 16 environments, 128 steps each.
    """
    rows = []
    for env_id in resolve_env_ids(envs):
        number = 16 if algo == "ppo" else 1
        rounds = [
            peer.measure_speeds(algo, env_id, steps, threads, number, (128, batch, epochs))
            for _ in range(3)
        ]
        ratios = sorted(ours / theirs for ours, theirs in rounds)
        ours, theirs = (median(column) for column in zip(*rounds, strict=True))
        rows.append(
            (
                short_name(env_id),
                f"{ours:,.0f}",
                f"{theirs:,.0f}",
                f"{median(ratios):.2f}",
                format_range(ratios),
            )
        )
    title = f"{algo} steps a second, torch threads: {threads}"
    print_table(title, ["env", "Poise", "stable-baselines3", "times as fast", "min to max"], rows)


@click.command()
@click.option("--rounds", default=300, show_default=True, help="Updates timed.")
def update(rounds: int) -> None:
    """Time one SAC update of 256x256 and batch 256, and one of the 16 products of 256x256x256 in it; one thread."""
    whole, product = peer.measure_update_times(rounds)
    rows = [
        (
            f"{1e3 * whole:.2f}",
            f"{1e3 * product:.3f}",
            f"{16 * product / whole:.0%}",
            f"{2 * 256**3 / product / 1e9:.0f}",
        )
    ]
    print_table(
        "one SAC update",
        ["update (ms)", "product (ms)", "16 products of the update", "GFLOP/s"],
        rows,
    )


@click.command()
@ENVS_ARGUMENT
def cores(envs: tuple[str, ...]) -> None:
    """Time what a second core brings: PPO with its environments in two processes, SAC with two torch threads."""
    ways: list[tuple[str, dict[str, Any], int]] = [
        ("ppo", {"rollout_steps": 128, "batch_size": 512, "epochs": 4}, 16),
        ("sac", {"hidden_sizes": [256, 256], "learning_starts": 500}, 1),
    ]
    rows = []
    for env_id in resolve_env_ids(envs):
        for algorithm, settings, number in ways:
            steps = 16 * 128 * 8 if algorithm == "ppo" else 1000
            rounds = []
            for _ in range(3):
                one = peer.measure_poise_speed(
                    algorithm, env_id, steps, number, {**settings, "threads": 1}
                )
                more = {"num_workers": 2} if algorithm == "ppo" else {}
                threads = 1 if algorithm == "ppo" else 2
                rounds.append(
                    (
                        one,
                        peer.measure_poise_speed(
                            algorithm,
                            env_id,
                            steps,
                            number,
                            {**settings, "threads": threads},
                            **more,
                        ),
                    )
                )
            ratios = sorted(two / one for one, two in rounds)
            one, two = (median(column) for column in zip(*rounds, strict=True))
            row = (
                short_name(env_id),
                algorithm,
                f"{one:,.0f}",
                f"{two:,.0f}",
                f"{median(ratios):.2f}",
                format_range(ratios),
            )
            rows.append(row)
    print_table(
        "steps a second on one core and on two",
        ["env", "algorithm", "one", "two", "times as fast", "min to max"],
        rows,
    )


@click.command()
@ENVS_ARGUMENT
@click.option("--seeds", default=5, show_default=True, help="How many seeds.")
@click.option("--first", default=0, show_default=True, help="The first of them.")
@click.option(
    "--limit", default=4.0, show_default=True, help="Stop a peer at so many times our seconds."
)
@click.option(
    "--peers", default="sb3-ppo,sb3-sac", show_default=True, help="Peers, with commas; empty: none."
)
def solve(envs: tuple[str, ...], seeds: int, first: int, limit: float, peers: str) -> None:
    """Time `poise train` from the shell to solved, beside stable-baselines3's PPO and SAC on the very same environment."""
    rows = []
    beside = [name for name in peers.split(",") if name]
    for env_id in resolve_env_ids(envs):
        for seed in range(first, first + seeds):
            rows.append(
                (
                    short_name(env_id),
                    str(seed),
                    *whole_runs.measure_solve_times(env_id, seed, limit, beside),
                )
            )
            click.echo("  ".join(rows[-1]))
    columns = ["s", "episodes", "steps", "return"]
    theirs = [f"{name.removeprefix('sb3-')} {column}" for name in beside for column in columns]
    print_table("from the shell to solved", ["env", "seed", "by", *columns, *theirs], rows)


@click.command()
@ENVS_ARGUMENT
@click.option("--seeds", default=5, show_default=True, help="Seeds 0, 1, ...")
@click.option("--most", default=5000, show_default=True, help="Episodes after which to give up.")
@click.option(
    "--algo",
    type=click.Choice(["sac", "td3", "ppo"]),
    default="sac",
    show_default=True,
    help="Algorithm.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting on top of the environment's preset.",
)
def balance(
    envs: tuple[str, ...], seeds: int, most: int, algo: str, settings: tuple[str, ...]
) -> None:
    """Count episodes to ten in a row of at least 395 steps: impulses, one point a step, no start noise."""
    rows = []
    own = parse_assignments(settings, "--set")
    for env_id in resolve_env_ids(envs):
        for seed in range(seeds):
            episodes, steps, seconds = whole_runs.count_episodes_to_balance(
                env_id, seed, most, algo, own
            )
            rows.append(
                (
                    short_name(env_id),
                    str(seed),
                    str(episodes or f"over {most}"),
                    f"{steps:,}",
                    f"{seconds:.0f}",
                )
            )
            click.echo("  ".join(rows[-1]))
    print_table(
        "episodes to ten in a row of at least 395 steps",
        ["env", "seed", "episodes", "steps", "s"],
        rows,
    )


@click.command(name="memory")
@click.option("--world", default="standing", show_default=True, help="Environment.")
@click.option(
    "--buffer", default=1_000_000, show_default=True, help="Transitions that the buffer holds."
)
@click.option("--steps", default=5000, show_default=True, help="Steps trained.")
def memory(env: str, buffer: int, steps: int) -> None:
    """Measure the memory of a training process with a large buffer."""
    most, full = whole_runs.measure_memory(resolve_env_id(env), buffer, steps)
    print_table(
        "memory", ["most used (MB)", "buffer when full (MB)"], [(f"{most:.0f}", f"{full:.0f}")]
    )
