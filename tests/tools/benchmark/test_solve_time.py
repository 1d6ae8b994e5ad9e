"""Table cells of trainings that are timed until they are solved."""

from pathlib import Path

import pytest

from poise.tools.benchmark.solve_time import _format_cells, _summarize_unfinished

EPISODES = "step,episode,return,length,seconds\n40,1,5.0,40,1.0\n"


@pytest.mark.parametrize(
    ("metrics", "cell"), [("", "-"), ("30,1.0,eval/return,-4.5\n40,1.0,eval/length,9\n", "-4.5")]
)
def test_unfinished_run_shows_a_return_only_where_it_was_evaluated(tmp_path: Path, metrics, cell):
    (tmp_path / "episodes.csv").write_text(EPISODES)
    (tmp_path / "metrics.csv").write_text(f"step,seconds,name,value\n{metrics}")
    summary = _summarize_unfinished(tmp_path)
    assert _format_cells(3.0, summary) == ["3.0 unsolved", "1", "40", cell]
