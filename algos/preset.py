"""Presets: settings that are known to work for a world, with what to expect of them.

`presets/<algorithm>.yaml` holds a `default` and one entry for each tuned world; `presets/named/` variants with a name;
`presets/translator.yaml` what differs from a translator's defaults.
"""

from importlib.resources import files
from pathlib import Path
from typing import Any

import gymnasium
import yaml
from poise.algos.registry import ALGORITHMS, load
from poise.toolkit.errors import UserError
from poise.toolkit.settings import Settings
from poise.toolkit.trainer import TrainSettings
from pydantic import Field

FOLDER = Path(str(files("poise.algos"))) / "presets"


NAMED = {path.stem: path for path in sorted((FOLDER / "named").glob("*.yaml"))}
"""Presets that are not for one world but a variant of an algorithm, by name."""


class Expect(Settings):
    """What a tuned preset reached: medians over seeds, on two cores."""

    steps: int
    seconds: float
    score: float


class Preset(Settings):
    """One entry: settings of the training and of the algorithm, each on top of their defaults."""

    algorithm: str | None = Field(None, description="the algorithm it is for; only in files of their own")
    training: dict[str, Any] = Field({}, description="settings of the training: steps, worlds, ...")
    settings: dict[str, Any] = Field({}, description="settings of the algorithm")
    expect: Expect | None = Field(None, description="what it reached")


def preset(algorithm: str, world_id: str) -> Preset:
    """The preset of `algorithm` for a world; the algorithm's `default` where it has none of its own."""
    entries = _read(FOLDER / f"{algorithm}.yaml")
    return _parse(entries.get(world_id, entries["default"]), algorithm, f"preset of {world_id}")


def translator_preset(world_id: str) -> dict[str, Any]:
    """Settings of a translator and of its training for pictures of a world; none where the defaults do."""
    return dict(_read(FOLDER / "translator.yaml").get(world_id, {}))


def preset_file(word: str, algorithm: str | None, otherwise: str) -> tuple[str, Preset]:
    """An algorithm and a preset for it: one of ours by its name, or a user's YAML file with `training` and `settings`.

    The algorithm is the one asked for, or the one that the preset names, or `otherwise`; two different ones are a UserError.
    """
    path = NAMED.get(word, Path(word))
    entry = _read(path)
    told = entry.get("algorithm")
    if told is not None and algorithm not in (None, told):
        raise UserError(f"preset {word} is for {told}, not for {algorithm}: leave --algo away")
    chosen = str(told or algorithm or otherwise)
    return chosen, _parse(entry, chosen, str(path))


def recommended(world_id: str, action: gymnasium.Space[Any]) -> str:
    """The algorithm to take when the user names none: the quickest of those tuned for the world, or the first that can."""
    seconds = {name: found.expect.seconds for name in ALGORITHMS if (found := preset(name, world_id)).expect is not None}
    able = (name for name in ALGORITHMS if load(name).takes(action))
    return min(seconds, key=lambda name: seconds[name], default=None) or next(able, next(iter(ALGORITHMS)))


def _read(path: Path) -> dict[str, Any]:
    try:
        entries = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        known = f"; presets with a name: {', '.join(NAMED)}" if isinstance(error, FileNotFoundError) else ""
        raise UserError(f"preset {path} cannot be read: {reason}{known}") from None
    except yaml.YAMLError as error:
        raise UserError(f"preset {path} is no YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(entries, dict):
        raise UserError(f"preset {path} should hold `training:` and `settings:`")
    return entries


def _parse(entry: dict[str, Any], algorithm: str, where: str) -> Preset:
    found = Preset.parse(entry, kind=f"{where}: preset key")
    TrainSettings.parse(found.training, kind=f"{where}: training setting")
    load(algorithm).SETTINGS.parse(found.settings, kind=f"{where}: {algorithm} setting")
    return found
