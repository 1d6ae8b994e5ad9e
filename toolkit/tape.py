"""A tape: one episode as its environment, settings, seed and actions; played again, it is the same bit for bit."""

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.experience import EpisodeStep, run_episode
from poise.toolkit.registry import Env, make_env
from poise.toolkit.spaces import Array

FORMAT_VERSION = 1
"""Tapes of another format cannot be read."""


@dataclass(frozen=True)
class Tape:
    """Everything that one episode was; a few kilobytes on disk."""

    env: str
    settings: Mapping[str, Any]
    seed: int
    actions: Array
    """(T, A), in [-1, 1]."""
    checksums: Array = field(default_factory=lambda: np.empty(0, np.uint32))
    """(T + 1,): a checksum of all that was seen up to each moment; a tape made by hand need not know it."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Of the packages that it was recorded with."""

    def save(self, path: Path) -> None:
        """Write the tape as a safetensors file."""
        told = {"env": self.env, "settings": dict(self.settings), "seed": self.seed}
        header = {"format": FORMAT_VERSION, **told, "versions": dict(self.versions)}
        arrays = {"actions": self.actions, "story": self.checksums}
        path.write_bytes(safetensors.numpy.save(arrays, metadata={"tape": json.dumps(header)}))

    @classmethod
    def load(cls, path: Path) -> "Tape":
        """Read a tape; a file that is none, or one of another format, is a UserError."""
        try:
            with safe_open(path, "np") as file:
                header = json.loads(file.metadata()["tape"])
                if (found := header.pop("format", 0)) == FORMAT_VERSION:
                    return cls(
                        actions=file.get_tensor("actions"),
                        checksums=file.get_tensor("story"),
                        **header,
                    )
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, AttributeError):
            raise UserError(
                f"{path} is not a tape; record one with Poise and give its path"
            ) from None
        raise UserError(
            f"{path} is a tape of format {found}, and this Poise reads format {FORMAT_VERSION}: record it again"
        )

    def make_env(self, render_mode: str | None = None, **overrides: Any) -> Env:
        """The tape's environment; overrides such as width change how it looks, not what happens."""
        return make_env(self.env, {**self.settings, **overrides}, render_mode)

    def replay(self, env: Env) -> Iterator[EpisodeStep]:
        """The episode again, moment by moment; it ends where the tape ends. Another story than was seen is a WorkError."""
        actions = iter(self.actions)
        told = 0
        step = 0
        moments = islice(
            run_episode(env, lambda _: next(actions)[None], self.seed), len(self.actions) + 1
        )
        for step, moment in enumerate(moments):
            told = _checksum(moment, told)
            if step < len(self.checksums) and told != self.checksums[step]:
                raise self._replay_error(step)
            yield moment
        if step < min(len(self.actions), len(self.checksums) - 1):
            raise self._replay_error(step)

    def _replay_error(self, step: int) -> WorkError:
        made = (
            ", ".join(f"{name} {version}" for name, version in self.versions.items())
            or "other versions"
        )
        return WorkError(
            f"from step {step} on the environment tells another story than the tape, which was recorded with {made}"
        )


def tape_from_steps(
    env_id: str,
    settings: Mapping[str, Any],
    seed: int,
    steps: list[EpisodeStep],
    versions: Mapping[str, str] | None = None,
) -> Tape:
    """The tape of an episode that was just lived."""
    actions = np.array([moment.action for moment in steps if moment.action is not None])
    story = list(accumulate(steps, lambda told, moment: _checksum(moment, told), initial=0))[1:]
    return Tape(env_id, settings, seed, actions, np.array(story, np.uint32), versions or {})


def _checksum(step: EpisodeStep, previous: int) -> int:
    """The checksum of what is seen, after that of all `previous`."""
    return zlib.crc32(np.asarray(step.observation).tobytes(), previous)
