"""Proximal Policy Optimization (Schulman et al., 2017, arXiv:1707.06347).

Act for T steps in N environments; then go through these T N steps for some epochs, in minibatches, against
           L = L_clip + c_V L_V - c_H E[ H(pi(.|s)) ]
policy     L_clip = -E[ min( ratio A, clip(ratio, 1 - eps, 1 + eps) A ) ],                ratio = pi(a|s) / pi_old(a|s)
value      L_V = E[ (V(s) - R)^2 ] / 2,                                                   R = A + V_old(s)
advantage  A = GAE(gamma, lambda), algos/advantages.py

The policy stands still while it acts. So V_old, V(s2) and log pi_old are computed for the whole rollout once it is time to learn:
nothing but transitions has to be kept, and a time-out is bootstrapped from its true successor.
"""

from typing import Any, cast

import gymnasium
import torch
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from pydantic import Field
from torch import Tensor, nn

from poise.algos.base import LayerSize, Learner, LearnerSettings, Space
from poise.algos.buffers import Rollout, RolloutBuffer
from poise.algos.distributions import Distribution, make_head
from poise.algos.encoders import make_actor, make_encoder
from poise.algos.networks import mlp
from poise.algos.normalization import RewardNormalizer, make_normalizer
from poise.algos.optim import Adam, gradient_step, scheduled_lr
from poise.toolkit.errors import UserError
from poise.toolkit.experience import Transition
from poise.toolkit.spaces import Array


class ActorCritic:
    """The networks of PPO, by the names and numbers of its settings."""

    def __init__(
        self,
        observation_space: gymnasium.spaces.Box,
        action_space: gymnasium.Space[Any],
        settings: "PPOSettings",
    ) -> None:
        self.asymmetric = settings.asymmetric_critic
        self.normalizer = make_normalizer(observation_space, settings.normalize_observations)
        self.encoder = make_encoder(observation_space, settings)
        F = self.encoder.feature_dim
        hidden = settings.hidden_sizes
        activation = settings.activation
        self.head = make_head(action_space, settings.distribution, settings.log_std_init)
        if settings.shared_trunk and settings.asymmetric_critic:
            raise UserError(
                "shared_trunk=true and asymmetric_critic=true do not go together: actor and critic see different things"
            )
        # A shared trunk holds all hidden layers and leaves one layer each to actor and critic.
        self.trunk = (
            mlp((F, *hidden), activation, settings.trunk_gain, activate_last=True)
            if settings.shared_trunk
            else nn.Identity()
        )
        sizes = hidden[-1:] if settings.shared_trunk else (F, *hidden)
        self.actor = make_actor(observation_space, settings, (*sizes, self.head.in_features))
        self.critic = mlp((*sizes, 1), activation, settings.critic_gain)
        parts = {
            "encoder": self.encoder,
            "trunk": self.trunk,
            "actor": self.actor,
            "head": self.head,
        }
        self.policy_modules = nn.ModuleDict({"normalizer": self.normalizer, **parts})

    def __call__(self, s: Tensor) -> tuple[Distribution, Tensor]:
        """Pi(.|s) and V(s), (B,), at one look at normalized s."""
        x = self._features(s)
        return self._policy(s, x), self._value(x)

    def policy(self, s: Tensor) -> Distribution:
        """Pi(.|s) alone."""
        return self._policy(s, self._features(s))

    def value(self, s: Tensor) -> Tensor:
        """V(s) alone."""
        return self._value(self._features(s))

    def _features(self, s: Tensor) -> Tensor:
        return cast(Tensor, self.trunk(self.encoder(s)))

    def _policy(self, s: Tensor, x: Tensor) -> Distribution:
        return self.head(self.actor(s if self.asymmetric else x))

    def _value(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.critic(x)).squeeze(-1)


def compute_gae(
    r: Tensor,
    v: Tensor,
    v2: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    gamma: float,
    lam: float,
) -> Tensor:
    """Advantages A (T, N) of a rollout of T steps in N environments, from rewards, V(s), V(s2) and the ends of episodes.

    delta_t = r_t + gamma (1 - terminated_t) V(s2_t) - V(s_t)
    A_t     = delta_t + gamma lam (1 - terminated_t) (1 - truncated_t) A_(t+1),            A_T = 0

    A time-out cuts the sum, as what follows belongs to another episode, but keeps the value of what would have
    followed; death ends both.
    """
    delta = r + gamma * (1.0 - terminated) * v2 - v
    keep = gamma * lam * (1.0 - terminated) * (1.0 - truncated)
    advantages = torch.empty_like(delta)
    following = torch.zeros_like(delta[0])
    for t in range(len(r) - 1, -1, -1):
        advantages[t] = following = torch.addcmul(delta[t], keep[t], following)
    return advantages


class PPOSettings(LearnerSettings):
    """PPO's own settings; the defaults are the paper's for motor control, with everything normalized."""

    hidden_sizes: tuple[LayerSize, ...] = Field(
        (64, 64), min_length=1, description="units of each hidden layer"
    )
    activation: str = Field(
        "tanh", pattern="^(relu|tanh|elu|silu)$", description="relu, tanh, elu or silu"
    )
    orthogonal_init: bool = Field(
        True, description="begin with orthogonal weights, and with actions near the middle"
    )
    shared_trunk: bool = Field(
        False, description="one trunk for actor and critic, instead of one each"
    )
    distribution: str = Field(
        "gaussian", description="of actions: gaussian, state_gaussian, squashed_gaussian or beta"
    )
    log_std_init: float = Field(0.0, ge=-5, le=2, description="log of a Gaussian's first spread")
    rollout_steps: int = Field(
        128, ge=1, le=65536, description="steps in each environment before it learns, T"
    )
    epochs: int = Field(10, ge=1, le=1000, description="times it goes through a rollout")
    batch_size: int = Field(64, ge=1, le=2**20, description="steps in a minibatch")
    gae_lambda: float = Field(
        0.95, ge=0, le=1, description="how far advantages look; 0: one step, 1: to the end"
    )
    clip_range: float = Field(0.2, gt=0, le=10, description="how far a ratio may leave 1, eps")
    value_clip_range: float | None = Field(
        None, gt=0, description="how far a value may leave its old one; empty: any way"
    )
    entropy_coef: float = Field(0.0, ge=0, le=1, description="weight of the entropy, c_H")
    value_coef: float = Field(0.5, ge=0, le=100, description="weight of the value's loss, c_V")
    max_grad_norm: float = Field(
        0.5, gt=0, description="length to which longer gradients are shortened"
    )
    target_kl: float | None = Field(
        None, gt=0, description="divergence from pi_old that ends the epochs; empty: none"
    )
    learning_rate: float = Field(3e-4, gt=0, le=1, description="step size to start from")
    schedule: str = Field(
        "constant",
        pattern="^(constant|linear|exponential)$",
        description="constant, linear or exponential",
    )
    schedule_steps: int = Field(
        1_000_000, ge=1, description="steps that a linear or exponential schedule takes"
    )
    final_lr_fraction: float = Field(
        0.1, gt=0, le=1, description="part of the learning rate that is left at the horizon"
    )
    normalize_observations: bool = Field(
        True, description="bring observations to mean 0 and spread 1"
    )
    normalize_reward: bool = Field(True, description="bring the discounted return to spread 1")
    normalize_advantage: bool = Field(
        True, description="bring every minibatch's advantages to mean 0 and spread 1"
    )


class PPO(Learner):
    """Proximal Policy Optimization."""

    SETTINGS = PPOSettings
    ACTION_SPACES = (Box, Discrete, MultiDiscrete)
    settings: PPOSettings

    def __init__(
        self, observation: Box, action: Space, settings: PPOSettings, seed: int, device: str = "cpu"
    ) -> None:
        super().__init__(observation, action, settings, seed, device)
        self.net = ActorCritic(observation, action, settings)
        self.reward_normalizer = RewardNormalizer(settings.gamma)
        self.networks = {"policy": self.net.policy_modules, "critic": self.net.critic}
        self.to_device()
        self.optimizers = {"all": Adam(settings.learning_rate, *self.networks.values())}
        self.buffer = RolloutBuffer(settings.rollout_steps)
        self.stateful = {"rollout": self.buffer, "returns": self.reward_normalizer}

    @torch.no_grad()
    def act(self, observation: Array, *, explore: bool) -> Array:
        """A sample of the policy, or its mode when not exploring."""
        pi = self.net.policy(self.net.normalizer(self.to_tensor(observation)))
        a = pi.sample(self.generator)[0] if explore else pi.mode()
        return a.cpu().numpy()

    @torch.no_grad()
    def value_and_std(self, observation: Array) -> tuple[Array, Array]:
        """V(s), in what the environment pays, and the spread of the policy."""
        s = self.net.normalizer(self.to_tensor(observation))
        scale = self.reward_normalizer.statistics.scale if self.settings.normalize_reward else 1.0
        return (self.net.value(s) / scale).cpu().numpy(), self.net.policy(s).std().cpu().numpy()

    def observe(self, transition: Transition) -> None:
        """Keep it until the rollout is complete."""
        self.buffer.add(transition)

    def update(self) -> dict[str, float]:
        """The algorithm box, once a rollout is complete."""
        if not self.buffer.is_full:
            return {}
        c = self.settings
        optimizer = self.optimizers["all"]
        optimizer.learning_rate = scheduled_lr(
            c.learning_rate, c.schedule, self.buffer.steps / c.schedule_steps, c.final_lr_fraction
        )
        s, *others = self.buffer.drain(self.device)
        if first := self.net.normalizer.is_empty:
            self.net.normalizer.update(s.flatten(0, 1))
        rollout = self.prepare_rollout(s, *others)
        for _ in range(c.epochs):
            for batch in rollout.minibatches(c.batch_size, self.rng):
                gradient_step(optimizer, self.loss(batch), c.max_grad_norm)
            if (
                c.target_kl is not None
                and self.diagnostics(rollout)["losses/approx_kl"] > c.target_kl
            ):
                break
        metrics = {**self.diagnostics(rollout), "charts/learning_rate": optimizer.learning_rate}
        # Only now: all of the above looked through the glasses that the policy wore when it acted.
        if not first:
            self.net.normalizer.update(s.flatten(0, 1))
        return metrics

    @torch.no_grad()
    def prepare_rollout(
        self, s: Tensor, a: Tensor, r: Tensor, s2: Tensor, terminated: Tensor, truncated: Tensor
    ) -> Rollout:
        """A rollout (T, N, ...) as rows, with what the policy and the value that made it say of it."""
        s = self.net.normalizer(s)
        s2 = self.net.normalizer(s2)
        if self.settings.normalize_reward:
            r = self.reward_normalizer(r, torch.maximum(terminated, truncated))
        pi, v_old = self.net(s)
        A = compute_gae(
            r,
            v_old,
            self.net.value(s2),
            terminated,
            truncated,
            self.settings.gamma,
            self.settings.gae_lambda,
        )
        columns = (s, a, pi.log_prob(a), v_old, A, A + v_old)
        return Rollout(*(column.flatten(0, 1) for column in columns))

    def loss(self, batch: Rollout) -> Tensor:
        """L."""
        pi, v = self.net(batch.s)
        policy_loss = self.policy_loss((pi.log_prob(batch.a) - batch.log_pi_old).exp(), batch.A)
        value_loss = self.value_loss(v, batch.v_old, batch.R)
        return (
            policy_loss
            + self.settings.value_coef * value_loss
            - self.settings.entropy_coef * pi.entropy().mean()
        )

    def policy_loss(self, ratio: Tensor, A: Tensor) -> Tensor:
        """L_clip."""
        if self.settings.normalize_advantage:
            A = (A - A.mean()) / (A.std(correction=0) + 1e-8)
        clipped = ratio.clamp(1.0 - self.settings.clip_range, 1.0 + self.settings.clip_range)
        return -torch.minimum(ratio * A, clipped * A).mean()

    def value_loss(self, v: Tensor, v_old: Tensor, R: Tensor) -> Tensor:
        """L_V; with `value_clip_range`, the larger of the errors of V and of V kept near V_old."""
        error = (v - R).square()
        if self.settings.value_clip_range is not None:
            near = v_old + (v - v_old).clamp(
                -self.settings.value_clip_range, self.settings.value_clip_range
            )
            error = torch.maximum(error, (near - R).square())
        return 0.5 * error.mean()

    @torch.no_grad()
    def diagnostics(self, rollout: Rollout) -> dict[str, float]:
        """What the epochs did to the policy and the value, over the whole rollout."""
        pi, v = self.net(rollout.s)
        log_ratio = pi.log_prob(rollout.a) - rollout.log_pi_old
        ratio = log_ratio.exp()
        unexplained = (rollout.R - rollout.v_old).var(correction=0) / rollout.R.var(
            correction=0
        ).clamp(min=1e-8)
        metrics = {
            "losses/policy_loss": self.policy_loss(ratio, rollout.A),
            "losses/value_loss": self.value_loss(v, rollout.v_old, rollout.R),
            "losses/entropy": pi.entropy().mean(),
            "losses/approx_kl": (ratio - 1.0 - log_ratio).mean(),
            "losses/clipfrac": ((ratio - 1.0).abs() > self.settings.clip_range).float().mean(),
            "losses/explained_variance": 1.0 - unexplained,
        }
        return {name: metric.item() for name, metric in metrics.items()}
