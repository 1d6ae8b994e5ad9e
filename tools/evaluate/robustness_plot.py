"""The command `poise robustness`: measure a run's robustness, print it as tables and plot it."""

import json
import math
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from poise.toolkit.console import Console, make_table, progress_bar
from poise.toolkit.files import find_free_path
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
from poise.tools.plot.figures import GREY, PALETTE, check_figure_path, save_figure

FIGURE_HEIGHT = 5.6
PUSHES_WIDTH = 5.0
CHANGES_WIDTH = 6.5
"""Sizes of the figure's parts (inches)."""

CAPTION_CHARACTERS_PER_INCH = 14

MAX_RADIUS_RATIO = 2.5
"""Radius of the polar plot over the median push; larger pushes are written at its rim."""

DIRECTION_NAMES = {True: ("right", "up", "left", "down"), False: ("ahead", "left", "back", "right")}
"""Names of the directions at 0, 90, 180 and 270 degrees, in the plane (True) and in space."""

WHITE_TEXT_BELOW = 0.55
"""Cells with a lower score are dark, so their text is white."""


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
    out = out or find_free_path(Path(f"{opened_run.path.name}-robustness.png"))
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


def plot_robustness(result: RobustnessResult) -> Figure:
    """Plot the pushes survived, the returns in changed environments, or both."""
    widths = []
    if result.pushes is not None:
        widths.append(PUSHES_WIDTH)
    if result.changes is not None:
        widths.append(CHANGES_WIDTH)
    figure = Figure(figsize=(sum(widths), FIGURE_HEIGHT), layout="constrained")
    grid = figure.add_gridspec(1, len(widths), width_ratios=widths)
    if result.pushes is not None:
        _draw_pushes(figure.add_subplot(grid[0], projection="polar"), result.pushes)
    if result.changes is not None:
        _draw_changes(figure.add_subplot(grid[len(widths) - 1]), result.changes)
    policy_name = f"{result.run}, {result.checkpoint}, {short_name(result.env)}"
    figure.suptitle(f"{policy_name}: robustness {result.score:.2f}", fontweight="bold")
    caption = textwrap.fill(_describe(result), round(CAPTION_CHARACTERS_PER_INCH * sum(widths)))
    figure.supxlabel(caption, fontsize=8.5, color=GREY)
    return figure


def _describe(result: RobustnessResult) -> str:
    """Return the figure's caption."""
    caption = f"Robustness: {result.definition}. "
    if result.pushes is not None:
        caption += f"Pushed {PUSH_TIME:g} s after the start;"
        caption += f" survived: not fallen {SURVIVAL_TIME - PUSH_TIME:g} s later."
        caption += f" Line: median of {result.episodes} starts; band: least to most."
    return caption


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
    axes.fill_between(angles, lower, upper, color=PALETTE[0], alpha=0.2, linewidth=0)
    line = {"color": PALETTE[0], "markersize": 4, "linewidth": 1.6, "clip_on": False}
    axes.plot(angles, np.minimum(median, rim), "o-", **line)

    median_levels = np.median(pushes.levels, axis=1)
    for angle, impulse, level in zip(pushes.angles, median[:-1], median_levels, strict=True):
        if impulse > rim:
            label = f"{impulse:.3g}{' or more' if level == NUM_LEVELS else ''}"
            position = (angle, 0.8 * rim)
            axes.annotate(label, (angle, rim), position, ha="center", va="center", fontsize=8)

    axes.set_ylim(0.0, rim)
    axes.set_theta_zero_location("E" if pushes.is_planar else "N")
    labels = [label for name in DIRECTION_NAMES[pushes.is_planar] for label in (name, "")]
    axes.set_thetagrids(range(0, 360, 45), labels)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.tick_params(axis="y", labelsize=8, colors=GREY)
    axes.set_rlabel_position(112.0)
    view = "" if pushes.is_planar else ", from above"
    axes.set_title(f"largest push survived (N s){view}", fontsize=10, pad=14)


def _draw_changes(axes: Axes, changes: DynamicsChanges) -> None:
    """Draw return and success in every changed environment; darker cells lost more."""
    scores = changes.cell_scores
    image = axes.imshow(scores, vmin=0.0, vmax=1.0, cmap="viridis", aspect="auto")
    for row, column in np.ndindex(scores.shape):
        label = f"{changes.returns[row, column]:.4g}\n{changes.successes[row, column]:.0%}"
        colour = "white" if scores[row, column] < WHITE_TEXT_BELOW else "black"
        axes.text(column, row, label, ha="center", va="center", fontsize=9, color=colour)
    axes.set_xticks(range(len(SCALE_FACTORS)), [f"x {factor:g}" for factor in SCALE_FACTORS])
    axes.set_yticks(range(len(changes.names)), list(changes.names))
    axes.set_title("return, and episodes without a failure, in changed environments", fontsize=10)
    kept = f"return kept above a random policy's ({changes.random_return:.3g})"
    axes.figure.colorbar(image, ax=axes, label=f"{kept}, times those episodes")


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
