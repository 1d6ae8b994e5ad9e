"""Perturbations of a live environment: mouse drag, balls, wind, pushes and changed settings."""

from dataclasses import dataclass, field

import numpy as np

from poise.toolkit.environment import BaseEnvironment
from poise.toolkit.interaction import Grab, ImagePoint, Interaction

PUSH_INTERVAL = 2.0
"""Mean time between two random pushes (s)."""


@dataclass
class ExternalForces:
    """Wind and random pushes, each with a switch and a strength."""

    wind_acceleration: float = 0.1
    """Acceleration of all bodies, to the right of the image if positive (m/s2)."""
    push_speed: float = 0.1
    """Speed that the impulse of a push would add if all bodies shared it (m/s)."""
    has_wind: bool = False
    has_pushes: bool = False
    rng: np.random.Generator = field(default_factory=np.random.default_rng)

    def start_episode(self, seed: int) -> None:
        """Seed the pushes: the same seed gives the same pushes."""
        self.rng = np.random.default_rng(seed)

    def apply(self, interaction: Interaction, seconds: float) -> str:
        """Apply wind and pushes for one step of `seconds`; return the name of what acted, or ""."""
        applied = ""
        if self.has_wind:
            interaction.push_all(self.wind_acceleration * seconds)
            applied = "wind"
        if self.has_pushes and self.rng.random() < seconds / PUSH_INTERVAL:
            interaction.push_random(self.push_speed, self.rng)
            applied = "push"
        return applied

    def toggle_wind(self) -> None:
        """Turn the wind on or off."""
        self.has_wind = not self.has_wind

    def toggle_pushes(self) -> None:
        """Turn the random pushes on or off."""
        self.has_pushes = not self.has_pushes


@dataclass
class MouseDrag:
    """A spring between the grabbed point of a body and the cursor."""

    grab: Grab
    cursor: ImagePoint

    def pull(self) -> None:
        """Pull the body towards the cursor for one step of the environment."""
        self.grab.pull(self.cursor)

    def get_endpoints(self) -> tuple[ImagePoint, ImagePoint]:
        """Return the grabbed point and the cursor in the image."""
        return self.grab.position(), self.cursor


class Perturbations:
    """All perturbations of one environment; without effect where it offers no interaction."""

    def __init__(self, poise_env: BaseEnvironment | None) -> None:
        self.poise_env = poise_env
        self.external_forces = ExternalForces()
        self.changed_settings: dict[str, float] = {}
        """Settings changed by the sliders; they keep their values in later episodes."""
        self.perturbed_by = ""
        """Last perturbation of the episode; "" while seed and actions alone reproduce it."""
        self.drag: MouseDrag | None = None

    def start_episode(self, seed: int) -> None:
        """Begin an unperturbed episode."""
        self.perturbed_by = ""
        self.drag = None
        self.external_forces.start_episode(seed)

    @property
    def interaction(self) -> Interaction | None:
        """The interaction that the environment offers, if any."""
        return self.poise_env.interaction() if self.poise_env is not None else None

    @property
    def can_throw(self) -> bool:
        """Whether balls can be thrown."""
        return bool(self.interaction and self.interaction.CAN_THROW)

    def grab(self, cursor: ImagePoint) -> None:
        """Grab the body at a point of the image, if there is one."""
        if self.interaction and (grab := self.interaction.grab(cursor)):
            self.drag = MouseDrag(grab, cursor)

    def release(self) -> None:
        """Release the grabbed body."""
        if self.drag is not None:
            self.drag.grab.release()
            self.drag = None

    def throw_ball(self, cursor: ImagePoint) -> None:
        """Throw a ball at a point of the image."""
        if self.interaction and self.interaction.CAN_THROW:
            self.interaction.throw_ball(cursor)
            self.perturbed_by = "ball"

    def set_parameter(self, name: str, value: float) -> None:
        """Change a setting of the environment at once."""
        if self.interaction:
            self.interaction.set_parameter(name, value)
            self.changed_settings[name] = value
            self.perturbed_by = f"changed {name.replace('_', ' ')}"

    def apply(self, seconds: float) -> None:
        """Apply drag, wind and pushes for one step of the environment, of `seconds`."""
        if self.drag is not None:
            self.drag.pull()
            self.perturbed_by = "mouse"
        has_forces = self.external_forces.has_wind or self.external_forces.has_pushes
        if has_forces and self.interaction:
            applied = self.external_forces.apply(self.interaction, seconds)
            self.perturbed_by = applied or self.perturbed_by
