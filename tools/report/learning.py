"""How runs learned, for a page: curves of everything they measured, their settings, and where these differ."""

import base64
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from poise import algos
from poise.algos.base import Learner
from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.evaluation import EVALUATION_SEED
from poise.toolkit.loggers import LENGTH, RETURN, columns, read_log
from poise.toolkit.registry import make_world
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array
from poise.tools.record.episode_trace import Story, live
from poise.tools.record.record_run import film_episode, frame_rate
from poise.tools.report.episodes import ending, episodes, falls, rewards, step_by_step
from poise.tools.report.glossary import METRICS, metric
from poise.tools.report.html import Element, Line, chart, element, table

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


SIZE = 400
"""Height and width of the films (pixels)."""


class Lived(NamedTuple):
    """A run, its best policy, and the evaluation episodes that it has lived."""

    run: Run
    learner: Learner
    stories: list[Story]


def evaluated(run: Run, number: int) -> Lived:
    """Let the best policy of a run live its first evaluation episodes."""
    learner, config = judging(run), run.config
    with closing(make_world(config["world"], config["world_settings"])) as world:
        stories = [live(world, learner, EVALUATION_SEED + index, frame_rate(world)) for index in range(number)]
    return Lived(run, learner, stories)


def judging(run: Run) -> Learner:
    """The best policy of a run, and its critic where that can be read: one of another version cannot, its policy can."""
    try:
        return algos.restore(run, judge=True)
    except WorkError:
        return algos.restore(run)


def run_section(place: str, lived: Lived) -> Sequence[Element]:
    """Film, episodes, falls, and the first episode step by step; `place` is the section's id."""
    told = lived.stories
    first, *others = told
    shown = [first, *(story for story in others if story.failed)][:2]
    films = {story.seed: f"{place}-film-{story.seed}" for story in shown}
    return [
        element("h3", "On film"),
        element("div", *(_film(lived.run, story, films[story.seed]) for story in shown), class_="films"),
        element("h3", "Its evaluation episodes"),
        episodes(told),
        rewards(told),
        element("h3", "Why did it fall?"),
        falls(told, films),
        element("h3", f"The episode of seed {first.seed}, step by step"),
        step_by_step(first, films[first.seed]),
    ]


def _film(run: Run, story: Story, place: str) -> Element:
    """The film of an episode, in the page itself; a word where the world cannot be drawn."""
    with TemporaryDirectory() as folder:
        try:
            data = film_episode(run, Path(folder, "film.mp4"), seed=story.seed, size=SIZE).read_bytes()
        except UserError as error:
            return element("p", f"There is no film: {error}.")
    source = f"data:video/mp4;base64,{base64.b64encode(data).decode()}"
    told = f"The episode of seed {story.seed}: {ending(story)}."
    video = element(
        "video",
        id=place,
        controls="",
        playsinline="",
        muted="",
        preload="auto",
        src=source,
        aria_label=f"{run.path.name}. {told}",
    )
    return element("figure", video, element("figcaption", told), class_="film")
