"""Judge a translator: its error in every number beside the mean's, its worst frames, and what shifts of the picture do to it."""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

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
"""In which unit an error is told, and how many of it make one of the signal's."""


MAX_FRAMES = 5000
"""Frames that are judged at the most."""


NUM_WORST_FRAMES = 8


MAX_NEXT_FRAME_SEQUENCES = 200
"""Films whose next pictures are painted."""


Corruption = Callable[[Array, np.random.Generator], Array]
"""Changes pictures (N, H, W, 3)."""


class Predictions(NamedTuple):
    """What a translator read in held-out films (M, T) of rows: numbers (M, T, S), beside the true ones and the mean (S,).

    The true ones are NaN where nobody could know.
    """

    signals: list[Signal]
    sequences: Array
    true: Array
    predicted: Array
    mean: Array

    def select_signal(self, name: str) -> tuple[Array, Array, Array]:
        """True numbers, read ones and mean of one signal."""
        place = slices(self.signals)[name]
        return self.true[..., place], self.predicted[..., place], self.mean[place]


class SignalError(NamedTuple):
    """How wrong one number of a signal is: root mean squares of the translator and of always saying the mean, in `unit`."""

    name: str
    unit: str
    error: float
    baseline: float


class TranslatorEvaluation(NamedTuple):
    """What an evaluation found."""

    frames: int
    mse: float
    baseline: float
    errors: list[SignalError]
    corrupted_mse: dict[str, float]
    """Mean square error on pictures that were shifted, by the shift's name."""
    worst_rows: Array
    """Rows of the dataset with the largest errors of the first signal, each of another episode."""
    predictions: Predictions
    next_frame_error: float | None
    """The error of the next pictures that it paints, of the error of painting the same again; None where it paints none."""


def evaluate_translator(run: Run, data: Dataset) -> TranslatorEvaluation:
    """Judge a run's translator on the held-out episodes of a dataset; a UserError where the two do not fit."""
    reading = predict_sequences(run, data)
    wrong = reading.predicted - reading.true
    off = reading.mean - reading.true
    numbers = enumerate(component_names(reading.signals))
    errors = [
        _make_signal_error(name, signal, wrong[..., column], off[..., column])
        for column, (name, signal) in numbers
    ]
    shifts = {
        name: _compute_mse(predict_sequences(run, data, shift).predicted - reading.true)
        for name, shift in CORRUPTIONS.items()
    }
    first = np.square(wrong[..., : reading.signals[0].size]).sum(-1)
    films = np.argsort(-first.max(1))[:NUM_WORST_FRAMES]
    worst = reading.sequences[films, first[films].argmax(1)]
    return TranslatorEvaluation(
        reading.sequences.size,
        _compute_mse(wrong),
        _compute_mse(off),
        errors,
        shifts,
        worst,
        reading,
        _evaluate_next_frame(run, data),
    )


def predict_sequences(run: Run, data: Dataset, corruption: Corruption | None = None) -> Predictions:
    """What a run's translator reads in the held-out episodes of a dataset, whose pictures may be shifted before."""
    translator = load_translator(run)
    check_compatible(run, data)
    readings = TranslatorSamples(data, translator.settings)
    films = readings.get_held_out_sequences()[: max(1, MAX_FRAMES // data.episode_length)]
    pictures, true = readings.get_batch(films)
    if corruption is not None:
        pictures = corruption(
            pictures.reshape(-1, *pictures.shape[2:]), np.random.default_rng(0)
        ).reshape(pictures.shape)
    mean = translator.pose_estimator.get_buffer("mean").numpy()
    return Predictions(readings.signals, films, true, translator.translate(pictures), mean)


def _evaluate_next_frame(run: Run, data: Dataset) -> float | None:
    translator = load_translator(run)
    readings = TranslatorSamples(data, translator.settings)
    return translator.evaluate(
        *readings.get_batch(readings.get_held_out_sequences()[:MAX_NEXT_FRAME_SEQUENCES])
    ).get("next_frame")


def get_display_unit(signal: Signal) -> tuple[str, float]:
    """The unit in which a signal's errors are told, and how many of it make one of the signal's."""
    return DISPLAY_UNITS.get(signal.unit, (signal.unit, 1.0))


def _make_signal_error(
    name: str, signal: Signal, errors: Array, baseline_errors: Array
) -> SignalError:
    unit, factor = get_display_unit(signal)
    return SignalError(
        name,
        unit,
        factor * math.sqrt(_compute_mse(errors)),
        factor * math.sqrt(_compute_mse(baseline_errors)),
    )


def _compute_mse(errors: Array) -> float:
    return float(np.nanmean(np.square(errors)))


def _add_noise(frames: Array, rng: np.random.Generator) -> Array:
    """A little of every colour more or less in every pixel."""
    return add_pixel_noise(frames, 10.0, rng)


def _add_occluder(frames: Array, rng: np.random.Generator) -> Array:
    """A grey bar, an eighth of the picture wide, somewhere before the body."""
    columns = frames.shape[2]
    width = columns // 8
    for frame, left in zip(frames, rng.integers(0, columns - width, len(frames)), strict=True):
        draw_occluder(frame, Occluder(left / columns, (left + width) / columns, (128, 128, 128)))
    return frames


def _permute_channels(frames: Array, rng: np.random.Generator) -> Array:
    """Red for green, green for blue, blue for red."""
    return np.roll(frames, 1, axis=-1)


CORRUPTIONS: dict[str, Corruption] = {
    "noise": _add_noise,
    "a bar": _add_occluder,
    "other colours": _permute_channels,
}


class RateError(NamedTuple):
    """The root mean square error of a signal's rate of change that came about in some way, in `unit`.

    `times` says how many times that is the error of what is read from films.
    """

    name: str
    method: str
    unit: str
    error: float
    ratio: float


def compare_rates(
    data: Dataset, predictions: Predictions, others: Mapping[str, Predictions]
) -> list[RateError]:
    """The error of every rate of change that is read, and of the differences of the signal itself as others read it.

    A true rate is itself such a difference, of true signals. A UserError where nothing can be compared.
    """
    speeds = []
    for signal in predictions.signals:
        true, read, mean = predictions.select_signal(signal.name)
        ways = {"read from films": read}
        for name, other in others.items():
            for plain in other.signals:
                if make_rate_signal(plain) == signal:
                    said = other.select_signal(plain.name)[1]
                    ways[f"differences of what {name} reads"] = data.frame_rate * np.diff(
                        said, axis=1, prepend=np.float32(np.nan)
                    )
        if len(ways) > 1:
            ways["saying the mean"] = np.broadcast_to(mean, true.shape)
            unit, factor = get_display_unit(signal)
            errors = {
                way: factor * float(np.sqrt(np.nanmean(np.square(said - true))))
                for way, said in ways.items()
            }
            speeds += [
                RateError(signal.name, way, unit, error, error / errors["read from films"])
                for way, error in errors.items()
            ]
    if not speeds:
        raise UserError(
            "no speeds to compare: one run must read rates of signals (--set kind=convlstm), the other these signals"
        )
    return speeds
