"""Presets: settings that are known to work for an environment, with what to expect of them.

`presets/<algorithm>.yaml` holds a `default` and one entry for each tuned environment; `presets/named/` variants with a name;
`presets/translator.yaml` what differs from a translator's defaults.
"""

from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from poise.algos.registry import ALGORITHMS, get_algorithm_class
from poise.toolkit.errors import UserError
from poise.toolkit.registry import EnvDescription
from poise.toolkit.settings import Settings
from poise.toolkit.trainer import TrainSettings

PRESETS_DIR = Path(str(files("poise.algos"))) / "presets"


NAMED_PRESETS = {path.stem: path for path in sorted((PRESETS_DIR / "named").glob("*.yaml"))}
"""Presets that are not for one environment but a variant of an algorithm, by name."""


class ExpectedResult(Settings):
    """What a tuned preset reached: medians over seeds, on two cores."""

    steps: int
    seconds: float
    score: float


class Preset(Settings):
    """One entry: settings of the training and of the algorithm, each on top of their defaults."""

    algorithm: str | None = Field(
        None, description="the algorithm it is for; only in files of their own"
    )
    training: dict[str, Any] = Field(
        {}, description="settings of the training: steps, environments, ..."
    )
    settings: dict[str, Any] = Field({}, description="settings of the algorithm")
    expect: ExpectedResult | None = Field(None, description="what it reached")


def load_preset(algorithm: str, env_id: str) -> Preset:
    """The preset of `algorithm` for an environment; the algorithm's `default` where it has none of its own."""
    entries = _read_yaml(PRESETS_DIR / f"{algorithm}.yaml")
    return _validate_preset(
        entries.get(env_id, entries["default"]), algorithm, f"preset of {env_id}"
    )


def load_translator_preset(env_id: str) -> dict[str, Any]:
    """Settings of a translator and of its training for pictures of an environment; none where the defaults do."""
    return dict(_read_yaml(PRESETS_DIR / "translator.yaml").get(env_id, {}))


def resolve_preset(
    name_or_path: str, algorithm: str | None, default_algorithm: str
) -> tuple[str, Preset]:
    """An algorithm and a preset for it: one of ours by its name, or a user's YAML file with `training` and `settings`.

    The algorithm is the one asked for, or the one that the preset names, or `default_algorithm`; two different ones are a UserError.
    """
    path = NAMED_PRESETS.get(name_or_path, Path(name_or_path))
    entry = _read_yaml(path)
    told = entry.get("algorithm")
    if told is not None and algorithm not in (None, told):
        raise UserError(
            f"preset {name_or_path} is for {told}, not for {algorithm}: leave --algo away"
        )
    chosen = str(told or algorithm or default_algorithm)
    return chosen, _validate_preset(entry, chosen, str(path))


def recommend_algorithm(env: EnvDescription) -> str:
    """Return the algorithm for a user who names none.

    It is the fastest of those tuned for the environment, or else the first that supports its actions.
    """
    seconds = {
        name: preset.expect.seconds
        for name in ALGORITHMS
        if (preset := load_preset(name, env.env_id)).expect is not None
    }
    if seconds:
        return min(seconds, key=lambda name: seconds[name])
    for name in ALGORITHMS:
        if get_algorithm_class(name).supports(env.action_space):
            return name
    return next(iter(ALGORITHMS))


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        entries = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        known = (
            f"; presets with a name: {', '.join(NAMED_PRESETS)}"
            if isinstance(error, FileNotFoundError)
            else ""
        )
        raise UserError(f"preset {path} cannot be read: {reason}{known}") from None
    except yaml.YAMLError as error:
        raise UserError(f"preset {path} is no YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(entries, dict):
        raise UserError(f"preset {path} should hold `training:` and `settings:`")
    return entries


def _validate_preset(entry: dict[str, Any], algorithm: str, source: str) -> Preset:
    found = Preset.parse(entry, kind=f"{source}: preset key")
    TrainSettings.parse(found.training, kind=f"{source}: training setting")
    get_algorithm_class(algorithm).SETTINGS.parse(
        found.settings, kind=f"{source}: {algorithm} setting"
    )
    return found
