"""Networks: perceptrons, ensembles of them, twin critics and actors.

Actors and critics own the encoder of their observations, so that pi(s) and Q(s, a) take
observations as they are.

Where a gradient is needed, the layers of a perceptron are one step of torch's autograd, with
gradients by hand (`_Perceptron`), computed in place. Without a gradient a perceptron is plain
torch, layer by layer.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import pairwise
from typing import Any, Generic, NamedTuple, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from poise.algos.encoders import PixelEncoder
from poise.toolkit.errors import UserError


class Activation(NamedTuple):
    """An activation function f."""

    module: Callable[[], nn.Module]
    """Makes the layer."""
    apply: Callable[[Tensor], Tensor]
    """Returns f of its argument, which it may overwrite."""
    gradient: Callable[[Tensor, Tensor], Tensor] | None
    """Turns dL/df into dL/dx in place, given f(x); None where f(x) does not say f'(x)."""


ACTIVATIONS: dict[str, Activation] = {
    "relu": Activation(
        partial(nn.ReLU, inplace=True),
        torch.relu_,
        lambda g, f: torch.ops.aten.threshold_backward.grad_input(g, f, 0.0, grad_input=g),
    ),
    "tanh": Activation(
        nn.Tanh,
        torch.tanh_,
        lambda g, f: torch.ops.aten.tanh_backward.grad_input(g, f, grad_input=g),
    ),
    "elu": Activation(
        nn.ELU,
        functional.elu_,
        lambda g, f: torch.ops.aten.elu_backward.grad_input(
            g, 1.0, 1.0, 1.0, True, f, grad_input=g
        ),
    ),
    "silu": Activation(nn.SiLU, functional.silu, None),
}

BYTES_PER_WEIGHT = 16
"""Memory of a weight in training: itself, its gradient and the two moments of Adam."""


def normalize_inputs(activation: Activation) -> Activation:
    """Return f(LayerNorm(x)), whose gradient autograd computes."""

    def apply(inputs: Tensor) -> Tensor:
        return activation.apply(functional.layer_norm(inputs, inputs.shape[-1:]))

    return activation._replace(apply=apply, gradient=None)


Output = TypeVar("Output")


class WeightLimit(TorchFunctionMode):
    """Within this block, networks may have `max_weights` weights in all: more is a UserError.

    A config from elsewhere may describe networks that the memory cannot hold. They are refused
    before their weights are allocated.

    Args:
        max_weights: None for no limit.
        source: what describes the networks, for the error.
    """

    def __init__(self, max_weights: int | None, source: object) -> None:
        super().__init__()
        self.max_weights = max_weights
        self.source = source
        self.num_weights = 0

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Count what is to be allocated, and call the function of torch."""
        if func is torch.empty and self.max_weights is not None:
            shape = args[0] if isinstance(args[0], Sequence) else args
            self.num_weights += math.prod(shape)
            if self.num_weights > self.max_weights:
                raise UserError(
                    f"{self.source}: the sizes of its layers make networks of {self.num_weights:,} "
                    f"weights or more; {self.max_weights:,} are the limit here"
                )
        return func(*args, **(kwargs or {}))


def mlp(
    sizes: Sequence[int], activation: str, gain: float | None = None, activate_last: bool = False
) -> "MLP":
    """Return linear layers of these sizes with the activation between them.

    Args:
        sizes: units of the input, of each hidden layer and of the output.
        activation: a name in ACTIVATIONS.
        gain: if given, initialize all weights orthogonally and all biases to 0, and scale the last
            layer's weights by it.
        activate_last: apply the activation to the output too.

    """
    network = MLP(sizes, activation, activate_last)
    if gain is not None:
        _init_orthogonal([[weight] for weight in network.weights], network.biases, gain)
    return network


class MLP(nn.Sequential):
    """A perceptron: linear layers with an activation between them, (..., I) to (..., O)."""

    def __init__(self, sizes: Sequence[int], activation: str, activate_last: bool) -> None:
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            layers += [nn.Linear(inputs, outputs), ACTIVATIONS[activation].module()]
        super().__init__(*layers[: None if activate_last else -1])
        self.activation = ACTIVATIONS[activation]
        self.activate_last = activate_last
        linear_layers = [layer for layer in layers if isinstance(layer, nn.Linear)]
        # Lists of their own: torch takes microseconds to find a parameter in a module.
        self.weights = [layer.weight for layer in linear_layers]
        self.biases = [layer.bias for layer in linear_layers]

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the outputs (..., O) of inputs (..., I)."""
        rows = inputs.reshape(-1, inputs.shape[-1])
        outputs = _compute(self.activation, rows, self.weights, self.biases, self.activate_last)
        return outputs.reshape(*inputs.shape[:-1], -1)


class Ensemble(nn.Module):
    """`members` perceptrons of one shape and one output, computed together: (B, I) to (members, B).

    One batched product replaces one product for each member: half the calls for twin critics.
    Weights and biases are initialized as those of nn.Linear. While `is_frozen`, no gradient of them
    is computed.

    With `layer_norm`, the activation's inputs are normalized: f(LayerNorm(h W + b)), with mean 0
    and standard deviation 1 over the units of a layer (arXiv:1607.06450), without a gain and a
    shift of their own, which the next layer can represent.
    """

    def __init__(
        self,
        members: int,
        sizes: Sequence[int],
        activation: str,
        gain: float | None = None,
        *,
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        self.members = members
        self.is_frozen = False
        self.layer_norm = layer_norm
        self.activation = ACTIVATIONS[activation]
        if layer_norm:
            self.activation = normalize_inputs(self.activation)
        self.weights: list[nn.Parameter] = []
        self.biases: list[nn.Parameter] = []
        for layer, (inputs, outputs) in enumerate(pairwise(sizes)):
            bound = 1.0 / math.sqrt(inputs)
            weight = torch.empty(members, inputs, outputs).uniform_(-bound, bound)
            bias = torch.empty(members, 1, outputs).uniform_(-bound, bound)
            self.weights.append(nn.Parameter(weight))
            self.biases.append(nn.Parameter(bias))
            self.register_parameter(f"weight_{layer}", self.weights[-1])
            self.register_parameter(f"bias_{layer}", self.biases[-1])
        if gain is not None:
            _init_orthogonal(self.weights, self.biases, gain)

    def __call__(self, inputs: Tensor, members: int | None = None) -> Tensor:
        """Return the outputs (members, B) of all members, or of the first `members`."""
        return cast(Tensor, super().__call__(inputs, members))

    def forward(self, inputs: Tensor, members: int | None = None) -> Tensor:
        """Return the outputs (members, B) of all members, or of the first `members`."""
        weights: Sequence[Tensor] = self.weights
        biases: Sequence[Tensor] = self.biases
        if members is not None:
            weights = [weight[:members] for weight in weights]
            biases = [bias[:members] for bias in biases]
        if self.is_frozen:
            weights = [weight.detach() for weight in weights]
            biases = [bias.detach() for bias in biases]
        inputs = inputs.expand(members or self.members, *inputs.shape)  # (members, B, I)
        return _compute(self.activation, inputs, weights, biases).squeeze(-1)


def _compute(
    activation: Activation,
    inputs: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    activate_last: bool = False,
) -> Tensor:
    """Return the outputs of a perceptron for inputs (B, I), of an ensemble for (members, B, I)."""
    if not torch.is_grad_enabled() or activation.gradient is None:
        return _compute_layers(activation, inputs, weights, biases, activate_last)[-1]
    outputs: Tensor = _Perceptron.apply(  # type: ignore[no-untyped-call]
        activation, activate_last, inputs, *weights, *biases
    )
    return outputs


def _compute_layers(
    activation: Activation,
    inputs: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    activate_last: bool,
) -> list[Tensor]:
    """Return the inputs and the outputs of every layer."""
    hidden = [inputs]
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True), 1):
        outputs = _affine(hidden[-1], weight, bias)
        if layer < len(weights) or activate_last:
            outputs = activation.apply(outputs)
        hidden.append(outputs)
    return hidden


def _affine(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return the outputs of a linear layer, or those of a layer of an ensemble.

    A linear layer has inputs (B, I), a weight (O, I) and a bias (O,); a layer of an ensemble
    (members, B, I), (members, I, O) and (members, 1, O).
    """
    if weight.dim() == 2:
        return functional.linear(inputs, weight, bias)
    if weight.shape[-1] == 1:  # A product of one row takes a tenth of that of one column.
        return torch.baddbmm(bias, weight.mT, inputs.mT).mT
    return torch.baddbmm(bias, inputs, weight)


class _Perceptron(torch.autograd.Function):
    """All layers of a perceptron, or of an ensemble, as one step of autograd.

    h_0 = x, h_k = f(h_(k-1) W_k + b_k), and f is the identity in the last layer. With g_k, the
    gradient of the loss with respect to h_(k-1) W_k + b_k (the backpropagation of Rumelhart,
    Hinton and Williams, 1986):

    dL/db_k = sum over the batch of g_k,  dL/dW_k = h_(k-1)^T g_k,  g_(k-1) = f'(h_(k-1)) g_k W_k^T
    """

    @staticmethod
    def forward(
        ctx: Any, activation: Activation, activate_last: bool, inputs: Tensor, *parameters: Tensor
    ) -> Tensor:
        layers = len(parameters) // 2
        weights = parameters[:layers]
        hidden = _compute_layers(activation, inputs, weights, parameters[layers:], activate_last)
        ctx.activation_gradient = activation.gradient
        ctx.activate_last = activate_last
        ctx.save_for_backward(*weights, *(hidden if activate_last else hidden[:-1]))
        return hidden[-1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        needs_gradient = ctx.needs_input_grad[3:]
        layers = len(needs_gradient) // 2
        weights = ctx.saved_tensors[:layers]
        hidden = ctx.saved_tensors[layers:]
        activation_gradient = ctx.activation_gradient
        weight_gradients: list[Tensor | None] = [None] * layers
        bias_gradients: list[Tensor | None] = [None] * layers
        input_gradient: Tensor | None = None
        if ctx.activate_last:
            gradient = activation_gradient(gradient.clone(), hidden[-1])
        for layer in range(layers - 1, -1, -1):
            inputs = hidden[layer]
            weight = weights[layer]
            if needs_gradient[layer]:
                weight_gradients[layer] = _weight_gradient(inputs, gradient, weight)
            if needs_gradient[layers + layer]:
                bias_gradients[layer] = gradient.sum(-2, keepdim=weight.dim() == 3)
            if layer > 0:
                gradient = activation_gradient(_input_gradient(gradient, weight), inputs)
            elif ctx.needs_input_grad[2]:
                input_gradient = _input_gradient(gradient, weight)
        return None, None, input_gradient, *weight_gradients, *bias_gradients


def _weight_gradient(inputs: Tensor, gradient: Tensor, weight: Tensor) -> Tensor:
    """Return dL/dW of a layer, in the shape of its weight."""
    if weight.dim() == 2:
        return torch.mm(gradient.t(), inputs)
    if weight.shape[-1] == 1:
        return torch.bmm(gradient.mT, inputs).mT
    return torch.bmm(inputs.mT, gradient)


def _input_gradient(gradient: Tensor, weight: Tensor) -> Tensor:
    """Return dL/dx of a layer, in the shape of its inputs."""
    if weight.dim() == 2:
        return torch.mm(gradient, weight)
    if weight.shape[-1] == 1:
        return gradient * weight.view(len(weight), 1, -1)
    return torch.bmm(gradient, weight.mT)


class TwinCritic(nn.Module):
    """Q_i(s, a): the values (members, B) of observations s (B, O) and actions a (B, A).

    All members of the ensemble share one encoder, which the critics' loss trains.
    """

    def __init__(self, encoder: nn.Module, ensemble: Ensemble) -> None:
        super().__init__()
        self.encoder = encoder
        self.ensemble = ensemble

    def __call__(self, s: Tensor, a: Tensor, members: int | None = None) -> Tensor:
        """Return the values (members, B) of all members, or of the first `members`."""
        return cast(Tensor, super().__call__(s, a, members))

    def forward(self, s: Tensor, a: Tensor, members: int | None = None) -> Tensor:
        """Return the values (members, B) of all members, or of the first `members`."""
        return self.ensemble(torch.cat((self.encoder(s), a), -1), members)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Within this block the critic is a fixed function: no gradient of its weights is computed.

        An actor that shares the encoder gets the same features of s, which are computed once. The
        weights must not change within the block.
        """
        encoder = self.encoder
        self.ensemble.is_frozen = True
        try:
            with encoder.frozen() if isinstance(encoder, PixelEncoder) else nullcontext():
                yield
        finally:
            self.ensemble.is_frozen = False


class Actor(nn.Module, Generic[Output]):
    """pi(s): observations s (B, O) to what `head` makes of the last layer's outputs.

    The actor's loss does not train an encoder that is shared with the critic: the critics' loss
    alone gives it features that serve both (arXiv:1910.01741).
    """

    def __init__(
        self, encoder: nn.Module, layers: nn.Sequential, head: nn.Module, *, shares_encoder: bool
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.layers = layers
        self.head = head
        self.shares_encoder = shares_encoder

    def __call__(self, s: Tensor) -> Output:
        """Return the head's output for observations (B, O): a distribution, or actions (B, A)."""
        return cast(Output, super().__call__(s))

    def forward(self, s: Tensor) -> Output:
        """Return the head's output for observations (B, O): a distribution, or actions (B, A)."""
        features = self.encoder(s)
        if self.shares_encoder:
            features = features.detach()
        return cast(Output, self.head(self.layers(features)))

    @property
    def trained_modules(self) -> nn.ModuleList:
        """All that the actor's loss trains: the layers, and the encoder unless it is shared."""
        return nn.ModuleList([self.layers] if self.shares_encoder else [self.encoder, self.layers])


@torch.no_grad()
def _init_orthogonal(
    weights: Sequence[Iterable[Tensor]], biases: Iterable[Tensor], gain: float
) -> None:
    """Initialize weights orthogonally (arXiv:1312.6120) and biases to 0.

    The weights of the last layer are scaled by `gain`, those of all others by sqrt(2).
    """
    for layer, matrices in enumerate(weights, 1):
        for matrix in matrices:
            nn.init.orthogonal_(matrix, gain if layer == len(weights) else math.sqrt(2.0))
    for bias in biases:
        bias.zero_()
