"""What disturbs a live world: the mouse on a rubber band, balls, weather, and settings that are turned."""

from toolkit.environment import BaseEnvironment
from toolkit.hands import Hands, Place
from tools.controls import Band
from tools.weather import Weather


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
