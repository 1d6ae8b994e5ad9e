"""Speed beside the yardstick: stable-baselines3 at equal settings on the very same worlds. Extra `dev`."""

import time
from statistics import median
from typing import Any

import torch

import algos
from algos.sac import SAC
from toolkit.experience import Worlds, collect
from toolkit.trainer import TrainSettings
from toolkit.workers import worlds_of
from tools.suite_peer import make_peer

SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "sac": (
        {"hidden": [256, 256], "batch": 256, "warmup": 500},
        {"policy_kwargs": {"net_arch": [256, 256]}, "batch_size": 256, "learning_starts": 500},
    ),
    "td3": (
        {"hidden": [256, 256], "batch": 256, "warmup": 500},
        {"policy_kwargs": {"net_arch": [256, 256]}, "batch_size": 256, "learning_starts": 500, "action_noise": 0.1},
    ),
    "ppo": (
        {"hidden": [64, 64], "activation": "tanh", "normalize": False, "normalize_reward": False},
        {"policy_kwargs": {"net_arch": [64, 64]}},
    ),
}
"""The same settings in our words and in the peer's."""


def speeds(
    algorithm: str, world_id: str, steps: int, threads: int, worlds: int, rollout: tuple[int, int, int]
) -> tuple[float, float]:
    """Steps a second of ours and of the peer, one after the other, after a warm-up. `rollout`: PPO's steps, batch and epochs."""
    own, theirs = SETTINGS[algorithm]
    if algorithm == "ppo":
        own = {**own, "rollout": rollout[0], "batch": rollout[1], "epochs": rollout[2]}
        theirs = {**theirs, "n_steps": rollout[0], "batch_size": rollout[1], "n_epochs": rollout[2]}
    ours = our_speed(algorithm, world_id, steps, worlds, {**own, "threads": threads})
    training = TrainSettings(steps=steps, worlds=worlds).plain()
    config = {"algorithm": f"sb3-{algorithm}", "world": world_id, "world_settings": {}, "settings": theirs, "training": training}
    peer = make_peer(config)
    peer.learn(warm_up(algorithm, worlds, rollout[0]))
    began = time.perf_counter()
    peer.learn(steps, reset_num_timesteps=False)
    return ours, steps / (time.perf_counter() - began)


def our_speed(algorithm: str, world_id: str, steps: int, worlds: int, settings: dict[str, Any], workers: int = 1) -> float:
    """Steps a second of ours, after a warm-up."""
    learner = algos.make(algorithm, world_id, {}, settings)
    many = worlds_of(world_id, worlds, 0, {}, workers)
    first = warm_up(algorithm, worlds, settings.get("rollout", 1))
    began = 0.0
    for count, transition in enumerate(collect(many, lambda seen: learner.act(seen, explore=True)), 1):
        learner.observe(transition)
        learner.learn()
        if count * worlds == first:
            began = time.perf_counter()
        if count * worlds >= first + steps:
            break
    many.close()
    return steps / (time.perf_counter() - began)


def warm_up(algorithm: str, worlds: int, rollout: int) -> int:
    """Steps before the clock starts: one rollout, or the first updates."""
    return worlds * rollout if algorithm == "ppo" else worlds * (600 // worlds)


def update_times(rounds: int) -> tuple[float, float]:
    """Median seconds of one SAC update at 256x256 and batch 256, and of the one product of matrices it makes most."""
    learner = algos.make("sac", "poise/Cartpole-v0", {}, {"threads": 1})
    worlds = Worlds("poise/Cartpole-v0", 1, seed=0)
    for _, transition in zip(range(600), collect(worlds, lambda seen: learner.act(seen, explore=True)), strict=False):
        learner.observe(transition)
    assert isinstance(learner, SAC)
    batch = learner.replay.sample()
    left, right = torch.randn(256, 256), torch.randn(256, 256)
    times = []
    for work in (lambda: learner.update(batch), lambda: left @ right):
        laps = []
        for _ in range(rounds):
            began = time.perf_counter()
            work()
            laps.append(time.perf_counter() - began)
        times.append(median(laps))
    return times[0], times[1]
