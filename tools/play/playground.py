"""The playground: a window on a live world, in which it is watched, steered, disturbed and filmed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pygame
from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.interaction import Place
from poise.toolkit.media.hud import draw_band
from poise.toolkit.media.window import Window
from poise.tools.play.recorder import Keepsakes
from poise.tools.play.session import LiveWorld
from poise.tools.play.side_panel import Column, Sliders, steering


class Binding(NamedTuple):
    """Keys, by pygame's names, what they do, in a few words, and what does it."""

    keys: tuple[str, ...]
    meaning: str
    do: Callable[[], None]


def bindings(playground: "Playground") -> list[Binding]:
    """The table, without what the playground's world or run has no use for."""
    live, weather = playground.live, playground.live.disturbance.weather
    table = [
        Binding(("space",), "pause, go on", playground.pause),
        Binding((".", "n"), "one step, while paused", live.step_once),
        Binding(("s",), "slow motion", live.slow_down),
        Binding(("r",), "new episode, next seed", live.begin_next),
        Binding(("backspace",), "the same episode again", live.begin_again),
    ]
    if live.policy is not None:
        table += [
            Binding(("tab",), "take over, give back", live.take_over),
            Binding(("c", "]"), "next checkpoint", lambda: playground.switch_checkpoint(1)),
            Binding(("[",), "the checkpoint before", lambda: playground.switch_checkpoint(-1)),
        ]
    if live.disturbance.throws:
        table.append(Binding(("b",), "throw a ball at the mouse", playground.mouse.throw))
    if live.disturbance.hands is not None:
        table += [
            Binding(("1",), "wind", weather.switch_wind),
            Binding(("2",), "pushes by chance", weather.switch_pushes),
        ]
    table.append(Binding(("m",), "keep the last 10 s as a film", playground.keep_film))
    if live.tape.world_id:
        table.append(Binding(("p",), "keep the episode as a tape", playground.keep_tape))
    return [
        *table,
        Binding(("h",), "show the keys, or hide them", playground.toggle_help),
        Binding(("q", "escape"), "leave", playground.leave),
    ]


class Mouse:
    """What the mouse does to a live world, in a window with sliders."""

    def __init__(self, window: Window, live: LiveWorld, sliders: Sliders) -> None:
        self.window, self.live, self.sliders = window, live, sliders
        self.cursor: Place = (0.5, 0.5)
        """Where it is in the picture."""

    def hear(self, event: Any) -> None:
        """Do what an event of the window asks for."""
        match event.type:
            case pygame.MOUSEBUTTONDOWN:
                self._press(event)
            case pygame.MOUSEBUTTONUP if event.button == pygame.BUTTON_LEFT:
                self.let_go()
            case pygame.MOUSEMOTION:
                self._move(event)
            case pygame.MOUSEWHEEL:
                self.live.look(notches=event.y)
            case pygame.WINDOWFOCUSLOST:
                self.let_go()

    def throw(self) -> None:
        """Throw a ball at where the mouse is."""
        self.live.throw(self.cursor)

    def let_go(self) -> None:
        """Hold nothing any more, neither body nor slider."""
        self.live.disturbance.let_go()
        self.sliders.release()

    def rows(self) -> list[tuple[str, str]]:
        """What it does, for the help."""
        rows = [("mouse", "drag a body, set a slider")] if self.live.disturbance.hands else []
        if self.live.disturbance.throws:
            rows.append(("right button", "throw a ball; a slider goes back"))
        if hasattr(self.live.ours, "camera"):
            rows.append(("right, wheel", "go round, come nearer"))
        return rows

    def _press(self, event: Any) -> None:
        self.cursor = self.window.fraction(event.pos)
        left, right = event.button == pygame.BUTTON_LEFT, event.button == pygame.BUTTON_RIGHT
        if (left or right) and self.sliders.press(event.pos, back=right):
            return
        if self.window.picture.collidepoint(event.pos):
            if left:
                self.live.grab(self.cursor)
            elif right:
                self.throw()

    def _move(self, event: Any) -> None:
        self.cursor = self.window.fraction(event.pos)
        self.sliders.drag(event.pos)
        if (band := self.live.disturbance.band) is not None:
            band.cursor = self.cursor
        elif event.buttons[2]:
            self.live.look(*self.window.fraction(event.rel, moved=True))


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
