"""Presets: settings that are known to work for an environment, with the results to expect.

`presets/<algorithm>.yaml` holds a `default` and one entry for each tuned environment;
`presets/named/` holds variants of an algorithm, by name; `presets/translator.yaml` holds what
differs from a translator's defaults.
"""

from pathlib import Path
from typing import Any

import gymnasium
import yaml
from pydantic import Field

from poise.algos.registry import (
    ALGORITHMS,
    NAMED_PRESETS,
    PRESETS_DIR,
    get_algorithm_class,
    supporting_algorithms,
)
from poise.toolkit.errors import UserError
from poise.toolkit.settings import Settings
from poise.toolkit.trainer import TrainSettings


class ExpectedResult(Settings):
    """What a tuned preset reached: medians over seeds, on two cores."""

    steps: int
    seconds: float
    score: float


class Preset(Settings):
    """Settings of the training and of the algorithm, each on top of their defaults."""

    algorithm: str | None = Field(
        None, description="the algorithm that a named preset or a user's file is for"
    )
    training: dict[str, Any] = Field(
        {}, description="settings of the training: steps, environments, ..."
    )
    settings: dict[str, Any] = Field({}, description="settings of the algorithm")
    expect: ExpectedResult | None = Field(None, description="the result to expect")


def load_preset(algorithm: str, env_id: str) -> Preset:
    """Return the preset of `algorithm` for an environment, or the algorithm's `default`."""
    entries = _read_yaml(PRESETS_DIR / f"{algorithm}.yaml")
    entry = entries.get(env_id, entries["default"])
    return _validate_preset(entry, algorithm, f"preset of {env_id}")


def load_translator_preset(env_id: str) -> dict[str, Any]:
    """Return settings of a translator and its training for images of an environment, or {}."""
    return dict(_read_yaml(PRESETS_DIR / "translator.yaml").get(env_id, {}))


def resolve_preset(
    name_or_path: str, algorithm: str | None, default_algorithm: str
) -> tuple[str, Preset]:
    """Return an algorithm and its preset: a named one, or a user's YAML file.

    The algorithm is `algorithm`, or the one that the preset names, or `default_algorithm`.

    Raises:
        UserError: the file cannot be read or is wrong, or names another algorithm than `algorithm`.

    """
    path = NAMED_PRESETS.get(name_or_path, Path(name_or_path))
    entry = _read_yaml(path)
    preset_algorithm = entry.get("algorithm")
    if preset_algorithm is not None and algorithm not in (None, preset_algorithm):
        raise UserError(
            f"preset {name_or_path} is for {preset_algorithm}, not for {algorithm}: "
            "leave --algo away"
        )
    resolved = str(preset_algorithm or algorithm or default_algorithm)
    return resolved, _validate_preset(entry, resolved, str(path))


def recommend_algorithm(env_id: str, action_space: gymnasium.Space[Any]) -> str:
    """Return the algorithm for users who name none.

    It is the fastest of those tuned for the environment, or the first that supports its actions.
    """
    seconds: dict[str, float] = {}
    for name in ALGORITHMS:
        expected = load_preset(name, env_id).expect
        if expected is not None:
            seconds[name] = expected.seconds
    if seconds:
        return min(seconds, key=lambda name: seconds[name])
    return next(iter([*supporting_algorithms(action_space), *ALGORITHMS]))


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        entries = yaml.safe_load(path.read_text())
    except FileNotFoundError as error:
        names = ", ".join(NAMED_PRESETS)
        raise UserError(
            f"preset {path} cannot be read: {error.strerror}; presets with a name: {names}"
        ) from None
    except OSError as error:
        raise UserError(f"preset {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"preset {path} cannot be read: it is not a text file") from None
    except yaml.YAMLError as error:
        raise UserError(f"preset {path} is not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(entries, dict):
        raise UserError(f"preset {path} should hold `training:` and `settings:`")
    return entries


def _validate_preset(entry: dict[str, Any], algorithm: str, source: str) -> Preset:
    preset = Preset.parse(entry, kind=f"{source}: preset key")
    algorithm_settings = get_algorithm_class(algorithm).SETTINGS
    TrainSettings.parse(preset.training, kind=f"{source}: training setting")
    algorithm_settings.parse(preset.settings, kind=f"{source}: {algorithm} setting")
    return preset
