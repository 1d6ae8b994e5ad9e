"""Learner: what the algorithms share: spaces, settings, chance, and a state that can be saved and taken back."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Protocol

import gymnasium
import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from poise import algos
from poise.algos.optim import Adam, to_tensor
from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.experience import Transition
from poise.toolkit.settings import Settings
from poise.toolkit.spaces import Array

State = dict[str, dict[str, Any]]
"""Groups of numpy arrays and plain values."""


class Stateful(Protocol):
    """A piece of a learner that remembers something."""

    def get_state(self) -> dict[str, Any]:
        """What it remembers, as numpy arrays and plain values."""

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take a saved state back."""


class Checkpointable(Protocol):
    """What has a state that makes going on exact."""

    networks: dict[str, nn.Module]
    """All that has weights, by name; `policy` is what acts."""
    optimizers: dict[str, Adam]
    stateful: dict[str, Stateful]
    """Whatever else makes going on exact: buffers, counters, statistics."""
    rng: np.random.Generator
    generator: torch.Generator


def state_dict(owner: Checkpointable) -> State:
    """All that makes going on exact."""
    state: State = {group_name(name): _to_numpy(module) for name, module in owner.networks.items()}
    state |= {name: part.get_state() for name, part in _all_stateful(owner).items()}
    state["rng"] = {
        "numpy": owner.rng.bit_generator.state,
        "torch": owner.generator.get_state().numpy(),
    }
    return state


def load_state_dict(owner: Checkpointable, state: Mapping[str, Mapping[str, Any]]) -> None:
    """Let `owner` go on from a saved state, or from those groups of one that are there."""
    for name, module in owner.networks.items():
        if group_name(name) in state:
            try:
                module.load_state_dict(
                    {key: torch.tensor(value) for key, value in state[group_name(name)].items()}
                )
            except RuntimeError:  # Of several lines, one for every weight.
                told = f"the weights of its {name} are those of another network, or of another version: train it anew"
                raise WorkError(f"this run cannot be used: {told}") from None
    for name, part in _all_stateful(owner).items():
        if name in state:
            try:
                part.set_state(state[name])
            except (KeyError, ValueError):
                raise WorkError(
                    f"this run cannot go on: its {name} was saved by another version: train it anew"
                ) from None
    if "rng" in state:
        owner.rng.bit_generator.state = state["rng"]["numpy"]
        owner.generator.set_state(torch.as_tensor(state["rng"]["torch"]))


def group_name(network: str) -> str:
    """The group that holds a network's weights."""
    return "policy" if network == "policy" else f"network_{network}"


def _all_stateful(owner: Checkpointable) -> dict[str, Stateful]:
    return {
        **{f"optimizer_{name}": optimizer for name, optimizer in owner.optimizers.items()},
        **owner.stateful,
    }


def _to_numpy(module: nn.Module) -> dict[str, Any]:
    return {
        name: tensor.detach().cpu().numpy().copy() for name, tensor in module.state_dict().items()
    }


LayerSize = Annotated[int, Field(ge=1, le=65536)]


Space = gymnasium.Space[Any]


class LearnerSettings(Settings):
    """What every algorithm lets its user choose."""

    gamma: float = Field(0.99, ge=0, lt=1, description="discount of the next step's reward")
    hidden_sizes: tuple[LayerSize, ...] = Field(
        (256, 256), min_length=1, description="units of each hidden layer"
    )
    activation: str = Field(
        "relu", pattern="^(relu|tanh|elu|silu)$", description="relu, tanh, elu or silu"
    )
    orthogonal_init: bool = Field(
        False, description="begin with orthogonal weights, and with actions near the middle"
    )
    conv_channels: tuple[LayerSize, ...] = Field(
        (32, 64), min_length=1, max_length=6, description="of convolutions that see pictures"
    )
    patch_size: int = Field(
        4,
        ge=0,
        le=16,
        description="pixels across of what the first of these sees at once; 0: three, overlapping",
    )
    asymmetric_critic: bool = Field(
        False,
        description="the actor sees the picture alone, the critic the numbers (arXiv:1710.06542)",
    )
    feature_dim: int = Field(64, ge=1, le=65536, description="numbers that these make of a picture")
    threads: int = Field(
        1, ge=1, le=256, description="torch threads; part of what makes a run exact"
    )

    @property
    def actor_gain(self) -> float | None:
        """How large an actor's last weights begin: small, so that all states begin alike. None: as torch has it."""
        return 0.01 if self.orthogonal_init else None

    @property
    def trunk_gain(self) -> float | None:
        """The same for a trunk, whose last layer is a hidden one."""
        return 2.0**0.5 if self.orthogonal_init else None

    @property
    def critic_gain(self) -> float | None:
        """The same for a critic."""
        return 1.0 if self.orthogonal_init else None


class Learner(ABC):
    """The base of all algorithms; it fulfils toolkit.trainer.Algorithm."""

    SETTINGS: ClassVar[type[LearnerSettings]]
    ACTION_SPACES: ClassVar[tuple[type[Space], ...]] = (gymnasium.spaces.Box,)
    """The kinds of actions it can learn."""
    settings: LearnerSettings
    checkpoint: str | None = None
    """Where it was restored from, if it was."""
    has_critic: bool = True
    """Whether it knows the value of what it sees; with a policy alone it does not."""
    observation_space: gymnasium.spaces.Box
    action_space: Space
    networks: dict[str, nn.Module]
    """All that has weights, by name; `policy` is what acts."""
    optimizers: dict[str, Adam]
    stateful: dict[
        str, Stateful
    ]  # whatever else makes going on exact: buffers, counters, statistics

    def __init__(
        self,
        observation_space: Space,
        action_space: Space,
        settings: LearnerSettings,
        seed: int,
        device: str = "cpu",
    ) -> None:
        if (
            not isinstance(observation_space, gymnasium.spaces.Box)
            or len(observation_space.shape) != 1
        ):
            raise UserError(
                f"{self.name()} needs observations in a flat Box, this environment gives {observation_space}"
            )
        if not self.supports(action_space):
            others = [
                name
                for name in algos.ALGORITHMS
                if algos.get_algorithm_class(name).supports(action_space)
            ]
            kinds = " or ".join(kind.__name__ for kind in self.ACTION_SPACES)
            advice = f"; --algo {others[0]} takes those" if others else ""
            raise UserError(
                f"{self.name()} needs actions in a flat {kinds}, this environment takes {action_space}{advice}"
            )
        self.observation_space = observation_space
        self.action_space = action_space
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

    @classmethod
    def supports(cls, action_space: Space) -> bool:
        """Whether it can learn to act in this space."""
        flat = action_space.shape is not None and len(action_space.shape) <= 1
        return isinstance(action_space, cls.ACTION_SPACES) and flat

    def to_device(self) -> None:
        """Bring all networks to the device."""
        for network in self.networks.values():
            network.to(self.device)

    def to_tensor(self, rows: Array) -> Tensor:
        """Rows of numbers as a float32 tensor on the device; rows of bytes stay bytes."""
        return to_tensor(rows, self.device)

    def actor_input(self, rows: Tensor, s: Tensor) -> Tensor:
        """What an actor begins with: s, which the encoder has made of rows; the rows, where it looks for itself."""
        return rows if self.settings.asymmetric_critic else s

    @abstractmethod
    def act(self, observation: Array, *, explore: bool) -> Array:
        """Actions for observations (N, O): (N, A) numbers, clipped to [-1, 1] by the environments, or (N,) choices."""

    @abstractmethod
    def value_and_std(self, observation: Array) -> tuple[Array, Array]:
        """What it expects to be paid from here on, discounted, (N,), and how far exploring strays from what it does, (N, A)."""

    @abstractmethod
    def observe(self, transition: Transition) -> None:
        """Take in one step of N environments."""

    @abstractmethod
    def update(self) -> dict[str, float]:
        """Improve; the losses by name, or {} when it is not yet time."""

    def state_dict(self) -> State:
        """All that makes going on exact; the group `policy` is all that acting without exploring needs."""
        return state_dict(self)

    def load_state_dict(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Go on from a saved state; a state with the group `policy` alone is enough to act."""
        load_state_dict(self, state)
