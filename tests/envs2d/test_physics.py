"""The physics of the environments in the plane, against the laws of mechanics."""

import inspect
import math
from collections.abc import Callable

import numpy as np
import pymunk
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from sample_envs import (
    ACTING,
    BALANCING,
    FIGURES,
    OUR_IDS,
    bang_bang_actions,
    bare,
    live,
    make,
    zero_actions,
)

from poise.envs2d.bolla_rolla import PLANK_LENGTH
from poise.envs2d.cartpole import POLE_ANGLE_LIMIT, POLE_LENGTH, POLE_MASS, POLE_WIDTH, RAIL_END
from poise.envs2d.figure import LEGS, MAX_IMPULSE
from poise.envs2d.planar import PlanarEnvironment
from poise.envs2d.reacher import LINK_LENGTH, MAX_TORQUE, Reacher2D
from poise.envs2d.standing import DROP_LIMIT, Standing

GRAVITY = 9.81
STEP = 1.0 / 50.0
ACTUATED = [
    ("poise/Cartpole-v0", {}),
    ("poise/Reacher2D-v0", {}),
    *[
        (env_id, {"actuation": actuation})
        for env_id in FIGURES
        for actuation in ("motor", "impulse")
    ],
]


def constraints(env: PlanarEnvironment, constraint_class: type) -> list:
    """Return the constraints of one class."""
    return [joint for joint in env.space.constraints if isinstance(joint, constraint_class)]


def record(env: PlanarEnvironment, measure: Callable[[], float]) -> list[float]:
    """Return a list that receives a measurement after every step of the physics."""
    values: list[float] = []
    step_physics = env.step_physics

    def step_and_measure(dt: float) -> None:
        step_physics(dt)
        values.append(measure())

    env.step_physics = step_and_measure
    return values


def gap(env: PlanarEnvironment) -> float:
    """Return the widest gap of any hinge (m)."""
    hinges = constraints(env, pymunk.PivotJoint)
    return max(
        (hinge.a.local_to_world(hinge.anchor_a) - hinge.b.local_to_world(hinge.anchor_b)).length
        for hinge in hinges
    )


def beyond_limit(env: PlanarEnvironment) -> float:
    """Return how far the worst joint is beyond its range (rad); negative inside."""
    limits = constraints(env, pymunk.RotaryLimitJoint)
    angles = [(limit, limit.b.angle - limit.a.angle) for limit in limits]
    return max(max(limit.min - angle, angle - limit.max) for limit, angle in angles)


def energy(bodies: list[pymunk.Body], gravity: float = GRAVITY) -> float:
    """Return kinetic plus potential energy (J)."""
    return sum(
        body.mass * (body.velocity.length**2 / 2 + gravity * body.position.y)
        + body.moment * body.angular_velocity**2 / 2
        for body in bodies
    )


def momenta(bodies: list[pymunk.Body]) -> tuple[pymunk.Vec2d, float]:
    """Return linear momentum, and angular momentum about the common centre of mass."""
    mass = sum(body.mass for body in bodies)
    centre = sum((body.mass * body.position for body in bodies), pymunk.Vec2d.zero()) / mass
    momentum = sum((body.mass * body.velocity for body in bodies), pymunk.Vec2d.zero())
    angular_momentum = sum(
        body.moment * body.angular_velocity
        + body.mass * (body.position - centre).cross(body.velocity - momentum / mass)
        for body in bodies
    )
    return momentum, angular_momentum


def lift(env: PlanarEnvironment, height: float) -> list[pymunk.Body]:
    """Put the figure far above everything else, in free flight, and return its bodies."""
    bodies = list(env.figure.bodies.values())
    for body in bodies:
        body.position += (0.0, height)
    return bodies


# Joints and limits.


@pytest.mark.parametrize("acting", ["random", "bang-bang"])
@pytest.mark.parametrize(("env_id", "settings"), ACTUATED)
def test_joints_under_full_actions_have_small_gaps(env_id, settings, acting):
    env = make(env_id, **settings)
    gaps = record(env.unwrapped, lambda: gap(env.unwrapped))
    for _ in live(env, ACTING[acting](env, 400)):
        pass
    assert len(gaps) == 400 * env.unwrapped.PHYSICS_STEPS
    assert max(gaps) < 0.01


@pytest.mark.parametrize("env_id", FIGURES)
def test_joints_long_after_a_fall_have_small_gaps(env_id):
    env = bare(env_id)
    env.reset(seed=1)
    gaps = record(env, lambda: gap(env))
    for action in bang_bang_actions(env, 300):
        env.step(action)
    assert max(gaps) < 0.01


@pytest.mark.parametrize("acting", ["random", "bang-bang"])
@pytest.mark.parametrize("env_id", FIGURES)
def test_joints_under_full_actions_keep_their_limits(env_id, acting):
    env = make(env_id, reset_noise_scale=0.2)
    beyond = record(env.unwrapped, lambda: beyond_limit(env.unwrapped))
    for _ in live(env, ACTING[acting](env, 600)):
        pass
    assert -0.5 < max(beyond) < 0.15, "the limits are reached and hold"


@pytest.mark.parametrize("env_id", FIGURES)
def test_impulse_actuation_has_no_joint_limits_and_no_motors(env_id):
    env = bare(env_id, actuation="impulse")
    env.reset(seed=0)
    assert not constraints(env, pymunk.RotaryLimitJoint)
    assert not constraints(env, pymunk.SimpleMotor)


def test_cart_under_full_actions_stays_on_its_line_and_level():
    env = bare("poise/Cartpole-v0", force=100.0)
    env.reset(seed=0)
    heights = record(env, lambda: max(abs(env.cart.position.y), abs(env.cart.angle)))
    for action in bang_bang_actions(env, 500):
        env.step(action)
        if abs(env.cart.position.x) > RAIL_END:
            env.reset()
    assert max(heights) < 0.001


# Forces.


def test_full_action_accelerates_the_cart_by_force_over_mass():
    env = bare("poise/Cartpole-v0", reset_noise_scale=0.0)
    env.reset(seed=0)
    env.space.remove(*constraints(env, pymunk.PivotJoint))  # The cart alone, 1 kg.
    env.step(np.array([1.0]))
    assert env.cart.velocity.x == pytest.approx(10.0 * STEP, rel=1e-3)
    env.step(np.array([-0.5]))
    assert env.cart.velocity.x == pytest.approx(5.0 * STEP, rel=1e-3)
    env.step(np.array([0.0]))
    assert env.cart.velocity.x == pytest.approx(5.0 * STEP, rel=1e-3), (
        "a force lasts for its own step only"
    )


def test_force_does_not_depend_on_the_position_of_the_cart():
    velocities = []
    for x in (-2.5, 0.0, 2.5):
        env = bare("poise/Cartpole-v0", reset_noise_scale=0.0)
        env.reset(seed=0)
        for body in env.space.bodies:
            body.position += (x, 0.0)
        env.step(np.array([1.0]))
        velocities.append(env.cart.velocity.x)
    assert velocities == pytest.approx([velocities[1]] * 3, rel=1e-3)


def test_cart_and_pole_under_a_mirrored_force_mirror_their_motion():
    left = bare("poise/Cartpole-v0", reset_noise_scale=0.0)
    right = bare("poise/Cartpole-v0", reset_noise_scale=0.0)
    left.reset(seed=0)
    right.reset(seed=0)
    for action in np.linspace(-1.0, 1.0, 20):
        observation = left.step(np.array([action]))[0]
        mirrored = right.step(np.array([-action]))[0]
        np.testing.assert_allclose(observation, -mirrored, atol=1e-5)


@pytest.mark.parametrize("env_id", FIGURES)
def test_motors_in_free_flight_conserve_momentum_and_angular_momentum(env_id):
    env = bare(env_id, reset_noise_scale=0.0)
    env.reset(seed=0)
    bodies = lift(env, 500.0)
    momentum, angular_momentum = momenta(bodies)
    assert angular_momentum == pytest.approx(0.0, abs=1e-9)
    start = momentum.y
    for number, action in enumerate(bang_bang_actions(env, 50), 1):
        env.step(action)
        momentum, angular_momentum = momenta(bodies)
        spin = sum(abs(body.moment * body.angular_velocity) for body in bodies)
        assert abs(angular_momentum) < 0.01 * max(1.0, spin), "internal torques sum to zero"
        assert momentum.x == pytest.approx(0.0, abs=0.01)
        fallen = -GRAVITY * sum(body.mass for body in bodies) * number * STEP
        assert momentum.y - start == pytest.approx(fallen, rel=1e-6)


@pytest.mark.parametrize("env_id", FIGURES)
def test_action_exerts_the_torque_of_its_signal(env_id):
    env = bare(env_id, reset_noise_scale=0.0)
    for index, (limb, signal) in enumerate(zip(env_limbs(env), env.ACTION, strict=True)):
        assert signal.high == -signal.low == limb.max_torque
        env.reset(seed=0)
        lift(env, 500.0)
        parent, body = env.figure.bodies[limb.parent], env.figure.bodies[limb.name]
        # Motors alone, so that all torque becomes rotation.
        motors = constraints(env, pymunk.SimpleMotor)
        env.space.remove(*set(env.space.constraints).difference(motors))
        action = np.zeros(len(env.ACTION))
        action[index] = 0.1
        env.step(action)
        assert body.moment * body.angular_velocity == pytest.approx(
            0.1 * limb.max_torque * STEP, rel=1e-3
        )
        assert parent.moment * parent.angular_velocity == pytest.approx(
            -0.1 * limb.max_torque * STEP, rel=1e-3
        )


def env_limbs(env: PlanarEnvironment) -> tuple:
    """Return the limbs of the figure of an environment."""
    env.reset(seed=0)
    return env.figure.limbs


@pytest.mark.parametrize("env_id", FIGURES)
def test_impulse_acts_on_the_limb_alone(env_id):
    env = bare(env_id, actuation="impulse", reset_noise_scale=0.0)
    assert MAX_IMPULSE == 0.2
    for index, limb in enumerate(env_limbs(env)):
        for share in (1.0, -0.5):
            env.reset(seed=0)
            before = {name: body.angular_velocity for name, body in env.figure.bodies.items()}
            action = [0.0] * len(env.ACTION)
            action[index] = share
            env.apply_action(action)
            for name, body in env.figure.bodies.items():
                impulse = share * 0.2 if name == limb.name else 0.0
                assert body.moment * (body.angular_velocity - before[name]) == pytest.approx(
                    impulse, abs=1e-12
                )
    thigh = next(body for name, body in env.figure.bodies.items() if "thigh" in name)
    assert 0.2 / thigh.moment == pytest.approx(3.7, abs=0.05), (
        "the reference gives an upper leg 3.7 rad/s a step"
    )


def test_reacher_action_exerts_the_torque_of_its_signal():
    env = bare("poise/Reacher2D-v0", reset_noise_scale=0.0, friction=0.0)
    for index in range(2):
        env.reset(seed=0)
        for hinge in constraints(env, pymunk.PivotJoint):
            env.space.remove(hinge)
        action = np.zeros(2)
        action[index] = 0.1
        env.step(action)
        upper, lower = (link.moment * link.angular_velocity for link in env.arm.links)
        impulse = 0.1 * MAX_TORQUE * STEP
        expected = (impulse, 0.0) if index == 0 else (-impulse, impulse)
        assert (upper, lower) == pytest.approx(expected, rel=1e-3, abs=1e-9)


# Motion and energy.


@pytest.mark.parametrize("env_id", FIGURES)
def test_body_in_free_fall_falls_by_half_g_t_squared(env_id):
    env = bare(env_id, reset_noise_scale=0.0)
    env.reset(seed=0)
    bodies = lift(env, 500.0)
    start = [body.position for body in bodies]
    for number, action in enumerate(zero_actions(env, 50), 1):
        env.step(action)
        time = number * STEP
        fallen = [(before - body.position).y for before, body in zip(start, bodies, strict=True)]
        expected = GRAVITY * time**2 / 2
        # Symplectic Euler falls g t dt / 2 further than the parabola.
        assert fallen == pytest.approx(
            [expected] * len(bodies), abs=GRAVITY * time * env._dt / 2 * 1.05 + 1e-9
        )
        assert [body.angle for body in bodies] == pytest.approx([0.0] * len(bodies), abs=1e-9)


def hanging_pole(angle: float) -> PlanarEnvironment:
    """Return a pole that hangs from an immovable cart, `angle` (rad) from the vertical."""
    env = bare("poise/Cartpole-v0", reset_noise_scale=0.0)
    env.reset(seed=0)
    hinge = constraints(env, pymunk.PivotJoint)[0]
    pole_angle = math.pi + angle
    hinge_position = env.cart.local_to_world(hinge.anchor_a)
    env.cart.mass = 1e9
    env.pole.angle = pole_angle
    env.pole.position = hinge_position + pymunk.Vec2d(0.0, POLE_LENGTH / 2).rotated(pole_angle)
    return env


def test_hanging_pole_has_the_period_of_a_compound_pendulum():
    small = 0.05
    env = hanging_pole(small)
    angles = record(env, lambda: env.pole.angle - math.pi)
    for action in zero_actions(env, 500):
        env.step(action)
    falling = [index for index in range(1, len(angles)) if angles[index - 1] > 0.0 >= angles[index]]
    measured = (falling[-1] - falling[0]) / (len(falling) - 1) * env._dt
    moment = POLE_MASS * (POLE_LENGTH**2 + POLE_WIDTH**2) / 12 + POLE_MASS * (POLE_LENGTH / 2) ** 2
    period = (
        2
        * math.pi
        * math.sqrt(moment / (POLE_MASS * GRAVITY * POLE_LENGTH / 2))
        * (1 + small**2 / 16)
    )
    assert len(falling) >= 5
    assert measured == pytest.approx(period, rel=0.002)
    assert max(angles) < small * 1.01, "it never swings higher than its start"


@pytest.mark.parametrize("angle", [0.05, 1.0, 2.5])
def test_pendulum_without_actions_keeps_its_energy(angle):
    env = hanging_pole(angle)
    lowest = env.cart.position.y + 0.15 - POLE_LENGTH / 2
    energies = record(env, lambda: energy([env.pole]) - POLE_MASS * GRAVITY * lowest)
    begins = energy([env.pole]) - POLE_MASS * GRAVITY * lowest
    for action in zero_actions(env, 300):
        env.step(action)
    assert max(energies) < begins * 1.01
    assert min(energies) > begins * 0.9, "the hinge has no friction"


def passive_energies(env_id: str, actuation: str, seed: int) -> tuple[float, np.ndarray]:
    """Return the energy of all bodies (J), before and during an episode without actions."""
    env = bare(env_id, actuation=actuation)
    env.reset(seed=seed)
    bodies = list(env.space.bodies)
    begins = energy(bodies)
    energies = record(env, lambda: energy(bodies))
    for action in zero_actions(env, 400):
        if env.step(action)[2]:
            break
    return begins, np.array(energies)


@pytest.mark.parametrize("actuation", ["motor", "impulse"])
@pytest.mark.parametrize("env_id", FIGURES)
def test_passive_body_never_exceeds_its_initial_energy(env_id, actuation):
    for seed in range(10):
        begins, energies = passive_energies(env_id, actuation, seed)
        assert max(energies) < begins + 1.0


@pytest.mark.parametrize("actuation", ["motor", "impulse"])
@pytest.mark.parametrize("env_id", FIGURES)
def test_passive_body_gains_no_energy_at_joints_and_limits(env_id, actuation):
    """An impact may be elastic: it returns within two steps no more energy than it took."""
    gains = []
    for seed in range(20):
        energies = passive_energies(env_id, actuation, seed)[1]
        upper = sliding_window_view(energies, 2 * PlanarEnvironment.PHYSICS_STEPS).max(axis=1)
        gains.append(float((upper - np.minimum.accumulate(upper)).max()))
    assert max(gains) < 5.0, "the energy that lifts the body by a centimetre"
    assert np.median(gains) < 1.0


@pytest.mark.parametrize("friction", [0.0, 0.15, 1.0])
def test_reacher_without_actions_slows_down_by_its_friction_alone(friction):
    env = bare("poise/Reacher2D-v0", friction=friction)
    env.reset(seed=3)
    env.arm.links[0].angular_velocity = 3.0
    env.arm.links[1].angular_velocity = -2.0
    env.step(np.zeros(2))  # The solver makes the links' velocities consistent.
    energies = record(env, lambda: energy(env.arm.links, gravity=0.0))
    begins = energy(env.arm.links, gravity=0.0)
    for action in zero_actions(env, 100):
        env.step(action)
    assert max(energies) < begins * 1.01
    if friction:
        assert energies[-1] < begins * 0.05
    else:
        assert energies[-1] > begins * 0.95


def test_pushed_ball_rolls_without_slipping():
    env = bare("poise/BollaRolla-v0", reset_noise_scale=0.0)
    env.reset(seed=0)
    for body in list(env.space.bodies):
        if body is not env.ball:
            body.position += (0.0, 500.0)
    env.ball.apply_impulse_at_local_point((5.0, 0.0))
    for _ in range(50):
        env.step(np.zeros(8))
    # A disc keeps 2/3 of the momentum: the ground's friction takes the rest to rotate it.
    assert env.ball.velocity.x == pytest.approx(0.5 * 2 / 3, rel=0.02)
    assert env.ball.angular_velocity * 0.25 == pytest.approx(-env.ball.velocity.x, rel=0.01)


# Failures.


@pytest.mark.parametrize("acting", ["random", "zero"])
@pytest.mark.parametrize(("env_id", "settings"), [(i, s) for i, s in ACTUATED if i in BALANCING])
def test_body_without_a_policy_fails_soon(env_id, settings, acting):
    env = make(env_id, **settings)
    lengths = []
    for seed in range(31):
        env.reset(seed=seed)
        lengths.append(0)
        for action in ACTING[acting](env, 400, seed):
            lengths[-1] += 1
            if any(env.step(action)[2:4]):
                break
    assert 5 < np.median(lengths) < 100


def failure_after(env: PlanarEnvironment) -> tuple[bool, str | None]:
    """Make one step without an action; return terminated and the failure."""
    _, _, terminated, _, info = env.step(np.zeros(env.action_space.shape))
    return terminated, info.get("failure")


def shifted(env: PlanarEnvironment, x: float, *bodies: pymunk.Body) -> PlanarEnvironment:
    """Return the environment with some bodies moved sideways by x (m)."""
    for body in bodies:
        body.position += (x, 0.0)
    return env


@pytest.fixture
def bolla() -> PlanarEnvironment:
    """BollaRolla after a reset; each test moves parts of it, so that only one limit is exceeded."""
    env = bare("poise/BollaRolla-v0", reset_noise_scale=0.0)
    env.reset(seed=0)
    return env


@pytest.mark.parametrize("side", [-1.0, 1.0])
@pytest.mark.parametrize(("beyond", "ends"), [(0.1, True), (-0.1, False)])
class TestBollaRollaFails:
    """Four failures, each just beyond its limit and just before it."""

    def test_when_the_plank_tips(self, bolla, side, beyond, ends):
        for body in bolla.space.bodies:
            if body is not bolla.ball:
                body.position += (0.0, 500.0)
        bolla.plank.angle = side * (0.8 + beyond)
        bolla.plank.position -= (0.0, 100.0)
        assert failure_after(bolla) == (ends, "plank tips" if ends else None)

    def test_when_the_torso_tips(self, bolla, side, beyond, ends):
        centre = bolla.figure.torso.position
        for body in bolla.figure.bodies.values():
            rotated = (body.position - centre).rotated(side * (1.5 + beyond))
            body.position = rotated + centre + pymunk.Vec2d(0.0, 500.0)
            body.angle += side * (1.5 + beyond)
        assert failure_after(bolla) == (ends, "torso tips" if ends else None)

    def test_when_the_torso_leaves_the_plank(self, bolla, side, beyond, ends):
        for body in bolla.figure.bodies.values():
            body.position += (side * (PLANK_LENGTH / 2 + beyond), 500.0)
        assert failure_after(bolla) == (ends, "torso leaves the plank" if ends else None)

    def test_when_the_ball_leaves_the_plank(self, bolla, side, beyond, ends):
        for body in bolla.space.bodies:
            if body is not bolla.ball:
                body.position += (0.0, 500.0)
        shifted(bolla, side * (PLANK_LENGTH / 2 + beyond), bolla.ball)
        assert failure_after(bolla) == (ends, "ball leaves the plank" if ends else None)


@pytest.mark.parametrize("side", [-1.0, 1.0])
@pytest.mark.parametrize(("beyond", "ends"), [(0.02, True), (-0.02, False)])
def test_cartpole_fails_when_the_pole_tips_or_the_rail_ends(side, beyond, ends):
    env = bare("poise/Cartpole-v0", reset_noise_scale=0.0)
    env.reset(seed=0)
    angle = side * (POLE_ANGLE_LIMIT + beyond)
    env.pole.angle = angle
    hinge = env.cart.local_to_world((0.0, 0.15))
    env.pole.position = hinge + pymunk.Vec2d(0.0, POLE_LENGTH / 2).rotated(angle)
    assert failure_after(env) == (ends, "pole" if ends else None)
    env.reset(seed=0)
    shifted(env, side * (RAIL_END + beyond), *env.space.bodies)
    assert failure_after(env) == (ends, "rail" if ends else None)
    assert (POLE_ANGLE_LIMIT, RAIL_END) == (0.21, 3.0)


@pytest.mark.parametrize(("beyond", "ends"), [(0.02, True), (-0.02, False)])
def test_standing_fails_when_the_torso_has_dropped(beyond, ends):
    env = bare("poise/Standing-v0", reset_noise_scale=0.0)
    env.reset(seed=0)
    assert DROP_LIMIT == 0.32
    lift(env, 500.0)
    env.start_height += 500.0 + DROP_LIMIT + beyond
    assert failure_after(env) == (ends, "height" if ends else None)


def test_standing_allows_kneeling_and_its_docstrings_say_so():
    """On its knees the torso is lower by the length of a shin."""
    env = bare("poise/Standing-v0", reset_noise_scale=0.0)
    env.reset(seed=0)
    shin = next(limb.length for limb in LEGS if "shin" in limb.name)
    lift(env, 500.0)
    env.start_height += 500.0 + shin
    assert failure_after(env) == (False, None)
    page = inspect.getdoc(inspect.getmodule(Standing)) + inspect.getdoc(Standing)
    assert "kneeling is allowed" in page
    assert f"Kneeling, a drop of {shin:.2f} m, does not end it" in " ".join(page.split())
    assert f"has dropped {DROP_LIMIT} m below its start" in page


# The reacher.


@given(seed=st.integers(0, 2**31))
def test_target_is_a_pose_that_the_arm_can_take(seed):
    env = bare("poise/Reacher2D-v0")
    observation, _ = env.reset(seed=seed)
    target = observation[:4]
    pose = observation[4:8]
    elbow = target[:2]
    hand = target[2:]
    assert np.hypot(*elbow) == pytest.approx(LINK_LENGTH, abs=1e-5)
    assert np.hypot(*(hand - elbow)) == pytest.approx(LINK_LENGTH, abs=1e-5)
    np.testing.assert_allclose(observation[8:12], target - pose, atol=1e-6)
    np.testing.assert_allclose(np.hypot(*pose[:2]), LINK_LENGTH, atol=1e-5)


def test_targets_lie_in_every_direction():
    env = bare("poise/Reacher2D-v0")
    targets = np.array([env.reset(seed=seed)[0][:4] for seed in range(300)])
    angles = np.arctan2(targets[:, 1], targets[:, 0])
    assert np.histogram(angles, 6, (-math.pi, math.pi))[0].min() > 20
    assert np.hypot(targets[:, 2], targets[:, 3]).min() < 0.05, "some are close to the shoulder"


def test_observed_pose_is_that_of_the_bodies():
    env = bare("poise/Reacher2D-v0")
    env.reset(seed=0)
    for action in bang_bang_actions(env, 100):
        observation = env.step(action)[0]
        elbow, hand = (link.local_to_world((LINK_LENGTH / 2, 0.0)) for link in env.arm.links)
        np.testing.assert_allclose(observation[4:8], (*elbow, *hand), atol=1e-3)


def test_pose_held_for_25_steps_is_achieved_and_followed_by_a_new_target():
    env = bare("poise/Reacher2D-v0", reset_noise_scale=0.0)
    env.reset(seed=0)
    env.task.set_target(env.pose, env.pose)  # The arm is at the target, and at rest.
    hold = Reacher2D.HOLD_STEPS
    assert hold == 25 and Reacher2D.POSITION_TOLERANCE == 0.02
    steps = [env.step(np.zeros(2)) for _ in range(2 * hold)]
    observations = [step[0] for step in steps]
    infos = [step[4] for step in steps]
    terms = [info["reward_terms"] for info in infos]
    assert [info["success"] for info in infos] == [False] * (hold - 1) + [True] + [False] * hold
    assert [info["poses"] for info in infos] == [0] * (hold - 1) + [1] * (hold + 1)
    assert [term["achieved"] for term in terms] == [0.0] * (hold - 1) + [1.0] + [0.0] * hold
    target_before = observations[hold - 2][:4]
    target_after = observations[hold - 1][:4]
    assert not np.allclose(target_before, target_after), "the achieving step shows the next target"
    assert abs(terms[hold]["progress"]) < 1e-3, "a new target is no loss of progress"


def test_pose_left_in_between_counts_from_the_start_again():
    env = bare("poise/Reacher2D-v0", reset_noise_scale=0.0)
    env.reset(seed=0)
    here, away = env.pose, ((0.2, 0.0), (0.0, 0.0))
    env.task.set_target(here, env.pose)
    assert not any(env.step(np.zeros(2))[4]["success"] for _ in range(Reacher2D.HOLD_STEPS - 1))
    env.task.target = away
    assert not env.step(np.zeros(2))[4]["success"]
    env.task.target = here
    successes = [env.step(np.zeros(2))[4]["success"] for _ in range(Reacher2D.HOLD_STEPS)]
    assert successes == [False] * (Reacher2D.HOLD_STEPS - 1) + [True]


@pytest.mark.parametrize("point", [0, 1])
def test_pose_with_one_point_too_far_is_not_achieved(point):
    env = bare("poise/Reacher2D-v0", reset_noise_scale=0.0)
    env.reset(seed=0)
    target = [list(position) for position in env.pose]
    target[point][0] += Reacher2D.POSITION_TOLERANCE * 1.05
    env.task.set_target(target, env.pose)
    assert not any(env.step(np.zeros(2))[4]["success"] for _ in range(2 * Reacher2D.HOLD_STEPS))
    target[point][0] -= Reacher2D.POSITION_TOLERANCE * 0.1
    assert any(env.step(np.zeros(2))[4]["success"] for _ in range(2 * Reacher2D.HOLD_STEPS))


def test_progress_sums_to_the_difference_of_potentials():
    env = bare("poise/Reacher2D-v0")
    env.reset(seed=5)
    begins = env.task.potential
    gains = []
    for action in bang_bang_actions(env, 100):
        info = env.step(action)[4]
        assert not info["success"]
        gains.append(info["reward_terms"]["progress"])
    assert sum(gains) == pytest.approx(env.task.potential - begins, abs=1e-9)


def test_proportional_derivative_controller_takes_pose_after_pose():
    """Control of the two joint angles is all that the task needs."""
    env = make("poise/Reacher2D-v0")
    poses = []
    for seed in range(3):
        observation, _ = env.reset(seed=seed)
        truncated = False
        while not truncated:
            target = joint_angles(observation[:4])
            angles = joint_angles(observation[4:8])
            speeds = observation[12:14]
            error = (target - angles + math.pi) % (2 * math.pi) - math.pi
            action = np.clip((2.0, 0.7) * error - (0.3, 0.05) * speeds, -1.0, 1.0)
            observation, _, terminated, truncated, info = env.step(action)
            assert not terminated
        poses.append(info["poses"])
    assert min(poses) >= 2


def joint_angles(points: np.ndarray) -> np.ndarray:
    """Return the angles of shoulder and elbow (rad) for elbow and hand at `points` (4,)."""
    shoulder = math.atan2(points[1], points[0])
    return np.array([shoulder, math.atan2(points[3] - points[1], points[2] - points[0]) - shoulder])


@pytest.mark.parametrize("env_id", OUR_IDS)
def test_observation_and_action_have_their_documented_sizes(env_id):
    sizes = {
        "poise/Cartpole-v0": (4, 1),
        "poise/Standing-v0": (30, 4),
        "poise/BollaRolla-v0": (60, 8),
        "poise/Reacher2D-v0": (14, 2),
    }
    env = bare(env_id)
    assert env.CONTROL_HZ == 50
    if env_id in sizes:
        assert (env.observation_space.shape[0], env.action_space.shape[0]) == sizes[env_id]


def test_the_bodies_are_the_references():
    def masses(env_id: str) -> list[float]:
        env = bare(env_id)
        env.reset(seed=0)
        return sorted(body.mass for body in env.space.bodies)

    assert masses("poise/Cartpole-v0") == [0.1, 1.0]
    assert masses("poise/Standing-v0") == [5.0] * 4 + [30.0]
    assert masses("poise/BollaRolla-v0") == [2.0] + [5.0] * 8 + [10.0, 30.0]
