"""What a run's policy does, for a page: its film, its evaluation episodes, why some failed, and one of them step by step."""

from collections import Counter
from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

import numpy as np

from poise.toolkit.media.hud import LOW_MARGIN
from poise.toolkit.spaces import Array
from poise.tools.record.episode_trace import EpisodeTrace, TraceChannel
from poise.tools.report.glossary import TRACKS
from poise.tools.report.html import Element, Line, make_element, render_chart, render_table

SATURATION_WINDOW = 1.0
"""How much of an episode's end is looked at for what was at its limit (s)."""


SATURATION_LEVEL = 0.95
SATURATION_FRACTION = 0.5
"""The part of a full action from which on it counts as at its limit, and for which part of that time it must be there."""


VALUE_DROP_FRACTION = 0.5
"""The critic has noticed when its value is below this part of the episode's median, and stays there."""


DEFINITIONS = (
    "The margin that went is the first one used up: 1 at rest, 0 where the episode ends. It is narrow from the moment on "
    f"at which less than {LOW_MARGIN:g} of it is left for good. An action was at its limit if it was beyond {SATURATION_LEVEL:.0%} of its range "
    f"for {SATURATION_FRACTION:.0%} of the last {SATURATION_WINDOW:g} s or more. The critic noticed at the moment from which on its value stayed below "
    f"{VALUE_DROP_FRACTION:g} times its median of the whole episode."
)


class FailureAnalysis(NamedTuple):
    """How an episode failed; times are seconds before its end."""

    seed: int
    time: float
    """When it ended, from its start (s)."""
    margin: str | None
    """The first margin used up; None where the environment tells none."""
    narrow_margin_time: float | None
    saturated_actions: dict[str, float]
    """Actions at their limit, and for which part of the last second."""
    value_drop_time: float | None
    has_critic: bool
    """Whether there is a critic whose value could have dropped: one that expected something good."""


def analyze_failure(trace: EpisodeTrace) -> FailureAnalysis | None:
    """Why an episode failed; None where it did not."""
    if not trace.is_failure:
        return None
    margins = trace.get_group("margin")
    alarm = compute_value_threshold(trace)
    margin = trace.failed_margin if trace.failed_margin in margins else None
    return FailureAnalysis(
        seed=trace.seed,
        time=trace.seconds,
        margin=margin,
        narrow_margin_time=_measure_time_before_end(
            margins[margin].values < LOW_MARGIN, trace.steps_per_second
        )
        if margin
        else None,
        saturated_actions=_find_saturated_actions(trace),
        # At its end nothing is expected any more, so what counts is the moment before.
        value_drop_time=_measure_time_before_end(
            trace.get_group("value")["value"].values[:-1] < alarm,
            trace.steps_per_second,
            num_skipped=1,
        )
        if alarm
        else None,
        has_critic=alarm is not None,
    )


def compute_value_threshold(trace: EpisodeTrace) -> float | None:
    """The value below which the critic has noticed; None where there is no critic, or none that expects something good."""
    worth = trace.get_group("value")
    usual = float(np.median(worth["value"].values[:-1])) if worth else 0.0
    return VALUE_DROP_FRACTION * usual if usual > 0.0 else None


def _measure_time_before_end(condition: Array, rate: float, num_skipped: int = 0) -> float | None:
    """How long before the end something began to hold without a break (s), where its last moment is so many before the end."""
    moments = int(np.argmin(np.append(condition[::-1], False)))
    return (moments - 1 + num_skipped) / rate if moments else None


def _find_saturated_actions(trace: EpisodeTrace) -> dict[str, float]:
    """Which actions were at their limit in the last second."""
    last = min(trace.steps, round(SATURATION_WINDOW * trace.steps_per_second))
    parts = {
        name: float((np.abs(track.values[-last:]) >= SATURATION_LEVEL).mean())
        for name, track in trace.get_group("action").items()
    }
    return {name: part for name, part in parts.items() if part >= SATURATION_FRACTION}


def describe_failure(failure: FailureAnalysis) -> str:
    """The same in sentences."""
    what = (
        f"used up the margin “{failure.margin}”"
        if failure.margin
        else "was ended by the environment, which does not say why"
    )
    told = [f"After {failure.time:.2f} s it {what}."]
    if failure.narrow_margin_time is not None:
        told.append(f"That margin had been narrow for {failure.narrow_margin_time:.2f} s.")
    full = [
        f"{name} ({part:.0%} of the last {min(SATURATION_WINDOW, failure.time):.2g} s)"
        for name, part in failure.saturated_actions.items()
    ]
    told.append(f"At the limit: {', '.join(full)}." if full else "Nothing was at its limit.")
    if not failure.has_critic:
        told.append("There is no value that could have dropped by half.")
    elif failure.value_drop_time is None:
        told.append("The critic did not notice.")
    else:
        told.append(f"The critic noticed {failure.value_drop_time:.2f} s before.")
    return " ".join(told)


MAX_LINES = 5
"""Lines of a chart, at most."""


FAILURE_WINDOW = 2.0
"""How much of a failed episode's end is drawn (s)."""


MAX_DRAWN_FAILURES = 5
"""Failed episodes that are drawn; of the others the words must do."""


def render_episode_charts(trace: EpisodeTrace, video_id: str) -> Element:
    """Charts of all that an episode told, group by group."""
    charts = []
    for group in TRACKS:
        if group == "action" and trace.get_group("torque"):
            continue  # They say the same.
        for unit, told in _group_by_unit(list(trace.get_group(group).values())).items():
            # A line and its aim go together, x, y and z at a time.
            pieces = np.array_split(
                np.arange(len(told)), ceil(len(told) / (3 if group == "state" else MAX_LINES))
            )
            for number, piece in enumerate(pieces, 1):
                part = f" ({number} of {len(pieces)})" if len(pieces) > 1 else ""
                charts.append(
                    _render_track_chart(
                        trace, [told[index] for index in piece], video_id, unit, part, number == 1
                    )
                )
    return make_element("div", *charts, class_="charts")


def _render_track_chart(
    trace: EpisodeTrace,
    tracks: Sequence[TraceChannel],
    video_id: str | None,
    unit: str = "",
    title_suffix: str = "",
    is_first: bool = True,
    first_step: int = 0,
) -> Element:
    """A chart of tracks of one group; the first part of a group says what is healthy."""
    group = tracks[0].group
    title, usual, healthy = TRACKS[group]
    goal = {
        "margin": LOW_MARGIN,
        "value": compute_value_threshold(trace) if trace.is_failure else None,
    }.get(group)
    return render_chart(
        title + title_suffix,
        _make_lines(trace, tracks, first_step),
        "time (s)",
        unit or usual,
        healthy if is_first else "",
        goal,
        video_id,
    )


def _group_by_unit(tracks: Sequence[TraceChannel]) -> dict[str, list[TraceChannel]]:
    """What has the same unit may stand on the same axis."""
    groups: dict[str, list[TraceChannel]] = {}
    for track in tracks:
        groups.setdefault(track.unit if track.unit != "1" else "", []).append(track)
    return groups


def _make_lines(trace: EpisodeTrace, tracks: Sequence[TraceChannel], first_step: int) -> list[Line]:
    times = trace.times[first_step:]
    aims = trace.get_group("aim")
    lines = []
    for colour, track in enumerate(tracks):
        lines.append(
            Line(
                track.name,
                times,
                track.values[first_step:],
                colour,
                "bar" if track.group == "contact" else "line",
            )
        )
        if track.group == "state" and track.name in aims:
            lines.append(
                Line(
                    f"{track.name}, wanted",
                    times,
                    aims[track.name].values[first_step:],
                    colour,
                    "aim",
                )
            )
    return lines


def render_episodes(traces: Sequence[EpisodeTrace]) -> Element:
    """A row for each episode, to be opened, under what they came to together."""
    ends = Counter(describe_ending(story) for story in traces)
    told = ", ".join(f"{number} {end}" for end, number in ends.most_common())
    mean = np.mean([story.episode_return for story in traces])
    rows = [
        (
            str(story.seed),
            f"{story.episode_return:,.1f}",
            f"{story.steps:,}",
            f"{story.seconds:.2f}",
            describe_ending(story),
        )
        for story in traces
    ]
    listed = render_table(
        "Evaluation episodes, without exploration",
        ["seed", "return", "steps", "seconds", "how it ended"],
        rows,
    )
    return make_element(
        "div",
        make_element("p", f"Of {len(traces)} episodes: {told}. Mean return {mean:,.1f}."),
        make_element("details", make_element("summary", "Each episode"), listed),
    )


def describe_ending(trace: EpisodeTrace) -> str:
    """How an episode ended, in a word or two."""
    if trace.is_failure:
        return f"failed ({trace.failed_margin})" if trace.failed_margin else "failed"
    return "succeeded" if trace.is_success else "lasted to the end"


def render_failures(traces: Sequence[EpisodeTrace], video_ids: dict[int, str]) -> Element:
    """Why each of the failed episodes failed; the first of them drawn, beside its film where there is one."""
    told = [(story, fall) for story in traces if (fall := analyze_failure(story))]
    if not told:
        return make_element("p", "No evaluation episode failed.")
    parts = []
    for number, (story, fall) in enumerate(told[:MAX_DRAWN_FAILURES]):
        drawn = make_element(
            "details",
            make_element("summary", *_render_failure_heading(fall)),
            _render_failure_charts(story, video_ids.get(story.seed)),
        )
        drawn.attrib.update({"open": ""} if number == 0 else {})
        parts.append(drawn)
    if others := [
        make_element("li", *_render_failure_heading(fall)) for _, fall in told[MAX_DRAWN_FAILURES:]
    ]:
        parts.append(
            make_element(
                "details",
                make_element("summary", f"The other {len(others)}"),
                make_element("ul", *others),
            )
        )
    definitions = make_element("p", DEFINITIONS, class_="healthy")
    return make_element(
        "div", _render_failure_counts([fall for _, fall in told]), definitions, *parts
    )


def _render_failure_heading(failure: FailureAnalysis) -> tuple[Element, str]:
    return make_element("strong", f"Seed {failure.seed}. "), describe_failure(failure)


def _render_failure_charts(trace: EpisodeTrace, video_id: str | None) -> Element:
    """Margins, value and the most used actions in the last seconds of an episode."""
    since = max(0, trace.steps - round(FAILURE_WINDOW * trace.steps_per_second))
    groups = [
        list(trace.get_group(group).values()) for group in ("margin", "value", "action", "choice")
    ]
    for actions in groups[2:]:
        actions.sort(key=lambda track: -float(np.nanmean(np.abs(track.values[since:]))))
    return make_element(
        "div",
        *(
            _render_track_chart(trace, told[:MAX_LINES], video_id, first_step=since)
            for told in groups
            if told
        ),
        class_="charts",
    )


def _render_failure_counts(failures: Sequence[FailureAnalysis]) -> Element:
    """What the falls have in common."""
    margins = Counter(fall.margin or "not told by the environment" for fall in failures)
    full = Counter(name for fall in failures for name in fall.saturated_actions)
    heads = [("the margin that went", margins), ("at its limit", full)]
    rows = [
        (name, what, f"{number} of {len(failures)}")
        for name, count in heads
        for what, number in count.most_common()
    ]
    noticed = [fall.value_drop_time for fall in failures if fall.value_drop_time is not None]
    if any(fall.has_critic for fall in failures):
        when = f"median {np.median(noticed):.2f} s before" if noticed else "never"
        rows.append(("the critic noticed", when, f"{len(noticed)} of {len(failures)}"))
    return render_table("All falls together", ["", "what", "falls"], rows)


def render_reward_terms(traces: Sequence[EpisodeTrace]) -> Element:
    """What each term of the reward came to, in the mean of all episodes."""
    sums = {
        name: np.mean([np.nansum(story.get_group("reward")[name].values) for story in traces])
        for name in traces[0].get_group("reward")
    }
    whole = sum(abs(value) for value in sums.values()) or 1.0
    rows = [
        (
            name,
            f"{value:,.2f}",
            make_element(
                "meter",
                min="0",
                max="1",
                value=f"{abs(value) / whole:.3f}",
                aria_label=f"part of {name}",
            ),
        )
        for name, value in sums.items()
    ]
    return render_table(
        "What the return is made of, in the mean of these episodes",
        ["term", "in an episode", "part of all"],
        rows,
    )
