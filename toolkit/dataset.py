"""A dataset: pictures of an environment beside its signals, in plain .npy shards with a JSON card.

    DIR/card.json                 environment, settings, variation if any, signals with units, seed, versions, sha256 of every file
    DIR/shard_0000/frames.npy     (N, H, W, 3) uint8
    DIR/shard_0000/signals.npy    (N, S) float32: all of the environment's OBSERVATION, laid end to end
    DIR/shard_0000/episodes.npy   (N,) int64: which episode a row belongs to; rows of one episode follow one another

A shard is written aside and renamed; a dataset is whole once its card is there.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from poise.toolkit.errors import UserError
from poise.toolkit.files import sha256, write_json
from poise.toolkit.spaces import Array, Signal, slices

CARD = "card.json"


HELD_OUT_EVERY = 10
"""Every tenth episode is held out from training, for evaluation."""


def is_held_out(indices: Array) -> Array:
    """Return which of some indices (N,), of episodes or samples, are held out from training."""
    mask: Array = indices % HELD_OUT_EVERY == HELD_OUT_EVERY - 1
    return mask


class Shard(NamedTuple):
    """Some rows of a dataset."""

    frames: Array
    signals: Array
    episodes: Array

    def save(self, folder: Path) -> None:
        """Write it whole or not at all."""
        aside = folder.with_name(f".{folder.name}.partial")
        aside.mkdir(parents=True, exist_ok=True)
        for name, values in self._asdict().items():
            np.save(aside / f"{name}.npy", values)
        aside.replace(folder)


class Dataset:
    """A dataset on disk, read as it is needed: frames stay in files until rows of them are asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.card: dict[str, Any] = json.loads((folder / CARD).read_text())
            self.signals = tuple(Signal(**signal) for signal in self.card["signals"])
            self.shards = [self._open_shard(name) for name in self.card["shards"]]
        except FileNotFoundError:
            raise UserError(
                f"{folder} holds no dataset: it has no {CARD}, or one of its shards is missing"
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"dataset {folder} cannot be read: {error}") from None
        self.signal_values: Array = np.concatenate([shard.signals for shard in self.shards])
        self.episodes: Array = np.concatenate([shard.episodes for shard in self.shards])
        self._shard_ends = np.cumsum([len(shard.frames) for shard in self.shards])

    def __len__(self) -> int:
        return len(self.episodes)

    def verify(self) -> None:
        """Compare every file with the card; a UserError names the first that has changed."""
        for name, digests in self.card["shards"].items():
            for file, digest in digests.items():
                if sha256(self.folder / name / file) != digest:
                    raise UserError(
                        f"dataset {self.folder} is damaged: {name}/{file} has changed since it was written"
                    )

    @property
    def frame_rate(self) -> int:
        """Frames in a second."""
        if "rate" not in self.card:
            raise UserError(
                f"dataset {self.folder} does not say how many frames make a second: collect it anew"
            )
        return int(self.card["rate"])

    @property
    def episode_length(self) -> int:
        """Frames of an episode."""
        return int(self.card["sequence"])

    def load_frames(self, rows: Array) -> Array:
        """The pictures (..., H, W, 3) of some rows, an array of any shape."""
        shard = np.searchsorted(self._shard_ends, rows, side="right")
        starts = np.concatenate(([0], self._shard_ends[:-1]))
        frames = np.empty((*rows.shape, *self.shards[0].frames.shape[1:]), np.uint8)
        for index in np.unique(shard):
            here = shard == index
            frames[here] = self.shards[index].frames[rows[here] - starts[index]]
        return frames

    def select_signals(self, names: Sequence[str]) -> Array:
        """Some signals of all rows (N, S), by name; a UserError where the environment has no such signal."""
        places = slices(self.signals)
        if missing := [name for name in names if name not in places]:
            raise UserError(
                f"dataset {self.folder} has no signal {missing[0]!r}: it has {', '.join(places)}"
            )
        return np.concatenate([self.signal_values[:, places[name]] for name in names], axis=1)

    def time_derivatives(self, names: Sequence[str]) -> Array:
        """How fast some signals change from the frame before (N, S), a second; NaN in an episode's first frame."""
        rates: Array = self.frame_rate * np.diff(
            self.select_signals(names), axis=0, prepend=np.float32(np.nan)
        )
        rates[1:][np.diff(self.episodes) != 0] = np.nan
        return rates

    def find_sequences(self, rows: Array, length: int) -> Array:
        """All films of so many frames of one episode that follow one another and begin in `rows`: rows (M, length)."""
        first = rows[rows + length <= len(self)]
        first = first[self.episodes[first] == self.episodes[first + length - 1]]
        films: Array = first[:, None] + np.arange(length)
        return films

    def split(self) -> tuple[Array, Array]:
        """Rows to learn from and rows held out, by episode and never by frame."""
        held_out = is_held_out(self.episodes)
        return np.flatnonzero(~held_out), np.flatnonzero(held_out)

    def _open_shard(self, name: str) -> Shard:
        shard = Shard(
            *(np.load(self.folder / name / f"{part}.npy", mmap_mode="r") for part in Shard._fields)
        )
        if not len(shard.frames) == len(shard.signals) == len(shard.episodes):
            raise ValueError(f"the files of {name} have different lengths")
        return shard


def write_card(
    folder: Path, metadata: dict[str, Any], signals: Sequence[Signal], shards: Sequence[str]
) -> None:
    """Finish a dataset: its card says what it is, and what every file held when it was written."""
    digests = {
        name: {f"{part}.npy": sha256(folder / name / f"{part}.npy") for part in Shard._fields}
        for name in shards
    }
    write_json(
        folder / CARD,
        {**metadata, "signals": [asdict(signal) for signal in signals], "shards": digests},
    )
