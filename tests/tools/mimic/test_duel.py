"""Duel: the follower mirrors the leader's pose, whatever moves the leader."""

import math
from pathlib import Path

import numpy as np
import pygame
import pytest
from click.testing import CliRunner
from sample_envs import TAKING, make, needs_pybullet
from sample_policies import Hands
from sample_runs import seeing_runs

from poise.cli import main
from poise.toolkit.appearance import BODY
from poise.toolkit.media.image import caption_height
from poise.toolkit.media.video import read_video
from poise.toolkit.media.window import Window
from poise.toolkit.run import Run
from poise.tools.mimic.comparison import MIN_PLOT_WIDTH
from poise.tools.mimic.duel import make_duel
from poise.tools.play.playground import Playground

TIME_STEP = 0.02
SIZE = 96
MIRRORED = {
    "poise/Reacher2D-v0": lambda angles: np.array([math.pi - angles[0], -angles[1]]),
    "poise/ReacherPlane3D-v0": lambda angles: -angles,
    "poise/Reacher3D-v0": lambda angles: angles * [-1, 1, 1],
    "poise/PoseHumanoid3D-v0": lambda angles: np.roll(angles, 3) * [-1, -1, 1, -1, -1, 1],
}
"""The reflection of joint angles (rad), by environment."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with an untrained policy and an untrained translator."""
    folder = tmp_path_factory.mktemp("duel")
    seeing_runs(folder, "poise/Reacher2D-v0")
    return folder


@pytest.fixture
def start_duel(runs, monkeypatch):
    """A function that opens a duel in a window.

    Its follower reads poses without error, moves well, and starts in the mirrored pose.
    """
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    playgrounds = []

    def start(leader_mode="keys"):
        duel = make_duel(Run.open(runs, "mover"), Run.open(runs, "eye"), leader_mode, SIZE, 0)
        mimic = duel.mimic
        mimic.estimate_pose = lambda image: duel.image_env.agent_observation()[mimic.pose_slice]
        mimic.learner = Hands()
        leader_angles = np.array(duel.leader_env.angles)
        mimic.poise_env.set_joint_angles(MIRRORED["poise/Reacher2D-v0"](leader_angles))
        playground = Playground(Window("test", has_sidebar=True), duel)
        playgrounds.append(playground)
        playground.run_frame(0.0)
        return playground

    yield start
    for playground in playgrounds:
        playground.session.close()
    pygame.display.quit()


def post_key(name, event_type=pygame.KEYDOWN):
    pygame.event.post(pygame.event.Event(event_type, key=pygame.key.key_code(name)))


def post_mouse(playground, event_type, x, y):
    """Move or press the mouse at a fraction of the frame with both views."""
    rect = playground.window.image_rect
    position = (rect.left + round(x * rect.width), rect.top + round(y * rect.height))
    if event_type == pygame.MOUSEMOTION:
        details = {"rel": (0, 0), "buttons": (1, 0, 0)}
    else:
        details = {"button": pygame.BUTTON_LEFT}
    pygame.event.post(pygame.event.Event(event_type, pos=position, **details))


def simulate(playground, seconds):
    for _ in range(round(seconds / TIME_STEP)):
        playground.run_frame(TIME_STEP)


# The mirror.


@pytest.mark.parametrize("env_id", TAKING)
def test_follower_in_the_mirrored_pose_is_rendered_as_the_leaders_reflection(env_id, tmp_path):
    needs_pybullet(env_id)
    duel = make_duel(*seeing_runs(tmp_path, env_id), "trajectory", 2 * SIZE, 0)
    follower = duel.mimic.poise_env
    follower.set_joint_angles(MIRRORED[env_id](np.array(duel.leader_env.angles)))
    leader_pose = duel.observation[duel.mimic.pose_slice]
    follower_pose = follower.agent_observation()[duel.mimic.pose_slice]
    np.testing.assert_allclose(duel.mirror_pose(leader_pose), follower_pose, atol=1e-6)
    np.testing.assert_array_equal(duel.mirror_pose(duel.mirror_pose(leader_pose)), leader_pose)
    follower.settings = follower.settings.model_copy(update={"show_markers": False})
    if hasattr(follower, "set_film_colours"):  # Left and right differ in colour.
        for env in (duel.leader_env, follower):
            env.set_film_colours(env.body, dict.fromkeys(env.body.links, BODY))
    for _ in range(2):
        views = duel.get_frame()[caption_height(2 * SIZE) :].astype(float)
        left, right = np.split(views, 2, axis=1)
        left, right = left[:, 2:-2], right[:, 2:-2]  # Without the line between them.
        reflected_difference = np.abs(left - right[:, ::-1]).mean()
        assert reflected_difference < 0.5 * np.abs(left - right).mean()
        duel.move_camera(0.1, 0.1)  # The second time from another camera position.
    duel.close()


def test_translator_gets_images_as_in_a_dataset_from_every_camera_position(tmp_path):
    pytest.importorskip("pybullet")
    env_id = "poise/Reacher3D-v0"
    images = []
    duel = make_duel(*seeing_runs(tmp_path, env_id), "trajectory", SIZE, 0)
    duel.mimic.estimate_pose = lambda image: images.append(image) or duel.mimic.pose
    duel.move_camera(0.3, 0.2, 3.0)
    duel.step()
    env = make(env_id, "rgb_array", width=32, height=32, view="agent")
    env.reset()
    env.unwrapped.set_joint_angles(np.array(duel.leader_env.angles))
    np.testing.assert_array_equal(images, [env.render()])
    env.close()
    duel.close()


# A person moves the leader.


def test_key_moves_the_leader_and_the_follower_mirrors_it(start_duel):
    playground = start_duel()
    duel = playground.session
    simulate(playground, 2.0)
    assert duel.error.metres < 0.02
    initial_angle = duel.leader_env.angles[0]
    post_key("right")
    simulate(playground, 0.4)
    post_key("right", pygame.KEYUP)
    assert duel.leader_env.angles[0] > initial_angle + 0.2
    simulate(playground, 3.0)
    assert duel.error.metres < 0.02
    leader_pose = duel.observation[duel.mimic.pose_slice]
    follower_pose = duel.mimic.observation[duel.mimic.pose_slice]
    np.testing.assert_allclose(follower_pose, leader_pose * [-1, 1, -1, 1], atol=0.03)
    assert duel.counted_steps == duel.steps - duel.rate
    assert 0.0 < duel.get_mean_error().metres < 0.2


def test_mouse_drags_the_leader_in_its_half_only(start_duel):
    playground = start_duel()
    duel = playground.session
    post_mouse(playground, pygame.MOUSEBUTTONDOWN, 0.75, 0.5)
    playground.run_frame(TIME_STEP)
    assert duel.perturbations.drag is None
    post_mouse(playground, pygame.MOUSEBUTTONDOWN, 0.3, 0.5)
    post_mouse(playground, pygame.MOUSEMOTION, 0.25, 0.1)
    playground.run_frame(0.0)
    strip = caption_height(SIZE)
    body_point, cursor = duel.perturbations.drag.get_endpoints()
    assert cursor == pytest.approx((0.25, 0.1), abs=0.01)
    grab = duel.perturbations.drag.grab.grab
    grabbed_point = grab.body.local_to_world(grab.local_point)
    below_title = strip + SIZE * (0.5 - grabbed_point.y)
    expected = ((0.5 + grabbed_point.x) / 2, below_title / (strip + SIZE))
    assert body_point == pytest.approx(expected)
    initial_height = grab.body.position.y
    simulate(playground, 0.4)
    assert grab.body.position.y > initial_height
    post_mouse(playground, pygame.MOUSEBUTTONUP, 0.25, 0.1)
    playground.run_frame(0.0)
    assert duel.perturbations.drag is None


def test_pause_and_reset_apply_to_leader_and_follower(start_duel):
    playground = start_duel()
    duel = playground.session
    simulate(playground, 0.2)
    post_key("space")
    playground.run_frame(0.0)
    paused = [duel.observation, duel.mimic.observation]
    simulate(playground, 0.2)
    assert [duel.observation, duel.mimic.observation] == paused
    post_key("r")
    playground.run_frame(0.0)
    assert (duel.seed, duel.steps, duel.counted_steps) == (1, 0, 0)
    assert duel.observation is not paused[0]
    assert duel.mimic.observation is not paused[1]


# A trajectory or a policy moves the leader.


def test_leader_on_a_trajectory_ignores_keys_and_mouse(start_duel):
    undisturbed = start_duel("trajectory")
    disturbed = start_duel("trajectory")
    simulate(undisturbed, 0.3)
    post_key("right")
    post_mouse(disturbed, pygame.MOUSEBUTTONDOWN, 0.3, 0.5)
    simulate(disturbed, 0.3)
    assert disturbed.session.perturbations.drag is None
    np.testing.assert_array_equal(disturbed.session.observation, undisturbed.session.observation)


def test_follower_tracks_a_smooth_trajectory_closely(start_duel):
    playground = start_duel("trajectory")
    simulate(playground, 8.0)
    assert playground.session.get_mean_error().metres < 0.03


def test_leading_policy_has_no_time_limit(start_duel, monkeypatch):
    """A truncation would reset the leader to another pose."""
    duel = start_duel("policy").session
    black = np.zeros((32, 32, 3), np.uint8)
    monkeypatch.setattr(duel.mimic, "step", lambda: None)
    monkeypatch.setattr(duel.image_env, "render_frame", lambda: black)
    for _ in range(1500):
        duel.step()
    assert duel.steps == 1500
    assert not duel.outcome


# The command.


def poise_duel(folder, *arguments):
    options = ("--translator", "eye", "--runs-dir", str(folder))
    return CliRunner().invoke(main, ["duel", "mover", *options, *map(str, arguments)])


@pytest.mark.parametrize("env_id", TAKING)
def test_video_is_recorded_in_every_pose_environment(env_id, elsewhere):
    needs_pybullet(env_id)
    seeing_runs(elsewhere, env_id)
    for leader_mode in ("policy", "trajectory"):
        output = ("--out", "film.mp4", "--force", "--seconds", 1.2, "--size", 64)
        result = poise_duel(elsewhere, "--by", leader_mode, *output)
        assert result.exit_code == 0, result.output
        assert "followed for 0.2 s" in result.output
        assert "frames per second: film.mp4" in result.output
        shape = (caption_height(64) + 64, 2 * 64 + MIN_PLOT_WIDTH, 3)
        assert [frame.shape for frame in read_video(Path("film.mp4"))] == [shape] * 30


@pytest.mark.parametrize(("arguments", "message"), [
    (("--out", "film.mp4", "--by", "keys"), "keys need the window"),
    (("--seconds", "3"), "goes with --out"),
    (("--out", "film.png"), "an .mp4 or a .gif"),
    (("--out", "film.mp4", "--translator", "mover"), "not a translator"),
])  # fmt: skip
def test_invalid_arguments_are_one_line_errors_and_create_nothing(
    runs, elsewhere, arguments, message
):
    result = poise_duel(runs, *arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert not list(elsewhere.iterdir())


def test_duel_too_short_to_count_says_so(runs, elsewhere, monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    words = ["duel", "mover", "--translator", "eye", "--runs-dir", str(runs), "--size", "64"]
    for seconds, expected in (("0.5", "no error measured"), ("1.2", "mean error")):
        result = CliRunner().invoke(main, [*words, "-o", f"{seconds}.mp4", "--seconds", seconds])
        assert result.exit_code == 0, result.output
        assert expected in result.output and ("0.0 mm" in result.output) <= (seconds == "1.2")
