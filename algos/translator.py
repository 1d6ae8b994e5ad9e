"""Translator: a network that reads joint state from images, as the signals that a policy observes.

`cnn` reads every image p on its own:

    x   = (p, column, row), each in [-1, 1]                    CoordConv (arXiv:1807.03247)
    h   = three convolutions of stride 2, each with ReLU       half the size, twice the channels
    y   = W2 ReLU(W1 h)                                        in units of each signal's std
    L   = E[ |y - (signals - mean) / std|^2 ]                  over the values that are not NaN

`convlstm` reads an image sequence, and so velocities too; its state (C, H) is a feature map
(Shi et al., 2015, arXiv:1506.04214):

    x_t = (p_t, 5 (p_t - p_t-1), column, row)                  the image and its change
    X_t = the three convolutions of x_t
    i, f, o, g = W_x * X_t + W_h * H_t-1 + b                   * is a convolution
    C_t = sigmoid(f) C_t-1 + sigmoid(i) tanh(g)
    H_t = sigmoid(o) tanh(C_t)
    h_t = (X_t, H_t);  y_t and L as above, over all t          backpropagation through all t
    N   = E[ |p_t + D(h_t) - p_t+1|^2 ] / E[ |p_t - p_t+1|^2 ]  next-frame prediction by decoder D
    L  <- L + next_frame N                                     N = 1: as good as repeating p_t

`mean` and `std` are those of the training data; an untrained translator predicts about the mean.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from poise.algos.base import LayerSize, State, fork_torch_rng, load_state_dict, state_dict
from poise.algos.encoders import CoordConvNet
from poise.algos.optim import Adam, gradient_step, scheduled_lr
from poise.toolkit.settings import Settings
from poise.toolkit.spaces import Array

DIFFERENCE_SCALE = 5.0
"""Gain of the frame difference: unscaled, velocities take twice as long to learn."""

MIN_STD = 1e-6
"""Lower bound of a signal's std, so that a constant signal can be normalized."""

MAX_FRAMES_PER_BATCH = 512
"""Frames that `translate` passes through the network at once, to bound its memory."""

CONVLSTM_DEFAULTS = {
    "signals": ("pose", "speed"),
    "rates": ("pose",),
    "hidden_size": 256,
    "batch_size": 16,
    "learning_rate": 3e-3,
    "max_grad_norm": 1.0,
}

DEFAULTS_BY_KIND: dict[str, dict[str, Any]] = {"cnn": {}, "convlstm": CONVLSTM_DEFAULTS}
"""The kinds of translators, with the defaults that differ from those of TranslatorSettings."""

RecurrentState = tuple[Tensor, ...]
"""The state that a pose estimator carries between frames; () before the first."""


class TranslatorSettings(Settings):
    """Settings of a translator; `kind=convlstm` has other defaults (CONVLSTM_DEFAULTS)."""

    kind: str = Field(
        "cnn",
        pattern=f"^({'|'.join(DEFAULTS_BY_KIND)})$",
        description="cnn reads single images, convlstm image sequences",
    )
    signals: tuple[str, ...] = Field(
        ("pose",), min_length=1, description="signals of the environment to read from an image"
    )
    rates: tuple[str, ...] = Field(
        (), description="signals whose rate of change to read too; convlstm"
    )
    conv_channels: tuple[LayerSize, ...] = Field(
        (16, 32, 64), min_length=1, max_length=6, description="channels of each convolution"
    )
    lstm_channels: int = Field(32, ge=1, le=65536, description="channels of the state; convlstm")
    hidden_size: int = Field(
        128, ge=1, le=65536, description="units between the last convolution and the signals"
    )
    sequence_length: int = Field(
        10, ge=2, le=1000, description="maximum frames of a training sequence; convlstm"
    )
    batch_size: int = Field(
        128, ge=1, le=65536, description="images in a minibatch; sequences for convlstm"
    )
    next_frame_coef: float = Field(
        0.0, ge=0, le=100, description="weight of next-frame prediction, 0 for none; convlstm"
    )
    learning_rate: float = Field(1e-3, gt=0, le=1, description="initial learning rate")
    max_grad_norm: float = Field(1e6, gt=0, description="gradient-norm clipping threshold")
    schedule: str = Field(
        "exponential",
        pattern="^(constant|linear|exponential)$",
        description="learning-rate schedule: constant, linear or exponential",
    )
    final_lr_fraction: float = Field(
        0.03, gt=0, le=1, description="fraction of the learning rate left at the last step"
    )
    threads: int = Field(
        1, ge=1, le=256, description="torch threads; a run is exact for one number of them"
    )

    @model_validator(mode="before")
    @classmethod
    def _apply_kind_defaults(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        return {**DEFAULTS_BY_KIND.get(str(values.get("kind")), {}), **values}


class Translator:
    """Reads signals (..., T, S) from image sequences (..., T, H, W, 3) uint8.

    A `cnn` reads every image on its own: for it, T is an axis like the others.
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
        # Initial weights and minibatches draw from two streams of one seed.
        weight_seed, sample_seed = np.random.SeedSequence(seed).spawn(2)
        self.rng = np.random.default_rng(sample_seed)
        self.generator = torch.Generator(self.device)
        with fork_torch_rng(int(weight_seed.generate_state(1)[0])):
            self._build_networks(num_outputs)
        self.optimizers = {"eye": Adam(settings.learning_rate, *self.networks.values())}
        self.stateful: dict[str, Any] = {}
        self.reset()

    def _build_networks(self, num_outputs: int) -> None:
        cfg = self.settings
        sizes = (self.image_size, num_outputs, cfg.conv_channels, cfg.hidden_size)
        if cfg.kind == "convlstm":
            self.pose_estimator: ConvPoseEstimator = ConvLSTMPoseEstimator(
                *sizes, cfg.lstm_channels
            )
        else:
            self.pose_estimator = ConvPoseEstimator(*sizes)
        self.networks: dict[str, nn.Module] = {"policy": self.pose_estimator}
        if cfg.next_frame_coef:
            features = cfg.conv_channels[-1] + cfg.lstm_channels
            self.frame_decoder = FrameDecoder((features, *reversed(cfg.conv_channels[:-1])))
            self.networks["frame_decoder"] = self.frame_decoder
        # Images keep the colours of a pixel side by side; in that layout (channels_last),
        # convolutions take two thirds of the time.
        for network in self.networks.values():
            network.to(self.device)
            nn.utils.convert_conv2d_weight_memory_format(network, torch.channels_last)

    def fit_normalization(self, values: Array, sizes: Sequence[int]) -> None:
        """Fit `mean` and `std` of the outputs to signals (N, S); see ConvPoseEstimator."""
        self.pose_estimator.fit_normalization(values, sizes)

    def reset(self) -> None:
        """Start a new sequence for `translate_frame`."""
        self.recurrent_state: RecurrentState = ()

    def translate_frame(self, image: Array) -> Array:
        """Return the signals (S,), in their units, of the sequence's next image (H, W, 3) uint8."""
        values, self.recurrent_state = self._translate_sequences(
            image[None, None], self.recurrent_state
        )
        return values.reshape(-1)

    def translate(self, sequences: Array) -> Array:
        """Return the signals (..., T, S), in their units, of sequences (..., T, H, W, 3) uint8."""
        batch = sequences.reshape(-1, *sequences.shape[-4:])
        chunk_length = max(1, MAX_FRAMES_PER_BATCH // len(batch))
        chunks = []
        recurrent_state: RecurrentState = ()
        for start in range(0, batch.shape[1], chunk_length):
            values, recurrent_state = self._translate_sequences(
                batch[:, start : start + chunk_length], recurrent_state
            )
            chunks.append(values)
        signals: Array = np.concatenate(chunks, axis=1)
        return signals.reshape(*sequences.shape[:-3], signals.shape[-1])

    def compute_errors(self, sequences: Array, values: Array) -> Array:
        """Return translate(sequences) - values, (..., T, S), in the signals' units."""
        errors: Array = self.translate(sequences) - values
        return errors

    @torch.enable_grad()  # An environment may have switched gradients off.
    def train_on_batch(self, sequences: Array, values: Array, progress: float) -> dict[str, float]:
        """Take one gradient step and return the losses.

        Args:
            sequences: (..., T, H, W, 3) uint8.
            values: the signals (..., T, S), in their units; NaN where unknown.
            progress: the fraction of the training that is done, for the learning rate.
        """
        cfg = self.settings
        optimizer = self.optimizers["eye"]
        optimizer.learning_rate = scheduled_lr(
            cfg.learning_rate, cfg.schedule, progress, cfg.final_lr_fraction
        )
        losses = self.losses(sequences, values)
        total = losses["translation"] + cfg.next_frame_coef * losses.get("next_frame", 0.0)
        gradient_step(optimizer, total, cfg.max_grad_norm)
        return {f"losses/{name}": loss.item() for name, loss in losses.items()}

    def losses(self, sequences: Array, values: Array) -> dict[str, Tensor]:
        """Return L as `translation` and, with a decoder, N as `next_frame`.

        Sequences are (..., T, H, W, 3) uint8, values (..., T, S); L leaves out NaN values.
        """
        images = sequences_to_tensor(sequences, self.device)  # (B, T, 3, H, W)
        targets = torch.as_tensor(values, device=self.device).reshape(*images.shape[:2], -1)
        targets = self.pose_estimator.normalize(targets)
        h, _ = self.pose_estimator.extract_features(images)
        y = self.pose_estimator.apply_head(h)
        is_known = ~targets.isnan()
        losses = {"translation": (y[is_known] - targets[is_known]).square().mean()}
        if self.settings.next_frame_coef:
            current = images[:, :-1]
            following = images[:, 1:]
            predicted = self.frame_decoder(current, h[:, :-1])
            error = (predicted - following).square().mean()
            repeat_error = (current - following).square().mean()
            losses["next_frame"] = error / repeat_error.clamp_min(1e-9)
        return losses

    @torch.no_grad()
    def evaluate_losses(self, sequences: Array, values: Array) -> dict[str, float]:
        """Return the losses of data that the translator is not trained on."""
        return {name: loss.item() for name, loss in self.losses(sequences, values).items()}

    @torch.no_grad()
    def _translate_sequences(
        self, sequences: Array, recurrent_state: RecurrentState
    ) -> tuple[Array, RecurrentState]:
        """Return the signals (B, T, S) of sequences (B, T, H, W, 3), and the state after them."""
        images = sequences_to_tensor(sequences, self.device)
        y, recurrent_state = self.pose_estimator(images, recurrent_state)
        values: Array = self.pose_estimator.denormalize(y).cpu().numpy()
        return values, recurrent_state

    def state_dict(self) -> State:
        """Return the full training state, for bit-exact resume."""
        return state_dict(self)

    def load_state_dict(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Load a saved state; the group `policy` alone is enough to translate."""
        load_state_dict(self, state)


def mean_square_error(errors: Array) -> float:
    """Return the mean of errors^2 over all entries that are not NaN."""
    return float(np.nanmean(np.square(errors)))


def sequences_to_tensor(sequences: Array, device: torch.device) -> Tensor:
    """Return sequences (..., T, H, W, 3) uint8 as a tensor (B, T, 3, H, W) in [-1, 1]."""
    images = torch.from_numpy(np.ascontiguousarray(sequences)).to(device)
    images = images.reshape(-1, *sequences.shape[-4:])
    return images.movedim(-1, -3).to(torch.float32).div_(127.5).sub_(1.0)


class ConvPoseEstimator(nn.Module):
    """Convolutions, each of which halves the image, and two linear layers; no state."""

    IN_CHANNELS = 3

    def __init__(
        self,
        image_size: tuple[int, int],
        num_outputs: int,
        conv_channels: Sequence[int],
        hidden_size: int,
        lstm_channels: int = 0,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_outputs))
        self.register_buffer("std", torch.ones(num_outputs))
        self.convolutions = CoordConvNet(image_size, self.IN_CHANNELS, conv_channels)
        channels, height, width = self.convolutions.output_shape
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear((channels + lstm_channels) * height * width, hidden_size),
            nn.ReLU(),
            nn.Linear(hidden_size, num_outputs),
        )

    def fit_normalization(self, values: Array, sizes: Sequence[int]) -> None:
        """Fit `mean` and `std` to signals (N, S), where signal i has sizes[i] components.

        All components of a signal share one std: a metre then counts the same along every axis.
        """
        mean = np.nanmean(values, axis=0)
        deviations = values - mean
        bounds = pairwise(np.cumsum((0, *sizes)))
        stds = [max(MIN_STD, float(np.nanstd(deviations[:, low:high]))) for low, high in bounds]
        self.get_buffer("mean").copy_(torch.as_tensor(mean))
        self.get_buffer("std").copy_(torch.as_tensor(np.repeat(stds, sizes)))

    def normalize(self, values: Tensor) -> Tensor:
        """Return signals (..., S) in units of their std, around their mean."""
        return (values - self.get_buffer("mean")) / self.get_buffer("std")

    def denormalize(self, y: Tensor) -> Tensor:
        """Return outputs (..., S) in the signals' units."""
        return y * self.get_buffer("std") + self.get_buffer("mean")

    def __call__(
        self, sequences: Tensor, recurrent_state: RecurrentState = ()
    ) -> tuple[Tensor, RecurrentState]:
        """Return y (B, T, S) of sequences (B, T, 3, H, W), and the state after them."""
        return cast(tuple[Tensor, RecurrentState], super().__call__(sequences, recurrent_state))

    def forward(
        self, sequences: Tensor, recurrent_state: RecurrentState = ()
    ) -> tuple[Tensor, RecurrentState]:
        """Return y and the state."""
        h, recurrent_state = self.extract_features(sequences, recurrent_state)
        return self.apply_head(h), recurrent_state

    def extract_features(
        self, sequences: Tensor, recurrent_state: RecurrentState = ()
    ) -> tuple[Tensor, RecurrentState]:
        """Return the feature maps h (B, T, C, h, w) and the state."""
        h: Tensor = self.convolutions(sequences.flatten(0, 1))
        return h.view(*sequences.shape[:2], *h.shape[1:]), ()

    def apply_head(self, h: Tensor) -> Tensor:
        """Return y (B, T, S) of the feature maps h."""
        y: Tensor = self.head(h.flatten(0, 1))
        return y.view(*h.shape[:2], -1)


class ConvLSTMPoseEstimator(ConvPoseEstimator):
    """A ConvLSTM after the convolutions, which also get each frame's change since the last."""

    IN_CHANNELS = 6

    def __init__(
        self,
        image_size: tuple[int, int],
        num_outputs: int,
        conv_channels: Sequence[int],
        hidden_size: int,
        lstm_channels: int,
    ) -> None:
        super().__init__(image_size, num_outputs, conv_channels, hidden_size, lstm_channels)
        self.conv_lstm = ConvLSTM(conv_channels[-1], lstm_channels)

    def extract_features(
        self, sequences: Tensor, recurrent_state: RecurrentState = ()
    ) -> tuple[Tensor, RecurrentState]:
        """Return (X, H) as feature maps (B, T, C, h, w), and the state: last frame, H and C."""
        # The first frame of a sequence has no predecessor: its change is 0.
        first_previous = recurrent_state[0] if recurrent_state else sequences[:, :1]
        previous = torch.cat((first_previous, sequences[:, :-1]), dim=1)
        change = DIFFERENCE_SCALE * (sequences - previous)
        x, _ = super().extract_features(torch.cat((sequences, change), dim=2))
        h, lstm_state = self.conv_lstm(x, recurrent_state[1:])
        return torch.cat((x, h), dim=2), (sequences[:, -1:], *lstm_state)


class ConvLSTM(nn.Module):
    """Convolutional LSTM without peepholes (Shi et al., 2015, arXiv:1506.04214).

    The forget gate's bias starts at 1, so that the initial network keeps its state.
    """

    def __init__(self, in_channels: int, hidden_channels: int) -> None:
        super().__init__()
        self.input_conv = nn.Conv2d(in_channels, 4 * hidden_channels, 3, padding=1)
        self.hidden_conv = nn.Conv2d(hidden_channels, 4 * hidden_channels, 3, padding=1, bias=False)
        forget_gate = slice(hidden_channels, 2 * hidden_channels)
        with torch.no_grad():
            cast(Tensor, self.input_conv.bias)[forget_gate] += 1.0

    def __call__(
        self, x: Tensor, recurrent_state: RecurrentState = ()
    ) -> tuple[Tensor, RecurrentState]:
        """Return H of all steps (B, T, M, h, w) for x (B, T, I, h, w), and (H, C) after the last.

        Nothing is detached: gradients flow back to the first step.
        """
        return cast(tuple[Tensor, RecurrentState], super().__call__(x, recurrent_state))

    def forward(
        self, x: Tensor, recurrent_state: RecurrentState = ()
    ) -> tuple[Tensor, RecurrentState]:
        """Return H of all steps, and (H, C) after the last."""
        from_input: Tensor = self.input_conv(x.flatten(0, 1))
        from_input = from_input.view(*x.shape[:2], *from_input.shape[1:])  # (B, T, 4 M, h, w)
        zeros = torch.zeros_like(from_input[:, 0].chunk(4, dim=1)[0])
        h, c = recurrent_state or (zeros, zeros)
        outputs = []
        for step in range(x.shape[1]):
            gates = from_input[:, step] + self.hidden_conv(h)
            i, f, o, g = gates.chunk(4, dim=1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            outputs.append(h)
        return torch.stack(outputs, dim=1), (h, c)


class FrameDecoder(nn.Module):
    """D: transposed convolutions from feature maps to the change until the next frame."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise((*channels, 3)):
            layers.append(nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1))
            layers.append(nn.ReLU())
        self.layers = nn.Sequential(*layers[:-1])

    def __call__(self, sequences: Tensor, h: Tensor) -> Tensor:
        """Return the predicted next frames (B, T, 3, H, W) of frames with feature maps h."""
        return cast(Tensor, super().__call__(sequences, h))

    def forward(self, sequences: Tensor, h: Tensor) -> Tensor:
        """Return p + D(h)."""
        height, width = sequences.shape[-2:]
        change: Tensor = self.layers(h.flatten(0, 1))[..., :height, :width]
        return sequences + change.reshape(sequences.shape)
