"""Arms as the numbers of a pose tell them: where each begins, its links, and how far off they are read."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from poise.toolkit.dataset import Dataset
from poise.toolkit.errors import UserError
from poise.toolkit.pose_task import PoseEnvironment
from poise.toolkit.registry import make_env, unwrap_poise_env
from poise.toolkit.spaces import Array
from poise.tools.plot.figures import save_figure
from poise.tools.translate.collect_dataset import sample_appearance
from poise.tools.translate.evaluate import NUM_WORST_FRAMES, Predictions, TranslatorEvaluation

POSE_SIGNAL = "pose"
"""The signal that holds places in the environment, elbow first and hand last."""


class ArmPoints(NamedTuple):
    """Skeletons: the places (frames, arms, points, coordinates) of shoulder, elbow and hand; true, as read, and in the mean."""

    true: Array
    predicted: Array
    mean: Array


class PointError(NamedTuple):
    """How far away (m) a point of an arm is read, how far its link is turned (rad), in the mean; and where the mean is said."""

    name: str
    distance: float
    angle: float
    baseline_distance: float
    baseline_angle: float


def extract_arm_points(data: Dataset, predictions: Predictions) -> ArmPoints | None:
    """The arms in held-out frames; None where the environment takes no poses, or the translator does not read them first."""
    ours = unwrap_poise_env(env := make_env(data.card["env"], data.card["env_settings"]))
    if takes_poses := isinstance(ours, PoseEnvironment):
        env.reset(seed=0)
        points = len(ours.task.target)
        arms = ours.task.num_arms
    env.close()
    if not takes_poses or predictions.signals[0].name != POSE_SIGNAL:
        return None
    shape = (-1, arms, points // arms, predictions.signals[0].size // points)
    elbows = data.select_signals([POSE_SIGNAL]).reshape(shape)[:, :, 0]
    shoulders = np.stack([fit_sphere_center(elbows[:, arm]) for arm in range(arms)])[:, None]

    def skeletons(poses: Array) -> Array:
        places = poses.reshape(shape)
        return np.concatenate(
            (np.broadcast_to(shoulders, (len(places), *shoulders.shape)), places), axis=2
        )

    true, read, mean = predictions.select_signal(POSE_SIGNAL)
    return ArmPoints(skeletons(true), skeletons(read), skeletons(mean))


def compute_point_errors(arms: ArmPoints) -> list[PointError]:
    """How wrong every point and every link is."""
    number = arms.true.shape[1]
    links = arms.true.shape[2] - 1
    names = ["elbow", "hand"] if links == 2 else [f"point {link}" for link in range(1, links + 1)]
    if number > 1:
        names = [f"{name} {arm}" for arm in range(1, number + 1) for name in names]
    columns = []
    for said in (arms.predicted, arms.mean):
        columns.append(np.linalg.norm(said - arms.true, axis=-1)[:, :, 1:].mean(0).ravel())
        columns.append(
            compute_angles(np.diff(arms.true, axis=2), np.diff(said, axis=2)).mean(0).ravel()
        )
    return [PointError(name, *map(float, row)) for name, *row in zip(names, *columns, strict=True)]


def fit_sphere_center(points: Array) -> Array:
    """The centre of the circle or sphere that places (N, D) lie on: |p|^2 = 2 p c + (r^2 - |c|^2), by least squares."""
    points = points.astype(float)
    equations = np.column_stack((2.0 * points, np.ones(len(points))))
    found: Array = np.linalg.lstsq(equations, np.square(points).sum(1))[0][:-1]
    return found


def compute_angles(first: Array, second: Array) -> Array:
    """The angles (rad) between directions (..., D); exact for small ones too, as the cosine's would not be."""
    units = [
        links / np.maximum(np.linalg.norm(links, axis=-1, keepdims=True), 1e-12)
        for links in (first, second)
    ]
    angles: Array = 2.0 * np.arcsin(
        np.minimum(1.0, np.linalg.norm(units[1] - units[0], axis=-1) / 2.0)
    )
    return angles


BINS = 18
"""Of a map, on each side."""


def draw_worst_frames(data: Dataset, evaluation: TranslatorEvaluation, path: Path) -> Path:
    """The worst frames, with the true arms over them (green, rings) and those that were read (red, crosses)."""
    arms = _require_arm_points(data, evaluation.predictions)
    ours: Any = unwrap_poise_env(env := make_env(data.card["env"], data.card["env_settings"]))
    env.reset(seed=0)
    figure = Figure(figsize=(12, 6.4), layout="constrained")
    axes = figure.subplots(2, NUM_WORST_FRAMES // 2).ravel()
    for axis in axes:
        axis.axis("off")
    frames = data.load_frames(evaluation.worst_rows)
    rows = evaluation.predictions.sequences.ravel()
    height, width = frames.shape[1:3]
    for axis, row, frame in zip(axes, evaluation.worst_rows, frames, strict=False):
        place = int(np.flatnonzero(rows == row)[0])
        wrong = np.linalg.norm(arms.predicted[place] - arms.true[place], axis=-1)[:, 1:]
        axis.imshow(frame)
        ours.appearance = sample_appearance(
            data.card, int(data.episodes[row]), int(row) % data.episode_length
        )  # It may have moved the camera.
        axis.set_title(f"{1000.0 * wrong.mean():.1f} mm")
        for skeletons, marker, colour in (
            (arms.true, "o", "tab:green"),
            (arms.predicted, "x", "tab:red"),
        ):
            for arm in skeletons[place].tolist():
                places = (
                    np.array([ours.world_to_image(point) for point in arm]) * (width, height) - 0.5
                )
                style = {
                    "marker": marker,
                    "markersize": 9,
                    "markerfacecolor": "none",
                    "color": colour,
                    "linewidth": 0.8,
                }
                axis.plot(*places.T, **style)
    env.close()
    return save_figure(figure, path)


def draw_error_map(data: Dataset, predictions: Predictions, path: Path) -> Path:
    """How far from their places the points of each arm are read, over the angles of its joints and over the hand's place."""
    arms = _require_arm_points(data, predictions)
    away = 1000.0 * np.linalg.norm(arms.predicted - arms.true, axis=-1)[:, :, 1:].mean(-1)
    number = away.shape[1]
    figure = Figure(figsize=(11.5, 4.6 * number))
    figure.set_layout_engine("constrained", wspace=0.08)
    for arm, (left, right) in enumerate(figure.subplots(number, 2, squeeze=False)):
        skeletons = arms.true[:, arm]
        _draw_heatmap(left, *_compute_joint_angles(np.diff(skeletons, axis=1)), away[:, arm])
        x, y = skeletons[:, -1, :2].T
        _draw_heatmap(right, ("the hand's x (m)", x), ("the hand's y (m)", y), away[:, arm])
        right.set_aspect("equal")
        for axis, told in ((left, "over the joints"), (right, "over the hand's place")):
            axis.set_title(f"error {told}" + (f", arm {arm + 1}" if number > 1 else ""))
    return save_figure(figure, path)


def _compute_joint_angles(links: Array) -> tuple[tuple[str, Array], tuple[str, Array]]:
    """Two angles (deg) that say most about links (N, links, coordinates), with their names."""
    headings = np.degrees(np.arctan2(links[..., 1], links[..., 0]))
    if links.shape[2] == 2:
        bend = (headings[:, 1] - headings[:, 0] + 180.0) % 360.0 - 180.0
        return ("shoulder (deg)", headings[:, 0]), ("elbow (deg)", bend)
    lift = np.degrees(np.arctan2(links[:, 0, 2], np.linalg.norm(links[:, 0, :2], axis=-1)))
    return ("heading of the upper arm (deg)", headings[:, 0]), ("its lift (deg)", lift)


def _draw_heatmap(axis: Axes, x: tuple[str, Array], y: tuple[str, Array], errors: Array) -> None:
    """The mean of `errors` (mm) over two quantities; white where there was nothing."""
    counts, *edges = np.histogram2d(x[1], y[1], BINS)
    totals = np.histogram2d(x[1], y[1], edges, weights=errors)[0]
    means = np.divide(totals, counts, out=np.full_like(totals, np.nan), where=counts > 0)
    axis.set(xlabel=x[0], ylabel=y[0])
    axis.figure.colorbar(
        axis.pcolormesh(*edges, means.T, vmin=0.0), ax=axis, label="mm away in the mean"
    )


def _require_arm_points(data: Dataset, predictions: Predictions) -> ArmPoints:
    arms = extract_arm_points(data, predictions)
    if arms is None:
        raise UserError(
            f"there are no places to be drawn: the translator does not read the {POSE_SIGNAL} first, or its environment takes none"
        )
    return arms
