"""Plan a run: from the user's words to a config with every setting resolved."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from poise import algos
from poise.algos import preset as presets
from poise.toolkit.errors import UserError, unknown
from poise.toolkit.registry import as_ours, make_world, probe, resolve
from poise.toolkit.run import versions
from poise.toolkit.trainer import TrainSettings
from poise.tools.train.with_translator import plan_watching


@dataclass(frozen=True)
class Words:
    """What the user may say about a training; everything left out comes from the preset."""

    world: str
    algorithm: str | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    world_settings: Mapping[str, Any] = field(default_factory=dict)
    preset: str | None = None
    name: str | None = None
    runs: Path = Path("runs")
    device: str = "auto"
    with_translator: bool = False


def plan(words: Words) -> dict[str, Any]:
    """The run's config: every setting resolved. All of the user's mistakes are found here, before work begins."""
    world_id = resolve(words.world)
    world = make_world(world_id, words.world_settings)
    algorithm = words.algorithm or presets.recommended(world_id, world.action_space)
    if words.preset:
        algorithm, chosen = presets.preset_file(words.preset, words.algorithm, algorithm)
    kind = algos.load(algorithm)
    if not words.preset:
        chosen = presets.preset(algorithm, world_id)
    own, training = {**chosen.settings}, {**chosen.training}
    for key, value in words.settings.items():
        if key in kind.SETTINGS.model_fields:
            own[key] = value
        elif key in TrainSettings.model_fields:
            training[key] = value
        else:
            raise unknown("setting", key, [*kind.SETTINGS.model_fields, *TrainSettings.model_fields])
    training.update(words.training)
    ours = as_ours(world)
    world_settings = ours.settings.plain() if ours else dict(words.world_settings)
    if world.spec is not None and (ours is None or ours.settings.reward == ours.SETTINGS().reward):
        training.setdefault("solved_at", world.spec.reward_threshold)
    probe(world)
    world.close()
    watching = {"translator": plan_watching(world_id, ours)} if words.with_translator else {}
    return {
        "world": world_id,
        "world_settings": world_settings,
        "algorithm": algorithm,
        "settings": kind.SETTINGS.parse(own, kind=f"{algorithm} setting").plain(),
        "training": TrainSettings.parse(training, kind="training setting").plain(),
        "device": device_named(words.device),
        "command": " ".join(["poise", *sys.argv[1:]]),
        "versions": versions(),
        "commit": _commit(),
        **watching,
    }


def device_named(word: str) -> str:
    """The device that `word` means. `auto` is the processor: for networks of this size the safe choice."""
    import torch

    if word == "auto":
        return "cpu"
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if word not in there:
        raise unknown("device", word, ["auto", *there])
    if not there[word]:
        raise UserError(f"device {word!r} is not on this machine: choose from {', '.join(name for name in there if there[name])}")
    return word


def _commit() -> str | None:
    """The git commit of this source tree, where there is one."""
    try:
        command = ["git", "rev-parse", "HEAD"]
        told = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=5, check=True)
        return told.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
