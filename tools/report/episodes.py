"""What a run's policy does, for a page: its film, its evaluation episodes, why some failed, and one of them step by step."""

from collections import Counter
from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

import numpy as np
from poise.toolkit.media.hud import NARROW
from poise.toolkit.spaces import Array
from poise.tools.record.episode_trace import Story, Track
from poise.tools.report.glossary import TRACKS
from poise.tools.report.html import Element, Line, chart, element, table

BEFORE = 1.0
"""How much of an episode's end is looked at for what was at its limit (s)."""


FULL, OFTEN = 0.95, 0.5
"""The part of a full action from which on it counts as at its limit, and for which part of that time it must be there."""


DROP = 0.5
"""The critic has noticed when its value is below this part of the episode's median, and stays there."""


DEFINITIONS = (
    "The margin that went is the first one used up: 1 at rest, 0 where the episode ends. It is narrow from the moment on "
    f"at which less than {NARROW:g} of it is left for good. An action was at its limit if it was beyond {FULL:.0%} of its range "
    f"for {OFTEN:.0%} of the last {BEFORE:g} s or more. The critic noticed at the moment from which on its value stayed below "
    f"{DROP:g} times its median of the whole episode."
)


class Fall(NamedTuple):
    """How an episode failed; times are seconds before its end."""

    seed: int
    at: float
    """When it ended, from its start (s)."""
    margin: str | None
    """The first margin used up; None where the world tells none."""
    narrow: float | None
    saturated: dict[str, float]
    """Actions at their limit, and for which part of the last second."""
    noticed: float | None
    judged: bool
    """Whether there is a critic whose value could have dropped: one that expected something good."""


def why_it_fell(story: Story) -> Fall | None:
    """Why an episode failed; None where it did not."""
    if not story.failed:
        return None
    margins, alarm = story.of("margin"), alarming_value(story)
    margin = story.failure if story.failure in margins else None
    return Fall(
        seed=story.seed,
        at=story.seconds,
        margin=margin,
        narrow=_since(margins[margin].values < NARROW, story.rate) if margin else None,
        saturated=_saturated(story),
        # At its end nothing is expected any more, so what counts is the moment before.
        noticed=_since(story.of("value")["value"].values[:-1] < alarm, story.rate, before=1) if alarm else None,
        judged=alarm is not None,
    )


def alarming_value(story: Story) -> float | None:
    """The value below which the critic has noticed; None where there is no critic, or none that expects something good."""
    worth = story.of("value")
    usual = float(np.median(worth["value"].values[:-1])) if worth else 0.0
    return DROP * usual if usual > 0.0 else None


def _since(held: Array, rate: float, before: int = 0) -> float | None:
    """How long before the end something began to hold without a break (s), where its last moment is so many before the end."""
    moments = int(np.argmin(np.append(held[::-1], False)))
    return (moments - 1 + before) / rate if moments else None


def _saturated(story: Story) -> dict[str, float]:
    """Which actions were at their limit in the last second."""
    last = min(story.steps, round(BEFORE * story.rate))
    parts = {name: float((np.abs(track.values[-last:]) >= FULL).mean()) for name, track in story.of("action").items()}
    return {name: part for name, part in parts.items() if part >= OFTEN}


def in_words(fall: Fall) -> str:
    """The same in sentences."""
    what = f"used up the margin “{fall.margin}”" if fall.margin else "was ended by the world, which does not say why"
    told = [f"After {fall.at:.2f} s it {what}."]
    if fall.narrow is not None:
        told.append(f"That margin had been narrow for {fall.narrow:.2f} s.")
    full = [f"{name} ({part:.0%} of the last {min(BEFORE, fall.at):.2g} s)" for name, part in fall.saturated.items()]
    told.append(f"At the limit: {', '.join(full)}." if full else "Nothing was at its limit.")
    if not fall.judged:
        told.append("There is no value that could have dropped by half.")
    elif fall.noticed is None:
        told.append("The critic did not notice.")
    else:
        told.append(f"The critic noticed {fall.noticed:.2f} s before.")
    return " ".join(told)


TOGETHER = 5
"""Lines of a chart, at most."""


SHOWN = 2.0
"""How much of a failed episode's end is drawn (s)."""


DRAWN = 5
"""Failed episodes that are drawn; of the others the words must do."""


def step_by_step(story: Story, film: str) -> Element:
    """Charts of all that an episode told, group by group."""
    charts = []
    for group in TRACKS:
        if group == "action" and story.of("torque"):
            continue  # They say the same.
        for unit, told in _by_unit(list(story.of(group).values())).items():
            # A line and its aim go together, x, y and z at a time.
            pieces = np.array_split(np.arange(len(told)), ceil(len(told) / (3 if group == "state" else TOGETHER)))
            for number, piece in enumerate(pieces, 1):
                part = f" ({number} of {len(pieces)})" if len(pieces) > 1 else ""
                charts.append(_chart(story, [told[index] for index in piece], film, unit, part, number == 1))
    return element("div", *charts, class_="charts")


def _chart(
    story: Story,
    told: Sequence[Track],
    film: str | None,
    unit: str = "",
    part: str = "",
    first: bool = True,
    since: int = 0,
) -> Element:
    """A chart of tracks of one group; the first part of a group says what is healthy."""
    group = told[0].group
    title, usual, healthy = TRACKS[group]
    goal = {"margin": NARROW, "value": alarming_value(story) if story.failed else None}.get(group)
    return chart(title + part, _lines(story, told, since), "time (s)", unit or usual, healthy if first else "", goal, film)


def _by_unit(told: Sequence[Track]) -> dict[str, list[Track]]:
    """What has the same unit may stand on the same axis."""
    groups: dict[str, list[Track]] = {}
    for track in told:
        groups.setdefault(track.unit if track.unit != "1" else "", []).append(track)
    return groups


def _lines(story: Story, told: Sequence[Track], since: int) -> list[Line]:
    times, aims = story.times[since:], story.of("aim")
    lines = []
    for colour, track in enumerate(told):
        lines.append(Line(track.name, times, track.values[since:], colour, "bar" if track.group == "contact" else "line"))
        if track.group == "state" and track.name in aims:
            lines.append(Line(f"{track.name}, wanted", times, aims[track.name].values[since:], colour, "aim"))
    return lines


def episodes(stories: Sequence[Story]) -> Element:
    """A row for each episode, to be opened, under what they came to together."""
    ends = Counter(ending(story) for story in stories)
    told = ", ".join(f"{number} {end}" for end, number in ends.most_common())
    mean = np.mean([story.total for story in stories])
    rows = [
        (str(story.seed), f"{story.total:,.1f}", f"{story.steps:,}", f"{story.seconds:.2f}", ending(story)) for story in stories
    ]
    listed = table("Evaluation episodes, without exploration", ["seed", "return", "steps", "seconds", "how it ended"], rows)
    return element(
        "div",
        element("p", f"Of {len(stories)} episodes: {told}. Mean return {mean:,.1f}."),
        element("details", element("summary", "Each episode"), listed),
    )


def ending(story: Story) -> str:
    """How an episode ended, in a word or two."""
    if story.failed:
        return f"failed ({story.failure})" if story.failure else "failed"
    return "succeeded" if story.success else "lasted to the end"


def falls(stories: Sequence[Story], films: dict[int, str]) -> Element:
    """Why each of the failed episodes failed; the first of them drawn, beside its film where there is one."""
    told = [(story, fall) for story in stories if (fall := why_it_fell(story))]
    if not told:
        return element("p", "No evaluation episode failed.")
    parts = []
    for number, (story, fall) in enumerate(told[:DRAWN]):
        drawn = element("details", element("summary", *_words(fall)), _end_of(story, films.get(story.seed)))
        drawn.attrib.update({"open": ""} if number == 0 else {})
        parts.append(drawn)
    if others := [element("li", *_words(fall)) for _, fall in told[DRAWN:]]:
        parts.append(element("details", element("summary", f"The other {len(others)}"), element("ul", *others)))
    definitions = element("p", DEFINITIONS, class_="healthy")
    return element("div", _together([fall for _, fall in told]), definitions, *parts)


def _words(fall: Fall) -> tuple[Element, str]:
    return element("strong", f"Seed {fall.seed}. "), in_words(fall)


def _end_of(story: Story, film: str | None) -> Element:
    """Margins, value and the most used actions in the last seconds of an episode."""
    since = max(0, story.steps - round(SHOWN * story.rate))
    groups = [list(story.of(group).values()) for group in ("margin", "value", "action", "choice")]
    for actions in groups[2:]:
        actions.sort(key=lambda track: -float(np.nanmean(np.abs(track.values[since:]))))
    return element("div", *(_chart(story, told[:TOGETHER], film, since=since) for told in groups if told), class_="charts")


def _together(told: Sequence[Fall]) -> Element:
    """What the falls have in common."""
    margins = Counter(fall.margin or "not told by the world" for fall in told)
    full = Counter(name for fall in told for name in fall.saturated)
    heads = [("the margin that went", margins), ("at its limit", full)]
    rows = [(name, what, f"{number} of {len(told)}") for name, count in heads for what, number in count.most_common()]
    noticed = [fall.noticed for fall in told if fall.noticed is not None]
    if any(fall.judged for fall in told):
        when = f"median {np.median(noticed):.2f} s before" if noticed else "never"
        rows.append(("the critic noticed", when, f"{len(noticed)} of {len(told)}"))
    return table("All falls together", ["", "what", "falls"], rows)


def rewards(stories: Sequence[Story]) -> Element:
    """What each term of the reward came to, in the mean of all episodes."""
    sums = {name: np.mean([np.nansum(story.of("reward")[name].values) for story in stories]) for name in stories[0].of("reward")}
    whole = sum(abs(value) for value in sums.values()) or 1.0
    rows = [
        (
            name,
            f"{value:,.2f}",
            element("meter", min="0", max="1", value=f"{abs(value) / whole:.3f}", aria_label=f"part of {name}"),
        )
        for name, value in sums.items()
    ]
    return table("What the return is made of, in the mean of these episodes", ["term", "in an episode", "part of all"], rows)
