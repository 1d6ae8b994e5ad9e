"""Actor and critic of the on-policy learners: pi(.|s) and V(s), with a trunk each or one for both."""

from typing import TYPE_CHECKING, Any, cast

import gymnasium
from torch import Tensor, nn

from algos.distributions import Distribution
from algos.heads import head
from algos.networks import mlp
from algos.normalizer import glasses

if TYPE_CHECKING:
    from algos.ppo import PPOSettings


class ActorCritic:
    """The networks of PPO, by the names and numbers of its settings."""

    def __init__(self, observation: gymnasium.spaces.Box, action: gymnasium.Space[Any], settings: "PPOSettings") -> None:
        O, hidden, activation = observation.shape[0], settings.hidden, settings.activation
        self.normalizer = glasses(O, settings.normalize)
        self.head = head(action, settings.distribution, settings.log_std)
        # A shared trunk holds all hidden layers and leaves one layer each to actor and critic.
        self.trunk = mlp((O, *hidden), activation, settings.trunk_gain, last=True) if settings.shared else nn.Identity()
        sizes = hidden[-1:] if settings.shared else (O, *hidden)
        self.actor = mlp((*sizes, self.head.inputs), activation, settings.actor_gain)
        self.critic = mlp((*sizes, 1), activation, settings.critic_gain)
        parts = {"normalizer": self.normalizer, "trunk": self.trunk, "actor": self.actor, "head": self.head}
        self.policy_parts = nn.ModuleDict(parts)

    def policy(self, s: Tensor) -> Distribution:
        """pi(.|s) for normalized s."""
        return self.head(self.actor(self.trunk(s)))

    def value(self, s: Tensor) -> Tensor:
        """V(s), (B,), for normalized s."""
        return cast(Tensor, self.critic(self.trunk(s))).squeeze(-1)
