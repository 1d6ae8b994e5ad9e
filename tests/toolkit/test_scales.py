"""Scales of mass, friction and gravity obey the laws of mechanics; scales of 1 change nothing."""

import numpy as np
import pymunk
import pytest
from sample_envs import IN_SPACE, OUR_IDS, bare, needs_pybullet, random_actions

from poise.envs2d.planar import PlanarEnvironment
from poise.envs2d.standing import Standing

SCALES = ("mass_scale", "friction_scale")
EVERY = pytest.mark.parametrize("env_id", OUR_IDS)
SPATIAL = [env_id for env_id in OUR_IDS if env_id in IN_SPACE]


def observations_of(
    env_id: str, strength: float = 1.0, steps: int = 60, **settings: object
) -> np.ndarray:
    """Return all observations of an episode under random actions, scaled by `strength`."""
    env = bare(env_id, **settings)
    observations = [env.reset(seed=3)[0]]
    observations += [env.step(strength * action)[0] for action in random_actions(env, steps)]
    return np.array(observations)


@EVERY
def test_scales_of_one_change_nothing(env_id):
    assert (
        observations_of(env_id).tobytes()
        == observations_of(env_id, **dict.fromkeys(SCALES, 1.0)).tobytes()
    )


@EVERY
def test_mass_scale_changes_motion(env_id):
    assert not np.allclose(observations_of(env_id), observations_of(env_id, mass_scale=1.5))


@pytest.mark.parametrize("env_id", [env_id for env_id in OUR_IDS if "Reacher" in env_id])
def test_coasting_with_equal_mass_and_friction_scale_is_unchanged(env_id):
    coasting = {"strength": 0.0, "reset_noise_scale": 0.2}
    heavy = observations_of(env_id, **coasting, mass_scale=2.0, friction_scale=2.0)
    np.testing.assert_allclose(heavy, observations_of(env_id, **coasting), atol=1e-5)
    assert not np.allclose(heavy, observations_of(env_id, **coasting, mass_scale=2.0), atol=1e-3)


def test_cartpole_with_scaled_mass_and_force_moves_alike():
    cartpole = "poise/Cartpole-v0"
    np.testing.assert_allclose(
        observations_of(cartpole, 0.0, mass_scale=8.0), observations_of(cartpole, 0.0), atol=2e-3
    )
    # Falling is unstable: rounding errors grow.
    np.testing.assert_allclose(
        observations_of(cartpole, mass_scale=2.0, force=20.0), observations_of(cartpole), atol=2e-3
    )


@pytest.mark.parametrize("gravity", [0.0, 5.0, 20.0])
@pytest.mark.parametrize(
    "env_id", ["poise/Standing-v0", "poise/BollaRolla-v0", "poise/Humanoid3D-v0"]
)
def test_free_fall_distance_follows_gravity(env_id, gravity):
    needs_pybullet(env_id)
    env = bare(env_id, gravity=gravity, reset_noise_scale=0.0)
    env.reset(seed=0)
    in_plane = isinstance(env, PlanarEnvironment)
    if in_plane:
        for body in env.space.bodies:
            body.position += (0.0, 5.0)
    else:
        env.body.set_base_pose((0.0, 0.0, 5.0), (0.0, 0.0, 0.0, 1.0))
    env.read_state()
    heights = []
    for _ in range(11):
        heights.append(env.torso_state[1] if in_plane else env.position[2])
        env.step(np.zeros(env.action_space.shape))
    assert heights[0] - heights[-1] == pytest.approx(gravity * 0.2**2 / 2, rel=0.03, abs=1e-6)


def test_planar_contact_friction_scales_linearly():
    usual, rough = (bare("poise/BollaRolla-v0", friction_scale=scale) for scale in (1.0, 3.0))
    for env in (usual, rough):
        env.reset(seed=0)
    products = [
        np.multiply.outer(*[[shape.friction for shape in env.space.shapes]] * 2)
        for env in (usual, rough)
    ]
    np.testing.assert_allclose(products[1], 3.0 * products[0])


@pytest.mark.parametrize("env_id", ["poise/Standing-v0", "poise/BollaRolla-v0"])
def test_planar_friction_is_kept_by_set_parameter(env_id):
    env = bare(env_id, friction_scale=3.0)
    env.reset(seed=0)
    before = [shape.friction for shape in env.space.shapes]
    env.interaction().set_parameter("gravity", 5.0)
    assert [shape.friction for shape in env.space.shapes] == pytest.approx(before)


def test_planar_friction_scale_applies_to_friction_set_by_env():
    class Rough(Standing):
        """Sets the friction of its shapes itself."""

        def apply_settings(self):
            for shape in self.space.shapes:
                shape.friction = 0.5

    env = Rough(friction_scale=4.0)
    env.reset(seed=0)
    assert {shape.friction for shape in env.space.shapes} == {1.0}


def test_planar_mass_scale_scales_mass_and_moment():
    usual, heavy = (bare("poise/Standing-v0", mass_scale=scale) for scale in (1.0, 3.0))
    for env in (usual, heavy):
        env.reset(seed=0)
        env.reset(seed=1)
    for one, three in zip(usual.space.bodies, heavy.space.bodies, strict=True):
        assert (three.mass, three.moment) == pytest.approx((3.0 * one.mass, 3.0 * one.moment))
        assert one.body_type == pymunk.Body.DYNAMIC


@pytest.mark.parametrize("env_id", SPATIAL)
def test_spatial_scales_apply_to_mass_inertia_and_friction_of_every_link(env_id):
    dynamics = []
    for scale in (1.0, 3.0):
        env = bare(env_id, mass_scale=scale, friction_scale=scale)
        env.reset(seed=0)
        client = env._client
        links = [
            (body, link)
            for body in range(client.getNumBodies())
            for link in range(-1, client.getNumJoints(body))
        ]
        dynamics.append(np.array([(mass, *inertia, rough**2) for mass, rough, inertia, *_ in
                              (client.getDynamicsInfo(*link) for link in links)]))  # fmt: skip
        env.close()
    moving = dynamics[0][:, 0] > 0.0
    np.testing.assert_allclose(dynamics[1][moving], 3.0 * dynamics[0][moving])
