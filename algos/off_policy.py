"""Replay: what the off-policy learners share: act at random first, remember, and learn as often as it is due."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from pydantic import Field

from poise.algos.base import LearnerSettings
from poise.algos.buffers import Batch, ReplayBuffer
from poise.algos.normalization import make_normalizer
from poise.toolkit.experience import Transition
from poise.toolkit.spaces import Array


class OffPolicySettings(LearnerSettings):
    """Settings of the off-policy learners; the defaults are those of their papers."""

    learning_rate: float = Field(3e-4, gt=0, le=1, description="step size of all networks")
    tau: float = Field(0.005, gt=0, le=1, description="how fast the target networks follow")
    batch_size: int = Field(256, ge=1, le=65536, description="transitions in a minibatch")
    buffer_size: int = Field(
        1_000_000, ge=1, description="transitions that the replay buffer holds"
    )
    learning_starts: int = Field(
        1000, ge=0, description="first steps, acted uniformly and not learned from yet"
    )
    updates_per_step: float = Field(
        1.0, gt=0, le=100, description="updates for each step of one environment"
    )
    normalize_observations: bool = Field(
        False, description="bring observations to mean 0 and spread 1 (not in the papers)"
    )


class OffPolicyReplay:
    """A replay buffer that knows when it is time to learn, and the glasses through which its rows are seen."""

    def __init__(
        self,
        observation_space: Box,
        action_space: Box,
        settings: OffPolicySettings,
        rng: np.random.Generator,
        device: torch.device,
    ) -> None:
        self.buffer = ReplayBuffer(settings.buffer_size, observation_space, action_space)
        self.normalizer = make_normalizer(observation_space, settings.normalize_observations)
        self.settings = settings
        self.rng = rng
        self.device = device
        self.action_dim = action_space.shape[0]
        self.steps = 0
        self.updates = 0
        self.pending_updates = 0.0

    @property
    def is_warming_up(self) -> bool:
        """Whether it is too early to act by a policy."""
        return self.steps < self.settings.learning_starts

    def sample_random_actions(self, num_envs: int) -> Array:
        """Uniform actions (number, A) in [-1, 1]."""
        return self.rng.uniform(-1.0, 1.0, (num_envs, self.action_dim)).astype(np.float32)

    def add(self, transition: Transition) -> None:
        """Remember one step of N environments; each earns `updates_per_step` updates once the warm-up is over."""
        self.buffer.add(transition)
        number = len(transition.reward)
        self.steps += number
        self.normalizer.update(torch.as_tensor(transition.next_observation, device=self.device))
        if self.steps > self.settings.learning_starts:
            self.pending_updates += number * self.settings.updates_per_step

    def pending_batches(self) -> Iterator[Batch]:
        """The minibatches that the steps taken since have earned, each drawn anew and normalized."""
        while self.pending_updates >= 1.0:
            self.pending_updates -= 1.0
            self.updates += 1
            yield self.sample()

    def sample(self) -> Batch:
        """A minibatch as the networks see it."""
        batch = self.buffer.sample(self.settings.batch_size, self.rng, self.device)
        return batch._replace(s=self.normalizer(batch.s), s2=self.normalizer(batch.s2))

    def get_state(self) -> dict[str, Any]:
        """The counters. The buffer is kept apart, and the normalizer with the policy, which looks through it too."""
        return {"steps": self.steps, "updates": self.updates, "updates_owed": self.pending_updates}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take a saved state back."""
        self.steps = state["steps"]
        self.updates = state["updates"]
        self.pending_updates = state["updates_owed"]
