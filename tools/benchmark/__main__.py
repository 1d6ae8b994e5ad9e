"""Benchmarks that anyone can run: every figure is a ratio beside a peer, measured in one run.

python -m poise.tools.benchmark environments | vector | workers | films | speed | update | cores | solve | balance | memory
"""

import click

from poise.tools.benchmark.learning import balance, cores, memory, solve, speed, update
from poise.tools.benchmark.speed import envs, films, vector, workers


@click.group()
def main() -> None:
    """Measure Poise beside its peers."""


for command in (envs, vector, workers, films, speed, update, cores, solve, balance, memory):
    main.add_command(command)


if __name__ == "__main__":
    main(prog_name="python -m poise.tools.benchmark")
