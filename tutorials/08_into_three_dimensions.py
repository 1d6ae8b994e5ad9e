"""Lesson 8: into three dimensions.

Afterwards you can say what a policy knows of the physics it was trained in, compare two engines
from the same start, carry a policy from one to the other and measure what that costs, and tell
whether what differs is the body or the solver.

    the body     two links of 0.2 m and 0.5 kg; I = m (l^2 + w^2) / 12 about each middle; torques of
                 up to 1 N m, friction -c q'
    the plane    pymunk: every link is a free body (x, y, angle); a pivot pulls their ends together,
                 impulse by impulse
    space        Bullet: the state is (q, q') alone, and M(q) q'' = torques - c q' - Coriolis
                 Featherstone, 2008, chapter 7
    a policy     sees 14 numbers and gives 2; what it must put up with when the body changes
                 arXiv:1710.06537
"""

# %% What we need: the twins. Reacher2D lives in pymunk, ReacherPlane3D in PyBullet, which `pip
# install -e '.[3d]'` brings.
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import gymnasium
import numpy as np
from matplotlib.figure import Figure

import poise  # noqa: F401  (registers the environments, in the plane and in space)
from poise import algos
from poise.algos.preset import load_preset
from poise.toolkit.experience import EnvBatch
from poise.toolkit.spaces import Array

QUICK, OUT = bool(os.environ.get("POISE_QUICK")), Path("lessons_out")
PLANE, SPACE = "poise/Reacher2D-v0", "poise/ReacherPlane3D-v0"
STEPS, EPISODES = (130_000, 10) if QUICK else (500_000, 40)
OUT.mkdir(exist_ok=True)


def make(env_id: str, **settings: object) -> gymnasium.Env[Array, Array]:
    """An environment without its time limit."""
    env = gymnasium.make(env_id, disable_env_checker=True, **settings)  # type: ignore[arg-type]
    return env.unwrapped


# %% Step 1: the same task, to the letter. A seed tells both the same story: the same start, the
# same target.
plane, space = make(PLANE), make(SPACE)
for seed in range(20):
    assert np.allclose(plane.reset(seed=seed)[0], space.reset(seed=seed)[0], atol=1e-5)
assert type(space).REWARD.items() <= type(plane).REWARD.items()  # type: ignore[attr-defined]
signals = plane.OBSERVATION  # type: ignore[attr-defined]
print("they see the same:", ", ".join(f"{signal.name} ({signal.size})" for signal in signals))


# %% Step 2: two engines, one push. The same torques from the same start: how far apart are the
# hands after a while? A solver makes an error in every step. An arm that swings freely makes small
# errors grow, so no two engines agree for ever.
def hands(
    env: gymnasium.Env[Array, Array], seed: int, torque: Callable[[int], Array], steps: int
) -> Array:
    """Where the hand is after each step (steps, 2)."""
    env.reset(seed=seed)
    return np.array([env.step(torque(step))[0][6:8] for step in range(steps)])


def swing(step: int) -> Array:
    """Torques that go to and fro."""
    return np.array([0.3 * np.sin(0.10 * step), 0.2 * np.cos(0.13 * step)])


gaps = np.array(
    [
        np.linalg.norm(hands(plane, s, swing, 150) - hands(space, s, swing, 150), axis=1)
        for s in range(10)
    ]
)
told = [
    f"{1000 * np.median(gaps[:, step - 1]):.1f} after {step / 50:.1f} s"
    for step in (5, 25, 50, 150)
]
print("millimetres between the hands, median of 10 starts:", ", ".join(told))
assert np.median(gaps[:, 4]) < 0.002 < np.median(gaps[:, 149])
# Is that the solver, or is one of the bodies built wrongly? Make one body wrong and look: more
# friction is another body.
sticky = make(SPACE, friction=0.3)
wrong = np.array(
    [
        np.linalg.norm(hands(plane, s, swing, 150) - hands(sticky, s, swing, 150), axis=1)
        for s in range(10)
    ]
)
print(f"with twice the friction: {1000 * np.median(wrong[:, 24]):.1f} after 0.5 s")
assert np.median(wrong[:, 24]) > 3 * np.median(gaps[:, 24])

# %% Step 3: learn in the plane, where a step costs a third. Nothing in PPO knows which engine it is
# for.
learner = algos.make_learner(
    "ppo", PLANE, {}, {**load_preset("ppo", PLANE).settings, "schedule_steps": STEPS}, seed=0
)
envs = EnvBatch(PLANE, 32, seed=0)
for _ in range(0, STEPS, 32):
    learner.observe(envs.step(learner.act(envs.observation, explore=True)))
    learner.update()


# %% Step 4: carry it over, with no change at all, and count poses: elbow and hand held within 2 cm
# for half a second.
def poses(act: Callable[[Array], Array], env_id: str, **settings: object) -> Array:
    """How many poses each episode of 300 steps brings."""
    side_by_side = [make(env_id, **settings) for _ in range(EPISODES)]
    seen = [env.reset(seed=1_000_000 + index)[0] for index, env in enumerate(side_by_side)]
    for _ in range(300):
        told = [
            env.step(action) for env, action in zip(side_by_side, act(np.stack(seen)), strict=True)
        ]
        seen = [observation for observation, *_ in told]
    return np.array([info["poses"] for *_, info in told])


rng = np.random.default_rng(0)
policy, chance = (
    partial(learner.act, explore=False),
    lambda seen: rng.uniform(-1, 1, (len(seen), 2)),
)
at_home, abroad, lucky = poses(policy, PLANE), poses(policy, SPACE), poses(chance, SPACE)
for name, counts in (("in the plane", at_home), ("in space", abroad), ("at random", lucky)):
    print(
        f"{name}: {counts.mean():.2f} poses an episode,"
        f" {(counts == 0).sum()} of {EPISODES} episodes without any"
    )
print(f"carried over: {abroad.mean() / at_home.mean():.0%}")
assert lucky.mean() < 0.5 < 0.8 * at_home.mean() < abroad.mean()

# %% Step 5: how wrong may the body be? To look at every step, and correct, is worth more than an
# exact model.
frictions = (0.0, 0.05, 0.15, 0.3, 0.6, 1.0)
brought = [poses(policy, SPACE, friction=friction).mean() for friction in frictions]
print(
    "poses by friction: "
    + ", ".join(f"{c:g}: {count:.1f}" for c, count in zip(frictions, brought, strict=True))
)
assert (
    brought[3] > 0.5 * at_home.mean() > brought[-1]
)  # Twice the friction is little to it, seven times is much.
one, two, three = (figure := Figure(figsize=(15, 4.5), layout="constrained")).subplots(1, 3)
for gap, name in ((gaps, "the same body"), (wrong, "twice the friction")):
    one.plot(np.arange(1, 151) / 50, 1000 * np.median(gap, axis=0), label=name)
one.set(
    title="Two engines, the same torques", xlabel="s", ylabel="mm between the hands", yscale="log"
)
two.plot(frictions, brought, ".-", label="in space")
two.axhline(at_home.mean(), color="C1", label="in the plane, where it learned")
two.set(
    title="One policy, other bodies",
    xlabel="friction of the joints (N m s)",
    ylabel="poses an episode",
)
seeing = make(SPACE, render_mode="rgb_array", camera="top", width=300, height=300)
seeing.reset(seed=2)
three.imshow(seeing.render())
three.set(title="The twin in space, from above", xticks=(), yticks=())
one.legend(), two.legend()
figure.savefig(OUT / "08_into_three_dimensions.png")


# %% Three exercises. Each has a check that takes your answer and says whether it is right.
def check_exercise_1(inertia: float) -> bool:
    """1. What is the inertia of a straight arm about its shoulder (kg m2)? Two boxes of 0.2 m x
    0.04 m, 0.5 kg each.
    """
    return abs(inertia - 0.05347) < 5e-5


def check_exercise_2(torque: float) -> bool:
    """2. With which torque at the shoulder (N m) does the arm keep on turning at 2 rad/s? Ask the
    engine.
    """
    (env := make(SPACE)).reset(seed=0)
    speed = [env.step(np.array([torque, 0.0]))[0][12] for _ in range(400)][-1]
    return abs(float(speed) - 2.0) < 0.1


def check_exercise_3(act: Callable[[Array], Array]) -> bool:
    """3. Write a policy for both twins without learning: springs that pull elbow and hand to their
    targets. Poses > chance.
    """
    return bool(poses(act, SPACE).mean() > lucky.mean() + 0.3)


# %% The answers, each with a wrong one that the check refuses. Look when you have tried.
box = 0.5 * (0.2**2 + 0.04**2) / 12
assert check_exercise_1(2 * box + 0.5 * 0.1**2 + 0.5 * 0.3**2) and not check_exercise_1(2 * box)
assert check_exercise_2(0.15 * 2.0) and not check_exercise_2(0.1)


def springs(seen: Array) -> Array:
    """Torques of springs from elbow and hand to their targets: the transposed Jacobian of both
    points times the forces.
    """
    elbow, hand, pull_elbow, pull_hand, speed = (
        seen[:, 4:6],
        seen[:, 6:8],
        seen[:, 8:10],
        seen[:, 10:12],
        seen[:, 12:],
    )
    pairs = ((elbow, pull_elbow), (hand, pull_hand), (hand - elbow, pull_hand))
    levers = [at[:, 0] * pull[:, 1] - at[:, 1] * pull[:, 0] for at, pull in pairs]
    return 40 * np.stack((levers[0] + levers[1], levers[2]), axis=1) - 0.2 * speed


assert check_exercise_3(springs) and not check_exercise_3(lambda seen: 0 * seen[:, :2])
