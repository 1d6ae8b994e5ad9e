"""Signals: the named parts of an observation or an action, with bounds, unit and meaning.

An environment writes its signals down once; its spaces, `poise inspect` and the tests are derived from them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

from poise.toolkit.errors import UserError

Array = npt.NDArray[Any]


Action = Sequence[float]
"""An action as an environment's hooks see it: one plain number in [-1, 1] for each part."""


@dataclass(frozen=True)
class Signal:
    """A part of an observation or action: `size` numbers, each in [low, high], in `unit` (SI)."""

    name: str
    size: int
    low: float
    high: float
    unit: str
    meaning: str


def box_space(signals: Sequence[Signal]) -> gymnasium.spaces.Box:
    """The float32 space of all signals laid end to end, with their bounds."""
    low = np.concatenate([np.full(signal.size, signal.low, np.float32) for signal in signals])
    high = np.concatenate([np.full(signal.size, signal.high, np.float32) for signal in signals])
    return gymnasium.spaces.Box(low, high, dtype=np.float32)


def slices(signals: Sequence[Signal]) -> dict[str, slice]:
    """Where each signal stands in the flat array, by name."""
    places: dict[str, slice] = {}
    start = 0
    for signal in signals:
        if signal.name in places:
            raise ValueError(f"two signals are named {signal.name!r}")
        places[signal.name] = slice(start, start + signal.size)
        start += signal.size
    return places


def component_names(signals: Sequence[Signal]) -> list[tuple[str, Signal]]:
    """A name for every number of the signals, and its signal: `force`; `torque 1`, `torque 2`."""
    return [
        (signal.name if signal.size == 1 else f"{signal.name} {index}", signal)
        for signal in signals
        for index in range(1, signal.size + 1)
    ]


def flatten(signals: Sequence[Signal], values: Mapping[str, npt.ArrayLike]) -> Array:
    """The flat float32 array of `values`, one entry for each signal; a missing or extra name is a KeyError."""
    places = slices(signals)
    if places.keys() != values.keys():
        raise KeyError(f"signals {sorted(places)} were asked for, {sorted(values)} given")
    flat = np.empty(sum(signal.size for signal in signals), np.float32)
    for name, place in places.items():
        flat[place] = values[name]
    return flat


def validate_action(action: npt.ArrayLike, size: int) -> list[float]:
    """An agent's action as effort, clipped to [-1, 1]; a wrong shape or a number that is not finite is a UserError."""
    array = np.asarray(action)
    if array.shape != (size,):
        raise UserError(f"an action of shape {array.shape} was given, ({size},) is needed")
    values: list[float] = array.tolist()
    if not math.isfinite(sum(values)):
        raise UserError(f"the action holds a number that is not finite: {values}")
    return [min(1.0, max(-1.0, value)) for value in values]
