"""A translator from pictures to joint state: what an eye sees, as the numbers that a policy understands.

    x   = (R, G, B, column, row), each in [-1, 1]: a convolution knows what, and these two tell it where (arXiv:1807.03247)
    h   = three convolutions of stride 2, each followed by ReLU: half the size and twice the channels
    y   = W2 ReLU(W1 h)                                        in units of the signals' own spread
    L   = E[ |y - (signals - mean) / spread|^2 ]

`mean` and `spread` are those of the frames that teach; so a translator that has learned nothing says the mean.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from algos.base import Units
from algos.saving import State, load_into, state_of
from algos.updates import Adam, descend, scheduled
from toolkit.settings import Settings
from toolkit.signals import Array


class TranslatorSettings(Settings):
    """What a translator lets its user choose."""

    signals: tuple[str, ...] = Field(("pose",), min_length=1, description="the world's signals that it reads from a picture")
    channels: tuple[Units, ...] = Field((16, 32, 64), min_length=1, max_length=6, description="of each convolution")
    hidden: int = Field(128, ge=1, le=65536, description="units between the last convolution and the signals")
    batch: int = Field(128, ge=1, le=65536, description="pictures in a minibatch")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="step size to start from")
    schedule: str = Field("exponential", pattern="^(constant|linear|exponential)$", description="constant, linear or exponential")
    final: float = Field(0.03, gt=0, le=1, description="part of the learning rate that is left at the last step")
    threads: int = Field(1, ge=1, le=256, description="torch threads; part of what makes a run exact")


class Eye(nn.Module):
    """The convolutions and the two layers after them: pictures (N, 3, H, W) in [-1, 1] to (N, S)."""

    def __init__(self, height: int, width: int, outputs: int, settings: TranslatorSettings) -> None:
        super().__init__()
        rows, columns = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
        self.register_buffer("where", torch.stack((columns, rows))[None], persistent=False)
        self.register_buffer("mean", torch.zeros(outputs))
        self.register_buffer("spread", torch.ones(outputs))
        layers: list[nn.Module] = []
        before = 5
        for channels in settings.channels:
            layers += [nn.Conv2d(before, channels, 3, stride=2, padding=1), nn.ReLU()]
            before, height, width = channels, (height + 1) // 2, (width + 1) // 2
        head = (nn.Linear(before * height * width, settings.hidden), nn.ReLU(), nn.Linear(settings.hidden, outputs))
        self.layers = nn.Sequential(*layers, nn.Flatten(), *head)

    def forward(self, pictures: Tensor) -> Tensor:
        """Y."""
        where = self.get_buffer("where").expand(len(pictures), -1, -1, -1)
        y: Tensor = self.layers(torch.cat((pictures, where), dim=1))
        return y


class Translator:
    """Reads signals (N, S) from pictures (N, H, W, 3) uint8, and learns to by examples."""

    def __init__(self, size: tuple[int, int], outputs: int, settings: TranslatorSettings, seed: int, device: str = "cpu") -> None:
        self.settings, self.size, self.device = settings, size, torch.device(device)
        torch.set_num_threads(settings.threads)
        weights, sample = np.random.SeedSequence(seed).spawn(2)
        torch.manual_seed(int(weights.generate_state(1)[0]))
        self.rng = np.random.default_rng(sample)
        self.generator = torch.Generator(self.device)
        # Pictures come with the colours of a pixel side by side; so laid out, convolutions take two thirds of the time.
        self.eye = Eye(*size, outputs, settings).to(self.device)
        nn.utils.convert_conv2d_weight_memory_format(self.eye, torch.channels_last)
        self.networks: dict[str, nn.Module] = {"policy": self.eye}
        self.optimizers = {"eye": Adam(settings.learning_rate, self.eye)}
        self.parts: dict[str, Any] = {}

    def standardize(self, values: Array, sizes: Sequence[int]) -> None:
        """Take mean and spread from signals (N, S); one spread for all numbers of a signal, so that metres stay metres."""
        mean = values.mean(0)
        spreads = [max(1e-6, float((values - mean)[:, low:high].std())) for low, high in pairwise(np.cumsum((0, *sizes)))]
        self.eye.get_buffer("mean").copy_(torch.as_tensor(mean))
        self.eye.get_buffer("spread").copy_(torch.as_tensor(np.repeat(spreads, sizes)))

    @torch.no_grad()
    def translate(self, frames: Array) -> Array:
        """The signals (N, S), in their own units, that pictures (N, H, W, 3) uint8 show."""
        y = [self.eye(self._pictures(frames[first : first + 512])) for first in range(0, len(frames), 512)]
        values: Array = (torch.cat(y) * self.eye.get_buffer("spread") + self.eye.get_buffer("mean")).cpu().numpy()
        return values

    def learn(self, frames: Array, values: Array, part: float) -> dict[str, float]:
        """One step on pictures and their signals, when `part` of the training has gone by; the loss."""
        c, optimizer = self.settings, self.optimizers["eye"]
        optimizer.learning_rate = scheduled(c.learning_rate, c.schedule, part, c.final)
        loss = self.loss(frames, values)
        descend(optimizer, loss)
        return {"losses/translation": loss.item()}

    def loss(self, frames: Array, values: Array) -> Tensor:
        """L."""
        wanted = (torch.as_tensor(values, device=self.device) - self.eye.get_buffer("mean")) / self.eye.get_buffer("spread")
        loss: Tensor = (self.eye(self._pictures(frames)) - wanted).square().mean()
        return loss

    def _pictures(self, frames: Array) -> Tensor:
        """Pictures (N, H, W, 3) uint8 as (N, 3, H, W) in [-1, 1]."""
        pictures = torch.from_numpy(np.ascontiguousarray(frames)).to(self.device).permute(0, 3, 1, 2)
        return pictures.to(torch.float32).div_(127.5).sub_(1.0)

    def state(self) -> State:
        """All that makes going on exact."""
        return state_of(self)

    def load_state(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Go on from a saved state; the group `policy` alone is enough to translate."""
        load_into(self, state)
