"""The training loop: what it calls, in which order, and when it stops."""

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import python
from sample_runs import JUDGED, records_of, start_run, state_of
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.evaluation import (
    EVALUATION_SEED,
    RETURN_STD,
    REWARD_PREFIX,
    EvaluationResult,
    Evaluator,
    read_success,
)
from poise.toolkit.experience import EnvBatch, Transition
from poise.toolkit.loggers import EPISODE, LENGTH, RETURN, CsvLogger
from poise.toolkit.registry import make_random_policy
from poise.toolkit.run import Run
from poise.toolkit.trainer import NO_STEP_LIMIT, Progress, TrainSettings, choose_budget, train


class RecordingAlgorithm:
    """Algorithm that learns nothing and records every call."""

    def __init__(self, loss: float = 1.0, action: float = 0.5, dies_at: int = 10**9) -> None:
        self.loss = loss
        self.action = action
        self.dies_at = dies_at
        self.calls: list[str] = []
        self.transitions: list[Transition] = []

    def reset(self, mask: np.ndarray | None = None, *, explore: bool) -> None:
        """Do nothing: there is no memory."""

    def act(self, observation: np.ndarray, *, explore: bool) -> np.ndarray:
        self.calls.append("act" if explore else "exploit")
        return np.full((len(observation), 1), self.action, np.float32)

    def observe(self, transition: Transition) -> None:
        self.calls.append("observe")
        self.transitions.append(transition)

    def update(self) -> dict[str, float]:
        self.calls.append("update")
        number = self.calls.count("update")
        if number % 2 == 0:
            return {}
        return {"losses/qf_loss": self.loss * number if number < self.dies_at else math.nan}

    def state_dict(self) -> dict[str, dict[str, Any]]:
        return {}

    def load_state_dict(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        raise AssertionError


class RecordingLogger:
    """Logger that keeps all metrics."""

    def __init__(self) -> None:
        self.entries: list[tuple[int, dict[str, float]]] = []

    def __call__(self, step: int, seconds: float, metrics: Mapping[str, float]) -> None:
        assert seconds >= 0.0
        self.entries.append((step, dict(metrics)))

    def steps(self, name: str) -> list[int]:
        """Return the steps at which a metric was logged."""
        return [step for step, metrics in self.entries if name in metrics]


def train_on_counter(
    algorithm: RecordingAlgorithm, envs: int = 1, progress: Progress | None = None, **more: Any
) -> tuple[Progress, RecordingLogger, list[int]]:
    """Train on the counter environment; return progress, logger and the saved steps."""
    logger = RecordingLogger()
    saved = []
    others = {name: more.pop(name) for name in ("evaluator", "should_stop") if name in more}
    settings = TrainSettings(
        **{"steps": 60, "num_envs": envs, "log_every": 10, "checkpoint_every": 20, **more}
    )
    env_batch = EnvBatch("probe/Counter-v0", envs, seed=0)
    progress = progress or Progress()
    train(
        algorithm,
        env_batch,
        settings,
        progress,
        loggers=[logger],
        save=lambda now: saved.append(now.step),
        **others,
    )
    env_batch.close()
    return progress, logger, saved


def test_each_step_calls_act_observe_and_update_once_in_this_order():
    algorithm = RecordingAlgorithm()
    progress, _, _ = train_on_counter(algorithm, steps=25)
    assert algorithm.calls == ["act", "observe", "update"] * 25
    assert progress.step == 25


@pytest.mark.parametrize(
    ("envs", "steps", "made"), [(1, 60, 60), (3, 60, 60), (7, 60, 63), (100, 60, 100)]
)
def test_steps_are_counted_over_all_environments_until_they_are_spent(envs, steps, made):
    algorithm = RecordingAlgorithm()
    progress, _, saved = train_on_counter(algorithm, envs, steps=steps)
    assert progress.step == made == envs * len(algorithm.transitions)
    assert saved[-1] == made, "the last step is always saved"
    assert all(len(transition.reward) == envs for transition in algorithm.transitions)


@pytest.mark.parametrize("envs", [1, 3, 7])
def test_logging_evaluation_and_checkpoints_happen_once_per_interval(envs):
    evaluated = []

    class Score:
        def metrics(self) -> dict[str, float]:
            evaluated.append(1)
            return {"eval/return": 0.0, "eval/length": 1.0, "eval/success": 0.0}

    progress, logger, saved = train_on_counter(
        RecordingAlgorithm(), envs, steps=84, evaluator=lambda act: Score(), evaluate_every=12
    )
    expected = [-(-due // envs) * envs for due in range(10, 85, 10)]
    assert logger.steps("charts/SPS") == expected
    assert logger.steps("eval/return") == [-(-due // envs) * envs for due in range(12, 85, 12)]
    assert {-(-due // envs) * envs for due in range(20, 85, 20)} <= set(saved)
    assert len(evaluated) == 7 and progress.step == 84


def test_episodes_are_logged_with_return_and_length():
    algorithm = RecordingAlgorithm(action=1.0)  # A strong action: the counter terminates at 7.
    progress, logger, _ = train_on_counter(algorithm, steps=70)
    episodes = [(step, metrics) for step, metrics in logger.entries if EPISODE in metrics]
    assert [step for step, _ in episodes] == list(range(7, 71, 7))
    assert [metrics[EPISODE] for _, metrics in episodes] == list(range(1, 11))
    assert progress.episode == 10
    for number, (_, metrics) in enumerate(episodes):
        rewards = np.array(
            [
                transition.reward[0]
                for transition in algorithm.transitions[number * 7 : number * 7 + 7]
            ]
        )
        assert metrics[RETURN] == pytest.approx(rewards.sum())
        assert metrics[LENGTH] == 7


def test_losses_are_logged_as_their_mean_since_the_last_row():
    _, logger, _ = train_on_counter(RecordingAlgorithm(loss=2.0), steps=40)
    rows = [
        metrics["losses/qf_loss"] for _, metrics in logger.entries if "losses/qf_loss" in metrics
    ]
    odd = [[2.0 * number for number in range(first, first + 10, 2)] for first in (1, 11, 21, 31)]
    assert rows == pytest.approx([np.mean(part) for part in odd])


def test_training_with_no_steps_left_does_nothing():
    algorithm = RecordingAlgorithm()
    progress, _, saved = train_on_counter(algorithm, progress=Progress(step=60), steps=60)
    assert progress.step == 60 and not algorithm.calls and not saved


def test_training_asked_to_stop_saves_and_stops():
    algorithm = RecordingAlgorithm()
    progress, _, saved = train_on_counter(
        algorithm, should_stop=lambda: len(algorithm.transitions) == 13
    )
    assert progress.step == 13 and saved[-1] == 13


class FixedEvaluator:
    """Evaluator that returns given scores, one after the other."""

    def __init__(self, *scores: float) -> None:
        self.scores = list(scores)

    def __call__(self, act: Any) -> "FixedEvaluator":
        act(np.zeros((1, 2), np.float32))
        return self

    def metrics(self) -> dict[str, float]:
        return {"eval/return": self.scores.pop(0), "eval/length": 1.0, "eval/success": 0.0}


def test_solved_training_stops_and_records_the_step():
    algorithm = RecordingAlgorithm()
    progress, _, saved = train_on_counter(
        algorithm, evaluator=FixedEvaluator(1.0, 5.0, 9.0), evaluate_every=10, solved_at=5.0
    )
    assert (progress.step, progress.solved_step, progress.best_step, progress.best_return) == (
        20,
        20,
        20,
        5.0,
    )
    assert saved[-1] == 20


def test_training_ends_after_so_many_evaluations_without_a_better_return():
    progress, _, _ = train_on_counter(
        RecordingAlgorithm(),
        evaluator=FixedEvaluator(3.0, 2.0, 4.0, 4.0, 1.0, 9.0),
        evaluate_every=10,
        patience=2,
    )
    assert (progress.step, progress.best_step) == (50, 30)


def test_training_ends_when_its_minutes_are_over_however_many_steps_are_left():
    settings = TrainSettings(steps=10, minutes=0.5)
    assert not Progress(step=9, seconds=29.9).is_finished(settings)
    assert Progress(step=9, seconds=30.0).is_finished(settings)
    assert Progress(step=10, seconds=0.0).is_finished(settings)
    progress, _, saved = train_on_counter(RecordingAlgorithm(), minutes=1e-9)
    assert progress.step == 1 and saved == [1]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, (100, 5.0)),
        ({"seed": 3}, (100, 5.0)),
        ({"steps": 7}, (7, None)),
        ({"minutes": 2.0}, (NO_STEP_LIMIT, 2.0)),
        ({"steps": 7, "minutes": 2.0}, (7, 2.0)),
    ],
)
def test_chosen_steps_or_minutes_are_the_only_budget(chosen, expected):
    settings = choose_budget(chosen, {"steps": 100, "minutes": 5.0, "seed": 1})
    assert (settings["steps"], settings["minutes"]) == expected
    assert settings["seed"] == chosen.get("seed", 1)


def test_solved_training_without_stop_when_solved_continues_and_keeps_the_best():
    evaluator = FixedEvaluator(1.0, 5.0, 9.0, 4.0, 9.0, 8.0)
    progress, _, saved = train_on_counter(
        RecordingAlgorithm(),
        evaluator=evaluator,
        evaluate_every=10,
        solved_at=5.0,
        stop_when_solved=False,
    )
    assert (progress.step, progress.solved_step, progress.best_step, progress.best_return) == (
        60,
        20,
        30,
        9.0,
    )
    assert set(saved) >= {10, 20, 30, 40, 60} and 50 not in saved, "a new best is saved at once"


def test_checkpoint_of_the_solving_evaluation_holds_solved_step():
    states = []
    settings = TrainSettings(steps=60, evaluate_every=10, solved_at=5.0)
    env_batch = EnvBatch("probe/Counter-v0", 1, seed=0)

    def save(progress: Progress) -> None:
        if not any(
            step == progress.step for step, _ in states
        ):  # As Run.save_checkpoint does: a step is written once.
            states.append((progress.step, progress.solved_step))

    train(
        RecordingAlgorithm(),
        env_batch,
        settings,
        Progress(),
        evaluator=FixedEvaluator(1.0, 5.0),
        save=save,
    )
    assert states[-1] == (20, 20)


@pytest.mark.parametrize(
    ("every", "evaluations"), [(25, [25, 50, 60]), (20, [20, 40, 60]), (0, [60]), (1000, [60])]
)
def test_policy_of_the_last_step_is_evaluated_once(every, evaluations):
    progress, logger, saved = train_on_counter(
        RecordingAlgorithm(), evaluator=FixedEvaluator(1.0, 2.0, 3.0), evaluate_every=every
    )
    assert logger.steps("eval/return") == evaluations
    assert progress.best_step == 60 == saved[-1]
    assert progress.last_return == progress.best_return == float(len(evaluations))


def test_last_evaluation_may_solve_the_training():
    progress, _, _ = train_on_counter(
        RecordingAlgorithm(), evaluator=FixedEvaluator(5.0), evaluate_every=0, solved_at=5.0
    )
    assert progress.solved_step == 60


def test_last_evaluation_is_in_no_checkpoint():
    """A run with more steps must go on as if it had not ended here."""
    saved = []
    env_batch = EnvBatch("probe/Counter-v0", 1, seed=0)
    train(
        RecordingAlgorithm(),
        env_batch,
        TrainSettings(steps=60, evaluate_every=25),
        Progress(),
        evaluator=FixedEvaluator(1.0, 2.0, 3.0),
        save=lambda progress: saved.append((progress.step, progress.best_step)),
    )
    assert saved[-1] == (60, 50)


def test_training_asked_to_stop_is_not_evaluated_before_it_saves():
    algorithm = RecordingAlgorithm()
    progress, logger, _ = train_on_counter(
        algorithm,
        evaluator=FixedEvaluator(),
        evaluate_every=1000,
        should_stop=lambda: len(algorithm.transitions) == 13,
    )
    assert progress.step == 13 and progress.last_return is None
    assert not logger.steps("eval/return")


def test_evaluation_acts_without_exploration():
    algorithm = RecordingAlgorithm()
    train_on_counter(algorithm, steps=10, evaluator=FixedEvaluator(1.0), evaluate_every=10)
    assert algorithm.calls.count("exploit") == 1 and algorithm.calls.count("act") == 10


def test_non_finite_loss_stops_the_run_and_saves_nothing_of_it():
    logger = RecordingLogger()
    saved = []
    settings = TrainSettings(steps=100, log_every=10, checkpoint_every=20)
    env_batch = EnvBatch("probe/Counter-v0", 1, seed=0)
    with pytest.raises(WorkError, match="losses/qf_loss is not finite at step 51"):
        train(
            RecordingAlgorithm(dies_at=51),
            env_batch,
            settings,
            Progress(),
            loggers=[logger],
            save=lambda now: saved.append(now.step),
        )
    assert saved == [20, 40]


@pytest.mark.parametrize("env", ["probe/Counter-v0", "poise/Cartpole-v0", "Pendulum-v1"])
def test_non_finite_action_is_a_work_error_and_no_user_error(env):
    env_batch = EnvBatch(env, 1, seed=0)
    with pytest.raises(WorkError, match="action") as caught:
        train(RecordingAlgorithm(action=math.nan), env_batch, TrainSettings(steps=10), Progress())
    assert not isinstance(caught.value, UserError)


def test_evaluation_repeated_is_equal_and_uses_its_own_seeds():
    evaluator = Evaluator("poise/Cartpole-v0", {}, 3)

    def push(observation: np.ndarray) -> np.ndarray:
        return observation[:, 2:3] * 10.0

    first, second = evaluator(push), evaluator(push)
    assert np.array_equal(first.returns, second.returns) and np.array_equal(
        first.lengths, second.lengths
    )
    assert len(set(first.returns.tolist())) == 3
    alone = [
        Evaluator("poise/Cartpole-v0", {}, 1, EVALUATION_SEED + index)(push).returns[0]
        for index in range(3)
    ]
    assert first.returns.tolist() == alone
    evaluator.close()


def test_evaluation_in_several_batches_gives_the_same_episodes(monkeypatch):
    push = lambda observation: np.sin(50.0 * observation[:, :1])  # noqa: E731
    whole = Evaluator("poise/Cartpole-v0", {}, 7)(push)
    monkeypatch.setattr("poise.toolkit.evaluation.MAX_PARALLEL_EPISODES", 3)
    evaluator = Evaluator("poise/Cartpole-v0", {}, 7)
    assert len(evaluator.envs) == 3
    for part, same in zip(vars(whole).values(), vars(evaluator(push)).values(), strict=True):
        np.testing.assert_array_equal(part, same)


def test_evaluation_reports_its_progress_as_episodes_end():
    evaluator = Evaluator("poise/Cartpole-v0", {}, 25)
    ended: list[int] = []
    evaluator(lambda rows: np.zeros((len(rows), 1)), ended.append)
    evaluator.close()
    assert sum(ended) == 25 and len(ended) > 5 and min(ended) > 0


def test_evaluation_with_max_steps_truncates_episodes():
    score = Evaluator("poise/Reacher2D-v0", {}, 2, max_steps=40)(
        lambda observation: np.zeros((len(observation), 2))
    )
    np.testing.assert_array_equal(score.lengths, [40, 40])


@pytest.mark.parametrize("env", ["poise/Cartpole-v0", "poise/Reacher2D-v0"])
def test_reward_contributions_add_up_to_the_return(env):
    evaluator = Evaluator(env, {}, 3)
    score = evaluator(make_random_policy(evaluator.envs[0], 0))
    metrics = score.metrics()
    np.testing.assert_allclose(score.reward_contributions.sum(axis=1), score.returns, atol=1e-9)
    assert sum(
        metrics[name] for name in metrics if name.startswith(REWARD_PREFIX)
    ) == pytest.approx(metrics["eval/return"])
    assert metrics[RETURN_STD] == score.returns.std() > 0.0


def test_evaluation_of_a_third_party_environment_has_no_reward_terms():
    evaluator = Evaluator("probe/Counter-v0", {}, 2)
    metrics = evaluator(lambda rows: np.ones((len(rows), 1), np.float32)).metrics()
    assert set(metrics) == {"eval/return", "eval/length", RETURN_STD}


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ({}, None),
        ({"success": True}, True),
        ({"success": np.False_}, False),
        ({"is_success": 1.0}, True),
        ({"is_success": False, "success": True}, True),
        ({"success": np.array([True, False])}, None),
        ({"success": "no"}, None),
        ({"success": float("nan"), "is_success": np.array([0])}, False),
        ({"is_success": None}, None),
    ],
)
def test_success_is_read_under_both_names(info, expected):
    assert read_success(info) is expected


def evaluated(env: str, action: float, size: int = 1, **options: Any) -> EvaluationResult:
    """Evaluate a policy that always acts alike."""
    evaluator = Evaluator(env, {}, 4, **options)
    result = evaluator(lambda rows: np.full((len(rows), size), action, np.float32))
    evaluator.close()
    return result


@pytest.mark.parametrize("action", [1.0, -1.0], ids=["terminates", "reaches the time limit"])
def test_success_without_report_or_threshold_is_not_defined_however_the_episode_ends(action):
    result = evaluated("probe/Counter-v0", action)
    assert result.terminated.all() == (action > 0.0)
    assert result.successes is None and "eval/success" not in result.metrics()


def test_success_is_what_the_environment_reports_in_any_step():
    assert evaluated("probe/Reports-v0", 1.0).metrics()["eval/success"] == 1.0
    assert evaluated("probe/Reports-v0", -1.0).metrics()["eval/success"] == 0.0
    assert evaluated("poise/Reacher2D-v0", 0.0, 2).metrics()["eval/success"] == 0.0
    assert evaluated("probe/Reports-v0", -1.0, solved_at=-9.0).metrics()["eval/success"] == 0.0, (
        "a report comes before the threshold"
    )


def test_success_without_report_is_a_return_that_reaches_the_threshold():
    returns = evaluated("probe/Counter-v0", 1.0).returns
    middle = float(np.median(returns))
    result = evaluated("probe/Counter-v0", 1.0, solved_at=middle)
    assert result.successes.tolist() == (returns >= middle).tolist()
    assert 0.0 < result.metrics()["eval/success"] < 1.0


def test_success_of_an_environment_that_ends_at_its_goal_is_not_upside_down():
    """MountainCarContinuous ends at the goal, and its return reaches the threshold 90 there."""
    evaluator = Evaluator("MountainCarContinuous-v0", {}, 3)
    with_the_speed = evaluator(lambda rows: np.sign(rows[:, 1:]) * 0.8)
    assert with_the_speed.terminated.all() and with_the_speed.successes.all()
    idle = evaluator(lambda rows: np.zeros((len(rows), 1), np.float32))
    assert not idle.terminated.any() and not idle.successes.any()
    evaluator.close()


def test_threshold_of_one_reward_counts_for_no_other():
    for reward, threshold in (("posture", 385.0), ("survival", None)):
        evaluator = Evaluator("poise/Standing-v0", {"reward": reward}, 1)
        assert evaluator.solved_at == threshold
        evaluator.close()


# Files.


def test_csv_files_have_the_documented_columns(tmp_path: Path):
    files = CsvLogger(tmp_path)
    files(5, 0.25, {EPISODE: 1, RETURN: 2.5, LENGTH: 5})
    files(6, 0.5, {"charts/SPS": 100.0, "losses/alpha": 0.1})
    assert (tmp_path / "episodes.csv").read_text(
        encoding="utf-8"
    ) == "step,episode,return,length,seconds\n5,1,2.5,5,0.250\n"
    expected = "step,seconds,name,value\n6,0.500,charts/SPS,100.0\n6,0.500,losses/alpha,0.1\n"
    assert (tmp_path / "metrics.csv").read_text(encoding="utf-8") == expected, (
        "every row is on the disk at once"
    )
    files.close()


def test_csv_files_opened_at_a_step_drop_later_rows(tmp_path: Path):
    files = CsvLogger(tmp_path)
    for step in (5, 10, 15):
        files(step, 0.0, {EPISODE: step // 5, RETURN: 1.0, LENGTH: 5})
        files(step, 0.0, {"losses/alpha": 0.5})
    files.close()
    CsvLogger(tmp_path, step=10).close()
    for name in ("episodes.csv", "metrics.csv"):
        with (tmp_path / name).open(newline="", encoding="utf-8") as file:
            assert [row["step"] for row in csv.DictReader(file)] == ["5", "10"]


def test_csv_files_on_a_full_disk_lose_nothing(tmp_path: Path):
    files = CsvLogger(tmp_path)
    files(5, 0.0, {EPISODE: 1, RETURN: 1.0, LENGTH: 5})
    files(5, 0.0, {"losses/alpha": 0.5})
    files.close()
    before = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    program = f"""
import pathlib, resource, poise.toolkit.loggers
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # No file may grow: as on a full disk.
poise.toolkit.loggers.CsvLogger(pathlib.Path({str(tmp_path)!r}), step=5)
"""
    assert "OSError" in python("-c", program).stderr
    assert {name: (tmp_path / name).read_text(encoding="utf-8") for name in before} == before


def test_run_folder_holds_all_documented_files(tmp_path: Path):
    run = start_run(tmp_path, video=True).run
    names = {path.name for path in run.path.iterdir() if not path.name.startswith("events.")}
    assert names - {".lock"} == {
        "config.json",
        "episodes.csv",
        "metrics.csv",
        "checkpoints",
        "policies",
        "videos",
        "summary.json",
    }
    assert list(run.path.glob("events.*")), "TensorBoard's events"
    assert [path.name for path in run.checkpoints()][-1] == "step_000000200"
    config = run.config
    assert config["env"] == "poise/Cartpole-v0" and config["algorithm"] == "sac"
    assert config["settings"]["hidden_sizes"] == [8] and config["training"]["steps"] == 200
    assert config["env_settings"]["reward"] == "posture"
    assert {"python", "torch", "pymunk", "gymnasium", "numpy"} <= config["versions"].keys()
    assert {"command", "commit", "device"} <= config.keys()
    summary = run.summary()
    assert summary["steps"] == 200 and summary["solved"] is False and summary["eval/return"] > 0.0
    names = {row["name"] for row in records_of(run)["metrics"]}
    assert (
        names == {"losses/qf_loss", "losses/actor_loss", "losses/alpha", "losses/entropy"} | JUDGED
    )


def test_tensorboard_events_equal_the_csv_rows(tmp_path: Path):
    run = start_run(tmp_path).run
    events = EventAccumulator(str(run.path), size_guidance={"scalars": 0}).Reload()
    records = records_of(run)
    for name in ("losses/qf_loss", "eval/return"):
        expected = [
            (int(row["step"]), float(row["value"]))
            for row in records["metrics"]
            if row["name"] == name
        ]
        assert [(event.step, event.value) for event in events.Scalars(name)] == [
            (step, pytest.approx(value, rel=1e-6)) for step, value in expected
        ]
    returns = [float(row["return"]) for row in records["episodes"]]
    assert [event.value for event in events.Scalars(RETURN)] == pytest.approx(returns, rel=1e-6)


# Evaluation, logging, checkpoints and videos do not change a run.


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Train a run without evaluation and with few log rows."""
    return start_run(tmp_path_factory.mktemp("plain"), evaluate_every=0, log_every=1000).run


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"evaluate_every": 7, "evaluate_episodes": 3},
        {"video": True, "evaluate_every": 100},
        {"log_every": 1, "loggers": [lambda *values: np.random.default_rng().random(5)]},
        {"checkpoint_every": 9},
    ],
    ids=["again", "evaluated", "recorded", "logged", "saved often"],
)
def test_weights_are_equal_whatever_is_evaluated_logged_or_recorded(plain, options, tmp_path):
    other = start_run(tmp_path, **{"evaluate_every": 0, "log_every": 1000, **options}).run
    one, two = state_of(plain), state_of(other)
    assert one.keys() == two.keys() and any(name.startswith("optimizer_critic") for name in one)
    differing = [
        name
        for name in one
        if not name.startswith(("progress.", "logs.")) and one[name] != two[name]
    ]
    assert not differing


def test_another_seed_gives_other_weights(plain, tmp_path):
    other = start_run(tmp_path, evaluate_every=0, log_every=1000, seed=1).run
    assert (
        state_of(other)["policy.actor.layers.0.weight"]
        != state_of(plain)["policy.actor.layers.0.weight"]
    )
