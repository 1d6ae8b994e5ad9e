"""Weather: what disturbs a live world of its own accord, wind and pushes by chance."""

from dataclasses import dataclass, field

import numpy as np

from toolkit.hands import Hands

EVERY = 2.0
"""Time from one push to the next, in the mean (s)."""


@dataclass
class Weather:
    """What blows, and what pushes; a switch and a strength for each."""

    wind: float = 0.1
    """How much faster it makes all bodies in a second, to the right where positive (m/s2)."""
    push: float = 0.1
    """What a push could make all bodies faster by; it goes to one (m/s)."""
    windy: bool = False
    pushy: bool = False
    chance: np.random.Generator = field(default_factory=np.random.default_rng)

    def begin(self, seed: int) -> None:
        """Begin with an episode: the same seed, the same pushes."""
        self.chance = np.random.default_rng(seed)

    def act(self, hands: Hands, seconds: float) -> str:
        """Blow and push for so long; what was done, in a word, or nothing."""
        told = ""
        if self.windy:
            hands.blow(self.wind * seconds)
            told = "the wind"
        if self.pushy and self.chance.random() < seconds / EVERY:
            hands.bump(self.push, self.chance)
            told = "a push"
        return told

    def switch_wind(self) -> None:
        """Let the wind blow, or lie."""
        self.windy = not self.windy

    def switch_pushes(self) -> None:
        """Begin to push, or stop."""
        self.pushy = not self.pushy
