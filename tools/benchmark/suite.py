"""Suites: environments x algorithms x variants x seeds, planned completely before training.

Planning resolves all settings and creates each environment and learner once, so that every error
in a suite is reported before the first run starts.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import product
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from poise import algos
from poise.toolkit.errors import UserError, unknown_name_error
from poise.toolkit.files import read_yaml_mapping
from poise.toolkit.registry import require_trust, short_name
from poise.toolkit.run import check_name
from poise.toolkit.settings import Settings, parse_assignments
from poise.toolkit.trainer import TrainSettings
from poise.tools.benchmark.peers import PEERS, PeerProcess, plan_peer
from poise.tools.train.plan import TrainRequest, plan

SUITE_FILES: Mapping[str, Traversable] = {
    file.name.removesuffix(".yaml"): file
    for file in (files("poise.tools.benchmark") / "suites").iterdir()
    if file.name.endswith(".yaml")
}
"""Files of the suites that are part of the package, by name."""


FIXED_KEYS = ("env", "env_settings", "algorithm", "settings", "training")
"""Parts of a run's config that must not change when a benchmark is resumed."""


Seed = Annotated[int, Field(ge=0, lt=2**32)]


MAX_SEEDS = 1000
"""Seeds of a suite, at most."""


class Variant(Settings):
    """Changes that a variant makes to the suite's settings."""

    env_set: dict[str, Any] = Field(
        {}, description="environment settings, on top of the suite's env_set"
    )
    settings: dict[str, Any] = Field(
        {}, description="algorithm and training settings, on top of all others"
    )


class Suite(Settings):
    """Content of a suite file."""

    envs: list[str] = Field(min_length=1, description="environments, as `poise train` takes them")
    algorithms: list[str] = Field(
        min_length=1, description="algorithms of Poise, and peers: sb3-sac, sbx-ppo, ..."
    )
    seeds: list[Seed] = Field(
        min_length=1,
        max_length=MAX_SEEDS,
        description="seeds; or their number: 5 means 0, 1, 2, 3, 4",
    )
    training: dict[str, Any] = Field(
        {}, description="training settings of all runs, on top of the presets"
    )
    settings: dict[str, dict[str, Any]] = Field(
        {}, description="by algorithm: its settings and training settings, on top of those"
    )
    env_set: dict[str, Any] = Field({}, description="settings of every environment")
    variants: dict[str, dict[str, Any]] = Field(
        {}, description="changes by name; every variant trains all runs"
    )

    def parse_variants(self) -> Mapping[str, Variant]:
        """Return the variants by name; without any, one unnamed variant without changes."""
        if not self.variants:
            return {"": Variant()}
        return {
            name: Variant.parse(changes, f"key of variant {name}")
            for name, changes in self.variants.items()
        }


JOB_MODULE = "poise.tools.benchmark.jobs"
"""Runs another module in a process that ends with the benchmark."""


PEER_MODULE = "poise.tools.benchmark.peers"
"""Trains a peer into a run folder."""


@dataclass(frozen=True)
class Job:
    """One run of a suite."""

    name: str
    config: Mapping[str, Any]
    arguments: tuple[str, ...]
    """Arguments of `poise train` that start it."""
    variant: str = ""
    """Name of its variant; empty if the suite has none."""

    def build_command(self, out: Path) -> list[str]:
        """Return the command that trains the run in `out`, or resumes it if it has started."""
        folder = (out / self.name).resolve()
        python = [sys.executable, "-P", "-m", JOB_MODULE]
        if self.config["algorithm"] in PEERS:
            return [*python, PEER_MODULE, str(folder), json.dumps(self.config)]
        if (folder / "config.json").exists():
            arguments = ["--resume", self.name]
        else:
            arguments = [*self.arguments, "--run", self.name]
        return [*python, "poise", "train", *arguments, "--runs-dir", str(out), "--no-video"]


@dataclass(frozen=True)
class SuitePlan:
    """A suite with all settings resolved."""

    name: str
    seeds: list[int]
    fixed_configs: Mapping[str, Mapping[str, Any]]
    """FIXED_KEYS of the runs, without the seed, by `<env>-<algorithm>[-<variant>]`."""
    jobs: list[Job]
    """All runs, the first seed of each configuration first.

    So an interrupted benchmark has results of every configuration.
    """


def plan_suite(name_or_path: str, seeds: int | None = None) -> SuitePlan:
    """Plan the runs of a suite.

    Args:
        name_or_path: key of SUITE_FILES, or path of a YAML file.
        seeds: number of seeds 0, 1, ..., in place of the suite's seeds.

    Raises:
        UserError: the suite cannot be read, or one of its runs is not possible.
    """
    suite_name, suite = read_suite(name_or_path, seeds)
    with PeerProcess(f"suite {suite_name}") as process:
        return _plan_runs(suite_name, suite, process)


def _plan_runs(suite_name: str, suite: Suite, process: PeerProcess) -> SuitePlan:
    """Plan all runs; the peers among them are made once in `process`."""
    fixed_configs: dict[str, dict[str, Any]] = {}
    jobs_by_config: list[list[Job]] = []
    for env, algorithm, (variant, changes) in product(
        suite.envs, suite.algorithms, suite.parse_variants().items()
    ):
        assignments = _format_assignments(
            {**suite.training, **suite.settings.get(algorithm, {}), **changes.settings}
        )
        env_settings = {**suite.env_set, **changes.env_set}
        try:
            settings = parse_assignments(assignments, "settings")
            config = _plan_run(env, algorithm, settings, env_settings, process)
        except UserError as error:
            location = f"{env} with {algorithm}" + (f", variant {variant}" if variant else "")
            raise UserError(f"suite {suite_name}, {location}: {error}") from None
        name = "-".join(filter(None, [short_name(config["env"]), algorithm, variant]))
        if name in fixed_configs:
            raise UserError(f"suite {suite_name}: {name} is listed twice")
        fixed_configs[name] = _select_fixed(config)
        options = [
            *_format_options("--set", assignments),
            *_format_options("--env-set", _format_assignments(env_settings)),
        ]
        jobs_by_config.append(
            [_make_job(name, config, options, seed, variant) for seed in suite.seeds]
        )
    jobs_by_seed = zip(*jobs_by_config, strict=True)
    jobs = [job for jobs_of_seed in jobs_by_seed for job in jobs_of_seed]
    return SuitePlan(suite_name, suite.seeds, fixed_configs, jobs)


def read_suite(name_or_path: str, seeds: int | None) -> tuple[str, Suite]:
    """Return the name and the content of a suite, with seeds 0, 1, ... if `seeds` is given."""
    file = _find_suite(name_or_path)
    suite = _read_suite_file(file, seeds)
    _check_suite(suite)
    if isinstance(file, Path):
        for env in suite.envs:
            require_trust(env, file)
    return Path(file.name).stem, suite


def _find_suite(name_or_path: str) -> Traversable:
    """Return the file of a suite of the package, or the path of another file."""
    if name_or_path in SUITE_FILES:
        return SUITE_FILES[name_or_path]
    path = Path(name_or_path)
    if not path.suffix and not path.is_file():
        raise unknown_name_error("suite", name_or_path, SUITE_FILES)
    return path


def _read_suite_file(file: Traversable, seeds: int | None) -> Suite:
    entries = read_yaml_mapping(file, "suite", "`envs:`, `algorithms:` and `seeds:`")
    number = entries.get("seeds") if seeds is None else seeds
    if isinstance(number, int) and 1 <= number <= MAX_SEEDS:
        entries["seeds"] = list(range(number))
    return Suite.parse(entries, "key", f"suite {file}")


def _check_suite(suite: Suite) -> None:
    """Check names and seeds before any environment is created."""
    algorithms = [*algos.ALGORITHMS, *PEERS]
    for name in [*suite.algorithms, *suite.settings]:
        if name not in algorithms:
            raise unknown_name_error("algorithm", name, algorithms)
    for name in suite.variants:
        check_name(name, "variant")
    variant_settings = [changes.settings for changes in suite.parse_variants().values()]
    for settings in (suite.training, *suite.settings.values(), *variant_settings):
        if "seed" in settings:
            raise UserError("a suite has `seeds:`; remove `seed` from its settings")
    for seed in suite.seeds:
        if suite.seeds.count(seed) > 1:
            raise UserError(f"seed {seed} is listed twice")
    TrainSettings.parse(suite.training, kind="training setting")


def _plan_run(
    env: str,
    algorithm: str,
    settings: Mapping[str, Any],
    env_settings: Mapping[str, Any],
    process: PeerProcess,
) -> dict[str, Any]:
    """Return the complete config of a run."""
    if algorithm in PEERS:
        return plan_peer(env, algorithm, settings, env_settings, process)
    planned = plan(
        TrainRequest(env=env, algorithm=algorithm, settings=settings, env_settings=env_settings)
    )
    # Only the algorithm itself knows which spaces it supports: create it once.
    algos.build_learner(algorithm, planned.env, planned.config["settings"])
    return planned.config


def _select_fixed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Select FIXED_KEYS of a config, without the seed."""
    fixed = {key: config[key] for key in FIXED_KEYS}
    fixed["training"] = {key: value for key, value in config["training"].items() if key != "seed"}
    return fixed


def _make_job(
    name: str, config: Mapping[str, Any], options: list[str], seed: int, variant: str
) -> Job:
    """Create the run of one seed."""
    run_name = f"{name}-{seed}"
    check_name(run_name)
    return Job(
        name=run_name,
        config={**config, "training": {**config["training"], "seed": seed}},
        arguments=(config["env"], "--algo", config["algorithm"], "--seed", str(seed), *options),
        variant=variant,
    )


def _format_assignments(settings: Mapping[str, Any]) -> list[str]:
    """Format settings as `key=value`, the form of `--set`."""
    return [f"{key}={json.dumps(value, default=str)}" for key, value in settings.items()]


def _format_options(option: str, assignments: list[str]) -> Iterator[str]:
    """Put `option` before each assignment."""
    for assignment in assignments:
        yield from (option, assignment)
