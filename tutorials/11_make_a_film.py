"""Lesson 11: make a film, and find out why it fell.

Afterwards you can film an episode frame by frame and write over it, turn a run into a captioned
time-lapse of how it learned, say which margin, which motor and which moment a fall hangs on, and
test by experiment whether what you saw was the cause.

    a film       frame k shows the moment t_k = k / f; T steps are T + 1 moments, at a part s of
                 their speed (T + 1) / (s f) long
    a margin     1 at rest, 0 where the episode ends: the first one that is used up says how it fell
    a critic     V(s_t) = E[ r_t + gamma r_(t+1) + ... ]; for 1 a step and n steps left
                 (1 - gamma^n) / (1 - gamma)
    who teaches  PPO, whose V we ask here when it noticed  arXiv:1707.06347
    a cause      is what changes the end when it is changed: rescue the body at t, and see from when
                 on it is too late
"""

# %% What we need.
import os
from collections.abc import Callable
from itertools import chain, repeat
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from poise import algos
from poise.toolkit.evaluation import EVALUATION_SEED
from poise.toolkit.experience import EpisodeStep, run_episode
from poise.toolkit.media.video import VideoRecorder, read_video
from poise.toolkit.registry import make_env, make_random_policy
from poise.toolkit.spaces import Array
from poise.tools.record.episode_trace import trace_episode
from poise.tools.record.record_run import record_episode
from poise.tools.record.record_savings import record_checkpoints
from poise.tools.report.episodes import analyze_failure, compute_value_threshold, describe_failure
from poise.tools.train.plan import TrainRequest
from poise.tools.train.session import resume_training, start_training

QUICK, OUT, STANDING, RATE = (
    bool(os.environ.get("POISE_QUICK")),
    Path("lessons_out"),
    "poise/Standing-v0",
    50,
)
EVERY, EPISODES, SIZE = (8192, 10, 128) if QUICK else (4096, 40, 240)

# %% Step 1: a film is nothing but pictures and a clock. We ask the environment for a picture at
# every moment of an episode.
env = make_env(STANDING, {"width": SIZE, "height": SIZE}, render_mode="rgb_array")
moments = []
with VideoRecorder(OUT / "by_hand.mp4", RATE) as film:
    for moment in run_episode(env, make_random_policy(env, 0), EVALUATION_SEED):
        film.add(np.asarray(env.render()))
        moments.append(moment)
frames = list(read_video(OUT / "by_hand.mp4"))
print(
    f"{len(moments) - 1} steps, {len(frames)} frames, {len(frames) / RATE:.2f} s;"
    f" its end: {moments[-1].info['failure']}"
)
assert (
    len(frames) == len(moments) and np.abs(frames[-1].astype(int) - env.render()).mean() < 3.0
)  # H.264 forgets a little.

# %% Step 2: train a little, and keep what it was then, critic and all. Then go on until it stands.
request = TrainRequest(
    env=STANDING,
    algorithm="ppo",
    training={"steps": 16_384, "checkpoint_every": EVERY, "evaluate_episodes": EPISODES},
    runs_dir=OUT / "runs",
)
run = start_training(request).run
early = algos.restore_learner(run, "latest", with_critic=True)
outcome = resume_training(run, {"steps": 200_000})
good = algos.restore_learner(run)
score = outcome.metrics
print(
    f"after {outcome.progress.step:,} steps: return {score['eval/return']:.0f},"
    f" length {score['eval/length']:.0f}"
)
assert score["eval/success"] > 0.8

# %% Step 3: the time-lapse. The run has kept its policies, from the one that knew nothing on. Each
# is filmed from the same start and captioned with its step, episode and return; then all are put on
# one page. In the shell:
#     poise record RUN --checkpoint all --montage learned.mp4
*films, montage = record_checkpoints(run, OUT / "films", OUT / "learned.mp4", size=SIZE)
firsts = [next(read_video(path))[-SIZE:].astype(int) for path in films]
assert len(films) == len(run.policies()) and all(
    np.abs(first - firsts[0]).mean() < 3.0 for first in firsts
)  # One start for all.
assert len(list(read_video(montage))) == max(
    len(list(read_video(path))) for path in films
)  # The last picture is held.

# %% Step 4: why did the early policy fall? A story keeps all that an episode tells;
# `analyze_failure` reads its end.
stories = [trace_episode(env, early, EVALUATION_SEED + number, RATE) for number in range(EPISODES)]
falls = [fall for story in stories if (fall := analyze_failure(story))]
print(*(describe_failure(fall) for fall in falls[:3]), sep="\n")
busy = sorted(name for fall in falls for name in fall.saturated_actions)
print(f"{len(falls)} of {EPISODES} fell; at their limit: {', '.join(busy) or 'nothing'}")
assert len(falls) > EPISODES / 2
story, fall = next((story, fall) for story in stories if (fall := analyze_failure(story)))
# Nothing of this is magic. By hand: the margin, from its meaning; and the moment after which V
# stays below half its median.
margin, value = (
    story.get_group("margin")["height"].values,
    story.get_group("value")["value"].values[:-1],
)
above = np.flatnonzero(value >= 0.5 * np.median(value))
assert margin[-1] <= 0.0 < margin[-2] and fall.margin == "height"
assert fall.value_drop_time == (
    None if above[-1] == len(value) - 1 else (story.steps - above[-1] - 1) / RATE
)


# %% Step 5: what you saw need not be the cause. The experiment: let the early policy act until t,
# then hand the body to the good one. The last t from which it is saved is the point of no return
# for this rescuer: what made it fall has happened by then.
def saved(seed: int, step: int) -> bool:
    """Whether the good policy keeps up the body that the early one has led until `step`."""
    turns = chain(repeat(early, step), repeat(good))
    *_, last = run_episode(
        env, lambda observation: next(turns).act(observation, explore=False), seed
    )
    return not last.terminated


rescued = {step: saved(story.seed, step) for step in range(0, story.steps + 1, 4 if QUICK else 1)}
too_late = max((step for step, well in rescued.items() if well), default=0) / RATE
narrow, noticed = (
    fall.time - before if before is not None else np.nan
    for before in (fall.narrow_margin_time, fall.value_drop_time)
)
print(
    f"saved up to {too_late:.2f} s; the critic noticed at {noticed:.2f} s;"
    f" margin narrow at {narrow:.2f} s; end {fall.time:.2f} s"
)
assert (
    rescued[0] and not rescued[max(rescued)] and too_late < narrow
)  # When one sees it fall, it has long been decided.


# %% Step 6: a film that says so. An overlay takes a picture and its moment and gives a picture;
# here it paints what is left of the margin as a bar, red once it is too late. In slow motion;
# `poise record --annotate --slow 0.25` draws much more.
def bar(frame: Array, moment: EpisodeStep) -> Array:
    """Along the lower edge of each frame: the margin that is left."""
    (step, part), frame = next(clock), frame.copy()
    frame[-8:, : round(max(0.0, part) * SIZE)] = (
        (224, 90, 71) if step / RATE > too_late else (64, 178, 108)
    )
    return frame


clock = enumerate(margin.tolist())
path = record_episode(
    run, OUT / "why.mp4", checkpoint="16384", seed=story.seed, size=SIZE, slow=0.25, overlays=[bar]
)
frames = list(read_video(path))
assert len(frames) == story.steps + 1 and next(clock, None) is None
parts = (figure := Figure(figsize=(12, 6), layout="constrained")).subplot_mosaic(
    "abcdef;LLLRRR", height_ratios=(2, 3)
)
for part, step in zip("abcdef", np.linspace(0, story.steps, 6).astype(int), strict=True):
    parts[part].imshow(frames[step])
    parts[part].set(title=f"{step / RATE:.2f} s", xticks=(), yticks=())
left, right = parts["L"], parts["R"]
left.plot(story.times, margin), right.plot(story.times[:-1], value)
right.axhline(
    compute_value_threshold(story) or np.nan, color="grey", linestyle=":", label="half its median"
)
for axes, what in ((left, "what is left of the margin"), (right, "value (discounted reward)")):
    axes.axvline(too_late, color="C3", label="point of no return")
    axes.axvline(noticed, color="C1", linestyle="--", label="the critic noticed")
    axes.set(xlabel="time (s)", ylabel=what), axes.legend()
figure.savefig(OUT / "11_make_a_film.png")


# %% Three exercises. Each has a check that takes your answer and says whether it is right.
def check_exercise_1(seconds: float) -> bool:
    """1. An episode of 8 s, 50 moments a second and one for its start, at a quarter of its speed:
    how long is the film (s)?
    """
    return abs(seconds - 32.08) < 0.005


def check_exercise_2(steps: float) -> bool:
    """2. Reward 1 a step, gamma 0.99. How many steps before a sure end is V half of what it is far
    from any end?
    """
    return abs(steps - 68.97) < 0.1


def check_exercise_3(noticed: Callable[[Array], int]) -> bool:
    """3. Write noticed(values): the index from which on all are below half their median; their
    number where there is none.
    """
    return [
        noticed(np.array(v)) for v in ([9, 9, 9, 4, 9, 9], [9, 9, 9, 9, 4, 4], [9, 1, 9, 9, 9, 1])
    ] == [6, 4, 5]


# %% The answers, each with a wrong one that the check refuses. Look when you have tried.
assert check_exercise_1((8 * 50 + 1) / (0.25 * 50)) and not check_exercise_1(32.0)
assert check_exercise_2(np.log(0.5) / np.log(0.99)) and not check_exercise_2(50)
assert check_exercise_3(lambda v: int(np.flatnonzero(np.append(True, v >= np.median(v) / 2))[-1]))
assert not check_exercise_3(lambda v: int(np.argmax(v < np.median(v) / 2)))
