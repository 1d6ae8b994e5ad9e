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
from poise.toolkit.wrappers import FLOAT, PictureRows

NOWHERE = 0
"""The place that short rows of zeros tell of: nothing stands there."""


PLACE = np.dtype(np.int32)


class Album:
    """Makes rows short and whole again; a channel stays until the last short row that shows it is dropped."""

    def __init__(self, rows: PictureRows, most: int) -> None:
        """`most`: how many rows it will ever keep at once. Memory for them is reserved, and taken only as new pictures come."""
        height, width, self.depth = rows.picture
        self.picture, self.numbers = (height * width, self.depth), FLOAT * rows.numbers
        self.row_bytes = self.numbers + self.depth * PLACE.itemsize
        """Of a short row."""
        self.channels = np.zeros((1 + most * self.depth, height * width), np.uint8)
        self._uses, self._names = [0], [b""]  # Of each place that was ever taken.
        self._places: dict[bytes, int] = {}
        self._free: list[int] = []  # A heap: the lowest place is taken first, so that little memory is touched.

    def keep(self, rows: Array) -> Array:
        """Short rows (N, row_bytes) uint8 of rows (N, O), whose pictures are kept from now on."""
        pictures = rows[:, self.numbers :].reshape(-1, *self.picture)
        channels = np.ascontiguousarray(pictures.transpose(0, 2, 1)).reshape(-1, self.picture[0])
        places = np.array([self._keep(channel) for channel in channels], PLACE).reshape(-1, self.depth)
        return np.concatenate((rows[:, : self.numbers], places.view(np.uint8)), 1)

    def whole(self, short: Array) -> Array:
        """The rows (N, O) that short rows were made of."""
        pictures, places = np.empty((len(short), *self.picture), np.uint8), self._told(short)
        for channel in range(self.depth):
            pictures[..., channel] = self.channels[places[:, channel]]
        return np.concatenate((short[:, : self.numbers], pictures.reshape(len(short), math.prod(self.picture))), 1)

    def drop(self, short: Array) -> None:
        """Forget short rows; those of zeros, which never were any, too."""
        for place in self._told(short).ravel().tolist():
            if place == NOWHERE:
                continue
            self._uses[place] -= 1
            if not self._uses[place]:
                del self._places[self._names[place]]
                heapq.heappush(self._free, place)

    def state(self) -> dict[str, Any]:
        """Its channels, by place."""
        return {"channels": self.channels[: len(self._uses)]}

    def load_state(self, state: Mapping[str, Any], *kept: Array) -> None:
        """Take a saved state back; `kept` are all the short rows that were kept then, from which the rest follows."""
        number = len(state["channels"])
        self.channels[:number] = state["channels"]
        places = np.concatenate([self._told(short).ravel() for short in kept])
        self._uses = np.bincount(places, minlength=number).tolist()
        self._uses[NOWHERE] = 0
        self._names = [_name(channel) for channel in self.channels[:number]]
        self._places = {self._names[place]: place for place in range(1, number) if self._uses[place]}
        self._free = [place for place in range(1, number) if not self._uses[place]]

    def _keep(self, channel: Array) -> int:
        name = _name(channel)
        place = self._places.get(name, NOWHERE)
        if place == NOWHERE:
            if self._free:
                place = heapq.heappop(self._free)
            else:
                place = len(self._uses)
                self._uses.append(0)
                self._names.append(b"")
            self._places[name], self._names[place], self.channels[place] = place, name, channel
        self._uses[place] += 1
        return place

    def _told(self, short: Array) -> Array:
        return np.ascontiguousarray(short[:, self.numbers :]).view(PLACE)


def _name(channel: Array) -> bytes:
    """What two channels share only if they are the same."""
    return hashlib.blake2b(channel.tobytes(), digest_size=16).digest()
