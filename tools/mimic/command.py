"""The commands `poise mimic` and `poise duel`."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from poise.toolkit.console import Console, make_table, progress_bar
from poise.toolkit.dataset import Dataset
from poise.toolkit.errors import UserError
from poise.toolkit.evaluation import EVALUATION_SEED
from poise.toolkit.media.frame import save_picture
from poise.toolkit.media.video import open_recorder, read_frame_rate
from poise.toolkit.media.window import Window
from poise.toolkit.pose_task import PoseError
from poise.toolkit.run import Run
from poise.tools.mimic.duel import SETTLE_SECONDS, Duel, make_duel, record_duel
from poise.tools.mimic.mimic import LEAD_TIME, GoalImageRobot, Mimic
from poise.tools.mimic.novelty import (
    MAX_NOVELTY,
    find_novel_targets,
    make_novelty_detector,
)
from poise.tools.mimic.robot import Attempt, FrameError, Robot
from poise.tools.mimic.targets import (
    Target,
    draw_template,
    load_dataset_targets,
    load_image_targets,
    load_video_targets,
    make_trajectory_targets,
    sample_targets,
)
from poise.tools.play.playground import Playground
from poise.tools.translate.load import check_images

TARGET_SEED = EVALUATION_SEED + 500_000
"""Seed of random target poses, apart from the seeds of the robot's initial states."""

DEFAULT_DATASET_POSES = 100
"""Poses of a dataset to take where --random is not given."""

DEFAULT_VIDEO_SECONDS = 10.0
"""Length of a duel's video where --seconds is not given (s)."""

MAX_ROWS = 20
"""Largest number of poses that are listed one by one; of more, only the summary is printed."""

ERROR_LABELS = {
    "tracking_error": "robot to the pose read",
    "true_error": "robot to the true pose",
    "reading_error": "pose read to the true pose",
}
"""What is measured, by the field of FrameError."""


def mimic_and_show(
    policy: str,
    *,
    translator: str | None,
    image: Sequence[Path],
    video: Path | None,
    trajectory: float | None,
    dataset: Path | None,
    number: int | None,
    template: Path | None,
    out: Path | None,
    size: int,
    runs_dir: Path,
) -> None:
    """Take the poses in images, and print the errors; record a video where `out` names one.

    With `template`, write a picture to draw poses on instead.
    """
    if template is None:
        _check_source(image, video, trajectory, dataset, number)
    console = Console()
    policy_run = Run.open(runs_dir, policy)
    translator_run = Run.open(runs_dir, translator) if translator else None
    with progress_bar(f"loading {policy}", quiet=True):
        robot, image_run = _make_robot(policy_run, translator_run, size)
    if template is not None:
        picture = draw_template(robot.env_id, robot.image_env_settings, robot.image_size)
        save_picture(template, picture)
        robot.env.close()
        console.print(f"template: {template}", soft_wrap=True)
        return
    with progress_bar("reading the poses", quiet=True):
        targets, frame_rate = _load_targets(
            robot, image_run, image, video, trajectory, dataset, number
        )
    if image or video is not None:
        _warn_of_novelty(robot, targets, image_run)
    if frame_rate is not None:
        _follow_and_print(console, robot, targets, frame_rate, out)
    else:
        _reach_and_print(console, robot, targets, out)
    if out is not None:
        console.print(f"video: {out}")
    robot.env.close()


def duel_and_show(
    policy: str,
    *,
    translator: str | None,
    by: str | None,
    out: Path | None,
    seconds: float | None,
    size: int,
    seed: int,
    runs_dir: Path,
) -> None:
    """Show a duel in a window until it is closed, or record a video; print the mean error.

    `by` is what moves the leader: keys, policy or trajectory.
    """
    leader_mode = by or ("policy" if out else "keys")
    if out and leader_mode == "keys":
        raise UserError("keys need the window: omit --out, or use --by policy or --by trajectory")
    if seconds and not out:
        raise UserError("--seconds is the length of the video: it goes with --out")
    policy_run = Run.open(runs_dir, policy)
    translator_run = Run.open(runs_dir, translator or policy)
    window = None if out else Window("Poise: duel", has_sidebar=True)
    with progress_bar(f"loading {policy}", quiet=True):
        duel = make_duel(policy_run, translator_run, leader_mode, size, seed)
    recording = ""
    try:
        if window is not None:
            Playground(window, duel).run()
        elif out is not None:
            with progress_bar(f"recording {policy}", quiet=True):
                frame_rate = record_duel(duel, out, seconds or DEFAULT_VIDEO_SECONDS)
            recording = f"; recorded at {frame_rate:.0f} frames per second: {out}"
    finally:
        duel.close()
    Console().print(f"{_describe_following(duel)}{recording}", soft_wrap=True)


def _describe_following(duel: Duel) -> str:
    """Return how long the follower's error was measured, and its mean."""
    mean_error = duel.get_mean_error()
    if mean_error is None:
        return (
            f"no error measured: the first {SETTLE_SECONDS:g} s of an episode, in which the "
            "follower moves to the leader's pose, do not count"
        )
    duration = duel.counted_steps / duel.rate
    return f"followed for {duration:.1f} s, mean error {_format_error(mean_error)}"


def _check_source(
    image: Sequence[Path],
    video: Path | None,
    trajectory: float | None,
    dataset: Path | None,
    number: int | None,
) -> None:
    """Raise a UserError unless there is one source of poses; a number goes with a dataset too."""
    sources = [bool(image), video is not None, trajectory is not None, dataset is not None]
    if dataset is None:
        sources.append(number is not None)
    if sum(sources) != 1:
        raise UserError(
            "give one source of poses: --image FILE, --video FILE, --trajectory SECONDS, "
            "--dataset DIR or --random N"
        )


def _load_targets(
    robot: Robot,
    image_run: Run,
    image: Sequence[Path],
    video: Path | None,
    trajectory: float | None,
    dataset: Path | None,
    number: int | None,
) -> tuple[list[Target], float | None]:
    """Return the poses of the one source given, and their frame rate (Hz) where they move."""
    if video is not None:
        return load_video_targets(video, robot.image_size), read_frame_rate(video)
    if trajectory is not None:
        return make_trajectory_targets(
            robot.env_id, robot.image_env_settings, trajectory, TARGET_SEED
        )
    if image:
        return load_image_targets(image, robot.image_size), None
    if dataset is not None:
        data = Dataset(dataset)
        check_images(data, robot.env_id, robot.image_size, image_run)
        return load_dataset_targets(data, number or DEFAULT_DATASET_POSES), None
    settings = robot.image_env_settings
    return sample_targets(robot.env_id, settings, number or 1, TARGET_SEED), None


def _make_robot(policy: Run, translator: Run | None, size: int) -> tuple[Robot, Run]:
    """Return the robot, and the run that images have to fit: the translator's or the policy's."""
    if translator is None and "translator" not in policy.config:
        return GoalImageRobot(policy, size), policy
    image_run = translator or policy
    return Mimic(policy, image_run, size), image_run


def _warn_of_novelty(robot: Robot, targets: Sequence[Target], run: Run) -> None:
    """Print a line if images are unlike those that a run was trained on."""
    with progress_bar("comparing with the images of the training", quiet=True):
        detector = make_novelty_detector(
            robot.env_id, robot.image_env_settings, robot.appearance_randomization
        )
        novel = find_novel_targets(detector, targets)
    if not novel:
        return
    which = ", ".join(novel) if len(novel) <= 3 else f"{len(novel)} of {len(targets)} images"
    Console(stderr=True).print(
        f"warning: unlike the images that run {run.path.name!r} was trained on: {which} "
        f"(novelty {max(novel.values()):.1f}, theirs at most {MAX_NOVELTY:g}); the pose may be "
        "misread: draw on the picture that --template FILE writes, or train on a dataset "
        "collected with --randomize-appearance",
        soft_wrap=True,
        markup=False,
        highlight=False,
    )


def _open_optional_recorder(out: Path | None, frame_rate: float) -> Any:
    """Return a context manager that gives a recorder, or None where `out` is None."""
    return open_recorder(out, frame_rate) if out else nullcontext()


def _follow_and_print(
    console: Console, robot: Robot, targets: Sequence[Target], frame_rate: float, out: Path | None
) -> None:
    """Follow a moving target, and print the errors."""
    with (
        progress_bar("following", quiet=True),
        _open_optional_recorder(out, frame_rate) as recorder,
    ):
        frame_errors = robot.follow_video(targets, frame_rate, recorder)
    lead = f", with a lead of {LEAD_TIME:g} s" if isinstance(robot, Mimic) else ""
    console.print(f"followed {len(frame_errors)} frames at {frame_rate:g} per second{lead}")
    for field, label in ERROR_LABELS.items():
        errors = _collect_known(frame_errors, field)
        if errors:
            largest = 1000 * max(error.metres for error in errors)
            console.print(f"{label}: mean {_format_mean(errors)}, largest {largest:.1f} mm")


def _reach_and_print(
    console: Console, robot: Robot, targets: Sequence[Target], out: Path | None
) -> None:
    """Take poses one by one, and print the errors."""
    control_hz = robot.poise_env.CONTROL_HZ
    task = robot.poise_env.task
    attempts = []
    with (
        progress_bar("poses", len(targets), quiet=True) as show_progress,
        _open_optional_recorder(out, control_hz) as recorder,
    ):
        for index, target in enumerate(targets):
            attempts.append(robot.reach_pose(target, EVALUATION_SEED + index, recorder))
            show_progress(index + 1)
    final_errors = _collect_known(attempts, "final_error")
    if not final_errors:
        console.print(
            f"images shown: {len(attempts)}; their true poses are unknown, so there are no "
            "errors to print: use --out FILE to see the robot"
        )
        return
    if len(attempts) <= MAX_ROWS:
        rows = [
            (
                attempt.name,
                f"{attempt.steps / control_hz:.2f} s" if attempt.steps else "not reached",
                _format_error(attempt.final_error) if attempt.final_error else "unknown",
            )
            for attempt in attempts
        ]
        console.print(make_table("Poses", ["image", "reached after", "final error"], rows))
    steps = [attempt.steps for attempt in attempts if attempt.steps]
    time = f", median time {np.median(steps) / control_hz:.2f} s" if steps else ""
    console.print(
        f"{len(steps)} of {len(attempts)} poses reached within "
        f"{1000 * task.position_tolerance:.0f} mm for {task.hold_steps} steps in a row{time}"
    )
    console.print(f"mean final error: {_format_mean(final_errors)}")
    reading_errors = _collect_known(attempts, "reading_error")
    if reading_errors:
        with_true_poses = [
            robot.reach_pose(target, EVALUATION_SEED + index, use_image=False)
            for index, target in enumerate(targets)
        ]
        num_reached = sum(attempt.steps is not None for attempt in with_true_poses)
        console.print(
            f"given the true poses instead of images: {num_reached} reached; "
            f"mean error of the poses read: {_format_mean(reading_errors)}"
        )


def _collect_known(
    results: Sequence[Attempt] | Sequence[FrameError], field: str
) -> list[PoseError]:
    """Return the errors in a field of all results that are not None."""
    errors = (getattr(result, field) for result in results)
    return [error for error in errors if error is not None]


def _format_mean(errors: Sequence[PoseError]) -> str:
    return _format_error(PoseError(*np.mean(errors, axis=0)))


def _format_error(error: PoseError) -> str:
    return f"{1000 * error.metres:.1f} mm, {error.degrees:.1f} degrees"
