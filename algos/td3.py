"""Twin Delayed DDPG, TD3 (Fujimoto, van Hoof and Meger, 2018, arXiv:1802.09477).

critics     L_Q(i) = E[ (Q_i(s, a) - y)^2 ],      y = r + gamma (1 - terminated) min_j Q'_j(s2, a2)
smoothing   a2 = clip( mu'(s2) + clip(epsilon, -c, c), -1, 1 ),             epsilon ~ N(0, sigma^2)
actor       L_mu = -E[ Q_1(s, mu(s)) ],           once every `policy_delay` updates of the critics
targets     Q' <- (1 - tau) Q' + tau Q,  mu' <- (1 - tau) mu' + tau mu,      as often as the actor
average     mu" <- (1 - policy_tau) mu" + policy_tau mu:    mu explores and learns, mu" is evaluated
exploration a = clip( mu(s) + N(0, exploration_noise^2), -1, 1 )

sigma is `policy_noise`, c is `noise_clip`. One critic, no smoothing and no delay make it Deep
Deterministic Policy Gradient (arXiv:1509.02971): `--preset ddpg`.

Departures from the paper:
1. Defaults are those of the authors' later code (github.com/sfujim/TD3), not the paper's: layers of
   256 and 256 units (400 and 300), step size 3e-4 (1e-3), minibatches of 256 (100).
   `learning_starts` is 1,000 (that code: 25,000).
2. Both critics' losses are added up for one optimizer.
3. An episode that reaches its time limit is not terminated: y bootstraps from its last observation.
4. Observations may hold an image: actor and critics share an encoder that L_Q alone trains
   (arXiv:1910.01741).
5. Off by default: an average mu" of the actor's weights (`policy_tau`; Nikishin et al., 2018,
   "Improving stability in deep reinforcement learning with weight averaging"), normalized
   observations (`normalize_observations`), critics with layer normalization (`layer_norm`,
   arXiv:2302.02948), pink noise for exploration (`noise_color`), a learning rate that falls
   (`schedule`).
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from gymnasium.spaces import Box
from pydantic import Field
from torch import Tensor, nn

from poise.algos.base import Learner, fork_torch_rng
from poise.algos.encoders import make_encoders
from poise.algos.networks import Actor, Ensemble, TwinCritic, mlp
from poise.algos.noise import ExplorationNoise
from poise.algos.off_policy import Batch, OffPolicyReplay, OffPolicySettings
from poise.algos.optim import Adam, gradient_step, soft_update
from poise.toolkit.experience import Transition
from poise.toolkit.spaces import Array


class TD3Settings(OffPolicySettings):
    """TD3's own settings; noise is in units of actions in [-1, 1]."""

    exploration_noise: float = Field(0.1, ge=0, le=2, description="std of the exploration noise")
    policy_noise: float = Field(0.2, ge=0, le=2, description="std of the target actions' noise")
    noise_clip: float = Field(0.5, ge=0, le=2, description="bound of the target actions' noise")
    twin_critics: bool = Field(True, description="two critics, the smaller value in the target")
    policy_delay: int = Field(2, ge=1, le=100, description="critic updates for one of the actor")


class TD3(Learner):
    """Twin Delayed DDPG."""

    SETTINGS = TD3Settings
    settings: TD3Settings

    def __init__(
        self, observation: Box, action: Box, settings: TD3Settings, seed: int, device: str = "cpu"
    ) -> None:
        super().__init__(observation, action, settings, seed, device)
        self.replay = OffPolicyReplay(observation, action, settings, self.rng, self.device)
        hidden = settings.hidden_sizes
        activation = settings.activation
        action_dim = action.shape[0]
        num_critics = 2 if settings.twin_critics else 1
        with fork_torch_rng(self.weight_seed):
            actor_encoder, critic_encoder = make_encoders(observation, settings)
            actor_sizes = (actor_encoder.feature_dim, *hidden, action_dim)
            critic_sizes = (critic_encoder.feature_dim + action_dim, *hidden, 1)
            actor_layers = mlp(actor_sizes, activation, settings.actor_gain)
            ensemble = Ensemble(
                num_critics,
                critic_sizes,
                activation,
                settings.critic_gain,
                layer_norm=settings.layer_norm,
            )
        shares_encoder = actor_encoder is critic_encoder
        self.actor: Actor[Tensor] = Actor(
            actor_encoder, actor_layers, nn.Tanh(), shares_encoder=shares_encoder
        )
        self.critic = TwinCritic(critic_encoder, ensemble)
        # Copied together, so that the copies share an encoder where the originals do.
        self.actor_target, self.critic_target = deepcopy((self.actor, self.critic))
        self.online_networks = nn.ModuleList((self.actor, self.critic))
        self.target_networks = nn.ModuleList((self.actor_target, self.critic_target))
        self.target_networks.requires_grad_(False)
        policy = {"normalizer": self.replay.normalizer, "actor": self.actor}
        self.policy = self.actor
        """Acts without exploration: the actor, or with `policy_tau` its average."""
        if settings.policy_tau < 1.0:
            self.policy = policy["average"] = deepcopy(self.actor).requires_grad_(False)
        self.networks = {
            "policy": nn.ModuleDict(policy),
            "actor_target": self.actor_target,
            "critic": self.critic,
            "critic_target": self.critic_target,
        }
        self.to_device()
        self.optimizers = {
            "policy": Adam(settings.learning_rate, self.actor.trained_modules),
            "critic": Adam(settings.learning_rate, self.critic),
        }
        self.noise = ExplorationNoise(settings.noise_color, action_dim, self.generator)
        self.stateful = {
            "counters": self.replay,
            "buffer": self.replay.buffer,
            "noise": self.noise,
        }

    @torch.no_grad()
    def act(self, observation: Array, *, explore: bool) -> Array:
        """Return uniform actions while warming up; then mu(s), with noise if `explore`."""
        if explore and self.replay.is_warming_up:
            return self.replay.sample_random_actions(len(observation))
        s = self.replay.normalizer(self.to_tensor(observation))
        a = self.actor(s) if explore else self.policy(s)
        if explore:
            noise = self.settings.exploration_noise * self.noise.sample(len(a))
            a = (a + noise).clamp(-1.0, 1.0)
        return a.cpu().numpy()

    def reset(self, mask: Array | None = None, *, explore: bool) -> None:
        """Begin the exploration noise of new episodes where `mask` (N,) is true."""
        if explore:
            self.noise.reset(mask)

    @torch.no_grad()
    def value_and_std(self, observation: Array) -> tuple[Array, Array]:
        """Return min_j Q_j(s, mu(s)), (N,), and the exploration noise's std (N, A), a constant."""
        s = self.replay.normalizer(self.to_tensor(observation))
        a = self.policy(s)
        q = self.critic(s, a).amin(0)  # (2, N) to (N,)
        std = torch.full_like(a, self.settings.exploration_noise)
        return q.cpu().numpy(), std.cpu().numpy()

    def sample_noise(self, like: Tensor) -> Tensor:
        """Return standard normal noise in the shape of `like`."""
        return torch.empty_like(like).normal_(generator=self.generator)

    def start_from(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Begin with the networks and normalizers of another run, acting by its policy at once."""
        super().start_from(state)
        self.replay.starts_trained = True

    def observe(self, transition: Transition) -> None:
        """Store one step of N environments in the replay buffer."""
        self.replay.add(transition)

    def update(self) -> dict[str, float]:
        """Make the updates that are due; each metric is of the last update that computed it."""
        metrics: dict[str, float] = {}
        self.schedule_learning_rate(self.replay.steps)
        for batch in self.replay.pending_batches():
            metrics |= self.train_on_batch(batch)
        return metrics

    @torch.enable_grad()  # An environment may have switched gradients off.
    def train_on_batch(self, batch: Batch) -> dict[str, float]:
        """Step the critics, and in due updates actor and targets: the algorithm box."""
        critic_loss = self.critic_loss(batch)
        gradient_step(self.optimizers["critic"], critic_loss)
        metrics = {"losses/qf_loss": critic_loss.item()}

        if self.replay.updates % self.settings.policy_delay == 0:
            with self.critic.frozen():
                actor_loss = self.actor_loss(batch.s, self.actor(batch.s))
            gradient_step(self.optimizers["policy"], actor_loss)
            metrics["losses/actor_loss"] = actor_loss.item()

            soft_update(self.target_networks, self.online_networks, self.settings.tau)
            soft_update(self.policy, self.actor, self.settings.policy_tau)
        return metrics

    def critic_loss(self, batch: Batch) -> Tensor:
        """Return L_Q, summed over the critics."""
        cfg = self.settings
        with torch.no_grad(), self.critic_target.frozen():
            epsilon = cfg.policy_noise * self.sample_noise(batch.a)  # (B, A)
            noise = epsilon.clamp(-cfg.noise_clip, cfg.noise_clip)
            a2 = (self.actor_target(batch.s2) + noise).clamp(-1.0, 1.0)
            q2 = self.critic_target(batch.s2, a2).amin(0)  # (2, B) to (B,)
            y = batch.r + cfg.gamma * (1.0 - batch.terminated) * q2
        q = self.critic(batch.s, batch.a)  # (2, B)
        return (q - y).square().mean(-1).sum()

    def actor_loss(self, s: Tensor, a: Tensor) -> Tensor:
        """Return L_mu at a = mu(s)."""
        return -self.critic(s, a, members=1).mean()
