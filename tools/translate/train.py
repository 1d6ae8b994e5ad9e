"""Train a translator on a dataset into a run folder, with bit-exact resume."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field

from poise.algos.preset import load_translator_preset
from poise.algos.translator import Translator, TranslatorSettings
from poise.toolkit.dataset import Dataset
from poise.toolkit.errors import UserError
from poise.toolkit.loggers import MetricLogger, TrainingLog, open_file_logger
from poise.toolkit.process import keep_freed_memory
from poise.toolkit.run import TRANSLATOR, Run, get_versions
from poise.toolkit.settings import Settings, unknown_setting_error
from poise.tools.translate.load import get_translator_config, make_translator
from poise.tools.translate.samples import TranslatorSamples

LOG_EVERY = 50
"""Minibatches between rows of losses."""


class TranslatorTrainingSettings(Settings):
    """Length of a translator's training, and its evaluation."""

    steps: int = Field(6000, ge=1, description="minibatches in all")
    seed: int = Field(0, ge=0, description="seed of the weights and of the minibatches")
    evaluate_every: int = Field(
        500, ge=1, description="minibatches between evaluations on the held-out episodes"
    )
    solved_at: float = Field(
        1e-5,
        ge=0,
        description="mean square error on them at which it stops (m2, or the signals' units)",
    )


def make_translator_config(data: Dataset, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of a run, with every setting resolved.

    `overrides` come on top of the environment's preset, which exists for single images
    (kind=cnn) only.

    Raises:
        UserError: a setting is unknown or wrong.
    """
    translator_fields = TranslatorSettings.model_fields
    training_fields = TranslatorTrainingSettings.model_fields
    for name in overrides:
        if name not in translator_fields and name not in training_fields:
            choices = [*translator_fields, *training_fields]
            raise unknown_setting_error("setting", name, choices)
    is_cnn = overrides.get("kind", "cnn") == "cnn"
    preset = load_translator_preset(data.card["env"]) if is_cnn else {}
    chosen = {**preset, **overrides}
    settings = TranslatorSettings.parse(
        {name: value for name, value in chosen.items() if name in translator_fields},
        kind="translator setting",
    )
    training = TranslatorTrainingSettings.parse(
        {name: value for name, value in chosen.items() if name in training_fields},
        kind="training setting",
    )
    if settings.next_frame_coef and settings.kind == "cnn":
        raise UserError("next_frame_coef needs image sequences: use --set kind=convlstm")
    samples = TranslatorSamples(data, settings)
    return {
        "env": data.card["env"],
        "env_settings": data.card["env_settings"],
        "randomize_appearance": data.card.get("randomize_appearance", {}),
        "algorithm": TRANSLATOR,
        "settings": settings.to_dict(),
        "training": training.to_dict(),
        "device": "cpu",
        "dataset": str(data.folder.resolve()),
        "dataset_sha256": data.sha256,
        "size": list(data.shards[0].frames.shape[1:3]),
        "outputs": samples.values.shape[1],
        "versions": get_versions(),
    }


def create_translator_run(
    runs_dir: Path, name: str | None, data: Dataset, overrides: Mapping[str, Any]
) -> Run:
    """Make the folder of a new run, after all settings have proved valid."""
    return Run.create(runs_dir, name, make_translator_config(data, overrides))


def train_translator(
    run: Run,
    data: Dataset,
    loggers: Sequence[MetricLogger] = (),
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Train from the latest checkpoint on; return steps, seconds, mse and whether it is solved.

    Ends when the error on the held-out episodes is small enough, when the steps are spent, or at
    `should_stop`. The weights are the same with or without interruptions.

    Raises:
        UserError: another process trains this run, or it was begun on another dataset.
    """
    config = get_translator_config(run)
    _check_dataset(run, config, data)
    training = TranslatorTrainingSettings.parse(config["training"])
    translator = make_translator(config)
    torch.set_num_threads(translator.settings.threads)
    keep_freed_memory()
    samples = TranslatorSamples(data, translator.settings)
    sequences = samples.get_training_sequences(translator.settings.sequence_length)
    translator.fit_normalization(samples.values[data.split()[0]], samples.sizes)

    with run.lock() as lock:
        step = 0
        seconds = 0.0
        mse: float | None = None  # There is no evaluation yet.
        num_rows: Mapping[str, int] | None = None
        if run.checkpoints():
            state = run.resume([*translator.state_dict(), "progress", "logs"])
            translator.load_state_dict(state)
            step, seconds, mse = (state["progress"][name] for name in ("step", "seconds", "score"))
            num_rows = state["logs"]

        with open_file_logger(run.path, step, num_rows) as file_logger:
            log = TrainingLog([file_logger, *loggers], seconds)

            def is_solved() -> bool:
                return mse is not None and mse <= training.solved_at

            def save(*, is_extra: bool) -> None:
                lock.check()
                if not (run.path / "config.json").exists():
                    run.write("config.json", config)
                state = {
                    **translator.state_dict(),
                    "progress": {"step": step, "seconds": log.seconds, "score": mse},
                    "logs": file_logger.flush(),
                }
                run.save_checkpoint(step, state, step, is_extra=is_extra)

            while step < training.steps and not is_solved() and not should_stop():
                batch_size = translator.settings.batch_size
                batch = sequences[translator.rng.integers(len(sequences), size=batch_size)]
                metrics = translator.train_on_batch(
                    *samples.get_batch(batch), step / training.steps
                )
                step += 1

                is_evaluated = step % training.evaluate_every == 0 or step == training.steps
                if is_evaluated:
                    evaluation = _evaluate(translator, samples)
                    mse = evaluation["eval/mse"]
                    metrics |= evaluation
                if is_evaluated or step % LOG_EVERY == 0:
                    log.write(step, metrics)
                if is_evaluated:
                    save(is_extra=False)
            save(is_extra=True)

        result = {
            "steps": step,
            "seconds": round(log.seconds, 3),
            "mse": mse,
            "solved": is_solved(),
        }
        run.write("summary.json", {**result, "best_step": step})
    return result


def _check_dataset(run: Run, config: Mapping[str, Any], data: Dataset) -> None:
    """Raise a UserError where a run was begun on another dataset."""
    if config["dataset_sha256"] != data.sha256:
        raise UserError(
            f"run {run.path.name!r} was begun on another dataset than {data.folder} is now: "
            "put that dataset back, or start a new run on this one"
        )


def _evaluate(translator: Translator, samples: TranslatorSamples) -> dict[str, float]:
    """Return mean square error and the error of each signal on the held-out episodes."""
    images, values = samples.get_batch(samples.get_held_out_sequences())
    errors = translator.translate(images) - values
    rmse = {f"eval/{name}": error for name, error in samples.compute_rmse(errors).items()}
    return {"eval/mse": float(np.nanmean(np.square(errors))), **rmse}
