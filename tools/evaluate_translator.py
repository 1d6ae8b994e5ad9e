"""Judge a translator: its error at every joint beside the mean's, its worst frames, and what shifts of the picture do to it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from algos.translator import Translator
from toolkit.dataset import Dataset
from toolkit.errors import UserError
from toolkit.look import Bar, add_grain, hide
from toolkit.registry import as_ours, make_world
from toolkit.run import Run
from toolkit.signals import Array, Signal, parts
from tools.train_translator import check_fit, open_translator

SMALL_UNITS = {"m": ("mm", 1000.0), "rad": ("deg", 180.0 / np.pi), "rad/s": ("deg/s", 180.0 / np.pi)}
"""In which unit an error is told, and how many of it make one of the signal's."""
MOST = 5000
"""Frames that are judged at the most."""
WORST = 8
POINTS = "pose"
"""The signal that holds places in the world, elbow first and hand last."""


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
    """Rows of the dataset with the largest errors."""


def evaluate_translator(run: Run, data: Dataset) -> Judgement:
    """Judge a run's translator on the held-out episodes of a dataset; a UserError where the two do not fit."""
    translator, config = open_translator(run), run.config
    check_fit(run, data)
    names = config["settings"]["signals"]
    rows = data.split()[1][:MOST]
    values, frames = data.values(names)[rows], data.frames(rows)
    wrong = translator.translate(frames) - values
    mean = translator.eye.get_buffer("mean").numpy() - values
    numbers = parts([signal for name in names for signal in data.signals if signal.name == name])
    shifts = {name: _mse(translator, shift(frames.copy(), np.random.default_rng(0)), values) for name, shift in SHIFTS.items()}
    worst = rows[np.argsort(-np.square(wrong).sum(1))[:WORST]]
    errors = [_told(name, signal, wrong[:, column], mean[:, column]) for column, (name, signal) in enumerate(numbers)]
    return Judgement(len(rows), float(np.square(wrong).mean()), float(np.square(mean).mean()), errors, shifts, worst)


def draw_worst(run: Run, data: Dataset, judgement: Judgement, path: Path) -> Path:
    """The worst frames as a picture, with the true places as rings and the translated ones as crosses."""
    translator, frames = open_translator(run), data.frames(judgement.worst)
    if run.config["settings"]["signals"][0] != POINTS:
        raise UserError(f"run {run.path.name!r} does not read the signal {POINTS} first: there are no places to be drawn")
    values = data.values([POINTS])[judgement.worst]
    ours: Any = as_ours(world := make_world(data.card["world"], data.card["world_settings"]))
    world.reset(seed=0)
    height, width = translator.size
    figure = Figure(figsize=(12, 6.4), layout="constrained")
    axes = figure.subplots(2, WORST // 2).ravel()
    for axis in axes:
        axis.axis("off")
    for axis, frame, true, seen in zip(axes, frames, values, translator.translate(frames)[:, : values.shape[1]], strict=False):
        axis.imshow(frame)
        axis.set_title(f"{1000 * np.sqrt(np.square(seen - true).mean()):.1f} mm")
        for numbers, marker, colour in ((true, "o", "tab:green"), (seen, "x", "tab:red")):
            places = np.array([ours.seen_at(point) for point in ours.task.points(numbers)]) * (width, height) - 0.5
            style = {"marker": marker, "markersize": 9, "markerfacecolor": "none", "color": colour, "linewidth": 0.8}
            for arm in np.split(places, ours.task.arms):
                axis.plot(*arm.T, **style)
    world.close()
    figure.savefig(path)
    return path


def _told(name: str, signal: Signal, wrong: Array, mean: Array) -> Error:
    unit, factor = SMALL_UNITS.get(signal.unit, (signal.unit, 1.0))
    return Error(name, unit, factor * float(np.sqrt(np.square(wrong).mean())), factor * float(np.sqrt(np.square(mean).mean())))


def _mse(translator: Translator, frames: Array, values: Array) -> float:
    return float(np.square(translator.translate(frames) - values).mean())


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


SHIFTS: dict[str, Callable[[Array, np.random.Generator], Array]] = {"noise": _noise, "a bar": _bar, "other colours": _colours}
