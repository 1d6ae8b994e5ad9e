"""Suites: environments x algorithms x variants x seeds. All of a suite is proved possible before any of it begins."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field

from poise import algos
from poise.toolkit.errors import UserError, unknown_name_error
from poise.toolkit.registry import short_name
from poise.toolkit.run import check_name
from poise.toolkit.settings import Settings, parse_assignments
from poise.toolkit.trainer import TrainSettings
from poise.tools.benchmark.sb3 import PEERS, plan_peer
from poise.tools.train.plan import TrainRequest, plan

SUITES_FOLDER = Path(str(files("poise.tools.benchmark"))) / "suites"


Seed = Annotated[int, Field(ge=0, lt=2**32)]


class Variant(Settings):
    """What a variant changes."""

    env_set: dict[str, Any] = Field(
        {}, description="settings of the environments, over the suite's"
    )
    settings: dict[str, Any] = Field(
        {}, description="settings of the algorithms and their training, over all the others"
    )


class Suite(Settings):
    """What the file of a suite may say."""

    envs: list[str] = Field(min_length=1, description="environments, as `poise train` takes them")
    algorithms: list[str] = Field(
        min_length=1, description="ours, or a peer's: sb3-sac, sb3-ppo, sb3-td3"
    )
    seeds: list[Seed] = Field(min_length=1, description="seeds, or how many: 5 means 0, 1, 2, 3, 4")
    training: dict[str, Any] = Field(
        {}, description="settings of every training, over those of the presets"
    )
    settings: dict[str, dict[str, Any]] = Field(
        {}, description="by algorithm: settings of it and of its training, over those"
    )
    env_set: dict[str, Any] = Field({}, description="settings of every environment")
    variants: dict[str, dict[str, Any]] = Field(
        {}, description="by name: what it changes; all is trained in every variant"
    )

    def parse_variants(self) -> Mapping[str, Variant]:
        """The variants by name; a suite without any has one without a name, which changes nothing."""
        return {
            name: Variant.parse(told, f"key of variant {name}")
            for name, told in self.variants.items()
        } or {"": Variant()}


def read_suite(name_or_path: str, seeds: int | None) -> tuple[str, Suite]:
    """The name and the content of the suite that `name_or_path` means, with `seeds` instead of its own."""
    path = _find_suite(name_or_path)
    suite = _read_suite_file(path, seeds)
    _check_suite(suite)
    return path.stem, suite


def _find_suite(name_or_path: str) -> Path:
    """The file of a suite: one of ours by its name, or a path."""
    ours = {path.stem: path for path in SUITES_FOLDER.glob("*.yaml")}
    if name_or_path in ours:
        return ours[name_or_path]
    if not Path(name_or_path).suffix and not Path(name_or_path).is_file():
        raise unknown_name_error("suite", name_or_path, ours)
    return Path(name_or_path)


def _read_suite_file(path: Path, seeds: int | None) -> Suite:
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UserError(f"suite {path} cannot be read: {reason}") from None
    except yaml.YAMLError as error:
        raise UserError(f"suite {path} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(entries, dict):
        raise UserError(f"suite {path} should hold `envs:`, `algorithms:` and `seeds:`")
    number = entries.get("seeds") if seeds is None else seeds
    if isinstance(number, int):
        entries["seeds"] = list(range(number))
    return Suite.parse(entries, kind=f"suite {path}:")


def _check_suite(suite: Suite) -> None:
    """Find what is wrong with a suite before an environment is made."""
    known = [*algos.ALGORITHMS, *PEERS]
    for name in [*suite.algorithms, *suite.settings]:
        if name not in known:
            raise unknown_name_error("algorithm", name, known)
    for name in suite.variants:
        check_name(name, "variant")
    changed = [change.settings for change in suite.parse_variants().values()]
    for settings in (suite.training, *suite.settings.values(), *changed):
        if "seed" in settings:
            raise UserError("a suite has `seeds:`; a `seed` among the settings would say it twice")
    for seed in suite.seeds:
        if suite.seeds.count(seed) > 1:
            raise UserError(f"seed {seed} is there twice")
    TrainSettings.parse(suite.training, kind="training setting")


FIXED_KEYS = ("env", "env_settings", "algorithm", "settings", "training")
"""What of a config must be the same in every sitting of a benchmark."""


@dataclass(frozen=True)
class Job:
    """One run of a suite."""

    name: str
    config: Mapping[str, Any]
    arguments: tuple[str, ...]
    """What `poise train` is told to begin it."""
    variant: str = ""
    """Of its suite; empty where the suite has none."""

    def build_command(self, out: Path) -> list[str]:
        """The process that trains it: from its beginning or, where a part of it lies in `out`, on from there."""
        folder = (out / self.name).resolve()
        python = [sys.executable, "-P", "-m"]
        if self.config["algorithm"] in PEERS:
            return [*python, "poise.tools.benchmark.sb3", str(folder), json.dumps(self.config)]
        begun = (folder / "config.json").exists()
        told = (
            ["--resume", str(folder)]
            if begun
            else [*self.arguments, "--run", self.name, "--runs-dir", str(out)]
        )
        return [*python, "poise", "train", *told, "--no-video"]


@dataclass(frozen=True)
class SuitePlan:
    """A suite with everything resolved."""

    name: str
    seeds: list[int]
    fixed_configs: Mapping[str, Mapping[str, Any]]
    """By environment, algorithm and variant, what must not change between two sittings."""
    jobs: list[Job]
    """One seed of everything first, then the next: a benchmark that is interrupted knows something of all."""


def plan_suite(name_or_path: str, seeds: int | None = None) -> SuitePlan:
    """The suite that `name_or_path` means, with `seeds` instead of its own; every mistake in it is found here."""
    title, suite = read_suite(name_or_path, seeds)
    lasting: dict[str, dict[str, Any]] = {}
    jobs: list[list[Job]] = []
    for env, algorithm, (variant, change) in product(
        suite.envs, suite.algorithms, suite.parse_variants().items()
    ):
        words = _format_assignments(
            {**suite.training, **suite.settings.get(algorithm, {}), **change.settings}
        )
        env_settings = {**suite.env_set, **change.env_set}
        try:
            config = _plan_run(env, algorithm, parse_assignments(words, "settings"), env_settings)
        except UserError as error:
            place = f"{env} with {algorithm}{f', variant {variant}' * bool(variant)}"
            raise UserError(f"suite {title}, {place}: {error}") from None
        name = "-".join(filter(None, [short_name(config["env"]), algorithm, variant]))
        if name in lasting:
            raise UserError(f"suite {title}: {name} is there twice")
        lasting[name] = {key: config[key] for key in FIXED_KEYS}
        lasting[name]["training"] = {
            key: value for key, value in config["training"].items() if key != "seed"
        }
        options = [
            *_format_options("--set", words),
            *_format_options("--env-set", _format_assignments(env_settings)),
        ]
        jobs.append([_make_job(name, config, options, seed, variant) for seed in suite.seeds])
    return SuitePlan(
        title, suite.seeds, lasting, [job for seed in zip(*jobs, strict=True) for job in seed]
    )


def _plan_run(
    env: str, algorithm: str, settings: Mapping[str, Any], env_settings: Mapping[str, Any]
) -> dict[str, Any]:
    if algorithm in PEERS:
        return plan_peer(env, algorithm, settings, env_settings)
    request = TrainRequest(
        env=env, algorithm=algorithm, settings=settings, env_settings=env_settings
    )
    planned = plan(request)
    # Only the algorithm itself knows whether it can learn in this environment.
    algos.build_learner(algorithm, planned.env, planned.config["settings"])
    return planned.config


def _make_job(
    name: str, config: Mapping[str, Any], options: list[str], seed: int, variant: str
) -> Job:
    check_name(f"{name}-{seed}")
    words = (config["env"], "--algo", config["algorithm"], "--seed", str(seed), *options)
    return Job(
        f"{name}-{seed}",
        {**config, "training": {**config["training"], "seed": seed}},
        words,
        variant,
    )


def _format_assignments(settings: Mapping[str, Any]) -> list[str]:
    """Settings as people type them."""
    return [f"{key}={json.dumps(value, default=str)}" for key, value in settings.items()]


def _format_options(option: str, assignments: list[str]) -> Iterator[str]:
    for word in assignments:
        yield from (option, word)
