"""Reports: pages show the data of runs, work offline, escape names, and explain failures."""

import json
import re
import shutil
from collections.abc import Iterator
from configparser import ConfigParser
from dataclasses import replace
from fnmatch import fnmatch
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from commands import assert_one_line, invoke, said
from processes import ROOT
from sample_runs import start_run

from poise import algos
from poise.toolkit.media.palette import DARK, LIGHT
from poise.toolkit.registry import make_env
from poise.tools.record.episode_trace import EpisodeTrace, TraceChannel, trace_episode
from poise.tools.report import html as page_chart
from poise.tools.report import report
from poise.tools.report.episodes import (
    analyze_failure,
    describe_ending,
    describe_failure,
    render_episode_charts,
)
from poise.tools.report.glossary import METRICS, TRACE_GROUPS
from poise.tools.report.html import Line, make_element, render_chart, to_html

CHROMIUM = next(
    (
        path
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (path := shutil.which(name))
    ),
    None,
)
NASTY = "</script><img src=x onerror=alert(1)>&\"'$title${title}"
UGLY = NASTY.replace("/", "")
"""NASTY without slashes, which a folder name cannot hold."""


@pytest.fixture(scope="session")
def short_run(tmp_path_factory) -> Path:
    """Train a run so shortly that its policy fails; return the folder of runs."""
    return start_run(tmp_path_factory.mktemp("report"), "mine").run.path.parent


@pytest.fixture
def runs(short_run, elsewhere) -> Path:
    """Return runs in the working folder: `mine`, one with another gamma, one with unusual names."""
    for name, gamma, command in (
        ("mine", 0.99, "poise"),
        ("other", 0.5, "poise"),
        (UGLY, 0.99, NASTY),
    ):
        shutil.copytree(short_run / "mine", Path("runs", name))
        path = Path("runs", name, "config.json")
        config = json.loads(path.read_text(encoding="utf-8"))
        config["settings"]["gamma"], config["command"] = gamma, command
        path.write_text(json.dumps(config), encoding="utf-8")
    return Path("runs")


class Reader(HTMLParser):
    """Parse a page; fail if an element is not closed, or closed out of order."""

    VOID = ("meta", "link", "img", "br", "input")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("script", "style"):
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


# Episodes.


@pytest.mark.parametrize(
    "env_id",
    ["poise/Cartpole-v0", "poise/Standing-v0", "poise/Reacher2D-v0", "Pendulum-v1", "CartPole-v1"],
)
def test_trace_matches_the_episode(env_id):
    learner, env = algos.make_learner("ppo", env_id, {}, {"hidden_sizes": [8]}), make_env(env_id)
    trace = trace_episode(env, learner, 3, 50)
    assert (
        {len(track.values) for track in trace.channels} == {trace.steps + 1} == {len(trace.times)}
    )
    paid = [track.values for track in trace.get_group("reward").values()]
    assert np.isnan([values[0] for values in paid]).all(), "the initial state has no reward"
    assert np.sum([values[1:] for values in paid]) == pytest.approx(trace.episode_return, rel=1e-5)
    values = trace.get_group("value")["value"].values
    assert np.isfinite(values[:-1]).all() and np.isnan(values[-1]), (
        "the terminal state has no value"
    )
    assert all(
        np.isnan(track.values[0]) and np.isfinite(track.values[1:]).all()
        for track in trace.get_group("action").values()
    )
    assert trace.get_group("joint").keys() == trace.get_group("torque").keys()
    if trace.get_group("joint"):
        assert trace.get_group("action").keys() == trace.get_group("joint").keys()
    assert all(track.values[0] > 0.9 for track in trace.get_group("margin").values())
    if trace.is_failure and trace.get_group("margin"):
        lasts = {name: track.values[-1] for name, track in trace.get_group("margin").items()}
        assert (
            trace.failed_margin == min(lasts, key=lasts.get) and lasts[trace.failed_margin] <= 0.0
        )
    assert trace.get_group("aim").keys() == (
        trace.get_group("state").keys() if env_id == "poise/Reacher2D-v0" else set()
    )
    assert {track.group for track in trace.channels} - {"aim"} <= TRACE_GROUPS.keys()


def make_trace(
    failed=True, failure="height", rate=10.0, **groups: dict[str, list[float]]
) -> EpisodeTrace:
    tracks = [
        TraceChannel(group, name, "", np.array(values, float))
        for group, own in groups.items()
        for name, values in own.items()
    ]
    return EpisodeTrace(
        7, rate, 1.0, len(tracks[0].values) - 1, failed, False, failure, tuple(tracks)
    )


MARGIN = {"height": [1, 1, 1, 0.2, 0.5, 0.24, 0.1, -0.1], "rail": [1] * 8}


def test_episode_without_failure_has_no_analysis():
    assert analyze_failure(make_trace(failed=False, margin=MARGIN)) is None


def test_margin_is_low_from_where_it_stays_low():
    failure = analyze_failure(make_trace(margin=MARGIN))
    assert (failure.seed, failure.time, failure.margin, failure.narrow_margin_time) == (
        7,
        0.7,
        "height",
        pytest.approx(0.2),
    )
    sudden = analyze_failure(make_trace(margin={"height": [1, 1, -0.1]}))
    assert sudden.narrow_margin_time == 0.0


@pytest.mark.parametrize(
    ("value", "drop_time"),
    [
        ([10] * 7 + [np.nan], None),
        ([10, 10, 10, 10, 4, 10, 10, np.nan], None),
        ([10, 10, 10, 10, 10, 4, 4, np.nan], 0.2),
        ([10, 10, 4, 10, 10, 10, 4, np.nan], 0.1),
        ([10, 10, 10, 10, 5, 5, 5, np.nan], None),
    ],
)
def test_value_drop_counts_only_if_it_lasts_until_the_end(value, drop_time):
    failure = analyze_failure(make_trace(margin=MARGIN, value={"value": value}))
    assert failure.has_critic and failure.value_drop_time == (
        drop_time and pytest.approx(drop_time)
    )
    assert ("value did not drop" in describe_failure(failure)) == (drop_time is None)


@pytest.mark.parametrize("groups", [{}, {"value": {"value": [-1.0] * 7 + [np.nan]}}])
def test_value_without_positive_median_cannot_drop(groups):
    failure = analyze_failure(make_trace(margin=MARGIN, **groups))
    assert (
        not failure.has_critic
        and failure.value_drop_time is None
        and "no positive value of a critic that could drop" in describe_failure(failure)
    )


def test_discrete_action_is_never_saturated():
    learner, env = (
        algos.make_learner("ppo", "CartPole-v1", {}, {"hidden_sizes": [8]}),
        make_env("CartPole-v1"),
    )
    trace = trace_episode(env, learner, 3, 50)
    assert (
        trace.is_failure
        and trace.get_group("choice")
        and analyze_failure(trace).saturated_actions == {}
    )


def test_saturation_counts_in_the_last_second_only():
    early, often, seldom = (
        [np.nan, *[1.0] * 10, *rest]
        for rest in ([0.0] * 10, [-1.0] * 6 + [0.9] * 4, [1.0] * 4 + [0.0] * 6)
    )
    failure = analyze_failure(make_trace(action={"early": early, "often": often, "seldom": seldom}))
    assert failure.saturated_actions == {"often": pytest.approx(0.6)} and failure.margin is None
    assert "reports no margin" in describe_failure(
        failure
    ) and "often (60% of the last 1 s)" in describe_failure(failure)


# Elements and charts.


@pytest.mark.parametrize("text", [NASTY, "<b>", "a & b", '" onmouseover="x', "żółw 🐢", "\udc80"])
def test_text_is_escaped(text):
    made = Reader(to_html(make_element("p", text, make_element("i", text), text, title=text)))
    assert [tag for tag, _ in made.elements] == ["p", "i"] and made.all("p")[0]["title"] == text
    assert "".join(made.text) == 3 * text


def points(figure: str, kind: str) -> list[list[tuple[float, float]]]:
    """Return the points of each line of a kind."""
    paths = [
        path["d"] for path in Reader(figure).all("path") if (path["class"] or "").split()[0] == kind
    ]
    return [
        [(float(x), float(y)) for x, y in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", path or "")]
        for path in paths
    ]


@pytest.mark.parametrize(
    ("y", "goal"),
    [
        ([1, 2, 3], None),
        ([5, 5, 5], None),
        ([0, 0, 0], None),
        ([-1e9, 0, 1e9], 0),
        ([3e-4] * 3, None),
        ([1, np.nan, 2], 8),
    ],
)
def test_chart_draws_inside_its_frame_and_contains_its_data(y, goal):
    line = Line("own", np.array([0.0, 10.0, 20.0]), np.array(y, float))
    page = to_html(render_chart("title", [line], "steps", "m", "interpretation", goal))
    for path in (*points(page, "line"), *points(page, "threshold")):
        assert all(0.0 <= number <= page_chart.DRAWING_SIZE for point in path for number in point)
    (figure,) = Reader(page).all("figure")
    read = json.loads(figure["data-chart"])
    assert read["x"] == [0.0, 10.0, 20.0]
    assert read["lines"][0]["y"] == [
        None if np.isnan(value) else value for value in np.array(y, float).tolist()
    ]
    ups = [point[1] for point in points(page, "line")[0]]
    assert ups == sorted(ups, reverse=True), "larger is higher"
    assert "NaN" not in page and "nan" not in page.replace("nano", "")


def test_long_line_is_averaged_and_single_point_is_visible():
    many = page_chart.MAX_POINTS * 7 + 3
    page = to_html(
        render_chart("title", [Line("own", np.arange(many, dtype=float), np.ones(many))], "steps")
    )
    read = json.loads(Reader(page).all("figure")[0]["data-chart"])
    assert len(read["x"]) == page_chart.MAX_POINTS and set(read["lines"][0]["y"]) == {1.0}
    assert read["x"][0] == pytest.approx(3.5) and read["x"][-1] == pytest.approx(many - 4)
    alone = to_html(render_chart("title", [Line("own", np.array([5.0]), np.array([1.0]))], "steps"))
    assert re.search(r'd="M[\d.]+ [\d.]+h0"', alone)


def test_lines_with_different_positions_keep_them_and_bars_form_rows():
    two = [
        Line(name, np.array(x), np.zeros(2)) for name, x in (("a", [0.0, 1.0]), ("b", [1.0, 2.0]))
    ]
    read = json.loads(
        Reader(to_html(render_chart("title", two, "steps"))).all("figure")[0]["data-chart"]
    )
    assert [line["x"] for line in read["lines"]] == [[0.0, 1.0], [1.0, 2.0]] and "x" not in read
    bars = [
        Line(name, np.arange(3.0), np.array(y), kind="bar")
        for name, y in (("left", [1.0, 0, 1]), ("right", [0.0, 1, 1]))
    ]
    rows = [
        {y for _, y in path}
        for path in points(to_html(render_chart("title", bars, "steps")), "bar")
    ]
    assert rows == [{250.0}, {750.0}]


def test_every_logged_metric_is_in_the_glossary():
    sources = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("algos", "toolkit")
        for path in (ROOT / folder).rglob("*.py")
    )
    written = set(re.findall(r'"((?:losses|charts|eval)/\w+)"', sources)) - {
        "charts/episode",
        "eval/mse",
    }
    assert len(written) > 10 and written <= METRICS.keys() | {
        f"eval/{name}" for name in ("return", "length", "success")
    }
    for entry in (*METRICS.values(), *TRACE_GROUPS.values()):
        assert entry.title and entry.interpretation.endswith(".")
    for name, entry in METRICS.items():
        if name.startswith("losses/"):
            assert entry.plain_title and entry.healthy and entry.unit, name


# The page.


def test_page_describes_all_of_its_runs(runs):
    assert (
        said(invoke("report", "mine", "other", "mine", "--out", "new/page.html", "--episodes", 3))
        == "report: new/page.html\n"
    )
    page = Path("new/page.html").read_text(encoding="utf-8")
    read = Reader(page)
    assert [path.name for path in Path("new").iterdir()] == ["page.html"]
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert (
        len(ids) == len(set(ids))
        and {"overview", "learning", "settings", "run-1", "run-2"} <= set(ids)
        and "run-3" not in ids
    )
    assert all((link["href"] or "")[1:] in ids for link in read.all("a"))
    assert {
        figure["data-video"] for figure in read.all("figure") if figure.get("data-video")
    } <= set(ids)
    videos = read.all("video")
    assert len(videos) == 4 and all(
        (video["src"] or "").startswith("data:video/mp4;base64,AAAA") for video in videos
    )
    assert (
        "Settings in which the runs differ" in read.words
        and "settings.gamma 0.99 0.5" in read.words
    )
    assert "Evaluation return" in read.words and METRICS["eval/return"].interpretation in read.words
    assert read.words.count("All failures") == 2 and "the margin “pole” reached 0" in read.words
    for group in ("reward", "value", "margin", "action", "shown"):
        entry = TRACE_GROUPS[group]
        assert entry.title in read.words and entry.interpretation in read.words
    assert len(read.all("h1")) == 1 and all(
        cell.get("scope") in ("row", "col") for cell in read.all("th")
    )


def test_page_loads_nothing_else(runs):
    said(invoke("report", "mine", "--out", "page.html", "--episodes", 1))
    page = Path("page.html").read_text(encoding="utf-8")
    for _, attributes in Reader(page).elements:
        for name in ("src", "href", "data", "action", "poster", "srcset"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|WebSocket|https?://", page)
    assert "default-src 'none'" in page


def test_user_chosen_names_and_settings_are_escaped(runs):
    said(invoke("report", f"runs/{UGLY}", "--out", "page.html", "--episodes", 1))
    read = Reader(Path("page.html").read_text(encoding="utf-8"))
    images = read.all("img")
    assert all(image["src"].startswith("data:image/png;base64,") for image in images)
    assert len(read.all("script")) == 1
    assert UGLY in read.words and NASTY in read.words, "unchanged, but escaped"


def test_mean_return_equals_that_of_evaluate(runs):
    said(invoke("report", "mine", "--out", "page.html", "--episodes", 4))
    mean = json.loads(said(invoke("evaluate", "mine", "--episodes", 4, "--json")))["policy"][
        "return_mean"
    ]
    assert (
        f"Mean return {mean:,.1f}." in Reader(Path("page.html").read_text(encoding="utf-8")).words
    )


@pytest.mark.parametrize(
    ("terminated", "is_success", "failure", "ending", "description"),
    [
        (True, False, "height", "failed", "failed (height)"),
        (True, None, "height", "failed", "failed (height)"),
        (True, False, None, "failed", "failed"),
        (True, None, None, "terminated", "terminated"),
        (True, True, None, "succeeded", "succeeded"),
        (False, True, None, "succeeded", "succeeded"),
        (False, False, None, "reached the time limit", "reached the time limit"),
        (False, None, None, "reached the time limit", "reached the time limit"),
    ],
)
def test_ending_claims_no_more_than_the_environment_says(
    terminated, is_success, failure, ending, description
):
    trace = replace(make_trace(terminated, failure, margin=MARGIN), is_success=is_success)
    assert (trace.ending, describe_ending(trace)) == (ending, description)


def test_env_without_rendering_and_margins_has_a_page(elsewhere):
    start_run(Path("runs"), "dark", env="probe/OneDies-v0")
    said(invoke("report", "dark", "--out", "page.html", "--episodes", 2))
    read = Reader(Path("page.html").read_text(encoding="utf-8"))
    assert (
        not read.all("video")
        and "There is no video: environment 'probe/OneDies-v0' cannot be rendered: "
        "it has no rgb_array mode."
        in read.words
    )
    assert "the environment reports no margin" in read.words


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("mine", "standing", "--out", "page.html"),
            "runs of different environments cannot share a report",
        ),
        (("mine", "--out", "page.htm"), "a report is an .html page"),
        (("mine", "--out", "folder.html"), "'folder.html' is a directory"),
        (("mime", "--out", "page.html"), "did you mean 'mine'"),
        (("empty", "--out", "page.html"), "has no checkpoint yet"),
    ],
)
def test_invalid_arguments_fail_in_one_line_and_write_nothing(runs, words, message):
    Path("folder.html").mkdir()
    shutil.copytree("runs/mine", "runs/standing")
    shutil.copytree("runs/mine", "runs/empty")
    shutil.rmtree("runs/empty/checkpoints")
    path = Path("runs/standing/config.json")
    path.write_text(
        path.read_text(encoding="utf-8").replace("poise/Cartpole-v0", "poise/Standing-v0"),
        encoding="utf-8",
    )
    assert_one_line(invoke("report", *words), 2, message)
    assert sorted(path.name for path in Path().iterdir()) == ["folder.html", "runs"]


def test_failed_write_keeps_the_previous_page(runs, monkeypatch):
    Path("page.html").write_text("the page before", encoding="utf-8")

    def full(path, text, **how):
        path.touch()
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        assert_one_line(
            invoke("report", "mine", "--out", "page.html", "--force", "--episodes", 1),
            1,
            "No space left on device page.html",
        )
    assert Path("page.html").read_text(encoding="utf-8") == "the page before" and {
        path.name for path in Path().iterdir()
    } == {
        "page.html",
        "runs",
    }


def test_page_files_are_package_data():
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    patterns = config["options.package_data"]["poise.tools.report"].split(", ")
    names = [path.name for path in report.PAGE_FILES.iterdir() if path.suffix not in (".py", "")]
    assert len(names) == 3 and all(
        any(fnmatch(name, pattern) for pattern in patterns) for name in names
    )


def test_page_shows_result_film_and_failures_before_all_curves(runs):
    said(invoke("report", "mine", "--out", "page.html", "--episodes", 2))
    page = Path("page.html").read_text()
    places = [
        page.index(text)
        for text in (
            "<h1>",
            'class="numbers"',
            "<video",
            "How it fails",
            'class="strip"',
            "Reward of an episode",
            "All other curves",
            'id="run-1-episodes"',
            'id="settings"',
        )
    ]
    assert places == sorted(places)
    read = Reader(page)
    assert "0 of 2 episodes without a failure" in read.words
    main = page[page.index('id="learning"') : page.index("All other curves")]
    assert main.count('class="chart"') == 3, "three curves, all others folded"
    folded = page[page.index("All other curves") :]
    assert "Critic loss" in folded and "Critic loss" not in main


@pytest.mark.parametrize(("solved_at", "verdict"), [(1.0, "solved ✓"), (1e6, "not solved ✕")])
def test_heading_is_the_verdict(runs, solved_at, verdict):
    path = Path("runs/mine/config.json")
    config = json.loads(path.read_text())
    config["training"]["solved_at"] = solved_at
    path.write_text(json.dumps(config))
    said(invoke("report", "mine", "--out", "page.html", "--episodes", 1))
    heading = re.search(r"<h1>(.*?)</h1>", Path("page.html").read_text())[1]
    assert re.sub("<[^>]*>", "", heading) == f"cartpole, {verdict}"


def test_strip_of_the_fall_ends_with_its_time_and_sign(runs):
    said(invoke("report", "mine", "--out", "page.html", "--episodes", 1))
    page = Path("page.html").read_text()
    strip = page[page.index('class="strip"') : page.index("</div>", page.index('class="strip"'))]
    pictures = Reader(f"<div {strip}</div>")
    captions = re.findall(r"<figcaption>([\d.]+) s([^<]*)</figcaption>", strip)
    times = [float(time) for time, _ in captions]
    assert len(pictures.all("img")) == len(times) == 5 and times == sorted(times)
    assert captions[-1][1] == " ✕ fails (pole)" and not any(sign for _, sign in captions[:-1])
    assert all(image["alt"] for image in pictures.all("img"))


@pytest.mark.parametrize(
    ("y", "finding"),
    [
        ([57.0, 60.0, 395.0], "rises from 57 to 395"),
        ([np.nan, 5.0, 2.0], "falls from 5 to 2"),
        ([1.0, 2.0, 1.0], "starts and ends at 1"),
        ([np.nan] * 3, "has no values"),
    ],
)
def test_chart_has_its_finding_as_alternative_text(y, finding):
    line = Line("mine", np.arange(3.0), np.array(y))
    (svg,) = Reader(to_html(render_chart("Return", [line], "steps"))).all("svg")
    assert svg["aria-label"] == f"Return: mine {finding}"


def test_actions_are_drawn_beside_torques():
    """Torques differ from actions where motors have a speed at which they give none."""
    learner = algos.make_learner("ppo", "poise/Standing-v0", {}, {"hidden_sizes": [8]})
    trace = trace_episode(make_env("poise/Standing-v0"), learner, 3, 50)
    words = Reader(to_html(render_episode_charts(trace, "film"))).words
    assert TRACE_GROUPS["action"].title in words and TRACE_GROUPS["torque"].title in words


def test_style_has_the_palette_for_light_and_dark_and_rules_for_phones_and_still_pages():
    style = report.make_palette_css() + (report.PAGE_FILES / "report.css").read_text()
    for palette in (LIGHT, DARK):
        assert all(color in style for color in (palette.paper, palette.ink, *palette.series))
    for rule in (
        "prefers-color-scheme: dark",
        "prefers-reduced-motion: reduce",
        "max-width: 40rem",
        "nth-last-child(n + 4)",
    ):
        assert rule in style
    used = set(re.findall(r"var\((--\w+)\)", style))
    assert used <= set(re.findall(r"(--\w+):", style)), "each variable has a value"


# In a browser.


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """Start Chromium without a window."""
    from playwright.sync_api import sync_playwright

    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def page_file(short_run) -> Path:
    """Write the report of a run."""
    return report.write_report(
        ["mine"], out=short_run / "page.html", runs_dir=short_run, episodes=2
    )


@pytest.fixture
def opened(browser, page_file) -> Iterator:
    """Return a function that opens the report; logs, requests and exceptions are errors."""
    contexts = []

    def open_at(width=1280, **how):
        context = browser.new_context(viewport={"width": width, "height": 800}, **how)
        contexts.append((context, []))
        page, messages = context.new_page(), contexts[-1][1]
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on(
            "request",
            lambda request: (
                messages.append(request.url)
                if not request.url.startswith(("file:", "data:"))
                else None
            ),
        )
        page.goto(page_file.as_uri())
        return page

    yield open_at
    for context, messages in contexts:
        context.close()
        assert messages == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_page_fits_the_window_width(opened, width, scheme):
    page = opened(width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    colours = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    light, dark = (sum(map(int, re.findall(r"\d+", colour))) for colour in colours)
    assert (light > dark) == (scheme == "light") and abs(light - dark) > 400


def test_charts_follow_the_playing_video(opened):
    page = opened()
    state = page.evaluate(
        """async () => {
            const video = document.querySelector("video");
            video.muted = true;
            await video.play();
            await new Promise((done) => video.addEventListener("ended", done));
            return [video.readyState, video.currentTime, video.error];
        }"""
    )
    assert state[0] >= 2 and state[1] > 0.1 and state[2] is None
    video = page.locator("video").first.get_attribute("id")
    assert page.locator(f"[data-video='{video}'] .cursor:not([hidden])").count() > 3


def test_chart_is_read_by_keyboard_and_by_pointer(opened):
    page = opened()
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('role')") == "slider":
            break
    assert page.locator(":focus").get_attribute("role") == "slider", "Tab reaches a chart"
    chart = page.locator("#learning figure.chart").first
    plot = chart.locator(".plot")
    plot.focus()
    assert plot.get_attribute("aria-label").startswith("Reward of an episode")
    read = json.loads(chart.get_attribute("data-chart"))
    page.keyboard.press("End")
    assert plot.get_attribute("aria-valuetext").startswith(
        f"environment steps {read['x'][-1]:g}: mine "
    )
    page.keyboard.press("Home")
    first = plot.get_attribute("aria-valuetext")
    page.keyboard.press("ArrowLeft")
    assert plot.get_attribute("aria-valuetext") == first, "the first position"
    page.keyboard.press("ArrowRight")
    assert plot.get_attribute("aria-valuetext").startswith(
        f"environment steps {read['x'][1]:g}: mine "
    )
    number = chart.locator(".legend b")
    assert float(number.inner_text().replace(",", "")) == pytest.approx(
        read["lines"][0]["y"][1], rel=1e-3
    )
    page.keyboard.press("Tab")
    assert number.inner_text() == ""
    box = plot.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 1, box["y"] + 20)
    assert float(number.inner_text().replace(",", "")) == pytest.approx(
        read["lines"][0]["y"][-1], rel=1e-3
    )


def test_chart_moves_the_video_to_its_position(opened):
    page = opened()
    video = page.locator("video").first.get_attribute("id")
    plot = page.locator(f"[data-video='{video}'] .plot").first
    plot.focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    time = 0.0
    for _ in range(50):
        # The page's security policy forbids `wait_for_function`, which evaluates a string.
        time = page.evaluate("(id) => document.getElementById(id).currentTime", video)
        if time > 0.1:
            break
        page.wait_for_timeout(100)
    assert time > 0.1


def test_charts_are_drawn_without_scripts(opened):
    page = opened(java_script_enabled=False)
    assert (
        page.locator(".plot path.line").count() > 10
        and page.locator("h3:text-is('Failures')").is_visible()
    )
