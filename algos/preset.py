"""Presets: settings that are known to work for an environment, with the results to expect.

- `presets/<algorithm>.yaml`: one entry for each tuned environment, and for all others a `default`
  and sometimes a `small`, which `choose_entry` takes by the size of the spaces.
- `presets/named/<name>.yaml`: variants of an algorithm, chosen by name (`--preset ddpg`).
- `presets/translator.yaml`: differences from the translator's defaults, by environment.
"""

import math
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

DEFAULT_ENTRY = "default"
SMALL_ENTRY = "small"
"""Entries of an algorithm's presets for environments that have none of their own."""

SMALL_SIZE = 16
"""Numbers of an observation and an action together up to which an environment is small."""


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
    """Return an entry of an algorithm's presets; the `default` for an id that has none."""
    entries = _read_preset_file(PRESETS / f"{algorithm}.yaml")
    entry = entries.get(env_id, entries[DEFAULT_ENTRY])
    return _validate_preset(entry, algorithm, f"preset of {env_id}")


def choose_entry(algorithm: str, env: EnvDescription) -> str:
    """Return the key of an algorithm's presets for an environment: its id, `small` or `default`.

    Without an entry of its own, only the spaces of the environment decide, so that the choice is
    the same on every machine. docs/BENCHMARKS.md has a table of what is learned with it.
    """
    entries = _read_preset_file(PRESETS / f"{algorithm}.yaml")
    if env.env_id in entries:
        return env.env_id
    is_small = SMALL_ENTRY in entries and count_values(env) <= SMALL_SIZE
    return SMALL_ENTRY if is_small else DEFAULT_ENTRY


def count_values(env: EnvDescription) -> int:
    """Return how many numbers an observation and an action have together."""
    return sum(math.prod(space.shape or ()) for space in (env.observation_space, env.action_space))


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
