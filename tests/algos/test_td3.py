"""TD3: twin critics, smoothed targets, delayed actor; DDPG; probe environments."""

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from learners import STILL, batch_of, greedy, rows, school, transition_of, weights, weights_of
from torch import nn

from poise import algos
from poise.algos.networks import ACTIVATIONS, Ensemble
from poise.algos.off_policy import Batch
from poise.algos.optim import gradient_step, soft_update
from poise.algos.td3 import TD3, TD3Settings

SMALL = {"hidden_sizes": (16, 16), "batch_size": 16, "buffer_size": 1000, "learning_starts": 10}
DDPG = {"twin_critics": False, "policy_noise": 0.0, "policy_delay": 1}


def td3(observation: int = 3, action: int = 2, seed: int = 0, **settings: object) -> TD3:
    """A small TD3."""
    spaces = Box(-np.inf, np.inf, (observation,), np.float32), Box(-1.0, 1.0, (action,), np.float32)
    return TD3(*spaces, TD3Settings(**{**SMALL, **settings}), seed)


def with_other_targets(learner: TD3) -> TD3:
    """Give the targets other weights than the networks they follow, so that mix-ups show."""
    torch.manual_seed(77)
    fresh = td3(seed=99, twin_critics=learner.settings.twin_critics)
    soft_update(learner.critic_target, fresh.critic, 1.0)
    soft_update(learner.actor_target, fresh.actor, 1.0)
    with (
        torch.no_grad()
    ):  # Far from flat, so that now the one critic and now the other is the smaller.
        for weight in learner.critic_target.ensemble.weights:
            weight.mul_(3.0)
    return learner


def parts(learner: TD3) -> dict[str, bytes]:
    """Every bit of each network."""
    return {name: weights_of(module) for name, module in learner.networks.items()}


# The critics' target.


def target_by_hand(learner: TD3, batch: Batch, noise: torch.Tensor) -> torch.Tensor:
    """y = r + gamma (1 - terminated) min_j Q'_j(s2, a2), row by row, with a2 smoothed."""
    c, values = learner.settings, []
    with torch.no_grad():
        for row in range(len(batch.r)):
            mean = learner.actor_target(batch.s2[row][None])[0].tolist()
            epsilon = [
                max(-c.noise_clip, min(c.noise_clip, c.policy_noise * one))
                for one in noise[row].tolist()
            ]
            a2 = [max(-1.0, min(1.0, one + more)) for one, more in zip(mean, epsilon, strict=True)]
            q = min(learner.critic_target(batch.s2[row][None], torch.tensor([a2]))[:, 0].tolist())
            values.append(batch.r[row].item() + c.gamma * (0.0 if batch.terminated[row] else q))
    return torch.tensor(values)


def loss_by_hand(learner: TD3, batch: Batch, y: torch.Tensor) -> torch.Tensor:
    """The critics' mean squared errors, added up."""
    with torch.no_grad():
        q = learner.critic(batch.s, batch.a)
    return sum(((member - y) ** 2).mean() for member in q)


@pytest.mark.parametrize("terminated", [0.0, 1.0])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"policy_noise": 2.0},
        {"policy_noise": 0.0},
        {"noise_clip": 0.05},
        {"twin_critics": False},
        DDPG,
    ],
    ids=str,
)
def test_the_critics_target_is_the_smaller_value_of_a_smoothed_action_and_stops_at_a_death(
    terminated, how
):
    learner, batch = with_other_targets(td3(gamma=0.9, **how)), batch_of(16, terminated=terminated)
    chance = learner.generator.get_state()
    loss = learner.critic_loss(batch)
    learner.generator.set_state(chance)
    y = target_by_hand(learner, batch, learner.sample_noise(batch.a))
    torch.testing.assert_close(loss.detach(), loss_by_hand(learner, batch, y), rtol=1e-4, atol=1e-5)
    smaller = learner.critic_target(batch.s2, learner.actor_target(batch.s2)).argmin(0)
    assert len(smaller.unique()) == learner.critic.ensemble.members, (
        "every critic is believed somewhere"
    )
    if terminated:
        torch.testing.assert_close(y, batch.r)


def test_one_critic_no_smoothing_and_no_delay_are_ddpg():
    """y = r + gamma Q'(s2, mu'(s2)), and the actor and both targets move with every update."""
    learner, batch = with_other_targets(td3(**DDPG)), batch_of(16)
    assert learner.critic.ensemble.members == 1
    with torch.no_grad():
        q2 = learner.critic_target(batch.s2, learner.actor_target(batch.s2))
        y = batch.r + 0.99 * q2.squeeze(0)
        q = learner.critic(batch.s, batch.a).squeeze(0)
    torch.testing.assert_close(learner.critic_loss(batch).detach(), ((q - y) ** 2).mean())
    for turn in range(3):
        learner.replay.updates += 1
        before = parts(learner)
        learner.train_on_batch(batch_of(16, seed=turn))
        assert all(before[name] != bits for name, bits in parts(learner).items())


def acted_upon(learner: TD3, batch: Batch) -> torch.Tensor:
    """The actions that the target critic is asked about."""
    asked = []
    handle = learner.critic_target.register_forward_pre_hook(
        lambda module, inputs: asked.append(inputs[1])
    )
    learner.critic_loss(batch)
    handle.remove()
    return asked[0]


def test_noise_on_the_targets_actions_is_clipped_and_so_are_they(monkeypatch):
    learner, batch = with_other_targets(td3(policy_noise=0.2, noise_clip=0.5)), batch_of(64)
    with torch.no_grad():  # So that some actions lie near the ends, both of them.
        learner.actor_target.layers[-1].weight *= torch.tensor([[20.0], [-20.0]])
    mean = learner.actor_target(batch.s2)

    def smoothed(noise: float) -> torch.Tensor:
        monkeypatch.setattr(TD3, "sample_noise", lambda self, like: torch.full_like(like, noise))
        return acted_upon(learner, batch)

    torch.testing.assert_close(smoothed(0.0), mean)
    torch.testing.assert_close(smoothed(1.0), (mean + 0.2).clamp(-1, 1))
    torch.testing.assert_close(smoothed(2.5), (mean + 0.5).clamp(-1, 1))
    assert torch.equal(smoothed(3.0), smoothed(1000.0)), (
        "noise beyond the clip has no further effect"
    )
    torch.testing.assert_close(smoothed(-1000.0), (mean - 0.5).clamp(-1, 1))
    assert smoothed(1000.0).max() == 1.0 and smoothed(-1000.0).min() == -1.0


def test_target_actions_get_independent_noise_with_std_policy_noise():
    learner, batch = td3(policy_noise=0.1, noise_clip=0.5), batch_of(4000)
    noise = acted_upon(learner, batch) - learner.actor_target(batch.s2)
    assert noise.mean(0).tolist() == pytest.approx([0.0, 0.0], abs=0.01)
    assert noise.std(0).tolist() == pytest.approx([0.1, 0.1], rel=0.05)
    assert abs(torch.corrcoef(noise.T)[0, 1]) < 0.05


def test_the_critics_loss_gives_no_gradient_to_the_targets_or_the_actor():
    learner = td3()
    learner.critic_loss(batch_of()).backward()
    assert all(parameter.grad is not None for parameter in learner.critic.parameters())
    others = [
        *learner.critic_target.parameters(),
        *learner.actor_target.parameters(),
        *learner.actor.parameters(),
    ]
    assert all(parameter.grad is None for parameter in others)


# The actor.


def test_the_actors_loss_is_minus_the_first_critics_value():
    learner, s = td3(), rows(0, 8, 3)
    expected = -learner.critic(s, learner.actor(s))[0].mean()
    torch.testing.assert_close(learner.actor_loss(s, learner.actor(s)), expected)
    loss = learner.actor_loss(s, learner.actor(s)).item()
    with torch.no_grad():
        for weight in learner.critic.ensemble.weights:
            weight[1] += 1.0
    assert learner.actor_loss(s, learner.actor(s)).item() == loss, "the second critic has no say"
    with torch.no_grad():
        for weight in learner.critic.ensemble.weights:
            weight[0] += 1.0
    assert learner.actor_loss(s, learner.actor(s)).item() != loss


def test_the_actors_step_raises_its_value_and_leaves_the_critics_alone():
    learner, s = td3(learning_rate=0.01), rows(0, 32, 3)
    before, value = weights_of(learner.critic), -learner.actor_loss(s, learner.actor(s)).item()
    for _ in range(10):
        gradient_step(learner.optimizers["policy"], learner.actor_loss(s, learner.actor(s)))
    assert -learner.actor_loss(s, learner.actor(s)).item() > value
    assert weights_of(learner.critic) == before
    assert all(parameter.grad is None for parameter in learner.critic.parameters())


# When what moves.


@pytest.mark.parametrize("delay", [1, 2, 3])
@pytest.mark.parametrize("twin", [True, False])
def test_critics_move_with_every_update_and_actor_and_targets_with_every_so_many(delay, twin):
    learner = td3(policy_delay=delay, twin_critics=twin, tau=0.1)
    for _ in range(11):
        learner.observe(transition_of())
    for count in range(1, 8):
        before, learner.replay.pending_updates = parts(learner), 1.0
        metrics = learner.update()
        moved = {name for name, bits in parts(learner).items() if bits != before[name]}
        late = {"policy", "actor_target", "critic_target"} if count % delay == 0 else set()
        assert moved == {"critic"} | late
        assert metrics.keys() == {"losses/qf_loss"} | ({"losses/actor_loss"} if late else set())
        assert all(type(value) is float and math.isfinite(value) for value in metrics.values())


def test_many_updates_at_once_return_all_losses():
    """Also where the last of them, the fifth, was none of the actor's."""
    learner, steps = td3(updates_per_step=5.0, policy_delay=2), []
    for seed in range(12):
        learner.observe(transition_of(seed=seed))
        steps.append(learner.update())
    assert learner.replay.updates == 10
    assert [set(metrics) for metrics in steps[-3:]] == [
        set(),
        *[{"losses/qf_loss", "losses/actor_loss"}] * 2,
    ]


@pytest.mark.parametrize("tau", [0.005, 0.3, 1.0])
def test_targets_begin_as_copies_and_follow_by_tau(tau):
    learner = td3(tau=tau, learning_rate=0.1)
    pairs = [(learner.critic_target, learner.critic), (learner.actor_target, learner.actor)]
    for target, source in pairs:
        assert weights_of(target) == weights_of(source) and target is not source
    learner = with_other_targets(learner)
    before = [copy.deepcopy(target) for target, _ in pairs]
    learner.train_on_batch(batch_of(16))
    for (target, source), old in zip(pairs, before, strict=True):
        for new, was, goal in zip(
            target.parameters(), old.parameters(), source.parameters(), strict=True
        ):
            torch.testing.assert_close(new, (1.0 - tau) * was + tau * goal)


def test_each_optimizer_moves_its_own_network():
    learner = td3()
    for name, network in (("policy", learner.actor), ("critic", learner.critic)):
        assert {id(p) for p in learner.optimizers[name].parameters} == {
            id(p) for p in network.parameters()
        }
    assert learner.optimizers.keys() == {"policy", "critic"}


# Acting.


def test_exploration_has_mean_mu_and_std_exploration_noise():
    learner, seen = td3(learning_starts=0, exploration_noise=0.1), np.zeros((4000, 3), np.float32)
    mode, explored = learner.act(seen, explore=False), learner.act(seen, explore=True)
    assert mode.dtype == explored.dtype == np.float32
    assert (mode == mode[0]).all()
    np.testing.assert_allclose(mode[0], learner.actor(torch.zeros(3)).detach(), rtol=1e-6)
    assert explored.mean(0) == pytest.approx(mode[0], abs=0.01)
    assert explored.std(0) == pytest.approx([0.1, 0.1], rel=0.05)
    assert abs(np.corrcoef(explored.T)[0, 1]) < 0.05


def test_explored_actions_are_clipped_and_without_noise_they_are_its_own():
    seen = np.zeros((1000, 3), np.float32)
    explored = td3(learning_starts=0, exploration_noise=2.0).act(seen, explore=True)
    assert explored.max() == 1.0 and explored.min() == -1.0
    calm = td3(learning_starts=0, exploration_noise=0.0)
    assert np.array_equal(calm.act(seen, explore=True), calm.act(seen, explore=False))


def test_it_warms_up_uniformly_and_then_follows_its_actor():
    learner, seen = td3(learning_starts=20, exploration_noise=0.05), np.zeros((2000, 3), np.float32)
    for _ in range(20):
        uniform = learner.act(seen, explore=True)
        assert np.abs(uniform).max() <= 1.0 and uniform.std() == pytest.approx(
            1 / math.sqrt(3), rel=0.05
        )
        learner.observe(transition_of())
        assert learner.update() == {}
    assert learner.act(seen, explore=True).std(0) == pytest.approx([0.05, 0.05], rel=0.1)
    learner.observe(transition_of())
    assert learner.update() != {}


def test_acting_without_exploring_draws_no_random_numbers():
    one, two, seen = td3(learning_starts=0), td3(learning_starts=0), np.ones((3, 3), np.float32)
    for _ in range(5):
        one.act(seen, explore=False)
    assert np.array_equal(one.act(seen, explore=True), two.act(seen, explore=True))


@pytest.mark.parametrize("name", ["td3", "sac"])
def test_acting_and_learning_use_the_same_observation_statistics(name):
    """They are those of all observations so far, and nothing else changes them."""
    kind = algos.get_algorithm_class(name)
    spaces = Box(-np.inf, np.inf, (3,), np.float32), Box(-1.0, 1.0, (2,), np.float32)
    learner = kind(
        *spaces, kind.SETTINGS(**{**SMALL, "normalize_observations": True, "learning_starts": 0}), 0
    )
    seen = 10.0 + 5.0 * rows(0, 30, 3).numpy()
    for seed in range(30):
        learner.observe(transition_of(seed=seed)._replace(next_observation=seen[seed : seed + 1]))
    normalized = torch.from_numpy((seen - seen.mean(0)) / seen.std(0)).float()
    for row in learner.replay.sample().s2:
        assert (row - normalized).abs().amax(-1).min() < 1e-3
    mode = learner.actor.layers(normalized)[:, :2].tanh().detach()
    np.testing.assert_allclose(learner.act(seen, explore=False), mode, rtol=1e-3, atol=1e-4)
    worn = weights_of(learner.replay.normalizer)
    (
        learner.act(100.0 * seen, explore=True),
        learner.act(100.0 * seen, explore=False),
        learner.update(),
    )
    assert weights_of(learner.replay.normalizer) == worn


@pytest.mark.parametrize("name", ["td3", "sac"])
def test_exploring_depends_on_the_seed(name):
    kind, seen = algos.get_algorithm_class(name), np.zeros((5, 1), np.float32)
    spaces = Box(-1.0, 1.0, (1,), np.float32), Box(-1.0, 1.0, (1,), np.float32)
    one, two = (
        kind(*spaces, kind.SETTINGS(**{**SMALL, "learning_starts": 0}), seed) for seed in (0, 1)
    )
    two.load_state_dict({"policy": one.state_dict()["policy"]})
    assert np.array_equal(one.act(seen, explore=False), two.act(seen, explore=False))
    assert not np.array_equal(one.act(seen, explore=True), two.act(seen, explore=True))


@pytest.mark.parametrize("gap", [-0.5, 0.5])
def test_an_update_of_sac_warms_up_where_it_holds_too_little_entropy_and_cools_where_too_much(gap):
    """Of two equal learners, the second targets more or less entropy than the first has."""
    kind = algos.get_algorithm_class("sac")
    spaces = Box(-np.inf, np.inf, (3,), np.float32), Box(-1.0, 1.0, (2,), np.float32)
    held = kind(*spaces, kind.SETTINGS(**SMALL), 0).train_on_batch(batch_of(64))["losses/entropy"]
    learner = kind(*spaces, kind.SETTINGS(**{**SMALL, "target_entropy": held + gap}), 0)
    learner.train_on_batch(batch_of(64))
    assert (learner.log_alpha.item() > 0.0) == (gap > 0.0)


def test_networks_are_built_of_what_was_asked_for():
    learner = td3(activation="silu", hidden_sizes=(8, 6), twin_critics=False)
    for actor in (learner.actor.layers, learner.actor_target.layers):
        assert [type(layer) for layer in actor] == [
            nn.Linear,
            nn.SiLU,
            nn.Linear,
            nn.SiLU,
            nn.Linear,
        ]
        assert [layer.out_features for layer in actor if isinstance(layer, nn.Linear)] == [8, 6, 2]
    for critic in (learner.critic.ensemble, learner.critic_target.ensemble):
        assert critic.activation == ACTIVATIONS["silu"]
        assert [tuple(weight.shape) for weight in critic.weights] == [
            (1, 5, 8),
            (1, 8, 6),
            (1, 6, 1),
        ]


def test_orthogonal_actors_begin_in_the_middle():
    seen = 10.0 * rows(0, 30, 3).numpy()
    assert (
        np.abs(td3(orthogonal_init=True).act(seen, explore=False)).max()
        < 0.2
        < np.abs(td3().act(seen, explore=False)).max()
    )
    critic: Ensemble = td3(orthogonal_init=True).critic.ensemble
    for layer, weight in enumerate(critic.weights):
        gain = 1.0 if layer == len(critic.weights) - 1 else math.sqrt(2.0)
        for member in weight.detach():
            narrow = member if member.shape[0] <= member.shape[1] else member.T
            torch.testing.assert_close(
                narrow @ narrow.T, gain**2 * torch.eye(len(narrow)), rtol=1e-4, atol=1e-5
            )
    assert not torch.equal(critic.weights[0][0], critic.weights[0][1]) and not any(
        bias.any() for bias in critic.biases
    )


# Learning.


def probe(name: str, **settings: object) -> TD3:
    """A small TD3 for a probe environment."""
    quick = {"learning_rate": 3e-3, "batch_size": 64, "hidden_sizes": (32, 32), "tau": 0.05}
    return algos.make_learner("td3", f"probe/{name}-v0", {}, {**SMALL, **quick, **settings})


@pytest.mark.parametrize("how", [{}, DDPG], ids=["td3", "ddpg"])
def test_it_learns_to_do_what_it_sees(how):
    learner = school(
        probe("SeeDo", learning_starts=200, exploration_noise=0.3, **how), "probe/SeeDo-v0", 1000
    )
    shown = [-0.7, -0.3, 0.0, 0.3, 0.7]
    np.testing.assert_allclose(greedy(learner, shown), shown, atol=0.15)


def value(learner: TD3, seen: float) -> float:
    """The mean of the critics over some actions."""
    actions = torch.tensor([[-0.5], [0.0], [0.5]])
    observations = torch.full((3, 1), seen)
    with torch.no_grad():
        return learner.critic(observations, actions).mean().item()


VALUES: dict[str, Any] = {name: STILL[name] for name in ("gamma", "tau", "hidden_sizes")}


@pytest.mark.parametrize("how", [{}, DDPG], ids=["td3", "ddpg"])
def test_truncation_is_bootstrapped(how):
    learner = school(
        probe("One", **VALUES, **how), "probe/One-v0", 600
    )  # Ended by its time limit every 10 steps.
    assert value(learner, 0.0) == pytest.approx(1.0 / (1.0 - 0.8), rel=0.05)
    assert learner.value_and_std(np.zeros((1, 1), np.float32))[0] == pytest.approx(
        [1.0 / (1.0 - 0.8)], rel=0.05
    )


def test_termination_is_not_bootstrapped():
    learner = probe(
        "OneDies", learning_starts=500, **VALUES
    )  # So that it has seen all actions whose value is asked for.
    school(learner, "probe/OneDies-v0", 1000)
    expected = [sum(0.8**k for k in range(5 - age)) for age in range(5)]
    assert [value(learner, age / 5.0) for age in range(5)] == pytest.approx(expected, rel=0.1)


# One seed, one learner; and a state that goes round.


def test_one_seed_gives_the_same_weights_byte_for_byte():
    torch.manual_seed(1)
    first = weights(school(td3(1, 1), "probe/SeeDo-v0", 40))
    torch.manual_seed(2)
    assert weights(school(td3(1, 1), "probe/SeeDo-v0", 40)) == first, (
        "and torch's own chance is not the learner's"
    )
    assert weights(school(td3(1, 1, seed=1), "probe/SeeDo-v0", 40)) != first


@pytest.mark.parametrize("steps", [5, 61])
def test_a_state_goes_round_exactly(steps):
    """Also between two updates of the actor, and with a part of an update owed."""
    how = {"updates_per_step": 0.7, "normalize_observations": True, "policy_delay": 3}
    how |= {"noise_color": "pink", "policy_tau": 0.1, "layer_norm": True}
    one, two = school(probe("SeeDo", **how), "probe/SeeDo-v0", steps), probe("SeeDo", **how)
    two.load_state_dict(copy.deepcopy(one.state_dict()))
    assert weights(one) == weights(two)
    for learner in (one, two):
        school(learner, "probe/SeeDo-v0", 40, seed=9)
    assert weights(one) == weights(two)


def test_a_state_holds_every_network_and_the_policy_alone_is_enough_to_act():
    one = school(probe("SeeDo", normalize_observations=True), "probe/SeeDo-v0", 60)
    state = one.state_dict()
    groups = {"policy", "network_critic", "network_critic_target", "network_actor_target"}
    assert (
        groups | {"optimizer_policy", "optimizer_critic", "counters", "buffer", "noise", "rng"}
        == state.keys()
    )
    two = probe("SeeDo", normalize_observations=True)
    two.load_state_dict({"policy": state["policy"]})
    assert np.array_equal(greedy(one, [0.1, 0.5]), greedy(two, [0.1, 0.5]))


def test_networks_that_follow_are_not_trained():
    learner = td3()
    following = nn.ModuleList([learner.critic_target, learner.actor_target])
    assert not any(parameter.requires_grad for parameter in following.parameters())
