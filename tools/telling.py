"""What a moment of an episode tells, number by number: what was paid, what was done, and how far each failure is."""

import math
from typing import NamedTuple

import numpy as np
from gymnasium.spaces import Box

from toolkit.experience import Moment
from toolkit.joints import HasJoints, Joint, TouchesGround
from toolkit.registry import World, as_ours
from toolkit.signals import layout, parts

SHOWN = 8
"""How many numbers are told of what somebody else's world shows."""
AIMS = {"pose": "target", "hand": "object", "velocity": "command"}
"""Signals that should become like another one, number by number."""


class Told(NamedTuple):
    """A number of a moment, and how far it strays."""

    group: str
    name: str
    value: float
    spread: float = 0.0
    unit: str = ""


def paid(world: World, moment: Moment) -> list[Told]:
    """What each term adds to the reward; where there are none, the reward. An episode's start has not been paid for."""
    ours = as_ours(world)
    if ours is None:
        return [Told("reward", "reward", moment.reward if moment.action is not None else math.nan)]
    weights, terms = ours.REWARD[ours.settings.reward], moment.info["reward_terms"]
    return [Told("reward", name, weight * terms.get(name, math.nan)) for name, weight in weights.items()]


def left(world: World) -> list[Told]:
    """How much of each margin to a failure is left."""
    ours = as_ours(world)
    return [Told("margin", name, float(margin)) for name, margin in ours.margins().items()] if ours else []


def action_names(world: World) -> list[str]:
    """A name for each number of the action."""
    if ours := as_ours(world):
        return [name for name, _ in parts(ours.ACTION)]
    shape = world.action_space.shape or (1,)
    return [f"action {number}" for number in range(1, int(np.prod(shape)) + 1)]


def done(world: World, moment: Moment) -> list[Told]:
    """The action, as it was taken: numbers in [-1, 1], by the joints that they move where these are known; or choices."""
    ours = as_ours(world)
    names = [joint.name for joint in ours.joints()] if isinstance(ours, HasJoints) else action_names(world)
    group, most = ("action", 1.0) if isinstance(world.action_space, Box) else ("choice", math.inf)
    action = np.full(len(names), math.nan) if moment.action is None else np.clip(np.ravel(moment.action), -most, most)
    return [Told(group, name, float(number)) for name, number in zip(names, action, strict=True)]


def moved(world: World, moment: Moment) -> list[Told]:
    """Angle and torque of every joint, and what stands on the ground; nothing where the world does not know."""
    ours, acted = as_ours(world), moment.action is not None
    joints: list[Joint] = ours.joints() if isinstance(ours, HasJoints) else []
    told = [Told("joint", joint.name, joint.angle, unit="rad") for joint in joints]
    told += [Told("torque", joint.name, joint.torque if acted else math.nan, unit="N m") for joint in joints]
    contacts: dict[str, bool] = ours.touching() if isinstance(ours, TouchesGround) else {}
    return told + [Told("contact", name, float(touches)) for name, touches in contacts.items()]


def seen(world: World, moment: Moment) -> list[Told]:
    """What should become like a target, beside it; of a world whose joints are not told, all that it shows."""
    ours = as_ours(world)
    if ours is None:
        numbers = np.ravel(moment.observation)
        told = [] if numbers.dtype == np.uint8 else numbers[:SHOWN].tolist()
        return [Told("shown", f"sees {number}", float(value)) for number, value in enumerate(told, 1)]
    values, places = ours.observe(), layout(ours.OBSERVATION)
    signals = {signal.name: signal for signal in ours.OBSERVATION}
    aims = {name: aim for name, aim in AIMS.items() if {name, aim} <= places.keys()}
    if not aims and not isinstance(ours, HasJoints):
        return [
            Told("shown", name, float(value), unit=signal.unit)
            for (name, signal), value in zip(parts(ours.OBSERVATION), values, strict=True)
        ]
    return [
        Told(group, name, float(value), unit=signals[own].unit)
        for own, aim in aims.items()
        for group, source in (("state", own), ("aim", aim))
        for (name, _), value in zip(parts((signals[own],))[: signals[aim].size], values[places[source]], strict=False)
    ]
