"""A run's own section of a page: its policy lives its evaluation episodes, and is filmed in one or two of them."""

import base64
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import algos
from algos.base import Learner
from toolkit.errors import UserError, WorkError
from toolkit.evaluation import EVALUATION_SEED
from toolkit.registry import make_world
from toolkit.run import Run
from tools.episode_story import Story, live
from tools.page_elements import Element, element
from tools.page_episodes import ending, episodes, falls, rewards, step_by_step
from tools.record_run import film_episode, frame_rate

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
