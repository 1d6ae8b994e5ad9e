"""Results and their pictures: the table comes back as it was written, curves invent nothing, and mistakes are one line."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import assert_one_line, invoke, said
from poise.toolkit.errors import WorkError
from poise.toolkit.evaluation import RETURN_STD, REWARD_PREFIX
from poise.toolkit.loggers import MetricSeries, read_metrics
from poise.toolkit.run import Run
from poise.tools.plot import charts
from poise.tools.plot.charts import plot_trials
from poise.tools.plot.curves import (
    MAX_POINTS,
    compare_algorithms,
    compute_learning_curve,
    rank_trials,
    summarize,
)
from poise.tools.plot.log_plots import RunGroup, plot_evaluation, plot_reward_terms
from poise.tools.plot.plot import plot
from poise.tools.plot.results import (
    EVALUATION_COLUMNS,
    MEASURES,
    REQUIRED_COLUMNS,
    Trial,
    read_results,
    read_trial,
    write_results,
)
from sample_runs import start_run

PNG = b"\x89PNG"


def trial(
    returns: list[float],
    algorithm: str = "sac",
    seed: int = 0,
    goal: float | None = 10.0,
    every: int = 100,
    env: str = "poise/Cartpole-v0",
    variant: str = "",
) -> Trial:
    """A run that was evaluated every `every` steps; ten steps a second, five episodes in every hundred steps."""
    steps = every * np.arange(1, len(returns) + 1, dtype=float)
    score = np.array(returns, float)
    solved = score >= (np.inf if goal is None else goal)
    columns = (
        steps,
        steps / 10.0,
        steps // 20,
        score,
        score,
        np.full(len(steps), 0.25),
        solved.astype(float),
    )
    return Trial(env, algorithm, seed, np.stack(columns, axis=1), goal, variant)


def words_of(figure: Any) -> str:
    """Everything that is written on a figure."""
    from matplotlib.text import Text

    return " ".join(found.get_text() for found in figure.findobj(Text)).replace("\n", " ")


# The table.

HEADER = ",".join(REQUIRED_COLUMNS)


@pytest.mark.parametrize("goal", [10.0, None])
def test_a_table_comes_back_as_it_was_written(tmp_path, goal):
    written = [trial([1.5, 2.25], seed=4, goal=goal), trial([3.0, 11.0, 12.0], "ppo", goal=goal)]
    write_results(tmp_path / "results.csv", written)
    for before, after in zip(written, read_results(tmp_path / "results.csv"), strict=True):
        assert (before.env, before.algorithm, before.seed) == (
            after.env,
            after.algorithm,
            after.seed,
        )
        assert before.solved_at == after.solved_at
        np.testing.assert_array_equal(before.evaluations, after.evaluations)


def test_a_table_tells_of_variants_where_there_are_any(tmp_path):
    alone, varied = (
        [trial([1.0, 2.0])],
        [trial([1.0, 2.0], variant=name) for name in ("state", "pixels")],
    )
    for path, written in (
        (tmp_path / "alone.csv", alone),
        (tmp_path / "varied.csv", varied),
        (tmp_path / "both.csv", alone + varied),
    ):
        write_results(path, written)
        assert path.read_text().splitlines()[0] == HEADER + ",solved_at" + ",variant" * (
            written != alone
        )
        assert [(found.variant, found.label) for found in read_results(path)] == [
            (own.variant, own.label) for own in written
        ]
    assert [own.label for own in alone + varied] == ["sac", "sac state", "sac pixels"]


def test_a_run_tells_its_episodes_at_each_evaluation(tmp_path):
    run = start_run(tmp_path, solved_at=15.0, stop_when_solved=False).run
    told = read_trial(run)
    ended = [
        int(line.split(",")[0]) for line in (run.path / "episodes.csv").read_text().splitlines()[1:]
    ]
    assert told.get_column("step").tolist() == [60.0, 120.0, 180.0]
    assert told.get_column("episodes").tolist() == [
        sum(step <= at for step in ended) for at in (60, 120, 180)
    ]
    assert told.get_column("solved").tolist() == [
        float(score >= 15.0) for score in told.get_column("return")
    ]
    # Killed in the middle of the last evaluation's rows.
    text = (run.path / "metrics.csv").read_text()
    (run.path / "metrics.csv").write_text(
        text[: text.index("eval/success", text.index("\n180,"))].rpartition("\n")[0] + "\n"
    )
    assert read_trial(run).get_column("step").tolist() == [60.0, 120.0]


ROW = "poise/Cartpole-v0,sac,0,100,1.0,5,7.0,7.0,0.5,0"
BAD: dict[str, tuple[str | bytes, str]] = {
    "no columns": ("", "has no column env"),
    "missing columns": (
        "env,algorithm,seed,step\n1,2,3,4\n",
        "has no column seconds, episodes, return, length, success, solved",
    ),
    "no rows": (HEADER + "\n", "has no rows"),
    "a word for a number": (
        f"{HEADER}\n{ROW}\n{ROW.replace('7.0,7.0', 'good,7.0')}\n",
        "line 3: return should be a number",
    ),
    "nothing for a number": (
        f"{HEADER}\n{ROW.replace(',5,', ',,')}\n",
        "line 2: episodes should be a number, not ''",
    ),
    "not finite": (
        f"{HEADER}\n{ROW.replace('7.0,7.0', 'nan,7.0')}\n",
        "line 2: return should be a number, not 'nan'",
    ),
    "a short row": (f"{HEADER}\n{ROW[:-6]}\n", "line 2: success should be a number"),
    "a row twice": (f"{HEADER}\n{ROW}\n{ROW}\n", "line 3: this run has told of step 100 before"),
    "no text": (b"\xff\xfe\x00\x80", "is no CSV file"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_table_that_cannot_be_plotted_is_one_line(name, elsewhere):
    content, told = BAD[name]
    Path("mine.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert_one_line(invoke("plot", "mine.csv"), 2, told)
    assert not Path("curves.png").exists()


def test_other_mistakes_are_one_line_too(elsewhere):
    Path("mine.csv").write_text(f"{HEADER}\n{ROW}\n")
    assert_one_line(invoke("plot", "none.csv"), 2, "none.csv cannot be read: No such file")
    assert_one_line(invoke("plot", "none"), 2, "unknown run 'none'")
    assert_one_line(
        invoke("plot", "mine.csv", "--out", "mine.txt"), 2, "a plot is a .png, .svg or .pdf"
    )
    assert_one_line(invoke("plot", "mine.csv", "mine.csv"), 2, "plot it by itself")
    assert_one_line(invoke("plot", "mine.csv", "--out", "mine.csv/mine.png"), 1, "mine.csv")
    Path("folder.png").mkdir()
    assert_one_line(invoke("plot", "mine.csv", "--out", "folder.png"), 1, "folder.png")
    result = invoke("plot", "mine.csv", "--by", "luck")
    assert result.exit_code == 2 and "luck" in result.stderr
    result = invoke("plot", "mine.csv", "--measure", "succes")
    assert result.exit_code == 2 and "'success'" in result.stderr
    told = "--kind losses says itself what it draws: leave out --measure"
    assert_one_line(invoke("plot", "mine.csv", "--kind", "losses", "--measure", "length"), 2, told)


def test_a_table_by_others_may_say_true_and_no_threshold(elsewhere):
    Path("mine.csv").write_text(f"{HEADER}\n{ROW}\n{ROW.replace(',100,', ',200,')[:-1]}True\n")
    (found,) = read_results(Path("mine.csv"))
    assert found.get_column("solved").tolist() == [0.0, 1.0] and found.solved_at is None
    assert "until solved" in words_of(plot_trials([found], "steps"))


# What many runs say together.


def test_a_curve_holds_the_last_value_seen_and_says_from_where():
    found = compute_learning_curve(
        [trial([1.0, 2.0, 12.0]), trial([3.0, 14.0], every=150)], "steps"
    )
    assert found.x.tolist() == [150.0, 200.0, 300.0]
    assert found.center.tolist() == [(1.0 + 3.0) / 2, (2.0 + 3.0) / 2, (12.0 + 14.0) / 2]
    assert found.complete_until == 300.0
    stopped = compute_learning_curve([trial([1.0, 12.0]), trial([1.0, 2.0, 3.0, 4.0])], "steps")
    assert stopped.complete_until == 200.0 and stopped.x[-1] == 400.0
    assert stopped.center[-1] == (12.0 + 4.0) / 2, "the run that stopped keeps its last value"
    assert (stopped.low <= stopped.center).all() and (stopped.center <= stopped.high).all()


def test_curves_by_seconds_and_episodes_are_the_same_curve_elsewhere():
    runs = [trial([1.0, 2.0, 3.0]), trial([2.0, 3.0, 4.0])]
    by = {axis: compute_learning_curve(runs, axis) for axis in ("steps", "seconds", "episodes")}
    assert by["seconds"].x.tolist() == [10.0, 20.0, 30.0] and by["episodes"].x.tolist() == [
        5.0,
        10.0,
        15.0,
    ]
    assert (
        by["steps"].center.tolist()
        == by["seconds"].center.tolist()
        == by["episodes"].center.tolist()
    )


def test_a_long_curve_has_no_more_points_than_can_be_seen():
    found = compute_learning_curve(
        [trial(list(range(1000)), every=every) for every in (100, 101)], "steps"
    )
    assert len(found.x) == MAX_POINTS and (found.x[0], found.x[-1]) == (101.0, 101_000.0)


def test_where_training_stops_at_the_threshold_the_sooner_is_the_better():
    runs = [
        trial([1, 2, 11]),
        trial([1, 12]),
        trial([1, 2, 3]),
        trial([1, 2, 4]),
        trial([2, 3, 11]),
    ]
    meaning, ranks = rank_trials(runs, "steps")
    assert meaning == "solved in fewer steps, unsolved runs by their last return"
    assert ranks.tolist() == [2.0, 3.0, 0.0, 1.0, 2.0]


def test_where_training_goes_on_or_nothing_is_solved_the_higher_last_return_is_the_better():
    for runs in (
        [trial([1, 12, 5]), trial([1, 2, 11])],
        [trial([1.0, 5.0]), trial([1.0, 11.0], goal=None)],
    ):
        meaning, ranks = rank_trials(runs, "steps")
        assert meaning == "higher return in the last evaluation" and ranks.tolist() == [5.0, 11.0]


def test_by_another_measure_the_last_one_counts_solved_or_not():
    soon, late = trial([1, 12]), trial([1, 2, 3, 11])
    late.evaluations[:, EVALUATION_COLUMNS.index("success")] = 0.75
    for measure, worth, told in (
        ("success", [0.25, 0.75], "more success"),
        ("length", [12.0, 11.0], "longer episodes"),
    ):
        meaning, scores = rank_trials([soon, late], "steps", measure)
        assert meaning == f"{told} in the last evaluation" and scores.tolist() == worth
        assert (
            compute_learning_curve([late], "steps", measure).center.tolist()
            == late.get_column(measure).tolist()
        )


def test_variants_are_compared_as_algorithms_are():
    state, pixels = (
        [trial([1.0, last + seed], "ppo", seed, None, variant=name) for seed in range(3)]
        for name, last in (("state", 5.0), ("pixels", 14.0))
    )
    runs = [*state, *pixels]
    (found,) = compare_algorithms(runs, "steps")[1]
    assert (found.better, found.worse, found.probability) == ("ppo pixels", "ppo state", 1.0)
    assert [row[1:3] for row in summarize(runs)] == [
        ("ppo state", "0 of 3"),
        ("ppo pixels", "0 of 3"),
    ]


def test_improvements_name_the_better_one_first_and_count_worlds_alike():
    here = [
        trial([1.0, float(seed)], name, seed, None)
        for name in ("sac", "ppo")
        for seed in range(1 + (name == "ppo"), 6)
    ]
    (found,) = compare_algorithms(here, "steps")[1]
    assert (found.better, found.worse) == ("ppo", "sac") and 0.5 < found.probability <= 1.0
    assert found.low <= found.probability <= found.high
    # A second environment, in which sac always wins, counts as much as the first however many runs it has.
    there = [
        trial([1.0, 9.0 * (name == "sac")], name, seed, None, env="poise/Standing-v0")
        for name in ("sac", "ppo")
        for seed in range(2)
    ]
    (both,) = compare_algorithms(here + there, "steps")[1]
    assert both.better == "sac" and both.probability == pytest.approx(1.0 - found.probability / 2)
    assert compare_algorithms(here[:1] + here[-1:], "steps")[1] == [], "one run each says nothing"


def test_the_summary_tells_medians_and_counts():
    rows = summarize(
        [
            trial([1, 11], seed=0),
            trial([1, 2, 11], seed=1),
            trial([1, 2, 3], seed=2),
            trial([1, 2, 3], "ppo"),
        ]
    )
    assert rows[0][:6] == ("cartpole", "sac", "2 of 3", "30.0", "300", "15")
    assert rows[1] == ("cartpole", "ppo", "0 of 1", "-", "-", "-", "3.0")
    assert rows[0][6].startswith("9.7 (3.0 to 11.0)")


# Pictures.


@pytest.mark.parametrize("axis", ["steps", "episodes", "seconds"])
def test_a_chart_has_panels_for_every_world_and_says_what_they_show(axis):
    runs = [
        trial(
            [1.0, 5.0, 9.0 + seed] if name == "sac" else [1.0, 2.0, 3.0], name, seed, goal, env=env
        )
        for env, goal in (("poise/Cartpole-v0", 10.0), ("Pendulum-v1", None))
        for name in ("sac", "sb3-sac")
        for seed in range(3)
    ]
    told = words_of(plot_trials(runs, axis))
    for words in (
        *(
            "cartpole",
            "pendulum",
            "sac (3 runs)",
            "sb3-sac (3 runs)",
            "dashed: solved at 10",
            "fewer than 5 runs",
        ),
        *(
            "2 of 3 solved",
            "0 of 3 solved",
            "sac better than sb3-sac",
            "100%",
            "95 % bootstrap interval",
        ),
        f"in cartpole solved in fewer {axis}, unsolved runs by their last return; in pendulum higher return",
    ):
        assert words in told, words
    assert "Dotted" not in told and plot_trials(runs, axis).get_figwidth() * charts.DPI == 1200


def test_a_chart_says_where_a_curve_outlives_its_runs():
    told = words_of(plot_trials([trial([1.0, 12.0]), trial([1.0, 2.0, 12.0], seed=1)], "steps"))
    assert (
        "a run that has ended keeps its last value (2 of 2 runs ended because they were solved)"
        in told
    )
    lone = words_of(plot_trials([trial([1.0])], "steps"))
    assert "sac (1 run)" in lone and "better than" not in lone


def test_a_chart_of_another_measure_has_neither_threshold_nor_times():
    runs = [trial([1.0, 12.0 + seed], name, seed) for name in ("sac", "ppo") for seed in range(2)]
    assert "until solved" in words_of(plot_trials(runs, "steps"))
    told = words_of(plot_trials(runs, "steps", "success"))
    assert "success in evaluation" in told and "Better: more success in the last evaluation" in told
    assert not [
        words
        for words in ("return", "dashed: solved at", "until solved", "Bar: median")
        if words in told
    ]


def test_variants_with_thresholds_of_their_own_show_them_all():
    told = words_of(
        plot_trials(
            [trial([1.0], variant="near", goal=10.0), trial([1.0], variant="far", goal=5.5)],
            "steps",
        )
    )
    assert "dashed: solved at 5.5, 10" in told and "sac near (1 run)" in told


def test_no_two_lines_of_a_chart_look_alike():
    looks = [charts.get_line_style(index) for index in range(49)]
    assert len({(look.color, look.marker) for look in looks}) == 49
    assert len({(look.color, str(look.linestyle)) for look in looks}) == 21 and {
        look.linestyle for look in looks[:7]
    } == {"-"}


def test_of_many_comparisons_the_least_sure_are_drawn():
    runs = [
        trial([float(seed + (40 if index == 7 else index))], f"try-{index}", seed, None)
        for index in range(8)
        for seed in (0, 1)
    ]
    told = words_of(plot_trials(runs, "steps"))
    assert "(8 more pairs, as sure or surer, are not drawn)" in told
    drawn = {*re.findall(r"try-\d better than try-\d", told)}
    assert len(drawn) == charts.MAX_PAIRS and drawn >= {
        f"try-{index + 1} better than try-{index}" for index in range(6)
    }


def test_names_of_any_length_and_number_leave_room_for_the_panels():
    names = [
        "a-run-whose-name-is-as-long-as-a-name-of-a-run-may-be-which-is-eighty-letters-0",
        *(f"try-{i}" for i in range(5)),
    ]
    told = words_of(
        plot_trials([trial([1.0, 2.0], name, seed) for name in names for seed in range(2)], "steps")
    )
    assert f"{names[0]} (2 runs)" in told and "a-run-wh" in told


@pytest.mark.parametrize("name", ["curves.png", "deep/curves.svg", "curves.pdf"])
def test_a_benchmark_is_plotted_into_any_kind_of_picture(elsewhere, name):
    Path("bench").mkdir()
    write_results(
        Path("bench/results.csv"),
        [trial([1.0, 2.0]), trial([1.0, 3.0], seed=1), trial([2.0], "ppo")],
    )
    assert name in said(invoke("plot", "bench", "--out", name))
    assert Path(name).stat().st_size > 5000
    assert [path.name for path in Path(name).parent.iterdir() if "partial" in path.name] == []
    said(invoke("plot", "bench/results.csv", "--by", "seconds", "--out", name))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of one thing."""
    folder = tmp_path_factory.mktemp("plotted")
    for seed in (0, 1):
        start_run(folder, f"seed-{seed}", seed=seed)
    return folder


def change(run: Path, part: str, **values: Any) -> None:
    """Make a run's config another one."""
    config = json.loads((run / "config.json").read_text())
    config[part] = {**config[part], **values} if isinstance(config[part], dict) else values["word"]
    (run / "config.json").write_text(json.dumps(config))


def drawn(monkeypatch: pytest.MonkeyPatch, *words: Path, axis: str = "steps") -> list[Trial] | None:
    """The trials that `plot` draws together; None where it draws every run for itself."""
    taken: list[list[Trial]] = []
    monkeypatch.setattr(
        "poise.tools.plot.plot.plot_trials",
        lambda trials, *how: taken.append(trials) or plot_trials(trials, *how),
    )
    assert (
        plot([str(word) for word in words], Path("runs"), axis, Path("curves.png"))
        .read_bytes()
        .startswith(PNG)
    )
    return taken[0] if taken else None


def test_seeds_of_one_thing_are_drawn_together_and_other_runs_for_themselves(
    runs, elsewhere, monkeypatch
):
    shutil.copytree(runs, "here")
    one, two, other = (Path("here", name) for name in ("seed-0", "seed-1", "other"))
    shutil.copytree(two, other)
    change(other, "settings", learning_rate=0.123)
    assert [found.algorithm for found in drawn(monkeypatch, one, two) or []] == ["sac", "sac"]
    for axis in ("steps", "episodes", "seconds"):
        assert drawn(monkeypatch, one, axis=axis) is None
        assert drawn(monkeypatch, one, one, axis=axis) is None
        assert drawn(monkeypatch, one, other, axis=axis) is None
    # Longer training of the same is the same; other settings go by the run's name.
    change(one, "training", steps=400, stop_when_solved=False)
    assert [found.algorithm for found in drawn(monkeypatch, one, two, other) or []] == [
        "seed-0",
        "seed-0",
        "other",
    ]
    assert [found.algorithm for found in drawn(monkeypatch, Path("here")) or []] == [
        "other",
        "seed-0",
        "seed-0",
    ]


@pytest.mark.parametrize("measure", MEASURES)
def test_a_run_is_drawn_by_any_measure(runs, elsewhere, monkeypatch, measure):
    figures: list[Any] = []
    monkeypatch.setattr(
        "poise.tools.plot.plot.save_figure", lambda figure, path: figures.append(figure) or path
    )
    plot(["seed-0"], runs, "steps", Path("curves.png"), measure=measure)
    (axes,) = figures[0].axes
    drawn = axes.get_lines()
    assert axes.get_ylabel() == f"{measure} of an episode"
    (line,) = (line for line in drawn if "evaluation" in str(line.get_label()))
    assert np.array_equal(line.get_ydata(), read_trial(Run(runs / "seed-0")).get_column(measure))
    assert len(drawn) == {"return": 2, "length": 2, "success": 1}[measure], (
        "no episode of a training tells of success"
    )


def test_runs_of_different_worlds_share_a_folder_but_no_curve(runs, elsewhere, monkeypatch):
    shutil.copytree(runs, "here")
    change(Path("here/seed-1"), "env", word="poise/Standing-v0")
    assert_one_line(
        invoke("plot", "seed-0", "seed-1", "--runs-dir", "here"), 2, "cannot share a curve"
    )
    assert {found.env for found in drawn(monkeypatch, Path("here")) or []} == {
        "poise/Cartpole-v0",
        "poise/Standing-v0",
    }


def test_runs_that_were_never_evaluated_have_no_curve(runs, elsewhere):
    shutil.copytree(runs, "here")
    for path in Path("here").glob("*/metrics.csv"):
        path.write_text("step,seconds,name,value\n")
    assert_one_line(invoke("plot", "here"), 2, "no run has been evaluated yet")
    said(invoke("plot", "here/seed-0"))


# What runs logged.


@pytest.mark.parametrize("kind", ["evaluation", "rewards", "losses"])
@pytest.mark.parametrize("axis", ["steps", "episodes", "seconds"])
def test_what_runs_logged_is_drawn_for_one_run_and_for_seeds_together(runs, elsewhere, kind, axis):
    for words in (["seed-0"], ["seed-0", "seed-1"]):
        said(
            invoke(
                "plot",
                *words,
                "--runs-dir",
                runs,
                "--kind",
                kind,
                "--by",
                axis,
                "--out",
                "drawn.png",
            )
        )
        assert Path("drawn.png").read_bytes().startswith(PNG)
    said(invoke("plot", runs, "--kind", kind, "--by", axis, "--out", "drawn.svg"))


def groups(runs: Path, *names: str) -> list[RunGroup]:
    return [RunGroup.read("mine", [Run(runs / name) for name in names])]


def test_stacked_terms_add_up_to_the_return(runs):
    (axes,) = plot_reward_terms(groups(runs, "seed-0"), "steps").axes
    told = read_trial(Run(runs / "seed-0"))
    (line,) = axes.get_lines()
    assert np.array_equal(line.get_xdata(), told.get_column("step"))
    np.testing.assert_allclose(line.get_ydata(), told.get_column("return"))
    both = plot_reward_terms(groups(runs, "seed-0", "seed-1"), "steps").axes[0].get_lines()[0]
    means = np.mean(
        [read_trial(Run(runs / name)).get_column("return") for name in ("seed-0", "seed-1")], axis=0
    )
    np.testing.assert_allclose(both.get_ydata(), means)


def test_costs_are_stacked_below_zero_and_gains_above():
    steps = np.array([10.0, 20.0])
    log = {f"{REWARD_PREFIX}{name}": MetricSeries(steps, steps, steps, np.array(paid)) for name, paid in
           {"progress": [2.0, 4.0], "control_cost": [-1.0, -3.0]}.items()}  # fmt: skip
    (axes,) = plot_reward_terms([RunGroup("reacher2d", "mine", [log], None, 2)], "steps").axes
    heights = [
        value
        for drawn in axes.collections
        for path in drawn.get_paths()
        for value in path.vertices[:, 1]
    ]
    assert (min(heights), max(heights)) == (-3.0, 4.0)
    assert axes.get_lines()[0].get_ydata().tolist() == [1.0, 1.0]


def test_the_interval_of_a_single_run_is_that_of_its_mean_return(runs):
    (group,) = groups(runs, "seed-0")
    (spread,) = group.get_series(RETURN_STD)
    axes = plot_evaluation([group], "steps").axes[0]
    (band,) = axes.collections
    low, high = band.get_paths()[0].vertices[:, 1].min(), band.get_paths()[0].vertices[:, 1].max()
    returns = read_trial(Run(runs / "seed-0")).get_column("return")
    assert group.evaluation_episodes == 2 and low == pytest.approx(
        (returns - 1.96 * spread.values).min()
    )
    assert high == pytest.approx((returns + 1.96 * spread.values).max())


def test_runs_without_what_is_asked_for_are_one_line(runs, elsewhere):
    shutil.copytree(runs, "here")
    path = Path("here/seed-0/metrics.csv")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(
        "".join(
            line
            for line in lines
            if "reward/" not in line and "losses/" not in line and "std" not in line
        )
    )
    told = ("--runs-dir", "here", "--kind")
    assert_one_line(
        invoke("plot", "seed-0", *told, "rewards"),
        2,
        "seed-0 does not tell what the terms of its reward paid",
    )
    assert_one_line(invoke("plot", "seed-0", *told, "losses"), 2, "these runs tell of no losses")
    said(
        invoke("plot", "seed-0", *told, "evaluation")
    )  # As an older Poise wrote it: without the interval.
    path.write_text(lines[0])
    assert_one_line(
        invoke("plot", "seed-0", *told, "evaluation"), 2, "no run has been evaluated yet"
    )
    Path("mine.csv").write_text(f"{HEADER}\n{ROW}\n")
    assert_one_line(
        invoke("plot", "mine.csv", "--kind", "losses"), 2, "mine.csv tells of returns alone"
    )


def test_a_log_that_was_cut_in_its_last_row_tells_of_the_rows_before(runs, tmp_path):
    shutil.copytree(runs / "seed-0", tmp_path / "cut")
    whole, path = read_metrics(Run(runs / "seed-0")), tmp_path / "cut" / "metrics.csv"
    path.write_text(path.read_text().rpartition(",")[0])
    cut = read_metrics(Run(tmp_path / "cut"))
    assert (
        sum(len(series.values) for series in cut.values())
        == sum(len(series.values) for series in whole.values()) - 1
    )
    path.write_text("step,name\n")
    with pytest.raises(WorkError, match="the run is damaged"):
        read_metrics(Run(tmp_path / "cut"))
