"""Experience: transitions, environment states, environments by id, episodes and tapes."""

import itertools
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from processes import python
from sample_envs import FALLING, OUR_IDS, bang_bang_actions, make

from poise.toolkit.environment import BaseEnvironment
from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.experience import EnvBatch, collect, run_episode
from poise.toolkit.registry import (
    make_env,
    registered_ids,
    resolve_env_id,
    short_name,
    unwrap_poise_env,
)
from poise.toolkit.tape import Tape


def random_policy(envs: EnvBatch, seed: int = 0):
    """Return a policy with random actions."""
    rng = np.random.default_rng(seed)
    shape = envs.action_space.shape
    return lambda observation: rng.uniform(-1.0, 1.0, (len(observation), *shape)).astype(np.float32)


def constant_policy(action: float):
    """Return a policy with a constant action."""
    return lambda observation: np.full((len(observation), 1), action, np.float32)


# Transitions.


@pytest.mark.parametrize("number", [1, 3])
def test_transition_at_episode_end_holds_true_successor(number):
    """An observation of the counter holds its episode and its age."""
    envs = EnvBatch("probe/Counter-v0", number, seed=0)
    ends = 0
    for transition in itertools.islice(collect(envs, random_policy(envs)), 100):
        assert np.array_equal(transition.observation[:, 0], transition.next_observation[:, 0]), (
            "one episode"
        )
        assert np.array_equal(
            transition.observation[:, 1] + 1, transition.next_observation[:, 1]
        ), "one step"
        assert np.array_equal(transition.reward, transition.next_observation.sum(axis=1))
        over = transition.terminated | transition.truncated
        assert np.array_equal(envs.observation[~over], transition.next_observation[~over])
        assert (envs.observation[over, 1] == 0).all(), (
            "the next action follows the next episode's first observation"
        )
        ends += over.sum()
    assert ends >= 10 * number


@pytest.mark.parametrize(("action", "terminated", "length"), [(1.0, True, 7), (-1.0, False, 10)])
def test_transition_distinguishes_termination_from_truncation(action, terminated, length):
    envs = EnvBatch("probe/Counter-v0", 2, seed=0)
    transitions = list(itertools.islice(collect(envs, constant_policy(action)), 2 * length))
    for index, transition in enumerate(transitions, 1):
        over = index % length == 0
        assert transition.terminated.tolist() == [over and terminated] * 2
        assert transition.truncated.tolist() == [over and not terminated] * 2
    assert [ended.length for ended in envs.finished_episodes] == [length] * 2
    rewards = sum(transition.reward for transition in transitions[length:])
    assert [ended.total_reward for ended in envs.finished_episodes] == rewards.tolist()


def test_transition_has_documented_shapes_and_types():
    envs = EnvBatch("poise/Standing-v0", 3, seed=0)
    transition = next(collect(envs, random_policy(envs)))
    shapes = {name: (value.shape, value.dtype.name) for name, value in transition._asdict().items()}
    assert shapes == {
        "observation": ((3, 30), "float32"),
        "action": ((3, 4), "float32"),
        "reward": ((3,), "float32"),
        "next_observation": ((3, 30), "float32"),
        "terminated": ((3,), "bool"),
        "truncated": ((3,), "bool"),
    }


def test_transition_is_not_overwritten_by_later_steps():
    envs = EnvBatch("probe/Counter-v0", 2, seed=0)
    kept = list(itertools.islice(collect(envs, constant_policy(1.0)), 30))
    again = list(
        itertools.islice(collect(EnvBatch("probe/Counter-v0", 2, seed=0), constant_policy(1.0)), 30)
    )
    for one, two in zip(kept, again, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_every_episode_of_every_env_has_its_own_seed():
    envs = EnvBatch("probe/Counter-v0", 3, seed=0)
    marks = [set() for _ in range(3)]
    for transition in itertools.islice(collect(envs, constant_policy(1.0)), 70):
        for index, mark in enumerate(transition.observation[:, 0]):
            marks[index].add(mark)
    assert all(len(episode_marks) >= 9 for episode_marks in marks)
    assert not marks[0] & marks[1] and not marks[1] & marks[2]


def test_env_does_not_depend_on_batch_size():
    alone, among = (
        EnvBatch("poise/Cartpole-v0", 1, seed=5),
        EnvBatch("poise/Cartpole-v0", 4, seed=5),
    )
    for one, four in itertools.islice(
        zip(
            collect(alone, constant_policy(0.3)), collect(among, constant_policy(0.3)), strict=False
        ),
        200,
    ):
        assert one.next_observation[0].tobytes() == four.next_observation[0].tobytes()


@pytest.mark.parametrize("what", ["observation", "reward"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_non_finite_value_is_refused_and_named(what, value):
    envs = EnvBatch("probe/Breaks-v0", 2, 0, {"what": what, "value": value})
    with pytest.raises(WorkError, match=f"the {what} of environment 0 is not finite"):
        for _ in itertools.islice(collect(envs, constant_policy(0.0)), 10):
            pass


# States.


@pytest.mark.parametrize("env_id", [*OUR_IDS, "Pendulum-v1", "probe/Counter-v0", "probe/Named-v0"])
@pytest.mark.parametrize("steps", [0, 1, 37, 150])
def test_set_state_continues_bit_identical(env_id, steps):
    one = EnvBatch(env_id, 3, seed=1)
    two = EnvBatch(env_id, 3, seed=1)
    for _ in itertools.islice(collect(one, random_policy(one)), steps):
        pass
    two.set_state(one.get_state())
    assert one.observation.tobytes() == two.observation.tobytes()
    ended = 0
    pair = zip(
        collect(one, random_policy(one, 7)), collect(two, random_policy(two, 7)), strict=False
    )
    for first, second in itertools.islice(pair, 120):
        assert all(a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True))
        assert [(e.total_reward, e.length) for e in one.finished_episodes] == [
            (e.total_reward, e.length) for e in two.finished_episodes
        ]
        ended += len(one.finished_episodes)
    assert ended or env_id not in FALLING


def test_get_state_holds_plain_data():
    envs = EnvBatch("poise/Cartpole-v0", 2, seed=0)
    for _ in itertools.islice(collect(envs, random_policy(envs)), 50):
        pass
    assert all(isinstance(value, np.ndarray | list) for value in envs.get_state().values())


def test_state_is_not_changed_by_later_steps():
    envs = EnvBatch("poise/Cartpole-v0", 1, seed=0)
    stream = collect(envs, random_policy(envs))
    for _ in itertools.islice(stream, 5):
        pass
    state = envs.get_state()
    before = {name: np.array(value).tobytes() for name, value in state.items()}
    for _ in itertools.islice(stream, 60):
        pass
    envs.set_state(state)
    assert {name: np.array(value).tobytes() for name, value in state.items()} == before


def test_set_state_of_non_deterministic_env_is_refused():
    one = EnvBatch("probe/Forgetful-v0", 1, seed=0)
    for _ in itertools.islice(collect(one, constant_policy(0.0)), 5):
        pass
    with pytest.raises(WorkError, match="cannot be resumed exactly"):
        EnvBatch("probe/Forgetful-v0", 1, seed=0).set_state(one.get_state())


# Environments by id.


def test_short_name_of_any_id():
    assert {short_name(env_id) for env_id in OUR_IDS} >= {
        "cartpole",
        "standing",
        "bolla-rolla",
        "reacher2d",
    }
    assert short_name("my_module:MyEnv-v0") == "my-env"
    assert short_name("Pendulum-v1") == "pendulum"


@pytest.mark.parametrize("env_id", OUR_IDS)
def test_short_name_resolves_to_its_id(env_id):
    assert resolve_env_id(short_name(env_id)) == resolve_env_id(env_id) == env_id


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cartpol", "did you mean 'cartpole'"),
        ("Pendulum-v9", "did you mean 'Pendulum-v1'"),
        ("poise/Cartpol-v0", "did you mean 'poise/Cartpole-v0'"),
        ("???", "choose from arm7, bolla-rolla, cartpole"),
        ("", "choose from"),
    ],
)
def test_unknown_env_is_user_error_with_nearest_name(name, message):
    with pytest.raises(UserError, match=message):
        resolve_env_id(name)


def test_action_space_is_rescaled_to_minus_one_to_one():
    pendulum = make_env("Pendulum-v1")
    assert pendulum.action_space.low.tolist() == [-1.0] and pendulum.action_space.high.tolist() == [
        1.0
    ]
    uneven = make_env("probe/Uneven-v0")
    uneven.reset(seed=0)
    assert [uneven.step(np.array([a], np.float32))[1] for a in (-1.0, 0.0, 1.0)] == pytest.approx(
        [0.0, 5.0, 10.0]
    )


def test_full_action_on_pendulum_is_full_torque():
    scaled = make_env("Pendulum-v1")
    plain = make("Pendulum-v1")
    scaled.reset(seed=0)
    plain.reset(seed=0)
    np.testing.assert_allclose(
        scaled.step(np.array([1.0]))[0], plain.step(np.array([2.0]))[0], rtol=1e-6
    )


def test_dict_observation_is_flattened():
    env = make_env("probe/Named-v0")
    observation, _ = env.reset(seed=0)
    assert isinstance(
        env.observation_space, gymnasium.spaces.Box
    ) and env.observation_space.shape == (5,)
    assert observation.tolist() == [0.25, 0.25, -0.5, -0.5, -0.5]


def test_action_without_bounds_is_refused():
    with pytest.raises(UserError, match="without bounds"):
        make_env("probe/Boundless-v0")


def test_poise_env_is_not_wrapped():
    for env_id in OUR_IDS:
        env = make_env(env_id)
        assert isinstance(unwrap_poise_env(env), BaseEnvironment)
        assert not isinstance(env, gymnasium.wrappers.RescaleAction)
    assert unwrap_poise_env(make_env("Pendulum-v1")) is None


@pytest.mark.parametrize(
    ("env_id", "settings", "message"),
    [
        (
            "no_such_module:Environment-v0",
            {},
            "needs the module 'no_such_module', which is not installed",
        ),
        ("probe/NeedsMore-v0", {}, "needs the module 'module_of_an_extra', which is not installed"),
        ("math:Environment-v0", {}, "cannot be made"),
        (":Environment-v0", {}, "cannot be made"),
        ("a:b:c", {}, "cannot be made"),
        ("Pendulum-v1", {"gravity": 3}, "unknown setting 'gravity' of Pendulum-v1"),
        ("poise/Cartpole-v0", {"forse": 3}, "did you mean 'force'"),
    ],
)
def test_env_that_cannot_be_made_is_user_error_of_one_line(env_id, settings, message):
    with pytest.raises(UserError, match=message) as refused:
        make_env(env_id, settings)
    assert "\n" not in str(refused.value)


def test_env_of_user_module_is_found_by_id():
    """`my_module:MyEnv-v0`, in a process that has not imported the module."""
    program = (
        "from poise.toolkit.experience import EnvBatch; "
        "print(EnvBatch('probes:probe/Counter-v0', 2, 0).observation.shape)"
    )
    result = python("-c", program)
    assert result.stdout.strip() == "(2, 2)", result.stderr


def test_gymnasium_make_with_module_prefix_needs_no_import(tmp_path):
    program = (
        "import gymnasium; print(gymnasium.make('poise:poise/Cartpole-v0').reset(seed=0)[0].shape)"
    )
    result = python("-c", program, cwd=tmp_path)
    assert result.stdout.strip() == "(4,)", result.stderr.strip().splitlines()[-1]


def test_registered_ids_are_in_poise_namespace():
    assert registered_ids() and all(env_id.startswith("poise/") for env_id in registered_ids())


# Episodes and tapes.


def test_run_episode_yields_start_and_one_step_per_action():
    steps = list(run_episode(make("probe/Counter-v0"), constant_policy(1.0), seed=3))
    assert len(steps) == 8
    assert steps[0].action is None and steps[0].reward == 0.0
    assert [step.observation[1] for step in steps] == list(range(8))
    assert [step.terminated for step in steps] == [False] * 7 + [True]
    assert not any(step.truncated for step in steps)
    assert list(run_episode(make("probe/Counter-v0"), constant_policy(-1.0), seed=3))[-1].truncated


@pytest.mark.parametrize("env_id", OUR_IDS)
def test_saved_tape_replays_bit_identical(env_id, tmp_path):
    settings = {"reset_noise_scale": 0.05}
    actions = iter(bang_bang_actions(make(env_id), 1000))
    steps = list(
        run_episode(make(env_id, **settings), lambda observation: next(actions)[None], seed=11)
    )
    Tape.from_steps(env_id, settings, 11, steps).save(tmp_path / "tape")
    tape = Tape.load(tmp_path / "tape")
    assert (tape.env, tape.settings, tape.seed, len(tape.actions)) == (
        env_id,
        settings,
        11,
        len(steps) - 1,
    )
    assert (tmp_path / "tape").stat().st_size < 50 * len(steps) + 1000, "a few kilobytes"
    for overrides in ({}, {"width": 32, "height": 32}):
        again = list(tape.replay(tape.make_env(**overrides)))
        assert len(again) == len(steps)
        for one, two in zip(steps, again, strict=True):
            assert one.observation.tobytes() == two.observation.tobytes()
            assert (one.reward, one.terminated, one.truncated) == (
                two.reward,
                two.terminated,
                two.truncated,
            )


def test_tape_of_unfinished_episode_replays_to_its_end(tmp_path):
    steps = list(
        itertools.islice(run_episode(make("probe/Counter-v0"), constant_policy(-1.0), seed=2), 5)
    )
    tape = Tape.from_steps("probe/Counter-v0", {}, 2, steps)
    assert len(list(tape.replay(tape.make_env()))) == 5


def test_replay_of_cut_tape_ends_early_and_difference_names_its_step():
    steps = list(
        itertools.islice(run_episode(make("probe/Counter-v0"), constant_policy(-1.0), seed=2), 6)
    )
    tape = Tape.from_steps("probe/Counter-v0", {}, 2, steps)
    assert len(list(replace(tape, actions=tape.actions[:3]).replay(tape.make_env()))) == 4
    checksums = tape.checksums.copy()
    checksums[4] += 1
    with pytest.raises(WorkError, match="differs from the tape from step 4 on"):
        list(replace(tape, checksums=checksums).replay(tape.make_env()))
    by_hand = Tape("probe/Counter-v0", {}, 2, -tape.actions)
    assert len(list(by_hand.replay(by_hand.make_env()))) == 6


def test_replay_that_ends_before_its_tape_is_refused():
    steps = list(run_episode(make("probe/Counter-v0"), constant_policy(1.0), seed=2))
    tape = Tape.from_steps("probe/Counter-v0", {}, 2, steps)
    longer = replace(
        tape,
        actions=np.concatenate([tape.actions] * 2),
        checksums=np.concatenate([tape.checksums] * 2),
    )
    with pytest.raises(WorkError, match=f"from step {len(steps) - 1} on"):
        list(longer.replay(tape.make_env()))


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x00" * 100, None])
def test_loading_another_file_as_tape_is_user_error(tmp_path, content):
    path = tmp_path / "tape"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match="is not a tape"):
        Tape.load(path)


def test_tape_that_cannot_be_written_is_os_error(tmp_path):
    with pytest.raises(OSError, match="tape"):
        Tape("probe/Counter-v0", {}, 0, np.zeros((3, 1), np.float32)).save(
            tmp_path / "nowhere" / "tape"
        )
