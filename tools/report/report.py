"""`poise report`: write one HTML page about runs of one environment.

The page contains its style, script and videos, and opens offline in any browser.
"""

import inspect
from collections.abc import Sequence
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import NamedTuple

from poise.toolkit.errors import UserError
from poise.toolkit.files import find_free_path, make_folder, read_text, write_text
from poise.toolkit.media.palette import DARK, LIGHT, Palette
from poise.toolkit.registry import make_env, short_name, unwrap_poise_env
from poise.toolkit.run import Run, parse_step, replace_latest
from poise.tools.report.html import Element, make_element, render_table, to_html
from poise.tools.report.learning import (
    EvaluatedRun,
    evaluate_best_policy,
    list_metrics,
    render_metric_charts,
    render_result,
    render_run_details,
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


class PageSection(NamedTuple):
    """A part of the page with a heading, which its navigation links to."""

    section_id: str
    title: str
    elements: Sequence[Element]


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
    names = [replace_latest(runs_dir, name) for name in names]
    if out is None:
        out = find_free_path(Path.cwd() / f"{Path(names[0]).resolve().name}-report.html")
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
    make_folder(out.parent)
    evaluated_runs = [evaluate_best_policy(run, episodes) for run in runs]
    return write_text(out, _render_page(short_name(envs.pop()), evaluated_runs))


def _render_page(env: str, evaluated_runs: Sequence[EvaluatedRun]) -> str:
    """Fill the template of the page: results first, then curves, episodes and settings."""
    runs = [evaluated_run.run for evaluated_run in evaluated_runs]
    overview = [_render_overview(evaluated_runs), *_render_env_description(runs[0])]
    results: list[PageSection] = []
    details: list[PageSection] = []
    for number, evaluated_run in enumerate(evaluated_runs, 1):
        section_id = f"run-{number}"
        name = evaluated_run.run.path.name
        results.append(PageSection(section_id, name, render_result(section_id, evaluated_run)))
        elements = render_run_details(section_id, evaluated_run)
        details.append(PageSection(f"{section_id}-episodes", f"Episodes of {name}", elements))
    main_metrics, other_metrics = list_metrics(runs)
    other_curves = make_element(
        "details",
        make_element("summary", f"All other curves ({len(other_metrics)})"),
        render_metric_charts(runs, other_metrics),
    )
    curves = [render_metric_charts(runs, main_metrics), other_curves]
    overview_section = PageSection("overview", "Overview", overview)
    sections = [
        *([overview_section] if len(runs) > 1 else []),
        *results,
        PageSection("learning", "Learning", curves),
        *details,
        *([overview_section] if len(runs) == 1 else []),
        PageSection("settings", "Settings", [render_settings(runs)]),
    ]
    links = [
        make_element("li", make_element("a", section.title, href=f"#{section.section_id}"))
        for section in sections
    ]
    title = f"{env}: {', '.join(run.path.name for run in runs)}"
    return Template(_read_page_file("report.html")).substitute(
        title=to_html(make_element("title", title)),
        style=make_palette_css() + _read_page_file("report.css"),
        script=_read_page_file("report.js"),
        heading=to_html(_render_verdict(env, evaluated_runs)),
        lead=to_html(make_element("p", _describe_runs(runs), class_="lead")),
        links=to_html(make_element("ul", *links)),
        main=to_html(*(_render_section(section) for section in sections)),
    )


def make_palette_css() -> str:
    """Return the colours of the palette as CSS variables, for light and dark screens."""
    light = _format_variables(LIGHT)
    dark = _format_variables(DARK)
    return (
        f":root {{ color-scheme: light dark; {light} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"
    )


def _format_variables(palette: Palette) -> str:
    colors = {
        "paper": palette.paper,
        "panel": palette.panel,
        "ink": palette.ink,
        "muted": palette.muted,
        "rule": palette.rule,
        "good": palette.success,
        "bad": palette.failure,
    }
    lines = (*palette.series, palette.warning, palette.limb_right, palette.muted)
    colors |= {f"c{index}": color for index, color in enumerate(lines)}
    return " ".join(f"--{name}: {color};" for name, color in colors.items())


def _render_verdict(env: str, evaluated_runs: Sequence[EvaluatedRun]) -> Element:
    """Render the heading: the environment, and whether the best policies solve it."""
    thresholds = [run.config["training"]["solved_at"] for run, _, _ in evaluated_runs]
    if None in thresholds:
        return make_element("h1", env)
    means = [
        sum(trace.episode_return for trace in traces) / len(traces)
        for _, _, traces in evaluated_runs
    ]
    num_solved = sum(mean >= limit for mean, limit in zip(means, thresholds, strict=True))
    if num_solved == 0:
        return make_element("h1", f"{env}, ", make_element("span", "not solved ✕", class_="bad"))
    words = "solved ✓"
    if num_solved < len(evaluated_runs):
        words = f"solved by {num_solved} of {len(evaluated_runs)} runs ✓"
    return make_element("h1", f"{env}, ", make_element("span", words, class_="good"))


def _describe_runs(runs: Sequence[Run]) -> str:
    """Return algorithm and seed of each run."""
    return "; ".join(
        f"{run.path.name}: {run.config['algorithm'].upper()}, seed {run.config['training']['seed']}"
        for run in runs
    )


def _read_page_file(name: str) -> str:
    return read_text(PAGE_FILES / name)


def _render_section(section: PageSection) -> Element:
    title_id = f"{section.section_id}-title"
    heading = make_element("h2", section.title, id=title_id)
    return make_element(
        "section", heading, *section.elements, id=section.section_id, aria_labelledby=title_id
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
