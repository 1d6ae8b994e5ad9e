"""Resume: a run that was stopped and resumed equals an uninterrupted one in every byte."""

import random
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from processes import python
from sample_runs import SMALL_SETTINGS, SMALL_TRAINING, records_of, start_run, state_of

from poise.toolkit import checkpoint
from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.run import Run
from poise.tools.train.plan import TrainRequest
from poise.tools.train.session import TrainingResult, resume_training, start_training

STEPS = 200


def stop_at(point: int) -> Any:
    """Return loggers that send one SIGINT, at the first metric from step `point` on."""
    stopped_at = []

    def interrupt(step: int, seconds: float, metrics: object) -> None:
        if step >= point and not stopped_at:
            stopped_at.append(step)
            signal.raise_signal(signal.SIGINT)

    return [interrupt]


def resume(run: Run, loggers: Any = (), **training: Any) -> TrainingResult:
    """Resume a run."""
    return resume_training(run, training, loggers)


def assert_same(one: Run, two: Run) -> None:
    """Assert equal bytes: networks, optimizers, buffer, RNGs, environments, progress, CSV files."""
    first, second = state_of(one), state_of(two)
    assert [name for name in first if first[name] != second.get(name)] == []
    assert first.keys() == second.keys()
    assert records_of(one) == records_of(two)


@pytest.fixture(
    scope="module",
    params=[{}, {"num_envs": 3, "steps": 201, "seed": 5}],
    ids=["one environment", "three environments"],
)
def whole(request, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, dict[str, Any]]:
    """Return an uninterrupted run and the arguments that made it."""
    options = {"log_every": 1, **request.param}
    return start_run(tmp_path_factory.mktemp("whole"), **options).run, options


def test_run_stopped_at_five_random_points_and_resumed_is_equal_in_every_byte(whole, tmp_path):
    run, options = whole
    points = sorted(random.Random(options.get("seed", 0)).sample(range(5, STEPS - 5), 5))
    result = start_run(tmp_path, loggers=stop_at(points[0]), **options)
    for point in points[1:]:
        assert (
            result.interrupt_signal == signal.SIGINT and points[0] <= result.progress.step < STEPS
        )
        result = resume(result.run, stop_at(point))
    assert resume(result.run).interrupt_signal is None
    assert_same(run, result.run)


def test_run_killed_between_two_checkpoints_and_resumed_is_equal(whole, tmp_path):
    """A kill may leave CSV rows and a partial checkpoint newer than the last checkpoint."""
    run, _ = whole
    copy = Run(Path(shutil.copytree(run.path, tmp_path / "run")))
    *_, before, newest = copy.checkpoints()
    newest.rename(newest.with_name(f".{newest.name}.partial"))
    assert int(before.name[5:]) < STEPS
    resume(copy)
    assert_same(run, copy)


@pytest.mark.parametrize(
    "name", ["policy/arrays.safetensors", "buffer/r.npy", "manifest.json", "progress/values.json"]
)
def test_damaged_checkpoint_is_skipped_and_written_again(whole, tmp_path, name, capsys):
    run, _ = whole
    copy = Run(Path(shutil.copytree(run.path, tmp_path / "run")))
    damaged = copy.checkpoints()[-1]
    (damaged / name).write_bytes(b"nonsense")
    resume(copy)
    assert damaged.name in capsys.readouterr().err
    assert_same(run, copy)
    for folder in copy.checkpoints():
        checkpoint.load(folder)


def test_run_extended_to_twice_its_steps_equals_the_longer_run(whole, tmp_path):
    run, options = whole
    half = start_run(tmp_path, **{**options, "steps": options.get("steps", STEPS) // 2}).run
    resume(half, steps=options.get("steps", STEPS))
    assert_same(run, half)
    assert half.config["training"] == run.config["training"]


def test_run_resumed_with_the_steps_that_it_has_is_evaluated_there(tmp_path):
    stopped = start_run(tmp_path, evaluate_every=0, loggers=stop_at(70))
    assert not stopped.metrics and stopped.progress.last_return is None
    ended = resume(stopped.run, steps=stopped.progress.step)
    assert ended.best_step == ended.progress.step == stopped.progress.step
    assert ended.metrics["eval/return"] == ended.progress.last_return


def test_finished_run_resumed_is_unchanged(whole, tmp_path):
    run, _ = whole
    copy = Run(Path(shutil.copytree(run.path, tmp_path / "run")))
    assert resume(copy).progress.step == run.summary()["steps"]
    assert_same(run, copy)
    assert {**copy.summary(), "seconds": 0} == {**run.summary(), "seconds": 0}


def test_solved_run_resumed_trains_no_further(tmp_path):
    solved = start_run(tmp_path, solved_at=1.0)
    assert solved.progress.solved_step == 60 == solved.progress.step
    shutil.copytree(solved.run.path, tmp_path / "copy")
    again = resume(solved.run)
    assert (again.progress.step, again.progress.solved_step) == (60, 60)
    assert_same(solved.run, Run(tmp_path / "copy"))


def test_solved_run_resumed_with_keep_going_equals_an_uninterrupted_one(tmp_path):
    straight = start_run(tmp_path, "straight", solved_at=1.0, stop_when_solved=False)
    stopped = start_run(tmp_path, "stopped", solved_at=1.0)
    assert resume(stopped.run, stop_when_solved=False).progress.step == STEPS
    one, two = state_of(straight.run), state_of(stopped.run)
    assert [name for name in one if one[name] != two[name]] == []
    assert records_of(straight.run) == records_of(stopped.run)


def test_run_whose_minutes_are_over_ends_and_goes_on_with_more_steps(tmp_path):
    straight = start_run(tmp_path, "straight")
    stopped = start_run(tmp_path, "stopped", minutes=1e-9)
    assert 0 < stopped.progress.step < STEPS
    assert stopped.interrupt_signal is None and "eval/return" in stopped.run.summary()
    assert resume(stopped.run).progress.step == stopped.progress.step
    assert resume(stopped.run, steps=STEPS).progress.step == STEPS
    one, two = state_of(straight.run), state_of(stopped.run)
    assert [name for name in one if one[name] != two[name]] == []


def test_fewer_steps_than_were_trained_are_refused_and_change_nothing(whole):
    run, _ = whole
    before = (run.path / "config.json").read_bytes()
    with pytest.raises(UserError, match=r"is at step 20[01] already"):
        resume(run, steps=100)
    assert (run.path / "config.json").read_bytes() == before


def test_new_budget_comes_with_new_patience(tmp_path):
    stalled = start_run(tmp_path, solved_at=None, stop_when_solved=False, patience=1)
    step = stalled.progress.step
    assert step < STEPS and stalled.progress.evaluations_since_best == 1
    assert resume(stalled.run).progress.step == step
    assert resume(stalled.run, steps=STEPS).progress.step > step


def test_interrupted_run_has_saved_everything_and_records_the_signal(tmp_path):
    result = start_run(tmp_path, loggers=stop_at(87), log_every=1)
    assert result.interrupt_signal == signal.SIGINT
    assert result.run.checkpoints()[-1].name == "step_000000087"
    assert result.run.summary()["interrupted"] == signal.SIGINT
    assert max(int(row["step"]) for row in records_of(result.run)["metrics"]) == 87
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_resume_with_any_other_setting_is_refused(whole, tmp_path):
    run, _ = whole
    before = (run.path / "config.json").read_bytes()
    for change in ({"seed": 4}, {"num_envs": 2}, {"evaluate_every": 1}):
        with pytest.raises(UserError, match="cannot change"):
            resume_training(run, change)
    with pytest.raises(UserError, match="steps"):
        resume_training(run, {"steps": 0})
    assert (run.path / "config.json").read_bytes() == before


def test_environment_that_is_not_deterministic_is_refused_and_nothing_is_lost(tmp_path):
    run = start_run(tmp_path, env="probe/Forgetful-v0", steps=50, evaluate_every=0).run
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    with pytest.raises(WorkError, match="cannot be resumed exactly"):
        resume(run, steps=100)
    after = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    changed = [path.name for path, content in before.items() if after.get(path) != content]
    assert changed in ([], ["config.json"])


def test_run_with_a_non_finite_reward_is_saved_up_to_the_step_before(tmp_path):
    with pytest.raises(WorkError, match="reward of environment 0 is not finite"):
        start_run(tmp_path, env="probe/BreaksLate-v0", num_envs=1)
    run = Run(tmp_path / "run")
    assert [path.name for path in run.checkpoints()] == [
        "step_000000050",
        "step_000000060",
        "step_000000100",
        "step_000000129",
    ]
    assert state_of(run)["progress.step"] == 129


# The other algorithms. PPO's rollout is longer than the steps between two stops, so that most
# stops fall into the middle of one.

ROLLOUT = {"hidden_sizes": [8], "rollout_steps": 20, "epochs": 2, "batch_size": 16}
OTHERS: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "ppo": ("ppo", "cartpole", ROLLOUT, {}),
    "ppo in three environments": (
        "ppo",
        "cartpole",
        {
            **ROLLOUT,
            "distribution": "beta",
            "shared_trunk": True,
            "schedule": "linear",
            "schedule_steps": 300,
            "target_kl": 0.01,
        },
        {"num_envs": 3, "steps": 201, "seed": 5},
    ),
    "ppo with discrete actions": ("ppo", "CartPole-v1", ROLLOUT, {"num_envs": 2, "seed": 1}),
    "td3": (
        "td3",
        "cartpole",
        {**SMALL_SETTINGS, "policy_delay": 3, "normalize_observations": True},
        {},
    ),
    "td3 in two environments": (
        "td3",
        "cartpole",
        {**SMALL_SETTINGS, "updates_per_step": 0.7},
        {"num_envs": 2, "seed": 2},
    ),
}


@pytest.fixture(scope="module", params=OTHERS)
def other(request, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Any]:
    """Return an uninterrupted run of another algorithm, and the function that starts it again."""
    algorithm, env, settings, training = OTHERS[request.param]
    defaults = {**SMALL_TRAINING, "log_every": 1, "evaluate_every": 90, **training}

    def begin(runs: Path, loggers: Any = (), **training: Any) -> TrainingResult:
        request = TrainRequest(
            env=env,
            algorithm=algorithm,
            training={**defaults, **training},
            settings=settings,
            name="run",
            runs_dir=runs,
        )
        return start_training(request, loggers)

    return begin(tmp_path_factory.mktemp("other")).run, begin


def test_algorithm_stopped_at_five_random_points_and_resumed_is_equal_in_every_byte(
    other, tmp_path
):
    run, begin = other
    points = sorted(random.Random(run.config["training"]["seed"]).sample(range(5, STEPS - 5), 5))
    result = begin(tmp_path, stop_at(points[0]))
    for point in points[1:]:
        assert (
            result.interrupt_signal == signal.SIGINT and points[0] <= result.progress.step < STEPS
        )
        result = resume(result.run, stop_at(point))
    assert resume(result.run).interrupt_signal is None
    assert_same(run, result.run)


def test_algorithm_killed_between_two_checkpoints_and_resumed_is_equal(other, tmp_path):
    run, _ = other
    copy = Run(Path(shutil.copytree(run.path, tmp_path / "run")))
    *_, newest = copy.checkpoints()
    newest.rename(newest.with_name(f".{newest.name}.partial"))
    resume(copy)
    assert_same(run, copy)


def test_algorithm_extended_to_twice_its_steps_equals_the_longer_run(other, tmp_path):
    run, begin = other
    steps = run.config["training"]["steps"]
    half = begin(tmp_path, steps=steps // 2).run
    resume(half, steps=steps)
    assert_same(run, half)


# Disks that are full, and paths that are something else.

FULL_DISK = """
import signal, resource, sys
from sample_runs import start_run
from pathlib import Path
start_run(Path(sys.argv[1]), "warm", steps=40)  # Libraries may write caches of their own.
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    start_run(Path(sys.argv[1]), log_every=1)
except OSError as error:
    assert str(error.filename).startswith(sys.argv[1]), error
    sys.exit(7)
"""


def assert_full_disk_is_survived(whole: Run, runs: Path, limit: int) -> None:
    """No file may grow beyond `limit` bytes, as on a full disk; the run resumes to the same."""
    result = python("-c", FULL_DISK, runs, str(limit))
    assert result.returncode == 7, result.stderr
    run = Run(runs / "run")
    for folder in run.checkpoints():
        checkpoint.load(folder)
    if limit < 500:
        assert not run.path.exists(), "its config could not be written"
        return
    resume(run)
    assert_same(whole, run)


def test_training_on_a_full_disk_ends_with_an_error_that_names_a_file_and_can_be_resumed(tmp_path):
    whole = start_run(tmp_path / "whole", log_every=1).run
    assert_full_disk_is_survived(whole, tmp_path, 5_000)


@pytest.mark.slow
def test_training_on_a_disk_that_is_full_at_any_of_many_sizes_can_be_resumed(tmp_path):
    whole = start_run(tmp_path / "whole", log_every=1).run
    for limit in (1, 200, 3_000, 4_000, 8_000, 9_000, 10_000, 12_000, 16_000):
        assert_full_disk_is_survived(whole, tmp_path / str(limit), limit)


@pytest.mark.parametrize("name", ["checkpoints", "episodes.csv"])
def test_file_or_folder_in_the_way_is_an_error_that_names_it_and_loses_nothing(tmp_path, name):
    run = start_run(tmp_path).run
    path = run.path / name
    path.rename(tmp_path / "aside")
    if name.endswith("s"):
        path.write_text("in the way", encoding="utf-8")
    else:
        path.mkdir()
    with pytest.raises((OSError, UserError), match=f"{path}.*(directory|folder)|directory.*{path}"):
        resume(run, steps=250)
    path.unlink() if path.is_file() else path.rmdir()
    (tmp_path / "aside").rename(path)
    resume(run, steps=250)
    assert_same(start_run(tmp_path, "whole", steps=250).run, run)


def test_resume_without_a_checkpoint_says_that_it_begins_again(tmp_path, capsys):
    run = start_run(tmp_path).run
    whole = state_of(run)
    shutil.rmtree(run.path / "checkpoints")
    resume(run)
    assert "run 'run' has no checkpoint: it is trained from step 0" in capsys.readouterr().err
    assert state_of(run) == whole


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_setting_that_no_config_can_hold_is_refused_before_there_is_a_run(tmp_path, value):
    request = TrainRequest(
        env="probe/Glitch-v0", algorithm="ppo", env_settings={"what": value}, runs_dir=tmp_path
    )
    with pytest.raises(UserError, match="cannot be saved"):
        start_training(request)
    assert not [*tmp_path.iterdir()]
