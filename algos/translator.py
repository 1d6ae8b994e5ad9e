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
from typing import Any

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from algos.base import Units
from algos.eyes import Eye, Memory, Painter, RecurrentEye, pictures_of
from algos.saving import State, load_into, state_of
from algos.updates import Adam, descend, scheduled
from toolkit.settings import Settings
from toolkit.signals import Array

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
