"""The one loop: what it calls, when, and in which order; and when it stops."""

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.evaluation import EVALUATION_SEED, RETURN_STD, REWARD_PREFIX, Evaluator
from poise.toolkit.experience import EnvBatch, Transition
from poise.toolkit.loggers import EPISODE, LENGTH, RETURN, CsvLogger
from poise.toolkit.registry import make_random_policy
from poise.toolkit.run import Run
from poise.toolkit.trainer import Progress, TrainSettings, train
from processes import python
from sample_runs import JUDGED, records_of, start_run, state_of
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


class Scholar:
    """An algorithm that learns nothing and writes down everything that is asked of it."""

    def __init__(self, loss: float = 1.0, action: float = 0.5, dies_at: int = 10**9) -> None:
        self.loss, self.action, self.dies_at = loss, action, dies_at
        self.told: list[str] = []
        self.seen: list[Transition] = []

    def act(self, observation: np.ndarray, *, explore: bool) -> np.ndarray:
        self.told.append("act" if explore else "exploit")
        return np.full((len(observation), 1), self.action, np.float32)

    def observe(self, transition: Transition) -> None:
        self.told.append("observe")
        self.seen.append(transition)

    def update(self) -> dict[str, float]:
        self.told.append("update")
        number = self.told.count("update")
        if number % 2 == 0:
            return {}
        return {"losses/qf_loss": self.loss * number if number < self.dies_at else math.nan}

    def state_dict(self) -> dict[str, dict[str, Any]]:
        return {}

    def load_state_dict(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        raise AssertionError


class Ear:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, dict[str, float]]] = []

    def __call__(self, step: int, seconds: float, metrics: Mapping[str, float]) -> None:
        assert seconds >= 0.0
        self.heard.append((step, dict(metrics)))

    def steps(self, name: str) -> list[int]:
        """When a metric was heard."""
        return [step for step, metrics in self.heard if name in metrics]


def school(
    scholar: Scholar, envs: int = 1, progress: Progress | None = None, **more: Any
) -> tuple[Progress, Ear, list[int]]:
    """Train on the environment that counts; the progress, what was heard, and when it was saved."""
    ear, saved = Ear(), []
    others = {name: more.pop(name) for name in ("evaluator", "should_stop") if name in more}
    settings = TrainSettings(
        **{"steps": 60, "num_envs": envs, "log_every": 10, "checkpoint_every": 20, **more}
    )
    many = EnvBatch("probe/Counter-v0", envs, seed=0)
    progress = progress or Progress()
    train(
        scholar,
        many,
        settings,
        progress,
        loggers=[ear],
        save=lambda now: saved.append(now.step),
        **others,
    )
    many.close()
    return progress, ear, saved


def test_each_step_is_acted_seen_and_learned_from_once_and_in_this_order():
    scholar = Scholar()
    progress, _, _ = school(scholar, steps=25)
    assert scholar.told == ["act", "observe", "update"] * 25
    assert progress.step == 25


@pytest.mark.parametrize(
    ("envs", "steps", "made"), [(1, 60, 60), (3, 60, 60), (7, 60, 63), (100, 60, 100)]
)
def test_steps_are_counted_over_all_worlds_until_the_budget_is_spent(envs, steps, made):
    scholar = Scholar()
    progress, _, saved = school(scholar, envs, steps=steps)
    assert progress.step == made == envs * len(scholar.seen)
    assert saved[-1] == made, "the last step is always saved"
    assert all(len(transition.reward) == envs for transition in scholar.seen)


@pytest.mark.parametrize("envs", [1, 3, 7])
def test_things_come_due_once_in_every_so_many_steps(envs):
    evaluated = []

    class Score:
        def metrics(self) -> dict[str, float]:
            evaluated.append(1)
            return {"eval/return": 0.0, "eval/length": 1.0, "eval/success": 0.0}

    progress, ear, saved = school(
        Scholar(), envs, steps=84, evaluator=lambda act: Score(), evaluate_every=12
    )
    expected = [-(-due // envs) * envs for due in range(10, 85, 10)]
    assert ear.steps("charts/SPS") == expected
    assert ear.steps("eval/return") == [-(-due // envs) * envs for due in range(12, 85, 12)]
    assert {-(-due // envs) * envs for due in range(20, 85, 20)} <= set(saved)
    assert len(evaluated) == 7 and progress.step == 84


def test_episodes_are_told_with_their_score_and_length():
    scholar = Scholar(action=1.0)  # A strong action: the counter dies at 7.
    progress, ear, _ = school(scholar, steps=70)
    told = [(step, metrics) for step, metrics in ear.heard if EPISODE in metrics]
    assert [step for step, _ in told] == list(range(7, 71, 7))
    assert [metrics[EPISODE] for _, metrics in told] == list(range(1, 11))
    assert progress.episode == 10
    for number, (_, metrics) in enumerate(told):
        rewards = np.array(
            [transition.reward[0] for transition in scholar.seen[number * 7 : number * 7 + 7]]
        )
        assert metrics[RETURN] == pytest.approx(rewards.sum())
        assert metrics[LENGTH] == 7


def test_losses_are_told_as_their_mean_since_the_last_row():
    _, ear, _ = school(Scholar(loss=2.0), steps=40)
    rows = [metrics["losses/qf_loss"] for _, metrics in ear.heard if "losses/qf_loss" in metrics]
    odd = [[2.0 * number for number in range(first, first + 10, 2)] for first in (1, 11, 21, 31)]
    assert rows == pytest.approx([np.mean(part) for part in odd])


def test_a_spent_budget_trains_no_more():
    scholar = Scholar()
    progress, _, saved = school(scholar, progress=Progress(step=60), steps=60)
    assert progress.step == 60 and not scholar.told and not saved


def test_it_stops_and_saves_when_asked_to():
    scholar = Scholar()
    progress, _, saved = school(scholar, should_stop=lambda: len(scholar.seen) == 13)
    assert progress.step == 13 and saved[-1] == 13


class Judge:
    """An evaluation that gives the scores it was told to."""

    def __init__(self, *scores: float) -> None:
        self.scores = list(scores)

    def __call__(self, act: Any) -> "Judge":
        act(np.zeros((1, 2), np.float32))
        return self

    def metrics(self) -> dict[str, float]:
        return {"eval/return": self.scores.pop(0), "eval/length": 1.0, "eval/success": 0.0}


def test_it_stops_when_solved_and_says_at_which_step():
    scholar = Scholar()
    progress, _, saved = school(
        scholar, evaluator=Judge(1.0, 5.0, 9.0), evaluate_every=10, solved_at=5.0
    )
    assert (progress.step, progress.solved_step, progress.best_step, progress.best_return) == (
        20,
        20,
        20,
        5.0,
    )
    assert saved[-1] == 20


def test_it_goes_on_when_solved_if_told_to_and_remembers_the_best():
    judge = Judge(1.0, 5.0, 9.0, 4.0, 9.0, 8.0)
    progress, _, saved = school(
        Scholar(), evaluator=judge, evaluate_every=10, solved_at=5.0, stop_when_solved=False
    )
    assert (progress.step, progress.solved_step, progress.best_step, progress.best_return) == (
        60,
        20,
        30,
        9.0,
    )
    assert set(saved) >= {10, 20, 30, 40, 60} and 50 not in saved, (
        "what is better than ever is saved at once"
    )


def test_what_is_saved_when_solved_says_that_it_is_solved():
    states = []
    settings = TrainSettings(steps=60, evaluate_every=10, solved_at=5.0)
    many = EnvBatch("probe/Counter-v0", 1, seed=0)

    def save(progress: Progress) -> None:
        if not any(
            step == progress.step for step, _ in states
        ):  # As Run.save does: a step is written once.
            states.append((progress.step, progress.solved_step))

    train(Scholar(), many, settings, Progress(), evaluator=Judge(1.0, 5.0), save=save)
    assert states[-1] == (20, 20)


def test_evaluating_asks_for_no_exploration():
    scholar = Scholar()
    school(scholar, steps=10, evaluator=Judge(1.0), evaluate_every=10)
    assert scholar.told.count("exploit") == 1 and scholar.told.count("act") == 10


def test_a_loss_that_is_not_finite_stops_the_run_and_saves_nothing_of_it():
    ear, saved = Ear(), []
    settings = TrainSettings(steps=100, log_every=10, checkpoint_every=20)
    many = EnvBatch("probe/Counter-v0", 1, seed=0)
    with pytest.raises(WorkError, match="losses/qf_loss is not finite at step 51"):
        train(
            Scholar(dies_at=51),
            many,
            settings,
            Progress(),
            loggers=[ear],
            save=lambda now: saved.append(now.step),
        )
    assert saved == [20, 40]


@pytest.mark.parametrize("env", ["probe/Counter-v0", "poise/Cartpole-v0", "Pendulum-v1"])
def test_an_action_that_is_not_finite_is_the_works_fault_and_not_the_users(env):
    many = EnvBatch(env, 1, seed=0)
    with pytest.raises(WorkError, match="action") as told:
        train(Scholar(action=math.nan), many, TrainSettings(steps=10), Progress())
    assert not isinstance(told.value, UserError)


def test_an_evaluation_is_the_same_every_time_and_on_seeds_of_its_own():
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


def test_more_episodes_than_fit_side_by_side_are_the_same_episodes(monkeypatch):
    push = lambda observation: np.sin(50.0 * observation[:, :1])  # noqa: E731
    whole = Evaluator("poise/Cartpole-v0", {}, 7)(push)
    monkeypatch.setattr("poise.toolkit.evaluation.MAX_PARALLEL_EPISODES", 3)
    evaluator = Evaluator("poise/Cartpole-v0", {}, 7)
    assert len(evaluator.envs) == 3
    for part, same in zip(vars(whole).values(), vars(evaluator(push)).values(), strict=True):
        np.testing.assert_array_equal(part, same)


def test_episodes_can_be_cut_after_some_steps():
    score = Evaluator("poise/Reacher2D-v0", {}, 2, max_steps=40)(
        lambda observation: np.zeros((len(observation), 2))
    )
    np.testing.assert_array_equal(score.lengths, [40, 40])


@pytest.mark.parametrize("env", ["poise/Cartpole-v0", "poise/Reacher2D-v0"])
def test_what_the_terms_paid_adds_up_to_the_return(env):
    evaluator = Evaluator(env, {}, 3)
    score = evaluator(make_random_policy(evaluator.envs[0], 0))
    told = score.metrics()
    np.testing.assert_allclose(score.reward_contributions.sum(axis=1), score.returns, atol=1e-9)
    assert sum(told[name] for name in told if name.startswith(REWARD_PREFIX)) == pytest.approx(
        told["eval/return"]
    )
    assert told[RETURN_STD] == score.returns.std() > 0.0


def test_a_world_by_others_tells_no_terms():
    evaluator = Evaluator("probe/Counter-v0", {}, 2)
    told = evaluator(lambda seen: np.ones((len(seen), 1), np.float32)).metrics()
    assert set(told) == {"eval/return", "eval/length", "eval/success", RETURN_STD}


def test_success_is_what_the_world_says_or_else_not_failing():
    def judge(env: str, action: float, size: int = 1) -> float:
        evaluator = Evaluator(env, {}, 4)
        score = evaluator(lambda seen: np.full((len(seen), size), action, np.float32)).metrics()
        evaluator.close()
        return score["eval/success"]

    assert judge("probe/Counter-v0", 1.0) == 0.0, "it died"
    assert judge("probe/Counter-v0", -1.0) == 1.0, "it lived to its time limit"
    assert judge("poise/Reacher2D-v0", 0.0, 2) == 0.0, "it never failed, but took no pose"


# Files.


def test_csv_files_have_the_columns_that_people_expect(tmp_path: Path):
    files = CsvLogger(tmp_path)
    files(5, 0.25, {EPISODE: 1, RETURN: 2.5, LENGTH: 5})
    files(6, 0.5, {"charts/SPS": 100.0, "losses/alpha": 0.1})
    assert (
        tmp_path / "episodes.csv"
    ).read_text() == "step,episode,return,length,seconds\n5,1,2.5,5,0.250\n"
    expected = "step,seconds,name,value\n6,0.500,charts/SPS,100.0\n6,0.500,losses/alpha,0.1\n"
    assert (tmp_path / "metrics.csv").read_text() == expected, "every row is on the disk at once"
    files.close()


def test_csv_files_go_on_from_a_step_and_drop_what_will_come_again(tmp_path: Path):
    files = CsvLogger(tmp_path)
    for step in (5, 10, 15):
        files(step, 0.0, {EPISODE: step // 5, RETURN: 1.0, LENGTH: 5})
        files(step, 0.0, {"losses/alpha": 0.5})
    files.close()
    CsvLogger(tmp_path, step=10).close()
    for name in ("episodes.csv", "metrics.csv"):
        with (tmp_path / name).open(newline="") as file:
            assert [row["step"] for row in csv.DictReader(file)] == ["5", "10"]


def test_csv_files_lose_nothing_when_the_disk_is_full(tmp_path: Path):
    files = CsvLogger(tmp_path)
    files(5, 0.0, {EPISODE: 1, RETURN: 1.0, LENGTH: 5})
    files(5, 0.0, {"losses/alpha": 0.5})
    files.close()
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}
    program = f"""
import pathlib, resource, poise.toolkit.loggers
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # No file may grow: as on a full disk.
poise.toolkit.loggers.CsvLogger(pathlib.Path({str(tmp_path)!r}), step=5)
"""
    assert "OSError" in python("-c", program).stderr
    assert {name: (tmp_path / name).read_text() for name in before} == before


def test_a_run_folder_holds_everything_that_the_design_names(tmp_path: Path):
    run = start_run(tmp_path, video=True).run
    names = {path.name for path in run.path.iterdir() if not path.name.startswith("events.")}
    assert names == {
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


def test_tensorboard_reads_what_the_csv_holds(tmp_path: Path):
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


# Looking does not touch.


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that nobody looked at."""
    return start_run(tmp_path_factory.mktemp("plain"), evaluate_every=0, log_every=1000).run


@pytest.mark.parametrize(
    "looks",
    [
        {},
        {"evaluate_every": 7, "evaluate_episodes": 3},
        {"video": True, "evaluate_every": 100},
        {"log_every": 1, "listen": lambda config: lambda *heard: np.random.default_rng().random(5)},
        {"checkpoint_every": 9},
    ],
    ids=["again", "evaluated", "filmed", "listened to", "saved often"],
)
def test_the_weights_come_out_the_same_however_closely_one_looks(plain, looks, tmp_path):
    watched = start_run(tmp_path, **{"evaluate_every": 0, "log_every": 1000, **looks}).run
    one, two = state_of(plain), state_of(watched)
    assert one.keys() == two.keys() and any(name.startswith("optimizer_critic") for name in one)
    differing = [
        name for name in one if not name.startswith("progress.") and one[name] != two[name]
    ]
    assert not differing


def test_another_seed_is_another_run(plain, tmp_path):
    other = start_run(tmp_path, evaluate_every=0, log_every=1000, seed=1).run
    assert (
        state_of(other)["policy.actor.layers.0.weight"]
        != state_of(plain)["policy.actor.layers.0.weight"]
    )
