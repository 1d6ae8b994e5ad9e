"""Replay: what the off-policy learners share: act at random first, remember, and learn as often as it is due."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from poise.algos.base import LearnerSettings
from poise.algos.buffers import Batch, ReplayBuffer
from poise.algos.normalization import glasses
from poise.toolkit.experience import Transition
from poise.toolkit.spaces import Array
from pydantic import Field


class ReplaySettings(LearnerSettings):
    """Settings of the off-policy learners; the defaults are those of their papers."""

    learning_rate: float = Field(3e-4, gt=0, le=1, description="step size of all networks")
    tau: float = Field(0.005, gt=0, le=1, description="how fast the target networks follow")
    batch: int = Field(256, ge=1, le=65536, description="transitions in a minibatch")
    buffer: int = Field(1_000_000, ge=1, description="transitions that the replay buffer holds")
    warmup: int = Field(1000, ge=0, description="first steps, acted uniformly and not learned from yet")
    updates_per_step: float = Field(1.0, gt=0, le=100, description="updates for each step of one world")
    normalize: bool = Field(False, description="bring observations to mean 0 and spread 1 (not in the papers)")


class Replay:
    """A replay buffer that knows when it is time to learn, and the glasses through which its rows are seen."""

    def __init__(
        self,
        observation: Box,
        action: Box,
        settings: ReplaySettings,
        rng: np.random.Generator,
        device: torch.device,
    ) -> None:
        self.buffer = ReplayBuffer(settings.buffer, observation, action)
        self.normalizer = glasses(observation, settings.normalize)
        self.settings, self.rng, self.device = settings, rng, device
        self.action_size = action.shape[0]
        self.steps, self.updates, self.updates_owed = 0, 0, 0.0

    @property
    def warming_up(self) -> bool:
        """Whether it is too early to act by a policy."""
        return self.steps < self.settings.warmup

    def random_actions(self, number: int) -> Array:
        """Uniform actions (number, A) in [-1, 1]."""
        return self.rng.uniform(-1.0, 1.0, (number, self.action_size)).astype(np.float32)

    def add(self, transition: Transition) -> None:
        """Remember one step of N worlds; each earns `updates_per_step` updates once the warm-up is over."""
        self.buffer.add(transition)
        number = len(transition.reward)
        self.steps += number
        self.normalizer.update(torch.as_tensor(transition.next_observation, device=self.device))
        if self.steps > self.settings.warmup:
            self.updates_owed += number * self.settings.updates_per_step

    def due(self) -> Iterator[Batch]:
        """The minibatches that the steps taken since have earned, each drawn anew and normalized."""
        while self.updates_owed >= 1.0:
            self.updates_owed -= 1.0
            self.updates += 1
            yield self.sample()

    def sample(self) -> Batch:
        """A minibatch as the networks see it."""
        batch = self.buffer.sample(self.settings.batch, self.rng, self.device)
        return batch._replace(s=self.normalizer(batch.s), s2=self.normalizer(batch.s2))

    def state(self) -> dict[str, Any]:
        """The counters. The buffer is kept apart, and the normalizer with the policy, which looks through it too."""
        return {"steps": self.steps, "updates": self.updates, "updates_owed": self.updates_owed}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take a saved state back."""
        self.steps, self.updates, self.updates_owed = state["steps"], state["updates"], state["updates_owed"]
