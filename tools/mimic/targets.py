"""Pictures of poses to be taken: from image files, a film, a dataset, or poses made up."""

import warnings
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import pygame

from poise.toolkit.dataset import Dataset
from poise.toolkit.errors import UserError
from poise.toolkit.media.image import resize_frame, surface_to_frame
from poise.toolkit.media.video import read_video
from poise.toolkit.registry import Env, unwrap_poise_env
from poise.toolkit.spaces import Array, slices
from poise.tools.record.record_run import make_render_env

KNOT_INTERVAL = 2.5
"""Time from one drawn pose to the next (s)."""


class TrajectoryWrapper(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Whatever action it is given, its joints follow a cubic B-spline from one drawn pose towards the next.

    So angles, speeds and accelerations have no jumps, and no angle leaves the limits within which poses are drawn.
    """

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.poise_env: Any = unwrap_poise_env(env)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin at rest, in the pose of the seed's episode."""
        told = self.env.reset(seed=seed, options=options)
        self.rng = (
            self.poise_env.np_random
        )  # Not one of the same seed: it would draw the pose of the start once more.
        start = np.array(self.poise_env.angles)
        self._knots = deque(
            [start, start, start, self.poise_env.sample_joint_angles(self.rng)], maxlen=4
        )
        self._phase = 0.0
        return told

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Go on along the path for one step of the environment's time."""
        self._phase += 1.0 / (KNOT_INTERVAL * self.poise_env.CONTROL_HZ)
        if self._phase >= 1.0:
            self._phase -= 1.0
            self._knots.append(self.poise_env.sample_joint_angles(self.rng))
        self.poise_env.set_joint_angles(_evaluate_spline(np.stack(self._knots), self._phase))
        return self.poise_env.agent_observation(), 0.0, False, False, {}


def _evaluate_spline(knots: Array, u: float) -> Array:
    """A point of a uniform cubic B-spline, a part `u` of the way between the second and the third of four points (4, N)."""
    weights = (
        np.array([(1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3])
        / 6
    )
    point: Array = weights @ knots
    return point


MAX_ASPECT_CHANGE = 1.1
"""How much wider than high, or higher than wide, a picture may be beside those that the translator knows."""


MIN_BRIGHTNESS = 8
"""A picture whose brightest colour is below this shows nothing."""


class Target(NamedTuple):
    """A picture (H, W, 3) uint8 of a pose, and the pose itself where it is known."""

    name: str
    image: Array
    pose: Array | None


def load_image_targets(paths: Iterable[Path], size: tuple[int, int]) -> list[Target]:
    """Image files, PNG or JPEG, of any size; a UserError names the one that is none."""
    return [
        Target(path.name, fit_image(_load_image(path), size, path.name), None) for path in paths
    ]


def load_video_targets(path: Path, size: tuple[int, int]) -> list[Target]:
    """The frames of a film, in their order."""
    if not path.is_file():
        raise UserError(f"{path} is not there")
    frames = [
        Target(f"frame {index}", fit_image(frame, size, path.name), None)
        for index, frame in enumerate(read_video(path))
    ]
    if not frames:
        raise UserError(f"{path} holds no picture that can be read")
    return frames


def load_dataset_targets(data: Dataset, number: int) -> list[Target]:
    """Held-out frames of a dataset, from all over it, with their true poses."""
    held_out = data.split()[1]
    rows = held_out[np.linspace(0, len(held_out) - 1, min(number, len(held_out))).astype(int)]
    poses = data.select_signals(["pose"])[rows]
    return [
        Target(f"row {row}", *shown)
        for row, *shown in zip(rows, data.load_frames(rows), poses, strict=True)
    ]


def sample_targets(
    env_id: str, settings: Mapping[str, Any], number: int, seed: int
) -> list[Target]:
    """Pictures of random poses, as the environment itself draws them, with their true poses."""
    env = make_render_env(env_id, settings, {})
    ours = unwrap_poise_env(env)
    assert ours is not None
    place = slices(ours.OBSERVATION)["pose"]
    targets = []
    for index in range(number):
        observation, _ = env.reset(seed=seed + index)
        targets.append(Target(f"pose {index}", np.asarray(env.render()), observation[place]))
    env.close()
    return targets


def make_trajectory_targets(
    env_id: str, settings: Mapping[str, Any], seconds: float, seed: int
) -> tuple[list[Target], int]:
    """Pictures of a body that is led along a smooth path, as the environment itself draws them, with their true poses; their rate."""
    env = TrajectoryWrapper(make_render_env(env_id, settings, {}))
    place = slices(env.poise_env.OBSERVATION)["pose"]
    rate = env.poise_env.CONTROL_HZ
    targets = []
    observation, _ = env.reset(seed=seed)
    for step in range(max(1, round(seconds * rate))):
        targets.append(
            Target(f"{step / rate:.2f} s", np.asarray(env.render()), observation[place].copy())
        )
        observation, *_ = env.step(None)
    env.close()
    return targets, rate


def fit_image(image: Array, size: tuple[int, int], name: str) -> Array:
    """A picture (H, W, 3) uint8 in another size (height, width); a UserError where its shape is another or it is all black."""
    height, width = image.shape[:2]
    skew = (width / height) / (size[1] / size[0])
    if not 1 / MAX_ASPECT_CHANGE < skew < MAX_ASPECT_CHANGE:
        raise UserError(
            f"{name} has {width} x {height} pixels; the translator knows pictures as wide to high as {size[1]} to {size[0]}"
        )
    if image.max() < MIN_BRIGHTNESS:
        raise UserError(f"{name} is all black: there is nothing to be seen in it")
    if (height, width) == size:
        return image
    return resize_frame(image, size[1], size[0])


def _load_image(path: Path) -> Array:
    if not path.is_file():
        raise UserError(f"{path} is not there")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            surface = pygame.image.load(path)
    except pygame.error as error:
        raise UserError(f"{path} is no picture that can be read: {error}") from None
    paper = pygame.Surface(surface.get_size())
    paper.fill((255, 255, 255))  # Under what is transparent.
    paper.blit(surface, (0, 0))
    return surface_to_frame(paper)
