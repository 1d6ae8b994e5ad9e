"""What a run's policy does, for a page: its film, its evaluation episodes, why some failed, and one of them step by step."""

from collections import Counter
from collections.abc import Sequence
from math import ceil

import numpy as np

from toolkit.hud import NARROW
from tools.episode_story import Story, Track
from tools.healthy import TRACKS
from tools.page_chart import Line, chart
from tools.page_elements import Element, element, table
from tools.why_it_fell import DEFINITIONS, Fall, alarming_value, in_words, why_it_fell

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
