"""The arm: what it reaches, and that its hand can really lift."""

import numpy as np
import pytest
from sample_envs import bare

pytest.importorskip("pybullet")

from poise.envs3d.arm import AHEAD, ARM, HAND, HEIGHT, REACH, SPEED


def angles_for(world, place):
    """Angles of the arm (rad) that bring its hand to a place (m), pointing down: damped least squares."""
    fingers = world.body.angles_and_speeds()[0][len(ARM) :]
    wanted = np.array([*place, 0.0, 0.0, -0.3])
    angles = np.array(world.angles)

    def seen(angles):
        hand, ahead = world.body.points_at([*angles, *fingers], (HAND, AHEAD))
        return np.array([*hand, *(0.3 * np.subtract(ahead, hand))])

    for _ in range(60):
        here = seen(angles)
        jacobian = np.stack([(seen(angles + step) - here) / 1e-4 for step in 1e-4 * np.eye(len(ARM))], axis=1)
        angles = angles + 0.5 * jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + 1e-4 * np.eye(6), wanted - here)
    return angles


def move(world, place, steps):
    """Bring the hand to a place by speeds alone, as an agent does; all infos."""
    wanted = angles_for(world, place)
    return [world.step(5.0 * (wanted - world.angles) / SPEED)[4] for _ in range(steps)]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_hand_that_goes_down_closes_and_goes_up_has_lifted_the_cube(seed):
    world = bare("poise/Arm7-v0", task="lift")
    world.reset(seed=seed)
    cube = np.array(world.object)
    move(world, np.add(cube, (0.0, 0.0, 0.15)), 80)
    assert not world.closed
    assert world.pointing == pytest.approx([0.0, 0.0, -1.0], abs=0.05)
    held = move(world, cube, 80)[-1]["reward_terms"]
    assert held["grasp"] == 1.0
    infos = move(world, np.add(cube, (0.0, 0.0, 1.5 * HEIGHT)), 60)
    assert sum(info["success"] for info in infos) == 1
    assert infos[-1]["poses"] == 1
    assert sum(info["reward_terms"]["lift"] for info in infos) == pytest.approx(1.0, abs=0.05)
    world.close()


def test_a_hand_held_at_the_object_has_touched_it_and_gets_another():
    world = bare("poise/Arm7-v0")
    world.reset(seed=0)
    first = world.object
    infos = move(world, first, 100)
    assert any(info["success"] for info in infos)
    assert world.object != first
    world.close()


def test_fingers_close_only_about_something():
    world = bare("poise/Arm7-v0", task="lift")
    world.reset(seed=0)
    for _ in range(20):
        world.step(np.zeros(7))
        assert world.distance > REACH
        assert not world.closed
    assert world.step(np.zeros(7))[4]["reward_terms"]["grasp"] == 0.0
    world.close()


def test_a_cube_that_falls_off_the_table_is_put_back_and_counts_for_nothing():
    world = bare("poise/Arm7-v0", task="lift")
    world.reset(seed=0)
    world.cube.place_root((0.5, 0.8, -0.1), (0.0, 0.0, 0.0, 1.0))
    info = world.step(np.zeros(7))[4]
    assert not info["success"] and info["poses"] == 0
    assert world.object[2] == pytest.approx(0.025)
