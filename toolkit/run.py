"""The run folder: where a training keeps what it was told, what it measured and what it learned."""

import importlib.metadata
import importlib.util
import json
import platform
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from poise.toolkit import checkpoint
from poise.toolkit.errors import UserError, WorkError, unknown
from poise.toolkit.files import write_json
from poise.toolkit.registry import short_name

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


KEPT = 3
"""Checkpoints that stay, beside the best."""


POLICIES = 24
"""Policies that stay, for films of how a run learned: tens to hundreds of kilobytes each."""


CONFIG = ("world", "world_settings", "algorithm", "settings", "training", "device")
"""What a config holds at the least."""


class Run:
    """One run folder: config.json, the CSVs, checkpoints/, policies/, videos/, summary.json."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._saved: Path | None = None

    @classmethod
    def create(cls, runs: Path, name: str | None, world: str, algorithm: str, seed: int) -> Self:
        """A new, empty run folder: `name`, or `<env>-<algo>-<seed>` with -2, -3 ... when that is taken."""
        if name is not None:
            check_name(name)
        candidates: Iterable[str] = [name] if name is not None else _numbered(f"{short_name(world)}-{algorithm}-{seed}")
        for candidate in candidates:
            try:
                (runs / candidate).mkdir(parents=True)
                return cls(runs / candidate)
            except FileExistsError:
                continue
        raise UserError(f"run {name!r} exists already in {runs}: choose another --run name, or --resume it")

    @classmethod
    def open(cls, runs: Path, word: str) -> Self:
        """The run that `word` means: a name under `runs`, or the path of a run folder."""
        path = runs / word if NAME.fullmatch(word) and not (Path(word) / "config.json").exists() else Path(word)
        if not (path / "config.json").is_file():
            known = [found.parent.name for found in runs.glob("*/config.json")]
            raise unknown("run", word, known)
        return cls(path)

    @property
    def config(self) -> dict[str, Any]:
        """All settings resolved, versions and command."""
        try:
            config: dict[str, Any] = json.loads((self.path / "config.json").read_text())
            return {**config, **{key: config[key] for key in CONFIG}}
        except (OSError, ValueError, TypeError, KeyError):
            raise WorkError(f"{self.path / 'config.json'} cannot be read: the run is damaged") from None

    def write(self, name: str, values: Any) -> Path:
        """Write a JSON file of the run, whole or not at all."""
        return write_json(self.path / name, values)

    def video(self, name: str) -> Path:
        """The path of one of its films."""
        return self.path / "videos" / f"{name}.mp4"

    # Checkpoints.

    def checkpoints(self) -> list[Path]:
        """All checkpoints, oldest first."""
        return sorted((self.path / "checkpoints").glob("step_*"))

    def save(self, step: int, state: checkpoint.State, best: int | None) -> Path:
        """Write the checkpoint of `step`; keep the last KEPT and the one of step `best`."""
        folder = self.path / "checkpoints" / _checkpoint_name(step)
        if self._saved != folder:
            checkpoint.save(folder, state)
            self._saved = folder
        spared = set(self.checkpoints()[-KEPT:]) | {self.path / "checkpoints" / _checkpoint_name(best or 0)}
        for old in self.checkpoints():
            if old not in spared:
                checkpoint.remove(old)
        return folder

    def policies(self) -> list[Path]:
        """All that can act, oldest first: the checkpoints, and the policies of earlier ones."""
        kept = {path.name: path for path in (self.path / "policies").glob("step_*")}
        found = kept | {path.name: path for path in self.checkpoints()}
        return [found[name] for name in sorted(found)]

    def keep(self, step: int, policy: Mapping[str, Any], most: int = POLICIES) -> None:
        """Keep the small policy of `step`, whatever becomes of its checkpoint; `most` stay, as evenly spread as may be."""
        folder = self.path / "policies" / _checkpoint_name(step)
        if not folder.exists():
            checkpoint.save(folder, {"policy": policy})
        kept = sorted(folder.parent.glob("step_*"))
        while len(kept) > most:
            gaps = [step_of(after) - step_of(before) for before, after in zip(kept, kept[2:], strict=False)]
            checkpoint.remove(kept.pop(1 + gaps.index(min(gaps)) if gaps else 0))

    def choose(self, word: str | None = None) -> Path:
        """The checkpoint that `word` means: `latest`, `best` or a step, of which only the policy may be left; None: the best."""
        found = {step_of(path): path for path in self.checkpoints()}
        if not found:
            raise UserError(f"run {self.path.name!r} has no checkpoint yet: --resume it to train on")
        best = self.summary().get("best_step")
        if word in (None, "best") and best in found:
            return found[best]
        if word in (None, "latest", "best"):
            return found[max(found)]
        older = {step_of(path): path for path in self.policies()}
        if str(word).isdigit() and int(str(word)) in older:
            return older[int(str(word))]
        raise unknown("checkpoint", str(word), ["latest", "best", *map(str, older)])

    def load(self, word: str | None = None, groups: Iterable[str] | None = None) -> tuple[Path, dict[str, dict[str, Any]]]:
        """The checkpoint that `word` means, and its state or some groups of it.

        A damaged checkpoint is named on standard error and the newest undamaged one before it is used.
        """
        chosen = self.choose(word)
        for folder in sorted((path for path in chosen.parent.glob("step_*") if path <= chosen), reverse=True):
            try:
                return folder, checkpoint.load(folder, groups)
            except checkpoint.DamagedCheckpointError as error:
                print(f"warning: {error}; trying the one before it", file=sys.stderr)
        raise WorkError(f"run {self.path.name!r} has no undamaged checkpoint up to {chosen.name}")

    def summary(self) -> dict[str, Any]:
        """How the run ended; {} while it has not, or where that cannot be read."""
        try:
            return dict(json.loads((self.path / "summary.json").read_text()))
        except (OSError, ValueError, TypeError):
            return {}


def step_of(folder: Path) -> int:
    """The step of a checkpoint or a policy."""
    return int(folder.name.removeprefix("step_"))


def _checkpoint_name(step: int) -> str:
    return f"step_{step:09d}"


def check_name(name: str, kind: str = "run") -> None:
    """Refuse what cannot name a run, or a part of its name."""
    if not NAME.fullmatch(name):
        raise UserError(f"{kind} name {name!r}: use up to 80 letters, digits, '.', '_' and '-', no path")


def _numbered(name: str) -> Iterator[str]:
    yield name
    for number in range(2, 10_000):
        yield f"{name}-{number}"


PACKAGES = ("gymnasium", "numpy", "pymunk", "torch", "pybullet")


def versions() -> dict[str, str]:
    """Of Python and of the packages that decide what a number will be."""
    there = [name for name in PACKAGES if importlib.util.find_spec(name) is not None]
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in there}}
