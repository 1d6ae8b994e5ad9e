"""The algorithms' building blocks against oracles, SAC's losses, and probe environments."""

import copy
import math
import resource
import sys

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from hypothesis import given
from hypothesis import strategies as st
from learners import (
    STILL,
    batch_of,
    generator,
    greedy,
    rows,
    school,
    transition_of,
    weights,
    weights_of,
)
from sample_envs import make
from torch import distributions, nn
from torch.nn import functional

from poise import algos
from poise.algos.base import Learner
from poise.algos.distributions import SquashedGaussian
from poise.algos.networks import Ensemble, mlp
from poise.algos.normalization import Normalizer
from poise.algos.off_policy import Batch, ReplayBuffer
from poise.algos.optim import Adam, gradient_step, scheduled_lr, soft_update
from poise.algos.sac import SAC, SACSettings
from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.experience import Transition
from poise.toolkit.run import Run

SMALL = {"hidden_sizes": (16, 16), "batch_size": 16, "buffer_size": 1000, "learning_starts": 10}


def sac(observation: int = 3, action: int = 2, seed: int = 0, **settings: object) -> SAC:
    """A small SAC."""
    spaces = Box(-np.inf, np.inf, (observation,), np.float32), Box(-1.0, 1.0, (action,), np.float32)
    return SAC(*spaces, SACSettings(**{**SMALL, **settings}), seed)


# The squashed Gaussian.


def test_its_log_density_is_that_of_torchs_transformed_distribution():
    mean, log_std = rows(1, 500, 3), rows(2, 500, 3) * 0.5
    a, log_pi = SquashedGaussian(mean.double(), log_std.double()).sample(generator(3))
    base = distributions.Normal(mean.double(), log_std.double().exp())
    oracle = distributions.TransformedDistribution(base, distributions.TanhTransform(cache_size=1))
    inside = a.abs().amax(-1) < 1.0 - 1e-9  # The oracle itself loses its digits at the very edge.
    assert inside.float().mean() > 0.95
    torch.testing.assert_close(
        log_pi[inside], oracle.log_prob(a[inside]).sum(-1), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("mean", [-2.0, 0.0, 0.7])
@pytest.mark.parametrize("std", [0.2, 1.0, 3.0])
def test_its_density_integrates_to_one(mean, std):
    """With u as a grid in place of chance: sum of exp(log_pi) da over (-1, 1)."""
    noise = torch.linspace(-8.0, 8.0, 40_001, dtype=torch.float64)
    policy = SquashedGaussian(
        torch.full((len(noise), 1), mean).double(),
        torch.full((len(noise), 1), math.log(std)).double(),
    )
    a, log_pi = sample_with(policy, noise[:, None])
    integral = torch.trapezoid(log_pi.exp(), a[:, 0])
    assert integral.item() == pytest.approx(1.0, abs=1e-3)


def sample_with(policy: SquashedGaussian, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A sample whose chance is given: the generator is replaced by the noise itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, "normal_", lambda self, **_: self.copy_(noise))
        return policy.sample(generator())


@given(u=st.floats(-60, 60), log_std=st.floats(-5, 2))
def test_it_stays_finite_for_every_mean(u, log_std):
    mean = torch.tensor([[u]], requires_grad=True)
    log_std = torch.tensor([[log_std]], requires_grad=True)
    a, log_pi = SquashedGaussian(mean, log_std).sample(generator())
    (a.sum() + log_pi.sum()).backward()
    assert torch.isfinite(a).all() and torch.isfinite(log_pi).all() and a.abs().max() <= 1.0
    assert torch.isfinite(mean.grad).all() and torch.isfinite(log_std.grad).all()


def test_its_mode_is_the_squashed_mean_and_chance_comes_from_the_generator_alone():
    policy = SquashedGaussian(rows(1, 4, 2), rows(2, 4, 2))
    assert torch.equal(policy.mode(), rows(1, 4, 2).tanh())
    torch.manual_seed(1)
    first = policy.sample(generator(5))[0]
    torch.manual_seed(2)
    assert torch.equal(policy.sample(generator(5))[0], first)
    assert not torch.equal(policy.sample(generator(6))[0], first)


# Networks and updates.


@pytest.mark.parametrize("activation", ["relu", "tanh", "elu", "silu"])
@pytest.mark.parametrize("hidden", [(), (8,), (16, 8)])
def test_an_ensemble_is_separate_stacks_of_linear_layers(activation, hidden):
    torch.manual_seed(0)
    sizes = (5, *hidden, 1)
    together = Ensemble(3, sizes, activation)
    inputs = rows(0, 7, 5).requires_grad_()
    out = together(inputs)
    assert out.shape == (3, 7)
    for member in range(3):
        alone = mlp(sizes, activation)
        linears = [layer for layer in alone if isinstance(layer, nn.Linear)]
        for linear, weight, bias in zip(linears, together.weights, together.biases, strict=True):
            linear.load_state_dict({"weight": weight[member].T, "bias": bias[member, 0]})
        expected = alone(inputs).squeeze(-1)
        torch.testing.assert_close(out[member], expected, rtol=1e-5, atol=1e-6)
        ours = torch.autograd.grad(
            out[member].square().sum(), [*together.weights], retain_graph=True
        )
        theirs = torch.autograd.grad(expected.square().sum(), [linear.weight for linear in linears])
        for our, their in zip(ours, theirs, strict=True):
            torch.testing.assert_close(our[member], their.T, rtol=1e-4, atol=1e-6)
            others = [index for index in range(3) if index != member]
            assert not our[others].any(), "one member's loss is nothing to the others"


@pytest.mark.parametrize("activation", ["relu", "tanh", "elu", "silu"])
@pytest.mark.parametrize("activate_last", [False, True])
def test_a_perceptron_is_its_layers_one_after_the_other(activation, activate_last):
    torch.manual_seed(0)
    network = mlp((5, 16, 8, 2), activation, activate_last=activate_last)
    inputs = rows(0, 7, 5).requires_grad_()
    layers = nn.Sequential(*network)
    with torch.no_grad():
        assert torch.equal(network(inputs), layers(inputs))
    assert torch.equal(network(inputs), layers(inputs))
    variables = [inputs, *network.parameters()]
    ours = torch.autograd.grad(network(inputs).square().sum(), variables)
    theirs = torch.autograd.grad(layers(inputs).square().sum(), variables)
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("activation", ["relu", "tanh", "elu"])
@pytest.mark.parametrize("network", ["mlp", "ensemble"])
def test_gradients_by_hand_are_those_of_finite_differences(activation, network):
    torch.manual_seed(1)
    if network == "mlp":
        module: nn.Module = mlp((3, 5, 4, 2), activation).double()
    else:
        module = Ensemble(2, (3, 5, 4, 1), activation).double()
    inputs = rows(0, 6, 3).double().requires_grad_()
    loss = module(inputs).square().sum()
    gradients = torch.autograd.grad(loss, [inputs, *module.parameters()])
    for variable, gradient in zip([inputs, *module.parameters()], gradients, strict=True):
        for index in range(variable.numel()):
            values = []
            for step in (1e-6, -1e-6):
                with torch.no_grad():
                    variable.view(-1)[index] += step
                    values.append(module(inputs).square().sum().item())
                    variable.view(-1)[index] -= step
            difference = (values[0] - values[1]) / 2e-6
            assert gradient.reshape(-1)[index].item() == pytest.approx(difference, abs=1e-5)


@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_layer_norm_normalizes_what_the_activation_is_given(activation):
    torch.manual_seed(0)
    ensemble = Ensemble(2, (5, 16, 8, 1), activation, layer_norm=True)
    inputs = rows(0, 7, 5).requires_grad_()
    function = {"relu": torch.relu, "silu": functional.silu}[activation]
    for member, outputs in enumerate(ensemble(inputs)):
        hidden = inputs
        for weight, bias in zip(ensemble.weights[:-1], ensemble.biases[:-1], strict=True):
            u = hidden @ weight[member] + bias[member]
            mean = u.mean(-1, keepdim=True)
            std = (u.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
            hidden = function((u - mean) / std)
        expected = (hidden @ ensemble.weights[-1][member] + ensemble.biases[-1][member]).squeeze(-1)
        torch.testing.assert_close(outputs, expected, rtol=1e-4, atol=1e-5)
    frozen = copy.deepcopy(ensemble)
    frozen.is_frozen = True
    (ours,) = torch.autograd.grad(ensemble(inputs).sum(), inputs)
    (theirs,) = torch.autograd.grad(frozen(inputs).sum(), inputs)
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", ["sac", "td3"])
def test_layer_norm_is_for_critic_and_target_alike(name):
    kind = algos.get_algorithm_class(name)
    for layer_norm in (False, True):
        settings = kind.SETTINGS(**SMALL, layer_norm=layer_norm)
        learner = kind(Box(-1.0, 1.0, (3,)), Box(-1.0, 1.0, (2,)), settings, seed=0)
        assert learner.critic.ensemble.layer_norm is layer_norm
        assert learner.critic_target.ensemble.layer_norm is layer_norm


@pytest.mark.parametrize("name", ["sac", "td3"])
def test_what_acts_without_exploring_is_an_average_of_the_actors_weights(name):
    kind = algos.get_algorithm_class(name)
    settings = kind.SETTINGS(**{**SMALL, "learning_starts": 0}, policy_tau=0.3)
    learner = kind(Box(-1.0, 1.0, (3,)), Box(-1.0, 1.0, (2,)), settings, seed=0)
    average = learner.actor.layers[0].weight.detach().clone()
    for seed in range(12):
        learner.observe(transition_of(seed=seed))
        before = learner.actor.layers[0].weight.detach().clone()
        learner.update()  # One: one step of one environment was observed.
        weight = learner.actor.layers[0].weight
        if not torch.equal(weight, before):
            average = 0.7 * average + 0.3 * weight.detach()
        torch.testing.assert_close(learner.policy.layers[0].weight, average)
    assert not torch.allclose(average, learner.actor.layers[0].weight)

    seen = rows(0, 4, 3).numpy()
    acted = learner.act(seen, explore=False)
    torch.nn.init.zeros_(learner.actor.layers[0].weight)
    assert np.array_equal(learner.act(seen, explore=False), acted)
    random_state = learner.generator.get_state()
    explored = learner.act(seen, explore=True)
    for parameter in learner.policy.parameters():
        torch.nn.init.zeros_(parameter)
    learner.generator.set_state(random_state)
    assert np.array_equal(learner.act(seen, explore=True), explored)
    assert not learner.act(seen, explore=False).any()


@pytest.mark.parametrize("name", ["sac", "td3"])
@pytest.mark.parametrize("schedule", ["constant", "linear", "exponential"])
def test_learning_rate_of_all_networks_follows_the_schedule(name, schedule):
    kind = algos.get_algorithm_class(name)
    settings = kind.SETTINGS(
        **SMALL, learning_rate=0.01, schedule=schedule, schedule_steps=40, final_lr_fraction=0.5
    )
    learner = kind(Box(-1.0, 1.0, (3,)), Box(-1.0, 1.0, (2,)), settings, seed=0)
    for steps in range(8, 80, 8):
        learner.observe(transition_of(8))
        learner.update()
        expected = scheduled_lr(0.01, schedule, steps / 40, 0.5)
        rates = {optimizer.learning_rate for optimizer in learner.optimizers.values()}
        assert rates == {expected}


def test_each_member_begins_as_a_linear_layer_does_and_not_as_its_twin():
    torch.manual_seed(0)
    first = Ensemble(2, (100, 50, 1), "relu").weights[0]
    bound = 1.0 / math.sqrt(100)
    assert first.abs().max() <= bound
    assert first.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    assert not torch.equal(first[0], first[1])


def adam_by_hand(values: torch.Tensor, gradients: list[torch.Tensor], rate: float) -> torch.Tensor:
    """Kingma and Ba (2015), algorithm 1."""
    values, m, v = values.clone(), torch.zeros_like(values), torch.zeros_like(values)
    for t, g in enumerate(gradients, 1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        values -= rate * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
    return values


@pytest.mark.parametrize("layout", ["as the parameter", "transposed"])
def test_gradient_step_is_adam_whatever_the_gradients_layout_in_memory(layout):
    """The fused optimizer reads gradients in the parameter's memory layout, unchecked."""
    start, factor = rows(0, 3, 4, 5), rows(1, 3, 4, 5)
    parameter = nn.Parameter(start.clone())
    optimizer = Adam(0.01, nn.ParameterList([parameter]))
    gradients = []
    for turn in range(5):
        scale = factor * (turn + 1)
        if layout == "transposed":
            product = parameter.permute(1, 0, 2).reshape(4, 15) * scale.permute(1, 0, 2).reshape(
                4, 15
            )
        else:
            product = parameter * scale
        gradient_step(optimizer, product.sum())
        gradients.append(scale)
    torch.testing.assert_close(
        parameter.data, adam_by_hand(start, gradients, 0.01), rtol=1e-4, atol=1e-5
    )


def test_gradient_step_trains_an_ensemble_as_adam_by_hand_would():
    torch.manual_seed(0)
    net = Ensemble(2, (4, 8, 1), "tanh")
    twin = copy.deepcopy(net)
    parameters = list(net.parameters())
    optimizer = Adam(0.01, net)
    gradients = [[] for _ in parameters]
    starts = [parameter.detach().clone() for parameter in parameters]
    for turn in range(4):
        inputs = rows(turn, 16, 4)
        twin.load_state_dict(net.state_dict())
        found = torch.autograd.grad(twin(inputs).square().sum(), list(twin.parameters()))
        for kept, gradient in zip(gradients, found, strict=True):
            kept.append(gradient)
        gradient_step(optimizer, net(inputs).square().sum())
    for parameter, start, found in zip(parameters, starts, gradients, strict=True):
        torch.testing.assert_close(
            parameter.data, adam_by_hand(start, found, 0.01), rtol=1e-3, atol=1e-5
        )


def test_gradient_step_changes_only_the_parameters_it_is_given():
    mine, other = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    gradient_step(Adam(0.1, nn.ParameterList([mine])), (mine * other).sum())
    assert not torch.equal(mine.data, torch.ones(3))
    assert torch.equal(other.data, torch.ones(3)) and other.grad is None


def test_gradient_step_forgets_the_gradients_of_the_step_before():
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = Adam(0.1, nn.ParameterList([parameter]))
    for scale in (1.0, 5.0):
        gradient_step(optimizer, (scale * parameter).sum())
        assert optimizer.gradient.item() == scale


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_gradient_step_refuses_a_gradient_that_is_not_finite_and_changes_nothing(bad):
    parameter = nn.Parameter(torch.ones(2))
    optimizer = Adam(0.1, nn.ParameterList([parameter]))
    with pytest.raises((WorkError, FloatingPointError), match="finite"):
        gradient_step(optimizer, (parameter * torch.tensor([1.0, bad])).sum())
    assert torch.equal(parameter.data, torch.ones(2))


@pytest.mark.parametrize("tau", [0.0, 0.3, 1.0])
def test_soft_update_moves_every_weight_by_tau(tau):
    source, target = Ensemble(2, (3, 4, 1), "relu"), Ensemble(2, (3, 4, 1), "relu")
    before = [parameter.detach().clone() for parameter in target.parameters()]
    kept = [parameter.detach().clone() for parameter in source.parameters()]
    soft_update(target, source, tau)
    for new, old, goal in zip(target.parameters(), before, kept, strict=True):
        torch.testing.assert_close(new.data, (1 - tau) * old + tau * goal)
    assert all(torch.equal(new, old) for new, old in zip(source.parameters(), kept, strict=True))


# The replay buffer.


@given(capacity=st.integers(1, 20), numbers=st.lists(st.integers(1, 25), max_size=12))
def test_the_buffer_holds_the_last_rows_and_no_others(capacity, numbers):
    buffer = ReplayBuffer(capacity, Box(-1e9, 1e9, (1,)), Box(-1, 1, (1,)))
    seen: list[float] = []
    for number in numbers:
        marks = np.arange(len(seen), len(seen) + number, dtype=np.float32)
        column, flags = marks[:, None], marks % 2 == 0
        buffer.add(Transition(column, column / 1e3, marks, column + 0.5, flags, ~flags))
        seen += marks.tolist()
    kept = seen[-capacity:]
    assert buffer.size == len(kept)
    rows_kept = buffer.columns["r"][: buffer.size]
    assert sorted(rows_kept.tolist()) == kept
    for row, mark in enumerate(rows_kept):
        values = [buffer.columns[name][row].item() for name in ("s", "a", "s2", "terminated")]
        assert values == pytest.approx([mark, mark / 1e3, mark + 0.5, float(mark % 2 == 0)])


def test_a_sample_is_uniform_and_its_rows_belong_together():
    buffer = ReplayBuffer(50, Box(-1e9, 1e9, (2,)), Box(-1, 1, (1,)))
    marks = np.arange(30, dtype=np.float32)
    pair = np.stack((marks, marks), 1)
    buffer.add(Transition(pair, marks[:, None], marks, pair + 1, marks > 15, marks < 0))
    batch = buffer.sample(30_000, np.random.default_rng(0), torch.device("cpu"))
    assert [tensor.dtype for tensor in batch] == [torch.float32] * 5
    assert batch.s.shape == (30_000, 2) and batch.r.shape == (30_000,)
    assert torch.equal(batch.s[:, 0], batch.r) and torch.equal(batch.s2[:, 1], batch.r + 1)
    assert torch.equal(batch.terminated, (batch.r > 15).float())
    counts = np.bincount(batch.r.int().numpy(), minlength=30)
    assert len(counts) == 30 and counts.min() > 800 and counts.max() < 1200


def test_images_stay_bytes():
    buffer = ReplayBuffer(10, Box(0, 255, (4, 4, 3), np.uint8), Box(-1, 1, (1,)))
    image = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
    no = np.zeros(3, bool)
    buffer.add(Transition(image, np.zeros((3, 1)), np.zeros(3), image, no, no))
    batch = buffer.sample(5, np.random.default_rng(0), torch.device("cpu"))
    assert buffer.columns["s"].dtype == np.uint8 and batch.s.dtype == torch.uint8
    assert batch.s.shape == (5, 4, 4, 3)


def test_a_large_buffer_takes_no_memory_before_it_fills():
    unit = 1 if sys.platform == "darwin" else 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    buffer = ReplayBuffer(3_000_000, Box(-1, 1, (60,)), Box(-1, 1, (8,)))
    buffer.add(transition_of(4, observation=60, action=8))
    assert buffer.nbytes > 1.5e9
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit - before < 1e8


@pytest.mark.parametrize("number", [3, 10, 13])
def test_a_buffers_state_goes_round(number):
    spaces = Box(-1, 1, (3,)), Box(-1, 1, (2,))
    one, two = ReplayBuffer(10, *spaces), ReplayBuffer(10, *spaces)
    for seed in range(number):
        one.add(transition_of(seed=seed))
    two.set_state(copy.deepcopy(one.get_state()))
    for seed in range(7):
        one.add(transition_of(seed=100 + seed)), two.add(transition_of(seed=100 + seed))
    a, b = (
        buffer.sample(64, np.random.default_rng(0), torch.device("cpu")) for buffer in (one, two)
    )
    assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


# The normalizer.


@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=8), seed=st.integers(0, 1000))
def test_normalizer_has_exact_mean_and_variance_for_all_batch_sizes(sizes, seed):
    rng = np.random.default_rng(seed)
    batches = [rng.normal(rng.normal(0, 100), rng.uniform(0.1, 10), (size, 3)) for size in sizes]
    normalizer = Normalizer(3)
    for batch in batches:
        normalizer.update(torch.from_numpy(batch))
    everything = np.concatenate(batches)
    np.testing.assert_allclose(normalizer.mean, everything.mean(0), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(normalizer.variance, everything.var(0), rtol=1e-6, atol=1e-9)
    assert normalizer.count == len(everything)


def test_normalized_rows_have_mean_0_and_std_1_and_are_clipped():
    normalizer = Normalizer(2)
    data = rows(0, 5000, 2) * torch.tensor([5.0, 0.01]) + torch.tensor([100.0, -3.0])
    assert torch.equal(normalizer(data[:5]), data[:5].clamp(-10, 10)), (
        "before any update nothing changes"
    )
    normalizer.update(data)
    seen = normalizer(data)
    torch.testing.assert_close(seen.mean(0), torch.zeros(2), atol=1e-2, rtol=0)
    torch.testing.assert_close(seen.std(0), torch.ones(2), atol=1e-2, rtol=0)
    assert normalizer(torch.tensor([[1e9, -1e9]])).tolist() == [[10.0, -10.0]]
    constant = Normalizer(1)
    constant.update(torch.full((10, 1), 7.0))
    assert torch.isfinite(constant(torch.tensor([[7.0], [7.1]]))).all()


# SAC's losses.


def target_by_hand(
    learner: SAC, batch: Batch, a2: torch.Tensor, log_pi2: torch.Tensor, alpha: float
) -> torch.Tensor:
    """y = r + gamma (1 - terminated)(min Q'(s2, a2) - alpha log pi(a2|s2)), number by number."""
    values = []
    for row in range(len(batch.r)):
        values_of_both = learner.critic_target(batch.s2[row][None], a2[row][None])
        q = min(values_of_both[member, 0].item() for member in range(2))
        soft = q - alpha * log_pi2[row].item()
        values.append(
            batch.r[row].item()
            + learner.settings.gamma * (1.0 - batch.terminated[row].item()) * soft
        )
    return torch.tensor(values)


@pytest.mark.parametrize("terminated", [0.0, 1.0])
@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_the_critics_target_holds_the_entropy_and_stops_at_a_death(terminated, alpha):
    learner, batch = sac(gamma=0.9), batch_of(terminated=terminated)
    soft_update(
        learner.critic_target, Ensemble(2, (5, 16, 16, 1), "relu"), 1.0
    )  # The target is another network than the critic.
    chance = learner.generator.get_state()
    loss = learner.critic_loss(batch, torch.tensor(alpha))
    learner.generator.set_state(chance)
    with torch.no_grad():
        a2, log_pi2 = learner.actor(batch.s2).sample(learner.generator)
        y = target_by_hand(learner, batch, a2, log_pi2, alpha)
        q = learner.critic(batch.s, batch.a)
    expected = sum(((q[member] - y) ** 2).mean() for member in range(2))
    torch.testing.assert_close(loss.detach(), expected, rtol=1e-4, atol=1e-5)
    if terminated:
        torch.testing.assert_close(y, batch.r)


def test_the_critics_loss_gives_no_gradient_to_target_actor_or_temperature():
    learner = sac()
    learner.critic_loss(batch_of(), learner.log_alpha.exp()).backward()
    assert all(parameter.grad is not None for parameter in learner.critic.parameters())
    others = [*learner.critic_target.parameters(), *learner.actor.parameters(), learner.log_alpha]
    assert all(parameter.grad is None for parameter in others)


def test_only_termination_is_stored_as_terminated():
    learner = sac()
    learner.observe(transition_of(3, truncated=True))
    assert learner.replay.buffer.columns["terminated"][:3].tolist() == [0.0] * 3
    learner.observe(transition_of(2, terminated=True))
    assert learner.replay.buffer.columns["terminated"][:5].tolist() == [0.0] * 3 + [1.0] * 2


def test_the_actors_loss_is_alpha_log_pi_minus_the_smaller_value():
    learner, s = sac(), rows(0, 8, 3)
    a, log_pi = learner.actor(s).sample(generator(1))
    q = learner.critic(s, a)
    expected = (0.3 * log_pi - torch.minimum(q[0], q[1])).mean()
    torch.testing.assert_close(learner.actor_loss(s, a, log_pi, torch.tensor(0.3)), expected)


def test_the_actors_step_leaves_the_critics_weights_alone():
    learner, batch = sac(), batch_of()
    before = copy.deepcopy(learner.critic.state_dict())
    a, log_pi = learner.actor(batch.s).sample(learner.generator)
    loss = learner.actor_loss(batch.s, a, log_pi, torch.tensor(0.2)) + learner.log_alpha
    gradient_step(learner.optimizers["actor_and_temperature"], loss)
    assert all(
        torch.equal(value, before[name]) for name, value in learner.critic.state_dict().items()
    )
    assert all(parameter.grad is None for parameter in learner.critic.parameters())


def test_a_frozen_critic_has_the_same_gradient_in_the_action_and_none_in_its_weights():
    critic = sac().critic
    s = torch.randn(5, 3)
    a = torch.randn(5, 2, requires_grad=True)
    (expected,) = torch.autograd.grad(critic(s, a).amin(0).mean(), a)
    with critic.frozen():
        loss = critic(s, a).amin(0).mean()
    loss.backward()
    assert torch.equal(a.grad, expected)
    assert all(weight.grad is None for weight in critic.parameters())
    assert all(weight.requires_grad for weight in critic.parameters())


@pytest.mark.parametrize(("log_pi", "grows"), [(-5.0, False), (5.0, True)])
def test_the_temperature_rises_when_there_is_too_little_entropy_and_falls_when_too_much(
    log_pi, grows
):
    learner = sac()
    assert learner.target_entropy == -2.0
    before = learner.log_alpha.item()
    temperature = Adam(0.1, nn.ParameterList([learner.log_alpha]))
    gradient_step(temperature, learner.alpha_loss(torch.full((8,), log_pi)))
    assert (learner.log_alpha.item() > before) == grows
    at_rest = learner.alpha_loss(torch.full((8,), 2.0))
    learner.log_alpha.grad = None
    at_rest.backward()
    assert learner.log_alpha.grad.item() == pytest.approx(0.0, abs=1e-6)


def test_one_update_changes_every_network_and_returns_its_losses():
    learner, batch = sac(tau=0.1, normalize_observations=True), batch_of(32)
    before = {name: weights_of(module) for name, module in learner.networks.items()}
    metrics = learner.train_on_batch(batch)
    assert all(weights_of(module) != before[name] for name, module in learner.networks.items())
    assert metrics.keys() == {
        "losses/qf_loss",
        "losses/actor_loss",
        "losses/alpha",
        "losses/entropy",
    }
    assert metrics["losses/alpha"] == pytest.approx(1.0), "the temperature that was used"
    assert all(type(value) is float and math.isfinite(value) for value in metrics.values())


@pytest.mark.parametrize(
    ("per_step", "envs", "expected"), [(1.0, 1, 30), (0.25, 1, 7), (1.0, 4, 120), (2.0, 1, 60)]
)
def test_updates_come_as_often_as_they_were_earned(per_step, envs, expected, monkeypatch):
    learner = sac(updates_per_step=per_step, learning_starts=20 * envs)
    done = []
    monkeypatch.setattr(SAC, "train_on_batch", lambda self, batch: done.append(len(batch.r)) or {})
    for step in range(50):
        learner.observe(transition_of(envs, seed=step))
        learner.update()
        assert not done or learner.replay.steps > learner.settings.learning_starts
    assert done == [16] * expected


def test_it_warms_up_uniformly_and_then_follows_its_policy():
    learner = sac(learning_starts=100)
    seen = np.zeros((2000, 3), np.float32)
    uniform = learner.act(seen, explore=True)
    assert uniform.dtype == np.float32 and uniform.shape == (2000, 2)
    assert np.abs(uniform).max() <= 1.0 and uniform.std() == pytest.approx(
        1 / math.sqrt(3), rel=0.05
    )
    mode = learner.act(seen, explore=False)
    assert (mode == mode[0]).all(), "without exploring the warm-up does not matter"
    for _ in range(100):
        learner.observe(transition_of())
    assert (np.abs(learner.act(seen[:5], explore=True)) <= 1.0).all()
    assert not np.array_equal(learner.act(seen, explore=True), uniform)


def test_acting_without_exploring_draws_no_random_numbers():
    one, two = sac(learning_starts=0), sac(learning_starts=0)
    seen = np.ones((3, 3), np.float32)
    for _ in range(5):
        one.act(seen, explore=False)
    assert np.array_equal(one.act(seen, explore=True), two.act(seen, explore=True))


def test_one_row_acts_as_it_does_among_many():
    learner = sac(learning_starts=0)
    seen = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    together = learner.act(seen, explore=False)
    alone = np.concatenate([learner.act(row[None], explore=False) for row in seen])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def probe(name: str, **settings: object) -> Learner:
    """A small SAC for a probe environment."""
    return algos.make_learner(
        "sac",
        f"probe/{name}-v0",
        {},
        {**SMALL, "learning_rate": 3e-3, "batch_size": 64, **settings},
    )


def test_it_learns_to_do_what_it_sees():
    learner = school(
        probe("SeeDo", hidden_sizes=(32, 32), learning_starts=200, target_entropy=-4.0),
        "probe/SeeDo-v0",
        1200,
    )
    shown = [-0.7, -0.3, 0.0, 0.3, 0.7]
    np.testing.assert_allclose(greedy(learner, shown), shown, atol=0.15)


def value(learner: SAC, seen: float) -> float:
    """The mean of the critics over some actions."""
    actions = torch.tensor([[-0.5], [0.0], [0.5]])
    observations = torch.full((3, 1), seen)
    with torch.no_grad():
        return learner.critic(observations, actions).mean().item()


def test_truncation_is_bootstrapped():
    learner = probe("One", **STILL)
    school(learner, "probe/One-v0", 600)  # Ended by its time limit every 10 steps.
    assert value(learner, 0.0) == pytest.approx(1.0 / (1.0 - 0.8), rel=0.05)
    assert learner.value_and_std(np.zeros((1, 1), np.float32))[0] == pytest.approx(
        [1.0 / (1.0 - 0.8)], rel=0.05
    )


def test_termination_is_not_bootstrapped():
    learner = probe("OneDies", **STILL)
    school(learner, "probe/OneDies-v0", 1000)
    expected = [sum(0.8**k for k in range(5 - age)) for age in range(5)]
    assert [value(learner, age / 5.0) for age in range(5)] == pytest.approx(expected, rel=0.2)


def test_the_normalizer_learns_from_what_is_seen_and_only_when_asked():
    for normalize in (False, True):
        learner = school(probe("SeeDo", normalize_observations=normalize), "probe/SeeDo-v0", 30)
        found = learner.replay.normalizer
        assert isinstance(found, Normalizer) == normalize and not found.is_empty


# One seed, one learner; and a state that goes round.


@pytest.mark.parametrize("normalize", [False, True])
def test_one_seed_gives_the_same_weights_byte_for_byte(normalize):
    def trained(seed: int) -> bytes:
        learner = probe("SeeDo", normalize_observations=normalize) if seed == 0 else sac(1, 1, seed)
        return weights(school(learner, "probe/SeeDo-v0", 60))

    assert trained(0) == trained(0)
    assert trained(0) != trained(1)


def test_learner_does_not_depend_on_torchs_global_random_state():
    torch.manual_seed(1)
    first = weights(school(sac(1, 1), "probe/SeeDo-v0", 40))
    torch.manual_seed(2)
    assert weights(school(sac(1, 1), "probe/SeeDo-v0", 40)) == first


@pytest.mark.parametrize("name", algos.ALGORITHMS)
def test_restoring_a_learner_leaves_global_random_state_and_threads_alone(name, tmp_path):
    config = {
        "algorithm": name,
        "env": "probe/SeeDo-v0",
        "env_settings": {},
        "training": {},
        "device": "cpu",
        "settings": {"hidden_sizes": [8], "threads": torch.get_num_threads() + 1},
    }
    run = Run.create(tmp_path, "mine", config)
    spaces = Box(-1.0, 1.0, (1,), np.float32), Box(-1.0, 1.0, (1,), np.float32)
    kind = algos.get_algorithm_class(name)
    learner = kind(*spaces, kind.SETTINGS(hidden_sizes=(8,)), seed=3)
    run.save_checkpoint(1, learner.state_dict(), None)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    numpy_state = np.random.get_state()[1].tolist()  # noqa: NPY002
    threads = torch.get_num_threads()
    restored = algos.restore_learner(run)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.random.get_state()[1].tolist() == numpy_state  # noqa: NPY002
    assert torch.get_num_threads() == threads
    assert np.array_equal(greedy(restored, [0.1, 0.5]), greedy(learner, [0.1, 0.5]))


@pytest.mark.parametrize("steps", [5, 60])
def test_a_state_goes_round_exactly(steps):
    settings = {"updates_per_step": 0.7, "normalize_observations": True}
    settings |= {"noise_color": "pink", "policy_tau": 0.1, "layer_norm": True}
    one = school(probe("SeeDo", **settings), "probe/SeeDo-v0", steps)
    two = probe("SeeDo", **settings)
    two.load_state_dict(copy.deepcopy(one.state_dict()))
    assert weights(one) == weights(two)
    for learner in (one, two):
        school(learner, "probe/SeeDo-v0", 40, seed=9)
    assert weights(one) == weights(two)


def test_a_loaded_learner_and_its_source_go_separate_ways():
    one = school(probe("SeeDo"), "probe/SeeDo-v0", 40)
    kept = copy.deepcopy(one.state_dict())
    two = probe("SeeDo")
    two.load_state_dict(one.state_dict())
    school(two, "probe/SeeDo-v0", 20)
    for group, values in one.state_dict().items():
        for name, value in values.items():
            assert np.array_equal(value, kept[group][name]), (
                f"{group}.{name} was changed by another learner"
            )


@pytest.mark.parametrize("policy_tau", [1.0, 0.1])
def test_the_policy_alone_is_enough_to_act(policy_tau):
    settings = {"normalize_observations": True, "policy_tau": policy_tau}
    one = school(probe("SeeDo", **settings), "probe/SeeDo-v0", 60)
    two = probe("SeeDo", **settings)
    two.load_state_dict({"policy": one.state_dict()["policy"]})
    assert np.array_equal(greedy(one, [0.1, 0.5]), greedy(two, [0.1, 0.5]))


def test_a_state_is_arrays_and_plain_values():
    state = school(sac(1, 1), "probe/SeeDo-v0", 30).state_dict()
    plain = (int, float, str, bool, dict, list, np.ndarray)
    for group, values in state.items():
        for name, value in values.items():
            assert isinstance(value, plain), f"{group}.{name} is a {type(value).__name__}"


# What it refuses.


BOX = Box(-1.0, 1.0, (2,), np.float32)


@pytest.mark.parametrize(
    ("observation", "action", "message"),
    [
        (BOX, Discrete(3), "actions in a flat Box"),
        (Discrete(4), BOX, "observations in a flat Box"),
        (Box(0, 255, (8, 8, 3), np.uint8), BOX, "observations in a flat Box"),
        (BOX, Box(-1.0, 1.0, (2, 2), np.float32), "actions in a flat Box"),
    ],
)
def test_it_refuses_spaces_it_cannot_learn_in_with_one_line(observation, action, message):
    with pytest.raises(UserError, match=message) as refused:
        SAC(observation, action, SACSettings(), 0)
    assert "SAC" in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("hidden", [(0,), (-1,), (64, 0)])
def test_layers_have_at_least_one_unit(hidden):
    with pytest.raises(UserError, match="hidden"):
        SACSettings.parse({"hidden_sizes": list(hidden)}, "sac setting")


def test_an_unknown_algorithm_is_named():
    with pytest.raises(UserError, match="unknown algorithm 'sca': did you mean 'sac'"):
        algos.get_algorithm_class("sca")


@pytest.mark.parametrize("name", algos.ALGORITHMS)
def test_every_algorithm_makes_a_learner_for_any_flat_env(name):
    learner = algos.make_learner(name, "Pendulum-v1", {}, {"hidden_sizes": [8]})
    env = make("Pendulum-v1")
    seen, _ = env.reset(seed=0)
    action = learner.act(seen[None], explore=True)
    assert action.shape == (1, 1) and np.abs(action).max() <= 1.0
    assert isinstance(learner.action_space, gymnasium.spaces.Box)
    assert learner.action_space.high.tolist() == [1.0]


@pytest.mark.parametrize("name", algos.ALGORITHMS)
def test_update_learns_the_same_where_an_environment_switched_gradients_off(name):
    learner_class = algos.get_algorithm_class(name)
    short = {"rollout_steps": 16, "epochs": 1} if name == "ppo" else SMALL
    spaces = Box(-9.0, 9.0, (3,), np.float32), Box(-1.0, 1.0, (2,), np.float32)
    after = []
    for is_on in (True, False):
        learner = learner_class(*spaces, learner_class.SETTINGS(**short), 0)
        before = weights(learner)
        with torch.set_grad_enabled(is_on):
            for seed in range(16):
                learner.observe(transition_of(seed=seed))
                learner.update()
        after.append(weights(learner))
    assert before != after[0] == after[1]
