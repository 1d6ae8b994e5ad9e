"""The playground: a window on a live world, in which it is watched, steered, disturbed and filmed."""

from pathlib import Path
from typing import Any

import pygame

from toolkit.errors import UserError, WorkError
from toolkit.hud import draw_band
from toolkit.window import Window
from tools.bindings import bindings
from tools.captions import steering
from tools.column import Column
from tools.keepsakes import Keepsakes
from tools.live_world import LiveWorld
from tools.mouse import Mouse

MOST_FRAMES = 60
"""Pictures in a second that are enough for the eye; a world that steps more often makes several steps in one."""
TOLD = 4.0
"""How long a notice stays (s)."""


class Playground:
    """A live world in a window. `frame` is one turn of its loop; `run` turns until the person leaves. Films go to `folder`."""

    def __init__(self, window: Window, live: LiveWorld, folder: Path = Path()) -> None:
        self.window, self.live = window, live
        self.column, self.keepsakes = Column(live), Keepsakes(folder)
        self.mouse = Mouse(window, live, self.column.sliders)
        self.bindings = bindings(self)
        self.open, self.help = True, live.paused
        self.frames, self.seconds, self.slowest, self.frame_time = 0, 0.0, 0.0, 0.02
        """How many frames were shown, for how long, and how long one took at most (s)."""
        self.kept: list[str] = []
        """A line for each film and tape that was written, or could not be."""
        self.tell("press space to begin" if live.paused else "")

    def run(self, seconds: float | None = None) -> None:
        """Play until the person leaves, or for so many `seconds`."""
        try:
            self.frame(0.0)
            self.window.wait(MOST_FRAMES)  # Opening the window took its time.
            while self.open and (seconds is None or self.seconds < seconds):
                self.frame(self.window.wait(min(MOST_FRAMES, self.live.rate)))
        finally:
            self.live.world.close()
            self.window.close()
            self.kept += self.keepsakes.close()

    def frame(self, seconds: float) -> None:
        """Hear the person, let `seconds` of real time pass, show the world."""
        for event in self.window.events():
            self.hear(event)
        self.live.pass_time(seconds)
        self.seconds += seconds
        self.frames += 1
        self.slowest = max(self.slowest, seconds)
        self.frame_time += 0.05 * (seconds - self.frame_time)
        if news := self.keepsakes.news():
            self.tell(news)
            self.kept.append(news)
        self.column.plots.look()
        self.show(0.0 if self.live.paused else seconds)

    def show(self, seconds: float) -> None:
        """Show the world, over it and beside it what the person should know, and remember it; `seconds` since the last time."""
        live, window = self.live, self.window
        frame = live.picture()
        if (band := live.disturbance.band) is not None:
            frame = draw_band(frame, *band.ends())
        self.keepsakes.see(frame, seconds)
        window.begin(frame)
        for told, y in ((live.verdict, 0.16), (self.notice if self.seconds <= self._until else "", 0.9)):
            if told:
                window.note(told, 0.5, y)
        if self.help:
            keys = [(" or ".join(binding.keys), binding.meaning) for binding in self.bindings]
            window.over([*keys, *self.mouse.rows(), *steering(live)])
            self.column.sliders.hide()
        else:
            self.column.draw(window, 1.0 / max(self.frame_time, 1e-3))
        window.finish()

    def tell(self, notice: str) -> None:
        """Put a line on the picture for a while; before the person has begun, until then."""
        self.notice, self._until = notice, float("inf") if self.live.paused else self.seconds + TOLD

    def hear(self, event: Any) -> None:
        """Do what an event of the window asks for."""
        self.mouse.hear(event)
        match event.type:
            case pygame.KEYDOWN:
                self.press(pygame.key.name(event.key))
            case pygame.KEYUP:
                self.live.controls.release(pygame.key.name(event.key))
            case pygame.WINDOWFOCUSLOST:
                self.live.controls.release_all()
            case pygame.QUIT:
                self.leave()

    def press(self, key: str) -> None:
        """Do what a key is for."""
        self.live.controls.press(key)
        for binding in self.bindings:
            if key in binding.keys:
                binding.do()

    # The commands.

    def pause(self) -> None:
        """Stop time, or let it go on; whoever goes on has read what was told."""
        self.live.paused = not self.live.paused
        self.help = self.help and self.live.paused
        self.notice = ""

    def switch_checkpoint(self, by: int) -> None:
        """Let another of the run's checkpoints act; one that cannot be read leaves the present one acting."""
        try:
            if self.live.policy is not None:
                self.live.policy.switch(by)
                self.tell(f"step {self.live.policy.step:,} acts")
        except (UserError, WorkError) as error:
            self.tell(str(error))

    def keep_film(self) -> None:
        """Write the last seconds as a film."""
        self.tell(self.keepsakes.film())

    def keep_tape(self) -> None:
        """Write the episode as a tape; where none could tell it, say why."""
        try:
            self.tell(self.keepsakes.tape(self.live.tape.cut(self.live.disturbance.by)))
        except UserError as error:
            self.tell(str(error))

    def toggle_help(self) -> None:
        """Show the keys, or hide them."""
        self.help = not self.help

    def leave(self) -> None:
        """End the loop."""
        self.open = False
