"""Laws that every environment of Poise obeys."""

import copy
import math
import pickle
import re
import textwrap
from functools import partial
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence
from processes import python
from sample_envs import (
    ACTING,
    BALANCING,
    FALLING,
    OUR_IDS,
    bang_bang_actions,
    bare,
    episode_digest,
    live,
    make,
    random_actions,
)

from poise.envs2d.planar import PlanarEnvironment
from poise.toolkit.environment import BaseEnvironment
from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.spaces import box_space, slices

EVERY = pytest.mark.parametrize("env_id", OUR_IDS)
BALANCED = pytest.mark.parametrize("env_id", BALANCING)
TIME_LIMITS = {
    "poise/Reacher2D-v0": 300,
    "poise/ReacherPlane3D-v0": 300,
    "poise/Reacher3D-v0": 300,
    "poise/Arm7-v0": 300,
}


@EVERY
def test_env_passes_gymnasium_check(env_id):
    env = gymnasium.make(env_id).unwrapped
    check_env(env)
    env.close()


@EVERY
def test_env_spaces_follow_from_signals(env_id):
    env = bare(env_id)
    assert isinstance(env, BaseEnvironment)
    for signals, space in (
        (env.OBSERVATION, env.observation_space),
        (env.ACTION, env.action_space),
    ):
        places = list(slices(signals).values())
        assert [place.start for place in places] == [0, *[place.stop for place in places[:-1]]]
        assert (places[-1].stop,) == space.shape
        for signal in signals:
            assert np.isfinite([signal.low, signal.high]).all() and signal.low < signal.high
            assert signal.unit and signal.meaning
    assert env.observation_space == box_space(env.OBSERVATION)
    assert np.all(env.action_space.low == -1.0) and np.all(env.action_space.high == 1.0)


@EVERY
def test_episode_with_same_seed_and_actions_is_bit_identical(env_id):
    env = bare(env_id)
    other = bare(env_id)
    first = episode_digest(env, seed=7)
    assert episode_digest(other, seed=7) == first
    for seed in range(5):
        episode_digest(env, seed, steps=30 + seed)
    assert episode_digest(env, seed=7) == first, "earlier episodes must have no effect"
    assert episode_digest(env, seed=8) != first


@EVERY
def test_episode_in_fresh_process_is_bit_identical(env_id):
    program = (
        "import sample_envs; "
        f"print(sample_envs.episode_digest(sample_envs.bare({env_id!r}), seed=7))"
    )
    result = python("-c", program)
    assert result.stdout.strip() == episode_digest(bare(env_id), seed=7), result.stderr


@EVERY
def test_rendering_does_not_change_observations(env_id):
    rendered = make(env_id, "rgb_array", width=32, height=32).unwrapped
    plain = bare(env_id)
    rendered.reset(seed=3)
    plain.reset(seed=3)
    for action in random_actions(rendered, 30):
        rendered.render()
        assert rendered.step(action)[0].tobytes() == plain.step(action)[0].tobytes()
    rendered.close()


@EVERY
@pytest.mark.parametrize("acting", ACTING)
def test_observation_under_any_policy_stays_in_signal_bounds(env_id, acting):
    env = make(env_id)
    first, _ = env.reset(seed=0)
    assert env.observation_space.contains(first)
    for observation, reward, terminated, truncated, info in live(env, ACTING[acting](env, 1000)):
        assert observation.dtype == np.float32
        assert env.observation_space.contains(observation)
        assert type(reward) is float and np.isfinite(reward)
        assert type(terminated) is bool and type(truncated) is bool
        assert np.isfinite(list(info["reward_terms"].values())).all()


@EVERY
def test_observations_change_and_do_not_share_memory(env_id):
    env = make(env_id)
    observations = [step[0] for step in live(env, random_actions(env, 50))]
    assert len({observation.tobytes() for observation in observations}) > 40


@EVERY
def test_reward_is_weighted_sum_of_terms(env_id):
    env_class = type(bare(env_id))
    assert len(env_class.REWARD) >= 2 and "survival" in env_class.REWARD
    for name, weights in env_class.REWARD.items():
        env = make(env_id, reward=name)
        for _, reward, _, _, info in live(env, random_actions(env, 100)):
            assert weights.keys() <= info["reward_terms"].keys()
            expected = sum(weight * info["reward_terms"][term] for term, weight in weights.items())
            assert reward == pytest.approx(expected, abs=1e-12)


@EVERY
def test_survival_reward_is_one_per_step(env_id):
    env = make(env_id, reward="survival")
    assert {step[1] for step in live(env, random_actions(env, 100))} == {1.0}


@BALANCED
def test_posture_reward_and_its_terms_lie_between_0_and_1(env_id):
    env = make(env_id)
    weights = env.unwrapped.REWARD["posture"]
    assert sum(weights.values()) == pytest.approx(1.0)
    for acting in ACTING.values():
        for _, reward, _, _, info in live(env, acting(env, 300)):
            assert 0.0 <= reward <= 1.0
            assert all(0.0 <= info["reward_terms"][term] <= 1.0 for term in weights)


@BALANCED
def test_posture_reward_at_rest_in_start_pose_is_near_maximum(env_id):
    env = make(env_id, reset_noise_scale=0.0)
    env.reset(seed=0)
    assert env.step(np.zeros(env.action_space.shape, np.float32))[1] > 0.9


@EVERY
@pytest.mark.parametrize(
    ("width", "height"), [(64, 64), (600, 600), (97, 61), (50, 201), (320, 180)]
)
def test_rendering_without_display_has_requested_size(env_id, width, height, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    env = make(env_id, "rgb_array", width=width, height=height)
    env.reset(seed=0)
    before = env.render()
    assert before.shape == (height, width, 3) and before.dtype == np.uint8
    assert len(np.unique(before.reshape(-1, 3), axis=0)) > 5, "the image shows something"
    for action in bang_bang_actions(env, 10):
        env.step(action)
    after = env.render()
    assert after.shape == before.shape and (after != before).any(), "motion is visible"
    env.close()
    env.close()


@EVERY
@pytest.mark.parametrize(("width", "height"), [(301, 203), (500, 480)])
def test_hud_leaves_the_image_as_it_is_and_stands_beside_or_below_it(env_id, width, height):
    images = []
    for hud in (False, True):
        env = make(env_id, "rgb_array", hud=hud, width=width, height=height)
        env.reset(seed=0)
        env.render()  # Before the first step, there is no action to show.
        env.step(random_actions(env, 1)[0])
        images.append(env.render())
        env.close()
    plain, with_hud = images
    assert (with_hud[:height, :width] == plain).all(), "nothing covers the body"
    beside = with_hud[:, width:] if height >= 480 else with_hud[height:]
    assert beside.shape[0] % 2 == beside.shape[1] % 2 == 0 or height < 480
    assert beside.shape[1] == round(0.4 * height) if height >= 480 else beside.shape[0] % 2 == 0
    assert len(np.unique(beside.reshape(-1, 3), axis=0)) > 5, "texts and bars"


@EVERY
def test_human_mode_opens_and_closes_window(env_id):
    env = make(env_id, "human", width=64, height=64)
    env.reset(seed=0)
    env.step(random_actions(env, 1)[0])
    assert env.render() is None
    env.close()
    env.close()


@EVERY
def test_close_twice_is_no_error(env_id):
    env = make(env_id)
    env.close()
    env.close()
    env = make(env_id)
    env.reset(seed=0)
    env.close()
    env.close()


@EVERY
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_action_is_refused_and_changes_nothing(env_id, bad):
    env = bare(env_id)
    other = bare(env_id)
    env.reset(seed=0)
    other.reset(seed=0)
    action = np.zeros(env.action_space.shape, np.float32)
    action[-1] = bad
    with pytest.raises(UserError, match="finite"):
        env.step(action)
    good = np.full(env.action_space.shape, 0.5, np.float32)
    assert env.step(good)[0].tobytes() == other.step(good)[0].tobytes()


@EVERY
@pytest.mark.parametrize("shape", ["(A+1,)", "(A-1,)", "(1, A)", "(A, 1)", "()", "(0,)"])
def test_action_of_wrong_shape_is_refused_in_one_line(env_id, shape):
    env = bare(env_id)
    env.reset(seed=0)
    size = env.action_space.shape[0]
    wrong = {
        "(A+1,)": (size + 1,),
        "(A-1,)": (size - 1,),
        "(1, A)": (1, size),
        "(A, 1)": (size, 1),
        "()": (),
        "(0,)": (0,),
    }
    with pytest.raises(UserError, match="shape") as error:
        env.step(np.zeros(wrong[shape], np.float32))
    assert "\n" not in str(error.value)


@EVERY
def test_action_beyond_bounds_is_clipped(env_id):
    full = bare(env_id)
    beyond = bare(env_id)
    full.reset(seed=0)
    beyond.reset(seed=0)
    ones = np.ones(full.action_space.shape, np.float32)
    assert full.step(ones)[0].tobytes() == beyond.step(ones * 7.0)[0].tobytes()


@EVERY
def test_wrong_setting_is_refused_with_nearest_name(env_id):
    env_class = type(bare(env_id))
    default = env_class.SETTINGS().reward
    with pytest.raises(UserError, match=f"did you mean '{default}'"):
        env_class(reward=default + "e")
    with pytest.raises(UserError, match=r"choose from .*survival"):
        env_class(reward="zzz")
    with pytest.raises(UserError, match="did you mean 'reset_noise_scale'"):
        env_class(reset_noise_scal=0.1)
    with pytest.raises(UserError, match="reset_noise_scale"):
        env_class(reset_noise_scale=-1.0)
    with pytest.raises(UserError, match="width"):
        env_class(width="wide")
    with pytest.raises(UserError, match="render mode"):
        env_class(render_mode="ansi")


@EVERY
def test_settings_from_gymnasium_make_are_frozen(env_id):
    env = make(env_id, reset_noise_scale=0.1, width=123)
    settings = env.unwrapped.settings
    assert (settings.reset_noise_scale, settings.width) == (0.1, 123)
    with pytest.raises(ValueError, match="frozen"):
        settings.width = 5
    names = {name for name, *_ in type(settings).describe()}
    assert {"reward", "reset_noise_scale", "width", "height", "hud"} <= names


@EVERY
def test_time_limit_comes_from_registration(env_id):
    limit = gymnasium.spec(env_id).max_episode_steps
    assert limit == TIME_LIMITS.get(env_id, 400)
    assert gymnasium.spec(env_id).reward_threshold is not None
    env = bare(env_id)
    env.reset(seed=0)
    assert not any(env.step(action)[3] for action in random_actions(env, limit + 5))
    if env_id not in BALANCING:  # The others fail earlier.
        wrapped = make(env_id)
        wrapped.reset(seed=0)
        ends = [wrapped.step(action)[3] for action in random_actions(wrapped, limit)]
        assert ends == [False] * (limit - 1) + [True]


@EVERY
def test_start_state_depends_on_seed_only(env_id):
    env = make(env_id)
    starts = [env.reset(seed=seed)[0] for seed in range(10)]
    assert len({start.tobytes() for start in starts}) == 10
    assert env.reset(seed=4)[0].tobytes() == starts[4].tobytes()
    next_starts = [env.reset()[0].tobytes() for _ in range(3)]
    assert len(set(next_starts)) == 3, "without a seed, episodes continue one random stream"
    env.reset(seed=4)
    assert [env.reset()[0].tobytes() for _ in range(3)] == next_starts


@EVERY
def test_start_without_noise_is_at_rest(env_id):
    env = make(env_id, reset_noise_scale=0.0)
    starts = [env.reset(seed=seed)[0] for seed in range(5)]
    if env_id in FALLING:
        assert all(start.tobytes() == starts[0].tobytes() for start in starts)
        assert (
            np.abs(starts[0]).max() < 1e-6 or env_id not in BALANCING
        )  # In space, not all signals are 0 at rest.
    else:  # Reachers start in a random pose, at rest.
        speeds = slices(env.unwrapped.OBSERVATION)["speed"]
        assert all(np.abs(start[speeds]).max() == 0.0 for start in starts)


@BALANCED
def test_start_states_with_more_noise_have_larger_std(env_id):
    stds = []
    for noise in (0.01, 0.05):
        env = make(env_id, reset_noise_scale=noise)
        stds.append(np.std([env.reset(seed=seed)[0] for seed in range(40)], axis=0).max())
    assert stds[1] > 2.0 * stds[0] > 0.0


@EVERY
def test_failure_is_named_and_has_the_least_margin(env_id):
    env = make(env_id)
    failures = 0
    for _, _, terminated, _, info in live(env, random_actions(env, 1500)):
        margins = env.unwrapped.failure_margins()
        assert terminated == any(margin <= 0.0 for margin in margins.values())
        assert ("failure" in info) == terminated
        if terminated:
            failures += 1
            assert margins[info["failure"]] == min(margins.values()) <= 0.0
    assert (failures > 0) == (env_id in FALLING)


@EVERY
def test_env_docstring_is_complete(env_id):
    docstring = type(bare(env_id)).__doc__
    assert docstring and len(docstring.splitlines()[0]) > 25
    assert "FALLS_" not in docstring and "TODO" not in docstring


@EVERY
def test_state_over_1500_steps_without_reset_stays_finite(env_id):
    env = bare(env_id)
    for acting in (random_actions, bang_bang_actions):
        env.reset(seed=0)
        for action in acting(env, 1500):
            observation, reward, *_ = env.step(action)
            assert np.isfinite(observation).all() and np.isfinite(reward)
            assert not isinstance(env, PlanarEnvironment) or np.isfinite(env.body_states).all()


@EVERY
@pytest.mark.slow
@pytest.mark.parametrize("acting", ["random", "bang-bang"])
def test_state_over_200000_rough_steps_stays_finite(env_id, acting):
    env = make(env_id)
    for observation, reward, _, _, info in live(env, ACTING[acting](env, 200_000)):
        assert np.isfinite(observation).all()
        assert np.isfinite(reward) and np.isfinite(list(info["reward_terms"].values())).all()


# Copies.

COPIES = {
    "copy": lambda env: copy.copy(env.unwrapped),
    "deepcopy": copy.deepcopy,
    "pickle": lambda env: pickle.loads(pickle.dumps(env)),
}
EVERY_COPY = pytest.mark.parametrize("make_copy", COPIES.values(), ids=COPIES)


def outcome_bytes(step: tuple) -> tuple:
    """Return the outcome of a step in a form that `==` compares bit by bit."""
    observation, reward, terminated, truncated, info = step
    return observation.tobytes(), reward, terminated, truncated, str(sorted(info.items()))


@EVERY
@EVERY_COPY
def test_copy_continues_exactly_as_the_original_and_apart_from_it(env_id, make_copy):
    env = make(env_id)
    actions = random_actions(env, 24)
    env.reset(seed=3)
    for action in actions[:8]:
        env.step(action)
    state = env.unwrapped.get_physics_state()
    other = make_copy(env)
    copied = [outcome_bytes(other.step(action)) for action in actions[8:16]]
    assert np.array_equal(env.unwrapped.get_physics_state(), state), "the copy moved the original"
    other_again = make_copy(other)
    other.close()  # Closing the copy must not close the original.
    assert [outcome_bytes(env.step(action)) for action in actions[8:16]] == copied
    assert outcome_bytes(other_again.step(actions[16])) == outcome_bytes(env.step(actions[16]))
    starts = [one.reset()[0].tobytes() for one in (env, other_again)]
    assert starts[0] == starts[1], "the random generators are in the same state"
    env.close()
    other_again.close()


@EVERY
def test_environment_passes_the_pickle_test_of_gymnasium(env_id):
    env = make(env_id)
    other = pickle.loads(pickle.dumps(env))
    assert data_equivalence(env.reset(), other.reset())
    action = env.action_space.sample()
    assert data_equivalence(env.step(action), other.step(action))
    env.close()
    other.close()


@EVERY
def test_copy_of_a_disturbed_episode_is_refused_in_one_line_until_the_reset(env_id):
    env = bare(env_id)
    env.reset(seed=0)
    env.step(env.action_space.sample())
    env.interaction().push_all(0.5)
    with pytest.raises(WorkError, match="cannot be copied") as refused:
        copy.deepcopy(env)
    assert "\n" not in str(refused.value)
    env.reset()
    assert copy.deepcopy(env).reset()[0].tobytes() == env.reset()[0].tobytes()


def test_copy_has_settings_appearance_and_images_of_the_original():
    env = make("poise/Reacher2D-v0", render_mode="rgb_array", observation="both", width=64)
    env.reset(seed=1)
    for action in random_actions(env, 5):
        env.step(action)
    other = copy.deepcopy(env)
    assert other.unwrapped.settings == env.unwrapped.settings
    assert np.array_equal(other.render(), env.render())
    first, second = (one.step(env.action_space.low)[0] for one in (env, other))
    assert all(np.array_equal(first[key], second[key]) for key in first)


# The agent's image shows what the task depends on.


def _pixels(observation):
    return observation["pixels"] if isinstance(observation, dict) else observation


MOVED_BODIES = {"poise/Cartpole-v0": [0], "poise/BollaRolla-v0": [0, 1]}
"""Bodies in the plane whose position is a part of the state: cart, ball and plank."""


def _planar_changes(env):
    """Yield functions that move or turn one body each of an environment in the plane."""
    bodies = list(env.space.bodies)
    moved = MOVED_BODIES.get(env.spec.id, [])
    for index in moved:
        yield f"position of body {index}", partial(_shift, bodies[index])
    for index, body in enumerate(bodies):
        if not math.isinf(body.moment):  # A cart does not turn.
            yield f"angle of body {index}", partial(setattr, body, "angle", body.angle + 0.3)


def _shift(body):
    body.position += (0.07, 0.0)


def _spatial_changes(env):
    """Yield a function that moves each joint and each free body of an environment in space."""
    client = env._client
    for body in range(client.getNumBodies()):
        is_free = client.getDynamicsInfo(body, -1)[0] > 0 or body in env._targets
        if is_free and not client.getNumJoints(body):
            yield f"position of body {body}", partial(_move, client, body)
    for name, joint in env.body.joints.items():
        if "tip" not in name and "gripper" not in name and name != "J6":  # Round about its axis.
            yield name, partial(_turn, client, env.body.body_id, joint)


def _move(client, body):
    x, y, z = client.getBasePositionAndOrientation(body)[0]
    client.resetBasePositionAndOrientation(body, (x, y - 0.1, z), (0, 0, 0, 1))


def _turn(client, body, joint):
    angle = client.getJointState(body, joint)[0]
    client.resetJointState(body, joint, angle - 0.4)


TASKS = [
    *((env_id, {}) for env_id in OUR_IDS),
    ("poise/Arm7-v0", {"task": "lift"}),
    ("poise/Humanoid3D-v0", {"task": "walk"}),
]


@pytest.mark.parametrize(("env_id", "task"), TASKS)
def test_each_part_of_the_state_changes_the_agents_image(env_id, task):
    if env_id not in OUR_IDS:
        pytest.skip("needs pybullet")
    env = bare(env_id, render_mode="rgb_array", view="agent", width=64, height=64, **task)
    changes = _planar_changes if isinstance(env, PlanarEnvironment) else _spatial_changes
    env.reset(seed=1)
    names = [name for name, _ in changes(env)]
    assert names
    for index, name in enumerate(names):
        env.reset(seed=1)
        before = env.render()
        list(changes(env))[index][1]()
        if not isinstance(env, PlanarEnvironment):
            env.detect_collisions()
        env.read_state()
        assert not np.array_equal(env.render(), before), name
        np.testing.assert_array_equal(env.render(), env.render_observation(64, 64))
    env.close()


@EVERY
def test_each_object_and_target_changes_what_an_agent_with_pixels_observes(env_id):
    """Also where its number changes: the image of another episode's target is another one."""
    env_class = type(bare(env_id))
    names = {signal.name for signal in env_class.OBSERVATION}
    if "object" in names:
        env = bare(env_id, observation="pixels", image_size=64)
        env.reset(seed=0)
        before = env.agent_observation()
        env._place_object(np.random.default_rng(5))
        assert not np.array_equal(env.agent_observation(), before)
    if "target" in names:
        for goal in ("state", "pixels", "both"):
            env = bare(env_id, observation="pixels", goal=goal, image_size=64)
            env.reset(seed=0)
            before = env.agent_observation()
            env.sample_target(np.random.default_rng(5))
            after = env.agent_observation()
            assert not data_equivalence(after, before, exact=True), goal
            assert np.array_equal(_pixels(after)[..., :6], _pixels(before)[..., :6]), goal


@pytest.mark.parametrize(
    ("name", "id_name"), [("slider", "Slider"), ("spatial_slider", "SpatialSlider")]
)
def test_environment_of_the_contributing_page_obeys_gymnasium_and_shows_sky_and_ground(
    name, id_name, tmp_path
):
    page = Path(__file__).parents[2] / "CONTRIBUTING.md"
    blocks = re.findall(r"   ```python\n(.*?)   ```", page.read_text(encoding="utf-8"), re.DOTALL)
    if id_name == "SpatialSlider":
        pytest.importorskip("pybullet")
    for file, block in zip(("slider.py", "spatial_slider.py"), blocks, strict=True):
        (tmp_path / file).write_text(textwrap.dedent(block), encoding="utf-8")
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import gymnasium, numpy
from gymnasium.utils.env_checker import check_env
import {name}
check_env(gymnasium.make("{id_name}-v0").unwrapped, skip_render_check=True)
env = gymnasium.make("{id_name}-v0", render_mode="rgb_array", width=120, height=120)
env.reset(seed=0)
image = env.render().astype(int)
assert image[0, 0].tolist() == [235, 242, 249] or image[0, 0].tolist() == [235, 242, 250], image[0]
assert image[-1].mean() < 225, image[-1]
assert numpy.ptp(image[..., 2]) > 100
"""
    result = python("-c", program)
    assert result.returncode == 0, result.stderr
