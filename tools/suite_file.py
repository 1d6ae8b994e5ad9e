"""The file of a suite: what it may say, and what is wrong with it before a world is made."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field

import algos
from toolkit.errors import UserError, unknown
from toolkit.run import check_name
from toolkit.settings import Settings
from toolkit.trainer import TrainSettings
from tools.suite_peer import PEERS

FOLDER = Path(__file__).parent / "suites"
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class Variant(Settings):
    """What a variant changes."""

    env_set: dict[str, Any] = Field({}, description="settings of the worlds, over the suite's")
    settings: dict[str, Any] = Field({}, description="settings of the algorithms and their training, over all the others")


class Suite(Settings):
    """What the file of a suite may say."""

    worlds: list[str] = Field(min_length=1, description="worlds, as `poise train` takes them")
    algorithms: list[str] = Field(min_length=1, description="ours, or a peer's: sb3-sac, sb3-ppo, sb3-td3")
    seeds: list[Seed] = Field(min_length=1, description="seeds, or how many: 5 means 0, 1, 2, 3, 4")
    training: dict[str, Any] = Field({}, description="settings of every training, over those of the presets")
    settings: dict[str, dict[str, Any]] = Field({}, description="by algorithm: settings of it and of its training, over those")
    env_set: dict[str, Any] = Field({}, description="settings of every world")
    variants: dict[str, dict[str, Any]] = Field({}, description="by name: what it changes; all is trained in every variant")

    def changes(self) -> Mapping[str, Variant]:
        """The variants by name; a suite without any has one without a name, which changes nothing."""
        return {name: Variant.parse(told, f"key of variant {name}") for name, told in self.variants.items()} or {"": Variant()}


def read_suite(word: str, seeds: int | None) -> tuple[str, Suite]:
    """The name and the content of the suite that `word` means, with `seeds` instead of its own."""
    path = _path(word)
    suite = _read(path, seeds)
    _check(suite)
    return path.stem, suite


def _path(word: str) -> Path:
    """The file of a suite: one of ours by its name, or a path."""
    ours = {path.stem: path for path in FOLDER.glob("*.yaml")}
    if word in ours:
        return ours[word]
    if not Path(word).suffix and not Path(word).is_file():
        raise unknown("suite", word, ours)
    return Path(word)


def _read(path: Path, seeds: int | None) -> Suite:
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UserError(f"suite {path} cannot be read: {reason}") from None
    except yaml.YAMLError as error:
        raise UserError(f"suite {path} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(entries, dict):
        raise UserError(f"suite {path} should hold `worlds:`, `algorithms:` and `seeds:`")
    number = entries.get("seeds") if seeds is None else seeds
    if isinstance(number, int):
        entries["seeds"] = list(range(number))
    return Suite.parse(entries, kind=f"suite {path}:")


def _check(suite: Suite) -> None:
    """Find what is wrong with a suite before a world is made."""
    known = [*algos.ALGORITHMS, *PEERS]
    for name in [*suite.algorithms, *suite.settings]:
        if name not in known:
            raise unknown("algorithm", name, known)
    for name in suite.variants:
        check_name(name, "variant")
    changed = [change.settings for change in suite.changes().values()]
    for settings in (suite.training, *suite.settings.values(), *changed):
        if "seed" in settings:
            raise UserError("a suite has `seeds:`; a `seed` among the settings would say it twice")
    for seed in suite.seeds:
        if suite.seeds.count(seed) > 1:
            raise UserError(f"seed {seed} is there twice")
    TrainSettings.parse(suite.training, kind="training setting")
