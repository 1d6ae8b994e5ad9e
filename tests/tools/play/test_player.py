"""A scripted player at the playground: mouse, sliders, shared control, score, films, tapes and windows of any size."""

from pathlib import Path

import numpy as np
import pygame
import pytest
from gymnasium.spaces import Box, Discrete
from playing import TICK, key, make, mouse, press
from poise.toolkit.errors import UserError
from poise.toolkit.media.video import read_video
from poise.toolkit.media.window import SIDEBAR_WIDTH, Window
from poise.toolkit.registry import make_env
from poise.toolkit.tape import Tape
from poise.tools.play.actors import PolicyActor, blend_actions
from poise.tools.play.command import play
from poise.tools.play.playground import Playground
from poise.tools.play.recorder import BUFFER_SECONDS, VIDEO_FRAME_RATE, PlayRecorder
from poise.tools.play.session import (
    HUMAN,
    POLICY,
    LiveRenderer,
    PlaySession,
    Scoreboard,
    TapeRecorder,
)
from poise.tools.record.record_run import make_render_env
from sample_envs import OUR_IDS, needs_pybullet

CARTPOLE, STANDING = "poise/Cartpole-v0", "poise/Standing-v0"
"""Their pictures and columns are large enough for all sliders."""
LARGE = {"width": 300, "height": 300}


def player(tmp_path, env_id=STANDING, policy=None, **settings):
    """A playground in a window with a column, undisturbed and running."""
    live = PlaySession(
        make_render_env(env_id, settings, LARGE), policy, tape=TapeRecorder(env_id, settings)
    )
    playground = Playground(Window("test", has_sidebar=True), live, tmp_path)
    live.is_paused = playground.is_help_shown = False
    playground.run_frame(0.0)
    return playground


def slider(playground, name):
    return next(slider for slider in playground.side_panel.sliders.sliders if slider.name == name)


def at_slider(
    playground, name, share, event_type=pygame.MOUSEBUTTONDOWN, button=pygame.BUTTON_LEFT
):
    """Press or move the mouse at a share of a slider's track; below 0 it is at its name."""
    sliders = playground.side_panel.sliders
    track = sliders.get_track_rect(slider(playground, name))
    pos = (round(track.left + share * track.width), track.centery)
    more = (
        {"rel": (0, 0), "buttons": (1, 0, 0)}
        if event_type == pygame.MOUSEMOTION
        else {"button": button}
    )
    pygame.event.post(pygame.event.Event(event_type, pos=pos, **more))
    playground.run_frame(0.0)


def story(live, steps=30):
    seen = [live.observation]
    for _ in range(steps):
        live.step()
        seen.append(live.observation)
    return np.array(seen)


# Whoever touches nothing changes nothing.


@pytest.mark.parametrize("env_id", OUR_IDS)
def test_an_episode_that_is_watched_and_not_touched_is_the_one_that_was_always_told(
    env_id, tmp_path
):
    needs_pybullet(env_id)
    playground = player(tmp_path, env_id)
    env = make_env(env_id)
    np.testing.assert_array_equal(env.reset(seed=0)[0], playground.session.observation)
    for _ in range(10):
        playground.run_frame(TICK)
        seen = env.step(np.zeros(env.action_space.shape, np.float32))[0]
        np.testing.assert_array_equal(playground.session.observation, seen)
    assert playground.session.steps == 10 and playground.session.perturbations.perturbed_by == ""
    playground.recorder.close(), playground.session.env.close(), env.close()


def test_what_was_disturbed_is_gone_in_the_next_episode(tmp_path):
    playground = player(tmp_path)
    live = playground.session
    before = story(live)
    live.start_episode(0)
    mouse(playground, pygame.MOUSEMOTION, 0.45, 0.4)
    press(playground, "b")
    mouse(playground, pygame.MOUSEBUTTONDOWN, 0.5, 0.5)
    press(playground, "1")
    assert not np.array_equal(story(live), before)
    press(playground, "1")
    live.start_episode(0)
    np.testing.assert_array_equal(story(live), before)
    assert live.perturbations.perturbed_by == "" and live.perturbations.drag is None


# Mouse.


def test_a_body_is_dragged_and_dropped(tmp_path):
    playground = player(tmp_path, gravity=0.0)
    torso = playground.session.poise_env.figure.torso
    x, y = playground.session.poise_env.world_to_image(torso.position)
    mouse(playground, pygame.MOUSEBUTTONDOWN, x, y)
    mouse(playground, pygame.MOUSEMOTION, x, y - 0.2)
    high = torso.position.y
    for _ in range(20):
        playground.run_frame(TICK)
    assert torso.position.y > high + 0.2
    mouse(playground, pygame.MOUSEBUTTONUP, x, y - 0.2)
    playground.run_frame(0.0)
    assert playground.session.perturbations.drag is None
    assert not [
        joint
        for joint in playground.session.poise_env.space.constraints
        if len({joint.a.body_type, joint.b.body_type}) > 1
    ]


@pytest.mark.parametrize("how", ["b", "right button"])
def test_a_ball_is_thrown_at_the_mouse(tmp_path, how):
    playground = player(tmp_path, CARTPOLE)
    live = playground.session
    if how == "b":
        mouse(playground, pygame.MOUSEMOTION, 0.2, 0.3)
        press(playground, "b")
    else:
        mouse(playground, pygame.MOUSEBUTTONDOWN, 0.2, 0.3, pygame.BUTTON_RIGHT)
        playground.run_frame(0.0)
    (ball,) = live.poise_env.interaction().balls
    assert ball.velocity.x > 0.0  # From the left, where the mouse is.
    assert live.perturbations.perturbed_by == "a ball"
    press(playground, "r")
    assert not live.poise_env.interaction().balls


# Sliders.


@pytest.mark.parametrize("env_id", OUR_IDS)
def test_every_setting_that_can_be_turned_has_a_slider_that_turns_it_at_once(env_id, tmp_path):
    needs_pybullet(env_id)
    playground = player(tmp_path, env_id)
    ours = playground.session.poise_env
    for name in ours.LIVE_SETTINGS:
        low, high = ours.SETTINGS.bounds(name)
        at_slider(playground, name.replace("_", " "), 0.5)
        assert getattr(ours.settings, name) == pytest.approx((low + high) / 2, rel=0.05)
        at_slider(playground, name.replace("_", " "), 2.0, pygame.MOUSEMOTION)
        assert getattr(ours.settings, name) == high
        mouse(playground, pygame.MOUSEBUTTONUP, 0.5, 0.5)
        playground.run_frame(0.0)
        at_slider(playground, name.replace("_", " "), 0.3, pygame.MOUSEMOTION)
        assert getattr(ours.settings, name) == high, "it was let go"
        at_slider(playground, name.replace("_", " "), 0.5, button=pygame.BUTTON_RIGHT)
        assert getattr(ours.settings, name) == getattr(ours.SETTINGS(), name)
    playground.run_frame(TICK)
    playground.session.env.close()


def test_a_press_on_a_slider_touches_no_body_and_one_behind_the_help_touches_no_slider(tmp_path):
    playground = player(tmp_path)
    at_slider(playground, "gravity", 0.5)
    assert playground.session.perturbations.drag is None
    turned = playground.session.poise_env.settings.gravity
    press(playground, "h")
    playground.run_frame(0.0)
    at_slider(playground, "gravity", 0.9)
    assert playground.session.poise_env.settings.gravity == turned


@pytest.mark.parametrize(("name", "number"), [("wind", "1"), ("pushes", "2")])
def test_wind_and_pushes_are_switched_by_their_key_and_by_their_name(tmp_path, name, number):
    playground = player(tmp_path)
    is_on = slider(playground, name).is_on
    press(playground, number)
    assert is_on()
    playground.run_frame(0.0)
    at_slider(playground, name, -0.5)
    assert not is_on()


def test_wind_blows_as_its_slider_says(tmp_path):
    playground = player(tmp_path, gravity=0.0)
    live = playground.session
    live.poise_env.figure.torso.position += (0.0, 100.0)
    playground.session.start_episode(0)
    press(playground, "1")
    slider(playground, "wind").set(0.5)
    calm = player(tmp_path, gravity=0.0).session
    for _ in range(10):
        live.step(), calm.step()
    speeds = [
        np.mean([body.velocity.x for body in env.poise_env.space.bodies]) for env in (live, calm)
    ]
    assert speeds[0] - speeds[1] == pytest.approx(10 * 0.02 * 0.5, rel=0.2)
    assert live.perturbations.perturbed_by == "the wind"


def test_pushes_come_by_chance_and_the_same_in_the_same_episode(tmp_path):
    stories = []
    for seed in (0, 0, 1):
        live = player(tmp_path).session
        live.perturbations.external_forces.has_pushes = True
        live.start_episode(0)
        live.perturbations.external_forces.start_episode(seed)
        stories.append(story(live, 60))
    assert np.array_equal(stories[0], stories[1]) and not np.array_equal(stories[0], stories[2])


# Person and policy.


def test_tab_takes_over_and_gives_back(run, tmp_path):
    playground = player(tmp_path, CARTPOLE, PolicyActor(run))
    live = playground.session
    press(playground, "tab")
    key("right")
    for _ in range(5):
        playground.run_frame(TICK)
    assert live.human_share == 1.0 and live.action[0] == live.keyboard.action[0] > 0.0
    press(playground, "tab")
    seen = live.observation
    playground.run_frame(TICK)
    np.testing.assert_array_equal(live.action, PolicyActor(run).act(seen))


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_a_shared_action_lies_between_the_two(run, tmp_path, share):
    playground = player(tmp_path, CARTPOLE, PolicyActor(run))
    live = playground.session
    at_slider(playground, "your share", share)
    assert live.human_share == pytest.approx(share, abs=0.02)
    live.keyboard.action[:] = 1.0
    own = live.policy.act(live.observation)
    live.step()
    np.testing.assert_allclose(live.action, own + live.human_share * (1.0 - own), rtol=1e-6)


def test_of_choices_one_is_taken_whole():
    space = Discrete(3)
    assert [blend_actions(0, 2, share, space) for share in (0.0, 0.5, 0.51, 1.0)] == [0, 0, 2, 2]
    assert (
        blend_actions(np.zeros(2), np.ones(2), 0.5, Box(-1.0, 1.0, (2,), np.float32)).dtype
        == np.float32
    )


def test_who_acts_alone_has_no_share_to_set(tmp_path):
    names = [slider.name for slider in player(tmp_path).side_panel.sliders.sliders]
    assert "your share" not in names and names == ["gravity", "friction", "wind", "pushes"]


def test_the_score_is_theirs_who_acted():
    score = Scoreboard()
    for who, fell in (
        (POLICY, False),
        (POLICY, False),
        (HUMAN, False),
        (HUMAN, True),
        (HUMAN, False),
        (POLICY, False),
    ):
        score.add_step(who, 0.5, 2.0 if who == HUMAN else 1.0, has_fallen=fell)
    policy, you = score.players[POLICY], score.players[HUMAN]
    assert (
        policy.seconds,
        policy.longest_streak,
        policy.falls,
        policy.total_reward / policy.steps,
    ) == (1.5, 1.0, 0, 1.0)
    assert (you.seconds, you.longest_streak, you.falls, you.total_reward / you.steps) == (
        1.5,
        1.0,
        1,
        2.0,
    )
    score.start_episode()
    score.add_step(POLICY, 0.5, 1.0, has_fallen=False)
    assert score.players[POLICY].longest_streak == 1.0, "a new episode is a new stretch"


def test_the_one_at_the_controls_is_scored(run, tmp_path):
    playground = player(tmp_path, CARTPOLE, PolicyActor(run))
    playground.run_frame(TICK)
    press(playground, "tab")
    playground.run_frame(TICK), playground.run_frame(TICK)
    tallies = playground.session.scoreboard.players
    assert (tallies[POLICY].steps, tallies[HUMAN].steps) == (1, 2)


def test_the_same_episode_again_begins_where_it_began(tmp_path):
    playground = player(tmp_path)
    start = playground.session.observation
    playground.run_frame(TICK)
    press(playground, "backspace")
    assert (playground.session.seed, playground.session.steps) == (0, 0)
    np.testing.assert_array_equal(playground.session.observation, start)


# Checkpoints.


def test_brackets_go_through_the_checkpoints_both_ways_and_the_caption_tells_which(run, tmp_path):
    playground = player(tmp_path, CARTPOLE, PolicyActor(run, "latest"))
    steps = []
    for name in ("[", "[", "[", "]", "]", "]"):
        press(playground, name)
        steps.append(playground.session.policy.training_steps)
        assert f"{steps[-1]} acts" in playground.notice
    assert steps == [20, 0, 40, 0, 20, 40]


# Films and tapes.


def outcome(playground):
    """What is told last, once all is written; it may have been told already."""
    return [playground.notice, *playground.recorder.close()][-1]


def test_m_keeps_the_last_seconds_as_they_were_seen(tmp_path):
    playground = player(tmp_path / "new")
    for _ in range(5):
        playground.run_frame(TICK)
        mine = playground.session.get_frame()
    press(playground, "m")
    assert outcome(playground) == f"film: {tmp_path / 'new' / 'play-1.mp4'}"
    frames = list(read_video(tmp_path / "new" / "play-1.mp4"))
    assert len(frames) == 6
    assert np.abs(frames[-1].astype(int) - mine).mean() < 3.0


def test_a_film_shows_no_more_than_its_time_and_each_frame_as_long_as_it_was_seen(tmp_path):
    keepsakes = PlayRecorder(tmp_path)
    for number in range(30):
        keepsakes.add_frame(np.full((32, 32, 3), 8 * number, np.uint8), BUFFER_SECONDS / 10)
        keepsakes._frames[-1].result()
    keepsakes.save_video()
    keepsakes.close()
    shades = [int(frame.mean()) for frame in read_video(tmp_path / "play-1.mp4")]
    assert len(shades) == pytest.approx(BUFFER_SECONDS * VIDEO_FRAME_RATE, abs=2)
    assert shades[0] == pytest.approx(8 * 19, abs=3) and shades[-1] == pytest.approx(8 * 29, abs=3)
    assert all(shades[place] <= shades[place + 1] + 2 for place in range(len(shades) - 1))


def test_what_is_not_seen_to_pass_is_not_remembered(tmp_path):
    playground = player(tmp_path, CARTPOLE)
    mouse(playground, pygame.MOUSEBUTTONDOWN, 0.5, 0.5)
    playground.run_frame(TICK)
    press(playground, "space")
    before = len(playground.recorder._frames)
    for _ in range(5):
        playground.run_frame(TICK)  # The band is drawn anew, and time stands still.
    assert len(playground.recorder._frames) == before


def test_what_is_kept_has_a_name_of_its_own_and_one_that_its_replay_does_not_take(tmp_path):
    playground = player(tmp_path, CARTPOLE)
    playground.run_frame(TICK)
    for name in ("m", "p", "m"):
        press(playground, name)
    playground.recorder.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "play-1.mp4",
        "play-2.tape",
        "play-3.mp4",
    ]


@pytest.mark.parametrize("env_id", [CARTPOLE, "poise/BollaRolla-v0", "Pendulum-v1", "CartPole-v1"])
def test_a_tape_replays_what_was_seen(tmp_path, env_id):
    live = PlaySession(make_render_env(env_id, {}, LARGE), seed=3, tape=TapeRecorder(env_id))
    live.keyboard.press("right")
    for _ in range(6):
        live.keyboard.update(0.02)
        live.step()
    keepsakes = PlayRecorder(tmp_path)
    keepsakes.save_tape(live.tape.make_tape(live.perturbations.perturbed_by))
    assert keepsakes.close() == [f"tape: {tmp_path / 'play-1.tape'}"]
    tape = Tape.load(tmp_path / "play-1.tape")
    moments = list(tape.replay(tape.make_env()))
    assert tape.seed == 3 and len(moments) == 7
    np.testing.assert_array_equal(moments[-1].observation, live.observation)


def test_a_tape_of_an_episode_that_began_with_a_turned_setting_knows_it(tmp_path):
    playground = player(tmp_path, "poise/BollaRolla-v0")
    at_slider(playground, "ball radius", 0.2)
    mouse(playground, pygame.MOUSEBUTTONUP, 0.5, 0.5)
    press(playground, "p")
    assert "another ball radius" in playground.notice
    press(playground, "r")
    for _ in range(5):
        playground.run_frame(TICK)
    press(playground, "p")
    playground.recorder.close()
    tape = Tape.load(tmp_path / "play-1.tape")
    assert tape.settings["ball_radius"] == playground.session.poise_env.settings.ball_radius != 0.25
    *_, last = tape.replay(tape.make_env())
    np.testing.assert_array_equal(last.observation, playground.session.observation)


@pytest.mark.parametrize("by", ["the mouse", "a ball", "the wind", "another gravity", "a push"])
def test_of_a_disturbed_episode_no_tape_is_kept_and_one_line_says_why(tmp_path, by):
    playground = player(tmp_path)
    match by:
        case "the mouse":
            mouse(playground, pygame.MOUSEBUTTONDOWN, 0.5, 0.5)
            playground.run_frame(0.0)
        case "a ball":
            press(playground, "b")
        case "the wind":
            press(playground, "1")
        case "another gravity":
            at_slider(playground, "gravity", 0.6)
        case "a push":
            press(playground, "2")
    for _ in range(300 if by == "a push" else 3):
        playground.session.step()
        if playground.session.perturbations.perturbed_by:
            break
    press(playground, "p")
    assert (
        playground.notice
        == f"no tape: {by} disturbed this episode, and a tape knows only seed and actions"
    )
    assert playground.recorder.close() == [] and list(tmp_path.iterdir()) == []


def test_no_tape_is_kept_that_tells_another_story(tmp_path, monkeypatch):
    playground = player(tmp_path)
    for _ in range(3):
        playground.run_frame(TICK)
    tape = playground.session.tape.make_tape("")
    tape.actions[1] = 0.5
    playground.recorder.save_tape(tape)
    (told,) = playground.recorder.close()
    assert told.startswith("not kept:") and "differs from the tape" in told
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told_and_play_goes_on(tmp_path):
    (tmp_path / "file").write_text("mine")
    playground = player(tmp_path / "file")
    playground.run_frame(TICK)
    press(playground, "m")
    told = outcome(playground)
    assert told.startswith("not kept:") and str(tmp_path / "file") in told


def test_where_the_world_is_not_known_there_is_no_tape():
    with pytest.raises(UserError, match="no tape"):
        PlaySession(make_render_env(CARTPOLE, {}, LARGE)).tape.make_tape("")


# The window.


@pytest.mark.parametrize("size", [(240, 200), (640, 300), (980, 600), (600, 900), (1960, 1200)])
@pytest.mark.parametrize("env_id", [CARTPOLE, "Pendulum-v1"])
def test_a_window_of_any_size_shows_the_picture_whole_and_finds_the_mouse_in_it(
    tmp_path, size, env_id
):
    live = PlaySession(make_render_env(env_id, {}, LARGE))
    playground = Playground(Window("test", has_sidebar=True), live, tmp_path)
    playground.run_frame(0.0)
    pygame.display.set_mode(size, pygame.RESIZABLE)
    for _ in range(2):
        press(playground, "h")
        window = playground.window
        assert window.surface.get_size() == size and window.surface.get_rect().contains(
            window.image_rect
        )
        assert window.image_rect.width == pytest.approx(window.image_rect.height, abs=1)
        assert (
            not window.sidebar_rect.width
            or window.sidebar_rect.width == SIDEBAR_WIDTH * window.font_size
        )
        assert not window.image_rect.colliderect(window.sidebar_rect)
    assert window.pixel_to_image(window.image_rect.topleft) == (0.0, 0.0)
    assert window.pixel_to_image(window.image_rect.bottomright) == (1.0, 1.0)


def test_a_window_is_no_larger_than_the_screen():
    window = Window("test", has_sidebar=True)
    window.screen_size = (800, 500)
    window.begin_frame(np.zeros((2000, 2000, 3), np.uint8))
    assert window.surface.get_width() <= 800 and window.surface.get_height() <= 500
    assert window.image_rect.width > 200


def test_letters_grow_with_the_window():
    heights = []
    for size in (600, 1200):
        window = Window("test", has_sidebar=True)
        window.screen_size = (4000, 3000)
        window.begin_frame(np.zeros((size, size, 3), np.uint8))
        heights.append(window.font_size)
    assert heights[1] == 2 * heights[0]


def test_the_help_lists_every_key_and_hides_the_column(tmp_path, monkeypatch):
    playground = make()
    shown = []
    monkeypatch.setattr(playground.window, "draw_overlay", shown.extend)
    press(playground, "h") if not playground.is_help_shown else playground.run_frame(0.0)
    words = " ".join(keys for keys, _ in shown)
    assert all(name in words for binding in playground.bindings for name in binding.keys)


def test_space_begins_and_puts_the_help_away():
    playground = make(running=False)
    assert playground.is_help_shown and playground.session.is_paused
    press(playground, "space")
    assert not playground.is_help_shown and not playground.session.is_paused


def test_pictures_of_space_are_drawn_in_time_and_sharply_once_paused(monkeypatch):
    pytest.importorskip("pybullet")
    drawing = LiveRenderer(make_render_env("poise/Reacher3D-v0", {}, {"width": 200, "height": 200}))
    drawing.env.reset(seed=0)
    drawing.resolution_scale = 0.5
    sizes, render = [], drawing.env.render
    drawing.env.render = lambda: sizes.append(drawing.poise_env.camera.height) or render()
    monkeypatch.setattr("poise.tools.play.session.FRAME_BUDGET", 1e-9)  # There is never time.
    assert (
        drawing.render(full_resolution=False).shape
        == drawing.render(full_resolution=True).shape
        == (200, 200, 3)
    )
    assert sizes == [100, 200] and not drawing.is_downscaled
    live = PlaySession(drawing.env, renderer=drawing)
    drawing.resolution_scale, sizes[:] = 0.5, []
    for _ in range(3):
        live.get_frame()
    assert sizes == [100, 200], "nobody moves it"
    for _ in range(3):
        live.move_camera(0.1)
        live.get_frame()
    assert max(sizes[2:]) < 200, "whoever turns it wants to see it turn"
    drawing.env.close()


def test_somebody_elses_picture_comes_as_large_as_it_is_asked_for():
    env = make_render_env("Pendulum-v1", {}, {})
    env.reset(seed=0)
    assert LiveRenderer(env, 250).render(full_resolution=True).shape == (250, 250, 3)


def test_play_closes_after_its_seconds_and_tells_how_fast_it_was(
    run, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    play("tiny", run.path.parent, None, {}, size=64, seconds=0.2)
    told = capsys.readouterr().out
    assert "frames a second in 0.2 s" in told and len(told.splitlines()) == 1
    assert list(Path().iterdir()) == []
