"""LearnerEnv: values of any space in, values of any space out, and errors that say where."""

import functools
import signal

import gymnasium
import numpy as np
import pytest
import torch
from commands import assert_one_line, invoke
from gymnasium.spaces import (
    Box,
    Dict,
    Discrete,
    Graph,
    MultiBinary,
    MultiDiscrete,
    Sequence,
    Text,
    Tuple,
)
from sample_runs import start_run

import poise
from poise import algos
from poise.toolkit.conversion import (
    ObservationEncoder,
)
from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.evaluation import Evaluator
from poise.toolkit.experience import EnvBatch, make_env_batch, run_episode
from poise.toolkit.registry import make_env
from poise.toolkit.run import Run, parse_step
from poise.toolkit.tape import Tape
from poise.toolkit.wrappers import LearnerEnv
from poise.tools.train.session import resume_training

UNIT = Box(-1.0, 1.0, (2,), np.float32)
BYTES = {"low": 0, "high": 255, "dtype": np.uint8}
GOOD = np.array([0.5, -0.5], np.float32)


class Scripted(gymnasium.Env):
    """Gives what it is made with, and records the actions that it is given."""

    def __init__(self, observation_space=UNIT, action_space=UNIT, **outputs):
        self.observation_space = observation_space
        self.action_space = action_space
        self.outputs = {
            "start": GOOD,
            "observation": GOOD,
            "reward": 1.0,
            "terminated": False,
            "truncated": False,
            "info": {},
            **outputs,
        }
        self.actions = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.outputs.get("reset", (self.outputs["start"], {}))

    def step(self, action):
        self.actions.append(action)
        names = ("observation", "reward", "terminated", "truncated", "info")
        return self.outputs.get("step", tuple(self.outputs[name] for name in names))


def run_step(**outputs):
    """Return the results of a reset and a step of an environment behind a LearnerEnv."""
    env = LearnerEnv(Scripted(**outputs))
    return env.reset(seed=7), env.step(np.zeros(env.action_space.shape, np.float32))


# Actions.


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (Box(-np.inf, np.inf, (1,), np.float32), "without bounds"),
        (Box(np.array([0, -np.inf]), np.ones(2), dtype=np.float64), "without bounds"),
        (Dict({"grip": Box(0, np.inf, (1,), np.float32)}), r"action\['grip'\] is without bounds"),
        (Tuple([Box(0, 1, (1,), np.float32), Discrete(2)]), "all parts of its action"),
        (Text(3), "a Text space is not supported"),
        (Sequence(Discrete(2)), "a Sequence space is not supported"),
        (Box(0, 1, (0,), np.float32), "empty"),
    ],
)
def test_unsupported_action_is_one_line_that_says_how_to_wrap_it(space, message):
    with pytest.raises(UserError, match=message) as refused:
        LearnerEnv(Scripted(action_space=space))
    assert "wrap the environment" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_environment_that_changes_its_action_changes_no_transition():
    class Doubles(Scripted):
        def step(self, action):
            action *= 2.0
            return super().step(action)

    env = LearnerEnv(Doubles())
    env.reset()
    action = np.full(2, 0.25, np.float32)
    env.step(action)
    assert action.tolist() == [0.25, 0.25]


@pytest.mark.parametrize(
    ("space", "action", "problem"),
    [
        (UNIT, [np.nan, 0.0], "is not finite"),
        (UNIT, [0.0, -np.inf], "is not finite"),
        (UNIT, [0.0], "has the wrong size"),
        (UNIT, [0.0] * 3, "has the wrong size"),
        (Discrete(3, start=2), 1, "is outside of its space"),
        (MultiBinary(2), [0, 2], "is outside of its space"),
    ],
)
def test_action_that_does_not_fit_is_named_and_never_given(space, action, problem):
    env = LearnerEnv(Scripted(action_space=space))
    env.reset(seed=0)
    with pytest.raises(WorkError, match=f"the action of Scripted {problem} at step 1 of episode 0"):
        env.step(np.array(action))
    assert not env.env.actions


def test_action_of_a_poise_environment_that_is_not_finite_is_an_error_of_the_work():
    env = make_env("poise/Cartpole-v0")
    env.reset(seed=0)
    with pytest.raises(WorkError, match=r"poise/Cartpole-v0 failed at step 1 .*not finite"):
        env.step(np.array([np.nan]))


# Observations.


@pytest.mark.parametrize(
    ("space", "given_value", "expected"),
    [
        (UNIT, [0, 1], [0.0, 1.0]),
        (UNIT, np.array([False, True]), [0.0, 1.0]),
        (UNIT, np.array([0.25, 0.5], np.float64), [0.25, 0.5]),
        (UNIT, np.array([[0.25], [0.5]], np.float16), [0.25, 0.5]),
        (Box(-1, 1, (), np.float32), 0.5, [0.5]),
        (Box(-1, 1, (1,), np.float32), 0.5, [0.5]),
        (Box(-1, 1, (2, 2), np.float32), np.array([[0.0, 0.1], [0.2, 0.3]]), [0.0, 0.1, 0.2, 0.3]),
        (Box(shape=(3,), **BYTES), np.array([0, 7, 255]), [0, 7, 255]),
        (Box(0, 2, (2, 2, 2), np.uint8), np.ones((2, 2, 2)), [1] * 8),
        (Box(-9, 9, (2,), np.int64), np.array([-3.0, 4.0]), [-3, 4]),
        (Discrete(3), 2, [0, 0, 1]),
        (Discrete(3, start=5), np.array([5]), [1, 0, 0]),
        (MultiDiscrete([2, 3]), [1, 0], [0, 1, 1, 0, 0]),
        (MultiDiscrete([2, 3], start=[5, -1]), [6, -1], [0, 1, 1, 0, 0]),
        (MultiDiscrete([[2], [3]]), [[1], [0]], [0, 1, 1, 0, 0]),
        (MultiBinary((2, 2)), [[True, False], [0, 1]], [1, 0, 0, 1]),
        (Tuple([Discrete(2), UNIT]), (1, GOOD), [0, 1, 0.5, -0.5]),
        (
            Dict({"observation": UNIT, "achieved": UNIT, "desired": Dict({"x": UNIT})}),
            {"observation": GOOD, "achieved": GOOD * 0, "desired": {"x": [1, 0]}},
            [0.0, 0.0, 1.0, 0.0, 0.5, -0.5],
        ),
        (Dict({"a": Box(shape=(2,), **BYTES)}), {"a": np.array([3, 4], np.int32)}, [3, 4]),
    ],
)
def test_observation_has_the_type_of_its_space_at_reset_and_at_steps(space, given_value, expected):
    (start, _), (observation, *_) = run_step(
        observation_space=space, start=given_value, observation=given_value
    )
    encoder = ObservationEncoder(space)
    for row in (start, observation):
        assert row.dtype == encoder.space.dtype and row.dtype in (np.float32, np.float64)
        assert row in encoder.space
        np.testing.assert_allclose(row, expected, rtol=1e-6)


class Mission(gymnasium.Space):
    """A space of sentences, as MiniGrid has one."""


@pytest.mark.parametrize("space", [Sequence(UNIT), Graph(UNIT, None), Mission((), str)])
def test_unsupported_observation_is_one_line_that_says_how_to_wrap_it(space):
    image = Box(shape=(7, 7, 3), **BYTES)
    name = type(space).__name__
    for whole, place in ((space, "observation"), (Dict({"i": image, "m": space}), r"\['m'\]")):
        with pytest.raises(UserError, match=rf"{place} is in an? {name} space") as refused:
            LearnerEnv(Scripted(observation_space=whole))
        assert "wrap the environment" in str(refused.value)
        assert "\n" not in str(refused.value)


IMAGE = Box(shape=(8, 8, 3), **BYTES)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (Dict({}), "the observation is empty: wrap the environment"),
        (Tuple(()), "the observation is empty: wrap the environment"),
        (Dict({"a": Dict({}), "b": Tuple(())}), "the observation is empty: wrap the environment"),
        (Box(0, 1, (0,), np.float32), "the observation is empty: wrap the environment"),
        (Dict({"l": IMAGE, "r": IMAGE}), "this one has l, r: wrap the environment"),
        (None, "declares no observation_space: set it"),
    ],
)
def test_observation_of_no_number_or_two_images_is_one_line_that_says_what_to_do(space, message):
    with pytest.raises(UserError, match=message) as refused:
        LearnerEnv(Scripted(observation_space=space))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("space", "value", "message"),
    [
        (UNIT, [np.nan, 0], r"is not finite at {place}: observation\[0\] is nan"),
        (UNIT, [0, -np.inf], r"is not finite at {place}: observation\[1\] is -inf"),
        (Box(-np.inf, np.inf, (1,), np.float64), [1e300], r"not finite .*observation\[0\] is 1e\+"),
        (Box(-1, 1, (2, 2), np.float32), [[0, 0], [np.nan, 0]], r"observation\[1\]\[0\] is nan"),
        (Dict({"goal": UNIT}), {"goal": [0, np.nan]}, r"observation\['goal'\]\[1\] is nan"),
        (Dict({"goal": UNIT}), {"gaol": [0, 0]}, r"lacks a part .* has \['goal'\]"),
        (Dict({"goal": UNIT}), GOOD, "lacks a part"),
        (UNIT, np.zeros(3), r"has the wrong shape .*shape \(3,\), and its space \(2,\)"),
        (Box(-1, 1, (2, 3), np.float32), np.zeros((3, 2)), "has the wrong shape"),
        (UNIT, 0.5, "has the wrong shape"),
        (UNIT, None, "is not a number .*of type NoneType"),
        (UNIT, "up", "is not a number .*of type str"),
        (UNIT, [1j, 0], "is not a number .*of type complex"),
        (UNIT, [[0], [0, 1]], "is not a number"),
        (UNIT, {"a": 1}, "is not a number .*of type dict"),
        (Box(0, 9, (1,), np.int64), [0.5], "holds 0.5, and its space is of int64"),
        (Box(shape=(4, 4, 3), **BYTES), np.full((4, 4, 3), 0.5), "holds 0.5"),
        (Box(shape=(4, 4, 3), **BYTES), np.full((4, 4, 3), 256), "holds 256"),
        (Box(shape=(4, 4, 3), **BYTES), np.full((4, 4, 3), np.nan), "holds nan"),
        (Discrete(3), 3, "is outside of its space"),
        (Discrete(3), -1, "is outside of its space"),
        (MultiBinary(2), [2, 0], "is outside of its space"),
    ],
)
@pytest.mark.parametrize("at", ["start", "observation"])
def test_observation_that_does_not_fit_is_named_where_it_enters(space, value, message, at):
    zero = space.sample()
    place = f"{'the start' if at == 'start' else 'step 1'} of episode 0 \\(seed 7\\)"
    with pytest.raises(WorkError, match=message.replace("{place}", place)) as refused:
        run_step(observation_space=space, **{"start": zero, "observation": zero, at: value})
    assert "the observation of Scripted" in str(refused.value)
    assert place.replace("\\", "") in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "num_workers"),
    [*((kind, 1) for kind in ("int64", "bool", "int32", "float16", "float64")), ("int64", 2)],
)
def test_type_of_the_first_observation_cuts_no_later_one(kind, num_workers):
    envs = make_env_batch("probes:probe/Typed-v0", 2, 0, {"kind": kind}, num_workers)
    try:
        for step in range(1, 12):
            transition = envs.step(np.zeros((2, 1), np.float32))
            age = (step - 1) % 5 + 1
            assert transition.next_observation.dtype == np.float32
            np.testing.assert_allclose(transition.next_observation, [[age, 0.3 * age]] * 2, 1e-6)
    finally:
        envs.close()


# Values that enter beside the observation.


@pytest.mark.parametrize(
    "value", [2, 2.0, np.float32(2), np.array(2), np.array([2.0]), np.array([[2]]), [2.0]]
)
def test_reward_of_one_number_is_a_plain_float(value):
    reward = run_step(reward=value)[1][1]
    assert type(reward) is float and reward == 2.0
    assert run_step(reward=True)[1][1] == 1.0


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "is not finite .* it is nan"),
        (np.array([np.inf]), "is not finite"),
        (1e39, "is not finite"),
        (np.ones(2), r"is not a single number .*shape \(2,\)"),
        (np.ones(0), "is not a single number"),
        (None, "is not a number"),
        ("1.0", "is not a number"),
        (1 + 0j, "is not a number"),
        ({}, "is not a number"),
        (10**400, "is not a number"),
    ],
)
def test_reward_that_is_no_finite_number_is_named(value, message):
    with pytest.raises(WorkError, match=f"the reward of Scripted {message}"):
        run_step(reward=value)


@pytest.mark.parametrize("name", ["terminated", "truncated"])
def test_flag_is_a_truth_value_or_is_refused(name):
    index = {"terminated": 2, "truncated": 3}[name]
    for value in (True, 1, np.bool_(True), np.array([1.0])):
        assert run_step(**{name: value})[1][index] is True
    for value in (None, "False", 0.5, np.zeros(2), np.nan):
        with pytest.raises(WorkError, match=f"the flag '{name}' of Scripted"):
            run_step(**{name: value})


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"step": (GOOD, 1.0, False, {})}, r"step\(\) of Scripted returned 4 values"),
        ({"step": None}, r"step\(\) of Scripted returned a NoneType"),
        ({"reset": GOOD}, r"reset\(\) of Scripted returned a ndarray"),
        ({"reset": (GOOD,)}, r"reset\(\) of Scripted returned 1 values"),
        ({"info": None}, "the info of Scripted is not a dictionary"),
        ({"reset": (GOOD, None)}, "the info of Scripted is not a dictionary"),
    ],
)
def test_wrong_tuple_is_refused_with_the_right_one(outputs, message):
    with pytest.raises(WorkError, match=message):
        run_step(**outputs)


def test_wrong_tuple_is_refused_inside_of_the_time_limit():
    gymnasium.register(
        "probe/Old-v0",
        entry_point=lambda **_: Scripted(step=(GOOD, 1.0, False, {})),
        max_episode_steps=5,
    )
    env = make_env("probe/Old-v0")
    env.reset(seed=0)
    with pytest.raises(WorkError, match="returned 4 values"):
        env.step(np.zeros(2))
    del gymnasium.registry["probe/Old-v0"]


# Errors of the environment itself.


@pytest.mark.parametrize("what", ["exit", "error"])
@pytest.mark.parametrize("at_step", [0, 2])
def test_exit_or_error_of_an_environment_is_its_error(what, at_step):
    settings = {"what": what, "at_step": at_step, "episode": 1}
    place = "step 2" if at_step else "the start"
    reason = "SystemExit: 0" if what == "exit" else "ZeroDivisionError: no wheel turns"
    message = rf"environment 1 failed at {place} of episode 0 \(seed \d+\): {reason} \(probes.py"
    with pytest.raises(WorkError, match=message):
        envs = EnvBatch("probe/Glitch-v0", 1, 0, settings, first_env_index=1)
        for _ in range(2):
            envs.step(np.zeros((1, 1), np.float32))


@pytest.mark.parametrize("error", [SystemExit(0), ZeroDivisionError("no wheel turns")])
def test_exit_or_error_while_an_environment_is_made_is_one_line(error):
    def raise_error(**_):
        raise error

    gymnasium.register("probe/Unmade-v0", entry_point=raise_error)
    try:
        with pytest.raises(UserError, match="'probe/Unmade-v0' cannot be made") as refused:
            make_env("probe/Unmade-v0")
        assert type(error).__name__ in str(refused.value)
        assert "\n" not in str(refused.value)
    finally:
        del gymnasium.registry["probe/Unmade-v0"]


def test_interrupt_is_the_users_unless_signals_are_handled():
    env = make_env("probe/Glitch-v0", {"what": "interrupt", "episode": 1})
    with pytest.raises(KeyboardInterrupt):
        env.reset()
    previous = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        with pytest.raises(WorkError, match="KeyboardInterrupt"):
            env.reset()
    finally:
        signal.signal(signal.SIGINT, previous)


@pytest.mark.parametrize(
    ("what", "message", "num_workers"),
    [
        ("exit", "SystemExit", 1),
        ("exit", "SystemExit", 2),
        ("interrupt", "KeyboardInterrupt", 1),
        ("nan", "", 1),
    ],
)
def test_training_ends_with_one_line_and_exit_code_1(elsewhere, what, message, num_workers):
    words = ["--set", "evaluate_every=0", "--set", "rollout_steps=16", "--no-video"]
    result = invoke(
        *("train", "probes:probe/Glitch-v0", "--algo", "ppo", "--steps", "100", *words),
        *("--env-set", f"what={what}", "--num-envs", "2", "--num-workers", str(num_workers)),
    )
    assert_one_line(result, 1, message or "the observation of environment 0 is not finite")
    assert "of episode 2 (seed " in result.stderr


# No non-finite number is kept.


def finite(value):
    """Return whether all numbers in a nested structure are finite."""
    if isinstance(value, dict):
        return all(map(finite, value.values()))
    if isinstance(value, list):
        return all(map(finite, value))
    numbers = np.asarray(value)
    return numbers.dtype.kind not in "fc" or bool(np.isfinite(numbers).all())


@pytest.mark.parametrize("what", ["nan", "inf"])
def test_training_with_a_reset_that_is_not_finite_keeps_finite_checkpoints(what, tmp_path):
    settings = {"what": what, "episode": 13}
    gymnasium.register(
        "probe/LateGlitch-v0",
        entry_point="probes:Glitch",
        kwargs=settings,
        max_episode_steps=10,
    )
    message = r"observation of environment 0 is not finite at the start of episode 12 \(seed \d+\)"
    try:
        with pytest.raises(WorkError, match=message):
            start_run(tmp_path, env="probe/LateGlitch-v0", evaluate_every=0, checkpoint_every=50)
        run = Run(tmp_path / "run")
        assert [parse_step(folder) for folder in run.checkpoints()] == [50, 100, 119]
        for folder in run.checkpoints():
            assert finite(run.load_checkpoint(str(parse_step(folder)))[1])
        # The probe counts the resets of one process: the resumed run gets past its glitch.
        assert resume_training(run, {}).progress.step == 200
        assert finite(run.load_checkpoint("latest")[1]) and finite(run.summary())
    finally:
        del gymnasium.registry["probe/LateGlitch-v0"]


def test_evaluation_of_a_value_that_is_not_finite_is_refused_with_its_seed():
    evaluator = Evaluator("probe/Glitch-v0", {"what": "nan", "episode": 1, "at_step": 3}, 2)
    subject = "the observation of environment 0 of the evaluation"
    message = rf"{subject} is not finite at step 3 of episode 0 \(seed 1000000\)"
    with pytest.raises(WorkError, match=message):
        evaluator(lambda rows: np.zeros((len(rows), 1)))


def test_weights_that_are_not_finite_are_not_saved():
    learner = algos.make_learner("sac", "probe/SeeDo-v0", {}, {"hidden_sizes": [4]})
    learner.state_dict()
    with torch.no_grad():
        next(learner.networks["policy"].parameters()).fill_(float("nan"))
    with pytest.raises(WorkError, match="policy is not finite"):
        learner.state_dict()


# Arrays that the environment reuses.


class OneArray(Scripted):
    """Gives one array and one dictionary, and writes into them."""

    def __init__(self, length=4, **spaces):
        super().__init__(**spaces)
        self.shown = np.zeros(2, np.float32)
        self.facts = {}
        self.length = length

    def show(self, age):
        self.age = age
        self.shown[:] = 0.1 * age
        self.facts["age"] = age
        return self.shown

    def reset(self, *, seed=None, options=None):
        gymnasium.Env.reset(self, seed=seed)
        return self.show(0), self.facts

    def step(self, action):
        action[:] = 9.0
        return self.show(self.age + 1), 1.0, self.age >= self.length, False, self.facts


@pytest.mark.parametrize("wrap", [LearnerEnv, lambda env: env], ids=["learner", "author"])
def test_steps_of_an_episode_are_kept_though_the_environment_reuses_its_arrays(wrap):
    action = np.zeros((1, 2), np.float32)

    def act(observation):
        action[:] = observation
        return action

    steps = list(run_episode(wrap(OneArray()), act, 0))
    ages = np.arange(5)
    np.testing.assert_allclose([step.observation[0] for step in steps], 0.1 * ages, rtol=1e-6)
    np.testing.assert_allclose([step.action[0] for step in steps[1:]], 0.1 * ages[:-1], rtol=1e-6)
    assert [step.info["age"] for step in steps] == ages.tolist()
    tape = Tape.from_steps("probe/None-v0", {}, 0, steps)
    assert len(list(tape.replay(wrap(OneArray())))) == 5


def test_restored_state_changes_no_transition_and_no_state():
    envs = EnvBatch("probe/Typed-v0", 2, 0)
    for _ in range(3):
        transition = envs.step(np.zeros((2, 1), np.float32))
    state = envs.get_state()
    kept = transition.next_observation.copy()
    other = EnvBatch("probe/Typed-v0", 2, 0).get_state()
    envs.set_state(other)
    assert np.array_equal(transition.next_observation, kept)
    assert np.array_equal(state["observation"], kept)


# Images.


@pytest.mark.parametrize("shape", [(3, 64, 3), (8, 8, 8), (64, 3, 48), (3, 5, 3)])
def test_image_with_ambiguous_channels_is_refused_in_one_line(shape):
    with pytest.raises(UserError, match=r"channels first or last.*wrap the environment"):
        LearnerEnv(Scripted(observation_space=Box(shape=shape, **BYTES)))


# Learning in them.


@functools.cache
def register_mixed():
    """Register an environment with bytes, choices, goals and a matrix of actions."""
    parts = {
        "memory": Box(shape=(3,), **BYTES),
        "mode": Discrete(2, start=4),
        "goals": Tuple([Box(-1, 1, (2, 2), np.float64), MultiBinary(2)]),
    }
    space = Dict(parts)
    value = {
        "memory": np.array([0, 9, 255], np.uint8),
        "mode": 5,
        "goals": (np.eye(2), np.array([0, 1], np.int8)),
    }
    spaces = {"numbers": Box(0.0, 3.0, (2, 2), np.float32), "choices": MultiBinary((2, 2))}
    for name, action_space in spaces.items():
        gymnasium.register(
            f"probe/Mixed{name}-v0",
            entry_point=lambda action_space=action_space, **_: Scripted(
                space, action_space, start=value, observation=value
            ),
            max_episode_steps=5,
        )
    return value


@pytest.mark.parametrize(
    ("algo", "actions"), [("ppo", "numbers"), ("ppo", "choices"), ("sac", "numbers")]
)
def test_policy_of_nested_spaces_is_trained_and_acts_in_the_environments_own(
    elsewhere, algo, actions
):
    value = register_mixed()
    settings = {"hidden_sizes": [4], "normalize_observations": False, "evaluate_every": 0}
    more = {"learning_starts": 5} if algo == "sac" else {"rollout_steps": 10, "epochs": 1}
    env_id = f"probe/Mixed{actions}-v0"
    run = poise.train(env_id, algo=algo, steps=20, run="mixed", settings={**settings, **more})
    policy = poise.load(run.path)
    action = policy(value)
    assert policy.action_space.contains(action)
    stacked = {
        "memory": np.stack([value["memory"]] * 3),
        "mode": np.array([value["mode"]] * 3),
        "goals": tuple(np.stack([goal] * 3) for goal in value["goals"]),
    }
    assert np.array_equal(policy(stacked), np.stack([action] * 3))
