"""Record savings: how a run learned: a film for each policy it has kept, all from the same start, and all on one page."""

import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from poise import algos
from poise.toolkit.errors import UserError
from poise.toolkit.evaluation import EVALUATION_SEED
from poise.toolkit.experience import EpisodeStep, run_episode
from poise.toolkit.loggers import read_columns
from poise.toolkit.media.image import add_caption
from poise.toolkit.media.video import get_recorder_class
from poise.toolkit.registry import make_env
from poise.toolkit.run import Run, parse_step
from poise.toolkit.spaces import Array
from poise.tools.record.combine_recordings import combine, make_contact_sheet
from poise.tools.record.record_run import record_episode, record_run

SHEET_SUFFIX = ".png"
"""A montage with this ending is a picture to print."""


def record(
    run_name: str,
    *,
    runs_dir: Path,
    checkpoint: str | None,
    out: Path | None,
    montage: Path | None,
    tape: Path | None,
    **options: Any,
) -> Iterator[Path]:
    """The films of what `poise record` was told, each as soon as it is made: of one checkpoint, or of all."""
    options["ghost"] = Run.open(runs_dir, options["ghost"]) if options["ghost"] else None
    if checkpoint != "all":
        if montage is not None:
            raise UserError("--montage goes with --checkpoint all")
        yield record_run(
            run_name, runs_dir=runs_dir, checkpoint=checkpoint, out=out, tape=tape, **options
        )
        return
    if tape is not None:
        raise UserError("--tape keeps one episode: it does not go with --checkpoint all")
    if out is not None and out.suffix in (".mp4", ".gif"):
        raise UserError(
            "with --checkpoint all, --out is a folder for all films; --montage names the film that shows them together"
        )
    run = Run.open(runs_dir, run_name)
    seed = options.pop("seed")
    yield from record_checkpoints(
        run,
        out,
        montage,
        EVALUATION_SEED if seed is None else seed,
        options.pop("env_set"),
        **options,
    )


def record_checkpoints(
    run: Run,
    folder: Path | None = None,
    montage: Path | None = None,
    seed: int = EVALUATION_SEED,
    env_settings: Mapping[str, Any] | None = None,
    **options: Any,
) -> Iterator[Path]:
    """Film one seed's episode by every policy of a run, under its step, episode and return; then the `montage`, if wanted."""
    if montage is not None and montage.suffix != SHEET_SUFFIX:
        get_recorder_class(montage)
    run.find_checkpoint()  # There is one at the least.
    config = run.config
    films = []
    env = make_env(config["env"], {**config["env_settings"], **(env_settings or {})})
    ended = read_columns(run.path / "episodes.csv", "step")[0]
    for policy in run.policies():
        step = parse_step(policy)
        learner = algos.restore_learner(run, str(step))
        if (
            learner.checkpoint != policy.name
        ):  # It is damaged, which has been said, and an earlier one would be shown twice.
            continue
        score = sum(
            moment.reward for moment in run_episode(env, partial(learner.act, explore=False), seed)
        )
        caption = f"step {step:,}, episode {np.count_nonzero(ended <= step):,}, return {score:z.0f}"

        def tell(frame: Array, moment: EpisodeStep, caption: str = caption) -> Array:
            return add_caption(frame, caption)

        path = (folder or run.path / "videos") / f"{policy.name}-seed{seed}.mp4"
        films.append(
            record_episode(
                run,
                path,
                checkpoint=str(step),
                seed=seed,
                env_settings=env_settings,
                overlays=[tell],
                **options,
            )
        )
        yield path
    env.close()
    if montage is not None:
        yield (
            make_contact_sheet(films, montage)
            if montage.suffix == SHEET_SUFFIX
            else combine(films, montage, captions=[""])
        )


if __name__ == "__main__":
    from poise.cli import record as command

    command(["--checkpoint", "all", *sys.argv[1:]])
