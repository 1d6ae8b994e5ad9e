"""Encoders of observations that hold an image: convolutions, and the vector beside them.

A vector passes unchanged, and an image becomes features first:

h = CoordConvNet(image)
x = (vector, tanh(LayerNorm(W h)))                                 as in DrQ, arXiv:2004.13649
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import torch
from gymnasium.spaces import Box
from torch import Tensor, nn
from torch.nn import functional

from poise.algos.base import LearnerSettings
from poise.algos.normalization import decode_vector
from poise.toolkit.conversion import FLOAT32_BYTES, PixelVectorSpace
from poise.toolkit.errors import UserError

CHUNK_SIZE = 128
"""Images encoded at once where no gradient is needed, to bound the memory of large batches."""


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
