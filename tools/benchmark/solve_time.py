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
from poise.algos.preset import preset
from poise.toolkit.experience import Worlds, collect
from poise.tools.benchmark.sb3 import plan_peer

IMPULSES = {"actuation": "impulse", "reward": "survival", "start_noise": 0.0}
"""The settings of the worlds that Poise's forerunner was measured on."""


LIKE_OURS: dict[str, dict[str, Any]] = {"sb3-sac": {}, "sb3-ppo": {"worlds": 16, "n_steps": 128}}
"""Peers at their own defaults; PPO on as many worlds as ours, with a rollout of its default length over all of them."""


def solve_times(world_id: str, seed: int, limit: float, peers: list[str]) -> list[str]:
    """Our algorithm, seconds, episodes, steps and return; then each peer's, cut at `limit` times our seconds."""
    with tempfile.TemporaryDirectory() as folder:
        words = [world_id, "--seed", str(seed), "--no-video", "--run", "r", "--runs-dir", folder]
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "poise", "train", *words], check=True, capture_output=True)
        seconds = time.perf_counter() - began
        config = json.loads((Path(folder) / "r" / "config.json").read_text())
        rows = [config["algorithm"], *_told(seconds, json.loads((Path(folder) / "r" / "summary.json").read_text()))]
        every = config["training"]["evaluate_every"]
        for peer in peers:
            rows += _peer_to_solved(Path(folder) / peer, peer, world_id, {"seed": seed, "evaluate_every": every}, limit * seconds)
    return rows


def _peer_to_solved(folder: Path, peer: str, world_id: str, told: Mapping[str, Any], limit: float) -> list[str]:
    config = plan_peer(world_id, peer, {**LIKE_OURS[peer], **told, "steps": 10**9}, {})
    command = [sys.executable, "-m", "poise.tools.benchmark.sb3", str(folder), json.dumps(config)]
    began = time.perf_counter()
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=limit)
        return _told(time.perf_counter() - began, json.loads((folder / "summary.json").read_text()))
    except subprocess.TimeoutExpired:
        pass
    with (folder / "metrics.csv").open(newline="") as file:
        returns = [float(row["value"]) for row in csv.DictReader(file) if row["name"] == "eval/return"]
    with (folder / "episodes.csv").open(newline="") as file:
        steps = [row["step"] for row in csv.DictReader(file)]
    last = {"solved": False, "episodes": len(steps), "steps": steps[-1] if steps else 0, "eval/return": (returns or [0.0])[-1]}
    return _told(limit, last)


def _told(seconds: float, summary: Mapping[str, Any]) -> list[str]:
    solved = "" if summary["solved"] else " unsolved"
    return [f"{seconds:.1f}{solved}", str(summary["episodes"]), str(summary["steps"]), f"{summary.get('eval/return', 0.0):.1f}"]


def episodes_to_balance(
    world_id: str,
    seed: int,
    most: int,
    algorithm: str,
    own: Mapping[str, Any],
) -> tuple[int | None, int, float]:
    """Training episodes until ten in a row last at least 395 of 400 steps, exploring all the while; and steps and seconds.

    With the world's preset and `own` settings on top; None where `most` episodes were not enough.
    """
    began = time.perf_counter()
    chosen = preset(algorithm, world_id)
    learner = algos.make(algorithm, world_id, IMPULSES, {**chosen.settings, **own}, seed)
    worlds = Worlds(world_id, chosen.training.get("worlds", 1), seed, IMPULSES)
    episodes, row, steps = 0, 0, 0
    for transition in collect(worlds, lambda seen: learner.act(seen, explore=True)):
        learner.observe(transition)
        learner.learn()
        steps += len(transition.reward)
        for ended in worlds.ended:
            episodes += 1
            row = row + 1 if ended.length >= 395 else 0
            if row == 10:
                return episodes, steps, time.perf_counter() - began
        if episodes >= most:
            break
    return None, steps, time.perf_counter() - began


def memory(world_id: str, buffer: int, steps: int) -> tuple[float, float]:
    """Largest memory of a training with SAC (MB), and what its buffer will hold when it is full (MB)."""
    words = ["-m", "poise", "train", world_id, "--algo", "sac", "--no-video", "--steps", str(steps), "--set", f"buffer={buffer}"]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, *words, "--runs-dir", folder], check=True, capture_output=True)
    learner = algos.make("sac", world_id, {}, {"buffer": buffer})
    full = learner.replay.buffer.nbytes  # type: ignore[attr-defined]
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, full / 2**20
