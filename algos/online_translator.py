"""A translator that learns beside a policy, from the pictures of the very environments in which the policy learns.

The environments show numbers and pictures. The policy is handed the numbers, and learns as if there were no pictures. Of every step one
environment's picture, by turns, goes into an album, and every `UPDATE_EVERY` steps the translator learns from some of them what they show.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from poise.algos.base import Learner
from poise.algos.translator import Translator
from poise.toolkit.experience import Transition
from poise.toolkit.spaces import Array
from poise.toolkit.wrappers import FLOAT32_BYTES, PixelVectorSpace

UPDATE_EVERY = 2
"""Steps of all environments for a minibatch."""


LEARNING_STARTS = 500
"""Pictures before the first minibatch; their numbers say what mean and spread are."""


SCHEDULE_STEPS = 5000
"""Minibatches in which the learning rate falls to what is left of it."""


HELD_OUT_EVERY = 10
"""Every tenth picture judges, and never teaches."""


EVALUATE_EVERY = 50
"""Minibatches between looks at what is held out."""


GROUP_PREFIX = "eye_"
"""What the translator's groups begin with in a saved state."""


class ImageBuffer:
    """The last pictures (H, W, 3) uint8 and what they show (S,), up to `capacity` of them."""

    def __init__(self, capacity: int, image_shape: tuple[int, ...], num_values: int) -> None:
        self.images = np.zeros((capacity, *image_shape), np.uint8)
        self.values = np.zeros((capacity, num_values), np.float32)
        self.count = 0

    @property
    def size(self) -> int:
        """How many there are."""
        return min(self.count, len(self.values))

    def add(self, image: Array, values: Array) -> None:
        """Put in one more, over the oldest where it is full."""
        place = self.count % len(self.values)
        self.images[place] = image
        self.values[place] = values
        self.count += 1

    def get_state(self) -> dict[str, Any]:
        """What is in it."""
        return {
            "count": self.count,
            "pictures": self.images[: self.size],
            "values": self.values[: self.size],
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take a saved state back."""
        self.count = state["count"]
        self.images[: self.size] = state["pictures"]
        self.values[: self.size] = state["values"]


class OnlineTranslator:
    """A learner with a translator beside it; it fulfils toolkit.trainer.Algorithm.

    `place` says where in the environment's numbers those stand that the translator is to read.
    """

    def __init__(
        self,
        learner: Learner,
        translator: Translator,
        observation_space: PixelVectorSpace,
        target_slice: slice,
        buffer_size: int = 20_000,
    ) -> None:
        self.learner = learner
        self.translator = translator
        self.observation_space = observation_space
        self.target_slice = target_slice
        self.image_buffer = ImageBuffer(
            buffer_size, observation_space.image_shape, target_slice.stop - target_slice.start
        )
        self.steps = self.updates = 0

    def act(self, observation: Array, *, explore: bool) -> Array:
        """What the learner does; it may be shown rows, or numbers alone."""
        return self.learner.act(self._extract_vector(observation), explore=explore)

    def observe(self, transition: Transition) -> None:
        """Hand on the numbers, and keep one picture."""
        seen = self._extract_vector(transition.observation)
        after = self._extract_vector(transition.next_observation)
        self.learner.observe(transition._replace(observation=seen, next_observation=after))
        env = self.steps % len(after)
        picture = transition.next_observation[
            env, FLOAT32_BYTES * self.observation_space.state_size :
        ].reshape(self.observation_space.image_shape)
        self.image_buffer.add(picture, after[env, self.target_slice])
        self.steps += 1

    def update(self) -> dict[str, float]:
        """What both have learned."""
        losses = self.learner.update()
        return (
            {**losses, **self._update_translator()}
            if self.image_buffer.size >= LEARNING_STARTS and self.steps % UPDATE_EVERY == 0
            else losses
        )

    def _update_translator(self) -> dict[str, float]:
        known = np.arange(self.image_buffer.size)
        eye = self.translator
        judge = known[known % HELD_OUT_EVERY == HELD_OUT_EVERY - 1]
        teach = known[known % HELD_OUT_EVERY < HELD_OUT_EVERY - 1]
        if self.updates == 0:
            eye.fit_normalization(
                self.image_buffer.values[teach], [self.target_slice.stop - self.target_slice.start]
            )
        rows = teach[eye.rng.integers(len(teach), size=eye.settings.batch_size)]
        losses = eye.train_on_batch(
            self.image_buffer.images[rows][:, None],
            self.image_buffer.values[rows][:, None],
            self.updates / SCHEDULE_STEPS,
        )
        self.updates += 1
        if self.updates % EVALUATE_EVERY == 0:
            some = judge[: 4 * eye.settings.batch_size]
            wrong = (
                eye.translate(self.image_buffer.images[some][:, None])[:, 0]
                - self.image_buffer.values[some]
            )
            losses["losses/translation_held_out"] = float(np.square(wrong).mean())
        return losses

    def _extract_vector(self, rows: Array) -> Array:
        if rows.dtype != np.uint8:
            return rows
        return np.ascontiguousarray(
            rows[:, : FLOAT32_BYTES * self.observation_space.state_size]
        ).view(np.float32)

    def state_dict(self) -> dict[str, dict[str, Any]]:
        """What both are, and the album."""
        own = {"steps": self.steps, "minibatches": self.updates}
        eye = {GROUP_PREFIX + name: group for name, group in self.translator.state_dict().items()}
        return {
            **self.learner.state_dict(),
            **eye,
            "watched": own,
            "album": self.image_buffer.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Go on from a saved state."""
        self.learner.load_state_dict(state)
        self.translator.load_state_dict(
            {
                name.removeprefix(GROUP_PREFIX): group
                for name, group in state.items()
                if name.startswith(GROUP_PREFIX)
            }
        )
        self.image_buffer.set_state(state["album"])
        self.steps = state["watched"]["steps"]
        self.updates = state["watched"]["minibatches"]
