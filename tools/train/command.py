"""The command `poise train`: a new run or a resumed one, a live view, a video and the result."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gymnasium.spaces import Box

from poise.algos.preset import DEFAULT_ENTRY, SMALL_ENTRY, count_values
from poise.toolkit.console import Console, TrainingView
from poise.toolkit.errors import UserError, WorkError, printable, shorten_paths
from poise.toolkit.evaluation import RETURN_STD
from poise.toolkit.registry import EnvDescription, short_name
from poise.toolkit.run import Run
from poise.toolkit.trainer import TrainSettings
from poise.tools.record.record_run import record_episode
from poise.tools.train.plan import TrainRequest
from poise.tools.train.session import TrainingResult, TrainingSession

TRAINING_OPTIONS = ("steps", "minutes", "seed", "num_envs", "num_workers")
"""Settings of the training that have an option of their own."""


NEW_RUN_OPTIONS = (
    "settings",
    "env_set",
    "algo",
    "preset",
    "name",
    "device",
    "with_translator",
    "start_from",
)
"""Options that cannot go with --resume."""


def train_and_show(
    env: str | None, *, runs_dir: Path, resume: str | None, no_video: bool, **options: Any
) -> int:
    """Train a new run in `env` or resume a run, and print the result; return the exit code."""
    source = Run.open(runs_dir, options["start_from"]) if options["start_from"] else None
    env_settings = options["env_set"]
    if env is None and source is not None and resume is None:
        env = source.config["env"]
        env_settings = {**source.config["env_settings"], **env_settings}
    if env is None and resume is None:
        raise UserError("say what to train: `poise train cartpole`, or `poise train --resume RUN`")
    if env is not None and resume is not None:
        raise UserError(
            f"--resume {resume} continues in the environment of that run: leave out {env!r}"
        )
    training = {name: options[name] for name in TRAINING_OPTIONS if options[name] is not None}
    if options["keep_going"]:
        training["stop_when_solved"] = False
    if resume is not None:
        if any(options[name] for name in NEW_RUN_OPTIONS):
            raise UserError(
                "--resume continues the run as it began; "
                "only --steps, --minutes, --num-workers, --keep-going, --no-video go with it"
            )
        run = Run.open_unfinished(runs_dir, resume)
        session = TrainingSession.resume(run, training)
        _show_if_finished(session)
    else:
        request = TrainRequest(
            env=str(env),
            algorithm=options["algo"],
            training=training,
            settings=options["settings"],
            env_settings=env_settings,
            preset=options["preset"],
            name=options["name"],
            runs_dir=runs_dir,
            device=options["device"] or "auto",
            with_translator=options["with_translator"],
            start_from=source,
        )
        session = TrainingSession.create(request)
        _show_choice(session.config, session.env)
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
    view = TrainingView(
        title,
        training["steps"],
        training["solved_at"],
        minutes=training["minutes"],
        stop_when_solved=training["stop_when_solved"],
    )
    with session.open(), view:
        session.run([view])
        return session.summarize()


def record_training_video(result: TrainingResult) -> Path | Exception:
    """Record an episode of the best policy into the run; return the video, or why there is none.

    Without a video the training is as good as with one: its result counts.
    """
    run = result.run
    try:
        return record_episode(run, run.video_path(f"step_{result.best_step:09d}"))
    except (UserError, WorkError, OSError) as error:
        return error


def _show_choice(config: Mapping[str, Any], env: EnvDescription) -> None:
    """Say what is used for an environment without a preset, and why: its spaces decide."""
    if config["preset"] not in (DEFAULT_ENTRY, SMALL_ENTRY):
        return
    settings = config["settings"]
    kind = "continuous" if isinstance(env.action_space, Box) else "discrete"
    size = "small" if config["preset"] == SMALL_ENTRY else "default"
    layers = "x".join(map(str, settings["hidden_sizes"]))
    parts = [f"{config['training']['num_envs']} environments", f"hidden layers {layers}"]
    if "updates_per_step" in settings:
        parts.append(f"{settings['updates_per_step']:g} updates per step")
    _make_console().print(
        f"{short_name(config['env'])} has no preset. {kind.capitalize()} actions, "
        f"{count_values(env)} numbers in observation and action: "
        f"{config['algorithm']} with its {size} settings ({', '.join(parts)})"
    )


def _show_if_finished(session: TrainingSession) -> None:
    """Say that a resumed run has nothing left to train, and what would train it on."""
    progress = session.progress
    if progress.is_finished(session.settings):
        solved = progress.solved_step is not None and session.settings.stop_when_solved
        mend = "--keep-going" if solved else "more --steps or --minutes"
        _make_console().print(
            f"nothing is left to train after {progress.step:,} steps and {progress.seconds:.0f} s, "
            f"which count from the run's beginning: add {mend}"
        )


def _show_interrupt(result: TrainingResult) -> None:
    command = _format_command(result.run, "train --resume")
    _make_console().print(
        f"stopped at step {result.progress.step:,}; everything is saved. Resume with: {command}"
    )


def _show_result(result: TrainingResult, video: Path | Exception | None) -> None:
    """Print how good the policy is, and where everything is."""
    console = _make_console()
    run = result.run
    console.print(_format_outcome(result), markup=True)
    console.print(_format_policy(result))
    if result.best_step != result.progress.step:
        console.print(
            f"last:   step {result.progress.step:,}, return {result.progress.last_return:.1f}"
        )
    console.print(f"run:    {run.path}")
    if isinstance(video, Path):
        console.print(f"video:  {video}")
    elif video is not None:
        console.print(f"no video: {printable(video)}")
    if not isinstance(video, Exception):
        step = f"the policy of step {result.best_step:,}"
        console.print(f"play:   {_format_command(run, 'play')}  ({step})")
    console.print(f"curves: tensorboard --logdir {run.path.parent}")


def _format_outcome(result: TrainingResult) -> str:
    """Return how long the training took, and whether and when it was solved."""
    progress = result.progress
    length = f"{progress.step:,} steps, {progress.episode:,} episodes, {progress.seconds:.0f} s"
    solved = "[bold green]solved[/bold green]"
    if result.run.solved_at is None:
        return f"trained {length}"
    if progress.solved_step is None:
        settings = TrainSettings.parse(result.run.config["training"])
        reason = f" (patience: {settings.patience} evaluations without a better return)"
        return f"not solved after {length}{reason if progress.has_stalled(settings) else ''}"
    if progress.solved_step == progress.step:
        return f"{solved} after {length}"
    return f"{solved} after {progress.solved_step:,} steps; trained {length}"


def _format_policy(result: TrainingResult) -> str:
    """Return which policy play, record and evaluate take, and how good it is."""
    metrics = result.metrics
    which = "the last" if result.best_step == result.progress.step else "the best"
    parts = [
        f"return {metrics['eval/return']:.1f} +- {metrics[RETURN_STD]:.1f}",
        f"length {metrics['eval/length']:.0f}",
    ]
    if "eval/success" in metrics:
        parts.append(f"success {metrics['eval/success']:.0%}")
    episodes = result.run.config["training"]["evaluate_episodes"]
    score = ", ".join(parts)
    return f"policy: step {result.best_step:,} ({which}), {score} in {episodes} evaluation episodes"


def _format_command(run: Run, command: str) -> str:
    runs_dir = shorten_paths(str(run.path.parent))
    option = "" if runs_dir == "runs" else f" --runs-dir {runs_dir}"
    return f"poise {command} {run.path.name}{option}"


def _make_console() -> Console:
    return Console(soft_wrap=True, highlight=False)
