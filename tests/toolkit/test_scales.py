"""Other dynamics: with another mass, friction or gravity an environment obeys the same laws; with the same, nothing changes."""

import numpy as np
import pymunk
import pytest
from poise.envs2d.planar import PlanarEnvironment
from poise.envs2d.standing import Standing
from sample_envs import IN_SPACE, OUR_IDS, bare, needs_pybullet, random_actions

SCALES = ("mass_scale", "friction_scale")
EVERY = pytest.mark.parametrize("env_id", OUR_IDS)
SPATIAL = [env_id for env_id in OUR_IDS if env_id in IN_SPACE]


def story(env_id: str, strength: float = 1.0, steps: int = 60, **settings: object) -> np.ndarray:
    """All observations of an episode under random actions of some strength."""
    env = bare(env_id, **settings)
    seen = [env.reset(seed=3)[0]]
    seen += [env.step(strength * action)[0] for action in random_actions(env, steps)]
    return np.array(seen)


@EVERY
def test_with_the_same_mass_friction_and_gravity_nothing_changes(env_id):
    assert story(env_id).tobytes() == story(env_id, **dict.fromkeys(SCALES, 1.0)).tobytes()


@EVERY
def test_with_another_mass_the_same_torques_do_something_else(env_id):
    assert not np.allclose(story(env_id), story(env_id, mass_scale=1.5))


@pytest.mark.parametrize("env_id", [env_id for env_id in OUR_IDS if "Reacher" in env_id])
def test_what_is_twice_as_heavy_and_rubs_twice_as_much_coasts_alike(env_id):
    coasting = {"strength": 0.0, "reset_noise_scale": 0.2}
    heavy = story(env_id, **coasting, mass_scale=2.0, friction_scale=2.0)
    np.testing.assert_allclose(heavy, story(env_id, **coasting), atol=1e-5)
    assert not np.allclose(heavy, story(env_id, **coasting, mass_scale=2.0), atol=1e-3)


def test_a_pole_falls_alike_however_heavy_it_is_and_a_cart_twice_as_heavy_needs_twice_the_force():
    cartpole = "poise/Cartpole-v0"
    np.testing.assert_allclose(
        story(cartpole, 0.0, mass_scale=8.0), story(cartpole, 0.0), atol=2e-3
    )
    # It falls by itself: roundings grow.
    np.testing.assert_allclose(
        story(cartpole, mass_scale=2.0, force=20.0), story(cartpole), atol=2e-3
    )


@pytest.mark.parametrize("gravity", [0.0, 5.0, 20.0])
@pytest.mark.parametrize(
    "env_id", ["poise/Standing-v0", "poise/BollaRolla-v0", "poise/Humanoid3D-v0"]
)
def test_bodies_fall_as_far_as_gravity_lets_them(env_id, gravity):
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


def test_in_the_plane_friction_where_two_shapes_touch_is_what_is_asked_for():
    usual, rough = (bare("poise/BollaRolla-v0", friction_scale=scale) for scale in (1.0, 3.0))
    for env in (usual, rough):
        env.reset(seed=0)
    products = [
        np.multiply.outer(*[[shape.friction for shape in env.space.shapes]] * 2)
        for env in (usual, rough)
    ]
    np.testing.assert_allclose(products[1], 3.0 * products[0])


@pytest.mark.parametrize("env_id", ["poise/Standing-v0", "poise/BollaRolla-v0"])
def test_in_the_plane_friction_stays_what_is_asked_for_when_a_setting_is_turned(env_id):
    env = bare(env_id, friction_scale=3.0)
    env.reset(seed=0)
    before = [shape.friction for shape in env.space.shapes]
    env.interaction().set_parameter("gravity", 5.0)
    assert [shape.friction for shape in env.space.shapes] == pytest.approx(before)


def test_in_the_plane_shapes_of_a_world_that_rubs_them_itself_feel_it_too():
    class Rough(Standing):
        """Whose shapes have a friction of their own."""

        def apply_settings(self):
            for shape in self.space.shapes:
                shape.friction = 0.5

    env = Rough(friction_scale=4.0)
    env.reset(seed=0)
    assert {shape.friction for shape in env.space.shapes} == {1.0}


def test_in_the_plane_bodies_keep_their_shape_of_inertia():
    usual, heavy = (bare("poise/Standing-v0", mass_scale=scale) for scale in (1.0, 3.0))
    for env in (usual, heavy):
        env.reset(seed=0)
        env.reset(seed=1)
    for one, three in zip(usual.space.bodies, heavy.space.bodies, strict=True):
        assert (three.mass, three.moment) == pytest.approx((3.0 * one.mass, 3.0 * one.moment))
        assert one.body_type == pymunk.Body.DYNAMIC


@pytest.mark.parametrize("env_id", SPATIAL)
def test_in_space_every_link_weighs_turns_and_rubs_as_much_as_is_asked_for(env_id):
    told = []
    for scale in (1.0, 3.0):
        env = bare(env_id, mass_scale=scale, friction_scale=scale)
        env.reset(seed=0)
        client = env._client
        links = [
            (body, link)
            for body in range(client.getNumBodies())
            for link in range(-1, client.getNumJoints(body))
        ]
        told.append(np.array([(mass, *inertia, rough**2) for mass, rough, inertia, *_ in
                              (client.getDynamicsInfo(*link) for link in links)]))  # fmt: skip
        env.close()
    moving = told[0][:, 0] > 0.0
    np.testing.assert_allclose(told[1][moving], 3.0 * told[0][moving])
