"""Speeds that are read from films, beside the differences from frame to frame of what is read picture by picture."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from toolkit.dataset import Dataset
from toolkit.errors import UserError
from tools.evaluate_translator import Reading, small_unit
from tools.readings import rate_of


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
