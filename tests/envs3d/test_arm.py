"""The arm: what it reaches, and that its hand can really lift."""

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


def angles_for(env, place):
    """Angles of the arm (rad) that bring its hand to a place (m), pointing down: damped least squares."""
    fingers = env.body.joint_state()[0][len(ARM_JOINTS) :]
    wanted = np.array([*place, 0.0, 0.0, -0.3])
    angles = np.array(env.angles)

    def seen(angles):
        hand, ahead = env.body.forward_kinematics([*angles, *fingers], (HAND_POINT, POINT_AHEAD))
        return np.array([*hand, *(0.3 * np.subtract(ahead, hand))])

    for _ in range(60):
        here = seen(angles)
        jacobian = np.stack(
            [(seen(angles + step) - here) / 1e-4 for step in 1e-4 * np.eye(len(ARM_JOINTS))], axis=1
        )
        angles = angles + 0.5 * jacobian.T @ np.linalg.solve(
            jacobian @ jacobian.T + 1e-4 * np.eye(6), wanted - here
        )
    return angles


def move(env, place, steps):
    """Bring the hand to a place by speeds alone, as an agent does; all infos."""
    wanted = angles_for(env, place)
    return [env.step(5.0 * (wanted - env.angles) / MAX_SPEED)[4] for _ in range(steps)]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_hand_that_goes_down_closes_and_goes_up_has_lifted_the_cube(seed):
    env = bare("poise/Arm7-v0", task="lift")
    env.reset(seed=seed)
    cube = np.array(env.object_position)
    move(env, np.add(cube, (0.0, 0.0, 0.15)), 80)
    assert not env.is_closed
    assert env.hand_direction == pytest.approx([0.0, 0.0, -1.0], abs=0.05)
    held = move(env, cube, 80)[-1]["reward_terms"]
    assert held["grasp"] == 1.0
    infos = move(env, np.add(cube, (0.0, 0.0, 1.5 * LIFT_HEIGHT)), 60)
    assert sum(info["success"] for info in infos) == 1
    assert infos[-1]["poses"] == 1
    assert sum(info["reward_terms"]["lift"] for info in infos) == pytest.approx(1.0, abs=0.05)
    env.close()


def test_a_hand_held_at_the_object_has_touched_it_and_gets_another():
    env = bare("poise/Arm7-v0")
    env.reset(seed=0)
    first = env.object_position
    infos = move(env, first, 100)
    assert any(info["success"] for info in infos)
    assert env.object_position != first
    env.close()


def test_fingers_close_only_about_something():
    env = bare("poise/Arm7-v0", task="lift")
    env.reset(seed=0)
    for _ in range(20):
        env.step(np.zeros(7))
        assert env.distance > POSITION_TOLERANCE
        assert not env.is_closed
    assert env.step(np.zeros(7))[4]["reward_terms"]["grasp"] == 0.0
    env.close()


def test_a_cube_that_falls_off_the_table_is_put_back_and_counts_for_nothing():
    env = bare("poise/Arm7-v0", task="lift")
    env.reset(seed=0)
    env.cube.set_base_pose((0.5, 0.8, -0.1), (0.0, 0.0, 0.0, 1.0))
    info = env.step(np.zeros(7))[4]
    assert not info["success"] and info["poses"] == 0
    assert env.object_position[2] == pytest.approx(0.025)
