"""Worlds in space: their physics against formulas, their camera against the renderer, their manners."""

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
from poise.envs3d.humanoid import FEET, SOLE
from poise.envs3d.models import ArmJoint, arm_urdf, humanoid_mjcf
from poise.envs3d.reacher import LINK, LINK_MASS
from poise.envs3d.spatial import DATA
from poise.toolkit.errors import UserError, WorkError

EVERY = pytest.mark.parametrize("world_id", IN_SPACE)


@pytest.fixture
def reacher():
    world = bare("poise/ReacherPlane3D-v0", friction=0.0)
    world.reset(seed=0)
    yield world
    world.close()


@pytest.fixture
def humanoid():
    world = bare("poise/Humanoid3D-v0", start_noise=0.0)
    world.reset(seed=0)
    yield world
    world.close()


def swing(gravity: float) -> tuple[object, object]:
    """A world that holds nothing but one link of an arm, hinged about y."""
    world = bare("poise/ReacherPlane3D-v0", gravity=gravity)
    bodies = []
    world.build = lambda: bodies.append(world.load_text(arm_urdf([ArmJoint("hinge", (0, 1, 0), LINK)], 0.02, LINK_MASS, 0.0)))
    world.clear()
    return world, bodies[0]


def link_inertia(width: float) -> float:
    """Of a link about its hinge (kg m2): a box about its middle, and Steiner's part."""
    return LINK_MASS * ((LINK**2 + width**2) / 12.0 + (LINK / 2.0) ** 2)


def test_a_pendulum_swings_with_the_period_of_the_textbook():
    world, body = swing(9.81)
    body.place([math.pi / 2 + 0.05], [0.0])  # Hanging down is a quarter turn about y.
    crossings, before, steps = [], 0.05, 0
    while len(crossings) < 3:
        world.advance(0.0)
        steps += 1
        offset = body.angles_and_speeds()[0][0] - math.pi / 2
        if before > 0.0 >= offset or before < 0.0 <= offset:
            crossings.append((steps - offset / (offset - before)) / (50 * 20))
        before = offset
    period = 2.0 * math.pi * math.sqrt(link_inertia(0.02) / (LINK_MASS * 9.81 * LINK / 2.0))
    assert crossings[2] - crossings[0] == pytest.approx(period, rel=0.005)
    world.close()


def test_a_torque_lasts_through_all_substeps_and_turns_a_link_as_its_inertia_says():
    world, body = swing(0.0)
    body.place([0.0], [0.0])
    body.torque([0.3])
    for _ in range(100):
        world.advance(0.0)
    assert body.angles_and_speeds()[1][0] == pytest.approx(0.3 / link_inertia(0.02) * 100 / 1000, rel=1e-3)
    world.close()


def test_a_body_in_the_air_falls_as_everything_falls(humanoid):
    body, steps, dt = humanoid.body, 60, humanoid._dt
    position, *_ = body.root()
    body.place_root((*position[:2], 5.0), (0.0, 0.0, 0.0, 1.0), (1.0, 0.0, 0.0))
    body.torque([0.0] * 17)
    for _ in range(steps):
        humanoid.advance(dt)
    x, _, z = body.root()[0]
    assert z == pytest.approx(5.0 - 9.81 * dt**2 * steps * (steps + 1) / 2.0, abs=2e-3)
    assert x == pytest.approx(steps * dt, abs=2e-3)


@pytest.mark.parametrize("link", ["right_lower_arm", "left_lower_arm", "right_foot"])
def test_a_limb_moves_as_fast_as_its_joints_angles_change(humanoid, link):
    """It does not in the file that comes with PyBullet, whose shoulders turn about an axis longer than 1."""
    body, client = humanoid.body, humanoid.body.client
    rng = np.random.default_rng(0)
    angles, speeds, little = 0.5 * body.limits.mean(axis=1), rng.normal(size=17), 1e-5
    places = []
    for time in (-little, little):
        body.place(angles + speeds * time, speeds)
        places.append(np.array(client.getLinkState(body.number, body.links[link], computeForwardKinematics=True)[0]))
    body.place(angles, speeds)
    velocity = client.getLinkState(body.number, body.links[link], computeLinkVelocity=True, computeForwardKinematics=True)[6]
    assert velocity == pytest.approx((places[1] - places[0]) / (2.0 * little), abs=2e-3)


def test_every_axis_of_the_humanoid_has_length_one():
    text = humanoid_mjcf((DATA / "mjcf" / "humanoid_symmetric_no_ground.xml").read_text())
    axes = [part.split('"')[0].split() for part in text.split('axis="')[1:]]
    assert len(axes) == 17
    np.testing.assert_allclose(np.linalg.norm(np.array(axes, float), axis=1), 1.0)


def plane_pose(shoulder, elbow):
    """Where elbow and hand are for the angles of two hinges about z."""
    turns = np.array([shoulder, shoulder + elbow])
    return np.cumsum(LINK * np.stack((np.cos(turns), np.sin(turns), np.zeros(2)), axis=1), axis=0)


def round_pose(turn, lift, elbow):
    """Where elbow and hand are for these angles; a positive lift lowers the arm, as a turn about y does."""
    lifts = np.array([lift, lift + elbow])
    steps = np.stack((np.cos(lifts) * math.cos(turn), np.cos(lifts) * math.sin(turn), -np.sin(lifts)), axis=1)
    return np.cumsum(LINK * steps, axis=0)


@pytest.mark.parametrize(("world_id", "pose_of"), [("poise/ReacherPlane3D-v0", plane_pose), ("poise/Reacher3D-v0", round_pose)])
def test_the_engine_puts_elbow_and_hand_where_trigonometry_does(world_id, pose_of):
    world = bare(world_id)
    world.reset(seed=0)
    np.testing.assert_allclose(world.task.target, pose_of(*world.arms.goal), atol=1e-6)
    rng = np.random.default_rng(0)
    for _ in range(50):
        angles = world.any_angles(rng)
        world.put(angles)
        np.testing.assert_allclose(world.arms.pose, pose_of(*angles), atol=1e-6)
    world.close()


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
    rng, world = np.random.default_rng(0), bare("poise/Reacher3D-v0")
    elbows = np.array([round_pose(*world.any_angles(rng))[0] for _ in range(4000)])
    np.testing.assert_allclose(np.linalg.norm(elbows, axis=1), LINK)
    heights = np.sort(elbows[:, 2] / LINK)  # Archimedes: even on a sphere is even in height.
    np.testing.assert_allclose(heights, np.linspace(-1.0, 1.0, 4000), atol=0.05)


def test_imagining_a_pose_leaves_the_body_as_it_was():
    world = bare("poise/PoseHumanoid3D-v0")
    world.reset(seed=0)
    body = world.arms.body
    before = body.angles_and_speeds(), body.points(world.arms.places)
    imagined = body.points_at(body.limits[:, 0], world.arms.places)
    assert body.angles_and_speeds() == before[0]
    assert body.points(world.arms.places) == before[1]
    assert not np.allclose(imagined, before[1])
    world.close()


def test_joints_keep_to_their_limits_under_the_roughest_actions(humanoid):
    """Within 0.12 rad; within 0.35 while the body crashes to the ground."""
    fallen = False
    for number, action in enumerate(bang_bang_actions(humanoid, 600)):
        fallen |= humanoid.step(action)[2]
        assert ((np.abs(humanoid.bends) - 1.0) * humanoid.half).max() < (0.35 if fallen else 0.12)
        if number % 60 == 59:
            humanoid.reset()
            fallen = False


def test_standing_feet_do_not_sink_into_the_ground(humanoid):
    deepest = 0.0
    for _ in range(15):
        humanoid.step(np.zeros(17))
        points = humanoid.body.points([(foot, SOLE[0]) for foot in FEET])
        deepest = max(deepest, *(SOLE[1] - point[2] for point in points))
    assert 0.0 <= deepest < 0.01


def test_a_push_changes_the_bodys_momentum_by_its_impulse(humanoid):
    body, client = humanoid.body, humanoid.body.client
    position, *_ = body.root()
    body.place_root((*position[:2], 5.0), (0.0, 0.0, 0.0, 1.0))
    body.place(humanoid.rest, np.zeros(17))
    body.torque([0.0] * 17)
    humanoid.push(body, "torso", (3.0, 4.0, 0.0))
    humanoid.advance(humanoid._dt)
    momentum = np.zeros(3)
    for name, link in body.links.items():
        mass = client.getDynamicsInfo(body.number, link)[0]
        velocity = client.getBaseVelocity(body.number)[0] if link < 0 else client.getLinkState(body.number, link, True, True)[6]
        momentum += mass * np.array(velocity)
        assert name
    assert momentum[:2] == pytest.approx([3.0, 4.0], abs=0.02)


def test_pushes_come_every_two_seconds_and_not_at_all_by_default():
    stories = []
    for push in (0.0, 30.0):
        world = bare("poise/Humanoid3D-v0", push=push)
        world.reset(seed=0)
        stories.append([world.step(np.zeros(17))[0] for _ in range(105)])
        world.close()
    same = [np.array_equal(*pair) for pair in zip(*stories, strict=True)]
    assert all(same[:99])
    assert not any(same[99:])


@EVERY
def test_every_cost_lowers_the_reward_and_nothing_else_does(world_id):
    """Costs are positive terms with negative weights; what is wished for has a positive weight."""
    world = bare(world_id)
    world.reset(seed=0)
    weights = type(world).REWARD[world.settings.reward]
    costs = {name for name, weight in weights.items() if weight < 0.0}
    assert costs == {"effort", "straight", "electricity", "stall", "limits"} & weights.keys()
    seen = [world.step(action)[4]["reward_terms"] for action in bang_bang_actions(world, 30)]
    assert all(terms[name] >= 0.0 for terms in seen for name in costs)
    assert all(max(terms[name] for terms in seen) > 0.0 for name in costs)
    world.close()


def test_walking_pays_the_way_ahead_up_to_the_commanded_speed_and_takes_back_the_way_back():
    world = bare("poise/Humanoid3D-v0", task="walk", speed=1.0, start_noise=0.0)
    world.reset(seed=0)
    for speed, paid in ((0.5, 0.01), (3.0, 0.02), (-0.5, -0.01)):
        position, *_ = world.body.root()
        world.x = float(position[0])
        world.body.place_root((position[0], position[1], 5.0), (0.0, 0.0, 0.0, 1.0), (speed, 0.0, 0.0))
        assert world.step(np.zeros(17))[4]["reward_terms"]["progress"] == pytest.approx(paid, abs=2e-3)
    world.close()


@EVERY
def test_a_broken_number_is_cured_by_the_next_reset(world_id):
    world = bare(world_id)
    first = world.reset(seed=0)[0]
    body = world.body if hasattr(world, "body") else world.arms.body
    body.place([math.nan] * len(body.joints), [0.0] * len(body.joints))
    body.place_root((math.nan, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    np.testing.assert_array_equal(world.reset(seed=0)[0], first)
    assert np.isfinite(world.step(np.zeros(world.action_space.shape))[0]).all()
    world.close()


# The camera.


@pytest.mark.parametrize("preset", ["front", "side", "top", "follow"])
def test_a_point_is_seen_where_it_is_looked_for(preset):
    camera = Camera(preset, 2.0, 320, 200)
    camera.focus = np.array([0.3, -0.2, 0.5])
    assert camera.project(camera.focus)[:2] == pytest.approx((0.5, 0.5))
    for point in np.random.default_rng(0).uniform(-0.5, 0.5, (20, 3)):
        np.testing.assert_allclose(camera.unproject(*camera.project(point)), point, atol=1e-9)
    turned = camera.axes()
    np.testing.assert_allclose(turned @ turned.T, np.eye(3), atol=1e-12)


@pytest.mark.parametrize("preset", ["front", "side", "top", "follow"])
def test_the_renderer_shows_a_link_where_the_camera_says(preset):
    world = bare("poise/Reacher3D-v0", render_mode="rgb_array", camera=preset, width=300, height=200)
    world.reset(seed=0)
    world.markers = lambda: ()
    world.arms.body.place((0.8, -0.4, 0.0), np.zeros(3))
    world.arms.sense()
    picture = world.render().astype(int)
    rows, columns = np.nonzero(picture[..., 0] > picture[..., 2] + 60)  # The forearm is orange, and nothing else is.
    elbow, hand = round_pose(0.8, -0.4, 0.0)
    x, y, _ = world.camera.project(np.add(elbow, hand) / 2.0)
    assert len(rows) > 50
    assert (columns.mean(), rows.mean()) == pytest.approx((x * 300, y * 200), abs=6.0)
    world.close()


def test_a_marker_is_painted_over_the_picture_at_its_place():
    camera = Camera("follow", 2.0, 120, 80)
    picture = camera.mark(np.full((80, 120, 3), 255, np.uint8), [Marker((0.2, 0.1, 0.3), 0.05, (255, 0, 0))])
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
    world = bare("poise/Reacher3D-v0", render_mode="rgb_array", renderer="egl")
    world.reset(seed=0)
    try:
        assert world.render().shape == (480, 480, 3)  # There is one.
    except UserError as error:
        assert "renderer=tiny" in str(error)
    world.close()


def test_a_hand_takes_hold_of_what_is_seen_and_pulls_it_towards_the_cursor(humanoid):
    humanoid.camera.focus = np.array(humanoid.focus())
    middle = humanoid.camera.project(humanoid.position)[:2]
    hold = humanoid.hands().grab(middle)
    assert hold.mass == pytest.approx(humanoid.body.mass)
    assert hold.place() == pytest.approx(middle, abs=1e-6)
    right, _, backwards = humanoid.camera.axes()
    before = humanoid.body.root()[2]
    hold.pull((middle[0] + 0.1, middle[1]))
    humanoid.advance(humanoid._dt)
    faster = humanoid.body.root()[2] - before
    assert faster @ right > 0.02
    assert faster @ right > 3.0 * abs(faster @ backwards)
    assert humanoid.hands().grab((0.02, 0.98)) is None  # The ground cannot be moved.


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
    reacher.reset(seed=0)  # And a world that was closed opens again.


def test_a_client_that_died_and_a_body_that_is_missing_are_said_in_one_line(reacher):
    import pybullet

    pybullet.disconnect(reacher._client._client)
    with pytest.raises(WorkError, match="Not connected"):
        reacher.step(np.zeros(2))
    reacher.close()
    reacher.build = lambda: reacher.load(DATA / "no such robot.urdf")
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
        world = gymnasium.make("poise/Reacher3D-v0")
        world.reset(seed=count)
        world.close()
    assert resident() - before < 10_000
