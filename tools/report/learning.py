"""Sections of a report: curves of all metrics, settings, and the best policy of each run."""

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
"""Points of a curve of training episodes: single episodes vary too much, so parts are averaged."""


VIDEO_SIZE = 400
"""Height and width of the videos (pixels)."""


MAX_VIDEOS = 2
"""Videos of a run: its first episode, then failures."""


MetricCurves = dict[str, tuple[Array, Array]]
"""Steps (n,) and values (n,) of each metric, by name."""


class EvaluatedRun(NamedTuple):
    """A run, its best policy, and the traces of that policy's evaluation episodes."""

    run: Run
    learner: Learner
    traces: list[EpisodeTrace]


def read_metric_curves(run: Run) -> MetricCurves:
    """Read all metrics of a run, and averages of its training episodes."""
    curves: MetricCurves = {}
    step, episode_return, length = read_columns(
        run.path / "episodes.csv", "step", "return", "length"
    )
    if len(step):
        mean_step = _average_parts(step)
        curves[RETURN] = (mean_step, _average_parts(episode_return))
        curves[LENGTH] = (mean_step, _average_parts(length))
    for name, series in read_metrics(run).items():
        curves[name] = (series.step, series.values)
    return curves


def _average_parts(values: Array) -> Array:
    """Average values (n,) over at most MAX_EPISODE_POINTS parts of equal size."""
    parts = np.array_split(values, min(MAX_EPISODE_POINTS, len(values)))
    return np.array([part.mean() for part in parts])


def render_metric_charts(runs: Sequence[Run]) -> Element:
    """Render a chart for each metric, with a line for each run."""
    curves_of_runs = [read_metric_curves(run) for run in runs]
    names = {name for curves in curves_of_runs for name in curves}
    ordered = [name for name in METRICS if name in names] + sorted(names - METRICS.keys())
    thresholds = {run.config["training"]["solved_at"] for run in runs}
    threshold = thresholds.pop() if len(thresholds) == 1 else None
    charts = []
    for name in ordered:
        lines = [
            Line(run.path.name, *curves[name], color_index)
            for color_index, (run, curves) in enumerate(zip(runs, curves_of_runs, strict=True))
            if name in curves
        ]
        entry = describe_metric(name)
        charts.append(
            render_chart(
                entry.title,
                lines,
                "steps",
                unit=entry.unit,
                interpretation=entry.interpretation,
                threshold=threshold if name == "eval/return" else None,
            )
        )
    if not charts:
        charts.append(make_element("p", "No metrics have been logged yet."))
    return make_element("div", *charts, class_="charts")


def render_settings(runs: Sequence[Run]) -> Element:
    """Render the settings in which the runs differ, and a collapsed table of the others."""
    settings_of_runs = []
    for run in runs:
        # Leave out the settings of a translator that was trained together with the run.
        config = {key: value for key, value in run.config.items() if key != "translator"}
        settings_of_runs.append(flatten(config))
    names = list(dict.fromkeys(name for settings in settings_of_runs for name in settings))
    rows = [
        (name, *(settings.get(name, "not set") for settings in settings_of_runs)) for name in names
    ]
    different = [row for row in rows if len(set(row[1:])) > 1]
    equal = [row[:2] for row in rows if len(set(row[1:])) == 1]
    elements = []
    if different:
        columns = ["setting", *(run.path.name for run in runs)]
        elements.append(render_table("Settings in which the runs differ", columns, different))
    elif len(runs) > 1:
        elements.append(make_element("p", "All settings of these runs are equal."))
    caption = "Settings that are equal in all runs" if len(runs) > 1 else "All settings"
    summary = make_element("summary", f"{caption} ({len(equal)})")
    table = render_table(caption, ["setting", "value"], equal)
    return make_element("div", *elements, make_element("details", summary, table))


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Flatten nested settings to names such as `training.seed`; format values as JSON."""
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value if isinstance(value, str) else json.dumps(value)
    return flat


def evaluate_best_policy(run: Run, num_episodes: int) -> EvaluatedRun:
    """Run the best policy on its first evaluation episodes, without exploration."""
    learner = algos.restore_learner(run, with_critic=True)
    config = run.config
    with closing(make_env(config["env"], config["env_settings"])) as env:
        rate = get_frame_rate(env)
        traces = [
            trace_episode(env, learner, EVALUATION_SEED + index, rate, run.solved_at)
            for index in range(num_episodes)
        ]
    return EvaluatedRun(run, learner, traces)


def render_run_section(section_id: str, evaluated_run: EvaluatedRun) -> Sequence[Element]:
    """Render videos, episodes, failures, and the first episode in detail.

    `section_id` is the prefix of the element ids of the videos.
    """
    traces = evaluated_run.traces
    first, *others = traces
    failed = [trace for trace in others if trace.is_failure]
    recorded = [first, *failed][:MAX_VIDEOS]
    video_ids = {trace.seed: f"{section_id}-video-{trace.seed}" for trace in recorded}
    videos = [_render_video(evaluated_run.run, trace, video_ids[trace.seed]) for trace in recorded]
    return [
        make_element("h3", "Videos"),
        make_element("div", *videos, class_="videos"),
        make_element("h3", "Evaluation episodes"),
        render_episodes(traces),
        render_reward_terms(traces),
        make_element("h3", "Failures"),
        render_failures(traces, video_ids),
        make_element("h3", f"Episode with seed {first.seed}, step by step"),
        render_episode_charts(first, video_ids[first.seed]),
    ]


def _render_video(run: Run, trace: EpisodeTrace, video_id: str) -> Element:
    """Record an episode and embed the video; explain if the environment has no rendering."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "video.mp4")
        try:
            data = record_episode(run, path, seed=trace.seed, size=VIDEO_SIZE).read_bytes()
        except (UserError, WorkError) as error:
            return make_element("p", f"There is no video: {error}.")
    caption = f"Episode with seed {trace.seed}: {describe_ending(trace)}."
    video = make_element(
        "video",
        id=video_id,
        controls="",
        playsinline="",
        muted="",
        preload="auto",
        src=f"data:video/mp4;base64,{base64.b64encode(data).decode()}",
        aria_label=f"{run.path.name}. {caption}",
    )
    return make_element("figure", video, make_element("figcaption", caption), class_="video")
