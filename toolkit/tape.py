"""A tape: one episode as its world, settings, seed and actions; played again, it is the same bit for bit."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from toolkit.errors import UserError
from toolkit.experience import Moment, episode
from toolkit.registry import World, make_world
from toolkit.signals import Array


@dataclass(frozen=True)
class Tape:
    """Everything that one episode was; a few kilobytes on disk."""

    world: str
    settings: Mapping[str, Any]
    seed: int
    actions: Array
    """(T, A), in [-1, 1]."""

    def save(self, path: Path) -> None:
        """Write the tape as a safetensors file."""
        header = {"world": self.world, "settings": dict(self.settings), "seed": self.seed}
        path.write_bytes(safetensors.numpy.save({"actions": self.actions}, metadata={"tape": json.dumps(header)}))

    @classmethod
    def load(cls, path: Path) -> "Tape":
        """Read a tape; a file that is none is a UserError."""
        try:
            with safe_open(path, "np") as file:
                header = json.loads(file.metadata()["tape"])
                return cls(header["world"], header["settings"], header["seed"], file.get_tensor("actions"))
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            raise UserError(f"{path} is not a tape; record one with Poise and give its path") from None

    def make_world(self, render_mode: str | None = None, **overrides: Any) -> World:
        """The tape's world; overrides such as width change how it looks, not what happens."""
        return make_world(self.world, {**self.settings, **overrides}, render_mode)

    def replay(self, world: World) -> Iterator[Moment]:
        """The episode again, moment by moment; it ends where the tape ends."""
        actions = iter(self.actions)
        moments = episode(world, lambda _: next(actions)[None], self.seed)
        for _ in range(len(self.actions) + 1):
            yield next(moments)


def tape_of(world_id: str, settings: Mapping[str, Any], seed: int, moments: list[Moment]) -> Tape:
    """The tape of an episode that was just lived."""
    return Tape(world_id, settings, seed, np.array([moment.action for moment in moments if moment.action is not None]))
