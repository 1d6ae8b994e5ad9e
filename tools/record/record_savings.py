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
from poise.toolkit.experience import Moment, episode
from poise.toolkit.loggers import columns
from poise.toolkit.media.image import captioned
from poise.toolkit.media.video import recorder_for
from poise.toolkit.registry import make_world
from poise.toolkit.run import Run, step_of
from poise.toolkit.spaces import Array
from poise.tools.record.combine_recordings import combine, contact_sheet
from poise.tools.record.record_run import film_episode, film_run

SHEET = ".png"
"""A montage with this ending is a picture to print."""


def record(
    word: str, *, runs_dir: Path, checkpoint: str | None, out: Path | None, montage: Path | None, tape: Path | None, **how: Any
) -> Iterator[Path]:
    """The films of what `poise record` was told, each as soon as it is made: of one checkpoint, or of all."""
    how["ghost"] = Run.open(runs_dir, how["ghost"]) if how["ghost"] else None
    if checkpoint != "all":
        if montage is not None:
            raise UserError("--montage goes with --checkpoint all")
        yield film_run(word, runs_dir=runs_dir, checkpoint=checkpoint, out=out, tape=tape, **how)
        return
    if tape is not None:
        raise UserError("--tape keeps one episode: it does not go with --checkpoint all")
    if out is not None and out.suffix in (".mp4", ".gif"):
        raise UserError(
            "with --checkpoint all, --out is a folder for all films; --montage names the film that shows them together"
        )
    run, seed = Run.open(runs_dir, word), how.pop("seed")
    yield from film_history(run, out, montage, EVALUATION_SEED if seed is None else seed, how.pop("env_set"), **how)


def film_history(
    run: Run,
    folder: Path | None = None,
    montage: Path | None = None,
    seed: int = EVALUATION_SEED,
    world_settings: Mapping[str, Any] | None = None,
    **how: Any,
) -> Iterator[Path]:
    """Film one seed's episode by every policy of a run, under its step, episode and return; then the `montage`, if wanted."""
    if montage is not None and montage.suffix != SHEET:
        recorder_for(montage)
    run.choose()  # There is one at the least.
    config, films = run.config, []
    world = make_world(config["world"], {**config["world_settings"], **(world_settings or {})})
    ended = columns(run.path / "episodes.csv", "step")[0]
    for policy in run.policies():
        step = step_of(policy)
        learner = algos.restore(run, str(step))
        if learner.checkpoint != policy.name:  # It is damaged, which has been said, and an earlier one would be shown twice.
            continue
        score = sum(moment.reward for moment in episode(world, partial(learner.act, explore=False), seed))
        caption = f"step {step:,}, episode {np.count_nonzero(ended <= step):,}, return {score:z.0f}"

        def tell(frame: Array, moment: Moment, caption: str = caption) -> Array:
            return captioned(frame, caption)

        path = (folder or run.path / "videos") / f"{policy.name}-seed{seed}.mp4"
        films.append(
            film_episode(run, path, checkpoint=str(step), seed=seed, world_settings=world_settings, overlays=[tell], **how)
        )
        yield path
    world.close()
    if montage is not None:
        yield contact_sheet(films, montage) if montage.suffix == SHEET else combine(films, montage, captions=[""])


if __name__ == "__main__":
    from poise.cli import record as command

    command(["--checkpoint", "all", *sys.argv[1:]])
