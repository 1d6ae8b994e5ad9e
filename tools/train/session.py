"""Train a world into a run folder: from the user's words to a solved world, a film and a summary."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from poise import algos
from poise.toolkit.errors import UserError
from poise.toolkit.evaluation import Evaluator
from poise.toolkit.experience import worlds_of
from poise.toolkit.loggers import CsvFiles, Listener, TensorBoardFile
from poise.toolkit.process import signals_caught
from poise.toolkit.run import Run
from poise.toolkit.trainer import Algorithm, Progress, TrainSettings, train
from poise.tools.record.record_run import film_episode
from poise.tools.train.plan import Words, device_named, plan
from poise.tools.train.with_translator import settings_shown, watched

Listen = Callable[[Mapping[str, Any]], Listener]
"""Makes one more listener, the live view, once the config is known."""


@dataclass(frozen=True)
class Outcome:
    """How a training ended."""

    run: Run
    progress: Progress
    score: Mapping[str, float]
    film: Path | None
    no_film: str
    """Why there is no film, if there is none."""
    interrupted: int | None
    """The signal that stopped it, if one did."""


def start(words: Words, listen: Listen | None = None, video: bool = True) -> Outcome:
    """Train a new run. Nothing is written before all of the user's words have proved right."""
    config = plan(words)
    learner = _learner(config)
    run = Run.create(words.runs, words.name, config["world"], config["algorithm"], config["training"]["seed"])
    run.write("config.json", config)
    return _train(run, config, learner, Progress(), None, listen, video)


def resume(run: Run, training: Mapping[str, Any], listen: Listen | None = None, video: bool = True) -> Outcome:
    """Go on with a run, exactly where its newest checkpoint stands; only how far to train may change."""
    algos.algorithm_of(run)  # Or there is nothing to go on with.
    config = run.config
    for key in training:
        if key not in ("steps", "workers", "keep_going"):
            raise UserError(f"--resume goes on as the run began: {key} cannot change")
    config["training"] = TrainSettings.parse({**config["training"], **training}, kind="training setting").plain()
    learner, progress, worlds = _learner(config), Progress(), None
    if run.checkpoints():
        state = run.load("latest")[1]
        learner.load_state(state)
        progress, worlds = Progress(**state["progress"]), state["worlds"]
    run.write("config.json", config)
    return _train(run, config, learner, progress, worlds, listen, video)


def _learner(config: Mapping[str, Any]) -> Algorithm:
    seed, device = config["training"]["seed"], device_named(config["device"])
    learner = algos.make(config["algorithm"], config["world"], config["world_settings"], config["settings"], seed, device)
    return watched(learner, config) if "translator" in config else learner


def _train(
    run: Run,
    config: Mapping[str, Any],
    learner: Algorithm,
    progress: Progress,
    stand: Mapping[str, Any] | None,
    listen: Listen | None,
    video: bool,
) -> Outcome:
    settings = TrainSettings.parse(config["training"])
    with ExitStack() as stack:
        worlds = worlds_of(config["world"], settings.worlds, settings.seed, settings_shown(config), settings.workers)
        stack.callback(worlds.close)
        if stand is not None:
            worlds.load_state(stand)
        evaluator = Evaluator(config["world"], config["world_settings"], settings.evaluate_episodes)
        stack.callback(evaluator.close)
        listeners: list[Listener] = []
        for kind in (CsvFiles, TensorBoardFile):
            file = kind(run.path, progress.step)
            stack.callback(file.close)
            listeners.append(file)
        if listen is not None:
            listeners.append(listen(config))
        caught = stack.enter_context(signals_caught())

        def save(progress: Progress) -> None:
            state = {**learner.state(), "worlds": worlds.state(), "progress": asdict(progress)}
            run.save(progress.step, state, progress.best_step)
            run.keep(progress.step, state["policy"])

        def should_stop() -> bool:
            return bool(caught)

        if progress.step == 0:
            run.keep(0, learner.state()["policy"])
        train(learner, worlds, settings, progress, evaluate=evaluator, listeners=listeners, save=save, should_stop=should_stop)
        shown = progress.best_step or progress.step
        score: Mapping[str, float] = {}
        if not caught:
            best = algos.restore(run, str(shown))
            score = evaluator(lambda observation: best.act(observation, explore=False)).metrics()
        interrupted = caught[0] if caught else None
    run.write("summary.json", _summary(progress, interrupted, score))
    film, no_film = None, ""
    if video and interrupted is None:
        try:
            film = film_episode(run, run.video(f"step_{shown:09d}"))
        except UserError as error:  # A world that cannot draw itself: the training was none the worse for it.
            no_film = str(error)
    return Outcome(run, progress, score, film, no_film, interrupted)


def _summary(progress: Progress, interrupted: int | None, score: Mapping[str, float]) -> dict[str, Any]:
    return {
        "steps": progress.step,
        "episodes": progress.episode,
        "seconds": round(progress.seconds, 3),
        "solved": progress.solved_step is not None,
        "solved_step": progress.solved_step,
        "best_step": progress.best_step,
        "interrupted": interrupted,
        **score,
    }
