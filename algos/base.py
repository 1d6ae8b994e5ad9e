"""Learner: what the algorithms share: spaces, settings, chance, and a state that can be saved and taken back."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import gymnasium
import numpy as np
import torch
from pydantic import Field
from torch import nn

from toolkit.errors import UserError
from toolkit.experience import Transition
from toolkit.settings import Settings
from toolkit.signals import Array

Units = Annotated[int, Field(ge=1, le=65536)]
State = dict[str, dict[str, Any]]
"""Groups of numpy arrays and plain values. The group `policy` is all that acting without exploring needs."""


class LearnerSettings(Settings):
    """What every algorithm lets its user choose."""

    gamma: float = Field(0.99, ge=0, lt=1, description="discount of the next step's reward")
    hidden: tuple[Units, ...] = Field((256, 256), min_length=1, description="units of each hidden layer")
    activation: str = Field("relu", pattern="^(relu|tanh|elu|silu)$", description="relu, tanh, elu or silu")
    threads: int = Field(1, ge=1, le=256, description="torch threads; part of what makes a run exact")


class Learner(ABC):
    """The base of all algorithms; it fulfils toolkit.trainer.Algorithm."""

    SETTINGS: ClassVar[type[LearnerSettings]]
    settings: LearnerSettings
    checkpoint: str | None = None
    """Where it was restored from, if it was."""
    observation_space: gymnasium.spaces.Box
    action_space: gymnasium.spaces.Box
    networks: dict[str, nn.Module]
    """All that has weights, by name; `policy` is what acts."""
    optimizers: dict[str, torch.optim.Optimizer]

    def __init__(
        self,
        observation: gymnasium.Space[Any],
        action: gymnasium.Space[Any],
        settings: LearnerSettings,
        seed: int,
        device: str = "cpu",
    ) -> None:
        if not isinstance(observation, gymnasium.spaces.Box) or len(observation.shape) != 1:
            raise UserError(f"{self.name()} needs observations in a flat Box, this world gives {observation}")
        if not isinstance(action, gymnasium.spaces.Box) or len(action.shape) != 1:
            raise UserError(f"{self.name()} needs actions in a flat Box, this world takes {action}")
        self.observation_space, self.action_space = observation, action
        self.settings = settings
        self.device = torch.device(device)
        torch.set_num_threads(settings.threads)
        # Initial weights, exploration and minibatches draw from three streams of one seed.
        weights, explore, sample = np.random.SeedSequence(seed).spawn(3)
        torch.manual_seed(int(weights.generate_state(1)[0]))
        self.generator = torch.Generator(self.device).manual_seed(int(explore.generate_state(1)[0]))
        self.rng = np.random.default_rng(sample)

    @classmethod
    def name(cls) -> str:
        """The algorithm's name, as people type it but in capitals."""
        return cls.__name__

    @abstractmethod
    def act(self, observation: Array, *, explore: bool) -> Array:
        """Actions (N, A) in [-1, 1] for observations (N, O)."""

    @abstractmethod
    def observe(self, transition: Transition) -> None:
        """Take in one step of N worlds."""

    @abstractmethod
    def learn(self) -> dict[str, float]:
        """Improve; the losses by name, or {} when it is not yet time."""

    def state(self) -> State:
        """All that makes going on exact."""
        state: State = {f"network_{name}": _arrays(module.state_dict()) for name, module in self.networks.items()}
        state["policy"] = state.pop("network_policy")
        for name, optimizer in self.optimizers.items():
            slots = optimizer.state_dict()["state"]
            state[f"optimizer_{name}"] = {
                f"{index}.{slot}": value.cpu().numpy().copy() for index, values in slots.items() for slot, value in values.items()
            }
        state["chance"] = {"numpy": self.rng.bit_generator.state, "torch": self.generator.get_state().numpy()}
        return state

    def load_state(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Go on from a saved state; a state with the group `policy` alone is enough to act."""
        for name, module in self.networks.items():
            group = "policy" if name == "policy" else f"network_{name}"
            if group in state:
                module.load_state_dict({key: torch.tensor(value) for key, value in state[group].items()})
        for name, optimizer in self.optimizers.items():
            if slots := state.get(f"optimizer_{name}"):
                whole = optimizer.state_dict()
                whole["state"] = {}
                for key, value in slots.items():
                    index, _, slot = key.partition(".")
                    whole["state"].setdefault(int(index), {})[slot] = torch.tensor(value)
                optimizer.load_state_dict(whole)
        if "chance" in state:
            self.rng.bit_generator.state = state["chance"]["numpy"]
            self.generator.set_state(torch.as_tensor(state["chance"]["torch"]))


def _arrays(tensors: Mapping[str, torch.Tensor]) -> dict[str, Array]:
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in tensors.items()}
