"""Twin Delayed Deep Deterministic policy gradient (Fujimoto, van Hoof and Meger, 2018, arXiv:1802.09477).

critics    L_Q(i) = E[ (Q_i(s, a) - y)^2 ],      y = r + gamma (1 - terminated) min_j Q'_j(s2, a2)
smoothing  a2 = clip( mu'(s2) + clip(epsilon, -c, c), -1, 1 ),                 epsilon ~ N(0, sigma^2)
actor      L_mu = -E[ Q_1(s, mu(s)) ],           once every `delay` updates of the critics
targets    Q' <- (1 - tau) Q' + tau Q,  mu' <- (1 - tau) mu' + tau mu,         as often as the actor
exploring  a = clip( mu(s) + N(0, exploration^2), -1, 1 )

One critic, no smoothing and no delay make it Deep Deterministic Policy Gradient (arXiv:1509.02971): `--preset ddpg`.
"""

from copy import deepcopy

import torch
from gymnasium.spaces import Box
from pydantic import Field
from torch import Tensor, nn

from poise.algos.base import Learner
from poise.algos.buffers import Batch
from poise.algos.encoders import make_actor, make_encoder
from poise.algos.networks import Ensemble
from poise.algos.off_policy import OffPolicyReplay, OffPolicySettings
from poise.algos.optim import Adam, gradient_step, soft_update
from poise.toolkit.experience import Transition
from poise.toolkit.spaces import Array


class TD3Settings(OffPolicySettings):
    """TD3's own settings; the defaults are the paper's."""

    exploration_noise: float = Field(
        0.1, ge=0, le=2, description="spread of the noise on explored actions"
    )
    policy_noise: float = Field(
        0.2, ge=0, le=2, description="spread of the noise on the targets' actions"
    )
    noise_clip: float = Field(0.5, ge=0, le=2, description="where that noise is clipped")
    twin_critics: bool = Field(True, description="two critics, of which the smaller is believed")
    policy_delay: int = Field(
        2, ge=1, le=100, description="updates of the critics for one of the actor"
    )


class TD3(Learner):
    """Twin Delayed DDPG."""

    SETTINGS = TD3Settings
    settings: TD3Settings

    def __init__(
        self, observation: Box, action: Box, settings: TD3Settings, seed: int, device: str = "cpu"
    ) -> None:
        super().__init__(observation, action, settings, seed, device)
        self.replay = OffPolicyReplay(observation, action, settings, self.rng, self.device)
        self.encoder = make_encoder(observation, settings)
        F = self.encoder.feature_dim
        A = action.shape[0]
        self.actor = make_actor(observation, settings, (F, *settings.hidden_sizes, A))
        self.actor_target = deepcopy(self.actor).requires_grad_(False)
        self.critic = Ensemble(
            1 + settings.twin_critics,
            (F + A, *settings.hidden_sizes, 1),
            settings.activation,
            settings.critic_gain,
        )
        self.critic_target = deepcopy(self.critic).requires_grad_(False)
        self.encoder_target = deepcopy(self.encoder).requires_grad_(False)
        self.networks = {
            "policy": nn.ModuleDict(
                {"normalizer": self.replay.normalizer, "encoder": self.encoder, "actor": self.actor}
            ),
            "actor_target": self.actor_target,
            "critic": nn.ModuleList((self.encoder, self.critic)),
            "critic_target": nn.ModuleList((self.encoder_target, self.critic_target)),
        }
        self.to_device()
        # The critics' loss alone teaches an encoder that both have what to see (arXiv:1910.01741).
        learned = {"policy": self.actor, "critic": self.networks["critic"]}
        self.optimizers = {
            name: Adam(settings.learning_rate, network) for name, network in learned.items()
        }
        self.stateful = {"counters": self.replay, "buffer": self.replay.buffer}

    def encode_and_act(self, observation: Array) -> tuple[Tensor, Tensor]:
        """Observations (N, O) as s, and mu(s)."""
        rows = self.replay.normalizer(self.to_tensor(observation))
        s: Tensor = self.encoder(rows)
        return s, self.mu(self.actor_input(rows, s))

    def mu(self, s: Tensor) -> Tensor:
        """The action for encoded s."""
        a: Tensor = self.actor(s).tanh()
        return a

    @torch.no_grad()
    def act(self, observation: Array, *, explore: bool) -> Array:
        """Uniform while warming up; then mu(s), with noise when exploring."""
        if explore and self.replay.is_warming_up:
            return self.replay.sample_random_actions(len(observation))
        _, a = self.encode_and_act(observation)
        if explore:
            a = (a + self.settings.exploration_noise * self.sample_noise(a)).clamp(-1.0, 1.0)
        return a.cpu().numpy()

    @torch.no_grad()
    def value_and_std(self, observation: Array) -> tuple[Array, Array]:
        """min_j Q_j(s, mu(s)), and the spread of the noise, which is everywhere the same."""
        s, a = self.encode_and_act(observation)
        q = self.critic(torch.cat((s, a), -1)).amin(0)
        return q.cpu().numpy(), torch.full_like(a, self.settings.exploration_noise).cpu().numpy()

    def sample_noise(self, like: Tensor) -> Tensor:
        """Standard normal numbers, as many as in `like`."""
        return torch.empty_like(like).normal_(generator=self.generator)

    def observe(self, transition: Transition) -> None:
        """Remember."""
        self.replay.add(transition)

    def update(self) -> dict[str, float]:
        """Make the updates that the steps taken since have earned."""
        metrics: dict[str, float] = {}
        for batch in self.replay.pending_batches():
            metrics |= self.train_on_batch(batch)
        return metrics

    def train_on_batch(self, batch: Batch) -> dict[str, float]:
        """The algorithm box: the critics every time; the actor and all targets every `delay` times."""
        q_loss = self.critic_loss(batch)
        gradient_step(self.optimizers["critic"], q_loss)
        metrics = {"losses/qf_loss": q_loss.item()}

        if self.replay.updates % self.settings.policy_delay == 0:
            s = self.encoder(batch.s).detach()
            mu_loss = self.actor_loss(s, self.mu(self.actor_input(batch.s, s)))
            gradient_step(self.optimizers["policy"], mu_loss)
            soft_update(self.networks["critic_target"], self.networks["critic"], self.settings.tau)
            soft_update(self.actor_target, self.actor, self.settings.tau)
            metrics["losses/actor_loss"] = mu_loss.item()
        return metrics

    def critic_loss(self, batch: Batch) -> Tensor:
        """L_Q, summed over the critics."""
        c = self.settings.noise_clip
        with torch.no_grad():
            s2 = self.encoder_target(batch.s2)
            mu2 = self.actor_target(self.actor_input(batch.s2, s2)).tanh()
            a2 = (mu2 + (self.settings.policy_noise * self.sample_noise(mu2)).clamp(-c, c)).clamp(
                -1.0, 1.0
            )
            q2 = self.critic_target(torch.cat((s2, a2), -1)).amin(0)
            y = batch.r + self.settings.gamma * (1.0 - batch.terminated) * q2
        q = self.critic(torch.cat((self.encoder(batch.s), batch.a), -1))
        return (q - y).square().mean(-1).sum()

    def actor_loss(self, s: Tensor, a: Tensor) -> Tensor:
        """L_mu, at a = mu(s)."""
        return -self.critic(torch.cat((s, a), -1), members=1).mean()
