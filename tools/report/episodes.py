"""Evaluation episodes in a report: endings, reward terms, failures, and one episode in detail."""

from collections import Counter
from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

import numpy as np

from poise.toolkit.media.hud import LOW_MARGIN
from poise.toolkit.spaces import Array
from poise.tools.record.episode_trace import EpisodeTrace, TraceChannel
from poise.tools.report.glossary import TRACE_GROUPS
from poise.tools.report.html import Element, Line, make_element, render_chart, render_table

SATURATION_WINDOW = 1.0
"""Time before the end of an episode in which saturated actions are counted (s)."""


SATURATION_LEVEL = 0.95
"""Absolute value of an action, in [0, 1], from which it counts as saturated."""


SATURATION_FRACTION = 0.5
"""Fraction of SATURATION_WINDOW in which a saturated action must be at SATURATION_LEVEL."""


VALUE_DROP_FRACTION = 0.5
"""The critic's value has dropped if it is below this fraction of the episode's median."""


MAX_LINES = 5
"""Largest number of lines in a chart."""


MAX_STATE_LINES = 3
"""Largest number of state components (such as x, y, z) in a chart; each has a target line too."""


FAILURE_WINDOW = 2.0
"""Time before the end of a failed episode that is drawn (s)."""


MAX_DRAWN_FAILURES = 5
"""Failed episodes with charts; the others are described in words only."""


DEFINITIONS = (
    "A margin is 1 at rest and 0 where the episode fails; the failed margin is the first one that "
    f"reaches 0. It is low while it stays below {LOW_MARGIN:g} until the end. An action is "
    f"saturated if it is beyond {SATURATION_LEVEL:.0%} of its range in at least "
    f"{SATURATION_FRACTION:.0%} of the last {SATURATION_WINDOW:g} s. The critic's value has "
    f"dropped if it stays below {VALUE_DROP_FRACTION:g} times its median over the episode until "
    "the end."
)
"""Definitions of FailureAnalysis, for readers of the report."""


class FailureAnalysis(NamedTuple):
    """How an episode failed; times are seconds before its end unless stated."""

    seed: int
    time: float
    """Length of the episode (s)."""
    margin: str | None
    """The margin that reached 0; None if the environment reports none."""
    narrow_margin_time: float | None
    """Time since the margin stays below LOW_MARGIN."""
    saturated_actions: dict[str, float]
    """Fraction of the last SATURATION_WINDOW in which each saturated action was at its limit."""
    value_drop_time: float | None
    """Time since the critic's value stays low; None if it did not drop."""
    has_critic: bool
    """Whether there is a critic with a positive median value, which can drop."""


def analyze_failure(trace: EpisodeTrace) -> FailureAnalysis | None:
    """Analyze the end of an episode; return None if it did not fail."""
    if not trace.is_failure:
        return None
    margins = trace.get_group("margin")
    margin = trace.failed_margin if trace.failed_margin in margins else None
    narrow_margin_time = None
    if margin is not None:
        is_low = margins[margin].values < LOW_MARGIN
        narrow_margin_time = _measure_time_before_end(is_low, trace.steps_per_second)
    threshold = compute_value_threshold(trace)
    value_drop_time = None
    if threshold is not None:
        # The terminal state has no value: the last value belongs to the step before.
        is_low = trace.get_group("value")["value"].values[:-1] < threshold
        value_drop_time = _measure_time_before_end(is_low, trace.steps_per_second, num_skipped=1)
    return FailureAnalysis(
        seed=trace.seed,
        time=trace.seconds,
        margin=margin,
        narrow_margin_time=narrow_margin_time,
        saturated_actions=_find_saturated_actions(trace),
        value_drop_time=value_drop_time,
        has_critic=threshold is not None,
    )


def compute_value_threshold(trace: EpisodeTrace) -> float | None:
    """Return the critic's value below which it has dropped.

    Return None if there is no critic, or if its median over the episode is not positive.
    """
    values = trace.get_group("value")
    median = float(np.median(values["value"].values[:-1])) if values else 0.0
    return VALUE_DROP_FRACTION * median if median > 0.0 else None


def _measure_time_before_end(condition: Array, rate: float, num_skipped: int = 0) -> float | None:
    """Return how long a condition has held without a break up to the last sample (s).

    Args:
        condition: bool (samples,).
        rate: samples per second.
        num_skipped: steps between the last sample and the end of the episode.
    """
    num_samples = int(np.argmin(np.append(condition[::-1], False)))
    return (num_samples - 1 + num_skipped) / rate if num_samples else None


def _find_saturated_actions(trace: EpisodeTrace) -> dict[str, float]:
    """Return the fraction of time at the limit of each action saturated at the end."""
    num_steps = min(trace.steps, round(SATURATION_WINDOW * trace.steps_per_second))
    fractions = {}
    for name, channel in trace.get_group("action").items():
        is_at_limit = np.abs(channel.values[-num_steps:]) >= SATURATION_LEVEL
        fractions[name] = float(is_at_limit.mean())
    return {
        name: fraction for name, fraction in fractions.items() if fraction >= SATURATION_FRACTION
    }


def describe_failure(failure: FailureAnalysis) -> str:
    """Describe a failure in sentences."""
    if failure.margin:
        sentences = [f"Failed after {failure.time:.2f} s: the margin “{failure.margin}” reached 0."]
    else:
        sentences = [f"Terminated after {failure.time:.2f} s: the environment reports no margin."]
    if failure.narrow_margin_time is not None:
        sentences.append(f"The margin was low for the last {failure.narrow_margin_time:.2f} s.")
    window = min(SATURATION_WINDOW, failure.time)
    saturated = [
        f"{name} ({fraction:.0%} of the last {window:.2g} s)"
        for name, fraction in failure.saturated_actions.items()
    ]
    if saturated:
        sentences.append(f"Saturated actions: {', '.join(saturated)}.")
    else:
        sentences.append("No action was saturated.")
    if not failure.has_critic:
        sentences.append("There is no positive value of a critic that could drop.")
    elif failure.value_drop_time is None:
        sentences.append("The critic's value did not drop.")
    else:
        sentences.append(
            f"The critic's value dropped {failure.value_drop_time:.2f} s before the end."
        )
    return " ".join(sentences)


def describe_ending(trace: EpisodeTrace) -> str:
    """Describe how an episode ended in one to three words."""
    if trace.is_failure and trace.failed_margin:
        return f"failed ({trace.failed_margin})"
    return trace.ending


def render_episodes(traces: Sequence[EpisodeTrace]) -> Element:
    """Render a summary of the episodes, and a collapsed table with a row for each."""
    endings = Counter(describe_ending(trace) for trace in traces)
    counts = ", ".join(f"{number} {ending}" for ending, number in endings.most_common())
    mean_return = np.mean([trace.episode_return for trace in traces])
    rows = [
        (
            str(trace.seed),
            f"{trace.episode_return:,.1f}",
            f"{trace.steps:,}",
            f"{trace.seconds:.2f}",
            describe_ending(trace),
        )
        for trace in traces
    ]
    table = render_table(
        "Evaluation episodes, without exploration",
        ["seed", "return", "steps", "seconds", "ending"],
        rows,
    )
    return make_element(
        "div",
        make_element("p", f"{len(traces)} episodes: {counts}. Mean return {mean_return:,.1f}."),
        make_element("details", make_element("summary", "Each episode"), table),
    )


def render_reward_terms(traces: Sequence[EpisodeTrace]) -> Element:
    """Render the contribution of each reward term to the return, averaged over the episodes."""
    contributions = {
        name: np.mean([np.nansum(trace.get_group("reward")[name].values) for trace in traces])
        for name in traces[0].get_group("reward")
    }
    total = sum(abs(value) for value in contributions.values()) or 1.0
    rows = []
    for name, value in contributions.items():
        meter = make_element(
            "meter",
            min="0",
            max="1",
            value=f"{abs(value) / total:.3f}",
            aria_label=f"share of {name}",
        )
        rows.append((name, f"{value:,.2f}", meter))
    return render_table(
        "Contributions of the reward terms to the return, mean over these episodes",
        ["term", "per episode", "share"],
        rows,
    )


def render_first_failure(
    traces: Sequence[EpisodeTrace], video_ids: dict[int, str], strip: Element | None
) -> Element:
    """Render how the first failed episode failed, and how many others did.

    Args:
        traces: all episodes.
        video_ids: element id of the video of an episode, by seed; its charts follow the video.
        strip: pictures of the end of the first failed episode.
    """
    heading = make_element("h3", "How it fails")
    failed = [trace for trace in traces if trace.is_failure]
    if not failed:
        count = f"It does not: none of {len(traces)} evaluation episodes failed."
        return make_element("div", heading, make_element("p", count), class_="failures")
    failure = analyze_failure(failed[0])
    assert failure is not None
    count = f"{len(failed)} of {len(traces)} evaluation episodes failed. The first, "
    elements = [make_element("p", f"{count}seed {failure.seed}: ", describe_failure(failure))]
    if strip is not None:
        elements.append(strip)
    charts = _render_failure_charts(failed[0], video_ids.get(failure.seed), ("margin", "value"))
    return make_element("div", heading, *elements, charts, class_="failures")


def render_failures(traces: Sequence[EpisodeTrace], video_ids: dict[int, str]) -> Element:
    """Render the causes of all failures, and charts of the first ones.

    Args:
        traces: all episodes.
        video_ids: element id of the video of an episode, by seed; its charts follow the video.
    """
    failures = [
        (trace, failure) for trace in traces if (failure := analyze_failure(trace)) is not None
    ]
    if not failures:
        return make_element("p", "No evaluation episode failed.")
    details = []
    for trace, failure in failures[:MAX_DRAWN_FAILURES]:
        details.append(
            make_element(
                "details",
                make_element("summary", *_render_failure_heading(failure)),
                _render_failure_charts(trace, video_ids.get(trace.seed)),
            )
        )
    others = [
        make_element("li", *_render_failure_heading(failure))
        for _, failure in failures[MAX_DRAWN_FAILURES:]
    ]
    if others:
        summary = make_element("summary", f"The other {len(others)} failures")
        details.append(make_element("details", summary, make_element("ul", *others)))
    return make_element(
        "div",
        _render_failure_counts([failure for _, failure in failures]),
        make_element("p", DEFINITIONS, class_="interpretation"),
        *details,
    )


def _render_failure_heading(failure: FailureAnalysis) -> tuple[Element, str]:
    return make_element("strong", f"Seed {failure.seed}. "), describe_failure(failure)


def _render_failure_charts(
    trace: EpisodeTrace,
    video_id: str | None,
    groups: Sequence[str] = ("margin", "value", "action", "choice"),
) -> Element:
    """Draw margins, value and the largest actions in the last FAILURE_WINDOW of an episode."""
    first_step = max(0, trace.steps - round(FAILURE_WINDOW * trace.steps_per_second))

    def mean_magnitude(channel: TraceChannel) -> float:
        return float(np.nanmean(np.abs(channel.values[first_step:])))

    charts = []
    for group in groups:
        channels = list(trace.get_group(group).values())
        if group in ("action", "choice"):
            channels.sort(key=mean_magnitude, reverse=True)
        if channels:
            charts.append(
                _render_channel_chart(trace, channels[:MAX_LINES], video_id, first_step=first_step)
            )
    return make_element("div", *charts, class_="charts")


def _render_failure_counts(failures: Sequence[FailureAnalysis]) -> Element:
    """Render how many failures share a margin, a saturated action, or a drop of the value."""
    margins = Counter(failure.margin or "not reported" for failure in failures)
    actions = Counter(name for failure in failures for name in failure.saturated_actions)
    rows = [
        (cause, name, f"{number} of {len(failures)}")
        for cause, counter in (("failed margin", margins), ("saturated action", actions))
        for name, number in counter.most_common()
    ]
    if any(failure.has_critic for failure in failures):
        drop_times = [
            failure.value_drop_time for failure in failures if failure.value_drop_time is not None
        ]
        when = f"median {np.median(drop_times):.2f} s before the end" if drop_times else "never"
        rows.append(("drop of the critic's value", when, f"{len(drop_times)} of {len(failures)}"))
    return render_table("All failures", ["", "which", "failures"], rows)


def render_episode_charts(trace: EpisodeTrace, video_id: str) -> Element:
    """Draw all channels of an episode, group by group; the charts follow the video."""
    charts = []
    for group in TRACE_GROUPS:
        for unit, channels in _group_by_unit(list(trace.get_group(group).values())).items():
            max_lines = MAX_STATE_LINES if group == "state" else MAX_LINES
            num_charts = ceil(len(channels) / max_lines)
            for number, indices in enumerate(np.array_split(range(len(channels)), num_charts), 1):
                charts.append(
                    _render_channel_chart(
                        trace,
                        [channels[index] for index in indices],
                        video_id,
                        unit=unit,
                        title_suffix=f" ({number} of {num_charts})" if num_charts > 1 else "",
                        has_interpretation=number == 1,
                    )
                )
    return make_element("div", *charts, class_="charts")


def _group_by_unit(channels: Sequence[TraceChannel]) -> dict[str, list[TraceChannel]]:
    """Group channels by unit, since lines of one unit can share an axis."""
    groups: dict[str, list[TraceChannel]] = {}
    for channel in channels:
        groups.setdefault(channel.unit if channel.unit != "1" else "", []).append(channel)
    return groups


def _render_channel_chart(
    trace: EpisodeTrace,
    channels: Sequence[TraceChannel],
    video_id: str | None,
    *,
    unit: str = "",
    title_suffix: str = "",
    has_interpretation: bool = True,
    first_step: int = 0,
) -> Element:
    """Draw channels of one group over time, from `first_step` on."""
    group = channels[0].group
    entry = TRACE_GROUPS[group]
    threshold = None
    if group == "margin":
        threshold = LOW_MARGIN
    elif group == "value" and trace.is_failure:
        threshold = compute_value_threshold(trace)
    return render_chart(
        entry.title + title_suffix,
        _make_lines(trace, channels, first_step),
        "time (s)",
        unit=unit or entry.unit,
        interpretation=entry.interpretation if has_interpretation else "",
        threshold=threshold,
        video_id=video_id,
    )


def _make_lines(
    trace: EpisodeTrace, channels: Sequence[TraceChannel], first_step: int
) -> list[Line]:
    """Make a line for each channel, and a dotted one for the target of a state."""
    times = trace.times[first_step:]
    targets = trace.get_group("aim")
    lines = []
    for color_index, channel in enumerate(channels):
        kind = "bar" if channel.group == "contact" else "line"
        lines.append(Line(channel.name, times, channel.values[first_step:], color_index, kind))
        if channel.group == "state" and channel.name in targets:
            target_values = targets[channel.name].values[first_step:]
            lines.append(
                Line(f"{channel.name}, target", times, target_values, color_index, "target")
            )
    return lines
