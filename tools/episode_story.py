"""Episode story: one episode of a policy, with all that it tells from its start to its end."""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from algos.base import Learner
from toolkit.experience import Moment, episode
from toolkit.registry import World
from toolkit.signals import Array
from tools.telling import Told, done, left, moved, paid, seen


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
