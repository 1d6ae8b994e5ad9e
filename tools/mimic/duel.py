"""Duel: two robots face to face; a leader, and a follower that mirrors the pose that it sees."""

import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from poise.toolkit.console import count_progress
from poise.toolkit.evaluation import EVALUATION_SEED
from poise.toolkit.interaction import Grab, ImagePoint
from poise.toolkit.media.image import caption_height
from poise.toolkit.media.video import open_recorder
from poise.toolkit.pose_task import PoseError
from poise.toolkit.registry import Env, unwrap_poise_env
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array
from poise.tools.mimic.comparison import draw_views
from poise.tools.mimic.mimic import Mimic
from poise.tools.mimic.robot import PLOT_SECONDS
from poise.tools.mimic.targets import TrajectoryWrapper
from poise.tools.play.actors import PolicyActor
from poise.tools.play.session import PlaySession
from poise.tools.record.episode_trace import TraceSample
from poise.tools.record.record_run import make_render_env
from poise.tools.translate.load import get_translator_config

SETTLE_SECONDS = 1.0
"""Time that the follower has to reach the leader's pose before its errors count (s)."""

VIDEO_FRAME_RATE = 25
"""Frames per second of a video."""

MAX_RENDER_SIZE = 240
"""Largest height and width at which a 3D environment is rendered (pixels).

Rendering takes most of the time there; larger images are scaled up.
"""


class Duel(PlaySession):
    """A live session with the leader, and a robot that follows it by the translator's images.

    Leader and follower are mirror images: by x = 0 in the plane, and by y = 0 in space, where
    bodies are symmetric, with the right arm for the left. The follower's camera and light are
    mirrored too, so that the two views are reflections from every camera position.

    The pose is mirrored after it was read, not the image before: a flipped image of a 3D
    environment shows floor, light and body where the translator has never seen them.
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
        frame_height = caption_height(size) + size
        top = caption_height(size) / frame_height
        self.leader_view = View(top, 0.5, size / frame_height)
        self.leader_env: Any = unwrap_poise_env(env)
        self.image_env: Any = unwrap_poise_env(image_env)
        super().__init__(env, policy, seed=seed)
        self.is_paused = False
        if isinstance(env, TrajectoryWrapper):
            self.actor_name = "a smooth trajectory"
            # Forces have no effect on joints whose angles are set.
            self.perturbations.poise_env = None

    def start_episode(self, seed: int) -> None:
        """Reset leader and follower, each to its own initial pose."""
        super().start_episode(seed)
        self.mimic.reset(EVALUATION_SEED + seed)
        self.image_env.reset(seed=seed)
        self.plot = self.mimic.make_plot(self.rate, PLOT_SECONDS)
        self.error = PoseError(0.0, 0.0)
        self.counted_steps = 0
        self._error_sum = np.zeros(2)

    def get_mean_error(self) -> PoseError | None:
        """Return the follower's mean error from the leader's reflection, after settling.

        None where the episode has not lasted longer than that.
        """
        if not self.counted_steps:
            return None
        mean_error = self._error_sum / self.counted_steps
        return PoseError(*mean_error.tolist())

    def read_samples(self) -> list[TraceSample]:
        """Return the samples of the leader, and the follower's error from its reflection."""
        return [
            *super().read_samples(),
            TraceSample("error", "distance, mm", 1000.0 * self.error.metres),
            TraceSample("error", "angle, degrees", self.error.degrees),
        ]

    def step(self) -> None:
        """Step the leader; then estimate its pose and step the follower."""
        super().step()
        self.image_env.set_joint_angles(np.array(self.leader_env.angles))
        read_pose = self.mimic.estimate_pose(np.asarray(self.image_env.render()))
        self.mimic.track_pose(self.mirror_pose(read_pose), 1.0 / self.rate)
        self.mimic.step()
        leader_pose = self.observation[self.mimic.pose_slice]
        task = self.mimic.poise_env.task
        self.error = task.error(self.mimic.pose, self.mirror_pose(leader_pose))
        self.plot.add(self.error)
        if self.steps > SETTLE_SECONDS * self.rate:
            self.counted_steps += 1
            self._error_sum = self._error_sum + self.error

    def mirror_pose(self, pose: Array) -> Array:
        """Return the reflection of a pose (P,)."""
        task = self.mimic.poise_env.task
        points = np.array(task.pose_to_points(pose))
        mirrored_axis = 1 if self._get_camera() else 0
        points[:, mirrored_axis] *= -1.0
        arms = np.split(points, task.num_arms)
        return np.concatenate(arms[::-1]).ravel().astype(np.float32)

    def get_frame(self) -> Array:
        """Return leader and follower side by side, each below its title, (H, W, 3) uint8."""
        if self._frame is None:
            camera = self._get_camera()
            if camera:
                self.mimic.poise_env.camera.mirror(camera)
                self.mimic.poise_env.appearance = self.leader_env.appearance.reflected()
            images = (np.asarray(self.env.render()), self.mimic.render())
            titles = (self._get_leader_title(), "mirrors; amber: what it read")
            self._frame = draw_views(images, titles, self.size)
        return self._frame

    def get_film_frame(self) -> Array:
        """Return leader, follower and the error over time side by side, (H, W, 3) uint8."""
        plot = self.plot.draw(self.size, "error from the reflection")
        return np.concatenate([self.get_frame(), plot], axis=1)

    def move_camera(self, right: float = 0.0, down: float = 0.0, zoom_steps: float = 0.0) -> None:
        """Move both cameras by fractions of the frame, of which the leader's view is a part."""
        view = self.leader_view
        super().move_camera(right / view.width, down / view.height, zoom_steps)

    def grab(self, cursor: ImagePoint) -> None:
        """Grab the leader at a point of the frame."""
        super().grab(self.leader_view.from_frame(cursor))
        drag = self.perturbations.drag
        if drag:
            drag.grab = ViewGrab(drag.grab, self.leader_view)
            drag.cursor = cursor

    def close(self) -> None:
        """Close all three environments."""
        for env in (self.env, self.mimic.env, self.image_env):
            env.close()

    def _get_camera(self) -> Any:
        """Return the leader's camera; None in the plane."""
        return getattr(self.poise_env, "camera", None)

    def _get_leader_title(self) -> str:
        leader = self.policy.run.path.name if self.policy else self.actor_name
        return f"leader: {leader}"


class View(NamedTuple):
    """The place of a view in a frame, in fractions of the frame's width and height."""

    top: float
    width: float
    height: float

    def from_frame(self, point: ImagePoint) -> ImagePoint:
        """Convert a point of the frame to one of the view, which begins at the frame's left."""
        return point[0] / self.width, (point[1] - self.top) / self.height

    def to_frame(self, point: ImagePoint) -> ImagePoint:
        """Convert a point of the view to one of the frame."""
        return point[0] * self.width, self.top + point[1] * self.height


class ViewGrab:
    """A Grab in an environment whose image is a view in the frame."""

    def __init__(self, grab: Grab, view: View) -> None:
        self.grab = grab
        self.view = view

    def position(self) -> ImagePoint:
        """Return the grabbed point in the frame."""
        return self.view.to_frame(self.grab.position())

    def pull(self, point: ImagePoint) -> None:
        """Pull it towards a point of the frame."""
        self.grab.pull(self.view.from_frame(point))

    def release(self) -> None:
        """Release it."""
        self.grab.release()


def make_duel(policy_run: Run, translator_run: Run, leader_mode: str, size: int, seed: int) -> Duel:
    """Return a new duel whose leader is moved by `leader_mode`: keys, policy or trajectory."""
    config = get_translator_config(translator_run)
    env_id = config["env"]
    env_settings = config["env_settings"]
    image_env = make_render_env(env_id, env_settings, {"view": "agent"})
    is_3d = hasattr(unwrap_poise_env(image_env), "camera")
    render_size = min(size, MAX_RENDER_SIZE) if is_3d else size
    fast_rendering = {"shadows": False} if is_3d else {}
    mimic = Mimic(policy_run, translator_run, render_size, **fast_rendering)
    leader_settings = {
        "width": render_size,
        "height": render_size,
        "show_markers": False,
        "view": "people",
        "max_episode_steps": -1,
        **fast_rendering,
    }
    leader_env = make_render_env(env_id, env_settings, leader_settings)
    if leader_mode == "trajectory":
        leader_env = TrajectoryWrapper(leader_env)
    policy = PolicyActor(policy_run) if leader_mode == "policy" else None
    return Duel(leader_env, image_env, mimic, policy, size, seed)


def record_duel(duel: Duel, path: Path, seconds: float) -> float:
    """Record a video of a duel; return the frames per second achieved, with encoding."""
    start_time = time.perf_counter()
    num_frames = max(1, round(seconds * VIDEO_FRAME_RATE))
    with open_recorder(path, VIDEO_FRAME_RATE) as recorder:
        for _ in count_progress(range(num_frames), num_frames, "frames"):
            duel.advance(1.0 / VIDEO_FRAME_RATE)
            recorder.add(duel.get_film_frame())
    return num_frames / (time.perf_counter() - start_time)
