"""Suites: worlds x algorithms x variants x seeds. All of a suite is proved possible before any of it begins."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import algos
from toolkit.errors import UserError
from toolkit.registry import short_name
from toolkit.run import check_name
from toolkit.settings import parse_assignments
from tools.plan_run import Words, plan
from tools.suite_file import read_suite
from tools.suite_peer import PEERS, plan_peer

LASTING = ("world", "world_settings", "algorithm", "settings", "training")
"""What of a config must be the same in every sitting of a benchmark."""


@dataclass(frozen=True)
class Job:
    """One run of a suite."""

    name: str
    config: Mapping[str, Any]
    words: tuple[str, ...]
    """What `poise train` is told to begin it."""
    variant: str = ""
    """Of its suite; empty where the suite has none."""

    def command(self, out: Path) -> list[str]:
        """The process that trains it: from its beginning or, where a part of it lies in `out`, on from there."""
        folder, python = (out / self.name).resolve(), [sys.executable, "-P", "-m"]
        if self.config["algorithm"] in PEERS:
            return [*python, "tools.suite_peer", str(folder), json.dumps(self.config)]
        begun = (folder / "config.json").exists()
        told = ["--resume", str(folder)] if begun else [*self.words, "--run", self.name, "--runs-dir", str(out)]
        return [*python, "cli", "train", *told, "--no-video"]


@dataclass(frozen=True)
class SuitePlan:
    """A suite with everything resolved."""

    name: str
    seeds: list[int]
    lasting: Mapping[str, Mapping[str, Any]]
    """By world, algorithm and variant, what must not change between two sittings."""
    jobs: list[Job]
    """One seed of everything first, then the next: a benchmark that is interrupted knows something of all."""


def plan_suite(word: str, seeds: int | None = None) -> SuitePlan:
    """The suite that `word` means, with `seeds` instead of its own; every mistake in it is found here."""
    title, suite = read_suite(word, seeds)
    lasting: dict[str, dict[str, Any]] = {}
    jobs: list[list[Job]] = []
    for world, algorithm, (variant, change) in product(suite.worlds, suite.algorithms, suite.changes().items()):
        words = _words({**suite.training, **suite.settings.get(algorithm, {}), **change.settings})
        world_settings = {**suite.env_set, **change.env_set}
        try:
            config = _plan(world, algorithm, parse_assignments(words, "settings"), world_settings)
        except UserError as error:
            place = f"{world} with {algorithm}{f', variant {variant}' * bool(variant)}"
            raise UserError(f"suite {title}, {place}: {error}") from None
        name = "-".join(filter(None, [short_name(config["world"]), algorithm, variant]))
        if name in lasting:
            raise UserError(f"suite {title}: {name} is there twice")
        lasting[name] = {key: config[key] for key in LASTING}
        lasting[name]["training"] = {key: value for key, value in config["training"].items() if key != "seed"}
        options = [*_options("--set", words), *_options("--env-set", _words(world_settings))]
        jobs.append([_job(name, config, options, seed, variant) for seed in suite.seeds])
    return SuitePlan(title, suite.seeds, lasting, [job for seed in zip(*jobs, strict=True) for job in seed])


def _plan(world: str, algorithm: str, settings: Mapping[str, Any], world_settings: Mapping[str, Any]) -> dict[str, Any]:
    if algorithm in PEERS:
        return plan_peer(world, algorithm, settings, world_settings)
    config = plan(Words(world, algorithm, settings=settings, world_settings=world_settings))
    # Only the algorithm itself knows whether it can learn in this world.
    algos.make(algorithm, config["world"], config["world_settings"], config["settings"])
    return config


def _job(name: str, config: Mapping[str, Any], options: list[str], seed: int, variant: str) -> Job:
    check_name(f"{name}-{seed}")
    words = (config["world"], "--algo", config["algorithm"], "--seed", str(seed), *options)
    return Job(f"{name}-{seed}", {**config, "training": {**config["training"], "seed": seed}}, words, variant)


def _words(settings: Mapping[str, Any]) -> list[str]:
    """Settings as people type them."""
    return [f"{key}={json.dumps(value, default=str)}" for key, value in settings.items()]


def _options(option: str, words: list[str]) -> Iterator[str]:
    for word in words:
        yield from (option, word)
