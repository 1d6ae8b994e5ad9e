"""Environments for tests: ids, functions that make them, and sequences of actions."""

import hashlib
import importlib.util
import json
from collections.abc import Iterator, Sequence

import gymnasium
import numpy as np
import pytest

import poise  # noqa: F401  (registers the environments)
from poise.toolkit.registry import registered_ids

IN_SPACE = [
    env_id
    for env_id in registered_ids()
    if gymnasium.spec(env_id).entry_point.startswith("poise.envs3d.")
]


OUR_IDS = [
    env_id
    for env_id in registered_ids()
    if env_id not in IN_SPACE or importlib.util.find_spec("pybullet")
]
"""Environments of Poise; those in space only where pybullet is installed."""


BALANCING = ["poise/Cartpole-v0", "poise/Standing-v0", "poise/BollaRolla-v0"]


FALLING = [*BALANCING, "poise/Humanoid3D-v0"]
"""Environments whose episodes can end by failure."""


FIGURES = ["poise/Standing-v0", "poise/BollaRolla-v0"]


def make(env_id: str, render_mode: str | None = None, **settings: object) -> gymnasium.Env:
    """Make an environment with its time limit."""
    return gymnasium.make(env_id, disable_env_checker=True, render_mode=render_mode, **settings)


def bare(env_id: str, **settings: object) -> gymnasium.Env:
    """Make an environment without wrappers: no time limit, and steps continue after a failure."""
    return make(env_id, **settings).unwrapped


def random_actions(env: gymnasium.Env, number: int, seed: int = 0) -> np.ndarray:
    """Return uniform actions (number, A) in [-1, 1]."""
    return (
        np.random.default_rng(seed)
        .uniform(-1.0, 1.0, (number, *env.action_space.shape))
        .astype(np.float32)
    )


def bang_bang_actions(env: gymnasium.Env, number: int, seed: int = 0) -> np.ndarray:
    """Return actions of -1 and 1, each held for a random time: the roughest way to move."""
    rng = np.random.default_rng(seed)
    actions = np.empty((number, *env.action_space.shape), np.float32)
    hold = 0
    for row in actions:
        if hold == 0:
            signs, hold = rng.choice([-1.0, 1.0], env.action_space.shape), int(rng.integers(1, 30))
        row[:] = signs
        hold -= 1
    return actions


def zero_actions(env: gymnasium.Env, number: int, seed: int = 0) -> np.ndarray:
    """Return actions of zero."""
    return np.zeros((number, *env.action_space.shape), np.float32)


ACTING = {"random": random_actions, "bang-bang": bang_bang_actions, "zero": zero_actions}


def live(env: gymnasium.Env, actions: Sequence[np.ndarray], seed: int = 0) -> Iterator[tuple]:
    """Yield the result of every step; reset after the end of an episode."""
    env.reset(seed=seed)
    for action in actions:
        step = env.step(action)
        yield step
        _, _, terminated, truncated, _ = step
        if terminated or truncated:
            seed += 1
            env.reset(seed=seed)


TAKING = [
    "poise/Reacher2D-v0",
    "poise/ReacherPlane3D-v0",
    "poise/Reacher3D-v0",
    "poise/PoseHumanoid3D-v0",
]
"""Environments with pose targets."""


def needs_pybullet(env_id: str) -> None:
    """Skip a test of an environment in space where pybullet is not installed."""
    if env_id in IN_SPACE:
        pytest.importorskip("pybullet")


def episode_digest(env: gymnasium.Env, seed: int, steps: int = 120) -> str:
    """Return a digest of an episode's observations and rewards under random actions.

    Steps continue after failures.
    """
    digest = hashlib.sha256(env.reset(seed=seed)[0].tobytes())
    for action in random_actions(env, steps, seed=99):
        observation, reward, terminated, truncated, info = env.step(action)
        outcome = [reward, terminated, truncated, sorted(info["reward_terms"].items())]
        digest.update(observation.tobytes() + json.dumps(outcome).encode())
    return digest.hexdigest()
