"""The training command: a new run, or one that goes on, with a live view and how it ended."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from poise.toolkit.console import TrainingView
from poise.toolkit.errors import UserError
from poise.toolkit.loggers import MetricLogger, Metrics
from poise.toolkit.registry import short_name
from poise.toolkit.run import Run
from poise.tools.train import session as train_run
from poise.tools.train.plan import TrainRequest


@contextmanager
def training_view() -> Iterator[Callable[[Mapping[str, Any]], MetricLogger]]:
    """Gives the function that opens the live view of a training once its config is known."""
    views: list[TrainingView] = []

    def listen(config: Mapping[str, Any]) -> MetricLogger:
        training = config["training"]
        title = f"{short_name(config['env'])} {config['algorithm']}"
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
    run = outcome.run
    progress = outcome.progress
    if outcome.interrupt_signal is not None:
        console.print(
            f"stopped at step {progress.step:,}; everything is saved. Go on with: {_format_command(run, 'train --resume')}"
        )
        return 128 + int(outcome.interrupt_signal)
    score = outcome.metrics
    told = f"return {score['eval/return']:.1f}, length {score['eval/length']:.0f}, success {score['eval/success']:.0%}"
    at = f"{progress.step:,} steps, {progress.episode:,} episodes, {progress.seconds:.0f} s"
    if run.config["training"]["solved_at"] is None:
        console.print(f"trained {at}: {told}")
    elif progress.solved_step is None:
        console.print(f"not solved after {at}: {told}")
    elif progress.solved_step == progress.step:
        console.print(f"[bold green]solved[/bold green] after {at}: {told}")
    else:
        console.print(
            f"[bold green]solved[/bold green] at step {progress.solved_step:,}, best after {at}: {told}"
        )
    console.print(f"run:   {run.path}")
    if outcome.video_path is not None:
        console.print(f"film:  {outcome.video_path}")
    elif outcome.video_error:
        console.print(f"no film: {outcome.video_error}")
    if not outcome.video_error:
        console.print(f"play:  {_format_command(run, 'play')}")
    console.print(f"curves: tensorboard --logdir {run.path.parent}")
    return 0


def _format_command(run: Any, command: str) -> str:
    place = "" if run.path.parent == Path("runs") else f" --runs-dir {run.path.parent}"
    return f"poise {command} {run.path.name}{place}"


TRAINING_OPTIONS = ("steps", "seed", "num_envs", "num_workers")
"""Settings of the training that have a word of their own."""


NEW_RUN_OPTIONS = ("settings", "env_set", "algo", "preset", "name", "device", "with_translator")
"""What only a new run can be told."""


def train_and_show(
    env: str | None, *, runs_dir: Path, resume: str | None, no_video: bool, **options: Any
) -> int:
    """Train on an environment, or go on with a run on its own; the command's exit code."""
    named = {
        key: options[key]
        for key in TRAINING_OPTIONS
        if options[key] is not None and options[key] is not False
    }
    if options["keep_going"]:
        named["stop_when_solved"] = False
    if (env is None) == (resume is None):
        raise UserError("say what to train: `poise train cartpole`, or `poise train --resume RUN`")
    settings = options["settings"]
    env_settings = options["env_set"]
    with training_view() as listen:
        if resume is not None:
            if any(options[key] for key in NEW_RUN_OPTIONS):
                raise UserError(
                    "--resume goes on as the run began; only --steps, --num-workers, --keep-going, --no-video go with it"
                )
            outcome = train_run.resume_training(
                Run.open(runs_dir, resume), named, listen, not no_video
            )
        else:
            device = options["device"] or "auto"
            chosen = (
                options["algo"],
                named,
                settings,
                env_settings,
                options["preset"],
                options["name"],
                runs_dir,
                device,
            )
            beside = options["with_translator"]
            outcome = train_run.start_training(
                TrainRequest(str(env), *chosen, beside), listen, not no_video
            )
    return show_outcome(outcome)
