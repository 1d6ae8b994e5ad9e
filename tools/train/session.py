"""Train an environment into a run folder: from the user's words to a solved environment, a film and a summary."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from poise import algos
from poise.toolkit.errors import UserError
from poise.toolkit.evaluation import Evaluator
from poise.toolkit.experience import make_env_batch
from poise.toolkit.loggers import CsvLogger, MetricLogger, TensorBoardLogger
from poise.toolkit.process import catch_signals
from poise.toolkit.run import Run
from poise.toolkit.trainer import Algorithm, Progress, TrainSettings, train
from poise.tools.record.record_run import record_episode
from poise.tools.train.plan import TrainRequest, plan, resolve_device
from poise.tools.train.with_translator import attach_translator, get_training_env_settings

LoggerFactory = Callable[[Mapping[str, Any]], MetricLogger]
"""Makes one more listener, the live view, once the config is known."""


@dataclass(frozen=True)
class TrainingResult:
    """How a training ended."""

    run: Run
    progress: Progress
    metrics: Mapping[str, float]
    video_path: Path | None
    video_error: str
    """Why there is no film, if there is none."""
    interrupt_signal: int | None
    """The signal that stopped it, if one did."""


def start_training(
    request: TrainRequest, make_logger: LoggerFactory | None = None, record_video: bool = True
) -> TrainingResult:
    """Train a new run. Nothing is written before all of the user's words have proved right."""
    config = plan(request)
    learner = _make_learner(config)
    run = Run.create(
        request.runs_dir,
        request.name,
        config["env"],
        config["algorithm"],
        config["training"]["seed"],
    )
    run.write("config.json", config)
    return _train(run, config, learner, Progress(), None, make_logger, record_video)


def resume_training(
    run: Run,
    training: Mapping[str, Any],
    make_logger: LoggerFactory | None = None,
    record_video: bool = True,
) -> TrainingResult:
    """Go on with a run, exactly where its newest checkpoint stands; only how far to train may change."""
    algos.get_algorithm_name(run)  # Or there is nothing to go on with.
    config = run.config
    for key in training:
        if key not in ("steps", "num_workers", "stop_when_solved"):
            raise UserError(f"--resume goes on as the run began: {key} cannot change")
    config["training"] = TrainSettings.parse(
        {**config["training"], **training}, kind="training setting"
    ).to_dict()
    learner = _make_learner(config)
    progress = Progress()
    envs = None
    if run.checkpoints():
        state = run.load_checkpoint("latest")[1]
        learner.load_state_dict(state)
        progress = Progress(**state["progress"])
        envs = state["envs"]
    run.write("config.json", config)
    return _train(run, config, learner, progress, envs, make_logger, record_video)


def _make_learner(config: Mapping[str, Any]) -> Algorithm:
    seed = config["training"]["seed"]
    device = resolve_device(config["device"])
    learner = algos.make_learner(
        config["algorithm"], config["env"], config["env_settings"], config["settings"], seed, device
    )
    return attach_translator(learner, config) if "translator" in config else learner


def _train(
    run: Run,
    config: Mapping[str, Any],
    learner: Algorithm,
    progress: Progress,
    env_state: Mapping[str, Any] | None,
    make_logger: LoggerFactory | None,
    record_video: bool,
) -> TrainingResult:
    settings = TrainSettings.parse(config["training"])
    with ExitStack() as stack:
        envs = make_env_batch(
            config["env"],
            settings.num_envs,
            settings.seed,
            get_training_env_settings(config),
            settings.num_workers,
        )
        stack.callback(envs.close)
        if env_state is not None:
            envs.set_state(env_state)
        evaluator = Evaluator(config["env"], config["env_settings"], settings.evaluate_episodes)
        stack.callback(evaluator.close)
        listeners: list[MetricLogger] = []
        for kind in (CsvLogger, TensorBoardLogger):
            file = kind(run.path, progress.step)
            stack.callback(file.close)
            listeners.append(file)
        if make_logger is not None:
            listeners.append(make_logger(config))
        caught = stack.enter_context(catch_signals())

        def save(progress: Progress) -> None:
            state = {**learner.state_dict(), "envs": envs.get_state(), "progress": asdict(progress)}
            run.save_checkpoint(progress.step, state, progress.best_step)
            run.save_policy(progress.step, state["policy"])

        def should_stop() -> bool:
            return bool(caught)

        if progress.step == 0:
            run.save_policy(0, learner.state_dict()["policy"])
        train(
            learner,
            envs,
            settings,
            progress,
            evaluator=evaluator,
            loggers=listeners,
            save=save,
            should_stop=should_stop,
        )
        shown = progress.best_step or progress.step
        score: Mapping[str, float] = {}
        if not caught:
            best = algos.restore_learner(run, str(shown))
            score = evaluator(lambda observation: best.act(observation, explore=False)).metrics()
        interrupted = caught[0] if caught else None
    run.write("summary.json", _summarize(progress, interrupted, score))
    film = None
    no_film = ""
    if record_video and interrupted is None:
        try:
            film = record_episode(run, run.video_path(f"step_{shown:09d}"))
        except UserError as error:  # An environment that cannot draw itself: the training was none the worse for it.
            no_film = str(error)
    return TrainingResult(run, progress, score, film, no_film, interrupted)


def _summarize(
    progress: Progress, interrupt_signal: int | None, metrics: Mapping[str, float]
) -> dict[str, Any]:
    return {
        "steps": progress.step,
        "episodes": progress.episode,
        "seconds": round(progress.seconds, 3),
        "solved": progress.solved_step is not None,
        "solved_step": progress.solved_step,
        "best_step": progress.best_step,
        "interrupted": interrupt_signal,
        **metrics,
    }
