"""Joints and feet: what a world tells of its body is what its physics does, and asking changes nothing."""

import numpy as np
import pytest
from poise.toolkit.environment import HasJoints, TouchesGround
from sample_envs import FIGURES, OUR_IDS, bare, needs_pybullet, random_actions

JOINTED = [world_id for world_id in OUR_IDS if world_id != "poise/Cartpole-v0"]


@pytest.mark.parametrize("world_id", JOINTED)
def test_every_number_of_an_action_has_its_joint_and_its_torque(world_id):
    world = bare(world_id)
    world.reset(seed=0)
    assert isinstance(world, HasJoints)
    start = world.joints()
    assert len({joint.name for joint in start}) == len(start) == world.action_space.shape[0]
    assert all(joint.torque == 0.0 for joint in start), "no motor has done anything yet"
    bound = 200.0 if world_id == "poise/Arm7-v0" else world.ACTION[0].high
    for action in random_actions(world, 5):
        world.step(action)
        joints = world.joints()
        assert [joint.name for joint in joints] == [joint.name for joint in start]
        assert max(abs(joint.torque) for joint in joints) <= max(bound, *(signal.high for signal in world.ACTION)) + 1e-6
    assert any(joint.torque for joint in joints) and joints != start
    world.close()


@pytest.mark.parametrize("world_id", JOINTED)
def test_asking_changes_nothing(world_id):
    stories = []
    for asks in (True, False):
        world = bare(world_id)
        world.reset(seed=1)
        seen = []
        for action in random_actions(world, 20):
            seen.append(world.step(action)[0])
            if asks:
                world.joints()
                if isinstance(world, TouchesGround):
                    world.touching()
        stories.append(np.array(seen))
        world.close()
    np.testing.assert_array_equal(*stories)


@pytest.mark.parametrize("world_id", FIGURES)
@pytest.mark.parametrize(("actuation", "strength"), [("motor", 1.0), ("impulse", 0.2 * 50)])
def test_a_figures_joint_is_the_turn_of_its_limb_against_its_parent(world_id, actuation, strength):
    world = bare(world_id, actuation=actuation)
    world.reset(seed=0)
    (action,) = random_actions(world, 1)
    world.step(action)
    for joint, limb, share in zip(world.joints(), world.figure.limbs, action, strict=True):
        turns = [world.figure.bodies[name].angle for name in (limb.name, limb.parent)]
        assert joint.angle == pytest.approx(turns[0] - turns[1])
        assert joint.torque == pytest.approx(share * strength * (limb.torque if actuation == "motor" else 1.0))


def test_a_standing_figure_touches_the_ground_and_one_in_the_air_does_not():
    world = bare("poise/Standing-v0")
    world.reset(seed=0)
    for _ in range(15):
        world.step(np.zeros(4))
    assert world.touching() == {"left shin": True, "right shin": True}
    for body in world.figure.bodies.values():
        body.position += (0.0, 1.0)
    world.step(np.zeros(4))
    assert world.touching() == {"left shin": False, "right shin": False}


def test_the_humanoids_feet_are_those_that_it_sees():
    needs_pybullet("poise/Humanoid3D-v0")
    world = bare("poise/Humanoid3D-v0")
    world.reset(seed=0)
    for action in random_actions(world, 30):
        world.step(action)
        assert list(world.touching().values()) == world.contacts
    world.close()
