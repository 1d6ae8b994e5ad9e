"""Soft Actor-Critic with automatic temperature (Haarnoja et al., 2018, arXiv:1812.05905).

Maximize reward and entropy together:       J = sum_t E[ r(s, a) + alpha H(pi(.|s)) ]
critics     L_Q(i)  = E[ (Q_i(s, a) - y)^2 ],
                 y  = r + gamma (1 - terminated) ( min_j Q'_j(s2, a2) - alpha log pi(a2|s2) )
actor       L_pi    = E[ alpha log pi(a|s) - min_j Q_j(s, a) ]
temperature L_alpha = -log alpha E[ log pi(a|s) + target_entropy ],  target_entropy = -dim(A)
targets     Q' <- (1 - tau) Q' + tau Q
average     pi' <- (1 - policy_tau) pi' + policy_tau pi:    pi explores and learns, pi' is evaluated
with new actions a ~ pi(.|s) in L_pi and L_alpha, a2 ~ pi(.|s2) in y.

Departures from the paper:
1. The temperature's loss holds log alpha in place of alpha, as in the authors' code: steps are
   multiplicative in alpha.
2. log std of the policy is clamped to [-5, 2] (the authors' code: [-20, 2]).
3. L_Q has no factor 1/2, and both critics' losses are added up for one optimizer.
4. The first `learning_starts` actions are uniform, and nothing is learned from them before these
   steps are over.
5. An episode that reaches its time limit is not terminated: y bootstraps from its last observation.
6. Observations may hold an image: actor and critics share an encoder that L_Q alone trains
   (arXiv:1910.01741).
7. Off by default: an average pi' of the actor's weights (`policy_tau`; Nikishin et al., 2018,
   "Improving stability in deep reinforcement learning with weight averaging"), normalized
   observations (`normalize_observations`), critics with layer normalization (`layer_norm`,
   arXiv:2302.02948), pink noise for exploration (`noise_color`), a learning rate that falls
   (`schedule`).
All other defaults are the paper's (appendix D).
"""

import math
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from gymnasium.spaces import Box
from pydantic import Field
from torch import Tensor, nn

from poise.algos.base import Learner, fork_torch_rng
from poise.algos.distributions import SquashedGaussian, SquashedGaussianHead
from poise.algos.encoders import make_encoders
from poise.algos.networks import Actor, Ensemble, TwinCritic, mlp
from poise.algos.noise import ExplorationNoise
from poise.algos.off_policy import Batch, OffPolicyReplay, OffPolicySettings
from poise.algos.optim import Adam, gradient_step, soft_update
from poise.toolkit.experience import Transition
from poise.toolkit.spaces import Array


class SACSettings(OffPolicySettings):
    """SAC's own settings."""

    init_alpha: float = Field(1.0, gt=0, le=100, description="initial temperature")
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
        hidden = settings.hidden_sizes
        activation = settings.activation
        action_dim = action.shape[0]
        with fork_torch_rng(self.weight_seed):
            actor_encoder, critic_encoder = make_encoders(observation, settings)
            head = SquashedGaussianHead(action, log_std_init=0.0)
            actor_sizes = (actor_encoder.feature_dim, *hidden, head.in_features)
            critic_sizes = (critic_encoder.feature_dim + action_dim, *hidden, 1)
            actor_layers = mlp(actor_sizes, activation, settings.actor_gain)
            ensemble = Ensemble(
                2, critic_sizes, activation, settings.critic_gain, layer_norm=settings.layer_norm
            )
        self.critic = TwinCritic(critic_encoder, ensemble)
        self.critic_target = deepcopy(self.critic).requires_grad_(False)
        shares_encoder = actor_encoder is critic_encoder
        self.actor: Actor[SquashedGaussian] = Actor(
            actor_encoder, actor_layers, head, shares_encoder=shares_encoder
        )
        self.log_alpha = nn.Parameter(torch.tensor(math.log(settings.init_alpha)))
        self.target_entropy = (
            -float(action_dim) if settings.target_entropy is None else settings.target_entropy
        )
        policy = {"normalizer": self.replay.normalizer, "actor": self.actor}
        self.policy = self.actor
        """Acts without exploration: the actor, or with `policy_tau` its average."""
        if settings.policy_tau < 1.0:
            self.policy = policy["average"] = deepcopy(self.actor).requires_grad_(False)
        temperature = nn.ParameterDict({"log_alpha": self.log_alpha})
        self.networks = {
            "policy": nn.ModuleDict(policy),
            "critic": self.critic,
            "target": self.critic_target,
            "temperature": temperature,
        }
        self.to_device()
        self.optimizers = {
            "critic": Adam(settings.learning_rate, self.critic),
            "actor_and_temperature": Adam(
                settings.learning_rate, self.actor.trained_modules, temperature
            ),
        }
        self.noise = ExplorationNoise(settings.noise_color, action_dim, self.generator)
        self.stateful = {
            "counters": self.replay,
            "buffer": self.replay.buffer,
            "noise": self.noise,
        }

    @torch.no_grad()
    def act(self, observation: Array, *, explore: bool) -> Array:
        """Return samples of the policy, uniform actions at first; without `explore`, its mode."""
        if explore and self.replay.is_warming_up:
            return self.replay.sample_random_actions(len(observation))
        s = self.replay.normalizer(self.to_tensor(observation))
        if not explore:
            return self.policy(s).mode().cpu().numpy()
        a, _ = self.actor(s).sample_at(self.noise.sample(len(s)))
        return a.cpu().numpy()

    def reset(self, mask: Array | None = None, *, explore: bool) -> None:
        """Begin the exploration noise of new episodes where `mask` (N,) is true."""
        if explore:
            self.noise.reset(mask)

    @torch.no_grad()
    def value_and_std(self, observation: Array) -> tuple[Array, Array]:
        """Return min_j Q_j(s, a) at the policy's mode, (N,), and the policy's std (N, A)."""
        s = self.replay.normalizer(self.to_tensor(observation))
        pi = self.policy(s)
        q = self.critic(s, pi.mode()).amin(0)  # (2, N) to (N,)
        return q.cpu().numpy(), pi.std().cpu().numpy()

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
        """Step the critics, the actor, the temperature and the targets: the algorithm box."""
        alpha = self.log_alpha.detach().exp()

        critic_loss = self.critic_loss(batch, alpha)
        gradient_step(self.optimizers["critic"], critic_loss)

        with self.critic.frozen():
            a, log_pi = self.actor(batch.s).sample(self.generator)
            actor_loss = self.actor_loss(batch.s, a, log_pi, alpha)
        # The losses of actor and temperature share no parameter: one step of Adam takes both.
        alpha_loss = self.alpha_loss(log_pi.detach())
        gradient_step(self.optimizers["actor_and_temperature"], actor_loss + alpha_loss)

        soft_update(self.critic_target, self.critic, self.settings.tau)
        soft_update(self.policy, self.actor, self.settings.policy_tau)
        return {
            "losses/qf_loss": critic_loss.item(),
            "losses/actor_loss": actor_loss.item(),
            "losses/alpha": alpha.item(),
            "losses/entropy": -log_pi.mean().item(),
        }

    def critic_loss(self, batch: Batch, alpha: Tensor) -> Tensor:
        """Return L_Q, summed over both critics."""
        with torch.no_grad():
            a2, log_pi2 = self.actor(batch.s2).sample(self.generator)
            q2 = self.critic_target(batch.s2, a2).amin(0) - alpha * log_pi2  # (2, B) to (B,)
            y = batch.r + self.settings.gamma * (1.0 - batch.terminated) * q2
        q = self.critic(batch.s, batch.a)  # (2, B)
        return (q - y).square().mean(-1).sum()

    def actor_loss(self, s: Tensor, a: Tensor, log_pi: Tensor, alpha: Tensor) -> Tensor:
        """Return L_pi for actions a ~ pi(.|s) and their log-densities (B,)."""
        q = self.critic(s, a).amin(0)  # (2, B) to (B,)
        return (alpha * log_pi - q).mean()

    def alpha_loss(self, log_pi: Tensor) -> Tensor:
        """Return L_alpha for log-densities (B,) without a gradient."""
        return -(self.log_alpha * (log_pi + self.target_entropy)).mean()
