"""Lesson 4: stop and go on.

Afterwards you can stop a training at any moment, go on as if nothing had happened and prove it byte
by byte, tell damaged checkpoints from sound ones, keep an episode in a kilobyte, and say what
determinism promises and what it does not.

    a run           x_(t+1) = f(x_t): 2N steps are N steps twice, if x holds all: the weights,
                    Adam's means (arXiv:1412.6980), the replay buffer, the counters, where the
                    environments stand, the state of every random generator
    a fingerprint   sha256 has 256 bits: a changed file goes unnoticed with chance 2^-256
                    FIPS 180-4
    a rename        gives a finished file its name in one step: one sees it whole or not at all
                    POSIX
    a sum           is rounded to 53 bits after each addition: (a + b) + c is not a + (b + c)
                    Goldberg (1991), IEEE 754
"""

# %% What we need.
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from matplotlib.figure import Figure

from poise import algos
from poise.envs2d.standing import Standing
from poise.toolkit import checkpoint
from poise.toolkit.experience import run_episode
from poise.toolkit.loggers import Metrics
from poise.toolkit.tape import Tape
from poise.tools.train.plan import TrainRequest
from poise.tools.train.session import resume_training, start_training

QUICK, OUT = bool(os.environ.get("POISE_QUICK")), Path("lessons_out")
STEPS = 600 if QUICK else 3000
STOP = random.randrange(
    STEPS // 4, STEPS
)  # A step that nobody chose; each time you run this lesson it is another.


# %% Step 1: train once without a break; then again, but press Ctrl-C at step STOP and go on from
# there.
def press_ctrl_c(step: int, seconds: float, metrics: Metrics) -> None:
    """A listener that stops the training as Ctrl-C would."""
    if step == STOP and "charts/SPS" in metrics:
        signal.raise_signal(signal.SIGINT)


training = {"steps": STEPS, "evaluate_every": 0, "checkpoint_every": 100, "log_every": 1}
settings = {"hidden_sizes": [64, 64], "batch_size": 64, "learning_starts": 100}
request = TrainRequest(
    env="poise/Cartpole-v0",
    algorithm="sac",
    training=training,
    settings=settings,
    runs_dir=OUT / "runs",
)
whole = start_training(request)
part = start_training(request, [press_ctrl_c])
assert part.interrupt_signal == signal.SIGINT and part.progress.step == STOP
rest = resume_training(part.run, {})
a, b = (outcome.run.find_checkpoint("latest") for outcome in (whole, rest))
files = sorted(path.relative_to(a) for path in a.rglob("*") if path.is_file())
differ = {path.as_posix() for path in files if (a / path).read_bytes() != (b / path).read_bytes()}
print(f"stopped at {STOP} of {STEPS}; of {len(files)} files these differ: {sorted(differ)}")
assert differ == {
    "manifest.json",
    "progress/values.json",
}  # Weights, buffer, chance: all the same. And what differs there?
one, two = (checkpoint.load(folder)["progress"] for folder in (a, b))
assert {key for key in one if one[key] != two[key]} == {
    "seconds"
}  # The time on the clock; the world outside we cannot save.
stories = [
    np.loadtxt(outcome.run.path / "episodes.csv", delimiter=",", skiprows=1, usecols=(0, 2))
    for outcome in (whole, rest)
]
assert np.array_equal(stories[0], stories[1])

# %% Step 2: damage one bit of the newest checkpoint. The manifest holds the fingerprint of every
# file, so it is noticed.
victim = b / "policy" / "arrays.safetensors"
content = victim.read_bytes()
victim.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
try:
    checkpoint.load(b)
    raise SystemExit("a damaged checkpoint was read as if it were sound")
except checkpoint.DamagedCheckpointError as error:
    print(f"noticed: {error}")
assert rest.run.load_checkpoint("latest")[0] < b  # The run warns, and takes the one before.

# %% Step 3: whole or not at all. A process saves without a pause and we kill it, like a power cut,
# at any moment.
program = """
import itertools, numpy, pathlib, sys, poise.toolkit.checkpoint
for number in itertools.count():
    state = {"policy": {"w": numpy.full(100_000, float(number))}}
    poise.toolkit.checkpoint.save(pathlib.Path(sys.argv[1]) / f"step_{number}", state)
"""
for _ in range(3 if QUICK else 20):
    with TemporaryDirectory() as place:
        writer = subprocess.Popen([sys.executable, "-c", program, place])
        while not list(Path(place).glob("step_*")):
            time.sleep(0.01)
        time.sleep(random.uniform(0.0, 0.1))
        writer.kill()
        writer.wait()
        for folder in Path(place).glob("step_*"):
            assert checkpoint.load(folder)["policy"]["w"][-1] == int(folder.name[5:])

# %% Step 4: an episode is its seed and its actions. A tape keeps these: played again, all is the
# same to the last bit. Places and speeds of all bodies would not be enough: the engine also
# remembers the forces of the step before.
rng = np.random.default_rng(0)
moments = list(
    run_episode(Standing(), lambda seen: rng.uniform(-0.3, 0.3, (1, 4)).astype(np.float32), seed=3)
)
Tape.from_steps("poise/Standing-v0", {}, 3, moments).save(OUT / "04_episode.tape")
tape = Tape.load(OUT / "04_episode.tape")
seen = np.stack([moment.observation for moment in moments])
assert np.array_equal([moment.observation for moment in tape.replay(tape.make_env())], seen)
env, copy = Standing(), Standing()
env.reset(seed=3), copy.reset(seed=3)
for action in tape.actions[:20]:
    env.step(action)
for x, y in zip(env.space.bodies, copy.space.bodies, strict=True):
    y.position, y.angle, y.velocity, y.angular_velocity = (
        x.position,
        x.angle,
        x.velocity,
        x.angular_velocity,
    )
gap = [np.abs(env.step(action)[0] - copy.step(action)[0]).max() for action in tape.actions[20:]]
assert max(gap) > 0

# %% Step 5: what is not promised. The order of a sum, and so its rounding, is up to threads,
# versions and the machine.
assert (0.1 + 0.2) + 0.3 != 0.1 + (0.2 + 0.3)
terms = torch.randn(1_000_000)
alone = torch.dot(
    terms, terms
)  # One thread, as the run says in its settings; it notes all versions too.
torch.set_num_threads(2)
print(
    "the same million products summed by one thread and by two:"
    f" {alone:.2f} and {torch.dot(terms, terms):.2f}"
)
left, right = Figure(figsize=(10, 4), layout="constrained").subplots(1, 2)
left.plot(*stories[0].T, label="without a break")
left.plot(*stories[1].T, ".", label="stopped and resumed")
left.axvline(STOP, color="grey", linestyle=":", label="Ctrl-C")
left.set(
    title="Two trainings, byte for byte the same", xlabel="step", ylabel="return of an episode"
)
left.legend()
right.semilogy(range(20, 20 + len(gap)), gap)
right.set(
    title="A copy of places and speeds goes astray", xlabel="step", ylabel="largest difference"
)
left.figure.savefig(OUT / "04_stop_and_go_on.png")


# %% Three exercises. Each has a check that takes your answer and says whether it is right.
def check_exercise_1(numbers: list[float]) -> bool:
    """1. Put 1e16, 1.0 and -1e16 in an order in which they sum to 1, from left to right."""
    return sorted(numbers) == [-1e16, 1.0, 1e16] and (numbers[0] + numbers[1]) + numbers[2] == 1.0


def check_exercise_2(cut: Callable[[Tape, int], Tape]) -> bool:
    """2. Write cut(tape, k): the tape of its first k steps (a Tape is frozen; dataclasses.replace
    makes another).
    """
    return all(
        np.array_equal(
            [moment.observation for moment in cut(tape, k).replay(Standing())], seen[: k + 1]
        )
        for k in (10, 25)
    )


def check_exercise_3(groups: set[str]) -> bool:
    """3. A checkpoint has a folder for each group of the state. Which groups must one load to play,
    but not to train on?
    """
    player, s = (
        algos.make_learner("sac", "poise/Cartpole-v0", {}, whole.run.config["settings"]),
        np.eye(4, dtype=np.float32),
    )
    player.load_state_dict(checkpoint.load(a, groups))
    return len(groups) == 1 and np.array_equal(
        player.act(s, explore=False), algos.restore_learner(whole.run).act(s, explore=False)
    )


# %% The answers, each with a wrong one that the check refuses. Look when you have tried.
assert check_exercise_1([1e16, -1e16, 1.0]) and not check_exercise_1([1e16, 1.0, -1e16])
assert check_exercise_2(
    lambda tape, k: replace(tape, actions=tape.actions[:k])
) and not check_exercise_2(lambda tape, k: tape)
assert not check_exercise_2(lambda tape, k: replace(tape, actions=tape.actions[:10]))
assert check_exercise_3({"policy"}) and not check_exercise_3({"buffer"})
