"""Joints and ground contacts: they match the physics, and reading them changes nothing."""

import numpy as np
import pytest
from sample_envs import FIGURES, OUR_IDS, bare, needs_pybullet, random_actions

from poise.toolkit.environment import HasGroundContacts, HasJoints
from poise.toolkit.spaces import component_names

JOINTED = [env_id for env_id in OUR_IDS if env_id != "poise/Cartpole-v0"]


@pytest.mark.parametrize("env_id", JOINTED)
def test_every_component_of_an_action_has_a_joint_and_a_torque(env_id):
    env = bare(env_id)
    env.reset(seed=0)
    assert isinstance(env, HasJoints)
    start = env.joints()
    assert len({joint.name for joint in start}) == len(start) == env.action_space.shape[0]
    assert all(joint.torque == 0.0 for joint in start), "no motor has acted yet"
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
def test_components_of_an_action_are_named_after_their_joints(env_id):
    """A person reads them in the HUD, beside keys and in reports: a number would say nothing."""
    env = bare(env_id)
    env.reset(seed=0)
    names = [name for name, _ in component_names(env.ACTION)]
    joints = [joint.name for joint in env.joints()] if isinstance(env, HasJoints) else ["force"]
    assert len(set(names)) == len(names)
    for name, joint in zip(names, joints, strict=True):
        assert joint in name
    env.close()


@pytest.mark.parametrize("env_id", OUR_IDS)
def test_components_of_joint_angles_and_speeds_are_named_after_their_joints(env_id):
    env = bare(env_id)
    env.reset(seed=0)
    joints = [joint.name for joint in env.joints()] if isinstance(env, HasJoints) else []
    for signal in env.OBSERVATION:
        assert signal.size == 1 or len(signal.components) == signal.size
        if signal.name in ("speed", "angle", "joint position", "joint speed") and joints:
            assert list(signal.components) == joints
    env.close()


@pytest.mark.parametrize("env_id", JOINTED)
def test_reading_joints_and_contacts_changes_nothing(env_id):
    runs = []
    for reads in (True, False):
        env = bare(env_id)
        env.reset(seed=1)
        observations = []
        for action in random_actions(env, 20):
            observations.append(env.step(action)[0])
            if reads:
                env.joints()
                if isinstance(env, HasGroundContacts):
                    env.ground_contacts()
        runs.append(np.array(observations))
        env.close()
    np.testing.assert_array_equal(*runs)


@pytest.mark.parametrize("env_id", FIGURES)
@pytest.mark.parametrize(("actuation", "strength"), [("motor", 1.0), ("impulse", 0.2 * 50)])
def test_figure_joint_angle_is_that_of_its_limb_relative_to_its_parent(env_id, actuation, strength):
    env = bare(env_id, actuation=actuation)
    env.reset(seed=0)
    (action,) = random_actions(env, 1)
    env.step(action)
    for joint, limb, share in zip(env.joints(), env.figure.limbs, action, strict=True):
        limb_angle = env.figure.bodies[limb.name].angle
        parent_angle = env.figure.bodies[limb.parent].angle
        assert joint.angle == pytest.approx(limb_angle - parent_angle)
        assert joint.torque == pytest.approx(
            share * strength * (limb.max_torque if actuation == "motor" else 1.0)
        )


def test_shins_touch_the_ground_when_standing_and_not_in_the_air():
    env = bare("poise/Standing-v0")
    env.reset(seed=0)
    for _ in range(15):
        env.step(np.zeros(4))
    assert env.ground_contacts() == {"left shin": True, "right shin": True}
    for body in env.figure.bodies.values():
        body.position += (0.0, 1.0)
    env.step(np.zeros(4))
    assert env.ground_contacts() == {"left shin": False, "right shin": False}


def test_humanoid_ground_contacts_are_those_that_it_observes():
    needs_pybullet("poise/Humanoid3D-v0")
    env = bare("poise/Humanoid3D-v0")
    env.reset(seed=0)
    for action in random_actions(env, 30):
        env.step(action)
        assert list(env.ground_contacts().values()) == env.foot_contacts
    env.close()
