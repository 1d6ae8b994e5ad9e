"""The training command: a new run, or one that goes on, with a live view and how it ended."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from poise.toolkit.console import TrainingView
from poise.toolkit.errors import UserError
from poise.toolkit.loggers import Listener, Metrics
from poise.toolkit.registry import short_name
from poise.toolkit.run import Run
from poise.tools.train import session as train_run
from poise.tools.train.plan import Words
from rich.console import Console


@contextmanager
def training_view() -> Iterator[Callable[[Mapping[str, Any]], Listener]]:
    """Gives the function that opens the live view of a training once its config is known."""
    views: list[TrainingView] = []

    def listen(config: Mapping[str, Any]) -> Listener:
        training = config["training"]
        title = f"{short_name(config['world'])} {config['algorithm']}"
        views.append(TrainingView(title, training["steps"], training["solved_at"]).__enter__())

        def hear(step: int, seconds: float, metrics: Metrics) -> None:
            views[0](step, seconds, metrics)

        return hear

    try:
        yield listen
    finally:
        for view in views:
            view.__exit__(None, None, None)


def show_outcome(outcome: Any) -> int:
    """Print how a training ended and where everything lies; the command's exit code."""
    console = Console(soft_wrap=True, highlight=False)
    run, progress = outcome.run, outcome.progress
    if outcome.interrupted is not None:
        console.print(f"stopped at step {progress.step:,}; everything is saved. Go on with: {_again(run, 'train --resume')}")
        return 128 + int(outcome.interrupted)
    score = outcome.score
    told = f"return {score['eval/return']:.1f}, length {score['eval/length']:.0f}, success {score['eval/success']:.0%}"
    at = f"{progress.step:,} steps, {progress.episode:,} episodes, {progress.seconds:.0f} s"
    if run.config["training"]["solved_at"] is None:
        console.print(f"trained {at}: {told}")
    elif progress.solved_step is None:
        console.print(f"not solved after {at}: {told}")
    elif progress.solved_step == progress.step:
        console.print(f"[bold green]solved[/bold green] after {at}: {told}")
    else:
        console.print(f"[bold green]solved[/bold green] at step {progress.solved_step:,}, best after {at}: {told}")
    console.print(f"run:   {run.path}")
    if outcome.film is not None:
        console.print(f"film:  {outcome.film}")
    elif outcome.no_film:
        console.print(f"no film: {outcome.no_film}")
    if not outcome.no_film:
        console.print(f"play:  {_again(run, 'play')}")
    console.print(f"curves: tensorboard --logdir {run.path.parent}")
    return 0


def _again(run: Any, command: str) -> str:
    place = "" if run.path.parent == Path("runs") else f" --runs-dir {run.path.parent}"
    return f"poise {command} {run.path.name}{place}"


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
