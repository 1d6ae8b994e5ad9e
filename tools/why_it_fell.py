"""Why did it fall? What an episode that failed says of its end: which margin went, what was at its limit, who noticed."""

from typing import NamedTuple

import numpy as np

from toolkit.hud import NARROW
from toolkit.signals import Array
from tools.episode_story import Story

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
