"""Target images: poses to take, from image files, a video, a dataset, or an environment."""

from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from poise.toolkit.appearance import AppearanceRandomization
from poise.toolkit.dataset import Dataset
from poise.toolkit.errors import UserError
from poise.toolkit.media.image import resize_frame
from poise.toolkit.media.reader import MediaFile, read_picture
from poise.toolkit.registry import Env, unwrap_poise_env
from poise.toolkit.spaces import Array, slices
from poise.tools.record.record_run import make_render_env
from poise.tools.translate.load import POSE_SIGNAL

KNOT_INTERVAL = 2.5
"""Time between two knots of a trajectory (s)."""

MAX_ASPECT_CHANGE = 1.1
"""Largest ratio between the aspect ratios of an image and of the translator's images."""

MIN_BRIGHTNESS = 8
"""An image without a colour value of at least this, of 255, counts as black."""


TEMPLATE_HEIGHT = 480
"""Height of a template to draw poses on (pixels)."""

TEMPLATE_SEED = 0
"""Seed of the pose that a template shows."""

NO_RANDOMIZATION = AppearanceRandomization()


class Target(NamedTuple):
    """An image (H, W, 3) uint8 of a pose, and the true pose (P,) where it is known."""

    name: str
    image: Array
    pose: Array | None


class TrajectoryWrapper(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Moves the joints along a cubic B-spline through random poses, and ignores actions.

    Angles, velocities and accelerations are continuous, and no angle leaves the range in which
    poses are sampled: a B-spline stays inside the convex hull of its knots.
    """

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.poise_env: Any = unwrap_poise_env(env)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start at rest, in the initial pose of the seed's episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        # Continue the episode's generator: a new one with its seed would sample the initial pose
        # again.
        self.rng = self.poise_env.np_random
        start = np.array(self.poise_env.angles)
        # Three equal knots: the spline starts in that pose, with velocity and acceleration 0.
        self._knots = deque([start, start, start], maxlen=4)
        self._add_knot()
        self._phase = 0.0
        return observation, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Move along the trajectory by one control step; the reward is 0 and nothing ends it."""
        self._phase += 1.0 / (KNOT_INTERVAL * self.poise_env.CONTROL_HZ)
        if self._phase >= 1.0:
            self._phase -= 1.0
            self._add_knot()
        self.poise_env.set_joint_angles(_evaluate_spline(np.stack(self._knots), self._phase))
        return self.poise_env.agent_observation(), 0.0, False, False, {}

    def _add_knot(self) -> None:
        self._knots.append(self.poise_env.sample_joint_angles(self.rng))


def load_image_targets(paths: Iterable[Path], size: tuple[int, int]) -> list[Target]:
    """Load image files (PNG, JPEG, ...) at `size` (height, width).

    Raises:
        UserError: a file is missing, is not an image, or does not fit (fit_image).
    """
    return [
        Target(path.name, fit_image(read_picture(path), size, path.name), None) for path in paths
    ]


def load_video_targets(path: Path, size: tuple[int, int]) -> list[Target]:
    """Load what a video shows at each tick of its frame rate, at `size` (height, width).

    Raises:
        UserError: the file is missing or has no frame, or its frames do not fit (fit_image).
    """
    media = MediaFile(path)
    images = media.iter_frames(media.frame_rate, lambda image: fit_image(image, size, path.name))
    return [Target(f"frame {index}", image, None) for index, image in enumerate(images)]


def load_dataset_targets(data: Dataset, number: int) -> list[Target]:
    """Return up to `number` held-out frames, evenly spaced over a dataset, with true poses."""
    _, held_out_rows = data.split()
    number = min(number, len(held_out_rows))
    rows = held_out_rows[np.linspace(0, len(held_out_rows) - 1, number).astype(int)]
    images = data.load_frames(rows)
    poses = data.select_signals([POSE_SIGNAL])[rows]
    return [
        Target(f"row {row}", image, pose)
        for row, image, pose in zip(rows, images, poses, strict=True)
    ]


def sample_targets(
    env_id: str,
    settings: Mapping[str, Any],
    number: int,
    seed: int,
    randomization: AppearanceRandomization = NO_RANDOMIZATION,
) -> list[Target]:
    """Return rendered images of random poses, with the true poses."""
    env = make_render_env(env_id, settings, {})
    poise_env = unwrap_poise_env(env)
    assert poise_env is not None
    pose_slice = slices(poise_env.OBSERVATION)[POSE_SIGNAL]
    targets = []
    for index in range(number):
        observation, _ = env.reset(seed=seed + index)
        rng = np.random.default_rng([seed, index])
        poise_env.appearance = randomization.sample_appearance(rng)
        targets.append(Target(f"pose {index}", np.asarray(env.render()), observation[pose_slice]))
    env.close()
    return targets


def draw_template(env_id: str, settings: Mapping[str, Any], size: tuple[int, int]) -> Array:
    """Return a large image of the body in one pose, to draw other poses on.

    It has the shape of images of `size` (height, width), TEMPLATE_HEIGHT high.
    """
    width = round(TEMPLATE_HEIGHT * size[1] / size[0])
    template_settings = {**settings, "height": TEMPLATE_HEIGHT, "width": width}
    return sample_targets(env_id, template_settings, 1, TEMPLATE_SEED)[0].image


def make_trajectory_targets(
    env_id: str, settings: Mapping[str, Any], seconds: float, seed: int
) -> tuple[list[Target], int]:
    """Return rendered images of a random trajectory with the true poses, and their frame rate."""
    env = TrajectoryWrapper(make_render_env(env_id, settings, {}))
    pose_slice = slices(env.poise_env.OBSERVATION)[POSE_SIGNAL]
    frame_rate = env.poise_env.CONTROL_HZ
    targets = []
    observation, _ = env.reset(seed=seed)
    for step in range(max(1, round(seconds * frame_rate))):
        image = np.asarray(env.render())
        targets.append(Target(f"{step / frame_rate:.2f} s", image, observation[pose_slice].copy()))
        observation, *_ = env.step(None)
    env.close()
    return targets, frame_rate


def fit_image(image: Array, size: tuple[int, int], name: str) -> Array:
    """Return an image (H, W, 3) uint8 at another size (height, width).

    Raises:
        UserError: the aspect ratio differs too much, or the image is black; it names `name`.
    """
    height, width = image.shape[:2]
    new_height, new_width = size
    aspect_change = (width / height) / (new_width / new_height)
    if not 1 / MAX_ASPECT_CHANGE < aspect_change < MAX_ASPECT_CHANGE:
        raise UserError(
            f"{name} has {width} x {height} pixels; "
            f"images need a ratio of width to height of {new_width} to {new_height}"
        )
    if image.max() < MIN_BRIGHTNESS:
        raise UserError(f"{name} is all black: it shows no pose")
    if (height, width) == size:
        return image
    return resize_frame(image, new_width, new_height)


def _evaluate_spline(knots: Array, u: float) -> Array:
    """Return the point at u in [0, 1] of a uniform cubic B-spline segment with knots (4, N).

    At u = 0 the point is near knots[1], at u = 1 near knots[2].
    """
    weights = np.array(
        [
            (1 - u) ** 3,
            3 * u**3 - 6 * u**2 + 4,
            -3 * u**3 + 3 * u**2 + 3 * u + 1,
            u**3,
        ]
    )
    point: Array = (weights / 6) @ knots
    return point
