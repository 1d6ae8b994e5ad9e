"""The command `poise mimic`: pictures in, a table and a film out."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from rich.console import Console

from toolkit.console import table
from toolkit.dataset import Dataset
from toolkit.errors import UserError
from toolkit.evaluation import EVALUATION_SEED
from toolkit.run import Run
from toolkit.video import frame_rate_of, recorder
from tools.mimic import STEPS, Attempt, Mimic
from tools.targets import Target, from_dataset, from_film, from_images, made_up
from tools.train_translator import check_fit

MOST_ROWS = 20
"""Poses that are listed one by one; of more only the summary is told."""


def mimic_and_show(
    policy: str,
    *,
    translator: str,
    image: Sequence[Path],
    video: Path | None,
    dataset: Path | None,
    number: int | None,
    out: Path | None,
    size: int,
    runs_dir: Path,
) -> None:
    """Take the poses that pictures show, and tell how well; a film of it where `out` names one."""
    if sum((bool(image), video is not None, dataset is not None)) > 1 or not (image or video or dataset or number):
        raise UserError("say what to mimic: --image FILE, --video FILE, --dataset DIR or --random N")
    reader, console = Run.open(runs_dir, translator), Console()
    mimic = Mimic(Run.open(runs_dir, policy), reader, size)
    eye, rate = mimic.translator.size, mimic.ours.CONTROL_RATE
    if video is not None:
        targets, shown = from_film(video, eye), frame_rate_of(video)
        with recorder(out, shown) if out else nullcontext() as film:
            errors = 1000 * np.array(mimic.follow(targets, shown, film))
        away = f"{errors.mean():.1f} mm away in the mean, {errors.max():.1f} mm at most"
        console.print(f"followed {len(errors)} frames at {shown} a second: {away}")
    else:
        if image:
            targets = from_images(image, eye)
        elif dataset is not None:
            check_fit(reader, data := Dataset(dataset))
            targets = from_dataset(data, number or 100)
        else:
            targets = made_up(reader.config["world"], reader.config["world_settings"], number or 1, EVALUATION_SEED + 500_000)
        with recorder(out, rate) if out else nullcontext() as film:
            seen = [mimic.take(target, EVALUATION_SEED + index, film) for index, target in enumerate(targets)]
        _tell(console, mimic, targets, seen)
    if out is not None:
        console.print(f"film: {out}")
    mimic.world.close()


def _tell(console: Console, mimic: Mimic, targets: Sequence[Target], seen: Sequence[Attempt]) -> None:
    rate = mimic.ours.CONTROL_RATE
    if len(seen) <= MOST_ROWS:
        rows = [
            (told.name, f"{told.steps / rate:.2f} s" if told.steps else "not taken", f"{1000 * told.error:.1f} mm")
            for told in seen
        ]
        console.print(table("Poses", ["picture", "taken after", "away at the end"], rows))
    taken = [told.steps for told in seen if told.steps]
    after = f", after {np.median(taken) / rate:.2f} s in the median" if taken else ""
    within = f"{1000 * mimic.ours.task.reach:.0f} mm"
    console.print(f"{len(taken)} of {len(seen)} poses taken within {within} for {mimic.ours.task.hold} of {STEPS} steps{after}")
    if targets[0].pose is not None:
        blind = [mimic.take(target, EVALUATION_SEED + index, see=False) for index, target in enumerate(targets)]
        known = sum(told.steps is not None for told in blind)
        misread = 1000 * np.mean([told.misread for told in seen])
        console.print(f"with the true numbers instead of pictures: {known}; the translator is {misread:.1f} mm off in the mean")
