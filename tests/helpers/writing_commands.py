"""Commands that write files, and the folder in which they find what they need."""

from pathlib import Path

import pytest
from commands import invoke
from sample_runs import start_run

TRAIN = ["--steps", "64", "--run", "new", "--no-video", "--set", "rollout_steps=4"]
IMAGES = ["dataset", "reacher2d", "--size", "16", "--jobs", "1"]
WRITING_COMMANDS = {
    "record": ["record", "old", "--out", "new.mp4", "--tape", "new.tape", "--size", "64"],
    "gif": ["record", "old", "--out", "new.gif", "--size", "64"],
    "replay": ["replay", "old.tape", "--out", "new.mp4", "--size", "64"],
    "combine": ["combine", "old.mp4", "old.mp4", "--out", "new.mp4"],
    "plot": ["plot", "old", "--out", "new.png"],
    "report": ["report", "old", "--out", "new.html", "--episodes", "1"],
    "train": ["train", "cartpole", "--algo", "ppo", *TRAIN, "--set", "checkpoint_every=16"],
    "dataset": [*IMAGES, "--frames", "60", "--out", "new"],
    "translate": ["translate", "train", "images", "--run", "new", "--set", "steps=20"],
}
"""Commands that write `new` or `new.*`, or the run `new`."""

RESUMED = {
    "train": ["train", "--resume", "new", "--no-video"],
    "translate": ["translate", "train", "--resume", "new"],
}

FORCED = ("record", "gif", "replay", "combine", "plot", "report")
"""Commands that replace a file only with --force."""

QUICK = [name for name in WRITING_COMMANDS if name not in ("dataset", "translate")]
"""Commands that need no images."""


def prepare(folder: Path, *, with_images: bool) -> None:
    """Write what the commands need: the run `old`, a video, a tape and a dataset of images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        start_run(folder / "runs", "old", steps=60)
        words = ["record", "old", "--out", "old.mp4", "--tape", "old.tape", "--size", "64"]
        assert invoke(*words).exit_code == 0
        if with_images:
            assert invoke(*IMAGES, "--frames", "200", "--out", "images").exit_code == 0


def do_again(name: str, folder: Path) -> None:
    """Do a command that was stopped again, and assert that it succeeds."""
    words = WRITING_COMMANDS[name]
    if (folder / "runs" / "new").exists():
        words = RESUMED[name]
    result = invoke(*words, *(["--force"] if name in FORCED else []))
    assert result.exit_code == 0, (result.output, result.exception)
