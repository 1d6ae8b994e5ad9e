"""PoseTask and InverseKinematics, in the plane and in space."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_envs import TAKING, bare, needs_pybullet

from poise.toolkit.pose_task import InverseKinematics, PoseTask
from poise.toolkit.spaces import slices

NUMBERS = st.floats(-1.0, 1.0)


def arm(angles: list[float]) -> list[tuple[float, float]]:
    """Return the ends of the links of an arm in the plane, each 0.2 m long."""
    link_angles = np.cumsum(angles)
    links = 0.2 * np.stack((np.cos(link_angles), np.sin(link_angles)), -1)
    return [tuple(point) for point in np.cumsum(links, axis=0)]


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=4))
def test_potential_is_zero_in_the_target_pose_and_negative_elsewhere(points):
    task = PoseTask(0.02, 25)
    task.set_target(points, points)
    assert task.potential == 0.0
    moved = [(x + 0.1, y, z) for x, y, z in points]
    task.set_target(points, moved)
    assert task.potential < 0.0


@pytest.mark.parametrize("size", [1, 2, 3])
def test_potential_has_no_local_maximum_beside_the_target(size):
    """From any pose, rotating some link one way raises the potential: no arm gets stuck."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        target, angles = (rng.uniform(-math.pi, math.pi, size) for _ in range(2))
        task = PoseTask(0.02, 25)
        gains = []
        for link in range(size):
            for rotation in (-0.01, 0.01):
                task.set_target(arm(target), arm(angles))
                step = np.zeros(size)
                step[link] = rotation
                if link + 1 < size:
                    step[link + 1] = -rotation  # The links beyond keep their directions.
                gains.append(task.step(arm(angles + step))["progress"])
        assert max(gains) > 0.0


def test_every_halving_of_a_long_distance_is_rewarded_alike():
    task = PoseTask(0.001, 25)
    task.set_target([(0.0, 0.0)], [(0.8, 0.0)])
    gains = [task.step([(x, 0.0)])["progress"] for x in (0.4, 0.2, 0.1)]
    assert gains == pytest.approx([math.log(2.0)] * 3, rel=0.02)


def test_pose_held_long_enough_without_a_break_is_achieved():
    task = PoseTask(0.02, 3)
    near = [(0.01, 0.0, 0.0)]
    far = [(0.03, 0.0, 0.0)]
    task.set_target([(0.0, 0.0, 0.0)], far)
    achieved = [task.step(pose)["achieved"] for pose in (near, near, far, near, near, near)]
    assert achieved == [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    assert task.num_achieved == 1 and task.is_achieved


@given(st.lists(NUMBERS, min_size=2, max_size=2), st.floats(-3.1, 3.1))
def test_rotated_arm_has_that_angle_as_its_error(angles, rotation):
    task = PoseTask(0.02, 25)
    task.set_target(arm(angles), arm(angles))
    pose = np.ravel(arm(angles))
    rotated = np.ravel(arm([angles[0] + rotation, angles[1]]))
    assert task.error(pose, pose) == (0.0, 0.0)
    error = task.error(rotated, pose)
    distances = np.linalg.norm((rotated - pose).reshape(2, 2), axis=1)
    assert error.degrees == pytest.approx(abs(math.degrees(rotation)), abs=1e-6)
    assert error.metres == pytest.approx(distances.mean())


def test_every_arm_is_measured_from_its_own_root():
    """Two arms of one link each, 1 m apart: a right angle of either is 45 degrees in the mean."""
    task = PoseTask(0.02, 25, ((0.0, 0.0, 0.0), (1.0, 0.0, 0.0)))
    still = [(0.0, 0.2, 0.0), (1.0, 0.2, 0.0)]
    task.set_target(still, still)
    for rotated in ([(0.2, 0.0, 0.0), still[1]], [still[0], (1.2, 0.0, 0.0)]):
        assert task.error(np.ravel(rotated), np.ravel(still)).degrees == pytest.approx(45.0)
    assert task.error(np.zeros(6), np.ravel(still)).degrees == pytest.approx(45.0)


@pytest.mark.parametrize("env_id", TAKING)
def test_first_link_has_one_length_in_every_pose(env_id):
    """The link from root to elbow: so the arms do begin at the roots."""
    needs_pybullet(env_id)
    env = bare(env_id)
    lengths = []
    pose = slices(env.OBSERVATION)["pose"]
    for seed in range(20):
        observation, _ = env.reset(seed=seed)
        points = np.array(env.task.pose_to_points(observation[pose]))
        elbows = points.reshape(env.task.num_arms, 2, -1)[:, 0]
        roots = np.array(env.task.roots)[:, : elbows.shape[1]]
        lengths.append(np.linalg.norm(elbows - roots, axis=1))
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


def test_pose_that_can_be_taken_is_nearest_to_itself(inverse):
    for pose in inverse.sampled_poses[:20]:
        np.testing.assert_allclose(inverse.nearest_pose(pose), pose, atol=1e-4)


def test_nearest_pose_can_be_taken_and_no_pose_around_it_is_nearer(inverse):
    rng = np.random.default_rng(1)
    for angles, pose in zip(inverse.sampled_angles[:10], inverse.sampled_poses[:10], strict=True):
        guess = pose + rng.normal(0.0, 0.02, len(pose))
        nearest = inverse.nearest_pose(guess)
        assert np.linalg.norm(nearest - guess) < np.linalg.norm(pose - guess)
        np.testing.assert_allclose(inverse.nearest_pose(nearest), nearest, atol=1e-3)
        rotations = rng.normal(0.0, 0.1, (50, len(angles)))
        others = [inverse.forward_kinematics(angles + rotation) for rotation in rotations]
        least = min(np.linalg.norm(other - guess) for other in others)
        assert np.linalg.norm(nearest - guess) <= least + 1e-4
