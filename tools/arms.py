"""Arms as the numbers of a pose tell them: where each begins, its links, and how far off they are read."""

from typing import NamedTuple

import numpy as np

from toolkit.dataset import Dataset
from toolkit.poses import TakesPoses
from toolkit.registry import as_ours, make_world
from toolkit.signals import Array
from tools.evaluate_translator import Reading

POSE = "pose"
"""The signal that holds places in the world, elbow first and hand last."""


class Arms(NamedTuple):
    """Skeletons: the places (frames, arms, points, coordinates) of shoulder, elbow and hand; true, as read, and in the mean."""

    true: Array
    read: Array
    mean: Array


class Limb(NamedTuple):
    """How far away (m) a point of an arm is read, how far its link is turned (rad), in the mean; and where the mean is said."""

    name: str
    away: float
    turned: float
    away_of_mean: float
    turned_of_mean: float


def arms_of(data: Dataset, reading: Reading) -> Arms | None:
    """The arms in held-out frames; None where the world takes no poses, or the translator does not read them first."""
    ours = as_ours(world := make_world(data.card["world"], data.card["world_settings"]))
    if takes_poses := isinstance(ours, TakesPoses):
        world.reset(seed=0)
        points, arms = len(ours.task.target), ours.task.arms
    world.close()
    if not takes_poses or reading.signals[0].name != POSE:
        return None
    shape = (-1, arms, points // arms, reading.signals[0].size // points)
    elbows = data.values([POSE]).reshape(shape)[:, :, 0]
    shoulders = np.stack([centre(elbows[:, arm]) for arm in range(arms)])[:, None]

    def skeletons(poses: Array) -> Array:
        places = poses.reshape(shape)
        return np.concatenate((np.broadcast_to(shoulders, (len(places), *shoulders.shape)), places), axis=2)

    true, read, mean = reading.of(POSE)
    return Arms(skeletons(true), skeletons(read), skeletons(mean))


def limbs(arms: Arms) -> list[Limb]:
    """How wrong every point and every link is."""
    number, links = arms.true.shape[1], arms.true.shape[2] - 1
    names = ["elbow", "hand"] if links == 2 else [f"point {link}" for link in range(1, links + 1)]
    if number > 1:
        names = [f"{name} {arm}" for arm in range(1, number + 1) for name in names]
    columns = []
    for said in (arms.read, arms.mean):
        columns.append(np.linalg.norm(said - arms.true, axis=-1)[:, :, 1:].mean(0).ravel())
        columns.append(angles_between(np.diff(arms.true, axis=2), np.diff(said, axis=2)).mean(0).ravel())
    return [Limb(name, *map(float, row)) for name, *row in zip(names, *columns, strict=True)]


def centre(places: Array) -> Array:
    """The centre of the circle or sphere that places (N, D) lie on: |p|^2 = 2 p c + (r^2 - |c|^2), by least squares."""
    places = places.astype(float)
    equations = np.column_stack((2.0 * places, np.ones(len(places))))
    found: Array = np.linalg.lstsq(equations, np.square(places).sum(1))[0][:-1]
    return found


def angles_between(first: Array, second: Array) -> Array:
    """The angles (rad) between directions (..., D); exact for small ones too, as the cosine's would not be."""
    units = [links / np.maximum(np.linalg.norm(links, axis=-1, keepdims=True), 1e-12) for links in (first, second)]
    angles: Array = 2.0 * np.arcsin(np.minimum(1.0, np.linalg.norm(units[1] - units[0], axis=-1) / 2.0))
    return angles
