"""The command `poise robustness`: how hard a run's body can be pushed, and what other worlds do to its policy."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from toolkit.console import table
from toolkit.run import Run
from tools.changes import FACTORS, Changes
from tools.draw_robustness import COMPASS, draw
from tools.pictures import check_picture, save_picture
from tools.pushes import RUNGS, Pushes
from tools.robustness import lives, robustness
from tools.show import counting


def test_and_show(
    run: str, *, runs_dir: Path, checkpoint: str | None, episodes: int, env_set: Mapping[str, Any], out: Path, as_json: bool
) -> None:
    """Print how robust a run's policy is, as tables or as JSON, and draw it."""
    check_picture(out)
    tested = Run.open(runs_dir, run)
    with counting("pushed and changed", lives(tested, episodes)) as count:
        lived = [0]

        def tell(more: int) -> None:
            lived[0] += more
            count(lived[0])

        told = robustness(tested, checkpoint, episodes, env_set, tell)
    picture = save_picture(draw(told), out)
    if as_json:
        print(json.dumps(told.plain(), indent=2))
        return
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"{told.run}, {told.checkpoint}: {episodes} starts of each push and each world")
    if told.pushes is not None:
        console.print(table("\nLargest push survived (N s)", ["towards", "median", "least", "most"], _rows(told.pushes)))
    if told.changes is not None:
        columns = ["times", *(f"{factor:g}" for factor in FACTORS)]
        console.print(table("\nReturn, and success, in changed worlds", columns, _cells(told.changes)))
    console.print(f"\n[bold]robustness {told.figure:.2f}[/bold]: {told.definition}\npicture: {picture}")


def _rows(pushes: Pushes) -> list[tuple[str, ...]]:
    rows = []
    for angle, rungs, impulses in zip(np.degrees(pushes.angles), pushes.rungs, pushes.impulses, strict=True):
        name = f" {COMPASS[pushes.in_plane][round(angle / 90)]}" if angle % 90 == 0 else ""
        values = (np.median(impulses), impulses.min(), impulses.max())
        more = " or more" if rungs.max() == RUNGS else ""
        rows.append((f"{angle:5.1f}{name}", *(f"{value:.3g}" for value in values[:2]), f"{values[2]:.3g}{more}"))
    return rows


def _cells(changes: Changes) -> list[tuple[str, ...]]:
    rows = zip(changes.names, changes.returns, changes.successes, strict=True)
    return [
        (name, *(f"{value:.3g} {success:.0%}" for value, success in zip(returns, successes, strict=True)))
        for name, returns, successes in rows
    ]
