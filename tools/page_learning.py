"""How runs learned, for a page: curves of everything they measured, their settings, and where these differ."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from toolkit.metrics import LENGTH, RETURN
from toolkit.run import Run
from toolkit.signals import Array
from tools.healthy import METRICS, metric
from tools.logged import columns, read_log
from tools.page_chart import Line, chart
from tools.page_elements import Element, element, table

EPISODES = 60
"""Points of a curve of training episodes, which chance throws up and down: each is the mean of some of them."""
Measured = dict[str, tuple[Array, Array]]
"""Steps and values of each metric, by its name."""


def measured(run: Run) -> Measured:
    """All that a run has measured; its training episodes among them."""
    step, total, length = columns(run.path / "episodes.csv", "step", "return", "length")
    parts = [np.array_split(column, min(EPISODES, len(step))) for column in (step, total, length) if len(step)]
    means = [np.array([part.mean() for part in column]) for column in parts]
    episodes = {RETURN: (means[0], means[1]), LENGTH: (means[0], means[2])} if means else {}
    return {**episodes, **{name: (told.step, told.values) for name, told in read_log(run).items()}}


def curves(runs: Sequence[Run]) -> Element:
    """A chart for each metric, with a line for each run."""
    told = [measured(run) for run in runs]
    names = {name for one in told for name in one}
    ordered = [name for name in METRICS if name in names] + sorted(names - METRICS.keys())
    goals = {run.config["training"].get("solved_at") for run in runs}
    goal = goals.pop() if len(goals) == 1 else None
    charts = []
    for name in ordered:
        lines = [
            Line(run.path.name, *one[name], colour)
            for colour, (run, one) in enumerate(zip(runs, told, strict=True))
            if name in one
        ]
        title, unit, healthy = metric(name)
        charts.append(chart(title, lines, "steps", unit, healthy, goal if name == "eval/return" else None))
    nothing = [] if charts else [element("p", "Nothing has been measured yet.")]
    return element("div", *charts, *nothing, class_="charts")


def settings(runs: Sequence[Run]) -> Element:
    """The settings in which the runs differ, and below, to be opened, all the others."""
    told = [flat({key: value for key, value in run.config.items() if key != "translator"}) for run in runs]
    names = list(dict.fromkeys(name for one in told for name in one))
    rows = [(name, *(one.get(name, "not there") for one in told)) for name in names]
    different = [row for row in rows if len(set(row[1:])) > 1]
    alike = [row[:2] for row in rows if len(set(row[1:])) == 1]
    heads = [run.path.name for run in runs]
    parts = [table("Settings in which the runs differ", ["setting", *heads], different)] if different else []
    if not different and len(runs) > 1:
        parts = [element("p", "These runs were told the same, to the last setting.")]
    caption = "Settings that are the same in all runs" if len(runs) > 1 else "All settings"
    summary = element("summary", f"{caption} ({len(alike)})")
    return element("div", *parts, element("details", summary, table(caption, ["setting", "value"], alike)))


def flat(values: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Settings within settings as one row of names: `training.seed`; values as one would write them."""
    told: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            told.update(flat(value, f"{before}{name}."))
        else:
            told[before + name] = value if isinstance(value, str) else json.dumps(value)
    return told
