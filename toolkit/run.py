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
from poise.toolkit.errors import UserError, WorkError, unknown_name_error
from poise.toolkit.files import write_json
from poise.toolkit.registry import short_name

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


MAX_CHECKPOINTS = 3
"""Checkpoints that stay, beside the best."""


MAX_POLICIES = 24
"""Policies that stay, for films of how a run learned: tens to hundreds of kilobytes each."""


REQUIRED_CONFIG_KEYS = ("env", "env_settings", "algorithm", "settings", "training", "device")
"""What a config holds at the least."""


class Run:
    """One run folder: config.json, the CSVs, checkpoints/, policies/, videos/, summary.json."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last_saved: Path | None = None

    @classmethod
    def create(cls, runs_dir: Path, name: str | None, env: str, algorithm: str, seed: int) -> Self:
        """A new, empty run folder: `name`, or `<env>-<algo>-<seed>` with -2, -3 ... when that is taken."""
        if name is not None:
            check_name(name)
        candidates: Iterable[str] = (
            [name] if name is not None else _numbered_names(f"{short_name(env)}-{algorithm}-{seed}")
        )
        for candidate in candidates:
            try:
                (runs_dir / candidate).mkdir(parents=True)
                return cls(runs_dir / candidate)
            except FileExistsError:
                continue
        raise UserError(
            f"run {name!r} exists already in {runs_dir}: choose another --run name, or --resume it"
        )

    @classmethod
    def open(cls, runs_dir: Path, name: str) -> Self:
        """The run that `name` means: a name under `runs_dir`, or the path of a run folder."""
        path = (
            runs_dir / name
            if NAME_PATTERN.fullmatch(name) and not (Path(name) / "config.json").exists()
            else Path(name)
        )
        if not (path / "config.json").is_file():
            known = [found.parent.name for found in runs_dir.glob("*/config.json")]
            raise unknown_name_error("run", name, known)
        return cls(path)

    @property
    def config(self) -> dict[str, Any]:
        """All settings resolved, versions and command."""
        try:
            config: dict[str, Any] = json.loads((self.path / "config.json").read_text())
            return {**config, **{key: config[key] for key in REQUIRED_CONFIG_KEYS}}
        except (OSError, ValueError, TypeError, KeyError):
            raise WorkError(
                f"{self.path / 'config.json'} cannot be read: the run is damaged"
            ) from None

    def write(self, name: str, values: Any) -> Path:
        """Write a JSON file of the run, whole or not at all."""
        return write_json(self.path / name, values)

    def video_path(self, name: str) -> Path:
        """The path of one of its films."""
        return self.path / "videos" / f"{name}.mp4"

    # Checkpoints.

    def checkpoints(self) -> list[Path]:
        """All checkpoints, oldest first."""
        return sorted((self.path / "checkpoints").glob("step_*"))

    def save_checkpoint(self, step: int, state: checkpoint.State, best_step: int | None) -> Path:
        """Write the checkpoint of `step`; keep the last KEPT and the one of step `best_step`."""
        folder = self.path / "checkpoints" / _checkpoint_name(step)
        if self._last_saved != folder:
            checkpoint.save(folder, state)
            self._last_saved = folder
        spared = set(self.checkpoints()[-MAX_CHECKPOINTS:]) | {
            self.path / "checkpoints" / _checkpoint_name(best_step or 0)
        }
        for old in self.checkpoints():
            if old not in spared:
                checkpoint.remove(old)
        return folder

    def policies(self) -> list[Path]:
        """All that can act, oldest first: the checkpoints, and the policies of earlier ones."""
        kept = {path.name: path for path in (self.path / "policies").glob("step_*")}
        found = kept | {path.name: path for path in self.checkpoints()}
        return [found[name] for name in sorted(found)]

    def save_policy(
        self, step: int, policy: Mapping[str, Any], max_policies: int = MAX_POLICIES
    ) -> None:
        """Keep the small policy of `step`, whatever becomes of its checkpoint; `max_policies` stay, as evenly spread as may be."""
        folder = self.path / "policies" / _checkpoint_name(step)
        if not folder.exists():
            checkpoint.save(folder, {"policy": policy})
        kept = sorted(folder.parent.glob("step_*"))
        while len(kept) > max_policies:
            gaps = [
                parse_step(after) - parse_step(before)
                for before, after in zip(kept, kept[2:], strict=False)
            ]
            checkpoint.remove(kept.pop(1 + gaps.index(min(gaps)) if gaps else 0))

    def find_checkpoint(self, name: str | None = None) -> Path:
        """The checkpoint that `name` means: `latest`, `best` or a step, of which only the policy may be left; None: the best."""
        found = {parse_step(path): path for path in self.checkpoints()}
        if not found:
            raise UserError(
                f"run {self.path.name!r} has no checkpoint yet: --resume it to train on"
            )
        best = self.summary().get("best_step")
        if name in (None, "best") and best in found:
            return found[best]
        if name in (None, "latest", "best"):
            return found[max(found)]
        older = {parse_step(path): path for path in self.policies()}
        if str(name).isdigit() and int(str(name)) in older:
            return older[int(str(name))]
        raise unknown_name_error("checkpoint", str(name), ["latest", "best", *map(str, older)])

    def load_checkpoint(
        self, name: str | None = None, groups: Iterable[str] | None = None
    ) -> tuple[Path, dict[str, dict[str, Any]]]:
        """The checkpoint that `name` means, and its state or some groups of it.

        A damaged checkpoint is named on standard error and the newest undamaged one before it is used.
        """
        chosen = self.find_checkpoint(name)
        for folder in sorted(
            (path for path in chosen.parent.glob("step_*") if path <= chosen), reverse=True
        ):
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


def parse_step(folder: Path) -> int:
    """The step of a checkpoint or a policy."""
    return int(folder.name.removeprefix("step_"))


def _checkpoint_name(step: int) -> str:
    return f"step_{step:09d}"


def check_name(name: str, kind: str = "run") -> None:
    """Refuse what cannot name a run, or a part of its name."""
    if not NAME_PATTERN.fullmatch(name):
        raise UserError(
            f"{kind} name {name!r}: use up to 80 letters, digits, '.', '_' and '-', no path"
        )


def _numbered_names(name: str) -> Iterator[str]:
    yield name
    for number in range(2, 10_000):
        yield f"{name}-{number}"


VERSIONED_PACKAGES = ("gymnasium", "numpy", "pymunk", "torch", "pybullet")


def get_versions() -> dict[str, str]:
    """Of Python and of the packages that decide what a number will be."""
    there = [name for name in VERSIONED_PACKAGES if importlib.util.find_spec(name) is not None]
    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in there},
    }
