"""Datasets: images of an environment with its signals, in plain .npy shards with a JSON card.

    DIR/card.json                 environment, settings, appearance randomization if any, signals
                                  with units, seed, versions, sha256 of every file
    DIR/shard_0000/frames.npy     (N, H, W, 3) uint8
    DIR/shard_0000/signals.npy    (N, S) float32: all of the environment's OBSERVATION, concatenated
    DIR/shard_0000/episodes.npy   (N,) int64: episode of each row; rows of an episode are contiguous

Shards are written atomically. The card is written last: a dataset with a card is complete.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import ConfigDict, Field

from poise.toolkit.errors import UserError
from poise.toolkit.files import (
    PARTIAL_SUFFIX,
    fsync,
    read_array,
    read_json_mapping,
    sha256,
    write_array,
    write_json,
)
from poise.toolkit.process import temporary_path
from poise.toolkit.registry import require_trust
from poise.toolkit.settings import Settings
from poise.toolkit.spaces import Array, Signal, slices

CARD = "card.json"

HELD_OUT_EVERY = 10
"""Every tenth episode is held out from training, for evaluation."""


def is_held_out(indices: Array) -> Array:
    """Return which of some indices (N,), of episodes or samples, are held out from training."""
    mask: Array = indices % HELD_OUT_EVERY == HELD_OUT_EVERY - 1
    return mask


ShardFile = Literal["frames.npy", "signals.npy", "episodes.npy"]


ShardDigests = Annotated[dict[ShardFile, str], Field(min_length=3, max_length=3)]
"""The sha256 of every file of a shard."""


ShardName = Annotated[str, Field(pattern=r"^shard_\d{4,12}$")]


class DatasetCard(Settings):
    """What the card of a dataset holds; the other keys describe how it was collected."""

    model_config = ConfigDict(extra="allow")

    env: str
    env_settings: dict[str, Any]
    rate: int = Field(ge=1)
    sequence: int = Field(ge=1)
    seed: int = Field(ge=0)
    signals: list[Signal] = Field(min_length=1)
    shards: dict[ShardName, ShardDigests] = Field(min_length=1)


class Shard(NamedTuple):
    """A part of a dataset's rows."""

    frames: Array
    signals: Array
    episodes: Array

    def save(self, folder: Path) -> None:
        """Write the shard atomically."""
        with temporary_path(folder.with_name(f".{folder.name}{PARTIAL_SUFFIX}")) as partial:
            partial.mkdir(parents=True, exist_ok=True)
            for name, values in self._asdict().items():
                path = partial / f"{name}.npy"
                write_array(path, values)
                fsync(path)
            fsync(partial)
            partial.replace(folder)
            fsync(folder.parent)


class Dataset:
    """A dataset on disk. Frames are memory-mapped; signals and episodes are in memory.

    Raises:
        UserError: there is no dataset, or a file is not the one that its card describes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / CARD).exists():
            raise UserError(f"{folder} holds no dataset: it has no {CARD}")
        self.card = read_json_mapping(folder / CARD)
        """Environment, settings and all else that the card says."""
        card = DatasetCard.parse(self.card, "key", folder / CARD)
        require_trust(card.env, folder / CARD)
        self.signals = tuple(card.signals)
        self.frame_rate = card.rate
        """Frames per second."""
        self.episode_length = card.sequence
        """Frames per episode."""
        self._verify(card.shards)
        self.shards = [self._open_shard(name) for name in card.shards]
        self.signal_values: Array = np.concatenate([shard.signals for shard in self.shards])
        self.episodes: Array = np.concatenate([shard.episodes for shard in self.shards])
        self._shard_ends = np.cumsum([len(shard.frames) for shard in self.shards])

    def __len__(self) -> int:
        return len(self.episodes)

    @property
    def sha256(self) -> str:
        """The sha256 of the card, in hexadecimal: it covers every file of the dataset."""
        return hashlib.sha256(json.dumps(self.card, sort_keys=True).encode()).hexdigest()

    def load_frames(self, rows: Array) -> Array:
        """Return the frames (..., H, W, 3) of `rows`, an integer array of any shape (...)."""
        shard_of_row = np.searchsorted(self._shard_ends, rows, side="right")
        shard_starts = np.concatenate(([0], self._shard_ends[:-1]))
        frames = np.empty((*rows.shape, *self.shards[0].frames.shape[1:]), np.uint8)
        for index in np.unique(shard_of_row):
            in_shard = shard_of_row == index
            frames[in_shard] = self.shards[index].frames[rows[in_shard] - shard_starts[index]]
        return frames

    def select_signals(self, names: Sequence[str]) -> Array:
        """Return the named signals of all rows, (N, S); an unknown name is a UserError."""
        columns = slices(self.signals)
        for name in names:
            if name not in columns:
                raise UserError(
                    f"dataset {self.folder} has no signal {name!r}: it has {', '.join(columns)}"
                )
        return np.concatenate([self.signal_values[:, columns[name]] for name in names], axis=1)

    def time_derivatives(self, names: Sequence[str]) -> Array:
        """Return backward differences (N, S) of signals per second; NaN at an episode's start."""
        derivatives: Array = self.frame_rate * np.diff(
            self.select_signals(names), axis=0, prepend=np.float32(np.nan)
        )
        derivatives[1:][np.diff(self.episodes) != 0] = np.nan
        return derivatives

    def find_sequences(self, rows: Array, length: int) -> Array:
        """Return the rows (M, length) of all contiguous sequences that start in `rows`.

        A sequence lies within one episode.
        """
        first = rows[rows + length <= len(self)]
        first = first[self.episodes[first] == self.episodes[first + length - 1]]
        sequences: Array = first[:, None] + np.arange(length)
        return sequences

    def split(self) -> tuple[Array, Array]:
        """Return the rows for training and the rows held out, split by episode."""
        held_out = is_held_out(self.episodes)
        return np.flatnonzero(~held_out), np.flatnonzero(held_out)

    def _verify(self, shards: Mapping[str, Mapping[ShardFile, str]]) -> None:
        """Compare every file with the sha256 in the card."""
        for name, digests in shards.items():
            changed = find_changed_file(self.folder / name, digests)
            if changed is not None:
                raise UserError(
                    f"dataset {self.folder} is damaged: {name}/{changed} is missing or has changed "
                    "since it was written; `poise dataset` with the same options collects it again"
                )

    def _open_shard(self, name: str) -> Shard:
        path = self.folder / name
        arrays = {field: read_array(path / f"{field}.npy", mapped=True) for field in Shard._fields}
        expected_axes = {"frames": (4, "u"), "signals": (2, "f"), "episodes": (1, "i")}
        for field, axes in expected_axes.items():
            if (arrays[field].ndim, arrays[field].dtype.kind) != axes:
                raise UserError(f"{path / field}.npy does not hold the {field} of a dataset")
        shard = Shard(**arrays)
        if not len(shard.frames) == len(shard.signals) == len(shard.episodes):
            raise UserError(f"the files of {path} have different lengths")
        if shard.signals.shape[1] != sum(signal.size for signal in self.signals):
            raise UserError(f"{path / 'signals.npy'} does not hold the signals of {CARD}")
        return shard


def find_changed_file(shard: Path, digests: Mapping[ShardFile, str]) -> ShardFile | None:
    """Return the first file of a shard that differs from its sha256 in the card, None if none does.

    A file that is missing, or is no regular file, differs.
    """
    for file, digest in digests.items():
        path = shard / file
        if path.is_symlink() or not path.is_file() or sha256(path) != digest:
            return file
    return None


def write_card(
    folder: Path, metadata: dict[str, Any], signals: Sequence[Signal], shards: Sequence[str]
) -> None:
    """Complete a dataset: write its card, with the sha256 of every file."""
    digests = {
        name: {f"{field}.npy": sha256(folder / name / f"{field}.npy") for field in Shard._fields}
        for name in shards
    }
    signal_rows = [asdict(signal) for signal in signals]
    write_json(folder / CARD, {**metadata, "signals": signal_rows, "shards": digests})
