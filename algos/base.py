"""Learner: the spaces, settings, random streams and saved state that all algorithms share."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar, Protocol

import gymnasium
import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from poise.algos.optim import Adam, scheduled_lr, to_tensor
from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.experience import Transition
from poise.toolkit.settings import Settings
from poise.toolkit.spaces import Array

State = dict[str, dict[str, Any]]
"""Groups of numpy arrays and plain values, by name."""

Space = gymnasium.Space[Any]

LayerSize = Annotated[int, Field(ge=1, le=65536)]


class Stateful(Protocol):
    """A part of a learner with a state of its own: an optimizer, a buffer, counters, statistics."""

    def get_state(self) -> dict[str, Any]:
        """Return the state as numpy arrays and plain values."""

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state."""


class Checkpointable(Protocol):
    """An object whose full training state can be saved, for bit-exact resume."""

    networks: dict[str, nn.Module]
    """All modules with weights, by name; `policy` is what acts."""
    optimizers: dict[str, Adam]
    stateful: dict[str, Stateful]
    """All else that exact resume needs: buffers, counters, statistics."""
    rng: np.random.Generator
    generator: torch.Generator


def state_dict(owner: Checkpointable) -> State:
    """Return the full training state, for bit-exact resume.

    Raises:
        WorkError: a weight or a moment of an optimizer is not finite; buffers hold finite numbers.
    """
    state: State = {group_name(name): _to_numpy(module) for name, module in owner.networks.items()}
    state |= {name: optimizer.get_state() for name, optimizer in _optimizers(owner).items()}
    for name, group in state.items():
        if not all(np.isfinite(values).all() for values in group.values()):
            raise WorkError(f"{name} is not finite; a smaller learning_rate may help")
    state |= {name: stateful.get_state() for name, stateful in owner.stateful.items()}
    state["rng"] = {
        "numpy": owner.rng.bit_generator.state,
        "torch": owner.generator.get_state().numpy(),
    }
    return state


def load_state_dict(owner: Checkpointable, state: Mapping[str, Mapping[str, Any]]) -> None:
    """Restore the groups that a saved state holds; the others keep what they have.

    Raises:
        WorkError: a group does not fit: another version or another network saved it.

    """
    for name, module in owner.networks.items():
        group = state.get(group_name(name))
        if group is None:
            continue
        try:
            module.load_state_dict({key: torch.tensor(value) for key, value in group.items()})
        except RuntimeError:  # torch's message has one line for every weight.
            raise WorkError(
                f"this run cannot be used: the weights of its {name} are those of another "
                "network: its environment, its config or Poise has changed since; train it anew"
            ) from None
    for name, stateful in {**_optimizers(owner), **owner.stateful}.items():
        if name not in state:
            continue
        try:
            stateful.set_state(state[name])
        except (KeyError, ValueError):
            raise WorkError(
                f"this run cannot be resumed: its {name} was saved by another version: "
                "train it anew"
            ) from None
    if "rng" in state:
        owner.rng.bit_generator.state = state["rng"]["numpy"]
        owner.generator.set_state(torch.as_tensor(state["rng"]["torch"]))


def group_name(network: str) -> str:
    """Return the name of the state group that holds a network's weights."""
    return "policy" if network == "policy" else f"network_{network}"


def _optimizers(owner: Checkpointable) -> dict[str, Stateful]:
    return {f"optimizer_{name}": optimizer for name, optimizer in owner.optimizers.items()}


def _to_numpy(module: nn.Module) -> dict[str, Any]:
    tensors = module.state_dict()
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in tensors.items()}


@contextmanager
def fork_torch_rng(seed: int) -> Iterator[None]:
    """Seed torch's global stream within the block, and restore its state afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


class LearnerSettings(Settings):
    """Settings that all algorithms share."""

    learning_rate: float = Field(3e-4, gt=0, le=1, description="initial step size of all networks")
    schedule: str = Field(
        "constant",
        pattern="^(constant|linear|exponential)$",
        description="constant, linear or exponential",
    )
    schedule_steps: int = Field(
        1_000_000, ge=1, description="steps that a linear or exponential schedule takes"
    )
    final_lr_fraction: float = Field(
        0.1, gt=0, le=1, description="final learning rate, as a fraction of the initial one"
    )
    gamma: float = Field(0.99, ge=0, lt=1, description="discount factor of future rewards")
    hidden_sizes: tuple[LayerSize, ...] = Field(
        (256, 256), min_length=1, description="units of each hidden layer"
    )
    activation: str = Field(
        "relu", pattern="^(relu|tanh|elu|silu)$", description="relu, tanh, elu or silu"
    )
    orthogonal_init: bool = Field(
        False, description="orthogonal initial weights, and initial actions near the middle"
    )
    conv_channels: tuple[LayerSize, ...] = Field(
        (32, 64), min_length=1, max_length=6, description="output channels of each convolution"
    )
    patch_size: int = Field(
        4, ge=0, le=16, description="pixels of the first convolution's patches; 0: 3x3, overlapping"
    )
    asymmetric_critic: bool = Field(
        False, description="actor sees the image alone, critic the vector (arXiv:1710.06542)"
    )
    feature_dim: int = Field(64, ge=1, le=65536, description="features that an image is encoded to")
    threads: int = Field(1, ge=1, le=256, description="torch threads; exact resume needs the same")

    @property
    def actor_gain(self) -> float | None:
        """Scale of an actor's last initial weights: small, so that all states begin alike.

        None: torch's default.
        """
        return 0.01 if self.orthogonal_init else None

    @property
    def trunk_gain(self) -> float | None:
        """Scale of the last initial weights of a trunk, whose last layer is a hidden one.

        None: torch's default.
        """
        return 2.0**0.5 if self.orthogonal_init else None

    @property
    def critic_gain(self) -> float | None:
        """Scale of a critic's last initial weights. None: torch's default."""
        return 1.0 if self.orthogonal_init else None


class Learner(ABC):
    """Base of all algorithms; implements toolkit.trainer.Algorithm.

    Making a learner changes no global state: initial weights are drawn within
    `fork_torch_rng(self.weight_seed)`.
    """

    SETTINGS: ClassVar[type[LearnerSettings]]
    ACTION_SPACES: ClassVar[tuple[type[Space], ...]] = (gymnasium.spaces.Box,)
    """Types of action spaces that the algorithm supports."""
    settings: LearnerSettings
    checkpoint: str | None = None
    """Name of the checkpoint that it was restored from, if any."""
    has_critic: bool = True
    """Whether its critic's weights are loaded; False after only a policy was restored."""
    observation_space: gymnasium.spaces.Box
    action_space: Space
    networks: dict[str, nn.Module]
    """All modules with weights, by name; `policy` is what acts."""
    optimizers: dict[str, Adam]
    stateful: dict[str, Stateful]
    """All else that exact resume needs: buffers, counters, statistics."""

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
                f"{self.name()} needs observations in a flat Box, "
                f"this environment gives {observation_space}"
            )
        self.require_support(action_space)
        self.observation_space = observation_space
        self.action_space = action_space
        self.settings = settings
        self.device = torch.device(device)
        # Initial weights, exploration and minibatches draw from three streams of one seed.
        weights, explore, sample = np.random.SeedSequence(seed).spawn(3)
        self.weight_seed = int(weights.generate_state(1)[0])
        self.generator = torch.Generator(self.device).manual_seed(int(explore.generate_state(1)[0]))
        self.rng = np.random.default_rng(sample)

    @classmethod
    def name(cls) -> str:
        """Return the algorithm's name, in capitals."""
        return cls.__name__

    @classmethod
    def supports(cls, action_space: Space) -> bool:
        """Return whether the algorithm can act in this space."""
        is_flat = action_space.shape is not None and len(action_space.shape) <= 1
        return isinstance(action_space, cls.ACTION_SPACES) and is_flat

    @classmethod
    def require_support(cls, action_space: Space, advice: str = "") -> None:
        """Raise a UserError that ends in `advice` unless the algorithm can act in this space."""
        if not cls.supports(action_space):
            supported = " or ".join(space.__name__ for space in cls.ACTION_SPACES)
            raise UserError(
                f"{cls.name()} needs actions in a flat {supported}, "
                f"this environment takes {action_space}{advice}"
            )

    def schedule_learning_rate(self, steps: int) -> float:
        """Set the learning rate of all optimizers to that after `steps` steps, and return it."""
        cfg = self.settings
        progress = steps / cfg.schedule_steps
        learning_rate = scheduled_lr(
            cfg.learning_rate, cfg.schedule, progress, cfg.final_lr_fraction
        )
        for optimizer in self.optimizers.values():
            optimizer.learning_rate = learning_rate
        return learning_rate

    def to_device(self) -> None:
        """Move all networks to the device."""
        for network in self.networks.values():
            network.to(self.device)

    def to_tensor(self, rows: Array) -> Tensor:
        """Return rows as a float32 tensor on the device; bytes stay uint8."""
        return to_tensor(rows, self.device)

    @abstractmethod
    def act(self, observation: Array, *, explore: bool) -> Array:
        """Return actions for observations (N, O).

        They are (N, A) numbers, which environments clip to [-1, 1], or (N,) choices.
        """

    def reset(self, mask: Array | None = None, *, explore: bool) -> None:  # noqa: B027
        """Clear the policy's memory where `mask` (N,) is true; nothing to do without a memory."""

    @abstractmethod
    def value_and_std(self, observation: Array) -> tuple[Array, Array]:
        """Return the discounted return to expect (N,) and the std of exploring actions (N, A)."""

    @abstractmethod
    def observe(self, transition: Transition) -> None:
        """Record one step of N environments."""

    @abstractmethod
    def update(self) -> dict[str, float]:
        """Make the updates that are due, and return the losses by name: {} where none is due.

        Where several updates are due at once, each metric is that of the last update that computed
        it.
        """

    def state_dict(self) -> State:
        """Return the full training state; its group `policy` is enough to act without exploring."""
        return state_dict(self)

    def load_state_dict(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Restore a saved state, or those of its groups that are given."""
        load_state_dict(self, state)

    def start_from(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Begin with the networks and normalizers of another run, and with no experience."""
        self.load_state_dict(state)
