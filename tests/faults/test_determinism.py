"""The weights of a training depend on its settings alone."""

import hashlib
from pathlib import Path

import pytest
from processes import python
from sample_runs import state_of

from poise.toolkit.run import Run

PROGRAM = """
import sys
from pathlib import Path
import numpy as np
import sample_runs  # Registers the environments.
from poise.tools.train.plan import TrainRequest
from poise.tools.train.session import start_training
if __name__ == "__main__":
    algorithm, workers, evaluate_every, runs_dir = sys.argv[1:]
    np.random.seed(os.getpid())
    request = TrainRequest(
        env="cartpole",
        algorithm=algorithm,
        training={
            **sample_runs.SMALL_TRAINING, "num_envs": 2, "num_workers": int(workers),
            "evaluate_every": int(evaluate_every), "log_every": 1,
        },
        settings=SETTINGS[algorithm],
        name="run",
        runs_dir=Path(runs_dir),
    )
    start_training(request)
"""
SMALL = {"hidden_sizes": [8], "batch_size": 8, "learning_starts": 30, "buffer_size": 500}
SETTINGS = {
    "sac": SMALL,
    "td3": SMALL,
    "ppo": {"hidden_sizes": [8], "rollout_steps": 20, "epochs": 2},
}
PLAIN = {
    "algorithm": "sac",
    "workers": "1",
    "evaluate": "0",
    "hash seed": "0",
    "threads": "1",
    "folder": "plain",
    "locale": "C",
    "zone": "UTC",
}
OTHER = {
    "workers": "2",
    "evaluate": "20",
    "hash seed": "12345",
    "threads": "2",
    "folder": "a b/ö",
    "locale": "C.UTF-8",
    "zone": "Asia/Kathmandu",
}
"""Nothing of this may change the weights; the number of threads is a setting of the learner."""


def train(tmp_path: Path, **options: str) -> str:
    """Train in a process of its own; return a digest of policy, critics, optimizers and buffer."""
    words = {**PLAIN, **{name.replace("_", " "): value for name, value in options.items()}}
    folder = tmp_path / words["folder"]
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "program.py"
    program.write_text(f"import os\nSETTINGS = {SETTINGS}\n{PROGRAM}", encoding="utf-8")
    runs = folder / f"runs-{len(list(folder.iterdir()))}"
    result = python(
        *(program, words["algorithm"], words["workers"], words["evaluate"], runs),
        cwd=folder,
        PYTHONHASHSEED=words["hash seed"],
        OMP_NUM_THREADS=words["threads"],
        LC_ALL=words["locale"],
        TZ=words["zone"],
    )
    assert result.returncode == 0, result.stderr
    state = {
        name: value
        for name, value in sorted(state_of(Run(runs / "run")).items())
        if not name.startswith(("progress.", "logs.", "kept."))
    }
    assert any(name.startswith("policy.") for name in state)
    return hashlib.sha256(repr(state).encode()).hexdigest()


def test_weights_are_equal_whatever_surrounds_the_training(tmp_path):
    others = {name.replace(" ", "_"): value for name, value in OTHER.items()}
    assert train(tmp_path) == train(tmp_path, **others)


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", SETTINGS)
@pytest.mark.parametrize("name", OTHER)
def test_weights_do_not_depend_on(name, algorithm, tmp_path):
    one = train(tmp_path, algorithm=algorithm)
    two = train(tmp_path, algorithm=algorithm, **{name.replace(" ", "_"): OTHER[name]})
    assert one == two
