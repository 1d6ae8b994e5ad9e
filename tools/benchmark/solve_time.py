"""Whole trainings, measured: from the shell to solved beside the peers, episodes to a lasting balance, memory."""

import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from poise import algos
from poise.algos.preset import load_preset
from poise.toolkit.experience import EnvBatch, collect
from poise.tools.benchmark.sb3 import plan_peer

IMPULSE_ENV_SETTINGS = {"actuation": "impulse", "reward": "survival", "reset_noise_scale": 0.0}
"""The settings of the environments that Poise's forerunner was measured on."""


PEER_SETTINGS: dict[str, dict[str, Any]] = {
    "sb3-sac": {},
    "sb3-ppo": {"num_envs": 16, "n_steps": 128},
}
"""Peers at their own defaults; PPO on as many environments as ours, with a rollout of its default length over all of them."""


def measure_solve_times(env_id: str, seed: int, limit: float, peers: list[str]) -> list[str]:
    """Our algorithm, seconds, episodes, steps and return; then each peer's, cut at `limit` times our seconds."""
    with tempfile.TemporaryDirectory() as folder:
        words = [env_id, "--seed", str(seed), "--no-video", "--run", "r", "--runs-dir", folder]
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "poise", "train", *words], check=True, capture_output=True
        )
        seconds = time.perf_counter() - began
        config = json.loads((Path(folder) / "r" / "config.json").read_text())
        rows = [
            config["algorithm"],
            *_format_columns(
                seconds, json.loads((Path(folder) / "r" / "summary.json").read_text())
            ),
        ]
        every = config["training"]["evaluate_every"]
        for peer in peers:
            rows += _train_peer_until_solved(
                Path(folder) / peer,
                peer,
                env_id,
                {"seed": seed, "evaluate_every": every},
                limit * seconds,
            )
    return rows


def _train_peer_until_solved(
    folder: Path, peer: str, env_id: str, settings: Mapping[str, Any], limit: float
) -> list[str]:
    config = plan_peer(env_id, peer, {**PEER_SETTINGS[peer], **settings, "steps": 10**9}, {})
    command = [sys.executable, "-m", "poise.tools.benchmark.sb3", str(folder), json.dumps(config)]
    began = time.perf_counter()
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=limit)
        return _format_columns(
            time.perf_counter() - began, json.loads((folder / "summary.json").read_text())
        )
    except subprocess.TimeoutExpired:
        pass
    with (folder / "metrics.csv").open(newline="") as file:
        returns = [
            float(row["value"]) for row in csv.DictReader(file) if row["name"] == "eval/return"
        ]
    with (folder / "episodes.csv").open(newline="") as file:
        steps = [row["step"] for row in csv.DictReader(file)]
    last = {
        "solved": False,
        "episodes": len(steps),
        "steps": steps[-1] if steps else 0,
        "eval/return": (returns or [0.0])[-1],
    }
    return _format_columns(limit, last)


def _format_columns(seconds: float, summary: Mapping[str, Any]) -> list[str]:
    solved = "" if summary["solved"] else " unsolved"
    return [
        f"{seconds:.1f}{solved}",
        str(summary["episodes"]),
        str(summary["steps"]),
        f"{summary.get('eval/return', 0.0):.1f}",
    ]


def count_episodes_to_balance(
    env_id: str,
    seed: int,
    max_episodes: int,
    algorithm: str,
    settings: Mapping[str, Any],
) -> tuple[int | None, int, float]:
    """Training episodes until ten in a row last at least 395 of 400 steps, exploring all the while; and steps and seconds.

    With the environment's preset and `settings` settings on top; None where `max_episodes` episodes were not enough.
    """
    began = time.perf_counter()
    chosen = load_preset(algorithm, env_id)
    learner = algos.make_learner(
        algorithm, env_id, IMPULSE_ENV_SETTINGS, {**chosen.settings, **settings}, seed
    )
    envs = EnvBatch(env_id, chosen.training.get("num_envs", 1), seed, IMPULSE_ENV_SETTINGS)
    episodes = 0
    row = 0
    steps = 0
    for transition in collect(envs, lambda seen: learner.act(seen, explore=True)):
        learner.observe(transition)
        learner.update()
        steps += len(transition.reward)
        for ended in envs.finished_episodes:
            episodes += 1
            row = row + 1 if ended.length >= 395 else 0
            if row == 10:
                return episodes, steps, time.perf_counter() - began
        if episodes >= max_episodes:
            break
    return None, steps, time.perf_counter() - began


def measure_memory(env_id: str, buffer_size: int, steps: int) -> tuple[float, float]:
    """Largest memory of a training with SAC (MB), and what its buffer will hold when it is full (MB)."""
    words = [
        "-m",
        "poise",
        "train",
        env_id,
        "--algo",
        "sac",
        "--no-video",
        "--steps",
        str(steps),
        "--set",
        f"buffer_size={buffer_size}",
    ]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, *words, "--runs-dir", folder], check=True, capture_output=True
        )
    learner = algos.make_learner("sac", env_id, {}, {"buffer_size": buffer_size})
    full = learner.replay.buffer.nbytes  # type: ignore[attr-defined]
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, full / 2**20
