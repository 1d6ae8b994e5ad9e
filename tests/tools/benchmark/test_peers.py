"""Peers: made and trained in processes of their own, whose output goes nowhere."""

import json
import os
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest
from processes import python

from poise.toolkit.errors import UserError, WorkerError
from poise.toolkit.run import Run
from poise.tools.benchmark.peers import PEERS, PeerProcess, make_peer, plan_peer, require_library
from poise.tools.benchmark.suite import PEER_MODULE
from poise.tools.plot.results import read_trial

LIBRARIES_OF_PEERS = {"stable_baselines3", "sbx", "jax"}
needs_sbx = pytest.mark.skipif(find_spec("sbx") is None, reason="needs sbx-rl")


def test_both_libraries_have_each_algorithm_of_poise():
    assert {
        f"{library}-{algorithm}": algorithm
        for library in ("sb3", "sbx")
        for algorithm in ("sac", "ppo", "td3")
    } == PEERS


def test_peer_process_drops_output_and_warnings_of_its_calls(capfd):
    with PeerProcess("a call") as process:
        assert process.call(warnings.warn, "sbx is loud") is None
        assert process.call(print, "sbx is loud") is None
        assert process.call(os.write, 2, b"sbx is loud") == len("sbx is loud")
    assert capfd.readouterr() == ("", "")


def test_peer_process_is_another_one_that_stays_until_the_end_of_its_block():
    with PeerProcess("a call") as process:
        pid = process.call(os.getpid)
        assert pid != os.getpid() and process.call(os.getpid) == pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_peer_process_raises_errors_of_the_user_and_names_the_task_in_all_others():
    with PeerProcess("the training of sbx") as process:
        with pytest.raises(UserError, match="did you mean 'sbx-ppo'"):
            process.call(require_library, "sbx-poo")
        with pytest.raises(WorkerError, match="the training of sbx failed: ZeroDivisionError"):
            process.call(divmod, 1, 0)
        with pytest.raises(WorkerError, match="the training of sbx has ended with exit code 3"):
            process.call(os._exit, 3)


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [("sb3-sac", "stable_baselines3", "stable-baselines3"), ("sbx-td3", "sbx", "sbx-rl")],
)
def test_missing_library_is_named_with_its_extra(name, module, package, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError) as caught:
        require_library(name)
    assert f"{name} needs {package}" in str(caught.value)
    assert "pip install -e '.[peers]'" in str(caught.value)


PLAN_IN_FRESH_PYTHON = """
import sys
from poise.tools.benchmark.peers import PeerProcess, plan_peer
if __name__ == "__main__":
    with PeerProcess("planning") as process:
        config = plan_peer("cartpole", sys.argv[1], {"steps": 50, "gamma": 0.9}, {}, process)
    print(config["settings"], config["training"]["steps"])
    print(sorted(name for name in sys.argv[2:] if name in sys.modules))
"""


@pytest.mark.parametrize(
    "name", ["sb3-sac", pytest.param("sbx-sac", marks=[needs_sbx, pytest.mark.slow])]
)
def test_planned_peer_is_never_imported_by_the_planning_process(name, tmp_path):
    pytest.importorskip("stable_baselines3")
    file = tmp_path / "plan.py"  # A process can only be started from a program in a file.
    file.write_text(PLAN_IN_FRESH_PYTHON, encoding="utf-8")
    result = python(file, name, *sorted(LIBRARIES_OF_PEERS))
    assert (result.stdout.splitlines(), result.stderr) == (["{'gamma': 0.9} 50", "[]"], "")


BAD_SETTINGS = {
    "unknown": ({"gama": 0.9}, "did you mean 'gamma'"),
    "refused": ({"train_freq": "often"}, "cannot be made"),
    "unknown activation": (
        {"policy_kwargs": {"activation_fn": "tanj"}},
        "unknown activation_fn 'tanj': did you mean 'tanh'",
    ),
    "not a mapping": ({"policy_kwargs": "wide"}, "cannot be made"),
}


@needs_sbx
def test_bad_setting_of_sbx_fails_in_one_line():
    with PeerProcess("planning") as process:
        for settings, message in BAD_SETTINGS.values():
            with pytest.raises(UserError, match=message) as caught:
                plan_peer("Pendulum-v1", "sbx-sac", settings, {}, process)
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", BAD_SETTINGS)
def test_bad_setting_of_stable_baselines3_fails_in_one_line(name):
    pytest.importorskip("stable_baselines3")
    settings, message = BAD_SETTINGS[name]
    config = {
        "algorithm": "sb3-sac",
        "env": "Pendulum-v1",
        "env_settings": {},
        "settings": settings,
        "training": {"num_envs": 1, "seed": 0},
    }
    with pytest.raises(UserError, match=message) as caught:
        make_peer(config)
    assert "\n" not in str(caught.value)


SMALL_SETTINGS = {
    "sac": {"learning_starts": 100, "batch_size": 16},
    "td3": {"learning_starts": 100, "batch_size": 16, "action_noise": 0.1},
    "ppo": {"num_envs": 2, "n_steps": 32, "batch_size": 32},
}


@needs_sbx
@pytest.mark.slow
@pytest.mark.parametrize("env", ["Pendulum-v1", "cartpole"])
@pytest.mark.parametrize("algorithm", SMALL_SETTINGS)
def test_sbx_trains_into_a_run_that_can_be_read(env, algorithm, tmp_path):
    name = f"sbx-{algorithm}"
    training = {"steps": 400, "evaluate_every": 200, "evaluate_episodes": 2}
    with PeerProcess("planning") as process:
        config = plan_peer(env, name, {**training, **SMALL_SETTINGS[algorithm]}, {}, process)
    result = python("-m", PEER_MODULE, tmp_path / "run", json.dumps(config))
    assert result.returncode == 0, result.stderr
    run = Run(Path(tmp_path / "run"))
    assert (run.summary()["steps"], run.summary()["interrupted"]) == (400, None)
    trial = read_trial(run)
    assert trial.algorithm == name
    assert trial.get_column("step").tolist() == [200.0, 400.0]
