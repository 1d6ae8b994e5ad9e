"""The command `poise mimic`: pictures in, a table and a film out."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from rich.console import Console

from poise.toolkit.console import make_table
from poise.toolkit.dataset import Dataset
from poise.toolkit.errors import UserError
from poise.toolkit.evaluation import EVALUATION_SEED
from poise.toolkit.media.video import open_recorder, read_frame_rate
from poise.toolkit.pose_task import PoseError
from poise.toolkit.run import Run
from poise.tools.mimic.mimic import LEAD_TIME, GoalImageRobot, Mimic
from poise.tools.mimic.robot import Attempt, FrameError, Robot
from poise.tools.mimic.targets import (
    Target,
    load_dataset_targets,
    load_image_targets,
    load_video_targets,
    make_trajectory_targets,
    sample_targets,
)
from poise.tools.translate.load import check_images

MAX_ROWS = 20
"""Poses that are listed one by one; of more only the summary is told."""


ERROR_LABELS = {
    "tracking_error": "robot from what it read",
    "true_error": "robot from the truth",
    "reading_error": "what it read from the truth",
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
    if (
        named > 1
        or (named == 0 and number is None)
        or (named and dataset is None and number is not None)
    ):
        raise UserError(
            "say what to mimic: --image FILE, --video FILE, --trajectory SECONDS, --dataset DIR or --random N"
        )
    console = Console()
    seed = EVALUATION_SEED + 500_000
    robot, knows = _make_robot(
        Run.open(runs_dir, policy), Run.open(runs_dir, translator) if translator else None, size
    )
    env = robot.env_id, robot.image_env_settings
    moving = None
    if video is not None:
        moving = load_video_targets(video, robot.image_size), read_frame_rate(video)
    elif trajectory is not None:
        moving = make_trajectory_targets(*env, trajectory, seed)
    if moving is not None:
        with open_recorder(out, moving[1]) if out else nullcontext() as film:
            _print_frame_errors(console, robot, robot.follow_video(*moving, film), moving[1])
    else:
        if image:
            targets = load_image_targets(image, robot.image_size)
        elif dataset is not None:
            check_images(data := Dataset(dataset), robot.env_id, robot.image_size, knows)
            targets = load_dataset_targets(data, number or 100)
        else:
            targets = sample_targets(*env, number or 1, seed)
        with open_recorder(out, robot.poise_env.CONTROL_HZ) if out else nullcontext() as film:
            seen = [
                robot.reach_pose(target, EVALUATION_SEED + index, film)
                for index, target in enumerate(targets)
            ]
        _print_attempts(console, robot, targets, seen)
    if out is not None:
        console.print(f"film: {out}")
    robot.env.close()


def _make_robot(policy: Run, translator: Run | None, size: int) -> tuple[Robot, Run]:
    """What is to take the poses, and the run that knows the pictures: the translator's, where none is the policy's own."""
    if translator is None and "translator" not in policy.config:
        return GoalImageRobot(policy, size), policy
    return Mimic(policy, translator or policy, size), translator or policy


def _print_frame_errors(
    console: Console, robot: Robot, frame_errors: Sequence[FrameError], frame_rate: int
) -> None:
    ahead = f", aiming {LEAD_TIME:g} s ahead" if isinstance(robot, Mimic) else ""
    console.print(f"followed {len(frame_errors)} frames at {frame_rate} a second{ahead}")
    for name, words in ERROR_LABELS.items():
        told = [away for moment in frame_errors if (away := getattr(moment, name))]
        if told:
            most = 1000 * max(away.metres for away in told)
            console.print(f"{words}: {_format_mean_error(told)} in the mean, {most:.1f} mm at most")


def _print_attempts(
    console: Console, robot: Robot, targets: Sequence[Target], attempts: Sequence[Attempt]
) -> None:
    rate = robot.poise_env.CONTROL_HZ
    away = [told.final_error for told in attempts if told.final_error]
    if not away:
        console.print(
            f"pictures looked at: {len(attempts)}; which poses they show nobody knows, so nobody can judge: see --out FILE"
        )
        return
    if len(attempts) <= MAX_ROWS:
        rows = [
            (
                told.name,
                f"{told.steps / rate:.2f} s" if told.steps else "not taken",
                _format_mean_error([told.final_error]),
            )
            for told in attempts
        ]
        console.print(make_table("Poses", ["picture", "taken after", "away at the end"], rows))
    taken = [told.steps for told in attempts if told.steps]
    after = f", after {np.median(taken) / rate:.2f} s in the median" if taken else ""
    within = f"{1000 * robot.poise_env.task.position_tolerance:.0f} mm"
    console.print(
        f"{len(taken)} of {len(attempts)} poses taken within {within} for {robot.poise_env.task.hold_steps} steps in a row{after}"
    )
    console.print(f"away at the end, in the mean: {_format_mean_error(away)}")
    misread = [told.reading_error for told in attempts if told.reading_error]
    if misread:
        blind = [
            robot.reach_pose(target, EVALUATION_SEED + index, use_image=False)
            for index, target in enumerate(targets)
        ]
        known = sum(told.steps is not None for told in blind)
        console.print(
            f"with the true numbers instead of pictures: {known}; the translator is {_format_mean_error(misread)} off in the mean"
        )


def _format_mean_error(errors: Sequence[PoseError | None]) -> str:
    """The mean of some errors."""
    metres, degrees = np.array(errors).mean(0)
    return f"{1000 * metres:.1f} mm and {degrees:.1f} degrees"
