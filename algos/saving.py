"""What a learner is, as plain groups of arrays and values, and back again."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from algos.updates import Adam
from toolkit.errors import WorkError

State = dict[str, dict[str, Any]]
"""Groups of numpy arrays and plain values."""


class Part(Protocol):
    """A piece of a learner that remembers something."""

    def state(self) -> dict[str, Any]:
        """What it remembers, as numpy arrays and plain values."""

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take a saved state back."""


class Saved(Protocol):
    """What has a state that makes going on exact."""

    networks: dict[str, nn.Module]
    """All that has weights, by name; `policy` is what acts."""
    optimizers: dict[str, Adam]
    parts: dict[str, Part]
    """Whatever else makes going on exact: buffers, counters, statistics."""
    rng: np.random.Generator
    generator: torch.Generator


def state_of(owner: Saved) -> State:
    """All that makes going on exact."""
    state: State = {group_of(name): _arrays(module) for name, module in owner.networks.items()}
    state |= {name: part.state() for name, part in _parts(owner).items()}
    state["chance"] = {"numpy": owner.rng.bit_generator.state, "torch": owner.generator.get_state().numpy()}
    return state


def load_into(owner: Saved, state: Mapping[str, Mapping[str, Any]]) -> None:
    """Let `owner` go on from a saved state, or from those groups of one that are there."""
    for name, module in owner.networks.items():
        if group_of(name) in state:
            try:
                module.load_state_dict({key: torch.tensor(value) for key, value in state[group_of(name)].items()})
            except RuntimeError:  # Of several lines, one for every weight.
                told = f"the weights of its {name} are those of another network, or of another version: train it anew"
                raise WorkError(f"this run cannot be used: {told}") from None
    for name, part in _parts(owner).items():
        if name in state:
            try:
                part.load_state(state[name])
            except (KeyError, ValueError):
                raise WorkError(f"this run cannot go on: its {name} was saved by another version: train it anew") from None
    if "chance" in state:
        owner.rng.bit_generator.state = state["chance"]["numpy"]
        owner.generator.set_state(torch.as_tensor(state["chance"]["torch"]))


def group_of(network: str) -> str:
    """The group that holds a network's weights."""
    return "policy" if network == "policy" else f"network_{network}"


def _parts(owner: Saved) -> dict[str, Part]:
    return {**{f"optimizer_{name}": optimizer for name, optimizer in owner.optimizers.items()}, **owner.parts}


def _arrays(module: nn.Module) -> dict[str, Any]:
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in module.state_dict().items()}
