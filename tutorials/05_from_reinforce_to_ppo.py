"""Lesson 5: from REINFORCE to PPO, line by line.

Afterwards you can derive the policy gradient, say of each part of PPO what goes wrong without it,
and read algos/ppo.py.

    REINFORCE  grad E[R] = E[ sum_t R grad log pi(a_t|s_t) ], R = r_0 + r_1 + ... of the episode
               Williams (1992)
    credit     R_t = r_t + r_(t+1) + ... for R, the reward-to-go: less variance, the same mean
               Sutton et al. (2000), Policy gradient methods for RL with function approximation
    baseline   R_t - V(s_t) for R_t, where V(s_t) = E[R_t | s_t]: less variance, the same mean
               Greensmith, Bartlett and Baxter (2004)
    GAE        A_t = sum_k (gamma lambda)^k delta_(t+k), delta_t = r_t + gamma V(s_(t+1)) - V(s_t)
               arXiv:1506.02438
    ratio      E[ ratio A ], ratio = pi(a|s) / pi_old(a|s): the same slope at pi_old, and of use
               only near it  arXiv:1502.05477
    PPO        L = -E[ min(ratio A, clip(ratio, 1 - eps, 1 + eps) A) ] + c_V E[ (V(s) - R)^2 ] / 2
               arXiv:1707.06347
"""

# %% What we need. The networks for pi and V, Adam and a buffer come with algos/ppo.py; what makes
# it PPO we write ourselves.
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from poise.algos.optim import Adam, gradient_step
from poise.algos.ppo import PPO, PPOSettings, Rollout
from poise.envs2d.cartpole import Cartpole
from poise.toolkit.experience import EnvBatch
from poise.toolkit.spaces import Array, box_space

QUICK, OUT, SCALE = (
    bool(os.environ.get("POISE_QUICK")),
    Path("lessons_out"),
    np.array([1, 1, 10, 2], np.float32),
)
OUT.mkdir(exist_ok=True)
torch.set_num_threads(1)
SEEDS, STEPS, MANY, EPS = (1, 14_000, 150, 0.2) if QUICK else (4, 20_000, 400, 0.2)
KINDS = ("reward-to-go", "5 epochs, log pi", "5 epochs, ratio", "5 epochs, clipped: PPO")
beginner = partial(PPO, box_space(Cartpole.OBSERVATION), box_space(Cartpole.ACTION))
settings = partial(PPOSettings, rollout_steps=64, learning_rate=3e-3, normalize_observations=False)


def live(pupil: PPO, envs: EnvBatch, returns: list[float]) -> list[Tensor]:
    """Columns s, a, r, s2, terminated, truncated of 64 steps, (64, N, ...); notes the returns of
    the episodes that ended.
    """
    while not pupil.buffer.is_full:
        t = envs.step(pupil.act(envs.observation * SCALE, explore=True))
        pupil.observe(
            t._replace(
                observation=t.observation * SCALE, next_observation=t.next_observation * SCALE
            )
        )
        returns += [ended.total_reward for ended in envs.finished_episodes]
    return pupil.buffer.drain(pupil.device)


# %% Step 1: the policy gradient. Let x be an episode, with probability p(x) and return R(x). Then
#     grad E[R] = sum_x R(x) grad p(x)               only p depends on the weights
#               = sum_x p(x) R(x) grad log p(x)      as grad log p = grad p / p
#               = E[ R grad log p ],                 a mean over episodes: one can sample it
#     log p(x)  = log p(s_0) + sum_t [ log pi(a_t|s_t) + log p(s_(t+1)|s_t, a_t) ]
# Only log pi depends on the weights, so grad E[R] = E[ R sum_t grad log pi(a_t|s_t) ]: REINFORCE.
# The mean is right, the variance large.
#
# Step 2: less variance. At every state the mean of grad log pi over actions is
#     sum_a pi(a|s) grad log pi(a|s) = sum_a grad pi(a|s) = grad 1 = 0.
# So whatever does not depend on a_t may be taken from its factor R, and the mean stays: the rewards
# before t, which leaves R_t, and any function of s_t, which leaves R_t - V(s_t). lambda mixes V,
# which errs (bias), and the rewards that came (variance). A truncated episode is bootstrapped with
# V.
def gae(
    r: Tensor, v: Tensor, v2: Tensor, end: Tensor, cut: Tensor, gamma: float, lam: float
) -> Tensor:
    """A (T, N), from the last step back to the first; at lam = 1 it is R_t - V(s_t), at lam = 0 it
    is delta_t.
    """
    A = r + gamma * (1 - end) * v2 - v
    for t in reversed(range(len(r) - 1)):
        A[t] += gamma * lam * (1 - end[t]) * (1 - cut[t]) * A[t + 1]
    return A


pupil, lambdas = (
    beginner(settings(normalize_reward=False), 0),
    torch.tensor([0, 0.5, 0.8, 0.9, 0.95, 1]),
)
s, a, r, s2, end, cut = live(pupil, EnvBatch("poise/Cartpole-v0", MANY + 50, 0), [])
r, optimizer = r / 10, Adam(3e-3, pupil.net.critic)
# V learns a little, and from the last 50 environments: it shall not judge those that it has learnt
# by heart.
for _ in range(40):
    gradient_step(
        optimizer,
        (pupil.net.value(s) - gae(r, 0 * r, 0 * r, end, cut, 1, 1))[:, MANY:].square().mean(),
    )
v, v2 = pupil.net.value(s).detach(), pupil.net.value(s2).detach()
torch.testing.assert_close(
    gae(r, v, v2, end, cut, 0.99, 0.95).flatten(), pupil.prepare_rollout(s, a, r, s2, end, cut).A
)
R = (to_go := gae(r, v, v2, end, cut, 1, 1) + v).clone()
for t in range(1, len(r)):  # R is what was still to come at the episode's first step.
    R[t] = torch.where(end[t - 1] + cut[t - 1] > 0, R[t], R[t - 1])
psis, g = (R, to_go, *(gae(r, v, v2, end, cut, 1, float(lam)) for lam in lambdas)), []
for n in range(
    MANY
):  # Of each environment by itself: sum_t psi_t grad log pi(a_t|s_t), for every psi.
    log_pi, weights = (
        pupil.net.policy(s[:, n]).log_prob(a[:, n]),
        list(pupil.net.policy_modules.parameters()),
    )
    slopes = [
        torch.autograd.grad((psi[:, n] * log_pi).sum(), weights, retain_graph=True) for psi in psis
    ]
    g.append(torch.stack([torch.cat([slope.flatten() for slope in own]) for own in slopes]))
mean, length = (
    (rows := torch.stack(g)).mean(0),
    rows.mean(0)[-1].square().sum(),
)  # Now the error of a mean of 16 environments:
variance, bias = rows.var(0).sum(-1) / 16 / length, (mean - mean[-1]).square().sum(-1) / length
assert (
    bias[:2] < 4 * variance[:2] * 16 / MANY
).all()  # R, R_t, R_t - V(s_t): the same mean, but for what MANY leave open.
print(
    f"variance of the gradient: {variance[0]:.2f} with R, {variance[1]:.2f} with R_t,"
    f" {variance[-1]:.2f} with R_t - V(s_t)"
)
assert (
    variance[0] > 3 * variance[1] > 4 * variance[-1] > 6 * variance[-3]
    and bias[2] > 1.3 * bias[4] > 2 * bias[6]
)


# %% Step 3: one step a rollout is a waste; but the second would count actions of a policy that is
# gone. Weigh them by the ratio.
def clipped(ratio: Tensor, A: Tensor) -> Tensor:
    """min(ratio A, clip(ratio) A): a ratio that has moved by eps as A asks earns no more; one that
    went astray is called back.
    """
    return torch.minimum(ratio * A, ratio.clamp(1 - EPS, 1 + EPS) * A)


def loss(pupil: PPO, b: Rollout, kind: str) -> Tensor:
    """L, and what one would try before it. With A at mean 0 and spread 1 the units of the
    environment no longer matter.
    """
    log_pi, A = (
        pupil.net.policy(b.s).log_prob(b.a),
        (b.A - b.A.mean()) / (b.A.std(correction=0) + 1e-8),
    )
    ratio = (log_pi - b.log_pi_old).exp()
    gains = dict(zip(KINDS, (log_pi * b.R, log_pi * A, ratio * A, clipped(ratio, A)), strict=True))
    return -gains[kind].mean() + 0.25 * (pupil.net.value(b.s) - b.R).square().mean()


def train(kind: str, seed: int) -> Array:
    """(Rollouts, 2): the mean return of the last 20 episodes, and how far log pi went from log
    pi_old.
    """
    # At lam = 1, b.R is R_t: discounted, and bootstrapped with V where the rollout cuts an episode
    # off. So the first kind is not quite REINFORCE, which waits for the end. 128: 8 steps an epoch.
    lam, epochs, rows = (1, 1, 1024) if kind == KINDS[0] else (0.95, 5, 128)
    pupil, envs = beginner(settings(gae_lambda=lam), seed), EnvBatch("poise/Cartpole-v0", 16, seed)
    optimizer, story, returns = pupil.optimizers["all"], [], list[float]()
    for _ in range(STEPS // 1024):
        b = pupil.prepare_rollout(*live(pupil, envs, returns))
        for part in [part for _ in range(epochs) for part in b.minibatches(rows, pupil.rng)]:
            gradient_step(optimizer, loss(pupil, part, kind), 0.5)
        story.append(
            (
                np.mean(returns[-20:]),
                (pupil.net.policy(b.s).log_prob(b.a) - b.log_pi_old).abs().mean().item(),
            )
        )
    # Ratios have left 1 to both sides. Are L and its slopes those of algos/ppo.py, whatever A's
    # unit?
    if kind == KINDS[3]:
        both = (loss(pupil, b._replace(A=7 * b.A + 3), kind), pupil.loss(b))
        torch.testing.assert_close(
            *((each, torch.autograd.grad(each, optimizer.parameters)) for each in both)
        )
    return np.array(story)


# %% Step 4: learn the cart-pole, all with the same steps, step sizes and first weights.
story = np.stack([np.mean([train(kind, seed) for seed in range(SEEDS)], 0) for kind in KINDS])
score, gone = story[:, -1, 0], story[:, :, 1].mean(1)
print(
    "\n".join(
        f"{kind}: return {score[k]:.0f}, log pi has gone by {gone[k]:.2f}"
        for k, kind in enumerate(KINDS)
    )
)
assert (
    score[3] > 1.2 * score[0]
    and (QUICK or score[3] > 1.5 * score[1])
    and 3 * gone[3] < gone[2] < gone[1] / 3
)
(left, right), (below, last) = (figure := Figure(figsize=(12, 8), layout="constrained")).subplots(
    2, 2
)
left.plot((0, 1), variance[:2].expand(2, 2), ":", label=("variance with R", "variance with R_t"))
left.plot(
    lambdas,
    torch.stack((variance, bias / (bias > 0), variance + bias))[:, 2:].T,
    label=("variance", "bias", "sum"),
)
left.set(
    title="Error of the gradient of 16 environments",
    xlabel="lambda",
    ylabel="squared error / squared length",
    yscale="log",
)
right.plot(
    x := torch.linspace(0, 2, 201)[:, None],
    clipped(x, signs := torch.tensor([1, -1])),
    "C0",
    x,
    x * signs,
    "k:",
)
right.set(
    title="PPO: A = 1 (rising), A = -1 (falling); dotted: without clipping",
    xlabel="ratio",
    ylabel="what a step can earn",
)
last.plot(story[:, :, 0].T, label=KINDS), below.plot(story[:, :, 1].T)
last.set(
    title="The cart-pole, exploring: last 20 episodes",
    xlabel="rollout (1024 steps)",
    ylabel="return (at most 400)",
)
below.set(
    title="How far each rollout moves the policy",
    xlabel="rollout",
    ylabel="mean |log ratio|",
    yscale="log",
)
left.legend(loc="lower left"), last.legend(), left.set_ylim(0.0002, 1)
figure.savefig(OUT / "05_from_reinforce_to_ppo.png")


# %% Three exercises. Each has a check that takes your answer and says whether it is right.
def check_exercise_1(slope: Callable[[Tensor, Tensor, float], Tensor]) -> bool:
    """1. From many tries a ~ N(m, 1) and what each was worth, f, tell the slope of E[f] in m:
    slope(a, f, m).
    """
    tries = {m: m + torch.randn(200_000) for m in (0.5, -0.5)}
    # E[a^2] = m^2 + 1.
    return all(abs(float(slope(a, a**2, m)) - 2 * m) < 0.05 for m, a in tries.items())


def check_exercise_2(delta: Callable[[float, float, float, bool, bool], float]) -> bool:
    """2. Write delta(r, v, v2, terminated, truncated) for gamma = 0.99, with v = V(s_t) and
    v2 = V(s_(t+1)). What does each of the two ends change?
    """
    return all(
        abs(delta(r, v, v2, end, cut) - (r - v if end else r - v + 0.99 * v2)) < 1e-6
        for r, v, v2 in ((1.0, 100.0, 100.0), (1.0, 100.0, 90.0), (3.0, -7.0, 20.0))
        for end in (False, True)
        for cut in (False, True)
    )


def check_exercise_3(slope: Callable[[Tensor, Tensor], Tensor]) -> bool:
    """3. Write the slope of `clipped` in the ratio; mind that there are four quadrants, and in
    which two it can be 0.
    """
    x, A = (
        torch.tensor([0.5, 0.9, 1.1, 1.5]).repeat(2).requires_grad_(),
        torch.tensor([2.0, -3.0]).repeat_interleave(4),
    )
    return torch.equal(slope(x, A), torch.autograd.grad(clipped(x, A).sum(), x)[0])


# %% The answers, each with a wrong one that the check refuses. Look when you have tried.
assert check_exercise_1(lambda a, f, m: (f * (a - m)).mean()) and not check_exercise_1(
    lambda a, f, m: f.mean()
)
assert not check_exercise_1(lambda a, f, m: torch.ones(()))
assert check_exercise_2(lambda r, v, v2, end, cut: r + 0.99 * (1 - end) * v2 - v)
assert not check_exercise_2(lambda r, v, v2, end, cut: r + 0.99 * (1 - max(end, cut)) * v2 - v)
assert not check_exercise_2(lambda r, v, v2, end, cut: r + 0.99 * (1 - end) * v - v2)
assert not check_exercise_2(lambda r, v, v2, end, cut: -99 * end)
assert check_exercise_3(lambda x, A: A * ((x - 1) * A.sign() < EPS)) and not check_exercise_3(
    lambda x, A: A * (abs(x - 1) < EPS)
)
