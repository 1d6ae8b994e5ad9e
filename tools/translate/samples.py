"""Training and evaluation samples of a translator: image sequences and signals of a dataset."""

import math

import numpy as np

from poise.algos.translator import TranslatorSettings
from poise.toolkit.dataset import Dataset
from poise.toolkit.errors import UserError
from poise.toolkit.spaces import Array, Signal, slices


class TranslatorSamples:
    """The samples that a translator with these settings is trained and evaluated on.

    `values` (N, S) holds, for each row of the dataset, the signals named in the settings, then
    the rates of change of those named in `rates`; `signals` describes its columns.

    Raises:
        UserError: a signal cannot be read with these settings, or no episode is held out.
    """

    def __init__(self, data: Dataset, settings: TranslatorSettings) -> None:
        self.data = data
        self.is_recurrent = settings.kind == "convlstm"
        self.values: Array = data.select_signals(settings.signals)
        if settings.rates:
            rates = data.time_derivatives(settings.rates)
            self.values = np.concatenate((self.values, rates), axis=1)
        by_name = {signal.name: signal for signal in data.signals}
        self.signals = [
            *(by_name[name] for name in settings.signals),
            *(make_rate_signal(by_name[name]) for name in settings.rates),
        ]
        self.sizes = [signal.size for signal in self.signals]
        self.is_rate: Array = np.repeat([_is_rate(signal) for signal in self.signals], self.sizes)
        """(S,) bool: the columns that are velocities, which no single image shows."""
        self._check()

    def get_batch(self, sequences: Array) -> tuple[Array, Array]:
        """Return images (M, T, H, W, 3) uint8 and values (M, T, S) of sequences (M, T) of rows.

        Rates are NaN in the first frame of a sequence, which does not show them.
        """
        values = self.values[sequences]
        values[:, 0, self.is_rate] = np.nan
        return self.data.load_frames(sequences), values

    def compute_rmse(self, errors: Array) -> dict[str, float]:
        """Return the root mean square of errors (M, T, S) by signal, in its unit."""
        return {
            name: float(np.sqrt(np.nanmean(np.square(errors[..., columns]))))
            for name, columns in slices(self.signals).items()
        }

    def get_training_sequences(self, max_length: int) -> Array:
        """Return the sequences (M, T) of rows for training.

        T is at most `max_length`, and 1 for translators of single images.
        """
        length = min(max_length, self.data.episode_length) if self.is_recurrent else 1
        training_rows, _ = self.data.split()
        return self.data.find_sequences(training_rows, length)

    def get_held_out_sequences(self) -> Array:
        """Return the held-out episodes as sequences (M, T) of rows."""
        _, held_out_rows = self.data.split()
        return self.data.find_sequences(held_out_rows, self.data.episode_length)

    def _check(self) -> None:
        folder = self.data.folder
        names = [signal.name for signal in self.signals]
        if len(set(names)) < len(names):
            raise UserError(f"a signal is listed twice: {', '.join(names)}")
        if len(self.get_held_out_sequences()) == 0:
            raise UserError(
                f"dataset {folder} has no held-out episode, which every tenth is: "
                "collect more frames"
            )
        if self.is_recurrent and self.data.episode_length < 2:
            raise UserError(
                f"dataset {folder} has single images and no sequences: "
                "collect it with --sequences 10"
            )
        if not self.is_recurrent:
            for signal in self.signals:
                if _is_rate(signal):
                    raise UserError(
                        f"cannot read {signal.name!r} ({signal.unit}) from a single image; "
                        "use --set kind=convlstm"
                    )


def make_rate_signal(signal: Signal) -> Signal:
    """Return the signal that is another's rate of change, per second."""
    return Signal(
        f"{signal.name} rate",
        signal.size,
        -math.inf,
        math.inf,
        f"{signal.unit}/s",
        f"rate of change of the {signal.name}",
        signal.components,
    )


def _is_rate(signal: Signal) -> bool:
    return signal.unit.endswith("/s")
