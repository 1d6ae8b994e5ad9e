"""An album: rows that hold pictures, kept without keeping a picture twice.

What follows a step shows most of what was seen before it: the stack of pictures has moved on by one, the target is still the
same, and s2 of one transition is s of the next. So every channel of a picture stands in the album once, under a place of
its own, and a row is kept as its numbers and the places of its channels.
"""

import hashlib
import heapq
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from poise.toolkit.spaces import Array
from poise.toolkit.wrappers import FLOAT32_BYTES, PixelVectorSpace

EMPTY_SLOT = 0
"""The place that short rows of zeros tell of: nothing stands there."""


SLOT_DTYPE = np.dtype(np.int32)


class FrameStore:
    """Makes rows short and whole again; a channel stays until the last short row that shows it is dropped."""

    def __init__(self, observation_space: PixelVectorSpace, max_rows: int) -> None:
        """`max_rows`: how many rows it will ever keep at once. Memory for them is reserved, and taken only as new pictures come."""
        height, width, self.num_channels = observation_space.image_shape
        self.flat_image_shape = (height * width, self.num_channels)
        self.vector_bytes = FLOAT32_BYTES * observation_space.state_size
        self.compact_row_bytes = self.vector_bytes + self.num_channels * SLOT_DTYPE.itemsize
        """Of a short row."""
        self.channels = np.zeros((1 + max_rows * self.num_channels, height * width), np.uint8)
        # Of each place that was ever taken.
        self._reference_counts = [0]
        self._digests = [b""]
        self._slots_by_digest: dict[bytes, int] = {}
        self._free_slots: list[
            int
        ] = []  # A heap: the lowest place is taken first, so that little memory is touched.

    def add(self, rows: Array) -> Array:
        """Short rows (N, row_bytes) uint8 of rows (N, O), whose pictures are kept from now on."""
        pictures = rows[:, self.vector_bytes :].reshape(-1, *self.flat_image_shape)
        channels = np.ascontiguousarray(pictures.transpose(0, 2, 1)).reshape(
            -1, self.flat_image_shape[0]
        )
        places = np.array([self._add_channel(channel) for channel in channels], SLOT_DTYPE).reshape(
            -1, self.num_channels
        )
        return np.concatenate((rows[:, : self.vector_bytes], places.view(np.uint8)), 1)

    def reconstruct(self, compact_rows: Array) -> Array:
        """The rows (N, O) that short rows were made of."""
        pictures = np.empty((len(compact_rows), *self.flat_image_shape), np.uint8)
        places = self._read_slots(compact_rows)
        for channel in range(self.num_channels):
            pictures[..., channel] = self.channels[places[:, channel]]
        return np.concatenate(
            (
                compact_rows[:, : self.vector_bytes],
                pictures.reshape(len(compact_rows), math.prod(self.flat_image_shape)),
            ),
            1,
        )

    def release(self, compact_rows: Array) -> None:
        """Forget short rows; those of zeros, which never were any, too."""
        for place in self._read_slots(compact_rows).ravel().tolist():
            if place == EMPTY_SLOT:
                continue
            self._reference_counts[place] -= 1
            if not self._reference_counts[place]:
                del self._slots_by_digest[self._digests[place]]
                heapq.heappush(self._free_slots, place)

    def get_state(self) -> dict[str, Any]:
        """Its channels, by place."""
        return {"channels": self.channels[: len(self._reference_counts)]}

    def set_state(self, state: Mapping[str, Any], *compact_rows: Array) -> None:
        """Take a saved state back; `compact_rows` are all the short rows that were kept then, from which the rest follows."""
        number = len(state["channels"])
        self.channels[:number] = state["channels"]
        places = np.concatenate([self._read_slots(short).ravel() for short in compact_rows])
        self._reference_counts = np.bincount(places, minlength=number).tolist()
        self._reference_counts[EMPTY_SLOT] = 0
        self._digests = [_digest(channel) for channel in self.channels[:number]]
        self._slots_by_digest = {
            self._digests[place]: place
            for place in range(1, number)
            if self._reference_counts[place]
        }
        self._free_slots = [
            place for place in range(1, number) if not self._reference_counts[place]
        ]

    def _add_channel(self, channel: Array) -> int:
        name = _digest(channel)
        place = self._slots_by_digest.get(name, EMPTY_SLOT)
        if place == EMPTY_SLOT:
            if self._free_slots:
                place = heapq.heappop(self._free_slots)
            else:
                place = len(self._reference_counts)
                self._reference_counts.append(0)
                self._digests.append(b"")
            self._slots_by_digest[name] = place
            self._digests[place] = name
            self.channels[place] = channel
        self._reference_counts[place] += 1
        return place

    def _read_slots(self, compact_rows: Array) -> Array:
        return np.ascontiguousarray(compact_rows[:, self.vector_bytes :]).view(SLOT_DTYPE)


def _digest(channel: Array) -> bytes:
    """What two channels share only if they are the same."""
    return hashlib.blake2b(channel.tobytes(), digest_size=16).digest()
