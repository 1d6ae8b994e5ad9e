"""Record savings: videos of the policies that a run has saved, from the same start.

`python -m poise.tools.record.record_savings RUN` is `poise record RUN --checkpoint all`.
"""

import runpy
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from poise import algos
from poise.toolkit.errors import UserError
from poise.toolkit.evaluation import EVALUATION_SEED
from poise.toolkit.experience import ActorPolicy, EpisodeStep, run_episode
from poise.toolkit.files import find_free_path
from poise.toolkit.loggers import read_columns
from poise.toolkit.media.frame import PICTURE_SUFFIX
from poise.toolkit.media.image import add_caption
from poise.toolkit.media.video import RECORDERS, get_recorder_class
from poise.toolkit.registry import make_env
from poise.toolkit.run import Run, parse_step
from poise.toolkit.spaces import Array
from poise.tools.record.combine_recordings import combine
from poise.tools.record.montage import make_montage
from poise.tools.record.record_run import Overlay, record_episode


def record(
    run_name: str,
    *,
    runs_dir: Path,
    checkpoint: str | None,
    out: Path | None,
    montage: Path | None,
    tape: Path | None,
    seed: int | None,
    ghost: str | None,
    env_set: Mapping[str, Any],
    **render_options: Any,
) -> Iterator[str]:
    """Record one checkpoint of a run, or all, and yield each video as soon as it is written.

    Yields its path, and the step of the policy where the path may not name it.

    `render_options` are size, hud, annotate and slow of `record_episode`.
    """
    if checkpoint != "all" and montage is not None:
        raise UserError("--montage goes with --checkpoint all")
    if checkpoint != "all" and out is not None and out.is_dir():
        raise UserError(
            f"{out} is a folder: name a video in it, such as {out / 'film.mp4'}; "
            "with --checkpoint all it takes all videos"
        )
    if checkpoint == "all" and tape is not None:
        raise UserError("--tape saves one episode: it does not go with --checkpoint all")
    if checkpoint == "all" and out is not None and out.suffix.lower() in RECORDERS:
        raise UserError(
            "with --checkpoint all, --out is a folder for all videos; "
            "--montage is the video that combines them"
        )
    run = Run.open(runs_dir, run_name)
    options: dict[str, Any] = {
        "seed": EVALUATION_SEED if seed is None else seed,
        "ghost": Run.open(runs_dir, ghost) if ghost else None,
        "env_settings": env_set,
        **render_options,
    }
    if checkpoint == "all":
        yield from map(str, record_checkpoints(run, out, montage, **options))
    else:
        policy_name = run.find_checkpoint(checkpoint).name
        default = run.video_path(f"{policy_name}-seed{options['seed']}")
        path = out or find_free_path(default)
        video = record_episode(run, path, checkpoint=checkpoint, tape=tape, **options)
        yield f"{video} (the policy of step {parse_step(Path(policy_name)):,})"


def record_checkpoints(
    run: Run,
    folder: Path | None = None,
    montage: Path | None = None,
    seed: int = EVALUATION_SEED,
    env_settings: Mapping[str, Any] | None = None,
    **options: Any,
) -> Iterator[Path]:
    """Record one seed's episode by every saved policy of a run; yield each video when written.

    Captions show step, episode and return. The last path is the `montage` of all policies, if
    given: a video, or a sheet of pictures if it is a .png. The single videos are kept in `folder`,
    by default the run's; with a montage and no folder, none is kept. `options` are those of
    `record_episode`.
    """
    is_sheet = montage is not None and montage.suffix.lower() == PICTURE_SUFFIX
    if montage is not None and not is_sheet:
        get_recorder_class(montage)  # A UserError, now, if the suffix is unknown.
    run.find_checkpoint()  # A UserError if there is none.
    videos: list[Path] = []
    with TemporaryDirectory() as temporary_folder:
        keeps_videos = folder is not None or montage is None
        if keeps_videos or (montage is not None and not is_sheet):
            video_folder = (folder or run.policy_video_folder) if keeps_videos else temporary_folder
            for video in _record_policies(run, Path(video_folder), seed, env_settings, **options):
                videos.append(video)
                if keeps_videos:
                    yield video
        if montage is not None and is_sheet:
            size = options.get("size")
            yield make_montage(run, montage, seed=seed, size=size, env_settings=env_settings)
        elif montage is not None:
            yield combine(videos, montage, captions=[""])


def _record_policies(
    run: Run,
    folder: Path,
    seed: int,
    env_settings: Mapping[str, Any] | None,
    **options: Any,
) -> Iterator[Path]:
    """Record an episode by every saved policy into `folder`, each under its caption."""
    settings = {**run.config["env_settings"], **(env_settings or {})}
    episode_ends = read_columns(run.path / "episodes.csv", "step")[0]
    with closing(make_env(run.config["env"], settings)) as env:
        for policy in run.policies():
            step = parse_step(policy)
            learner = algos.restore_learner(run, str(step))
            if learner.checkpoint != policy.name:
                # The policy is damaged, which has been reported; an earlier one was loaded instead.
                continue
            episode = run_episode(env, ActorPolicy(learner), seed)
            episode_return = sum(episode_step.reward for episode_step in episode)
            num_episodes = np.count_nonzero(episode_ends <= step)
            caption = f"step {step:,}, episode {num_episodes:,}, return {episode_return:z.0f}"
            yield record_episode(
                run,
                find_free_path(folder / f"{policy.name}-seed{seed}.mp4"),
                checkpoint=str(step),
                seed=seed,
                env_settings=env_settings,
                overlays=[_make_caption_overlay(caption)],
                **options,
            )


def _make_caption_overlay(caption: str) -> Overlay:
    def overlay(frame: Array, _: EpisodeStep) -> Array:
        return add_caption(frame, caption)

    return overlay


if __name__ == "__main__":
    sys.argv[1:1] = ["record", "--checkpoint", "all"]
    runpy.run_module("poise", run_name="__main__")
