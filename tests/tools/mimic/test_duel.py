"""A duel: the follower copies what it sees of the leader, as a mirror does, whoever leads."""

import math
from pathlib import Path

import numpy as np
import pygame
import pytest
from click.testing import CliRunner
from poise.cli import main
from poise.toolkit.media.video import read_video
from poise.toolkit.media.window import Window
from poise.toolkit.run import Run
from poise.tools.mimic.duel import make_duel
from poise.tools.play.playground import Playground
from sample_envs import TAKING, make, needs_pybullet
from sample_policies import Hands
from sample_runs import seeing_runs

TICK = 0.02
SIZE = 96
MIRRORED = {
    "poise/Reacher2D-v0": lambda angles: np.array([math.pi - angles[0], -angles[1]]),
    "poise/ReacherPlane3D-v0": lambda angles: -angles,
    "poise/Reacher3D-v0": lambda angles: angles * [-1, 1, 1],
    "poise/PoseHumanoid3D-v0": lambda angles: np.roll(angles, 3) * [-1, -1, 1, -1, -1, 1],
}
"""The joints' angles in the mirror."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with runs that have learned nothing."""
    folder = tmp_path_factory.mktemp("duel")
    seeing_runs(folder, "poise/Reacher2D-v0")
    return folder


@pytest.fixture
def player(runs, monkeypatch):
    """Begins a duel in a window, in which the follower reads rightly, moves well, and stands as it should from the start."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    begun = []

    def begin(by="keys"):
        duel = make_duel(Run.open(runs, "mover"), Run.open(runs, "eye"), by, SIZE, 0)
        duel.mimic.estimate_pose = lambda picture: duel.image_env.agent_observation()[
            duel.mimic.pose_slice
        ]
        duel.mimic.learner = Hands()
        duel.mimic.poise_env.set_joint_angles(
            MIRRORED["poise/Reacher2D-v0"](np.array(duel.leader_env.angles))
        )
        begun.append(Playground(Window("test", has_sidebar=True), duel))
        begun[-1].run_frame(0.0)
        return begun[-1]

    yield begin
    for playground in begun:
        playground.session.close()
    pygame.display.quit()


def key(name, event_type=pygame.KEYDOWN):
    pygame.event.post(pygame.event.Event(event_type, key=pygame.key.key_code(name)))


def mouse(playground, event_type, x, y):
    """Move or press the mouse at a fraction of both pictures."""
    picture = playground.window.image_rect
    pos = (picture.left + round(x * picture.width), picture.top + round(y * picture.height))
    more = (
        {"rel": (0, 0), "buttons": (1, 0, 0)}
        if event_type == pygame.MOUSEMOTION
        else {"button": pygame.BUTTON_LEFT}
    )
    pygame.event.post(pygame.event.Event(event_type, pos=pos, **more))


def pass_time(playground, seconds):
    for _ in range(round(seconds / TICK)):
        playground.run_frame(TICK)


# The mirror.


@pytest.mark.parametrize("env_id", TAKING)
def test_a_follower_in_the_mirrored_pose_shows_the_leaders_picture_reflected(env_id, tmp_path):
    needs_pybullet(env_id)
    duel = make_duel(*seeing_runs(tmp_path, env_id), "trajectory", 2 * SIZE, 0)
    follower = duel.mimic.poise_env
    follower.set_joint_angles(MIRRORED[env_id](np.array(duel.leader_env.angles)))
    leaders = duel.observation[duel.mimic.pose_slice]
    np.testing.assert_allclose(
        duel.mirror_pose(leaders), follower.agent_observation()[duel.mimic.pose_slice], atol=1e-6
    )
    np.testing.assert_array_equal(duel.mirror_pose(duel.mirror_pose(leaders)), leaders)
    follower.settings = follower.settings.model_copy(update={"show_markers": False})
    for _ in range(2):
        left, right = np.split(duel.get_frame()[: 2 * SIZE - 24].astype(float), 2, axis=1)
        left, right = left[:, 2:-2], right[:, 2:-2]  # Between them is a line.
        assert np.abs(left - right[:, ::-1]).mean() < 0.5 * np.abs(left - right).mean()
        duel.move_camera(0.1, 0.1)  # From elsewhere too.
    duel.close()


def test_the_follower_is_shown_what_a_dataset_shows_from_wherever_one_looks(tmp_path):
    pytest.importorskip("pybullet")
    env_id, pictures = "poise/Reacher3D-v0", []
    duel = make_duel(*seeing_runs(tmp_path, env_id), "trajectory", SIZE, 0)
    duel.mimic.estimate_pose = lambda picture: pictures.append(picture) or duel.mimic.pose
    duel.move_camera(0.3, 0.2, 3.0)
    duel.step()
    env = make(env_id, "rgb_array", width=32, height=32, show_markers=False)
    env.reset()
    env.unwrapped.set_joint_angles(np.array(duel.leader_env.angles))
    np.testing.assert_array_equal(pictures, [env.render()])
    env.close(), duel.close()


# A person leads.


def test_a_key_moves_the_leader_and_the_follower_copies_it_in_the_mirror(player):
    playground = player()
    duel = playground.session
    pass_time(playground, 2.0)
    assert duel.error.metres < 0.02
    before = duel.leader_env.angles[0]
    key("right")
    pass_time(playground, 0.4)
    key("right", pygame.KEYUP)
    assert duel.leader_env.angles[0] > before + 0.2
    pass_time(playground, 3.0)
    assert duel.error.metres < 0.02
    leader, follower = (
        seen[duel.mimic.pose_slice] for seen in (duel.observation, duel.mimic.observation)
    )
    np.testing.assert_allclose(follower, leader * [-1, 1, -1, 1], atol=0.03)
    assert duel.counted_steps == duel.steps - duel.rate and 0.0 < duel.get_mean_error().metres < 0.2


def test_the_mouse_drags_the_leader_in_its_own_half(player):
    playground = player()
    duel = playground.session
    mouse(playground, pygame.MOUSEBUTTONDOWN, 0.75, 0.5)
    playground.run_frame(TICK)
    assert duel.perturbations.drag is None
    mouse(playground, pygame.MOUSEBUTTONDOWN, 0.3, 0.5)
    mouse(playground, pygame.MOUSEMOTION, 0.25, 0.1)
    playground.run_frame(0.0)
    body, cursor = duel.perturbations.drag.get_endpoints()
    assert cursor == pytest.approx((0.25, 0.1), abs=0.01)
    hold = duel.perturbations.drag.grab.grab
    link, held = hold.body, hold.body.local_to_world(hold.local_point)
    assert body == pytest.approx(((0.5 + held.x) / 2, 0.5 - held.y))
    high = link.position.y
    pass_time(playground, 0.4)
    assert link.position.y > high
    mouse(playground, pygame.MOUSEBUTTONUP, 0.25, 0.1)
    playground.run_frame(0.0)
    assert duel.perturbations.drag is None


def test_pausing_stops_both_and_a_new_episode_begins_both(player):
    playground = player()
    duel = playground.session
    pass_time(playground, 0.2)
    key("space")
    playground.run_frame(0.0)
    before = [duel.observation, duel.mimic.observation]
    pass_time(playground, 0.2)
    assert [duel.observation, duel.mimic.observation] == before
    key("r")
    playground.run_frame(0.0)
    assert (duel.seed, duel.steps, duel.counted_steps) == (1, 0, 0)
    assert all(
        now is not then
        for now, then in zip([duel.observation, duel.mimic.observation], before, strict=True)
    )


# Others lead.


def test_a_led_leader_hears_neither_keys_nor_mouse(player):
    still, busy = player("trajectory"), player("trajectory")
    pass_time(still, 0.3)
    key("right")
    mouse(busy, pygame.MOUSEBUTTONDOWN, 0.3, 0.5)
    pass_time(busy, 0.3)
    assert busy.session.perturbations.drag is None
    np.testing.assert_array_equal(busy.session.observation, still.session.observation)


def test_a_smooth_path_is_copied_closely(player):
    playground = player("trajectory")
    pass_time(playground, 8.0)
    assert playground.session.get_mean_error().metres < 0.03


def test_a_policy_leads_for_as_long_as_one_looks(player, monkeypatch):
    """No time limit ends its episode, which would throw the leader into another pose."""
    playground = player("policy")
    monkeypatch.setattr(playground.session.mimic, "step", lambda: None)
    monkeypatch.setattr(
        playground.session.image_env, "render_frame", lambda: np.zeros((32, 32, 3), np.uint8)
    )
    for _ in range(1500):
        playground.session.step()
    assert playground.session.steps == 1500 and not playground.session.outcome


# Films, and words.


def poise(folder, *words):
    words = ("duel", "mover", "--translator", "eye", "--runs-dir", str(folder), *map(str, words))
    return CliRunner().invoke(main, words)


@pytest.mark.parametrize("env_id", TAKING)
def test_a_film_of_every_world(env_id, elsewhere):
    needs_pybullet(env_id)
    seeing_runs(elsewhere, env_id)
    for by in ("policy", "trajectory"):
        told = poise(elsewhere, "--by", by, "--out", "film.mp4", "--seconds", 1.2, "--size", 64)
        assert told.exit_code == 0, told.output
        assert "followed for 0.2 s" in told.output and "frames per second: film.mp4" in told.output
        assert [frame.shape for frame in read_video(Path("film.mp4"))] == [(64, 128, 3)] * 30


@pytest.mark.parametrize(("words", "said"), [
    (("--out", "film.mp4", "--by", "keys"), "keys need the window"),
    (("--seconds", "3"), "it goes with --out"),
    (("--out", "film.png"), "an .mp4 or a .gif"),
    (("--out", "film.mp4", "--translator", "mover"), "not a translator"),
])  # fmt: skip
def test_words_that_do_not_fit_are_one_line(runs, elsewhere, words, said):
    result = poise(runs, *words)
    assert result.exit_code == 2
    assert said in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert not list(elsewhere.iterdir())
