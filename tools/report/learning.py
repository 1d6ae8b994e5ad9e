"""Sections of a report: the best policy of each run, curves of all metrics, and settings."""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pygame

from poise import algos
from poise.algos.base import Learner
from poise.toolkit.console import count_progress
from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.evaluation import EVALUATION_SEED
from poise.toolkit.experience import ActorPolicy, run_episode
from poise.toolkit.loggers import LENGTH, RETURN, read_columns, read_metrics
from poise.toolkit.media.image import frame_to_surface
from poise.toolkit.registry import make_env
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array
from poise.tools.record.episode_trace import EpisodeTrace, trace_episode
from poise.tools.record.montage import film_strip
from poise.tools.record.record_run import (
    get_frame_rate,
    make_render_env,
    make_render_settings,
    record_episode,
)
from poise.tools.report.episodes import (
    describe_ending,
    render_episode_charts,
    render_episodes,
    render_failures,
    render_first_failure,
    render_reward_terms,
)
from poise.tools.report.glossary import METRICS, describe_metric
from poise.tools.report.html import Element, Line, make_element, render_chart, render_table

MAX_EPISODE_POINTS = 60
"""Points of a curve of training episodes: single episodes vary too much, so parts are averaged."""


MAIN_METRICS = ("eval/return", "eval/length", "eval/success")
"""Curves that are shown before all others."""


STRIP_MOMENTS = 5
STRIP_SECONDS = 1.5
"""Pictures of the end of a failed episode, and the time that they show (s)."""


STRIP_SIZE = 200
"""Height and width of these pictures (pixels)."""


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


def render_metric_charts(runs: Sequence[Run], names: Sequence[str]) -> Element:
    """Render a chart for each of the metrics `names`, with a line for each run that logged it."""
    curves_of_runs = [read_metric_curves(run) for run in runs]
    thresholds = {run.config["training"]["solved_at"] for run in runs}
    threshold = thresholds.pop() if len(thresholds) == 1 else None
    charts = []
    for name in names:
        lines = [
            Line(run.path.name, *curves[name], color_index)
            for color_index, (run, curves) in enumerate(zip(runs, curves_of_runs, strict=True))
            if name in curves
        ]
        entry = describe_metric(name)
        unit = entry.unit
        if entry.plain_title:
            unit = ", ".join(text for text in (entry.title, entry.unit) if text)
        has_threshold = name == "eval/return" and threshold is not None
        if has_threshold:
            unit += f"; dashed: solved at {threshold:g}"
        charts.append(
            render_chart(
                entry.plain_title or entry.title,
                lines,
                "environment steps",
                unit=unit,
                interpretation=entry.interpretation,
                threshold=threshold if has_threshold else None,
            )
        )
    if not charts:
        charts.append(make_element("p", "No metrics have been logged yet."))
    return make_element("div", *charts, class_="charts")


def list_metrics(runs: Sequence[Run]) -> tuple[list[str], list[str]]:
    """Return the logged ones of MAIN_METRICS, and all other metrics in the glossary's order."""
    names = {name for run in runs for name in read_metric_curves(run)}
    ordered = [name for name in METRICS if name in names] + sorted(names - METRICS.keys())
    main = [name for name in MAIN_METRICS if name in names]
    return main, [name for name in ordered if name not in main]


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
            for index in count_progress(range(num_episodes), num_episodes, "episodes")
        ]
    return EvaluatedRun(run, learner, traces)


def render_result(section_id: str, evaluated_run: EvaluatedRun) -> Sequence[Element]:
    """Render the film and three numbers of a run, and how its policy fails.

    `section_id` is the prefix of the element ids of the videos.
    """
    traces = evaluated_run.traces
    video_ids = _make_video_ids(section_id, traces)
    film = _render_video(evaluated_run.run, traces[0], video_ids[traces[0].seed])
    failed = [trace for trace in traces if trace.is_failure]
    strip = _render_strip(evaluated_run, failed[0]) if failed else None
    failure = render_first_failure(traces, video_ids, strip)
    return [
        _render_numbers(evaluated_run),
        make_element("div", film, failure, class_="result"),
    ]


def render_run_details(section_id: str, evaluated_run: EvaluatedRun) -> Sequence[Element]:
    """Render all episodes of a run, its failures, and the first episode in detail."""
    traces = evaluated_run.traces
    video_ids = _make_video_ids(section_id, traces)
    first = traces[0]
    others = [trace for trace in traces[1:] if trace.seed in video_ids]
    videos = [_render_video(evaluated_run.run, trace, video_ids[trace.seed]) for trace in others]
    step_by_step = f"Episode with seed {first.seed}, step by step"
    return [
        render_episodes(traces),
        render_reward_terms(traces),
        *([make_element("div", *videos, class_="videos")] if videos else []),
        make_element("h3", "Failures"),
        render_failures(traces, video_ids),
        make_element(
            "details",
            make_element("summary", step_by_step),
            render_episode_charts(first, video_ids[first.seed]),
        ),
    ]


def _make_video_ids(section_id: str, traces: Sequence[EpisodeTrace]) -> dict[int, str]:
    """Return the element id of the video of each recorded episode, by seed."""
    failed = [trace for trace in traces[1:] if trace.is_failure]
    recorded = [traces[0], *failed][:MAX_VIDEOS]
    return {trace.seed: f"{section_id}-video-{trace.seed}" for trace in recorded}


def _render_numbers(evaluated_run: EvaluatedRun) -> Element:
    """Render mean return, episodes without a failure, and the time of training."""
    run, _, traces = evaluated_run
    returns = np.array([trace.episode_return for trace in traces])
    num_good = sum(not trace.is_failure for trace in traces)
    summary = run.summary()
    numbers = [
        (f"{returns.mean():,.1f}", f"mean return, sd {returns.std():.2g}", ""),
        (
            f"{num_good} of {len(traces)}",
            "episodes without a failure",
            "good" if num_good == len(traces) else "bad",
        ),
    ]
    if "seconds" in summary:
        steps = f"to train, {summary['steps']:,.0f} steps" if "steps" in summary else "to train"
        numbers.append((f"{summary['seconds']:,.0f} s", steps, ""))
    items = [
        make_element(
            "li",
            make_element("strong", number, class_=color or None),
            make_element("span", label),
        )
        for number, label, color in numbers
    ]
    return make_element("ul", *items, class_="numbers")


def _render_strip(evaluated_run: EvaluatedRun, trace: EpisodeTrace) -> Element | None:
    """Render pictures of the end of a failed episode; None if the environment has none."""
    config = evaluated_run.run.config
    num_steps = round(STRIP_SECONDS * trace.steps_per_second)

    def choose_moments(length: int) -> list[int]:
        moments = np.linspace(max(0, length - num_steps), length, STRIP_MOMENTS)
        return sorted({int(moment) for moment in moments.round()})

    render_settings = make_render_settings(STRIP_SIZE, hud=False)
    try:
        env = make_render_env(config["env"], config["env_settings"], render_settings)
    except UserError:
        return None
    policy = ActorPolicy(evaluated_run.learner)
    with closing(env):
        make_steps = partial(run_episode, env, policy, trace.seed)
        strip = film_strip(env, make_steps, choose_moments)
    figures = []
    for index, (frame, time) in enumerate(zip(strip.frames, strip.times, strict=True)):
        is_end = index == len(strip.frames) - 1
        caption = f"{time:.2f} s" + (f" {strip.ending.sign}{strip.ending.words}" if is_end else "")
        figures.append(
            make_element(
                "figure",
                make_element("img", src=_encode_image(frame), alt=f"The body at {time:.2f} s"),
                make_element("figcaption", caption),
                class_="end" if is_end else None,
            )
        )
    label = f"The last {strip.times[-1] - strip.times[0]:.1f} s of seed {trace.seed}"
    return make_element("div", *figures, class_="strip", role="group", aria_label=label)


def _encode_image(frame: Array) -> str:
    """Return an image (H, W, 3) uint8 as the URI of a PNG."""
    file = io.BytesIO()
    pygame.image.save(frame_to_surface(frame), file, "frame.png")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _render_video(run: Run, trace: EpisodeTrace, video_id: str) -> Element:
    """Record an episode and embed the video; explain if the environment has no rendering."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "video.mp4")
        try:
            data = record_episode(run, path, seed=trace.seed, size=VIDEO_SIZE).read_bytes()
        except (UserError, WorkError) as error:
            return make_element("p", f"There is no video: {error}.")
    caption = f"Episode with seed {trace.seed}: {describe_ending(trace)} after"
    caption += f" {trace.seconds:.2f} s, return {trace.episode_return:,.1f}."
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
