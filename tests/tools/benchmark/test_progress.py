"""Lines of a benchmark about runs that have ended."""

import numpy as np
import pytest

from poise.tools.benchmark.progress import _format_returns
from poise.tools.plot.results import EVALUATION_COLUMNS, Trial


@pytest.mark.parametrize(
    ("returns", "line"),
    [
        ([1.0, 2.0, 3.5], "return 3.5 at step 3,000"),
        ([1.0, 4.0, 3.5], "return 3.5 at step 3,000 (best: 4.0 at step 2,000)"),
        ([4.0, 4.0, 4.0], "return 4.0 at step 3,000 (best: 4.0 at step 1,000)"),
    ],
)
def test_line_of_an_ended_run_names_the_steps_of_the_last_policy_and_of_the_best(returns, line):
    evaluations = np.zeros((3, len(EVALUATION_COLUMNS)))
    evaluations[:, EVALUATION_COLUMNS.index("step")] = (1000, 2000, 3000)
    evaluations[:, EVALUATION_COLUMNS.index("return")] = returns
    assert _format_returns(Trial("poise/Cartpole-v0", "sac", 0, evaluations)) == line
