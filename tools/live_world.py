"""A live world: episodes that follow one another in real time, with pause, single step and slow motion."""

import numpy as np

from toolkit.hold import Place
from toolkit.registry import World, as_ours
from toolkit.signals import Array
from tools.controls import Band, Controls, Policy, action_of, action_size
from tools.record_run import frame_rate

SLOW = 0.25
VERDICT = 1.5
"""How long an ended episode stays, so that one can read why it ended (s)."""
YOU = "you"
HICCUP = 0.1
"""The longest real time that is made up for at once (s): where a machine is slower, so is the world."""


class LiveWorld:
    """A world, who acts in it and how its time goes. A run's policy acts; where there is none, the person's keys."""

    def __init__(self, world: World, policy: Policy | None = None, speed: float = 1.0, seed: int = 0) -> None:
        size = action_size(world.action_space)
        self.world, self.policy, self.speed = world, policy, speed
        self.ours = as_ours(world)
        self.rate = frame_rate(world)
        self.actor, self.pullable = YOU, self.ours is not None
        self.controls = Controls(size)
        # A body falls within a second: whoever is to steer it begins when ready.
        self.paused, self.slow = policy is None, False
        self.begin(seed)

    @property
    def pace(self) -> float:
        """How fast the world's time goes."""
        return self.speed * (SLOW if self.slow else 1.0)

    def begin(self, seed: int) -> None:
        """Begin the episode of a seed."""
        self.seed = seed
        self.observation: Array = self.world.reset(seed=seed)[0]
        self.action: Array = np.zeros_like(self.controls.effort)  # one number for each pair of keys
        self.steps, self.reward, self.total = 0, 0.0, 0.0
        self.verdict = ""
        self.band: Band | None = None
        self._due, self._told = 0.0, 0.0
        self._picture: Array | None = None

    def begin_next(self) -> None:
        """Begin the episode of the next seed."""
        self.begin(self.seed + 1)

    def step_once(self) -> None:
        """One step, while time stands still."""
        if self.paused:
            self.step()

    def slow_down(self) -> None:
        """Slow motion, or full speed again."""
        self.slow = not self.slow

    def picture(self) -> Array:
        """The world now, (H, W, 3) uint8; drawn again only when it has moved."""
        if self._picture is None:
            self._picture = np.asarray(self.world.render())
        return self._picture

    def grab(self, cursor: Place) -> None:
        """Take hold of the body at a place of the picture, in a world where that can be done."""
        if self.ours is None or not self.pullable or self.verdict or max(cursor) > 1.0:
            return
        if hold := self.ours.hold_at(*cursor):
            self.band = Band(hold, cursor, self.ours.VIEW, self.ours.CONTROL_RATE)

    def look(self, right: float = 0.0, down: float = 0.0, notches: float = 0.0) -> None:
        """Turn the scene by parts of the picture's width and height, and come nearer; where the world has a camera."""
        if camera := getattr(self.ours, "camera", None):
            camera.orbit(right, down)
            camera.zoom(notches)
            self._picture = None

    def pass_time(self, seconds: float) -> None:
        """Let `seconds` of real time pass: hands move, and the world makes the steps that are due."""
        self.controls.advance(seconds)
        if self.paused:
            return
        seconds = min(seconds, HICCUP)
        if self.verdict:
            self._told += seconds
            if self._told >= VERDICT:
                self.begin_next()
            return
        self._due += seconds * self.rate * self.pace
        while self._due >= 1.0 and not self.verdict:
            self._due -= 1.0
            self.step()

    def step(self) -> None:
        """One step: the policy or the person acts, and the mouse pulls. After an episode's last, the next one."""
        if self.verdict:
            self.begin_next()
            return
        if self.band is not None:
            self.band.pull()
        action = self.policy.act(self.observation) if self.policy else action_of(self.controls.effort, self.world.action_space)
        self.observation, reward, terminated, truncated, info = self.world.step(action)
        self.action = np.atleast_1d(action)
        self._picture = None
        self.steps += 1
        self.reward = float(reward)
        self.total += self.reward
        if terminated or truncated:
            self.verdict = f"failed: {info['failure']}" if "failure" in info else "ended" if terminated else "time is up"
            self.band = None
