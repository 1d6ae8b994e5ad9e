"""Small runs for tests."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sample_envs import bare

import poise  # noqa: F401  (registers the environments)
from poise.toolkit.loggers import EPISODE, LENGTH, RETURN, open_file_logger
from poise.toolkit.run import Run

SMALL_SETTINGS = {"hidden_sizes": [8], "batch_size": 8, "learning_starts": 30, "buffer_size": 500}


SMALL_TRAINING = {
    "steps": 200,
    "num_envs": 1,
    "evaluate_every": 60,
    "evaluate_episodes": 2,
    "checkpoint_every": 50,
    "log_every": 20,
    "solved_at": None,
}


def config_of(env: str, algorithm: str, seed: int) -> dict[str, Any]:
    """Return what names a new run."""
    return {"env": env, "algorithm": algorithm, "training": {"seed": seed}}


def start_run(
    runs: Path,
    name: str = "run",
    env: str = "cartpole",
    video: bool = False,
    loggers: Sequence[Any] = (),
    **training: Any,
) -> Any:
    """Train a small run and return its result; with `video`, record one too."""
    from poise.tools.train.command import record_training_video
    from poise.tools.train.plan import TrainRequest
    from poise.tools.train.session import start_training

    request = TrainRequest(
        env=env,
        algorithm="sac",
        training={**SMALL_TRAINING, **training},
        settings=SMALL_SETTINGS,
        name=name,
        runs_dir=runs,
    )
    result = start_training(request, loggers)
    if video:
        record_training_video(result)
    return result


def state_of(run: Any, checkpoint: str = "latest") -> dict[str, Any]:
    """Return a checkpoint as a flat dictionary of bytes, without the seconds of the clock."""
    flat = {}
    for group, values in run.load_checkpoint(checkpoint)[1].items():
        for name, value in values.items():
            exact = (
                (value.dtype.str, value.shape, value.tobytes())
                if isinstance(value, np.ndarray)
                else value
            )
            flat[f"{group}.{name}"] = exact
    del flat["progress.seconds"]
    return flat


def records_of(run: Any) -> dict[str, list[dict[str, str]]]:
    """Return the rows of both CSV files, without what depends on the clock."""
    records = {}
    for name in ("episodes", "metrics"):
        with (run.path / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert rows and all(float(row.pop("seconds")) >= 0.0 for row in rows)
        records[name] = [row for row in rows if row.get("name") != "charts/SPS"]
    return records


def train_in(path: Path, stop_at: int | None = None) -> None:
    """Train from the latest checkpoint on, as a session does: rows, policies, checkpoints.

    Steps 1 to 24, a checkpoint every 4, a new best at 4 and 16; `stop_at` is a signal's step.
    """
    run = Run(path)
    state: dict[str, dict[str, Any]] = {}
    if run.checkpoints():
        state = run.resume(["policy", "progress", "logs"])
    step = state["progress"]["step"] if state else 0
    weight = state["policy"]["w"] if state else np.zeros(3)
    with open_file_logger(path, step, state.get("logs")) as logger:
        if step == 0:
            run.save_policy(0, {"w": weight})
        while step < 24 and step != stop_at:
            step += 1
            weight = weight * 1.5 + step
            logger(step, 0.0, {EPISODE: step, RETURN: weight[0], LENGTH: 1})
            logger(step, 0.0, {"losses/b": weight[1], "losses/a": 0.5})
            is_planned = step % 4 == 0
            if is_planned or step == stop_at:
                best_step = 16 if step >= 16 else 4
                state = {
                    "policy": {"w": weight},
                    "progress": {"step": step},
                    "logs": logger.flush(),
                }
                if is_planned:
                    run.save_policy(step, {"w": weight}, max_policies=4)
                run.save_checkpoint(step, state, best_step, is_extra=not is_planned)
    run.write("summary.json", {"steps": step})


def contents(path: Path) -> dict[str, bytes]:
    """Return the bytes of a run's files by name, without what belongs to one process."""
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file() and not file.name.startswith(("events.", ".lock"))
    }


def seeing_runs(runs: Path, env_id: str) -> tuple[Any, Any]:
    """Make an untrained policy `mover` and an untrained translator `eye` of 32 x 32 pixels."""
    from poise.algos.translator import Translator, TranslatorSettings
    from poise.toolkit.spaces import slices
    from poise.tools.train.plan import TrainRequest
    from poise.tools.train.session import start_training

    training = {
        "steps": 32,
        "evaluate_every": 0,
        "evaluate_episodes": 1,
        "num_envs": 1,
        "num_workers": 1,
    }
    request = TrainRequest(
        env=env_id,
        algorithm="ppo",
        training=training,
        settings={"rollout_steps": 32},
        runs_dir=runs,
        name="mover",
    )
    start_training(request)
    pose = slices(bare(env_id).OBSERVATION)["pose"]
    num_outputs = pose.stop - pose.start
    settings = TranslatorSettings(conv_channels=(4, 8), hidden_size=8)
    config = {
        "env": env_id,
        "env_settings": {"width": 32, "height": 32, "view": "agent"},
        "algorithm": "translator",
        "settings": settings.to_dict(),
        "training": {"seed": 0},
        "device": "cpu",
        "size": [32, 32],
        "outputs": num_outputs,
    }
    eye = Run.create(runs, "eye", config)
    state = Translator((32, 32), num_outputs, settings, seed=0).state_dict()
    eye.save_checkpoint(1, state, 0.0)
    return Run.open(runs, "mover"), eye


JUDGED = {f"eval/{name}" for name in ("return", "length", "success", "return_std")}
CARTPOLE_TERMS = ("upright", "centred", "low_velocity", "control_saving")
JUDGED |= {f"eval/reward/{term}" for term in CARTPOLE_TERMS}
"""Names of the metrics of a cart-pole evaluation."""
