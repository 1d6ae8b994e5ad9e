"""Lesson 6: TD3, line by line, and what SAC does otherwise.

Afterwards you can derive the deterministic policy gradient, measure how much a critic flatters its
actor, cure that in three ways, read algos/td3.py, and say where SAC goes another way.

    gradient   grad J = E[ grad_theta mu(s) grad_a Q(s, a) ] at a = mu(s), over the states that mu
               visits  Silver et al. (2014), Deterministic policy gradient algorithms
    DDPG       L_Q = E[ (Q(s, a) - y)^2 ], y = r + gamma (1 - terminated) Q'(s2, a2), a2 = mu'(s2);
               L_mu = -E[ Q(s, mu(s)) ]  arXiv:1509.02971
    twin       y with min_j Q'_j(s2, a2) of two critics: where they quarrel, believe the lower
               arXiv:1802.09477
    smoothing  a2 = clip(mu'(s2) + clip(epsilon, -c, c), -1, 1), epsilon ~ N(0, sigma^2)  (the same)
    delay      actor and targets, Q' <- (1 - tau) Q' + tau Q, move once for every d steps of the
               critics  (the same)
"""

# %% What we need. Networks, their optimizers and the replay come with algos/td3.py; the losses and
# the loop we write.
import os
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from poise.algos.off_policy import Batch
from poise.algos.optim import gradient_step, soft_update
from poise.algos.sac import SAC, SACSettings
from poise.algos.td3 import TD3, TD3Settings
from poise.envs2d.cartpole import Cartpole
from poise.toolkit.experience import EnvBatch, run_episode
from poise.toolkit.registry import make_env
from poise.toolkit.spaces import Array, box_space

QUICK, OUT, ID, GAMMA = (
    bool(os.environ.get("POISE_QUICK")),
    Path("lessons_out"),
    "poise/Cartpole-v0",
    0.98,
)
OUT.mkdir(exist_ok=True)
torch.set_num_threads(1)
SEEDS, STEPS, LIVES, TRIED = (1, 2000, 4, (0, 3, 4)) if QUICK else (2, 3000, 8, (0, 1, 2, 3, 4))
SAME = {
    "gamma": GAMMA,
    "hidden_sizes": [64, 64],
    "learning_rate": 2e-3,
    "batch_size": 64,
    "learning_starts": 500,
    "tau": 0.05,
    "normalize_observations": True,
}
PLAIN, SPACES = (
    [("twin_critics", False), ("policy_noise", 0.0), ("policy_delay", 1)],
    (box_space(Cartpole.OBSERVATION), box_space(Cartpole.ACTION)),
)
KINDS = [["DDPG", "with twin critics", "and smoothing", "and delay: TD3", "SAC"][k] for k in TRIED]

# %% Step 1: the gradient. Let V(s) = Q(s, mu(s)), with s2 the state after s under a = mu(s). Then
#     grad V(s) = grad mu(s) grad_a Q(s, a) + [ grad Q(s, a) at a fixed a ]   the chain rule
#               = grad mu(s) grad_a Q(s, a) + gamma E[ grad V(s2) ]   as Q = E[ r + gamma V(s2) ]
# and with the same for s2, and so on,
#     grad V(s_0) = E[ sum_t gamma^t grad mu(s_t) grad_a Q(s_t, a_t) ].
# No gradient of the state distribution is left: the critic says which way a better action lies; the
# actor, which way its weights move the action. (DDPG and TD3 take the states from the replay buffer
# instead, and for Q a network: an approximation.)
# Let mu(s) = tanh(s w), so that grad_w mu(s) = (1 - a^2) s, and compare the chain with many small
# nudges of w.
s, w = (
    torch.randn(100, 4, dtype=torch.float64),
    torch.randn(4, 1, dtype=torch.float64, requires_grad=True),
)
Q, a = TD3(*SPACES, TD3Settings.parse(SAME), seed=0).critic.double(), (s @ w).tanh()
uphill, slope = torch.autograd.grad(Q(s, a, members=1).mean(), (a, w))
torch.testing.assert_close(slope, s.T @ (uphill * (1 - a**2)))
assert torch.autograd.gradcheck(lambda w: Q(s, (s @ w).tanh(), members=1).mean(), w)


# %% Step 2: DDPG, and the three words that TD3 adds. The actor looks for what the critic overrates;
# y believes it; so the critic overrates more. The smaller of two does so less. Smoothing takes away
# what one action promises and its neighbours do not. The delay lets the critics settle before actor
# and targets follow.
def critic_loss(p: TD3, b: Batch) -> Tensor:
    """L_Q, summed over the critics."""
    with torch.no_grad():
        noise = (p.settings.policy_noise * p.sample_noise(b.a)).clamp(
            -p.settings.noise_clip, p.settings.noise_clip
        )
        a2 = (p.actor_target(b.s2) + noise).clamp(-1, 1)
        y = b.r + GAMMA * (1 - b.terminated) * p.critic_target(b.s2, a2).amin(0)
    return ((p.critic(b.s, b.a) - y) ** 2).mean(-1).sum()


def actor_loss(p: TD3, s: Tensor) -> Tensor:
    """L_mu."""
    return -p.critic(s, p.actor(s), members=1).mean()


grid, noise = torch.linspace(-1, 1, 401), (0.2 * torch.randn(2000, 1)).clamp(-0.5, 0.5)
needle, smooth = (
    -(x**2) + 2 * torch.exp(-(((x - 0.6) / 0.03) ** 2)) for x in (grid, (grid + noise).clamp(-1, 1))
)
assert (
    grid[needle.argmax()] > 0.5 and abs(grid[smooth.mean(0).argmax()]) < 0.2
)  # The hill is at 0; a needle at 0.6 is an error.


# %% Step 3: does a critic tell the truth? Ask it all along the actor's way, and add up what really
# came.
def look(p: TD3 | SAC) -> tuple[float, float]:
    """Mean of Q_1(s, mu(s)) less the discounted return from s on; mean return of an episode.

    Of the first critic for all: the minimum of two would be lower without any cure.
    """
    gap, returns, env = [], [], make_env(ID)
    for seed in range(LIVES):
        moments = list(run_episode(env, lambda seen: p.act(seen, explore=False), seed))
        r, seen = (
            [moment.reward for moment in moments[1:]],
            np.stack([moment.observation for moment in moments[:-1]]),
        )
        came = np.array([*accumulate(r[::-1], lambda later, now: now + GAMMA * later)])[::-1]
        told = p.critic(
            p.replay.normalizer(p.to_tensor(seen)),
            p.to_tensor(p.act(seen, explore=False)),
            members=1,
        ).squeeze(0)
        gap += (told.detach().numpy() - came)[
            : None if moments[-1].terminated else -200
        ].tolist()  # A time-out cuts off
        returns.append(
            sum(r)
        )  # what would have come: 200 steps earlier that counts 0.98^200 = 2 %.
    return float(np.mean(gap)), float(np.mean(returns))


def train(k: int, seed: int) -> Array:
    """What `look` says every 500 steps."""
    own, envs, story = (
        {**SAME, "exploration_noise": 0.3, **dict(PLAIN[k:])},
        EnvBatch(ID, 1, seed),
        [],
    )
    p = (
        SAC(*SPACES, SACSettings.parse({**SAME, "init_alpha": 0.2}), seed)
        if k == 4
        else TD3(*SPACES, TD3Settings.parse(own), seed)
    )
    for step in range(STEPS):
        p.observe(envs.step(p.act(envs.observation, explore=True)))
        for b in p.replay.pending_batches():
            if isinstance(p, SAC):
                p.train_on_batch(b)
                continue
            gradient_step(p.optimizers["critic"], critic_loss(p, b))
            if p.replay.updates % p.settings.policy_delay == 0:
                gradient_step(p.optimizers["policy"], actor_loss(p, b.s))
                (
                    soft_update(p.critic_target, p.critic, p.settings.tau),
                    soft_update(p.actor_target, p.actor, p.settings.tau),
                )
        story += [look(p)] if step % 500 == 499 else []
    if isinstance(
        p, TD3
    ):  # The same losses and slopes as algos/td3.py? Its DDPG is these settings, nothing else.
        p.generator.manual_seed(1), (ours := critic_loss(p, b)), p.generator.manual_seed(1)
        pairs = (
            (ours, p.critic_loss(b), "critic"),
            (actor_loss(p, b.s), p.actor_loss(b.s, p.actor(b.s)), "policy"),
        )
        for *two, name in pairs:
            torch.testing.assert_close(
                *((each, torch.autograd.grad(each, p.optimizers[name].parameters)) for each in two)
            )
    return np.array(story)


# %% Step 4: let them learn. Beside TD3, SAC (arXiv:1801.01290, lesson 3):
#   explores      TD3: by noise of a fixed size on the point mu(s)
#                 SAC: by the chance of pi(.|s), as much as alpha pays for
#   y             TD3: min_j Q'_j(s2, mu'(s2) + noise)
#                 SAC: min_j Q'_j(s2, a2) - alpha log pi(a2|s2), a2 ~ pi(.|s2)
#   smoothing     TD3: is that noise
#                 SAC: is in a2, which is never twice the same
#   actor's loss  TD3: -Q_1(s, mu(s)), every d-th time
#                 SAC: alpha log pi(a|s) - min_j Q_j(s, a), every time
#   slow copies   TD3: of critics and actor
#                 SAC: of the critics
# (Q begins at 0 and has to catch up first. SAC's Q counts entropy, too. What two seeds say about
# the return, lesson 7 tells.)
story = np.stack([np.mean([train(k, seed) for seed in range(SEEDS)], 0) for k in TRIED])
gap, score = story[:, -2:].mean(1).T
print(
    "\n".join(
        f"{kind}: Q promises {gap[k]:+.0f} more than comes; return {score[k]:.0f}"
        for k, kind in enumerate(KINDS)
    )
)
assert (
    gap[0] > 2 + (gap[1] if QUICK else gap[3:].max()) and score.min() > story[:, 0, 1].max()
)  # Step 500: nothing learnt.
left, middle, right = (figure := Figure(figsize=(15, 4.5), layout="constrained")).subplots(1, 3)
left.plot(
    grid, torch.stack((needle, smooth.mean(0)), -1), label=("Q'(s2, a2)", "what y makes of it")
)
left.set(title="Smoothing: a needle is not believed", xlabel="a2", ylim=(-1.1, 1.8))
for panel, what, title in (
    (middle, 0, "What Q promises less what comes (discounted)"),
    (right, 1, "Return, at most 400"),
):
    panel.plot(np.arange(500, STEPS + 1, 500), story[:, :, what].T, ".-", label=KINDS)
    panel.set(title=title, xlabel="step")
left.legend(), right.legend(), middle.axhline(0, color="grey", linestyle=":")
figure.savefig(OUT / "06_td3_line_by_line.png")


# %% Three exercises. Each has a check that takes your answer and says whether it is right.
def check_exercise_1(slope: Callable[[float, float], float]) -> bool:
    """1. Let Q(s, a) = -(a - s)^2 and mu(s) = tanh(w s). Write the gradient of Q(s, mu(s)) in w:
    slope(w, s).
    """
    points, h = ((1.0, 0.5), (0.5, -1.5)), 1e-4
    Q = [[-((np.tanh(x * s) - s) ** 2) for x in (w - h, w + h)] for w, s in points]
    true = [(above - below) / (2 * h) for below, above in Q]
    return np.allclose([slope(w, s) for w, s in points], true, rtol=1e-3)


def check_exercise_2(updates: int) -> bool:
    """2. At tau = 0.005 and a delay of 2: how many steps of the critics bring the targets half way
    to where these stand still?
    """
    return updates % 2 == 0 and 0.995 ** (updates / 2) <= 0.5 < 0.995 ** (updates / 2 - 1)


def check_exercise_3(y: Callable[[float, bool, list[float], float], float]) -> bool:
    """3. One y for all: y(r, terminated, q2, bonus), q2 of one critic or two, bonus = -alpha log
    pi, 0 for DDPG and TD3.
    """
    answers = [y(1, False, [50], 0), y(2, False, [50, 40], 0.5), y(3, True, [50, 40], 0.5)]
    return np.allclose([*answers, y(1, False, [40, 50], 0.5)], [50, 41.69, 3, 40.69])


# %% The answers, each with a wrong one that the check refuses. Look when you have tried.
assert check_exercise_1(lambda w, s: -2 * (np.tanh(w * s) - s) * (1 - np.tanh(w * s) ** 2) * s)
assert (
    not check_exercise_1(lambda w, s: -2 * (np.tanh(w * s) - s) * s)
    and check_exercise_2(278)
    and not check_exercise_2(139)
)
assert not check_exercise_1(
    lambda w, s: -2 * (np.tanh(w * s) - s) * (1 - np.tanh(w * s) ** 2) * w * s
)
assert check_exercise_3(lambda r, end, q2, bonus: r + GAMMA * (1 - end) * (min(q2) + bonus))
assert not check_exercise_3(lambda r, end, q2, bonus: r + GAMMA * (1 - end) * min(q2) + bonus)
assert not check_exercise_3(lambda r, end, q2, bonus: r + GAMMA * (1 - end) * (q2[-1] + bonus))
