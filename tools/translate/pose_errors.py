"""Arms as the numbers of a pose tell them: where each begins, its links, and how far off they are read."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from poise.toolkit.dataset import Dataset
from poise.toolkit.errors import UserError
from poise.toolkit.pose_task import TakesPoses
from poise.toolkit.registry import as_ours, make_world
from poise.toolkit.spaces import Array
from poise.tools.plot.figures import save_picture
from poise.tools.translate.collect_dataset import look_of
from poise.tools.translate.evaluate import WORST, Judgement, Reading

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


BINS = 18
"""Of a map, on each side."""


def draw_worst(data: Dataset, judged: Judgement, path: Path) -> Path:
    """The worst frames, with the true arms over them (green, rings) and those that were read (red, crosses)."""
    arms = _arms(data, judged.reading)
    ours: Any = as_ours(world := make_world(data.card["world"], data.card["world_settings"]))
    world.reset(seed=0)
    figure = Figure(figsize=(12, 6.4), layout="constrained")
    axes = figure.subplots(2, WORST // 2).ravel()
    for axis in axes:
        axis.axis("off")
    frames, rows = data.frames(judged.worst), judged.reading.films.ravel()
    height, width = frames.shape[1:3]
    for axis, row, frame in zip(axes, judged.worst, frames, strict=False):
        place = int(np.flatnonzero(rows == row)[0])
        wrong = np.linalg.norm(arms.read[place] - arms.true[place], axis=-1)[:, 1:]
        axis.imshow(frame)
        ours.look = look_of(data.card, int(data.episodes[row]), int(row) % data.sequence)  # It may have moved the camera.
        axis.set_title(f"{1000.0 * wrong.mean():.1f} mm")
        for skeletons, marker, colour in ((arms.true, "o", "tab:green"), (arms.read, "x", "tab:red")):
            for arm in skeletons[place].tolist():
                places = np.array([ours.seen_at(point) for point in arm]) * (width, height) - 0.5
                style = {"marker": marker, "markersize": 9, "markerfacecolor": "none", "color": colour, "linewidth": 0.8}
                axis.plot(*places.T, **style)
    world.close()
    return save_picture(figure, path)


def draw_map(data: Dataset, reading: Reading, path: Path) -> Path:
    """How far from their places the points of each arm are read, over the angles of its joints and over the hand's place."""
    arms = _arms(data, reading)
    away = 1000.0 * np.linalg.norm(arms.read - arms.true, axis=-1)[:, :, 1:].mean(-1)
    number = away.shape[1]
    figure = Figure(figsize=(11.5, 4.6 * number))
    figure.set_layout_engine("constrained", wspace=0.08)
    for arm, (left, right) in enumerate(figure.subplots(number, 2, squeeze=False)):
        skeletons = arms.true[:, arm]
        _paint(left, *_angles(np.diff(skeletons, axis=1)), away[:, arm])
        x, y = skeletons[:, -1, :2].T
        _paint(right, ("the hand's x (m)", x), ("the hand's y (m)", y), away[:, arm])
        right.set_aspect("equal")
        for axis, told in ((left, "over the joints"), (right, "over the hand's place")):
            axis.set_title(f"error {told}" + (f", arm {arm + 1}" if number > 1 else ""))
    return save_picture(figure, path)


def _angles(links: Array) -> tuple[tuple[str, Array], tuple[str, Array]]:
    """Two angles (deg) that say most about links (N, links, coordinates), with their names."""
    headings = np.degrees(np.arctan2(links[..., 1], links[..., 0]))
    if links.shape[2] == 2:
        bend = (headings[:, 1] - headings[:, 0] + 180.0) % 360.0 - 180.0
        return ("shoulder (deg)", headings[:, 0]), ("elbow (deg)", bend)
    lift = np.degrees(np.arctan2(links[:, 0, 2], np.linalg.norm(links[:, 0, :2], axis=-1)))
    return ("heading of the upper arm (deg)", headings[:, 0]), ("its lift (deg)", lift)


def _paint(axis: Axes, across: tuple[str, Array], up: tuple[str, Array], away: Array) -> None:
    """The mean of `away` (mm) over two quantities; white where there was nothing."""
    counts, *edges = np.histogram2d(across[1], up[1], BINS)
    totals = np.histogram2d(across[1], up[1], edges, weights=away)[0]
    means = np.divide(totals, counts, out=np.full_like(totals, np.nan), where=counts > 0)
    axis.set(xlabel=across[0], ylabel=up[0])
    axis.figure.colorbar(axis.pcolormesh(*edges, means.T, vmin=0.0), ax=axis, label="mm away in the mean")


def _arms(data: Dataset, reading: Reading) -> Arms:
    arms = arms_of(data, reading)
    if arms is None:
        raise UserError(
            f"there are no places to be drawn: the translator does not read the {POSE} first, or its world takes none"
        )
    return arms
