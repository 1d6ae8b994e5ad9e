"""What a translator sees with: an eye for pictures, one for films, and a painter of the picture that comes next.

An eye turns films (B, T, 3, H, W) in [-1, 1] into numbers (B, T, S); what it remembers goes in and comes out beside them.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from algos.networks import Convolutions
from toolkit.signals import Array

CHANGE = 5.0
"""How much larger a change is made before it is looked at: left as it is, speeds take twice as long to be learned."""
Memory = tuple[Tensor, ...]
"""What an eye keeps of the pictures that it has seen; () before the first."""


def pictures_of(films: Array, device: torch.device) -> Tensor:
    """Films (..., T, H, W, 3) uint8 as an eye sees them: (B, T, 3, H, W) in [-1, 1]."""
    pictures = torch.from_numpy(np.ascontiguousarray(films)).to(device).reshape(-1, *films.shape[-4:])
    return pictures.movedim(-1, -3).to(torch.float32).div_(127.5).sub_(1.0)


class Eye(nn.Module):
    """Convolutions, each of which halves the picture, and two layers after them; every picture is seen on its own."""

    COLOURS = 3

    def __init__(self, size: tuple[int, int], outputs: int, channels: Sequence[int], hidden: int, memory: int = 0) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(outputs))
        self.register_buffer("spread", torch.ones(outputs))
        self.convolutions = Convolutions(size, self.COLOURS, channels)
        seen, height, width = self.convolutions.shape
        inputs = (seen + memory) * height * width
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))

    def standardize(self, values: Array, sizes: Sequence[int]) -> None:
        """Take mean and spread from signals (N, S); one spread for all numbers of a signal, so that metres stay metres."""
        away = values - (mean := np.nanmean(values, axis=0))
        spreads = [max(1e-6, float(np.nanstd(away[:, low:high]))) for low, high in pairwise(np.cumsum((0, *sizes)))]
        self.get_buffer("mean").copy_(torch.as_tensor(mean))
        self.get_buffer("spread").copy_(torch.as_tensor(np.repeat(spreads, sizes)))

    def __call__(self, films: Tensor, memory: Memory = ()) -> tuple[Tensor, Memory]:
        """The numbers (B, T, S) that films show, and what is remembered after them."""
        return cast(tuple[Tensor, Memory], super().__call__(films, memory))

    def forward(self, films: Tensor, memory: Memory = ()) -> tuple[Tensor, Memory]:
        """Y, and the memory."""
        h, memory = self.look(films, memory)
        return self.say(h), memory

    def look(self, films: Tensor, memory: Memory = ()) -> tuple[Tensor, Memory]:
        """H, as channels (B, T, C, h, w), and the memory."""
        h: Tensor = self.convolutions(films.flatten(0, 1))
        return h.view(*films.shape[:2], *h.shape[1:]), ()

    def say(self, h: Tensor) -> Tensor:
        """Y, from h."""
        y: Tensor = self.head(h.flatten(0, 1))
        return y.view(*h.shape[:2], -1)


class RecurrentEye(Eye):
    """An eye that sees what has changed since the picture before, and remembers: a ConvLSTM after the convolutions."""

    COLOURS = 6

    def __init__(self, size: tuple[int, int], outputs: int, channels: Sequence[int], hidden: int, memory: int) -> None:
        super().__init__(size, outputs, channels, hidden, memory)
        self.memory = ConvLSTM(channels[-1], memory)

    def look(self, films: Tensor, memory: Memory = ()) -> tuple[Tensor, Memory]:
        """X and H side by side, as channels (B, T, C, h, w), and the memory: the last picture, H and C."""
        before = torch.cat((memory[0] if memory else films[:, :1], films[:, :-1]), dim=1)
        x, _ = super().look(torch.cat((films, CHANGE * (films - before)), dim=2))
        h, remembered = self.memory(x, memory[1:])
        return torch.cat((x, h), dim=2), (films[:, -1:], *remembered)


class ConvLSTM(nn.Module):
    """A memory in the form of a picture (Shi et al., 2015, arXiv:1506.04214), without peepholes.

    Its gates begin by keeping what is remembered.
    """

    def __init__(self, inputs: int, memory: int) -> None:
        super().__init__()
        self.seen = nn.Conv2d(inputs, 4 * memory, 3, padding=1)
        self.remembered = nn.Conv2d(memory, 4 * memory, 3, padding=1, bias=False)
        with torch.no_grad():
            cast(Tensor, self.seen.bias)[memory : 2 * memory] += 1.0

    def __call__(self, x: Tensor, memory: Memory = ()) -> tuple[Tensor, Memory]:
        """H of every moment (B, T, M, h, w) from channels (B, T, I, h, w), and (H, C) after the last."""
        return cast(tuple[Tensor, Memory], super().__call__(x, memory))

    def forward(self, x: Tensor, memory: Memory = ()) -> tuple[Tensor, Memory]:
        """H of every moment, and (H, C) after the last. Nothing is detached: gradients go back to the first moment."""
        seen: Tensor = self.seen(x.flatten(0, 1))
        seen = seen.view(*x.shape[:2], *seen.shape[1:])
        nothing = torch.zeros_like(seen[:, 0].chunk(4, dim=1)[0])
        h, c = memory or (nothing, nothing)
        told = []
        for moment in range(x.shape[1]):
            i, f, o, g = (seen[:, moment] + self.remembered(h)).chunk(4, dim=1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            told.append(h)
        return torch.stack(told, dim=1), (h, c)


class Painter(nn.Module):
    """The convolutions' way back: from what an eye has in mind to what changes until the next picture."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip(channels, (*channels[1:], 3), strict=True):
            layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def __call__(self, films: Tensor, h: Tensor) -> Tensor:
        """The pictures (B, T, 3, H, W) that come after those of films, of which an eye has h in mind."""
        return cast(Tensor, super().__call__(films, h))

    def forward(self, films: Tensor, h: Tensor) -> Tensor:
        """P + D(h)."""
        height, width = films.shape[-2:]
        change: Tensor = self.layers(h.flatten(0, 1))[..., :height, :width]
        return films + change.reshape(films.shape)
