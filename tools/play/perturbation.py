"""What disturbs a live environment: the mouse on a rubber band, balls, weather, and settings that are turned."""

from dataclasses import dataclass, field

import numpy as np

from poise.toolkit.environment import BaseEnvironment
from poise.toolkit.interaction import Grab, ImagePoint, Interaction

PUSH_INTERVAL = 2.0
"""Time from one push to the next, in the mean (s)."""


@dataclass
class ExternalForces:
    """What blows, and what pushes; a switch and a strength for each."""

    wind_acceleration: float = 0.1
    """How much faster it makes all bodies in a second, to the right where positive (m/s2)."""
    push_speed: float = 0.1
    """What a push could make all bodies faster by; it goes to one (m/s)."""
    has_wind: bool = False
    has_pushes: bool = False
    rng: np.random.Generator = field(default_factory=np.random.default_rng)

    def start_episode(self, seed: int) -> None:
        """Begin with an episode: the same seed, the same pushes."""
        self.rng = np.random.default_rng(seed)

    def apply(self, interaction: Interaction, seconds: float) -> str:
        """Blow and push for so long; what was done, in a word, or nothing."""
        told = ""
        if self.has_wind:
            interaction.push_all(self.wind_acceleration * seconds)
            told = "the wind"
        if self.has_pushes and self.rng.random() < seconds / PUSH_INTERVAL:
            interaction.push_random(self.push_speed, self.rng)
            told = "a push"
        return told

    def toggle_wind(self) -> None:
        """Let the wind blow, or lie."""
        self.has_wind = not self.has_wind

    def toggle_pushes(self) -> None:
        """Begin to push, or stop."""
        self.has_pushes = not self.has_pushes


@dataclass
class MouseDrag:
    """A rubber band from a hold on a body to where the mouse is."""

    grab: Grab
    cursor: ImagePoint

    def pull(self) -> None:
        """Pull for one step of the environment."""
        self.grab.pull(self.cursor)

    def get_endpoints(self) -> tuple[ImagePoint, ImagePoint]:
        """The body and the mouse in the picture."""
        return self.grab.position(), self.cursor


class Perturbations:
    """All that a person does to an environment besides acting in it; nothing in an environment that has no hands for it."""

    def __init__(self, poise_env: BaseEnvironment | None) -> None:
        self.poise_env = poise_env
        self.external_forces = ExternalForces()
        self.changed_settings: dict[str, float] = {}
        """Settings as they were turned last; they hold in later episodes too."""

    def start_episode(self, seed: int) -> None:
        """An episode begins, undisturbed."""
        self.perturbed_by = ""
        """What has disturbed the episode; nothing where its seed and actions still tell all of it."""
        self.drag: MouseDrag | None = None
        self.external_forces.start_episode(seed)

    @property
    def interaction(self) -> Interaction | None:
        """What the environment gives to a person, if anything."""
        return self.poise_env.interaction() if self.poise_env is not None else None

    @property
    def can_throw(self) -> bool:
        """Whether balls can be thrown."""
        return bool(self.interaction and self.interaction.CAN_THROW)

    def grab(self, cursor: ImagePoint) -> None:
        """Take hold of the body at a place of the picture."""
        if self.interaction and (hold := self.interaction.grab(cursor)):
            self.drag = MouseDrag(hold, cursor)

    def release(self) -> None:
        """Hold nothing any more."""
        if self.drag is not None:
            self.drag.grab.release()
            self.drag = None

    def throw_ball(self, cursor: ImagePoint) -> None:
        """Throw a ball at a place of the picture."""
        if self.interaction and self.interaction.CAN_THROW:
            self.interaction.throw_ball(cursor)
            self.perturbed_by = "a ball"

    def set_parameter(self, name: str, value: float) -> None:
        """Give a setting of the environment another value, at once."""
        if self.interaction:
            self.interaction.set_parameter(name, value)
            self.changed_settings[name] = value
            self.perturbed_by = f"another {name.replace('_', ' ')}"

    def apply(self, seconds: float) -> None:
        """Pull, blow and push for one step of the environment, which takes so long."""
        if self.drag is not None:
            self.drag.pull()
            self.perturbed_by = "the mouse"
        if (self.external_forces.has_wind or self.external_forces.has_pushes) and self.interaction:
            self.perturbed_by = (
                self.external_forces.apply(self.interaction, seconds) or self.perturbed_by
            )
