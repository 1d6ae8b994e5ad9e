"""Plan a run: resolve what the user asked for into a config that holds every setting."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from poise.algos.preset import (
    Preset,
    choose_entry,
    find_preset,
    load_preset,
    recommend_algorithm,
    resolve_preset,
)
from poise.algos.registry import ALGORITHMS, get_algorithm_class, get_algorithm_name
from poise.toolkit.errors import UserError, unknown_name_error
from poise.toolkit.files import check_plain
from poise.toolkit.registry import EnvDescription, describe_env, resolve_env_id
from poise.toolkit.run import Run, get_versions
from poise.toolkit.settings import unknown_setting_error
from poise.toolkit.trainer import TrainSettings, choose_budget


@dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """What a user may choose for a training; the preset gives everything else."""

    env: str
    """Short name or id of the environment."""
    algorithm: str | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the training (TrainSettings); they take precedence over `settings`."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the algorithm or of the training, as `--set` gives them."""
    env_settings: Mapping[str, Any] = field(default_factory=dict)
    preset: str | None = None
    """YAML file, or name of a variant."""
    name: str | None = None
    """Name of the run; None: `<env>-<algo>-<seed>`."""
    runs_dir: Path = Path("runs")
    device: str = "auto"
    with_translator: bool = False
    start_from: Run | None = None
    """Run whose best policy the training begins with; its settings take the preset's place."""


@dataclass(frozen=True)
class TrainPlan:
    """The config of a new run, and the environment that it was resolved with."""

    config: dict[str, Any]
    env: EnvDescription


def plan(request: TrainRequest) -> TrainPlan:
    """Resolve every setting of a new run; write nothing.

    Raises:
        UserError: a name or a value is wrong, or the environment does not work with its settings.
    """
    # Found before there is an environment, which may change the working folder.
    preset_file = find_preset(request.preset) if request.preset else None
    env = describe_env(resolve_env_id(request.env), request.env_settings, check=True)
    algorithm = request.algorithm or recommend_algorithm(env)
    if request.start_from is not None:
        algorithm, preset = _get_settings_of(request.start_from, request)
        learner_settings = get_algorithm_class(algorithm).SETTINGS
        preset_name = None
    elif preset_file is not None:
        algorithm, preset = resolve_preset(preset_file, request.algorithm, algorithm)
        learner_settings = get_algorithm_class(algorithm).SETTINGS
        preset_name = request.preset
    else:
        learner_settings = get_algorithm_class(algorithm).SETTINGS
        preset_name = choose_entry(algorithm, env)
        preset = load_preset(algorithm, preset_name)

    chosen = {**preset.settings}
    training: dict[str, Any] = {}
    for name, value in request.settings.items():
        if name in learner_settings.model_fields:
            chosen[name] = value
        elif name in TrainSettings.model_fields:
            training[name] = value
        else:
            others = [
                other
                for other in ALGORITHMS
                if name in get_algorithm_class(other).SETTINGS.model_fields
            ]
            if others:
                raise UserError(
                    f"{name} is a setting of {' and '.join(others)}, and not of {algorithm}: "
                    f"leave it out, or choose --algo {others[0]}"
                )
            choices = [*learner_settings.model_fields, *TrainSettings.model_fields]
            raise unknown_setting_error("setting", name, choices)
    training = choose_budget({**training, **request.training}, preset.training)
    training.setdefault("solved_at", env.reward_threshold)

    config = {
        "env": env.env_id,
        "env_settings": dict(env.settings),
        "algorithm": algorithm,
        "preset": preset_name,
        "settings": learner_settings.parse(chosen, kind=f"{algorithm} setting").to_dict(),
        "training": TrainSettings.parse(training, kind="training setting").to_dict(),
        "device": resolve_device(request.device),
        "command": " ".join(["poise", *sys.argv[1:]]),
        "versions": get_versions(),
        "commit": _get_git_commit(),
    }
    if request.start_from is not None:
        config["from"] = request.start_from.path.name
    if request.with_translator:
        from poise.tools.train.with_translator import plan_translator

        config["translator"] = plan_translator(env)
    try:
        check_plain(config)
    except ValueError as error:
        raise UserError(f"the settings cannot be saved: {error}") from None
    return TrainPlan(config, env)


def _get_settings_of(run: Run, request: TrainRequest) -> tuple[str, Preset]:
    """Return the algorithm of a run, and its settings as a preset.

    Raises:
        UserError: the run holds no policy, or the request asks for another algorithm or a preset.
    """
    algorithm = get_algorithm_name(run)
    name = run.path.name
    if request.algorithm not in (None, algorithm):
        raise UserError(f"--from {name}: it was trained with {algorithm}: omit --algo")
    if request.preset is not None:
        raise UserError(f"--from {name}: its settings are taken: omit --preset, or use --set")
    config = run.config
    of_the_run = {"seed", "solved_at", "stop_when_solved"}
    training = {key: value for key, value in config["training"].items() if key not in of_the_run}
    return algorithm, Preset(training=training, settings=config["settings"])


def resolve_device(name: str) -> str:
    """Return the torch device for `name`: auto, cpu, cuda or mps.

    `auto` is the CPU, the safe choice for networks of this size.

    Raises:
        UserError: the device is unknown, or this machine has none.
    """
    import torch

    if name == "auto":
        return "cpu"
    availability = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "gpu":
        raise UserError("unknown device 'gpu': choose cuda for NVIDIA's GPUs, mps for Apple's")
    if name not in availability:
        raise unknown_name_error("device", name, ["auto", *availability])
    if not availability[name]:
        available = [device for device, is_available in availability.items() if is_available]
        raise UserError(
            f"device {name!r} is not on this machine: choose from {', '.join(available)}"
        )
    return name


def _get_git_commit() -> str | None:
    """Return the git commit of this source tree; None outside of a clone."""
    try:
        process = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            encoding="utf-8",
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return process.stdout.strip()
