"""Signals: the named parts of an observation or an action, with bounds, unit and meaning.

An environment writes its signals down once; its spaces, `poise inspect` and the tests are derived
from them.
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
"""An action as the hooks of an environment get it: one plain number in [-1, 1] per component."""


@dataclass(frozen=True)
class Signal:
    """A part of an observation or action: `size` numbers, each in [low, high], in `unit` (SI).

    `components` names the numbers, such as joints or axes; a ValueError if it names more or fewer
    than `size`. Leave it empty where the signal's own name says enough.
    """

    name: str
    size: int
    low: float
    high: float
    unit: str
    meaning: str
    components: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # JSON has lists only: the signals of a dataset's card are read back as they were written.
        object.__setattr__(self, "components", tuple(self.components))
        if self.components and len(self.components) != self.size:
            raise ValueError(
                f"signal {self.name!r} has {self.size} numbers"
                f" and {len(self.components)} component names"
            )


def box_space(signals: Sequence[Signal]) -> gymnasium.spaces.Box:
    """Return the float32 space of all signals laid end to end, with their bounds."""
    low = np.concatenate([np.full(signal.size, signal.low, np.float32) for signal in signals])
    high = np.concatenate([np.full(signal.size, signal.high, np.float32) for signal in signals])
    return gymnasium.spaces.Box(low, high, dtype=np.float32)


def slices(signals: Sequence[Signal]) -> dict[str, slice]:
    """Return the slice of each signal in the flat array, by name; a ValueError for equal names."""
    slice_by_name: dict[str, slice] = {}
    start = 0
    for signal in signals:
        if signal.name in slice_by_name:
            raise ValueError(f"two signals are named {signal.name!r}")
        slice_by_name[signal.name] = slice(start, start + signal.size)
        start += signal.size
    return slice_by_name


def component_names(signals: Sequence[Signal]) -> list[tuple[str, Signal]]:
    """Return a name for each number of the signals, and its signal.

    `torque left knee` where the signal names its components; else `force`, or `wheel 1`, `wheel 2`.
    """
    named = []
    for signal in signals:
        if signal.components:
            labels = [f"{signal.name} {component}" for component in signal.components]
        elif signal.size == 1:
            labels = [signal.name]
        else:
            labels = [f"{signal.name} {number}" for number in range(1, signal.size + 1)]
        named += [(label, signal) for label in labels]
    return named


def flatten(signals: Sequence[Signal], values: Mapping[str, npt.ArrayLike]) -> Array:
    """Return the flat float32 array of `values`, one entry per signal.

    A missing or extra name is a KeyError.
    """
    slice_by_name = slices(signals)
    if slice_by_name.keys() != values.keys():
        raise KeyError(f"expected the signals {sorted(slice_by_name)}, got {sorted(values)}")
    flat = np.empty(sum(signal.size for signal in signals), np.float32)
    for name, signal_slice in slice_by_name.items():
        flat[signal_slice] = values[name]
    return flat


def validate_action(action: npt.ArrayLike, size: int) -> list[float]:
    """Return an action (size,) as plain numbers, clipped to [-1, 1].

    A wrong shape or a number that is not finite is a UserError.
    """
    array = np.asarray(action)
    if array.shape != (size,):
        raise UserError(f"expected an action of shape ({size},), got {array.shape}")
    values: list[float] = array.tolist()
    if not math.isfinite(sum(values)):
        raise UserError(f"the action holds a number that is not finite: {values}")
    return [min(1.0, max(-1.0, value)) for value in values]
