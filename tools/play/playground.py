"""The playground: a window on a live environment, in which it is watched, steered, disturbed and filmed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pygame

from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.interaction import ImagePoint
from poise.toolkit.media.hud import draw_drag_line
from poise.toolkit.media.window import Window
from poise.tools.play.recorder import PlayRecorder
from poise.tools.play.session import PlaySession
from poise.tools.play.side_panel import SidePanel, SliderPanel, make_action_key_rows


class Binding(NamedTuple):
    """Keys, by pygame's names, what they do, in a few words, and what does it."""

    keys: tuple[str, ...]
    description: str
    callback: Callable[[], None]


def make_bindings(playground: "Playground") -> list[Binding]:
    """The table, without what the playground's environment or run has no use for."""
    live = playground.session
    weather = playground.session.perturbations.external_forces
    table = [
        Binding(("space",), "pause, go on", playground.toggle_pause),
        Binding((".", "n"), "one step, while paused", live.step_once),
        Binding(("s",), "slow motion", live.toggle_slow_motion),
        Binding(("r",), "new episode, next seed", live.start_next_episode),
        Binding(("backspace",), "the same episode again", live.restart_episode),
    ]
    if live.policy is not None:
        table += [
            Binding(("tab",), "take over, give back", live.toggle_control),
            Binding(("c", "]"), "next checkpoint", lambda: playground.switch_checkpoint(1)),
            Binding(("[",), "the checkpoint before", lambda: playground.switch_checkpoint(-1)),
        ]
    if live.perturbations.can_throw:
        table.append(Binding(("b",), "throw a ball at the mouse", playground.mouse.throw_ball))
    if live.perturbations.interaction is not None:
        table += [
            Binding(("1",), "wind", weather.toggle_wind),
            Binding(("2",), "pushes by chance", weather.toggle_pushes),
        ]
    table.append(Binding(("m",), "keep the last 10 s as a film", playground.save_video))
    if live.tape.env_id:
        table.append(Binding(("p",), "keep the episode as a tape", playground.save_tape))
    return [
        *table,
        Binding(("h",), "show the keys, or hide them", playground.toggle_help),
        Binding(("q", "escape"), "leave", playground.quit),
    ]


class MouseController:
    """What the mouse does to a live environment, in a window with sliders."""

    def __init__(self, window: Window, session: PlaySession, sliders: SliderPanel) -> None:
        self.window = window
        self.session = session
        self.sliders = sliders
        self.cursor: ImagePoint = (0.5, 0.5)
        """Where it is in the picture."""

    def handle_event(self, event: Any) -> None:
        """Do what an event of the window asks for."""
        match event.type:
            case pygame.MOUSEBUTTONDOWN:
                self._handle_press(event)
            case pygame.MOUSEBUTTONUP if event.button == pygame.BUTTON_LEFT:
                self.release()
            case pygame.MOUSEMOTION:
                self._handle_motion(event)
            case pygame.MOUSEWHEEL:
                self.session.move_camera(zoom_steps=event.y)
            case pygame.WINDOWFOCUSLOST:
                self.release()

    def throw_ball(self) -> None:
        """Throw a ball at where the mouse is."""
        self.session.throw_ball(self.cursor)

    def release(self) -> None:
        """Hold nothing any more, neither body nor slider."""
        self.session.perturbations.release()
        self.sliders.release()

    def make_help_rows(self) -> list[tuple[str, str]]:
        """What it does, for the help."""
        rows = (
            [("mouse", "drag a body, set a slider")]
            if self.session.perturbations.interaction
            else []
        )
        if self.session.perturbations.can_throw:
            rows.append(("right button", "throw a ball; a slider goes back"))
        if hasattr(self.session.poise_env, "camera"):
            rows.append(("right, wheel", "go round, come nearer"))
        return rows

    def _handle_press(self, event: Any) -> None:
        self.cursor = self.window.pixel_to_image(event.pos)
        left, right = event.button == pygame.BUTTON_LEFT, event.button == pygame.BUTTON_RIGHT
        if (left or right) and self.sliders.press(event.pos, reset=right):
            return
        if self.window.image_rect.collidepoint(event.pos):
            if left:
                self.session.grab(self.cursor)
            elif right:
                self.throw_ball()

    def _handle_motion(self, event: Any) -> None:
        self.cursor = self.window.pixel_to_image(event.pos)
        self.sliders.drag(event.pos)
        if (band := self.session.perturbations.drag) is not None:
            band.cursor = self.cursor
        elif event.buttons[2]:
            self.session.move_camera(*self.window.pixel_to_image(event.rel, is_offset=True))


MAX_FRAME_RATE = 60
"""Pictures in a second that are enough for the eye; an environment that steps more often makes several steps in one."""


NOTICE_SECONDS = 4.0
"""How long a notice stays (s)."""


class Playground:
    """A live environment in a window. `frame` is one turn of its loop; `run` turns until the person leaves. Films go to `folder`."""

    def __init__(self, window: Window, session: PlaySession, folder: Path = Path()) -> None:
        self.window = window
        self.session = session
        self.side_panel = SidePanel(session)
        self.recorder = PlayRecorder(folder)
        self.mouse = MouseController(window, session, self.side_panel.sliders)
        self.bindings = make_bindings(self)
        self.is_open = True
        self.is_help_shown = session.is_paused
        self.frame_count = 0
        self.elapsed_seconds = 0.0
        self.max_frame_time = 0.0
        self.mean_frame_time = 0.02
        """How many frames were shown, for how long, and how long one took at most (s)."""
        self.saved_messages: list[str] = []
        """A line for each film and tape that was written, or could not be."""
        self.show_notice("press space to begin" if session.is_paused else "")

    def run(self, seconds: float | None = None) -> None:
        """Play until the person leaves, or for so many `seconds`."""
        try:
            self.run_frame(0.0)
            self.window.tick(MAX_FRAME_RATE)  # Opening the window took its time.
            while self.is_open and (seconds is None or self.elapsed_seconds < seconds):
                self.run_frame(self.window.tick(min(MAX_FRAME_RATE, self.session.rate)))
        finally:
            self.session.env.close()
            self.window.close()
            self.saved_messages += self.recorder.close()

    def run_frame(self, seconds: float) -> None:
        """Hear the person, let `seconds` of real time pass, show the environment."""
        for event in self.window.poll_events():
            self.handle_event(event)
        self.session.advance(seconds)
        self.elapsed_seconds += seconds
        self.frame_count += 1
        self.max_frame_time = max(self.max_frame_time, seconds)
        self.mean_frame_time += 0.05 * (seconds - self.mean_frame_time)
        if news := self.recorder.poll_message():
            self.show_notice(news)
            self.saved_messages.append(news)
        self.side_panel.plots.update()
        self.draw(0.0 if self.session.is_paused else seconds)

    def draw(self, seconds: float) -> None:
        """Show the environment, over it and beside it what the person should know, and remember it; `seconds` since the last time."""
        live = self.session
        window = self.window
        frame = live.get_frame()
        if (band := live.perturbations.drag) is not None:
            frame = draw_drag_line(frame, *band.get_endpoints())
        self.recorder.add_frame(frame, seconds)
        window.begin_frame(frame)
        for told, y in (
            (live.outcome, 0.16),
            (self.notice if self.elapsed_seconds <= self._notice_until else "", 0.9),
        ):
            if told:
                window.draw_notice(told, 0.5, y)
        if self.is_help_shown:
            keys = [(" or ".join(binding.keys), binding.description) for binding in self.bindings]
            window.draw_overlay([*keys, *self.mouse.make_help_rows(), *make_action_key_rows(live)])
            self.side_panel.sliders.hide()
        else:
            self.side_panel.draw(window, 1.0 / max(self.mean_frame_time, 1e-3))
        window.flip()

    def show_notice(self, notice: str) -> None:
        """Put a line on the picture for a while; before the person has begun, until then."""
        self.notice = notice
        self._notice_until = (
            float("inf") if self.session.is_paused else self.elapsed_seconds + NOTICE_SECONDS
        )

    def handle_event(self, event: Any) -> None:
        """Do what an event of the window asks for."""
        self.mouse.handle_event(event)
        match event.type:
            case pygame.KEYDOWN:
                self.handle_key(pygame.key.name(event.key))
            case pygame.KEYUP:
                self.session.keyboard.release(pygame.key.name(event.key))
            case pygame.WINDOWFOCUSLOST:
                self.session.keyboard.release_all()
            case pygame.QUIT:
                self.quit()

    def handle_key(self, key: str) -> None:
        """Do what a key is for."""
        self.session.keyboard.press(key)
        for binding in self.bindings:
            if key in binding.keys:
                binding.callback()

    # The commands.

    def toggle_pause(self) -> None:
        """Stop time, or let it go on; whoever goes on has read what was told."""
        self.session.is_paused = not self.session.is_paused
        self.is_help_shown = self.is_help_shown and self.session.is_paused
        self.notice = ""

    def switch_checkpoint(self, offset: int) -> None:
        """Let another of the run's checkpoints act; one that cannot be read leaves the present one acting."""
        try:
            if self.session.policy is not None:
                self.session.policy.switch_checkpoint(offset)
                self.show_notice(f"step {self.session.policy.training_steps:,} acts")
        except (UserError, WorkError) as error:
            self.show_notice(str(error))

    def save_video(self) -> None:
        """Write the last seconds as a film."""
        self.show_notice(self.recorder.save_video())

    def save_tape(self) -> None:
        """Write the episode as a tape; where none could tell it, say why."""
        try:
            self.show_notice(
                self.recorder.save_tape(
                    self.session.tape.make_tape(self.session.perturbations.perturbed_by)
                )
            )
        except UserError as error:
            self.show_notice(str(error))

    def toggle_help(self) -> None:
        """Show the keys, or hide them."""
        self.is_help_shown = not self.is_help_shown

    def quit(self) -> None:
        """End the loop."""
        self.is_open = False
