"""Events: films mark the steps in which a target changes or a push acts, and no others."""

import numpy as np
import pytest
from sample_envs import FALLING, TAKING, bare, needs_pybullet

from poise.toolkit.experience import EpisodeStep
from poise.toolkit.spaces import slices
from poise.tools.record.overlays import StripChartOverlay

HUMANOID = "poise/Humanoid3D-v0"


def rest(env):
    """Return the action in the middle of all ranges."""
    return np.zeros(env.action_space.shape, np.float32)


def film_step(overlay, env, action):
    """Make a step and draw it; return the events that the film got for it."""
    observation, reward, terminated, truncated, info = env.step(action)
    step = EpisodeStep(observation, action, reward, terminated, truncated, info)
    overlay(np.zeros((64, 64, 3), np.uint8), step)
    return [name for index, name in overlay.charts.events if index == overlay.charts.step]


def start(env_id, **settings):
    env = bare(env_id, **settings)
    env.reset(seed=0)
    return env, StripChartOverlay(env, env.CONTROL_HZ)


@pytest.mark.parametrize("env_id", TAKING)
def test_new_target_is_an_event_exactly_where_the_target_changes(env_id):
    needs_pybullet(env_id)
    env, overlay = start(env_id)
    env.task.position_tolerance = 1000.0  # Every pose counts as the target's.
    target_slice = slices(env.OBSERVATION)["target"]
    num_changes = 0
    for _ in range(2 * env.HOLD_STEPS + 2):
        before = env.get_observation()[target_slice]
        events = film_step(overlay, env, rest(env))
        has_changed = bool((env.get_observation()[target_slice] != before).any())
        assert events == (["✓ new target"] if has_changed else [])
        num_changes += has_changed
    assert num_changes == 2


def test_new_object_is_an_event():
    pytest.importorskip("pybullet")
    env, overlay = start("poise/Arm7-v0")
    marks = []
    for _ in range(60):
        before = env.object_position = env.hand_position
        events = film_step(overlay, env, rest(env))
        has_changed = env.object_position != before
        assert bool(events) == has_changed
        marks += events
    assert set(marks) == {"✓ new target"}


@pytest.mark.parametrize("env_id", FALLING)
def test_push_from_outside_is_an_event_of_the_next_step_only(env_id):
    needs_pybullet(env_id)
    env, overlay = start(env_id)
    assert film_step(overlay, env, rest(env)) == []
    dimensions = 3 if hasattr(env, "camera") else 2
    env.push_target().push(np.eye(dimensions)[0])
    assert film_step(overlay, env, rest(env)) == ["push"]
    assert film_step(overlay, env, rest(env)) == []
    env.push_target().push(np.eye(dimensions)[0])
    env.reset(seed=0)
    assert env.last_events == ()
    assert film_step(overlay, env, rest(env)) == []


def test_pushes_of_the_environment_are_events():
    pytest.importorskip("pybullet")
    env, overlay = start(HUMANOID, push=1.0)
    marks = []
    for _ in range(250):
        before = env._client.num_pushes
        events = film_step(overlay, env, rest(env))
        assert bool(events) == (env._client.num_pushes != before)
        marks += events
    assert set(marks) == {"push"}
