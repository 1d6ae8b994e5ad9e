"""Run folders: the settings, measurements, checkpoints and videos of one training."""

import importlib.metadata
import importlib.util
import platform
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import gymnasium
from pydantic import ConfigDict, Field

from poise.toolkit import checkpoint
from poise.toolkit.checkpoint import REMOVED_SUFFIX
from poise.toolkit.errors import UserError, WorkError, printable, unknown_name_error
from poise.toolkit.files import (
    PARTIAL_SUFFIX,
    make_folder,
    partial_path,
    read_json_mapping,
    write_json,
)
from poise.toolkit.lock import FolderLock
from poise.toolkit.registry import registered_ids, require_trust, short_name
from poise.toolkit.settings import Settings

NAME_PATTERN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,78}[A-Za-z0-9_-])?")

WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices, with any ending: no file can be called so there."""

STEP_PATTERN = re.compile(r"step_[0-9]{9,}")
"""Names of the folders of checkpoints and policies; anything else beside them is not ours."""

MAX_CHECKPOINTS = 3
"""Checkpoints that are kept, besides the best."""

MAX_POLICIES = 24
"""Policies that are kept, for videos of how a run learned: tens to hundreds of kilobytes each."""

TRANSLATOR = "translator"
"""The `algorithm` in the config of a run that holds a translator in place of a policy."""

KEPT_GROUP = "kept"
"""Group of a checkpoint that holds the KeptSteps as of its step."""

LEFTOVER_PATTERN = re.compile(rf"\.step_[0-9]+({PARTIAL_SUFFIX}|{REMOVED_SUFFIX})")
"""Names of the folders that are left when a process is killed while it saves or removes."""

LATEST = "latest"
"""Name of the run that was written last, unless a run is called so."""

PRETRAINED = "pretrained/"
"""Beginning of the names of the runs that are a part of Poise."""

PRETRAINED_FOLDER = Path(__file__).parents[1] / "algos" / "pretrained"

VERSIONED_PACKAGES = ("gymnasium", "numpy", "pymunk", "torch", "pybullet")


class RunTraining(Settings):
    """The settings of a training that readers of its run use (all: toolkit/trainer.py)."""

    model_config = ConfigDict(extra="allow")

    seed: int = Field(0, ge=0)
    steps: int = Field(0, ge=0)
    evaluate_every: int = Field(0, ge=0)
    evaluate_episodes: int = Field(1, ge=1)
    solved_at: float | None = None
    stop_when_solved: bool = True


class RunConfig(Settings):
    """What the config of every run holds, whichever algorithm made it."""

    model_config = ConfigDict(extra="allow")

    env: str
    env_settings: dict[str, Any]
    algorithm: str
    settings: dict[str, Any]
    training: RunTraining
    device: str


class RunSummary(Settings):
    """The results of a run that its readers compute with."""

    model_config = ConfigDict(extra="allow")

    steps: int = Field(0, ge=0)
    episodes: int = Field(0, ge=0)
    solved: bool = False
    solved_step: int | None = None
    best_step: int | None = None
    interrupted: int | None = None


@dataclass(frozen=True)
class KeptSteps:
    """Steps of the checkpoints and policies that a training keeps, in ascending order.

    They follow from the steps of its scheduled saves alone, and are part of every checkpoint: so
    a resumed training keeps what one that was never stopped keeps.
    """

    checkpoints: list[int] = field(default_factory=list)
    policies: list[int] = field(default_factory=list)

    def add_checkpoint(self, step: int, best_step: int | None) -> "KeptSteps":
        """Return the steps after a save at `step`: the last MAX_CHECKPOINTS, and `best_step`."""
        steps = sorted({*self.checkpoints, step})
        last = steps[-MAX_CHECKPOINTS:]
        return KeptSteps([kept for kept in steps if kept in (*last, best_step)], self.policies)

    def add_policy(self, step: int, max_policies: int) -> "KeptSteps":
        """Return the steps after a policy at `step`: `max_policies`, spaced evenly."""
        steps = sorted({*self.policies, step})
        while len(steps) > max_policies:
            # gaps[i]: steps between the neighbours of steps[i + 1], if that were removed.
            gaps = [after - before for before, after in zip(steps, steps[2:], strict=False)]
            steps.pop(1 + gaps.index(min(gaps)) if gaps else 0)
        return KeptSteps(self.checkpoints, steps)


class Run:
    """A run folder: config.json, the CSVs, checkpoints/, policies/, videos/, summary.json."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._kept: KeptSteps | None = None
        self._last_policy_step: int | None = None
        self._last_save: tuple[int, int | None] | None = None

    @classmethod
    def create(cls, runs_dir: Path, name: str | None, config: Mapping[str, Any]) -> Self:
        """Create the folder of a new run, with its config.

        Without a name it is `<env>-<algo>-<seed>`, with -2, -3 ... where that exists. The folder
        gets its name when the config is in it: a process that is killed before that leaves no run.
        """
        candidates: Iterable[str]
        if name is None:
            first = (
                f"{short_name(config['env'])}-{config['algorithm']}-{config['training']['seed']}"
            )
            candidates = _numbered_names(first)
        else:
            check_name(name)
            first = name
            candidates = [name]
        make_folder(runs_dir)
        with partial_path(runs_dir / first, PARTIAL_SUFFIX) as partial:
            partial.mkdir(exist_ok=True)
            write_json(partial / "config.json", config)
            for candidate in candidates:
                path = runs_dir / candidate
                try:
                    partial.rename(path)  # In place of an empty folder, too.
                    return cls(path)
                except OSError:
                    if not path.exists():
                        raise
        if (path / "config.json").exists():
            advice = "choose another --run name, or --resume it"
        else:
            advice = "it holds no config.json; choose another --run name, or remove it"
        raise UserError(f"run {name!r} exists already in {runs_dir}: {advice}")

    @classmethod
    def open(cls, runs_dir: Path, name: str) -> Self:
        """Open a run by its name in `runs_dir`, its path, as `pretrained/NAME` or as `latest`.

        Raises:
            UserError: there is no such run; or it lies elsewhere, and its config names a module
                that was not trusted (toolkit/registry.py).
        """
        path = find_run_folder(runs_dir, name)
        if path is None:
            raise _unknown_run_error(runs_dir, name)
        run = cls(path)
        if not run.is_pretrained and not path.resolve().is_relative_to(runs_dir.resolve()):
            require_trust(run.config["env"], path / "config.json")
        return run

    @staticmethod
    def open_unfinished(runs_dir: Path, name: str, *, translator: bool = False) -> "Run":
        """Open a run to resume it; `latest` is the last written whose training has not ended."""
        if name != LATEST or (runs_dir / name).exists():
            return Run.open(runs_dir, name)
        for run in list_runs(runs_dir):
            if run.is_unfinished and run.holds_translator == translator and not run.is_written():
                return run
        raise UserError(f"there is no unfinished run in {runs_dir}: name the run to train on")

    @property
    def holds_translator(self) -> bool:
        """Whether a translator was trained in it, and no policy."""
        return bool(self.config["algorithm"] == TRANSLATOR)

    @property
    def is_unfinished(self) -> bool:
        """Whether its training has not ended by itself: it was stopped, or it runs."""
        summary = self.summary()
        return not summary or summary.get("interrupted") is not None

    def is_written(self) -> bool:
        """Return whether a process writes it."""
        try:
            self.lock().release()
        except UserError:
            return True
        return False

    @property
    def time(self) -> float:
        """When it was written last (s since the epoch)."""
        names = ("config.json", "metrics.csv", "summary.json")
        files = [self.path / name for name in names]
        return max(file.stat().st_mtime for file in files if file.exists())

    @property
    def is_pretrained(self) -> bool:
        """Whether it is a part of Poise, which nothing is written to."""
        return self.path.parent == PRETRAINED_FOLDER

    @property
    def video_folder(self) -> Path:
        """Where its films go by default: its own folder; of a pretrained run, the current one."""
        return Path.cwd() if self.is_pretrained else self.path / "videos"

    @property
    def config(self) -> dict[str, Any]:
        """All resolved settings, versions and the command; unreadable is a WorkError."""
        path = self.path / "config.json"
        try:
            values = read_json_mapping(path)
            parsed = RunConfig.parse(values, "key", path)
        except UserError as error:
            raise WorkError(f"{error}; the run is damaged") from None
        # A translator's training has other settings: add none.
        return {
            **values,
            **parsed.model_dump(mode="json", exclude_unset=parsed.algorithm == TRANSLATOR),
        }

    @property
    def solved_at(self) -> float | None:
        """Return at which the training counted as solved; None where it had no threshold."""
        solved_at: float | None = self.config["training"].get("solved_at")
        return solved_at

    def summary(self) -> dict[str, Any]:
        """Return the results of a finished run, {} while it trains.

        Results that cannot be read are named on standard error and left out, too.
        """
        path = self.path / "summary.json"
        if not path.exists():
            return {}
        try:
            values = read_json_mapping(path)
            RunSummary.parse(values, "key", path)
        except UserError as error:
            print(f"warning: {printable(error)}; it is ignored", file=sys.stderr)
            return {}
        return values

    def write(self, name: str, values: Any) -> Path:
        """Write a JSON file of the run atomically."""
        return write_json(self.path / name, values)

    @property
    def policy_video_folder(self) -> Path:
        """Where films of all its policies go by default."""
        return self.video_folder / self.path.name if self.is_pretrained else self.video_folder

    def video_path(self, name: str) -> Path:
        """Return the path of a video of the run."""
        prefix = f"{self.path.name}-" if self.is_pretrained else ""
        return self.video_folder / f"{prefix}{name}.mp4"

    # Checkpoints.

    def checkpoints(self) -> list[Path]:
        """Return all checkpoints, oldest first."""
        return _step_folders(self.path / "checkpoints")

    def policies(self) -> list[Path]:
        """Return all folders with a policy, oldest first: checkpoints, and policies of old ones."""
        by_name = {path.name: path for path in _step_folders(self.path / "policies")}
        by_name |= {path.name: path for path in self.checkpoints()}
        return sorted(by_name.values(), key=parse_step)

    def save_policy(
        self, step: int, policy: Mapping[str, Any], max_policies: int = MAX_POLICIES
    ) -> None:
        """Save the policy of `step` apart from its checkpoint, to outlast it: call this first.

        Beyond `max_policies`, remove policies so that the steps of the others stay evenly spaced.
        """
        if self._last_policy_step != step:
            self._kept = self._get_kept(step).add_policy(step, max_policies)
            checkpoint.save(self.path / "policies" / _format_step(step), {"policy": policy})
            self._last_policy_step = step
            self._remove_old(step)

    def save_checkpoint(
        self, step: int, state: checkpoint.State, best_step: int | None, *, is_extra: bool = False
    ) -> Path:
        """Write the checkpoint of `step`; keep the last MAX_CHECKPOINTS and that of `best_step`.

        An extra checkpoint, which a training that is never stopped would not write, is kept beside
        those until the next one.
        """
        folder = self.path / "checkpoints" / _format_step(step)
        if self._last_save != (step, best_step):
            self._kept = self._get_kept(step)
            if not is_extra:
                self._kept = self._kept.add_checkpoint(step, best_step)
            checkpoint.save(folder, {**state, KEPT_GROUP: asdict(self._kept)})
            self._last_save = (step, best_step)
            self._remove_old(step)
        return folder

    def resume(self, groups: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return `groups` of the latest undamaged checkpoint, to train on from there."""
        folder, state = self._load_newest("latest", {*groups, KEPT_GROUP})
        self._kept = KeptSteps(**state.pop(KEPT_GROUP))
        self._remove_old(parse_step(folder))
        return state

    def lock(self) -> FolderLock:
        """Make this process the only one that writes the run, and remove what a killed one left.

        Raises:
            UserError: another process writes the run, and the message names it; or it is a part of
                Poise.
        """
        if self.is_pretrained:
            raise UserError(
                f"{PRETRAINED}{self.path.name} is a part of Poise, and is not trained on: "
                "train a run of your own"
            )
        lock = FolderLock(self.path, f"run {self.path.name!r}")
        try:
            self._remove_leftovers()
        except BaseException:
            lock.release()
            raise
        return lock

    def _remove_leftovers(self) -> None:
        """Remove what a killed process left half-written or half-removed."""
        for name in ("checkpoints", "policies"):
            for path in _list_folder(self.path / name):
                if LEFTOVER_PATTERN.fullmatch(path.name) and path.is_dir():
                    shutil.rmtree(path)
        for path in _list_folder(self.path):
            if path.name.startswith(".") and path.name.endswith(PARTIAL_SUFFIX) and path.is_file():
                path.unlink()

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
        if str(name).isdecimal() and int(str(name)) in by_step:
            return by_step[int(str(name))]
        raise unknown_name_error("checkpoint", str(name), ["latest", "best", *map(str, by_step)])

    def load_checkpoint(
        self, name: str | None = None, groups: Iterable[str] | None = None
    ) -> tuple[Path, dict[str, dict[str, Any]]]:
        """Return the checkpoint called `name`, and its state or only `groups` of it.

        A damaged checkpoint is named on standard error, and the newest undamaged one before it is
        used.
        """
        folder, state = self._load_newest(name, groups)
        state.pop(KEPT_GROUP, None)
        return folder, state

    def count_weights(self) -> int:
        """Return how many float32 numbers the largest checkpoint or policy may hold."""
        sizes = [
            sum(file.stat().st_size for file in folder.rglob("*.safetensors"))
            for folder in self.policies()
        ]
        return max(sizes, default=0) // 4

    def _load_newest(
        self, name: str | None, groups: Iterable[str] | None
    ) -> tuple[Path, dict[str, dict[str, Any]]]:
        newest = self.find_checkpoint(name)
        for folder in reversed(_step_folders(newest.parent)):
            if parse_step(folder) > parse_step(newest):
                continue
            try:
                return folder, checkpoint.load(folder, groups)
            except checkpoint.DamagedCheckpointError as error:
                print(f"warning: {printable(error)}; trying the one before it", file=sys.stderr)
        raise WorkError(f"run {self.path.name!r} has no undamaged checkpoint up to {newest.name}")

    def _get_kept(self, step: int) -> KeptSteps:
        """Return the steps that are kept before a save at `step`: without more, those on disk."""
        if self._kept is not None:
            return self._kept
        checkpoints, policies = (
            [parse_step(path) for path in _step_folders(self.path / name)]
            for name in ("checkpoints", "policies")
        )
        return KeptSteps(
            [saved for saved in checkpoints if saved < step],
            [saved for saved in policies if saved < step],
        )

    def _remove_old(self, step: int) -> None:
        """Remove checkpoints and policies before `step` that are not kept.

        Later ones were damaged when the training was resumed; it will write them again.
        """
        kept = self._get_kept(step)
        for name, steps in asdict(kept).items():
            for folder in _step_folders(self.path / name):
                if parse_step(folder) < step and parse_step(folder) not in steps:
                    checkpoint.remove(folder)


def list_pretrained() -> list[str]:
    """Return the names of the runs that are a part of Poise, each with `pretrained/` before it."""
    configs = sorted(PRETRAINED_FOLDER.glob("*/config.json"))
    return [f"{PRETRAINED}{config.parent.name}" for config in configs]


def list_runs(runs_dir: Path) -> list[Run]:
    """Return the runs of a folder whose configs can be read, those that were written last first."""
    runs = []
    for config in runs_dir.glob("*/config.json"):
        run = Run(config.parent)
        with suppress(WorkError, OSError):
            _ = run.config  # A WorkError where it cannot be read.
            runs.append((run.time, run.path.name, run))
    return [run for *_, run in sorted(runs, key=lambda entry: entry[:2], reverse=True)]


def replace_latest(runs_dir: Path, name: str) -> str:
    """Return the path of the latest run where it is asked for, so that files are named after it."""
    folder = find_run_folder(runs_dir, name) if name == LATEST else None
    return name if folder is None else str(folder)


def find_run_folder(runs_dir: Path, name: str) -> Path | None:
    """Return the folder of a run, as `Run.open` takes its name; None without one.

    A folder of the user's comes first.
    """
    folders = [Path(name).absolute()]
    if NAME_PATTERN.fullmatch(name):
        folders.append(runs_dir / name)
    if name.startswith(PRETRAINED):
        folders.append(PRETRAINED_FOLDER / name.removeprefix(PRETRAINED))
    if name == LATEST:
        policy_runs = [run for run in list_runs(runs_dir) if not run.holds_translator]
        # One that has no policy yet only where there is no other.
        policy_runs.sort(key=lambda run: not run.checkpoints())
        folders += [run.path for run in policy_runs[:1]]
    return next((folder for folder in folders if (folder / "config.json").is_file()), None)


def list_modules(runs_dir: Path) -> set[str]:
    """Return the modules of the environments in which the runs of a folder were trained."""
    modules = set()
    for config in runs_dir.glob("*/config.json"):
        if config.parent.is_symlink() or config.is_symlink():
            continue  # It may lead elsewhere.
        with suppress(UserError):
            module, colon, _ = str(read_json_mapping(config).get("env", "")).partition(":")
            if colon:
                modules.add(module)
    return modules


def _unknown_run_error(runs_dir: Path, name: str) -> UserError:
    """Return the error for an unknown run: the folder searched, and a near name or the mend."""
    if name == LATEST:
        return UserError(
            f"there is no run in {runs_dir} yet: `poise train` makes one, --runs-dir names another "
            "folder"
        )
    if name.startswith(PRETRAINED):
        return unknown_name_error("run", name, list_pretrained())
    if Path(name).is_dir():
        return UserError(f"unknown run {name!r}: this folder holds no config.json")
    if name in (*gymnasium.registry, *map(short_name, registered_ids())):
        return UserError(
            f"unknown run {name!r} in {runs_dir}: it is an environment; "
            f"`poise train {name}` makes a run of it"
        )
    if not runs_dir.is_dir():
        return UserError(
            f"unknown run {name!r}: there is no folder {runs_dir} in {Path.cwd()}; "
            "`poise train` makes it, --runs-dir names another"
        )
    run_names = [config.parent.name for config in runs_dir.glob("*/config.json")]
    advice = "--runs-dir names another folder"
    return unknown_name_error("run", name, run_names, where=f" in {runs_dir}", advice=advice)


def parse_step(folder: Path) -> int:
    """Return the training step of a checkpoint or policy folder."""
    return int(folder.name.removeprefix("step_"))


def _format_step(step: int) -> str:
    return f"step_{step:09d}"


def _step_folders(folder: Path) -> list[Path]:
    """Return the folders that are named after a step, in the order of their steps."""
    paths = [
        path
        for path in _list_folder(folder)
        if STEP_PATTERN.fullmatch(path.name)
        and path.name == _format_step(parse_step(path))
        and path.is_dir()
    ]
    return sorted(paths, key=parse_step)


def _list_folder(folder: Path) -> list[Path]:
    """Return what a folder holds, [] where there is none; a file in its place is an OSError."""
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []


def check_name(name: str, kind: str = "run") -> None:
    """Raise a UserError for a text that cannot be a run's name, or a part of one."""
    if not NAME_PATTERN.fullmatch(name):
        raise UserError(
            f"{kind} name {name!r}: use up to 80 letters, digits, '.', '_' and '-', no path, "
            "and no '.' at the end"
        )
    if WINDOWS_DEVICES.fullmatch(name):
        raise UserError(f"{kind} name {name!r}: Windows has a device of that name: choose another")


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
