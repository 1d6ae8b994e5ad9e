"""The playground: a window in which a run's policy acts and is pushed, or a person takes the controls."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gymnasium
import pygame

import algos
import envs2d  # noqa: F401  (registers the worlds in the plane)
from envs2d.world import PlanarEnvironment
from toolkit.errors import UserError, WorkError, unknown
from toolkit.registry import World, as_ours, our_ids, resolve, short_name
from toolkit.run import NAME, Run
from toolkit.signals import Array
from toolkit.window import Window
from tools.controls import Band, Controls, part_names
from tools.record_run import drawable_world, frame_rate

SLOW = 0.25
VERDICT = 1.5
"""How long the window shows why an episode ended (s)."""
HICCUP = 0.1
"""The longest real time that one frame makes up for (s); beyond it the world waits rather than jumps."""
SHOWN = 6
"""How many numbers of the observation are shown."""


def play(
    what: str,
    runs: Path,
    checkpoint: str | None,
    world_settings: Mapping[str, Any],
    *,
    speed: float = 1.0,
    size: int | None = None,
    seed: int = 0,
) -> None:
    """Open a window on `what`: the policy of a run, or a world under the person's own control."""
    run = _find_run(what, runs)
    if run is None and checkpoint is not None:
        raise UserError(f"--checkpoint goes with a run, and {what!r} is none in {runs}")
    world_id = run.config["world"] if run else _find_world(what, runs)
    settings = {**(run.config["world_settings"] if run else {}), **world_settings}
    looks = {"hud": True, **({"width": size, "height": size} if size else {}), **world_settings}
    window = Window(f"poise: {run.path.name if run else short_name(world_id)}")
    policy = Policy(run, checkpoint) if run else None
    Playground(window, drawable_world(world_id, settings, looks), policy, speed, seed).run()


class Policy:
    """The policy of a run, as one of its checkpoints holds it."""

    def __init__(self, run: Run, checkpoint: str | None = None) -> None:
        self.run = run
        self._take(run.choose(checkpoint).name)

    def next(self) -> None:
        """Take the next checkpoint; after the newest comes the oldest. A run that still trains shows its new ones."""
        names = [path.name for path in self.run.checkpoints()]
        self._take(next((name for name in names if name > self.name), names[0]))

    def act(self, observation: Array) -> Array:
        """The action (A,) for an observation (O,)."""
        action: Array = self.learner.act(observation[None], explore=False)[0]
        return action

    def _take(self, name: str) -> None:
        self.learner = algos.restore(self.run, name.removeprefix("step_"))
        self.name = name


class Playground:
    """One world in a window, in real time. `frame` is one turn of its loop; `run` turns until the person leaves."""

    def __init__(self, window: Window, world: World, policy: Policy | None = None, speed: float = 1.0, seed: int = 0) -> None:
        space = world.action_space
        if not isinstance(space, gymnasium.spaces.Box) or len(space.shape) != 1:
            raise UserError(f"keys steer actions in a flat Box, this world takes {space}")
        self.window, self.world, self.policy, self.speed = window, world, policy, speed
        self.ours = as_ours(world)
        self.rate = frame_rate(world)
        names = part_names(self.ours.ACTION) if self.ours else [f"action {i + 1}" for i in range(space.shape[0])]
        self.controls = Controls(names)
        self.band: Band | None = None
        self.commands: dict[tuple[str, ...], tuple[str, Callable[[], None]]] = {
            ("space",): ("pause and go on", self.toggle_pause),
            (".", "n"): ("one step, while paused", self.single_step),
            ("s",): ("slow motion", self.toggle_slow),
            ("c",): ("next checkpoint", self.next_checkpoint),
            ("r",): ("a new episode, next seed", self.begin),
            ("h",): ("this help", self.toggle_help),
            ("q", "escape"): ("leave", self.leave),
        }
        self.open, self.slow = True, False
        # A body falls within a second: whoever is to steer it reads the keys first.
        self.paused = self.help = policy is None
        self.seed = seed - 1
        self.begin()

    def run(self) -> None:
        """Play until the person leaves."""
        try:
            while self.open:
                self.frame(self.window.wait(min(60, self.rate)))
        finally:
            self.world.close()
            self.window.close()

    def frame(self, seconds: float) -> None:
        """Hear the person, let `seconds` of real time pass, show the world."""
        for event in self.window.events():
            self.hear(event)
        self.controls.advance(seconds)
        if not self.paused:
            self._pass(min(seconds, HICCUP))
        self._show()
