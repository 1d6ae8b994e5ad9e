"""Encoders: what a network makes of a row that holds a picture, before its own layers begin.

h = the convolutions of its picture                         algos/networks.py
x = (numbers of the row, tanh(LayerNorm(W h)))              as in DrQ, arXiv:2004.13649
"""

import math
from collections.abc import Sequence

import torch
from gymnasium.spaces import Box
from torch import Tensor, nn

from poise.algos.base import LearnerSettings
from poise.algos.networks import CoordConvNet, mlp
from poise.algos.normalization import decode_vector
from poise.toolkit.errors import UserError
from poise.toolkit.wrappers import FLOAT32_BYTES, PixelVectorSpace

CHUNK_SIZE = 128
"""Pictures that are looked at at once where no gradient is wanted."""


class PixelEncoder(nn.Module):
    """Rows (..., bytes) of pictures, and of numbers before them, to features (..., F); of pictures alone, without `numbers`."""

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
        last = nn.Linear(math.prod(convolutions.output_shape), settings.feature_dim)
        self.layers = nn.Sequential(
            convolutions, nn.Flatten(), last, nn.LayerNorm(settings.feature_dim), nn.Tanh()
        )
        # A pixel's colours lie side by side in a row; so laid out, convolutions take two thirds of the time.
        nn.utils.convert_conv2d_weight_memory_format(self, torch.channels_last)

    def forward(self, rows: Tensor) -> Tensor:
        """X."""
        flat = rows.reshape(-1, rows.shape[-1])
        portions = (flat,) if torch.is_grad_enabled() else torch.split(flat, CHUNK_SIZE)
        return torch.cat([self._encode(portion) for portion in portions]).reshape(
            *rows.shape[:-1], -1
        )

    def _encode(self, rows: Tensor) -> Tensor:
        picture = rows[:, FLOAT32_BYTES * self.observation_space.state_size :].reshape(
            -1, *self.observation_space.image_shape
        )
        return torch.cat(
            (
                decode_vector(rows, self.vector_size),
                self.layers(picture.permute(0, 3, 1, 2).float()),
            ),
            -1,
        )


class StateEncoder(nn.Module):
    """The numbers alone of rows that hold a picture too."""

    def __init__(self, observation_space: PixelVectorSpace) -> None:
        super().__init__()
        self.feature_dim = observation_space.state_size

    def forward(self, rows: Tensor) -> Tensor:
        """X."""
        return decode_vector(rows, self.feature_dim)


class Identity(nn.Identity):
    """Rows of numbers, which need no encoder."""

    def __init__(self, feature_dim: int) -> None:
        super().__init__()
        self.feature_dim = feature_dim


def make_encoder(
    observation_space: Box, settings: LearnerSettings
) -> PixelEncoder | StateEncoder | Identity:
    """What an environment's rows are seen through, by actor and critic; where these are `asymmetric`, by the critic alone."""
    if settings.asymmetric_critic:
        if not isinstance(observation_space, PixelVectorSpace) or not observation_space.state_size:
            raise UserError(
                "asymmetric_critic=true needs numbers beside a picture: --env-set observation=both --env-set goal=both"
            )
        return StateEncoder(observation_space)
    return (
        PixelEncoder(observation_space, settings)
        if isinstance(observation_space, PixelVectorSpace)
        else Identity(observation_space.shape[0])
    )


def make_actor(
    observation_space: Box, settings: LearnerSettings, sizes: Sequence[int]
) -> nn.Sequential:
    """An actor's layers, of these sizes, from an encoder's features on; if `asymmetric`, from rows on, with an eye of its own."""
    eye: list[nn.Module] = []
    if isinstance(observation_space, PixelVectorSpace) and settings.asymmetric_critic:
        eye = [PixelEncoder(observation_space, settings, include_vector=False)]
        sizes = (settings.feature_dim, *sizes[1:])
    return nn.Sequential(*eye, *mlp(sizes, settings.activation, settings.actor_gain))
