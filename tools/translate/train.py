"""Train a translator on a dataset into a run folder, with exact resume."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
from poise.algos.preset import translator_preset
from poise.algos.translator import Translator, TranslatorSettings
from poise.toolkit.dataset import Dataset
from poise.toolkit.errors import UserError, unknown
from poise.toolkit.loggers import CsvFiles, Listener, TensorBoardFile
from poise.toolkit.run import Run, versions
from poise.toolkit.settings import Settings
from poise.tools.translate.load import ALGORITHM, new_translator, translation_config
from poise.tools.translate.samples import Readings
from pydantic import Field

LOG_EVERY = 50


class TranslationSettings(Settings):
    """What a translator's training lets its user choose."""

    steps: int = Field(6000, ge=1, description="minibatches in all")
    seed: int = Field(0, ge=0, description="another seed, another story")
    evaluate_every: int = Field(500, ge=1, description="minibatches between looks at the held-out episodes")
    solved_at: float = Field(1e-5, ge=0, description="mean square error on them at which it stops (m2, or the signals' units)")


def plan_translation(data: Dataset, told: Mapping[str, Any]) -> dict[str, Any]:
    """The run's config: every setting resolved; what is told comes on top of the world's preset, which is for single pictures."""
    known = {**TranslatorSettings.model_fields, **TranslationSettings.model_fields}
    if strange := [key for key in told if key not in known]:
        raise unknown("setting", strange[0], known)
    words = {**(translator_preset(data.card["world"]) if told.get("kind", "cnn") == "cnn" else {}), **told}
    own = {key: value for key, value in words.items() if key in TranslatorSettings.model_fields}
    training = {key: value for key, value in words.items() if key in TranslationSettings.model_fields}
    settings = TranslatorSettings.parse(own, kind="translator setting")
    if settings.next_frame and settings.kind == "cnn":
        raise UserError("next_frame is for films: --set kind=convlstm")
    readings = Readings(data, settings)
    return {
        "world": data.card["world"],
        "world_settings": data.card["world_settings"],
        "algorithm": ALGORITHM,
        "settings": settings.plain(),
        "training": TranslationSettings.parse(training, kind="training setting").plain(),
        "device": "cpu",
        "dataset": str(data.folder.resolve()),
        "size": list(data.shards[0].frames.shape[1:3]),
        "outputs": readings.values.shape[1],
        "versions": versions(),
    }


def start(runs: Path, name: str | None, data: Dataset, words: Mapping[str, Any]) -> Run:
    """A new run folder, once all of the user's words have proved right."""
    config = plan_translation(data, words)
    run = Run.create(runs, name, config["world"], ALGORITHM, config["training"]["seed"])
    run.write("config.json", config)
    return run


def train_translator(
    run: Run, data: Dataset, listeners: Iterable[Listener] = (), should_stop: Callable[[], bool] = lambda: False
) -> dict[str, float]:
    """Train, or go on training, until the held-out error is small enough, the budget is spent, or `should_stop`.

    The weights come out the same whether it was stopped in between or not. Returns steps, seconds and the last score.
    """
    training = TranslationSettings.parse(run.config["training"])
    translator = new_translator(translation_config(run))
    readings = Readings(data, translator.settings)
    teach, judge = readings.teach(translator.settings.film), readings.judge()
    translator.standardize(readings.values[data.split()[0]], readings.sizes)
    step, seconds, score = 0, 0.0, np.inf
    if run.checkpoints():
        state = run.load("latest")[1]
        translator.load_state(state)
        step, seconds, score = (state["progress"][name] for name in ("step", "seconds", "score"))
    began = time.perf_counter() - seconds
    with ExitStack() as stack:
        files = [stack.enter_context(closing(kind(run.path, step))) for kind in (CsvFiles, TensorBoardFile)]
        while step < training.steps and score > training.solved_at and not should_stop():
            films = teach[translator.rng.integers(len(teach), size=translator.settings.batch)]
            told = translator.learn(*readings.take(films), step / training.steps)
            step += 1
            if step % training.evaluate_every == 0 or step == training.steps:
                pictures, values = readings.take(judge)
                wrong = translator.translate(pictures) - values
                told["eval/mse"] = score = float(np.nanmean(np.square(wrong)))
                told |= {f"eval/{name}": error for name, error in readings.errors(wrong).items()}
            if step % LOG_EVERY == 0 or "eval/mse" in told:
                for listener in (*files, *listeners):
                    listener(step, time.perf_counter() - began, told)
            if "eval/mse" in told:
                _save(run, translator, step, time.perf_counter() - began, score)
    seconds = time.perf_counter() - began
    _save(run, translator, step, seconds, score)
    outcome = {"steps": step, "seconds": round(seconds, 3), "mse": score, "solved": float(score <= training.solved_at)}
    run.write("summary.json", {**outcome, "best_step": step})
    return outcome


def _save(run: Run, translator: Translator, step: int, seconds: float, score: float) -> None:
    run.save(step, {**translator.state(), "progress": {"step": step, "seconds": seconds, "score": score}}, step)
