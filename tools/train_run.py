"""Train a world into a run folder: from the user's words to a solved world, a film and a summary."""

import importlib.metadata
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import gymnasium

import algos
import envs2d  # noqa: F401  (registers the worlds in the plane)
from algos import preset as presets
from toolkit.errors import UserError, unknown
from toolkit.experience import Worlds
from toolkit.metrics import CsvFiles, Listener, TensorBoardFile
from toolkit.registry import as_ours, make_world, resolve
from toolkit.run import Run
from toolkit.trainer import Evaluator, Progress, TrainSettings, train
from tools.record_run import film_episode

PACKAGES = ("gymnasium", "numpy", "pymunk", "torch")


@dataclass(frozen=True)
class Words:
    """What the user may say about a training; everything left out comes from the preset."""

    world: str
    algorithm: str | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    world_settings: Mapping[str, Any] = field(default_factory=dict)
    preset: Path | None = None
    name: str | None = None
    runs: Path = Path("runs")
    device: str = "auto"


@dataclass(frozen=True)
class Outcome:
    """How a training ended."""

    run: Run
    progress: Progress
    score: Mapping[str, float]
    film: Path | None
    interrupted: int | None
    """The signal that stopped it, if one did."""


def plan(words: Words) -> dict[str, Any]:
    """The run's config: every setting resolved. All of the user's mistakes are found here, before work begins."""
    world_id = resolve(words.world)
    algorithm = words.algorithm or presets.recommended(world_id)
    kind = algos.load(algorithm)
    chosen = presets.preset_file(algorithm, words.preset) if words.preset else presets.preset(algorithm, world_id)
    own, training = {**chosen.settings}, {**chosen.training}
    for key, value in words.settings.items():
        if key in kind.SETTINGS.model_fields:
            own[key] = value
        elif key in TrainSettings.model_fields:
            training[key] = value
        else:
            raise unknown("setting", key, [*kind.SETTINGS.model_fields, *TrainSettings.model_fields])
    training.update(words.training)
    world = make_world(world_id, words.world_settings)
    ours = as_ours(world)
    world_settings = ours.settings.plain() if ours else dict(words.world_settings)
    if world.spec is not None and (ours is None or ours.settings.reward == type(ours).SETTINGS().reward):
        training.setdefault("solved_at", world.spec.reward_threshold)
    world.close()
    return {
        "world": world_id,
        "world_settings": world_settings,
        "algorithm": algorithm,
        "settings": kind.SETTINGS.parse(own, kind=f"{algorithm} setting").plain(),
        "training": TrainSettings.parse(training, kind="training setting").plain(),
        "device": _device(words.device),
        "command": " ".join(["poise", *sys.argv[1:]]),
        "versions": {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in PACKAGES}},
        "commit": _commit(),
    }


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
        if settings.keep_going or settings.solved_at is None:
            progress.solved_step = None

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


def _device(word: str) -> str:
    """The device that `word` means. `auto` is the processor: for networks of this size it is the quickest."""
    import torch

    if word == "auto":
        return "cpu"
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if word not in there:
        raise unknown("device", word, ["auto", *there])
    if not there[word]:
        raise UserError(f"device {word!r} is not on this machine: choose from {', '.join(name for name in there if there[name])}")
    return word


def _commit() -> str | None:
    """The git commit of this source tree, where there is one."""
    try:
        command = ["git", "rev-parse", "HEAD"]
        told = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=5, check=True)
        return told.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


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
