"""The humanoids' limbs, as a table that reads like the drawing, and the signals that follow from it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from toolkit.signals import Signal

TORSO_WIDTH, TORSO_HEIGHT, TORSO_MASS = 0.3, 0.5, 30.0
LIMB_WIDTH, LIMB_MASS = 0.08, 5.0
STRAIGHT_HEIGHT = TORSO_HEIGHT / 2 + 0.35 + 0.30
"""The torso's centre over the feet when the legs hang straight (m)."""


@dataclass(frozen=True)
class Limb:
    """A limb of LIMB_MASS kg that hangs straight down at rest, its upper end at `at` in its parent's coordinates."""

    name: str
    parent: str
    at: tuple[float, float]
    length: float
    low: float
    high: float
    torque: float


LEGS = (
    #    name, parent, joint (m), length (m), joint's range (rad), motor's strength (N m)
    Limb("left thigh", "torso", (-0.10, -0.25), 0.35, -1.4, 0.7, 50.0),
    Limb("left shin", "left thigh", (0.0, -0.175), 0.30, -0.4, 2.2, 50.0),
    Limb("right thigh", "torso", (0.10, -0.25), 0.35, -0.7, 1.4, 50.0),
    Limb("right shin", "right thigh", (0.0, -0.175), 0.30, -2.2, 0.4, 50.0),
)
ARMS = (
    Limb("left upper arm", "torso", (-0.17, 0.21), 0.30, -2.8, 0.8, 20.0),
    Limb("left forearm", "left upper arm", (0.0, -0.15), 0.25, -2.4, 0.05, 10.0),
    Limb("right upper arm", "torso", (0.17, 0.21), 0.30, -0.8, 2.8, 20.0),
    Limb("right forearm", "right upper arm", (0.0, -0.15), 0.25, -0.05, 2.4, 10.0),
)


def figure_signals(limbs: Sequence[Limb], standing_on: str) -> tuple[Signal, ...]:
    """Six signals for the torso and six for each limb, in the order of Figure.observe."""
    names = ["torso", *(limb.name for limb in limbs)]
    signals = []
    for name in names:
        origin = standing_on if name == "torso" else "the torso"
        signals += [
            Signal(f"{name} position", 2, -10.0, 10.0, "m", f"x and y relative to {origin} and to the rest pose"),
            Signal(f"{name} angle", 1, -100.0, 100.0, "rad", "turn from the rest pose, unwrapped"),
            Signal(f"{name} velocity", 2, -50.0, 50.0, "m/s", f"vx and vy relative to {origin}"),
            Signal(f"{name} angular velocity", 1, -200.0, 200.0, "rad/s", "rate of turn"),
        ]
    return tuple(signals)


def figure_actions(limbs: Sequence[Limb]) -> tuple[Signal, ...]:
    """One torque for each limb's joint."""
    return tuple(
        Signal(f"{limb.name} torque", 1, -limb.torque, limb.torque, "N m", "on the limb; its parent feels the opposite")
        for limb in limbs
    )


def speed(row: Sequence[float]) -> float:
    """How fast a body moves, turning counted as 1 m/s for each rad/s."""
    return math.sqrt(row[3] * row[3] + row[4] * row[4] + row[5] * row[5])
