"""Networks: multilayer perceptrons, one alone or several of the same shape as one batched product."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": partial(nn.ReLU, inplace=True),
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "silu": nn.SiLU,
}


def mlp(sizes: Sequence[int], activation: str) -> nn.Sequential:
    """Linear layers of the given sizes with the activation between them; the last layer is linear."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])


class Ensemble(nn.Module):
    """`members` perceptrons of one shape, computed together: inputs (B, I) to outputs (members, B).

    One batched product instead of one for each member: half the calls for twin critics. Initialised as nn.Linear is.
    """

    def __init__(self, members: int, sizes: Sequence[int], activation: str) -> None:
        super().__init__()
        self.members = members
        self.activation = ACTIVATIONS[activation]()
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for inputs, outputs in pairwise(sizes):
            bound = 1.0 / math.sqrt(inputs)
            self.weights.append(nn.Parameter(torch.empty(members, inputs, outputs).uniform_(-bound, bound)))
            self.biases.append(nn.Parameter(torch.empty(members, 1, outputs).uniform_(-bound, bound)))

    def __call__(self, inputs: Tensor) -> Tensor:
        """Each member's value of each row of `inputs`."""
        return cast(Tensor, super().__call__(inputs))

    def forward(self, inputs: Tensor) -> Tensor:
        """Each member's value of each row of `inputs`."""
        hidden: Tensor = inputs.expand(self.members, *inputs.shape)
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if layer:
                hidden = self.activation(hidden)
            if layer < len(self.weights) - 1:
                hidden = torch.baddbmm(bias, hidden, weight)
        # The last layer has one unit: multiplying and adding up is quicker than a matrix product of one column.
        values: Tensor = (hidden * self.weights[-1].transpose(1, 2)).sum(-1) + self.biases[-1].squeeze(-1)
        return values
