"""Results and plots: tables round-trip, curves hold known values, errors are one line."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import assert_one_line, invoke, said
from matplotlib.text import Text
from sample_runs import start_run

from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.evaluation import RETURN_STD, REWARD_PREFIX
from poise.toolkit.loggers import MetricSeries, read_metrics
from poise.toolkit.run import Run
from poise.tools.plot import figures, trial_plots
from poise.tools.plot.curves import (
    MAX_POINTS,
    compare_algorithms,
    compute_learning_curve,
    rank_trials,
    summarize,
)
from poise.tools.plot.log_plots import (
    RunGroup,
    plot_evaluation,
    plot_losses,
    plot_reward_terms,
    plot_run,
)
from poise.tools.plot.plot import plot
from poise.tools.plot.results import (
    EVALUATION_COLUMNS,
    MEASURES,
    REQUIRED_COLUMNS,
    Trial,
    read_results,
    read_trial,
    require_measure,
    write_results,
)
from poise.tools.plot.trial_plots import plot_trials

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
    """Make a run evaluated every `every` steps, at 10 steps/s and 5 episodes per 100 steps."""
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
    """Return all text of a figure."""
    return " ".join(result.get_text() for result in figure.findobj(Text)).replace("\n", " ")


# Results.

HEADER = ",".join(REQUIRED_COLUMNS)


@pytest.mark.parametrize("goal", [10.0, None])
def test_results_round_trip(tmp_path, goal):
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


def test_results_have_a_variant_column_only_with_variants(tmp_path):
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
        assert path.read_text(encoding="utf-8").splitlines()[
            0
        ] == HEADER + ",solved_at" + ",variant" * (written != alone)
        assert [(result.variant, result.label) for result in read_results(path)] == [
            (own.variant, own.label) for own in written
        ]
    assert [own.label for own in alone + varied] == ["sac", "sac state", "sac pixels"]


def test_trial_of_a_run_has_all_complete_evaluations(tmp_path):
    run = start_run(tmp_path, solved_at=15.0, stop_when_solved=False).run
    evaluated = read_trial(run)
    ended = [
        int(line.split(",")[0])
        for line in (run.path / "episodes.csv").read_text(encoding="utf-8").splitlines()[1:]
    ]
    assert evaluated.get_column("step").tolist() == [60.0, 120.0, 180.0, 200.0]
    assert evaluated.get_column("episodes").tolist() == [
        sum(step <= at for step in ended) for at in (60, 120, 180, 200)
    ]
    assert evaluated.get_column("solved").tolist() == [
        float(score >= 15.0) for score in evaluated.get_column("return")
    ]
    # A run that was killed while it wrote the last evaluation's rows.
    text = (run.path / "metrics.csv").read_text(encoding="utf-8")
    (run.path / "metrics.csv").write_text(
        text[: text.index("eval/success", text.index("\n180,"))].rpartition("\n")[0] + "\n",
        encoding="utf-8",
    )
    assert read_trial(run).get_column("step").tolist() == [60.0, 120.0]


def test_results_keep_a_success_that_is_not_defined_empty(tmp_path):
    run = start_run(tmp_path, env="probe/Counter-v0").run
    trial = read_trial(run)
    assert len(trial.evaluations) and np.isnan(trial.get_column("success")).all()
    write_results(tmp_path / "results.csv", [trial])
    (again,) = read_results(tmp_path / "results.csv")
    np.testing.assert_allclose(again.evaluations, trial.evaluations, atol=1e-3)
    require_measure([trial], "return")
    with pytest.raises(UserError, match="probe/Counter-v0 has no success"):
        require_measure([again], "success")


def test_run_shorter_than_its_first_evaluation_is_evaluated_and_plotted(tmp_path):
    run = start_run(tmp_path, evaluate_every=1000).run
    assert read_trial(run).get_column("step").tolist() == [200.0]
    assert plot([str(run.path)], tmp_path, "steps", tmp_path / "curves.png").exists()


ROW = "poise/Cartpole-v0,sac,0,100,1.0,5,7.0,7.0,0.5,0"
BAD: dict[str, tuple[str | bytes, str]] = {
    "no columns": ("", "has no column env"),
    "missing columns": (
        "env,algorithm,seed,step\n1,2,3,4\n",
        "has no column seconds, episodes, return, length, success, solved",
    ),
    "no rows": (HEADER + "\n", "has no rows"),
    "text for a number": (
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
    "a row twice": (f"{HEADER}\n{ROW}\n{ROW}\n", "line 3: this run has a row for step 100 already"),
    "not text": (b"\xff\xfe\x00\x80", "is not a CSV file"),
}


@pytest.mark.parametrize("name", BAD)
def test_invalid_results_fail_in_one_line(name, elsewhere):
    content, message = BAD[name]
    Path("mine.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert_one_line(invoke("plot", "mine.csv"), 2, message)
    assert not Path("curves.png").exists()


def test_invalid_arguments_fail_in_one_line(elsewhere):
    Path("mine.csv").write_text(f"{HEADER}\n{ROW}\n", encoding="utf-8")
    assert_one_line(invoke("plot", "none.csv"), 2, "none.csv cannot be read: No such file")
    assert_one_line(invoke("plot", "none"), 2, "unknown run 'none'")
    assert_one_line(
        invoke("plot", "mine.csv", "--out", "mine.txt"), 2, "a plot is a .png, .svg or .pdf file"
    )
    assert_one_line(invoke("plot", "mine.csv", "mine.csv"), 2, "plot it by itself")
    assert_one_line(
        invoke("plot", "mine.csv", "--out", "mine.csv/mine.png"), 2, "mine.csv is a file"
    )
    Path("folder.png").mkdir()
    assert_one_line(
        invoke("plot", "mine.csv", "--out", "folder.png"), 2, "'folder.png' is a directory"
    )
    result = invoke("plot", "mine.csv", "--by", "luck")
    assert result.exit_code == 2 and "luck" in result.stderr
    result = invoke("plot", "mine.csv", "--measure", "succes")
    assert result.exit_code == 2 and "'success'" in result.stderr
    message = "--measure applies to --kind returns only: leave it out with losses"
    assert_one_line(
        invoke("plot", "mine.csv", "--kind", "losses", "--measure", "length"), 2, message
    )


def test_results_of_other_programs_may_use_true_and_omit_the_threshold(elsewhere):
    Path("mine.csv").write_text(
        f"{HEADER}\n{ROW}\n{ROW.replace(',100,', ',200,')[:-1]}True\n", encoding="utf-8"
    )
    (result,) = read_results(Path("mine.csv"))
    assert result.get_column("solved").tolist() == [0.0, 1.0] and result.solved_at is None
    assert "1 of 1 solved" in words_of(plot_trials([result], "steps"))


# Curves and comparisons.


def test_curve_holds_the_latest_value_and_reports_the_first_end():
    curve = compute_learning_curve(
        [trial([1.0, 2.0, 12.0]), trial([3.0, 14.0], every=150)], "steps"
    )
    assert curve.x.tolist() == [150.0, 200.0, 300.0]
    assert curve.center.tolist() == [(1.0 + 3.0) / 2, (2.0 + 3.0) / 2, (12.0 + 14.0) / 2]
    assert curve.complete_until == 300.0
    stopped = compute_learning_curve([trial([1.0, 12.0]), trial([1.0, 2.0, 3.0, 4.0])], "steps")
    assert stopped.complete_until == 200.0 and stopped.x[-1] == 400.0
    assert stopped.center[-1] == (12.0 + 4.0) / 2, "the run that has ended keeps its last value"
    assert (stopped.low <= stopped.center).all() and (stopped.center <= stopped.high).all()


def test_curve_values_do_not_depend_on_the_axis():
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


def test_long_curve_has_at_most_max_points():
    curve = compute_learning_curve(
        [trial(list(range(1000)), every=every) for every in (100, 101)], "steps"
    )
    assert len(curve.x) == MAX_POINTS and (curve.x[0], curve.x[-1]) == (101.0, 101_000.0)


def test_ranks_prefer_the_sooner_solved_run_if_training_stops_at_the_threshold():
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


def test_ranks_prefer_the_higher_last_return_if_training_continues_or_none_is_solved():
    for runs in (
        [trial([1, 12, 5]), trial([1, 2, 11])],
        [trial([1.0, 5.0]), trial([1.0, 11.0], goal=None)],
    ):
        meaning, ranks = rank_trials(runs, "steps")
        assert meaning == "higher return in the last evaluation" and ranks.tolist() == [5.0, 11.0]


def test_ranks_by_another_measure_use_its_last_value():
    soon, late = trial([1, 12]), trial([1, 2, 3, 11])
    late.evaluations[:, EVALUATION_COLUMNS.index("success")] = 0.75
    for measure, worth, message in (
        ("success", [0.25, 0.75], "more success"),
        ("length", [12.0, 11.0], "longer episodes"),
    ):
        meaning, scores = rank_trials([soon, late], "steps", measure)
        assert meaning == f"{message} in the last evaluation" and scores.tolist() == worth
        assert (
            compute_learning_curve([late], "steps", measure).center.tolist()
            == late.get_column(measure).tolist()
        )


def test_variants_are_compared_like_algorithms():
    state, pixels = (
        [trial([1.0, last + seed], "ppo", seed, None, variant=name) for seed in range(3)]
        for name, last in (("state", 5.0), ("pixels", 14.0))
    )
    runs = [*state, *pixels]
    (pair,) = compare_algorithms(runs, "steps")[1]
    assert (pair.better, pair.worse, pair.probability) == ("ppo pixels", "ppo state", 1.0)
    assert [row[1:3] for row in summarize(runs)] == [
        ("ppo state", "0 of 3"),
        ("ppo pixels", "0 of 3"),
    ]


def test_improvements_name_the_better_algorithm_first_and_weight_envs_equally():
    here = [
        trial([1.0, float(seed)], name, seed, None)
        for name in ("sac", "ppo")
        for seed in range(1 + (name == "ppo"), 6)
    ]
    (pair,) = compare_algorithms(here, "steps")[1]
    assert (pair.better, pair.worse) == ("ppo", "sac") and 0.5 < pair.probability <= 1.0
    assert pair.low <= pair.probability <= pair.high
    # sac always wins in a second environment, which has the same weight with fewer runs.
    there = [
        trial([1.0, 9.0 * (name == "sac")], name, seed, None, env="poise/Standing-v0")
        for name in ("sac", "ppo")
        for seed in range(2)
    ]
    (both,) = compare_algorithms(here + there, "steps")[1]
    assert both.better == "sac" and both.probability == pytest.approx(1.0 - pair.probability / 2)
    assert compare_algorithms(here[:1] + here[-1:], "steps")[1] == [], (
        "single runs are not compared"
    )


def test_summary_has_medians_and_counts():
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


# Figures.


@pytest.mark.parametrize("axis", ["steps", "episodes", "seconds"])
def test_trial_plot_has_panels_for_every_env_and_a_caption(axis):
    runs = [
        trial(
            [1.0, 5.0, 9.0 + seed] if name == "sac" else [1.0, 2.0, 3.0], name, seed, goal, env=env
        )
        for env, goal in (("poise/Cartpole-v0", 10.0), ("Pendulum-v1", None))
        for name in ("sac", "sb3-sac")
        for seed in range(3)
    ]
    text = words_of(plot_trials(runs, axis))
    for words in (
        *(
            "cartpole: sac solved in 2 of 3 runs, sb3-sac not solved (3)",
            "pendulum: sac ends at 10, sb3-sac ends at 3",
            "solved at 10",
            "fewer than 5 runs",
        ),
        *(
            "2 of 3 solved",
            "0 of 3 solved",
            "sac better than sb3-sac",
            "100%",
            "Line: median of 3 runs; band: lowest to highest.",
        ),
        f"in cartpole solved in fewer {axis}, unsolved runs by their last return; "
        "in pendulum higher return",
    ):
        assert words in text, words
    assert "Dotted" not in text and plot_trials(runs, axis).get_figwidth() * figures.DPI == 1320


def test_trial_plot_caption_explains_runs_that_have_ended():
    text = words_of(plot_trials([trial([1.0, 12.0]), trial([1.0, 2.0, 12.0], seed=1)], "steps"))
    assert (
        "a run that has ended keeps its last value (2 of 2 runs ended because they were solved)"
        in text
    )
    lone = words_of(plot_trials([trial([1.0])], "steps"))
    assert "0 of 1 solved" in lone and "better than" not in lone and "band" not in lone


def test_trial_plot_of_another_measure_has_neither_threshold_nor_times():
    runs = [trial([1.0, 12.0 + seed], name, seed) for name in ("sac", "ppo") for seed in range(2)]
    assert "solved at" in words_of(plot_trials(runs, "steps"))
    text = words_of(plot_trials(runs, "steps", "success"))
    assert "success in evaluation (fraction of episodes)" in text
    assert "Better: more success in the last evaluation" in text
    assert not [
        words for words in ("return", "solved at", "of 2 solved", "Marker: solved") if words in text
    ]


def test_trial_plot_shows_the_thresholds_of_all_variants():
    text = words_of(
        plot_trials(
            [trial([1.0], variant="near", goal=10.0), trial([1.0], variant="far", goal=5.5)],
            "steps",
        )
    )
    assert "solved at 5.5" in text and "solved at 10" in text and "sac near" in text


def test_line_styles_differ_in_colour_and_marker():
    styles = [figures.get_line_style(index) for index in range(figures.MAX_LINES)]
    assert len({style.color for style in styles}) == len({style.marker for style in styles}) == 4


def test_trial_plot_draws_the_least_certain_comparisons():
    runs = [
        trial([float(seed + (40 if index == 7 else index))], f"try-{index}", seed, None)
        for index in range(8)
        for seed in (0, 1)
    ]
    text = words_of(plot_trials(runs, "steps"))
    assert "(8 more pairs, at least as certain, are not drawn)" in text
    drawn = {*re.findall(r"try-\d better than try-\d", text)}
    assert len(drawn) == trial_plots.MAX_PAIRS and drawn >= {
        f"try-{index + 1} better than try-{index}" for index in range(6)
    }


def test_trial_plot_shortens_long_names_beside_the_panels():
    names = [
        "a-run-whose-name-is-as-long-as-a-name-of-a-run-may-be-which-is-eighty-letters-0",
        *(f"try-{i}" for i in range(5)),
    ]
    text = words_of(
        plot_trials([trial([1.0, 2.0], name, seed) for name in names for seed in range(2)], "steps")
    )
    assert "a-run-whose..." in text and names[0] not in text.split("Better")[0]


@pytest.mark.parametrize("name", ["curves.png", "deep/curves.svg", "curves.pdf"])
def test_benchmark_is_plotted_into_any_image_format(elsewhere, name):
    Path("bench").mkdir()
    write_results(
        Path("bench/results.csv"),
        [trial([1.0, 2.0]), trial([1.0, 3.0], seed=1), trial([2.0], "ppo")],
    )
    assert name in said(invoke("plot", "bench", "--out", name))
    assert Path(name).stat().st_size > 5000
    assert [path.name for path in Path(name).parent.iterdir() if "partial" in path.name] == []
    said(invoke("plot", "bench/results.csv", "--by", "seconds", "--out", name, "--force"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train two seeds of one configuration."""
    folder = tmp_path_factory.mktemp("plotted")
    for seed in (0, 1):
        start_run(folder, f"seed-{seed}", seed=seed)
    return folder


def change(run: Path, part: str, **values: Any) -> None:
    """Change a run's config."""
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    config[part] = {**config[part], **values} if isinstance(config[part], dict) else values["word"]
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8")


def drawn(monkeypatch: pytest.MonkeyPatch, *words: Path, axis: str = "steps") -> list[Trial] | None:
    """Return the trials that `plot` aggregates, or None if it draws each run separately."""
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


def test_runs_of_one_configuration_are_aggregated_and_others_drawn_separately(
    runs, elsewhere, monkeypatch
):
    shutil.copytree(runs, "here")
    one, two, other = (Path("here", name) for name in ("seed-0", "seed-1", "other"))
    shutil.copytree(two, other)
    change(other, "settings", learning_rate=0.123)
    assert [result.algorithm for result in drawn(monkeypatch, one, two) or []] == ["sac", "sac"]
    for axis in ("steps", "episodes", "seconds"):
        assert drawn(monkeypatch, one, axis=axis) is None
        assert drawn(monkeypatch, one, one, axis=axis) is None
        separate = drawn(monkeypatch, one, other, axis=axis) or []
        assert [result.algorithm for result in separate] == ["seed-0", "other"]
    # The length of training does not separate runs; other settings do, labelled by run name.
    change(one, "training", steps=400, stop_when_solved=False)
    assert [result.algorithm for result in drawn(monkeypatch, one, two, other) or []] == [
        "seed-0",
        "seed-0",
        "other",
    ]
    assert [result.algorithm for result in drawn(monkeypatch, Path("here")) or []] == [
        "other",
        "seed-0",
        "seed-0",
    ]


@pytest.mark.parametrize("measure", MEASURES)
def test_run_is_drawn_by_any_measure(runs, elsewhere, monkeypatch, measure):
    figures: list[Any] = []
    monkeypatch.setattr(
        "poise.tools.plot.plot.save_figure", lambda figure, path: figures.append(figure) or path
    )
    plot(["seed-0"], runs, "steps", Path("curves.png"), measure=measure)
    (axes,) = figures[0].axes
    drawn = axes.get_lines()
    assert axes.get_ylabel().startswith(f"{measure} of an episode (")
    (line,) = (line for line in drawn if "evaluation" in str(line.get_label()))
    assert np.array_equal(line.get_ydata(), read_trial(Run(runs / "seed-0")).get_column(measure))
    assert len(drawn) == {"return": 2, "length": 2, "success": 1}[measure], (
        "success is not logged for training episodes"
    )


def test_runs_of_different_envs_share_a_folder_but_no_curve(runs, elsewhere, monkeypatch):
    shutil.copytree(runs, "here")
    change(Path("here/seed-1"), "env", word="poise/Standing-v0")
    assert_one_line(
        invoke("plot", "seed-0", "seed-1", "--runs-dir", "here"), 2, "cannot share a curve"
    )
    assert {result.env for result in drawn(monkeypatch, Path("here")) or []} == {
        "poise/Cartpole-v0",
        "poise/Standing-v0",
    }


def test_runs_without_evaluation_have_no_curve(runs, elsewhere):
    shutil.copytree(runs, "here")
    for path in Path("here").glob("*/metrics.csv"):
        path.write_text("step,seconds,name,value\n", encoding="utf-8")
    assert_one_line(invoke("plot", "here"), 2, "no run has been evaluated yet")
    said(invoke("plot", "here/seed-0"))


# Log plots.


@pytest.mark.parametrize("kind", ["evaluation", "rewards", "losses"])
@pytest.mark.parametrize("axis", ["steps", "episodes", "seconds"])
def test_log_plots_draw_one_run_and_aggregated_seeds(runs, elsewhere, kind, axis):
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
                "--force",
            )
        )
        assert Path("drawn.png").read_bytes().startswith(PNG)
    said(invoke("plot", runs, "--kind", kind, "--by", axis, "--out", "drawn.svg"))


def groups(runs: Path, *names: str) -> list[RunGroup]:
    return [RunGroup.read("mine", [Run(runs / name) for name in names])]


def test_stacked_reward_terms_add_up_to_the_return(runs):
    (axes,) = plot_reward_terms(groups(runs, "seed-0"), "steps").axes
    evaluated = read_trial(Run(runs / "seed-0"))
    (line,) = axes.get_lines()
    assert np.array_equal(line.get_xdata(), evaluated.get_column("step"))
    np.testing.assert_allclose(line.get_ydata(), evaluated.get_column("return"))
    both = plot_reward_terms(groups(runs, "seed-0", "seed-1"), "steps").axes[0].get_lines()[0]
    means = np.mean(
        [read_trial(Run(runs / name)).get_column("return") for name in ("seed-0", "seed-1")], axis=0
    )
    np.testing.assert_allclose(both.get_ydata(), means)


def test_costs_are_stacked_below_zero_and_gains_above():
    steps = np.array([10.0, 20.0])
    contributions = {"progress": [2.0, 4.0], "effort": [-1.0, -3.0]}
    log = {
        f"{REWARD_PREFIX}{name}": MetricSeries(steps, steps, steps, np.array(values))
        for name, values in contributions.items()
    }
    (axes,) = plot_reward_terms([RunGroup("reacher2d", "mine", [log], None, 2)], "steps").axes
    heights = [
        value
        for drawn in axes.collections
        for path in drawn.get_paths()
        for value in path.vertices[:, 1]
    ]
    assert (min(heights), max(heights)) == (-3.0, 4.0)
    assert axes.get_lines()[0].get_ydata().tolist() == [1.0, 1.0]


def test_interval_of_a_single_run_is_that_of_its_mean_return(runs):
    (group,) = groups(runs, "seed-0")
    (std,) = group.get_series(RETURN_STD)
    axes = plot_evaluation([group], "steps").axes[0]
    (band,) = axes.collections
    low, high = band.get_paths()[0].vertices[:, 1].min(), band.get_paths()[0].vertices[:, 1].max()
    returns = read_trial(Run(runs / "seed-0")).get_column("return")
    assert group.evaluation_episodes == 2 and low == pytest.approx(
        (returns - 1.96 * std.values).min()
    )
    assert high == pytest.approx((returns + 1.96 * std.values).max())


def test_plot_of_missing_metrics_fails_in_one_line(runs, elsewhere):
    shutil.copytree(runs, "here")
    path = Path("here/seed-0/metrics.csv")
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text(
        "".join(
            line
            for line in lines
            if "reward/" not in line and "losses/" not in line and "std" not in line
        ),
        encoding="utf-8",
    )
    options = ("--runs-dir", "here", "--kind")
    assert_one_line(
        invoke("plot", "seed-0", *options, "rewards"),
        2,
        "seed-0 logged no reward terms",
    )
    assert_one_line(invoke("plot", "seed-0", *options, "losses"), 2, "these runs logged no losses")
    # Without the standard deviation of the returns, the curve has no interval.
    said(invoke("plot", "seed-0", *options, "evaluation"))
    path.write_text(lines[0], encoding="utf-8")
    assert_one_line(
        invoke("plot", "seed-0", *options, "evaluation"), 2, "no run has been evaluated yet"
    )
    Path("mine.csv").write_text(f"{HEADER}\n{ROW}\n", encoding="utf-8")
    assert_one_line(
        invoke("plot", "mine.csv", "--kind", "losses"), 2, "mine.csv holds evaluations only"
    )


def test_metrics_cut_in_the_last_row_keep_the_rows_before(runs, tmp_path):
    shutil.copytree(runs / "seed-0", tmp_path / "cut")
    whole, path = read_metrics(Run(runs / "seed-0")), tmp_path / "cut" / "metrics.csv"
    path.write_text(path.read_text(encoding="utf-8").rpartition(",")[0], encoding="utf-8")
    cut = read_metrics(Run(tmp_path / "cut"))
    assert (
        sum(len(series.values) for series in cut.values())
        == sum(len(series.values) for series in whole.values()) - 1
    )
    path.write_text("step,name\n", encoding="utf-8")
    with pytest.raises(WorkError, match="the run is damaged"):
        read_metrics(Run(tmp_path / "cut"))


# Laws of every figure.


def make_figures(runs: Path) -> dict[str, Any]:
    """Return figures of all kinds, of one run, of several and of many."""
    one, two = (RunGroup.read(name, [Run(runs / name)]) for name in ("seed-0", "seed-1"))
    many = [one._replace(name=f"a-rather-long-name-{index}") for index in range(6)]
    trials = [trial([1.0, 4.0, 9.0 + seed], name, seed) for name in "abc" for seed in range(3)]
    short = [trial([1.0, 2.0], "td3", every=20), trial([2.0, 2.0], "sac"), trial([2.0, 2.0], "ppo")]
    return {
        "one run": plot_run(Run(runs / "seed-0"), read_trial(Run(runs / "seed-0")), "steps"),
        "three": plot_trials(trials, "steps"),
        "lines that end together": plot_trials(short, "steps"),
        "many": plot_trials([trial([float(i)], f"try-{i}") for i in range(7)], "seconds"),
        **{f"losses {len(some)}": plot_losses(some, "steps") for some in ([one], [one, two], many)},
        "evaluation": plot_evaluation([one, two], "episodes"),
        "rewards": plot_reward_terms([one, two], "steps"),
    }


@pytest.fixture(scope="module")
def all_figures(runs) -> dict[str, Any]:
    return make_figures(runs)


KINDS = [
    "one run",
    "three",
    "lines that end together",
    "many",
    "losses 1",
    "losses 2",
    "losses 6",
    "evaluation",
    "rewards",
]


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_is_cut_and_no_names_of_lines_overlap(all_figures, kind):
    figure = all_figures[kind]
    figure.draw_without_rendering()
    width, height = figure.bbox.size
    shown = [
        text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()
    ]
    for axes in figure.axes:
        shown = [text for text in shown if text not in hidden_labels(axes)]
    for text in shown:
        box = text.get_window_extent()
        assert box.x0 >= -1 and box.x1 <= width + 1, text.get_text()
        assert box.y0 >= -1 and box.y1 <= height + 1, text.get_text()
    for axes in figure.axes:
        names = [text for text in axes.texts if text.get_fontweight() == "bold"]
        boxes = [name.get_window_extent() for name in names]
        for index, box in enumerate(boxes):
            assert not any(
                box.x0 < other.x1 - 1
                and other.x0 < box.x1 - 1
                and box.y0 < other.y1 - 1
                and other.y0 < box.y1 - 1
                for other in boxes[:index]
            ), [name.get_text() for name in names]


def hidden_labels(axes: Any) -> list[Any]:
    """Return the tick labels outside of the axes' limits, which are not drawn."""
    labels = []
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            if not low <= tick.get_loc() <= high:
                labels += [tick.label1, tick.label2]
    return labels


@pytest.mark.parametrize("kind", KINDS)
def test_panels_have_no_legend_and_their_axes_a_unit(all_figures, kind):
    figure = all_figures[kind]
    assert not figure.legends and not any(axes.get_legend() for axes in figure.axes)
    text = words_of(figure)
    assert "environment steps" in text or "episodes" in text or "time (s)" in text
    if kind.startswith("losses"):
        assert "reward²" in text and "nats" in text and "ealthy" in text
        assert "qf_loss" not in text and "qf loss" not in text
    else:
        assert "per episode" in text


@pytest.mark.parametrize(("num_runs", "words"), [(3, "median of 3"), (10, "interquartile mean")])
def test_caption_and_curve_agree_on_median_or_interquartile_mean(num_runs, words):
    values = [1.0, 2.0, 30.0, *[3.0] * 7][:num_runs]
    trials = [trial([value], seed=seed) for seed, value in enumerate(values)]
    curve = compute_learning_curve(trials, "steps")
    assert words in words_of(plot_trials(trials, "steps"))
    if num_runs < 10:
        assert (curve.center[0], curve.low[0], curve.high[0]) == (2.0, 1.0, 30.0)
    else:
        assert curve.center[0] == pytest.approx(3.0) and curve.high[0] < 30.0


def test_axis_is_logarithmic_where_lengths_differ_by_more_than_four():
    for every, scale in ((20, "log"), (80, "linear")):
        trials = [trial([1.0, 2.0], "a", every=every), trial([1.0, 2.0], "b")]
        assert {axes.get_xscale() for axes in plot_trials(trials, "steps").axes} == {scale}
