"""Judge a translator: its error in every number beside the mean's, its worst frames, and what shifts of the picture do to it."""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from poise.toolkit.appearance import Bar, add_grain, hide
from poise.toolkit.dataset import Dataset
from poise.toolkit.errors import UserError
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array, Signal, layout, parts
from poise.tools.translate.load import check_fit, open_translator
from poise.tools.translate.samples import Readings, rate_of

SMALL_UNITS = {
    "m": ("mm", 1000.0),
    "m/s": ("mm/s", 1000.0),
    "rad": ("deg", 180.0 / np.pi),
    "rad/s": ("deg/s", 180.0 / np.pi),
}
"""In which unit an error is told, and how many of it make one of the signal's."""


MOST = 5000
"""Frames that are judged at the most."""


WORST = 8


FILMS = 200
"""Films whose next pictures are painted."""


Shift = Callable[[Array, np.random.Generator], Array]
"""Changes pictures (N, H, W, 3)."""


class Reading(NamedTuple):
    """What a translator read in held-out films (M, T) of rows: numbers (M, T, S), beside the true ones and the mean (S,).

    The true ones are NaN where nobody could know.
    """

    signals: list[Signal]
    films: Array
    true: Array
    read: Array
    mean: Array

    def of(self, name: str) -> tuple[Array, Array, Array]:
        """True numbers, read ones and mean of one signal."""
        place = layout(self.signals)[name]
        return self.true[..., place], self.read[..., place], self.mean[place]


class Error(NamedTuple):
    """How wrong one number of a signal is: root mean squares of the translator and of always saying the mean, in `unit`."""

    name: str
    unit: str
    error: float
    mean: float


class Judgement(NamedTuple):
    """What an evaluation found."""

    frames: int
    mse: float
    baseline: float
    errors: list[Error]
    shifts: dict[str, float]
    """Mean square error on pictures that were shifted, by the shift's name."""
    worst: Array
    """Rows of the dataset with the largest errors of the first signal, each of another episode."""
    reading: Reading
    next_frame: float | None
    """The error of the next pictures that it paints, of the error of painting the same again; None where it paints none."""


def evaluate_translator(run: Run, data: Dataset) -> Judgement:
    """Judge a run's translator on the held-out episodes of a dataset; a UserError where the two do not fit."""
    reading = read_films(run, data)
    wrong, off = reading.read - reading.true, reading.mean - reading.true
    numbers = enumerate(parts(reading.signals))
    errors = [_told(name, signal, wrong[..., column], off[..., column]) for column, (name, signal) in numbers]
    shifts = {name: _mse(read_films(run, data, shift).read - reading.true) for name, shift in SHIFTS.items()}
    first = np.square(wrong[..., : reading.signals[0].size]).sum(-1)
    films = np.argsort(-first.max(1))[:WORST]
    worst = reading.films[films, first[films].argmax(1)]
    return Judgement(reading.films.size, _mse(wrong), _mse(off), errors, shifts, worst, reading, _next_frame(run, data))


def read_films(run: Run, data: Dataset, shift: Shift | None = None) -> Reading:
    """What a run's translator reads in the held-out episodes of a dataset, whose pictures may be shifted before."""
    translator = open_translator(run)
    check_fit(run, data)
    readings = Readings(data, translator.settings)
    films = readings.judge()[: max(1, MOST // data.sequence)]
    pictures, true = readings.take(films)
    if shift is not None:
        pictures = shift(pictures.reshape(-1, *pictures.shape[2:]), np.random.default_rng(0)).reshape(pictures.shape)
    mean = translator.eye.get_buffer("mean").numpy()
    return Reading(readings.signals, films, true, translator.translate(pictures), mean)


def _next_frame(run: Run, data: Dataset) -> float | None:
    translator = open_translator(run)
    readings = Readings(data, translator.settings)
    return translator.judge(*readings.take(readings.judge()[:FILMS])).get("next_frame")


def small_unit(signal: Signal) -> tuple[str, float]:
    """The unit in which a signal's errors are told, and how many of it make one of the signal's."""
    return SMALL_UNITS.get(signal.unit, (signal.unit, 1.0))


def _told(name: str, signal: Signal, wrong: Array, mean: Array) -> Error:
    unit, factor = small_unit(signal)
    return Error(name, unit, factor * math.sqrt(_mse(wrong)), factor * math.sqrt(_mse(mean)))


def _mse(wrong: Array) -> float:
    return float(np.nanmean(np.square(wrong)))


def _noise(frames: Array, rng: np.random.Generator) -> Array:
    """A little of every colour more or less in every pixel."""
    return add_grain(frames, 10.0, rng)


def _bar(frames: Array, rng: np.random.Generator) -> Array:
    """A grey bar, an eighth of the picture wide, somewhere before the body."""
    columns = frames.shape[2]
    width = columns // 8
    for frame, left in zip(frames, rng.integers(0, columns - width, len(frames)), strict=True):
        hide(frame, Bar(left / columns, (left + width) / columns, (128, 128, 128)))
    return frames


def _colours(frames: Array, rng: np.random.Generator) -> Array:
    """Red for green, green for blue, blue for red."""
    return np.roll(frames, 1, axis=-1)


SHIFTS: dict[str, Shift] = {"noise": _noise, "a bar": _bar, "other colours": _colours}


class Speed(NamedTuple):
    """The root mean square error of a signal's rate of change that came about in some way, in `unit`.

    `times` says how many times that is the error of what is read from films.
    """

    name: str
    way: str
    unit: str
    error: float
    times: float


def compare_speeds(data: Dataset, reading: Reading, others: Mapping[str, Reading]) -> list[Speed]:
    """The error of every rate of change that is read, and of the differences of the signal itself as others read it.

    A true rate is itself such a difference, of true signals. A UserError where nothing can be compared.
    """
    speeds = []
    for signal in reading.signals:
        true, read, mean = reading.of(signal.name)
        ways = {"read from films": read}
        for name, other in others.items():
            for plain in other.signals:
                if rate_of(plain) == signal:
                    said = other.of(plain.name)[1]
                    ways[f"differences of what {name} reads"] = data.rate * np.diff(said, axis=1, prepend=np.float32(np.nan))
        if len(ways) > 1:
            ways["saying the mean"] = np.broadcast_to(mean, true.shape)
            unit, factor = small_unit(signal)
            errors = {way: factor * float(np.sqrt(np.nanmean(np.square(said - true)))) for way, said in ways.items()}
            speeds += [Speed(signal.name, way, unit, error, error / errors["read from films"]) for way, error in errors.items()]
    if not speeds:
        raise UserError("no speeds to compare: one run must read rates of signals (--set kind=convlstm), the other these signals")
    return speeds
