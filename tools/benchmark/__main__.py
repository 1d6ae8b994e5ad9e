"""Speed and learning benchmarks: `python -m poise.tools.benchmark COMMAND`.

Each command prints a table that compares Poise with a reference measured in the same call, since
absolute times depend on the machine. `poise benchmark` is another command: it trains suites.
"""

import os
from collections.abc import Sequence
from statistics import median
from typing import Any

import click

from poise.toolkit.console import Console, make_table
from poise.toolkit.errors import UserError, WorkError, printable, remove_control_characters
from poise.toolkit.process import count_cores, limit_cores
from poise.toolkit.registry import registered_ids, resolve_env_id, short_name
from poise.toolkit.settings import parse_assignments
from poise.tools.benchmark import solve_time, speed, timing
from poise.tools.benchmark.jobs import THREAD_VARIABLES
from poise.tools.benchmark.peers import LIBRARIES, PACKAGES, require_library

TABLE_WIDTH = 150
"""Columns of the terminal; a wide table is not folded when its output goes to a file."""


MAX_ERROR_LENGTH = 500
"""Characters of an error that are printed."""


ROUNDS = 3
"""Rounds of a comparison of learners; the tables show the median."""


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


class _MeasuringGroup(click.Group):
    """Prints what is wrong with the user's input (exit code 2) or the work (1) in one line."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except (UserError, WorkError) as error:
            click.echo(f"poise: {printable(error, MAX_ERROR_LENGTH)}", err=True)
            context.exit(2 if isinstance(error, UserError) else 1)


@click.group(cls=_MeasuringGroup)
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


@main.command("speed")
@ENVS_ARGUMENT
@ALGORITHM_OPTION
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    default=2048,
    show_default=True,
    help="Steps timed in each round; PPO makes whole rollouts of them.",
)
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    help="Minibatch size of PPO.",
)
@click.option(
    "--epochs", type=click.IntRange(min=1), default=10, show_default=True, help="Epochs of PPO."
)
@click.option(
    "--rounds", type=click.IntRange(min=1), default=ROUNDS, show_default=True, help="Rounds."
)
@click.option(
    "--cores",
    type=click.IntRange(min=1),
    help="Pin each library to so many cores.  [default: no pinning]",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="Threads of each library.  [default: as many as it takes by itself]",
)
def compare_speeds(
    envs: tuple[str, ...],
    algo: str,
    steps: int,
    batch: int,
    epochs: int,
    rounds: int,
    cores: int | None,
    threads: int | None,
) -> None:
    """Time training with Poise, stable-baselines3 and sbx at equal settings.

    Each is measured in a process of its own, environment included, after a warm-up.

    SAC and TD3: 256x256 networks, batch 256, one environment, one update per step. PPO: 64x64
    tanh networks, 16 environments, rollouts of 128 steps in each.
    """
    env_ids = _resolve_env_ids(envs)
    for library in LIBRARIES:
        require_library(f"{library}-{algo}")
    rows = []
    for env_id in env_ids:
        test = speed.SpeedTest(algo, env_id, steps, batch, epochs, threads)
        with limit_cores(cores), speed.limit_threads(threads):
            speeds = speed.compare_speeds(test, rounds)
        medians = [f"{median(values):,.0f}" for values in speeds.values()]
        ratios = [
            cell
            for library in LIBRARIES
            for cell in _format_ratios(_divide(speeds[speed.POISE], speeds[library]))
        ]
        rows.append((short_name(env_id), *medians, *ratios))
    columns = ["env", "Poise", *(PACKAGES[library] for library in LIBRARIES)]
    for library in LIBRARIES:
        columns += [f"Poise / {library}", "min to max"]
    _print_table(f"{algo}: steps per second, {_describe_resources(cores, threads)}", columns, rows)


def _divide(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Return the ratio of each round."""
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def _describe_resources(cores: int | None, threads: int | None) -> str:
    """Describe the cores and threads of a measurement, variables of the user's shell included."""
    words = [f"cores: {cores or count_cores()}", f"threads: {threads or 'as each library takes'}"]
    if threads is None:
        words += [f"{name}={os.environ[name]}" for name in THREAD_VARIABLES if name in os.environ]
    return ", ".join(words)


@main.command()
@click.option("--rounds", default=300, show_default=True, help="Updates timed.")
def update(rounds: int) -> None:
    """Time a SAC update and one of its matrix products.

    Networks of 256x256 and a batch of 256: an update needs 16 products of 256x256 by 256x256
    matrices. torch has one thread.
    """
    seconds, product_seconds = speed.measure_update_times(rounds)
    row = (
        f"{1e3 * seconds:.2f}",
        f"{1e3 * product_seconds:.3f}",
        f"{PRODUCTS_PER_UPDATE * product_seconds / seconds:.0%}",
        f"{FLOP_PER_PRODUCT / product_seconds / GIGA:.0f}",
    )
    columns = ["update (ms)", "product (ms)", "16 products / update", "GFLOP/s"]
    _print_table("SAC update", columns, [row])


@main.command()
@click.option("--rounds", default=100, show_default=True, help="Updates timed, of each kind.")
def threads(rounds: int) -> None:
    """Time a SAC update on one torch thread and on two, by size of networks and batch."""
    rows = []
    for hidden_units in (64, 128, 256):
        for batch_size in (64, 256, 1024):
            # In turn, as the speed of a machine drifts.
            pairs = [
                [
                    speed.measure_update_times(rounds // ROUNDS, hidden_units, batch_size, count)[0]
                    for count in (1, 2)
                ]
                for _ in range(ROUNDS)
            ]
            ratios = [one / two for one, two in pairs]
            times = [f"{1e3 * median(column):.2f}" for column in zip(*pairs, strict=True)]
            sizes = (f"{hidden_units}x{hidden_units}", str(batch_size))
            rows.append((*sizes, *times, *_format_ratios(ratios)))
    columns = ["layers", "batch", "one thread (ms)", "two (ms)", "speed-up", "min to max"]
    _print_table("SAC update", columns, rows)


@main.command()
@ENVS_ARGUMENT
def cores(envs: tuple[str, ...]) -> None:
    """Time training on one core and on two.

    PPO puts its environments in two worker processes; SAC uses two torch threads.
    """
    ppo = {"rollout_steps": speed.ROLLOUT_STEPS, "batch_size": 512, "epochs": 4}
    sac = {"hidden_sizes": [256, 256], "learning_starts": 500}
    rollout = 16 * speed.ROLLOUT_STEPS
    # Algorithm, settings, environments, steps of warm-up, steps; threads and workers on two cores.
    cases: list[tuple[str, dict[str, Any], int, int, int, int, int]] = [
        ("ppo", ppo, 16, rollout, 8 * rollout, 1, 2),
        ("sac", sac, 1, 600, 1000, 2, 1),
    ]
    rows = []
    for env_id in _resolve_env_ids(envs):
        for algorithm, settings, num_envs, warmup_steps, steps, threads, num_workers in cases:
            one_core = {**settings, "threads": 1}
            two_cores = {**settings, "threads": threads}
            rounds = []
            for _ in range(ROUNDS):
                arguments = (algorithm, env_id, warmup_steps, steps, num_envs)
                one = speed.measure_poise_speed(*arguments, one_core)
                two = speed.measure_poise_speed(*arguments, two_cores, num_workers)
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
    default="sb3-ppo,sbx-ppo,sb3-sac,sbx-sac",
    show_default=True,
    help="Algorithms of other libraries, separated by commas; may be empty.",
)
def solve(envs: tuple[str, ...], seeds: int, first: int, limit: float, peers: str) -> None:
    """Time `poise train` from the shell until solved.

    Algorithms of stable-baselines3 (sb3-) and sbx (sbx-) are timed on the same environment.
    """
    peer_names = [name.strip() for name in peers.split(",") if name.strip()]
    env_ids = _resolve_env_ids(envs)
    configs = {env_id: solve_time.plan_peers(env_id, peer_names) for env_id in env_ids}
    rows = []
    for env_id in env_ids:
        for seed in range(first, first + seeds):
            for cells in solve_time.measure_solve_times(env_id, seed, limit, configs[env_id]):
                rows.append((short_name(env_id), str(seed), *cells))
                click.echo(remove_control_characters("  ".join(rows[-1])))
    columns = ["env", "seed", "algorithm", "s", "s / s of Poise", "episodes", "steps", "return"]
    _print_table("from the shell to solved", columns, rows)


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
