"""Environments in space: physics against formulas, camera against renderer, and error messages."""

import math
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from processes import python
from sample_envs import IN_SPACE, bang_bang_actions, bare

pytest.importorskip("pybullet")

from poise.envs3d.camera import Camera
from poise.envs3d.humanoid import FOOT_LINKS, FOOT_SPHERE
from poise.envs3d.models import ArmJoint, make_arm_urdf, make_humanoid_mjcf
from poise.envs3d.reacher import LINK_LENGTH, LINK_MASS
from poise.envs3d.spatial import PYBULLET_DATA
from poise.toolkit.errors import UserError, WorkError

EVERY = pytest.mark.parametrize("env_id", IN_SPACE)


@pytest.fixture
def reacher():
    env = bare("poise/ReacherPlane3D-v0", friction=0.0)
    env.reset(seed=0)
    yield env
    env.close()


@pytest.fixture
def humanoid():
    env = bare("poise/Humanoid3D-v0", reset_noise_scale=0.0)
    env.reset(seed=0)
    yield env
    env.close()


def swing(gravity: float) -> tuple[object, object]:
    """Return an environment that holds only one link of an arm, hinged about y, and the body."""
    env = bare("poise/ReacherPlane3D-v0", gravity=gravity)
    bodies = []
    env.load_bodies = lambda: bodies.append(
        env.load_body_from_text(
            make_arm_urdf([ArmJoint("hinge", (0, 1, 0), LINK_LENGTH)], 0.02, LINK_MASS, 0.0)
        )
    )
    env.reset_physics()
    return env, bodies[0]


def link_inertia(width: float) -> float:
    """Return the inertia of a link about its hinge (kg m2), by the parallel axis theorem."""
    return LINK_MASS * ((LINK_LENGTH**2 + width**2) / 12.0 + (LINK_LENGTH / 2.0) ** 2)


def test_pendulum_has_the_period_of_a_compound_pendulum():
    env, body = swing(9.81)
    body.set_joint_state([math.pi / 2 + 0.05], [0.0])  # It hangs at a quarter rotation about y.
    crossings = []
    before = 0.05
    steps = 0
    while len(crossings) < 3:
        env.step_physics(0.0)
        steps += 1
        offset = body.joint_state()[0][0] - math.pi / 2
        if before > 0.0 >= offset or before < 0.0 <= offset:
            crossings.append((steps - offset / (offset - before)) / (50 * 20))
        before = offset
    period = 2.0 * math.pi * math.sqrt(link_inertia(0.02) / (LINK_MASS * 9.81 * LINK_LENGTH / 2.0))
    assert crossings[2] - crossings[0] == pytest.approx(period, rel=0.005)
    env.close()


def test_torque_lasts_for_all_physics_steps_and_accelerates_a_link_by_its_inertia():
    env, body = swing(0.0)
    body.set_joint_state([0.0], [0.0])
    body.apply_torques([0.3])
    for _ in range(100):
        env.step_physics(0.0)
    assert body.joint_state()[1][0] == pytest.approx(
        0.3 / link_inertia(0.02) * 100 / 1000, rel=1e-3
    )
    env.close()


def test_body_in_free_fall_falls_by_half_g_t_squared(humanoid):
    body = humanoid.body
    steps = 60
    dt = humanoid._dt
    position, *_ = body.base_state()
    body.set_base_pose((*position[:2], 5.0), (0.0, 0.0, 0.0, 1.0), (1.0, 0.0, 0.0))
    body.apply_torques([0.0] * 17)
    for _ in range(steps):
        humanoid.step_physics(dt)
    x, _, z = body.base_state()[0]
    assert z == pytest.approx(5.0 - 9.81 * dt**2 * steps * (steps + 1) / 2.0, abs=2e-3)
    assert x == pytest.approx(steps * dt, abs=2e-3)


@pytest.mark.parametrize("link", ["right_lower_arm", "left_lower_arm", "right_foot"])
def test_limb_moves_as_fast_as_its_joint_angles_change(humanoid, link):
    """In the file that comes with PyBullet it does not: the shoulders' axes are longer than 1."""
    body = humanoid.body
    angles = 0.5 * body.joint_limits.mean(axis=1)
    speeds = np.random.default_rng(0).normal(size=17)
    dt = 1e-5
    positions = []
    for time in (-dt, dt):
        body.set_joint_state(angles + speeds * time, speeds)
        positions.append(np.array(body.center_of_mass(link)))
    body.set_joint_state(angles, speeds)
    velocity = body.client.getLinkState(
        body.body_id, body.links[link], computeLinkVelocity=True, computeForwardKinematics=True
    )[6]
    assert velocity == pytest.approx((positions[1] - positions[0]) / (2.0 * dt), abs=2e-3)


def test_humanoid_joint_axes_have_length_one():
    text = make_humanoid_mjcf(
        (PYBULLET_DATA / "mjcf" / "humanoid_symmetric_no_ground.xml").read_text(encoding="utf-8")
    )
    axes = [part.split('"')[0].split() for part in text.split('axis="')[1:]]
    assert len(axes) == 17
    np.testing.assert_allclose(np.linalg.norm(np.array(axes, float), axis=1), 1.0)


def plane_pose(shoulder, elbow):
    """Return elbow and hand (2, 3) for the angles of two hinges about z."""
    angles = np.array([shoulder, shoulder + elbow])
    directions = np.stack((np.cos(angles), np.sin(angles), np.zeros(2)), axis=1)
    return np.cumsum(LINK_LENGTH * directions, axis=0)


def sphere_pose(turn, lift, elbow):
    """Return elbow and hand (2, 3); a rotation about y by a positive lift lowers the arm."""
    lifts = np.array([lift, lift + elbow])
    x = np.cos(lifts) * math.cos(turn)
    y = np.cos(lifts) * math.sin(turn)
    z = -np.sin(lifts)
    return np.cumsum(LINK_LENGTH * np.stack((x, y, z), axis=1), axis=0)


@pytest.mark.parametrize(
    ("env_id", "pose_of"),
    [("poise/ReacherPlane3D-v0", plane_pose), ("poise/Reacher3D-v0", sphere_pose)],
)
def test_elbow_and_hand_are_where_trigonometry_puts_them(env_id, pose_of):
    env = bare(env_id)
    env.reset(seed=0)
    np.testing.assert_allclose(env.task.target, pose_of(*env.target_angles), atol=1e-6)
    rng = np.random.default_rng(0)
    for _ in range(50):
        angles = env.sample_joint_angles(rng)
        env.set_joint_angles(angles)
        np.testing.assert_allclose(env.pose, pose_of(*angles), atol=1e-6)
    env.close()


def test_reacher_plane_3d_observes_moves_and_is_rewarded_as_reacher_2d():
    plane = bare("poise/Reacher2D-v0")
    space = bare("poise/ReacherPlane3D-v0")
    assert (plane.OBSERVATION, plane.ACTION) == (space.OBSERVATION, space.ACTION)
    assert space.REWARD == plane.REWARD
    for seed in range(5):
        np.testing.assert_allclose(plane.reset(seed=seed)[0], space.reset(seed=seed)[0], atol=1e-5)
        for step in range(10):
            action = 0.3 * np.array([math.sin(0.1 * step), math.cos(0.1 * step)])
            observation_2d, reward_2d, *_ = plane.step(action)
            observation_3d, reward_3d, *_ = space.step(action)
            np.testing.assert_allclose(observation_2d[:12], observation_3d[:12], atol=5e-3)
            assert reward_2d == pytest.approx(reward_3d, abs=0.1)


def test_elbow_targets_are_uniform_on_their_sphere():
    rng = np.random.default_rng(0)
    env = bare("poise/Reacher3D-v0")
    elbows = np.array([sphere_pose(*env.sample_joint_angles(rng))[0] for _ in range(4000)])
    np.testing.assert_allclose(np.linalg.norm(elbows, axis=1), LINK_LENGTH)
    # Archimedes: uniform on a sphere is uniform in height.
    heights = np.sort(elbows[:, 2] / LINK_LENGTH)
    np.testing.assert_allclose(heights, np.linspace(-1.0, 1.0, 4000), atol=0.05)


def test_forward_kinematics_leaves_the_body_as_it_was():
    env = bare("poise/PoseHumanoid3D-v0")
    env.reset(seed=0)
    body = env.body
    joint_state = body.joint_state()
    positions = body.point_positions(env.LINK_POINTS)
    other_positions = body.forward_kinematics(body.joint_limits[:, 0], env.LINK_POINTS)
    assert body.joint_state() == joint_state
    assert body.point_positions(env.LINK_POINTS) == positions
    assert not np.allclose(other_positions, positions)
    env.close()


def test_joints_under_bang_bang_actions_keep_their_limits(humanoid):
    """Within 0.12 rad; within 0.35 rad while the body hits the ground."""
    has_fallen = False
    for number, action in enumerate(bang_bang_actions(humanoid, 600)):
        has_fallen |= humanoid.step(action)[2]
        excess = (np.abs(humanoid.normalized_angles) - 1.0) * humanoid.joint_half_ranges
        assert excess.max() < (0.35 if has_fallen else 0.12)
        if number % 60 == 59:
            humanoid.reset()
            has_fallen = False


def test_standing_feet_sink_less_than_a_centimetre(humanoid):
    deepest = 0.0
    for _ in range(15):
        humanoid.step(np.zeros(17))
        points = humanoid.body.point_positions([(foot, FOOT_SPHERE[0]) for foot in FOOT_LINKS])
        deepest = max(deepest, *(FOOT_SPHERE[1] - point[2] for point in points))
    assert 0.0 <= deepest < 0.01


def test_push_changes_the_momentum_by_its_impulse(humanoid):
    body = humanoid.body
    client = body.client
    position, *_ = body.base_state()
    body.set_base_pose((*position[:2], 5.0), (0.0, 0.0, 0.0, 1.0))
    body.set_joint_state(humanoid.rest_angles, np.zeros(17))
    body.apply_torques([0.0] * 17)
    humanoid.push(body, "torso", (3.0, 4.0, 0.0))
    humanoid.step_physics(humanoid._dt)
    momentum = np.zeros(3)
    for name, link in body.links.items():
        mass = client.getDynamicsInfo(body.body_id, link)[0]
        velocity = (
            client.getBaseVelocity(body.body_id)[0]
            if link < 0
            else client.getLinkState(body.body_id, link, True, True)[6]
        )
        momentum += mass * np.array(velocity)
        assert name
    assert momentum[:2] == pytest.approx([3.0, 4.0], abs=0.02)


def test_pushes_come_every_two_seconds_and_not_by_default():
    runs = []
    for push in (0.0, 30.0):
        env = bare("poise/Humanoid3D-v0", push=push)
        env.reset(seed=0)
        runs.append([env.step(np.zeros(17))[0] for _ in range(105)])
        env.close()
    same = [np.array_equal(*pair) for pair in zip(*runs, strict=True)]
    assert all(same[:99])
    assert not any(same[99:])


@EVERY
def test_costs_and_only_costs_have_negative_weights(env_id):
    """Costs are positive terms with negative weights; all other terms have positive weights."""
    env = bare(env_id)
    env.reset(seed=0)
    weights = type(env).REWARD[env.settings.reward]
    costs = {name for name, weight in weights.items() if weight < 0.0}
    assert (
        costs
        == {"control_cost", "straight", "power_cost", "torque_cost", "limits"} & weights.keys()
    )
    steps = [env.step(action)[4]["reward_terms"] for action in bang_bang_actions(env, 30)]
    assert all(terms[name] >= 0.0 for terms in steps for name in costs)
    assert all(max(terms[name] for terms in steps) > 0.0 for name in costs)
    env.close()


def test_progress_is_the_way_ahead_up_to_the_commanded_speed_and_negative_backwards():
    env = bare("poise/Humanoid3D-v0", task="walk", speed=1.0, reset_noise_scale=0.0)
    env.reset(seed=0)
    for speed, expected in ((0.5, 0.01), (3.0, 0.02), (-0.5, -0.01)):
        position, *_ = env.body.base_state()
        env.torso_x = float(position[0])
        env.body.set_base_pose(
            (position[0], position[1], 5.0), (0.0, 0.0, 0.0, 1.0), (speed, 0.0, 0.0)
        )
        assert env.step(np.zeros(17))[4]["reward_terms"]["progress"] == pytest.approx(
            expected, abs=2e-3
        )
    env.close()


@EVERY
def test_reset_after_a_nan_restores_the_environment(env_id):
    env = bare(env_id)
    first = env.reset(seed=0)[0]
    body = env.body
    body.set_joint_state([math.nan] * len(body.joints), [0.0] * len(body.joints))
    body.set_base_pose((math.nan, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    np.testing.assert_array_equal(env.reset(seed=0)[0], first)
    assert np.isfinite(env.step(np.zeros(env.action_space.shape))[0]).all()
    env.close()


# The camera.


@pytest.mark.parametrize("preset", ["front", "side", "top", "follow"])
def test_unproject_is_the_inverse_of_project(preset):
    camera = Camera(preset, 2.0, 320, 200)
    camera.target = np.array([0.3, -0.2, 0.5])
    assert camera.project(camera.target)[:2] == pytest.approx((0.5, 0.5))
    for point in np.random.default_rng(0).uniform(-0.5, 0.5, (20, 3)):
        np.testing.assert_allclose(camera.unproject(*camera.project(point)), point, atol=1e-9)
    axes = camera.axes()
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)


@pytest.mark.parametrize("preset", ["front", "side", "top", "follow"])
def test_renderer_shows_a_link_where_the_camera_projects_it(preset):
    how = {"camera": preset, "width": 300, "height": 200, "view": "agent"}
    env = bare("poise/Reacher3D-v0", render_mode="rgb_array", **how)
    env.reset(seed=0)
    env.body.set_joint_state((0.8, -0.4, 0.0), np.zeros(3))
    env.read_state()
    image = env.render().astype(int)
    is_orange = image[..., 0] > image[..., 2] + 60  # Of the forearm only.
    rows, columns = np.nonzero(is_orange)
    elbow, hand = sphere_pose(0.8, -0.4, 0.0)
    x, y, _ = env.camera.project(np.add(elbow, hand) / 2.0)
    assert len(rows) > 50
    assert (columns.mean(), rows.mean()) == pytest.approx((x * 300, y * 200), abs=6.0)
    env.close()


def test_orbit_and_zoom_stay_within_their_limits():
    camera = Camera("side", 2.0, 100, 100)
    for _ in range(100):
        camera.orbit(0.3, 0.5)
        camera.zoom(5.0)
    assert camera.pitch <= math.pi / 2
    assert camera.distance > 0.0


def test_egl_without_a_graphics_card_is_a_user_error():
    env = bare("poise/Reacher3D-v0", render_mode="rgb_array", renderer="egl")
    env.reset(seed=0)
    try:
        assert env.render().shape == (480, 480, 3)  # This machine has one.
    except UserError as error:
        assert "renderer=tiny" in str(error)
    env.close()


def test_grab_pulls_the_body_towards_the_cursor(humanoid):
    humanoid.camera.target = np.array(humanoid.camera_target())
    middle = humanoid.camera.project(humanoid.position)[:2]
    grab = humanoid.interaction().grab(middle)
    assert grab.mass == pytest.approx(humanoid.body.mass)
    assert grab.position() == pytest.approx(middle, abs=1e-6)
    right, _, backwards = humanoid.camera.axes()
    before = humanoid.body.base_state()[2]
    grab.pull((middle[0] + 0.1, middle[1]))
    humanoid.step_physics(humanoid._dt)
    gain = humanoid.body.base_state()[2] - before
    assert gain @ right > 0.02
    assert gain @ right > 3.0 * abs(gain @ backwards)
    assert humanoid.interaction().grab((0.02, 0.98)) is None  # The ground cannot be moved.


# Output, errors and memory.


def test_environments_in_space_print_nothing():
    program = (
        "import poise, gymnasium\n"
        f"for name in {IN_SPACE!r}:\n"
        "    gymnasium.make(name).reset(seed=0)"
    )
    done = python("-c", program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_pybullet_the_plane_works_and_space_names_what_to_install():
    program = "import sys; sys.modules['pybullet'] = None; from poise import cli; cli.main()"
    assert python("-c", program, "inspect", "cartpole").returncode == 0
    listed = python("-c", program, "list")
    assert listed.returncode == 0
    assert "reacher3d" in listed.stdout
    done = python("-c", program, "train", "reacher3d")
    assert done.returncode == 2
    assert "pip install" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_close_disconnects_the_client(reacher):
    import pybullet

    number = reacher._client._client
    assert pybullet.isConnected(number)
    reacher.close()
    reacher.close()
    assert not pybullet.isConnected(number)
    reacher.reset(seed=0)  # A closed environment opens again.


def test_disconnected_client_and_missing_body_are_work_errors(reacher):
    import pybullet

    pybullet.disconnect(reacher._client._client)
    with pytest.raises(WorkError, match="Not connected"):
        reacher.step(np.zeros(2))
    reacher.close()
    reacher.load_bodies = lambda: reacher.load_body(PYBULLET_DATA / "no such robot.urdf")
    with pytest.raises(WorkError, match="Cannot load URDF file"):
        reacher.reset(seed=0)


@pytest.mark.parametrize("words", [
    ("--env-set", "camera=sidee"), ("--env-set", "renderer=gpu"), ("--env-set", "task=run"),
])  # fmt: skip
def test_unknown_setting_values_are_errors_of_one_line(words):
    done = python("-m", "poise", "train", "humanoid3d", *words, "--steps", "10")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert words[1].partition("=")[2] in done.stderr


@pytest.mark.slow
def test_thousand_environments_made_and_closed_leak_no_memory():
    def resident() -> int:
        status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    if sys.platform != "linux":
        pytest.skip("memory is read from /proc")
    for count in range(1100):
        if count == 100:
            before = resident()
        env = gymnasium.make("poise/Reacher3D-v0")
        env.reset(seed=count)
        env.close()
    assert resident() - before < 10_000
