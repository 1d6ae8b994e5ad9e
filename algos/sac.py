"""Soft Actor-Critic with automatic temperature (Haarnoja et al., 2018, arXiv:1812.05905).

Maximise reward and entropy together:       J = sum_t E[ r(s, a) + alpha H(pi(.|s)) ]
critics    L_Q(i)  = E[ (Q_i(s, a) - y)^2 ],
                 y = r + gamma (1 - terminated) ( min_j Q'_j(s2, a2) - alpha log pi(a2|s2) ),  a2 ~ pi(.|s2)
actor      L_pi    = E[ alpha log pi(a|s) - min_j Q_j(s, a) ],                                 a ~ pi(.|s)
temperature L_alpha = -log alpha E[ log pi(a|s) + target_entropy ],            target_entropy = -dim(A)
targets    Q' <- (1 - tau) Q' + tau Q
"""

import math
from copy import deepcopy

import torch
from gymnasium.spaces import Box
from pydantic import Field
from torch import Tensor, nn

from poise.algos.base import Learner
from poise.algos.buffers import Batch
from poise.algos.distributions import Distribution, SquashedGaussianHead
from poise.algos.encoders import make_actor, make_encoder
from poise.algos.networks import Ensemble
from poise.algos.off_policy import OffPolicyReplay, OffPolicySettings
from poise.algos.optim import Adam, gradient_step, soft_update
from poise.toolkit.experience import Transition
from poise.toolkit.spaces import Array


class SACSettings(OffPolicySettings):
    """SAC's own settings; the defaults are the paper's."""

    init_alpha: float = Field(1.0, gt=0, le=100, description="temperature to start from")
    target_entropy: float | None = Field(None, description="entropy to hold (nats); empty: -dim(A)")


class SAC(Learner):
    """Soft Actor-Critic."""

    SETTINGS = SACSettings
    settings: SACSettings

    def __init__(
        self, observation: Box, action: Box, settings: SACSettings, seed: int, device: str = "cpu"
    ) -> None:
        super().__init__(observation, action, settings, seed, device)
        self.replay = OffPolicyReplay(observation, action, settings, self.rng, self.device)
        self.encoder = make_encoder(observation, settings)
        F = self.encoder.feature_dim
        A = action.shape[0]
        self.head = SquashedGaussianHead(action, log_std_init=0.0)
        self.actor = make_actor(
            observation, settings, (F, *settings.hidden_sizes, self.head.in_features)
        )
        self.critic = Ensemble(
            2, (F + A, *settings.hidden_sizes, 1), settings.activation, settings.critic_gain
        )
        self.critic_target, self.encoder_target = (
            deepcopy(part).requires_grad_(False) for part in (self.critic, self.encoder)
        )
        self.log_alpha = nn.Parameter(torch.tensor(math.log(settings.init_alpha)))
        self.target_entropy = (
            -float(A) if settings.target_entropy is None else settings.target_entropy
        )
        self.networks = {
            "policy": nn.ModuleDict(
                {"normalizer": self.replay.normalizer, "encoder": self.encoder, "actor": self.actor}
            ),
            "critic": nn.ModuleList((self.encoder, self.critic)),
            "target": nn.ModuleList((self.encoder_target, self.critic_target)),
            "temperature": nn.ParameterDict({"log_alpha": self.log_alpha}),
        }
        self.to_device()
        # The critics' loss alone teaches an encoder that both have what to see (arXiv:1910.01741).
        learned = {
            "policy": self.actor,
            "critic": self.networks["critic"],
            "temperature": self.networks["temperature"],
        }
        self.optimizers = {
            name: Adam(settings.learning_rate, network) for name, network in learned.items()
        }
        self.stateful = {"counters": self.replay, "buffer": self.replay.buffer}

    def encode_and_act(self, observation: Array) -> tuple[Tensor, Distribution]:
        """Observations (N, O) as s, and pi(.|s)."""
        rows = self.replay.normalizer(self.to_tensor(observation))
        s: Tensor = self.encoder(rows)
        return s, self.policy(self.actor_input(rows, s))

    def policy(self, s: Tensor) -> Distribution:
        """pi(.|s) for encoded s."""
        return self.head(self.actor(s))

    @torch.no_grad()
    def act(self, observation: Array, *, explore: bool) -> Array:
        """Uniform while warming up; then a sample of the policy, or its mode when not exploring."""
        if explore and self.replay.is_warming_up:
            return self.replay.sample_random_actions(len(observation))
        _, pi = self.encode_and_act(observation)
        a = pi.sample(self.generator)[0] if explore else pi.mode()
        return a.cpu().numpy()

    @torch.no_grad()
    def value_and_std(self, observation: Array) -> tuple[Array, Array]:
        """min_j Q_j(s, a) of the mode, and the spread of the policy."""
        s, pi = self.encode_and_act(observation)
        return self.critic(torch.cat((s, pi.mode()), -1)).amin(
            0
        ).cpu().numpy(), pi.std().cpu().numpy()

    def observe(self, transition: Transition) -> None:
        """Remember."""
        self.replay.add(transition)

    def update(self) -> dict[str, float]:
        """Make the updates that the steps taken since have earned."""
        metrics: dict[str, float] = {}
        for batch in self.replay.pending_batches():
            metrics = self.train_on_batch(batch)
        return metrics

    def train_on_batch(self, batch: Batch) -> dict[str, float]:
        """The algorithm box: one step each for the critics, the actor, the temperature and the targets."""
        alpha = self.log_alpha.detach().exp()

        q_loss = self.critic_loss(batch, alpha)
        gradient_step(self.optimizers["critic"], q_loss)

        s = self.encoder(batch.s).detach()
        a, log_pi = self.policy(self.actor_input(batch.s, s)).sample(self.generator)
        pi_loss = self.actor_loss(s, a, log_pi, alpha)
        gradient_step(self.optimizers["policy"], pi_loss)

        alpha_loss = self.alpha_loss(log_pi.detach())
        gradient_step(self.optimizers["temperature"], alpha_loss)

        soft_update(self.networks["target"], self.networks["critic"], self.settings.tau)
        return {
            "losses/qf_loss": q_loss.item(),
            "losses/actor_loss": pi_loss.item(),
            "losses/alpha": alpha.item(),
            "losses/entropy": -log_pi.mean().item(),
        }

    def critic_loss(self, batch: Batch, alpha: Tensor) -> Tensor:
        """L_Q, summed over both critics."""
        with torch.no_grad():
            a2, log_pi2 = self.policy(self.actor_input(batch.s2, self.encoder(batch.s2))).sample(
                self.generator
            )
            q2 = (
                self.critic_target(torch.cat((self.encoder_target(batch.s2), a2), -1)).amin(0)
                - alpha * log_pi2
            )
            y = batch.r + self.settings.gamma * (1.0 - batch.terminated) * q2
        q = self.critic(torch.cat((self.encoder(batch.s), batch.a), -1))
        return (q - y).square().mean(-1).sum()

    def actor_loss(self, s: Tensor, a: Tensor, log_pi: Tensor, alpha: Tensor) -> Tensor:
        """L_pi."""
        return (alpha * log_pi - self.critic(torch.cat((s, a), -1)).amin(0)).mean()

    def alpha_loss(self, log_pi: Tensor) -> Tensor:
        """L_alpha."""
        return -(self.log_alpha * (log_pi + self.target_entropy)).mean()
