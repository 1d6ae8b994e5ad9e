"""A translator that learns beside a policy, from the pictures of the very worlds in which the policy learns.

The worlds show numbers and pictures. The policy is handed the numbers, and learns as if there were no pictures. Of every step one
world's picture, by turns, goes into an album, and every `EVERY` steps the translator learns from some of them what they show.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from poise.algos.base import Learner
from poise.algos.translator import Translator
from poise.toolkit.experience import Transition
from poise.toolkit.spaces import Array
from poise.toolkit.wrappers import FLOAT, PictureRows

EVERY = 2
"""Steps of all worlds for a minibatch."""


FIRST = 500
"""Pictures before the first minibatch; their numbers say what mean and spread are."""


SCHEDULE = 5000
"""Minibatches in which the learning rate falls to what is left of it."""


HELD_OUT = 10
"""Every tenth picture judges, and never teaches."""


JUDGED = 50
"""Minibatches between looks at what is held out."""


GROUP = "eye_"
"""What the translator's groups begin with in a saved state."""


class Album:
    """The last pictures (H, W, 3) uint8 and what they show (S,), up to `capacity` of them."""

    def __init__(self, capacity: int, picture: tuple[int, ...], numbers: int) -> None:
        self.pictures = np.zeros((capacity, *picture), np.uint8)
        self.values = np.zeros((capacity, numbers), np.float32)
        self.count = 0

    @property
    def size(self) -> int:
        """How many there are."""
        return min(self.count, len(self.values))

    def add(self, picture: Array, values: Array) -> None:
        """Put in one more, over the oldest where it is full."""
        place = self.count % len(self.values)
        self.pictures[place], self.values[place] = picture, values
        self.count += 1

    def state(self) -> dict[str, Any]:
        """What is in it."""
        return {"count": self.count, "pictures": self.pictures[: self.size], "values": self.values[: self.size]}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take a saved state back."""
        self.count = state["count"]
        self.pictures[: self.size], self.values[: self.size] = state["pictures"], state["values"]


class Watched:
    """A learner with a translator beside it; it fulfils toolkit.trainer.Algorithm.

    `place` says where in the world's numbers those stand that the translator is to read.
    """

    def __init__(self, learner: Learner, translator: Translator, rows: PictureRows, place: slice, pictures: int = 20_000) -> None:
        self.learner, self.translator, self.rows, self.place = learner, translator, rows, place
        self.album = Album(pictures, rows.picture, place.stop - place.start)
        self.steps = self.minibatches = 0

    def act(self, observation: Array, *, explore: bool) -> Array:
        """What the learner does; it may be shown rows, or numbers alone."""
        return self.learner.act(self._numbers(observation), explore=explore)

    def observe(self, transition: Transition) -> None:
        """Hand on the numbers, and keep one picture."""
        seen, after = self._numbers(transition.observation), self._numbers(transition.next_observation)
        self.learner.observe(transition._replace(observation=seen, next_observation=after))
        world = self.steps % len(after)
        picture = transition.next_observation[world, FLOAT * self.rows.numbers :].reshape(self.rows.picture)
        self.album.add(picture, after[world, self.place])
        self.steps += 1

    def learn(self) -> dict[str, float]:
        """What both have learned."""
        losses = self.learner.learn()
        return {**losses, **self._learn_to_see()} if self.album.size >= FIRST and self.steps % EVERY == 0 else losses

    def _learn_to_see(self) -> dict[str, float]:
        known, eye = np.arange(self.album.size), self.translator
        judge, teach = known[known % HELD_OUT == HELD_OUT - 1], known[known % HELD_OUT < HELD_OUT - 1]
        if self.minibatches == 0:
            eye.standardize(self.album.values[teach], [self.place.stop - self.place.start])
        rows = teach[eye.rng.integers(len(teach), size=eye.settings.batch)]
        losses = eye.learn(self.album.pictures[rows][:, None], self.album.values[rows][:, None], self.minibatches / SCHEDULE)
        self.minibatches += 1
        if self.minibatches % JUDGED == 0:
            some = judge[: 4 * eye.settings.batch]
            wrong = eye.translate(self.album.pictures[some][:, None])[:, 0] - self.album.values[some]
            losses["losses/translation_held_out"] = float(np.square(wrong).mean())
        return losses

    def _numbers(self, rows: Array) -> Array:
        if rows.dtype != np.uint8:
            return rows
        return np.ascontiguousarray(rows[:, : FLOAT * self.rows.numbers]).view(np.float32)

    def state(self) -> dict[str, dict[str, Any]]:
        """What both are, and the album."""
        own = {"steps": self.steps, "minibatches": self.minibatches}
        eye = {GROUP + name: group for name, group in self.translator.state().items()}
        return {**self.learner.state(), **eye, "watched": own, "album": self.album.state()}

    def load_state(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Go on from a saved state."""
        self.learner.load_state(state)
        self.translator.load_state({name.removeprefix(GROUP): group for name, group in state.items() if name.startswith(GROUP)})
        self.album.load_state(state["album"])
        self.steps, self.minibatches = state["watched"]["steps"], state["watched"]["minibatches"]
