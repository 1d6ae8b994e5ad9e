"""Online translator: a translator that is trained beside a policy, on images of its environments.

The environments emit state and image. The policy learns from the state alone, exactly as it would
without the translator. Of every step, the image of one environment (each in turn) goes into a
buffer; every UPDATE_EVERY steps the translator takes one gradient step on samples of it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from poise.algos.base import Learner
from poise.algos.translator import Translator, mean_square_error
from poise.toolkit.conversion import FLOAT32_BYTES, PixelVectorSpace
from poise.toolkit.dataset import is_held_out
from poise.toolkit.experience import Transition
from poise.toolkit.spaces import Array

UPDATE_EVERY = 2
"""Steps of all environments for each minibatch."""

LEARNING_STARTS = 500
"""Images before the first minibatch; their signals determine the normalization."""

SCHEDULE_STEPS = 5000
"""Minibatches in which the learning rate falls to its final value."""

EVALUATE_EVERY = 50
"""Minibatches between evaluations on held-out images."""

EVALUATION_BATCHES = 4
"""Size of an evaluation, in minibatches."""

GROUP_PREFIX = "translator_"
COUNTERS_GROUP = "online_counters"
BUFFER_GROUP = "image_buffer"
"""In a saved state: the prefix of the translator's groups, and two groups of its own."""


class ImageBuffer:
    """Ring buffer of the last `capacity` images (H, W, 3) uint8 and their signals (S,)."""

    def __init__(self, capacity: int, image_shape: tuple[int, ...], num_values: int) -> None:
        self.images = np.zeros((capacity, *image_shape), np.uint8)
        self.values = np.zeros((capacity, num_values), np.float32)
        self.count = 0
        """Images added so far, those overwritten included."""

    @property
    def size(self) -> int:
        """Return the number of images held."""
        return min(self.count, len(self.values))

    def add(self, image: Array, values: Array) -> None:
        """Add an image; overwrite the oldest where the buffer is full."""
        index = self.count % len(self.values)
        self.images[index] = image
        self.values[index] = values
        self.count += 1

    def get_state(self) -> dict[str, Any]:
        """Return the content, without unused memory."""
        return {
            "count": self.count,
            "images": self.images[: self.size],
            "values": self.values[: self.size],
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state."""
        self.count = state["count"]
        self.images[: self.size] = state["images"]
        self.values[: self.size] = state["values"]


class OnlineTranslator:
    """A learner with a translator beside it, as one toolkit.trainer.Algorithm.

    `target_slice` is the slice of the environment's state that the translator is to read.
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
        self.num_values = target_slice.stop - target_slice.start
        self.image_buffer = ImageBuffer(buffer_size, observation_space.image_shape, self.num_values)
        self.state_bytes = FLOAT32_BYTES * observation_space.state_size
        """Leading bytes of an observation row that hold the state; the image follows."""
        self.steps = 0
        self.updates = 0

    def act(self, observation: Array, *, explore: bool) -> Array:
        """Return the learner's actions for rows (N, bytes) uint8, or for states (N, O) float32."""
        return self.learner.act(self._extract_state(observation), explore=explore)

    def reset(self, mask: Array | None = None, *, explore: bool) -> None:
        """Clear the learner's memory where `mask` (N,) is true."""
        self.learner.reset(mask, explore=explore)

    def observe(self, transition: Transition) -> None:
        """Give the states to the learner, and keep the image of one environment, in turn."""
        state = self._extract_state(transition.observation)
        next_state = self._extract_state(transition.next_observation)
        self.learner.observe(transition._replace(observation=state, next_observation=next_state))
        env_index = self.steps % len(next_state)
        image = transition.next_observation[env_index, self.state_bytes :]
        self.image_buffer.add(
            image.reshape(self.observation_space.image_shape),
            next_state[env_index, self.target_slice],
        )
        self.steps += 1

    def update(self) -> dict[str, float]:
        """Update both where it is time; return the losses of both."""
        losses = self.learner.update()
        if self.image_buffer.size >= LEARNING_STARTS and self.steps % UPDATE_EVERY == 0:
            losses = {**losses, **self._update_translator()}
        return losses

    def _update_translator(self) -> dict[str, float]:
        buffer = self.image_buffer
        translator = self.translator
        batch_size = translator.settings.batch_size
        held_out_mask = is_held_out(np.arange(buffer.size))
        training_rows = np.flatnonzero(~held_out_mask)
        if self.updates == 0:
            translator.fit_normalization(buffer.values[training_rows], [self.num_values])
        rows = training_rows[translator.rng.integers(len(training_rows), size=batch_size)]
        progress = self.updates / SCHEDULE_STEPS
        losses = translator.train_on_batch(*self._get_sequences(rows), progress)
        self.updates += 1
        if self.updates % EVALUATE_EVERY == 0:
            rows = np.flatnonzero(held_out_mask)[: EVALUATION_BATCHES * batch_size]
            errors = translator.compute_errors(*self._get_sequences(rows))
            losses["losses/translation_held_out"] = mean_square_error(errors)
        return losses

    def _get_sequences(self, rows: Array) -> tuple[Array, Array]:
        """Return buffered images as sequences of one (B, 1, H, W, 3), with signals (B, 1, S)."""
        return self.image_buffer.images[rows][:, None], self.image_buffer.values[rows][:, None]

    def _extract_state(self, rows: Array) -> Array:
        if rows.dtype != np.uint8:
            return rows
        return np.ascontiguousarray(rows[:, : self.state_bytes]).view(np.float32)

    def state_dict(self) -> dict[str, dict[str, Any]]:
        """Return the full training state of both, for bit-exact resume."""
        translator_state = {
            GROUP_PREFIX + name: group for name, group in self.translator.state_dict().items()
        }
        return {
            **self.learner.state_dict(),
            **translator_state,
            COUNTERS_GROUP: {"steps": self.steps, "minibatches": self.updates},
            BUFFER_GROUP: self.image_buffer.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Load the full training state of both."""
        self.learner.load_state_dict(state)
        self.translator.load_state_dict(
            {
                name.removeprefix(GROUP_PREFIX): group
                for name, group in state.items()
                if name.startswith(GROUP_PREFIX)
            }
        )
        self.image_buffer.set_state(state[BUFFER_GROUP])
        self.steps = state[COUNTERS_GROUP]["steps"]
        self.updates = state[COUNTERS_GROUP]["minibatches"]
