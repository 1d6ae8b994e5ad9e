"""Live plots: the last seconds of what a step paid, of the margins to failure and of the action, line by line."""

import math

import numpy as np
import pygame

from toolkit.lettering import PAPER
from toolkit.signals import parts
from tools.live_world import LiveWorld
from tools.strips import SECONDS, Strip
from tools.telling import Told

LOW, HIGH = 1.1, 2.0
"""How high a plot is at least and at most, in heights of letters."""


class LivePlots:
    """A line for each number that a live world tells, as many as there is room for."""

    def __init__(self, live: LiveWorld) -> None:
        self.live, self.strips = live, dict[tuple[str, str], Strip]()
        self._seen = (-1, -1)

    def look(self) -> None:
        """Add what the world tells now, for as many steps as it has made since the last look."""
        live = self.live
        made = live.steps - self._seen[1] if self._seen[0] == live.seed else live.steps + 1
        self._seen = live.seed, live.steps
        for told in self._told() if made else []:
            strip = self.strips.setdefault(told[:2], Strip(told, round(SECONDS * live.rate)))
            for _ in range(made):
                strip.add(told)

    def draw(self, surface: pygame.Surface, box: pygame.Rect, letters: int) -> None:
        """Draw those that fit into a box, one below the other, in letters of this height at most."""
        number = min(len(self.strips), int(box.height / LOW / letters))
        if number < 1 or not box.width:
            return
        high = min(box.height // number, round(HIGH * letters))
        pygame.draw.rect(surface, PAPER, (*box.topleft, box.width, high * number))
        for index, strip in enumerate(list(self.strips.values())[:number]):
            strip.draw(surface, pygame.Rect(box.left, box.top + index * high, box.width, high), letters * 4 // 5)

    def _told(self) -> list[Told]:
        live = self.live
        margins = live.ours.margins() if live.ours is not None else {}
        names = [name for name, _ in parts(live.ours.ACTION)] if live.ours is not None else []
        numbers = np.ravel(live.action)
        actions = zip(names or [f"action {index}" for index in range(1, len(numbers) + 1)], numbers, strict=True)
        return [
            Told("reward", "reward", live.reward if live.steps else math.nan),
            *(Told("margin", name, float(margin)) for name, margin in margins.items()),
            *(Told("action", name, float(number)) for name, number in actions),
        ]
