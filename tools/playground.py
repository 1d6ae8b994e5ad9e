"""The playground: a window in which a run's policy acts and is pushed about, or a person takes the controls."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gymnasium
import pygame

from toolkit.errors import UserError, WorkError, unknown
from toolkit.registry import our_ids, resolve, short_name
from toolkit.run import NAME, Run
from toolkit.window import Window
from tools.captions import notes, steering
from tools.controls import Policy
from tools.live_world import LiveWorld
from tools.record_run import drawable_world

MOST_FRAMES = 60
"""Pictures in a second that are enough for the eye; a world that steps more often makes several steps in one."""


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
    """Open a window on `what`: a run, whose policy acts, or a world, in which the person does."""
    run = find_run(what, runs)
    if run is None and checkpoint is not None:
        raise UserError(f"--checkpoint goes with a run, and {what!r} is none in {runs}")
    world_id = run.config["world"] if run else find_world(what, runs)
    settings = {**(run.config["world_settings"] if run else {}), **world_settings}
    looks = {"hud": True, **({"width": size, "height": size} if size else {}), **world_settings}
    window = Window(f"Poise: {run.path.name if run else short_name(world_id)}", column=True)
    world = drawable_world(world_id, settings, looks)
    Playground(window, LiveWorld(world, Policy(run, checkpoint) if run else None, speed, seed)).run()


def find_run(what: str, runs: Path) -> Run | None:
    """The run that `what` names or whose folder it is; None where there is none."""
    places = [Path(what), *([runs / what] if NAME.fullmatch(what) else [])]
    return Run.open(runs, what) if any((place / "config.json").is_file() for place in places) else None


def find_world(what: str, runs: Path) -> str:
    """The id of the world that `what` means; the error names the nearest world or run."""
    try:
        return resolve(what)
    except UserError:
        known = [*map(short_name, our_ids()), *(found.parent.name for found in runs.glob("*/config.json"))]
        # Other people's ids are too many to list, and only near ones help.
        raise unknown("world or run", what, [*known, *(gymnasium.registry if "-v" in what else ())]) from None


class Playground:
    """A live world in a window. `frame` is one turn of its loop; `run` turns until the person leaves."""

    def __init__(self, window: Window, live: LiveWorld) -> None:
        self.window, self.live = window, live
        self.commands: dict[tuple[str, ...], tuple[str, Callable[[], None]]] = {
            ("space",): ("pause, go on", self.pause),
            (".", "n"): ("one step, while paused", live.step_once),
            ("s",): ("slow motion", live.slow_down),
            **({("c",): ("next checkpoint", self.next_checkpoint)} if live.policy else {}),
            ("r",): ("new episode, next seed", live.begin_next),
            ("h",): ("hide this help", self.toggle_help),
            ("q", "escape"): ("leave", self.leave),
        }
        self.open = self.help = True
        self.notice = "press space to begin" if live.paused else ""

    def run(self) -> None:
        """Play until the person leaves."""
        try:
            while self.open:
                self.frame(self.window.wait(min(MOST_FRAMES, self.live.rate)))
        finally:
            self.live.world.close()
            self.window.close()

    def frame(self, seconds: float) -> None:
        """Hear the person, let `seconds` of real time pass, show the world."""
        for event in self.window.events():
            self.hear(event)
        self.live.pass_time(seconds)
        self.show()

    def show(self) -> None:
        """Show the world, and over it and beside it what the person should know."""
        live, window = self.live, self.window
        window.begin(live.picture())
        if live.band is not None:
            window.band(*live.band.ends())
        if told := live.verdict or self.notice:
            window.note(told, 0.5, 0.16)
        window.beside(notes(live), 0.0)
        commands = [(" or ".join(keys), meaning) for keys, (meaning, _) in self.commands.items()]
        window.beside([*commands, *steering(live)] if self.help else [("h", "help")], 1.0)
        window.finish()

    def hear(self, event: Any) -> None:
        """Do what an event of the window asks for."""
        match event.type:
            case pygame.KEYDOWN:
                key = pygame.key.name(event.key)
                self.live.controls.press(key)
                for keys, (_, do) in self.commands.items():
                    if key in keys:
                        do()
            case pygame.KEYUP:
                self.live.controls.release(pygame.key.name(event.key))
            case pygame.MOUSEBUTTONDOWN if event.button == pygame.BUTTON_LEFT:
                self.live.grab(self.window.fraction(event.pos))
            case pygame.MOUSEMOTION if self.live.band is not None:
                self.live.band.cursor = self.window.fraction(event.pos)
            case pygame.MOUSEMOTION if event.buttons[2]:
                self.live.look(*self.window.fraction(event.rel))
            case pygame.MOUSEWHEEL:
                self.live.look(notches=event.y)
            case pygame.MOUSEBUTTONUP if event.button == pygame.BUTTON_LEFT:
                self.live.band = None
            case pygame.WINDOWFOCUSLOST:
                self.live.controls.release_all()
                self.live.band = None
            case pygame.QUIT:
                self.leave()

    # The commands.

    def pause(self) -> None:
        """Stop time, or let it go on; whoever goes on has read what was told."""
        self.live.paused = not self.live.paused
        self.notice = ""

    def next_checkpoint(self) -> None:
        """Let the run's next checkpoint act; one that cannot be read leaves the present one acting."""
        self.notice = ""
        try:
            if self.live.policy is not None:
                self.live.policy.next()
        except (UserError, WorkError) as error:
            self.notice = str(error)

    def toggle_help(self) -> None:
        """Show the keys, or hide them."""
        self.help = not self.help

    def leave(self) -> None:
        """End the loop."""
        self.open = False
