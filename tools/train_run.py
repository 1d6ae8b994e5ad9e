"""Train a world into a run folder: from the user's words to a solved world, a film and a summary."""

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import algos
from toolkit.errors import UserError
from toolkit.evaluation import Evaluator
from toolkit.experience import Worlds
from toolkit.metrics import CsvFiles, Listener, TensorBoardFile
from toolkit.run import Run
from toolkit.trainer import Progress, TrainSettings, train
from tools.plan_run import Words, plan
from tools.record_run import film_episode


@dataclass(frozen=True)
class Outcome:
    """How a training ended."""

    run: Run
    progress: Progress
    score: Mapping[str, float]
    film: Path | None
    interrupted: int | None
    """The signal that stopped it, if one did."""


def start(words: Words, listen: Callable[[dict[str, Any]], Listener] | None = None, video: bool = True) -> Outcome:
    """Train a new run."""
    config = plan(words)
    run = Run.create(words.runs, words.name, config["world"], config["algorithm"], config["training"]["seed"])
    run.write("config.json", config)
    return _train(run, config, None, listen, video)


def resume(
    run: Run,
    training: Mapping[str, Any],
    listen: Callable[[dict[str, Any]], Listener] | None = None,
    video: bool = True,
) -> Outcome:
    """Go on with a run, exactly where its newest checkpoint stands; only how far to train may change."""
    config = run.config
    for key in training:
        if key not in ("steps", "keep_going"):
            raise UserError(f"--resume goes on as the run began: {key} cannot change")
    settings = TrainSettings.parse({**config["training"], **training}, kind="training setting")
    config["training"] = settings.plain()
    state = run.load("latest")
    run.write("config.json", config)
    return _train(run, config, state, listen, video)


def _train(
    run: Run,
    config: Mapping[str, Any],
    state: Mapping[str, Mapping[str, Any]] | None,
    listen: Callable[[dict[str, Any]], Listener] | None,
    video: bool,
) -> Outcome:
    world_id, world_settings = config["world"], config["world_settings"]
    settings = TrainSettings.parse(config["training"])
    seed = settings.seed
    learner = algos.make(config["algorithm"], world_id, world_settings, config["settings"], seed, config["device"])
    worlds = Worlds(world_id, settings.worlds, seed, world_settings)
    progress = Progress()
    if state is not None:
        learner.load_state(state)
        worlds.load_state(state["worlds"])
        progress = Progress(**state["progress"])

    def save(progress: Progress) -> None:
        run.save(progress.step, {**learner.state(), "worlds": worlds.state(), "progress": asdict(progress)}, progress.best_step)

    with ExitStack() as stack:
        stack.callback(worlds.close)
        evaluator = Evaluator(world_id, world_settings, settings.evaluate_episodes)
        stack.callback(evaluator.close)
        files = (CsvFiles(run.path, progress.step), TensorBoardFile(run.path, progress.step))
        for file in files:
            stack.callback(file.close)
        listeners: Sequence[Listener] = (*files, *([listen(dict(config))] if listen else []))
        caught = stack.enter_context(_signals())
        train(
            learner,
            worlds,
            settings,
            progress,
            evaluate=evaluator,
            listeners=listeners,
            save=save,
            should_stop=lambda: bool(caught),
        )
        interrupted = caught[0] if caught else None
        score: Mapping[str, float] = {}
        film = None
        if interrupted is None:
            best = algos.restore(run, _shown(progress, settings))
            score = evaluator(lambda observation: best.act(observation, explore=False)).metrics()
    summary = {
        "steps": progress.step,
        "episodes": progress.episode,
        "seconds": round(progress.seconds, 3),
        "solved": progress.solved_step is not None,
        "solved_step": progress.solved_step,
        "best_step": progress.best_step,
        "interrupted": interrupted,
        **score,
    }
    run.write("summary.json", summary)
    if video and interrupted is None:
        film = film_episode(run, run.video(f"step_{progress.best_step or progress.step:09d}"))
    return Outcome(run, progress, score, film, interrupted)


def _shown(progress: Progress, settings: TrainSettings) -> str:
    return str(progress.best_step if progress.best_step is not None else progress.step)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """The signals caught so far. The first asks the loop to stop and save; a second stops at once."""
    caught: list[int] = []

    def note(number: int, frame: object) -> None:
        if caught:
            os._exit(128 + number)
        caught.append(number)

    try:
        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # Not in the main thread: the caller minds its own signals.
        before = {}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
