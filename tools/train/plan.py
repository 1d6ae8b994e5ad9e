"""Plan a run: from the user's words to a config with every setting resolved."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from poise import algos
from poise.algos import preset as presets
from poise.toolkit.errors import UserError, unknown_name_error
from poise.toolkit.registry import make_env, resolve_env_id, smoke_test, unwrap_poise_env
from poise.toolkit.run import get_versions
from poise.toolkit.trainer import TrainSettings
from poise.tools.train.with_translator import plan_translator


@dataclass(frozen=True)
class TrainRequest:
    """What the user may say about a training; everything left out comes from the preset."""

    env: str
    algorithm: str | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    env_settings: Mapping[str, Any] = field(default_factory=dict)
    preset: str | None = None
    name: str | None = None
    runs_dir: Path = Path("runs")
    device: str = "auto"
    with_translator: bool = False


def plan(request: TrainRequest) -> dict[str, Any]:
    """The run's config: every setting resolved. All of the user's mistakes are found here, before work begins."""
    env_id = resolve_env_id(request.env)
    env = make_env(env_id, request.env_settings)
    algorithm = request.algorithm or presets.recommend_algorithm(env_id, env.action_space)
    if request.preset:
        algorithm, chosen = presets.resolve_preset(request.preset, request.algorithm, algorithm)
    kind = algos.get_algorithm_class(algorithm)
    if not request.preset:
        chosen = presets.load_preset(algorithm, env_id)
    own = {**chosen.settings}
    training = {**chosen.training}
    for key, value in request.settings.items():
        if key in kind.SETTINGS.model_fields:
            own[key] = value
        elif key in TrainSettings.model_fields:
            training[key] = value
        else:
            raise unknown_name_error(
                "setting", key, [*kind.SETTINGS.model_fields, *TrainSettings.model_fields]
            )
    training.update(request.training)
    ours = unwrap_poise_env(env)
    env_settings = ours.settings.to_dict() if ours else dict(request.env_settings)
    if env.spec is not None and (ours is None or ours.settings.reward == ours.SETTINGS().reward):
        training.setdefault("solved_at", env.spec.reward_threshold)
    smoke_test(env)
    env.close()
    watching = {"translator": plan_translator(env_id, ours)} if request.with_translator else {}
    return {
        "env": env_id,
        "env_settings": env_settings,
        "algorithm": algorithm,
        "settings": kind.SETTINGS.parse(own, kind=f"{algorithm} setting").to_dict(),
        "training": TrainSettings.parse(training, kind="training setting").to_dict(),
        "device": resolve_device(request.device),
        "command": " ".join(["poise", *sys.argv[1:]]),
        "versions": get_versions(),
        "commit": _get_git_commit(),
        **watching,
    }


def resolve_device(device_name: str) -> str:
    """The device that `device_name` means. `auto` is the processor: for networks of this size the safe choice."""
    import torch

    if device_name == "auto":
        return "cpu"
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if device_name not in there:
        raise unknown_name_error("device", device_name, ["auto", *there])
    if not there[device_name]:
        raise UserError(
            f"device {device_name!r} is not on this machine: choose from {', '.join(name for name in there if there[name])}"
        )
    return device_name


def _get_git_commit() -> str | None:
    """The git commit of this source tree, where there is one."""
    try:
        command = ["git", "rev-parse", "HEAD"]
        told = subprocess.run(
            command,
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
        return told.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
