"""Networks: perceptrons, twin critics, actors, and the encoders of observations that hold an image.

Actors and critics own the encoder of their observations, so that pi(s) and Q(s, a) take
observations as they are: a vector passes unchanged, and an image becomes features first:

h = CoordConvNet(image)
x = (vector, tanh(LayerNorm(W h)))                                 as in DrQ, arXiv:2004.13649
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import pairwise
from typing import Any, Generic, TypeVar, cast

import torch
from gymnasium.spaces import Box
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from poise.algos.base import LearnerSettings
from poise.algos.normalization import decode_vector
from poise.toolkit.conversion import FLOAT32_BYTES, PixelVectorSpace
from poise.toolkit.errors import UserError

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": partial(nn.ReLU, inplace=True),
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "silu": nn.SiLU,
}

BYTES_PER_WEIGHT = 16
"""Memory of a weight in training: itself, its gradient and the two moments of Adam."""

CHUNK_SIZE = 128
"""Images encoded at once where no gradient is needed, to bound the memory of large batches."""

Output = TypeVar("Output")


class WeightLimit(TorchFunctionMode):
    """Within this block, networks may have `max_weights` weights in all: more is a UserError.

    A config from elsewhere may describe networks that the memory cannot hold. They are refused
    before their weights are allocated.

    Args:
        max_weights: None for no limit.
        source: what describes the networks, for the error.
    """

    def __init__(self, max_weights: int | None, source: object) -> None:
        super().__init__()
        self.max_weights = max_weights
        self.source = source
        self.num_weights = 0

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Count what is to be allocated, and call the function of torch."""
        if func is torch.empty and self.max_weights is not None:
            shape = args[0] if isinstance(args[0], Sequence) else args
            self.num_weights += math.prod(shape)
            if self.num_weights > self.max_weights:
                raise UserError(
                    f"{self.source}: the sizes of its layers make networks of {self.num_weights:,} "
                    f"weights or more; {self.max_weights:,} are the limit here"
                )
        return func(*args, **(kwargs or {}))


def mlp(
    sizes: Sequence[int], activation: str, gain: float | None = None, activate_last: bool = False
) -> nn.Sequential:
    """Return linear layers of these sizes with the activation between them.

    Args:
        sizes: units of the input, of each hidden layer and of the output.
        activation: a name in ACTIVATIONS.
        gain: if given, initialize all weights orthogonally and all biases to 0, and scale the last
            layer's weights by it.
        activate_last: apply the activation to the output too.

    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), ACTIVATIONS[activation]()]
    network = nn.Sequential(*layers[: None if activate_last else -1])
    if gain is not None:
        linear = [layer for layer in network if isinstance(layer, nn.Linear)]
        weights = [[layer.weight] for layer in linear]
        _init_orthogonal(weights, [layer.bias for layer in linear], gain)
    return network


class Ensemble(nn.Module):
    """`members` perceptrons of one shape and one output, computed together: (B, I) to (members, B).

    One batched product replaces one product for each member: half the calls for twin critics.
    Weights and biases are initialized as those of nn.Linear.
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
            weight = torch.empty(members, inputs, outputs).uniform_(-bound, bound)
            bias = torch.empty(members, 1, outputs).uniform_(-bound, bound)
            self.weights.append(nn.Parameter(weight))
            self.biases.append(nn.Parameter(bias))
        if gain is not None:
            _init_orthogonal(list(self.weights), self.biases, gain)

    def __call__(self, inputs: Tensor, members: int | None = None) -> Tensor:
        """Return the outputs (members, B) of all members, or of the first `members`."""
        return cast(Tensor, super().__call__(inputs, members))

    def forward(self, inputs: Tensor, members: int | None = None) -> Tensor:
        """Return the outputs (members, B) of all members, or of the first `members`."""
        weights = list(self.weights)
        biases = list(self.biases)
        if members is not None:
            weights = [weight[:members] for weight in weights]
            biases = [bias[:members] for bias in biases]
        hidden: Tensor = inputs.expand(members or self.members, *inputs.shape)  # (members, B, I)
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            hidden = self.activation(torch.baddbmm(bias, hidden, weight))
        # The last layer has one unit: product and sum are faster than a matrix product.
        outputs: Tensor = (hidden * weights[-1].transpose(1, 2)).sum(-1) + biases[-1].squeeze(-1)
        return outputs


class TwinCritic(nn.Module):
    """Q_i(s, a): the values (members, B) of observations s (B, O) and actions a (B, A).

    All members of the ensemble share one encoder, which the critics' loss trains.
    """

    def __init__(self, encoder: nn.Module, ensemble: Ensemble) -> None:
        super().__init__()
        self.encoder = encoder
        self.ensemble = ensemble

    def __call__(self, s: Tensor, a: Tensor, members: int | None = None) -> Tensor:
        """Return the values (members, B) of all members, or of the first `members`."""
        return cast(Tensor, super().__call__(s, a, members))

    def forward(self, s: Tensor, a: Tensor, members: int | None = None) -> Tensor:
        """Return the values (members, B) of all members, or of the first `members`."""
        return self.ensemble(torch.cat((self.encoder(s), a), -1), members)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Within this block the critic is a fixed function: no gradient of its weights is computed.

        An actor that shares the encoder gets the same features of s, which are computed once. The
        weights must not change within the block.
        """
        encoder = self.encoder
        is_trained = self.ensemble.weights[0].requires_grad
        self.ensemble.requires_grad_(False)
        try:
            with encoder.frozen() if isinstance(encoder, PixelEncoder) else nullcontext():
                yield
        finally:
            self.ensemble.requires_grad_(is_trained)


class Actor(nn.Module, Generic[Output]):
    """pi(s): observations s (B, O) to what `head` makes of the last layer's outputs.

    The actor's loss does not train an encoder that is shared with the critic: the critics' loss
    alone gives it features that serve both (arXiv:1910.01741).
    """

    def __init__(
        self, encoder: nn.Module, layers: nn.Sequential, head: nn.Module, *, shares_encoder: bool
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.layers = layers
        self.head = head
        self.shares_encoder = shares_encoder

    def __call__(self, s: Tensor) -> Output:
        """Return the head's output for observations (B, O): a distribution, or actions (B, A)."""
        return cast(Output, super().__call__(s))

    def forward(self, s: Tensor) -> Output:
        """Return the head's output for observations (B, O): a distribution, or actions (B, A)."""
        features = self.encoder(s)
        if self.shares_encoder:
            features = features.detach()
        return cast(Output, self.head(self.layers(features)))

    @property
    def trained_modules(self) -> nn.ModuleList:
        """All that the actor's loss trains: the layers, and the encoder unless it is shared."""
        return nn.ModuleList([self.layers] if self.shares_encoder else [self.encoder, self.layers])


class CoordConv2d(nn.Conv2d):
    """A convolution with two more input channels, column and row in [-1, 1] (arXiv:1807.03247).

    They give the position in the image, which a convolution alone does not have.

    A convolution is linear in its input channels, so the image and the channels that are the same
    for every image,
    u = (constant, column, row), are convolved apart, with the two parts of one weight:

        W * (x, column, row) + b = W_x * x + (W_u * u + b)

    The second term is computed once for the whole batch, not once for each image.

    With `is_uint8`, images are bytes in [0, 255], treated as x / 127.5 - 1 in [-1, 1]. Scaling the
    small weight costs less than scaling every pixel, and the offset is one more constant input, -1
    in every image channel:

        W_x * (x / 127.5 - 1) = (W_x / 127.5) * x + W_x * (-1)

    The offset has to be an input, and not a bias, because zero padding adds no offset outside of
    the image.
    """

    def __init__(
        self,
        image_size: tuple[int, int],
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int,
        padding: tuple[int, int],
        *,
        is_uint8: bool,
    ) -> None:
        super().__init__(in_channels + 2, out_channels, kernel_size, stride, padding)
        height, width = image_size
        rows, columns = torch.meshgrid(
            torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij"
        )
        offset = torch.full((in_channels, height, width), -1.0 if is_uint8 else 0.0)
        constant = torch.cat((offset, torch.stack((columns, rows))))
        self.input_scale = 1.0 / 127.5 if is_uint8 else 1.0
        self.register_buffer("constant_input", constant[None], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return W * (images, column, row) + b for images (N, C, H, W)."""
        image_weight = self.input_scale * self.weight[:, : images.shape[1]]
        image_term = functional.conv2d(images, image_weight, None, self.stride, self.padding)
        constant_input = self.get_buffer("constant_input")
        constant_term = functional.conv2d(
            constant_input, self.weight, self.bias, self.stride, self.padding
        )
        return image_term + constant_term


class CoordConvNet(nn.Sequential):
    """Convolutions of images (N, C, H, W) to (N, *output_shape), each followed by ReLU.

    The first is a CoordConv2d. Each convolution has a 3x3 kernel and stride 2. With a `patch_size`,
    the first has a kernel and a stride of so many pixels instead: patches side by side
    (arXiv:2010.11929). Images are in [-1, 1], or bytes with `is_uint8`.
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
        kernel = patch_size or 3
        stride = patch_size or 2
        padding = (1, 1)
        if patch_size:
            # Pad to a multiple of the patch size, so that no pixel is left out.
            padding = ((-height % patch_size + 1) // 2, (-width % patch_size + 1) // 2)
        first = CoordConv2d(
            image_size, in_channels, channels[0], kernel, stride, padding, is_uint8=is_uint8
        )
        layers: list[nn.Module] = [first, nn.ReLU()]
        height, width = math.ceil(height / stride), math.ceil(width / stride)
        for inputs, outputs in pairwise(channels):
            layers += [nn.Conv2d(inputs, outputs, 3, 2, padding=1), nn.ReLU()]
            height, width = math.ceil(height / 2), math.ceil(width / 2)
        super().__init__(*layers)
        self.output_shape = (channels[-1], height, width)


class PixelEncoder(nn.Module):
    """Rows of bytes (..., O), a vector followed by an image, to features (..., feature_dim).

    The vector passes unchanged in front of the image's features; without `include_vector` it is
    left out.
    """

    def __init__(
        self,
        observation_space: PixelVectorSpace,
        settings: LearnerSettings,
        *,
        include_vector: bool = True,
    ) -> None:
        super().__init__()
        self.observation_space = observation_space
        self.vector_size = observation_space.state_size if include_vector else 0
        self.feature_dim = self.vector_size + settings.feature_dim
        height, width, channels = observation_space.image_shape
        convolutions = CoordConvNet(
            (height, width), channels, settings.conv_channels, settings.patch_size, is_uint8=True
        )
        self.layers = nn.Sequential(
            convolutions,
            nn.Flatten(),
            nn.Linear(math.prod(convolutions.output_shape), settings.feature_dim),
            nn.LayerNorm(settings.feature_dim),
            nn.Tanh(),
        )
        # Rows hold a pixel's channels side by side. In this memory format convolutions take two
        # thirds of the time.
        nn.utils.convert_conv2d_weight_memory_format(self, torch.channels_last)
        # By id: the tensors that were encoded, kept so that ids stay unique, and their features.
        self._frozen_features: dict[int, tuple[Tensor, Tensor]] | None = None

    def forward(self, rows: Tensor) -> Tensor:
        """Return the features (..., feature_dim) of rows (..., O) uint8."""
        if self._frozen_features is None:
            return self._encode(rows)
        if id(rows) not in self._frozen_features:
            self._frozen_features[id(rows)] = (rows, self._encode(rows).detach())
        return self._frozen_features[id(rows)][1]

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Within this block, encode each tensor once, without gradients; keep weights unchanged."""
        self._frozen_features = {}
        try:
            yield
        finally:
            self._frozen_features = None

    def _encode(self, rows: Tensor) -> Tensor:
        flat = rows.reshape(-1, rows.shape[-1])
        chunks = (flat,) if torch.is_grad_enabled() else torch.split(flat, CHUNK_SIZE)
        features = torch.cat([self._encode_chunk(chunk) for chunk in chunks])
        return features.reshape(*rows.shape[:-1], -1)

    def _encode_chunk(self, rows: Tensor) -> Tensor:
        pixels = rows[:, FLOAT32_BYTES * self.observation_space.state_size :]
        images = pixels.reshape(-1, *self.observation_space.image_shape)  # (N, H, W, C)
        features = self.layers(images.permute(0, 3, 1, 2).float())
        return torch.cat((decode_vector(rows, self.vector_size), features), -1)


class StateEncoder(nn.Module):
    """Rows of bytes, a vector followed by an image, to the vector alone."""

    def __init__(self, observation_space: PixelVectorSpace) -> None:
        super().__init__()
        self.feature_dim = observation_space.state_size

    def forward(self, rows: Tensor) -> Tensor:
        """Return the vector (..., feature_dim) float32 of rows (..., O) uint8."""
        return decode_vector(rows, self.feature_dim)


class Identity(nn.Identity):
    """The encoder of observations that hold a vector only."""

    def __init__(self, feature_dim: int) -> None:
        super().__init__()
        self.feature_dim = feature_dim


Encoder = PixelEncoder | StateEncoder | Identity


def make_encoders(observation_space: Box, settings: LearnerSettings) -> tuple[Encoder, Encoder]:
    """Return the encoders of actor and critic: one and the same unless `asymmetric_critic`.

    With `asymmetric_critic`, the actor sees the image alone and the critic the vector alone
    (arXiv:1710.06542).

    Raises:
        UserError: `asymmetric_critic` where observations do not hold both a vector and an image.

    """
    if settings.asymmetric_critic:
        if not isinstance(observation_space, PixelVectorSpace) or not observation_space.state_size:
            raise UserError(
                "asymmetric_critic=true needs a vector beside the image: "
                "--env-set observation=both --env-set goal=both"
            )
        return (
            PixelEncoder(observation_space, settings, include_vector=False),
            StateEncoder(observation_space),
        )
    encoder: Encoder
    if isinstance(observation_space, PixelVectorSpace):
        encoder = PixelEncoder(observation_space, settings)
    else:
        encoder = Identity(observation_space.shape[0])
    return encoder, encoder


@torch.no_grad()
def _init_orthogonal(
    weights: Sequence[Iterable[Tensor]], biases: Iterable[Tensor], gain: float
) -> None:
    """Initialize weights orthogonally (arXiv:1312.6120) and biases to 0.

    The weights of the last layer are scaled by `gain`, those of all others by sqrt(2).
    """
    for layer, matrices in enumerate(weights, 1):
        for matrix in matrices:
            nn.init.orthogonal_(matrix, gain if layer == len(weights) else math.sqrt(2.0))
    for bias in biases:
        bias.zero_()
