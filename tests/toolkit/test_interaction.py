"""Interaction: disturbances follow physics, and end at the next reset."""

import numpy as np
import pymunk
import pytest
from sample_envs import FIGURES, IN_SPACE, OUR_IDS, bare, needs_pybullet

from poise.envs2d.interaction import FLIGHT_TIME, GRAB_FORCE_PER_KG, GRAB_LAG, MAX_BALLS

IN_PLANE = [env_id for env_id in OUR_IDS if env_id not in IN_SPACE]
STEP = 1.0 / 50.0
LIVE_SETTINGS = [(env_id, name) for env_id in OUR_IDS for name in bare(env_id).LIVE_SETTINGS]


def episode_bytes(env, seed=3, steps=25, disturb=None):
    """Return an episode's observations as bytes.

    `disturb(interaction, step)` is called before every step.
    """
    observations = [env.reset(seed=seed)[0]]
    for step in range(steps):
        if disturb is not None:
            disturb(env.interaction(), step)
        action = np.sin(np.arange(env.action_space.shape[0]) + 0.3 * step).astype(np.float32)
        observations.append(env.step(action)[0])
    return b"".join(observation.tobytes() for observation in observations)


def grab_all(interaction):
    """Return a grab of every visible body."""
    grabs = [interaction.grab((x / 20.0, y / 20.0)) for y in range(1, 20) for x in range(1, 20)]
    return {getattr(grab, "link", grab.body): grab for grab in grabs if grab is not None}.values()


def momentum(bodies):
    return sum((body.mass * body.velocity for body in bodies), pymunk.Vec2d(0.0, 0.0))


def weightless(env_id):
    """Return an environment without gravity, far above its ground."""
    env = bare(env_id, gravity=0.0, reset_noise_scale=0.0)
    env.reset(seed=0)
    for body in env.space.bodies:
        body.position += (0.0, 500.0)
    env.read_state()
    return env


# Laws of every environment.


@pytest.mark.parametrize("env_id", OUR_IDS)
def test_interaction_without_action_changes_nothing(env_id):
    needs_pybullet(env_id)
    env = bare(env_id)
    assert (
        episode_bytes(env, disturb=lambda interaction, step: None)
        == episode_bytes(env)
        == episode_bytes(bare(env_id))
    )


@pytest.mark.parametrize("env_id", OUR_IDS)
@pytest.mark.parametrize("disturbance", ["grab", "throw_ball", "push_all", "push_random"])
def test_disturbance_changes_episode_and_ends_at_reset(env_id, disturbance):
    needs_pybullet(env_id)
    env = bare(env_id)
    rng = np.random.default_rng(0)
    grabs = []

    def disturb(interaction, step):
        match disturbance:
            case "grab":
                if step == 0:
                    grabs[:] = grab_all(interaction)
                for grab in grabs:
                    grab.pull((0.9, 0.1))
            case "throw_ball" if step % 5 == 0:
                interaction.throw_ball((0.49, 0.5 + 0.02 * step))
            case "push_all":
                interaction.push_all(0.05)
            case "push_random" if step == 3:
                interaction.push_random(0.5, rng)

    before = episode_bytes(env)
    is_changed = episode_bytes(env, disturb=disturb) != before
    assert is_changed or (disturbance == "throw_ball" and not env.interaction().CAN_THROW)
    assert episode_bytes(env) == before == episode_bytes(bare(env_id))


@pytest.mark.parametrize(("env_id", "name"), LIVE_SETTINGS)
def test_set_parameter_acts_at_once_and_equals_the_setting_after_reset(env_id, name):
    needs_pybullet(env_id)
    env = bare(env_id)
    value = 0.8 * (getattr(env.settings, name) or 5.0)
    before = episode_bytes(env)
    assert (
        episode_bytes(
            env,
            disturb=lambda interaction, step: step == 3 and interaction.set_parameter(name, value),
        )
        != before
    )
    assert getattr(env.settings, name) == value
    assert episode_bytes(env) == episode_bytes(bare(env_id, **{name: value}))


@pytest.mark.parametrize("env_id", OUR_IDS)
def test_live_setting_has_bounds_that_hold_its_value(env_id):
    needs_pybullet(env_id)
    env = bare(env_id)
    env.reset(seed=0)
    assert env.interaction().LIVE_SETTINGS == env.LIVE_SETTINGS
    for name in env.LIVE_SETTINGS:
        low, high = env.SETTINGS.bounds(name)
        assert low <= getattr(env.settings, name) <= high


# In the plane.


@pytest.mark.parametrize("env_id", IN_PLANE)
def test_push_all_adds_velocity_and_push_random_adds_momentum_to_one_body(env_id):
    env = bare(env_id)
    env.reset(seed=0)
    interaction, bodies = env.interaction(), env.space.bodies
    before = [body.velocity for body in bodies]
    interaction.push_all(0.25)
    for body, was in zip(bodies, before, strict=True):
        assert body.velocity - was == pytest.approx((0.25, 0.0))
    before, was = momentum(bodies), [body.velocity for body in bodies]
    interaction.push_random(0.5, np.random.default_rng(1))
    assert (momentum(bodies) - before).length == pytest.approx(0.5 * interaction.mass)
    assert sum(body.velocity != old for body, old in zip(bodies, was, strict=True)) == 1


@pytest.mark.parametrize("env_id", IN_PLANE)
@pytest.mark.parametrize("at", [(0.05, 0.1), (0.95, 0.3)])
def test_thrown_ball_reaches_its_point(env_id, at):
    env = bare(env_id)
    env.reset(seed=0)
    to = env.image_to_world(*at)
    env.interaction().throw_ball(at)
    ball = env.interaction().balls[0]
    for _ in range(round(FLIGHT_TIME / env._dt)):
        env.step_physics(env._dt)
    assert ball.position.get_distance(to) < 0.02


@pytest.mark.parametrize("env_id", FIGURES)
def test_ball_impact_conserves_momentum(env_id):
    env = weightless(env_id)
    body_parts = list(env.space.bodies)
    interaction = env.interaction()
    interaction.throw_ball(env.world_to_image(env.figure.torso.position))
    ball = interaction.balls[0]
    ball.position, ball.velocity = env.figure.torso.position + pymunk.Vec2d(0.6, 0.0), (-4.0, 0.0)
    before, total = momentum(body_parts), momentum([*body_parts, ball])
    for _ in range(20):
        env.step_physics(env._dt * 5)
    assert (momentum(body_parts) - before).x < -5.0
    assert momentum([*body_parts, ball]) == pytest.approx(total, abs=1e-6)


@pytest.mark.parametrize("env_id", IN_PLANE)
def test_balls_are_drawn_not_observed_and_the_oldest_is_removed(env_id):
    env = bare(env_id, render_mode="rgb_array")
    env.reset(seed=0)
    shape, before = env.get_observation().shape, env.render()
    for number in range(MAX_BALLS + 3):
        env.interaction().throw_ball((0.3, 0.2))
        env.step(np.zeros(env.action_space.shape))
        assert len(env.interaction().balls) == min(number + 1, MAX_BALLS)
        assert np.isfinite(env.body_states).all() and env.get_observation().shape == shape
    assert len(env.space.bodies) == len(env.body_states) + MAX_BALLS
    assert not np.array_equal(env.render(), before)


@pytest.mark.parametrize("env_id", IN_PLANE)
def test_grabbed_point_follows_mouse_until_released(env_id):
    env = bare(env_id, gravity=0.0)
    env.reset(seed=0)
    still = np.zeros(env.action_space.shape)
    last = list(env.space.bodies)[-1]
    grab = env.interaction().grab(env.world_to_image(last.position))
    assert grab.body is last and grab.position() == pytest.approx(
        env.world_to_image(last.position), abs=1e-6
    )
    start = grab.body.local_to_world(grab.local_point)
    turn = pymunk.Vec2d(0.03, 0.0) if env_id != "poise/Reacher2D-v0" else start.rotated(0.2) - start
    for _ in range(round(10 * GRAB_LAG / STEP)):
        grab.pull(env.world_to_image(start + turn))
        env.step(still)
        assert grab.joint.impulse / env._dt <= GRAB_FORCE_PER_KG * env.interaction().mass * (
            1.0 + 1e-9
        )
    assert grab.body.local_to_world(grab.local_point).get_distance(start + turn) < 0.02
    grab.release()
    grab.release()
    assert grab.joint not in env.space.constraints
    env.reset(seed=0)
    grab.release()


def test_grab_takes_the_point_inside_or_the_nearest_outside_a_body():
    env = bare("poise/Standing-v0", reset_noise_scale=0.0)
    env.reset(seed=0)
    torso = env.figure.torso
    inside = torso.position + pymunk.Vec2d(0.1, 0.15)
    grab = env.interaction().grab(env.world_to_image(inside))
    assert grab.body is torso and torso.local_to_world(grab.local_point) == pytest.approx(inside)
    beside = env.interaction().grab(env.world_to_image(torso.position + pymunk.Vec2d(0.4, 0.0)))
    right = torso.position + pymunk.Vec2d(0.15, 0.0)
    assert beside.body is torso and torso.local_to_world(beside.local_point) == pytest.approx(right)


def test_thrown_ball_can_be_grabbed():
    env = bare("poise/Standing-v0")
    env.reset(seed=0)
    interaction = env.interaction()
    interaction.throw_ball((0.9, 0.1))
    grab = interaction.grab(env.world_to_image(interaction.balls[0].position))
    assert grab.body is interaction.balls[0]
    for _ in range(MAX_BALLS):  # It is grabbed when it is the oldest ball.
        interaction.throw_ball((0.9, 0.1))
    env.step(np.zeros(4))
    grab.release()


@pytest.mark.parametrize("friction", [0.0, 0.3, 1.0, 1.7])
@pytest.mark.parametrize("env_id", FIGURES)
def test_friction_of_any_two_surfaces_is_the_set_coefficient(env_id, friction):
    for env in (bare(env_id, friction=friction), bare(env_id)):
        env.reset(seed=0)
        env.interaction().set_parameter("friction", friction)
        for first in env.space.shapes:
            for second in env.space.shapes:
                assert first.friction * second.friction == pytest.approx(friction)


@pytest.mark.parametrize("radius", [0.1, 0.2, 0.5])
@pytest.mark.parametrize("length", [0.6, 2.4])
def test_ball_of_any_size_touches_ground_and_plank_at_start(radius, length):
    env = bare("poise/BollaRolla-v0", ball_radius=radius, plank_length=length)
    env.reset(seed=0)
    _, ball_y, *_ = env.ball_state
    _, plank_y, *_ = env.plank_state
    assert ball_y == pytest.approx(radius)
    assert plank_y == pytest.approx(2 * radius + 0.025)
    env.plank.position += (0.99 * length / 2, 0.0)
    env.read_state()
    assert env.failure_margins()["ball leaves the plank"] == pytest.approx(0.01, abs=1e-9)
    assert env.failure_margins()["torso leaves the plank"] == pytest.approx(0.01, abs=0.1)
