"""The command `poise robustness`: how hard a run's body can be pushed, and what other environments do to its policy."""

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
from rich.console import Console

from poise.toolkit.console import make_table, progress_bar
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

MAX_RADIUS_RATIO = 2.5
"""The plot of pushes ends at so many times the median; what is beyond it is told at its rim."""


DIRECTION_NAMES = {True: ("right", "up", "left", "down"), False: ("ahead", "left", "back", "right")}


WHITE_TEXT_BELOW = 0.55
"""Cells whose score is less than this are so dark that they are written upon in white."""


def plot_robustness(result: RobustnessResult) -> Figure:
    """All that was measured of one run."""
    parts = [part for part in (result.pushes, result.changes) if part is not None]
    widths = [5.0 if isinstance(part, PushLimits) else 6.5 for part in parts]
    figure = Figure(figsize=(sum(widths), 5.6), layout="constrained")
    grid = figure.add_gridspec(1, len(parts), width_ratios=widths)
    for place, part in enumerate(parts):
        if isinstance(part, PushLimits):
            _draw_pushes(figure.add_subplot(grid[place], projection="polar"), part)
        else:
            _draw_changes(figure.add_subplot(grid[place]), part)
    figure.suptitle(
        f"{result.run}, {result.checkpoint}, {short_name(result.env)}: robustness {result.score:.2f}",
        fontweight="bold",
    )
    how = f"Robustness: {result.definition}. "
    if result.pushes is not None:
        how += f"Pushed {PUSH_TIME:g} s after the start; survived: not fallen {SURVIVAL_TIME - PUSH_TIME:g} s later."
        how += f" Line: median of {result.episodes} starts; band: least to most."
    figure.supxlabel(textwrap.fill(how, round(14 * sum(widths))), fontsize=8.5, color=GREY)
    return figure


def _draw_pushes(axes: Any, pushes: PushLimits) -> None:
    """The largest push survived in every direction: the median of the starts, and from the least to the most."""
    low, middle, high = (
        _close_curve(statistic(pushes.impulses, axis=1))
        for statistic in (np.min, np.median, np.max)
    )
    angles = _close_curve(pushes.angles)
    angles[-1] += 2.0 * math.pi
    rim = min(1.1 * float(high.max()), MAX_RADIUS_RATIO * float(np.median(middle))) or 1.0
    axes.fill_between(
        angles,
        np.minimum(low, rim),
        np.minimum(high, rim),
        color=PALETTE[0],
        alpha=0.2,
        linewidth=0,
    )
    axes.plot(
        angles,
        np.minimum(middle, rim),
        "o-",
        color=PALETTE[0],
        markersize=4,
        linewidth=1.6,
        clip_on=False,
    )
    for angle, value, rung in zip(
        pushes.angles, middle, np.median(pushes.levels, axis=1), strict=False
    ):
        if value > rim:
            more = " or more" if rung == NUM_LEVELS else ""
            axes.annotate(
                f"{value:.3g}{more}",
                (angle, rim),
                (angle, 0.8 * rim),
                ha="center",
                va="center",
                fontsize=8,
            )
    axes.set_ylim(0.0, rim)
    axes.set_theta_zero_location("E" if pushes.is_planar else "N")
    axes.set_thetagrids(
        range(0, 360, 45),
        [word for name in DIRECTION_NAMES[pushes.is_planar] for word in (name, "")],
    )
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.tick_params(axis="y", labelsize=8, colors=GREY)
    axes.set_rlabel_position(112.0)
    seen = "" if pushes.is_planar else ", from above"
    axes.set_title(f"largest push survived (N s){seen}", fontsize=10, pad=14)


def _draw_changes(axes: Axes, changes: DynamicsChanges) -> None:
    """The return and the success in every changed environment; the darker, the more is lost."""
    image = axes.imshow(changes.cell_scores, vmin=0.0, vmax=1.0, cmap="viridis", aspect="auto")
    for row, column in np.ndindex(changes.cell_scores.shape):
        told = f"{changes.returns[row, column]:.4g}\n{changes.successes[row, column]:.0%}"
        colour = "white" if changes.cell_scores[row, column] < WHITE_TEXT_BELOW else "black"
        axes.text(column, row, told, ha="center", va="center", fontsize=9, color=colour)
    axes.set_xticks(range(len(SCALE_FACTORS)), [f"x {factor:g}" for factor in SCALE_FACTORS])
    axes.set_yticks(range(len(changes.names)), list(changes.names))
    axes.set_title("return and success in changed environments", fontsize=10)
    above = f"return kept above a random policy's ({changes.random_return:.3g})"
    axes.figure.colorbar(image, ax=axes, label=f"{above}, times success")


def _close_curve(values: Array) -> Array:
    """The values, and the first once more: a line that closes."""
    return np.append(values, values[0])


def measure_and_show(
    run: str,
    *,
    runs_dir: Path,
    checkpoint: str | None,
    episodes: int,
    env_set: Mapping[str, Any],
    out: Path,
    as_json: bool,
) -> None:
    """Print how robust a run's policy is, as tables or as JSON, and draw it."""
    check_figure_path(out)
    tested = Run.open(runs_dir, run)
    with progress_bar("pushed and changed", count_episodes(tested, episodes)) as count:
        lived = [0]

        def tell(more: int) -> None:
            lived[0] += more
            count(lived[0])

        told = measure_robustness(tested, checkpoint, episodes, env_set, tell)
    picture = save_figure(plot_robustness(told), out)
    if as_json:
        print(json.dumps(told.to_dict(), indent=2))
        return
    console = Console(soft_wrap=True, highlight=False)
    console.print(
        f"{told.run}, {told.checkpoint}: {episodes} starts of each push and each environment"
    )
    if told.pushes is not None:
        console.print(
            make_table(
                "\nLargest push survived (N s)",
                ["towards", "median", "least", "most"],
                _format_push_rows(told.pushes),
            )
        )
    if told.changes is not None:
        columns = ["times", *(f"{factor:g}" for factor in SCALE_FACTORS)]
        console.print(
            make_table(
                "\nReturn, and success, in changed environments",
                columns,
                _format_change_rows(told.changes),
            )
        )
    console.print(
        f"\n[bold]robustness {told.score:.2f}[/bold]: {told.definition}\npicture: {picture}"
    )


def _format_push_rows(pushes: PushLimits) -> list[tuple[str, ...]]:
    rows = []
    for angle, rungs, impulses in zip(
        np.degrees(pushes.angles), pushes.levels, pushes.impulses, strict=True
    ):
        name = f" {DIRECTION_NAMES[pushes.is_planar][round(angle / 90)]}" if angle % 90 == 0 else ""
        values = (np.median(impulses), impulses.min(), impulses.max())
        more = " or more" if rungs.max() == NUM_LEVELS else ""
        rows.append(
            (
                f"{angle:5.1f}{name}",
                *(f"{value:.3g}" for value in values[:2]),
                f"{values[2]:.3g}{more}",
            )
        )
    return rows


def _format_change_rows(changes: DynamicsChanges) -> list[tuple[str, ...]]:
    rows = zip(changes.names, changes.returns, changes.successes, strict=True)
    return [
        (
            name,
            *(
                f"{value:.3g} {success:.0%}"
                for value, success in zip(returns, successes, strict=True)
            ),
        )
        for name, returns, successes in rows
    ]
