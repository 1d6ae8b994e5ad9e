"""Arm7: reaching an object, and lifting one with the hand."""

import numpy as np
import pytest
from sample_envs import bare

pytest.importorskip("pybullet")

from poise.envs3d.arm import (
    ARM_JOINTS,
    HAND_POINT,
    LIFT_HEIGHT,
    MAX_SPEED,
    POINT_AHEAD,
    POSITION_TOLERANCE,
)
from poise.toolkit.appearance import DEFAULT_APPEARANCE, AppearanceRandomization


def angles_for(env, position):
    """Return angles (rad) that bring the hand, pointing down, to a position (m).

    Damped least squares on position (m) and direction (scaled by 0.3 m).
    """
    fingers = env.body.joint_state()[0][len(ARM_JOINTS) :]
    target = np.array([*position, 0.0, 0.0, -0.3])
    angles = np.array(env.angles)

    def hand_pose(angles):
        hand, ahead = env.body.forward_kinematics([*angles, *fingers], (HAND_POINT, POINT_AHEAD))
        return np.array([*hand, *(0.3 * np.subtract(ahead, hand))])

    for _ in range(60):
        current = hand_pose(angles)
        steps = 1e-4 * np.eye(len(ARM_JOINTS))
        columns = [(hand_pose(angles + step) - current) / 1e-4 for step in steps]
        jacobian = np.stack(columns, axis=1)
        damped = jacobian @ jacobian.T + 1e-4 * np.eye(6)
        angles = angles + 0.5 * jacobian.T @ np.linalg.solve(damped, target - current)
    return angles


def move(env, position, steps):
    """Bring the hand to a position (m) by actions alone, and return all infos."""
    target = angles_for(env, position)
    return [env.step(5.0 * (target - env.angles) / MAX_SPEED)[4] for _ in range(steps)]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_hand_that_closes_on_the_cube_and_rises_lifts_it(seed):
    env = bare("poise/Arm7-v0", task="lift")
    env.reset(seed=seed)
    cube = np.array(env.object_position)
    move(env, np.add(cube, (0.0, 0.0, 0.15)), 80)
    assert not env.is_closed
    assert env.hand_direction == pytest.approx([0.0, 0.0, -1.0], abs=0.05)
    terms = move(env, cube, 80)[-1]["reward_terms"]
    assert terms["grasp"] == 1.0
    infos = move(env, np.add(cube, (0.0, 0.0, 1.5 * LIFT_HEIGHT)), 60)
    assert sum(info["success"] for info in infos) == 1
    assert infos[-1]["poses"] == 1
    assert sum(info["reward_terms"]["lift"] for info in infos) == pytest.approx(1.0, abs=0.05)
    env.close()


def test_hand_held_at_the_object_succeeds_and_a_new_object_appears():
    env = bare("poise/Arm7-v0")
    env.reset(seed=0)
    first = env.object_position
    infos = move(env, first, 100)
    assert any(info["success"] for info in infos)
    assert env.object_position != first
    env.close()


def test_fingers_away_from_the_cube_stay_open():
    env = bare("poise/Arm7-v0", task="lift")
    env.reset(seed=0)
    for _ in range(20):
        env.step(np.zeros(7))
        assert env.distance > POSITION_TOLERANCE
        assert not env.is_closed
    assert env.step(np.zeros(7))[4]["reward_terms"]["grasp"] == 0.0
    env.close()


def test_cube_that_falls_off_the_table_is_placed_again_without_success():
    env = bare("poise/Arm7-v0", task="lift")
    env.reset(seed=0)
    env.cube.set_base_pose((0.5, 0.8, -0.1), (0.0, 0.0, 0.0, 1.0))
    info = env.step(np.zeros(7))[4]
    assert not info["success"] and info["poses"] == 0
    assert env.object_position[2] == pytest.approx(0.025)


@pytest.mark.parametrize("task", ["touch", "lift"])
def test_object_is_in_the_agents_image_and_stands_out_from_every_background(task):
    env = bare("poise/Arm7-v0", render_mode="rgb_array", task=task, view="agent")
    env.reset(seed=1)
    body = (env.ball or env.cube).body_id
    randomization = AppearanceRandomization(colours=1.0, background=1.0)
    for seed in range(4):
        random_appearance = randomization.sample_appearance(np.random.default_rng(seed))
        env.appearance = random_appearance if seed else DEFAULT_APPEARANCE
        images = []
        for position in ((0.6, -0.1, 0.3), (0.6, -0.1, -60.0)):
            env._client.resetBasePositionAndOrientation(body, position, (0, 0, 0, 1))
            images.append(env.render().astype(int))
        assert (np.abs(images[0] - images[1]).max(2) > 30).sum() > 50, seed
    env.close()


def test_object_to_touch_moves_with_its_position_and_pushes_nothing():
    env = bare("poise/Arm7-v0")
    env.reset(seed=0)
    for _ in range(3):
        env._place_object(env.np_random)
        position = env._client.getBasePositionAndOrientation(env.ball.body_id)[0]
        assert position == pytest.approx(env.object_position)
    env.object_position = env.hand_position
    env.ball.set_base_pose(env.hand_position, (0.0, 0.0, 0.0, 1.0))
    env.detect_collisions()
    assert not env._client.getContactPoints(env.ball.body_id)
