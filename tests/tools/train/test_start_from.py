"""`train --from RUN`: a new run that begins with another run's networks."""

import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from commands import assert_one_line, invoke
from sample_runs import SMALL_TRAINING, start_run, state_of

from poise import train
from poise.algos.registry import build_learner, start_from
from poise.toolkit.loggers import read_metrics
from poise.toolkit.registry import describe_env
from poise.toolkit.run import Run
from poise.tools.train.plan import TrainRequest
from poise.tools.train.session import resume_training, start_training

SETTINGS = {
    "sac": {"hidden_sizes": [8], "learning_starts": 20, "batch_size": 8, "policy_tau": 0.1},
    "td3": {"hidden_sizes": [8], "learning_starts": 20, "batch_size": 8},
    "ppo": {"hidden_sizes": [8], "rollout_steps": 16, "epochs": 1},
}


@pytest.fixture(scope="module", params=SETTINGS)
def source(request, tmp_path_factory):
    """Return a run of each algorithm."""
    return start_training(
        TrainRequest(
            env="cartpole",
            algorithm=request.param,
            training={**SMALL_TRAINING, "steps": 120, "evaluate_every": 40, "num_envs": 1},
            settings=SETTINGS[request.param],
            name="source",
            runs_dir=tmp_path_factory.mktemp("runs"),
        )
    ).run


def begin(source: Run, **changes: object):
    """Begin a run with the networks of another, beside it."""
    request = {"env": "cartpole", "runs_dir": source.path.parent, "start_from": source, **changes}
    return start_training(TrainRequest(**request))


def test_first_evaluation_is_that_of_the_runs_best_policy(source):
    result = begin(source, name="first", training={"steps": 40})
    evaluations = read_metrics(result.run)["eval/return"]
    assert evaluations.step[0] == 0
    assert evaluations.values[0] == source.summary()["eval/return"]
    assert result.run.config["from"] == "source"


def test_networks_and_normalizers_are_taken_and_no_experience(source):
    config = source.config
    env = describe_env(config["env"], config["env_settings"])
    learner = build_learner(config["algorithm"], env, config["settings"], seed=9)
    start_from(learner, source)
    _, saved = source.load_checkpoint()
    state = learner.state_dict()
    taken = [name for name in saved if name.startswith(("policy", "network_", "returns"))]
    assert "policy" in taken and "network_critic" in taken
    for group in taken:
        for name, values in saved[group].items():
            np.testing.assert_array_equal(state[group][name], values)
    assert not any(values["count"] for name, values in state.items() if "optimizer" in name)
    seen = np.zeros((3, env.observation_space.shape[0]), np.float32)
    distances = [
        np.abs(learner.act(seen, explore=True) - learner.act(seen, explore=False)).mean()
        for _ in range(20)
    ]
    assert np.mean(distances) > 0.0
    if config["algorithm"] == "td3":  # Noise of 0.1 around the policy, and no uniform actions.
        assert np.mean(distances) < 0.2


def test_settings_of_the_run_are_the_defaults_and_may_be_changed(source):
    result = begin(
        source,
        name="changed",
        env_settings={"gravity": 12.0},
        settings={"gamma": 0.5},
        training={"steps": 20},
    )
    config = result.run.config
    assert config["settings"] == {**source.config["settings"], "gamma": 0.5}
    assert config["env_settings"]["gravity"] == 12.0 and config["training"]["steps"] == 20
    assert config["training"]["evaluate_every"] == 40 and config["training"]["seed"] == 0


def test_run_that_was_stopped_and_resumed_is_equal_in_every_byte(source):
    training = {"steps": 80, "evaluate_every": 40, "log_every": 1}
    whole = begin(source, name="whole", training=training).run
    request = TrainRequest(
        env="cartpole",
        runs_dir=source.path.parent,
        start_from=source,
        name="stopped",
        training=training,
    )
    stopped = start_training(request, [stop_at(13)])
    assert stopped.interrupt_signal == signal.SIGINT and stopped.progress.step == 13
    resume_training(stopped.run, {})
    one, two = state_of(whole), state_of(stopped.run)
    assert [name for name in one if one[name] != two[name]] == []


def stop_at(point: int) -> Callable[..., None]:
    """Return a logger that sends a SIGINT at a step."""

    def interrupt(step: int, seconds: float, metrics: object) -> None:
        if step == point:
            signal.raise_signal(signal.SIGINT)

    return interrupt


def test_what_does_not_fit_is_one_line_and_leaves_no_run(elsewhere):
    start_run(Path("runs"), "old")
    for words, message in (
        (("standing", "--from", "old"), "networks do not fit"),
        (("--from", "old", "--set", "hidden_sizes=[9]"), "networks do not fit"),
        (("--from", "old", "--algo", "td3"), "it was trained with sac: omit --algo"),
        (("--from", "old", "--preset", "ddpg"), "omit --preset"),
        (("--from", "nothing"), "unknown run 'nothing'"),
        (("--from", "old", "--resume", "old"), "--resume continues the run as it began"),
    ):
        assert_one_line(invoke("train", *words), 2, message)
    assert [path.name for path in Path("runs").iterdir()] == ["old"]


def test_a_policy_alone_is_enough_and_its_missing_critic_is_named(elsewhere):
    words = ("--from", "pretrained/cartpole", "--steps", "200", "--no-video", "--run", "new")
    result = invoke("train", *words)
    assert result.exit_code == 0 and "holds no critic" in result.stderr
    evaluated = read_metrics(Run(Path("runs/new")))["eval/return"].values[0]
    assert evaluated > 390.0


def test_python_takes_a_run_or_its_name(elsewhere):
    old = start_run(Path("runs"), "old").run
    for number, start in enumerate((old, "old", old.path)):
        run = train("cartpole", start_from=start, steps=20, run=f"new-{number}")
        assert run.config["from"] == "old"
