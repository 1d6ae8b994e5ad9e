"""Lesson 7: is it really better?

Afterwards you can say how often a difference between two algorithms is chance, how many seeds it
takes to tell, which number to report and with what interval, and three ways to fool yourself.

    a mean of n   its standard error is s / sqrt(n): four times the seeds for half the noise
    3 against 3   two equal algorithms: all three differences have the same sign with chance
                  2 (1/2)^3 = 1/4
    IQM           the mean of the middle half of the runs; P(X > Y), the chance that our run beats
                  theirs  arXiv:2108.13264
    bootstrap     draw n of your n runs, with replacement, take the statistic, do so 2000 times: the
                  middle 95 %  arXiv:2108.13264
    pairs         Var(X - Y) = Var X + Var Y - 2 Cov(X, Y): less, if both live through the same
                  episodes
    why all this  of the same code, two groups of five seeds can look like two algorithms
                  arXiv:1709.06560
"""

# %% What we need: many short trainings. Two settings of PPO on a cart-pole that starts badly, and a
# random policy beside them.
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import poise  # noqa: F401  (registers the environments in the plane)
from poise import algos
from poise.toolkit.evaluation import EVALUATION_SEED, Evaluator
from poise.toolkit.experience import EnvBatch
from poise.toolkit.spaces import Array
from poise.tools.plot.statistics import (
    bootstrap_interval,
    improvement_interval,
    interquartile_mean,
    probability_of_improvement,
)

QUICK, OUT, ID, ENV = (
    bool(os.environ.get("POISE_QUICK")),
    Path("lessons_out"),
    "poise/Cartpole-v0",
    {"reset_noise_scale": 0.15},
)
OUT.mkdir(exist_ok=True)
POOL, EPISODES, STUDIES, SEEDS = (
    (6, 8, 300, (3, 10)) if QUICK else (24, 10, 1000, (3, 4, 5, 7, 10, 15, 20))
)
rng = np.random.default_rng(0)
judge = Evaluator(
    ID, ENV, EPISODES, EVALUATION_SEED
)  # The same starts for every policy, as in all of Poise.


def mean(values: Array) -> Array:
    """The mean along the last axis."""
    return np.asarray(values.mean(-1))


def run(seed: int, epochs: int) -> Array:
    """One training of 3072 steps: the returns of all episodes of an evaluation, after each 1024 (3,
    EPISODES).
    """
    settings = {"rollout_steps": 32, "epochs": epochs, "learning_rate": 1e-3}
    learner, envs, scores = (
        algos.make_learner("ppo", ID, ENV, settings, seed),
        EnvBatch(ID, 16, seed, ENV),
        [],
    )
    for step in range(16, 3073, 16):
        learner.observe(envs.step(learner.act(envs.observation, explore=True)))
        learner.update()
        if step % 1024 == 0:
            scores.append(judge(partial(learner.act, explore=False)).returns)
    return np.array(scores)


A = np.stack([run(seed, epochs=2) for seed in range(POOL)])  # (runs, 3, EPISODES)
B = np.stack([run(seed, epochs=10) for seed in range(POOL, 2 * POOL)])
a, b = (
    mean(returns[:, -1]) for returns in (A, B)
)  # The score of a run: what its last policy gets.
chance = judge(lambda seen: rng.uniform(-1, 1, (len(seen), 1))).returns.mean()
print(
    f"a random policy {chance:.0f}; A with seeds 0 to 2 {a[:3].mean():.0f},"
    f" with seeds 3 to 5 {a[3:6].mean():.0f}"
)
assert min(a.mean(), b.mean()) > 2 * chance

# %% Step 1: a difference. That line compares A with itself. How often does chance alone make one of
# 20 %? Let many people make a study with k seeds: they draw from our runs, twice from A (nothing is
# better), or from A and from B. A claim by eye: the means are 20 % apart. A claim by interval: the
# 95 % bootstrap interval of the mean difference does not hold 0.
rows = []
for k in SEEDS:
    x, y, z = (rng.choice(pool, (STUDIES, k)) for pool in (a, a, b))
    (low, high), (above, _) = (
        bootstrap_interval(differences, mean) for differences in (x - y, z - x)
    )
    rows.append(
        (
            mean(abs(mean(x) - mean(y)) > 0.2 * a.mean()),
            mean((low > 0) | (high < 0)),
            mean(above > 0),
            mean(x.max(-1)),
        )
    )
    print(
        f"{k} seeds: false claims by eye {rows[-1][0]:.2f}, by interval {rows[-1][1]:.2f};"
        f" a true one found {rows[-1][2]:.2f}"
    )
by_eye, by_interval, found, best = np.array(rows).T
assert (
    by_eye[0] > 0.15
    and by_eye[0] > 2 * by_eye[-1]
    and by_interval[-1] < 0.2
    and (QUICK or found[-1] > found[0] + 0.1)
)
# It promises 5 %. With 3 seeds it errs as often as three differences agree in sign (a run drawn for
# both sides makes a 0).
assert abs(by_interval[0] - 2 * ((1 - 1 / POOL) / 2) ** 3) < 0.07

# %% Step 2: which number? The mean is moved by one broken run as far as you like. The median of ten
# looks at two and forgets the others. The IQM stands between. But it does not see one failure in
# four: for a robot, report the failures too.
ten = rng.choice(a, (STUDIES, 10))
ways: dict[str, Callable[[Array], Array]] = {
    "mean": mean,
    "median": partial(np.median, axis=-1),
    "IQM": interquartile_mean,
}
spread = {name: way(ten).std() for name, way in ways.items()}
print(
    "standard error with 10 seeds: "
    + ", ".join(f"{name} {size:.0f}" for name, size in spread.items())
)
# None of our runs is broken, so the mean does well. Now let one be: in each study, in place of its
# worst.
broken = np.concatenate((np.sort(ten)[:, 1:], np.full((STUDIES, 1), -1e6)), -1)
assert (
    np.allclose(interquartile_mean(broken), interquartile_mean(ten)) and (mean(broken) < -9e4).all()
)

# %% Step 3: fooling oneself. The best of k seeds grows with k, though nothing becomes better. So
# does the best of many looks at one policy: stop where the score was best, if you like, but judge
# what you stopped with on other episodes.
looks = mean(
    rng.permuted(np.repeat(A[:, -1:], 10, 1), axis=-1)[..., :2]
)  # Ten looks at each last policy, two episodes each.
print(
    f"A: {a.mean():.0f}; best of {SEEDS[-1]} seeds {best[-1]:.0f};"
    f" best of ten looks {looks.max(-1).mean():.0f}"
)
assert best[-1] > a.mean() + 0.8 * a.std() and looks.max(-1).mean() > 1.05 * a.mean()
# A third way is to compare on different episodes: luck with the start is then part of the
# difference.
shifted = [
    A[:, -1] - np.roll(B[:, -1], shift, -1) for shift in range(EPISODES)
]  # By 0: each pair has the same start.
same, *others = ((pairs - pairs.mean(-1, keepdims=True)).std() for pairs in shifted)
print(
    f"two policies differ by their means +- {same:.0f} from episode to episode;"
    f" +- {np.mean(others):.0f} if each has its own"
)
assert same < 0.95 * np.mean(others)

# %% Step 4: what one may write. All that was tried, how many seeds, what was judged and how,
# intervals, a random policy beside it. And an interval is a draw, too: take other seeds and it
# moves.
least, most = improvement_interval(b, a)
said = {
    name: (interquartile_mean(pool), *bootstrap_interval(pool), (pool < 100).sum())
    for name, pool in (("A", a), ("B", b))
}
print(
    f"{ID}, reset_noise_scale 0.15; PPO with 2 epochs (A) or 10 (B), {POOL} seeds each;"
    " a score is the policy after 3072 steps in"
)
print(f"{EPISODES} episodes, from seed {EVALUATION_SEED} on, the same for all.")
for name, (middle, bottom, top, poor) in said.items():
    print(
        f"{name}: IQM {middle:.0f} [{bottom:.0f}, {top:.0f}], {poor} of {POOL} runs below 100;"
        f" a random policy: {chance:.0f}."
    )
verdict = "B learns faster here" if least > 0.5 else "too few seeds to tell"
print(f"P(B > A) = {probability_of_improvement(b, a):.2f} [{least:.2f}, {most:.2f}]: {verdict}.")
(one, two), (three, four) = (figure := Figure(figsize=(12, 8), layout="constrained")).subplots(2, 2)
for colour, group in (("C0", A[:3]), ("C1", A[3:6])):
    one.plot((1024, 2048, 3072), mean(group).T, colour, alpha=0.4)
    one.plot((1024, 2048, 3072), mean(group).mean(0), colour, linewidth=4)
one.set(title="One algorithm, twice three seeds (thick: means)", xlabel="step", ylabel="return")
two.plot(
    SEEDS,
    np.array(rows)[:, :3],
    ".-",
    label=("false claims, by eye", "by interval", "true claims, by interval"),
)
two.axhline(0.05, color="grey", linestyle=":")
two.set(title="How often one claims", xlabel="seeds", xticks=SEEDS, ylim=(0, 1))
three.plot(SEEDS, best, ".-", label="best seed of A")
three.axhline(looks.max(-1).mean(), color="C1", label="best of ten looks at each policy of A")
three.axhline(a.mean(), color="grey", linestyle=":", label="mean of A")
three.set(title="Two ways to fool oneself", xlabel="seeds", xticks=SEEDS, ylabel="return")
for place, (pool, (middle, bottom, top, _)) in enumerate(zip((a, b), said.values(), strict=True)):
    four.plot(np.full(POOL, place), pool, ".")
    four.errorbar(place + 0.2, middle, [[middle - bottom], [top - middle]], fmt="ko", capsize=5)
four.axhline(chance, color="grey", linestyle=":", label="a random policy")
four.set(
    title="Every run; IQM and its interval",
    xticks=(0, 1),
    xticklabels=("A", "B"),
    xlim=(-0.5, 1.5),
    ylabel="return",
)
two.legend(), three.legend(loc="center right"), four.legend(loc="upper left")
figure.savefig(OUT / "07_is_it_really_better.png")


# %% Three exercises. Each has a check that takes your answer and says whether it is right.
def check_exercise_1(n: int) -> bool:
    """1. From how many seeds on is it rarer than 5 % that all differences of two equal algorithms
    have the same sign?
    """
    return 2 * 0.5**n < 0.05 <= 2 * 0.5 ** (n - 1)


def check_exercise_2(iqm: Callable[[Array], float]) -> bool:
    """2. Write the IQM of a number of runs that 4 divides."""
    return all(
        np.isclose(iqm(runs), interquartile_mean(runs)) for runs in (rng.random(8), rng.random(12))
    )


def check_exercise_3(claim: Callable[[Array, Array], bool]) -> bool:
    """3. Write claim(ours, theirs): may one say that ours are better? Not for a hair's breadth."""
    hair, doubt = a + 0.01 * a.std(), a + 10 * a.std()
    return claim(doubt, a) and not claim(hair, a) and not claim(a, doubt)


# %% The answers, each with a wrong one that the check refuses. Look when you have tried.
assert check_exercise_1(6) and not check_exercise_1(3)
assert check_exercise_2(
    lambda x: np.sort(x)[len(x) // 4 : -len(x) // 4].mean()
) and not check_exercise_2(np.median)
assert check_exercise_3(lambda x, y: improvement_interval(x, y)[0] > 0.5)
assert not check_exercise_3(lambda x, y: bool(x.mean() > y.mean()))
