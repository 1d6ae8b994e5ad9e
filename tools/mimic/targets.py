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
from poise.toolkit.media.image import frame_of, resized
from poise.toolkit.media.video import read_video
from poise.toolkit.registry import World, as_ours
from poise.toolkit.spaces import Array, layout
from poise.tools.record.record_run import drawable_world

PACE = 2.5
"""Time from one drawn pose to the next (s)."""


class Led(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Whatever action it is given, its joints follow a cubic B-spline from one drawn pose towards the next.

    So angles, speeds and accelerations have no jumps, and no angle leaves the limits within which poses are drawn.
    """

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.ours: Any = as_ours(world)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin at rest, in the pose of the seed's episode."""
        told = self.env.reset(seed=seed, options=options)
        self.rng = self.ours.np_random  # Not one of the same seed: it would draw the pose of the start once more.
        start = np.array(self.ours.angles)
        self._drawn = deque([start, start, start, self.ours.any_angles(self.rng)], maxlen=4)
        self._part = 0.0
        return told

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Go on along the path for one step of the world's time."""
        self._part += 1.0 / (PACE * self.ours.CONTROL_RATE)
        if self._part >= 1.0:
            self._part -= 1.0
            self._drawn.append(self.ours.any_angles(self.rng))
        self.ours.put(_between(np.stack(self._drawn), self._part))
        return self.ours.observation(), 0.0, False, False, {}


def _between(four: Array, u: float) -> Array:
    """A point of a uniform cubic B-spline, a part `u` of the way between the second and the third of four points (4, N)."""
    weights = np.array([(1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3]) / 6
    point: Array = weights @ four
    return point


SKEWED = 1.1
"""How much wider than high, or higher than wide, a picture may be beside those that the translator knows."""


DARK = 8
"""A picture whose brightest colour is below this shows nothing."""


class Target(NamedTuple):
    """A picture (H, W, 3) uint8 of a pose, and the pose itself where it is known."""

    name: str
    picture: Array
    pose: Array | None


def from_images(paths: Iterable[Path], size: tuple[int, int]) -> list[Target]:
    """Image files, PNG or JPEG, of any size; a UserError names the one that is none."""
    return [Target(path.name, fitted(_read(path), size, path.name), None) for path in paths]


def from_film(path: Path, size: tuple[int, int]) -> list[Target]:
    """The frames of a film, in their order."""
    if not path.is_file():
        raise UserError(f"{path} is not there")
    frames = [Target(f"frame {index}", fitted(frame, size, path.name), None) for index, frame in enumerate(read_video(path))]
    if not frames:
        raise UserError(f"{path} holds no picture that can be read")
    return frames


def from_dataset(data: Dataset, number: int) -> list[Target]:
    """Held-out frames of a dataset, from all over it, with their true poses."""
    held_out = data.split()[1]
    rows = held_out[np.linspace(0, len(held_out) - 1, min(number, len(held_out))).astype(int)]
    poses = data.values(["pose"])[rows]
    return [Target(f"row {row}", *shown) for row, *shown in zip(rows, data.frames(rows), poses, strict=True)]


def made_up(world_id: str, settings: Mapping[str, Any], number: int, seed: int) -> list[Target]:
    """Pictures of random poses, as the world itself draws them, with their true poses."""
    world = drawable_world(world_id, settings, {})
    ours = as_ours(world)
    assert ours is not None
    place, targets = layout(ours.OBSERVATION)["pose"], []
    for index in range(number):
        observation, _ = world.reset(seed=seed + index)
        targets.append(Target(f"pose {index}", np.asarray(world.render()), observation[place]))
    world.close()
    return targets


def along_a_path(world_id: str, settings: Mapping[str, Any], seconds: float, seed: int) -> tuple[list[Target], int]:
    """Pictures of a body that is led along a smooth path, as the world itself draws them, with their true poses; their rate."""
    world = Led(drawable_world(world_id, settings, {}))
    place, rate, targets = layout(world.ours.OBSERVATION)["pose"], world.ours.CONTROL_RATE, []
    observation, _ = world.reset(seed=seed)
    for step in range(max(1, round(seconds * rate))):
        targets.append(Target(f"{step / rate:.2f} s", np.asarray(world.render()), observation[place].copy()))
        observation, *_ = world.step(None)
    world.close()
    return targets, rate


def fitted(picture: Array, size: tuple[int, int], name: str) -> Array:
    """A picture (H, W, 3) uint8 in another size (height, width); a UserError where its shape is another or it is all black."""
    height, width = picture.shape[:2]
    skew = (width / height) / (size[1] / size[0])
    if not 1 / SKEWED < skew < SKEWED:
        raise UserError(
            f"{name} has {width} x {height} pixels; the translator knows pictures as wide to high as {size[1]} to {size[0]}"
        )
    if picture.max() < DARK:
        raise UserError(f"{name} is all black: there is nothing to be seen in it")
    if (height, width) == size:
        return picture
    return resized(picture, size[1], size[0])


def _read(path: Path) -> Array:
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
    return frame_of(paper)
