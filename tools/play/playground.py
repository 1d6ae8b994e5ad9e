"""The playground: a window to watch, control, perturb and film a live environment."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pygame

from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.interaction import ImagePoint
from poise.toolkit.media.hud import BAD, draw_drag_line
from poise.toolkit.media.image import TEXT_COLOUR
from poise.toolkit.media.window import Window
from poise.tools.play.recorder import BUFFER_SECONDS, PlayRecorder
from poise.tools.play.session import PlaySession
from poise.tools.play.side_panel import SidePanel, make_action_key_rows
from poise.tools.play.sliders import SliderPanel

MAX_FRAME_RATE = 60
"""Maximum frame rate of the window (Hz); a faster environment makes several steps per frame."""

MIN_FRAME_RATE = 20
"""Minimum frame rate of the window (Hz); a slower environment shows a step for several frames."""


NOTICE_SECONDS = 4.0
"""Duration of a notice (s)."""


FRAME_TIME_SMOOTHING = 0.05
"""Weight of the newest frame in the moving average of the frame time."""


OUTCOME_HEIGHT = 0.0
NOTICE_HEIGHT = 1.0
"""Positions of two lines over the image, from top (0) to bottom (1), where no body is covered."""


NUM_DIGITS = 10
"""Bodies that have a key: 1 to 9 and 0."""


class Binding(NamedTuple):
    """Keys, by pygame's names, the description in the help, and the command that they run."""

    keys: tuple[str, ...]
    description: str
    callback: Callable[[], None]
    short: str = ""
    """Description in the line of keys below the sliders; those without one are not in it."""


def make_bindings(playground: "Playground") -> list[Binding]:
    """Return the key bindings that apply to the playground's environment and run."""
    session = playground.session
    forces = session.perturbations.external_forces
    bindings = [
        Binding(("space",), "pause / resume", playground.toggle_pause, "pause"),
        Binding((".", "n"), "single step while paused", session.step_once),
        Binding(("s",), "slow motion on / off", session.toggle_slow_motion),
        Binding(("r",), "next episode, next seed", session.start_next_episode, "next"),
        Binding(("backspace",), "restart the episode", session.restart_episode),
    ]
    if session.policy is not None:
        bindings += [
            Binding(("tab",), "take / return control", session.toggle_control, "take over"),
            Binding(("c", "]"), "next checkpoint", lambda: playground.switch_checkpoint(1)),
            Binding(("[",), "previous checkpoint", lambda: playground.switch_checkpoint(-1)),
        ]
    if session.perturbations.can_throw:
        bindings.append(Binding(("b",), "throw a ball at the mouse", playground.mouse.throw_ball))
    if session.perturbations.interaction is not None:
        wind_keys, push_keys = (("f1",), ("f2",)) if playground.bodies else (("1",), ("2",))
        bindings += [
            Binding(wind_keys, "wind on / off", forces.toggle_wind),
            Binding(push_keys, "random pushes on / off", forces.toggle_pushes),
        ]
    for number, body in enumerate(playground.bodies[:NUM_DIGITS], 1):
        choose = partial(playground.choose_body, body)
        bindings.append(Binding((str(number % 10),), body, choose))
    save_video = f"save the last {BUFFER_SECONDS:.0f} s as a video"
    bindings.append(Binding(("m",), save_video, playground.save_video))
    if session.tape.env_id:
        bindings.append(Binding(("p",), "save the episode as a tape", playground.save_tape))
    return [
        *bindings,
        Binding(("h",), "show / hide this help", playground.toggle_help, "help"),
        Binding(("q", "escape"), "quit", playground.quit),
    ]


class MouseController:
    """Apply mouse events to the environment and to the sliders."""

    def __init__(self, window: Window, session: PlaySession, sliders: SliderPanel) -> None:
        self.window = window
        self.session = session
        self.sliders = sliders
        self.cursor: ImagePoint = (0.5, 0.5)
        """Last position in the image."""

    def handle_event(self, event: Any) -> None:
        """Handle an event of the window."""
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
        """Throw a ball at the cursor."""
        self.session.throw_ball(self.cursor)

    def release(self) -> None:
        """Release the grabbed body and the grabbed slider."""
        self.session.perturbations.release()
        self.sliders.release()

    def make_help_rows(self) -> list[tuple[str, str]]:
        """Return the mouse's rows of the help."""
        rows = []
        if self.session.perturbations.interaction:
            rows.append(("left button", "drag a body, set a slider"))
        if self.session.perturbations.can_throw:
            rows.append(("right button", "throw a ball, reset a slider"))
        if hasattr(self.session.poise_env, "camera"):
            rows.append(("right drag, wheel", "orbit, zoom"))
        return rows

    def _handle_press(self, event: Any) -> None:
        self.cursor = self.window.pixel_to_image(event.pos)
        is_left = event.button == pygame.BUTTON_LEFT
        is_right = event.button == pygame.BUTTON_RIGHT
        if (is_left or is_right) and self.sliders.press(event.pos, reset=is_right):
            return
        if self.window.image_rect.collidepoint(event.pos):
            if is_left:
                self.session.grab(self.cursor)
            elif is_right:
                self.throw_ball()

    def _handle_motion(self, event: Any) -> None:
        self.cursor = self.window.pixel_to_image(event.pos)
        self.sliders.drag(event.pos)
        is_right_pressed = event.buttons[2]
        if (drag := self.session.perturbations.drag) is not None:
            drag.cursor = self.cursor
        elif is_right_pressed:
            self.session.move_camera(*self.window.pixel_to_image(event.rel, is_offset=True))


class Playground:
    """Show a live environment in a window until the user quits; save videos and tapes to `folder`.

    `run` loops over `run_frame`: handle events, advance the session, draw.
    """

    def __init__(
        self,
        window: Window,
        session: PlaySession,
        folder: Path = Path(),
        bodies: Sequence[str] = (),
    ) -> None:
        self.window = window
        self.session = session
        self.bodies = bodies
        """Names of other bodies, each of which a number key chooses."""
        self.chosen_body: str | None = None
        """The body that the user chose to see next, if any."""
        self.side_panel = SidePanel(session)
        self.recorder = PlayRecorder(folder)
        self.mouse = MouseController(window, session, self.side_panel.sliders)
        self.bindings = make_bindings(self)
        self.is_open = True
        self.is_help_shown = session.is_paused
        self.frame_count = 0
        self.elapsed_seconds = 0.0
        self.max_frame_time = 0.0
        """Longest time between two frames (s)."""
        self.mean_frame_time = 0.02
        """Moving average of the time between two frames (s)."""
        self.saved_messages: list[str] = []
        """One line for each video or tape: its path, or why it was not saved."""
        self.show_notice("press space to start" if session.is_paused else "")

    def run(self, seconds: float | None = None) -> None:
        """Loop until the user quits or chooses another body, or for `seconds` of real time.

        Afterwards the environment is closed, and the window still open.
        """
        try:
            self.run_frame(0.0)
            # Discard the time that opening the window took.
            self.window.tick(MAX_FRAME_RATE)
            frame_rate = min(MAX_FRAME_RATE, max(MIN_FRAME_RATE, self.session.rate))
            while self.is_open and (seconds is None or self.elapsed_seconds < seconds):
                self.run_frame(self.window.tick(frame_rate))
        finally:
            self.session.env.close()
            self.saved_messages += self.recorder.close()

    def run_frame(self, seconds: float) -> None:
        """Handle events, advance by `seconds` of real time, and draw."""
        for event in self.window.poll_events():
            self.handle_event(event)
        self.session.advance(seconds)
        self.elapsed_seconds += seconds
        self.frame_count += 1
        self.max_frame_time = max(self.max_frame_time, seconds)
        self.mean_frame_time += FRAME_TIME_SMOOTHING * (seconds - self.mean_frame_time)
        if message := self.recorder.poll_message():
            self.show_notice(message)
            self.saved_messages.append(message)
        self.side_panel.plots.update()
        self.draw(0.0 if self.session.is_paused else seconds)

    def draw(self, seconds: float) -> None:
        """Draw the environment, notices and panels; record the frame, `seconds` after the last."""
        frame = self.session.get_frame()
        if (drag := self.session.perturbations.drag) is not None:
            frame = draw_drag_line(frame, *drag.get_endpoints())
        self.recorder.add_frame(frame, seconds)
        self.window.begin_frame(frame)
        if self.session.outcome:
            self._draw_outcome()
        if self.notice and self.elapsed_seconds <= self._notice_until:
            self.window.draw_notice(self.notice, 0.5, NOTICE_HEIGHT)
        if self.is_help_shown:
            self.window.draw_overlay(self._make_help_rows())
            self.side_panel.sliders.hide()
        else:
            frame_rate = 1.0 / max(self.mean_frame_time, 1e-3)
            self.side_panel.draw(self.window, frame_rate, self._describe_keys())
        self.window.flip()

    def _draw_outcome(self) -> None:
        """Draw how the episode ended, a failure in its colour and with its sign."""
        has_failed = self.session.has_failed
        text = f"✕ {self.session.outcome}" if has_failed else self.session.outcome
        colour = BAD if has_failed else TEXT_COLOUR
        self.window.draw_notice(text, 0.5, OUTCOME_HEIGHT, colour, bold=True)

    def show_notice(self, notice: str) -> None:
        """Show a line over the image for NOTICE_SECONDS; while paused, until play resumes."""
        self.notice = notice
        is_paused = self.session.is_paused
        self._notice_until = float("inf") if is_paused else self.elapsed_seconds + NOTICE_SECONDS

    def handle_event(self, event: Any) -> None:
        """Handle an event of the window."""
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
        """Pass a pressed key to the keyboard actor and run its command, if it has one."""
        self.session.keyboard.press(key)
        for binding in self.bindings:
            if key in binding.keys:
                binding.callback()

    # Commands of the keys.

    def toggle_pause(self) -> None:
        """Pause, or resume and hide help and notice."""
        self.session.is_paused = not self.session.is_paused
        self.is_help_shown = self.is_help_shown and self.session.is_paused
        self.notice = ""

    def switch_checkpoint(self, offset: int) -> None:
        """Switch to another checkpoint of the run; keep the present one if it cannot be loaded."""
        policy = self.session.policy
        if policy is None:
            return
        try:
            policy.switch_checkpoint(offset)
            self.show_notice(f"checkpoint: step {policy.training_steps:,}")
        except (UserError, WorkError) as error:
            self.show_notice(str(error))

    def save_video(self) -> None:
        """Save the last seconds as a video."""
        self.show_notice(self.recorder.save_video())

    def save_tape(self) -> None:
        """Save the episode as a tape, or show why a tape cannot reproduce it."""
        try:
            tape = self.session.tape.make_tape(self.session.perturbations.perturbed_by)
            self.show_notice(self.recorder.save_tape(tape))
        except UserError as error:
            self.show_notice(str(error))

    def choose_body(self, name: str) -> None:
        """End the loop, to go on with another body."""
        self.chosen_body = name
        self.is_open = False

    def toggle_help(self) -> None:
        """Show or hide the help."""
        self.is_help_shown = not self.is_help_shown

    def quit(self) -> None:
        """End the loop."""
        self.is_open = False

    def _describe_keys(self) -> str:
        """Return the most used keys in one line."""
        return ", ".join(
            f"{binding.keys[0]}: {binding.short}" for binding in self.bindings if binding.short
        )

    def _make_help_rows(self) -> list[tuple[str, str]]:
        return [
            *((" or ".join(binding.keys), binding.description) for binding in self.bindings),
            *self.mouse.make_help_rows(),
            *make_action_key_rows(self.session),
        ]
