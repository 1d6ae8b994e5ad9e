"""Environments in space: their physics against formulas, their camera against the renderer, their manners."""

import math
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from processes import python
from sample_envs import IN_SPACE, bang_bang_actions, bare

pytest.importorskip("pybullet")

from poise.envs3d.camera import Camera, Marker
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
    """An environment that holds nothing but one link of an arm, hinged about y."""
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
    """Of a link about its hinge (kg m2): a box about its middle, and Steiner's part."""
    return LINK_MASS * ((LINK_LENGTH**2 + width**2) / 12.0 + (LINK_LENGTH / 2.0) ** 2)


def test_a_pendulum_swings_with_the_period_of_the_textbook():
    env, body = swing(9.81)
    body.set_joint_state([math.pi / 2 + 0.05], [0.0])  # Hanging down is a quarter turn about y.
    crossings, before, steps = [], 0.05, 0
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


def test_a_torque_lasts_through_all_substeps_and_turns_a_link_as_its_inertia_says():
    env, body = swing(0.0)
    body.set_joint_state([0.0], [0.0])
    body.apply_torques([0.3])
    for _ in range(100):
        env.step_physics(0.0)
    assert body.joint_state()[1][0] == pytest.approx(
        0.3 / link_inertia(0.02) * 100 / 1000, rel=1e-3
    )
    env.close()


def test_a_body_in_the_air_falls_as_everything_falls(humanoid):
    body, steps, dt = humanoid.body, 60, humanoid._dt
    position, *_ = body.base_state()
    body.set_base_pose((*position[:2], 5.0), (0.0, 0.0, 0.0, 1.0), (1.0, 0.0, 0.0))
    body.apply_torques([0.0] * 17)
    for _ in range(steps):
        humanoid.step_physics(dt)
    x, _, z = body.base_state()[0]
    assert z == pytest.approx(5.0 - 9.81 * dt**2 * steps * (steps + 1) / 2.0, abs=2e-3)
    assert x == pytest.approx(steps * dt, abs=2e-3)


@pytest.mark.parametrize("link", ["right_lower_arm", "left_lower_arm", "right_foot"])
def test_a_limb_moves_as_fast_as_its_joints_angles_change(humanoid, link):
    """It does not in the file that comes with PyBullet, whose shoulders turn about an axis longer than 1."""
    body, client = humanoid.body, humanoid.body.client
    rng = np.random.default_rng(0)
    angles, speeds, little = 0.5 * body.joint_limits.mean(axis=1), rng.normal(size=17), 1e-5
    places = []
    for time in (-little, little):
        body.set_joint_state(angles + speeds * time, speeds)
        places.append(
            np.array(
                client.getLinkState(body.body_id, body.links[link], computeForwardKinematics=True)[
                    0
                ]
            )
        )
    body.set_joint_state(angles, speeds)
    velocity = client.getLinkState(
        body.body_id, body.links[link], computeLinkVelocity=True, computeForwardKinematics=True
    )[6]
    assert velocity == pytest.approx((places[1] - places[0]) / (2.0 * little), abs=2e-3)


def test_every_axis_of_the_humanoid_has_length_one():
    text = make_humanoid_mjcf(
        (PYBULLET_DATA / "mjcf" / "humanoid_symmetric_no_ground.xml").read_text()
    )
    axes = [part.split('"')[0].split() for part in text.split('axis="')[1:]]
    assert len(axes) == 17
    np.testing.assert_allclose(np.linalg.norm(np.array(axes, float), axis=1), 1.0)


def plane_pose(shoulder, elbow):
    """Where elbow and hand are for the angles of two hinges about z."""
    turns = np.array([shoulder, shoulder + elbow])
    return np.cumsum(
        LINK_LENGTH * np.stack((np.cos(turns), np.sin(turns), np.zeros(2)), axis=1), axis=0
    )


def round_pose(turn, lift, elbow):
    """Where elbow and hand are for these angles; a positive lift lowers the arm, as a turn about y does."""
    lifts = np.array([lift, lift + elbow])
    steps = np.stack(
        (np.cos(lifts) * math.cos(turn), np.cos(lifts) * math.sin(turn), -np.sin(lifts)), axis=1
    )
    return np.cumsum(LINK_LENGTH * steps, axis=0)


@pytest.mark.parametrize(
    ("env_id", "pose_of"),
    [("poise/ReacherPlane3D-v0", plane_pose), ("poise/Reacher3D-v0", round_pose)],
)
def test_the_engine_puts_elbow_and_hand_where_trigonometry_does(env_id, pose_of):
    env = bare(env_id)
    env.reset(seed=0)
    np.testing.assert_allclose(env.task.target, pose_of(*env.target_angles), atol=1e-6)
    rng = np.random.default_rng(0)
    for _ in range(50):
        angles = env.sample_joint_angles(rng)
        env.set_joint_angles(angles)
        np.testing.assert_allclose(env.pose, pose_of(*angles), atol=1e-6)
    env.close()


def test_the_twin_sees_moves_and_is_paid_as_the_reacher_in_the_plane_is():
    plane, space = bare("poise/Reacher2D-v0"), bare("poise/ReacherPlane3D-v0")
    assert (plane.OBSERVATION, plane.ACTION) == (space.OBSERVATION, space.ACTION)
    assert space.REWARD == plane.REWARD
    for seed in range(5):
        np.testing.assert_allclose(plane.reset(seed=seed)[0], space.reset(seed=seed)[0], atol=1e-5)
        for step in range(10):
            action = 0.3 * np.array([math.sin(0.1 * step), math.cos(0.1 * step)])
            ours, theirs = plane.step(action), space.step(action)
            np.testing.assert_allclose(ours[0][:12], theirs[0][:12], atol=5e-3)
            assert ours[1] == pytest.approx(theirs[1], abs=0.1)


def test_the_elbows_targets_lie_evenly_on_their_sphere():
    rng, env = np.random.default_rng(0), bare("poise/Reacher3D-v0")
    elbows = np.array([round_pose(*env.sample_joint_angles(rng))[0] for _ in range(4000)])
    np.testing.assert_allclose(np.linalg.norm(elbows, axis=1), LINK_LENGTH)
    heights = np.sort(elbows[:, 2] / LINK_LENGTH)  # Archimedes: even on a sphere is even in height.
    np.testing.assert_allclose(heights, np.linspace(-1.0, 1.0, 4000), atol=0.05)


def test_imagining_a_pose_leaves_the_body_as_it_was():
    env = bare("poise/PoseHumanoid3D-v0")
    env.reset(seed=0)
    body = env.body
    before = body.joint_state(), body.point_positions(env.LINK_POINTS)
    imagined = body.forward_kinematics(body.joint_limits[:, 0], env.LINK_POINTS)
    assert body.joint_state() == before[0]
    assert body.point_positions(env.LINK_POINTS) == before[1]
    assert not np.allclose(imagined, before[1])
    env.close()


def test_joints_keep_to_their_limits_under_the_roughest_actions(humanoid):
    """Within 0.12 rad; within 0.35 while the body crashes to the ground."""
    fallen = False
    for number, action in enumerate(bang_bang_actions(humanoid, 600)):
        fallen |= humanoid.step(action)[2]
        assert ((np.abs(humanoid.normalized_angles) - 1.0) * humanoid.joint_half_ranges).max() < (
            0.35 if fallen else 0.12
        )
        if number % 60 == 59:
            humanoid.reset()
            fallen = False


def test_standing_feet_do_not_sink_into_the_ground(humanoid):
    deepest = 0.0
    for _ in range(15):
        humanoid.step(np.zeros(17))
        points = humanoid.body.point_positions([(foot, FOOT_SPHERE[0]) for foot in FOOT_LINKS])
        deepest = max(deepest, *(FOOT_SPHERE[1] - point[2] for point in points))
    assert 0.0 <= deepest < 0.01


def test_a_push_changes_the_bodys_momentum_by_its_impulse(humanoid):
    body, client = humanoid.body, humanoid.body.client
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


def test_pushes_come_every_two_seconds_and_not_at_all_by_default():
    stories = []
    for push in (0.0, 30.0):
        env = bare("poise/Humanoid3D-v0", push=push)
        env.reset(seed=0)
        stories.append([env.step(np.zeros(17))[0] for _ in range(105)])
        env.close()
    same = [np.array_equal(*pair) for pair in zip(*stories, strict=True)]
    assert all(same[:99])
    assert not any(same[99:])


@EVERY
def test_every_cost_lowers_the_reward_and_nothing_else_does(env_id):
    """Costs are positive terms with negative weights; what is wished for has a positive weight."""
    env = bare(env_id)
    env.reset(seed=0)
    weights = type(env).REWARD[env.settings.reward]
    costs = {name for name, weight in weights.items() if weight < 0.0}
    assert (
        costs
        == {"control_cost", "straight", "power_cost", "torque_cost", "limits"} & weights.keys()
    )
    seen = [env.step(action)[4]["reward_terms"] for action in bang_bang_actions(env, 30)]
    assert all(terms[name] >= 0.0 for terms in seen for name in costs)
    assert all(max(terms[name] for terms in seen) > 0.0 for name in costs)
    env.close()


def test_walking_pays_the_way_ahead_up_to_the_commanded_speed_and_takes_back_the_way_back():
    env = bare("poise/Humanoid3D-v0", task="walk", speed=1.0, reset_noise_scale=0.0)
    env.reset(seed=0)
    for speed, paid in ((0.5, 0.01), (3.0, 0.02), (-0.5, -0.01)):
        position, *_ = env.body.base_state()
        env.torso_x = float(position[0])
        env.body.set_base_pose(
            (position[0], position[1], 5.0), (0.0, 0.0, 0.0, 1.0), (speed, 0.0, 0.0)
        )
        assert env.step(np.zeros(17))[4]["reward_terms"]["progress"] == pytest.approx(
            paid, abs=2e-3
        )
    env.close()


@EVERY
def test_a_broken_number_is_cured_by_the_next_reset(env_id):
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
def test_a_point_is_seen_where_it_is_looked_for(preset):
    camera = Camera(preset, 2.0, 320, 200)
    camera.target = np.array([0.3, -0.2, 0.5])
    assert camera.project(camera.target)[:2] == pytest.approx((0.5, 0.5))
    for point in np.random.default_rng(0).uniform(-0.5, 0.5, (20, 3)):
        np.testing.assert_allclose(camera.unproject(*camera.project(point)), point, atol=1e-9)
    turned = camera.axes()
    np.testing.assert_allclose(turned @ turned.T, np.eye(3), atol=1e-12)


@pytest.mark.parametrize("preset", ["front", "side", "top", "follow"])
def test_the_renderer_shows_a_link_where_the_camera_says(preset):
    env = bare("poise/Reacher3D-v0", render_mode="rgb_array", camera=preset, width=300, height=200)
    env.reset(seed=0)
    env.markers = lambda: ()
    env.body.set_joint_state((0.8, -0.4, 0.0), np.zeros(3))
    env.read_state()
    picture = env.render().astype(int)
    rows, columns = np.nonzero(
        picture[..., 0] > picture[..., 2] + 60
    )  # The forearm is orange, and nothing else is.
    elbow, hand = round_pose(0.8, -0.4, 0.0)
    x, y, _ = env.camera.project(np.add(elbow, hand) / 2.0)
    assert len(rows) > 50
    assert (columns.mean(), rows.mean()) == pytest.approx((x * 300, y * 200), abs=6.0)
    env.close()


def test_a_marker_is_painted_over_the_picture_at_its_place():
    camera = Camera("follow", 2.0, 120, 80)
    picture = camera.draw_markers(
        np.full((80, 120, 3), 255, np.uint8), [Marker((0.2, 0.1, 0.3), 0.05, (255, 0, 0))]
    )
    rows, columns = np.nonzero(picture[..., 1] < 255)
    x, y, _ = camera.project((0.2, 0.1, 0.3))
    assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((x * 120, y * 80), abs=1.0)


def test_orbit_and_zoom_stay_within_reason():
    camera = Camera("side", 2.0, 100, 100)
    for _ in range(100):
        camera.orbit(0.3, 0.5)
        camera.zoom(5.0)
    assert camera.pitch <= math.pi / 2
    assert camera.distance > 0.0


def test_a_graphics_card_that_is_not_there_is_said_in_one_line():
    env = bare("poise/Reacher3D-v0", render_mode="rgb_array", renderer="egl")
    env.reset(seed=0)
    try:
        assert env.render().shape == (480, 480, 3)  # There is one.
    except UserError as error:
        assert "renderer=tiny" in str(error)
    env.close()


def test_a_hand_takes_hold_of_what_is_seen_and_pulls_it_towards_the_cursor(humanoid):
    humanoid.camera.target = np.array(humanoid.camera_target())
    middle = humanoid.camera.project(humanoid.position)[:2]
    hold = humanoid.interaction().grab(middle)
    assert hold.mass == pytest.approx(humanoid.body.mass)
    assert hold.position() == pytest.approx(middle, abs=1e-6)
    right, _, backwards = humanoid.camera.axes()
    before = humanoid.body.base_state()[2]
    hold.pull((middle[0] + 0.1, middle[1]))
    humanoid.step_physics(humanoid._dt)
    faster = humanoid.body.base_state()[2] - before
    assert faster @ right > 0.02
    assert faster @ right > 3.0 * abs(faster @ backwards)
    assert humanoid.interaction().grab((0.02, 0.98)) is None  # The ground cannot be moved.


# Manners.


def test_worlds_in_space_print_nothing():
    program = f"import poise, gymnasium\nfor name in {IN_SPACE!r}:\n    gymnasium.make(name).reset(seed=0)"
    done = python("-c", program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_pybullet_the_plane_works_and_space_says_what_to_install():
    program = "import sys; sys.modules['pybullet'] = None; from poise import cli; cli.main()"
    assert python("-c", program, "inspect", "cartpole").returncode == 0
    listed = python("-c", program, "list")
    assert listed.returncode == 0
    assert "reacher3d" in listed.stdout
    done = python("-c", program, "train", "reacher3d")
    assert done.returncode == 2
    assert "pip install" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_closing_gives_the_client_back(reacher):
    import pybullet

    number = reacher._client._client
    assert pybullet.isConnected(number)
    reacher.close()
    reacher.close()
    assert not pybullet.isConnected(number)
    reacher.reset(seed=0)  # And an environment that was closed opens again.


def test_a_client_that_died_and_a_body_that_is_missing_are_said_in_one_line(reacher):
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
def test_unknown_words_are_said_in_one_line(words):
    done = python("-m", "poise", "train", "humanoid3d", *words, "--steps", "10")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert words[1].partition("=")[2] in done.stderr


@pytest.mark.slow
def test_a_thousand_worlds_made_and_closed_leave_no_memory_behind():
    def resident() -> int:
        status = Path("/proc/self/status").read_text().splitlines()
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
