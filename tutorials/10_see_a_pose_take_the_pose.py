"""Lesson 10: see a pose, take the pose: joining eye and body.

Afterwards you can join two networks that have never met, one that moves an arm to any pose and one
that reads poses from pictures, say how good the eye must be for the body to succeed, and let the
arm follow a film.

    body     pi(a | s, g): act towards a goal g, the positions of elbow and hand (m), from which a
             reward is easy to write  Schaul et al. (2015), Universal value function approximators;
             learned with PPO, arXiv:1707.06347
    eye      f(picture) = pose: learned from pictures whose poses are known  lesson 9
    joined   pi(a | s, g = f(picture)): neither has to change; what goes between them has a name and
             a unit, metres
    lag      who aims at where a moving target is now comes too late: aim at pose + speed * lead
"""

# %% What we need.
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from matplotlib.figure import Figure

import poise  # noqa: F401  (registers the environments)
from poise import algos
from poise.algos.preset import load_preset
from poise.algos.translator import Translator, TranslatorSettings
from poise.toolkit.experience import EnvBatch
from poise.toolkit.pose_task import PoseTask
from poise.toolkit.spaces import Array, slices

QUICK, OUT = bool(os.environ.get("POISE_QUICK")), Path("lessons_out")
STEPS, FRAMES, MINIBATCHES, POSES = (
    (130_000, 2000, 200, 20) if QUICK else (330_000, 20_000, 3000, 100)
)
REACHER = "poise/Reacher2D-v0"
OUT.mkdir(exist_ok=True)
rng = np.random.default_rng(0)

# %% Step 1: the body. PPO learns to move elbow and hand to any target that it is told in numbers.
body = algos.make_learner(
    "ppo", REACHER, {}, {**load_preset("ppo", REACHER).settings, "schedule_steps": STEPS}, seed=0
)
envs = EnvBatch(REACHER, 32, seed=0)
for _ in range(0, STEPS, 32):
    body.observe(envs.step(body.act(envs.observation, explore=True)))
    body.update()

# %% Step 2: the eye. A model stands before it in any pose at all; nobody tells it that this is an
# arm, or that arms can move.
looks: dict[str, Any] = {
    "render_mode": "rgb_array",
    "width": 64,
    "height": 64,
    "view": "agent",
}
model: Any = gymnasium.make(REACHER, disable_env_checker=True, **looks).unwrapped
pose_of = slices(model.OBSERVATION)["pose"]


def shown(seed: int) -> tuple[Array, Array]:
    """A picture (64, 64, 3) of a pose, and the pose: elbow (x, y) and hand (x, y) in metres."""
    observation, _ = model.reset(seed=seed)
    return np.asarray(model.render()), observation[pose_of]


pictures, poses = (np.stack(column) for column in zip(*map(shown, range(FRAMES)), strict=True))
eye = Translator((64, 64), 4, TranslatorSettings(), seed=0)
eye.fit_normalization(poses, [4])
for step in range(MINIBATCHES):
    rows = rng.integers(FRAMES, size=64)
    eye.train_on_batch(pictures[rows][:, None], poses[rows][:, None], step / MINIBATCHES)

unseen, truths = (
    np.stack(column) for column in zip(*map(shown, range(10**6, 10**6 + POSES)), strict=True)
)
read = eye.translate(unseen[:, None])[:, 0]
rms = float(np.sqrt(np.square(read - truths).mean()))
print(
    f"the eye is {1000 * rms:.1f} mm off in each number (root mean square, poses that it never saw)"
)


# %% Step 3: join them. What the eye reads becomes the target; whether the pose is taken is judged
# by the truth.
def taken(targets: Array) -> Array:
    """Which of the true poses the body has taken within 150 steps when it is told `targets` (POSES,
    4).
    """
    robot: Any = gymnasium.make(REACHER, disable_env_checker=True).unwrapped
    done = np.zeros(len(targets), bool)
    for index, (target, truth) in enumerate(zip(targets, truths, strict=True)):
        robot.reset(seed=index)
        judge = PoseTask(0.02, 25)  # Both points within 2 cm for 25 steps: half a second.
        judge.set_target(truth.reshape(2, 2).tolist(), robot.pose)
        for _ in range(150):
            robot.set_target(target)
            robot.step(body.act(robot.agent_observation()[None], explore=False)[0])
            judge.step(robot.pose)
            done[index] |= judge.is_achieved
    return done


by_truth, by_eye = taken(truths), taken(read)
guessed = taken(np.broadcast_to(poses.mean(0), truths.shape))
print(
    f"poses taken: {by_truth.mean():.0%} given the truth, {by_eye.mean():.0%} by pictures,"
    f" {guessed.mean():.0%} given the mean"
)
assert (
    by_truth.mean() > 0.5
    and guessed.mean() < 0.1
    and (QUICK or by_eye.mean() > 0.9 * by_truth.mean())
)

# %% Step 4: how good must an eye be? Tell the body the truth and a little more, and count. The
# judge's 2 cm are the scale.
errors = (0.0, 0.005, 0.01, 0.02, 0.04)
counts = [taken(truths + rng.normal(0.0, error, truths.shape)).mean() for error in errors]
print(
    "taken, by the error of an eye: "
    + ", ".join(f"{1000 * e:g} mm: {c:.0%}" for e, c in zip(errors, counts, strict=True))
)
assert counts[0] > counts[-1]


# %% Step 5: a film. The model's arm goes round; at each frame the robot is told what is seen, or a
# little more than that.
def follow(lead: float) -> tuple[Array, Array]:
    """Where the robot's hand and the model's were, step by step (m), when it aims `lead` seconds
    ahead.
    """
    robot: Any = gymnasium.make(REACHER, disable_env_checker=True).unwrapped
    robot.reset(seed=0)
    path, before = [], truths[0]
    for step in range(350):
        model.set_joint_angles(np.array([0.02 * step, 1.2 + 0.8 * np.sin(0.03 * step)]))
        seen = eye.translate_frame(np.asarray(model.render()))
        robot.set_target(seen + lead * 50 * (seen - before) * (step > 0))
        before = seen
        robot.step(body.act(robot.agent_observation()[None], explore=False)[0])
        path.append((robot.pose[1], model.pose[1]))
    return np.array([own for own, _ in path[100:]]), np.array([its for _, its in path[100:]])


behind = {lead: follow(lead) for lead in (0.0, 0.07)}
gaps = {
    lead: float(np.linalg.norm(own - its, axis=1).mean()) for lead, (own, its) in behind.items()
}
print(
    "behind the film: "
    + ", ".join(f"{1000 * gap:.0f} mm with a lead of {lead:g} s" for lead, gap in gaps.items())
)
assert gaps[0.07] < gaps[0.0]

left, right = (figure := Figure(figsize=(12, 5), layout="constrained")).subplots(1, 2)
left.plot(1000 * np.array(errors), counts, ".-", label="given the truth and an error")
left.plot(1000 * rms, by_eye.mean(), "rx", label="by pictures")
left.set(
    title="How good must an eye be?", xlabel="its error (mm)", ylabel="poses taken", ylim=(0, 1.02)
)
for lead, hands in behind.items():
    right.plot(*hands[0].T, label=f"the robot's hand, {lead:g} s ahead")
right.plot(*behind[0.0][1].T, "k:", label="the hand in the film")
right.set(title="Following a film", aspect="equal", xlabel="m", ylabel="m")
left.legend(), right.legend()
figure.savefig(OUT / "10_see_a_pose_take_the_pose.png")


# %% Three exercises. Each has a check that takes your answer and says whether it is right.
def check_exercise_1(degrees: float) -> bool:
    """1. The hand is read 10 mm too far to the side; its link is 0.2 m long. By which angle would
    the elbow be wrong?
    """
    return abs(degrees - 2.866) < 0.02


def check_exercise_2(metres: float) -> bool:
    """2. A hand goes at 0.4 m/s, and the robot reacts 0.07 s late. How far behind is it if it does
    not look ahead?
    """
    return abs(metres - 0.028) < 1e-4


def check_exercise_3(steady: Callable[[Array], Array]) -> bool:
    """3. Eight pictures of each pose were read, (8, POSES, 4), each with an independent error of
    10 mm. Make the best reading of them: its error is 10 mm / sqrt(8).
    """
    noisy = truths + np.random.default_rng(1).normal(0.0, 0.01, (8, *truths.shape))
    best = np.square(noisy.sum(0) / 8 - truths).mean()
    return bool(np.square(steady(noisy) - truths).mean() < 1.02 * best)


# %% The answers, each with a wrong one that the check refuses. Look when you have tried.
assert check_exercise_1(float(np.degrees(np.arcsin(0.05)))) and not check_exercise_1(5.0)
assert check_exercise_2(0.4 * 0.07) and not check_exercise_2(0.4 / 0.07)
assert check_exercise_3(lambda readings: readings.mean(0))
assert not check_exercise_3(lambda readings: readings[:3].mean(0))
assert not check_exercise_3(lambda readings: np.median(readings, 0))
