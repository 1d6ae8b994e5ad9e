"""Presets: settings that are known to work for a world, with what to expect of them.

`presets/<algorithm>.yaml` holds a `default` and one entry for each tuned world.
"""

from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from algos import ALGORITHMS, load
from toolkit.errors import UserError
from toolkit.settings import Settings
from toolkit.trainer import TrainSettings

FOLDER = Path(__file__).parent / "presets"


class Expect(Settings):
    """What a tuned preset reached: medians over seeds, on two cores."""

    steps: int
    seconds: float
    score: float


class Preset(Settings):
    """One entry: settings of the training and of the algorithm, each on top of their defaults."""

    training: dict[str, Any] = Field({}, description="settings of the training: steps, worlds, ...")
    settings: dict[str, Any] = Field({}, description="settings of the algorithm")
    expect: Expect | None = Field(None, description="what it reached")


def preset(algorithm: str, world_id: str) -> Preset:
    """The preset of `algorithm` for a world; the algorithm's `default` where it has none of its own."""
    entries = _read(FOLDER / f"{algorithm}.yaml")
    return _parse(entries.get(world_id, entries["default"]), algorithm, f"preset of {world_id}")


def preset_file(algorithm: str, path: Path) -> Preset:
    """A user's preset: a YAML file with `training` and `settings`."""
    return _parse(_read(path), algorithm, str(path))


def recommended(world_id: str) -> str:
    """The algorithm to take when the user names none: of those tuned for the world, the quickest."""
    seconds = {name: found.expect.seconds for name in ALGORITHMS if (found := preset(name, world_id)).expect is not None}
    return min(seconds, key=lambda name: seconds[name], default=next(iter(ALGORITHMS)))


def _read(path: Path) -> dict[str, Any]:
    try:
        entries = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UserError(f"preset {path} cannot be read: {reason}") from None
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
