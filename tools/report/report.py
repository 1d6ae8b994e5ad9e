"""Report: runs of one world on one page that any browser opens offline: how they learned, what they do, why they fell."""

import inspect
from collections.abc import Sequence
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from string import Template

from poise.toolkit.errors import UserError
from poise.toolkit.files import write_text
from poise.toolkit.registry import as_ours, make_world, short_name
from poise.toolkit.run import Run, step_of
from poise.tools.report.html import Element, element, html, table
from poise.tools.report.learning import Lived, curves, evaluated, run_section, settings

PAGE = files("poise.tools.report")
"""Where the page's template, its style and its script lie."""


def report(words: Sequence[str], *, out: Path, runs_dir: Path = Path("runs"), episodes: int = 20) -> Path:
    """Write the page of some runs, judged on so many episodes each; it is there whole or not at all."""
    if out.suffix != ".html" or out.is_dir():
        raise UserError(f"a report is an .html page, not {out.name!r}")
    runs = list({run.path.resolve(): run for run in (Run.open(runs_dir, word) for word in words)}.values())
    worlds = {run.config["world"] for run in runs}
    if len(worlds) > 1:
        raise UserError(f"runs of different worlds cannot share a report: {', '.join(sorted(worlds))}")
    for run in runs:
        run.choose()  # There is one checkpoint at the least, or this says so.
    out.parent.mkdir(parents=True, exist_ok=True)
    lived = [evaluated(run, episodes) for run in runs]
    return write_text(out, _page(short_name(worlds.pop()), lived))


def _page(world: str, lived: Sequence[Lived]) -> str:
    """The template, filled."""
    runs = [one.run for one in lived]
    sections = [
        ("runs", "At a glance", [*_about(runs[0]), _overview(lived)]),
        ("learning", "Learning", [curves(runs)]),
        ("settings", "Settings", [settings(runs)]),
        *((f"run-{number}", one.run.path.name, run_section(f"run-{number}", one)) for number, one in enumerate(lived, 1)),
    ]
    links = [element("li", element("a", title, href=f"#{place}")) for place, title, _ in sections]
    parts = {
        "title": html(element("title", f"{world}: {', '.join(run.path.name for run in runs)}")),
        "style": (PAGE / "report.css").read_text(encoding="utf-8"),
        "script": (PAGE / "report.js").read_text(encoding="utf-8"),
        "heading": html(element("h1", world)),
        "links": html(element("ul", *links)),
        "main": html(*(_section(*section) for section in sections)),
    }
    return Template((PAGE / "report.html").read_text(encoding="utf-8")).substitute(parts)


def _section(place: str, title: str, parts: Sequence[Element]) -> Element:
    heading = element("h2", title, id=f"{place}-title")
    return element("section", heading, *parts, id=place, aria_labelledby=f"{place}-title")


def _about(run: Run) -> list[Element]:
    """What the world says of itself, where it is one of ours."""
    with closing(make_world(run.config["world"], run.config["world_settings"])) as world:
        ours = as_ours(world)
    told = (inspect.getdoc(type(ours)) or "").split("\n\n") if ours else []
    return [element("p", " ".join(paragraph.split())) for paragraph in told]


def _overview(lived: Sequence[Lived]) -> Element:
    """A row for each run."""
    rows = []
    for run, learner, stories in lived:
        ended = run.summary()
        took = [f"{ended[name]:,.0f}" if name in ended else "-" for name in ("steps", "episodes", "seconds")]
        mean = sum(story.total for story in stories) / len(stories)
        failed = f"{sum(story.failed for story in stories)} of {len(stories)}"
        step = f"{step_of(Path(learner.checkpoint or '')):,}"
        rows.append((run.path.name, run.config["algorithm"], *took, step, f"{mean:,.1f}", failed))
    heads = ["run", "algorithm", "steps", "episodes", "seconds", "judged at step", "mean return", "failed"]
    return table("What was trained, and what the best policy of each run does", heads, rows)
