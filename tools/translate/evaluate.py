"""Evaluate a translator: errors beside a baseline, worst frames, and corrupted images.

The baseline always predicts the mean of the training data.
"""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from poise.algos.translator import Translator, mean_square_error
from poise.toolkit.appearance import Occluder, add_pixel_noise, draw_occluder
from poise.toolkit.dataset import Dataset
from poise.toolkit.errors import UserError
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array, Signal, component_names, slices
from poise.tools.translate.load import check_compatible, load_translator
from poise.tools.translate.samples import TranslatorSamples, make_rate_signal

DISPLAY_UNITS = {
    "m": ("mm", 1000.0),
    "m/s": ("mm/s", 1000.0),
    "rad": ("deg", 180.0 / np.pi),
    "rad/s": ("deg/s", 180.0 / np.pi),
}
"""By a signal's unit: the unit in which its errors are shown, and the factor to it."""

MAX_FRAMES = 5000
"""Held-out frames of an evaluation, at most."""

NUM_WORST_FRAMES = 8

MAX_NEXT_FRAME_SEQUENCES = 200
"""Held-out sequences on which next-frame prediction is evaluated, at most."""

NOISE_STD = 10.0
"""Standard deviation of the corruption `noise`, of colours from 0 to 255."""

DIRECT_METHOD = "read from sequences"
BASELINE_METHOD = "baseline: the mean"
"""Two methods of compare_rates; the others name the run whose signals they differentiate."""

Corruption = Callable[[Array, np.random.Generator], Array]
"""A change of images (N, H, W, 3) uint8; it may work in place."""


class Predictions(NamedTuple):
    """Predictions of a translator for held-out sequences (M, T) of rows.

    `true` and `predicted` are (M, T, S), `mean` is (S,), the mean of the training data;
    `true` is NaN where a frame cannot show the value.
    """

    signals: list[Signal]
    sequences: Array
    true: Array
    predicted: Array
    mean: Array

    @property
    def errors(self) -> Array:
        """Return the errors of the translator (M, T, S)."""
        return self.predicted - self.true

    @property
    def baseline_errors(self) -> Array:
        """Return the errors of the mean (M, T, S)."""
        return self.mean - self.true

    def select_signal(self, name: str) -> tuple[Array, Array, Array]:
        """Return the true and predicted values and the mean of one signal."""
        columns = slices(self.signals)[name]
        return self.true[..., columns], self.predicted[..., columns], self.mean[columns]


class SignalError(NamedTuple):
    """Root mean square errors of one component of a signal, in `unit`."""

    name: str
    unit: str
    error: float
    baseline: float


class TranslatorEvaluation(NamedTuple):
    """The result of an evaluation."""

    frames: int
    mse: float
    baseline: float
    """Mean square error of the baseline."""
    errors: list[SignalError]
    corrupted_mse: dict[str, float]
    """Mean square error on corrupted images, by the corruption's name."""
    worst_rows: Array
    """Rows of the dataset with the largest errors of the first signal, one an episode."""
    predictions: Predictions
    next_frame_error: float | None
    """Error of the predicted next frames, relative to repeating the frame; None without decoder."""


def evaluate_translator(run: Run, data: Dataset) -> TranslatorEvaluation:
    """Evaluate a run's translator on the held-out episodes of a dataset.

    Raises:
        UserError: run and dataset do not fit together.
    """
    predictions = predict_sequences(run, data)
    errors = predictions.errors
    baseline_errors = predictions.baseline_errors
    signal_errors = [
        _make_signal_error(name, signal, errors[..., column], baseline_errors[..., column])
        for column, (name, signal) in enumerate(component_names(predictions.signals))
    ]
    corrupted_mse = {
        name: mean_square_error(predict_sequences(run, data, corruption).errors)
        for name, corruption in CORRUPTIONS.items()
    }
    return TranslatorEvaluation(
        frames=predictions.sequences.size,
        mse=mean_square_error(errors),
        baseline=mean_square_error(baseline_errors),
        errors=signal_errors,
        corrupted_mse=corrupted_mse,
        worst_rows=_find_worst_rows(predictions),
        predictions=predictions,
        next_frame_error=_evaluate_next_frame(run, data),
    )


def predict_sequences(run: Run, data: Dataset, corruption: Corruption | None = None) -> Predictions:
    """Return a run's predictions for the held-out episodes of a dataset.

    With a `corruption` the images are corrupted first, by a fixed seed.
    """
    translator, samples = _load_with_samples(run, data)
    max_sequences = max(1, MAX_FRAMES // data.episode_length)
    sequences = samples.get_held_out_sequences()[:max_sequences]
    images, true = samples.get_batch(sequences)
    if corruption is not None:
        flat_images = images.reshape(-1, *images.shape[2:])
        images = corruption(flat_images, np.random.default_rng(0)).reshape(images.shape)
    mean = translator.pose_estimator.get_buffer("mean").numpy()
    return Predictions(samples.signals, sequences, true, translator.translate(images), mean)


def get_display_unit(signal: Signal) -> tuple[str, float]:
    """Return the unit in which a signal's errors are shown, and the factor to it."""
    return DISPLAY_UNITS.get(signal.unit, (signal.unit, 1.0))


def _load_with_samples(run: Run, data: Dataset) -> tuple[Translator, TranslatorSamples]:
    translator = load_translator(run)
    check_compatible(run, data)
    return translator, TranslatorSamples(data, translator.settings)


def _find_worst_rows(predictions: Predictions) -> Array:
    """Return the row of the largest error in each of the sequences with the largest errors."""
    first_signal_size = predictions.signals[0].size
    errors = np.square(predictions.errors[..., :first_signal_size]).sum(-1)  # (M, T)
    worst = np.argsort(-errors.max(1))[:NUM_WORST_FRAMES]
    rows: Array = predictions.sequences[worst, errors[worst].argmax(1)]
    return rows


def _evaluate_next_frame(run: Run, data: Dataset) -> float | None:
    translator, samples = _load_with_samples(run, data)
    if not translator.settings.next_frame_coef:
        return None
    sequences = samples.get_held_out_sequences()[:MAX_NEXT_FRAME_SEQUENCES]
    return translator.evaluate_losses(*samples.get_batch(sequences))["next_frame"]


def _make_signal_error(
    name: str, signal: Signal, errors: Array, baseline_errors: Array
) -> SignalError:
    unit, factor = get_display_unit(signal)
    rmse = math.sqrt(mean_square_error(errors))
    baseline_rmse = math.sqrt(mean_square_error(baseline_errors))
    return SignalError(name, unit, factor * rmse, factor * baseline_rmse)


def _add_noise(images: Array, rng: np.random.Generator) -> Array:
    """Add Gaussian noise to every colour of every pixel."""
    return add_pixel_noise(images, NOISE_STD, rng)


def _add_occluder(images: Array, rng: np.random.Generator) -> Array:
    """Draw a grey bar, an eighth of the image wide, at a random place."""
    columns = images.shape[2]
    width = columns // 8
    for image, left in zip(images, rng.integers(0, columns - width, len(images)), strict=True):
        draw_occluder(image, Occluder(left / columns, (left + width) / columns, (128, 128, 128)))
    return images


def _permute_channels(images: Array, rng: np.random.Generator) -> Array:
    """Turn red into green, green into blue, and blue into red."""
    return np.roll(images, 1, axis=-1)


CORRUPTIONS: dict[str, Corruption] = {
    "noise": _add_noise,
    "occluder": _add_occluder,
    "permuted colours": _permute_channels,
}


class RateError(NamedTuple):
    """Root mean square error of a signal's rate of change by one method, in `unit`.

    `ratio` is the error relative to that of DIRECT_METHOD.
    """

    name: str
    method: str
    unit: str
    error: float
    ratio: float


def compare_rates(
    data: Dataset, predictions: Predictions, others: Mapping[str, Predictions]
) -> list[RateError]:
    """Compare rates read from sequences with finite differences of signals that others read.

    True rates are themselves finite differences, of the true signals.

    Raises:
        UserError: no rate in `predictions` belongs to a signal in `others`.
    """
    rows: list[RateError] = []
    for signal in predictions.signals:
        true, predicted, mean = predictions.select_signal(signal.name)
        differences = _differentiate_matching_signals(data, signal, others)
        if not differences:
            continue
        estimates = {
            DIRECT_METHOD: predicted,
            **differences,
            BASELINE_METHOD: np.broadcast_to(mean, true.shape),
        }
        unit, factor = get_display_unit(signal)
        errors = {
            method: factor * math.sqrt(mean_square_error(estimate - true))
            for method, estimate in estimates.items()
        }
        for method, error in errors.items():
            ratio = error / errors[DIRECT_METHOD]
            rows.append(RateError(signal.name, method, unit, error, ratio))
    if not rows:
        raise UserError(
            "no rates to compare: one run must read rates of signals (--set kind=convlstm), "
            "the other run those signals"
        )
    return rows


def _differentiate_matching_signals(
    data: Dataset, rate_signal: Signal, others: Mapping[str, Predictions]
) -> dict[str, Array]:
    """Return finite differences (M, T, S) of the signals whose rate is `rate_signal`, by method."""
    differences = {}
    for run_name, predictions in others.items():
        for signal in predictions.signals:
            if make_rate_signal(signal) == rate_signal:
                _, predicted, _ = predictions.select_signal(signal.name)
                steps = np.diff(predicted, axis=1, prepend=np.float32(np.nan))
                differences[f"differences of {run_name}"] = data.frame_rate * steps
    return differences
