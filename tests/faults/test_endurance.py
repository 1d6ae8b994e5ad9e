"""Memory and open files do not grow with the steps."""

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from poise.toolkit.experience import EnvBatch
from poise.toolkit.registry import registered_ids
from poise.tools.train.plan import TrainRequest
from poise.tools.train.session import start_training

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

QUICK_IDS = ["poise/Cartpole-v0", "poise/Reacher2D-v0", "Pendulum-v1"]


def measure() -> tuple[float, int]:
    """Return the memory of this process (MB), and the number of its open files."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1e6, len(list(Path("/proc/self/fd").iterdir()))


def step_for_ever(env_id: str) -> Iterator[None]:
    """Step an environment at random, through all its episodes."""
    envs = EnvBatch(env_id, 1, seed=0)
    rng = np.random.default_rng(0)
    shape = (1, *envs.action_space.shape)
    try:
        while True:
            envs.step(rng.uniform(-1.0, 1.0, shape).astype(np.float32))
            yield
    finally:
        envs.close()


def assert_no_growth(env_id: str, warmup: int, steps: int, megabytes: float) -> None:
    """Assert that `steps` after the first `warmup` take no more memory and open no files."""
    stepping = step_for_ever(env_id)
    for _ in range(warmup):
        next(stepping)
    memory, num_files = measure()
    for _ in range(steps):
        next(stepping)
    grown_memory, grown_files = measure()
    stepping.close()
    assert grown_files <= num_files
    assert grown_memory - memory < megabytes, f"{env_id}: {grown_memory - memory:.1f} MB"


@pytest.mark.parametrize("env_id", QUICK_IDS)
def test_five_thousand_steps_take_no_memory(env_id):
    """A leak of 2 kB a step would be seen."""
    # In a process that runs many tests, 4 MB come and go.
    assert_no_growth(env_id, 1_000, 5_000, megabytes=10.0)


def test_environments_that_are_closed_leave_no_files_and_no_memory():
    for env_id in ("poise/Reacher2D-v0", "poise/Reacher3D-v0"):
        EnvBatch(env_id, 1, seed=0).close()
    memory, num_files = measure()
    for _ in range(10):
        for env_id in ("poise/Reacher2D-v0", "poise/Reacher3D-v0"):
            EnvBatch(env_id, 1, seed=0).close()
    grown_memory, grown_files = measure()
    assert grown_files <= num_files and grown_memory - memory < 20.0


@pytest.mark.slow
@pytest.mark.parametrize("env_id", registered_ids())
def test_three_hundred_thousand_steps_take_no_memory(env_id):
    """In space, 30,000 steps: 16 substeps each, and pybullet's own memory."""
    is_in_space = "3D" in env_id or "Arm" in env_id
    steps = 30_000 if is_in_space else 300_000
    assert_no_growth(env_id, 10_000, steps, megabytes=10.0)


@pytest.mark.slow
def test_training_of_a_hundred_thousand_steps_takes_no_memory(tmp_path):
    """Between a tenth and the end; the rows of a training are on the disk."""
    measured = []

    def watch(step: int, seconds: float, metrics: object) -> None:
        if step >= 10_000 * len(measured):
            measured.append(measure())

    training = {"steps": 100_000, "log_every": 5_000, "checkpoint_every": 10_000}
    request = TrainRequest(
        env="cartpole",
        algorithm="ppo",
        training={**training, "evaluate_every": 25_000, "stop_when_solved": False},
        name="run",
        runs_dir=tmp_path,
    )
    start_training(request, [watch])
    (memory, num_files), *_, (grown_memory, grown_files) = measured[1:]
    assert grown_files <= num_files and grown_memory - memory < 20.0, measured
