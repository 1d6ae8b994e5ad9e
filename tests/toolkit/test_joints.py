"""Joints and feet: what an environment tells of its body is what its physics does, and asking changes nothing."""

import numpy as np
import pytest
from poise.toolkit.environment import HasGroundContacts, HasJoints
from poise.toolkit.spaces import component_names
from sample_envs import FIGURES, OUR_IDS, bare, needs_pybullet, random_actions

JOINTED = [env_id for env_id in OUR_IDS if env_id != "poise/Cartpole-v0"]


@pytest.mark.parametrize("env_id", JOINTED)
def test_every_number_of_an_action_has_its_joint_and_its_torque(env_id):
    env = bare(env_id)
    env.reset(seed=0)
    assert isinstance(env, HasJoints)
    start = env.joints()
    assert len({joint.name for joint in start}) == len(start) == env.action_space.shape[0]
    assert all(joint.torque == 0.0 for joint in start), "no motor has done anything yet"
    bound = 200.0 if env_id == "poise/Arm7-v0" else env.ACTION[0].high
    for action in random_actions(env, 5):
        env.step(action)
        joints = env.joints()
        assert [joint.name for joint in joints] == [joint.name for joint in start]
        assert (
            max(abs(joint.torque) for joint in joints)
            <= max(bound, *(signal.high for signal in env.ACTION)) + 1e-6
        )
    assert any(joint.torque for joint in joints) and joints != start
    env.close()


@pytest.mark.parametrize("env_id", OUR_IDS)
def test_components_of_an_action_are_called_by_their_joints(env_id):
    """Not by numbers: a person reads them in the HUD, on sliders and in reports."""
    env = bare(env_id)
    env.reset(seed=0)
    names = [name for name, _ in component_names(env.ACTION)]
    joints = [joint.name for joint in env.joints()] if isinstance(env, HasJoints) else ["force"]
    assert len(set(names)) == len(names)
    for name, joint in zip(names, joints, strict=True):
        assert joint in name
    env.close()


@pytest.mark.parametrize("env_id", OUR_IDS)
def test_components_of_joint_angles_and_speeds_are_called_by_their_joints(env_id):
    env = bare(env_id)
    env.reset(seed=0)
    joints = [joint.name for joint in env.joints()] if isinstance(env, HasJoints) else []
    for signal in env.OBSERVATION:
        assert signal.size == 1 or len(signal.components) == signal.size
        if signal.name in ("speed", "angle", "joint position", "joint speed") and joints:
            assert list(signal.components) == joints
    env.close()


@pytest.mark.parametrize("env_id", JOINTED)
def test_asking_changes_nothing(env_id):
    stories = []
    for asks in (True, False):
        env = bare(env_id)
        env.reset(seed=1)
        seen = []
        for action in random_actions(env, 20):
            seen.append(env.step(action)[0])
            if asks:
                env.joints()
                if isinstance(env, HasGroundContacts):
                    env.ground_contacts()
        stories.append(np.array(seen))
        env.close()
    np.testing.assert_array_equal(*stories)


@pytest.mark.parametrize("env_id", FIGURES)
@pytest.mark.parametrize(("actuation", "strength"), [("motor", 1.0), ("impulse", 0.2 * 50)])
def test_a_figures_joint_is_the_turn_of_its_limb_against_its_parent(env_id, actuation, strength):
    env = bare(env_id, actuation=actuation)
    env.reset(seed=0)
    (action,) = random_actions(env, 1)
    env.step(action)
    for joint, limb, share in zip(env.joints(), env.figure.limbs, action, strict=True):
        turns = [env.figure.bodies[name].angle for name in (limb.name, limb.parent)]
        assert joint.angle == pytest.approx(turns[0] - turns[1])
        assert joint.torque == pytest.approx(
            share * strength * (limb.max_torque if actuation == "motor" else 1.0)
        )


def test_a_standing_figure_touches_the_ground_and_one_in_the_air_does_not():
    env = bare("poise/Standing-v0")
    env.reset(seed=0)
    for _ in range(15):
        env.step(np.zeros(4))
    assert env.ground_contacts() == {"left shin": True, "right shin": True}
    for body in env.figure.bodies.values():
        body.position += (0.0, 1.0)
    env.step(np.zeros(4))
    assert env.ground_contacts() == {"left shin": False, "right shin": False}


def test_the_humanoids_feet_are_those_that_it_sees():
    needs_pybullet("poise/Humanoid3D-v0")
    env = bare("poise/Humanoid3D-v0")
    env.reset(seed=0)
    for action in random_actions(env, 30):
        env.step(action)
        assert list(env.ground_contacts().values()) == env.foot_contacts
    env.close()
