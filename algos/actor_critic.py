"""Actor and critic of the on-policy learners: pi(.|s) and V(s), with a trunk each or one for both."""

from typing import TYPE_CHECKING, Any, cast

import gymnasium
from torch import Tensor, nn

from algos.distributions import Distribution
from algos.encoder import actor, encoder
from algos.heads import head
from algos.networks import mlp
from algos.normalizer import glasses
from toolkit.errors import UserError

if TYPE_CHECKING:
    from algos.ppo import PPOSettings


class ActorCritic:
    """The networks of PPO, by the names and numbers of its settings."""

    def __init__(self, observation: gymnasium.spaces.Box, action: gymnasium.Space[Any], settings: "PPOSettings") -> None:
        self.asymmetric = settings.asymmetric
        self.normalizer = glasses(observation, settings.normalize)
        self.encoder = encoder(observation, settings)
        F, hidden, activation = self.encoder.features, settings.hidden, settings.activation
        self.head = head(action, settings.distribution, settings.log_std)
        if settings.shared and settings.asymmetric:
            raise UserError("shared=true and asymmetric=true do not go together: actor and critic see different things")
        # A shared trunk holds all hidden layers and leaves one layer each to actor and critic.
        self.trunk = mlp((F, *hidden), activation, settings.trunk_gain, last=True) if settings.shared else nn.Identity()
        sizes = hidden[-1:] if settings.shared else (F, *hidden)
        self.actor = actor(observation, settings, (*sizes, self.head.inputs))
        self.critic = mlp((*sizes, 1), activation, settings.critic_gain)
        parts = {"encoder": self.encoder, "trunk": self.trunk, "actor": self.actor, "head": self.head}
        self.policy_parts = nn.ModuleDict({"normalizer": self.normalizer, **parts})

    def __call__(self, s: Tensor) -> tuple[Distribution, Tensor]:
        """Pi(.|s) and V(s), (B,), at one look at normalized s."""
        x = self._seen(s)
        return self._policy(s, x), self._value(x)

    def policy(self, s: Tensor) -> Distribution:
        """Pi(.|s) alone."""
        return self._policy(s, self._seen(s))

    def value(self, s: Tensor) -> Tensor:
        """V(s) alone."""
        return self._value(self._seen(s))

    def _seen(self, s: Tensor) -> Tensor:
        return cast(Tensor, self.trunk(self.encoder(s)))

    def _policy(self, s: Tensor, x: Tensor) -> Distribution:
        return self.head(self.actor(s if self.asymmetric else x))

    def _value(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.critic(x)).squeeze(-1)
