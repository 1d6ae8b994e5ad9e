"""A tape: one episode as its world, settings, seed and actions; played again, it is the same bit for bit."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from toolkit.errors import UserError, WorkError
from toolkit.experience import Moment, episode
from toolkit.registry import World, make_world
from toolkit.signals import Array

FORMAT = 1
"""Tapes of another format cannot be read."""


@dataclass(frozen=True)
class Tape:
    """Everything that one episode was; a few kilobytes on disk."""

    world: str
    settings: Mapping[str, Any]
    seed: int
    actions: Array
    """(T, A), in [-1, 1]."""
    story: str = ""
    """The sha256 of all that was seen; a tape made by hand need not know it."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Of the packages that it was recorded with."""

    def save(self, path: Path) -> None:
        """Write the tape as a safetensors file."""
        told = {"world": self.world, "settings": dict(self.settings), "seed": self.seed}
        header = {"format": FORMAT, **told, "story": self.story, "versions": dict(self.versions)}
        path.write_bytes(safetensors.numpy.save({"actions": self.actions}, metadata={"tape": json.dumps(header)}))

    @classmethod
    def load(cls, path: Path) -> "Tape":
        """Read a tape; a file that is none, or one of another format, is a UserError."""
        try:
            with safe_open(path, "np") as file:
                header = json.loads(file.metadata()["tape"])
                if (found := header.pop("format", 0)) == FORMAT:
                    return cls(actions=file.get_tensor("actions"), **header)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, AttributeError):
            raise UserError(f"{path} is not a tape; record one with Poise and give its path") from None
        raise UserError(f"{path} is a tape of format {found}, and this Poise reads format {FORMAT}: record it again")

    def make_world(self, render_mode: str | None = None, **overrides: Any) -> World:
        """The tape's world; overrides such as width change how it looks, not what happens."""
        return make_world(self.world, {**self.settings, **overrides}, render_mode)

    def replay(self, world: World) -> Iterator[Moment]:
        """The episode again, moment by moment; it ends where the tape ends. Another story than was seen is a WorkError."""
        actions, story = iter(self.actions), hashlib.sha256()
        for moment in islice(episode(world, lambda _: next(actions)[None], self.seed), len(self.actions) + 1):
            story.update(np.asarray(moment.observation).tobytes())
            yield moment
        if self.story not in ("", story.hexdigest()):
            made = ", ".join(f"{name} {version}" for name, version in self.versions.items())
            raise WorkError(f"the world tells another story than the tape, which was recorded with {made or 'other versions'}")


def tape_of(
    world_id: str, settings: Mapping[str, Any], seed: int, moments: list[Moment], versions: Mapping[str, str] | None = None
) -> Tape:
    """The tape of an episode that was just lived."""
    actions = np.array([moment.action for moment in moments if moment.action is not None])
    story = hashlib.sha256(b"".join(np.asarray(moment.observation).tobytes() for moment in moments))
    return Tape(world_id, settings, seed, actions, story.hexdigest(), versions or {})
