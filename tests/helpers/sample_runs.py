"""Small runs for tests."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import poise  # noqa: F401  (registers the environments)
from sample_envs import bare

# Small runs.

SMALL_SETTINGS = {"hidden_sizes": [8], "batch_size": 8, "learning_starts": 30, "buffer_size": 500}


SMALL_TRAINING = {
    "steps": 200,
    "evaluate_every": 60,
    "evaluate_episodes": 2,
    "checkpoint_every": 50,
    "log_every": 20,
    "solved_at": None,
}


def start_run(
    runs: Path,
    name: str = "run",
    env: str = "cartpole",
    video: bool = False,
    listen: Any = None,
    **training: Any,
) -> Any:
    """Train a small run, and how it ended."""
    from poise.tools.train import session as train_run
    from poise.tools.train.plan import TrainRequest

    wanted = {**SMALL_TRAINING, **training}
    return train_run.start_training(
        TrainRequest(env, "sac", wanted, SMALL_SETTINGS, name=name, runs_dir=runs), listen, video
    )


def state_of(run: Any, checkpoint: str = "latest") -> dict[str, Any]:
    """All that a checkpoint holds but the seconds of a clock, flat and as bytes, so that two can be compared."""
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
    """The rows of both CSV files, without what a clock measured."""
    records = {}
    for name in ("episodes", "metrics"):
        with (run.path / f"{name}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert rows and all(float(row.pop("seconds")) >= 0.0 for row in rows)
        records[name] = [row for row in rows if row.get("name") != "charts/SPS"]
    return records


def seeing_runs(runs: Path, env_id: str) -> tuple[Any, Any]:
    """A policy `mover` and a translator `eye` of 32 x 32 pixels for an environment that takes poses; both are untrained."""
    from poise.algos.translator import Translator, TranslatorSettings
    from poise.toolkit.run import Run
    from poise.toolkit.spaces import slices
    from poise.tools.train import session as train_run
    from poise.tools.train.plan import TrainRequest

    training = {
        "steps": 32,
        "evaluate_every": 0,
        "evaluate_episodes": 1,
        "num_envs": 1,
        "num_workers": 1,
    }
    train_run.start_training(
        TrainRequest(env_id, "ppo", training, {"rollout_steps": 32}, runs_dir=runs, name="mover"),
        record_video=False,
    )
    place = slices(bare(env_id).OBSERVATION)["pose"]
    settings = TranslatorSettings(conv_channels=(4, 8), hidden_size=8)
    eye = Run.create(runs, "eye", env_id, "translator", 0)
    seen = {"width": 32, "height": 32, "show_markers": False}
    told = {
        "env": env_id,
        "env_settings": seen,
        "algorithm": "translator",
        "settings": settings.to_dict(),
    }
    eye.write(
        "config.json",
        {
            **told,
            "training": {"seed": 0},
            "device": "cpu",
            "size": [32, 32],
            "outputs": place.stop - place.start,
        },
    )
    eye.save_checkpoint(
        1, Translator((32, 32), place.stop - place.start, settings, seed=0).state_dict(), 0.0
    )
    return Run.open(runs, "mover"), eye


JUDGED = {f"eval/{name}" for name in ("return", "length", "success", "return_std")}
JUDGED |= {
    f"eval/reward/{term}" for term in ("upright", "centred", "low_velocity", "control_saving")
}
"""What an evaluation of the cart-pole tells."""
