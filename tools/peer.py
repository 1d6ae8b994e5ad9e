"""The yardstick: stable-baselines3's SAC on the very same worlds, at its own defaults or at ours. Extra `dev`."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

import algos
import envs2d  # noqa: F401  (registers the worlds in the plane)
from algos.preset import preset
from algos.sac import SAC
from toolkit.errors import UserError
from toolkit.evaluation import Evaluator
from toolkit.experience import Worlds, collect
from toolkit.registry import make_world


def sac_speeds(world_id: str, steps: int, threads: int) -> tuple[float, float]:
    """Steps a second of our SAC and of the peer's at equal settings, one after the other."""
    settings = {"hidden": [256, 256], "batch": 256, "updates_per_step": 1, "warmup": 500, "threads": threads}
    learner = algos.make("sac", world_id, {}, settings)
    worlds = Worlds(world_id, 1, seed=0)
    began = 0.0
    for count, transition in enumerate(collect(worlds, lambda seen: learner.act(seen, explore=True))):
        if count == 600:
            began = time.perf_counter()
        learner.observe(transition)
        learner.learn()
        if count == 600 + steps:
            break
    ours = steps / (time.perf_counter() - began)
    peer = _peer(world_id, 0, learning_starts=500, batch_size=256, policy_kwargs={"net_arch": [256, 256]})
    peer.learn(600)
    began = time.perf_counter()
    peer.learn(steps, reset_num_timesteps=False)
    return ours, steps / (time.perf_counter() - began)


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


def solve_times(world_id: str, seed: int, limit: float) -> tuple[str, ...]:
    """Seconds, episodes, steps and return of ours; seconds, episodes and return of the peer, cut at limit x ours."""
    with tempfile.TemporaryDirectory() as folder:
        options = f"--algo sac --seed {seed} --no-video --run r".split()
        words = ["cli.py", "train", world_id, *options, "--runs-dir", folder]
        began = time.perf_counter()
        subprocess.run([sys.executable, *words], cwd=Path(__file__).parent.parent, check=True, capture_output=True)
        seconds = time.perf_counter() - began
        summary = json.loads((Path(folder) / "r" / "summary.json").read_text())
    solved = "" if summary["solved"] else " unsolved"
    ours = (f"{seconds:.1f}{solved}", str(summary["episodes"]), str(summary["steps"]), f"{summary['eval/return']:.1f}")
    command = [sys.executable, "-m", "tools.peer", world_id, str(seed), str(limit * seconds)]
    told = subprocess.run(command, cwd=Path(__file__).parent.parent, check=True, capture_output=True, text=True).stdout
    peer = json.loads(told.splitlines()[-1])
    cut = "" if peer["solved"] else " unsolved"
    return (*ours, f"{peer['seconds']:.1f}{cut}", str(peer["episodes"]), f"{peer['return']:.1f}")


def peer_to_solved(world_id: str, seed: int, limit: float) -> dict[str, Any]:
    """Train the peer at its own defaults until our evaluation, at our preset's rhythm, calls the world solved."""
    from stable_baselines3.common.callbacks import BaseCallback

    torch.set_num_threads(1)
    threshold = make_world(world_id).spec.reward_threshold  # type: ignore[union-attr]
    every = int(preset("sac", world_id).training.get("evaluate_every", 2000))
    evaluator = Evaluator(world_id, {}, 20)
    peer = _peer(world_id, seed)
    result: dict[str, Any] = {"solved": False, "episodes": 0, "return": float("-inf")}
    began = time.perf_counter()

    class Judge(BaseCallback):
        """Evaluates now and then; stops when solved or out of time."""

        def _on_step(self) -> bool:
            result["episodes"] += int(np.sum(self.locals["dones"]))
            if self.num_timesteps % every == 0:
                score = evaluator(lambda seen: np.asarray(peer.predict(seen, deterministic=True)[0]))
                result["return"] = score.metrics()["eval/return"]
                result["solved"] = threshold is not None and result["return"] >= threshold
            result["seconds"] = time.perf_counter() - began
            return not result["solved"] and result["seconds"] < limit

    peer.learn(10**9, callback=Judge())
    return result


def _peer(world_id: str, seed: int, **settings: Any) -> Any:
    try:
        from stable_baselines3 import SAC
    except ImportError:
        raise UserError("this benchmark needs stable-baselines3: pip install -e '.[dev]'") from None
    return SAC("MlpPolicy", make_world(world_id), seed=seed, device="cpu", **settings)


if __name__ == "__main__":
    print(json.dumps(peer_to_solved(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))))
