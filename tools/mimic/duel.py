"""A duel: two robots face to face. One is led; the other sees its picture, and copies it as a mirror does."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from poise.toolkit.errors import UserError
from poise.toolkit.evaluation import EVALUATION_SEED
from poise.toolkit.interaction import Grab, ImagePoint
from poise.toolkit.media.video import open_recorder
from poise.toolkit.media.window import Window
from poise.toolkit.pose_task import PoseError
from poise.toolkit.registry import Env, unwrap_poise_env
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array
from poise.tools.mimic.mimic import Mimic
from poise.tools.mimic.robot import draw_side_by_side
from poise.tools.mimic.targets import TrajectoryWrapper
from poise.tools.play.actors import PolicyActor
from poise.tools.play.playground import Playground
from poise.tools.play.session import PlaySession
from poise.tools.record.record_run import make_render_env
from poise.tools.translate.load import get_translator_config

SETTLE_SECONDS = 1.0
"""How long the follower has to come from where it began, before its errors count (s)."""


class Duel(PlaySession):
    """A live environment whose body is the leader, and a robot that sees no more of it than the translator's picture.

    A mirror stands between the two: x = 0 in the plane, and in space y = 0, where bodies are symmetric, with the right
    arm for the left. The follower's camera and light are mirrored too; so one picture is the other's reflection from
    wherever one looks. What is mirrored is the pose that was read, and not the picture before it is: flipped, a picture
    of an environment in space has floor, light and body where no translator has seen them.
    """

    def __init__(
        self,
        env: Env,
        image_env: Env,
        mimic: Mimic,
        policy: PolicyActor | None,
        size: int,
        seed: int,
    ) -> None:
        self.mimic = mimic
        self.size = size
        self.mean_frame_time = 0.0
        self.leader_env: Any = unwrap_poise_env(env)
        self.image_env: Any = unwrap_poise_env(image_env)
        super().__init__(env, policy, seed=seed)
        self.is_paused = False
        if isinstance(env, TrajectoryWrapper):
            self.actor_name = "a smooth path"
            self.perturbations.poise_env = None

    def start_episode(self, seed: int) -> None:
        """Both begin the episode of a seed, each in a pose of its own."""
        super().start_episode(seed)
        self.mimic.reset(EVALUATION_SEED + seed)
        self.image_env.reset(seed=seed)
        self.error = PoseError(0.0, 0.0)
        self.counted_steps = 0
        self._error_sum = np.zeros(2)

    def get_mean_error(self) -> PoseError:
        """How far the follower was from the leader's reflection, in the mean of all steps that count."""
        return PoseError(*(self._error_sum / max(1, self.counted_steps)).tolist())

    def advance(self, seconds: float) -> None:
        """Let `seconds` of real time pass: as long as the last frame took."""
        self.mean_frame_time += (0.1 if self.mean_frame_time else 1.0) * (
            seconds - self.mean_frame_time
        )
        super().advance(seconds)

    def step(self) -> None:
        """The leader moves; the follower looks, and moves."""
        super().step()
        self.image_env.set_joint_angles(np.array(self.leader_env.angles))
        seen = self.mimic.estimate_pose(np.asarray(self.image_env.render()))
        self.mimic.track_pose(self.mirror_pose(seen), 1.0 / self.rate)
        self.mimic.step()
        self.error = self.mimic.poise_env.task.error(
            self.mimic.pose, self.mirror_pose(self.observation[self.mimic.pose_slice])
        )
        if self.steps > SETTLE_SECONDS * self.rate:
            self.counted_steps = self.counted_steps + 1
            self._error_sum = self._error_sum + self.error

    def mirror_pose(self, pose: Array) -> Array:
        """The pose that a mirror shows of a pose."""
        points = np.array(self.mimic.poise_env.task.pose_to_points(pose))
        points[:, 1 if self._get_camera() else 0] *= -1.0
        arms = np.split(points, self.mimic.poise_env.task.num_arms)
        return np.concatenate(arms[::-1]).ravel().astype(np.float32)

    def get_frame(self) -> Array:
        """Leader and follower, side by side."""
        if self._frame is None:
            if camera := self._get_camera():
                self.mimic.poise_env.camera.mirror(camera)
                self.mimic.poise_env.appearance = self.leader_env.appearance.reflected()
            leader = self.policy.run.path.name if self.policy else self.actor_name
            away = self.error
            frames = f"; {1.0 / self.mean_frame_time:.0f} frames/s" if self.mean_frame_time else ""
            told = f"{1000 * away.metres:.0f} mm, {away.degrees:.0f}° away{frames}"
            pictures = np.asarray(self.env.render()), np.asarray(self.mimic.env.render())
            self._frame = draw_side_by_side(pictures, (f"led by {leader}", told), self.size)
        return self._frame

    def move_camera(self, right: float = 0.0, down: float = 0.0, zoom_steps: float = 0.0) -> None:
        """Turn both scenes; the leader's picture is half as wide as both."""
        super().move_camera(2.0 * right, down, zoom_steps)

    def grab(self, cursor: ImagePoint) -> None:
        """Take hold of the leader."""
        super().grab((2.0 * cursor[0], cursor[1]))
        if band := self.perturbations.drag:
            band.grab = LeftHalfGrab(band.grab)
            band.cursor = cursor

    def close(self) -> None:
        """Close all three environments."""
        for env in (self.env, self.mimic.env, self.image_env):
            env.close()

    def _get_camera(self) -> Any:
        return getattr(self.poise_env, "camera", None)


class LeftHalfGrab:
    """A hold in a picture of which the environment's own is the left half (toolkit/hands.py)."""

    def __init__(self, grab: Grab) -> None:
        self.grab = grab

    def position(self) -> ImagePoint:
        """Where the held point is seen."""
        x, y = self.grab.position()
        return x / 2.0, y

    def pull(self, point: ImagePoint) -> None:
        """Pull it towards a place of the wide picture."""
        self.grab.pull((2.0 * point[0], point[1]))

    def release(self) -> None:
        """Hold it no longer."""
        self.grab.release()


VIDEO_FRAME_RATE = 25
"""Frames in a second of a film."""


MAX_RENDER_SIZE = 240
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
        raise UserError(
            "keys need the window: leave --out away, or film --by policy or --by trajectory"
        )
    if seconds and not out:
        raise UserError("--seconds is how long a film lasts: it goes with --out")
    mover = Run.open(runs_dir, policy)
    reader = Run.open(runs_dir, translator or policy)
    window = None if out else Window("Poise: duel", has_sidebar=True)
    duel = make_duel(mover, reader, by, size, seed)
    speed = ""
    try:
        if window is not None:
            Playground(window, duel).run()
        elif out is not None:
            speed = (
                f", made at {record_duel(duel, out, seconds or 10.0):.0f} frames a second: {out}"
            )
    finally:
        duel.close()
    metres, degrees = duel.get_mean_error()
    return f"copied for {duel.counted_steps / duel.rate:.1f} s, {1000 * metres:.1f} mm and {degrees:.1f} degrees away in the mean{speed}"


def make_duel(policy_run: Run, translator_run: Run, leader_mode: str, size: int, seed: int) -> Duel:
    """A duel about to begin: the leader moved `leader_mode` keys, policy or trajectory."""
    config = get_translator_config(translator_run)
    env_id = config["env"]
    settings = config["env_settings"]
    eye = make_render_env(env_id, settings, {})
    in_space = hasattr(unwrap_poise_env(eye), "camera")
    drawn, looks = (min(size, MAX_RENDER_SIZE), {"shadows": False}) if in_space else (size, {})
    mimic = Mimic(policy_run, translator_run, drawn, **looks)
    endless = {
        "width": drawn,
        "height": drawn,
        "show_markers": False,
        "max_episode_steps": -1,
        **looks,
    }
    leader = make_render_env(env_id, settings, endless)
    policy = PolicyActor(policy_run) if leader_mode == "policy" else None
    return Duel(
        TrajectoryWrapper(leader) if leader_mode == "trajectory" else leader,
        eye,
        mimic,
        policy,
        size,
        seed,
    )


def record_duel(duel: Duel, path: Path, seconds: float) -> float:
    """Film a duel; how many frames a second were made, their drawing and writing included."""
    began = time.perf_counter()
    frames = max(1, round(seconds * VIDEO_FRAME_RATE))
    with open_recorder(path, VIDEO_FRAME_RATE) as out:
        for _ in range(frames):
            duel.advance(1.0 / VIDEO_FRAME_RATE)
            out.add(duel.get_frame())
    return frames / (time.perf_counter() - began)
