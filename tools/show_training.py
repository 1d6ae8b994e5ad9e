"""The training command: a new run, or one that goes on, with a live view and how it ended."""

from pathlib import Path
from typing import Any

from toolkit.errors import UserError
from toolkit.run import Run
from tools import train_run
from tools.plan_run import Words
from tools.show import show_outcome, training_view

TRAINING = ("steps", "seed", "worlds", "workers", "keep_going")
"""Settings of the training that have a word of their own."""
BEGINNING = ("settings", "env_set", "algo", "preset", "name", "device", "with_translator")
"""What only a new run can be told."""


def train_and_show(env: str | None, *, runs_dir: Path, resume: str | None, no_video: bool, **words: Any) -> int:
    """Train on a world, or go on with a run on its own; the command's exit code."""
    named = {key: words[key] for key in TRAINING if words[key] is not None and words[key] is not False}
    if (env is None) == (resume is None):
        raise UserError("say what to train: `poise train cartpole`, or `poise train --resume RUN`")
    settings, world_settings = words["settings"], words["env_set"]
    with training_view() as listen:
        if resume is not None:
            if any(words[key] for key in BEGINNING):
                raise UserError("--resume goes on as the run began; only --steps, --workers, --keep-going, --no-video go with it")
            outcome = train_run.resume(Run.open(runs_dir, resume), named, listen, not no_video)
        else:
            device = words["device"] or "auto"
            chosen = (words["algo"], named, settings, world_settings, words["preset"], words["name"], runs_dir, device)
            beside = words["with_translator"]
            outcome = train_run.start(Words(str(env), *chosen, beside), listen, not no_video)
    return show_outcome(outcome)
