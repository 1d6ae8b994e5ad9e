"""Lesson 2: what a reward does, or why it sat.

Afterwards you can read a reward as a question, say which behaviours it cannot tell apart, tell a
hint (shaping) from a new task, and measure what a trained body does, not only how many points it
has.

    return     R = sum_t gamma^t r_t over the T steps of an episode
               Sutton and Barto (2018), section 3.3
    survival   r = 1, so R = 1 + gamma + ... + gamma^(T-1) = (1 - gamma^T) / (1 - gamma): it knows T
               and nothing else
    posture    r = sum_k w_k c_k; c_k = exp(-(d_k / scale_k)^2) of the distances d_k from upright,
               from full height and from rest, and 1 - mean(a^2) for effort saved
    shaping    adds F = gamma phi(s2) - phi(s) to r; sum_t gamma^t F_t = gamma^T phi(s_T) - phi(s_0)
               Ng et al. (1999), with phi = 0 in terminal states: then it is -phi(s_0) for every
               policy
    SAC        maximises R + alpha * entropy: of two policies with one R it takes the more fidgety
               arXiv:1812.05905
"""

# %% What we need.
import os
from collections.abc import Callable
from functools import partial
from itertools import zip_longest
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from poise import algos
from poise.envs2d.figure import STRAIGHT_HEIGHT
from poise.envs2d.standing import DROP_LIMIT, Standing
from poise.toolkit.evaluation import EVALUATION_SEED, Evaluator
from poise.toolkit.experience import PolicyFunction, run_episode
from poise.toolkit.media.video import VideoRecorder
from poise.toolkit.registry import Env, make_env, unwrap_poise_env
from poise.toolkit.rewards import control_cost, gaussian_tolerance
from poise.toolkit.spaces import Array, slices
from poise.tools.train.command import train_with_view
from poise.tools.train.plan import TrainRequest
from poise.tools.train.session import TrainingSession

QUICK, OUT = bool(os.environ.get("POISE_QUICK")), Path("lessons_out")
ID, GAMMA, REWARDS, STEPS = (
    "poise/Standing-v0",
    0.99,
    ("survival", "posture"),
    1000 if QUICK else 12_000,
)
LIMBS, PARENTS = (
    ("left thigh", "left shin", "right thigh", "right shin"),
    ("torso", "left thigh", "torso", "right thigh"),
)


# %% Step 1: two bodies made by hand. Springs hold hips and knees at a fixed bend, a little in one
# and much in the other.
def columns(names: tuple[str, ...], what: str) -> list[int]:
    """Where the observation holds a number of each named part: environments name their signals, so
    nobody counts.
    """
    return [slices(Standing.OBSERVATION)[f"{name} {what}"].start for name in names]


def crouch(bend: float) -> PolicyFunction:
    """The policy that pulls all joints towards `bend` (rad) like springs with dampers."""

    def act(seen: Array) -> Array:
        bends = seen[:, columns(LIMBS, "angle")] - seen[:, columns(PARENTS, "angle")]
        rates = (
            seen[:, columns(LIMBS, "angular velocity")]
            - seen[:, columns(PARENTS, "angular velocity")]
        )
        return np.asarray(
            np.clip(3.0 * (bend * np.array([-1, 1, 1, -1]) - bends) - 0.3 * rates, -1, 1)
        )

    return act


judges = {reward: Evaluator(ID, {"reward": reward}, 20) for reward in REWARDS}
a_step = []
for bend in (0.6, 0.9):
    survival, posture = (judges[reward](crouch(bend)) for reward in REWARDS)
    stays_up = ~survival.terminated
    # All who stay up are equal,
    assert stays_up.any() and set(survival.returns[stays_up]) == {400.0}
    assert np.array_equal(
        survival.returns, survival.lengths
    )  # because survival counts steps and sees nothing else.
    a_step.append(posture.returns[~posture.terminated].mean() / 400)
print(
    f"survival pays 1 a step for each; posture pays {a_step[0]:.2f} for bent knees"
    f" and {a_step[1]:.2f} for a deep crouch"
)
assert a_step[0] > a_step[1] + 0.1

# %% Step 2: R under survival. A body that never falls has 1 / (1 - gamma) = 100 points, however it
# stays up. So the best policies are a crowd, sitting ones among them; between them the slope is
# zero, and the learner keeps whichever it meets first. It starts by falling: what it meets first is
# a slower fall, then a low pose, on its shins perhaps.
steps = np.arange(400)
assert np.isclose((GAMMA**steps).sum(), (1 - GAMMA**400) / (1 - GAMMA))
assert (GAMMA**steps).sum() > 0.98 / (
    1 - GAMMA
)  # Even a fall after 8 s costs only 2 %: far away counts little.


# %% Step 3: would a hint help, some potential phi, the torso's height perhaps? Watch an episode and
# add up the hints.
def watch(env: Env, act: PolicyFunction, seed: int = EVALUATION_SEED) -> dict[str, Array]:
    """An episode as columns, one number for each step: the reward terms, the torso's height (m) and
    lean (rad), the effort.
    """
    rows, body = [], unwrap_poise_env(env)
    assert isinstance(body, Standing)
    for moment in run_episode(env, act, seed):
        if moment.action is not None:
            own = {
                "torso": body.torso_state[1],
                "lean": abs(body.torso_state[2]),
                "effort": control_cost(moment.action.tolist()),
            }
            rows.append({**moment.info["reward_terms"], **own})
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def hints(phi: Array) -> float:
    """The discounted sum of F = gamma phi(s2) - phi(s), from the potentials of an episode's
    moments.
    """
    return float((GAMMA ** np.arange(len(phi) - 1) * (GAMMA * phi[1:] - phi[:-1])).sum())


phi = watch(make_env(ID), crouch(0.9))["torso"]
assert np.isclose(hints(phi), GAMMA ** (len(phi) - 1) * phi[-1] - phi[0])
# The sum forgets the way; start and end are left, and for bodies that never fall the end fades too.
# So a hint may make learning quicker but cannot tell sitting from standing. `posture` is no hint:
# it asks for something else.
#
# A fall ends the episode early, where gamma^T is not small. If phi of the fallen body is not 0, the
# fall is paid gamma^T phi(s_T), and the hint favours falling soon. So phi must be 0 in terminal
# states: then the sum is -phi(s_0), whatever the policy does.
fallen = watch(make_env(ID), lambda seen: np.zeros((len(seen), 4)))["torso"]
paid_for_the_fall = hints(fallen) + fallen[0]
print(f"a fall after {len(fallen)} steps is paid {paid_for_the_fall:.2f} by a hint that is not 0")
assert np.isclose(paid_for_the_fall, GAMMA ** (len(fallen) - 1) * fallen[-1])
assert paid_for_the_fall > 5 * GAMMA**400 * STRAIGHT_HEIGHT  # What the end of a whole episode pays.
fallen[-1] = 0.0
assert np.isclose(hints(fallen), -fallen[0])

# %% Step 4: the same learner, asked both questions. The score of each is taken from its best moment
# in training.
policies: dict[str, PolicyFunction] = {}
for reward in REWARDS:
    request = TrainRequest(
        env=ID,
        algorithm="sac",
        training={"steps": STEPS},
        settings={"learning_starts": 400},
        env_settings={"reward": reward},
        runs_dir=OUT / "runs",
    )
    result = train_with_view(TrainingSession.create(request))
    learner = algos.restore_learner(result.run)
    policies[reward] = partial(learner.act, explore=False)

# %% Step 5: do not ask how many points it has; look at what it does.
mean: dict[str, dict[str, float]] = {}
height, *panels = Figure(figsize=(13, 4), layout="constrained").subplots(1, 3)
for reward, panel in zip(REWARDS, panels, strict=True):
    lived = [watch(make_env(ID), policies[reward], seed) for seed in range(10)]
    mean[reward] = {
        name: float(np.concatenate([one[name] for one in lived]).mean()) for name in lived[0]
    }
    print(
        f"{reward}: "
        + ", ".join(
            f"mean {name} {mean[reward][name]:.2f}"
            for name in ("torso", "lean", "effort", "low_velocity")
        )
    )
    terms = [weight * lived[0][term] for term, weight in Standing.REWARD["posture"].items()]
    assert np.all(sum(terms) <= 1.0 + 1e-9) and np.all(lived[0]["alive"] == 1.0)
    height.plot(lived[0]["torso"], label=f"trained with {reward}")
    panel.stackplot(range(len(terms[0])), *terms, labels=Standing.REWARD["posture"])
    panel.set(
        title=f"Trained with {reward}: what posture pays",
        xlabel="step",
        ylabel="reward",
        xlim=(0, 400),
        ylim=(0, 1),
    )
if not QUICK:
    # Whether survival's body kneels, leans or nearly stands is chance: its reward does not ask, and
    # another seed or processor may answer otherwise. That it wastes effort is not chance.
    assert abs(mean["posture"]["torso"] - STRAIGHT_HEIGHT) < 0.05
    assert mean["posture"]["lean"] < mean["survival"]["lean"]
    assert mean["posture"]["effort"] < mean["survival"]["effort"]
panels[0].legend(loc="upper right")
height.hlines((STRAIGHT_HEIGHT, STRAIGHT_HEIGHT - DROP_LIMIT), 0, 400, ("grey", "red"), ":")
height.set(
    title="The torso (dotted: straight legs, fallen)",
    xlabel="step",
    ylabel="height (m)",
    xlim=(0, 400),
)
height.legend()
height.figure.savefig(OUT / "02_what_a_reward_does.png")
stage = [
    make_env(ID, {"reward": reward, "hud": True, "width": 480, "height": 480}, "rgb_array")
    for reward in REWARDS
]
with VideoRecorder(OUT / "02_survival_and_posture.mp4", 50) as film:
    for _ in zip_longest(
        *(run_episode(env, policies[reward], 0) for env, reward in zip(stage, REWARDS, strict=True))
    ):
        film.add(np.hstack([np.asarray(env.render()) for env in stage]))


# %% Three exercises. Each has a check that takes your answer and says whether it is right.
def check_exercise_1(gamma: float) -> bool:
    """1. A learner should care for the first second (50 steps) as much as for all that follows.
    Which gamma is that?
    """
    return bool(
        np.isclose((gamma ** np.arange(50)).sum(), (gamma ** np.arange(50, 5000)).sum(), rtol=1e-3)
    )


def check_exercise_2(term: Callable[[float], float]) -> bool:
    """2. Write a term, from the torso's height to [0, 1], that pays for kneeling 0.2 m below
    straight legs, and for no more.
    """
    values = [term(STRAIGHT_HEIGHT - drop) for drop in (0.2, 0.1, 0.0, 0.3)]
    return 0.99 < values[0] <= 1 and max(values[1:]) < 0.5 and min(values) >= 0


def check_exercise_3(total: Callable[[Array], float]) -> bool:
    """3. Let the potential be 10 times the torso's height y. Write what the hints of an episode sum
    to, without a sum.
    """
    return bool(np.isclose(total(phi), hints(10 * phi)))


# %% The answers, each with a wrong one that the check refuses. Look when you have tried.
assert check_exercise_1(0.5 ** (1 / 50)) and not check_exercise_1(0.99)
assert check_exercise_2(
    lambda y: gaussian_tolerance(y - STRAIGHT_HEIGHT + 0.2, 0.1)
) and not check_exercise_2(lambda y: 1.0)
assert check_exercise_3(
    lambda y: 10 * (GAMMA ** (len(y) - 1) * y[-1] - y[0])
) and not check_exercise_3(lambda y: 0.0)
