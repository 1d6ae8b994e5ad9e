"""The mouse in the playground: it drags bodies, throws balls, sets sliders and turns scenes in space."""

from typing import Any

import pygame

from toolkit.hands import Place
from toolkit.window import Window
from tools.live_world import LiveWorld
from tools.sliders import Sliders


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
