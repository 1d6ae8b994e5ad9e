"""Distributions against torch's own and against sums over all actions; and heads."""

import itertools
import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete
from hypothesis import given
from hypothesis import strategies as st
from learners import generator, greedy, rows, school
from torch import distributions
from torch.nn import functional

from poise import algos
from poise.algos.distributions import (
    HEADS,
    Beta,
    BetaHead,
    Categorical,
    CategoricalHead,
    Distribution,
    Gaussian,
    GaussianHead,
    Head,
    MultiCategorical,
    SquashedGaussian,
    SquashedGaussianHead,
    StateGaussianHead,
    make_head,
)
from poise.toolkit.errors import UserError

KINDS = [
    "gaussian",
    "state_gaussian",
    "squashed_gaussian",
    "beta",
    "categorical",
    "multi_categorical",
]
NUMBERS = ["gaussian", "state_gaussian", "squashed_gaussian", "beta"]
"""The kinds whose actions are numbers; those of the others are choices."""
START = 5
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)
EVERY_SEED = pytest.mark.parametrize("seed", [0, 1, 2])


def made(kind: str, numbers: torch.Tensor) -> Distribution:
    """A distribution of this class with parameters (..., 6): halves or logits."""
    left, right = numbers.chunk(2, -1)
    match kind:
        case "gaussian":
            return Gaussian(left, 0.4 * right.reshape(-1, right.shape[-1])[0])
        case "state_gaussian":
            return Gaussian(left, 0.4 * right)
        case "squashed_gaussian":
            return SquashedGaussian(left, 0.4 * right)
        case "beta":
            return Beta(1.0 + left.exp(), 1.0 + right.exp())
        case "categorical":
            return Categorical(numbers, START)
    return MultiCategorical([Categorical(numbers[..., :2]), Categorical(numbers[..., 2:], START)])


class Oracle:
    """The same distribution as torch has it; a list of one for each dimension or part."""

    def __init__(self, kind: str, numbers: torch.Tensor) -> None:
        left, right = numbers.chunk(2, -1)
        self.choices = kind not in NUMBERS
        match kind:
            case "gaussian":
                self.parts = [
                    distributions.Normal(left, (0.4 * right.reshape(-1, right.shape[-1])[0]).exp())
                ]
            case "state_gaussian":
                self.parts = [distributions.Normal(left, (0.4 * right).exp())]
            case "squashed_gaussian":
                base = distributions.Normal(left, (0.4 * right).exp())
                self.parts = [
                    distributions.TransformedDistribution(base, distributions.TanhTransform())
                ]
            case "beta":
                self.base = distributions.Beta(1.0 + left.exp(), 1.0 + right.exp())
                self.parts = [
                    distributions.TransformedDistribution(
                        self.base, distributions.AffineTransform(-1.0, 2.0)
                    )
                ]
            case "categorical":
                self.parts = [distributions.Categorical(logits=numbers)]
            case _:
                self.parts = [
                    distributions.Categorical(logits=logits)
                    for logits in (numbers[..., :2], numbers[..., 2:])
                ]
        self.kind = kind

    def log_prob(self, a: torch.Tensor) -> torch.Tensor:
        if self.kind == "categorical":
            return self.parts[0].log_prob(a - START)
        if self.choices:
            return self.parts[0].log_prob(a[..., 0]) + self.parts[1].log_prob(a[..., 1] - START)
        return self.parts[0].log_prob(a).sum(-1)

    def entropy(self) -> torch.Tensor:
        if self.kind == "beta":  # Stretched from [0, 1] to [-1, 1], each dimension gains log 2.
            return (self.base.entropy() + math.log(2.0)).sum(-1)
        if self.choices:
            return sum(part.entropy() for part in self.parts)
        return self.parts[0].entropy().sum(-1)


def support(kind: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return all actions (G, ...) of a small distribution and their weights in sums over them."""
    if kind == "categorical":
        return START + torch.arange(2), torch.ones(2)
    if kind == "multi_categorical":
        return torch.tensor([*itertools.product(range(2), START + np.arange(4))]), torch.ones(8)
    u = torch.linspace(-1.0, 1.0, 4_001, dtype=torch.float64)
    a = {"beta": u * (1.0 - 1e-6), "squashed_gaussian": torch.tanh(7.0 * u)}.get(kind, 15.0 * u)
    gaps = a.diff()
    return a[:, None], 0.5 * (functional.pad(gaps, (0, 1)) + functional.pad(gaps, (1, 0)))


def small(kind: str, seed: int, number: int = 1) -> Distribution:
    """A distribution over `support`: one dimension, two choices, or two choices and four."""
    width = 6 if kind == "multi_categorical" else 2
    return made(kind, rows(seed, 1, width).double().expand(number, -1))


def actions(kind: str, number: int, seed: int = 9) -> torch.Tensor:
    """Actions that distributions over 6 numbers may take."""
    rng = np.random.default_rng(seed)
    if kind == "categorical":
        return torch.from_numpy(START + rng.integers(0, 6, number))
    if kind == "multi_categorical":
        return torch.from_numpy(
            np.stack((rng.integers(0, 2, number), START + rng.integers(0, 4, number)), -1)
        )
    return torch.from_numpy(rng.uniform(-0.98, 0.98, (number, 3)))


# Densities and entropies.


@EVERY_KIND
def test_log_prob_and_its_gradient_are_those_of_torchs_distribution(kind):
    numbers, a = rows(1, 50, 6).double().requires_grad_(), actions(kind, 50)
    ours, theirs = made(kind, numbers).log_prob(a), Oracle(kind, numbers).log_prob(a)
    assert ours.shape == (50,)
    torch.testing.assert_close(ours, theirs)
    gradients = [
        torch.autograd.grad(log_prob.square().sum(), numbers)[0] for log_prob in (ours, theirs)
    ]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "squashed_gaussian"])
def test_entropy_and_its_gradient_are_those_of_torchs_distribution(kind):
    numbers = rows(2, 50, 6).double().requires_grad_()
    ours, theirs = made(kind, numbers).entropy(), Oracle(kind, numbers).entropy()
    assert ours.shape == (50,)
    torch.testing.assert_close(ours, theirs)
    gradients = [
        torch.autograd.grad(entropy.square().sum(), numbers)[0] for entropy in (ours, theirs)
    ]
    torch.testing.assert_close(*gradients)


@EVERY_KIND
@EVERY_SEED
def test_chances_sum_to_one_and_the_entropy_is_minus_the_sum_of_p_log_p(kind, seed):
    a, weights = support(kind)
    policy = small(kind, seed, len(a))
    log_p = policy.log_prob(a)
    assert (weights * log_p.exp()).sum().item() == pytest.approx(1.0, abs=1e-5)
    entropy = -(weights * log_p.exp() * log_p).sum().item()
    # The squashed Gaussian's is a quadrature over 20 nodes.
    assert policy.entropy()[0].item() == pytest.approx(
        entropy, abs=1e-3 if kind == "squashed_gaussian" else 1e-4
    )


@pytest.mark.parametrize("mean", [-3.0, 0.0, 1.5])
@pytest.mark.parametrize("log_std", [-5.0, -1.0, 0.0, 1.0])
def test_the_squashed_entropy_is_what_its_samples_say_and_never_above_the_uniforms(mean, log_std):
    policy = SquashedGaussian(
        torch.full((10_000, 1), mean).double(), torch.full((10_000, 1), log_std).double()
    )
    surprisal = -policy.sample(generator())[1]
    assert policy.entropy()[0].item() == pytest.approx(
        surprisal.mean().item(), abs=0.02 + 5.0 * surprisal.std().item() / 100.0
    )
    assert policy.entropy()[0] <= math.log(2.0)


@EVERY_KIND
def test_states_are_independent_and_may_have_time_and_env_axes(kind):
    numbers, a = rows(3, 12, 6).double(), actions(kind, 12)
    if kind == "gaussian":
        numbers[:, 3:] = numbers[0, 3:]
    flat, folded = made(kind, numbers), made(kind, numbers.reshape(4, 3, 6))
    for ours, theirs in (
        (folded.log_prob(a.reshape(4, 3, *a.shape[1:])), flat.log_prob(a)),
        (folded.entropy(), flat.entropy()),
        (folded.mode(), flat.mode()),
    ):
        torch.testing.assert_close(ours, theirs.reshape(4, 3, *theirs.shape[1:]))
    alone = torch.cat(
        [made(kind, row[None]).log_prob(one[None]) for row, one in zip(numbers, a, strict=True)]
    )
    torch.testing.assert_close(flat.log_prob(a), alone)


# Samples and modes.


@EVERY_KIND
def test_a_samples_own_log_prob_is_log_prob_of_it(kind):
    policy = made(kind, rows(4, 200, 6).double())
    a, log_pi = policy.sample(generator())
    assert log_pi.shape == (200,)
    torch.testing.assert_close(log_pi, policy.log_prob(a), rtol=1e-6, atol=1e-6)
    if kind in NUMBERS:
        assert a.shape == (200, 3) and (kind.endswith("gaussian") or a.abs().max() <= 1.0)
        assert len(a.unique()) == a.numel(), "every number is drawn by itself"
    else:
        assert a.dtype == torch.int64


MEANS = (-50.0, -9.0, -3.0, 0.0, 5.0, 7.0, 9.0, 20.0)
LOG_STDS = (-5.0, -3.0, -1.0, 0.0, 2.0)


def extreme_policies(kind: str) -> Iterator[Distribution]:
    """Yield distributions of 2,000 rows in float32, up to the ends of what a network gives."""
    whole = torch.ones(2_000, 1)
    if kind == "beta":
        for alpha, beta in itertools.product((1.0, 1.001, 2.0, 60.0, 1e4), repeat=2):
            yield Beta(alpha * whole, beta * whole)
    elif kind in NUMBERS:
        kind_class = SquashedGaussian if kind == "squashed_gaussian" else Gaussian
        for mean, log_std in itertools.product(MEANS, LOG_STDS):
            yield kind_class(mean * whole, log_std * whole)
    else:
        for low, high in itertools.product((-1e4, -100.0, 0.0), (0.0, 30.0, 1e4)):
            logits = torch.tensor([low, high, 0.0, 1.0, low, 0.5]).expand(2_000, -1)
            yield made(kind, logits)


def exact_log_prob(policy: Distribution, a: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    """log pi of samples in float64, from u = atanh(a) as it was sampled."""
    a = a.double()
    u = u.double()
    log_slope = 2.0 * (math.log(2.0) - u.abs() - torch.log1p(torch.exp(-2.0 * u.abs())))
    match policy:
        case SquashedGaussian():
            base = distributions.Normal(policy.mean.double(), policy.log_std.double().exp())
            return (base.log_prob(u) - log_slope).sum(-1)
        case Beta():
            alpha, beta = policy.alpha.double(), policy.beta.double()
            log_x, log_rest = (-torch.logaddexp(torch.zeros_like(u), v) for v in (-2 * u, 2 * u))
            log_beta = torch.lgamma(alpha) + torch.lgamma(beta) - torch.lgamma(alpha + beta)
            density = (alpha - 1.0) * log_x + (beta - 1.0) * log_rest - log_beta - math.log(2.0)
            return density.sum(-1)
        case Gaussian():
            base = distributions.Normal(policy.mean.double(), policy.log_std.double().exp())
            return base.log_prob(a).sum(-1)
        case Categorical():
            return policy.log_probs.double().gather(-1, (a - policy.start).long()[:, None])[:, 0]
    assert isinstance(policy, MultiCategorical)
    parts = zip(policy.categoricals, a.unbind(-1), strict=True)
    return sum(exact_log_prob(part, choice, choice) for part, choice in parts)


@EVERY_KIND
def test_log_prob_of_own_samples_is_exact_however_extreme_the_policy_is(kind):
    """Once tanh is full, an action alone does not say with which density it was sampled."""
    for policy in extreme_policies(kind):
        a, log_pi = policy.sample(generator())
        u = policy.unsquash(a)
        exact = exact_log_prob(policy, a, u)
        for found in (log_pi, policy.log_prob(a), policy.log_prob_unsquashed(u)):
            assert torch.isfinite(found).all()
            np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("kind", ["squashed_gaussian", "beta"])
def test_log_prob_of_given_actions_is_exact_until_the_number_next_to_one(kind):
    policy = made(kind, rows(4, 1, 6).expand(2_000, -1))
    a = torch.tanh(torch.linspace(-8.0, 8.0, 2_000))[:, None].expand(-1, 3)
    exact = exact_log_prob(made(kind, rows(4, 1, 6).double()), a, torch.atanh(a.double()))
    np.testing.assert_allclose(policy.log_prob(a), exact, rtol=1e-3)
    end = torch.full((2_000, 3), 1.0)
    beside = torch.full((2_000, 3), 1.0 - 2.0**-24)
    assert torch.equal(policy.log_prob(end), policy.log_prob(beside)), "the end of atanh"


@EVERY_KIND
@EVERY_SEED
def test_samples_come_as_often_as_their_chances(kind, seed):
    number = 10_000
    a, weights = support(kind)
    sample = small(kind, seed, number).sample(generator(seed))[0]
    chances = weights * small(kind, seed, len(a)).log_prob(a).exp()
    if (
        kind in NUMBERS
    ):  # How many lie below each of some marks, against the density's integral up to there.
        marks = range(0, len(a), 200)
        found = [(sample <= a[mark]).double().mean().item() for mark in marks]
        expected = [chances[: mark + 1].sum().item() for mark in marks]
    else:
        found = [(sample == one).reshape(number, -1).all(-1).double().mean().item() for one in a]
        expected = chances.tolist()
    np.testing.assert_allclose(found, expected, atol=2.0 / math.sqrt(number))


@EVERY_KIND
@EVERY_SEED
def test_the_mode_is_where_chances_are_highest(kind, seed):
    a, _ = support(kind)
    policy = small(kind, seed, len(a))
    if (
        kind == "squashed_gaussian"
    ):  # The density of a may peak elsewhere; the mode is where u is most likely.
        likeliest = a[(policy.log_prob(a) + torch.log1p(-a[:, 0].square())).argmax()]
    else:
        likeliest = a[policy.log_prob(a).argmax()]
    torch.testing.assert_close(
        policy.mode()[0], likeliest, atol=5e-3 if kind in NUMBERS else 0, rtol=0, check_dtype=False
    )


def test_half_of_a_squashed_gaussians_samples_lie_below_its_mode():
    policy = SquashedGaussian(torch.full((10_000, 1), 0.7), torch.zeros(10_000, 1))
    assert (policy.sample(generator())[0] < policy.mode()).float().mean().item() == pytest.approx(
        0.5, abs=0.02
    )


@EVERY_KIND
def test_chance_comes_from_the_generator_alone(kind):
    policy = made(kind, rows(5, 30, 6))
    torch.manual_seed(1)
    first = policy.sample(generator(5))[0]
    torch.manual_seed(2)
    assert torch.equal(policy.sample(generator(5))[0], first)
    assert not torch.equal(policy.sample(generator(6))[0], first)
    before = torch.get_rng_state()
    policy.sample(generator()), policy.mode(), policy.entropy(), policy.log_prob(first)
    assert torch.equal(torch.get_rng_state(), before)


def test_gaussian_samples_are_differentiable_in_mean_and_std():
    mean, log_std = rows(0, 4, 2).requires_grad_(), rows(1, 4, 2).requires_grad_()
    a = Gaussian(mean, log_std).sample(generator())[0]
    a.sum().backward()
    torch.testing.assert_close(mean.grad, torch.ones(4, 2))
    torch.testing.assert_close(log_std.grad, (a - mean).detach())


def test_gradients_by_hand_are_those_of_finite_differences():
    torch.manual_seed(0)
    mean = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    a = torch.randn(5, 4, 3, dtype=torch.float64, requires_grad=True)
    for log_std_shape in [(3,), (4, 3)]:
        log_std = torch.randn(log_std_shape, dtype=torch.float64, requires_grad=True)
        torch.autograd.gradcheck(
            lambda a, mean, log_std: Gaussian(mean, log_std).log_prob(a), (a, mean, log_std)
        )

        def sample(mean, log_std):
            pi = SquashedGaussian(mean, log_std)
            a, log_pi = pi.sample(generator(0))
            return a, log_pi, pi.unsquash(a), pi.log_prob(a)

        torch.autograd.gradcheck(sample, (mean, log_std))


def test_known_values():
    nought = torch.zeros(1, 1)
    assert Gaussian(nought, nought).log_prob(nought).item() == pytest.approx(
        -0.5 * math.log(2 * math.pi)
    )
    assert Gaussian(nought, nought).entropy().item() == pytest.approx(
        0.5 * math.log(2 * math.pi * math.e)
    )
    uniform = Beta(torch.ones(1, 1), torch.ones(1, 1))
    assert [
        uniform.log_prob(torch.tensor([[a]])).item() for a in (-0.9, 0.0, 0.5)
    ] == pytest.approx([-math.log(2.0)] * 3)
    assert uniform.entropy().item() == pytest.approx(math.log(2.0))
    assert Beta(torch.tensor([[3.0]]), torch.tensor([[2.0]])).mode().item() == pytest.approx(
        2.0 * (2.0 / 3.0) - 1.0
    )
    assert Categorical(torch.zeros(1, 4)).entropy().item() == pytest.approx(math.log(4.0))
    sure = Categorical(torch.tensor([[0.0, 1e4, 0.0]]), start=-1)
    assert sure.mode().item() == 0 == sure.sample(generator())[0].item()
    assert sure.entropy().item() == 0.0 == sure.log_prob(torch.tensor([0])).item()


def test_a_flat_beta_shows_the_middle():
    assert Beta(torch.ones(1, 1), torch.ones(1, 1)).mode().item() == 0.0


# Heads.

BOX = Box(-1.0, 1.0, (3,), np.float32)
SPACES = {
    **dict.fromkeys(HEADS, BOX),
    "categorical": Discrete(4, start=START),
    "multi_categorical": MultiDiscrete([2, 3], start=[0, START]),
}
HEADS_OF = {
    "gaussian": (GaussianHead, Gaussian, 3),
    "state_gaussian": (StateGaussianHead, Gaussian, 6),
    "squashed_gaussian": (SquashedGaussianHead, SquashedGaussian, 6),
    "beta": (BetaHead, Beta, 6),
    "categorical": (CategoricalHead, Categorical, 4),
    "multi_categorical": (CategoricalHead, MultiCategorical, 5),
}


def head_of(kind: str, log_std: float = 0.0) -> Head:
    """The head for a space that suits the kind."""
    return make_head(SPACES[kind], kind if kind in HEADS else "gaussian", log_std)


@EVERY_KIND
def test_a_head_says_how_many_numbers_it_takes_and_gives_a_distribution_of_the_spaces_actions(kind):
    made, (head_kind, policy_kind, inputs) = head_of(kind), HEADS_OF[kind]
    assert type(made) is head_kind and made.in_features == inputs
    policy = made(rows(0, 7, inputs))
    assert type(policy) is policy_kind
    a, log_pi = policy.sample(generator())
    assert a.shape == policy.mode().shape == (
        7,
        *SPACES[kind].shape,
    ) and log_pi.shape == policy.entropy().shape == (7,)
    bounded = [
        a.numpy()
        for a in (a, policy.mode())
        if not kind.endswith("gaussian") or kind.startswith("squashed")
    ]
    assert all(row.astype(SPACES[kind].dtype) in SPACES[kind] for array in bounded for row in array)


@pytest.mark.parametrize("log_std", [-1.0, 0.5])
def test_gaussian_std_starts_at_log_std_init(log_std):
    free = head_of("gaussian", log_std)
    assert [(name, weight.tolist()) for name, weight in free.named_parameters()] == [
        ("log_std", [log_std] * 3)
    ]
    assert free(rows(0, 5, 3)).log_std is free.log_std, "the same in every state, and learned"
    for kind in ("state_gaussian", "squashed_gaussian"):
        head = head_of(kind, log_std)
        assert not [*head.parameters()]
        numbers = torch.cat((rows(0, 5, 3), torch.zeros(5, 3)), -1)
        assert torch.equal(head(numbers).mean, numbers[:, :3])
        assert torch.equal(head(numbers).log_std, torch.full((5, 3), log_std))
        numbers[:, 3:] = torch.tensor([0.25, -99.0, 99.0])
        assert head(numbers).log_std[0].tolist() == [log_std + 0.25, -5.0, 2.0]


def test_beta_head_makes_unimodal_densities_for_all_parameters():
    numbers = torch.tensor([[-30.0, 0.0, 3.0, 0.0, 30.0, -3.0]])
    policy = head_of("beta")(numbers)
    expected = 1.0 + torch.log1p(numbers.double().exp())
    torch.testing.assert_close(torch.cat((policy.alpha, policy.beta), -1).double(), expected)
    assert (policy.alpha >= 1.0).all() and (policy.beta >= 1.0).all()


def test_choices_are_counted_from_where_the_space_begins():
    assert head_of("categorical")(torch.tensor([[0.0, 0.0, 9.0, 0.0]])).mode().tolist() == [
        START + 2
    ]
    assert head_of("multi_categorical")(
        torch.tensor([[0.0, 9.0, 9.0, 0.0, 0.0]])
    ).mode().tolist() == [[1, START]]


@EVERY_KIND
@given(st.data())
def test_all_stays_finite_whatever_a_network_says(kind, data):
    made = head_of(kind)
    parameters = data.draw(
        st.lists(st.floats(-60, 60, width=32), min_size=made.in_features, max_size=made.in_features)
    )
    numbers = torch.tensor([parameters], requires_grad=True)
    policy = made(numbers)
    a = policy.sample(generator())[0].detach()
    tried = (
        [a, *(torch.full_like(a, edge) for edge in (-1.0, 0.0, 1.0))] if kind in NUMBERS else [a]
    )
    values = [*(policy.log_prob(one) for one in tried), policy.entropy()]
    gradients = torch.autograd.grad(
        sum(value.sum() for value in values), [numbers, *made.parameters()]
    )
    assert torch.isfinite(a).all()
    assert all(torch.isfinite(tensor).all() for tensor in (*values, *gradients))


@pytest.mark.parametrize("kind", KINDS)
def test_the_mode_is_an_action_whatever_a_network_says(kind):
    made = head_of(kind)
    half = made.in_features // 2
    pairs = itertools.product((-60.0, -20.0, 0.0, 20.0, 60.0), repeat=2)
    numbers = torch.tensor(
        [[left] * half + [right] * (made.in_features - half) for left, right in pairs]
    )
    mode = made(numbers).mode()
    assert torch.isfinite(mode).all()
    assert kind not in ("squashed_gaussian", "beta") or mode.abs().max() <= 1.0


class Laplace(Distribution):
    """A distribution that a user might bring: two-sided exponential around `middle`."""

    def __init__(self, middle: torch.Tensor) -> None:
        self.middle = middle

    def mode(self) -> torch.Tensor:
        return self.middle

    def sample(self, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        u = torch.empty_like(self.middle).uniform_(-0.5, 0.5, generator=generator)
        a = self.middle - 0.1 * u.sign() * torch.log1p(-2.0 * u.abs())
        return a, self.log_prob(a)

    def log_prob(self, a: torch.Tensor) -> torch.Tensor:
        return -(10.0 * (a - self.middle).abs() + math.log(0.2)).sum(-1)

    def entropy(self) -> torch.Tensor:
        return torch.full(self.middle.shape[:-1], (1.0 + math.log(0.2)) * self.middle.shape[-1])


class LaplaceHead(Head):
    """A head that a user might bring."""

    def __init__(self, action: Box, log_std: float) -> None:
        super().__init__()
        self.in_features = action.shape[0]

    def forward(self, params: torch.Tensor) -> Laplace:
        return Laplace(params)


def test_a_head_of_ones_own_learns_by_its_name(monkeypatch):
    monkeypatch.setitem(HEADS, "laplace", LaplaceHead)
    settings = {
        "distribution": "laplace",
        "rollout_steps": 16,
        "epochs": 8,
        "learning_rate": 3e-3,
        "hidden_sizes": [16],
    }
    learner = school(
        algos.make_learner("ppo", "probe/SeeDo-v0", {}, settings), "probe/SeeDo-v0", 4000, envs=8
    )
    shown = [-0.7, 0.0, 0.7]
    np.testing.assert_allclose(greedy(learner, shown), shown, atol=0.15)


def test_an_unknown_distribution_is_the_users_mistake():
    with pytest.raises(UserError, match="unknown distribution 'gausian': did you mean 'gaussian'"):
        algos.make_learner("ppo", "probe/SeeDo-v0", {}, {"distribution": "gausian"})


@pytest.mark.parametrize("name", algos.ALGORITHMS)
@pytest.mark.parametrize(
    "action", [Discrete(3), Discrete(3, start=2), MultiDiscrete([2, 3])], ids=str
)
def test_discrete_actions_are_supported_by_ppo_and_refused_by_others(name, action):
    algorithm = algos.get_algorithm_class(name)
    if name == "ppo":
        observations = np.zeros((4, 3), np.float32)
        choices = algorithm(BOX, action, algorithm.SETTINGS(), 0).act(observations, explore=True)
        assert all(choice in action for choice in choices)
        return
    with pytest.raises(UserError, match=f"{name.upper()} needs actions in a flat Box") as refused:
        algorithm(BOX, action, algorithm.SETTINGS(), 0)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["sac", "td3"])
@pytest.mark.parametrize("probe", ["Choices", "SeeChooseFromFive", "SeeChooseTwo"])
def test_unsupported_environment_error_names_an_algorithm_that_supports_it(name, probe):
    expected = f"{name.upper()} needs actions in a flat Box.*--algo ppo takes those"
    with pytest.raises(UserError, match=expected) as refused:
        algos.make_learner(name, f"probe/{probe}-v0", {}, {})
    assert "\n" not in str(refused.value)


def test_unsupported_by_all_algorithms_names_none():
    with pytest.raises(UserError, match=r"this environment takes MultiBinary\(3\)$"):
        algos.get_algorithm_class("ppo")(
            BOX, MultiBinary(3), algos.get_algorithm_class("ppo").SETTINGS(), 0
        )


@pytest.mark.parametrize("std", [0.01, 0.3, 1.0])
def test_std_is_that_of_the_samples_and_repeatable(std):
    pi = Gaussian(torch.zeros(2, 3), torch.full((3,), math.log(std)))
    assert pi.std().tolist() == pi.std().tolist()
    assert pi.std().numpy() == pytest.approx(np.full((2, 3), std), rel=0.35)


@EVERY_KIND
def test_every_distribution_has_a_std_for_each_action_dimension(kind):
    pi = made(kind, torch.zeros(4, 6))
    assert pi.std().shape == pi.mode().shape and (pi.std() > 0.0).all()
