"""Lesson 3: Soft Actor-Critic, line by line.

Afterwards you can write SAC from its formulas, test every line by itself, see it learn, and read
algos/sac.py.

    policy       a = tanh(u), u ~ N(mean(s), std(s)^2)  arXiv:1812.05905, appendix C
                 log pi(a|s) = sum_i [ log N(u_i) - log(1 - tanh(u_i)^2) ], the last part because
                 da/du = 1 - tanh(u)^2
    critics      L_Q = sum_i E[ (Q_i(s, a) - y)^2 ],
                 y = r + gamma (1 - terminated) (min_j Q'_j(s2, a2) - alpha log pi(a2|s2))
                 the smaller of two, because the best-looking of noisy values looks too good
                 TD3, arXiv:1802.09477
    actor        L_pi = E[ alpha log pi(a|s) - min_j Q_j(s, a) ]  arXiv:1801.01290
    temperature  L_alpha = -log(alpha) E[ log pi(a|s) + H ], which holds the entropy at H = -dim(A)
                 arXiv:1812.05905, which has alpha in place of log(alpha); the authors' code has the
                 logarithm: alpha stays positive, and the sign of the gradient is the same
    targets      Q' <- (1 - tau) Q' + tau Q  DDPG, arXiv:1509.02971
"""

# %% What we need: a network for the policy, two (computed side by side) for the critics, slow
# copies of these, and alpha.
import math
import os
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from poise.algos.networks import Ensemble, mlp
from poise.algos.off_policy import Batch, ReplayBuffer
from poise.algos.sac import SAC, SACSettings
from poise.envs2d.cartpole import Cartpole
from poise.toolkit.experience import EnvBatch
from poise.toolkit.spaces import box_space

QUICK, OUT, GAMMA, TAU, WARMUP = (
    bool(os.environ.get("POISE_QUICK")),
    Path("lessons_out"),
    0.99,
    0.01,
    500,
)
OUT.mkdir(exist_ok=True)
torch.set_num_threads(1)
torch.manual_seed(0)
generator, rng, cpu = (
    torch.Generator().manual_seed(0),
    np.random.default_rng(0),
    torch.device("cpu"),
)
O, A, SCALE = (
    4,
    1,
    np.array([1, 1, 10, 2], np.float32),
)  # Numbers seen, numbers done; units in which all spread alike.
actor, critics = mlp((O, 64, 64, 2 * A), "relu"), Ensemble(2, (O + A, 64, 64, 1), "relu")
targets, log_alpha = deepcopy(critics), nn.Parameter(torch.zeros(()))
learned = [list(critics.parameters()), list(actor.parameters()), [log_alpha]]


# %% Step 1: the policy. log(1 - tanh(u)^2) fails for large u, where tanh is 1 in float32; written
# as 2 (log 2 - u - softplus(-2 u)) it never does. (Put in tanh(u) = (1 - e^-2u) / (1 + e^-2u) to
# see that it is the same.)
def log_density(u: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """log pi(a|s) for a = tanh(u): (B, A) to (B,)."""
    gauss = -0.5 * ((u - mean) / log_std.exp()) ** 2 - log_std - 0.5 * math.log(2 * math.pi)
    return (gauss - 2 * (math.log(2) - u - nn.functional.softplus(-2 * u))).sum(-1)


def pi(s: Tensor) -> tuple[Tensor, Tensor]:
    """An action and its log-density; the noise comes from outside, so both have slopes in the
    actor's weights.
    """
    mean, log_std = actor(s).chunk(2, -1)
    u = mean + log_std.clamp(-5, 2).exp() * torch.randn(mean.shape, generator=generator)
    return torch.tanh(u), log_density(u, mean, log_std.clamp(-5, 2))


grid, zero, far = torch.linspace(-1, 1, 20_001)[1:-1], torch.zeros(1, 1), torch.full((1, 1), 20.0)
density = [
    log_density(torch.atanh(grid)[:, None], torch.tensor(0.5), torch.tensor(log_std)).exp()
    for log_std in (-1, -0.2, 0.5)
]
assert all(
    torch.isclose(torch.trapezoid(p, grid), torch.ones(()), atol=1e-2) for p in density
)  # All chances sum to 1.
assert log_density(far, far, zero).isfinite() and (1 - torch.tanh(far) ** 2).log().isinf()
# The entropy of tanh(u), u ~ N(0, 1), is 0.67 nats: a new policy is above the target H = -1.
log_p = log_density(torch.atanh(grid)[:, None], torch.tensor(0.0), torch.tensor(0.0))
assert abs(-torch.trapezoid(log_p.exp() * log_p, grid) - 0.67) < 0.01

# %% Step 2: why two critics? Let ten actions be worth 0, and let critics see that but for noise of
# size 1: to one critic the best action seems worth 1.5, to the smaller of two 0.7. The actor looks
# for just that action.
noise = torch.randn(2, 10_000, 10)
assert noise[0].amax(-1).mean() > 1.4 and noise.amin(0).amax(-1).mean() < 0.8


# %% Step 3: the three losses, and the slope of each in its own weights.
def losses(b: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """L_Q, L_pi and L_alpha of a batch. The end has no future; a time-out is not the end:
    `terminated` is 0 there.
    """
    alpha = log_alpha.exp().detach()
    with torch.no_grad():
        a2, log_pi2 = pi(b.s2)
        y = b.r + GAMMA * (1 - b.terminated) * (
            targets(torch.cat((b.s2, a2), -1)).amin(0) - alpha * log_pi2
        )
    l_q = ((critics(torch.cat((b.s, b.a), -1)) - y) ** 2).mean(-1).sum()
    a, log_pi = pi(b.s)
    l_pi = (alpha * log_pi - critics(torch.cat((b.s, a), -1)).amin(0)).mean()
    return (
        l_q,
        l_pi,
        -(log_alpha * (log_pi.detach() - A)).mean(),
    )  # Slope: entropy - H. Too little chance: alpha grows.


def slopes(three: Sequence[Tensor], weights: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """The slope of each loss in its own weights, and in no others."""
    return [
        slope
        for loss, own in zip(three, weights, strict=True)
        for slope in torch.autograd.grad(loss, own)
    ]


s, a, r = torch.zeros(1, O), torch.zeros(1, A), torch.ones(1)
assert torch.isclose(
    losses(Batch(s, a, r, s, r))[0], ((critics(torch.cat((s, a), -1)) - 1) ** 2).sum()
)  # The end: y = r.

# %% Step 4: act, remember, descend, let the targets follow. That is all of SAC. (Here all three
# gradients are taken at the same weights; algos/sac.py steps the critics first, and the actor's
# gradient is that of the new critics.)
envs, buffer = (
    EnvBatch("poise/Cartpole-v0", 1, seed=0),
    ReplayBuffer(6000, box_space(Cartpole.OBSERVATION), box_space(Cartpole.ACTION)),
)
optimizer, story = torch.optim.Adam([weight for own in learned for weight in own], 2e-3), []
for step in range(2500 if QUICK else 6000):
    explored = pi(torch.as_tensor(envs.observation * SCALE))[0].detach().numpy()
    t = envs.step(explored if step >= WARMUP else rng.uniform(-1, 1, (1, A)))
    buffer.add(
        t._replace(observation=t.observation * SCALE, next_observation=t.next_observation * SCALE)
    )
    story += [(step, ended.total_reward) for ended in envs.finished_episodes]
    if step >= WARMUP:
        b = buffer.sample(128, rng, cpu)
        for weight, slope in zip(
            optimizer.param_groups[0]["params"], slopes(losses(b), learned), strict=True
        ):
            weight.grad = slope
        optimizer.step()
        for slow, quick in zip(targets.parameters(), critics.parameters(), strict=True):
            slow.data.lerp_(quick.data, TAU)
steps, returns = np.array(story).T
chance, learnt = returns[steps < WARMUP].mean(), returns[-3:].mean()
print(f"return of chance {chance:.0f}, of our SAC {learnt:.0f} (at most 400)")
assert (
    learnt > (3 if QUICK else 8) * chance and log_alpha < 0
)  # alpha < 1: it falls for as long as the entropy, 0.67 at first, is above the target, -1.

# %% Step 5: algos/sac.py computes the same, faster. Give it our weights and the same noise, and
# compare losses and slopes.
official = SAC(
    box_space(Cartpole.OBSERVATION),
    box_space(Cartpole.ACTION),
    SACSettings(hidden_sizes=(64, 64)),
    seed=0,
)
own = [list(official.critic.parameters()), list(official.actor.parameters()), [official.log_alpha]]
for theirs, ours in (
    (official.actor.layers, actor),
    (official.critic.ensemble, critics),
    (official.critic_target.ensemble, targets),
):
    theirs.load_state_dict(ours.state_dict())
official.log_alpha.data.copy_(log_alpha.data)
official.generator.manual_seed(1), generator.manual_seed(1)
l_q, (a, log_pi) = (
    official.critic_loss(b, log_alpha.exp().detach()),
    official.actor(b.s).sample(official.generator),
)
three = (
    l_q,
    official.actor_loss(b.s, a, log_pi, log_alpha.exp().detach()),
    official.alpha_loss(log_pi.detach()),
)
torch.testing.assert_close(mine := losses(b), three, rtol=1e-4, atol=1e-5)
torch.testing.assert_close(slopes(mine, learned), slopes(three, own), rtol=1e-3, atol=1e-5)
left, right = Figure(figsize=(10, 4), layout="constrained").subplots(1, 2)
left.plot(grid, torch.stack(density, -1))
left.set(
    title="tanh of Gaussians: mean 0.5, std 0.4, 0.8, 1.6",
    xlabel="action",
    ylabel="density",
    ylim=(0, 3),
)
right.plot(steps, returns, ".-")
right.set(title="Our SAC on the cart-pole: each dot an episode", xlabel="step", ylabel="return")
left.figure.savefig(OUT / "03_sac_line_by_line.png")


# %% Three exercises. Each has a check that takes your answer and says whether it is right.
def check_exercise_1(log_slope: Callable[[Tensor], Tensor]) -> bool:
    """1. Squash with a = u / sqrt(1 + u^2) instead. Write log(da/du), which log pi(a|s) then takes
    away.
    """
    u = torch.linspace(-3, 3, 61, dtype=torch.float64, requires_grad=True)
    return torch.allclose(
        log_slope(u), torch.autograd.grad((u / (1 + u**2).sqrt()).sum(), u)[0].log()
    )


def check_exercise_2(updates: int) -> bool:
    """2. After how many updates have the targets gone at least half of the way to critics that
    stand still, at tau = 0.005?
    """
    return (1 - 0.005) ** updates <= 0.5 < (1 - 0.005) ** (updates - 1)


def check_exercise_3(y: Callable[[float, float, float, float], float]) -> bool:
    """3. Look two steps ahead: y(r, r2, terminated2, v3), where terminated2 is 1 if the second step
    was the end.
    """
    return math.isclose(y(1, 2, 0, 100), 1 + 2 * GAMMA + 100 * GAMMA**2) and math.isclose(
        y(3, 1, 1, 100), 3 + GAMMA
    )


# %% The answers, each with a wrong one that the check refuses. Look when you have tried.
assert check_exercise_1(lambda u: -1.5 * torch.log1p(u**2)) and not check_exercise_1(
    lambda u: -torch.log1p(u**2)
)
assert check_exercise_2(139) and not check_exercise_2(100)
assert check_exercise_3(
    lambda r, r2, end, v: r + GAMMA * r2 + GAMMA**2 * (1 - end) * v
) and not check_exercise_3(lambda r, *_: r)
assert not check_exercise_3(lambda r, r2, end, v: r2 + GAMMA * r + GAMMA**2 * (1 - end) * v)
