"""Suites: errors are found before training, failures and interrupts leave valid results."""

import csv
import json
import os
import signal
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from commands import assert_one_line, invoke, said, snapshot
from processes import HELPERS, ROOT
from sample_runs import JUDGED, records_of

from poise.toolkit.lock import FolderLock
from poise.toolkit.run import Run
from poise.tools.benchmark import jobs as suite_jobs
from poise.tools.benchmark import peers as suite_peer
from poise.tools.benchmark.jobs import RunProcess
from poise.tools.benchmark.peers import PeerProcess
from poise.tools.benchmark.progress import SuiteView
from poise.tools.benchmark.suite import SUITE_FILES, Job, plan_suite
from poise.tools.plot.results import REQUIRED_COLUMNS, read_trial

needs_sbx = pytest.mark.skipif(find_spec("sbx") is None, reason="needs sbx-rl")

SMALL = {"hidden_sizes": [8], "batch_size": 8, "learning_starts": 20, "buffer_size": 500}
TRAINING = {
    "steps": 120,
    "num_envs": 1,
    "evaluate_every": 40,
    "evaluate_episodes": 2,
    "log_every": 20,
}


def write_suite(path: str = "mine.yaml", **changes: Any) -> str:
    """Write a small suite to a file in the working folder."""
    suite = {
        "envs": ["cartpole"],
        "algorithms": ["sac"],
        "seeds": 1,
        "training": TRAINING,
        "settings": {"sac": SMALL},
    }
    Path(path).write_text(yaml.safe_dump({**suite, **changes}, sort_keys=False), encoding="utf-8")
    return path


def rows_of(folder: str) -> list[dict[str, str]]:
    """Return the rows of a benchmark's results.csv."""
    with (Path(folder) / "results.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def peers_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make peers here, which takes no seconds; test_peers.py tests that a process makes them."""

    def call(self: PeerProcess, function: Any, *arguments: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(*arguments)

    monkeypatch.setattr(PeerProcess, "call", call)


# Planning.


PACKAGE_SUITES = [
    pytest.param(name, marks=[needs_sbx, pytest.mark.slow] if name == "pendulum" else [])
    for name in sorted(SUITE_FILES)
]


@pytest.mark.parametrize("name", PACKAGE_SUITES)
def test_suite_of_the_package_is_planned_and_listed_in_the_help(name, monkeypatch):
    # The suite `sight` needs a translator that the user has trained.
    monkeypatch.setattr(
        "poise.tools.translate.load.load_pose_reader",
        lambda folder: lambda image: np.zeros(4, np.float32),
    )
    plan = plan_suite(name)
    assert plan.name == name and len({job.name for job in plan.jobs}) == len(plan.jobs)
    assert len(plan.jobs) == len(plan.fixed_configs) * len(plan.seeds)
    assert name in said(invoke("benchmark", "--help"))
    setup = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    assert "poise.tools.benchmark = suites/*.yaml" in setup


def test_package_suites_have_their_documented_sizes_and_steps(monkeypatch):
    monkeypatch.setattr(suite_peer, "require_library", lambda name: None)
    monkeypatch.setattr(PeerProcess, "call", lambda self, function, *arguments: None)
    assert {
        (len(plan_suite(name).fixed_configs), len(plan_suite(name).seeds)) for name in ("plane",)
    } == {(12, 5)}
    pendulum = plan_suite("pendulum")
    assert len(pendulum.seeds) == 10 and not any(
        kept["training"]["stop_when_solved"] for kept in pendulum.fixed_configs.values()
    )
    steps = {name: kept["training"]["steps"] for name, kept in pendulum.fixed_configs.items()}
    assert {name for name, number in steps.items() if number == 60_000} == {
        "pendulum-ppo",
        "pendulum-sb3-ppo",
        "pendulum-sbx-ppo",
    }
    assert {number for name, number in steps.items() if "ppo" not in name} == {10_000}
    rhythms = [
        (kept["training"]["evaluate_every"], kept["training"]["evaluate_episodes"])
        for kept in pendulum.fixed_configs.values()
    ]
    assert rhythms[::3] == rhythms[1::3] == rhythms[2::3], "peers are evaluated as often"


def test_algorithm_setting_overrides_training_setting_and_jobs_are_ordered_by_seed(elsewhere):
    path = write_suite(
        envs=["cartpole", "Pendulum-v1"],
        algorithms=["sac", "td3"],
        seeds=[7, 3],
        settings={"td3": {"steps": 80, "learning_rate": "1e-3"}},
        env_set={},
    )
    plan = plan_suite(path)
    assert [job.name for job in plan.jobs] == [
        *("cartpole-sac-7", "cartpole-td3-7", "pendulum-sac-7", "pendulum-td3-7"),
        *("cartpole-sac-3", "cartpole-td3-3", "pendulum-sac-3", "pendulum-td3-3"),
    ]
    assert (
        plan.fixed_configs["cartpole-td3"]["training"]["steps"] == 80
        and plan.fixed_configs["cartpole-sac"]["training"]["steps"] == 120
    )
    assert plan.fixed_configs["cartpole-td3"]["settings"]["learning_rate"] == 0.001
    assert plan_suite(path, 3).seeds == [0, 1, 2]
    assert (
        "seed" not in plan.fixed_configs["cartpole-sac"]["training"]
        and plan.jobs[0].config["training"]["seed"] == 7
    )


VARIANTS: dict[str, Any] = {
    "plain": {},
    "far": {"env_set": {"reset_noise_scale": 0.1}, "settings": {"steps": 80, "batch_size": 4}},
}


def test_variant_overrides_all_settings_and_names_its_runs(elsewhere):
    path = write_suite(
        algorithms=["sac", "td3"],
        seeds=2,
        env_set={"reset_noise_scale": 0.01, "width": 64},
        variants=VARIANTS,
    )
    plan = plan_suite(path)
    names = [
        f"cartpole-{algorithm}-{variant}" for algorithm in ("sac", "td3") for variant in VARIANTS
    ]
    assert [job.name for job in plan.jobs] == [
        f"{name}-{seed}" for seed in (0, 1) for name in names
    ]
    assert [*plan.fixed_configs] == names and [job.variant for job in plan.jobs[:2]] == [*VARIANTS]
    plain, far = (plan.fixed_configs[name] for name in names[:2])
    output = [
        (
            kept["training"]["steps"],
            kept["settings"]["batch_size"],
            kept["env_settings"]["reset_noise_scale"],
        )
        for kept in (plain, far)
    ]
    assert output == [(120, 8, 0.01), (80, 4, 0.1)]
    assert (
        plain["settings"]["hidden_sizes"] == far["settings"]["hidden_sizes"] == [8]
        and far["env_settings"]["width"] == 64
    )
    assert plan.fixed_configs["cartpole-td3-far"]["settings"]["batch_size"] == 4, (
        "a variant applies to every algorithm"
    )
    words = plan.jobs[1].arguments
    assert (
        "reset_noise_scale=0.1" in words
        and "reset_noise_scale=0.01" not in words
        and "steps=80" in words
        and "steps=120" not in words
    )


def test_suite_with_empty_variants_equals_suite_without(elsewhere):
    plans = [plan_suite(write_suite(**more)) for more in ({}, {"variants": {}})]
    assert plans[0].fixed_configs == plans[1].fixed_configs and [
        job.name for job in plans[1].jobs
    ] == ["cartpole-sac-0"]
    assert plans[0].jobs[0].arguments == plans[1].jobs[0].arguments


BAD: dict[str, tuple[Any, str]] = {
    "unknown environment": ({"envs": ["cartpol"]}, "did you mean 'cartpole'"),
    "unknown algorithm": ({"algorithms": ["sca"]}, "did you mean 'sac'"),
    "unknown peer": ({"algorithms": ["sb3-sca"]}, "did you mean 'sb3-sac'"),
    "unknown peer of another library": ({"algorithms": ["sbx-tdd3"]}, "did you mean 'sbx-td3'"),
    "settings of an unknown algorithm": ({"settings": {"spo": {}}}, "unknown algorithm 'spo'"),
    "unknown key": ({"sedes": 5}, "did you mean 'seeds'"),
    "unknown setting": ({"settings": {"sac": {"bach_size": 5}}}, "did you mean 'batch_size'"),
    "bad setting": ({"settings": {"sac": {"batch_size": -5}}}, "batch_size=-5"),
    "unknown training setting": ({"training": {"stps": 5}}, "did you mean 'steps'"),
    "bad training setting": ({"training": {"steps": "many"}}, "steps='many'"),
    "setting by its name elsewhere": (
        {"settings": {"sac": {"lr": 0.1}}},
        "unknown setting 'lr': Poise calls it learning_rate",
    ),
    "unknown setting of a peer": (
        {"algorithms": ["sb3-sac"], "settings": {"sb3-sac": {"gama": 0.9}}},
        "did you mean 'gamma'",
    ),
    "bad setting of a peer": (
        {"algorithms": ["sb3-sac"], "settings": {"sb3-sac": {"train_freq": "often"}}},
        "sb3-sac",
    ),
    "unknown setting of an environment": ({"env_set": {"forse": 5}}, "did you mean 'force'"),
    "environment that the algorithm does not support": (
        {"envs": ["CartPole-v1"]},
        "SAC needs actions in a flat Box",
    ),
    "environment that a peer does not support": (
        {"envs": ["CartPole-v1"], "algorithms": ["sb3-sac"], "settings": {}},
        "sb3-sac",
    ),
    "unknown key of a variant": (
        {"variants": {"far": {"env_sett": {}}}},
        "unknown key of variant far 'env_sett': did you mean 'env_set'",
    ),
    "unknown setting of a variant": (
        {"variants": {"far": {"settings": {"bach_size": 4}}}},
        "variant far: unknown setting 'bach_size': did",
    ),
    "unknown setting of a variant's environment": (
        {"variants": {"far": {"env_set": {"forse": 5}}}},
        "did you mean 'force'",
    ),
    "text for a variant's settings": (
        {"variants": {"far": {"settings": "batch_size"}}},
        "variant far settings='batch_size'",
    ),
    "a variant with a path for a name": (
        {"variants": {"../far": {}}},
        "variant name '../far': use up to 80 letters",
    ),
    "a number for a variant's name": ({"variants": {1: {}}}, "not text"),
    "seed among a variant's settings": (
        {"variants": {"far": {"settings": {"seed": 1}}}},
        "remove `seed` from its settings",
    ),
    "a variant with too long run names": (
        {"variants": {"a" * 70: {}}},
        "run name 'cartpole-sac-aaa",
    ),
    "no environments": ({"envs": []}, "envs"),
    "text for environments": ({"envs": "cartpole"}, "envs='cartpole'"),
    "no seeds": ({"seeds": 0}, "seeds"),
    "text for seeds": ({"seeds": "many"}, "seeds='many'"),
    "negative seed": ({"seeds": [-1]}, "seeds.0=-1"),
    "seed among the settings": ({"training": {"seed": 1}}, "remove `seed` from its settings"),
    "the same environment twice": (
        {"envs": ["cartpole", "poise/Cartpole-v0"]},
        "cartpole-sac is listed twice",
    ),
    "the same seed twice": ({"seeds": [1, 1]}, "seed 1 is listed twice"),
    "not YAML": ("envs: [", "is not valid YAML"),
    "not a mapping": ("- envs", "should hold `envs:`"),
    "not text": (b"\xff\xfe\x00\x80", "it is not text"),
}


@pytest.mark.parametrize("name", BAD)
def test_invalid_suite_fails_in_one_line_before_any_run(name, elsewhere, peers_in_this_process):
    content, message = BAD[name]
    if isinstance(content, dict):
        write_suite(**content)
    else:
        Path("mine.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    before = snapshot(elsewhere)
    assert_one_line(invoke("benchmark", "mine.yaml"), 2, message)
    assert snapshot(elsewhere) == before


def test_unknown_suite_error_lists_the_nearest_or_all_suites(elsewhere):
    assert_one_line(invoke("benchmark", "quik"), 2, "did you mean 'quick'")
    assert_one_line(invoke("benchmark", "everything"), 2, "pendulum, plane, quick")
    assert_one_line(invoke("benchmark", "none.yaml"), 2, "none.yaml cannot be read")


@pytest.mark.parametrize(("peer", "module"), [("sb3-ppo", "stable_baselines3"), ("sbx-ppo", "sbx")])
def test_peer_without_its_extra_fails_before_any_run(peer, module, elsewhere, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    suite = write_suite(algorithms=["sac", peer])
    assert_one_line(invoke("benchmark", suite), 2, "the extra `peers`")
    assert not Path("benchmarks").exists()


# Processes. The stand-ins write the files of a run; their seed decides how they end.

STAND_IN = """
import json, pathlib, signal, sys, time
folder, seed = pathlib.Path(sys.argv[1]), int(sys.argv[2])
folder.mkdir(exist_ok=True)
begun = len(list(folder.glob("began*")))
(folder / f"began{begun}").touch()
(folder / "config.json").write_text(sys.argv[3])
if seed == 1:
    print("something else\\npoise: the reward of environment 0 is not finite")
    sys.exit(1)
if seed == 3 and not begun:
    signal.signal(signal.SIGTERM, lambda *_: (print("saved"), sys.exit(143)))
    (folder / "waits").touch()
    time.sleep(60)
rows = []
for step in (40, 80):
    metrics = {"eval/return": step + seed, "eval/length": step, "eval/success": 0.5, "losses/x": 1}
    rows += [f"{step},{step / 10},{name},{value}" for name, value in metrics.items()]
(folder / "metrics.csv").write_text("\\n".join(["step,seconds,name,value", *rows, ""]))
episodes = ["step,episode,return,length,seconds", "40,1,5.0,40,1.0", "70,2,5.0,30,2.0", ""]
(folder / "episodes.csv").write_text("\\n".join(episodes))
if seed == 2:
    import os
    os.kill(os.getpid(), signal.SIGKILL)
summary = {"steps": 120, "solved": False, "interrupted": None}
(folder / "summary.json").write_text(json.dumps(summary))
"""


@pytest.fixture
def stand_in(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Replace training processes by STAND_IN; return the working folder."""

    def command(self: Job, out: Path) -> list[str]:
        seed = str(self.config["training"]["seed"])
        return [sys.executable, "-c", STAND_IN, str(out / self.name), seed, json.dumps(self.config)]

    monkeypatch.setattr(Job, "build_command", command)
    monkeypatch.setattr(suite_jobs, "POLL_INTERVAL", 0.02)
    return elsewhere


def count_starts(name: str) -> int:
    """Return how often a stand-in has been started."""
    return len(list(Path("benchmarks/mine", name).glob("began*")))


def test_suite_writes_results_and_prints_a_summary(stand_in):
    output = said(invoke("benchmark", write_suite(seeds=[0, 4]), "--jobs", "2"))
    rows = rows_of("benchmarks/mine")
    assert list(rows[0]) == [*REQUIRED_COLUMNS, "solved_at"]
    assert [(row["seed"], row["step"], float(row["return"])) for row in rows] == [
        *(("0", "40", 40.0), ("0", "80", 80.0), ("4", "40", 44.0), ("4", "80", 84.0)),
    ]
    assert [
        (row["seconds"], row["episodes"], row["length"], row["success"], row["solved"])
        for row in rows[:2]
    ] == [
        *(("4.000", "1", "40.0", "0.5", "0"), ("8.000", "2", "80.0", "0.5", "0")),
    ]
    assert {(row["env"], row["algorithm"], row["solved_at"]) for row in rows} == {
        ("poise/Cartpole-v0", "sac", "385")
    }
    assert (
        "0 of 2" in output
        and "82.0 (80.0 to 84.0)" in output
        and "poise plot benchmarks/mine" in output
    )
    assert not list(Path("benchmarks/mine").glob("*.partial"))


def test_suite_with_variants_writes_a_variant_column(stand_in):
    output = said(invoke("benchmark", write_suite(seeds=[0, 4], variants=VARIANTS), "--jobs", "2"))
    rows = rows_of("benchmarks/mine")
    assert list(rows[0]) == [*REQUIRED_COLUMNS, "solved_at", "variant"]
    labels = [(row["algorithm"], row["variant"], row["seed"]) for row in rows[::2]]
    assert labels == [("sac", variant, seed) for seed in ("0", "4") for variant in VARIANTS]
    assert (
        "sac plain" in output and "sac far" in output and output.count("82.0 (80.0 to 84.0)") == 2
    )
    # The same command keeps them.
    table = Path("benchmarks/mine/results.csv").read_bytes()
    assert "4 finished already" in said(invoke("benchmark", "mine.yaml"))
    assert Path("benchmarks/mine/results.csv").read_bytes() == table
    said(invoke("plot", "benchmarks/mine", "--measure", "success"))


def test_failed_run_is_reported_in_one_line_and_the_others_continue(stand_in):
    result = invoke("benchmark", write_suite(seeds=[1, 2, 0]), "--jobs", "1")
    assert result.exit_code == 1 and not result.stderr
    failed = [line for line in result.stdout.splitlines() if line.startswith("failed:")]
    assert failed == [
        "failed:  cartpole-sac-1: the reward of environment 0 is not finite "
        "(log: benchmarks/mine/logs/cartpole-sac-1.log)",
        "failed:  cartpole-sac-2: killed by signal 9 "
        "(log: benchmarks/mine/logs/cartpole-sac-2.log)",
    ]
    # The evaluations before the failure are in the table.
    assert {row["seed"] for row in rows_of("benchmarks/mine")} == {"0", "2"}


def test_finished_runs_are_skipped_and_seeds_can_be_added(stand_in):
    said(invoke("benchmark", write_suite(seeds=1)))
    table = Path("benchmarks/mine/results.csv").read_bytes()
    output = said(invoke("benchmark", "mine.yaml"))
    assert "1 finished already" in output and count_starts("cartpole-sac-0") == 1
    assert Path("benchmarks/mine/results.csv").read_bytes() == table
    invoke("benchmark", "mine.yaml", "--seeds", "2")
    assert (count_starts("cartpole-sac-0"), count_starts("cartpole-sac-1")) == (1, 1)
    assert_one_line(invoke("benchmark", "mine.yaml"), 2, "seeds can be added, but none left out")


def test_folder_of_another_suite_is_refused(stand_in):
    said(invoke("benchmark", write_suite()))
    before = snapshot(stand_in / "benchmarks")
    write_suite(settings={"sac": {**SMALL, "batch_size": 9}})
    assert_one_line(
        invoke("benchmark", "mine.yaml"), 2, "cartpole-sac settings batch_size was 8, is 9"
    )
    write_suite(algorithms=["td3"], settings={})
    assert_one_line(invoke("benchmark", "mine.yaml"), 2, "holds another suite")
    assert snapshot(stand_in / "benchmarks") == before
    Path("benchmarks/mine/suite.json").write_text("{", encoding="utf-8")
    assert_one_line(invoke("benchmark", write_suite()), 1, "suite.json cannot be read")


def test_folder_with_runs_of_another_origin_is_refused(stand_in):
    Path("runs/cartpole-sac-0").mkdir(parents=True)
    assert_one_line(
        invoke("benchmark", write_suite(), "--out", "runs"),
        2,
        "holds a run cartpole-sac-0 that is not of this suite",
    )
    assert not Path("runs/suite.json").exists()


def test_locked_folder_is_refused(stand_in):
    Path("benchmarks/mine").mkdir(parents=True)
    with FolderLock(Path("benchmarks/mine"), "benchmark mine"):
        refused = invoke("benchmark", write_suite())
    assert_one_line(
        refused, 2, f"benchmark benchmarks/mine is being written by process {os.getpid()}"
    )


def test_run_that_an_earlier_benchmark_left_behind_is_refused(stand_in):
    folder = Path("benchmarks/mine/cartpole-sac-0")
    said(invoke("benchmark", write_suite()))
    (folder / "summary.json").unlink()
    with FolderLock(folder, "run"):
        refused = invoke("benchmark", "mine.yaml")
    assert_one_line(refused, 2, "run 'cartpole-sac-0' is being written by process")


def test_damaged_run_is_renamed_and_trained_again(stand_in):
    said(invoke("benchmark", write_suite()))
    folder = Path("benchmarks/mine/cartpole-sac-0")
    (folder / "summary.json").unlink()
    (folder / "config.json").write_text("{", encoding="utf-8")
    said(invoke("benchmark", "mine.yaml"))
    assert count_starts("cartpole-sac-0") == 1 and count_starts("cartpole-sac-0.damaged-1") == 1


def test_finished_run_with_damaged_metrics_is_reported_as_failed(stand_in):
    said(invoke("benchmark", write_suite(seeds=[0, 4])))
    Path("benchmarks/mine/cartpole-sac-0/metrics.csv").write_text("nonsense\n", encoding="utf-8")
    result = invoke("benchmark", "mine.yaml")
    assert (
        result.exit_code == 1 and "metrics.csv cannot be read: the run is damaged" in result.stdout
    )
    assert {row["seed"] for row in rows_of("benchmarks/mine")} == {"4"}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupt_saves_the_runs_and_the_same_command_resumes(stand_in, monkeypatch, number, code):
    update = SuiteView.update

    def update_and_interrupt(self: SuiteView, running: list[RunProcess]) -> None:
        update(self, running)
        if Path("benchmarks/mine/cartpole-sac-3/waits").exists():
            Path("benchmarks/mine/cartpole-sac-3/waits").unlink()
            signal.raise_signal(number)

    monkeypatch.setattr(SuiteView, "update", update_and_interrupt)
    result = invoke("benchmark", write_suite(seeds=[0, 3, 4]), "--jobs", "1")
    assert (
        result.exit_code == code
        and "1 of 3 runs have ended; run the same command to resume" in result.stdout
    )
    assert "failed" not in result.stdout
    assert Path("benchmarks/mine/logs/cartpole-sac-3.log").read_text(encoding="utf-8") == "saved\n"
    assert {row["seed"] for row in rows_of("benchmarks/mine")} == {"0"} and count_starts(
        "cartpole-sac-4"
    ) == 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    said(invoke("benchmark", "mine.yaml"))
    assert [count_starts(f"cartpole-sac-{seed}") for seed in (0, 3, 4)] == [1, 2, 1]
    assert {row["seed"] for row in rows_of("benchmarks/mine")} == {"0", "3", "4"}


def test_unwritable_folder_fails_in_one_line(stand_in):
    Path("benchmarks").write_text("mine", encoding="utf-8")
    assert_one_line(invoke("benchmark", write_suite()), 2, "benchmarks is no folder")


def test_results_write_error_stops_the_processes(stand_in, monkeypatch):
    def write_refused(path: Path, trials: Any) -> None:
        if Path("benchmarks/mine/cartpole-sac-0/summary.json").exists():
            raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("poise.tools.benchmark.runner.write_results", write_refused)
    assert_one_line(
        invoke("benchmark", write_suite(seeds=[3, 0]), "--jobs", "2"), 1, "No space left on device"
    )
    assert Path("benchmarks/mine/logs/cartpole-sac-3.log").read_text(encoding="utf-8") in (
        "saved\n",
        "",
    )


def test_run_progress_is_read_from_complete_rows_only(stand_in):
    write_suite(seeds=[4])
    said(invoke("benchmark", "mine.yaml"))
    process = RunProcess(plan_suite("mine.yaml").jobs[0], Path("benchmarks/mine"))
    process.wait()
    process.update_progress()
    assert (process.step, process.latest_return) == (80, "84")
    with Path("benchmarks/mine/cartpole-sac-4/metrics.csv").open("a", encoding="utf-8") as file:
        file.write("120,12.0,eval/re")
    process.update_progress()
    assert (process.step, process.latest_return) == (80, "84"), "an incomplete row is ignored"


# Real trainings.


def test_env_setting_with_relative_path_resolves_from_the_working_folder(elsewhere, monkeypatch):
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(HELPERS), os.environ.get("PYTHONPATH", "")])
    )
    Path("deep").mkdir()
    Path("deep/paid.txt").write_text("7", encoding="utf-8")
    variants = {"paid": {"env_set": {"path": "deep/paid.txt"}}}
    write_suite(
        envs=["probes:probe/ReadsFile-v0"], training={**TRAINING, "steps": 40}, variants=variants
    )
    said(invoke("benchmark", "--trust", "mine.yaml"))
    (row,) = rows_of("benchmarks/mine")
    assert (row["variant"], float(row["return"])) == ("paid", 70.0)


def test_real_runs_fail_finish_and_resume(elsewhere, monkeypatch):
    """BreaksLate returns a reward of NaN at step 130."""
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(HELPERS), os.environ.get("PYTHONPATH", "")])
    )
    write_suite(
        envs=["probes:probe/Counter-v0", "probes:probe/BreaksLate-v0"],
        training={**TRAINING, "steps": 160},
    )
    result = invoke("benchmark", "--trust", "mine.yaml", "--jobs", "2", "--out", "here")
    assert result.exit_code == 1, result.output
    assert (
        "failed:  breaks-late-sac-0: the reward of environment 0 is not finite " in result.stdout
        and "(log: here/logs/breaks-late-sac-0.log)" in result.stdout
    )
    run = Run(Path("here/counter-sac-0"))
    assert (
        run.summary()["steps"] == 160 and run.checkpoints() and not (run.path / "videos").exists()
    )
    assert run.config["command"].startswith(
        "poise train probes:probe/Counter-v0 --algo sac --seed 0 --set steps=160"
    )
    assert {row["env"] for row in rows_of("here")} == {
        "probes:probe/Counter-v0",
        "probes:probe/BreaksLate-v0",
    }
    # The same command resumes an unfinished run.
    (run.path / "summary.json").write_text(
        json.dumps({**run.summary(), "interrupted": 2, "steps": 120}), encoding="utf-8"
    )
    command = Job.build_command
    monkeypatch.setattr(
        Job,
        "build_command",
        lambda self, out: command(self, out) if "counter" in self.name else ["false"],
    )
    invoke("benchmark", "--trust", "mine.yaml", "--out", "here")
    assert run.summary()["interrupted"] is None and run.summary()["steps"] == 160


@pytest.mark.parametrize("name", [name for name in suite_peer.PEERS if name.startswith("sb3-")])
def test_peer_run_has_the_same_evaluations_as_a_poise_run(name, elsewhere, peers_in_this_process):
    settings = {"sb3-ppo": {"n_steps": 32, "batch_size": 32, "num_envs": 2}}.get(
        name, {"learning_starts": 60, "batch_size": 8}
    )
    more = {"sb3-td3": {"action_noise": 0.1, "policy_kwargs": {"net_arch": [8]}}}.get(name, {})
    write_suite(algorithms=[name], settings={name: {**settings, **more}})
    job = plan_suite("mine.yaml").jobs[0]
    assert job.build_command(Path("here"))[2:6] == [
        "-m",
        "poise.tools.benchmark.jobs",
        "poise.tools.benchmark.peers",
        str(Path("here/cartpole-" + name + "-0").resolve()),
    ]
    suite_peer.train_peer(Path("here"), job.config)
    trial = read_trial(Run(Path("here")))
    assert trial.get_column("step").tolist() == [40.0, 80.0, 120.0] and (
        trial.algorithm,
        trial.solved_at,
    ) == (name, 385.0)
    summary = Run(Path("here")).summary()
    assert (summary["steps"], summary["solved"], summary["interrupted"]) == (120, False, None)
    assert (
        trial.get_column("episodes")[-1] == summary["episodes"] > 0
        and trial.final_return == summary["eval/return"]
    )
    output = records_of(Run(Path("here")))
    assert [int(row["episode"]) for row in output["episodes"]] == list(
        range(1, summary["episodes"] + 1)
    )
    assert {row["name"] for row in output["metrics"]} == JUDGED


def test_peer_stops_when_solved_and_a_second_try_starts_again(elsewhere, peers_in_this_process):
    path = write_suite(
        algorithms=["sb3-ppo"],
        settings={"sb3-ppo": {"n_steps": 32, "batch_size": 32, "solved_at": 1}},
    )
    (job,) = plan_suite(path).jobs
    for _ in range(2):
        suite_peer.train_peer(Path("here"), job.config)
        summary = Run(Path("here")).summary()
        assert (summary["steps"], summary["solved"], summary["solved_step"]) == (40, True, 40)
        assert read_trial(Run(Path("here"))).get_column("step").tolist() == [40.0]
