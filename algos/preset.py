"""Presets: settings that are known to work for an environment, with the results to expect.

- `presets/<algorithm>.yaml`: a `default`, and one entry for each tuned environment.
- `presets/named/<name>.yaml`: variants of an algorithm, chosen by name (`--preset ddpg`).
- `presets/translator.yaml`: differences from the translator's defaults, by environment.
"""

from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import Field

from poise.algos.registry import (
    ALGORITHMS,
    NAMED_PRESETS,
    PRESETS,
    get_algorithm_class,
    supporting_algorithms,
)
from poise.toolkit.errors import UserError
from poise.toolkit.files import read_yaml_mapping
from poise.toolkit.registry import EnvDescription
from poise.toolkit.settings import Settings
from poise.toolkit.trainer import TrainSettings


class ExpectedResult(Settings):
    """The result of a tuned preset: medians over seeds, on two cores."""

    steps: int
    seconds: float
    score: float


class Preset(Settings):
    """Overrides for the defaults of a training and of its algorithm."""

    algorithm: str | None = Field(
        None, description="algorithm that the preset is for; only in named presets and user files"
    )
    training: dict[str, Any] = Field(
        {}, description="training settings: steps, number of environments, ..."
    )
    settings: dict[str, Any] = Field({}, description="algorithm settings")
    expect: ExpectedResult | None = Field(None, description="measured result")


def load_preset(algorithm: str, env_id: str) -> Preset:
    """Return the preset of `algorithm` for an environment, or else the algorithm's `default`."""
    entries = _read_preset_file(PRESETS / f"{algorithm}.yaml")
    entry = entries.get(env_id, entries["default"])
    return _validate_preset(entry, algorithm, f"preset of {env_id}")


def load_translator_preset(env_id: str) -> dict[str, Any]:
    """Return translator and training settings for an environment; {} where the defaults do."""
    entries = _read_preset_file(PRESETS / "translator.yaml")
    return dict(entries.get(env_id, {}))


def find_preset(name_or_path: str) -> Traversable:
    """Return the file of a preset: a key of NAMED_PRESETS, or a path, which becomes absolute.

    Raises:
        UserError: there is no such preset and no such file.
    """
    file = NAMED_PRESETS.get(name_or_path)
    if file is not None:
        return file
    path = Path(name_or_path)
    if not path.exists():
        names = ", ".join(NAMED_PRESETS)
        raise UserError(f"preset {path} cannot be read: no such file; named presets: {names}")
    return path.absolute()


def resolve_preset(
    file: Traversable, algorithm: str | None, default_algorithm: str
) -> tuple[str, Preset]:
    """Return an algorithm and a preset for it.

    Args:
        file: what `find_preset` found: YAML with `training` and `settings`.
        algorithm: the algorithm that the user asked for, if any.
        default_algorithm: the algorithm to use where neither user nor preset names one.

    Raises:
        UserError: the file is invalid, or is for another algorithm than the user's.
    """
    entry = _read_preset_file(file)
    preset_algorithm = entry.get("algorithm")
    if preset_algorithm is not None and algorithm not in (None, preset_algorithm):
        raise UserError(
            f"preset {file} is for {preset_algorithm}, not for {algorithm}: omit --algo"
        )
    chosen = str(preset_algorithm or algorithm or default_algorithm)
    return chosen, _validate_preset(entry, chosen, str(file))


def recommend_algorithm(env: EnvDescription) -> str:
    """Return the default algorithm for an environment.

    It is the fastest of those tuned for the environment, or else the first that supports its
    actions.
    """
    seconds: dict[str, float] = {}
    for name in ALGORITHMS:
        expected = load_preset(name, env.env_id).expect
        if expected is not None:
            seconds[name] = expected.seconds
    if seconds:
        return min(seconds, key=lambda name: seconds[name])
    return next(iter([*supporting_algorithms(env.action_space), *ALGORITHMS]))


def _read_preset_file(file: Traversable) -> dict[str, Any]:
    return read_yaml_mapping(file, "preset", "`training:` and `settings:`")


def _validate_preset(entry: dict[str, Any], algorithm: str, source: str) -> Preset:
    preset = Preset.parse(entry, "preset key", source)
    TrainSettings.parse(preset.training, "training setting", source)
    settings_class = get_algorithm_class(algorithm).SETTINGS
    settings_class.parse(preset.settings, f"{algorithm} setting", source)
    return preset
