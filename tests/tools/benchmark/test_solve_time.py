"""Table cells of trainings that are timed until they are solved."""

import json
import sys
from pathlib import Path

import pytest

from poise.toolkit.errors import WorkError
from poise.tools.benchmark import solve_time
from poise.tools.benchmark.solve_time import _format_cells, _summarize_unfinished
from poise.tools.train.plan import TrainRequest, plan

EPISODES = "step,episode,return,length,seconds\n40,1,5.0,40,1.0\n"


@pytest.mark.parametrize(
    ("metrics", "cell"), [("", "-"), ("30,1.0,eval/return,-4.5\n40,1.0,eval/length,9\n", "-4.5")]
)
def test_unfinished_run_shows_a_return_only_where_it_was_evaluated(tmp_path: Path, metrics, cell):
    (tmp_path / "episodes.csv").write_text(EPISODES)
    (tmp_path / "metrics.csv").write_text(f"step,seconds,name,value\n{metrics}")
    summary = _summarize_unfinished(tmp_path)
    assert _format_cells(3.0, 2.0, summary) == ["3.0 unsolved", "1.50", "1", "40", cell]


def test_run_that_was_stopped_before_its_first_row_has_empty_cells(tmp_path: Path):
    summary = _summarize_unfinished(tmp_path)
    assert _format_cells(1.0, 2.0, summary) == ["1.0 unsolved", "0.50", "0", "0", "-"]


def test_each_peer_is_a_row_with_the_seed_and_the_evaluations_of_poise(monkeypatch):
    commands = []
    request = TrainRequest(env="Pendulum-v1", algorithm="sac", settings={"evaluate_every": 123})
    poise_config = plan(request).config

    def run_training(command: list[str], limit: float | None) -> None:
        commands.append((command, limit))
        if "train" in command:
            path = Path(command[command.index("--runs-dir") + 1], "run")
            config = poise_config
        else:
            path = Path(command[3])
            config = json.loads(command[4])
        path.mkdir()
        summary = {"solved": True, "episodes": 5, "steps": 60, "eval/return": 7.0}
        (path / "config.json").write_text(json.dumps(config))
        (path / "summary.json").write_text(json.dumps(summary))

    monkeypatch.setattr(solve_time, "_run_training", run_training)
    peer = {**poise_config, "algorithm": "sbx-sac", "training": {"seed": 0, "steps": 10**9}}
    rows = list(solve_time.measure_solve_times("Pendulum-v1", 4, 3.0, {"sbx-sac": peer}))
    assert [(row[0], row[3:]) for row in rows] == [
        ("sac", ["5", "60", "7.0"]),
        ("sbx-sac", ["5", "60", "7.0"]),
    ]
    assert rows[0][2] == "1.00"
    (poise_command, no_limit), (peer_command, limit) = commands
    assert poise_command[poise_command.index("--seed") + 1] == "4"
    assert no_limit is None
    assert limit == pytest.approx(3.0 * float(rows[0][1]), abs=0.2)
    training = json.loads(peer_command[4])["training"]
    assert training == {"seed": 4, "steps": 10**9, "evaluate_every": 123}


def test_failed_training_is_an_error_of_one_line():
    command = [sys.executable, "-c", "import sys; sys.exit('poise: no such thing')"]
    with pytest.raises(WorkError, match=r"^a training failed: no such thing$"):
        solve_time._run_training(command, None)
