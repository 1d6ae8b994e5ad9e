"""Make the trained policies that are a part of Poise: `python -m poise.tools.pretrain`.

Each is a run of `poise train` with the preset of its environment, of which only what acts is kept:
config, results, thinned curves, and the best policy with its measured score; beside it the
translator, where one was trained too.
"""

import csv
import shutil
from pathlib import Path
from typing import Any

import click

from poise.algos import restore_learner
from poise.toolkit import checkpoint
from poise.toolkit.console import Console
from poise.toolkit.evaluation import make_run_evaluator
from poise.toolkit.experience import ActorPolicy
from poise.toolkit.files import make_folder, open_table, write_json
from poise.toolkit.run import PRETRAINED_FOLDER, Run
from poise.tools.train.plan import TrainRequest
from poise.tools.train.session import start_training

TRAININGS: dict[str, dict[str, Any]] = {
    "cartpole": {"env": "cartpole"},
    "standing": {"env": "standing"},
    "bolla-rolla": {"env": "bolla-rolla"},
    "reacher2d": {"env": "reacher2d", "with_translator": True},
    "reacher-plane3d": {"env": "reacher-plane3d"},
    "reacher3d": {"env": "reacher3d"},
    "pose-humanoid3d": {"env": "pose-humanoid3d"},
    "arm7": {"env": "arm7"},
    "arm7-lift": {"env": "arm7", "env_settings": {"task": "lift"}},
    "humanoid3d": {"env": "humanoid3d"},
    "humanoid3d-walk": {"env": "humanoid3d", "env_settings": {"task": "walk"}},
}
"""What each policy is trained on, by its name after `pretrained/`."""

MAX_ROWS = 100
"""Rows that are kept of each curve."""

SCORE_EPISODES = 100

NETWORK_GROUPS = ("translator_policy", "translator_network")
"""Beginnings of the groups of a checkpoint that a translator beside a policy reads with."""


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(TRAININGS)))
@click.option(
    "--runs-dir",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Folder of the runs; one that is there, named as its policy, is not trained again.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the trainings.")
def main(names: tuple[str, ...], runs_dir: Path, seed: int) -> None:
    """Train the policies NAMES, or all, and write them into the package."""
    console = Console()
    for name in names or TRAININGS:
        if (runs_dir / name / "summary.json").is_file():
            run = Run.open(runs_dir, name)
        else:
            training = {"seed": seed}
            request = TrainRequest(
                name=name, runs_dir=runs_dir, training=training, **TRAININGS[name]
            )
            run = start_training(request).run
        score = write_pretrained(run, PRETRAINED_FOLDER / name)
        console.print(f"{name}: {score['eval/return']:.1f} in {SCORE_EPISODES} episodes")


def write_pretrained(run: Run, folder: Path) -> dict[str, float]:
    """Write the best policy of a run into a folder of its own, and return its score."""
    best = run.find_checkpoint("best")
    evaluator = make_run_evaluator(run, SCORE_EPISODES)
    score = dict(evaluator(ActorPolicy(restore_learner(run, "best"))).metrics())
    evaluator.close()
    shutil.rmtree(folder, ignore_errors=True)
    make_folder(folder)
    command = f"python -m poise.tools.pretrain {folder.name}"
    write_json(folder / "config.json", {**run.config, "command": command})
    write_json(folder / "summary.json", {**run.summary(), **score})
    for name in ("metrics.csv", "episodes.csv"):
        _thin_rows(run.path / name, folder / name)
    state = checkpoint.load(best, ["policy"])
    if "translator" in run.config:
        latest = run.find_checkpoint("latest")
        groups = [path.name for path in latest.iterdir() if path.name.startswith(NETWORK_GROUPS)]
        state |= checkpoint.load(latest, groups)
    checkpoint.save(folder / "checkpoints" / best.name, state)
    return score


def _thin_rows(source: Path, target: Path) -> None:
    """Copy a CSV file; of each name's rows at most MAX_ROWS, evenly spaced, with first and last."""
    with open_table(source) as file:
        header, *rows = csv.reader(file)
    numbers_by_name: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        name = row[header.index("name")] if "name" in header else ""
        numbers_by_name.setdefault(name, []).append(number)
    kept = set()
    for numbers in numbers_by_name.values():
        spacing = max(1.0, (len(numbers) - 1) / (MAX_ROWS - 1))
        kept |= {numbers[round(index * spacing)] for index in range(min(MAX_ROWS, len(numbers)))}
    with target.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *(rows[number] for number in sorted(kept))])


if __name__ == "__main__":
    main()
