"""The task of taking poses, in the plane and in space."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from poise.toolkit.pose_task import InverseKinematics, PoseTask
from poise.toolkit.spaces import slices
from sample_envs import TAKING, bare, needs_pybullet

NUMBERS = st.floats(-1.0, 1.0)


def arm(angles: list[float]) -> list[tuple[float, float]]:
    """Ends of the links of an arm in the plane, each 0.2 m."""
    turns = np.cumsum(angles)
    return [
        tuple(point)
        for point in 0.2 * np.cumsum(np.stack((np.cos(turns), np.sin(turns)), -1), axis=0)
    ]


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=4))
def test_the_potential_is_highest_in_the_pose_itself(points):
    task = PoseTask(0.02, 25)
    task.set_target(points, points)
    assert task.potential == 0.0
    moved = [(x + 0.1, y, z) for x, y, z in points]
    task.set_target(points, moved)
    assert task.potential < 0.0


@pytest.mark.parametrize("size", [1, 2, 3])
def test_no_pose_but_the_target_and_its_opposites_stops_an_arm_that_climbs(size):
    """Turning some link either way always raises the potential: there is no pose to get stuck in."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        target, angles = (rng.uniform(-math.pi, math.pi, size) for _ in range(2))
        task = PoseTask(0.02, 25)
        gains = []
        for link in range(size):
            for turn in (-0.01, 0.01):
                task.set_target(arm(target), arm(angles))
                step = np.zeros(size)
                step[link] = turn
                if link + 1 < size:
                    step[link + 1] = -turn  # The links beyond keep their directions.
                gains.append(task.step(arm(angles + step))["progress"])
        assert max(gains) > 0.0


def test_every_halving_of_a_long_way_pays_alike():
    task = PoseTask(0.001, 25)
    task.set_target([(0.0, 0.0)], [(0.8, 0.0)])
    gains = [task.step([(way, 0.0)])["progress"] for way in (0.4, 0.2, 0.1)]
    assert gains == pytest.approx([math.log(2.0)] * 3, rel=0.02)


def test_a_pose_is_achieved_when_it_is_held_long_enough_without_a_break():
    task = PoseTask(0.02, 3)
    near, far = [(0.01, 0.0, 0.0)], [(0.03, 0.0, 0.0)]
    task.set_target([(0.0, 0.0, 0.0)], far)
    told = [task.step(pose)["achieved"] for pose in (near, near, far, near, near, near)]
    assert told == [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    assert task.num_achieved == 1 and task.is_achieved


@given(st.lists(NUMBERS, min_size=2, max_size=2), st.floats(-3.1, 3.1))
def test_a_chain_that_is_turned_is_away_by_that_angle_at_every_link(angles, turn):
    task = PoseTask(0.02, 25)
    task.set_target(arm(angles), arm(angles))
    pose, turned = (np.ravel(arm(each)) for each in (angles, [angles[0] + turn, angles[1]]))
    assert task.error(pose, pose) == (0.0, 0.0)
    away = task.error(turned, pose)
    assert away.degrees == pytest.approx(abs(math.degrees(turn)), abs=1e-6)
    assert away.metres == pytest.approx(
        np.linalg.norm((turned - pose).reshape(2, 2), axis=1).mean()
    )


def test_every_arm_is_judged_from_its_own_root():
    """Two arms of one link each, a metre apart: a right angle at either is 45 degrees in the mean."""
    task = PoseTask(0.02, 25, ((0.0, 0.0, 0.0), (1.0, 0.0, 0.0)))
    still = [(0.0, 0.2, 0.0), (1.0, 0.2, 0.0)]
    task.set_target(still, still)
    for turned in ([(0.2, 0.0, 0.0), still[1]], [still[0], (1.2, 0.0, 0.0)]):
        assert task.error(np.ravel(turned), np.ravel(still)).degrees == pytest.approx(45.0)
    assert task.error(np.zeros(6), np.ravel(still)).degrees == pytest.approx(45.0)


@pytest.mark.parametrize("env_id", TAKING)
def test_arms_begin_at_their_roots_in_every_pose(env_id):
    """So the first link, from root to elbow, has one length."""
    needs_pybullet(env_id)
    env, lengths = bare(env_id), []
    place = slices(env.OBSERVATION)["pose"]
    for seed in range(20):
        seen, _ = env.reset(seed=seed)
        arms = np.array(env.task.pose_to_points(seen[place])).reshape(env.task.num_arms, 2, -1)
        lengths.append(
            np.linalg.norm(arms[:, 0] - np.array(env.task.roots)[:, : arms.shape[2]], axis=1)
        )
    np.testing.assert_allclose(lengths, np.broadcast_to(lengths[0], np.shape(lengths)), atol=1e-6)
    env.close()


# Inverse kinematics.


@pytest.fixture(scope="module", params=TAKING)
def inverse(request):
    needs_pybullet(request.param)
    env = bare(request.param)
    env.reset(seed=0)
    yield InverseKinematics(env.forward_kinematics, env.sample_joint_angles)
    env.close()


def test_a_pose_that_can_be_taken_is_nearest_to_itself(inverse):
    for pose in inverse.sampled_poses[:20]:
        np.testing.assert_allclose(inverse.nearest_pose(pose), pose, atol=1e-4)


def test_the_nearest_pose_can_be_taken_and_none_near_it_is_nearer(inverse):
    rng = np.random.default_rng(1)
    for angles, pose in zip(inverse.sampled_angles[:10], inverse.sampled_poses[:10], strict=True):
        guess = pose + rng.normal(0.0, 0.02, len(pose))
        found = inverse.nearest_pose(guess)
        assert np.linalg.norm(found - guess) < np.linalg.norm(pose - guess)
        np.testing.assert_allclose(inverse.nearest_pose(found), found, atol=1e-3)
        near = [
            inverse.forward_kinematics(angles + turn)
            for turn in rng.normal(0.0, 0.1, (50, len(angles)))
        ]
        assert (
            np.linalg.norm(found - guess)
            <= min(np.linalg.norm(other - guess) for other in near) + 1e-4
        )
