"""Tapes: an episode as environment, settings, seed and actions; its replay is bit-exact."""

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from pydantic import Field
from safetensors import SafetensorError, safe_open

from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.experience import EpisodeStep, run_episode
from poise.toolkit.files import check_regular_file, parse_json
from poise.toolkit.registry import Env, make_env, require_trust
from poise.toolkit.settings import Settings
from poise.toolkit.spaces import Array

FORMAT_VERSION = 1
"""Version of the file format; tapes of other versions cannot be read."""


MAX_TAPE_BYTES = 2**30
"""Largest tape: 100 million actions."""


class TapeHeader(Settings):
    """The values of a tape beside its arrays."""

    env: str
    settings: dict[str, Any]
    seed: int = Field(ge=0)
    versions: dict[str, str]


@dataclass(frozen=True)
class Tape:
    """All that reproduces an episode; a few kilobytes on disk."""

    env: str
    settings: Mapping[str, Any]
    seed: int
    actions: Array
    """(T, A), in [-1, 1]"""
    checksums: Array = field(default_factory=lambda: np.empty(0, np.uint32))
    """(T + 1,): CRC-32 of all observations up to each step; may be empty or shorter"""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of Python and of the packages that the tape was recorded with"""

    @classmethod
    def from_steps(
        cls,
        env_id: str,
        settings: Mapping[str, Any],
        seed: int,
        steps: list[EpisodeStep],
        versions: Mapping[str, str] | None = None,
    ) -> "Tape":
        """Return the tape of an episode that was just run."""
        actions = [step.action for step in steps if step.action is not None]
        checksums = []
        checksum = 0
        for step in steps:
            checksum = _checksum(step, checksum)
            checksums.append(checksum)
        return cls(
            env_id,
            settings,
            seed,
            np.array(actions),
            np.array(checksums, np.uint32),
            versions or {},
        )

    def save(self, path: Path) -> None:
        """Write the tape as a safetensors file."""
        header = {
            "format": FORMAT_VERSION,
            "env": self.env,
            "settings": dict(self.settings),
            "seed": self.seed,
            "versions": dict(self.versions),
        }
        arrays = {"actions": self.actions, "checksums": self.checksums}
        path.write_bytes(safetensors.numpy.save(arrays, metadata={"tape": json.dumps(header)}))

    @classmethod
    def load(cls, path: Path) -> "Tape":
        """Read a tape.

        Raises:
            UserError: the file is no tape, or one of another format version, or it names a module
                that was not trusted (toolkit/registry.py).
        """
        try:
            check_regular_file(path, MAX_TAPE_BYTES)
            with safe_open(path, "np") as file:
                text = (file.metadata() or {})["tape"]
                actions = file.get_tensor("actions")
                checksums = file.get_tensor("checksums")
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            raise UserError(
                f"{path} is not a tape; record one with Poise and give its path"
            ) from None
        values = parse_json(text, path)
        version = values.pop("format", 0) if isinstance(values, dict) else 0
        if version != FORMAT_VERSION:
            raise UserError(
                f"{path} is a tape of format {version}, and this Poise reads format "
                f"{FORMAT_VERSION}: record it again"
            )
        header = TapeHeader.parse(values, "key", f"tape {path}")
        if actions.dtype.kind not in "fiu" or not np.isfinite(actions).all() or not actions.ndim:
            raise UserError(f"tape {path}: its actions should be rows of finite numbers")
        if checksums.dtype != np.uint32 or checksums.ndim != 1:
            raise UserError(f"tape {path}: its checksums should be one row of uint32")
        require_trust(header.env, path)
        return cls(header.env, header.settings, header.seed, actions, checksums, header.versions)

    def make_env(self, render_mode: str | None = None, **overrides: Any) -> Env:
        """Make the tape's environment; `overrides` may only change its look, e.g. `width`."""
        return make_env(self.env, {**self.settings, **overrides}, render_mode)

    def replay(self, env: Env) -> Iterator[EpisodeStep]:
        """Replay the episode up to the tape's last action, and yield its steps.

        A WorkError at the first observation that differs from the recorded one.
        """
        actions = iter(self.actions)
        episode = run_episode(env, lambda _: next(actions)[None], self.seed)
        checksum = 0
        index = 0
        for index, step in enumerate(islice(episode, len(self.actions) + 1)):
            checksum = _checksum(step, checksum)
            if index < len(self.checksums) and checksum != self.checksums[index]:
                raise self._replay_error(index)
            yield step
        if index < min(len(self.actions), len(self.checksums) - 1):  # ended too early
            raise self._replay_error(index)

    def _replay_error(self, index: int) -> WorkError:
        versions = [f"{name} {version}" for name, version in self.versions.items()]
        return WorkError(
            f"the replay differs from the tape from step {index} on; the tape was recorded with "
            f"{', '.join(versions) or 'other versions'}"
        )


def _checksum(step: EpisodeStep, previous: int) -> int:
    """Return the checksum of a step's observation, continued from the `previous` step's."""
    return zlib.crc32(np.asarray(step.observation).tobytes(), previous)
