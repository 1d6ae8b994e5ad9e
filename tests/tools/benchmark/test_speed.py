"""Speed of learning: equal settings, and fresh processes with their cores and threads."""

import importlib
import os
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from commands import assert_one_line, said

from poise import algos
from poise.toolkit.errors import UserError
from poise.toolkit.process import count_cores, limit_cores
from poise.tools.benchmark import speed
from poise.tools.benchmark.__main__ import main
from poise.tools.benchmark.jobs import THREAD_VARIABLES
from poise.tools.benchmark.peers import PeerProcess
from poise.tools.benchmark.speed import SpeedTest, limit_threads, measure_library

ALGORITHMS = ("sac", "td3", "ppo")
needs_sbx = pytest.mark.skipif(find_spec("sbx") is None, reason="needs sbx-rl")
can_pin = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system pins no process to cores"
)


def measure(*words: str) -> Result:
    """Run `python -m poise.tools.benchmark` in this process."""
    return CliRunner().invoke(main, words)


# Equal settings.


@pytest.fixture
def list_peer_settings(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, SpeedTest], Any]:
    """The function of peer_settings.py, which processes that are started find as well."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    return importlib.import_module("peer_settings").list_peer_settings


def list_poise_settings(test: SpeedTest) -> dict[str, Any]:
    """List the settings that Poise's algorithm has."""
    settings = test.build_poise_settings()
    learner = algos.make_learner(test.algorithm, test.env_id, {}, settings)
    return {"num_envs": test.num_envs, **learner.settings.to_dict()}


def assert_equal_settings(theirs: dict[str, Any], test: SpeedTest) -> None:
    ours = list_poise_settings(test)
    assert theirs == {name: ours[name] for name in theirs}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_equal_settings_reach_poise_and_stable_baselines3(algorithm, list_peer_settings):
    pytest.importorskip("stable_baselines3")
    test = SpeedTest(algorithm, "Pendulum-v1", 300, batch_size=32, epochs=3)
    assert_equal_settings(list_peer_settings("sb3", test), test)


@needs_sbx
def test_equal_settings_reach_poise_and_sbx(list_peer_settings):
    tests = [SpeedTest(name, "Pendulum-v1", 300, batch_size=32, epochs=3) for name in ALGORITHMS]
    with PeerProcess("a test") as process:
        for test in tests:
            assert_equal_settings(process.call(list_peer_settings, "sbx", test), test)


def test_ppo_alone_takes_batch_size_and_epochs():
    small = SpeedTest("sac", "Pendulum-v1", 300, batch_size=32, epochs=3)
    assert small.build_poise_settings()["batch_size"] == 256
    assert small.build_peer_config("sbx")["settings"]["batch_size"] == 256


def test_threads_of_poise_are_its_default_unless_they_are_given():
    assert "threads" not in SpeedTest("sac", "Pendulum-v1", 300).build_poise_settings()
    given = SpeedTest("sac", "Pendulum-v1", 300, threads=2)
    assert given.build_poise_settings()["threads"] == 2


@pytest.mark.parametrize(("steps", "rollouts"), [(1, 1), (2048, 1), (2049, 2)])
def test_ppo_is_timed_over_whole_rollouts(steps, rollouts):
    assert SpeedTest("ppo", "Pendulum-v1", steps).timed_steps == rollouts * 16 * 128
    assert SpeedTest("sac", "Pendulum-v1", steps).timed_steps == steps


# Measuring.


def test_clock_starts_after_the_warm_up_and_counts_the_steps_that_were_trained(monkeypatch):
    clock = 0.0
    calls = []

    def train_steps(steps: int) -> int:
        nonlocal clock
        calls.append(steps)
        clock += 100.0 if len(calls) == 1 else 4.0  # Compilation is slow.
        return steps + 12

    monkeypatch.setattr(speed.time, "perf_counter", lambda: clock)
    assert speed.measure_speed(train_steps, 700, 300) == (300 + 12) / 4.0
    assert calls == [700, 300]


class StandIn:
    """A PeerProcess that measures nothing: the nth measurement of all gives n steps/s."""

    calls: list[tuple[Any, ...]]
    processes: list["StandIn"]

    def __init__(self, task: str) -> None:
        self.processes.append(self)

    def __enter__(self) -> "StandIn":
        return self

    def __exit__(self, *error: object) -> None: ...

    def call(self, function: Any, *arguments: Any) -> float:
        """Keep the call."""
        variables = tuple(os.environ.get(name) for name in THREAD_VARIABLES)
        self.calls.append((function, *arguments, variables))
        return float(len(self.calls))


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    """Replace the processes, and remove the shell's own thread variables."""
    StandIn.calls = []
    StandIn.processes = []
    monkeypatch.setattr(speed, "PeerProcess", StandIn)
    monkeypatch.setattr("poise.tools.benchmark.__main__.require_library", lambda name: None)
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return StandIn


def test_libraries_alternate_each_time_in_a_fresh_process(stand_in):
    test = SpeedTest("sac", "Pendulum-v1", 300)
    speeds = speed.compare_speeds(test, rounds=2)
    assert speeds == {"poise": [1.0, 4.0], "sb3": [2.0, 5.0], "sbx": [3.0, 6.0]}
    assert len(stand_in.processes) == 6
    assert {call[0] for call in stand_in.calls} == {measure_library}
    assert {call[2] for call in stand_in.calls} == {test}


def test_table_shows_all_speeds_and_the_ratios_of_the_rounds(stand_in):
    output = said(measure("speed", "cartpole", "--rounds", "2"))
    row = next(line for line in output.splitlines() if line.startswith("cartpole"))
    ratios = ["0.65", "0.50 to 0.80", "0.50", "0.33 to 0.67"]
    assert " ".join(row.split()) == f"cartpole 2 4 4 {' '.join(ratios)}"


def test_without_options_no_thread_variable_is_set(stand_in):
    said(measure("speed", "cartpole", "--rounds", "1"))
    assert {call[-1] for call in stand_in.calls} == {(None,) * 4}


def test_threads_reach_every_process_and_end_with_the_measurement(stand_in):
    output = said(measure("speed", "cartpole", "--rounds", "1", "--threads", "3"))
    assert "threads: 3" in output
    assert {call[-1] for call in stand_in.calls} == {("3",) * 4}
    assert {call[2].threads for call in stand_in.calls} == {3}
    assert not set(THREAD_VARIABLES) & set(os.environ)


def test_real_process_inherits_threads():
    with limit_threads(3), PeerProcess("a test") as process:
        assert process.call(os.getenv, "OMP_NUM_THREADS") == "3"


@can_pin
def test_cores_reach_every_process_and_end_with_the_measurement(stand_in, monkeypatch):
    before = os.sched_getaffinity(0)
    counts = []
    monkeypatch.setattr(stand_in, "call", lambda *_: float(counts.append(count_cores()) or 1))
    output = said(measure("speed", "cartpole", "--rounds", "1", "--cores", "1"))
    assert "cores: 1," in output
    assert counts == [1, 1, 1]
    assert os.sched_getaffinity(0) == before


@can_pin
def test_real_process_inherits_cores():
    with limit_cores(1), PeerProcess("a test") as process:
        assert process.call(count_cores) == 1


def test_missing_cores_are_an_error_of_the_user(stand_in, monkeypatch):
    if hasattr(os, "sched_setaffinity"):
        assert_one_line(measure("speed", "cartpole", "--cores", "9999"), 2, "--cores 9999")
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    with pytest.raises(UserError, match="leave out --cores"), limit_cores(1):
        pass
    assert stand_in.calls == []


def test_thread_variables_of_the_shell_stay_and_are_named(stand_in, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert "OMP_NUM_THREADS=7" in said(measure("speed", "cartpole", "--rounds", "1"))
    with limit_threads(2):
        assert os.environ["OMP_NUM_THREADS"] == "2"
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_unknown_names_fail_in_one_line():
    assert_one_line(measure("speed", "cartpol"), 2, "did you mean 'cartpole'")
    assert_one_line(measure("solve", "cartpole", "--peers", "sbx-spo"), 2, "did you mean 'sbx-ppo'")


def test_environment_that_a_library_does_not_support_fails_in_one_line():
    pytest.importorskip("stable_baselines3")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("poise.tools.benchmark.__main__.require_library", lambda name: None)
        assert_one_line(measure("speed", "CartPole-v1"), 2, "SAC needs actions in a flat Box")


@pytest.mark.parametrize("library", ["poise", "sb3"])
def test_measured_library_trains_all_steps(library, monkeypatch):
    if library == "sb3":
        pytest.importorskip("stable_baselines3")
    trained = []

    def measure_speed(train_steps: Any, warmup_steps: int, steps: int) -> float:
        trained.extend([train_steps(20), train_steps(30)])
        return 1.0

    monkeypatch.setattr(speed, "measure_speed", measure_speed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # They reach no output: see test_peers.py.
        assert measure_library(library, SpeedTest("sac", "Pendulum-v1", 300)) == 1.0
    assert trained == [20, 30]


@needs_sbx
@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_all_libraries_are_measured(algorithm, capfd):
    options = ("--algo", algorithm, "--steps", "100", "--rounds", "1")
    output = said(measure("speed", "Pendulum-v1", *options))
    assert "pendulum" in output
    assert capfd.readouterr() == ("", "")
