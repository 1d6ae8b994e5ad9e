"""What a translator reads from a dataset: which numbers, in which films, and at which moments they can be known at all."""

import math

import numpy as np

from poise.algos.translator import TranslatorSettings
from poise.toolkit.dataset import Dataset
from poise.toolkit.errors import UserError
from poise.toolkit.spaces import Array, Signal, slices


class TranslatorSamples:
    """The numbers that a translator with these settings is to read: `signals`, then how fast those of `rates` change.

    A UserError where nobody could learn to, or be judged.
    """

    def __init__(self, data: Dataset, settings: TranslatorSettings) -> None:
        names = settings.signals
        rates = settings.rates
        self.data = data
        self.is_recurrent = settings.kind == "convlstm"
        self.values: Array = data.select_signals(names)
        if rates:
            self.values = np.concatenate((self.values, data.time_derivatives(rates)), axis=1)
        by_name = {signal.name: signal for signal in data.signals}
        self.signals = [
            *(by_name[name] for name in names),
            *(make_rate_signal(by_name[name]) for name in rates),
        ]
        self.sizes = [signal.size for signal in self.signals]
        self.is_rate: Array = np.repeat(
            [signal.unit.endswith("/s") for signal in self.signals], self.sizes
        )
        """Which numbers are speeds, that no single picture shows."""
        self._check()

    def get_batch(self, sequences: Array) -> tuple[Array, Array]:
        """Pictures (M, T, H, W, 3) and numbers (M, T, S) of films (M, T) of rows; NaN where nobody could know."""
        values = self.values[sequences]
        values[:, 0, self.is_rate] = np.nan
        return self.data.load_frames(sequences), values

    def compute_rmse(self, errors: Array) -> dict[str, float]:
        """The root mean square of what is wrong (M, T, S), signal by signal, in its unit."""
        places = slices(self.signals)
        return {
            name: float(np.sqrt(np.nanmean(np.square(errors[..., place]))))
            for name, place in places.items()
        }

    def get_training_sequences(self, max_length: int) -> Array:
        """Films (M, T) to learn from, of `max_length` frames at the most; for those who see single pictures, of one."""
        return self.data.find_sequences(
            self.data.split()[0],
            min(max_length, self.data.episode_length) if self.is_recurrent else 1,
        )

    def get_held_out_sequences(self) -> Array:
        """The held-out episodes, as films (M, T)."""
        return self.data.find_sequences(self.data.split()[1], self.data.episode_length)

    def _check(self) -> None:
        names = [signal.name for signal in self.signals]
        if len({*names}) < len(names):
            raise UserError(f"a signal is told twice: {', '.join(names)}")
        if len(self.get_held_out_sequences()) == 0:
            raise UserError(
                f"dataset {self.data.folder} holds no tenth episode to judge by: collect more frames"
            )
        if self.is_recurrent and self.data.episode_length < 2:
            raise UserError(
                f"dataset {self.data.folder} holds single pictures and no films: collect it with --sequences 10"
            )
        if not self.is_recurrent and self.is_rate.any():
            signal = next(signal for signal in self.signals if signal.unit.endswith("/s"))
            raise UserError(
                f"one picture does not show the {signal.name} ({signal.unit}): --set kind=convlstm sees films"
            )


def make_rate_signal(signal: Signal) -> Signal:
    """How fast a signal changes, as a signal."""
    told = f"how fast the {signal.name} changes"
    return Signal(f"{signal.name} rate", signal.size, -math.inf, math.inf, f"{signal.unit}/s", told)
