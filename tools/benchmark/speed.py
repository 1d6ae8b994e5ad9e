"""Speed of training: Poise beside its peers at equal settings, and the parts of an update.

A comparison measures each library in fresh processes of its own, one after the other in every
round, so that a change of the machine's speed affects all of them.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch

from poise import algos
from poise.algos.sac import SAC
from poise.toolkit.experience import ActorPolicy, EnvBatch, collect, make_env_batch
from poise.toolkit.trainer import Progress, TrainSettings, train
from poise.tools.benchmark.jobs import THREAD_VARIABLES
from poise.tools.benchmark.peers import LIBRARIES, PeerProcess, make_peer

POISE = "poise"

ROLLOUT_STEPS = 128
"""PPO's rollout length in each environment."""


PPO_ENVS = 16
"""Environments that PPO steps together; SAC and TD3 have one."""


OFF_POLICY_WARMUP = 700
"""Steps of SAC and TD3 before the clock starts: 500 random ones, and 200 with updates."""


WARMUP_ROLLOUTS = 2
"""PPO's rollouts before the clock starts."""


_OFF_POLICY_SETTINGS: dict[str, Any] = {
    "batch_size": 256,
    "learning_starts": 500,
    "learning_rate": 3e-4,
}


_PEER_OFF_POLICY_SETTINGS: dict[str, Any] = {
    **_OFF_POLICY_SETTINGS,
    "policy_kwargs": {"net_arch": [256, 256], "activation_fn": "relu"},
    "train_freq": 1,
    "gradient_steps": 1,
}


EQUAL_SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "sac": (
        {**_OFF_POLICY_SETTINGS, "hidden_sizes": [256, 256], "updates_per_step": 1},
        _PEER_OFF_POLICY_SETTINGS,
    ),
    "td3": (
        {
            **_OFF_POLICY_SETTINGS,
            "hidden_sizes": [256, 256],
            "updates_per_step": 1,
            "exploration_noise": 0.1,
            "policy_delay": 2,
        },
        {**_PEER_OFF_POLICY_SETTINGS, "action_noise": 0.1, "policy_delay": 2},
    ),
    "ppo": (
        {
            "hidden_sizes": [64, 64],
            "activation": "tanh",
            "orthogonal_init": True,
            "learning_rate": 3e-4,
            "normalize_observations": False,
            "normalize_reward": False,
            "rollout_steps": ROLLOUT_STEPS,
        },
        {
            "policy_kwargs": {
                "net_arch": [64, 64],
                "activation_fn": "tanh",
                "ortho_init": True,
            },
            "learning_rate": 3e-4,
            "n_steps": ROLLOUT_STEPS,
        },
    ),
}
"""By algorithm, the same settings under Poise's names and under those of both peers."""


@dataclass(frozen=True)
class SpeedTest:
    """A training that all libraries do alike."""

    algorithm: str
    env_id: str
    steps: int
    """Steps to time; PPO makes whole rollouts of them."""
    batch_size: int = 64
    """PPO's minibatch size."""
    epochs: int = 10
    """PPO's epochs."""
    threads: int | None = None
    """Threads of each library; None: as many as it takes by itself."""

    @property
    def num_envs(self) -> int:
        """Environments that are stepped together."""
        return PPO_ENVS if self.algorithm == "ppo" else 1

    @property
    def warmup_steps(self) -> int:
        """Steps before the clock starts: after them, all that is compiled has been compiled."""
        if self.algorithm == "ppo":
            return WARMUP_ROLLOUTS * ROLLOUT_STEPS * self.num_envs
        return OFF_POLICY_WARMUP

    @property
    def timed_steps(self) -> int:
        """Steps while the clock runs: at least `steps`, and whole rollouts."""
        unit = ROLLOUT_STEPS * self.num_envs if self.algorithm == "ppo" else 1
        return -(-self.steps // unit) * unit

    def build_poise_settings(self) -> dict[str, Any]:
        """Return the settings of Poise's algorithm."""
        settings = dict(EQUAL_SETTINGS[self.algorithm][0])
        if self.algorithm == "ppo":
            settings.update(batch_size=self.batch_size, epochs=self.epochs)
        if self.threads is not None:
            settings["threads"] = self.threads
        return settings

    def build_peer_config(self, library: str) -> dict[str, Any]:
        """Return the config of a library's algorithm, as `make_peer` takes it."""
        settings = dict(EQUAL_SETTINGS[self.algorithm][1])
        if self.algorithm == "ppo":
            settings.update(batch_size=self.batch_size, n_epochs=self.epochs)
        return {
            "algorithm": f"{library}-{self.algorithm}",
            "env": self.env_id,
            "env_settings": {},
            "settings": settings,
            "training": TrainSettings(num_envs=self.num_envs).to_dict(),
        }


def compare_speeds(test: SpeedTest, rounds: int) -> dict[str, list[float]]:
    """Return steps per second of Poise and of each peer, one number for each round.

    Raises:
        UserError: a library cannot train in this environment.
        WorkError: a training failed.
    """
    speeds: dict[str, list[float]] = {library: [] for library in (POISE, *LIBRARIES)}
    for _ in range(rounds):
        for library, values in speeds.items():
            with PeerProcess(f"the training of {library} in {test.env_id}") as process:
                values.append(process.call(measure_library, library, test))
    return speeds


@contextmanager
def limit_threads(threads: int | None) -> Iterator[None]:
    """Give processes that are started in the block so many threads; None: no limit.

    They inherit the variables. A library reads them when it is loaded; then it would be too late
    to set them in its process.
    """
    variables = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    if threads is not None:
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    try:
        yield
    finally:
        for name, value in variables.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def measure_library(library: str, test: SpeedTest) -> float:
    """Return steps per second of one library, measured in this process."""
    if library == POISE:
        settings = test.build_poise_settings()
        arguments = (test.algorithm, test.env_id, test.warmup_steps, test.timed_steps)
        return measure_poise_speed(*arguments, test.num_envs, settings)
    peer = make_peer(test.build_peer_config(library))

    def train_peer(steps: int) -> int:
        before = peer.num_timesteps
        peer.learn(steps, reset_num_timesteps=False)
        return int(peer.num_timesteps - before)

    return measure_speed(train_peer, test.warmup_steps, test.timed_steps)


def measure_poise_speed(
    algorithm: str,
    env_id: str,
    warmup_steps: int,
    steps: int,
    num_envs: int,
    settings: Mapping[str, Any],
    num_workers: int = 1,
) -> float:
    """Return steps per second of Poise's training loop, after a warm-up."""
    learner = algos.make_learner(algorithm, env_id, {}, settings)
    envs = make_env_batch(env_id, num_envs, 0, {}, num_workers)
    progress = Progress()

    def train_poise(steps: int) -> int:
        before = progress.step
        train(learner, envs, TrainSettings(steps=before + steps, num_envs=num_envs), progress)
        return progress.step - before

    try:
        return measure_speed(train_poise, warmup_steps, steps)
    finally:
        envs.close()


def measure_speed(train_steps: Callable[[int], int], warmup_steps: int, steps: int) -> float:
    """Return steps per second of a function that trains so many steps and returns their number.

    It is called twice: for the warm-up, and while the clock runs.
    """
    train_steps(warmup_steps)
    start_time = time.perf_counter()
    trained_steps = train_steps(steps)
    return trained_steps / (time.perf_counter() - start_time)


def measure_update_times(
    rounds: int, hidden_units: int = 256, batch_size: int = 256, threads: int = 1
) -> tuple[float, float]:
    """Return median seconds of one update of SAC and of the product that it makes most often.

    The networks have two hidden layers; the product is (B, H) x (H, H).
    """
    settings = {
        "hidden_sizes": [hidden_units, hidden_units],
        "batch_size": batch_size,
        "threads": threads,
    }
    learner = algos.make_learner("sac", "poise/Cartpole-v0", {}, settings)
    envs = EnvBatch("poise/Cartpole-v0", 1, seed=0)
    transitions = collect(envs, ActorPolicy(learner, explore=True))
    for _, transition in zip(range(max(600, batch_size)), transitions, strict=False):
        learner.observe(transition)
    assert isinstance(learner, SAC)
    batch = learner.replay.sample()
    left = torch.randn(batch_size, hidden_units)
    right = torch.randn(hidden_units, hidden_units)
    update_time = _measure_median_time(lambda: learner.train_on_batch(batch), rounds)
    product_time = _measure_median_time(lambda: left @ right, rounds)
    return update_time, product_time


def _measure_median_time(work: Callable[[], Any], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start_time = time.perf_counter()
        work()
        times.append(time.perf_counter() - start_time)
    return median(times)
