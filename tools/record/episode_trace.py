"""What a moment of an episode tells, number by number: what was paid, what was done, and how far each failure is."""

import math
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from gymnasium.spaces import Box
from poise.algos.base import Learner
from poise.toolkit.environment import HasJoints, Joint, TouchesGround
from poise.toolkit.experience import Moment, episode
from poise.toolkit.registry import World, as_ours
from poise.toolkit.spaces import Array, layout, parts

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


@dataclass(frozen=True, eq=False)
class Track:
    """A number of an episode, moment by moment (steps + 1,); NaN where nothing was told."""

    group: str
    name: str
    unit: str
    values: Array


@dataclass(frozen=True, eq=False)
class Story:
    """One episode: how it ended, and its tracks by group and name.

    Groups: reward (what each term adds), value, margin, action, choice, joint, torque, contact, state, aim (what the state of
    that name should become) and shown.
    """

    seed: int
    rate: float
    """Steps in a second."""
    total: float
    steps: int
    terminated: bool
    success: bool
    failure: str | None
    """The margin that was used up, where the world tells its margins."""
    tracks: tuple[Track, ...]

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.steps / self.rate

    @property
    def times(self) -> Array:
        """When each moment was (s)."""
        return np.arange(self.steps + 1) / self.rate

    @property
    def failed(self) -> bool:
        """Whether the world ended it, and not for a success: what an evaluation counts."""
        return self.terminated and not self.success

    def of(self, group: str) -> dict[str, Track]:
        """The tracks of a group, by name."""
        return {track.name: track for track in self.tracks if track.group == group}


def live(world: World, learner: Learner, seed: int, rate: float) -> Story:
    """Let a learner live one episode, without exploring, and keep all that it tells."""
    moments, rows = [], []
    for moment in episode(world, partial(learner.act, explore=False), seed):
        moments.append(moment)
        rows.append({told[:2]: told for told in _told(world, moment)})
    # Where it stops, nothing is expected any more: the last value is none.
    worth = learner.outlook(np.stack([moment.observation for moment in moments]))[0][:-1] if learner.can_judge else ()
    for row, value in zip(rows, worth, strict=False):
        row["value", "value"] = Told("value", "value", float(value))
    last = moments[-1]
    return Story(
        seed=seed,
        rate=rate,
        total=sum(moment.reward for moment in moments),
        steps=len(moments) - 1,
        terminated=last.terminated,
        success=any(moment.info.get("success", False) for moment in moments),
        failure=last.info.get("failure"),
        tracks=_tracks(rows),
    )


def _told(world: World, moment: Moment) -> list[Told]:
    return [*paid(world, moment), *left(world), *done(world, moment), *moved(world, moment), *seen(world, moment)]


def _tracks(rows: list[dict[tuple[str, str], Told]]) -> tuple[Track, ...]:
    keys = {key: told.unit for row in rows for key, told in row.items()}
    silent = Told("", "", math.nan)
    return tuple(Track(*key, unit, np.array([row.get(key, silent).value for row in rows])) for key, unit in keys.items())
