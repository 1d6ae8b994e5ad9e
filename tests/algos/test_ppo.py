"""PPO: advantages, the clipped objective, observation statistics, probe environments."""

import copy
import inspect
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from hypothesis import given
from hypothesis import strategies as st
from learners import generator, greedy, rows, school, weights
from torch import distributions, nn

from poise import algos
from poise.algos.distributions import HEADS
from poise.algos.normalization import Normalizer, RewardNormalizer
from poise.algos.optim import Adam, gradient_step, scheduled_lr
from poise.algos.ppo import PPO, PPOSettings, Rollout, RolloutBuffer, compute_gae
from poise.toolkit.experience import Transition

STEPS, ENVS = 6, 3
SMALL = {
    "hidden_sizes": (8,),
    "rollout_steps": STEPS,
    "epochs": 2,
    "batch_size": 8,
    "learning_rate": 0.01,
}
BOX = Box(-1.0, 1.0, (2,), np.float32)
ACTING: dict[str, tuple[gymnasium.Space[Any], str]] = {
    **{name: (BOX, name) for name in HEADS},
    "choice": (Discrete(4, start=2), "gaussian"),
    "choices": (MultiDiscrete([2, 3], start=[1, 0]), "gaussian"),
}
"""All there is to act with: the space, and the distribution."""
EVERY_ACTING = pytest.mark.parametrize("acting", ACTING)


def ppo(acting: str = "gaussian", seed: int = 0, **settings: object) -> PPO:
    """A small PPO that sees three numbers."""
    action, distribution = ACTING[acting]
    seen = Box(-np.inf, np.inf, (3,), np.float32)
    return PPO(
        seen, action, PPOSettings(**{**SMALL, "distribution": distribution, **settings}), seed
    )


def life(
    learner: PPO, steps: int = STEPS, seed: int = 0, envs: int = ENVS, both: bool = False
) -> Iterator[Transition]:
    """Yield random steps in environments that end at random, before the learner observes them.

    An environment dies, or runs out of time, and both in one step only where `both` is wanted.
    """
    rng = np.random.default_rng(seed)

    def seen() -> np.ndarray:
        return (rng.normal(size=(envs, 3)) * [1.0, 5.0, 0.2] + [0.0, 10.0, -2.0]).astype(np.float32)

    observation = seen()
    for _ in range(steps):
        action, successor = learner.act(observation, explore=True), seen()
        reward, ends = rng.normal(3.0, 4.0, envs).astype(np.float32), rng.random(envs)
        terminated, truncated = ends < 0.25, (ends < 0.1 if both else ends > 0.75)
        yield (
            transition := Transition(observation, action, reward, successor, terminated, truncated)
        )
        learner.observe(transition)
        learner.update()
        observation = np.where((terminated | truncated)[:, None], seen(), successor)


def live(learner: PPO, steps: int = STEPS, **how: Any) -> PPO:
    """Let it live so long, and learn."""
    for _ in life(learner, steps, **how):
        pass
    return learner


def filled(learner: PPO, **how: Any) -> Rollout:
    """What the learner makes of a rollout that it has not learned from."""
    learner.update = dict
    for _ in life(learner, learner.settings.rollout_steps, **how):
        pass
    del learner.update
    return learner.prepare_rollout(*learner.buffer.drain(learner.device))


def looked_back(learner: PPO) -> list[Rollout]:
    """A list of the rollouts that it will learn from."""
    rollouts: list[Rollout] = []
    look_back = learner.prepare_rollout

    def listen(*columns: torch.Tensor) -> Rollout:
        rollouts.append(look_back(*columns))
        return rollouts[-1]

    learner.prepare_rollout = listen
    return rollouts


def stepped(
    monkeypatch: pytest.MonkeyPatch, note: Callable[[Adam, list[torch.Tensor]], object]
) -> list[Any]:
    """A list of what `note` says of every step of an optimizer from now on."""
    noted: list[Any] = []
    step = Adam.step
    monkeypatch.setattr(
        Adam,
        "step",
        lambda self: (noted.append(note(self, self.gradients)), step(self))[1],
    )
    return noted


# Advantages.


def deltas_by_hand(r, v, v2, terminated, gamma):
    """The TD errors of one environment."""
    return [r[t] + (0.0 if terminated[t] else gamma * v2[t]) - v[t] for t in range(len(r))]


def advantages_by_hand(r, v, v2, terminated, truncated, gamma, lam):
    """A_t = sum_k (gamma lam)^k delta_(t+k) up to the episode's or rollout's end, in one env."""
    delta = deltas_by_hand(r, v, v2, terminated, gamma)
    advantages = []
    for t in range(len(r)):
        total = 0.0
        for k in range(len(r) - t):
            total += (gamma * lam) ** k * delta[t + k]
            if terminated[t + k] or truncated[t + k]:
                break
        advantages.append(total)
    return advantages


def returns_by_hand(r, v2, terminated, truncated, gamma):
    """Discounted rewards up to the end, with the last value unless terminated, in one env."""
    returns = []
    for t in range(len(r)):
        total = 0.0
        for k in range(t, len(r)):
            total += gamma ** (k - t) * r[k]
            if terminated[k] or truncated[k] or k == len(r) - 1:
                total += 0.0 if terminated[k] else gamma ** (k - t + 1) * v2[k]
                break
        returns.append(total)
    return returns


def random_rollout(seed: int, steps: int, envs: int, ends: float) -> list[np.ndarray]:
    """Rewards, values, values of successors, deaths and time-outs (T, N), made up."""
    rng = np.random.default_rng(seed)
    terminated, truncated = (rng.random((steps, envs)) < ends for _ in range(2))
    r, v, v2 = rng.normal(size=(3, steps, envs))
    v2[:-1] = np.where(
        (terminated | truncated)[:-1], v2[:-1], v[1:]
    )  # Where an episode goes on, its successor is next.
    return [r, v, v2, terminated, truncated]


A_STORY = given(
    seed=st.integers(0, 10_000),
    steps=st.integers(1, 12),
    envs=st.integers(1, 3),
    ends=st.sampled_from([0.0, 0.2, 0.6]),
    gamma=st.sampled_from([0.0, 0.9, 1.0]),
    lam=st.sampled_from([0.0, 0.7, 1.0]),
)


@A_STORY
def test_advantages_are_sums_of_td_errors_within_an_episode(seed, steps, envs, ends, gamma, lam):
    columns = random_rollout(seed, steps, envs, ends)
    ours = compute_gae(
        *(torch.as_tensor(column, dtype=torch.float64) for column in columns), gamma, lam
    ).numpy()
    r, v, v2, terminated, truncated = columns
    for env in range(envs):
        own = [column[:, env] for column in columns]
        np.testing.assert_allclose(ours[:, env], advantages_by_hand(*own, gamma, lam), atol=1e-9)
        if lam == 0.0:
            errors = deltas_by_hand(*(column[:, env] for column in (r, v, v2, terminated)), gamma)
            np.testing.assert_allclose(ours[:, env], errors, atol=1e-9)
        if lam == 1.0:
            returns = returns_by_hand(
                *(column[:, env] for column in (r, v2, terminated, truncated)), gamma
            )
            np.testing.assert_allclose(ours[:, env] + v[:, env], returns, atol=1e-9)


@pytest.mark.parametrize(
    ("end", "expected"),
    [("none", 1 + 0.9 * 20 - 10), ("time-out", 1 + 0.9 * 20 - 10), ("death", 1 - 10)],
)
def test_a_time_out_cuts_the_sum_but_keeps_the_value_and_a_death_ends_both(end, expected):
    r, v, v2 = torch.ones(2, 1), torch.full((2, 1), 10.0), torch.full((2, 1), 20.0)
    marks = {name: torch.tensor([[float(end == name)], [0.0]]) for name in ("death", "time-out")}
    first, last = (
        compute_gae(r, v, v2, marks["death"], marks["time-out"], 0.9, 0.5).flatten().tolist()
    )
    assert last == pytest.approx(1 + 0.9 * 20 - 10)
    assert first == pytest.approx(expected + (0.9 * 0.5 * last if end == "none" else 0.0))


# The rollout.


def test_rollout_buffer_keeps_transitions_in_order():
    buffer, transitions = RolloutBuffer(STEPS), list(life(ppo()))
    for count, transition in enumerate(transitions):
        assert not buffer.is_full and buffer.steps == count * ENVS
        buffer.add(transition)
    assert buffer.is_full
    for name, column in zip(Transition._fields, buffer.drain(torch.device("cpu")), strict=True):
        assert column.dtype == torch.float32
        np.testing.assert_allclose(
            column, [getattr(transition, name) for transition in transitions]
        )
    assert not buffer.is_full and buffer.steps == STEPS * ENVS


@given(number=st.integers(1, 40), size=st.integers(1, 45))
def test_minibatches_are_all_rows_once_in_a_new_order_every_epoch(number, size):
    marks = torch.arange(number, dtype=torch.float32)
    rollout, rng = (
        Rollout(marks[:, None] + torch.arange(2), *(marks + 100 * k for k in range(1, 6))),
        np.random.default_rng(0),
    )
    orders = []
    for _ in range(2):
        batches = list(rollout.minibatches(size, rng))
        assert [len(batch.s) for batch in batches[:-1]] == [size] * (len(batches) - 1)
        for batch in batches:
            assert len({len(column) for column in batch}) == 1 and len(batch.s) <= size
            assert torch.equal(batch.s, batch.a[:, None] - 100 + torch.arange(2)), (
                "rows stay together"
            )
            assert all(torch.equal(column, batch.a + 100 * k) for k, column in enumerate(batch[1:]))
        orders.append([row for batch in batches for row in batch.s[:, 0].tolist()])
        assert sorted(orders[-1]) == marks.tolist()
    assert number < 10 or (orders[0] != orders[1] and orders[0] != marks.tolist())


@torch.no_grad()
def value(learner: PPO, seen: np.ndarray) -> np.ndarray:
    """V(s) as the learner sees it now."""
    return learner.net.value(learner.net.normalizer(learner.to_tensor(seen))).numpy()


@EVERY_ACTING
@pytest.mark.parametrize("normalize", [False, True])
def test_what_it_learns_from_is_what_the_policy_that_acted_saw_and_said(acting, normalize):
    """The second rollout: learning must use the statistics that the policy acted with."""
    learner = live(
        ppo(
            acting,
            normalize_observations=normalize,
            normalize_reward=False,
            gamma=0.9,
            gae_lambda=0.8,
        )
    )
    rollouts, expected, seen = looked_back(learner), [], []
    for transition in life(learner, STEPS, seed=1):
        s, a, v = (
            learner.net.normalizer(learner.to_tensor(transition.observation)),
            transition.action,
            value(learner, transition.observation),
        )
        pi = learner.net.policy(s)
        log_pi = pi.log_prob(torch.from_numpy(a)).detach()
        expected.append((s, pi.unsquash(torch.tensor(a)), log_pi, torch.from_numpy(v)))
        seen.append(
            (
                transition.reward,
                v,
                value(learner, transition.next_observation),
                transition.terminated,
                transition.truncated,
            )
        )
    (rollout,) = rollouts
    for ours, theirs in zip(rollout, map(torch.cat, zip(*expected, strict=True)), strict=False):
        torch.testing.assert_close(ours, theirs.float(), rtol=1e-4, atol=1e-4)
    columns = [np.array(column, float) for column in zip(*seen, strict=True)]
    by_hand = [
        advantages_by_hand(*(column[:, env] for column in columns), 0.9, 0.8) for env in range(ENVS)
    ]
    torch.testing.assert_close(
        rollout.A, torch.tensor(by_hand).T.flatten().float(), rtol=1e-3, atol=1e-3
    )
    torch.testing.assert_close(rollout.R, rollout.A + rollout.v_old)


def test_first_rollout_alone_is_learned_with_other_statistics_than_it_was_acted_with():
    """They are its own, for pi and pi_old; so the comment in `update` says."""
    learner = ppo("gaussian", normalize_observations=True)
    rollouts = looked_back(learner)
    for turn in range(2):
        acted = []
        for transition in life(learner, STEPS, seed=turn):
            rows = learner.net.normalizer(learner.to_tensor(transition.observation))
            acted.append(rows)
        is_equal = torch.allclose(rollouts[turn].s, torch.cat(acted), atol=1e-4)
        assert is_equal == (turn > 0)
    assert "Only in the first rollout it does not" in inspect.getsource(PPO.update)


# The objective.


@EVERY_ACTING
@pytest.mark.parametrize("normalize", [False, True])
def test_the_first_pass_over_a_fresh_rollout_has_ratio_1_and_clips_nothing(acting, normalize):
    learner = ppo(acting, epochs=1, batch_size=5, normalize_observations=normalize)
    ratios = []
    policy_loss = learner.policy_loss
    learner.policy_loss = lambda ratio, A: (ratios.append(ratio.detach()), policy_loss(ratio, A))[1]
    for turn in range(3):
        ratios.clear()
        live(learner, seed=turn)
        torch.testing.assert_close(ratios[0], torch.ones(5), rtol=0, atol=1e-4)
        assert not torch.allclose(ratios[1], torch.ones(5), rtol=0, atol=1e-4), (
            "one step later it is another policy"
        )


@pytest.mark.parametrize("acting", ["squashed_gaussian", "beta"])
def test_ratio_is_one_before_the_first_step_however_full_the_squashing_is(acting):
    """The stored density is the one that the actions were sampled with, at any mean and std."""
    learner = ppo(acting)
    with torch.no_grad():
        learner.net.actor[-1].bias.copy_(torch.tensor([9.0, 400.0, -3.0, -4.0]))
    sampled = []
    for transition in life(learner, STEPS - 1):
        pi = learner.net.policy(learner.net.normalizer(learner.to_tensor(transition.observation)))
        u = torch.from_numpy(learner.last_sample[1])
        np.testing.assert_allclose(torch.tanh(u), transition.action, atol=1e-6)
        sampled.append((u, pi.log_prob_unsquashed(u).detach()))
    rollout = learner.prepare_rollout(*learner.buffer.drain(learner.device))
    u, log_pi = map(torch.cat, zip(*sampled, strict=True))
    assert torch.equal(rollout.a, u)
    assert acting == "beta" or (torch.tanh(u) == 1.0).any()
    torch.testing.assert_close(rollout.log_pi_old, log_pi)
    assert learner.diagnostics(rollout)["losses/approx_kl"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("acting", ["squashed_gaussian", "beta"])
def test_actions_from_elsewhere_are_stored_by_their_inverse(acting):
    learner = ppo(acting)
    transition = next(life(learner))
    replayed = transition._replace(action=np.full_like(transition.action, 0.5))
    learner.observe(replayed)
    np.testing.assert_allclose(
        learner.buffer.transitions[-1].action, np.arctanh(replayed.action), rtol=1e-6
    )


@EVERY_ACTING
def test_its_first_gradient_is_that_of_the_policy_gradient_theorem(acting):
    """At ratio 1: the gradient of -E[A log pi(a|s)], advantages with mean 0 and std 1."""
    learner = ppo(acting, value_coef=0.0)
    rollout, parameters = filled(learner), list(learner.net.policy_modules.parameters())
    A = (rollout.A - rollout.A.mean()) / rollout.A.std(correction=0)
    expected = torch.autograd.grad(
        -(A * learner.net.policy(rollout.s).log_prob_unsquashed(rollout.a)).mean(), parameters
    )
    ours = torch.autograd.grad(learner.loss(rollout), parameters)
    for our, their in zip(ours, expected, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-3, atol=1e-5)


CLIP = 0.3


@pytest.mark.parametrize(
    ("ratio", "A", "learns"),
    [
        (1.0 + CLIP + 0.1, 2.0, False),  # Good and already likelier than it may become: enough.
        (1.0 - CLIP - 0.1, -2.0, False),  # Bad and already rarer than it may become: enough.
        (1.0 + CLIP + 0.1, -2.0, True),  # Bad, and likelier than before: back.
        (1.0 - CLIP - 0.1, 2.0, True),  # Good, and rarer than before: back.
        (1.0 + CLIP - 0.1, 2.0, True),
        (1.0 - CLIP + 0.1, 2.0, True),
        (1.0 + CLIP - 0.1, -2.0, True),
        (1.0 - CLIP + 0.1, -2.0, True),
    ],
)
def test_the_clip_stops_what_has_gone_far_enough_and_nothing_else(ratio, A, learns):
    learner = ppo(clip_range=CLIP, normalize_advantage=False)
    ratios = torch.tensor([ratio, 1.0], requires_grad=True)
    loss = learner.policy_loss(ratios, torch.tensor([A, 0.0]))
    assert torch.autograd.grad(loss, ratios)[0].tolist() == pytest.approx(
        [-A / 2 if learns else 0.0, 0.0]
    )
    objective = ratio * A if learns else (1.0 + math.copysign(CLIP, A)) * A
    assert loss.item() == pytest.approx(-objective / 2)


def test_normalized_advantages_have_mean_0_and_std_1():
    ratio, A = rows(0, 16).exp(), rows(1, 16)
    normal, plain = ppo(), ppo(normalize_advantage=False)
    loss = normal.policy_loss(ratio, A)
    torch.testing.assert_close(normal.policy_loss(ratio, 5.0 * A + 30.0), loss)
    assert not torch.isclose(normal.policy_loss(ratio, -A), loss)
    by_hand = (A.numpy() - A.numpy().mean()) / A.numpy().std()
    torch.testing.assert_close(
        loss, plain.policy_loss(ratio, torch.from_numpy(by_hand)), rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(plain.policy_loss(ratio, 5.0 * A), 5.0 * plain.policy_loss(ratio, A))
    assert torch.isfinite(normal.policy_loss(torch.ones(1), torch.ones(1))), (
        "one row has no variance"
    )


def test_advantages_are_normalized_minibatch_by_minibatch():
    learner = ppo(epochs=1, batch_size=6, gamma=0.0)
    seen = []
    policy_loss = learner.policy_loss
    learner.policy_loss = lambda ratio, A: (seen.append(A.clone()), policy_loss(ratio, A))[1]
    rollouts = looked_back(live(learner))
    live(learner, seed=1)
    (rollout,) = rollouts
    batches = seen[-4:-1]  # Before the last call, which only measures.
    assert [len(batch) for batch in batches] == [6, 6, 6]
    assert sorted(torch.cat(batches).tolist()) == sorted(rollout.A.tolist()), (
        "as they come, to be normalized there"
    )


def test_values_go_to_the_returns_at_any_pace_or_at_a_clipped_one():
    v, v_old, R = torch.tensor([3.0], requires_grad=True), torch.tensor([0.0]), torch.tensor([5.0])
    free, kept = ppo(), ppo(value_clip_range=0.5)
    assert free.value_loss(v, v_old, R).item() == pytest.approx(0.5 * 4.0)
    assert torch.autograd.grad(free.value_loss(v, v_old, R), v)[0].item() == pytest.approx(-2.0)
    # V is outside of the clip range, towards R: the error of the clipped V is the larger one, and
    # has no gradient.
    assert kept.value_loss(v, v_old, R).item() == pytest.approx(0.5 * 4.5**2)
    assert torch.autograd.grad(kept.value_loss(v, v_old, R), v)[0].item() == 0.0
    # Further than it may go, and away from R: it is called back.
    assert kept.value_loss(v, v_old, -R).item() == pytest.approx(0.5 * 8.0**2)
    assert torch.autograd.grad(kept.value_loss(v, v_old, -R), v)[0].item() == pytest.approx(8.0)
    # Near enough.
    assert kept.value_loss(v, torch.tensor([2.6]), R).item() == pytest.approx(0.5 * 4.0)
    assert free.value_loss(
        torch.tensor([1.0, 3.0]), torch.zeros(2), torch.zeros(2)
    ).item() == pytest.approx(0.25 * 10.0)


@EVERY_ACTING
def test_the_loss_is_the_sum_of_its_three_parts(acting):
    learner = ppo(acting, value_coef=0.7, entropy_coef=0.2, value_clip_range=0.1)
    rollout = filled(learner)
    shifted = rollout._replace(
        log_pi_old=rollout.log_pi_old + 0.4 * rows(3, len(rollout.s)), v_old=rollout.v_old + 1.0
    )
    pi = learner.net.policy(shifted.s)
    policy_loss = learner.policy_loss(
        (pi.log_prob_unsquashed(shifted.a) - shifted.log_pi_old).exp(), shifted.A
    )
    value_loss = learner.value_loss(learner.net.value(shifted.s), shifted.v_old, shifted.R)
    expected = policy_loss + 0.7 * value_loss - 0.2 * pi.entropy().mean()
    torch.testing.assert_close(learner.loss(shifted), expected)


@EVERY_ACTING
def test_the_entropy_bonus_raises_the_entropy(acting):
    learner = ppo(acting, entropy_coef=1.0, value_coef=0.0, log_std_init=-1.0)
    rollout = filled(learner)
    with (
        torch.no_grad()
    ):  # Away from where all choices are alike, and where no alpha differs from its beta.
        learner.net.actor[-1].bias.copy_(rows(5, len(learner.net.actor[-1].bias)))
    rollout = rollout._replace(A=torch.zeros_like(rollout.A))
    before = learner.net.policy(rollout.s).entropy().mean().item()
    for _ in range(30):
        gradient_step(learner.optimizers["all"], learner.loss(rollout))
    assert learner.net.policy(rollout.s).entropy().mean().item() > before + 0.01


# The epochs.


@pytest.mark.parametrize(
    ("epochs", "batch", "expected"), [(1, 18, 1), (3, 18, 3), (4, 8, 12), (2, 100, 2)]
)
def test_it_goes_through_a_rollout_so_often_in_so_many_minibatches(
    epochs, batch, expected, monkeypatch
):
    learner = ppo(epochs=epochs, batch_size=batch)
    steps = stepped(monkeypatch, lambda optimizer, gradients: None)
    live(learner, 2 * STEPS)
    assert len(steps) == 2 * expected


def test_update_waits_for_a_complete_rollout_and_returns_metrics():
    learner = ppo()
    transitions = list(life(ppo(), 3 * STEPS))
    names = ("policy_loss", "value_loss", "entropy", "approx_kl", "clipfrac", "explained_variance")
    for count, transition in enumerate(transitions, 1):
        before = weights(learner)
        learner.observe(transition)
        metrics = learner.update()
        if count % STEPS:
            assert metrics == {} and weights(learner) == before
        else:
            assert metrics.keys() == {f"losses/{name}" for name in names} | {"charts/learning_rate"}
            assert all(type(value) is float and math.isfinite(value) for value in metrics.values())
            assert weights(learner) != before
        assert learner.update() == {}, "nothing is learned twice"


def test_a_rollout_of_a_single_step_can_be_learned_from():
    learner = ppo(rollout_steps=1, batch_size=1, normalize_observations=False)
    metrics = [
        learner.update() for transition in life(ppo(), 3, envs=1) if not learner.observe(transition)
    ]
    assert all(math.isfinite(value) for losses in metrics for value in losses.values())


@pytest.mark.parametrize(("target", "epochs"), [(None, 5), (1e-9, 1), (1e9, 5)])
def test_going_too_far_from_the_old_policy_ends_the_epochs(target, epochs, monkeypatch):
    learner = ppo(epochs=5, batch_size=18, target_kl=target)
    steps = stepped(monkeypatch, lambda optimizer, gradients: None)
    live(learner)
    assert len(steps) == epochs


def test_long_gradients_are_shortened_and_short_ones_are_not(monkeypatch):
    def norm(optimizer: Adam, gradients: list[torch.Tensor]) -> float:
        return math.hypot(*(gradient.norm().item() for gradient in gradients))

    norms = stepped(monkeypatch, norm)
    live(ppo(max_grad_norm=1e9))
    free = max(norms)
    norms.clear()
    live(ppo(max_grad_norm=free / 2.0))
    assert max(norms) == pytest.approx(free / 2.0, rel=1e-4)
    assert min(norms) < free / 2.0 - 1e-3
    norms.clear()
    parameter = nn.Parameter(torch.zeros(2))
    gradients = stepped(monkeypatch, lambda optimizer, gradients: gradients[0].tolist())
    for max_norm in (1.0, 5.0, 50.0):
        gradient_step(
            Adam(0.1, nn.ParameterList([parameter])),
            (parameter * torch.tensor([3.0, -4.0])).sum(),
            max_norm,
        )
    assert [value for gradient in gradients for value in gradient] == pytest.approx(
        [0.6, -0.8, 3.0, -4.0, 3.0, -4.0]
    )


@given(
    start=st.floats(1e-6, 1.0),
    final=st.floats(0.01, 1.0),
    part=st.floats(0.0, 3.0),
    later=st.floats(0.0, 3.0),
)
def test_schedules_fall_from_the_start_to_the_end_and_stay_there(start, final, part, later):
    part, later = sorted((part, later))
    for schedule in ("linear", "exponential"):
        assert scheduled_lr(start, schedule, 0.0, final) == pytest.approx(start)
        assert (
            scheduled_lr(start, schedule, 1.0, final)
            == scheduled_lr(start, schedule, 1.0 + later, final)
            == pytest.approx(start * final)
        )
        assert (
            start * final * (1 - 1e-9)
            <= scheduled_lr(start, schedule, later, final)
            <= scheduled_lr(start, schedule, part, final)
        )
    assert scheduled_lr(start, "constant", part, final) == start
    middle = (scheduled_lr(start, schedule, 0.5, final) for schedule in ("linear", "exponential"))
    assert tuple(middle) == pytest.approx((start * (1 + final) / 2, start * math.sqrt(final)))


@pytest.mark.parametrize("schedule", ["constant", "linear", "exponential"])
def test_it_learns_at_the_pace_of_its_schedule(schedule, monkeypatch):
    learner = ppo(
        schedule=schedule,
        schedule_steps=3 * STEPS * ENVS,
        final_lr_fraction=0.2,
        epochs=1,
        batch_size=100,
    )
    rates = stepped(monkeypatch, lambda optimizer, gradients: optimizer.learning_rate)
    updates = []
    learn = learner.update
    learner.update = lambda: updates.append(learn())
    live(learner, 5 * STEPS)
    assert rates == pytest.approx(
        [scheduled_lr(0.01, schedule, part / 3.0, 0.2) for part in range(1, 6)]
    )
    assert [metrics["charts/learning_rate"] for metrics in updates if metrics] == rates


# What it measures.


def test_diagnostics_after_the_policy_has_changed():
    """Against the divergence of torch's Normals, and a count by hand."""
    learner = ppo(rollout_steps=2000, normalize_observations=False, clip_range=0.1)
    rollout = filled(learner)
    before = learner.diagnostics(rollout)
    assert (before["losses/approx_kl"], before["losses/clipfrac"]) == pytest.approx(
        (0.0, 0.0), abs=1e-5
    )
    old = distributions.Normal(
        *(
            part.detach().clone()
            for part in (learner.net.policy(rollout.s).mean, learner.net.head.log_std.exp())
        )
    )
    with torch.no_grad():
        learner.net.actor[-1].bias.add_(torch.tensor([0.2, -0.1]))
        learner.net.head.log_std.add_(-0.1)
    pi = learner.net.policy(rollout.s)
    expected = (
        distributions.kl_divergence(old, distributions.Normal(pi.mean, pi.log_std.exp()))
        .sum(-1)
        .mean()
        .item()
    )
    after = learner.diagnostics(rollout)
    assert after["losses/approx_kl"] == pytest.approx(expected, rel=0.1)
    ratio = (pi.log_prob(rollout.a) - old.log_prob(rollout.a).sum(-1)).exp()
    assert after["losses/clipfrac"] == pytest.approx(
        ((ratio < 0.9) | (ratio > 1.1)).float().mean().item(), abs=1e-3
    )
    assert 0.1 < after["losses/clipfrac"] < 0.9
    assert after["losses/entropy"] == pytest.approx(pi.entropy()[0].item(), rel=1e-5)


@pytest.mark.parametrize(
    ("v_old", "explained"), [("R", 1.0), ("constant", 0.0), ("opposite", -3.0)]
)
def test_explained_variance_is_how_much_of_the_returns_the_value_foresaw(v_old, explained):
    rollout = filled(ppo())
    foreseen = {
        "R": rollout.R,
        "constant": torch.full_like(rollout.R, 7.0),
        "opposite": -rollout.R,
    }[v_old]
    metrics = ppo().diagnostics(rollout._replace(v_old=foreseen))
    assert metrics["losses/explained_variance"] == pytest.approx(explained, abs=1e-4)


# Glasses and scales.


def statistics(learner: PPO) -> list[bytes]:
    """Every bit of what it looks through."""
    return [tensor.numpy().tobytes() for tensor in learner.net.normalizer.state_dict().values()]


def test_observation_statistics_change_only_after_updates():
    learner = ppo()
    seen = rows(0, 50, 3).numpy() * 100.0
    rollouts = looked_back(learner)
    for turn in range(3):
        worn = statistics(learner)
        for transition in life(learner, STEPS, seed=turn):
            learner.act(seen, explore=False), learner.act(transition.observation, explore=False)
            assert statistics(learner) == worn, (
                "neither acting nor observing nor evaluating touches them"
            )
        assert statistics(learner) != worn
        mean, std = rollouts[turn].s.mean(0), rollouts[turn].s.std(0, correction=0)
        fresh = torch.allclose(mean, torch.zeros(3), atol=1e-3) and torch.allclose(
            std, torch.ones(3), atol=1e-3
        )
        assert fresh == (turn == 0), "only the first rollout is normalized by its own statistics"


def test_statistics_after_the_first_rollout_are_its_mean_and_variance():
    learner = ppo()
    everything = np.concatenate([transition.observation for transition in life(learner)])
    np.testing.assert_allclose(learner.net.normalizer.mean, everything.mean(0), rtol=1e-5)
    np.testing.assert_allclose(learner.net.normalizer.variance, everything.var(0), rtol=1e-5)


def test_statistics_after_more_rollouts_are_those_of_all_observations():
    learner = ppo()
    observations = [
        transition.observation for turn in range(3) for transition in life(learner, seed=turn)
    ]
    everything = np.concatenate(observations)
    assert learner.net.normalizer.count == len(everything)
    np.testing.assert_allclose(learner.net.normalizer.mean, everything.mean(0), rtol=1e-5)
    np.testing.assert_allclose(learner.net.normalizer.variance, everything.var(0), rtol=1e-5)


def test_observations_are_unchanged_without_normalization():
    learner = ppo(normalize_observations=False)
    rollouts, transitions = looked_back(learner), list(life(learner))
    torch.testing.assert_close(
        rollouts[0].s, torch.from_numpy(np.concatenate([step.observation for step in transitions]))
    )
    assert not isinstance(learner.net.normalizer, Normalizer)


class ScaleByHand:
    """Rewards over the std of all discounted returns so far, which restart in every episode."""

    def __init__(self, gamma: float, envs: int) -> None:
        self.gamma, self.running, self.returns = gamma, [0.0] * envs, []

    def __call__(self, r: np.ndarray, over: np.ndarray) -> np.ndarray:
        for t, n in itertools.product(range(len(r)), range(len(self.running))):
            self.running[n] = self.gamma * self.running[n] + r[t, n]
            self.returns.append(self.running[n])
            if over[t, n]:
                self.running[n] = 0.0
        return np.clip(r / np.sqrt(np.var(self.returns) + 1e-8), -10.0, 10.0)


@given(
    seed=st.integers(0, 1000),
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    gamma=st.sampled_from([0.0, 0.8, 0.99]),
)
def test_rewards_are_divided_by_the_std_of_the_discounted_return(seed, lengths, gamma):
    rng = np.random.default_rng(seed)
    ours, theirs = RewardNormalizer(gamma), ScaleByHand(gamma, 2)
    for length in lengths:
        r, over = rng.normal(5.0, 10.0, (length, 2)), rng.random((length, 2)) < 0.3
        kept = copy.deepcopy(ours.get_state())
        scaled = ours(torch.from_numpy(r), torch.from_numpy(over).double()).numpy()
        np.testing.assert_allclose(scaled, theirs(r, over), rtol=1e-5)
        again = RewardNormalizer(gamma)
        again.set_state(kept)
        assert np.array_equal(
            again(torch.from_numpy(r), torch.from_numpy(over).double()), scaled
        ), "a state goes round"


def test_scaled_rewards_are_clipped():
    scale = RewardNormalizer(0.0)
    r = torch.zeros(10_000, 1)
    r[3], r[5] = 1.0, -1.0
    assert scale(r, torch.zeros_like(r))[[3, 5], 0].tolist() == [10.0, -10.0]


@pytest.mark.parametrize(
    ("wanted", "both"), [(False, False), (False, True), (True, False), (True, True)]
)
def test_it_learns_from_scaled_rewards_where_that_is_wanted(wanted, both):
    """At gamma 0.5 and lambda 0: R = r + gamma V(s2), so that rewards can be read off."""
    learner = ppo(normalize_reward=wanted, normalize_observations=False, gamma=0.5, gae_lambda=0.0)
    rollouts, scale = looked_back(learner), ScaleByHand(0.5, ENVS)
    for turn in range(3):
        steps = [
            (*transition[2:], value(learner, transition.next_observation))
            for transition in life(learner, seed=turn, both=both)
        ]
        r, _, terminated, truncated, v2 = (np.stack(column) for column in zip(*steps, strict=True))
        scaled = scale(r.astype(float), terminated | truncated) if wanted else r
        np.testing.assert_allclose(
            rollouts[turn].R, (scaled + 0.5 * (1 - terminated) * v2).flatten(), rtol=1e-3, atol=1e-4
        )


# Networks.


def touched(learner: PPO, loss: torch.Tensor) -> set[str]:
    """The networks to which a loss gives a gradient."""
    loss.backward()
    networks = {
        "trunk": learner.net.trunk,
        "actor": learner.net.actor,
        "head": learner.net.head,
        "critic": learner.net.critic,
    }
    grads = {
        name: [parameter.grad for parameter in network.parameters()]
        for name, network in networks.items()
    }
    return {
        name for name, own in grads.items() if any(grad is not None and grad.any() for grad in own)
    }


@pytest.mark.parametrize("shared", [False, True])
def test_actor_and_critic_have_a_trunk_each_or_one_for_both(shared):
    s = rows(0, 20, 3)
    trunk = {"trunk"} if shared else set()
    learner = ppo(shared_trunk=shared, hidden_sizes=(8, 6))
    assert touched(learner, learner.net.value(s).square().sum()) == {"critic"} | trunk
    learner = ppo(shared_trunk=shared, hidden_sizes=(8, 6))
    a = learner.net.policy(s).sample(generator())[0].detach()
    assert (
        touched(learner, learner.net.policy(s).log_prob(a).square().sum())
        == {"actor", "head"} | trunk
    )
    learner = ppo(shared_trunk=shared, hidden_sizes=(8, 6))
    assert (
        touched(learner, learner.net(s)[0].log_prob(a).square().sum()) == {"actor", "head"} | trunk
    )
    learner = ppo(shared_trunk=shared, hidden_sizes=(8, 6))
    assert touched(learner, learner.net(s)[1].square().sum()) == {"critic"} | trunk
    networks = {
        "trunk": learner.net.trunk,
        "actor": learner.net.actor,
        "critic": learner.net.critic,
    }
    layers = {
        name: [layer.out_features for layer in network.modules() if isinstance(layer, nn.Linear)]
        for name, network in networks.items()
    }
    both = {"trunk": [8, 6], "actor": [2], "critic": [1]}
    assert layers == (both if shared else {"trunk": [], "actor": [8, 6, 2], "critic": [8, 6, 1]})


@pytest.mark.parametrize(
    ("name", "kind"), [("relu", nn.ReLU), ("tanh", nn.Tanh), ("elu", nn.ELU), ("silu", nn.SiLU)]
)
@pytest.mark.parametrize("shared", [False, True])
def test_networks_are_built_of_what_was_asked_for(name, kind, shared):
    learner = ppo(activation=name, shared_trunk=shared, hidden_sizes=(8, 6))
    modules = [module for network in learner.networks.values() for module in network.modules()]
    between = [
        type(module)
        for module in modules
        if not [*module.children()] and not [*module.parameters()]
    ]
    assert [module for module in between if not issubclass(module, nn.Identity)] == [
        Normalizer,
        *[kind] * (2 if shared else 4),
    ]


@pytest.mark.parametrize("distribution", HEADS)
@pytest.mark.parametrize("log_std", [-1.0, 0.5])
def test_policy_has_the_chosen_distribution_and_initial_std(distribution, log_std):
    learner = ppo(distribution, log_std_init=log_std)
    pi = learner.net.policy(rows(0, 20, 3))
    assert type(learner.net.head) is HEADS[distribution]
    if distribution != "beta":
        assert pi.log_std.flatten().tolist() == pytest.approx(
            [log_std] * pi.log_std.numel(), abs=0.05
        )


@EVERY_ACTING
@pytest.mark.parametrize("shared", [False, True])
def test_learning_moves_every_weight_once(acting, shared):
    learner = ppo(acting, shared_trunk=shared, entropy_coef=0.01)
    parameters = [
        parameter for module in learner.networks.values() for parameter in module.parameters()
    ]
    assert [id(p) for p in parameters] == [id(p) for p in learner.optimizers["all"].parameters]
    assert len({id(p) for p in parameters}) == len(parameters)
    before = [parameter.detach().clone() for parameter in parameters]
    live(learner)
    assert all((parameter != old).all() for parameter, old in zip(parameters, before, strict=True))


@pytest.mark.parametrize("shared", [False, True])
def test_orthogonal_weights_are_orthogonal_and_policies_begin_in_the_middle(shared):
    learner = ppo(shared_trunk=shared, hidden_sizes=(16, 12))
    gains = {"actor": 0.01, "critic": 1.0, "trunk": math.sqrt(2.0)}
    for name, last in gains.items():
        layers = [
            layer for layer in getattr(learner.net, name).modules() if isinstance(layer, nn.Linear)
        ]
        for layer in layers:
            gain = last if layer is layers[-1] else math.sqrt(2.0)
            assert not layer.bias.any()
            wide = (
                layer.weight if layer.weight.shape[0] <= layer.weight.shape[1] else layer.weight.T
            )
            torch.testing.assert_close(
                wide @ wide.T, gain**2 * torch.eye(len(wide)), rtol=1e-4, atol=1e-5
            )
    seen = rows(0, 30, 3).numpy()
    assert np.abs(learner.act(seen, explore=False)).max() < 0.05
    plain = ppo(orthogonal_init=False)
    assert plain.net.actor[-1].bias.any() and np.abs(plain.act(seen, explore=False)).max() > 0.05


# Acting.


@EVERY_ACTING
def test_it_explores_by_samples_and_shows_its_mode(acting):
    """Mode and samples are those of the policy for normalized observations."""
    learner = live(ppo(acting))
    seen = 5.0 * rows(0, 40, 3)
    pi, chance = learner.net.policy(learner.net.normalizer(seen)), learner.generator.get_state()
    shown, explored = (
        learner.act(seen.numpy(), explore=False),
        learner.act(seen.numpy(), explore=True),
    )
    assert shown.dtype == explored.dtype == (np.float32 if ACTING[acting][0] is BOX else np.int64)
    assert shown.shape == explored.shape == (40, *ACTING[acting][0].shape)
    assert np.array_equal(shown, pi.mode().detach().numpy())
    learner.generator.set_state(chance)
    assert np.array_equal(explored, pi.sample(learner.generator)[0].detach().numpy())
    assert not np.array_equal(explored, shown) and not np.array_equal(
        explored, learner.act(seen.numpy(), explore=True)
    )
    one, two = ppo(acting), ppo(acting)
    one.act(seen.numpy(), explore=False)
    assert np.array_equal(
        one.act(seen.numpy(), explore=True), two.act(seen.numpy(), explore=True)
    ), "looking draws no chance"
    three = ppo(acting, seed=1)
    three.load_state_dict({"policy": two.state_dict()["policy"]})
    assert not np.array_equal(
        one.act(seen.numpy(), explore=True), three.act(seen.numpy(), explore=True)
    ), "another seed"


# Learning.

QUICK = {
    "rollout_steps": 16,
    "epochs": 8,
    "learning_rate": 3e-3,
    "hidden_sizes": [16],
    "log_std_init": -1.0,
}


def probe(name: str, **settings: object) -> PPO:
    """A small PPO for a probe environment."""
    return algos.make_learner("ppo", f"probe/{name}-v0", {}, {**QUICK, **settings})


@pytest.mark.parametrize(
    ("distribution", "shared"), [*((name, False) for name in HEADS), ("gaussian", True)]
)
def test_it_learns_to_do_what_it_sees(distribution, shared):
    # A Beta cannot begin narrow, and has further to go.
    more, steps = ({"learning_rate": 1e-2}, 8000) if distribution == "beta" else ({}, 4000)
    learner = probe("SeeDo", distribution=distribution, shared_trunk=shared, **more)
    school(learner, "probe/SeeDo-v0", steps, envs=8)
    shown = [-0.7, -0.3, 0.0, 0.3, 0.7]
    np.testing.assert_allclose(greedy(learner, shown), shown, atol=0.15)


ONE, TWO = np.eye(3), [[*first, *second] for first in np.eye(2) for second in np.eye(3)]


@pytest.mark.parametrize(
    ("env", "shown", "expected"),
    [
        ("SeeChoose", ONE, [0, 1, 2]),
        ("SeeChooseFromFive", ONE, [5, 6, 7]),
        ("SeeChooseTwo", TWO, [[1, 0], [1, 1], [1, 2], [2, 0], [2, 1], [2, 2]]),
    ],
)
def test_it_learns_to_choose_what_it_sees(env, shown, expected):
    learner = school(probe(env), f"probe/{env}-v0", 2000, envs=8)
    assert learner.act(np.array(shown, np.float32), explore=False).tolist() == expected


VALUES = {"gamma": 0.8, "normalize_reward": False, "learning_rate": 1e-2, "rollout_steps": 20}


def values(learner: PPO, seen: list[float]) -> list[float]:
    """V where it sees each of some numbers."""
    return value(learner, np.array(seen)[:, None]).tolist()


@pytest.mark.parametrize("gae_lambda", [0.0, 0.95])
def test_a_time_out_is_not_a_death(gae_lambda):
    learner = probe("One", gae_lambda=gae_lambda, **VALUES)
    school(learner, "probe/One-v0", 2400, envs=4)  # Ended by its time limit every 10 steps.
    assert values(learner, [0.0]) == pytest.approx([1.0 / (1.0 - 0.8)], rel=0.05)
    assert learner.value_and_std(np.zeros((1, 1), np.float32))[0] == pytest.approx(
        [1.0 / (1.0 - 0.8)], rel=0.05
    )


@pytest.mark.parametrize("shared", [False, True])
def test_a_death_is_one(shared):
    learner = probe(
        "OneDies", shared_trunk=shared, schedule="linear", schedule_steps=3200, **VALUES
    )
    school(learner, "probe/OneDies-v0", 3200, envs=4)
    expected = [sum(0.8**k for k in range(5 - age)) for age in range(5)]
    assert values(learner, [age / 5.0 for age in range(5)]) == pytest.approx(expected, rel=0.15)


# One seed, one learner; and a state that goes round.


@EVERY_ACTING
def test_one_seed_gives_the_same_weights_byte_for_byte(acting):
    torch.manual_seed(1)
    first = weights(live(ppo(acting), 2 * STEPS))
    torch.manual_seed(2)
    assert weights(live(ppo(acting), 2 * STEPS)) == first, (
        "and torch's own chance is not the learner's"
    )
    assert weights(live(ppo(acting, seed=1), 2 * STEPS)) != first


@EVERY_ACTING
@pytest.mark.parametrize("steps", [2, STEPS, STEPS + 4])
def test_a_state_goes_round_exactly_also_in_the_middle_of_a_rollout(acting, steps):
    how = {"schedule": "linear", "schedule_steps": 100}
    one, two = live(ppo(acting, **how), steps), ppo(acting, seed=7, **how)
    two.load_state_dict(copy.deepcopy(one.state_dict()))
    assert weights(one) == weights(two)
    for learner in (one, two):
        live(learner, 2 * STEPS, seed=9)
    assert weights(one) == weights(two)
    first, second = (
        {f"{g}.{n}": v for g, group in learner.state_dict().items() for n, v in group.items()}
        for learner in (one, two)
    )
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first if name != "rng.numpy")
    assert first["rng.numpy"] == second["rng.numpy"]


def test_state_holds_arrays_and_plain_values_that_later_updates_do_not_change():
    learner = live(ppo(), STEPS + 3)
    state = learner.state_dict()
    kept = copy.deepcopy(state)
    plain = (int, float, str, bool, dict, list, np.ndarray)
    assert all(isinstance(value, plain) for group in state.values() for value in group.values())
    live(learner, STEPS)
    for group, values in kept.items():
        for name, value in values.items():
            assert np.array_equal(state[group][name], value) or value == state[group][name], (
                f"{group}.{name}"
            )


@pytest.mark.parametrize("shared", [False, True])
@EVERY_ACTING
def test_the_policy_alone_is_enough_to_act(acting, shared):
    one, two = (
        live(ppo(acting, shared_trunk=shared), 2 * STEPS),
        ppo(acting, shared_trunk=shared, seed=7),
    )
    two.load_state_dict({"policy": one.state_dict()["policy"]})
    seen = 10.0 * rows(0, 50, 3).numpy()
    assert np.array_equal(one.act(seen, explore=False), two.act(seen, explore=False))


# Another device than the CPU: torch's `meta` has no memory, but checks devices as a GPU does.


def test_the_squashed_entropy_is_computed_where_its_numbers_lie():
    mean, log_std = torch.zeros(2, 1, device="meta"), torch.zeros(2, 1, device="meta")
    assert (
        HEADS["squashed_gaussian"].distribution_class(mean, log_std).entropy().device.type == "meta"
    )


def test_rewards_are_scaled_where_they_lie():
    r = torch.ones(2, 1, device="meta")
    assert RewardNormalizer(0.9)(r, r).device.type == "meta"


def test_a_restored_scale_goes_on_where_rewards_lie():
    scale = RewardNormalizer(0.9)
    scale(torch.ones(2, 1), torch.zeros(2, 1))
    scale.set_state(scale.get_state())
    r = torch.ones(2, 1, device="meta")
    assert scale(r, r).device.type == "meta"
