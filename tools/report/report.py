"""Report: runs of one environment on one page that any browser opens offline: how they learned, what they do, why they fell."""

import inspect
from collections.abc import Sequence
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from string import Template

from poise.toolkit.errors import UserError
from poise.toolkit.files import write_text
from poise.toolkit.registry import make_env, short_name, unwrap_poise_env
from poise.toolkit.run import Run, parse_step
from poise.tools.report.html import Element, make_element, render_table, to_html
from poise.tools.report.learning import (
    EvaluatedRun,
    evaluate_best_policy,
    render_metric_charts,
    render_run_section,
    render_settings,
)

PAGE_FOLDER = files("poise.tools.report")
"""Where the page's template, its style and its script lie."""


def write_report(
    names: Sequence[str], *, out: Path, runs_dir: Path = Path("runs"), episodes: int = 20
) -> Path:
    """Write the page of some runs, judged on so many episodes each; it is there whole or not at all."""
    if out.suffix != ".html" or out.is_dir():
        raise UserError(f"a report is an .html page, not {out.name!r}")
    runs = list(
        {run.path.resolve(): run for run in (Run.open(runs_dir, word) for word in names)}.values()
    )
    envs = {run.config["env"] for run in runs}
    if len(envs) > 1:
        raise UserError(
            f"runs of different environments cannot share a report: {', '.join(sorted(envs))}"
        )
    for run in runs:
        run.find_checkpoint()  # There is one checkpoint at the least, or this says so.
    out.parent.mkdir(parents=True, exist_ok=True)
    lived = [evaluate_best_policy(run, episodes) for run in runs]
    return write_text(out, _render_page(short_name(envs.pop()), lived))


def _render_page(env: str, evaluated_runs: Sequence[EvaluatedRun]) -> str:
    """The template, filled."""
    runs = [one.run for one in evaluated_runs]
    sections = [
        (
            "runs",
            "At a glance",
            [*_render_env_description(runs[0]), _render_overview(evaluated_runs)],
        ),
        ("learning", "Learning", [render_metric_charts(runs)]),
        ("settings", "Settings", [render_settings(runs)]),
        *(
            (f"run-{number}", one.run.path.name, render_run_section(f"run-{number}", one))
            for number, one in enumerate(evaluated_runs, 1)
        ),
    ]
    links = [
        make_element("li", make_element("a", title, href=f"#{place}"))
        for place, title, _ in sections
    ]
    parts = {
        "title": to_html(
            make_element("title", f"{env}: {', '.join(run.path.name for run in runs)}")
        ),
        "style": (PAGE_FOLDER / "report.css").read_text(encoding="utf-8"),
        "script": (PAGE_FOLDER / "report.js").read_text(encoding="utf-8"),
        "heading": to_html(make_element("h1", env)),
        "links": to_html(make_element("ul", *links)),
        "main": to_html(*(_render_section(*section) for section in sections)),
    }
    return Template((PAGE_FOLDER / "report.html").read_text(encoding="utf-8")).substitute(parts)


def _render_section(section_id: str, title: str, elements: Sequence[Element]) -> Element:
    heading = make_element("h2", title, id=f"{section_id}-title")
    return make_element(
        "section", heading, *elements, id=section_id, aria_labelledby=f"{section_id}-title"
    )


def _render_env_description(run: Run) -> list[Element]:
    """What the environment says of itself, where it is one of ours."""
    with closing(make_env(run.config["env"], run.config["env_settings"])) as env:
        ours = unwrap_poise_env(env)
    told = (inspect.getdoc(type(ours)) or "").split("\n\n") if ours else []
    return [make_element("p", " ".join(paragraph.split())) for paragraph in told]


def _render_overview(evaluated_runs: Sequence[EvaluatedRun]) -> Element:
    """A row for each run."""
    rows = []
    for run, learner, stories in evaluated_runs:
        ended = run.summary()
        took = [
            f"{ended[name]:,.0f}" if name in ended else "-"
            for name in ("steps", "episodes", "seconds")
        ]
        mean = sum(story.episode_return for story in stories) / len(stories)
        failed = f"{sum(story.is_failure for story in stories)} of {len(stories)}"
        step = f"{parse_step(Path(learner.checkpoint or '')):,}"
        rows.append((run.path.name, run.config["algorithm"], *took, step, f"{mean:,.1f}", failed))
    heads = [
        "run",
        "algorithm",
        "steps",
        "episodes",
        "seconds",
        "judged at step",
        "mean return",
        "failed",
    ]
    return render_table("What was trained, and what the best policy of each run does", heads, rows)
