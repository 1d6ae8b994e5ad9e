"""Soft Actor-Critic with automatic temperature (Haarnoja et al., 2018, arXiv:1812.05905).

Maximise reward and entropy together:       J = sum_t E[ r(s, a) + alpha H(pi(.|s)) ]
critics    L_Q(i)  = E[ (Q_i(s, a) - y)^2 ],
                 y = r + gamma (1 - terminated) ( min_j Q'_j(s2, a2) - alpha log pi(a2|s2) ),  a2 ~ pi(.|s2)
actor      L_pi    = E[ alpha log pi(a|s) - min_j Q_j(s, a) ],                                 a ~ pi(.|s)
temperature L_alpha = -log alpha E[ log pi(a|s) + target_entropy ],            target_entropy = -dim(A)
targets    Q' <- (1 - tau) Q' + tau Q
"""

import math
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from pydantic import Field
from torch import Tensor, nn

from algos.base import Learner, LearnerSettings, State
from algos.buffers import Batch, ReplayBuffer
from algos.distributions import SquashedGaussian
from algos.networks import Ensemble, mlp
from algos.normalizer import Normalizer
from algos.updates import descend, track
from toolkit.experience import Transition
from toolkit.signals import Array

LOG_STD_MIN, LOG_STD_MAX = -5.0, 2.0


class SACSettings(LearnerSettings):
    """SAC's own settings; the defaults are the paper's."""

    learning_rate: float = Field(3e-4, gt=0, le=1, description="step size of actor, critics and temperature")
    tau: float = Field(0.005, gt=0, le=1, description="how fast the target critics follow")
    batch: int = Field(256, ge=1, le=65536, description="transitions in a minibatch")
    buffer: int = Field(1_000_000, ge=1, description="transitions that the replay buffer holds")
    warmup: int = Field(1000, ge=0, description="first steps, acted uniformly and not learned from yet")
    updates_per_step: float = Field(1.0, gt=0, le=100, description="updates for each step of one world")
    normalize: bool = Field(False, description="bring observations to mean 0 and spread 1 (not in the paper)")
    alpha: float = Field(1.0, gt=0, le=100, description="temperature to start from")
    target_entropy: float | None = Field(None, description="entropy to hold (nats); empty: -dim(A)")


class SAC(Learner):
    """Soft Actor-Critic."""

    SETTINGS = SACSettings
    settings: SACSettings

    def __init__(self, observation: Box, action: Box, settings: SACSettings, seed: int, device: str = "cpu") -> None:
        super().__init__(observation, action, settings, seed, device)
        O, A = observation.shape[0], action.shape[0]
        self.normalizer = Normalizer(O)
        self.actor = mlp((O, *settings.hidden, 2 * A), settings.activation)
        self.critic = Ensemble(2, (O + A, *settings.hidden, 1), settings.activation)
        self.target = deepcopy(self.critic).requires_grad_(False)
        self.log_alpha = nn.Parameter(torch.tensor(math.log(settings.alpha)))
        self.target_entropy = -float(A) if settings.target_entropy is None else settings.target_entropy
        self.networks = {
            "policy": nn.ModuleDict({"normalizer": self.normalizer, "actor": self.actor}),
            "critic": self.critic,
            "target": self.target,
            "temperature": nn.ParameterDict({"log_alpha": self.log_alpha}),
        }
        self.optimizers = {
            name: torch.optim.Adam(self.networks[name].to(self.device).parameters(), settings.learning_rate, fused=True)
            for name in ("policy", "critic", "temperature")
        }
        self.target.to(self.device)
        self.buffer = ReplayBuffer(settings.buffer, observation, action)
        self.steps, self.updates_owed = 0, 0.0

    def policy(self, s: Tensor) -> SquashedGaussian:
        """pi(.|s)."""
        mean, log_std = self.actor(s).chunk(2, dim=-1)
        return SquashedGaussian(mean, log_std.clamp(LOG_STD_MIN, LOG_STD_MAX))

    @torch.no_grad()
    def act(self, observation: Array, *, explore: bool) -> Array:
        """Uniform while warming up; then a sample of the policy, or its mode when not exploring."""
        if explore and self.steps < self.settings.warmup:
            shape = (len(observation), *self.action_space.shape)
            return self.rng.uniform(-1.0, 1.0, shape).astype(np.float32)
        pi = self.policy(self.normalizer(torch.as_tensor(observation, dtype=torch.float32, device=self.device)))
        a = pi.sample(self.generator)[0] if explore else pi.mode()
        return a.cpu().numpy()

    def observe(self, transition: Transition) -> None:
        """Remember."""
        self.buffer.add(transition)
        number = len(transition.reward)
        self.steps += number
        if self.settings.normalize:
            self.normalizer.update(torch.as_tensor(transition.next_observation, device=self.device))
        if self.steps > self.settings.warmup:
            self.updates_owed += number * self.settings.updates_per_step

    def learn(self) -> dict[str, float]:
        """Make the updates that the steps taken since have earned."""
        metrics: dict[str, float] = {}
        while self.updates_owed >= 1.0:
            self.updates_owed -= 1.0
            metrics = self.update(self.buffer.sample(self.settings.batch, self.rng, self.device))
        return metrics

    def update(self, batch: Batch) -> dict[str, float]:
        """The algorithm box: one step each for the critics, the actor, the temperature and the targets."""
        alpha = self.log_alpha.detach().exp()
        batch = batch._replace(s=self.normalizer(batch.s), s2=self.normalizer(batch.s2))

        q_loss = self.critic_loss(batch, alpha)
        descend(self.optimizers["critic"], q_loss)

        a, log_pi = self.policy(batch.s).sample(self.generator)
        pi_loss = self.actor_loss(batch.s, a, log_pi, alpha)
        descend(self.optimizers["policy"], pi_loss)

        alpha_loss = self.alpha_loss(log_pi.detach())
        descend(self.optimizers["temperature"], alpha_loss)

        track(self.target, self.critic, self.settings.tau)
        return {
            "losses/qf_loss": q_loss.item(),
            "losses/actor_loss": pi_loss.item(),
            "losses/alpha": alpha.item(),
            "losses/entropy": -log_pi.mean().item(),
        }

    def critic_loss(self, batch: Batch, alpha: Tensor) -> Tensor:
        """L_Q, summed over both critics."""
        with torch.no_grad():
            a2, log_pi2 = self.policy(batch.s2).sample(self.generator)
            q2 = self.target(torch.cat((batch.s2, a2), -1)).amin(0) - alpha * log_pi2
            y = batch.r + self.settings.gamma * (1.0 - batch.terminated) * q2
        q = self.critic(torch.cat((batch.s, batch.a), -1))
        return (q - y).square().mean(-1).sum()

    def actor_loss(self, s: Tensor, a: Tensor, log_pi: Tensor, alpha: Tensor) -> Tensor:
        """L_pi."""
        return (alpha * log_pi - self.critic(torch.cat((s, a), -1)).amin(0)).mean()

    def alpha_loss(self, log_pi: Tensor) -> Tensor:
        """L_alpha."""
        return -(self.log_alpha * (log_pi + self.target_entropy)).mean()

    def state(self) -> State:
        """The shared state, with counters and buffer."""
        counters = {"steps": self.steps, "updates_owed": self.updates_owed}
        return {**super().state(), "counters": counters, "buffer": self.buffer.state()}

    def load_state(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Go on from a saved state."""
        super().load_state(state)
        if "counters" in state:
            self.steps, self.updates_owed = state["counters"]["steps"], state["counters"]["updates_owed"]
            self.buffer.load_state(state["buffer"])
