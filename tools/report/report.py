"""`poise report`: write one HTML page about runs of one environment.

The page contains its style, script and videos, and opens offline in any browser.
"""

import inspect
from collections.abc import Sequence
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from string import Template

from poise.toolkit.errors import UserError
from poise.toolkit.files import find_free_path, read_text, write_text
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

PAGE_FILES = files("poise.tools.report")
"""Folder of the page's template, style and script: report.html, report.css, report.js."""


OVERVIEW_COLUMNS = (
    "run",
    "algorithm",
    "steps",
    "episodes",
    "seconds",
    "best policy at step",
    "mean return",
    "failed",
)


def write_report(
    names: Sequence[str],
    *,
    out: Path | None = None,
    runs_dir: Path = Path("runs"),
    episodes: int = 20,
) -> Path:
    """Write the page of some runs atomically; return its path.

    Args:
        names: names or paths of runs of one environment.
        out: the page, `.html`; None: `<first run>-report.html`, numbered where that exists.
        runs_dir: folder of the named runs.
        episodes: evaluation episodes of each run's best policy.

    Raises:
        UserError: `out` is not an .html file, or a run is unknown, of another environment, or
            without a checkpoint.
    """
    if out is None:
        out = find_free_path(Path(f"{Path(names[0]).resolve().name}-report.html"))
    if out.suffix != ".html" or out.is_dir():
        raise UserError(f"a report is an .html page, not {out.name!r}")
    named_runs = [Run.open(runs_dir, name) for name in names]
    runs = list({run.path.resolve(): run for run in named_runs}.values())
    envs = {run.config["env"] for run in runs}
    if len(envs) > 1:
        raise UserError(
            f"runs of different environments cannot share a report: {', '.join(sorted(envs))}"
        )
    for run in runs:
        run.find_checkpoint()  # Raises UserError if there is none, before any run is evaluated.
    out.parent.mkdir(parents=True, exist_ok=True)
    evaluated_runs = [evaluate_best_policy(run, episodes) for run in runs]
    return write_text(out, _render_page(short_name(envs.pop()), evaluated_runs))


def _render_page(env: str, evaluated_runs: Sequence[EvaluatedRun]) -> str:
    """Fill the template of the page."""
    runs = [evaluated_run.run for evaluated_run in evaluated_runs]
    overview = [*_render_env_description(runs[0]), _render_overview(evaluated_runs)]
    sections: list[tuple[str, str, Sequence[Element]]] = [
        ("overview", "Overview", overview),
        ("learning", "Learning", [render_metric_charts(runs)]),
        ("settings", "Settings", [render_settings(runs)]),
    ]
    for number, evaluated_run in enumerate(evaluated_runs, 1):
        section_id = f"run-{number}"
        elements = render_run_section(section_id, evaluated_run)
        sections.append((section_id, evaluated_run.run.path.name, elements))
    links = [
        make_element("li", make_element("a", title, href=f"#{section_id}"))
        for section_id, title, _ in sections
    ]
    title = f"{env}: {', '.join(run.path.name for run in runs)}"
    return Template(_read_page_file("report.html")).substitute(
        title=to_html(make_element("title", title)),
        style=_read_page_file("report.css"),
        script=_read_page_file("report.js"),
        heading=to_html(make_element("h1", env)),
        links=to_html(make_element("ul", *links)),
        main=to_html(*(_render_section(*section) for section in sections)),
    )


def _read_page_file(name: str) -> str:
    return read_text(PAGE_FILES / name)


def _render_section(section_id: str, title: str, elements: Sequence[Element]) -> Element:
    heading = make_element("h2", title, id=f"{section_id}-title")
    return make_element(
        "section", heading, *elements, id=section_id, aria_labelledby=f"{section_id}-title"
    )


def _render_env_description(run: Run) -> list[Element]:
    """Render the docstring of the environment's class if it is an environment of Poise."""
    with closing(make_env(run.config["env"], run.config["env_settings"])) as env:
        poise_env = unwrap_poise_env(env)
    if poise_env is None:
        return []
    paragraphs = (inspect.getdoc(type(poise_env)) or "").split("\n\n")
    return [make_element("p", " ".join(paragraph.split())) for paragraph in paragraphs]


def _render_overview(evaluated_runs: Sequence[EvaluatedRun]) -> Element:
    """Render a table with a row for each run."""
    rows = []
    for run, learner, traces in evaluated_runs:
        summary = run.summary()
        costs = [
            f"{summary[name]:,.0f}" if name in summary else "-"
            for name in ("steps", "episodes", "seconds")
        ]
        mean_return = sum(trace.episode_return for trace in traces) / len(traces)
        endings = [trace.ending for trace in traces]
        # Of a termination that may be a goal, nothing is counted.
        failed = f"{endings.count('failed')} of {len(traces)}"
        rows.append(
            (
                run.path.name,
                run.config["algorithm"],
                *costs,
                f"{parse_step(Path(learner.checkpoint or '')):,}",
                f"{mean_return:,.1f}",
                "-" if "terminated" in endings else failed,
            )
        )
    return render_table(
        "Training, and evaluation of each run's best policy", OVERVIEW_COLUMNS, rows
    )
