"""Errors of predicted poses, by the points and links of the arms, as numbers and as figures."""

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
from poise.tools.translate.load import POSE_SIGNAL

HEATMAP_BINS = 18
"""Bins of a heatmap along each axis."""

MM_PER_M = 1000.0


class ArmPoints(NamedTuple):
    """Positions (frames, arms, points, coordinates) of shoulder, elbow and hand (m).

    Those of `mean` have one frame: the mean pose of the training data.
    """

    true: Array
    predicted: Array
    mean: Array


class PointError(NamedTuple):
    """Mean errors of one point of an arm (m) and of the link that ends there (rad).

    The baseline always predicts the mean pose.
    """

    name: str
    distance: float
    angle: float
    baseline_distance: float
    baseline_angle: float


def extract_arm_points(data: Dataset, predictions: Predictions) -> ArmPoints | None:
    """Return the arms in held-out frames.

    None where the environment has no poses, or where the pose is not the first signal predicted.
    """
    env = make_env(data.card["env"], data.card["env_settings"])
    poise_env: Any = unwrap_poise_env(env)
    has_poses = isinstance(poise_env, PoseEnvironment)
    if has_poses:
        env.reset(seed=0)
        num_points = len(poise_env.task.target)
        num_arms = poise_env.task.num_arms
    env.close()
    pose_signal = predictions.signals[0]
    if not has_poses or pose_signal.name != POSE_SIGNAL:
        return None
    shape = (-1, num_arms, num_points // num_arms, pose_signal.size // num_points)
    # The signal has no shoulders: each is the centre of the sphere on which its elbow moves.
    elbows = data.select_signals([POSE_SIGNAL]).reshape(shape)[:, :, 0]
    centers = [fit_sphere_center(elbows[:, arm]) for arm in range(num_arms)]
    shoulders = np.stack(centers)[:, None]  # (arms, 1, coordinates)

    def add_shoulders(poses: Array) -> Array:
        points = poses.reshape(shape)
        repeated = np.broadcast_to(shoulders, (len(points), *shoulders.shape))
        return np.concatenate((repeated, points), axis=2)

    true, predicted, mean = predictions.select_signal(POSE_SIGNAL)
    return ArmPoints(add_shoulders(true), add_shoulders(predicted), add_shoulders(mean))


def compute_point_errors(arms: ArmPoints) -> list[PointError]:
    """Return the errors of every point and its link, arm by arm."""
    _, num_arms, num_points, _ = arms.true.shape
    num_links = num_points - 1
    names = ["elbow", "hand"]
    if num_links != len(names):
        names = [f"point {link}" for link in range(1, num_links + 1)]
    if num_arms > 1:
        names = [f"{name} {arm}" for arm in range(1, num_arms + 1) for name in names]
    columns = []
    for estimate in (arms.predicted, arms.mean):
        distances = np.linalg.norm(estimate - arms.true, axis=-1)[:, :, 1:]
        angles = compute_angles(np.diff(arms.true, axis=2), np.diff(estimate, axis=2))
        columns += [distances.mean(0).ravel(), angles.mean(0).ravel()]
    return [PointError(name, *map(float, row)) for name, *row in zip(names, *columns, strict=True)]


def fit_sphere_center(points: Array) -> Array:
    """Return the centre c (D,) of the circle or sphere through points p (N, D).

    Least squares for the linear equations |p|^2 = 2 p c + (r^2 - |c|^2).
    """
    points = points.astype(float)
    equations = np.column_stack((2.0 * points, np.ones(len(points))))
    center: Array = np.linalg.lstsq(equations, np.square(points).sum(1))[0][:-1]
    return center


def compute_angles(first: Array, second: Array) -> Array:
    """Return the angles (rad) between directions (..., D).

    Half the distance of two unit vectors is the sine of half the angle: exact for small angles
    too, where the arc cosine of the dot product is not.
    """
    half_chord = np.linalg.norm(_to_unit_vectors(second) - _to_unit_vectors(first), axis=-1) / 2.0
    angles: Array = 2.0 * np.arcsin(np.minimum(1.0, half_chord))
    return angles


def draw_worst_frames(data: Dataset, evaluation: TranslatorEvaluation, path: Path) -> Path:
    """Draw the worst frames with true arms (green circles) and predicted arms (red crosses)."""
    arms = _require_arm_points(data, evaluation.predictions)
    env = make_env(data.card["env"], data.card["env_settings"])
    poise_env: Any = unwrap_poise_env(env)
    env.reset(seed=0)
    figure = Figure(figsize=(12, 6.4), layout="constrained")
    axes = figure.subplots(2, NUM_WORST_FRAMES // 2).ravel()
    for axis in axes:
        axis.axis("off")
    frames = data.load_frames(evaluation.worst_rows)
    height, width = frames.shape[1:3]
    evaluated_rows = evaluation.predictions.sequences.ravel()
    for axis, row, frame in zip(axes, evaluation.worst_rows, frames, strict=False):
        index = int(np.flatnonzero(evaluated_rows == row)[0])
        distances = np.linalg.norm(arms.predicted[index] - arms.true[index], axis=-1)[:, 1:]
        axis.imshow(frame)
        axis.set_title(f"{MM_PER_M * distances.mean():.1f} mm")
        # The randomized appearance may have moved the camera.
        episode = int(data.episodes[row])
        poise_env.appearance = sample_appearance(data.card, episode, int(row) % data.episode_length)
        for arm_points, marker, colour in (
            (arms.true, "o", "tab:green"),
            (arms.predicted, "x", "tab:red"),
        ):
            for arm in arm_points[index].tolist():
                fractions = np.array([poise_env.world_to_image(point) for point in arm])
                # imshow puts the centre of the first pixel at 0, and its edge at -0.5.
                x, y = (fractions * (width, height) - 0.5).T
                axis.plot(
                    x,
                    y,
                    marker=marker,
                    markersize=9,
                    markerfacecolor="none",
                    color=colour,
                    linewidth=0.8,
                )
    env.close()
    return save_figure(figure, path)


def draw_error_map(data: Dataset, predictions: Predictions, path: Path) -> Path:
    """Draw heatmaps of each arm's mean error (mm), over its joint angles and over the hand."""
    arms = _require_arm_points(data, predictions)
    distances = np.linalg.norm(arms.predicted - arms.true, axis=-1)[:, :, 1:]
    errors = MM_PER_M * distances.mean(-1)  # (frames, arms)
    num_arms = errors.shape[1]
    figure = Figure(figsize=(11.5, 4.6 * num_arms))
    figure.set_layout_engine("constrained", wspace=0.08)
    for arm, (left, right) in enumerate(figure.subplots(num_arms, 2, squeeze=False)):
        points = arms.true[:, arm]
        first_angle, second_angle = _compute_joint_angles(np.diff(points, axis=1))
        _draw_heatmap(left, first_angle, second_angle, errors[:, arm])
        x, y = points[:, -1, :2].T
        _draw_heatmap(right, ("x of the hand (m)", x), ("y of the hand (m)", y), errors[:, arm])
        right.set_aspect("equal")
        suffix = f", arm {arm + 1}" if num_arms > 1 else ""
        left.set_title(f"error by joint angles{suffix}")
        right.set_title(f"error by hand position{suffix}")
    return save_figure(figure, path)


def _to_unit_vectors(vectors: Array) -> Array:
    unit_vectors: Array = vectors / np.maximum(
        np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12
    )
    return unit_vectors


def _compute_joint_angles(links: Array) -> tuple[tuple[str, Array], tuple[str, Array]]:
    """Return labels and values of two characteristic angles (deg) of links (N, links, D).

    In the plane: shoulder and elbow. In space: azimuth and elevation of the upper arm.
    """
    headings = np.degrees(np.arctan2(links[..., 1], links[..., 0]))
    if links.shape[2] == 2:
        elbow = (headings[:, 1] - headings[:, 0] + 180.0) % 360.0 - 180.0
        return ("shoulder (deg)", headings[:, 0]), ("elbow (deg)", elbow)
    horizontal = np.linalg.norm(links[:, 0, :2], axis=-1)
    elevation = np.degrees(np.arctan2(links[:, 0, 2], horizontal))
    return (
        ("azimuth of the upper arm (deg)", headings[:, 0]),
        ("elevation of the upper arm (deg)", elevation),
    )


def _draw_heatmap(axis: Axes, x: tuple[str, Array], y: tuple[str, Array], errors: Array) -> None:
    """Draw the mean of `errors` (mm) over two labelled quantities; white where a bin is empty."""
    x_label, x_values = x
    y_label, y_values = y
    counts, *edges = np.histogram2d(x_values, y_values, HEATMAP_BINS)
    totals, *_ = np.histogram2d(x_values, y_values, edges, weights=errors)
    means = np.divide(totals, counts, out=np.full_like(totals, np.nan), where=counts > 0)
    axis.set(xlabel=x_label, ylabel=y_label)
    mesh = axis.pcolormesh(*edges, means.T, vmin=0.0)
    axis.figure.colorbar(mesh, ax=axis, label="mean error (mm)")


def _require_arm_points(data: Dataset, predictions: Predictions) -> ArmPoints:
    arms = extract_arm_points(data, predictions)
    if arms is None:
        raise UserError(
            f"no arms to draw: the translator does not read the signal {POSE_SIGNAL!r} first, "
            "or its environment has no poses"
        )
    return arms
