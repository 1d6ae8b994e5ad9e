"""Timing of environments: single steps, batches, worker processes, and videos.

Each function returns one number for each of ROUNDS rounds; what is compared alternates within a
round, so that a change of the machine's speed affects both sides.
"""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from poise.envs2d.planar import PlanarEnvironment
from poise.toolkit.environment import BaseEnvironment
from poise.toolkit.experience import EnvBatch, make_env_batch
from poise.toolkit.media.video import VideoRecorder
from poise.toolkit.registry import Env, make_env
from poise.toolkit.spaces import Array

ROUNDS = 5


ENV_STEPS = 2000
"""Steps of a round of single steps."""


EPISODE_STEPS = 10
"""Steps of an episode of single steps: so short that the body is still in the air."""


VECTOR_STEPS = 1000
"""Steps of each environment in a round of vector environments."""


VIDEO_FRAMES = 300


VIDEO_FPS = 50


def measure_env_steps(env_id: str) -> tuple[list[float], list[float]]:
    """Return seconds per env.step, and per physics of one step in the same states."""
    env = make_env(env_id)
    base_env = env.unwrapped
    assert isinstance(base_env, BaseEnvironment)
    whole = []
    physics = []
    for _ in range(ROUNDS):
        whole.append(_time_episodes(env, env.step))
        physics.append(_time_episodes(env, partial(_step_physics_only, base_env)))
    return whole, physics


def _time_episodes(env: Env, step: Callable[[Array], object]) -> float:
    """Return seconds per call of `step` under small random actions, in short episodes."""
    rng = np.random.default_rng(0)
    shape = (EPISODE_STEPS, *(env.action_space.shape or ()))
    seconds = 0.0
    for seed in range(ENV_STEPS // EPISODE_STEPS):
        env.reset(seed=seed)
        actions = rng.uniform(-0.3, 0.3, shape).astype(np.float32)
        env.step(actions[0])
        seconds += _time_calls(step, actions)
    return seconds / ENV_STEPS


def _step_physics_only(env: BaseEnvironment, action: Array) -> None:
    """Run the physics steps of one env.step, whatever the action."""
    dt = 1.0 / (env.CONTROL_HZ * env.PHYSICS_STEPS)
    step = env.space.step if isinstance(env, PlanarEnvironment) else env.step_physics
    for _ in range(env.PHYSICS_STEPS):
        step(dt)


def measure_vector_steps(env_id: str, num_envs: int) -> tuple[list[float], list[float]]:
    """Return steps per second of EnvBatch and of SyncVectorEnv, summed over environments."""
    env_batch = EnvBatch(env_id, num_envs, seed=0)
    vector_env = gymnasium.vector.SyncVectorEnv(
        [partial(make_env, env_id)] * num_envs,
        autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP,
    )
    vector_env.reset(seed=0)
    actions = _sample_actions(env_batch.action_space, VECTOR_STEPS, num_envs)
    total_steps = num_envs * VECTOR_STEPS
    ours = []
    theirs = []
    for _ in range(ROUNDS):
        ours.append(total_steps / _time_calls(env_batch.step, actions))
        theirs.append(total_steps / _time_calls(vector_env.step, actions))
    return ours, theirs


def measure_worker_steps(
    env_id: str, num_envs: int, num_steps: int
) -> tuple[list[float], list[float]]:
    """Return steps per second in one process and in two workers, summed over environments."""
    one_process = make_env_batch(env_id, num_envs, 0, {}, 1)
    two_workers = make_env_batch(env_id, num_envs, 0, {}, 2)
    actions = _sample_actions(one_process.action_space, num_steps, num_envs)
    total_steps = num_envs * num_steps
    one = []
    two = []
    for _ in range(ROUNDS):
        one.append(total_steps / _time_calls(one_process.step, actions))
        two.append(total_steps / _time_calls(two_workers.step, actions))
    one_process.close()
    two_workers.close()
    return one, two


def measure_video_recording(env_id: str, size: int) -> list[float]:
    """Return frames per second of stepping, drawing and encoding at `size` x `size` pixels."""
    env = make_env(env_id, {"width": size, "height": size}, render_mode="rgb_array")
    return [VIDEO_FRAMES / _time_video_recording(env) for _ in range(ROUNDS)]


def _time_video_recording(env: Env) -> float:
    """Return the seconds to record VIDEO_FRAMES frames, until the file is closed."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        with VideoRecorder(Path(folder) / "video.mp4", VIDEO_FPS) as recorder:
            env.reset(seed=0)
            for _ in range(VIDEO_FRAMES):
                env.step(env.action_space.sample())
                recorder.add(env.render())  # type: ignore[arg-type]
        return time.perf_counter() - start


def _sample_actions(action_space: gymnasium.Space[Any], num_steps: int, num_envs: int) -> Array:
    """Return random actions (num_steps, num_envs, A) in [-1, 1]."""
    shape = (num_steps, num_envs, *(action_space.shape or ()))
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def _time_calls(function: Callable[[Array], object], actions: Array) -> float:
    """Return the seconds to call `function` with each action."""
    start = time.perf_counter()
    for action in actions:
        function(action)
    return time.perf_counter() - start
