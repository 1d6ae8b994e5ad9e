"""Networks: perceptrons, one alone or several of one shape as one batched product, and the convolutions of whatever sees."""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": partial(nn.ReLU, inplace=True),
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "silu": nn.SiLU,
}


def mlp(
    sizes: Sequence[int], activation: str, gain: float | None = None, activate_last: bool = False
) -> nn.Sequential:
    """Linear layers of the given sizes with the activation between them, and after the `activate_last` if that is wanted.

    With a `gain` all weights begin orthogonal and all biases 0, the last layer's weights scaled by it.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), ACTIVATIONS[activation]()]
    network = nn.Sequential(*layers[: None if activate_last else -1])
    if gain is not None:
        linear = [layer for layer in network if isinstance(layer, nn.Linear)]
        _init_orthogonal(
            [[layer.weight] for layer in linear], [layer.bias for layer in linear], gain
        )
    return network


class CoordConvNet(nn.Sequential):
    """Pictures (N, inputs, H, W) to what is seen at fewer places (N, *shape); each convolution halves them, and ReLU follows.

    With a `patch`, the first looks at patches of so many pixels instead, side by side (arXiv:2010.11929). A convolution knows
    what, and not where: column and row, in [-1, 1], are two more inputs of the first (arXiv:1807.03247). They are the same in
    every picture, and looked at once for all of them.

    Pictures are in [-1, 1] too; or, with `of_bytes`, in [0, 255], and are taken as if they had been brought there:
    x / 127.5 - 1 is a smaller weight for x, and one more input that is always -1, which costs less than to change every pixel.
    """

    def __init__(
        self,
        image_size: tuple[int, int],
        in_channels: int,
        channels: Sequence[int],
        patch_size: int = 0,
        *,
        is_uint8: bool = False,
    ) -> None:
        height, width = image_size
        rows, columns = torch.meshgrid(
            torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij"
        )
        layers: list[nn.Module] = []
        for index, (before, after) in enumerate(pairwise((in_channels + 2, *channels))):
            kernel, stride = (patch_size, patch_size) if patch_size and index == 0 else (3, 2)
            # As much around the picture as makes every pixel seen.
            around = (
                [1, 1]
                if kernel > stride
                else [(-pixels % patch_size + 1) // 2 for pixels in (height, width)]
            )
            layers += [
                nn.Conv2d(before, after, kernel, stride, padding=(around[0], around[1])),
                nn.ReLU(),
            ]
            height, width = math.ceil(height / stride), math.ceil(width / stride)
        super().__init__(*layers)
        self.output_shape = (channels[-1], height, width)
        self.input_scale = 1.0 / 127.5 if is_uint8 else 1.0
        always = torch.full((in_channels, *image_size), -1.0 if is_uint8 else 0.0)
        self.register_buffer(
            "always", torch.cat((always, torch.stack((columns, rows))))[None], persistent=False
        )

    def forward(self, images: Tensor) -> Tensor:
        """What is seen."""
        first, *others = self
        assert isinstance(first, nn.Conv2d)
        of_pictures = self.input_scale * first.weight[:, : images.shape[1]]
        seen = functional.conv2d(images, of_pictures, None, first.stride, first.padding)
        seen = seen + functional.conv2d(
            self.get_buffer("always"), first.weight, first.bias, first.stride, first.padding
        )
        for layer in others:
            seen = layer(seen)
        return seen


class Ensemble(nn.Module):
    """`members` perceptrons of one shape, computed together: inputs (B, I) to outputs (members, B).

    One batched product instead of one for each member: half the calls for twin critics. Initialised as nn.Linear is.
    """

    def __init__(
        self, members: int, sizes: Sequence[int], activation: str, gain: float | None = None
    ) -> None:
        super().__init__()
        self.members = members
        self.activation = ACTIVATIONS[activation]()
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for inputs, outputs in pairwise(sizes):
            bound = 1.0 / math.sqrt(inputs)
            self.weights.append(
                nn.Parameter(torch.empty(members, inputs, outputs).uniform_(-bound, bound))
            )
            self.biases.append(
                nn.Parameter(torch.empty(members, 1, outputs).uniform_(-bound, bound))
            )
        if gain is not None:
            _init_orthogonal(list(self.weights), self.biases, gain)

    def __call__(self, inputs: Tensor, members: int | None = None) -> Tensor:
        """The value of each row of `inputs` to each member, or to the first few."""
        return cast(Tensor, super().__call__(inputs, members))

    def forward(self, inputs: Tensor, members: int | None = None) -> Tensor:
        """The value of each row of `inputs` to each member, or to the first few."""
        hidden: Tensor = inputs.expand(members or self.members, *inputs.shape)
        weights = list(self.weights)
        biases = list(self.biases)
        if members is not None:
            weights, biases = ([part[:members] for part in parts] for parts in (weights, biases))
        for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            if layer:
                hidden = self.activation(hidden)
            if layer < len(weights) - 1:
                hidden = torch.baddbmm(bias, hidden, weight)
        # The last layer has one unit: multiplying and adding up is quicker than a matrix product of one column.
        values: Tensor = (hidden * weights[-1].transpose(1, 2)).sum(-1) + biases[-1].squeeze(-1)
        return values


@torch.no_grad()
def _init_orthogonal(
    weights: Sequence[Iterable[Tensor]], biases: Iterable[Tensor], gain: float
) -> None:
    """Orthogonal weights (arXiv:1312.6120), layer by layer and member by member; sqrt(2) for all layers but the last."""
    for layer, matrices in enumerate(weights, 1):
        for matrix in matrices:
            nn.init.orthogonal_(matrix, gain if layer == len(weights) else math.sqrt(2.0))
    for bias in biases:
        bias.zero_()
