"""A live world: episodes that follow one another in real time, in which policy and person act, and which may be disturbed."""

from typing import Any

import numpy as np

from toolkit.hands import Place
from toolkit.registry import World, as_ours
from toolkit.signals import Array
from tools.controls import Controls, Policy, action_of, action_size, shared
from tools.disturbance import Disturbance
from tools.live_picture import LivePicture
from tools.live_tape import LiveTape
from tools.record_run import frame_rate
from tools.score import Score

SLOW = 0.25
VERDICT = 1.5
"""How long an ended episode stays, so that one can read why it ended (s)."""
YOU, POLICY = "you", "policy"
HICCUP = 0.1
"""The longest real time that is made up for at once (s): where a machine is slower, so is the world."""


class LiveWorld:
    """A world, who acts in it and how its time goes. The person's keys have a `share` in a policy's actions, or all of it."""

    def __init__(
        self,
        world: World,
        policy: Policy | None = None,
        speed: float = 1.0,
        seed: int = 0,
        drawing: LivePicture | None = None,
        tape: LiveTape | None = None,
    ) -> None:
        size = action_size(world.action_space)
        self.world, self.policy, self.speed = world, policy, speed
        self.ours = as_ours(world)
        self.rate = frame_rate(world)
        self.actor, self.share = YOU, 0.0 if policy else 1.0
        self.controls, self.disturbance, self.score = Controls(size), Disturbance(self.ours), Score()
        self.drawing, self.tape = drawing or LivePicture(world), tape or LiveTape()
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
        self.disturbance.begin(seed)
        self.tape.begin(seed, self.disturbance.turned, self.observation)
        self.score.begin()
        self._due, self._told = 0.0, 0.0
        self._picture: Array | None = None

    def begin_next(self) -> None:
        """Begin the episode of the next seed."""
        self.begin(self.seed + 1)

    def begin_again(self) -> None:
        """Begin the same episode again."""
        self.begin(self.seed)

    def step_once(self) -> None:
        """One step, while time stands still."""
        if self.paused:
            self.step()

    def slow_down(self) -> None:
        """Slow motion, or full speed again."""
        self.slow = not self.slow

    def take_over(self) -> None:
        """Take the controls from the policy, or give them back."""
        self.share = 0.0 if self.share > 0.5 else 1.0

    def picture(self) -> Array:
        """The world now, (H, W, 3) uint8; drawn again only when it has moved, or sharply, once it stands still."""
        if self._picture is None or (self.paused and self.drawing.coarse):
            self._picture = self.drawing.draw(sharp=self._picture is not None)
        return self._picture

    def grab(self, cursor: Place) -> None:
        """Take hold of the body at a place of the picture."""
        if not self.verdict and 0.0 <= min(cursor) <= max(cursor) <= 1.0:
            self.disturbance.grab(cursor)

    def throw(self, cursor: Place) -> None:
        """Throw a ball at a place of the picture."""
        if not self.verdict:
            self.disturbance.throw(cursor)
            self._picture = None

    def turn(self, name: str, value: float) -> None:
        """Give a setting of the world another value, at once."""
        self.disturbance.turn(name, value)
        self._picture = None

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
        """One step: policy and person act, and what disturbs the world does. After an episode's last, the next one."""
        if self.verdict:
            self.begin_next()
            return
        self.disturbance.act(1.0 / self.rate)
        action = self._act()
        self.observation, reward, terminated, truncated, info = self.world.step(action)
        self.tape.add(self.observation, action)
        self.action = np.atleast_1d(action)
        self._picture = None
        self.steps += 1
        self.reward = float(reward)
        self.total += self.reward
        who = self.actor if self.policy is None or self.share > 0.5 else POLICY
        self.score.step(who, 1.0 / self.rate, self.reward, fell=bool(terminated))
        if terminated or truncated:
            self.verdict = f"failed: {info['failure']}" if "failure" in info else "ended" if terminated else "time is up"
            self.disturbance.let_go()

    def _act(self) -> Any:
        """What the policy and the person, each with a share, do now."""
        person = action_of(self.controls.effort, self.world.action_space)
        if self.policy is None or self.share == 1.0:
            return person
        own = self.policy.act(self.observation)
        return shared(own, person, self.share, self.world.action_space) if self.share else own
