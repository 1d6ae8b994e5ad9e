"""Train a translator on a dataset, into a run folder, with bit-exact resume."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from poise.algos.preset import load_translator_preset
from poise.algos.translator import Translator, TranslatorSettings, mean_square_error
from poise.toolkit.dataset import Dataset
from poise.toolkit.errors import UserError, unknown_name_error
from poise.toolkit.loggers import CsvLogger, MetricLogger, TensorBoardLogger
from poise.toolkit.run import Run, get_versions
from poise.toolkit.settings import Settings
from poise.tools.translate.load import ALGORITHM, get_translator_config, make_translator
from poise.tools.translate.samples import TranslatorSamples

LOG_EVERY = 50
"""Minibatches between two records of the losses."""


class TranslatorTrainingSettings(Settings):
    """Settings of a translator's training."""

    steps: int = Field(6000, ge=1, description="minibatches in total")
    seed: int = Field(0, ge=0, description="seed of initial weights and minibatches")
    evaluate_every: int = Field(
        500, ge=1, description="minibatches between evaluations on held-out episodes"
    )
    solved_at: float = Field(
        1e-5,
        ge=0,
        description="stop at this mean square error on held-out episodes (m2, or signals' units)",
    )


def make_translator_config(data: Dataset, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of a new run, with every setting resolved.

    `overrides` replace the environment's preset, which is for kind=cnn only, and the defaults.
    """
    translator_fields = TranslatorSettings.model_fields
    training_fields = TranslatorTrainingSettings.model_fields
    for key in overrides:
        if key not in translator_fields and key not in training_fields:
            raise unknown_name_error("setting", key, {**translator_fields, **training_fields})
    has_preset = overrides.get("kind", "cnn") == "cnn"
    preset = load_translator_preset(data.card["env"]) if has_preset else {}
    values = {**preset, **overrides}
    settings = TranslatorSettings.parse(
        {key: value for key, value in values.items() if key in translator_fields},
        kind="translator setting",
    )
    training = TranslatorTrainingSettings.parse(
        {key: value for key, value in values.items() if key in training_fields},
        kind="training setting",
    )
    if settings.next_frame_coef and settings.kind == "cnn":
        raise UserError("next_frame_coef needs image sequences; use --set kind=convlstm")
    samples = TranslatorSamples(data, settings)
    return {
        "env": data.card["env"],
        "env_settings": data.card["env_settings"],
        "algorithm": ALGORITHM,
        "settings": settings.to_dict(),
        "training": training.to_dict(),
        "device": "cpu",
        "dataset": str(data.folder.resolve()),
        "size": list(data.shards[0].frames.shape[1:3]),
        "outputs": samples.values.shape[1],
        "versions": get_versions(),
    }


def create_translator_run(
    runs_dir: Path, name: str | None, data: Dataset, overrides: Mapping[str, Any]
) -> Run:
    """Create a run folder, after all settings have been checked."""
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
    """Train a run's translator, or resume its training.

    Stops when the held-out error is at most `solved_at`, when all steps are done, or when
    `should_stop()` is true; the weights do not depend on interruptions. Returns `steps`,
    `seconds`, the last held-out `mse`, and `solved` (0 or 1).
    """
    training = TranslatorTrainingSettings.parse(run.config["training"])
    translator = make_translator(get_translator_config(run))
    samples = TranslatorSamples(data, translator.settings)
    training_sequences = samples.get_training_sequences(translator.settings.sequence_length)
    held_out_sequences = samples.get_held_out_sequences()
    translator.fit_normalization(samples.values[data.split()[0]], samples.sizes)
    step = 0
    seconds = 0.0
    mse = np.inf
    if run.checkpoints():
        _, state = run.load_checkpoint("latest")
        translator.load_state_dict(state)
        step = state["progress"]["step"]
        seconds = state["progress"]["seconds"]
        mse = state["progress"]["score"]
    start_time = time.perf_counter() - seconds
    with ExitStack() as stack:
        file_loggers = [
            stack.enter_context(closing(logger_class(run.path, step)))
            for logger_class in (CsvLogger, TensorBoardLogger)
        ]
        while step < training.steps and mse > training.solved_at and not should_stop():
            batch_size = translator.settings.batch_size
            rows = translator.rng.integers(len(training_sequences), size=batch_size)
            images, values = samples.get_batch(training_sequences[rows])
            metrics = translator.train_on_batch(images, values, step / training.steps)
            step += 1
            is_evaluation = step % training.evaluate_every == 0 or step == training.steps
            if is_evaluation:
                errors = translator.compute_errors(*samples.get_batch(held_out_sequences))
                mse = mean_square_error(errors)
                metrics["eval/mse"] = mse
                for name, rmse in samples.compute_rmse(errors).items():
                    metrics[f"eval/{name}"] = rmse
            if is_evaluation or step % LOG_EVERY == 0:
                for logger in (*file_loggers, *loggers):
                    logger(step, time.perf_counter() - start_time, metrics)
            if is_evaluation:
                _save_checkpoint(run, translator, step, time.perf_counter() - start_time, mse)
    seconds = time.perf_counter() - start_time
    _save_checkpoint(run, translator, step, seconds, mse)
    outcome = {
        "steps": step,
        "seconds": round(seconds, 3),
        "mse": mse,
        "solved": float(mse <= training.solved_at),
    }
    run.write("summary.json", {**outcome, "best_step": step})
    return outcome


def _save_checkpoint(
    run: Run, translator: Translator, step: int, seconds: float, mse: float
) -> None:
    progress = {"step": step, "seconds": seconds, "score": mse}
    run.save_checkpoint(step, {**translator.state_dict(), "progress": progress}, step)
