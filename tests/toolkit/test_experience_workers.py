"""Environments in worker processes: bit-identical to one process, with errors passed on."""

import os
import re
import signal
from pathlib import Path

import numpy as np
import pytest

from poise.toolkit.errors import EnvironmentFailedError, UserError, WorkerError, WorkError
from poise.toolkit.experience import EnvBatch, SubprocessEnvBatch, make_env_batch
from poise.toolkit.registry import make_env
from poise.toolkit.run import Run
from poise.tools.train.plan import TrainRequest
from poise.tools.train.session import resume_training, start_training


@pytest.fixture
def open_envs(request):
    """Makes environments and closes them after the test."""

    def make(env_id, number, workers, seed=3, **settings):
        envs = make_env_batch(env_id, number, seed, settings, workers)
        request.addfinalizer(envs.close)
        return envs

    return make


def actions(envs, steps, seed=0):
    """Return random actions for every environment."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (steps, len(envs.observation), *envs.action_space.shape)).astype(
        np.float32
    )


def assert_same(one, two):
    """Assert that two sequences of arrays are equal."""
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_one_worker_runs_in_this_process(open_envs):
    assert type(open_envs("poise/Cartpole-v0", 2, 1)) is EnvBatch


@pytest.mark.parametrize(("env_id", "number", "workers"), [
    ("poise/Cartpole-v0", 5, 2), ("poise/Cartpole-v0", 3, 8), ("poise/Humanoid3D-v0", 3, 2),
])  # fmt: skip
def test_workers_give_the_same_transitions_as_one_process(open_envs, env_id, number, workers):
    alone, many = open_envs(env_id, number, 1), open_envs(env_id, number, workers)
    assert (
        many.observation_space == alone.observation_space
        and many.action_space == alone.action_space
    )
    assert np.array_equal(alone.observation, many.observation)
    for action in actions(alone, 60):
        assert_same(alone.step(action), many.step(action))
        assert many.finished_episodes == alone.finished_episodes
        assert np.array_equal(alone.observation, many.observation)
    one, two = alone.get_state(), many.get_state()
    assert one.keys() == two.keys() and max(one["episode"]) > 0
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_state_of_workers_is_exchangeable_with_one_process(open_envs):
    source = open_envs("poise/Cartpole-v0", 3, 2)
    for action in actions(source, 40):
        source.step(action)
    alone, many = open_envs("poise/Cartpole-v0", 3, 1), open_envs("poise/Cartpole-v0", 3, 3)
    for other in (alone, many):
        other.set_state(source.get_state())
    for action in actions(source, 30, seed=1):
        expected = source.step(action)
        assert_same(alone.step(action), expected)
        assert_same(many.step(action), expected)


def test_settings_reach_workers(open_envs):
    envs = open_envs("poise/Cartpole-v0", 2, 2, reset_noise_scale=0.0)
    assert not envs.observation.any()


def test_error_in_worker_is_raised_with_env_index(open_envs):
    envs = open_envs("poise/Cartpole-v0", 4, 2)
    bad = np.zeros((4, 1), np.float32)
    bad[3] = np.nan
    with pytest.raises(WorkError, match="action of environment 3 is not finite"):
        envs.step(bad)


def test_env_that_cannot_be_made_in_worker_raises_its_error():
    with pytest.raises(UserError, match="did you mean 'reset_noise_scale'"):
        SubprocessEnvBatch("poise/Cartpole-v0", 2, 0, {"reset_noise_scal": 0.1})


def test_dead_worker_is_work_error_and_close_is_no_error(open_envs):
    envs = open_envs("poise/Cartpole-v0", 2, 2)
    os.kill(envs._workers[1].pid, signal.SIGKILL)
    envs._workers[1].join(10)
    with pytest.raises(WorkerError, match=r"environment 1 .* was killed by SIGKILL"):
        envs.step(actions(envs, 1)[0])
    envs.close()


def test_interrupt_is_ignored_by_workers(open_envs):
    envs = open_envs("poise/Cartpole-v0", 2, 2)
    for worker in envs._workers:
        os.kill(worker.pid, signal.SIGINT)
    assert envs.step(actions(envs, 1)[0]).reward.shape == (2,)


OWN = "own_environments:Swing-v0"


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("raise", r"failed.*: MotorError: the motor is hot: knee 90 \(.*own_environments.py, line"),
        ("leave", r"failed.*: SystemExit: the motor is hot"),
        ("memory", r"failed.*: MemoryError"),
        ("exit", "the worker process of .* has ended with exit code 3"),
        ("abort", "the worker process of .* was killed by SIGABRT"),
        ("sleep", "stands still: no answer for 2 s"),
    ],
)
def test_environment_that_fails_in_a_worker_is_named_and_the_state_is_that_before(
    tmp_path, fault, message
):
    file = tmp_path / "exists"
    settings = {"fault": fault, "file": str(file)}
    envs = SubprocessEnvBatch(OWN, 3, 5, settings, 2, worker_timeout=1.5)
    for _ in range(7 + 2):  # Every episode has 7 steps.
        envs.step(np.zeros((3, 1), np.float32))
    before = envs.get_state()
    file.touch()
    with pytest.raises(EnvironmentFailedError, match=r"environment \d .*seed \d+\)") as caught:
        envs.step(np.ones((3, 1), np.float32))
    assert re.search(message, str(caught.value)), caught.value
    after = envs.get_state()
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[name], after[name]) for name in before)
    envs.close()
    file.unlink()
    again = EnvBatch(OWN, 3, 5, settings)
    again.set_state(after)
    assert np.array_equal(again.observation, after["observation"])


def test_episode_seed_in_the_error_repeats_the_episode(tmp_path):
    file = tmp_path / "exists"
    envs = SubprocessEnvBatch(OWN, 2, 5, {"fault": "raise", "file": str(file)}, 2)
    file.touch()
    start = envs.observation
    with pytest.raises(EnvironmentFailedError) as caught:
        for _ in range(3):
            envs.step(np.zeros((2, 1), np.float32))
    named = re.search(r"environment (\d) .*\(seed (\d+)\)", str(caught.value))
    index, seed = map(int, named.groups())
    env = make_env(OWN)
    assert np.array_equal(env.reset(seed=seed)[0], start[index])
    envs.close()


def test_environment_that_is_closed_by_its_batch_is_closed_in_its_worker(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    envs = SubprocessEnvBatch(OWN, 2, 5, {"fault": "close", "file": "closed"}, 2)
    envs.close()
    assert (tmp_path / "closed").exists()


@pytest.mark.parametrize("fault", ["exit", "raise"])
def test_training_whose_worker_dies_is_saved_and_can_be_resumed(tmp_path, monkeypatch, fault):
    monkeypatch.chdir(tmp_path)
    request = TrainRequest(
        env=OWN,
        algorithm="ppo",
        training={"steps": 200, "num_envs": 2, "num_workers": 2, "evaluate_every": 0},
        settings={"rollout_steps": 32, "epochs": 1, "log_every": 2, "evaluate_episodes": 1},
        env_settings={"fault": fault, "file": "now"},
        name="dies",
    )

    def let_it_fail(step, seconds, metrics):
        if step >= 60:
            Path("now").touch()

    saved = r"up to step \d+ is saved, and --resume dies"
    with pytest.raises(EnvironmentFailedError, match=saved) as caught:
        start_training(request, [let_it_fail])
    run = Run(Path("runs/dies"))
    step = int(re.findall(r"up to step (\d+)", str(caught.value))[0])
    assert run.load_checkpoint("latest")[1]["progress"]["step"] == step >= 60
    Path("now").unlink()
    assert resume_training(run, {"num_workers": 1}).progress.step == 200
