"""The command `poise train`: a new run or a resumed one, a live view, a video and the result."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from poise.toolkit.console import TrainingView
from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.registry import short_name
from poise.toolkit.run import Run
from poise.tools.record.record_run import record_episode
from poise.tools.train.plan import TrainRequest
from poise.tools.train.session import TrainingResult, TrainingSession

TRAINING_OPTIONS = ("steps", "seed", "num_envs", "num_workers")
"""Settings of the training that have an option of their own."""


NEW_RUN_OPTIONS = ("settings", "env_set", "algo", "preset", "name", "device", "with_translator")
"""Options that cannot go with --resume."""


def train_and_show(
    env: str | None, *, runs_dir: Path, resume: str | None, no_video: bool, **options: Any
) -> int:
    """Train a new run in `env` or resume a run, and print the result; return the exit code."""
    if (env is None) == (resume is None):
        raise UserError("say what to train: `poise train cartpole`, or `poise train --resume RUN`")
    training = {name: options[name] for name in TRAINING_OPTIONS if options[name] is not None}
    if options["keep_going"]:
        training["stop_when_solved"] = False
    if resume is not None:
        if any(options[name] for name in NEW_RUN_OPTIONS):
            raise UserError(
                "--resume continues the run as it began; "
                "only --steps, --num-workers, --keep-going, --no-video go with it"
            )
        session = TrainingSession.resume(Run.open(runs_dir, resume), training)
    else:
        request = TrainRequest(
            env=str(env),
            algorithm=options["algo"],
            training=training,
            settings=options["settings"],
            env_settings=options["env_set"],
            preset=options["preset"],
            name=options["name"],
            runs_dir=runs_dir,
            device=options["device"] or "auto",
            with_translator=options["with_translator"],
        )
        session = TrainingSession.create(request)
    result = train_with_view(session)
    if result.interrupt_signal is not None:
        _show_interrupt(result)
        return 128 + result.interrupt_signal
    video = None if no_video else record_training_video(result)
    _show_result(result, video)
    return 0


def train_with_view(session: TrainingSession) -> TrainingResult:
    """Train with a live view on the terminal."""
    training: Mapping[str, Any] = session.config["training"]
    title = f"{short_name(session.config['env'])} {session.config['algorithm']}"
    with session.open(), TrainingView(title, training["steps"], training["solved_at"]) as view:
        session.run([view])
        return session.summarize()


def record_training_video(result: TrainingResult) -> Path | UserError | WorkError:
    """Record an episode of the best policy into the run; return the video, or why there is none."""
    run = result.run
    try:
        return record_episode(run, run.video_path(f"step_{result.best_step:09d}"))
    except (UserError, WorkError) as error:  # No renderer, or no image; the training is complete.
        return error


def _show_interrupt(result: TrainingResult) -> None:
    command = _format_command(result.run, "train --resume")
    _make_console().print(
        f"stopped at step {result.progress.step:,}; everything is saved. Resume with: {command}"
    )


def _show_result(result: TrainingResult, video: Path | UserError | WorkError | None) -> None:
    """Print how good the policy is, and where everything is."""
    console = _make_console()
    run = result.run
    console.print(_format_outcome(result))
    console.print(f"run:    {run.path}")
    if isinstance(video, Path):
        console.print(f"video:  {video}")
    elif video is not None:
        console.print(f"no video: {video}")
    if video is None or isinstance(video, Path):
        console.print(f"play:   {_format_command(run, 'play')}")
    console.print(f"curves: tensorboard --logdir {run.path.parent}")


def _format_outcome(result: TrainingResult) -> str:
    progress = result.progress
    score = ", ".join(
        (
            f"return {result.metrics['eval/return']:.1f}",
            f"length {result.metrics['eval/length']:.0f}",
            f"success {result.metrics['eval/success']:.0%}",
        )
    )
    length = f"{progress.step:,} steps, {progress.episode:,} episodes, {progress.seconds:.0f} s"
    solved = "[bold green]solved[/bold green]"
    if result.run.config["training"]["solved_at"] is None:
        return f"trained {length}: {score}"
    if progress.solved_step is None:
        return f"not solved after {length}: {score}"
    if progress.solved_step == progress.step:
        return f"{solved} after {length}: {score}"
    return f"{solved} at step {progress.solved_step:,}, best after {length}: {score}"


def _format_command(run: Run, command: str) -> str:
    folder = "" if run.path.parent == Path("runs") else f" --runs-dir {run.path.parent}"
    return f"poise {command} {run.path.name}{folder}"


def _make_console() -> Console:
    return Console(soft_wrap=True, highlight=False)
