"""Proximal Policy Optimization (Schulman et al., 2017, arXiv:1707.06347).

Act for T steps in N environments; then take some epochs over these T N steps, in minibatches, on
           L = L_clip + c_V L_V - c_H E[ H(pi(.|s)) ]
policy     L_clip = -E[ min( ratio A, clip(ratio, 1 - eps, 1 + eps) A ) ]
           ratio = pi(a|s) / pi_old(a|s)
value      L_V = E[ (V(s) - R)^2 ] / 2,  R = A + V_old(s)
advantage  A = GAE(gamma, lambda), see `compute_gae` (arXiv:1506.02438)

Departures from the paper:
1. The policy does not change while it acts, so V_old, V(s2) and log pi_old are computed for the
   whole rollout when it is complete: only transitions are stored.
2. An episode that reaches its time limit is not terminated: its advantage bootstraps from its true
   last observation.
3. L is minimized with gradients clipped to a global norm (`max_grad_norm`), and the epochs may end
   early (`target_kl`).
4. Defaults are the paper's for motor control, but for T (128 steps in each of several environments;
   there 2048).

Of the well-known implementation details (Huang et al., 2022, "The 37 implementation details of
PPO"),
- on by default: orthogonal initial weights, with gains sqrt(2), 0.01 for the policy and 1 for the
  value; separate networks; a log std that does not depend on the state; advantages normalized in
  each minibatch; observations normalized and clipped to +-10; rewards divided by the standard
  deviation of the discounted return and clipped to +-10;
- off by default: a clipped value loss (`value_clip_range`), a learning rate that falls
  (`schedule`), an entropy bonus (`entropy_coef`), a trunk that actor and critic share
  (`shared_trunk`);
- left out: Adam's epsilon of 1e-5 (it is 1e-8).
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from poise.algos.base import LayerSize, Learner, LearnerSettings, Space, fork_torch_rng
from poise.algos.distributions import Distribution, make_head
from poise.algos.encoders import make_encoders
from poise.algos.networks import mlp
from poise.algos.normalization import RewardNormalizer, make_normalizer
from poise.algos.optim import Adam, gradient_step, to_tensor
from poise.toolkit.errors import UserError
from poise.toolkit.experience import Transition
from poise.toolkit.spaces import Array


class PPOSettings(LearnerSettings):
    """PPO's own settings."""

    hidden_sizes: tuple[LayerSize, ...] = Field(
        (64, 64), min_length=1, description="units of each hidden layer"
    )
    activation: str = Field(
        "tanh", pattern="^(relu|tanh|elu|silu)$", description="relu, tanh, elu or silu"
    )
    orthogonal_init: bool = Field(
        True, description="orthogonal initial weights, and initial actions near the middle"
    )
    shared_trunk: bool = Field(False, description="share all hidden layers of actor and critic")
    distribution: str = Field(
        "gaussian", description="of actions: gaussian, state_gaussian, squashed_gaussian or beta"
    )
    log_std_init: float = Field(0.0, ge=-5, le=2, description="initial log std of a Gaussian")
    rollout_steps: int = Field(
        128, ge=1, le=65536, description="steps in each environment between updates, T"
    )
    epochs: int = Field(10, ge=1, le=1000, description="passes over each rollout")
    batch_size: int = Field(64, ge=1, le=2**20, description="steps in a minibatch")
    gae_lambda: float = Field(
        0.95, ge=0, le=1, description="decay of later TD errors; 0: one step, 1: all of the return"
    )
    clip_range: float = Field(0.2, gt=0, le=10, description="clip range of the ratio, eps")
    value_clip_range: float | None = Field(
        None, gt=0, description="clip range of V - V_old; empty: not clipped"
    )
    entropy_coef: float = Field(0.0, ge=0, le=1, description="weight of the entropy, c_H")
    value_coef: float = Field(0.5, ge=0, le=100, description="weight of the value loss, c_V")
    max_grad_norm: float = Field(0.5, gt=0, description="gradient-norm clipping threshold")
    target_kl: float | None = Field(
        None, gt=0, description="KL divergence from pi_old that ends the epochs; empty: none"
    )
    normalize_observations: bool = Field(
        True, description="normalize observations to mean 0 and standard deviation 1"
    )
    normalize_reward: bool = Field(
        True, description="divide rewards by the discounted return's standard deviation"
    )
    normalize_advantage: bool = Field(
        True, description="normalize each minibatch's advantages to mean 0 and std 1"
    )


class ActorCritic:
    """pi(.|s) and V(s) for normalized observations s (B, O).

    Actor and critic share the encoder of images, and with `shared_trunk` all hidden layers too: one
    output layer each is left. With `asymmetric_critic` the actor has an encoder of its own.
    """

    def __init__(self, observation_space: Box, action_space: Space, settings: PPOSettings) -> None:
        if settings.shared_trunk and settings.asymmetric_critic:
            raise UserError(
                "shared_trunk=true and asymmetric_critic=true do not go together: "
                "actor and critic have different observations"
            )
        hidden = settings.hidden_sizes
        activation = settings.activation
        self.asymmetric = settings.asymmetric_critic
        self.normalizer = make_normalizer(observation_space, settings.normalize_observations)
        actor_encoder, self.encoder = make_encoders(observation_space, settings)
        self.head = make_head(action_space, settings.distribution, settings.log_std_init)
        if settings.shared_trunk:
            trunk_sizes = (self.encoder.feature_dim, *hidden)
            self.trunk: nn.Module = mlp(
                trunk_sizes, activation, settings.trunk_gain, activate_last=True
            )
            actor_sizes = critic_sizes = hidden[-1:]
        else:
            self.trunk = nn.Identity()
            actor_sizes = (actor_encoder.feature_dim, *hidden)
            critic_sizes = (self.encoder.feature_dim, *hidden)
        actor_layers = mlp((*actor_sizes, self.head.in_features), activation, settings.actor_gain)
        self.actor = nn.Sequential(actor_encoder, actor_layers) if self.asymmetric else actor_layers
        self.critic = mlp((*critic_sizes, 1), activation, settings.critic_gain)
        self.policy_modules = nn.ModuleDict(
            {
                "normalizer": self.normalizer,
                "encoder": self.encoder,
                "trunk": self.trunk,
                "actor": self.actor,
                "head": self.head,
            }
        )

    def __call__(self, s: Tensor) -> tuple[Distribution, Tensor]:
        """Return pi(.|s) and V(s), (B,), from one evaluation of the shared layers."""
        features = self._features(s)
        return self._policy(s, features), self._value(features)

    def policy(self, s: Tensor) -> Distribution:
        """Return pi(.|s) alone."""
        return self._policy(s, self._features(s))

    def value(self, s: Tensor) -> Tensor:
        """Return V(s) alone, (B,)."""
        return self._value(self._features(s))

    def _features(self, s: Tensor) -> Tensor:
        return cast(Tensor, self.trunk(self.encoder(s)))

    def _policy(self, s: Tensor, features: Tensor) -> Distribution:
        return self.head(self.actor(s if self.asymmetric else features))

    def _value(self, features: Tensor) -> Tensor:
        return cast(Tensor, self.critic(features)).squeeze(-1)


def compute_gae(
    r: Tensor,
    v: Tensor,
    v2: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    gamma: float,
    lam: float,
) -> Tensor:
    """Return generalized advantage estimates A (T, N) (arXiv:1506.02438).

    The rollout holds T steps of N environments.

    delta_t = r_t + gamma (1 - terminated_t) V(s2_t) - V(s_t)
    A_t     = delta_t + gamma lam (1 - terminated_t) (1 - truncated_t) A_(t+1),            A_T = 0

    A truncation ends the sum, as the next step belongs to another episode, but keeps the value of
    the state that it reached. A terminal state has no value.

    r, v = V(s), v2 = V(s2), terminated and truncated (0 or 1) are (T, N) each.
    """
    delta = r + gamma * (1.0 - terminated) * v2 - v
    keep = gamma * lam * (1.0 - terminated) * (1.0 - truncated)
    advantages = torch.empty_like(delta)
    following = torch.zeros_like(delta[0])
    for t in range(len(r) - 1, -1, -1):
        following = torch.addcmul(delta[t], keep[t], following)
        advantages[t] = following
    return advantages


class Rollout(NamedTuple):
    """Steps as rows: s (B, O), a (B, A) or (B,), log_pi_old (B,), v_old (B,), A (B,), R (B,).

    Actions are unsquashed (`Distribution.unsquash`): once tanh is full, an action alone does not
    say with which density it was sampled.
    """

    s: Tensor
    a: Tensor
    log_pi_old: Tensor
    v_old: Tensor
    A: Tensor
    R: Tensor

    def minibatches(self, batch_size: int, rng: np.random.Generator) -> Iterator["Rollout"]:
        """Return all rows in random order, `batch_size` at a time; the last may be fewer."""
        order = torch.from_numpy(rng.permutation(len(self.s))).to(self.s.device)
        columns = (torch.split(column[order], batch_size) for column in self)
        return map(Rollout._make, zip(*columns, strict=True))


class RolloutBuffer:
    """Up to `length` steps of N environments, in order."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.steps = 0
        self.transitions: list[Transition] = []

    @property
    def is_full(self) -> bool:
        """Whether the rollout is complete."""
        return len(self.transitions) >= self.length

    def add(self, transition: Transition) -> None:
        """Append one step of N environments."""
        self.transitions.append(transition)
        self.steps += len(transition.reward)

    def drain(self, device: torch.device) -> list[Tensor]:
        """Return the columns of Transition as tensors (T, N, ...), and empty the buffer."""
        columns = self._columns()
        self.transitions = []
        return [to_tensor(column, device) for column in columns.values()]

    def get_state(self) -> dict[str, Any]:
        """Return the number of all steps so far, and the buffered ones by column."""
        return {"steps": self.steps, **(self._columns() if self.transitions else {})}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state."""
        self.steps = state["steps"]
        columns = [state[name] for name in Transition._fields if name in state]
        self.transitions = [Transition(*row) for row in zip(*columns, strict=True)]

    def _columns(self) -> dict[str, Array]:
        columns = zip(*self.transitions, strict=True)
        return {
            name: np.stack(column) for name, column in zip(Transition._fields, columns, strict=True)
        }


class PPO(Learner):
    """Proximal Policy Optimization."""

    SETTINGS = PPOSettings
    ACTION_SPACES = (Box, Discrete, MultiDiscrete)
    settings: PPOSettings

    def __init__(
        self, observation: Box, action: Space, settings: PPOSettings, seed: int, device: str = "cpu"
    ) -> None:
        super().__init__(observation, action, settings, seed, device)
        with fork_torch_rng(self.weight_seed):
            self.net = ActorCritic(observation, action, settings)
        self.reward_normalizer = RewardNormalizer(settings.gamma)
        self.networks = {"policy": self.net.policy_modules, "critic": self.net.critic}
        self.to_device()
        self.optimizers = {"all": Adam(settings.learning_rate, *self.networks.values())}
        self.buffer = RolloutBuffer(settings.rollout_steps)
        self.last_sample: tuple[Array, Array] | None = None
        """Actions that `act` sampled last, and what they were squashed from."""
        self.stateful = {"rollout": self.buffer, "returns": self.reward_normalizer}

    @torch.no_grad()
    def act(self, observation: Array, *, explore: bool) -> Array:
        """Return samples of the policy, or its mode without `explore`."""
        pi = self._policy(observation)
        if not explore:
            return pi.mode().cpu().numpy()
        a = pi.sample(self.generator)[0]
        action = a.cpu().numpy()
        self.last_sample = (action, pi.unsquash(a).cpu().numpy())
        return action

    @torch.no_grad()
    def value_and_std(self, observation: Array) -> tuple[Array, Array]:
        """Return V(s) in units of rewards, (N,), and the policy's std (N, A)."""
        s = self.net.normalizer(self.to_tensor(observation))
        scale = self.reward_normalizer.statistics.scale if self.settings.normalize_reward else 1.0
        v = self.net.value(s) / scale
        return v.cpu().numpy(), self.net.policy(s).std().cpu().numpy()

    def observe(self, transition: Transition) -> None:
        """Append one step of N environments to the rollout, with unsquashed actions."""
        self.buffer.add(transition._replace(action=self._unsquash(transition)))

    def _policy(self, observation: Array) -> Distribution:
        return self.net.policy(self.net.normalizer(self.to_tensor(observation)))

    @torch.no_grad()
    def _unsquash(self, transition: Transition) -> Array:
        """Return what the actions of a transition were squashed from, (N, A) or (N,)."""
        action = transition.action
        if self.last_sample is not None and np.array_equal(action, self.last_sample[0]):
            return self.last_sample[1]
        # Actions from elsewhere: only their inverse is left.
        pi = self._policy(transition.observation)
        return pi.unsquash(torch.as_tensor(action, device=self.device)).cpu().numpy()

    def update(self) -> dict[str, float]:
        """Take the epochs over a complete rollout: the algorithm box.

        Return {} until it is complete.
        """
        if not self.buffer.is_full:
            return {}
        cfg = self.settings
        optimizer = self.optimizers["all"]
        learning_rate = self.schedule_learning_rate(self.buffer.steps)

        observation, *columns = self.buffer.drain(self.device)
        is_first = self.net.normalizer.is_empty
        if is_first:
            self.net.normalizer.update(observation.flatten(0, 1))
        rollout = self.prepare_rollout(observation, *columns)
        for _ in range(cfg.epochs):
            for batch in rollout.minibatches(cfg.batch_size, self.rng):
                gradient_step(optimizer, self.loss(batch), cfg.max_grad_norm)
            if cfg.target_kl is not None:
                approx_kl = self.diagnostics(rollout)["losses/approx_kl"]
                if approx_kl > cfg.target_kl:
                    break
        metrics = {**self.diagnostics(rollout), "charts/learning_rate": learning_rate}

        # Update the observation statistics last: log pi_old must use the statistics used while
        # acting. Only in the first rollout it does not: that one was acted without statistics, and
        # is learned from with its own, for both pi and pi_old.
        if not is_first:
            self.net.normalizer.update(observation.flatten(0, 1))
        return metrics

    @torch.no_grad()
    def prepare_rollout(
        self, s: Tensor, a: Tensor, r: Tensor, s2: Tensor, terminated: Tensor, truncated: Tensor
    ) -> Rollout:
        """Return a rollout (T, N, ...) as T N rows, with log pi_old, V_old, A and R."""
        cfg = self.settings
        s = self.net.normalizer(s)
        s2 = self.net.normalizer(s2)
        if cfg.normalize_reward:
            r = self.reward_normalizer(r, torch.maximum(terminated, truncated))
        pi, v_old = self.net(s)
        v2 = self.net.value(s2)
        A = compute_gae(r, v_old, v2, terminated, truncated, cfg.gamma, cfg.gae_lambda)
        columns = (s, a, pi.log_prob_unsquashed(a), v_old, A, A + v_old)
        return Rollout(*(column.flatten(0, 1) for column in columns))

    @torch.enable_grad()  # An environment may have switched gradients off.
    def loss(self, batch: Rollout) -> Tensor:
        """Return L."""
        cfg = self.settings
        pi, v = self.net(batch.s)
        ratio = (pi.log_prob_unsquashed(batch.a) - batch.log_pi_old).exp()  # (B,)
        policy_loss = self.policy_loss(ratio, batch.A)
        value_loss = self.value_loss(v, batch.v_old, batch.R)
        loss = policy_loss + cfg.value_coef * value_loss
        if cfg.entropy_coef:
            loss = loss - cfg.entropy_coef * pi.entropy().mean()
        return loss

    def policy_loss(self, ratio: Tensor, A: Tensor) -> Tensor:
        """Return L_clip."""
        if self.settings.normalize_advantage:
            std, mean = torch.std_mean(A, correction=0)
            A = (A - mean) / (std + 1e-8)
        eps = self.settings.clip_range
        clipped = ratio.clamp(1.0 - eps, 1.0 + eps)
        return -torch.minimum(ratio * A, clipped * A).mean()

    def value_loss(self, v: Tensor, v_old: Tensor, R: Tensor) -> Tensor:
        """Return L_V; `value_clip_range` takes the larger error of V and of V clipped to V_old."""
        clip_range = self.settings.value_clip_range
        if clip_range is None:
            return 0.5 * functional.mse_loss(v, R)
        clipped = v_old + (v - v_old).clamp(-clip_range, clip_range)
        return 0.5 * torch.maximum((v - R).square(), (clipped - R).square()).mean()

    @torch.no_grad()
    def diagnostics(self, rollout: Rollout) -> dict[str, float]:
        """Return the losses and other metrics of the policy and the value over the whole rollout.

        KL(pi_old || pi) is estimated as E[ (ratio - 1) - log ratio ], which is never negative
        (Schulman, 2020, "Approximating KL divergence").
        """
        pi, v = self.net(rollout.s)
        log_ratio = pi.log_prob_unsquashed(rollout.a) - rollout.log_pi_old
        ratio = log_ratio.exp()
        residual_variance = (rollout.R - rollout.v_old).var(correction=0)
        return_variance = rollout.R.var(correction=0).clamp(min=1e-8)
        metrics = {
            "losses/policy_loss": self.policy_loss(ratio, rollout.A),
            "losses/value_loss": self.value_loss(v, rollout.v_old, rollout.R),
            "losses/entropy": pi.entropy().mean(),
            "losses/approx_kl": (ratio - 1.0 - log_ratio).mean(),
            "losses/clipfrac": ((ratio - 1.0).abs() > self.settings.clip_range).float().mean(),
            "losses/explained_variance": 1.0 - residual_variance / return_variance,
        }
        return {name: metric.item() for name, metric in metrics.items()}
