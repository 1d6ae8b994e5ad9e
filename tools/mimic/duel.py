"""A duel: two robots face to face. One is led; the other sees its picture, and copies it as a mirror does."""

import time
from pathlib import Path
from typing import Any

import numpy as np
from poise.toolkit.errors import UserError
from poise.toolkit.evaluation import EVALUATION_SEED
from poise.toolkit.interaction import Hold, Place
from poise.toolkit.media.video import recorder
from poise.toolkit.media.window import Window
from poise.toolkit.pose_task import Away
from poise.toolkit.registry import World, as_ours
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array
from poise.tools.mimic.mimic import Mimic
from poise.tools.mimic.robot import side_by_side
from poise.tools.mimic.targets import Led
from poise.tools.play.actors import Policy
from poise.tools.play.playground import Playground
from poise.tools.play.session import LiveWorld
from poise.tools.record.record_run import drawable_world
from poise.tools.translate.load import translation_config

BEGIN = 1.0
"""How long the follower has to come from where it began, before its errors count (s)."""


class Duel(LiveWorld):
    """A live world whose body is the leader, and a robot that sees no more of it than the translator's picture.

    A mirror stands between the two: x = 0 in the plane, and in space y = 0, where bodies are symmetric, with the right
    arm for the left. The follower's camera and light are mirrored too; so one picture is the other's reflection from
    wherever one looks. What is mirrored is the pose that was read, and not the picture before it is: flipped, a picture
    of a world in space has floor, light and body where no translator has seen them.
    """

    def __init__(self, world: World, eye: World, mimic: Mimic, policy: Policy | None, size: int, seed: int) -> None:
        self.mimic, self.size, self.frame_time = mimic, size, 0.0
        self.body: Any = as_ours(world)
        self.eye: Any = as_ours(eye)
        super().__init__(world, policy, seed=seed)
        self.paused = False
        if isinstance(world, Led):
            self.actor, self.disturbance.ours = "a smooth path", None

    def begin(self, seed: int) -> None:
        """Both begin the episode of a seed, each in a pose of its own."""
        super().begin(seed)
        self.mimic.begin(EVALUATION_SEED + seed)
        self.eye.reset(seed=seed)
        self.away, self.judged, self._sum = Away(0.0, 0.0), 0, np.zeros(2)

    def mean(self) -> Away:
        """How far the follower was from the leader's reflection, in the mean of all steps that count."""
        return Away(*(self._sum / max(1, self.judged)).tolist())

    def pass_time(self, seconds: float) -> None:
        """Let `seconds` of real time pass: as long as the last frame took."""
        self.frame_time += (0.1 if self.frame_time else 1.0) * (seconds - self.frame_time)
        super().pass_time(seconds)

    def step(self) -> None:
        """The leader moves; the follower looks, and moves."""
        super().step()
        self.eye.put(np.array(self.body.angles))
        seen = self.mimic.read(np.asarray(self.eye.render()))
        self.mimic.keep_up_with(self.mirrored(seen), 1.0 / self.rate)
        self.mimic.step()
        self.away = self.mimic.ours.task.away(self.mimic.pose, self.mirrored(self.observation[self.mimic.place]))
        if self.steps > BEGIN * self.rate:
            self.judged, self._sum = self.judged + 1, self._sum + self.away

    def mirrored(self, pose: Array) -> Array:
        """The pose that a mirror shows of a pose."""
        points = np.array(self.mimic.ours.task.points(pose))
        points[:, 1 if self._camera() else 0] *= -1.0
        arms = np.split(points, self.mimic.ours.task.arms)
        return np.concatenate(arms[::-1]).ravel().astype(np.float32)

    def picture(self) -> Array:
        """Leader and follower, side by side."""
        if self._picture is None:
            if camera := self._camera():
                self.mimic.ours.camera.reflect(camera)
                self.mimic.ours.look = self.body.look.reflected()
            leader, away = self.policy.run.path.name if self.policy else self.actor, self.away
            frames = f"; {1.0 / self.frame_time:.0f} frames/s" if self.frame_time else ""
            told = f"{1000 * away.metres:.0f} mm, {away.degrees:.0f}° away{frames}"
            pictures = np.asarray(self.world.render()), np.asarray(self.mimic.world.render())
            self._picture = side_by_side(pictures, (f"led by {leader}", told), self.size)
        return self._picture

    def look(self, right: float = 0.0, down: float = 0.0, notches: float = 0.0) -> None:
        """Turn both scenes; the leader's picture is half as wide as both."""
        super().look(2.0 * right, down, notches)

    def grab(self, cursor: Place) -> None:
        """Take hold of the leader."""
        super().grab((2.0 * cursor[0], cursor[1]))
        if band := self.disturbance.band:
            band.hold, band.cursor = LeftHalf(band.hold), cursor

    def close(self) -> None:
        """Close all three worlds."""
        for world in (self.world, self.mimic.world, self.eye):
            world.close()

    def _camera(self) -> Any:
        return getattr(self.ours, "camera", None)


class LeftHalf:
    """A hold in a picture of which the world's own is the left half (toolkit/hands.py)."""

    def __init__(self, hold: Hold) -> None:
        self.hold = hold

    def place(self) -> Place:
        """Where the held point is seen."""
        x, y = self.hold.place()
        return x / 2.0, y

    def pull(self, to: Place) -> None:
        """Pull it towards a place of the wide picture."""
        self.hold.pull((2.0 * to[0], to[1]))

    def let_go(self) -> None:
        """Hold it no longer."""
        self.hold.let_go()


FILM_RATE = 25
"""Frames in a second of a film."""


SHARP = 240
"""Pixels, in height and width, of what is drawn in space, where drawing takes the time: larger pictures are blown up."""


def show_duel(
    policy: str,
    *,
    translator: str | None,
    by: str | None,
    out: Path | None,
    seconds: float | None,
    size: int,
    seed: int,
    runs_dir: Path,
) -> str:
    """Open a window on a duel until the person leaves, or film it; how well the leader was copied, in a line."""
    by = by or ("policy" if out else "keys")
    if out and by == "keys":
        raise UserError("keys need the window: leave --out away, or film --by policy or --by trajectory")
    if seconds and not out:
        raise UserError("--seconds is how long a film lasts: it goes with --out")
    mover, reader = Run.open(runs_dir, policy), Run.open(runs_dir, translator or policy)
    window = None if out else Window("Poise: duel", column=True)
    duel = prepare(mover, reader, by, size, seed)
    speed = ""
    try:
        if window is not None:
            Playground(window, duel).run()
        elif out is not None:
            speed = f", made at {film(duel, out, seconds or 10.0):.0f} frames a second: {out}"
    finally:
        duel.close()
    metres, degrees = duel.mean()
    return f"copied for {duel.judged / duel.rate:.1f} s, {1000 * metres:.1f} mm and {degrees:.1f} degrees away in the mean{speed}"


def prepare(mover: Run, reader: Run, by: str, size: int, seed: int) -> Duel:
    """A duel about to begin: the leader moved `by` keys, policy or trajectory."""
    config = translation_config(reader)
    world_id, settings = config["world"], config["world_settings"]
    eye = drawable_world(world_id, settings, {})
    in_space = hasattr(as_ours(eye), "camera")
    drawn, looks = (min(size, SHARP), {"shadows": False}) if in_space else (size, {})
    mimic = Mimic(mover, reader, drawn, **looks)
    endless = {"width": drawn, "height": drawn, "markers": False, "max_episode_steps": -1, **looks}
    leader = drawable_world(world_id, settings, endless)
    policy = Policy(mover) if by == "policy" else None
    return Duel(Led(leader) if by == "trajectory" else leader, eye, mimic, policy, size, seed)


def film(duel: Duel, path: Path, seconds: float) -> float:
    """Film a duel; how many frames a second were made, their drawing and writing included."""
    began, frames = time.perf_counter(), max(1, round(seconds * FILM_RATE))
    with recorder(path, FILM_RATE) as out:
        for _ in range(frames):
            duel.pass_time(1.0 / FILM_RATE)
            out.add(duel.picture())
    return frames / (time.perf_counter() - began)
