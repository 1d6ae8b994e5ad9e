"""Train a translator on a dataset into a run folder, with exact resume."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from poise.algos.preset import load_translator_preset
from poise.algos.translator import Translator, TranslatorSettings
from poise.toolkit.dataset import Dataset
from poise.toolkit.errors import UserError, unknown_name_error
from poise.toolkit.loggers import CsvLogger, MetricLogger, TensorBoardLogger
from poise.toolkit.run import Run, get_versions
from poise.toolkit.settings import Settings
from poise.tools.translate.load import ALGORITHM, get_translator_config, make_translator
from poise.tools.translate.samples import TranslatorSamples

LOG_EVERY = 50


class TranslatorTrainingSettings(Settings):
    """What a translator's training lets its user choose."""

    steps: int = Field(6000, ge=1, description="minibatches in all")
    seed: int = Field(0, ge=0, description="another seed, another story")
    evaluate_every: int = Field(
        500, ge=1, description="minibatches between looks at the held-out episodes"
    )
    solved_at: float = Field(
        1e-5,
        ge=0,
        description="mean square error on them at which it stops (m2, or the signals' units)",
    )


def make_translator_config(data: Dataset, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The run's config: every setting resolved; what is told comes on top of the environment's preset, which is for single pictures."""
    known = {**TranslatorSettings.model_fields, **TranslatorTrainingSettings.model_fields}
    if strange := [key for key in overrides if key not in known]:
        raise unknown_name_error("setting", strange[0], known)
    words = {
        **(
            load_translator_preset(data.card["env"])
            if overrides.get("kind", "cnn") == "cnn"
            else {}
        ),
        **overrides,
    }
    own = {key: value for key, value in words.items() if key in TranslatorSettings.model_fields}
    training = {
        key: value for key, value in words.items() if key in TranslatorTrainingSettings.model_fields
    }
    settings = TranslatorSettings.parse(own, kind="translator setting")
    if settings.next_frame_coef and settings.kind == "cnn":
        raise UserError("next_frame_coef is for films: --set kind=convlstm")
    readings = TranslatorSamples(data, settings)
    return {
        "env": data.card["env"],
        "env_settings": data.card["env_settings"],
        "algorithm": ALGORITHM,
        "settings": settings.to_dict(),
        "training": TranslatorTrainingSettings.parse(training, kind="training setting").to_dict(),
        "device": "cpu",
        "dataset": str(data.folder.resolve()),
        "size": list(data.shards[0].frames.shape[1:3]),
        "outputs": readings.values.shape[1],
        "versions": get_versions(),
    }


def create_translator_run(
    runs_dir: Path, name: str | None, data: Dataset, overrides: Mapping[str, Any]
) -> Run:
    """A new run folder, once all of the user's words have proved right."""
    config = make_translator_config(data, overrides)
    run = Run.create(runs_dir, name, config["env"], ALGORITHM, config["training"]["seed"])
    run.write("config.json", config)
    return run


def train_translator(
    run: Run,
    data: Dataset,
    loggers: Iterable[MetricLogger] = (),
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[str, float]:
    """Train, or go on training, until the held-out error is small enough, the budget is spent, or `should_stop`.

    The weights come out the same whether it was stopped in between or not. Returns steps, seconds and the last score.
    """
    training = TranslatorTrainingSettings.parse(run.config["training"])
    translator = make_translator(get_translator_config(run))
    readings = TranslatorSamples(data, translator.settings)
    teach = readings.get_training_sequences(translator.settings.sequence_length)
    judge = readings.get_held_out_sequences()
    translator.fit_normalization(readings.values[data.split()[0]], readings.sizes)
    step = 0
    seconds = 0.0
    score = np.inf
    if run.checkpoints():
        state = run.load_checkpoint("latest")[1]
        translator.load_state_dict(state)
        step, seconds, score = (state["progress"][name] for name in ("step", "seconds", "score"))
    began = time.perf_counter() - seconds
    with ExitStack() as stack:
        files = [
            stack.enter_context(closing(kind(run.path, step)))
            for kind in (CsvLogger, TensorBoardLogger)
        ]
        while step < training.steps and score > training.solved_at and not should_stop():
            films = teach[translator.rng.integers(len(teach), size=translator.settings.batch_size)]
            told = translator.train_on_batch(*readings.get_batch(films), step / training.steps)
            step += 1
            if step % training.evaluate_every == 0 or step == training.steps:
                pictures, values = readings.get_batch(judge)
                wrong = translator.translate(pictures) - values
                told["eval/mse"] = score = float(np.nanmean(np.square(wrong)))
                told |= {
                    f"eval/{name}": error for name, error in readings.compute_rmse(wrong).items()
                }
            if step % LOG_EVERY == 0 or "eval/mse" in told:
                for listener in (*files, *loggers):
                    listener(step, time.perf_counter() - began, told)
            if "eval/mse" in told:
                _save_checkpoint(run, translator, step, time.perf_counter() - began, score)
    seconds = time.perf_counter() - began
    _save_checkpoint(run, translator, step, seconds, score)
    outcome = {
        "steps": step,
        "seconds": round(seconds, 3),
        "mse": score,
        "solved": float(score <= training.solved_at),
    }
    run.write("summary.json", {**outcome, "best_step": step})
    return outcome


def _save_checkpoint(
    run: Run, translator: Translator, step: int, seconds: float, score: float
) -> None:
    run.save_checkpoint(
        step,
        {**translator.state_dict(), "progress": {"step": step, "seconds": seconds, "score": score}},
        step,
    )
