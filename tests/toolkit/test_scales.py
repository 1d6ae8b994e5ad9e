"""Other worlds: with another mass, friction or gravity a world obeys the same laws, and with the same ones nothing changes."""

import numpy as np
import pymunk
import pytest
from poise.envs2d.planar import PlanarEnvironment
from poise.envs2d.standing import Standing
from sample_envs import IN_SPACE, OUR_IDS, bare, needs_pybullet, random_actions

SCALES = ("mass_scale", "friction_scale")
EVERY = pytest.mark.parametrize("world_id", OUR_IDS)
SPATIAL = [world_id for world_id in OUR_IDS if world_id in IN_SPACE]


def story(world_id: str, strength: float = 1.0, steps: int = 60, **settings: object) -> np.ndarray:
    """All observations of an episode under random actions of some strength."""
    world = bare(world_id, **settings)
    seen = [world.reset(seed=3)[0]]
    seen += [world.step(strength * action)[0] for action in random_actions(world, steps)]
    return np.array(seen)


@EVERY
def test_with_the_same_mass_friction_and_gravity_nothing_changes(world_id):
    assert story(world_id).tobytes() == story(world_id, **dict.fromkeys(SCALES, 1.0)).tobytes()


@EVERY
def test_with_another_mass_the_same_torques_do_something_else(world_id):
    assert not np.allclose(story(world_id), story(world_id, mass_scale=1.5))


@pytest.mark.parametrize("world_id", [world_id for world_id in OUR_IDS if "Reacher" in world_id])
def test_what_is_twice_as_heavy_and_rubs_twice_as_much_coasts_alike(world_id):
    coasting = {"strength": 0.0, "start_noise": 0.2}
    heavy = story(world_id, **coasting, mass_scale=2.0, friction_scale=2.0)
    np.testing.assert_allclose(heavy, story(world_id, **coasting), atol=1e-5)
    assert not np.allclose(heavy, story(world_id, **coasting, mass_scale=2.0), atol=1e-3)


def test_a_pole_falls_alike_however_heavy_it_is_and_a_cart_twice_as_heavy_needs_twice_the_force():
    cartpole = "poise/Cartpole-v0"
    np.testing.assert_allclose(story(cartpole, 0.0, mass_scale=8.0), story(cartpole, 0.0), atol=2e-3)
    # It falls by itself: roundings grow.
    np.testing.assert_allclose(story(cartpole, mass_scale=2.0, force=20.0), story(cartpole), atol=2e-3)


@pytest.mark.parametrize("gravity", [0.0, 5.0, 20.0])
@pytest.mark.parametrize("world_id", ["poise/Standing-v0", "poise/BollaRolla-v0", "poise/Humanoid3D-v0"])
def test_bodies_fall_as_far_as_gravity_lets_them(world_id, gravity):
    needs_pybullet(world_id)
    world = bare(world_id, gravity=gravity, start_noise=0.0)
    world.reset(seed=0)
    in_plane = isinstance(world, PlanarEnvironment)
    if in_plane:
        for body in world.space.bodies:
            body.position += (0.0, 5.0)
    else:
        world.body.place_root((0.0, 0.0, 5.0), (0.0, 0.0, 0.0, 1.0))
    world.sense()
    heights = []
    for _ in range(11):
        heights.append(world.torso[1] if in_plane else world.position[2])
        world.step(np.zeros(world.action_space.shape))
    assert heights[0] - heights[-1] == pytest.approx(gravity * 0.2**2 / 2, rel=0.03, abs=1e-6)


def test_in_the_plane_friction_where_two_shapes_touch_is_what_is_asked_for():
    usual, rough = (bare("poise/BollaRolla-v0", friction_scale=scale) for scale in (1.0, 3.0))
    for world in (usual, rough):
        world.reset(seed=0)
    products = [np.multiply.outer(*[[shape.friction for shape in world.space.shapes]] * 2) for world in (usual, rough)]
    np.testing.assert_allclose(products[1], 3.0 * products[0])


@pytest.mark.parametrize("world_id", ["poise/Standing-v0", "poise/BollaRolla-v0"])
def test_in_the_plane_friction_stays_what_is_asked_for_when_a_setting_is_turned(world_id):
    world = bare(world_id, friction_scale=3.0)
    world.reset(seed=0)
    before = [shape.friction for shape in world.space.shapes]
    world.hands().turn("gravity", 5.0)
    assert [shape.friction for shape in world.space.shapes] == pytest.approx(before)


def test_in_the_plane_shapes_of_a_world_that_rubs_them_itself_feel_it_too():
    class Rough(Standing):
        """Whose shapes have a friction of their own."""

        def tune(self):
            for shape in self.space.shapes:
                shape.friction = 0.5

    world = Rough(friction_scale=4.0)
    world.reset(seed=0)
    assert {shape.friction for shape in world.space.shapes} == {1.0}


def test_in_the_plane_bodies_keep_their_shape_of_inertia():
    usual, heavy = (bare("poise/Standing-v0", mass_scale=scale) for scale in (1.0, 3.0))
    for world in (usual, heavy):
        world.reset(seed=0)
        world.reset(seed=1)
    for one, three in zip(usual.space.bodies, heavy.space.bodies, strict=True):
        assert (three.mass, three.moment) == pytest.approx((3.0 * one.mass, 3.0 * one.moment))
        assert one.body_type == pymunk.Body.DYNAMIC


@pytest.mark.parametrize("world_id", SPATIAL)
def test_in_space_every_link_weighs_turns_and_rubs_as_much_as_is_asked_for(world_id):
    told = []
    for scale in (1.0, 3.0):
        world = bare(world_id, mass_scale=scale, friction_scale=scale)
        world.reset(seed=0)
        client = world._client
        links = [(body, link) for body in range(client.getNumBodies()) for link in range(-1, client.getNumJoints(body))]
        told.append(np.array([(mass, *inertia, rough**2) for mass, rough, inertia, *_ in
                              (client.getDynamicsInfo(*link) for link in links)]))  # fmt: skip
        world.close()
    moving = told[0][:, 0] > 0.0
    np.testing.assert_allclose(told[1][moving], 3.0 * told[0][moving])
