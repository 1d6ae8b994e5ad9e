"""The command `poise robustness`: measure a run's robustness, print it as tables and plot it."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from poise.toolkit.console import Console, make_table, progress_bar
from poise.toolkit.files import find_free_path
from poise.toolkit.media.palette import LIGHT, blend
from poise.toolkit.registry import short_name
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array
from poise.tools.evaluate.pushes import NUM_LEVELS, PUSH_TIME, SURVIVAL_TIME, PushLimits
from poise.tools.evaluate.robustness import (
    SCALE_FACTORS,
    DynamicsChanges,
    RobustnessResult,
    count_episodes,
    measure_robustness,
)
from poise.tools.plot.figures import (
    LABEL_SIZE,
    NOTE_SIZE,
    add_title_and_caption,
    check_figure_path,
    make_figure,
    save_figure,
    styled,
)

FIGURE_HEIGHT = 5.6
PUSHES_WIDTH = 5.0
CHANGES_WIDTH = 6.5
"""Sizes of the figure's parts (inches)."""

MAX_RADIUS_RATIO = 2.5
"""Radius of the polar plot over the median push; larger pushes are written at its rim."""

DIRECTION_NAMES = {True: ("right", "up", "left", "down"), False: ("ahead", "left", "back", "right")}
"""Names of the directions at 0, 90, 180 and 270 degrees, in the plane (True) and in space."""

FAILED_BELOW = 0.5
"""Success, as a fraction, below which a cell has a cross."""

RING_LABEL_ANGLE = 24.0
"""Angle between the weakest side and the names of the rings (degrees)."""

NO_BREAK = "\N{NO-BREAK SPACE}"
CROSS = "\N{MULTIPLICATION X}"
TIMES = "\N{MULTIPLICATION SIGN}"


def measure_and_show(
    run: str,
    *,
    runs_dir: Path,
    checkpoint: str | None,
    episodes: int,
    env_set: Mapping[str, Any],
    out: Path | None,
    as_json: bool,
) -> None:
    """Print how robust a run's policy is, as tables or as JSON, and save the figure."""
    opened_run = Run.open(runs_dir, run)
    out = out or find_free_path(Path.cwd() / f"{opened_run.path.name}-robustness.png")
    check_figure_path(out)
    total = count_episodes(opened_run, episodes)
    with progress_bar(f"episodes of {run}", total, quiet=as_json) as show_progress:
        simulated_episodes = 0

        def on_progress(num_episodes: int) -> None:
            nonlocal simulated_episodes
            simulated_episodes += num_episodes
            show_progress(simulated_episodes)

        result = measure_robustness(opened_run, checkpoint, episodes, env_set, on_progress)
    figure_path = save_figure(plot_robustness(result), out)
    if as_json:
        print(json.dumps(result.to_dict(), indent=2))
        return
    console = Console(soft_wrap=True, highlight=False)
    console.print(
        f"{result.run}, {result.checkpoint}:"
        f" {episodes} starts of each push and of each changed environment"
    )
    if result.pushes is not None:
        columns = ["direction", "median", "least", "most"]
        rows = _format_push_rows(result.pushes)
        console.print(make_table("\nLargest push survived (N s)", columns, rows))
    if result.changes is not None:
        columns = ["scaled by", *(f"{factor:g}" for factor in SCALE_FACTORS)]
        rows = _format_change_rows(result.changes)
        title = "\nReturn, and episodes without a failure, in changed environments"
        console.print(make_table(title, columns, rows))
    console.print(f"\nrobustness {result.score:.2f}", style="bold", end="")
    console.print(f": {result.definition}")
    console.print(f"figure: {figure_path}")


@styled
def plot_robustness(result: RobustnessResult) -> Figure:
    """Plot the pushes survived, the returns in changed environments, or both."""
    widths = []
    if result.pushes is not None:
        widths.append(PUSHES_WIDTH)
    if result.changes is not None:
        widths.append(CHANGES_WIDTH)
    figure = make_figure(FIGURE_HEIGHT)
    title = f"{result.run}, {short_name(result.env)}: robustness {result.score:.2f}"
    if result.pushes is not None:
        title += f"; {_describe_weakest_side(result.pushes)}"
    add_title_and_caption(figure, title, f"Policy {result.checkpoint}. {_describe(result)}")
    grid = figure.add_gridspec(1, len(widths), width_ratios=widths)
    if result.pushes is not None:
        _draw_pushes(figure.add_subplot(grid[0], projection="polar"), result.pushes)
    if result.changes is not None:
        _draw_changes(figure.add_subplot(grid[len(widths) - 1]), result.changes)
    return figure


def _describe(result: RobustnessResult) -> str:
    """Return the figure's caption."""
    caption = f"Robustness: {result.definition}. "
    if result.pushes is not None:
        caption += f"Pushed {PUSH_TIME:g} s after the start;"
        caption += f" survived: not fallen {SURVIVAL_TIME - PUSH_TIME:g} s later."
        caption += f" Area: median of {result.episodes} starts; pale band: least to most."
    return caption


def _describe_weakest_side(pushes: PushLimits) -> str:
    """Return the direction of the push that is survived least, and its impulse."""
    median = np.median(pushes.impulses, axis=1)
    weakest = int(np.argmin(median))
    degrees = round(math.degrees(pushes.angles[weakest])) % 360
    names = DIRECTION_NAMES[pushes.is_planar]
    direction = names[degrees // 90] if degrees % 90 == 0 else f"at {degrees}°"
    return f"falls first when pushed {direction}, {median[weakest]:.2g}{NO_BREAK}N{NO_BREAK}s"


def _draw_pushes(axes: Any, pushes: PushLimits) -> None:
    """Draw the largest push survived in each direction: median of the starts, least to most."""
    least, median, most = (
        _close_curve(statistic(pushes.impulses, axis=1))
        for statistic in (np.min, np.median, np.max)
    )
    angles = _close_curve(pushes.angles)
    angles[-1] += 2.0 * math.pi
    # 1.0 where no push at all was survived: the axis must have a length.
    rim = min(1.1 * float(most.max()), MAX_RADIUS_RATIO * float(np.median(median))) or 1.0
    lower = np.minimum(least, rim)
    upper = np.minimum(most, rim)
    shown_median = np.minimum(median, rim)
    color = LIGHT.series[0]
    axes.fill(angles, shown_median, color=color, alpha=0.3, linewidth=0)
    axes.fill_between(angles, lower, upper, color=color, alpha=0.15, linewidth=0)
    line = {"color": color, "markersize": 6, "linewidth": 2.0, "clip_on": False}
    axes.plot(angles, shown_median, "o-", **line)
    weakest = int(np.argmin(median[:-1]))
    mark = {"color": LIGHT.failure, "markersize": 10, "markeredgewidth": 2.5, "zorder": 5}
    axes.plot(angles[weakest], shown_median[weakest], "x", **mark)

    median_levels = np.median(pushes.levels, axis=1)
    for angle, impulse, level in zip(pushes.angles, median[:-1], median_levels, strict=True):
        if impulse > rim:
            label = f"{impulse:.3g}{' or more' if level == NUM_LEVELS else ''}"
            position = (angle, 0.78 * rim)
            axes.annotate(
                label,
                (angle, rim),
                position,
                horizontalalignment="center",
                verticalalignment="center",
                fontsize=NOTE_SIZE,
                arrowprops={"arrowstyle": "->", "color": LIGHT.ink},
            )

    axes.set_ylim(0.0, rim)
    axes.set_theta_zero_location("E" if pushes.is_planar else "N")
    labels = [label for name in DIRECTION_NAMES[pushes.is_planar] for label in (name, "")]
    axes.set_thetagrids(range(0, 360, 45), labels)
    axes.grid(visible=True, axis="both")
    rings = MaxNLocator(4).tick_values(0.0, rim)
    rings = [ring for ring in rings if 0.0 < ring <= rim]
    axes.set_yticks(rings, [f"{ring:g} N s" for ring in rings])
    axes.tick_params(axis="y", labelsize=NOTE_SIZE - 1)
    axes.tick_params(axis="x", labelsize=LABEL_SIZE, labelcolor=LIGHT.ink)
    # The names of the rings stand beside the weakest side, where the area is small.
    axes.set_rlabel_position(math.degrees(angles[weakest]) + RING_LABEL_ANGLE)
    view = "" if pushes.is_planar else ", from above"
    axes.set_title(f"Largest push survived (N s){view}", pad=16)


def _draw_changes(axes: Axes, changes: DynamicsChanges) -> None:
    """Draw episodes without a failure, and the return, in every changed environment.

    A failed cell has a cross.
    """
    rows, columns = changes.successes.shape
    for row, column in np.ndindex(rows, columns):
        success = float(changes.successes[row, column])
        pale_blue = blend(LIGHT.series[0], LIGHT.paper, 0.08 + 0.42 * success)
        axes.add_patch(
            Rectangle((column - 0.48, row - 0.46), 0.96, 0.92, facecolor=pale_blue, linewidth=0)
        )
        has_failed = success < FAILED_BELOW
        text = f"{CROSS} {success:.0%}" if has_failed else f"{success:.0%}"
        axes.annotate(
            text,
            (column, row),
            (0.0, 8.0),
            textcoords="offset points",
            horizontalalignment="center",
            verticalalignment="center",
            fontweight="bold",
            color=LIGHT.failure if has_failed else LIGHT.ink,
        )
        axes.annotate(
            f"return {changes.returns[row, column]:.4g}",
            (column, row),
            (0.0, -10.0),
            textcoords="offset points",
            horizontalalignment="center",
            verticalalignment="center",
            fontsize=NOTE_SIZE - 2,
            color=LIGHT.ink,
        )
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_xticks(range(columns), [f"{TIMES} {factor:g}" for factor in SCALE_FACTORS])
    axes.set_yticks(range(rows), [name.replace("_", " ") for name in changes.names])
    axes.tick_params(length=0, labelcolor=LIGHT.ink)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_title("Episodes without a failure (%) in changed environments", pad=16)
    axes.set_xlabel(
        f"factor on the property; a random policy's return is {changes.random_return:.3g}"
    )


def _close_curve(values: Array) -> Array:
    """Return the values with the first one appended, so that the curve closes."""
    return np.append(values, values[0])


def _format_push_rows(pushes: PushLimits) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    names = DIRECTION_NAMES[pushes.is_planar]
    degrees = np.degrees(pushes.angles)
    for angle, levels, impulses in zip(degrees, pushes.levels, pushes.impulses, strict=True):
        direction = f"{angle:5.1f}"
        if angle % 90 == 0:
            direction += f" {names[round(angle / 90)]}"
        most = f"{impulses.max():.3g}{' or more' if levels.max() == NUM_LEVELS else ''}"
        rows.append((direction, f"{np.median(impulses):.3g}", f"{impulses.min():.3g}", most))
    return rows


def _format_change_rows(changes: DynamicsChanges) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, returns, successes in zip(
        changes.names, changes.returns, changes.successes, strict=True
    ):
        cells = zip(returns, successes, strict=True)
        rows.append((name, *(f"{value:.3g} {success:.0%}" for value, success in cells)))
    return rows
