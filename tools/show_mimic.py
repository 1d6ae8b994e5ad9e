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
from toolkit.poses import Away
from toolkit.run import Run
from toolkit.video import frame_rate_of, recorder
from tools.attempts import Attempt, Moment
from tools.mimic import LEAD, Mimic
from tools.targets import Target, along_a_path, from_dataset, from_film, from_images, made_up
from tools.train_translator import check_fit, translation_config

MOST_ROWS = 20
"""Poses that are listed one by one; of more only the summary is told."""
SAID = {
    "away": "robot from what it read",
    "from_truth": "robot from the truth",
    "misread": "what it read from the truth",
}


def mimic_and_show(
    policy: str,
    *,
    translator: str | None,
    image: Sequence[Path],
    video: Path | None,
    trajectory: float | None,
    dataset: Path | None,
    number: int | None,
    out: Path | None,
    size: int,
    runs_dir: Path,
) -> None:
    """Take the poses that pictures show, and tell how well; a film of it where `out` names one."""
    named = sum((bool(image), video is not None, trajectory is not None, dataset is not None))
    if named > 1 or (named == 0 and number is None):
        raise UserError("say what to mimic: --image FILE, --video FILE, --trajectory SECONDS, --dataset DIR or --random N")
    reader, console = Run.open(runs_dir, translator or policy), Console()
    mimic = Mimic(Run.open(runs_dir, policy), reader, size)
    eye = mimic.translator.size
    config, seed = translation_config(reader), EVALUATION_SEED + 500_000
    world = (config["world"], config["world_settings"])
    moving = None
    if video is not None:
        moving = from_film(video, eye), frame_rate_of(video)
    elif trajectory is not None:
        moving = along_a_path(*world, trajectory, seed)
    if moving is not None:
        with recorder(out, moving[1]) if out else nullcontext() as film:
            _tell_moments(console, mimic.follow(*moving, film), moving[1])
    else:
        if image:
            targets = from_images(image, eye)
        elif dataset is not None:
            check_fit(reader, data := Dataset(dataset))
            targets = from_dataset(data, number or 100)
        else:
            targets = made_up(*world, number or 1, seed)
        with recorder(out, mimic.ours.CONTROL_RATE) if out else nullcontext() as film:
            seen = [mimic.take(target, EVALUATION_SEED + index, film) for index, target in enumerate(targets)]
        _tell(console, mimic, targets, seen)
    if out is not None:
        console.print(f"film: {out}")
    mimic.world.close()


def _tell_moments(console: Console, moments: Sequence[Moment], rate: int) -> None:
    console.print(f"followed {len(moments)} frames at {rate} a second, aiming {LEAD:g} s ahead")
    for name in Moment._fields:
        told = [getattr(moment, name) for moment in moments]
        if None not in told:
            most = 1000 * max(away.metres for away in told)
            console.print(f"{SAID[name]}: {_words(told)} in the mean, {most:.1f} mm at most")


def _tell(console: Console, mimic: Mimic, targets: Sequence[Target], seen: Sequence[Attempt]) -> None:
    rate = mimic.ours.CONTROL_RATE
    if len(seen) <= MOST_ROWS:
        rows = [(told.name, f"{told.steps / rate:.2f} s" if told.steps else "not taken", _words([told.away])) for told in seen]
        console.print(table("Poses", ["picture", "taken after", "away at the end"], rows))
    taken = [told.steps for told in seen if told.steps]
    after = f", after {np.median(taken) / rate:.2f} s in the median" if taken else ""
    within = f"{1000 * mimic.ours.task.reach:.0f} mm"
    console.print(f"{len(taken)} of {len(seen)} poses taken within {within} for {mimic.ours.task.hold} steps in a row{after}")
    console.print(f"away at the end, in the mean: {_words([told.away for told in seen])}")
    if targets[0].pose is not None:
        blind = [mimic.take(target, EVALUATION_SEED + index, see=False) for index, target in enumerate(targets)]
        known = sum(told.steps is not None for told in blind)
        misread = _words([told.misread for told in seen if told.misread])
        console.print(f"with the true numbers instead of pictures: {known}; the translator is {misread} off in the mean")


def _words(told: Sequence[Away]) -> str:
    """The mean of some errors."""
    metres, degrees = np.array(told).mean(0)
    return f"{1000 * metres:.1f} mm and {degrees:.1f} degrees"
