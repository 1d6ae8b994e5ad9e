"""Encoders: what a network makes of a row that holds a picture, before its own layers begin.

h = the convolutions of its picture                         algos/networks.py
x = (numbers of the row, tanh(LayerNorm(W h)))              as in DrQ, arXiv:2004.13649
"""

import math

import torch
from gymnasium.spaces import Box
from torch import Tensor, nn

from algos.base import LearnerSettings
from algos.networks import Convolutions
from algos.normalizer import numbers_of
from toolkit.rows import FLOAT, PictureRows

PORTION = 512
"""Pictures that are looked at at once where no gradient is wanted."""


class Encoder(nn.Module):
    """Rows (..., bytes) of pictures, and of numbers before them, to features (..., F)."""

    def __init__(self, rows: PictureRows, settings: LearnerSettings) -> None:
        super().__init__()
        self.rows, self.features = rows, rows.numbers + settings.features
        height, width, channels = rows.picture
        convolutions = Convolutions((height, width), channels, settings.channels)
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
        pixels = picture.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)
        return torch.cat((numbers_of(rows, self.rows.numbers), self.layers(pixels)), -1)


class Plain(nn.Identity):
    """Rows of numbers, which need no encoder."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features


def encoder(observation: Box, settings: LearnerSettings) -> Encoder | Plain:
    """The encoder for what a world shows."""
    if isinstance(observation, PictureRows):
        return Encoder(observation, settings)
    return Plain(observation.shape[0])
