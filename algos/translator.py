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
from pydantic import Field, model_validator
from torch import Tensor, nn

from poise.algos.base import LayerSize, State, load_state_dict, state_dict
from poise.algos.networks import CoordConvNet
from poise.algos.optim import Adam, gradient_step, scheduled_lr
from poise.toolkit.settings import Settings
from poise.toolkit.spaces import Array

DIFFERENCE_SCALE = 5.0
"""How much larger a change is made before it is looked at: left as it is, speeds take twice as long to be learned."""


RecurrentState = tuple[Tensor, ...]
"""What an eye keeps of the pictures that it has seen; () before the first."""


def sequences_to_tensor(sequences: Array, device: torch.device) -> Tensor:
    """Films (..., T, H, W, 3) uint8 as an eye sees them: (B, T, 3, H, W) in [-1, 1]."""
    pictures = (
        torch.from_numpy(np.ascontiguousarray(sequences))
        .to(device)
        .reshape(-1, *sequences.shape[-4:])
    )
    return pictures.movedim(-1, -3).to(torch.float32).div_(127.5).sub_(1.0)


class ConvPoseEstimator(nn.Module):
    """Convolutions, each of which halves the picture, and two layers after them; every picture is seen on its own."""

    IN_CHANNELS = 3

    def __init__(
        self,
        image_size: tuple[int, int],
        num_outputs: int,
        channels: Sequence[int],
        hidden_size: int,
        lstm_channels: int = 0,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_outputs))
        self.register_buffer("spread", torch.ones(num_outputs))
        self.convolutions = CoordConvNet(image_size, self.IN_CHANNELS, channels)
        seen, height, width = self.convolutions.output_shape
        inputs = (seen + lstm_channels) * height * width
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(inputs, hidden_size),
            nn.ReLU(),
            nn.Linear(hidden_size, num_outputs),
        )

    def fit_normalization(self, values: Array, sizes: Sequence[int]) -> None:
        """Take mean and spread from signals (N, S); one spread for all numbers of a signal, so that metres stay metres."""
        away = values - (mean := np.nanmean(values, axis=0))
        spreads = [
            max(1e-6, float(np.nanstd(away[:, low:high])))
            for low, high in pairwise(np.cumsum((0, *sizes)))
        ]
        self.get_buffer("mean").copy_(torch.as_tensor(mean))
        self.get_buffer("spread").copy_(torch.as_tensor(np.repeat(spreads, sizes)))

    def __call__(
        self, sequences: Tensor, recurrent_state: RecurrentState = ()
    ) -> tuple[Tensor, RecurrentState]:
        """The numbers (B, T, S) that films show, and what is remembered after them."""
        return cast(tuple[Tensor, RecurrentState], super().__call__(sequences, recurrent_state))

    def forward(
        self, sequences: Tensor, recurrent_state: RecurrentState = ()
    ) -> tuple[Tensor, RecurrentState]:
        """Y, and the memory."""
        h, recurrent_state = self.extract_features(sequences, recurrent_state)
        return self.apply_head(h), recurrent_state

    def extract_features(
        self, sequences: Tensor, recurrent_state: RecurrentState = ()
    ) -> tuple[Tensor, RecurrentState]:
        """H, as channels (B, T, C, h, w), and the memory."""
        h: Tensor = self.convolutions(sequences.flatten(0, 1))
        return h.view(*sequences.shape[:2], *h.shape[1:]), ()

    def apply_head(self, h: Tensor) -> Tensor:
        """Y, from h."""
        y: Tensor = self.head(h.flatten(0, 1))
        return y.view(*h.shape[:2], -1)


class ConvLSTMPoseEstimator(ConvPoseEstimator):
    """An eye that sees what has changed since the picture before, and remembers: a ConvLSTM after the convolutions."""

    IN_CHANNELS = 6

    def __init__(
        self, size: tuple[int, int], outputs: int, channels: Sequence[int], hidden: int, memory: int
    ) -> None:
        super().__init__(size, outputs, channels, hidden, memory)
        self.conv_lstm = ConvLSTM(channels[-1], memory)

    def extract_features(
        self, sequences: Tensor, recurrent_state: RecurrentState = ()
    ) -> tuple[Tensor, RecurrentState]:
        """X and H side by side, as channels (B, T, C, h, w), and the memory: the last picture, H and C."""
        before = torch.cat(
            (recurrent_state[0] if recurrent_state else sequences[:, :1], sequences[:, :-1]), dim=1
        )
        x, _ = super().extract_features(
            torch.cat((sequences, DIFFERENCE_SCALE * (sequences - before)), dim=2)
        )
        h, remembered = self.conv_lstm(x, recurrent_state[1:])
        return torch.cat((x, h), dim=2), (sequences[:, -1:], *remembered)


class ConvLSTM(nn.Module):
    """A memory in the form of a picture (Shi et al., 2015, arXiv:1506.04214), without peepholes.

    Its gates begin by keeping what is remembered.
    """

    def __init__(self, in_channels: int, hidden_channels: int) -> None:
        super().__init__()
        self.input_conv = nn.Conv2d(in_channels, 4 * hidden_channels, 3, padding=1)
        self.hidden_conv = nn.Conv2d(hidden_channels, 4 * hidden_channels, 3, padding=1, bias=False)
        with torch.no_grad():
            cast(Tensor, self.input_conv.bias)[hidden_channels : 2 * hidden_channels] += 1.0

    def __call__(
        self, x: Tensor, recurrent_state: RecurrentState = ()
    ) -> tuple[Tensor, RecurrentState]:
        """H of every moment (B, T, M, h, w) from channels (B, T, I, h, w), and (H, C) after the last."""
        return cast(tuple[Tensor, RecurrentState], super().__call__(x, recurrent_state))

    def forward(
        self, x: Tensor, recurrent_state: RecurrentState = ()
    ) -> tuple[Tensor, RecurrentState]:
        """H of every moment, and (H, C) after the last. Nothing is detached: gradients go back to the first moment."""
        seen: Tensor = self.input_conv(x.flatten(0, 1))
        seen = seen.view(*x.shape[:2], *seen.shape[1:])
        nothing = torch.zeros_like(seen[:, 0].chunk(4, dim=1)[0])
        h, c = recurrent_state or (nothing, nothing)
        told = []
        for moment in range(x.shape[1]):
            i, f, o, g = (seen[:, moment] + self.hidden_conv(h)).chunk(4, dim=1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            told.append(h)
        return torch.stack(told, dim=1), (h, c)


class FrameDecoder(nn.Module):
    """The convolutions' way back: from what an eye has in mind to what changes until the next picture."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip(channels, (*channels[1:], 3), strict=True):
            layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def __call__(self, sequences: Tensor, h: Tensor) -> Tensor:
        """The pictures (B, T, 3, H, W) that come after those of films, of which an eye has h in mind."""
        return cast(Tensor, super().__call__(sequences, h))

    def forward(self, sequences: Tensor, h: Tensor) -> Tensor:
        """P + D(h)."""
        height, width = sequences.shape[-2:]
        change: Tensor = self.layers(h.flatten(0, 1))[..., :height, :width]
        return sequences + change.reshape(sequences.shape)


CONVLSTM_DEFAULTS = {
    "signals": ("pose", "speed"),
    "rates": ("pose",),
    "hidden_size": 256,
    "batch_size": 16,
    "learning_rate": 3e-3,
    "max_grad_norm": 1.0,
}


DEFAULTS_BY_KIND: dict[str, dict[str, Any]] = {"cnn": {}, "convlstm": CONVLSTM_DEFAULTS}
"""The kinds of translators, and where their defaults are others."""


MAX_FRAMES_PER_BATCH = 512
"""Pictures that are translated at once."""


class TranslatorSettings(Settings):
    """What a translator lets its user choose."""

    kind: str = Field(
        "cnn",
        pattern=f"^({'|'.join(DEFAULTS_BY_KIND)})$",
        description="cnn sees single pictures, convlstm films",
    )
    signals: tuple[str, ...] = Field(
        ("pose",),
        min_length=1,
        description="the environment's signals that it reads from a picture",
    )
    rates: tuple[str, ...] = Field(
        (), description="signals of which it reads how fast they change; convlstm"
    )
    conv_channels: tuple[LayerSize, ...] = Field(
        (16, 32, 64), min_length=1, max_length=6, description="of each convolution"
    )
    lstm_channels: int = Field(32, ge=1, le=65536, description="channels of the memory; convlstm")
    hidden_size: int = Field(
        128, ge=1, le=65536, description="units between the last convolution and the signals"
    )
    sequence_length: int = Field(
        10, ge=2, le=1000, description="frames of a film that it learns from, at the most; convlstm"
    )
    batch_size: int = Field(
        128, ge=1, le=65536, description="pictures in a minibatch; films, of convlstm"
    )
    next_frame_coef: float = Field(
        0.0,
        ge=0,
        le=100,
        description="weight of painting the next picture, 0: not at all; convlstm",
    )
    learning_rate: float = Field(1e-3, gt=0, le=1, description="step size to start from")
    max_grad_norm: float = Field(
        1e6, gt=0, description="length to which longer gradients are shortened"
    )
    schedule: str = Field(
        "exponential",
        pattern="^(constant|linear|exponential)$",
        description="constant, linear or exponential",
    )
    final_lr_fraction: float = Field(
        0.03, gt=0, le=1, description="part of the learning rate that is left at the last step"
    )
    threads: int = Field(
        1, ge=1, le=256, description="torch threads; part of what makes a run exact"
    )

    @model_validator(mode="before")
    @classmethod
    def _apply_kind_defaults(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        return {**DEFAULTS_BY_KIND.get(str(values.get("kind")), {}), **values}


class Translator:
    """Reads signals (..., T, S) from films (..., T, H, W, 3) uint8, and learns to by examples.

    A `cnn` sees no films but pictures, in any order.
    """

    def __init__(
        self,
        image_size: tuple[int, int],
        num_outputs: int,
        settings: TranslatorSettings,
        seed: int,
        device: str = "cpu",
    ) -> None:
        self.settings = settings
        self.image_size = image_size
        self.device = torch.device(device)
        torch.set_num_threads(settings.threads)
        weights, sample = np.random.SeedSequence(seed).spawn(2)
        torch.manual_seed(int(weights.generate_state(1)[0]))
        self.rng = np.random.default_rng(sample)
        self.generator = torch.Generator(self.device)
        c = settings
        recurrent = settings.kind == "convlstm"
        self.pose_estimator = (ConvLSTMPoseEstimator if recurrent else ConvPoseEstimator)(
            image_size,
            num_outputs,
            c.conv_channels,
            c.hidden_size,
            c.lstm_channels if recurrent else 0,
        )
        self.networks: dict[str, nn.Module] = {"policy": self.pose_estimator}
        if c.next_frame_coef:
            seen = c.conv_channels[-1] + c.lstm_channels
            self.frame_decoder = self.networks["painter"] = FrameDecoder(
                (seen, *reversed(c.conv_channels[:-1]))
            )
        # Pictures come with the colours of a pixel side by side; so laid out, convolutions take two thirds of the time.
        for network in self.networks.values():
            nn.utils.convert_conv2d_weight_memory_format(
                network.to(self.device), torch.channels_last
            )
        self.optimizers = {"eye": Adam(c.learning_rate, *self.networks.values())}
        self.stateful: dict[str, Any] = {}
        self.reset()

    def fit_normalization(self, values: Array, sizes: Sequence[int]) -> None:
        """Take mean and spread from signals (N, S); one spread for all numbers of a signal, so that metres stay metres."""
        self.pose_estimator.fit_normalization(values, sizes)

    def reset(self) -> None:
        """Let a new film begin, whose pictures `read` will be handed one by one."""
        self.recurrent_state: RecurrentState = ()

    def translate_frame(self, image: Array) -> Array:
        """The signals (S,), in their own units, that the next picture (H, W, 3) uint8 of a film shows."""
        values, self.recurrent_state = self._translate_sequences(
            image[None, None], self.recurrent_state
        )
        return values.reshape(-1)

    def translate(self, sequences: Array) -> Array:
        """The signals (..., T, S), in their own units, that whole films (..., T, H, W, 3) uint8 show."""
        several = sequences.reshape(-1, *sequences.shape[-4:])
        every = max(1, MAX_FRAMES_PER_BATCH // len(several))
        told = []
        memory: RecurrentState = ()
        for first in range(0, several.shape[1], every):
            values, memory = self._translate_sequences(several[:, first : first + every], memory)
            told.append(values)
        together: Array = np.concatenate(told, axis=1)
        return together.reshape(*sequences.shape[:-3], together.shape[-1])

    def train_on_batch(self, sequences: Array, values: Array, progress: float) -> dict[str, float]:
        """One step on films and their signals, when `progress` of the training has gone by; the losses."""
        c = self.settings
        optimizer = self.optimizers["eye"]
        optimizer.learning_rate = scheduled_lr(
            c.learning_rate, c.schedule, progress, c.final_lr_fraction
        )
        losses = self.losses(sequences, values)
        gradient_step(
            optimizer,
            losses["translation"] + c.next_frame_coef * losses.get("next_frame", 0.0),
            c.max_grad_norm,
        )
        return {f"losses/{name}": value.item() for name, value in losses.items()}

    def losses(self, sequences: Array, values: Array) -> dict[str, Tensor]:
        """L of films (..., T, H, W, 3) and signals (..., T, S), where NaN is what nobody knows; and N."""
        pictures = sequences_to_tensor(sequences, self.device)
        wanted = torch.as_tensor(values, device=self.device).reshape(*pictures.shape[:2], -1)
        wanted = (wanted - self.pose_estimator.get_buffer("mean")) / self.pose_estimator.get_buffer(
            "spread"
        )
        h, _ = self.pose_estimator.extract_features(pictures)
        y = self.pose_estimator.apply_head(h)
        known = ~wanted.isnan()
        losses = {"translation": (y[known] - wanted[known]).square().mean()}
        if self.settings.next_frame_coef:
            now = pictures[:, :-1]
            following = pictures[:, 1:]
            wrong = (self.frame_decoder(now, h[:, :-1]) - following).square().mean()
            losses["next_frame"] = wrong / (now - following).square().mean().clamp_min(1e-9)
        return losses

    @torch.no_grad()
    def evaluate(self, sequences: Array, values: Array) -> dict[str, float]:
        """The losses of films and signals that it does not learn from."""
        return {name: value.item() for name, value in self.losses(sequences, values).items()}

    @torch.no_grad()
    def _translate_sequences(
        self, sequences: Array, recurrent_state: RecurrentState
    ) -> tuple[Array, RecurrentState]:
        """The signals (B, T, S) of films (B, T, H, W, 3), and the memory after them."""
        y, recurrent_state = self.pose_estimator(
            sequences_to_tensor(sequences, self.device), recurrent_state
        )
        values: Array = (
            (y * self.pose_estimator.get_buffer("spread") + self.pose_estimator.get_buffer("mean"))
            .cpu()
            .numpy()
        )
        return values, recurrent_state

    def state_dict(self) -> State:
        """All that makes going on exact."""
        return state_dict(self)

    def load_state_dict(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Go on from a saved state; the group `policy` alone is enough to translate."""
        load_state_dict(self, state)
