"""A live world: episodes that follow one another in real time, in which policy and person act, and which may be disturbed."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from poise.toolkit.errors import UserError
from poise.toolkit.experience import Moment
from poise.toolkit.interaction import Place
from poise.toolkit.media.hud import draw_hud
from poise.toolkit.media.image import resized
from poise.toolkit.registry import World, as_ours
from poise.toolkit.run import versions
from poise.toolkit.spaces import Array
from poise.toolkit.tape import Tape, tape_of
from poise.tools.play.actors import Controls, Policy, action_of, action_size, shared
from poise.tools.play.perturbation import Disturbance
from poise.tools.record.record_run import frame_rate


class LiveTape:
    """What was seen and done since an episode began, in the world of an id with some settings."""

    def __init__(self, world_id: str = "", settings: Mapping[str, Any] | None = None) -> None:
        self.world_id, self.settings = world_id, dict(settings or {})

    def begin(self, seed: int, turned: Mapping[str, float], observation: Array) -> None:
        """An episode begins, with these settings turned."""
        self._seed, self._settings = seed, {**self.settings, **turned}
        self._moments: list[Moment] = []
        self.add(observation, None)

    def add(self, observation: Array, action: Any) -> None:
        """A step was made."""
        self._moments.append(Moment(observation, action, 0.0, False, False, {}))

    def cut(self, disturbed_by: str) -> Tape:
        """The tape up to now; a UserError where something has disturbed the episode, or nobody knows which world it is."""
        if disturbed_by:
            raise UserError(f"no tape: {disturbed_by} disturbed this episode, and a tape knows only seed and actions")
        if not self.world_id or len(self._moments) < 2:
            raise UserError("no tape: there is no episode yet that it could tell")
        return tape_of(self.world_id, self._settings, self._seed, self._moments, versions())


@dataclass
class Tally:
    """What one of them has done."""

    seconds: float = 0.0
    total: float = 0.0
    steps: int = 0
    falls: int = 0
    stretch: float = 0.0
    longest: float = 0.0
    """The longest time without a fall and without a break (s)."""


@dataclass
class Score:
    """A tally for each who has acted, by name. A step, and a fall, is theirs who had more than half of a say in it."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    acting: str = ""

    def step(self, who: str, seconds: float, reward: float, *, fell: bool) -> None:
        """Count a step."""
        tally = self.tallies.setdefault(who, Tally())
        if who != self.acting:
            self.acting, tally.stretch = who, 0.0
        tally.seconds, tally.total, tally.steps = tally.seconds + seconds, tally.total + reward, tally.steps + 1
        tally.stretch += seconds
        tally.longest = max(tally.longest, tally.stretch)
        if fell:
            tally.falls += 1
            tally.stretch = 0.0

    def begin(self) -> None:
        """A new episode is a new stretch."""
        self.acting = ""

    def rows(self) -> list[tuple[str, str]]:
        """The longest time up, falls, and what a step paid in the mean, for each who has acted."""
        rows = []
        for who, tally in self.tallies.items():
            rows += [(f"{who}: best, falls", f"{tally.longest:.1f} s, {tally.falls}")]
            rows += [(f"{who}: reward a step", f"{tally.total / tally.steps:z.2f}")]
        return rows


DUE = 0.012
"""How long a picture in motion may take (s): what is left of a frame is for the policy and the window."""


COARSEST = 0.3
"""The least part of its size in which a world in space is drawn before it is enlarged."""


class LivePicture:
    """Draws a world `size` pixels high, or as high as it draws itself; with a `hud` where the world is ours.

    Pictures of space take long without a graphics card. In motion they are drawn as large as there is time for, and enlarged.
    """

    def __init__(self, world: World, size: int | None = None, *, hud: bool = False) -> None:
        self.world, self.ours, self.size, self.hud = world, as_ours(world), size, hud
        self.part, self.coarse = 1.0, False
        """The part of its size in which there is time to draw it, and whether the last picture was."""

    def draw(self, *, sharp: bool) -> Array:
        """The picture now (H, W, 3) uint8; a sharp one may take its time."""
        frame = self._drawn(sharp)
        wide, high = self._seen(frame)
        if frame.shape[:2] != (high, wide):
            frame = resized(frame, wide, high)
        return draw_hud(frame, self.ours) if self.hud and self.ours is not None else frame

    def _drawn(self, sharp: bool) -> Array:
        camera = getattr(self.ours, "camera", None)
        if camera is None or self.ours is None:
            return np.asarray(self.world.render())
        part = 1.0 if sharp else self.part
        self.coarse = part < 1.0
        camera.width, camera.height = (max(16, round(part * side)) for side in self._full())
        began = time.perf_counter()
        frame = np.asarray(self.world.render())
        took = time.perf_counter() - began
        if not sharp and not 0.5 * DUE < took < 1.5 * DUE:
            self.part = min(1.0, max(COARSEST, part * (DUE / took) ** 0.5))
        return frame

    def _full(self) -> tuple[int, int]:
        assert self.ours is not None
        return self.ours.settings.width, self.ours.settings.height

    def _seen(self, frame: Array) -> tuple[int, int]:
        """Width and height in which the picture is seen."""
        if self.ours is not None:
            return self._full()
        share = self.size / frame.shape[0] if self.size else 1.0
        return round(share * frame.shape[1]), round(share * frame.shape[0])


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
