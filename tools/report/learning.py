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
from poise.toolkit.loggers import LENGTH, RETURN, read_columns, read_metrics
from poise.toolkit.registry import make_env
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array
from poise.tools.record.episode_trace import EpisodeTrace, trace_episode
from poise.tools.record.record_run import get_frame_rate, record_episode
from poise.tools.report.episodes import (
    describe_ending,
    render_episode_charts,
    render_episodes,
    render_failures,
    render_reward_terms,
)
from poise.tools.report.glossary import METRICS, describe_metric
from poise.tools.report.html import Element, Line, make_element, render_chart, render_table

MAX_EPISODE_POINTS = 60
"""Points of a curve of training episodes, which chance throws up and down: each is the mean of some of them."""


MetricCurves = dict[str, tuple[Array, Array]]
"""Steps and values of each metric, by its name."""


def read_metric_curves(run: Run) -> MetricCurves:
    """All that a run has measured; its training episodes among them."""
    step, total, length = read_columns(run.path / "episodes.csv", "step", "return", "length")
    parts = [
        np.array_split(column, min(MAX_EPISODE_POINTS, len(step)))
        for column in (step, total, length)
        if len(step)
    ]
    means = [np.array([part.mean() for part in column]) for column in parts]
    episodes = {RETURN: (means[0], means[1]), LENGTH: (means[0], means[2])} if means else {}
    return {
        **episodes,
        **{name: (told.step, told.values) for name, told in read_metrics(run).items()},
    }


def render_metric_charts(runs: Sequence[Run]) -> Element:
    """A chart for each metric, with a line for each run."""
    told = [read_metric_curves(run) for run in runs]
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
        title, unit, healthy = describe_metric(name)
        charts.append(
            render_chart(
                title, lines, "steps", unit, healthy, goal if name == "eval/return" else None
            )
        )
    nothing = [] if charts else [make_element("p", "Nothing has been measured yet.")]
    return make_element("div", *charts, *nothing, class_="charts")


def render_settings(runs: Sequence[Run]) -> Element:
    """The settings in which the runs differ, and below, to be opened, all the others."""
    told = [
        flatten({key: value for key, value in run.config.items() if key != "translator"})
        for run in runs
    ]
    names = list(dict.fromkeys(name for one in told for name in one))
    rows = [(name, *(one.get(name, "not there") for one in told)) for name in names]
    different = [row for row in rows if len(set(row[1:])) > 1]
    alike = [row[:2] for row in rows if len(set(row[1:])) == 1]
    heads = [run.path.name for run in runs]
    parts = (
        [render_table("Settings in which the runs differ", ["setting", *heads], different)]
        if different
        else []
    )
    if not different and len(runs) > 1:
        parts = [make_element("p", "These runs were told the same, to the last setting.")]
    caption = "Settings that are the same in all runs" if len(runs) > 1 else "All settings"
    summary = make_element("summary", f"{caption} ({len(alike)})")
    return make_element(
        "div",
        *parts,
        make_element("details", summary, render_table(caption, ["setting", "value"], alike)),
    )


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Settings within settings as one row of names: `training.seed`; values as one would write them."""
    told: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            told.update(flatten(value, f"{prefix}{name}."))
        else:
            told[prefix + name] = value if isinstance(value, str) else json.dumps(value)
    return told


VIDEO_SIZE = 400
"""Height and width of the films (pixels)."""


class EvaluatedRun(NamedTuple):
    """A run, its best policy, and the evaluation episodes that it has lived."""

    run: Run
    learner: Learner
    traces: list[EpisodeTrace]


def evaluate_best_policy(run: Run, num_episodes: int) -> EvaluatedRun:
    """Let the best policy of a run live its first evaluation episodes."""
    learner = load_best_policy(run)
    config = run.config
    with closing(make_env(config["env"], config["env_settings"])) as env:
        stories = [
            trace_episode(env, learner, EVALUATION_SEED + index, get_frame_rate(env))
            for index in range(num_episodes)
        ]
    return EvaluatedRun(run, learner, stories)


def load_best_policy(run: Run) -> Learner:
    """The best policy of a run, and its critic where that can be read: one of another version cannot, its policy can."""
    try:
        return algos.restore_learner(run, with_critic=True)
    except WorkError:
        return algos.restore_learner(run)


def render_run_section(section_id: str, evaluated_run: EvaluatedRun) -> Sequence[Element]:
    """Film, episodes, falls, and the first episode step by step; `section_id` is the section's id."""
    told = evaluated_run.traces
    first, *others = told
    shown = [first, *(story for story in others if story.is_failure)][:2]
    films = {story.seed: f"{section_id}-film-{story.seed}" for story in shown}
    return [
        make_element("h3", "On film"),
        make_element(
            "div",
            *(_render_video(evaluated_run.run, story, films[story.seed]) for story in shown),
            class_="films",
        ),
        make_element("h3", "Its evaluation episodes"),
        render_episodes(told),
        render_reward_terms(told),
        make_element("h3", "Why did it fall?"),
        render_failures(told, films),
        make_element("h3", f"The episode of seed {first.seed}, step by step"),
        render_episode_charts(first, films[first.seed]),
    ]


def _render_video(run: Run, trace: EpisodeTrace, video_id: str) -> Element:
    """The film of an episode, in the page itself; a word where the environment cannot be drawn."""
    with TemporaryDirectory() as folder:
        try:
            data = record_episode(
                run, Path(folder, "film.mp4"), seed=trace.seed, size=VIDEO_SIZE
            ).read_bytes()
        except UserError as error:
            return make_element("p", f"There is no film: {error}.")
    source = f"data:video/mp4;base64,{base64.b64encode(data).decode()}"
    told = f"The episode of seed {trace.seed}: {describe_ending(trace)}."
    video = make_element(
        "video",
        id=video_id,
        controls="",
        playsinline="",
        muted="",
        preload="auto",
        src=source,
        aria_label=f"{run.path.name}. {told}",
    )
    return make_element("figure", video, make_element("figcaption", told), class_="film")
