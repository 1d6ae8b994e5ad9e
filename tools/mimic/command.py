"""The command `poise mimic`: pictures in, a table and a film out."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from poise.toolkit.console import table
from poise.toolkit.dataset import Dataset
from poise.toolkit.errors import UserError
from poise.toolkit.evaluation import EVALUATION_SEED
from poise.toolkit.media.video import frame_rate_of, recorder
from poise.toolkit.pose_task import Away
from poise.toolkit.run import Run
from poise.tools.mimic.mimic import LEAD, Mimic, Onlooker
from poise.tools.mimic.robot import Attempt, Moment, Robot
from poise.tools.mimic.targets import Target, along_a_path, from_dataset, from_film, from_images, made_up
from poise.tools.translate.load import check_pictures
from rich.console import Console

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
    if named > 1 or (named == 0 and number is None) or (named and dataset is None and number is not None):
        raise UserError("say what to mimic: --image FILE, --video FILE, --trajectory SECONDS, --dataset DIR or --random N")
    console, seed = Console(), EVALUATION_SEED + 500_000
    robot, knows = _robot(Run.open(runs_dir, policy), Run.open(runs_dir, translator) if translator else None, size)
    world = robot.world_id, robot.pictured
    moving = None
    if video is not None:
        moving = from_film(video, robot.eye), frame_rate_of(video)
    elif trajectory is not None:
        moving = along_a_path(*world, trajectory, seed)
    if moving is not None:
        with recorder(out, moving[1]) if out else nullcontext() as film:
            _tell_moments(console, robot, robot.follow(*moving, film), moving[1])
    else:
        if image:
            targets = from_images(image, robot.eye)
        elif dataset is not None:
            check_pictures(data := Dataset(dataset), robot.world_id, robot.eye, knows)
            targets = from_dataset(data, number or 100)
        else:
            targets = made_up(*world, number or 1, seed)
        with recorder(out, robot.ours.CONTROL_RATE) if out else nullcontext() as film:
            seen = [robot.take(target, EVALUATION_SEED + index, film) for index, target in enumerate(targets)]
        _tell(console, robot, targets, seen)
    if out is not None:
        console.print(f"film: {out}")
    robot.world.close()


def _robot(policy: Run, translator: Run | None, size: int) -> tuple[Robot, Run]:
    """What is to take the poses, and the run that knows the pictures: the translator's, where none is the policy's own."""
    if translator is None and "translator" not in policy.config:
        return Onlooker(policy, size), policy
    return Mimic(policy, translator or policy, size), translator or policy


def _tell_moments(console: Console, robot: Robot, moments: Sequence[Moment], rate: int) -> None:
    ahead = f", aiming {LEAD:g} s ahead" if isinstance(robot, Mimic) else ""
    console.print(f"followed {len(moments)} frames at {rate} a second{ahead}")
    for name, words in SAID.items():
        told = [away for moment in moments if (away := getattr(moment, name))]
        if told:
            most = 1000 * max(away.metres for away in told)
            console.print(f"{words}: {_words(told)} in the mean, {most:.1f} mm at most")


def _tell(console: Console, robot: Robot, targets: Sequence[Target], seen: Sequence[Attempt]) -> None:
    rate = robot.ours.CONTROL_RATE
    away = [told.away for told in seen if told.away]
    if not away:
        console.print(f"pictures looked at: {len(seen)}; which poses they show nobody knows, so nobody can judge: see --out FILE")
        return
    if len(seen) <= MOST_ROWS:
        rows = [(told.name, f"{told.steps / rate:.2f} s" if told.steps else "not taken", _words([told.away])) for told in seen]
        console.print(table("Poses", ["picture", "taken after", "away at the end"], rows))
    taken = [told.steps for told in seen if told.steps]
    after = f", after {np.median(taken) / rate:.2f} s in the median" if taken else ""
    within = f"{1000 * robot.ours.task.reach:.0f} mm"
    console.print(f"{len(taken)} of {len(seen)} poses taken within {within} for {robot.ours.task.hold} steps in a row{after}")
    console.print(f"away at the end, in the mean: {_words(away)}")
    misread = [told.misread for told in seen if told.misread]
    if misread:
        blind = [robot.take(target, EVALUATION_SEED + index, see=False) for index, target in enumerate(targets)]
        known = sum(told.steps is not None for told in blind)
        console.print(f"with the true numbers instead of pictures: {known}; the translator is {_words(misread)} off in the mean")


def _words(told: Sequence[Away | None]) -> str:
    """The mean of some errors."""
    metres, degrees = np.array(told).mean(0)
    return f"{1000 * metres:.1f} mm and {degrees:.1f} degrees"
