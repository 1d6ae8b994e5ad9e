"""Deduplicated storage of rows that hold images.

An observation shares most of its image with the one before it: the stack of frames has moved on by
one, the target image is the same, and s2 of one transition is s of the next. So every image channel
is stored once, in a numbered slot, and a row is kept in compact form: its vector and the slots of
its channels.
"""

import hashlib
import heapq
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from poise.toolkit.conversion import FLOAT32_BYTES, PixelVectorSpace
from poise.toolkit.spaces import Array

EMPTY_SLOT = 0
"""The slot in compact rows of zeros, which a new buffer is filled with; it holds no channel."""


SLOT_DTYPE = np.dtype(np.int32)


class FrameStore:
    """Converts rows to compact rows and back.

    A channel is kept until the last compact row that refers to it is released.
    """

    def __init__(self, observation_space: PixelVectorSpace, max_rows: int) -> None:
        """Reserve memory for `max_rows` rows; it is used only as new channels come."""
        height, width, self.num_channels = observation_space.image_shape
        self.flat_image_shape = (height * width, self.num_channels)
        self.vector_bytes = FLOAT32_BYTES * observation_space.state_size
        self.compact_row_bytes = self.vector_bytes + self.num_channels * SLOT_DTYPE.itemsize
        """Bytes of a compact row."""
        self.channels = np.zeros((1 + max_rows * self.num_channels, height * width), np.uint8)
        # By slot, for all slots that were ever used; slot 0 is EMPTY_SLOT.
        self._reference_counts = [0]
        self._digests = [b""]
        self._slots_by_digest: dict[bytes, int] = {}
        self._free_slots: list[int] = []
        """A heap: the lowest slot is used first, so that little memory is touched."""

    def add(self, rows: Array) -> Array:
        """Store the images of rows (N, O) and return (N, compact_row_bytes); both are uint8."""
        images = rows[:, self.vector_bytes :].reshape(-1, *self.flat_image_shape)
        channels = np.ascontiguousarray(images.transpose(0, 2, 1)).reshape(
            -1, self.flat_image_shape[0]
        )
        slots = np.array([self._add_channel(channel) for channel in channels], SLOT_DTYPE)
        slots = slots.reshape(-1, self.num_channels)
        return np.concatenate((rows[:, : self.vector_bytes], slots.view(np.uint8)), 1)

    def reconstruct(self, compact_rows: Array) -> Array:
        """Return the rows (N, O) uint8 of compact rows."""
        images = np.empty((len(compact_rows), *self.flat_image_shape), np.uint8)
        slots = self._read_slots(compact_rows)
        for channel in range(self.num_channels):
            images[..., channel] = self.channels[slots[:, channel]]
        flat = images.reshape(len(compact_rows), math.prod(self.flat_image_shape))
        return np.concatenate((compact_rows[:, : self.vector_bytes], flat), 1)

    def release(self, compact_rows: Array) -> None:
        """Release compact rows. Rows of zeros, which were never stored, are allowed."""
        for slot in self._read_slots(compact_rows).ravel().tolist():
            if slot == EMPTY_SLOT:
                continue
            self._reference_counts[slot] -= 1
            if not self._reference_counts[slot]:
                del self._slots_by_digest[self._digests[slot]]
                heapq.heappush(self._free_slots, slot)

    def get_state(self) -> dict[str, Any]:
        """Return the channels, by slot."""
        return {"channels": self.channels[: len(self._reference_counts)]}

    def set_state(self, state: Mapping[str, Any], *compact_rows: Array) -> None:
        """Restore a saved state; `compact_rows` are all the rows that were stored then."""
        number = len(state["channels"])
        self.channels[:number] = state["channels"]
        slots = np.concatenate([self._read_slots(rows).ravel() for rows in compact_rows])
        self._reference_counts = np.bincount(slots, minlength=number).tolist()
        self._reference_counts[EMPTY_SLOT] = 0
        self._digests = [_digest(channel) for channel in self.channels[:number]]
        self._slots_by_digest = {
            self._digests[slot]: slot for slot in range(1, number) if self._reference_counts[slot]
        }
        self._free_slots = [slot for slot in range(1, number) if not self._reference_counts[slot]]

    def _add_channel(self, channel: Array) -> int:
        digest = _digest(channel)
        slot = self._slots_by_digest.get(digest, EMPTY_SLOT)
        if slot == EMPTY_SLOT:
            if self._free_slots:
                slot = heapq.heappop(self._free_slots)
            else:
                slot = len(self._reference_counts)
                self._reference_counts.append(0)
                self._digests.append(b"")
            self._slots_by_digest[digest] = slot
            self._digests[slot] = digest
            self.channels[slot] = channel
        self._reference_counts[slot] += 1
        return slot

    def _read_slots(self, compact_rows: Array) -> Array:
        return np.ascontiguousarray(compact_rows[:, self.vector_bytes :]).view(SLOT_DTYPE)


def _digest(channel: Array) -> bytes:
    """Return a digest that only equal channels share."""
    return hashlib.blake2b(channel.tobytes(), digest_size=16).digest()
