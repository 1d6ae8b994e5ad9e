"""What a translator reads from a dataset: which numbers, in which films, and at which moments they can be known at all."""

import math

import numpy as np
from poise.algos.translator import TranslatorSettings
from poise.toolkit.dataset import Dataset
from poise.toolkit.errors import UserError
from poise.toolkit.spaces import Array, Signal, layout


class Readings:
    """The numbers that a translator with these settings is to read: `signals`, then how fast those of `rates` change.

    A UserError where nobody could learn to, or be judged.
    """

    def __init__(self, data: Dataset, settings: TranslatorSettings) -> None:
        names, rates = settings.signals, settings.rates
        self.data, self.recurrent = data, settings.kind == "convlstm"
        self.values: Array = data.values(names)
        if rates:
            self.values = np.concatenate((self.values, data.rates(rates)), axis=1)
        by_name = {signal.name: signal for signal in data.signals}
        self.signals = [*(by_name[name] for name in names), *(rate_of(by_name[name]) for name in rates)]
        self.sizes = [signal.size for signal in self.signals]
        self.moving: Array = np.repeat([signal.unit.endswith("/s") for signal in self.signals], self.sizes)
        """Which numbers are speeds, that no single picture shows."""
        self._check()

    def take(self, films: Array) -> tuple[Array, Array]:
        """Pictures (M, T, H, W, 3) and numbers (M, T, S) of films (M, T) of rows; NaN where nobody could know."""
        values = self.values[films]
        values[:, 0, self.moving] = np.nan
        return self.data.frames(films), values

    def errors(self, wrong: Array) -> dict[str, float]:
        """The root mean square of what is wrong (M, T, S), signal by signal, in its unit."""
        places = layout(self.signals)
        return {name: float(np.sqrt(np.nanmean(np.square(wrong[..., place])))) for name, place in places.items()}

    def teach(self, most: int) -> Array:
        """Films (M, T) to learn from, of `most` frames at the most; for those who see single pictures, of one."""
        return self.data.films(self.data.split()[0], min(most, self.data.sequence) if self.recurrent else 1)

    def judge(self) -> Array:
        """The held-out episodes, as films (M, T)."""
        return self.data.films(self.data.split()[1], self.data.sequence)

    def _check(self) -> None:
        names = [signal.name for signal in self.signals]
        if len({*names}) < len(names):
            raise UserError(f"a signal is told twice: {', '.join(names)}")
        if len(self.judge()) == 0:
            raise UserError(f"dataset {self.data.folder} holds no tenth episode to judge by: collect more frames")
        if self.recurrent and self.data.sequence < 2:
            raise UserError(f"dataset {self.data.folder} holds single pictures and no films: collect it with --sequences 10")
        if not self.recurrent and self.moving.any():
            signal = next(signal for signal in self.signals if signal.unit.endswith("/s"))
            raise UserError(f"one picture does not show the {signal.name} ({signal.unit}): --set kind=convlstm sees films")


def rate_of(signal: Signal) -> Signal:
    """How fast a signal changes, as a signal."""
    told = f"how fast the {signal.name} changes"
    return Signal(f"{signal.name} rate", signal.size, -math.inf, math.inf, f"{signal.unit}/s", told)
