"""What disturbs a live world: the mouse on a rubber band, balls, weather, and settings that are turned."""

from dataclasses import dataclass, field

import numpy as np
from poise.toolkit.environment import BaseEnvironment
from poise.toolkit.interaction import Hands, Hold, Place

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


@dataclass
class Band:
    """A rubber band from a hold on a body to where the mouse is."""

    hold: Hold
    cursor: Place

    def pull(self) -> None:
        """Pull for one step of the world."""
        self.hold.pull(self.cursor)

    def ends(self) -> tuple[Place, Place]:
        """The body and the mouse in the picture."""
        return self.hold.place(), self.cursor


class Disturbance:
    """All that a person does to a world besides acting in it; nothing in a world that has no hands for it."""

    def __init__(self, ours: BaseEnvironment | None) -> None:
        self.ours, self.weather = ours, Weather()
        self.turned: dict[str, float] = {}
        """Settings as they were turned last; they hold in later episodes too."""

    def begin(self, seed: int) -> None:
        """An episode begins, undisturbed."""
        self.by = ""
        """What has disturbed the episode; nothing where its seed and actions still tell all of it."""
        self.band: Band | None = None
        self.weather.begin(seed)

    @property
    def hands(self) -> Hands | None:
        """What the world gives to a person, if anything."""
        return self.ours.hands() if self.ours is not None else None

    @property
    def throws(self) -> bool:
        """Whether balls can be thrown."""
        return bool(self.hands and self.hands.THROWS)

    def grab(self, cursor: Place) -> None:
        """Take hold of the body at a place of the picture."""
        if self.hands and (hold := self.hands.grab(cursor)):
            self.band = Band(hold, cursor)

    def let_go(self) -> None:
        """Hold nothing any more."""
        if self.band is not None:
            self.band.hold.let_go()
            self.band = None

    def throw(self, cursor: Place) -> None:
        """Throw a ball at a place of the picture."""
        if self.hands and self.hands.THROWS:
            self.hands.throw(cursor)
            self.by = "a ball"

    def turn(self, name: str, value: float) -> None:
        """Give a setting of the world another value, at once."""
        if self.hands:
            self.hands.turn(name, value)
            self.turned[name] = value
            self.by = f"another {name.replace('_', ' ')}"

    def act(self, seconds: float) -> None:
        """Pull, blow and push for one step of the world, which takes so long."""
        if self.band is not None:
            self.band.pull()
            self.by = "the mouse"
        if (self.weather.windy or self.weather.pushy) and self.hands:
            self.by = self.weather.act(self.hands, seconds) or self.by
