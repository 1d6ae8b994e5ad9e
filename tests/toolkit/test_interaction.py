"""Hands keep their laws: an untouched episode is the one that was always told, and what a hand does is gone at the next reset."""

import numpy as np
import pymunk
import pytest
from poise.envs2d.interaction import FLIGHT, LAG, MOST_BALLS, STRENGTH
from sample_envs import FIGURES, IN_SPACE, OUR_IDS, bare, needs_pybullet

IN_PLANE = [world_id for world_id in OUR_IDS if world_id not in IN_SPACE]
STEP = 1.0 / 50.0
TURNED = [(world_id, name) for world_id in OUR_IDS for name in bare(world_id).TURNS]


def story(world, seed=3, steps=25, disturb=None):
    """All that is seen in an episode, in bytes; `disturb(hand, step)` is done before every step."""
    seen = [world.reset(seed=seed)[0]]
    for step in range(steps):
        if disturb is not None:
            disturb(world.hands(), step)
        action = np.sin(np.arange(world.action_space.shape[0]) + 0.3 * step).astype(np.float32)
        seen.append(world.step(action)[0])
    return b"".join(observation.tobytes() for observation in seen)


def holds_on(hand):
    """A hold on every body that is seen."""
    holds = [hand.grab((x / 20.0, y / 20.0)) for y in range(1, 20) for x in range(1, 20)]
    return {getattr(hold, "link", hold.body): hold for hold in holds if hold is not None}.values()


def momentum(bodies):
    return sum((body.mass * body.velocity for body in bodies), pymunk.Vec2d(0.0, 0.0))


def weightless(world_id):
    """A world with no gravity, far above its ground."""
    world = bare(world_id, gravity=0.0, start_noise=0.0)
    world.reset(seed=0)
    for body in world.space.bodies:
        body.position += (0.0, 500.0)
    world.sense()
    return world


# What holds in every world.


@pytest.mark.parametrize("world_id", OUR_IDS)
def test_a_hand_that_does_nothing_changes_nothing(world_id):
    needs_pybullet(world_id)
    world = bare(world_id)
    assert story(world, disturb=lambda hand, step: None) == story(world) == story(bare(world_id))


@pytest.mark.parametrize("world_id", OUR_IDS)
@pytest.mark.parametrize("deed", ["grab", "throw", "blow", "bump"])
def test_what_a_hand_does_is_felt_and_gone_with_the_episode(world_id, deed):
    needs_pybullet(world_id)
    world, chance = bare(world_id), np.random.default_rng(0)
    holds = []

    def disturb(hand, step):
        match deed:
            case "grab":
                if step == 0:
                    holds[:] = holds_on(hand)
                for hold in holds:
                    hold.pull((0.9, 0.1))
            case "throw" if step % 5 == 0:
                hand.throw((0.49, 0.5 + 0.02 * step))
            case "blow":
                hand.blow(0.05)
            case "bump" if step == 3:
                hand.bump(0.5, chance)

    before = story(world)
    felt = story(world, disturb=disturb) != before
    assert felt or (deed == "throw" and not world.hands().THROWS)
    assert story(world) == before == story(bare(world_id))


@pytest.mark.parametrize(("world_id", "name"), TURNED)
def test_a_setting_turned_within_an_episode_is_felt_and_later_ones_are_those_of_a_world_made_with_it(world_id, name):
    needs_pybullet(world_id)
    world = bare(world_id)
    value = 0.8 * (getattr(world.settings, name) or 5.0)
    before = story(world)
    assert story(world, disturb=lambda hand, step: step == 3 and hand.turn(name, value)) != before
    assert getattr(world.settings, name) == value
    assert story(world) == story(bare(world_id, **{name: value}))


@pytest.mark.parametrize("world_id", OUR_IDS)
def test_a_setting_that_can_be_turned_has_bounds_and_stands_between_them(world_id):
    needs_pybullet(world_id)
    world = bare(world_id)
    world.reset(seed=0)
    assert world.hands().TURNS == world.TURNS
    for name in world.TURNS:
        low, high = world.SETTINGS.bounds(name)
        assert low <= getattr(world.settings, name) <= high


# The plane.


@pytest.mark.parametrize("world_id", IN_PLANE)
def test_wind_makes_all_bodies_faster_and_a_push_gives_one_the_momentum_of_all(world_id):
    world = bare(world_id)
    world.reset(seed=0)
    hand, bodies = world.hands(), world.space.bodies
    before = [body.velocity for body in bodies]
    hand.blow(0.25)
    for body, was in zip(bodies, before, strict=True):
        assert body.velocity - was == pytest.approx((0.25, 0.0))
    before, was = momentum(bodies), [body.velocity for body in bodies]
    hand.bump(0.5, np.random.default_rng(1))
    assert (momentum(bodies) - before).length == pytest.approx(0.5 * hand.mass)
    assert sum(body.velocity != old for body, old in zip(bodies, was, strict=True)) == 1


@pytest.mark.parametrize("world_id", IN_PLANE)
@pytest.mark.parametrize("at", [(0.05, 0.1), (0.95, 0.3)])
def test_a_ball_passes_where_it_is_thrown(world_id, at):
    world = bare(world_id)
    world.reset(seed=0)
    to = world.to_world(*at)
    world.hands().throw(at)
    ball = world.hands().balls[0]
    for _ in range(round(FLIGHT / world._dt)):
        world.advance(world._dt)
    assert ball.position.get_distance(to) < 0.02


@pytest.mark.parametrize("world_id", FIGURES)
def test_a_ball_gives_the_body_the_momentum_it_loses(world_id):
    world = weightless(world_id)
    own = list(world.space.bodies)
    hand = world.hands()
    hand.throw(world.seen_at(world.figure.torso.position))
    ball = hand.balls[0]
    ball.position, ball.velocity = world.figure.torso.position + pymunk.Vec2d(0.6, 0.0), (-4.0, 0.0)
    before, total = momentum(own), momentum([*own, ball])
    for _ in range(20):
        world.advance(world._dt * 5)
    assert (momentum(own) - before).x < -5.0
    assert momentum([*own, ball]) == pytest.approx(total, abs=1e-6)


@pytest.mark.parametrize("world_id", IN_PLANE)
def test_balls_are_seen_but_not_sensed_and_the_oldest_make_room(world_id):
    world = bare(world_id, render_mode="rgb_array")
    world.reset(seed=0)
    shape, before = world.observe().shape, world.render()
    for number in range(MOST_BALLS + 3):
        world.hands().throw((0.3, 0.2))
        world.step(np.zeros(world.action_space.shape))
        assert len(world.hands().balls) == min(number + 1, MOST_BALLS)
        assert np.isfinite(world.states).all() and world.observe().shape == shape
    assert len(world.space.bodies) == len(world.states) + MOST_BALLS
    assert not np.array_equal(world.render(), before)


@pytest.mark.parametrize("world_id", IN_PLANE)
def test_a_held_point_follows_the_mouse_and_is_free_once_let_go(world_id):
    world = bare(world_id, gravity=0.0)
    world.reset(seed=0)
    still = np.zeros(world.action_space.shape)
    last = list(world.space.bodies)[-1]
    hold = world.hands().grab(world.seen_at(last.position))
    assert hold.body is last and hold.place() == pytest.approx(world.seen_at(last.position), abs=1e-6)
    start = hold.body.local_to_world(hold.at)
    turn = pymunk.Vec2d(0.03, 0.0) if world_id != "poise/Reacher2D-v0" else start.rotated(0.2) - start
    for _ in range(round(10 * LAG / STEP)):
        hold.pull(world.seen_at(start + turn))
        world.step(still)
        assert hold.joint.impulse / world._dt <= STRENGTH * world.hands().mass * (1.0 + 1e-9)
    assert hold.body.local_to_world(hold.at).get_distance(start + turn) < 0.02
    hold.let_go(), hold.let_go()
    assert hold.joint not in world.space.constraints
    world.reset(seed=0)
    hold.let_go()


def test_a_touch_holds_the_very_point_and_one_beside_the_nearest():
    world = bare("poise/Standing-v0", start_noise=0.0)
    world.reset(seed=0)
    torso = world.figure.torso
    inside = torso.position + pymunk.Vec2d(0.1, 0.15)
    hold = world.hands().grab(world.seen_at(inside))
    assert hold.body is torso and torso.local_to_world(hold.at) == pytest.approx(inside)
    beside = world.hands().grab(world.seen_at(torso.position + pymunk.Vec2d(0.4, 0.0)))
    assert beside.body is torso and torso.local_to_world(beside.at) == pytest.approx(torso.position + pymunk.Vec2d(0.15, 0.0))


def test_a_thrown_ball_can_be_caught():
    world = bare("poise/Standing-v0")
    world.reset(seed=0)
    hand = world.hands()
    hand.throw((0.9, 0.1))
    hold = hand.grab(world.seen_at(hand.balls[0].position))
    assert hold.body is hand.balls[0]
    for _ in range(MOST_BALLS):  # It is held when it must make room.
        hand.throw((0.9, 0.1))
    world.step(np.zeros(4))
    hold.let_go()


@pytest.mark.parametrize("friction", [0.0, 0.3, 1.0, 1.7])
@pytest.mark.parametrize("world_id", FIGURES)
def test_any_two_surfaces_rub_with_the_coefficient_that_was_set(world_id, friction):
    for world in (bare(world_id, friction=friction), bare(world_id)):
        world.reset(seed=0)
        world.hands().turn("friction", friction)
        for first in world.space.shapes:
            for second in world.space.shapes:
                assert first.friction * second.friction == pytest.approx(friction)


@pytest.mark.parametrize("radius", [0.1, 0.2, 0.5])
@pytest.mark.parametrize("length", [0.6, 2.4])
def test_a_ball_of_any_size_lies_between_ground_and_plank_at_the_start(radius, length):
    world = bare("poise/BollaRolla-v0", ball_radius=radius, plank_length=length)
    world.reset(seed=0)
    _, ball_y, *_ = world.ball_state
    _, plank_y, *_ = world.plank_state
    assert ball_y == pytest.approx(radius)
    assert plank_y == pytest.approx(2 * radius + 0.025)
    world.plank.position += (0.99 * length / 2, 0.0)
    world.sense()
    assert world.margins()["ball leaves the plank"] == pytest.approx(0.01, abs=1e-9)
    assert world.margins()["torso leaves the plank"] == pytest.approx(0.01, abs=0.1)
