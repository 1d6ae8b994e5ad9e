"""Run folders: the settings, measurements, checkpoints and videos of one training."""

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
"""Checkpoints that are kept, besides the best."""

MAX_POLICIES = 24
"""Policies that are kept, for videos of how a run learned: tens to hundreds of kilobytes each."""

REQUIRED_CONFIG_KEYS = ("env", "env_settings", "algorithm", "settings", "training", "device")

VERSIONED_PACKAGES = ("gymnasium", "numpy", "pymunk", "torch", "pybullet")


class Run:
    """A run folder: config.json, the CSVs, checkpoints/, policies/, videos/, summary.json."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last_saved: Path | None = None

    @classmethod
    def create(cls, runs_dir: Path, name: str | None, env: str, algorithm: str, seed: int) -> Self:
        """Create an empty run folder called `name`.

        Without a name it is `<env>-<algo>-<seed>`, with -2, -3 ... where that exists.
        """
        candidates: Iterable[str]
        if name is None:
            candidates = _numbered_names(f"{short_name(env)}-{algorithm}-{seed}")
        else:
            check_name(name)
            candidates = [name]
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
        """Open a run by its name in `runs_dir`, or by the path of its folder."""
        is_path = (Path(name) / "config.json").exists() or not NAME_PATTERN.fullmatch(name)
        path = Path(name) if is_path else runs_dir / name
        if not (path / "config.json").is_file():
            run_names = [config.parent.name for config in runs_dir.glob("*/config.json")]
            raise unknown_name_error("run", name, run_names)
        return cls(path)

    @property
    def config(self) -> dict[str, Any]:
        """All resolved settings, versions and the command; unreadable is a WorkError."""
        try:
            config: dict[str, Any] = json.loads((self.path / "config.json").read_text())
            return {**config, **{key: config[key] for key in REQUIRED_CONFIG_KEYS}}
        except (OSError, ValueError, TypeError, KeyError):
            raise WorkError(
                f"{self.path / 'config.json'} cannot be read: the run is damaged"
            ) from None

    @property
    def solved_at(self) -> float | None:
        """Return at which the training counted as solved; None where it had no threshold."""
        solved_at: float | None = self.config["training"].get("solved_at")
        return solved_at

    def summary(self) -> dict[str, Any]:
        """Return the results of a finished run, {} while it trains or where they are unreadable."""
        try:
            return dict(json.loads((self.path / "summary.json").read_text()))
        except (OSError, ValueError, TypeError):
            return {}

    def write(self, name: str, values: Any) -> Path:
        """Write a JSON file of the run atomically."""
        return write_json(self.path / name, values)

    def video_path(self, name: str) -> Path:
        """Return the path of a video of the run."""
        return self.path / "videos" / f"{name}.mp4"

    # Checkpoints.

    def checkpoints(self) -> list[Path]:
        """Return all checkpoints, oldest first."""
        return sorted((self.path / "checkpoints").glob("step_*"))

    def policies(self) -> list[Path]:
        """Return all folders with a policy, oldest first: checkpoints, and policies of old ones."""
        by_name = {path.name: path for path in (self.path / "policies").glob("step_*")}
        by_name |= {path.name: path for path in self.checkpoints()}
        return [by_name[name] for name in sorted(by_name)]

    def save_checkpoint(self, step: int, state: checkpoint.State, best_step: int | None) -> Path:
        """Write the checkpoint of `step`; keep the last MAX_CHECKPOINTS and that of `best_step`."""
        folder = self.path / "checkpoints" / _checkpoint_name(step)
        if self._last_saved != folder:
            checkpoint.save(folder, state)
            self._last_saved = folder
        kept = set(self.checkpoints()[-MAX_CHECKPOINTS:])
        kept.add(self.path / "checkpoints" / _checkpoint_name(best_step or 0))
        for old in self.checkpoints():
            if old not in kept:
                checkpoint.remove(old)
        return folder

    def save_policy(
        self, step: int, policy: Mapping[str, Any], max_policies: int = MAX_POLICIES
    ) -> None:
        """Save the policy of `step` apart from its checkpoint, to outlast it.

        Beyond `max_policies`, remove policies so that the steps of the others stay evenly spaced.
        """
        folder = self.path / "policies" / _checkpoint_name(step)
        if not folder.exists():
            checkpoint.save(folder, {"policy": policy})
        kept = sorted(folder.parent.glob("step_*"))
        while len(kept) > max_policies:
            # gaps[i]: steps between the neighbours of kept[i + 1], if that were removed.
            gaps = [
                parse_step(after) - parse_step(before)
                for before, after in zip(kept, kept[2:], strict=False)
            ]
            checkpoint.remove(kept.pop(1 + gaps.index(min(gaps)) if gaps else 0))

    def find_checkpoint(self, name: str | None = None) -> Path:
        """Return the checkpoint called `name`: `latest`, `best` or a step; the best for None.

        For a step, only its policy may be left.
        """
        by_step = {parse_step(path): path for path in self.checkpoints()}
        if not by_step:
            raise UserError(
                f"run {self.path.name!r} has no checkpoint yet: --resume it to train on"
            )
        best_step = self.summary().get("best_step")
        if name in (None, "best") and best_step in by_step:
            return by_step[best_step]
        if name in (None, "latest", "best"):
            return by_step[max(by_step)]
        by_step = {parse_step(path): path for path in self.policies()}
        if str(name).isdigit() and int(str(name)) in by_step:
            return by_step[int(str(name))]
        raise unknown_name_error("checkpoint", str(name), ["latest", "best", *map(str, by_step)])

    def load_checkpoint(
        self, name: str | None = None, groups: Iterable[str] | None = None
    ) -> tuple[Path, dict[str, dict[str, Any]]]:
        """Return the checkpoint called `name`, and its state or only `groups` of it.

        A damaged checkpoint is named on standard error, and the newest undamaged one before it is
        used.
        """
        newest = self.find_checkpoint(name)
        candidates = [path for path in newest.parent.glob("step_*") if path <= newest]
        for folder in sorted(candidates, reverse=True):
            try:
                return folder, checkpoint.load(folder, groups)
            except checkpoint.DamagedCheckpointError as error:
                print(f"warning: {error}; trying the one before it", file=sys.stderr)
        raise WorkError(f"run {self.path.name!r} has no undamaged checkpoint up to {newest.name}")


def parse_step(folder: Path) -> int:
    """Return the training step of a checkpoint or policy folder."""
    return int(folder.name.removeprefix("step_"))


def _checkpoint_name(step: int) -> str:
    return f"step_{step:09d}"


def check_name(name: str, kind: str = "run") -> None:
    """Raise a UserError for a text that cannot be a run's name, or a part of one."""
    if not NAME_PATTERN.fullmatch(name):
        raise UserError(
            f"{kind} name {name!r}: use up to 80 letters, digits, '.', '_' and '-', no path"
        )


def _numbered_names(name: str) -> Iterator[str]:
    yield name
    for number in range(2, 10_000):
        yield f"{name}-{number}"


def get_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that affect numerical results."""
    installed = [name for name in VERSIONED_PACKAGES if importlib.util.find_spec(name) is not None]
    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in installed},
    }
