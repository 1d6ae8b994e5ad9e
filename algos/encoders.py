"""Encoders: what a network makes of a row that holds a picture, before its own layers begin.

h = the convolutions of its picture                         algos/networks.py
x = (numbers of the row, tanh(LayerNorm(W h)))              as in DrQ, arXiv:2004.13649
"""

import math
from collections.abc import Sequence

import torch
from gymnasium.spaces import Box
from poise.algos.base import LearnerSettings
from poise.algos.networks import Convolutions, mlp
from poise.algos.normalization import numbers_of
from poise.toolkit.errors import UserError
from poise.toolkit.wrappers import FLOAT, PictureRows
from torch import Tensor, nn

PORTION = 128
"""Pictures that are looked at at once where no gradient is wanted."""


class Encoder(nn.Module):
    """Rows (..., bytes) of pictures, and of numbers before them, to features (..., F); of pictures alone, without `numbers`."""

    def __init__(self, rows: PictureRows, settings: LearnerSettings, *, numbers: bool = True) -> None:
        super().__init__()
        self.rows, self.told = rows, rows.numbers if numbers else 0
        self.features = self.told + settings.features
        height, width, channels = rows.picture
        convolutions = Convolutions((height, width), channels, settings.channels, settings.patch, of_bytes=True)
        last = nn.Linear(math.prod(convolutions.shape), settings.features)
        self.layers = nn.Sequential(convolutions, nn.Flatten(), last, nn.LayerNorm(settings.features), nn.Tanh())
        # A pixel's colours lie side by side in a row; so laid out, convolutions take two thirds of the time.
        nn.utils.convert_conv2d_weight_memory_format(self, torch.channels_last)

    def forward(self, rows: Tensor) -> Tensor:
        """X."""
        flat = rows.reshape(-1, rows.shape[-1])
        portions = (flat,) if torch.is_grad_enabled() else torch.split(flat, PORTION)
        return torch.cat([self._see(portion) for portion in portions]).reshape(*rows.shape[:-1], -1)

    def _see(self, rows: Tensor) -> Tensor:
        picture = rows[:, FLOAT * self.rows.numbers :].reshape(-1, *self.rows.picture)
        return torch.cat((numbers_of(rows, self.told), self.layers(picture.permute(0, 3, 1, 2).float())), -1)


class Numbers(nn.Module):
    """The numbers alone of rows that hold a picture too."""

    def __init__(self, rows: PictureRows) -> None:
        super().__init__()
        self.features = rows.numbers

    def forward(self, rows: Tensor) -> Tensor:
        """X."""
        return numbers_of(rows, self.features)


class Plain(nn.Identity):
    """Rows of numbers, which need no encoder."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features


def encoder(observation: Box, settings: LearnerSettings) -> Encoder | Numbers | Plain:
    """What a world's rows are seen through, by actor and critic; where these are `asymmetric`, by the critic alone."""
    if settings.asymmetric:
        if not isinstance(observation, PictureRows) or not observation.numbers:
            raise UserError("asymmetric=true needs numbers beside a picture: --env-set observation=both --env-set goal=both")
        return Numbers(observation)
    return Encoder(observation, settings) if isinstance(observation, PictureRows) else Plain(observation.shape[0])


def actor(observation: Box, settings: LearnerSettings, sizes: Sequence[int]) -> nn.Sequential:
    """An actor's layers, of these sizes, from an encoder's features on; if `asymmetric`, from rows on, with an eye of its own."""
    eye: list[nn.Module] = []
    if isinstance(observation, PictureRows) and settings.asymmetric:
        eye = [Encoder(observation, settings, numbers=False)]
        sizes = (settings.features, *sizes[1:])
    return nn.Sequential(*eye, *mlp(sizes, settings.activation, settings.actor_gain))
