"""A translator from pictures to joint state: what an eye sees, as the numbers that a policy understands.

`cnn` reads every picture p on its own:

    x   = (p, column, row), each in [-1, 1]: a convolution knows what, and these two tell it where (arXiv:1807.03247)
    h   = three convolutions of stride 2, each followed by ReLU: half the size and twice the channels
    y   = W2 ReLU(W1 h)                                        in units of the signals' own spread
    L   = E[ |y - (signals - mean) / spread|^2 ]               over the numbers that are known

`convlstm` reads a film, and so speeds too; its memory (C, H) is a picture itself (Shi et al., 2015, arXiv:1506.04214):

    x_t = (p_t, 5 (p_t - p_t-1), column, row)                  what changes, and by how much
    X_t = the three convolutions of x_t
    i, f, o, g = W_x * X_t + W_h * H_t-1 + b                   * is a convolution
    C_t = sigmoid(f) C_t-1 + sigmoid(i) tanh(g)
    H_t = sigmoid(o) tanh(C_t)
    h_t = (X_t, H_t);  y_t and L as above, over all moments    gradients go back through time, to the first picture
    N   = E[ |p_t + D(h_t) - p_t+1|^2 ] / E[ |p_t - p_t+1|^2 ]  the next picture, which D paints; 1 is to say `the same again`
    L  <- L + next_frame N

`mean` and `spread` are those of the frames that teach; so a translator that has learned nothing says the mean.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from poise.algos.base import State, Units, load_into, state_of
from poise.algos.networks import Convolutions
from poise.algos.optim import Adam, descend, scheduled
from poise.toolkit.settings import Settings
from poise.toolkit.spaces import Array
from pydantic import Field, model_validator
from torch import Tensor, nn

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


FILMS = {"signals": ("pose", "speed"), "rates": ("pose",), "hidden": 256, "batch": 16, "learning_rate": 3e-3, "max_gradient": 1.0}


KINDS: dict[str, dict[str, Any]] = {"cnn": {}, "convlstm": FILMS}
"""The kinds of translators, and where their defaults are others."""


AT_ONCE = 512
"""Pictures that are translated at once."""


class TranslatorSettings(Settings):
    """What a translator lets its user choose."""

    kind: str = Field("cnn", pattern=f"^({'|'.join(KINDS)})$", description="cnn sees single pictures, convlstm films")
    signals: tuple[str, ...] = Field(("pose",), min_length=1, description="the world's signals that it reads from a picture")
    rates: tuple[str, ...] = Field((), description="signals of which it reads how fast they change; convlstm")
    channels: tuple[Units, ...] = Field((16, 32, 64), min_length=1, max_length=6, description="of each convolution")
    memory: int = Field(32, ge=1, le=65536, description="channels of the memory; convlstm")
    hidden: int = Field(128, ge=1, le=65536, description="units between the last convolution and the signals")
    film: int = Field(10, ge=2, le=1000, description="frames of a film that it learns from, at the most; convlstm")
    batch: int = Field(128, ge=1, le=65536, description="pictures in a minibatch; films, of convlstm")
    next_frame: float = Field(0.0, ge=0, le=100, description="weight of painting the next picture, 0: not at all; convlstm")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="step size to start from")
    max_gradient: float = Field(1e6, gt=0, description="length to which longer gradients are shortened")
    schedule: str = Field("exponential", pattern="^(constant|linear|exponential)$", description="constant, linear or exponential")
    final: float = Field(0.03, gt=0, le=1, description="part of the learning rate that is left at the last step")
    threads: int = Field(1, ge=1, le=256, description="torch threads; part of what makes a run exact")

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_its_kind(cls, words: Mapping[str, Any]) -> dict[str, Any]:
        return {**KINDS.get(str(words.get("kind")), {}), **words}


class Translator:
    """Reads signals (..., T, S) from films (..., T, H, W, 3) uint8, and learns to by examples.

    A `cnn` sees no films but pictures, in any order.
    """

    def __init__(self, size: tuple[int, int], outputs: int, settings: TranslatorSettings, seed: int, device: str = "cpu") -> None:
        self.settings, self.size, self.device = settings, size, torch.device(device)
        torch.set_num_threads(settings.threads)
        weights, sample = np.random.SeedSequence(seed).spawn(2)
        torch.manual_seed(int(weights.generate_state(1)[0]))
        self.rng = np.random.default_rng(sample)
        self.generator = torch.Generator(self.device)
        c, recurrent = settings, settings.kind == "convlstm"
        self.eye = (RecurrentEye if recurrent else Eye)(size, outputs, c.channels, c.hidden, c.memory if recurrent else 0)
        self.networks: dict[str, nn.Module] = {"policy": self.eye}
        if c.next_frame:
            seen = c.channels[-1] + c.memory
            self.painter = self.networks["painter"] = Painter((seen, *reversed(c.channels[:-1])))
        # Pictures come with the colours of a pixel side by side; so laid out, convolutions take two thirds of the time.
        for network in self.networks.values():
            nn.utils.convert_conv2d_weight_memory_format(network.to(self.device), torch.channels_last)
        self.optimizers = {"eye": Adam(c.learning_rate, *self.networks.values())}
        self.parts: dict[str, Any] = {}
        self.begin()

    def standardize(self, values: Array, sizes: Sequence[int]) -> None:
        """Take mean and spread from signals (N, S); one spread for all numbers of a signal, so that metres stay metres."""
        self.eye.standardize(values, sizes)

    def begin(self) -> None:
        """Let a new film begin, whose pictures `read` will be handed one by one."""
        self.memory: Memory = ()

    def read(self, picture: Array) -> Array:
        """The signals (S,), in their own units, that the next picture (H, W, 3) uint8 of a film shows."""
        values, self.memory = self._read(picture[None, None], self.memory)
        return values.reshape(-1)

    def translate(self, films: Array) -> Array:
        """The signals (..., T, S), in their own units, that whole films (..., T, H, W, 3) uint8 show."""
        several = films.reshape(-1, *films.shape[-4:])
        every, told = max(1, AT_ONCE // len(several)), []
        memory: Memory = ()
        for first in range(0, several.shape[1], every):
            values, memory = self._read(several[:, first : first + every], memory)
            told.append(values)
        together: Array = np.concatenate(told, axis=1)
        return together.reshape(*films.shape[:-3], together.shape[-1])

    def learn(self, films: Array, values: Array, part: float) -> dict[str, float]:
        """One step on films and their signals, when `part` of the training has gone by; the losses."""
        c, optimizer = self.settings, self.optimizers["eye"]
        optimizer.learning_rate = scheduled(c.learning_rate, c.schedule, part, c.final)
        losses = self.losses(films, values)
        descend(optimizer, losses["translation"] + c.next_frame * losses.get("next_frame", 0.0), c.max_gradient)
        return {f"losses/{name}": value.item() for name, value in losses.items()}

    def losses(self, films: Array, values: Array) -> dict[str, Tensor]:
        """L of films (..., T, H, W, 3) and signals (..., T, S), where NaN is what nobody knows; and N."""
        pictures = pictures_of(films, self.device)
        wanted = torch.as_tensor(values, device=self.device).reshape(*pictures.shape[:2], -1)
        wanted = (wanted - self.eye.get_buffer("mean")) / self.eye.get_buffer("spread")
        h, _ = self.eye.look(pictures)
        y, known = self.eye.say(h), ~wanted.isnan()
        losses = {"translation": (y[known] - wanted[known]).square().mean()}
        if self.settings.next_frame:
            now, following = pictures[:, :-1], pictures[:, 1:]
            wrong = (self.painter(now, h[:, :-1]) - following).square().mean()
            losses["next_frame"] = wrong / (now - following).square().mean().clamp_min(1e-9)
        return losses

    @torch.no_grad()
    def judge(self, films: Array, values: Array) -> dict[str, float]:
        """The losses of films and signals that it does not learn from."""
        return {name: value.item() for name, value in self.losses(films, values).items()}

    @torch.no_grad()
    def _read(self, films: Array, memory: Memory) -> tuple[Array, Memory]:
        """The signals (B, T, S) of films (B, T, H, W, 3), and the memory after them."""
        y, memory = self.eye(pictures_of(films, self.device), memory)
        values: Array = (y * self.eye.get_buffer("spread") + self.eye.get_buffer("mean")).cpu().numpy()
        return values, memory

    def state(self) -> State:
        """All that makes going on exact."""
        return state_of(self)

    def load_state(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Go on from a saved state; the group `policy` alone is enough to translate."""
        load_into(self, state)
