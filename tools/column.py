"""The column beside a playground's picture: numbers at its top, sliders at its bottom, live plots in what is left."""

import pygame

from toolkit.window import Window
from tools.captions import notes
from tools.dials import dials
from tools.live_plots import LivePlots
from tools.live_world import LiveWorld
from tools.sliders import Sliders


class Column:
    """What is shown beside the picture of a live world."""

    def __init__(self, live: LiveWorld) -> None:
        self.live, self.sliders, self.plots = live, Sliders(dials(live)), LivePlots(live)

    def draw(self, window: Window, frames: float) -> None:
        """Draw all of it; `frames` are shown in a second."""
        box, line = window.column, window.line
        notes_end = window.beside([*notes(self.live, frames), ("h", "all keys")], 0.0).bottom
        inner = box.inflate(-line, -line)
        high = self.sliders.height(line)
        self.sliders.draw(window.surface, pygame.Rect(inner.left, inner.bottom - high, inner.width, high), window.letters)
        top = notes_end + line // 2
        room = pygame.Rect(inner.left, top, inner.width, inner.bottom - high - line // 2 - top)
        self.plots.draw(window.surface, room, window.letters)
