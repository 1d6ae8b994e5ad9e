"""Measurements of whole trainings: time to solved, episodes until balanced, and memory."""

import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from poise import algos
from poise.algos.preset import load_preset
from poise.toolkit.errors import WorkError
from poise.toolkit.experience import ActorPolicy, EnvBatch, collect
from poise.toolkit.files import open_table
from poise.toolkit.process import measure_child_memory
from poise.toolkit.run import Run
from poise.tools.benchmark.peers import PEERS, PeerProcess, plan_peer, require_library
from poise.tools.benchmark.suite import PEER_MODULE

IMPULSE_ENV_SETTINGS = {"actuation": "impulse", "reward": "survival", "reset_noise_scale": 0.0}
"""Environment settings of the setup that `count_episodes_to_balance` reproduces."""


BALANCED_STEPS = 395
"""Steps that an episode must last, of 400, to count as balanced."""


BALANCED_EPISODES = 10
"""Balanced episodes in a row after which counting ends."""


PEER_SETTINGS: dict[str, dict[str, Any]] = {
    "ppo": {"num_envs": 16, "n_steps": 128},
    "td3": {"action_noise": 0.1},
}
"""Departures from the defaults of the peers, by algorithm.

PPO has as many environments as ours; its rollout has the default 2048 steps, over all of them. TD3
explores by default not at all.
"""


UNLIMITED_STEPS = 10**9
"""Training ends when solved, or at the time limit."""


def plan_peers(env_id: str, peers: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the configs of peers, by name: PEER_SETTINGS, and unlimited steps.

    Raises:
        UserError: there is no such peer, it is not installed, or it cannot learn in this
            environment.
    """
    for peer in peers:
        require_library(peer)
    with PeerProcess(f"a peer in {env_id}") as process:
        return {
            peer: plan_peer(
                env_id,
                peer,
                {**PEER_SETTINGS.get(PEERS[peer], {}), "steps": UNLIMITED_STEPS},
                {},
                process,
            )
            for peer in peers
        }


def measure_solve_times(
    env_id: str, seed: int, limit: float, peers: Mapping[str, Mapping[str, Any]]
) -> Iterator[list[str]]:
    """Time `poise train` and then each peer until solved.

    Args:
        env_id: environment.
        seed: seed of all trainings.
        limit: stop a peer after this many times the seconds of Poise.
        peers: configs of peers by name, of `plan_peers`.

    Yields:
        Table cells of Poise, and then of each peer: the algorithm, its seconds and their ratio to
        the seconds of Poise, episodes, steps and return.
    """
    with tempfile.TemporaryDirectory() as folder:
        arguments = [env_id, "--seed", str(seed), "--no-video", "--run", "run"]
        command = [sys.executable, "-m", "poise", "train", *arguments, "--runs-dir", folder]
        start = time.perf_counter()
        _run_training(command, None)
        seconds = time.perf_counter() - start
        run_path = Path(folder) / "run"
        config = Run(run_path).config
        summary = Run(run_path).summary()
        yield [config["algorithm"], *_format_cells(seconds, seconds, summary)]
        evaluate_every = config["training"]["evaluate_every"]
        for peer, peer_config in peers.items():
            training = {
                **peer_config["training"],
                "seed": seed,
                "evaluate_every": evaluate_every,
            }
            peer_seconds, peer_summary = _time_peer(
                Path(folder) / peer, {**peer_config, "training": training}, limit * seconds
            )
            yield [peer, *_format_cells(peer_seconds, seconds, peer_summary)]


def _time_peer(
    folder: Path, config: Mapping[str, Any], limit: float
) -> tuple[float, dict[str, Any]]:
    """Train a peer until solved or for `limit` seconds; return its seconds and summary."""
    command = [sys.executable, "-m", PEER_MODULE, str(folder), json.dumps(config)]
    start = time.perf_counter()
    try:
        _run_training(command, limit)
    except subprocess.TimeoutExpired:
        return limit, _summarize_unfinished(folder)
    return time.perf_counter() - start, Run(folder).summary()


def _run_training(command: Sequence[str], limit: float | None) -> None:
    """Run a command for `limit` seconds at most, without its output.

    Raises:
        WorkError: it failed.
        subprocess.TimeoutExpired: it took longer.
    """
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=limit)
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines()
        reason = lines[-1] if lines else f"exit code {error.returncode}"
        raise WorkError(f"a training failed: {reason.removeprefix('poise: ')}") from None


def _summarize_unfinished(folder: Path) -> dict[str, Any]:
    """Return the summary of a run that was stopped, from its CSV files."""
    if not (folder / "metrics.csv").exists():
        return {"solved": False, "episodes": 0, "steps": 0}
    with open_table(folder / "metrics.csv") as file:
        returns = [
            float(row["value"]) for row in csv.DictReader(file) if row["name"] == "eval/return"
        ]
    with open_table(folder / "episodes.csv") as file:
        steps = [row["step"] for row in csv.DictReader(file)]
    return {
        "solved": False,
        "episodes": len(steps),
        "steps": steps[-1] if steps else 0,
        **({"eval/return": returns[-1]} if returns else {}),
    }


def _format_cells(seconds: float, poise_seconds: float, summary: Mapping[str, Any]) -> list[str]:
    """Format seconds, their ratio to Poise's, episodes, steps and return.

    The return is - for a run that was never evaluated.
    """
    unsolved = "" if summary["solved"] else " unsolved"
    return [
        f"{seconds:.1f}{unsolved}",
        f"{seconds / poise_seconds:.2f}",
        str(summary["episodes"]),
        str(summary["steps"]),
        f"{summary['eval/return']:.1f}" if "eval/return" in summary else "-",
    ]


def count_episodes_to_balance(
    env_id: str,
    seed: int,
    max_episodes: int,
    algorithm: str,
    settings: Mapping[str, Any],
) -> tuple[int | None, int, float]:
    """Train, with exploration, until BALANCED_EPISODES in a row last BALANCED_STEPS.

    `settings` override the environment's preset. Return the number of episodes, or None after
    `max_episodes`, and the steps and seconds of training.
    """
    start = time.perf_counter()
    preset = load_preset(algorithm, env_id)
    learner = algos.make_learner(
        algorithm, env_id, IMPULSE_ENV_SETTINGS, {**preset.settings, **settings}, seed
    )
    envs = EnvBatch(env_id, preset.training.get("num_envs", 1), seed, IMPULSE_ENV_SETTINGS)
    episodes = 0
    balanced_in_a_row = 0
    steps = 0
    for transition in collect(envs, ActorPolicy(learner, explore=True)):
        learner.observe(transition)
        learner.update()
        steps += len(transition.reward)
        for episode in envs.finished_episodes:
            episodes += 1
            balanced_in_a_row = balanced_in_a_row + 1 if episode.length >= BALANCED_STEPS else 0
            if balanced_in_a_row == BALANCED_EPISODES:
                return episodes, steps, time.perf_counter() - start
        if episodes >= max_episodes:
            break
    return None, steps, time.perf_counter() - start


def measure_memory(env_id: str, buffer_size: int, steps: int) -> tuple[float, float]:
    """Return the peak memory of a SAC training process, and the size of its full buffer (MB)."""
    command = [sys.executable, "-m", "poise", "train", env_id, "--algo", "sac", "--no-video"]
    command += ["--steps", str(steps), "--set", f"buffer_size={buffer_size}"]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*command, "--runs-dir", folder], check=True, capture_output=True)
    peak_bytes = measure_child_memory()
    learner = algos.make_learner("sac", env_id, {}, {"buffer_size": buffer_size})
    buffer_bytes = learner.replay.buffer.nbytes  # type: ignore[attr-defined]
    return peak_bytes / 2**20, buffer_bytes / 2**20
