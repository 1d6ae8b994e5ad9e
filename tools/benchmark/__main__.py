"""Speed and learning benchmarks: `python -m poise.tools.benchmark COMMAND`.

Each command prints a table that compares Poise with a reference measured in the same call, since
absolute times depend on the machine. `poise benchmark` is another command: it trains suites.
"""

from collections.abc import Sequence
from statistics import median
from typing import Any

import click

from poise.toolkit.console import Console, make_table
from poise.toolkit.errors import remove_control_characters
from poise.toolkit.registry import registered_ids, resolve_env_id, short_name
from poise.toolkit.settings import parse_assignments
from poise.tools.benchmark import sb3, solve_time, timing

TABLE_WIDTH = 150
"""Columns of the terminal; a wide table is not folded when its output goes to a file."""


ROUNDS = 3
"""Rounds of a comparison of learners; the tables show the median."""


ROLLOUT_STEPS = 128
"""PPO's rollout length in each environment."""


PRODUCTS_PER_UPDATE = 16
"""Matrix products of 256x256x256 in a SAC update of 256x256 networks with a batch of 256."""


GIGA = 1e9
FLOP_PER_PRODUCT = 2 * 256**3

ENVS_ARGUMENT = click.argument("envs", nargs=-1)


ALGORITHM_OPTION = click.option(
    "--algo",
    type=click.Choice(["sac", "td3", "ppo"]),
    default="sac",
    show_default=True,
    help="Algorithm.",
)


@click.group()
def main() -> None:
    """Measure the speed of Poise beside other libraries, and how soon it solves an environment.

    ENVS are environments such as cartpole; without any, all environments of Poise are measured.
    """


def _resolve_env_ids(names: tuple[str, ...]) -> list[str]:
    """Return the ids of the named environments, or all registered ids."""
    return [resolve_env_id(name) for name in names] or registered_ids()


def _print_table(title: str, columns: list[str], rows: Sequence[tuple[str, ...]]) -> None:
    Console(width=TABLE_WIDTH).print(make_table(title, columns, rows))


def _format_ratios(ratios: Sequence[float]) -> tuple[str, str]:
    """Format the median and the range of ratios."""
    return f"{median(ratios):.2f}", f"{min(ratios):.2f} to {max(ratios):.2f}"


@main.command()
@ENVS_ARGUMENT
def envs(envs: tuple[str, ...]) -> None:
    """Time env.step and the physics in it, in the same states."""
    rows = []
    for env_id in _resolve_env_ids(envs):
        whole, physics = timing.measure_env_steps(env_id)
        ratios = [a / b for a, b in zip(whole, physics, strict=True)]
        microseconds = [f"{1e6 * median(times):.1f}" for times in (whole, physics)]
        rows.append((short_name(env_id), *microseconds, *_format_ratios(ratios)))
    columns = ["env", "step (us)", "physics (us)", "ratio", "min to max"]
    _print_table("env.step and the physics in it", columns, rows)


@main.command()
@ENVS_ARGUMENT
@click.option("--number", default=8, show_default=True, help="Number of environments.")
def vector(envs: tuple[str, ...], number: int) -> None:
    """Time EnvBatch and Gymnasium's SyncVectorEnv.

    Actions are random.
    """
    rows = []
    for env_id in _resolve_env_ids(envs):
        ours, theirs = timing.measure_vector_steps(env_id, number)
        ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
        rates = [f"{median(rates):,.0f}" for rates in (ours, theirs)]
        rows.append((short_name(env_id), *rates, *_format_ratios(ratios)))
    columns = ["env", "EnvBatch", "SyncVectorEnv", "speed-up", "min to max"]
    _print_table(f"steps per second, {number} environments", columns, rows)


@main.command()
@ENVS_ARGUMENT
@click.option("--number", default=32, show_default=True, help="Number of environments.")
@click.option(
    "--steps", default=200, show_default=True, help="Steps of each environment timed in a round."
)
def workers(envs: tuple[str, ...], number: int, steps: int) -> None:
    """Time one process and two worker processes.

    Actions are random.
    """
    rows = []
    for env_id in _resolve_env_ids(envs):
        one, two = timing.measure_worker_steps(env_id, number, steps)
        ratios = [b / a for a, b in zip(one, two, strict=True)]
        rates = [f"{median(rates):,.0f}" for rates in (one, two)]
        rows.append((short_name(env_id), *rates, *_format_ratios(ratios)))
    columns = ["env", "one process", "two workers", "speed-up", "min to max"]
    _print_table(f"steps per second, {number} environments", columns, rows)


@main.command()
@ENVS_ARGUMENT
@click.option("--size", default=600, show_default=True, help="Height and width (pixels).")
def films(envs: tuple[str, ...], size: int) -> None:
    """Time video recording: step, draw and encode (H.264)."""
    rows = []
    for env_id in _resolve_env_ids(envs):
        rates = timing.measure_video_recording(env_id, size)
        value_range = f"{min(rates):.0f} to {max(rates):.0f}"
        rows.append((short_name(env_id), f"{median(rates):.0f}", value_range))
    columns = ["env", "frames/s", "min to max"]
    _print_table(f"frames recorded per second at {size} x {size}", columns, rows)


@main.command()
@ENVS_ARGUMENT
@ALGORITHM_OPTION
@click.option("--steps", default=2048, show_default=True, help="Steps timed in each round.")
@click.option("--threads", default=1, show_default=True, help="torch threads of both libraries.")
@click.option("--batch", default=64, show_default=True, help="Minibatch size of PPO.")
@click.option("--epochs", default=10, show_default=True, help="Epochs of PPO.")
def speed(
    envs: tuple[str, ...], algo: str, steps: int, threads: int, batch: int, epochs: int
) -> None:
    """Time an algorithm and stable-baselines3's with equal settings.

    SAC and TD3: 256x256 networks, batch 256, one environment, one update per step. PPO: 64x64
    tanh networks, 16 environments, rollouts of 128 steps in each.
    """
    num_envs = 16 if algo == "ppo" else 1
    ppo_settings = (ROLLOUT_STEPS, batch, epochs)
    rows = []
    for env_id in _resolve_env_ids(envs):
        rounds = [
            sb3.measure_speeds(algo, env_id, steps, threads, num_envs, ppo_settings)
            for _ in range(ROUNDS)
        ]
        ratios = [ours / theirs for ours, theirs in rounds]
        speeds = [f"{median(column):,.0f}" for column in zip(*rounds, strict=True)]
        rows.append((short_name(env_id), *speeds, *_format_ratios(ratios)))
    columns = ["env", "Poise", "stable-baselines3", "speed-up", "min to max"]
    _print_table(f"{algo}: steps per second, torch threads: {threads}", columns, rows)


@main.command()
@click.option("--rounds", default=300, show_default=True, help="Updates timed.")
def update(rounds: int) -> None:
    """Time a SAC update and one of its matrix products.

    Networks of 256x256 and a batch of 256: an update needs 16 products of 256x256 by 256x256
    matrices. torch has one thread.
    """
    seconds, product_seconds = sb3.measure_update_times(rounds)
    row = (
        f"{1e3 * seconds:.2f}",
        f"{1e3 * product_seconds:.3f}",
        f"{PRODUCTS_PER_UPDATE * product_seconds / seconds:.0%}",
        f"{FLOP_PER_PRODUCT / product_seconds / GIGA:.0f}",
    )
    columns = ["update (ms)", "product (ms)", "16 products / update", "GFLOP/s"]
    _print_table("SAC update", columns, [row])


@main.command()
@ENVS_ARGUMENT
def cores(envs: tuple[str, ...]) -> None:
    """Time training on one core and on two.

    PPO puts its environments in two worker processes; SAC uses two torch threads.
    """
    ppo = {"rollout_steps": ROLLOUT_STEPS, "batch_size": 512, "epochs": 4}
    sac = {"hidden_sizes": [256, 256], "learning_starts": 500}
    # Algorithm, settings, environments, steps; threads and workers on two cores.
    cases: list[tuple[str, dict[str, Any], int, int, int, int]] = [
        ("ppo", ppo, 16, 16 * ROLLOUT_STEPS * 8, 1, 2),
        ("sac", sac, 1, 1000, 2, 1),
    ]
    rows = []
    for env_id in _resolve_env_ids(envs):
        for algorithm, settings, num_envs, steps, threads, num_workers in cases:
            one_core = {**settings, "threads": 1}
            two_cores = {**settings, "threads": threads}
            rounds = []
            for _ in range(ROUNDS):
                arguments = (algorithm, env_id, steps, num_envs)
                one = sb3.measure_poise_speed(*arguments, one_core)
                two = sb3.measure_poise_speed(*arguments, two_cores, num_workers)
                rounds.append((one, two))
            ratios = [two / one for one, two in rounds]
            speeds = [f"{median(column):,.0f}" for column in zip(*rounds, strict=True)]
            rows.append((short_name(env_id), algorithm, *speeds, *_format_ratios(ratios)))
    columns = ["env", "algorithm", "one core", "two cores", "speed-up", "min to max"]
    _print_table("steps per second on one core and on two", columns, rows)


@main.command()
@ENVS_ARGUMENT
@click.option("--seeds", default=5, show_default=True, help="Number of seeds.")
@click.option("--first", default=0, show_default=True, help="First seed.")
@click.option(
    "--limit",
    default=4.0,
    show_default=True,
    help="Stop another library after this many times the seconds of Poise.",
)
@click.option(
    "--peers",
    default="sb3-ppo,sb3-sac",
    show_default=True,
    help="Algorithms of other libraries, separated by commas; may be empty.",
)
def solve(envs: tuple[str, ...], seeds: int, first: int, limit: float, peers: str) -> None:
    """Time `poise train` from the shell until solved.

    stable-baselines3's PPO and SAC are timed on the same environment.
    """
    peer_names = [name for name in peers.split(",") if name]
    rows = []
    for env_id in _resolve_env_ids(envs):
        for seed in range(first, first + seeds):
            cells = solve_time.measure_solve_times(env_id, seed, limit, peer_names)
            rows.append((short_name(env_id), str(seed), *cells))
            click.echo(remove_control_characters("  ".join(rows[-1])))
    columns = ["s", "episodes", "steps", "return"]
    peer_columns = [
        f"{name.removeprefix('sb3-')} {column}" for name in peer_names for column in columns
    ]
    heads = ["env", "seed", "algorithm", *columns, *peer_columns]
    _print_table("from the shell to solved", heads, rows)


@main.command()
@ENVS_ARGUMENT
@click.option("--seeds", default=5, show_default=True, help="Number of seeds: 0, 1, ...")
@click.option("--most", default=5000, show_default=True, help="Episodes after which to give up.")
@ALGORITHM_OPTION
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Algorithm setting, on top of the environment's preset.",
)
def balance(
    envs: tuple[str, ...], seeds: int, most: int, algo: str, settings: tuple[str, ...]
) -> None:
    """Count training episodes until the policy balances.

    That is: ten episodes in a row last at least 395 of 400 steps, with exploration. Actions are
    impulses, the reward is one per step, and episodes start without noise.
    """
    overrides = parse_assignments(settings, "--set")
    rows = []
    for env_id in _resolve_env_ids(envs):
        for seed in range(seeds):
            episodes, steps, seconds = solve_time.count_episodes_to_balance(
                env_id, seed, most, algo, overrides
            )
            count = f"{episodes}" if episodes is not None else f"over {most}"
            rows.append((short_name(env_id), str(seed), count, f"{steps:,}", f"{seconds:.0f}"))
            click.echo(remove_control_characters("  ".join(rows[-1])))
    columns = ["env", "seed", "episodes", "steps", "s"]
    _print_table("episodes until ten in a row last at least 395 steps", columns, rows)


@main.command()
@click.option("--env", default="standing", show_default=True, help="Environment.")
@click.option(
    "--buffer", default=1_000_000, show_default=True, help="Capacity of the buffer (transitions)."
)
@click.option("--steps", default=5000, show_default=True, help="Training steps.")
def memory(env: str, buffer: int, steps: int) -> None:
    """Measure the memory of SAC with a large replay buffer."""
    peak, full_buffer = solve_time.measure_memory(resolve_env_id(env), buffer, steps)
    columns = ["peak of the process (MB)", "full buffer (MB)"]
    _print_table("memory", columns, [(f"{peak:.0f}", f"{full_buffer:.0f}")])


if __name__ == "__main__":
    main(prog_name="python -m poise.tools.benchmark")
